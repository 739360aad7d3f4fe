//! What a certificate can stand for: a DNS name or an IP address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Fqdn, NameError};

/// One subject alternative name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// A `dNSName`.
    Dns(Fqdn),
    /// An `iPAddress` (RFC 8738 for issuance).
    Ip(IpAddr),
}

impl Name {
    /// Reads an IP address, in brackets or without, or a DNS name.
    ///
    /// # Errors
    ///
    /// [`NameError`] if it is neither.
    pub fn parse(given: &str) -> Result<Self, NameError> {
        let bare = given.strip_prefix('[').and_then(|s| s.strip_suffix(']')).unwrap_or(given);
        match bare.parse::<IpAddr>() {
            Ok(ip) => Ok(Self::Ip(ip)),
            Err(_) => Fqdn::parse(given).map(Self::Dns),
        }
    }

    /// The DNS name, if this is one.
    #[must_use]
    pub fn fqdn(&self) -> Option<&Fqdn> {
        match self {
            Self::Dns(fqdn) => Some(fqdn),
            Self::Ip(_) => None,
        }
    }

    /// Whether this is a DNS name in its `*.` form.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.fqdn().is_some_and(Fqdn::is_wildcard)
    }

    /// The wildcard name that covers this one; none of a wildcard, an IP address or a single label.
    #[must_use]
    pub fn wildcard(&self) -> Option<Self> {
        let fqdn = self.fqdn().filter(|fqdn| !fqdn.is_wildcard())?;
        Fqdn::parse(&format!("*.{}", fqdn.parent()?)).ok().map(Self::Dns)
    }

    /// Whether a CA of the public web could sign this name as things are: a public DNS name.
    ///
    /// IP addresses are false until issuance for them is built.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.fqdn().is_some_and(Fqdn::is_public)
    }

    /// Whether `host`, lower case and without a trailing dot, is covered by this name.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        match self {
            Self::Dns(fqdn) => fqdn.matches(host),
            Self::Ip(ip) => {
                let bare = host.strip_prefix('[').and_then(|s| s.strip_suffix(']')).unwrap_or(host);
                bare.parse::<IpAddr>().is_ok_and(|other| other == *ip)
            }
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(fqdn) => fqdn.fmt(f),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        Self::parse(given)
    }
}

impl From<Fqdn> for Name {
    fn from(fqdn: Fqdn) -> Self {
        Self::Dns(fqdn)
    }
}

// Ordered as their text is, so that «sorted names» means the same on every machine and in every tool.
impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Dns(a), Self::Dns(b)) => a.cmp(b),
            _ => self.to_string().cmp(&other.to_string()),
        }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_told_apart() {
        let parse = |s| Name::parse(s).expect("a name");
        assert!(matches!(parse("192.0.2.7"), Name::Ip(_)));
        assert_eq!(parse("[2001:DB8::1]").to_string(), "2001:db8::1");
        assert!(matches!(parse("example.com"), Name::Dns(_)));
        assert!(parse("2001:db8::1").covers("[2001:db8:0::1]"));
        assert!(!parse("192.0.2.7").is_public());
    }

    #[test]
    fn a_name_below_another_has_one_wildcard_above_it() {
        let above = |s| Name::parse(s).expect("a name").wildcard().map(|name| name.to_string());
        assert_eq!(above("www.example.com").as_deref(), Some("*.example.com"));
        for without in ["*.example.com", "localhost", "192.0.2.7"] {
            assert_eq!(above(without), None, "{without}");
        }
    }
}
