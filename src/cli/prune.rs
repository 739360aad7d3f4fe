//! `sidegate prune`.

use std::fmt::Write;

use clap::Args;
use tokio::runtime::LocalRuntime;

use super::act::{self, say, show};
use super::flags::Place;
use crate::app::{self, PruneReport, PruneRequest, Removed};
use crate::config::Env;

/// `sidegate prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct PruneArgs {
    /// How many items before the current one to keep [default: prune.keep, else 2]
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
    /// How many days after its end to remove each of the others [default: prune.expired_for, else 30]
    #[arg(long, value_name = "DAYS", value_parser = days)]
    pub expired_for: Option<u32>,
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
fn days(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('d').unwrap_or(text);
    number
        .parse()
        .ok()
        .filter(|days| *days <= 36_500)
        .ok_or_else(|| "a number of days, such as 30d".to_owned())
}

impl PruneArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let Self { keep, expired_for, unconfigured, dry_run, json, place } = self;
        let settings = place.settings(env)?;
        let asked = PruneRequest { keep, expired_for, unconfigured, dry_run };
        let report = runtime.block_on(app::prune(&settings, &asked)).map_err(|error| say(&error))?;
        show(&if json { act::json(&report) } else { words(&report) });
        Ok(0)
    }
}

fn words(report: &PruneReport) -> String {
    let mut out = String::new();
    let verb = if report.dry_run { "would remove" } else { "removed" };
    for Removed { item, names, expires } in &report.removed {
        let _ = writeln!(out, "{verb}  {item}  {}, ended or ends {expires}", names.join(" "));
    }
    for Removed { item, names, .. } in &report.unconfigured {
        let _ = writeln!(out, "not configured  {item}  {}; --unconfigured removes it", names.join(" "));
    }
    if out.is_empty() { "nothing to remove\n".to_owned() } else { out }
}
