//! The paths an app may understand when it is sent one.
//!
//! Servers differ in what they do with `%2e`, `..` and `//`. Routing has to know all common readings, because a
//! path that is forwarded as it stands may mean something else to the app than to the route table.

use std::borrow::Cow;

/// The readings of `raw` that differ from it: percent signs decoded once and dot segments removed (RFC 3986 sections
/// 5.2.4 and 6.2.2). Servers disagree about repeated slashes, about a backslash, and about `..;x`, which some take for
/// `..` with a parameter; so there is one reading for each combination.
pub(in crate::proxy) fn readings(raw: &str) -> Vec<String> {
    if !raw.contains('%') && !raw.contains('\\') && !raw.contains("//") && !raw.contains("/.") {
        return Vec::new();
    }
    let decoded = decode(raw);
    let slashed = decoded.contains('\\').then(|| decoded.replace('\\', "/"));
    let mut readings = Vec::new();
    for path in [Some(&*decoded), slashed.as_deref()].into_iter().flatten() {
        for name in [whole, without_parameters] {
            readings.push(without_dots(path.split('/'), name));
            readings.push(without_dots(merged(path), name));
        }
    }
    readings.sort_unstable();
    readings.dedup();
    readings.retain(|reading| reading != raw);
    readings
}

/// The segments of a path in which repeated slashes are one.
fn merged(path: &str) -> impl Iterator<Item = &str> {
    let last = path.matches('/').count();
    let segments = path.split('/').enumerate();
    segments.filter(move |(i, s)| !s.is_empty() || *i == 0 || *i == last).map(|(_, segment)| segment)
}

fn whole(segment: &str) -> &str {
    segment
}

fn without_parameters(segment: &str) -> &str {
    segment.split(';').next().unwrap_or(segment)
}

fn decode(raw: &str) -> Cow<'_, str> {
    if !raw.contains('%') {
        return Cow::Borrowed(raw);
    }
    let hex = |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16)).map(|d| d.to_le_bytes()[0]);
    let bytes = raw.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%'
            && let (Some(high), Some(low)) = (hex(bytes.get(at + 1)), hex(bytes.get(at + 2)))
        {
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// RFC 3986 section 5.2.4, on segments, of which `name` is what may be dots. The first one is what stands before the
/// first slash: nothing.
fn without_dots<'a>(segments: impl Iterator<Item = &'a str>, name: fn(&str) -> &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_slash = false;
    for segment in segments.skip(1) {
        let name = name(segment);
        ends_in_slash = matches!(name, "." | "..");
        match name {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    if ends_in_slash {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_has_no_other_reading() {
        for path in ["/", "/a", "/a/b/", "/a.b/c~d;e=f", "*"] {
            assert_eq!(readings(path), [""; 0], "{path}");
        }
    }

    #[test]
    fn each_common_reading_is_found() {
        for (path, expected) in [
            ("/a/../b", &["/b"][..]),
            ("/a/%2E%2e/b", &["/b"]),
            ("/a%2f..%2fb", &["/b"]),
            ("/a//../b", &["/a/b", "/b"]),
            ("/a/b/..", &["/a/"]),
            ("/a/b/../", &["/a/"]),
            ("/../../a", &["/a"]),
            ("//a", &["/a"]),
            ("/a//", &["/a/"]),
            ("/%61", &["/a"]),
            ("/a/..;/b", &["/b"]),
            ("/a/..;x=y/../b", &["/a/b", "/b"]),
            ("/a/b/..%3b", &["/a/", "/a/b/..;"]),
            ("/a/..\\b", &["/b"]),
            ("/a/..%5c../b", &["/a/..\\../b", "/b"]),
            ("/100%", &[]),
            ("/%zz%2", &[]),
        ] {
            assert_eq!(readings(path), expected, "{path}");
        }
    }
}
