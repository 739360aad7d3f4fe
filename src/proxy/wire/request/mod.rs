//! The head of a client's request, read strictly.

mod refusal;
mod target;

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes};
use http::{Method, Uri, Version};
use httparse::Status;

use super::fields::{Fields, Places};
use super::kind::Kind;
use super::lines::{self, has_bare_line_feed, has_strict_lines};
use super::tokens::Tokens;

pub use self::refusal::Refusal;

/// The longest head, from the request line to the empty line.
pub const MAX_HEAD: usize = 32 * 1024;

/// The longest target.
pub const MAX_TARGET: usize = 16 * 1024;

/// Many more fields than any client sends.
pub const MAX_FIELDS: usize = 100;

/// What is asked for, over any version of HTTP.
#[derive(Debug)]
pub struct Head {
    /// Any token but CONNECT and TRACE.
    pub method: Method,
    /// In origin-form, in absolute-form with `http` or `https`, or `*` with OPTIONS.
    pub uri: Uri,
    /// HTTP/1.0, HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// All fields. Whom the request is for has not been looked at.
    pub fields: Fields,
}

impl Head {
    /// The host a request is for: what stands in its target if that names one, else its first `Host`. A client over
    /// HTTP/2 sends only the former (RFC 9113 section 8.3.1).
    #[must_use]
    pub fn host(&self) -> Option<&[u8]> {
        match self.uri.authority() {
            Some(authority) => Some(authority.as_str().as_bytes()),
            None => self.fields.get(Kind::Host),
        }
    }

    /// Whether the client waits for a 100 before it sends the body (RFC 9110 section 10.1.1).
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.fields.get(Kind::Expect).is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
    }
}

/// A head that was read, and what it says about the connection.
#[derive(Debug)]
pub struct Request {
    /// What is asked for.
    pub head: Box<Head>,
    /// How the body is told from what follows it.
    pub framing: Framing,
    /// Whether the client lets the connection go on after this exchange.
    pub keep: bool,
    /// Whether the client waits for a 100 before it sends the body (RFC 9110 section 10.1.1).
    pub expects_continue: bool,
}

/// Where a request's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none, and nothing says so.
    Empty,
    /// After this many bytes.
    Length(u64),
    /// Where its own framing says.
    Chunked,
}

/// Cuts one head off `input`, or leaves `input` alone and returns `None` if the head is not complete.
///
/// One empty line before the head is passed over: old clients write it after a body (RFC 9112 section 2.2). A head that
/// can only become wrong or too long is refused before it is complete. Whether a head is refused does not depend on
/// the pieces it comes in; where it has several faults, which one is named may.
///
/// # Errors
///
/// [`Refusal`] with what the client is to be told. What follows on the connection has no meaning then.
pub fn request(input: &mut Bytes) -> Result<Option<Request>, Refusal> {
    let skipped = if input.starts_with(b"\r\n") { 2 } else { 0 };
    let bytes = &input[skipped..];
    // `httparse` would pass over any number of empty lines.
    if matches!(*bytes, [b'\n', ..] | [b'\r', _, ..]) || skipped > 0 && bytes.starts_with(b"\r") {
        return Err(Refusal::LINE_END);
    }
    let mut room = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let (length, line, places) = match parsed.parse_with_uninit_headers(bytes, &mut room) {
        Ok(Status::Complete(length)) => {
            let head = &bytes[..length];
            (length, request_line(head, &parsed)?, Places::of(head, parsed.headers))
        }
        Ok(Status::Partial) => return may_become_one(bytes, &parsed).map(|()| None),
        Err(error) => return Err(refusal::of(error, bytes, &parsed)),
    };
    input.advance(skipped);
    let fields = Fields::new(lines::cut(input, length), places);
    let RequestLine { method, uri, version } = line;
    let Meaning { framing, keep, expects_continue } = understand(&fields, version)?;
    Ok(Some(Request {
        head: Box::new(Head { method, uri, version, fields }),
        framing,
        keep,
        expects_continue,
    }))
}

