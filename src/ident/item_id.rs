//! The id of a committed certificate: when it was committed, and enough randomness never to meet another.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand;
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::printable::{LONGEST_SHOWN, printable};

/// The layout's `itemidentifier`: `YYYYMMDDTHHMMSS.nnnnnnnnnZ-` and sixteen characters of base32.
///
/// The order of the strings is the order of the commits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(Box<str>);

/// A string that does not have the shape of an id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{shown}` is not {what}")]
pub struct IdError {
    shown: String,
    what: &'static str,
}

impl IdError {
    pub(super) fn new(given: &str, what: &'static str) -> Self {
        Self { shown: printable(given, LONGEST_SHOWN), what }
    }
}

const TIME: &[BorrowedFormatItem<'static>] =
    format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:9]Z");
const TIME_LEN: usize = "YYYYMMDDTHHMMSS.nnnnnnnnnZ".len();
/// Ten bytes of randomness, five bits a character.
const SUFFIX_LEN: usize = 16;

impl ItemId {
    /// An id for a commit at `now` that stands after `newest`.
    ///
    /// The time in it is the greater of `now` and the newest item's plus a nanosecond, so a clock that was
    /// set back never hides a renewal behind the certificate it replaces.
    #[must_use]
    pub fn next(now: SystemTime, newest: Option<&ItemId>) -> Self {
        let after = newest.map(|id| id.time() + Duration::from_nanos(1));
        let time = after.map_or(now, |after| now.max(after)).max(SystemTime::UNIX_EPOCH);
        let stamp = OffsetDateTime::from(time).format(TIME).unwrap_or_default();
        Self(format!("{stamp}-{}", suffix()).into())
    }

    /// Reads an id back from a directory's name.
    ///
    /// # Errors
    ///
    /// [`IdError`] if it does not have the shape of one, to the digit.
    pub fn parse(given: &str) -> Result<Self, IdError> {
        let fault = || IdError::new(given, "an item id");
        if given.len() != TIME_LEN + 1 + SUFFIX_LEN
            || !given.is_ascii()
            || parse_time(&given[..TIME_LEN]).is_none()
        {
            return Err(fault());
        }
        let tail = &given.as_bytes()[TIME_LEN..];
        let base32 = |b: &u8| b.is_ascii_lowercase() || (b'2'..=b'7').contains(b);
        if tail[0] != b'-' || !tail[1..].iter().all(base32) {
            return Err(fault());
        }
        Ok(Self(given.into()))
    }

    /// The id as it stands on disk.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the item was committed, or a moment after the item before it if the clock said less.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        parse_time(&self.0[..TIME_LEN]).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

fn parse_time(stamp: &str) -> Option<SystemTime> {
    time::PrimitiveDateTime::parse(stamp, TIME).ok().map(|t| t.assume_utc().into())
}

fn suffix() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0_u8; SUFFIX_LEN];
    // A clash also needs the same nanosecond; a generator that fails is the operating system's end anyway.
    rand::fill(&mut bytes).expect("the operating system gives randomness");
    bytes.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect()
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_order_is_commit_order_even_when_the_clock_goes_back() {
        let now = SystemTime::UNIX_EPOCH + Duration::new(1_800_000_000, 999_999_999);
        let first = ItemId::next(now, None);
        let second = ItemId::next(now, Some(&first));
        let third = ItemId::next(now - Duration::from_secs(86_400), Some(&second));
        assert!(first < second && second < third, "{first} {second} {third}");
        assert_eq!(first.time(), now);
        assert_eq!(third.time(), now + Duration::from_nanos(2));
    }

    #[test]
    fn an_id_parses_to_itself_and_nothing_else_does() {
        let id = ItemId::next(SystemTime::UNIX_EPOCH + Duration::from_secs(1), None);
        assert_eq!(ItemId::parse(id.as_str()), Ok(id.clone()));
        let upper = id.as_str().to_uppercase();
        for bad in
            ["", "..", &upper, "20261122T000000.000000000Z", "20261322T000000.000000000Z-aaaaaaaaaaaaaaaa"]
        {
            assert!(ItemId::parse(bad).is_err(), "{bad}");
        }
    }
}
