//! `sidegate revoke`.

use std::fmt::Write as _;
use std::io::{IsTerminal, stdin};

use clap::Args;
use tokio::runtime::LocalRuntime;

use super::USAGE;
use super::act::{FAILED, say, show};
use super::flags::Place;
use crate::app::{ItemReport, RevocationRequest};
use crate::config::Env;

/// `sidegate revoke`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct RevokeArgs {
    /// A name, for the certificate it is served with; or an item, as `history` names it
    #[arg(value_name = "NAME|ITEM")]
    pub which: String,
    /// What the CA is told [default: unspecified]
    #[arg(long, value_name = "REASON",
        value_parser = ["keyCompromise", "superseded", "cessationOfOperation", "unspecified"])]
    pub reason: Option<String>,
    /// On whose word: the account's, or that of the certificate's own key [default: account]
    #[arg(long, value_name = "WORD", value_parser = ["account", "certificate"])]
    pub with: Option<String>,
    /// Do not ask first
    #[arg(long)]
    pub yes: bool,
    /// Of which storage.
    #[command(flatten)]
    pub place: Place,
}

impl RevokeArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        if !self.yes && !stdin().is_terminal() {
            eprintln!(
                "sidegate: a revocation cannot be taken back, and there is no terminal to ask at: give --yes if it is meant"
            );
            return Err(USAGE);
        }
        let operator = self.place.operator(runtime, env)?;
        let item = runtime.block_on(operator.item_or_served(&self.which)).map_err(|error| say(&error))?;
        if !self.yes && !is_meant(&item) {
            eprintln!("sidegate: nothing is revoked");
            return Err(FAILED);
        }
        let wanted = RevocationRequest { reason: self.reason, with: self.with };
        runtime.block_on(operator.revoke(&item.item, &wanted)).map_err(|error| say(&error))?;
        show(&words(&item));
        Ok(0)
    }
}

/// Asks whoever sits at the terminal.
fn is_meant(item: &ItemReport) -> bool {
    let ItemReport { item: id, names, issuer, serial, not_after, .. } = item;
    eprintln!("{id}\n  for {}, until {not_after}\n  by {issuer}, serial {serial}", names.join(" "));
    if !item.served_for.is_empty() {
        eprintln!("  clients are shown it now");
    }
    eprint!("Revoke it? This cannot be taken back. [y/N] ");
    let mut answer = String::new();
    let read = stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// What was done, to the item as it was before.
fn words(before: &ItemReport) -> String {
    let mut out = format!("revoked: {}\n", before.item);
    if let Some(name) = before.served_for.first() {
        let _ = writeln!(out, "it was served; what is now, and what comes next: sidegate status {name}");
    }
    out
}
