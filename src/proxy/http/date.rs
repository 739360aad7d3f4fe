//! The date as heads have it (RFC 9110 section 5.6.7), put together once a second.

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

use crate::clock::Clock;

thread_local! {
    /// The second since 1970, and what it reads like.
    static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

/// Writes the date of now to `out`.
pub(super) fn write(out: &mut Vec<u8>) {
    let second = Clock::system().now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|(last, date)| {
        if *last != second {
            *last = second;
            *date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
        }
        out.extend_from_slice(date.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_now() {
        let mut out = Vec::new();
        write(&mut out);
        let date = httpdate::parse_http_date(std::str::from_utf8(&out).expect("text")).expect("a date");
        let age = Clock::system().now().duration_since(date).expect("not in the future");
        assert!(age < Duration::from_secs(3600), "{age:?}");
    }
}