/// Whether a head that was not complete can be by now, or has become too long: `fresh` came behind the rest of what
/// is `length` bytes in all.
///
/// Heads end with a line feed. Whoever asks before parsing again spends no more on a client that sends byte by byte
/// than on one that sends line by line, and of those there are [`MAX_FIELDS`] at most.
#[must_use]
pub fn is_worth_another_look(fresh: &[u8], length: usize) -> bool {
    length > MAX_HEAD || fresh.contains(&b'\n')
}

/// Judges what there is of a head.
fn may_become_one(bytes: &[u8], parsed: &httparse::Request<'_, '_>) -> Result<(), Refusal> {
    if has_bare_line_feed(bytes) {
        return Err(Refusal::LINE_END);
    }
    let target = match (parsed.method, parsed.path) {
        (_, Some(target)) => target.len(),
        (Some(method), None) => bytes.len() - method.len() - 1,
        (None, None) => 0,
    };
    if target > MAX_TARGET {
        return Err(Refusal::TARGET_TOO_LONG);
    }
    if bytes.len() > MAX_HEAD {
        return Err(Refusal::HEAD_TOO_LARGE);
    }
    Ok(())
}

struct RequestLine {
    method: Method,
    uri: Uri,
    version: Version,
}

/// What a head that `httparse` could read begins with, if its form is right as a whole.
fn request_line(head: &[u8], parsed: &httparse::Request<'_, '_>) -> Result<RequestLine, Refusal> {
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Refusal::REQUEST_LINE);
    };
    if target.len() > MAX_TARGET {
        return Err(Refusal::TARGET_TOO_LONG);
    }
    if head.len() > MAX_HEAD {
        return Err(Refusal::HEAD_TOO_LARGE);
    }
    if !has_strict_lines(head, parsed.headers) {
        return Err(Refusal::LINE_END);
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| Refusal::REQUEST_LINE)?;
    if let Some(refusal) = Refusal::of_method(&method) {
        return Err(refusal);
    }
    let uri = target::read(target.as_bytes(), &method)?;
    let version = if version == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    Ok(RequestLine { method, uri, version })
}

/// What the fields say about the connection and the body.
struct Meaning {
    framing: Framing,
    keep: bool,
    expects_continue: bool,
}

fn understand(fields: &Fields, version: Version) -> Result<Meaning, Refusal> {
    let old = version == Version::HTTP_10;
    let connection = Tokens::of(fields);
    let (mut length, mut chunked, mut expects_continue) = (None, None, false);
    for value in fields.all(Kind::ContentLength) {
        if length.replace(lines::length(value).ok_or(Refusal::LENGTH)?).is_some() {
            return Err(Refusal::LENGTH_REPEATED);
        }
    }
    for value in fields.all(Kind::TransferEncoding) {
        let chunked = chunked.get_or_insert(false);
        for coding in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
            if *chunked || coding.is_empty() {
                return Err(Refusal::CODINGS);
            }
            if !coding.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::CODING);
            }
            *chunked = true;
        }
    }
    for value in fields.all(Kind::Expect) {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::EXPECTATION);
        }
        // A client that speaks HTTP/1.0 cannot have meant it (RFC 9110 section 10.1.1).
        expects_continue = !old;
    }
    if connection.malformed {
        return Err(Refusal::CONNECTION);
    }
    let framing = match (length, chunked) {
        (Some(_), Some(_)) => return Err(Refusal::AMBIGUOUS),
        (None, Some(_)) if old => return Err(Refusal::CODING_IN_HTTP10),
        (None, Some(_)) => Framing::Chunked,
        (Some(length), None) => Framing::Length(length),
        (None, None) => Framing::Empty,
    };
    let keep = !connection.close && (!old || connection.keep_alive);
    Ok(Meaning { framing, keep, expects_continue })
}

#[cfg(test)]
impl Head {
    /// A GET over HTTP/1.1.
    pub(in crate::proxy) fn get(uri: &str, fields: &[(&str, &str)]) -> Self {
        let (method, uri) = (Method::GET, uri.parse().expect("a URI"));
        Self { method, uri, version: Version::HTTP_11, fields: fields.iter().copied().collect() }
    }
}

#[cfg(test)]
mod tests;
