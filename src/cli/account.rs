//! `sidegate account`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use tokio::runtime::LocalRuntime;

use super::act::{FAILED, say, show};
use super::flags::Place;
use crate::app::{AccountReport, RolloverReport, RolloverRequest};
use crate::config::Env;

/// `sidegate account`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct AccountArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum Verb {
    /// Give the accounts another key each; they stay what they are to their CAs
    Rollover {
        /// Only the account at the CA with this directory [default: all that are configured]
        #[arg(long, value_name = "URL")]
        directory: Option<String>,
        /// Of which storage.
        #[command(flatten)]
        place: Place,
    },
}

impl AccountArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let Verb::Rollover { directory, place } = self.verb;
        let operator = place.operator(runtime, env)?;
        let done = runtime.block_on(operator.roll_over(&RolloverRequest { directory }));
        let report = done.map_err(|error| say(&error))?;
        let failed = report.accounts.iter().filter_map(|account| Some((account, account.error.as_ref()?)));
        for (account, error) in failed.clone() {
            eprintln!(
                "sidegate: {}: {error}; the same again ends what was begun, if anything was",
                account.directory
            );
        }
        show(&words(&report));
        Ok(if failed.count() == 0 { 0 } else { FAILED })
    }
}

/// What was done.
fn words(report: &RolloverReport) -> String {
    let mut out = String::new();
    for AccountReport { directory, account, id, earlier, .. } in &report.accounts {
        let (Some(account), Some(id)) = (account, id) else { continue };
        let _ = writeln!(out, "{directory}\n  the account {account} has another key, kept in {id}");
        if *earlier {
            out.push_str(
                "  an earlier roll-over made that key and could not end; the same again makes a new one\n",
            );
        }
    }
    if !out.is_empty() {
        out.push_str("Backups that were made before hold a key that is no longer good.\n");
    }
    out
}
