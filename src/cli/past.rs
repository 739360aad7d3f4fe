//! `sidegate history`, `show` and `rollback`: what there was, and going back to it.

use std::fmt::Write;

use clap::Args;
use tokio::runtime::LocalRuntime;

use super::act::{json, say, show};
use super::flags::Place;
use crate::app::{HistoryReport, ItemReport, RollbackRequest};
use crate::config::Env;

/// `sidegate history`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct HistoryArgs {
    /// The name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// JSON for programs
    #[arg(long)]
    pub json: bool,
    /// Of which storage.
    #[command(flatten)]
    pub place: Place,
}

/// `sidegate show`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct ShowArgs {
    /// The item, as `history` names it
    #[arg(value_name = "ITEM")]
    pub item: String,
    /// JSON for programs
    #[arg(long)]
    pub json: bool,
    /// Of which storage.
    #[command(flatten)]
    pub place: Place,
}

/// `sidegate rollback`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct RollbackArgs {
    /// A name of the certificate
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The item to go back to [default: the one before what is served]
    #[arg(long, value_name = "ITEM")]
    pub to: Option<String>,
    /// No longer back: serve the newest again
    #[arg(long, conflicts_with = "to")]
    pub off: bool,
    /// JSON for programs
    #[arg(long)]
    pub json: bool,
    /// Of which storage.
    #[command(flatten)]
    pub place: Place,
}

impl HistoryArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let operator = self.place.operator(runtime, env)?;
        let told = operator.history(&self.name);
        let history = runtime.block_on(told).map_err(|error| say(&error))?;
        show(&if self.json { json(&history) } else { story(&history) });
        Ok(0)
    }
}

impl ShowArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let operator = self.place.operator(runtime, env)?;
        let told = operator.item(&self.item);
        let item = runtime.block_on(told).map_err(|error| say(&error))?;
        show(&if self.json { json(&item) } else { facts(&item) });
        Ok(0)
    }
}

impl RollbackArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let operator = self.place.operator(runtime, env)?;
        let wanted = RollbackRequest { to: self.to, off: self.off };
        let told = operator.roll_back(&self.name, &wanted);
        let history = runtime.block_on(told).map_err(|error| say(&error))?;
        show(&if self.json { json(&history) } else { served(&history) });
        Ok(0)
    }
}

/// A line for each item, the oldest first, and below it why it was made.
fn story(history: &HistoryReport) -> String {
    let mut out = String::new();
    for item in &history.items {
        let mark = if item.served_for.is_empty() { ' ' } else { '*' };
        let _ = writeln!(out, "{mark} {}  {}  {}", item.item, item.provider, span(item));
        for line in item.why.iter().chain(&item.damaged) {
            let _ = writeln!(out, "    {line}");
        }
        for remark in remarks(item) {
            let _ = writeln!(out, "    {remark}");
        }
    }
    if !history.items.is_empty() {
        out.push('\n');
    }
    out + &served(history)
}

fn served(history: &HistoryReport) -> String {
    match &history.served {
        Some(item) => format!("{} is served with {item}: {}\n", history.name, history.rule),
        None => format!("{} is served with no item: {}\n", history.name, history.rule),
    }
}

fn span(item: &ItemReport) -> String {
    if item.damaged.is_some() {
        return "damaged".to_owned();
    }
    format!("{} to {}  {}", item.not_before, item.not_after, item.issuer)
}

fn remarks(item: &ItemReport) -> impl Iterator<Item = &'static str> + use<> {
    [
        (!item.newest_for.is_empty(), "the newest"),
        (!item.pinned_for.is_empty(), "gone back to"),
        (item.revoked.is_some(), "revoked"),
    ]
    .into_iter()
    .filter_map(|(is_so, remark)| is_so.then_some(remark))
}

/// A line for each fact there is.
fn facts(item: &ItemReport) -> String {
    let one = |fact: &str| (!fact.is_empty()).then(|| fact.to_owned());
    let many = |names: &[String]| one(&names.join(" "));
    let by = |(name, kind): (&String, &String)| format!("{name} by {kind}");
    let validated: Vec<String> = item.validated.iter().map(by).collect();
    let nothing = item.not_replacing.as_ref().map(|why| format!("nothing: {why}"));
    let because = item.revoked_because.as_ref().map(|why| format!(", {why}")).unwrap_or_default();
    let lines = [
        ("item", one(&item.item)),
        ("committed", one(&item.committed)),
        ("names", many(&item.names)),
        ("provider", one(&item.provider)),
        ("issuer", one(&item.issuer)),
        ("not before", one(&item.not_before)),
        ("not after", one(&item.not_after)),
        ("serial", one(&item.serial)),
        ("key type", item.key_type.clone()),
        ("fingerprint", one(&item.fingerprint)),
        ("why", item.why.clone()),
        ("directory", item.directory.clone()),
        ("profile", item.profile.clone()),
        ("account", item.account.clone()),
        ("order", item.order.clone()),
        ("replaces", item.replaces.clone().or(nothing)),
        ("validated", one(&validated.join(", "))),
        ("challenges", many(&item.challenges)),
        ("newest for", many(&item.newest_for)),
        ("pinned for", many(&item.pinned_for)),
        ("served for", many(&item.served_for)),
        ("revoked", item.revoked.clone().map(|at| at + &because)),
        ("damaged", item.damaged.clone()),
    ];
    let mut out = String::new();
    for (what, fact) in lines {
        if let Some(fact) = fact {
            let _ = writeln!(out, "{what:<12} {fact}");
        }
    }
    out
}
