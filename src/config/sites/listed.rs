//! Sites whose names and certificates stand in a list.

use std::sync::Arc;

use crate::config::error::{Fault, Place};
use crate::config::settings::{Keeper, Site};
use crate::config::written::Words;
use crate::foreign::{LineFault, List};

use super::Check;

impl Check<'_, '_> {
    /// A site whose names stand in a list.
    pub(super) fn listed(&mut self, words: &Words) -> Option<Site> {
        let what = "the list names the site's domains and their certificates";
        let domains = self.site.domains.as_ref().map(|domains| domains.fault(what));
        let others = [&self.site.cert, &self.site.key, &self.site.issuer].into_iter().flatten();
        let challenges = self.site.challenges.as_ref().map(|challenges| challenges.fault(what));
        let faults = domains.into_iter().chain(challenges).chain(others.map(|words| words.fault(what)));
        self.checker.faults.extend(faults.map(|fault| fault.accepted("certificates alone")));
        let list = self.list(words);
        let routes = self.routes();
        let redirect = self.redirect(|from| list.as_ref().is_none_or(|list| list.covers(from)));
        let max_body = self.max_body();
        Some(Site { keeper: Keeper::List(list?), routes, redirect, max_body })
    }

    /// Reads a list, or finds that it did not change.
    fn list(&mut self, words: &Words) -> Option<Arc<List>> {
        let path = words.path();
        let text = match (self.checker.read)(words) {
            Ok(text) => text,
            Err(error) => {
                let accepted = "a file with lines of a name and its PEM file";
                self.checker.faults.push(words.fault(error).accepted(accepted));
                return None;
            }
        };
        let known = self.in_use.lists.iter().find(|list| list.is_of(&path, &text));
        let parsed =
            known.map_or_else(|| List::parse(&path, &text).map(Arc::new), |list| Ok(Arc::clone(list)));
        let list = match parsed {
            Ok(list) => list,
            Err(faults) => {
                let file = Arc::new(path);
                let place = |line| Place::File { path: Arc::clone(&file), line, column: 1 };
                let fault = |LineFault { line, what }| Fault::new(&place(line), "", what);
                self.checker.faults.extend(faults.into_iter().map(fault));
                return None;
            }
        };
        for (line, what) in self.taken.overlaps(&list) {
            self.checker.faults.push(Fault::new(&line, "", what).accepted("each name once"));
        }
        self.taken.lists.push(Arc::clone(&list));
        Some(list)
    }
}
