//! What an account is called.

use std::fmt;

use super::layout::CURRENT;

/// The layout's `uniq_identifier` of an account: one plain name, and not `current`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(Box<str>);

impl AccountId {
    /// Reads an id from a directory's name; `None` if it cannot be one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let fits = (1..=200).contains(&name.len())
            && name != CURRENT
            && !name.starts_with('.')
            && name.bytes().all(plain);
        fits.then(|| Self(name.into()))
    }

    /// The id as it stands on disk.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
