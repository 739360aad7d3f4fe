//! What was looked at, and how it came out.

use crate::ident::{Name, printable};

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Whether what is issued can be kept.
    Storage,
    /// Whether clients and the CA can be answered.
    Port(u16),
    /// Whether the CA answers.
    Ca,
    /// Whether our clock and the CA's agree.
    Clock,
    /// Where the name leads.
    Addresses,
    /// Whether the name's owner lets the CA issue (RFC 8659).
    Caa,
    /// What answers where http-01 looks.
    ChallengePath,
    /// Whether something answers where clients and tls-alpn-01 look.
    Https,
    /// Whether the record of dns-persist-01 is there.
    Standing,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// As it should be.
    Pass,
    /// It cannot be told from here.
    Unknown,
    /// It may go wrong, or will one day.
    Warn,
    /// It is certain that it cannot go well.
    Fail,
}

/// One check's outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// At which CA, where it concerns one of several.
    pub ca: Option<String>,
    /// How it came out.
    pub outcome: Outcome,
    /// Why, in a sentence.
    pub reason: String,
    /// What to do about it, if there is something to be done.
    pub remedy: Option<String>,
}

/// Everything that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Of this machine and the CAs.
    pub general: Vec<Finding>,
    /// Of each name.
    pub names: Vec<(Name, Vec<Finding>)>,
}

impl Check {
    /// A word or two for people and programs.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Storage => "storage".to_owned(),
            Self::Port(port) => format!("port {port}"),
            Self::Ca => "CA".to_owned(),
            Self::Clock => "clock".to_owned(),
            Self::Addresses => "addresses".to_owned(),
            Self::Caa => "CAA".to_owned(),
            Self::ChallengePath => "http-01".to_owned(),
            Self::Https => "https".to_owned(),
            Self::Standing => "dns-persist-01".to_owned(),
        }
    }
}

impl Outcome {
    /// For people and programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Unknown => "cannot tell",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Finding {
    /// All is well.
    #[must_use]
    pub fn pass(check: Check, reason: impl Into<String>) -> Self {
        Self { check, ca: None, outcome: Outcome::Pass, reason: reason.into(), remedy: None }
    }

    /// It cannot be told from here, and this is how it can.
    #[must_use]
    pub fn unknown(check: Check, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::told(check, Outcome::Unknown, reason.into(), remedy.into())
    }

    /// It may go wrong.
    #[must_use]
    pub fn warn(check: Check, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::told(check, Outcome::Warn, reason.into(), remedy.into())
    }

    /// It cannot go well.
    #[must_use]
    pub fn fail(check: Check, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::told(check, Outcome::Fail, reason.into(), remedy.into())
    }

    fn told(check: Check, outcome: Outcome, reason: String, remedy: String) -> Self {
        Self { check, ca: None, outcome, reason, remedy: Some(remedy) }
    }

    /// The same, said of this CA if others are configured too.
    #[must_use]
    pub fn at(self, ca: Option<&str>) -> Self {
        Self { ca: ca.map(str::to_owned), ..self }
    }
}

impl Report {
    /// Every finding.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.general.iter().chain(self.names.iter().flat_map(|(_, findings)| findings))
    }

    /// The worst outcome of all.
    #[must_use]
    pub fn worst(&self) -> Outcome {
        self.findings().map(|finding| finding.outcome).max().unwrap_or(Outcome::Pass)
    }
}

/// What to do where name servers say different things.
pub(super) const UNTIL_THEY_AGREE: &str = "Wait until they all agree, or fix the one that lags behind.";

/// Somebody else's words.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 200;
    printable(text, LONGEST)
}

/// Some of them, with a word about how many more there are.
pub(super) fn listed<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    const MOST: usize = 6;
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    let more = items.len().saturating_sub(MOST);
    let shown = items[..items.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
