//! `sidegate prune`.

use std::fmt::Write;

use clap::Args;
use serde::Serialize;
use tokio::runtime::LocalRuntime;

use super::act::{show, told};
use super::flags::Place;
use crate::app::{self, Removed};
use crate::config::Env;

/// `sidegate prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct PruneArgs {
    /// How many items before the current one to keep [default: prune.keep, else 2]
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
    /// How many days after its end to remove each of the others [default: prune.expired_for, else 30]
    #[arg(long, value_name = "DAYS", value_parser = days)]
    pub expired_for: Option<u64>,
    /// Also remove what is there for names that are not configured, whether it has ended or not
    #[arg(long)]
    pub unconfigured: bool,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// JSON for programs
    #[arg(long)]
    pub json: bool,
    /// Of which storage.
    #[command(flatten)]
    pub place: Place,
}

/// `30d`, or `30`.
fn days(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('d').unwrap_or(text);
    number
        .parse()
        .ok()
        .filter(|days| *days <= 36_500)
        .ok_or_else(|| "a number of days, such as 30d".to_owned())
}

/// What programs get.
#[derive(Serialize)]
struct Report<'a> {
    removed: &'a [Removed],
    unconfigured: &'a [Removed],
    /// Whether anything was removed at all.
    dry_run: bool,
}

impl PruneArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let Self { keep, expired_for, unconfigured, dry_run, json, place } = self;
        let settings = place.settings(env)?;
        let asked = app::PruneRequest { keep, expired_for, unconfigured, dry_run };
        let (ended, left) = runtime.block_on(app::prune(&settings, &asked)).map_err(|e| told(&e))?;
        let (removed, left): (Vec<_>, Vec<_>) =
            if unconfigured { (ended.into_iter().chain(left).collect(), Vec::new()) } else { (ended, left) };
        if json {
            let report = Report { removed: &removed, unconfigured: &left, dry_run };
            show(&(serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"));
        } else {
            show(&words(&removed, &left, dry_run));
        }
        Ok(0)
    }
}

fn words(removed: &[Removed], left: &[Removed], dry_run: bool) -> String {
    let mut out = String::new();
    let verb = if dry_run { "would remove" } else { "removed" };
    for Removed { item, names, expires } in removed {
        let _ = writeln!(out, "{verb}  {item}  {}, ended or ends {expires}", names.join(" "));
    }
    for Removed { item, names, .. } in left {
        let _ = writeln!(out, "not configured  {item}  {}; --unconfigured removes it", names.join(" "));
    }
    if out.is_empty() { "nothing to remove\n".to_owned() } else { out }
}
