//! The chunked coding, read strictly (RFC 9112 section 7.1).
//!
//! What is lax in one parser and strict in the next is how requests and responses are smuggled; a chunk line that
//! is not exactly as the grammar has it ends the exchange.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// By how much the extensions may outweigh the body. Whoever signs each chunk stays far below; whoever sends
/// nothing but extensions is stopped here.
const MAX_EXTENSIONS: usize = 4096;

/// Bytes and fields of all trailers together. Nobody needs more.
const MAX_TRAILERS: usize = 16 * 1024;
const MAX_TRAILER_FIELDS: usize = 64;

/// Takes the framing off, however the bytes arrive.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// Whether white space behind a size is passed over, as some old servers pad it.
    padded: bool,
    /// Bytes of extensions beyond those of the body.
    spent: usize,
    trailers: BytesMut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the hexadecimal digits; how many there were.
    Size {
        size: u64,
        digits: u8,
    },
    /// In white space behind the digits.
    Space {
        size: u64,
    },
    /// After a semicolon, until the line ends.
    Extension {
        size: u64,
    },
    /// The line feed of the size line.
    SizeEnd {
        size: u64,
    },
    /// In the chunk.
    Data {
        left: u64,
    },
    /// The two bytes behind a chunk.
    DataCr,
    DataLf,
    /// After the last chunk.
    Trailers,
    Done,
}

/// Where a chunk begins.
const SIZE: State = State::Size { size: 0, digits: 0 };

/// What some bytes came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// All bytes are used up; more are needed.
    More,
    /// A piece of the body.
    Data(Bytes),
    /// The body is over. What is left of the bytes does not belong to it.
    End(Option<HeaderMap>),
}

/// Why a body is not a chunked one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the chunked body is broken: {0}")]
pub struct ChunkError(&'static str);

impl Decoder {
    /// Stands before the first chunk of a request.
    #[must_use]
    pub fn of_request() -> Self {
        Self { state: SIZE, padded: false, spent: 0, trailers: BytesMut::new() }
    }

    /// Stands before the first chunk of a response. Upstreams are believed one thing more than clients: a size may
    /// be padded with white space.
    #[must_use]
    pub fn of_response() -> Self {
        Self { padded: true, ..Self::of_request() }
    }

    /// Whether the body has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the next step; what it used is cut off from `input`.
    ///
    /// # Errors
    ///
    /// [`ChunkError`] if the bytes are not a chunked body, or one beyond all bounds. The stream is of no use
    /// afterwards.
    pub fn step(&mut self, input: &mut Bytes) -> Result<Step, ChunkError> {
        loop {
            if let State::Data { left } = self.state
                && !input.is_empty()
            {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                let left = left - length as u64;
                self.spent = self.spent.saturating_sub(length);
                self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                return Ok(Step::Data(input.split_to(length)));
            }
            if self.state == State::Trailers {
                return self.trailers(input);
            }
            if self.is_done() {
                return Ok(Step::End(None));
            }
            if input.is_empty() {
                return Ok(Step::More);
            }
            self.state = self.line(input.get_u8())?;
        }
    }

    /// One byte outside of data and trailers.
    fn line(&mut self, byte: u8) -> Result<State, ChunkError> {
        Ok(match (self.state, byte) {
            (State::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == 16 {
                    return Err(ChunkError("a size of more than sixteen digits"));
                }
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    _ => (byte | 0x20) - b'a' + 10,
                };
                State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (State::Size { digits: 0, .. }, _) => return Err(ChunkError("a size that is not hexadecimal")),
            (State::Size { size, .. } | State::Extension { size }, b'\r') => State::SizeEnd { size },
            (State::Space { size }, b'\r') if self.padded => State::SizeEnd { size },
            (State::Size { size, .. } | State::Space { size }, b';') => State::Extension { size },
            // RFC 9112 section 7.1.1 has white space before the semicolon of an extension.
            (State::Size { size, .. } | State::Space { size }, b' ' | b'\t') => {
                self.spend()?;
                State::Space { size }
            }
            (State::Size { .. } | State::Space { .. }, _) => {
                return Err(ChunkError("a size that is not hexadecimal"));
            }
            (State::Extension { .. }, 0..=8 | 10..=31 | 127) => {
                return Err(ChunkError("a control byte in an extension"));
            }
            (State::Extension { size }, _) => {
                self.spend()?;
                State::Extension { size }
            }
            (State::SizeEnd { size: 0 }, b'\n') => State::Trailers,
            (State::SizeEnd { size }, b'\n') => State::Data { left: size },
            (State::SizeEnd { .. }, _) => return Err(ChunkError("a bare carriage return")),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => SIZE,
            (State::DataCr | State::DataLf, _) => return Err(ChunkError("a chunk longer than its size")),
            (state @ (State::Data { .. } | State::Trailers | State::Done), _) => state,
        })
    }

    fn spend(&mut self) -> Result<(), ChunkError> {
        self.spent += 1;
        if self.spent > MAX_EXTENSIONS {
            return Err(ChunkError("endless extensions"));
        }
        Ok(())
    }

    fn trailers(&mut self, input: &mut Bytes) -> Result<Step, ChunkError> {
        while !input.is_empty() {
            let end = input.iter().position(|&byte| byte == b'\n').map_or(input.len(), |at| at + 1);
            if self.trailers.len() + end > MAX_TRAILERS {
                return Err(ChunkError("endless trailers"));
            }
            self.trailers.extend_from_slice(&input.split_to(end));
            if self.trailers.as_ref() == b"\r\n" {
                self.state = State::Done;
                return Ok(Step::End(None));
            }
            if self.trailers.ends_with(b"\r\n\r\n") {
                self.state = State::Done;
                return parse_trailers(&self.trailers).map(Step::End);
            }
            if self.trailers.ends_with(b"\n") && !self.trailers.ends_with(b"\r\n") {
                return Err(ChunkError("a bare line feed"));
            }
        }
        Ok(Step::More)
    }
}

fn parse_trailers(bytes: &[u8]) -> Result<Option<HeaderMap>, ChunkError> {
    const BROKEN: ChunkError = ChunkError("malformed trailers");
    let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILER_FIELDS];
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(bytes, &mut fields) else {
        return Err(BROKEN);
    };
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BROKEN)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| BROKEN)?;
        trailers.append(name, value);
    }
    Ok(Some(trailing_only(trailers)))
}

/// Of trailers, those that may stand there.
#[must_use]
pub fn trailing_only(mut trailers: HeaderMap) -> HeaderMap {
    let names: Vec<HeaderName> = trailers.keys().filter(|name| !may_trail(name)).cloned().collect();
    for name in names {
        trailers.remove(name);
    }
    trailers
}

/// Whether a field may stand in trailers: not if it frames, routes, authenticates or modifies the message (RFC 9110
/// section 6.5.1), and not if it says what only a proxy says, since some apps read trailers into their headers.
#[must_use]
pub fn may_trail(name: &HeaderName) -> bool {
    let name = name.as_str();
    // A CGI-like interface cannot tell `X_Forwarded_For` from `X-Forwarded-For`.
    !(leads(name) || name.contains('_') && leads(&name.replace('_', "-")))
}

/// Fields that have a meaning in the head only.
fn leads(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "cache-control"
            | "connection"
            | "content-encoding"
            | "content-length"
            | "content-range"
            | "content-type"
            | "cookie"
            | "expect"
            | "forwarded"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "max-forwards"
            | "pragma"
            | "proxy"
            | "proxy-authorization"
            | "proxy-connection"
            | "range"
            | "set-cookie"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "x-real-ip"
    ) || name.starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests;
