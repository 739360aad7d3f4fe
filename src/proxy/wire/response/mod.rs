//! The head of an upstream's response, read strictly.
//!
//! Where a response could be understood in two ways it is not understood at all: an upstream that says both how long
//! its body is and that it is chunked, or says one of them twice, is answered for with a 502 (RFC 9112 section 6.3).

use std::mem::MaybeUninit;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use httparse::{Error, Status};

use super::fields::{Field, Fields, Places};
use super::kind::Kind;
use super::lines::{self, has_bare_line_feed, has_strict_lines};
use super::request::Framing;
use super::tokens::Tokens;

/// The longest head that is read.
const MAX_HEAD: usize = 64 * 1024;

/// Fields in one head. Nobody sends as many.
const MAX_FIELDS: usize = 128;

const NO_STATUS_LINE: &str = "not an HTTP/1.1 response";
const NO_STATUS: &str = "an invalid status code";
const TOO_LARGE: &str = "its head is too large";
const LINE_END: &str = "a line that does not end with CRLF";

/// A response's head, without what concerned only the connection it came on.
#[derive(Debug)]
pub struct Response {
    /// From 100 to 599.
    pub status: StatusCode,
    /// What goes on to the client.
    pub fields: Fields,
    /// How the body is told from what follows it.
    pub framing: ResponseFraming,
    /// Whether the connection may carry another exchange afterwards.
    pub keep: bool,
    /// For how long the upstream says it will keep the connection.
    pub timeout: Option<Duration>,
    /// Whether the upstream says that it switched to the WebSocket protocol.
    pub websocket: bool,
}

/// Where a response's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseFraming {
    /// There is none.
    Empty,
    /// After this many bytes.
    Length(u64),
    /// Where its own framing says.
    Chunked,
    /// With the connection.
    Close,
}

impl From<Framing> for ResponseFraming {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Empty,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked,
        }
    }
}

/// Cuts one head off `input`, or leaves `input` alone and returns `None` if the head is not complete. It answers a
/// request with `method`.
///
/// # Errors
///
/// What is wrong with it. What follows on the connection has no meaning then.
pub fn response(input: &mut Bytes, method: &Method) -> Result<Option<Response>, &'static str> {
    // `httparse` would pass over empty lines.
    if input.first().is_some_and(|&byte| byte != b'H') {
        return Err(NO_STATUS_LINE);
    }
    let mut room = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let (length, status, old, places) =
        match config.parse_response_with_uninit_headers(&mut parsed, input, &mut room) {
            Ok(Status::Complete(length)) => {
                let head = &input[..length];
                (length, status(head, &parsed)?, parsed.version == Some(0), Places::of(head, parsed.headers))
            }
            Ok(Status::Partial) if has_bare_line_feed(input) => return Err(LINE_END),
            Ok(Status::Partial) if input.len() > MAX_HEAD => return Err(TOO_LARGE),
            Ok(Status::Partial) => return Ok(None),
            Err(Error::TooManyHeaders) => return Err("more header fields than anybody needs"),
            Err(Error::Version | Error::Status | Error::Token) => return Err(NO_STATUS_LINE),
            Err(Error::NewLine) => return Err(LINE_END),
            Err(Error::HeaderName | Error::HeaderValue) => return Err("an invalid header field"),
        };
    let fields = Fields::new(lines::cut(input, length), places);
    read(status, old, fields, method).map(Some)
}

/// Judges a response that came over HTTP/2 in the same way, and leaves of its fields what goes on to the client.
///
/// # Errors
///
/// What is wrong with it.
pub fn over_h2(status: StatusCode, fields: &mut Fields) -> Result<(), &'static str> {
    if !(200..600).contains(&status.as_u16()) {
        return Err(NO_STATUS);
    }
    length(fields)?;
    fields.retain(|field| goes_on(status, field));
    Ok(())
}

