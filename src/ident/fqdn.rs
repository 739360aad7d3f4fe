//! A DNS name as it stands in certificates, on disk and in look-ups.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use super::printable::{LONGEST_SHOWN, printable};

/// A valid name: lower case, A-labels, at most one `*` and only as the whole left-most label.
///
/// Cloning is a reference count. Equal names are equal strings, so a `&str` finds a `Fqdn` in a map.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fqdn(Arc<str>);

/// Why a string is not a name. The text says what would be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{shown}` is not a name: {fault}")]
pub struct NameError {
    shown: String,
    fault: &'static str,
}

impl NameError {
    pub(super) fn new(given: &str, fault: &'static str) -> Self {
        Self { shown: printable(given, LONGEST_SHOWN), fault }
    }
}

impl Fqdn {
    /// Reads a name as people and clients write it: any case, with or without one trailing dot.
    ///
    /// # Errors
    ///
    /// [`NameError`] for everything that could not stand in a certificate: an empty label, a label over 63
    /// bytes, a name over 253 (RFC 1035 section 2.3.4), characters outside letters, digits, `-` and `_`,
    /// a label that begins or ends with `-`, a `*` that is not the whole first label, an IP address.
    pub fn parse(given: &str) -> Result<Self, NameError> {
        let name = given.strip_suffix('.').unwrap_or(given);
        if let Some(fault) = fault_of(name) {
            return Err(NameError::new(given, fault));
        }
        Ok(Self(name.to_ascii_lowercase().into()))
    }

    /// The name as one string, `*.` included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name stands for all names one label below its [`base`](Self::base).
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// The name without its `*.`, if it has one.
    #[must_use]
    pub fn base(&self) -> &str {
        self.0.strip_prefix("*.").unwrap_or(&self.0)
    }

    /// What follows the first label: the only place a wildcard for this name can stand (RFC 9525 section 6.3).
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        parent_of(&self.0)
    }

    /// Whether `host`, already lower case and without a trailing dot, is this name or, for a wildcard, one
    /// label below it (RFC 9525 section 6.3).
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        if self.is_wildcard() { parent_of(host) == Some(self.base()) } else { *self.0 == *host }
    }

    /// Whether a CA of the public web could ever sign this name.
    ///
    /// False for a single label and for the names reserved for private use (RFC 6761, RFC 6762, RFC 8375, RFC 9476,
    /// ICANN's `.internal`, and `.svc`, Kubernetes' own).
    #[must_use]
    pub fn is_public(&self) -> bool {
        const PRIVATE: [&str; 14] = [
            "localhost",
            "local",
            "internal",
            "svc",
            "test",
            "example",
            "invalid",
            "onion",
            "alt",
            "lan",
            "home",
            "corp",
            "localdomain",
            "arpa",
        ];
        let base = self.base();
        match base.rsplit_once('.') {
            None => false,
            Some((_, top)) => !PRIVATE.contains(&top) && !base.ends_with(".svc.cluster.local"),
        }
    }
}

/// What follows the first dot of `name`, if anything does.
fn parent_of(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent).filter(|parent| !parent.is_empty())
}

/// The first rule that `name`, already without its trailing dot, breaks.
fn fault_of(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > 253 {
        return Some("it is longer than 253 bytes");
    }
    if !name.is_ascii() {
        return Some("write it in its A-label form, which begins with xn--");
    }
    if name.parse::<std::net::IpAddr>().is_ok() {
        return Some("it is an IP address");
    }
    let base = name.strip_prefix("*.").unwrap_or(name);
    for label in base.split('.') {
        let bytes = label.as_bytes();
        if bytes.is_empty() {
            return Some("it has an empty label (two dots in a row, or one at the front)");
        }
        if bytes.len() > 63 {
            return Some("one of its labels is longer than 63 bytes");
        }
        if bytes.contains(&b'*') {
            return Some("a `*` may only be the whole first label, as in *.example.com");
        }
        if !bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return Some("only letters, digits, `-`, `_` and dots may stand in it");
        }
        if bytes[0] == b'-' || bytes[bytes.len() - 1] == b'-' {
            return Some("one of its labels begins or ends with `-`");
        }
    }
    // All digits in the last label is how an IPv4 address looks to half of the world's parsers.
    if base.rsplit('.').next().is_some_and(|top| top.bytes().all(|b| b.is_ascii_digit())) {
        return Some("its last label is a number, as in an IP address");
    }
    if base.len() != name.len() && !base.contains('.') {
        return Some("a wildcard needs two labels after its `*.`, as in *.example.com");
    }
    None
}

impl fmt::Display for Fqdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fqdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Fqdn {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        Self::parse(given)
    }
}

impl Borrow<str> for Fqdn {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fqdn(s: &str) -> Fqdn {
        Fqdn::parse(s).expect("a valid name")
    }

    #[test]
    fn case_and_one_trailing_dot_do_not_matter() {
        assert_eq!(fqdn("WWW.Example.COM."), fqdn("www.example.com"));
        assert!(Fqdn::parse("example.com..").is_err());
    }

    #[test]
    fn what_could_not_stand_in_a_certificate_is_refused() {
        for bad in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a/b",
            "../etc",
            "a b",
            "a\0b",
            "-a.example",
            "a-.example",
            "bücher.example",
            "*",
            "*.",
            "*.com",
            "a.*.example.com",
            "*a.example.com",
            "127.0.0.1",
            "::1",
            "example.123",
            "a:b",
        ] {
            assert!(Fqdn::parse(bad).is_err(), "{bad:?} was taken");
        }
        assert!(Fqdn::parse(&format!("{}.example", "a".repeat(64))).is_err());
        assert!(Fqdn::parse(&"a.".repeat(130)).is_err());
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let wild = fqdn("*.example.com");
        assert!(wild.matches("a.example.com"));
        assert!(!wild.matches("example.com"));
        assert!(!wild.matches("a.b.example.com"));
        assert!(fqdn("example.com").matches("example.com"));
        assert_eq!(fqdn("a.example.com").parent(), Some("example.com"));
        assert_eq!(fqdn("localhost").parent(), None);
    }

    #[test]
    fn private_names_are_known() {
        for private in ["localhost", "a.localhost", "nas.local", "db.internal", "orders.shop.svc", "printer"]
        {
            assert!(!fqdn(private).is_public(), "{private}");
        }
        for public in ["example.com", "*.example.org", "xn--bcher-kva.example.net"] {
            assert!(fqdn(public).is_public(), "{public}");
        }
    }

    proptest! {
        /// Whatever is accepted is one path component, prints as itself and parses to itself.
        #[test]
        fn an_accepted_name_is_a_plain_file_name(given in "\\PC{0,40}|[a-zA-Z0-9.*_/-]{0,40}") {
            if let Ok(name) = Fqdn::parse(&given) {
                let s = name.as_str();
                prop_assert!(!s.contains('/') && !s.contains('\0') && s != "." && s != ".." && s.len() <= 253);
                prop_assert!(!s.starts_with('.'));
                prop_assert_eq!(Fqdn::parse(s), Ok(name.clone()));
            }
        }
    }
}
