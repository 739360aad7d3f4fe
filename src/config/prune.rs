//! `[prune]`: what is removed by itself.

use std::time::Duration;

use crate::store::prune::Rule;

use super::check::Checker;

impl Checker<'_> {
    /// What is kept.
    pub(super) fn prune(&mut self) -> Rule {
        let (keep, expired_for) = (self.layer.keep.clone(), self.layer.expired_for.clone());
        let mut rule = Rule::default();
        if let Some(words) = keep {
            match words.value.parse() {
                Ok(keep) => rule.keep = keep,
                Err(_) => {
                    let fault = words.fault(format!("{:?} is not a number", words.value));
                    self.faults
                        .push(fault.accepted("how many items before the current one are kept, such as 2"));
                }
            }
        }
        if let Some(words) = expired_for {
            rule.expired_for = (words.value != "off").then(|| self.duration(&words, Duration::ZERO));
        }
        rule
    }
}
