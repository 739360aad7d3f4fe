//! When a CA asks us to come back: the `Retry-After` header, and what Let's Encrypt writes instead of one.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// No CA's limit lasts longer than this (the longest of Let's Encrypt is a week); a later moment is a mistake, or
/// meant to keep us from renewing.
const LONGEST: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7; the two obsolete forms are not written any more).
const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// `2026-11-22 10:00:00 UTC`, as it stands in Let's Encrypt's error texts.
const IN_TEXT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
const IN_TEXT_LENGTH: usize = "2026-11-22 10:00:00 UTC".len();

/// The moment a `Retry-After` header names, in seconds or as a date (RFC 9110 section 10.2.3); at most eight days from
/// now, and never before now.
pub(super) fn header(value: &HeaderValue, now: SystemTime) -> Option<SystemTime> {
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // A number too large to be one is as good as the longest wait.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(now + Duration::from_secs(seconds).min(LONGEST));
    }
    let date = PrimitiveDateTime::parse(text, HTTP_DATE).ok()?;
    Some(bounded(date.assume_utc().into(), now))
}

/// The moment an error text names with the words «retry after».
///
/// Let's Encrypt sends the header for some of its limits only.
pub(super) fn in_text(text: &str, now: SystemTime) -> Option<SystemTime> {
    const WORDS: &str = "retry after ";
    let at = text.find(WORDS)? + WORDS.len();
    let date = PrimitiveDateTime::parse(text.get(at..at + IN_TEXT_LENGTH)?, IN_TEXT).ok()?;
    Some(bounded(date.assume_utc().into(), now))
}

fn bounded(moment: SystemTime, now: SystemTime) -> SystemTime {
    moment.clamp(now, now + LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{parse_rfc3339, rfc3339};

    fn now() -> SystemTime {
        parse_rfc3339("2026-11-22T09:00:00Z").expect("a moment")
    }

    fn at(header_value: &'static str) -> Option<String> {
        header(&HeaderValue::from_static(header_value), now()).map(rfc3339)
    }

    #[test]
    fn seconds_and_dates_are_both_read() {
        assert_eq!(at("90").as_deref(), Some("2026-11-22T09:01:30Z"));
        assert_eq!(at("Sun, 22 Nov 2026 10:00:00 GMT").as_deref(), Some("2026-11-22T10:00:00Z"));
        assert_eq!(at("soon"), None);
        assert_eq!(at(""), None);
        assert_eq!(at("-5"), None);
    }

    #[test]
    fn a_wait_is_neither_negative_nor_for_ever() {
        assert_eq!(at("18446744073709551615").as_deref(), Some("2026-11-30T09:00:00Z"));
        assert_eq!(at("99999999999999999999999").as_deref(), Some("2026-11-30T09:00:00Z"));
        assert_eq!(at("Thu, 31 Dec 2099 23:59:59 GMT").as_deref(), Some("2026-11-30T09:00:00Z"));
        assert_eq!(at("Fri, 20 Nov 2026 10:00:00 GMT").as_deref(), Some("2026-11-22T09:00:00Z"));
    }

    #[test]
    fn the_moment_in_an_error_text_is_found() {
        let text = "too many certificates (5) already issued for this exact set of identifiers in the last \
                    168h0m0s, retry after 2026-11-23 10:00:00 UTC: see https://letsencrypt.org/docs/rate-limits/";
        assert_eq!(in_text(text, now()).map(rfc3339).as_deref(), Some("2026-11-23T10:00:00Z"));
        assert_eq!(in_text("retry after a while", now()), None);
        assert_eq!(in_text("retry after ü", now()), None);
        assert_eq!(in_text("too many", now()), None);
    }
}
