//! What can be asked of a running manager.

use tokio::sync::{mpsc, oneshot};

use super::Manager;
use super::role::Role;
use crate::ident::{ItemId, Name};
use crate::manager::Options;
use crate::manager::asked::{Asking, NotRenewed, Renewed};
use crate::manager::pruning::{AskedToPrune, NotPruned};
use crate::manager::revoke::{NotRevoked, Revoking};
use crate::manager::rollover::{NotRolledOver, Rollover};
use crate::store::prune::Pruned;

/// One thing that is asked.
pub(super) enum Command {
    /// The configuration was read again.
    Configure(Box<Options>),
    /// Somebody has pinned a name, and waits until that is served.
    Pins(oneshot::Sender<()>),
    /// An operator asks for a renewal, and waits for what comes of it.
    Renew(Name, Asking, Reply),
    /// An operator wants an item to be revoked, and waits for the CA's word.
    Revoke(ItemId, Revoking, Revoked),
    /// An operator wants the account at this directory, or every account, to have another key, and waits for that.
    RollOver(Option<String>, RolledOver),
    /// An operator wants items to be removed, and waits for what came of it.
    Prune(AskedToPrune, PrunedFor),
}

impl Manager {
    /// Does what is asked. What the issuer alone may do waits for the sweep, if the role is ours.
    pub(super) async fn obey(&mut self, command: Command) {
        match command {
            Command::Configure(options) => self.configure(*options).await,
            Command::Pins(done) => {
                self.follow_pins().await;
                let _ = done.send(());
            }
            early if matches!(self.role, Role::Sweeping(_)) => self.early.push(early),
            Command::Renew(name, asking, reply) => self.renew_for(&name, asking, reply).await,
            Command::Revoke(item, revoking, reply) => self.revoke_for(item, revoking, reply),
            Command::RollOver(directory, reply) => self.roll_over_for(directory, reply),
            Command::Prune(asked, reply) => self.prune_for(asked, reply),
        }
    }
}

/// Where the outcome of a renewal goes.
pub(super) type Reply = oneshot::Sender<Result<Renewed, NotRenewed>>;

/// Where the outcome of a revocation goes.
pub(super) type Revoked = oneshot::Sender<Result<(), NotRevoked>>;

/// Where the outcome of a roll-over goes.
pub(super) type RolledOver = oneshot::Sender<Result<Vec<Rollover>, NotRolledOver>>;

/// Where the outcome of a removal of items goes.
pub(super) type PrunedFor = oneshot::Sender<Result<Pruned, NotPruned>>;

/// Asks a running manager. Cloning shares the line.
#[derive(Clone)]
pub struct Commands(mpsc::Sender<Command>);

impl Commands {
    pub(super) fn channel() -> (Self, mpsc::Receiver<Command>) {
        let (sender, commands) = mpsc::channel(4);
        (Self(sender), commands)
    }

    /// Hands over a new configuration. Certificates that stay in it are not touched.
    pub async fn configure(&self, options: Options) {
        // A manager that is gone needs no configuration.
        let _ = self.0.send(Command::Configure(Box::new(options))).await;
    }

    /// Renews the certificate with this name, or tries that out; returns when there is an outcome, which may take
    /// minutes. An attempt that is running already is waited for.
    ///
    /// # Errors
    ///
    /// [`NotRenewed`].
    pub async fn renew(&self, name: Name, asking: Asking) -> Result<Renewed, NotRenewed> {
        let (reply, outcome) = oneshot::channel();
        let _ = self.0.send(Command::Renew(name, asking, reply)).await;
        outcome.await.unwrap_or(Err(NotRenewed::GivenUp))
    }

    /// Has an item revoked by its CA. When this returns without an error, that is noted, and its names are served with
    /// another one if there is any.
    ///
    /// # Errors
    ///
    /// [`NotRevoked`].
    pub async fn revoke(&self, item: ItemId, revoking: Revoking) -> Result<(), NotRevoked> {
        let (reply, outcome) = oneshot::channel();
        let _ = self.0.send(Command::Revoke(item, revoking, reply)).await;
        outcome.await.unwrap_or(Err(NotRevoked::GivenUp))
    }

    /// Gives the account at the CA with this directory another key, or those at every CA. Waits for the orders that are
    /// under way there.
    ///
    /// # Errors
    ///
    /// [`NotRolledOver`].
    pub async fn roll_over(&self, directory: Option<String>) -> Result<Vec<Rollover>, NotRolledOver> {
        let (reply, outcome) = oneshot::channel();
        let _ = self.0.send(Command::RollOver(directory, reply)).await;
        outcome.await.unwrap_or(Err(NotRolledOver::GivenUp))
    }

    /// Removes items that nobody needs, as the process that issues.
    ///
    /// # Errors
    ///
    /// [`NotPruned`].
    pub async fn prune(&self, asked: AskedToPrune) -> Result<Pruned, NotPruned> {
        let (reply, outcome) = oneshot::channel();
        let _ = self.0.send(Command::Prune(asked, reply)).await;
        outcome.await.unwrap_or(Err(NotPruned::GivenUp))
    }

    /// Returns when what names are pinned to is served.
    pub async fn follow_pins(&self) {
        let (done, is_done) = oneshot::channel();
        let _ = self.0.send(Command::Pins(done)).await;
        let _ = is_done.await;
    }
}
