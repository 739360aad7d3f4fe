//! Other keys for accounts, as operators ask for them.

use super::commands::RolledOver;
use super::{Finished, Manager, Role};
use crate::manager::rollover::{self, NotRolledOver};

impl Manager {
    /// Gives accounts other keys behind, and sees to it that the outcome is told.
    pub(super) fn roll_over_for(&mut self, directory: Option<String>, reply: RolledOver) {
        if !matches!(self.role, Role::Issuer(_)) {
            // Whoever asked may be gone.
            return drop(reply.send(Err(NotRolledOver::Follower)));
        }
        let tools = self.tools.clone();
        self.attempts.spawn(async move {
            let done = rollover::roll_over(&tools.issuers, &tools.recorder, directory.as_deref()).await;
            Finished::RolledOver(reply, done)
        });
    }
}
