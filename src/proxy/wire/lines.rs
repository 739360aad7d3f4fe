//! What requests and responses have in common: lines, and the number that frames.

use bytes::{Buf, Bytes};
use httparse::Header;

/// Whether every line of a head ends with CRLF, and nothing but the fields stands between the first line and the
/// empty one.
///
/// `httparse` has read the head by now, so no CR or LF is left inside of a line; but it takes a lone LF for the end
/// of one (RFC 9112 section 2.2 permits that, and not every server does it).
pub(super) fn has_strict_lines(head: &[u8], fields: &[Header<'_>]) -> bool {
    let begin = head.as_ptr().addr();
    head.ends_with(b"\r\n\r\n")
        && fields.iter().all(|field| {
            let at = field.name.as_ptr().addr() - begin;
            head[..at].ends_with(b"\r\n")
        })
}

/// The same as far as it can be told from a head that is not complete.
pub(super) fn has_bare_line_feed(part: &[u8]) -> bool {
    part.first() == Some(&b'\n') || part.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
}

/// Cuts a head off. It is copied if something stands behind it: a count of users for both costs more, and would hold on
/// to what stands there.
pub(super) fn cut(input: &mut Bytes, length: usize) -> Bytes {
    if length == input.len() {
        return std::mem::take(input);
    }
    let head = Bytes::copy_from_slice(&input[..length]);
    input.advance(length);
    head
}

/// The number in a `Content-Length`: digits only, no sign, no list (RFC 9110 section 8.6), and not more than an app can
/// count in a signed integer.
#[must_use]
pub fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length = std::str::from_utf8(value).ok()?.parse::<i64>().ok()?;
    u64::try_from(length).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_digits_and_can_be_counted() {
        for (value, expected) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("9223372036854775807", Some(i64::MAX as u64)),
            ("9223372036854775808", None),
            ("18446744073709551616", None),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("1,1", None),
            ("1 1", None),
            ("0x1", None),
            ("1.0", None),
            ("١", None),
        ] {
            assert_eq!(length(value.as_bytes()), expected, "{value}");
        }
    }
}
