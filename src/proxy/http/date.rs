//! The date as heads have it (RFC 9110 section 5.6.7), put together once a second.

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderValue;

use crate::clock::Clock;

thread_local! {
    /// The second since 1970, and what it reads like.
    static LAST: RefCell<(u64, HeaderValue)> =
        const { RefCell::new((u64::MAX, HeaderValue::from_static(""))) };
}

/// Writes the date of now to `out`.
pub(super) fn write(out: &mut Vec<u8>) {
    with(|date| out.extend_from_slice(date.as_bytes()));
}

/// The date of now.
pub(super) fn value() -> HeaderValue {
    with(HeaderValue::clone)
}

fn with<R>(take: impl FnOnce(&HeaderValue) -> R) -> R {
    let second = Clock::system().now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|(last, date)| {
        if *last != second {
            *last = second;
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            *date = HeaderValue::try_from(text).expect("a date is visible ASCII");
        }
        take(date)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_now() {
        let mut out = Vec::new();
        write(&mut out);
        assert_eq!(value().as_bytes().len(), out.len());
        let date = httpdate::parse_http_date(std::str::from_utf8(&out).expect("text")).expect("a date");
        let age = Clock::system().now().duration_since(date).expect("not in the future");
        assert!(age < Duration::from_secs(3600), "{age:?}");
    }
}
