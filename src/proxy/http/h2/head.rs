//! The head of a request as HTTP/2 brings it, held to what heads of HTTP/1.1 are held to.
//!
//! The `h2` crate has seen to what RFC 9113 asks of a field alone. Two things it does not show us: a fragment, which it
//! cuts off the path, and the scheme of a request without an `:authority`.

use http::request::Parts;
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Uri};

use crate::proxy::wire::{self, Fields, Head, Kind, MAX_FIELDS, MAX_HEAD, MAX_TARGET, Refusal};

/// What HTTP/1.1 writes around the name and the value of a field.
const AROUND: usize = ": \r\n".len();

/// The head that these parts make.
pub(super) fn of(parts: Parts) -> Head {
    let fields = Fields::from(&parts.headers);
    Head { method: parts.method, uri: parts.uri, version: parts.version, fields }
}

/// Whether a request with this head is answered by whoever it is for.
///
/// # Errors
///
/// [`Refusal`] with what the client is to be told.
pub(super) fn judge(head: &Head) -> Result<(), Refusal> {
    if let Some(refusal) = Refusal::of_method(&head.method) {
        return Err(refusal);
    }
    let target = judge_target(&head.uri, &head.method)?;
    judge_fields(&head.fields, target.len())
}

fn judge_target<'a>(uri: &'a Uri, method: &Method) -> Result<&'a str, Refusal> {
    let target = uri.path_and_query().map_or("", PathAndQuery::as_str);
    if target.len() > MAX_TARGET {
        return Err(Refusal::TARGET_TOO_LONG);
    }
    let is_path = target.starts_with('/') || target == "*" && method == Method::OPTIONS;
    let is_ours = uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP);
    if !is_path || !is_ours || !target.is_ascii() {
        return Err(Refusal::TARGET);
    }
    Ok(target)
}

/// `size` is that of the head without its fields.
fn judge_fields(fields: &Fields, mut size: usize) -> Result<(), Refusal> {
    // Cookies that come crumb by crumb are counted one by one.
    if fields.len() > MAX_FIELDS {
        return Err(Refusal::TOO_MANY_FIELDS);
    }
    let mut has_length = false;
    for field in fields.iter() {
        size += field.name.len() + field.value.len() + AROUND;
        match field.kind {
            Kind::ContentLength if wire::length(field.value).is_none() => return Err(Refusal::LENGTH),
            Kind::ContentLength if has_length => return Err(Refusal::LENGTH_REPEATED),
            Kind::ContentLength => has_length = true,
            Kind::Expect if !field.value.eq_ignore_ascii_case(b"100-continue") => {
                return Err(Refusal::EXPECTATION);
            }
            _ => {}
        }
    }
    if size > MAX_HEAD {
        return Err(Refusal::HEAD_TOO_LARGE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(method: Method, uri: &str, fields: &[(&str, &str)]) -> Option<&'static str> {
        judge(&Head { method, ..Head::get(uri, fields) }).err().map(|refusal| refusal.reason)
    }

    #[test]
    fn a_target_is_a_path() {
        for (method, uri, reason) in [
            (Method::GET, "https://a.example/x?y", None),
            (Method::GET, "http://a.example/", None),
            (Method::GET, "/x", None),
            (Method::OPTIONS, "*", None),
            (Method::GET, "*", Some("target_invalid")),
            (Method::GET, "https://a.example?x=1", Some("target_invalid")),
            (Method::GET, "ftp://a.example/", Some("target_invalid")),
            (Method::GET, "/\u{e9}", Some("target_invalid")),
            (Method::TRACE, "/", Some("trace")),
            (Method::CONNECT, "a.example:443", Some("connect")),
        ] {
            assert_eq!(judged(method, uri, &[]), reason, "{uri}");
        }
        let long = |length| format!("/{}", "x".repeat(length - 1));
        assert_eq!(judged(Method::GET, &long(MAX_TARGET), &[]), None);
        assert_eq!(judged(Method::GET, &long(MAX_TARGET + 1), &[]), Some("target_too_long"));
    }

    #[test]
    fn fields_have_limits_and_say_one_thing() {
        for (fields, reason) in [
            (&[("expect", "100-Continue"), ("content-length", "5")][..], None),
            (&[("expect", "foo")], Some("expectation")),
            (&[("content-length", "")], Some("content_length_invalid")),
            (&[("content-length", "5"), ("content-length", "5")], Some("content_length_repeated")),
            (&[("x", "y"); MAX_FIELDS], None),
            (&[("x", "y"); MAX_FIELDS + 1], Some("too_many_fields")),
        ] {
            assert_eq!(judged(Method::POST, "/", fields), reason, "{fields:?}");
        }
        let filled = "y".repeat(MAX_HEAD - "/x: \r\n".len());
        assert_eq!(judged(Method::GET, "/", &[("x", &filled)]), None);
        assert_eq!(judged(Method::GET, "/", &[("x", &format!("{filled}y"))]), Some("head_too_large"));
    }
}
