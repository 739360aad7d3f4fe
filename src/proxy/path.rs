//! The paths an app may understand when it is sent one.
//!
//! Servers differ in what they do with `%2e`, `..` and `//`. Routing has to know all common readings, because a
//! path that is forwarded as it stands may mean something else to the app than to the route table.

use std::borrow::Cow;

/// The readings of `raw` that differ from it: percent signs decoded once and dot segments removed (RFC 3986,
/// sections 5.2.4 and 6.2.2), with repeated slashes as they are and with repeated slashes as one.
pub(in crate::proxy) fn readings(raw: &str) -> impl Iterator<Item = String> {
    let plain = !raw.contains('%') && !raw.contains("//") && !raw.contains("/.");
    let decoded = (!plain).then(|| decode(raw));
    let kept = decoded.as_deref().map(|path| without_dots(path.split('/')));
    let merged = decoded.as_deref().map(|path| {
        let segments = path.split('/').enumerate();
        let last = path.matches('/').count();
        without_dots(segments.filter(|(i, s)| !s.is_empty() || *i == 0 || *i == last).map(|(_, s)| s))
    });
    let raw = raw.to_owned();
    kept.into_iter().chain(merged).filter(move |reading| *reading != raw)
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

/// RFC 3986 section 5.2.4, on segments. The first one is what stands before the first slash: nothing.
fn without_dots<'a>(segments: impl Iterator<Item = &'a str>) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_slash = false;
    for segment in segments.skip(1) {
        ends_in_slash = matches!(segment, "." | "..");
        match segment {
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
            assert_eq!(readings(path).count(), 0, "{path}");
        }
    }

    #[test]
    fn each_common_reading_is_found() {
        let all = |path| readings(path).collect::<Vec<_>>();
        assert_eq!(all("/a/../b"), ["/b", "/b"]);
        assert_eq!(all("/a/%2E%2e/b"), ["/b", "/b"]);
        assert_eq!(all("/a%2f..%2fb"), ["/b", "/b"]);
        assert_eq!(all("/a//../b"), ["/a/b", "/b"]);
        assert_eq!(all("/a/b/.."), ["/a/", "/a/"]);
        assert_eq!(all("/a/b/../"), ["/a/", "/a/"]);
        assert_eq!(all("/../../a"), ["/a", "/a"]);
        assert_eq!(all("//a"), ["/a"]);
        assert_eq!(all("/a//"), ["/a/"]);
        assert_eq!(all("/%61"), ["/a", "/a"]);
        assert_eq!(all("/100%"), [""; 0]);
        assert_eq!(all("/%zz%2"), [""; 0]);
    }
}
