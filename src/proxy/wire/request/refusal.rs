//! What a client is told whose request is not read.

use http::{Method, StatusCode};

use super::{MAX_HEAD, MAX_TARGET};

/// Why a head is not a request that we answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What the client is told.
    pub status: StatusCode,
    /// The word for it in the answer and in the access log.
    pub reason: &'static str,
}

const fn bad_request(reason: &'static str) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, reason }
}

impl Refusal {
    /// No request line as RFC 9112 section 3 has it. HTTP/0.9 looks like this too.
    pub const REQUEST_LINE: Self = bad_request("request_line_invalid");
    /// A target in a form that does not go with the method, or with bytes that no target has.
    pub const TARGET: Self = bad_request("target_invalid");
    /// A line that does not end with CRLF, or an empty line too many.
    pub const LINE_END: Self = bad_request("line_end_invalid");
    /// No field, white space around a name, a folded line, or control bytes in a value.
    pub const FIELD: Self = bad_request("field_invalid");
    /// A `Connection` that is no list of tokens.
    pub const CONNECTION: Self = bad_request("connection_invalid");
    /// A `Content-Length` that is no number, or one beyond all numbers.
    pub const LENGTH: Self = bad_request("content_length_invalid");
    /// Two of them, even if they agree.
    pub const LENGTH_REPEATED: Self = bad_request("content_length_repeated");
    /// A `Transfer-Encoding` in which `chunked` does not stand once and last.
    pub const CODINGS: Self = bad_request("transfer_encoding_invalid");
    /// A `Transfer-Encoding` in HTTP/1.0, which has none.
    pub const CODING_IN_HTTP10: Self = bad_request("transfer_encoding_in_http10");
    /// Both `Content-Length` and `Transfer-Encoding`.
    pub const AMBIGUOUS: Self = bad_request("framing_ambiguous");
    /// TRACE answers with what it was sent, cookies included.
    pub const TRACE: Self = Self { status: StatusCode::METHOD_NOT_ALLOWED, reason: "trace" };
    /// A target longer than [`MAX_TARGET`].
    pub const TARGET_TOO_LONG: Self = Self { status: StatusCode::URI_TOO_LONG, reason: "target_too_long" };
    /// An `Expect` of something other than `100-continue`.
    pub const EXPECTATION: Self = Self { status: StatusCode::EXPECTATION_FAILED, reason: "expectation" };
    /// More than [`MAX_FIELDS`](super::MAX_FIELDS).
    pub const TOO_MANY_FIELDS: Self =
        Self { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason: "too_many_fields" };
    /// More than [`MAX_HEAD`].
    pub const HEAD_TOO_LARGE: Self =
        Self { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason: "head_too_large" };
    /// A transfer coding other than `chunked` (RFC 9112 section 6.1).
    pub const CODING: Self = Self { status: StatusCode::NOT_IMPLEMENTED, reason: "transfer_coding" };
    /// CONNECT: a server that is no tunnel says so (RFC 9110 section 9.3.6).
    pub const CONNECT: Self = Self { status: StatusCode::NOT_IMPLEMENTED, reason: "connect" };
    /// A version of HTTP that is not spoken this way; the preface of HTTP/2 has one too.
    pub const VERSION: Self = Self { status: StatusCode::HTTP_VERSION_NOT_SUPPORTED, reason: "http_version" };

    /// Why a request with this method is not answered, in any version of HTTP.
    #[must_use]
    pub fn of_method(method: &Method) -> Option<Self> {
        match *method {
            Method::CONNECT => Some(Self::CONNECT),
            Method::TRACE => Some(Self::TRACE),
            _ => None,
        }
    }
}

/// What `httparse` found in bytes that it could read as far as `parsed` says.
pub(super) fn of(error: httparse::Error, bytes: &[u8], parsed: &httparse::Request<'_, '_>) -> Refusal {
    use httparse::Error;
    // What came before the fault may already have been too much.
    if parsed.path.map_or(0, str::len) > MAX_TARGET {
        return Refusal::TARGET_TOO_LONG;
    }
    match error {
        Error::TooManyHeaders if bytes.len() <= MAX_HEAD => Refusal::TOO_MANY_FIELDS,
        Error::TooManyHeaders => Refusal::HEAD_TOO_LARGE,
        Error::HeaderName | Error::HeaderValue => Refusal::FIELD,
        Error::Token | Error::Status => match (parsed.method, parsed.path) {
            // Where a target ends with its line, there is no version: HTTP/0.9.
            (Some(method), None) if !ends_a_line(&bytes[method.len() + 1..]) => Refusal::TARGET,
            _ => Refusal::REQUEST_LINE,
        },
        Error::NewLine => Refusal::LINE_END,
        Error::Version => {
            let before = parsed.method.map_or(0, str::len) + parsed.path.map_or(0, str::len) + 2;
            match bytes.get(before..).and_then(|version| version.strip_prefix(b"HTTP/")) {
                Some([b'0' | b'2'..=b'9', ..] | [b'1', b'.', b'2'..=b'9', ..]) => Refusal::VERSION,
                _ => Refusal::REQUEST_LINE,
            }
        }
    }
}

/// Whether the first byte that is in no target ends the line.
fn ends_a_line(bytes: &[u8]) -> bool {
    matches!(bytes.iter().find(|&&byte| byte <= b' ' || byte == 0x7f), Some(b'\r' | b'\n'))
}
