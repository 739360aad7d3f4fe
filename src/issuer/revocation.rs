//! Telling whoever relies on a certificate that it is no longer to be relied on.

use crate::pki::PrivateKey;

/// Why a certificate is revoked: those reasons of RFC 5280 section 5.3.1 that are for whoever holds a certificate to
/// give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reason {
    /// No reason is told.
    #[default]
    Unspecified,
    /// Somebody else has, or may have, the key.
    KeyCompromise,
    /// The organisation has another name now. Not every CA takes it.
    AffiliationChanged,
    /// Another certificate has taken its place.
    Superseded,
    /// Nothing is served under the names any longer.
    CessationOfOperation,
}

impl Reason {
    /// Every reason there is.
    pub const ALL: [Self; 5] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
    ];

    /// The reason as RFC 5280 spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
        }
    }

    /// The reason that is spelt so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
        }
    }
}

/// On whose word a certificate is revoked.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// The account's that ordered it, or that has proved all its names since.
    Account,
    /// That of whoever has its key: with an account lost, or never had.
    Key(&'a PrivateKey),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_back_as_themselves() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(Reason::parse("keycompromise"), None);
    }
}
