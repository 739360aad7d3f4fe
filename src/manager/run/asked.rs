//! Renewals that operators ask for.

use std::sync::Arc;

use super::commands::Reply;
use super::role::Role;
use super::{Finished, Manager};
use crate::ident::{LineageId, Name};
use crate::manager::asked::{Asking, NotRenewed, Renewed, asked_for};
use crate::manager::renew;
use crate::story::Event;

impl Manager {
    /// Begins a renewal, unless there is a reason not to, and sees to it that the outcome is told.
    pub(super) async fn renew_for(&mut self, name: &Name, asking: Asking, reply: Reply) {
        match self.begin(name, asking).await {
            Ok(Begun::Attempt(lineage)) => {
                self.waiting.entry(lineage).or_default().join(reply, asking);
            }
            Ok(Begun::Trial(trial)) => {
                let task = self.attempts.spawn(async move { Finished::Tried(reply, trial.await) });
                self.by.insert(task.id(), Arc::clone(&self.tools.issuers));
            }
            // Whoever asked may be gone.
            Err(why) => drop(reply.send(Err(why))),
        }
    }

    async fn begin(&mut self, name: &Name, asking: Asking) -> Result<Begun, NotRenewed> {
        let Some(index) = self.owners.of(name) else {
            return Err(self.desired.not_ours(name).into());
        };
        if !matches!(self.role, Role::Issuer(_)) {
            return Err(NotRenewed::Follower);
        }
        let desired = Arc::clone(&self.desired);
        let wish = &desired.wishes[index];
        if wish.names().iter().any(|name| self.inventory.is_unread(name)) {
            self.read(index).await;
        }
        let lineage = wish.lineage.id().clone();
        if asking != Asking::Trial && self.busy.contains_key(&lineage) {
            return Ok(Begun::Attempt(lineage));
        }
        let step = asked_for(wish, &self.inventory, asking, self.tools.clock.now())?;
        let command = match asking {
            Asking::Due => "renew",
            Asking::Forced => "renew --force",
            Asking::Trial => "renew --dry-run",
        };
        let event = Event::Commanded { command: command.into(), by: "an operator".into() };
        self.tools.recorder.tell(wish.names(), event);
        if asking == Asking::Trial {
            let (tools, epoch) = (self.tools.clone(), self.epoch);
            let trial = async move { renew::try_out(&tools, &step, epoch).await };
            return Ok(Begun::Trial(Box::pin(trial)));
        }
        self.attempt(step);
        // What was due for it has begun.
        self.agenda.put_now(index);
        Ok(Begun::Attempt(lineage))
    }
}

enum Begun {
    /// Of this lineage.
    Attempt(LineageId),
    Trial(std::pin::Pin<Box<dyn Future<Output = Result<Renewed, NotRenewed>> + Send>>),
}
