//! One thing that is wrong.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Verdict;
use crate::store::AccountId;

/// Where something is wrong, what, and what is done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The place, from the storage directory on.
    pub place: PathBuf,
    /// What is wrong with it, as the rest of a sentence that begins with the place.
    pub wrong: String,
    /// What puts it right.
    pub remedy: Remedy,
    /// What came of that.
    pub outcome: Outcome,
}

/// What puts something right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// It goes to `quarantine/`.
    MoveAway,
    /// The folder is made.
    Make,
    /// It gets this mode.
    Mode(u32),
    /// It is given to this user and group, to whom the storage directory belongs.
    Owner(u32, u32),
    /// The link is made to lead to this item.
    Lead(String),
    /// The link to the account chosen last is made to lead to this one.
    Choose(AccountId),
    /// The file is written anew from the account's key.
    PublicKey(AccountId),
    /// Only a person can; this is what to do.
    Person(String),
}

/// What came of a remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was tried.
    Open,
    /// It is done; for what was moved away, this is where it is.
    Done(Option<PathBuf>),
    /// It was tried, and this is why it is not done.
    Failed(String),
}

impl Finding {
    pub(super) fn new(place: impl Into<PathBuf>, wrong: impl Into<String>, remedy: Remedy) -> Self {
        Self { place: place.into(), wrong: wrong.into(), remedy, outcome: Outcome::Open }
    }

    /// It cannot be looked at.
    pub(super) fn unreadable(place: impl Into<PathBuf>, why: impl fmt::Display) -> Self {
        let advice = "run as its owner or as root; if the disk fails, copy what can be read";
        Self::new(place, format!("cannot be read: {why}"), Remedy::Person(advice.to_owned()))
    }

    /// What was in the way of the repair itself.
    pub(super) fn cleared(from: &Path, to: &Path) -> Self {
        let outcome = Outcome::Done(Some(to.to_owned()));
        Self { outcome, ..Self::new(from, "is not the folder that belongs there", Remedy::MoveAway) }
    }

    /// Whether it is the same thing, whatever came of it.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.place, &self.wrong, &self.remedy) == (&other.place, &other.wrong, &other.remedy)
    }

    /// It has been seen again since.
    pub(super) fn still_there(&mut self) {
        if matches!(self.outcome, Outcome::Done(_)) {
            self.outcome = Outcome::Failed("it is so again: is somebody else at work here?".to_owned());
        }
    }

    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (&self.remedy, &self.outcome) {
            (Remedy::Person(_), _) | (_, Outcome::Failed(_)) => Verdict::NeedsPerson,
            _ => Verdict::Repaired,
        }
    }

    /// What is to be done, or was, or why it was not.
    #[must_use]
    pub fn action(&self) -> String {
        match (&self.remedy, &self.outcome) {
            (Remedy::Person(advice), _) => advice.clone(),
            (remedy, Outcome::Failed(why)) => format!("{remedy} failed: {why}"),
            (Remedy::MoveAway, Outcome::Done(Some(to))) => format!("moved to {}", to.display()),
            (remedy, Outcome::Done(_)) => format!("{remedy}: done"),
            (remedy, Outcome::Open) => format!("--repair would do this: {remedy}"),
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MoveAway => f.write_str("move it to quarantine/"),
            Self::Make => f.write_str("make it"),
            Self::Mode(mode) => write!(f, "chmod {mode:04o}"),
            Self::Owner(user, group) => write!(f, "chown {user}:{group}"),
            Self::Lead(item) => write!(f, "make it lead to {item}"),
            Self::Choose(account) => write!(f, "make it lead to {account}"),
            Self::PublicKey(_) => f.write_str("write it anew from account_key.pem"),
            Self::Person(advice) => f.write_str(advice),
        }
    }
}
