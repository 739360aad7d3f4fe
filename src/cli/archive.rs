//! `sidegate backup` and `sidegate restore`.

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;

use clap::Args;
use tokio::runtime::LocalRuntime;

use super::act::{FAILED, say, show};
use super::counted::counted;
use super::flags::Place;
use crate::app;
use crate::config::Env;
use crate::ops::{OpsError, Restored};

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct BackupArgs {
    /// Where the archive goes, or - for standard output
    #[arg(value_name = "FILE")]
    archive: PathBuf,
    /// Of which storage.
    #[command(flatten)]
    place: Place,
}

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct RestoreArgs {
    /// The archive, or - for standard input
    #[arg(value_name = "FILE")]
    archive: PathBuf,
    /// Of which storage.
    #[command(flatten)]
    place: Place,
}

impl BackupArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let to = (self.archive.as_os_str() != "-").then_some(self.archive.as_path());
        if to.is_none() && stdout().is_terminal() {
            return Err(say(&OpsError::Refused("an archive is nothing to look at: name a file".to_owned())));
        }
        let storage = self.place.configured(env)?.storage;
        let backed = runtime.block_on(app::backup(&storage, to)).map_err(|e| say(&e))?;
        if let Some(path) = to {
            let (items, files) = (counted(backed.items, "item"), counted(backed.files, "file"));
            show(&format!("{}: {items}, {files}\n", path.display()));
        }
        for damage in &backed.left_out {
            eprintln!("left out: {damage}");
        }
        if backed.left_out.is_empty() { Ok(0) } else { Err(FAILED) }
    }
}

impl RestoreArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let settings = self.place.settings(env)?;
        let from = (self.archive.as_os_str() != "-").then_some(self.archive.as_path());
        let restored = runtime.block_on(app::restore(&settings, from)).map_err(|e| say(&e))?;
        let Restored { known, accounts, settled } = restored;
        show(&format!(
            "{} restored, {known} there already; {}, {}, {} revoked; {}\n",
            counted(settled.new, "item"),
            counted(accounts, "account"),
            counted(settled.pins, "rollback"),
            settled.revoked,
            if settled.journal { "the journal" } else { "no journal" },
        ));
        if settled.replaced > 0 {
            let replaced = counted(settled.replaced, "item");
            show(&format!(
                "{replaced} of them took the place of damaged ones, which are in quarantine/ now\n"
            ));
        }
        for left in &settled.left {
            show(&format!("left in the archive: {left}\n"));
        }
        Ok(0)
    }
}
