//! What operators do beside serving.

use clap::Subcommand;
use tokio::runtime::LocalRuntime;

use super::{
    AccountArgs, BackupArgs, DoctorArgs, ExplainArgs, ExportArgs, FsckArgs, HistoryArgs, ImportArgs,
    ListArgs, PruneArgs, RenewArgs, RestoreArgs, RevokeArgs, RollbackArgs, ShowArgs, StatusArgs,
};
use crate::config::Env;

/// A tool. The words are those of the help.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Tool {
    /// Say how each certificate is: what is served, what comes next, what is wrong; exit code 0 if nothing is
    Status(StatusArgs),
    /// Show what is served for each name and what comes next, in short
    List(ListArgs),
    /// Renew a certificate now, if it is due; wait for the outcome
    Renew(RenewArgs),
    /// List all items of a name, which one is served, and why
    History(HistoryArgs),
    /// Show all there is to know of an item, but its key
    Show(ShowArgs),
    /// Go back to an earlier item of a certificate, until the next one is issued
    Rollback(RollbackArgs),
    /// Have a certificate revoked by its CA, and another one ordered if it was served
    Revoke(RevokeArgs),
    /// Give the accounts at CAs other keys
    Account(AccountArgs),
    /// Remove certificates and keys that have ended and that newer ones have followed
    Prune(PruneArgs),
    /// Tell the story of a name: what happened, what comes next, and why
    Explain(ExplainArgs),
    /// Write certificates, keys and accounts into one archive, while others use them
    Backup(BackupArgs),
    /// Bring back what is in such an archive; nothing that is there is overwritten
    Restore(RestoreArgs),
    /// Take over certificates from certbot, acme.sh, lego, Caddy, Traefik or PEM files
    Import(ImportArgs),
    /// Give a certificate and its key to another program
    Export(ExportArgs),
    /// Look for what would keep certificates from being issued; exit code 0 if nothing is found
    Doctor(DoctorArgs),
    /// Look whether the storage is whole, and with --repair make it so
    Fsck(FsckArgs),
}

impl Tool {
    /// Uses it; the exit code, whether it went as asked or not.
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        match self {
            Self::Status(args) => args.act(runtime, env),
            Self::List(args) => args.act(runtime, env),
            Self::Renew(args) => args.act(runtime, env),
            Self::History(args) => args.act(runtime, env),
            Self::Show(args) => args.act(runtime, env),
            Self::Rollback(args) => args.act(runtime, env),
            Self::Revoke(args) => args.act(runtime, env),
            Self::Account(args) => args.act(runtime, env),
            Self::Prune(args) => args.act(runtime, env),
            Self::Explain(args) => args.act(runtime, env),
            Self::Backup(args) => args.act(runtime, env),
            Self::Restore(args) => args.act(runtime, env),
            Self::Import(args) => args.act(runtime, env),
            Self::Export(args) => args.act(runtime, env),
            Self::Doctor(args) => args.act(runtime, env),
            Self::Fsck(args) => args.act(runtime, env),
        }
    }
}
