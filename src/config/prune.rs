//! `[prune]`: what is removed by itself.

use std::time::Duration;

use crate::store::prune::Rule;

use super::check::Checker;

impl Checker<'_> {
    /// What is kept; none if nothing is removed.
    pub(super) fn prune(&mut self) -> Option<Rule> {
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
        match expired_for {
            None => Some(rule),
            Some(words) if words.value == "off" => None,
            Some(words) => {
                rule.expired_for = self.duration(&words, Duration::ZERO);
                Some(rule)
            }
        }
    }
}
