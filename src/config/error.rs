//! What is wrong with a configuration, all of it at once.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file; line and column count from one.
    File {
        /// The file.
        path: Arc<PathBuf>,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// In an environment variable.
    Variable(String),
    /// In a flag of the command line.
    Flag(&'static str),
    /// Nowhere: something is missing.
    Nowhere,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}: ", path.display()),
            Self::Variable(name) => write!(f, "{name}: "),
            Self::Flag(name) => write!(f, "{name}: "),
            Self::Nowhere => Ok(()),
        }
    }
}

/// One thing that is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it was written.
    pub place: Place,
    /// The key, such as `listen.https`; empty where the place says it all.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
    /// What was probably meant.
    pub nearest: Option<String>,
    /// What would be accepted, if that can be said in a few words.
    pub accepted: Option<String>,
}

impl Fault {
    pub(super) fn new(place: &Place, key: &str, what: impl Into<String>) -> Self {
        Self { place: place.clone(), key: key.to_owned(), what: what.into(), nearest: None, accepted: None }
    }

    pub(super) fn accepted(mut self, accepted: impl Into<String>) -> Self {
        self.accepted = Some(accepted.into());
        self
    }

    /// Says which of `known` is nearest to `given`, and all of them.
    pub(super) fn known(mut self, given: &str, known: &[&str]) -> Self {
        self.nearest = nearest(given, known).map(str::to_owned);
        self.accepted(known.join(", "))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}.", self.what)?;
        if let Some(nearest) = &self.nearest {
            write!(f, " Did you mean `{nearest}`?")?;
        }
        self.accepted.as_ref().map_or(Ok(()), |accepted| write!(f, " Accepted: {accepted}"))
    }
}

/// Everything that is wrong with a configuration, in the order of the places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// None if there is nothing to report.
    pub(super) fn of(mut faults: Vec<Fault>) -> Option<Self> {
        // The order of the file, whatever order the keys were looked at in; the rest stays as it was found.
        let mut files: Vec<Arc<PathBuf>> = Vec::new();
        let mut rank = |path: &Arc<PathBuf>| {
            files.iter().position(|known| known == path).unwrap_or_else(|| {
                files.push(Arc::clone(path));
                files.len() - 1
            })
        };
        faults.sort_by_cached_key(|fault| match &fault.place {
            Place::Flag(_) => (0, 0, 0, 0),
            Place::Variable(_) => (1, 0, 0, 0),
            Place::File { path, line, column } => (2, rank(path), *line, *column),
            Place::Nowhere => (3, 0, 0, 0),
        });
        faults.dedup();
        (!faults.is_empty()).then_some(Self(faults))
    }

    /// At most this many are told; whoever mends them will ask again.
    pub const TOLD: usize = 50;

    /// The faults, as many of them as anybody reads.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0[..self.0.len().min(Self::TOLD)].iter()
    }

    /// How many more there are than [`iter`](Self::iter) tells.
    #[must_use]
    pub fn untold(&self) -> usize {
        self.0.len().saturating_sub(Self::TOLD)
    }

    /// 64 (`EX_USAGE`) if only the command line is to blame, else 78 (`EX_CONFIG`).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.0.iter().all(|fault| matches!(fault.place, Place::Flag(_))) { 64 } else { 78 }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{fault}")?;
        }
        match self.untold() {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

impl Error for Faults {}

/// The word of `known` that `given` was most likely meant to be.
fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let given = given.to_lowercase();
    let meant = HABITS.iter().find(|(habit, _)| *habit == given).map(|(_, ours)| *ours);
    if let Some(ours) = meant.and_then(|ours| known.iter().find(|k| **k == ours)) {
        return Some(ours);
    }
    let scored = known.iter().map(|k| (strsim::jaro_winkler(&given, &k.to_lowercase()), *k));
    scored.filter(|(score, _)| *score > 0.78).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, k)| k)
}

/// Words people bring along from other programs.
const HABITS: &[(&str, &str)] = &[
    ("domain", "domains"),
    ("host", "domains"),
    ("hosts", "domains"),
    ("server_name", "domains"),
    ("names", "domains"),
    ("target", "to"),
    ("upstream", "to"),
    ("backend", "to"),
    ("proxy_pass", "to"),
    ("routes", "route"),
    ("location", "route"),
    ("sites", "site"),
    ("server", "site"),
    ("certificate", "cert"),
    ("crt_list", "certificates"),
    ("certs", "certificates"),
    ("private_key", "key"),
    ("contact", "email"),
    ("mail", "email"),
    ("ca", "directory"),
    ("url", "directory"),
    ("state", "storage"),
    ("data", "storage"),
    ("threads", "workers"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_a_slip_of_the_finger_or_of_habit() {
        let known = ["domains", "to", "redirect", "cert", "key"];
        for (given, meant) in
            [("domians", "domains"), ("redirects", "redirect"), ("upstream", "to"), ("crt", "cert")]
        {
            assert_eq!(nearest(given, &known), Some(meant), "{given}");
        }
        assert_eq!(nearest("hsts", &known), None);
    }

    #[test]
    fn a_fault_is_one_line_that_says_where_what_and_what_else() {
        let place = Place::File { path: Arc::new("/etc/x.toml".into()), line: 3, column: 7 };
        let fault = Fault::new(&place, "site.domian", "unknown key").known("domian", &["domains", "to"]);
        assert_eq!(
            fault.to_string(),
            "/etc/x.toml:3:7: site.domian: unknown key. Did you mean `domains`? Accepted: domains, to"
        );
    }

    #[test]
    fn only_the_command_line_to_blame_is_a_usage_error() {
        let flag = Fault::new(&Place::Flag("--to"), "", "x");
        let env = Fault::new(&Place::Variable("TARGET".into()), "", "x");
        assert_eq!(Faults::of(vec![]), None);
        assert_eq!(Faults::of(vec![flag.clone()]).expect("one").exit_code(), 64);
        assert_eq!(Faults::of(vec![flag, env]).expect("two").exit_code(), 78);
    }
}
