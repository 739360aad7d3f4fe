//! `sidegate doctor`: what would keep certificates from being issued.

use std::fmt::Write;
use std::io::IsTerminal;

use clap::Args;
use serde::Serialize;
use tokio::runtime::LocalRuntime;

use super::act::{say, show};
use super::flags::Place;
use crate::app;
use crate::config::Env;
use crate::doctor::{Check, Finding, Outcome, Report};

/// What is to be looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct DoctorArgs {
    /// Only this name, which need not be configured
    #[arg(value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// JSON for programs
    #[arg(long)]
    pub json: bool,
    /// By which configuration.
    #[command(flatten)]
    pub place: Place,
}

/// Nothing is wrong, as far as it can be told.
const WELL: u8 = 0;
/// Something may go wrong.
const WARNED: u8 = 1;
/// Something is certain to go wrong.
const CONTRADICTED: u8 = 2;
/// Nothing could be looked at.
const UNKNOWN: u8 = 3;

/// How wide the columns are, so that what is said twice looks alike.
const NAMES: usize = "dns-persist-01".len();
const OUTCOMES: usize = "cannot tell".len();

/// Where no name is looked at, so that nobody takes what little is told for all.
const NO_NAME: &str = "
no name of the configuration is for a CA; `sidegate doctor example.com` looks at one
";

/// In front of an outcome on a terminal.
const COLORS: [(Outcome, &str); 4] = [
    (Outcome::Pass, "\u{1b}[32m"),
    (Outcome::Unknown, "\u{1b}[2m"),
    (Outcome::Warn, "\u{1b}[33m"),
    (Outcome::Fail, "\u{1b}[31m"),
];
const PLAIN: &str = "\u{1b}[0m";

impl DoctorArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let settings = self.place.settings(env)?;
        let report = runtime.block_on(app::examine(&settings, self.domain.as_deref())).map_err(|error| {
            say(&error);
            UNKNOWN
        })?;
        let color = settings.log.color && std::io::stdout().is_terminal();
        show(&if self.json { json(&report) } else { table(&report, color) });
        // What is only read is ordered by another process, as the storage's line says.
        if report.names.is_empty() && !self.json && !settings.storage.read_only {
            show(NO_NAME);
        }
        Ok(match report.worst() {
            Outcome::Pass | Outcome::Unknown => WELL,
            Outcome::Warn => WARNED,
            Outcome::Fail => CONTRADICTED,
        })
    }
}

/// For people: a line for each finding, and below it what to do about it.
fn table(report: &Report, color: bool) -> String {
    let mut out = String::new();
    section(&mut out, &report.general, color);
    for (name, findings) in &report.names {
        let _ = writeln!(out, "\n{name}");
        section(&mut out, findings, color);
    }
    out
}

fn section(out: &mut String, findings: &[Finding], color: bool) {
    for Finding { check, ca, outcome, reason, remedy } in findings {
        let word = format!("{:OUTCOMES$}", outcome.as_str());
        let known = COLORS.iter().find(|(known, _)| known == outcome).filter(|_| color);
        let word = known.map_or(word.clone(), |(_, color)| format!("{color}{word}{PLAIN}"));
        // What is said of a CA itself names it.
        let at = ca.as_ref().filter(|_| *check != Check::Ca).map(|ca| format!("{ca}: ")).unwrap_or_default();
        let _ = writeln!(out, "  {:NAMES$}  {word}  {at}{reason}", check.name());
        if let Some(remedy) = remedy {
            let _ = writeln!(out, "  {:NAMES$}  {:OUTCOMES$}  > {remedy}", "", "");
        }
    }
}

/// A finding, for programs.
#[derive(Serialize)]
struct Row<'a> {
    /// None for what concerns all names.
    name: Option<String>,
    check: String,
    /// Only where several are configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<&'a str>,
    outcome: &'static str,
    reason: &'a str,
    remedy: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(name: Option<String>, finding: &'a Finding) -> Self {
        Self {
            name,
            check: finding.check.name(),
            ca: finding.ca.as_deref(),
            outcome: finding.outcome.as_str(),
            reason: &finding.reason,
            remedy: finding.remedy.as_deref(),
        }
    }
}

/// For programs: an array with an object for each finding. Fields may be added, none will change.
fn json(report: &Report) -> String {
    let general = report.general.iter().map(|finding| Row::of(None, finding));
    let named = report
        .names
        .iter()
        .flat_map(|(name, findings)| findings.iter().map(|finding| Row::of(Some(name.to_string()), finding)));
    let rows: Vec<Row<'_>> = general.chain(named).collect();
    // Strings always have a form in JSON.
    serde_json::to_string_pretty(&rows).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let general =
            vec![Finding::pass(Check::Storage, "is fine"), Finding::pass(Check::Port(443), "is free")];
        let addresses = Finding::warn(Check::Addresses, "leads elsewhere", "Change it.");
        let caa = Finding::fail(Check::Caa, "forbids it", "Allow it.");
        let name = "example.com".parse().expect("a name");
        Report { general, names: vec![(name, vec![addresses, caa])] }
    }

    #[test]
    fn a_table_tells_each_finding_with_its_way_out() {
        let expected = "  storage         pass         is fine
  port 443        pass         is free

example.com
  addresses       warn         leads elsewhere
                               > Change it.
  CAA             fail         forbids it
                               > Allow it.
";
        assert_eq!(table(&report(), false), expected);
        let colored = table(&report(), true);
        assert!(colored.contains("\u{1b}[31mfail       \u{1b}[0m  forbids it\n"), "{colored}");
    }

    #[test]
    fn programs_get_every_finding_by_its_fields() {
        let value: serde_json::Value = serde_json::from_str(&json(&report())).expect("JSON");
        assert!(value[0]["name"].is_null() && value[0]["remedy"].is_null());
        assert_eq!(value[1]["check"], "port 443");
        assert_eq!(value[3]["name"], "example.com");
        assert_eq!(value[3]["outcome"], "fail");
        assert_eq!(value[3]["remedy"], "Allow it.");
        assert!(value[3].get("ca").is_none(), "there is only one");
    }

    #[test]
    fn of_several_cas_each_is_named() {
        let ca = "https://ca.test/dir";
        let answers = Finding::pass(Check::Ca, format!("{ca} answers")).at(Some(ca));
        let clock = Finding::pass(Check::Clock, "is right").at(Some(ca));
        let report = Report { general: vec![answers, clock], names: Vec::new() };
        let expected = "  CA              pass         https://ca.test/dir answers
  clock           pass         https://ca.test/dir: is right
";
        assert_eq!(table(&report, false), expected);
        let value: serde_json::Value = serde_json::from_str(&json(&report)).expect("JSON");
        assert_eq!([&value[0]["ca"], &value[1]["ca"]], [ca, ca]);
    }
}
