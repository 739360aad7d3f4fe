//! The record that lets an account prove a name: which one is needed, and whether it is there. Pure.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::clock::rfc3339;
use crate::dns::{IssueValue, Said};
use crate::ident::Fqdn;

/// Where the records stand: this, and the name.
const LABEL: &str = "_validation-persist";
/// What a record needs for wildcards.
const WILDCARD: &str = "wildcard";
/// The longest string in a TXT record (RFC 1035 section 3.3.14); a value may have several.
const LONGEST_STRING: usize = 255;
/// The end of the year 9999. What is to last longer lasts for ever.
const FOR_EVER: u64 = 253_402_300_799;

/// The renewals of a certificate of two hundred days, the longest that public CAs give, are 133 days apart: the last
/// one before the end is to tell of it.
const SOON: Duration = Duration::from_secs(150 * 24 * 60 * 60);

/// The record that has to stand so that an account can prove a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed<'a> {
    /// Where it stands.
    pub place: Fqdn,
    /// The domains that mean the CA; a record names one of them.
    issuers: &'a [String],
    account: &'a str,
    wildcard: bool,
}

/// What stands at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// The record, for ever or until then.
    Granted(Option<SystemTime>),
    /// One that has ended.
    Ended(SystemTime),
    /// One for the name, but not for its wildcard.
    NameOnly,
    /// One for another account of the CA.
    OtherAccount(String),
    /// None for this CA.
    Absent,
}

/// What the name servers show of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// All that answer, this.
    Everywhere(Held),
    /// Some have the record, and some only this.
    NotEverywhere(Held),
    /// Nobody answers, and why.
    Unknown(String),
}

/// What one record says.
struct Grant {
    issuer: String,
    account: String,
    wildcard: bool,
    until: Option<SystemTime>,
}

impl<'a> Needed<'a> {
    /// The record for a name, of which an account at a CA that goes by one of these domains can be had; none if the
    /// place for it would have too long a name.
    #[must_use]
    pub fn new(name: &Fqdn, issuers: &'a [String], account: &'a str) -> Option<Self> {
        let place = Fqdn::parse(&format!("{LABEL}.{}", name.base())).ok()?;
        Some(Self { place, issuers, account, wildcard: name.is_wildcard() })
    }

    /// What the name servers show of it.
    pub fn shown(&self, said: Said<String>, now: SystemTime) -> Shown {
        let views = match said {
            Said::Alike(texts) => return Shown::Everywhere(self.held(&texts, now)),
            Said::Nothing(why) => return Shown::Unknown(why),
            Said::Differently(views) => views,
        };
        let held: Vec<Held> = views.iter().map(|(_, texts)| self.held(texts, now)).collect();
        let granted = |held: &&Held| matches!(held, Held::Granted(_));
        match held.iter().find(|held| !granted(held)) {
            None => Shown::Everywhere(Held::Granted(held.iter().filter_map(Held::until).min())),
            Some(less) if held.iter().any(|held| granted(&held)) => Shown::NotEverywhere(less.clone()),
            Some(less) => Shown::Everywhere(less.clone()),
        }
    }

    /// What these texts come to. One that is not written as it should be means nothing, as it does to CAs.
    fn held(&self, texts: &[String], now: SystemTime) -> Held {
        let about =
            |grant: &Grant| self.issuers.iter().any(|issuer| issuer.eq_ignore_ascii_case(&grant.issuer));
        let grants = texts.iter().filter_map(|text| Grant::parse(text)).filter(about);
        let (ours, others): (Vec<Grant>, Vec<Grant>) =
            grants.partition(|grant| grant.account == self.account);
        let fitting = ours.iter().filter(|grant| grant.wildcard || !self.wildcard).map(|grant| grant.until);
        match fitting.max_by_key(|until| (until.is_none(), *until)) {
            Some(Some(until)) if until < now => Held::Ended(until),
            Some(until) => Held::Granted(until),
            None if !ours.is_empty() => Held::NameOnly,
            None => others.into_iter().next().map_or(Held::Absent, |grant| Held::OtherAccount(grant.account)),
        }
    }
}

/// As it is written in a zone.
impl fmt::Display for Needed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parameters = vec![("accounturi".to_owned(), self.account.to_owned())];
        if self.wildcard {
            parameters.push(("policy".to_owned(), WILDCARD.to_owned()));
        }
        let issuer = self.issuers.first().cloned().unwrap_or_default();
        let value = IssueValue { issuer, parameters }.to_string();
        write!(f, "{}. TXT", self.place)?;
        // An issue-value is ASCII.
        value
            .as_bytes()
            .chunks(LONGEST_STRING)
            .try_for_each(|part| write!(f, " \"{}\"", String::from_utf8_lossy(part)))
    }
}

impl Held {
    /// When the record ends, if it stands and does.
    #[must_use]
    pub fn until(&self) -> Option<SystemTime> {
        match self {
            Self::Granted(until) => *until,
            _ => None,
        }
    }

    /// Whether the record stands, but so shortly that somebody should see to it.
    #[must_use]
    pub fn ends_soon(&self, now: SystemTime) -> bool {
        self.until().is_some_and(|until| until < now + SOON)
    }
}

/// In words that follow the place.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted(None) => f.write_str("has the record"),
            Self::Granted(Some(until)) => write!(f, "has the record until {}", rfc3339(*until)),
            Self::Ended(at) => write!(f, "has the record, but it ended {} (persistUntil)", rfc3339(*at)),
            Self::NameOnly => f.write_str("has a record, but not for wildcards (policy=wildcard)"),
            // It comes from somebody else.
            Self::OtherAccount(account) => write!(f, "has a record for another account, {account:.200}"),
            Self::Absent => f.write_str("has no record for this CA"),
        }
    }
}

impl Grant {
    /// What a text says; nothing if it is not as the draft wants it, a parameter that stands there twice included.
    /// Parameters nobody knows are nobody's concern.
    fn parse(text: &str) -> Option<Self> {
        let value = IssueValue::parse(text)?;
        let mut tags: Vec<&str> = value.parameters.iter().map(|(tag, _)| tag.as_str()).collect();
        tags.sort_unstable();
        if tags.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        let account = value.parameter("accounturi").filter(|account| !account.is_empty())?.to_owned();
        let wildcard = value.parameter("policy").is_some_and(|policy| policy.eq_ignore_ascii_case(WILDCARD));
        let until = match value.parameter("persistuntil") {
            None => None,
            Some(given) => Some(moment(given)?),
        };
        Some(Self { issuer: value.issuer, account, wildcard, until })
    }
}

/// Seconds since 1970.
fn moment(given: &str) -> Option<SystemTime> {
    let digits = given.bytes().all(|b| b.is_ascii_digit());
    let seconds = given.parse::<u64>().ok().filter(|_| digits)?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(FOR_EVER)))
}

#[cfg(test)]
mod tests;