/// The status of a head that `httparse` could read, if its form is right as a whole.
fn status(head: &[u8], parsed: &httparse::Response<'_, '_>) -> Result<StatusCode, &'static str> {
    if head.len() > MAX_HEAD {
        return Err(TOO_LARGE);
    }
    if !has_strict_lines(head, parsed.headers) {
        return Err(LINE_END);
    }
    let status = parsed.code.filter(|code| (100..600).contains(code));
    status.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(NO_STATUS)
}

/// What a head comes to; `old` is HTTP/1.0.
fn read(
    status: StatusCode,
    old: bool,
    mut fields: Fields,
    method: &Method,
) -> Result<Response, &'static str> {
    // First what the connection has to know, then what goes on; a `Connection` may stand anywhere in the head.
    let Said { connection, length, chunked, timeout, websocket } = understand(&fields)?;
    if chunked && old {
        return Err("chunks in HTTP/1.0");
    }
    let bare = is_bare(status);
    let framing = match length {
        _ if bare || status == StatusCode::NOT_MODIFIED || method == Method::HEAD => ResponseFraming::Empty,
        _ if chunked => ResponseFraming::Chunked,
        Some(0) => ResponseFraming::Empty,
        Some(length) => ResponseFraming::Length(length),
        None => ResponseFraming::Close,
    };
    // A status that has no body, and a body all the same: nobody knows where the next response begins.
    let contradicts = bare && (chunked || length.is_some_and(|length| length > 0));
    if contradicts && status.is_informational() {
        return Err("an interim response with a body");
    }
    let keep = framing != ResponseFraming::Close
        && !contradicts
        && !connection.close
        && (!old || connection.keep_alive);

    fields.retain(|field| goes_on(status, field) && !connection.nominates(field.name));
    let websocket = websocket && connection.upgrade;
    Ok(Response { status, fields, framing, keep, timeout, websocket })
}

/// Whether a status has neither a body nor a length (RFC 9110 section 8.6).
fn is_bare(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT
}

/// Whether a field goes on to the client. Some apps write the length of nothing.
fn goes_on(status: StatusCode, field: Field<'_>) -> bool {
    let is_odd = field.kind == Kind::ContentLength && is_bare(status);
    !field.kind.is_hop_by_hop() && !is_odd
}

/// What the fields say about the connection and the body.
#[derive(Default)]
struct Said {
    connection: Tokens,
    length: Option<u64>,
    chunked: bool,
    timeout: Option<Duration>,
    websocket: bool,
}

fn understand(fields: &Fields) -> Result<Said, &'static str> {
    let mut said = Said { connection: Tokens::of(fields), length: length(fields)?, ..Said::default() };
    for value in fields.all(Kind::TransferEncoding) {
        if said.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err("a transfer-encoding other than chunked");
        }
        said.chunked = true;
    }
    for value in fields.all(Kind::KeepAlive) {
        said.timeout = keep_alive_timeout(value);
    }
    for value in fields.all(Kind::Upgrade) {
        said.websocket = value.eq_ignore_ascii_case(b"websocket");
    }
    if said.connection.malformed {
        return Err("a malformed connection field");
    }
    if said.chunked && said.length.is_some() {
        return Err("both a content-length and chunks");
    }
    Ok(said)
}

/// The length of the body, if the fields say it.
fn length(fields: &Fields) -> Result<Option<u64>, &'static str> {
    let mut said = None;
    for value in fields.all(Kind::ContentLength) {
        let length = lines::length(value).ok_or("an invalid content-length")?;
        if said.replace(length).is_some() {
            return Err("two content-lengths");
        }
    }
    Ok(said)
}

/// `timeout=5` out of `timeout=5, max=100`.
fn keep_alive_timeout(value: &[u8]) -> Option<Duration> {
    let value = std::str::from_utf8(value).ok()?;
    let seconds = value.split(',').find_map(|part| {
        let (name, seconds) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("timeout").then(|| seconds.trim().trim_matches('"').parse().ok())?
    });
    seconds.map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
