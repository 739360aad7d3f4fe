//! `sidegate fsck`: what is wrong with a storage, for people and for programs.

use std::fmt::Write;

use clap::Args;
use serde::Serialize;
use tokio::runtime::LocalRuntime;

use super::act::{say, show};
use super::counted::counted;
use super::flags::Place;
use crate::config::Env;
use crate::ops::fsck::{Outcome, Report, Verdict, check, repair};

/// Nothing could be told, or nothing done: for a person to see to, as what is found and cannot be repaired.
const NEEDS_PERSON: u8 = 2;

/// `sidegate fsck`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct FsckArgs {
    /// Put right what can be: nothing is deleted, what is damaged or has no place goes to quarantine/
    #[arg(long)]
    pub repair: bool,
    /// JSON for programs
    #[arg(long)]
    pub json: bool,
    /// Of which storage.
    #[command(flatten)]
    pub place: Place,
}

impl FsckArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let storage = self.place.configured(env)?.storage;
        if self.repair && storage.read_only {
            eprintln!("sidegate: the configuration has the storage only read, so nothing in it is repaired");
            return Err(NEEDS_PERSON);
        }
        let fallback = storage.fallback.filter(|fallback| !storage.path.is_dir() && fallback.is_dir());
        let root = fallback.unwrap_or(storage.path);
        let report =
            if self.repair { runtime.block_on(repair(&root)) } else { runtime.block_on(check(&root)) };
        let report = report.map_err(|error| {
            say(&error);
            if self.repair && error.is_taken() {
                eprintln!("sidegate: stop that process first; without --repair one can look meanwhile");
            }
            NEEDS_PERSON
        })?;
        let place = root.display().to_string();
        show(&if self.json { json(&place, &report) } else { text(&place, &report) });
        Ok(code(&report))
    }
}

fn code(report: &Report) -> u8 {
    match report.verdict() {
        Verdict::Clean => 0,
        Verdict::Repaired => 1,
        Verdict::NeedsPerson => NEEDS_PERSON,
    }
}

/// Two lines for each finding, and one for all of it.
fn text(storage: &str, report: &Report) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        let place = finding.place.display().to_string();
        let place = if place.is_empty() { "the storage directory" } else { &place };
        // A name on disk may hold anything, and is shown on somebody's terminal.
        let line = format!("{place} {}", finding.wrong).replace(char::is_control, "?");
        let _ = writeln!(out, "{line}\n    {}", finding.action().replace(char::is_control, "?"));
    }
    let person = report.findings.iter().filter(|f| f.verdict() == Verdict::NeedsPerson).count();
    let repaired = report.findings.iter().filter(|f| matches!(f.outcome, Outcome::Done(_))).count();
    let open = report.findings.len() - person - repaired;
    let mut parts = vec![format!("{storage}: {}", counted(report.items, "whole item"))];
    for (count, what) in [(repaired, "repaired"), (open, "for --repair"), (person, "for a person")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if report.findings.is_empty() {
        parts.push("nothing is wrong".to_owned());
    }
    let _ = writeln!(out, "{}", parts.join(", "));
    out
}

/// Fields may be added, none will change.
fn json(storage: &str, report: &Report) -> String {
    #[derive(Serialize)]
    struct Whole<'a> {
        storage: &'a str,
        items: usize,
        code: u8,
        findings: Vec<One>,
    }
    #[derive(Serialize)]
    struct One {
        place: String,
        wrong: String,
        action: String,
        /// `open`, `repaired` or `person`.
        state: &'static str,
    }
    let findings = report.findings.iter().map(|finding| One {
        place: finding.place.to_string_lossy().into_owned(),
        wrong: finding.wrong.clone(),
        action: finding.action(),
        state: match (finding.verdict(), &finding.outcome) {
            (Verdict::NeedsPerson, _) => "person",
            (_, Outcome::Done(_)) => "repaired",
            _ => "open",
        },
    });
    let whole = Whole { storage, items: report.items, code: code(report), findings: findings.collect() };
    // Strings and numbers always have a form in JSON.
    serde_json::to_string_pretty(&whole).unwrap_or_default() + "\n"
}
