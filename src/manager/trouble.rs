//! What is wrong with a certificate, for whoever watches over many. Pure.

use std::time::SystemTime;

use super::schedule;
use super::status::Row;
use crate::clock;

/// Something that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Whether a client is refused, or shown what is not valid.
    pub critical: bool,
    /// What it is.
    pub what: String,
}

impl Row {
    /// The worst that is wrong at this moment.
    #[must_use]
    pub fn trouble(&self, now: SystemTime) -> Option<Trouble> {
        let critical = |what| Some(Trouble { critical: true, what });
        let warning = |what: &str| Some(Trouble { critical: false, what: what.to_owned() });
        if self.let_go {
            return None;
        }
        if let Some(name) = &self.bare {
            return critical(format!("{name} has no valid certificate"));
        }
        if let Some(what) = &self.disproved {
            return critical(what.clone());
        }
        if let Some(served) = &self.served {
            let (from, to) = (served.not_before, served.not_after);
            if now > to {
                return critical(format!("what is served ended {}", clock::rfc3339(to)));
            }
            if now < from {
                return critical(format!("what is served begins {}", clock::rfc3339(from)));
            }
            if !self.fallback && now >= schedule::overdue(from, to) {
                return warning("its renewal is overdue");
            }
        }
        if self.fallback {
            let chosen = "a self-signed certificate is served, since it was gone back to";
            let why = if self.pinned.is_some() { chosen } else { "a self-signed certificate stands in" };
            return warning(why);
        }
        self.last_error.as_ref().and_then(|_| warning("the last attempt failed"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ident::Name;
    use crate::manager::status::Served;

    const DAY: Duration = Duration::from_secs(86_400);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + 20_000 * DAY
    }

    fn row() -> Row {
        let served = Served {
            by: "letsencrypt".to_owned(),
            item: None,
            issuer: "R11".to_owned(),
            not_before: start(),
            not_after: start() + 90 * DAY,
        };
        Row {
            names: [Name::parse("example.com").expect("a name")].into(),
            served: Some(served),
            bare: None,
            pinned: None,
            fallback: false,
            disproved: None,
            let_go: false,
            next: "renew".to_owned(),
            next_at: None,
            last_error: None,
        }
    }

    #[test]
    fn the_worst_is_told() {
        let told = |row: &Row, day: u32| {
            row.trouble(start() + day * DAY).map(|trouble| (trouble.critical, trouble.what))
        };
        let warning = |what: &str| Some((false, what.to_owned()));
        assert_eq!(told(&row(), 10), None);
        assert_eq!(told(&row(), 70), None, "renewals take their time");
        assert_eq!(told(&row(), 76), warning("its renewal is overdue"));
        assert!(told(&row(), 91).is_some_and(|(critical, what)| critical && what.contains("ended")));
        let failed = Row { last_error: Some("no answer".to_owned()), ..row() };
        assert_eq!(told(&failed, 10), warning("the last attempt failed"));
        let fallback = Row { fallback: true, ..failed.clone() };
        assert_eq!(told(&fallback, 10), warning("a self-signed certificate stands in"));
        let gone_back = Row { pinned: Some(start()), ..fallback.clone() };
        assert!(told(&gone_back, 10).is_some_and(|(_, what)| what.ends_with("it was gone back to")));
        let shown = "clients are shown serial 02 instead of 01".to_owned();
        let disproved = Row { disproved: Some(shown.clone()), ..row() };
        assert_eq!(told(&disproved, 10), Some((true, shown)));
        let bare = Row { bare: Some(Name::parse("www.example.com").expect("a name")), ..fallback };
        assert_eq!(told(&bare, 10), Some((true, "www.example.com has no valid certificate".to_owned())));
        assert_eq!(told(&Row { let_go: true, ..row() }, 91), None);
        assert_eq!(told(&Row { served: None, ..row() }, 10), None, "nobody has read it yet");
    }
}
