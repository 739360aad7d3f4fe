//! Operators who wait for a certificate: until a CA has issued it, or none is left that may be asked.

use super::Manager;
use super::commands::Reply;
use crate::ident::LineageId;
use crate::issuer::Verdict;
use crate::manager::asked::{Asking, NotRenewed, Renewed};
use crate::manager::plan::{Step, step_at};
use crate::manager::renew::RenewError;
use crate::manager::turn;

/// Those who wait for a lineage, and what has come of it so far.
#[derive(Default)]
pub(super) struct Waiting {
    replies: Vec<Reply>,
    /// Whether one of them wants a CA to be asked that has failed only just.
    insists: bool,
    /// Who was asked in vain, and what went wrong there.
    failed: Vec<Failed>,
}

struct Failed {
    /// None where we sign ourselves.
    directory: Option<String>,
    story: String,
}

impl Waiting {
    /// One more.
    pub(super) fn join(&mut self, reply: Reply, asking: Asking) {
        self.replies.push(reply);
        self.insists |= asking == Asking::Forced;
    }

    /// What went wrong, at each CA by its name where there are others.
    fn story(&self, alone: bool) -> String {
        let told = |failed: &Failed| match &failed.directory {
            Some(directory) if !alone && !failed.story.contains(&**directory) => {
                format!("{directory}: {}", failed.story)
            }
            _ => failed.story.clone(),
        };
        self.failed.iter().map(told).collect::<Vec<_>>().join("; ")
    }
}

impl Manager {
    /// Tells those who wait for a lineage what came of it.
    pub(super) fn tell_waiting(&mut self, lineage: &LineageId, outcome: &Result<Renewed, NotRenewed>) {
        let waiting = self.waiting.remove(lineage).unwrap_or_default();
        for reply in waiting.replies {
            let _ = reply.send(outcome.clone());
        }
    }

    /// After a failure somebody who waits is not sent away as long as another CA may issue: that one is asked now, be
    /// it due or not.
    pub(super) fn go_on(&mut self, step: &Step, error: &RenewError) {
        let lineage = step.wish.lineage.id();
        let Some(waiting) = self.waiting.get_mut(lineage) else { return };
        let directory = step.directory().map(str::to_owned);
        waiting.failed.push(Failed { directory, story: error.story() });
        let story = waiting.story(step.wish.cas.len() < 2);
        match self.next_step(step, error) {
            Some(next) => self.attempt(next),
            None => self.tell_waiting(lineage, &Err(NotRenewed::Failed(story))),
        }
    }

    /// The same at the next CA, if that may help and there is one.
    fn next_step(&self, step: &Step, error: &RenewError) -> Option<Step> {
        if !error.elsewhere() && error.verdict() != Verdict::Never {
            return None;
        }
        let owner = self.owners.of(step.wish.names().primary()).map(|owner| &self.desired.wishes[owner]);
        // It may be configured otherwise by now.
        let wish = owner.filter(|wish| wish.lineage == step.wish.lineage)?;
        let waiting = self.waiting.get(wish.lineage.id())?;
        let asked: Vec<&str> =
            waiting.failed.iter().filter_map(|failed| failed.directory.as_deref()).collect();
        let now = self.tools.clock.now();
        let ca = turn::next(wish, &self.inventory, &asked, waiting.insists, step.urgent, now)?;
        Some(step_at(Some(ca), wish, &self.inventory, step.why.clone(), now))
    }
}
