//! Why the DNS did not do what was asked of it.

use std::fmt;
use std::io;

use thiserror::Error;

/// A server was asked in vain.
#[derive(Debug, Error)]
pub enum DnsError {
    /// No connection, or it broke.
    #[error("{server} cannot be reached: {source}")]
    Unreachable {
        /// Its address.
        server: String,
        /// What the network said.
        source: io::Error,
    },
    /// It took the question and said nothing.
    #[error("{server} did not answer within {seconds} seconds")]
    Silent {
        /// Its address.
        server: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// It sent something that is not an answer to what was asked.
    #[error("{server} answered nonsense: {what}")]
    Nonsense {
        /// Its address.
        server: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It answered that it will not, or cannot.
    #[error("{server} says {rcode}{}", hint(*.rcode))]
    Refused {
        /// Its address.
        server: String,
        /// Its answer.
        rcode: Rcode,
    },
    /// It does not know the key a message was signed with (RFC 8945 section 5.2.1).
    #[error("{server} says BADKEY: it does not know the key {key:?}, or not with this algorithm")]
    BadKey {
        /// Its address.
        server: String,
        /// The key's name.
        key: String,
    },
    /// It has the key with another secret (RFC 8945 section 5.2.2).
    #[error("{server} says BADSIG: its key {key:?} has another secret")]
    BadSignature {
        /// Its address.
        server: String,
        /// The key's name.
        key: String,
    },
    /// Its clock and ours differ (RFC 8945 section 5.2.3).
    #[error("{server} says BADTIME: its clock is {seconds} seconds {} ours", if *.ahead { "ahead of" } else { "behind" })]
    BadTime {
        /// Its address.
        server: String,
        /// By how much.
        seconds: u64,
        /// Which way.
        ahead: bool,
    },
    /// Its answer does not carry the signature it should, so it may be anybody's.
    #[error("the answer of {server} is not signed with the key {key:?}: {what}")]
    Unsigned {
        /// Its address.
        server: String,
        /// The key's name.
        key: String,
        /// What is wrong with the signature.
        what: &'static str,
    },
    /// Nobody who was asked knows who has authority for a name.
    #[error("the name servers of {name} cannot be found: {why}")]
    NoAuthority {
        /// The name.
        name: String,
        /// What was tried.
        why: String,
    },
}

impl DnsError {
    /// Whether the server said that it did not do what was asked; otherwise it may have.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::BadKey { .. }
            | Self::BadSignature { .. }
            | Self::BadTime { .. }
            | Self::NoAuthority { .. } => true,
            Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Nonsense { .. }
            | Self::Unsigned { .. } => false,
        }
    }
}

fn hint(rcode: Rcode) -> &'static str {
    match rcode {
        Rcode::REFUSED => " (its policy does not allow it)",
        Rcode::NOT_AUTH => " (it has no authority for the zone)",
        _ => "",
    }
}

/// How a server answered (RFC 1035 section 4.1.1, RFC 2136 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rcode(pub(super) u8);

impl Rcode {
    /// As asked.
    pub const NO_ERROR: Self = Self(0);
    /// There is no such name.
    pub const NX_DOMAIN: Self = Self(3);
    /// It will not.
    pub const REFUSED: Self = Self(5);
    /// It has no authority for the zone, or does not accept the signature.
    pub const NOT_AUTH: Self = Self(9);
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 11] = [
            "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
            "NXRRSET", "NOTAUTH", "NOTZONE",
        ];
        match NAMES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "RCODE {}", self.0),
        }
    }
}
