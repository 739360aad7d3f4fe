//! What was found where somebody else keeps a certificate.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tracing::{info, warn};

use crate::clock;
use crate::foreign::{ForeignError, Source};
use crate::ident::Name;
use crate::manager::Outlook;
use crate::manager::status::{Row, Served};
use crate::pki::{Bundle, Leaf};

/// What is known of a source, as small as it can be: there may be a hundred thousand.
#[derive(Clone)]
pub(in crate::manager) struct Found {
    pub(super) source: Arc<Source>,
    /// What is served.
    good: Option<Good>,
    /// What is wrong with what was read last.
    fault: Option<Box<str>>,
    /// It is served all the same, being better than nothing.
    in_spite: bool,
}

#[derive(Clone)]
struct Good {
    issuer: Box<str>,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Found {
    /// Nobody has looked yet.
    pub(in crate::manager) fn unread(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), good: None, fault: None, in_spite: false }
    }

    /// What is there now, by somebody who has not looked before.
    pub(in crate::manager) fn read(source: &Arc<Source>, now: SystemTime) -> Self {
        let mut found = Self::unread(source);
        found.note(&source.load(), now);
        found
    }

    /// The same for another source whose names are served with the same certificate.
    pub(super) fn for_other(&self, source: &Arc<Source>) -> Self {
        Self { good: self.good.clone(), ..Self::unread(source) }
    }

    /// Notes what was read, and says whether it is to be served from now on: not if it is faulty, and not if its
    /// time is over while what was served before is still valid.
    pub(super) fn note(&mut self, read: &Result<Bundle, ForeignError>, now: SystemTime) -> bool {
        let leaf = match read {
            Ok(bundle) => bundle.leaf(),
            Err(error) => {
                self.fault = Some(error.to_string().into());
                self.in_spite = false;
                return false;
            }
        };
        self.fault =
            untimely(leaf, now).map(|what| format!("{}: {what}", self.source.cert().display()).into());
        let better = self.fault.is_none() || !self.good.as_ref().is_some_and(|good| good.is_valid(now));
        self.in_spite = better && self.fault.is_some();
        if better {
            let (not_before, not_after) = (leaf.not_before(), leaf.not_after());
            self.good = Some(Good { issuer: leaf.issuer().into(), not_before, not_after });
        }
        better
    }

    /// Says what is served now, or why not what was read.
    pub(super) fn tell(&self) {
        let (names, cert) = (Several(self.source.names()), self.source.cert().display());
        match (&self.good, &self.fault) {
            (None, None) => {}
            (Some(good), None) => {
                let (issuer, expires) = (&*good.issuer, clock::rfc3339(good.not_after));
                info!(%names, %cert, issuer, expires, "serving a certificate kept elsewhere");
            }
            (None, Some(error)) => warn!(%names, error, "a certificate kept elsewhere cannot be served"),
            (Some(_), Some(error)) if self.in_spite => {
                warn!(%names, error, "a certificate kept elsewhere is served out of its time");
            }
            (Some(_), Some(error)) => {
                warn!(%names, error, "a certificate kept elsewhere cannot be served; the one before stays");
            }
        }
    }

    /// What is wrong, if something is.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// For people.
    pub(in crate::manager) fn row(&self) -> Row {
        let served = self.good.as_ref().map(|good| Served {
            by: self.source.cert().display().to_string(),
            item: None,
            issuer: good.issuer.to_string(),
            not_before: good.not_before,
            not_after: good.not_after,
        });
        let bare = self.fault.as_ref().filter(|_| served.is_none()).map(|_| self.source.names()[0].clone());
        let next = match (&self.good, &self.fault) {
            (None, None) => "somebody else's file, read when it is asked for",
            _ => AGAIN,
        };
        Row {
            names: self.source.names().into(),
            served,
            bare,
            pinned: None,
            fallback: false,
            disproved: None,
            let_go: false,
            next: next.to_owned(),
            next_at: None,
            last_error: self.fault().map(str::to_owned),
        }
    }

    /// The same with its reasons, for somebody who asks no process.
    pub(in crate::manager) fn outlook(&self) -> Outlook {
        let file = self.source.cert().display();
        let served = match &self.good {
            Some(Good { issuer, not_after, .. }) => {
                format!("{file} by {issuer}, valid until {}", clock::rfc3339(*not_after))
            }
            None => format!("nothing that is in {file} now"),
        };
        let kept = "somebody else keeps this certificate, and renews it".to_owned();
        let stays = || "a process that has read something better goes on with that".to_owned();
        let stays = self.good.is_none().then(stays);
        Outlook {
            served,
            served_because: self.fault().map(str::to_owned).into_iter().chain(stays).collect(),
            next: AGAIN.to_owned(),
            next_at: None,
            next_because: vec![kept],
        }
    }
}

/// What comes next once somebody has looked.
const AGAIN: &str = "somebody else's file, read again when it changes";

impl Good {
    fn is_valid(&self, now: SystemTime) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

fn untimely(leaf: &Leaf, now: SystemTime) -> Option<String> {
    if leaf.valid_at(now) {
        None
    } else if now > leaf.not_after() {
        Some(format!("the certificate ended {}", clock::rfc3339(leaf.not_after())))
    } else {
        Some(format!("the certificate begins {}", clock::rfc3339(leaf.not_before())))
    }
}

/// Names as they stand in `domain.list`.
struct Several<'a>(&'a [Name]);

impl fmt::Display for Several<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, name)| {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{name}")
        })
    }
}
