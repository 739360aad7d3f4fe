//! The chunked coding, read strictly (RFC 9112, 7.1).
//!
//! What is lax in one parser and strict in the next is how requests and responses are smuggled; a chunk line that
//! is not exactly as the grammar has it ends the exchange.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// Bytes of one chunk's extensions, and of all trailers together. Nobody needs more; a sender that never ends a
/// line is stopped here.
const MAX_EXTENSIONS: usize = 4096;
const MAX_TRAILERS: usize = 16 * 1024;
const MAX_TRAILER_FIELDS: usize = 64;

/// Takes the framing off, however the bytes arrive.
#[derive(Debug)]
pub(in crate::proxy) struct Decoder {
    state: State,
    /// Bytes of extensions in this chunk's line, or of the trailers.
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
    /// After the digits, until the line ends.
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

/// What some bytes came to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Step {
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
pub(in crate::proxy) struct ChunkError(&'static str);

impl Decoder {
    /// Stands before the first chunk.
    pub(in crate::proxy) fn new() -> Self {
        Self { state: State::Size { size: 0, digits: 0 }, spent: 0, trailers: BytesMut::new() }
    }

    /// Whether the body has ended.
    pub(in crate::proxy) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the next step; what it used is cut off from `input`.
    ///
    /// # Errors
    ///
    /// [`ChunkError`] if the bytes are not a chunked body, or one beyond all bounds. The stream is of no use
    /// afterwards.
    pub(in crate::proxy) fn step(&mut self, input: &mut Bytes) -> Result<Step, ChunkError> {
        loop {
            if let State::Data { left } = self.state
                && !input.is_empty()
            {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                let left = left - length as u64;
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
            // White space behind the size is what some old servers pad it with.
            (State::Size { size, .. }, b';' | b' ' | b'\t') => State::Extension { size },
            (State::Size { .. }, _) => return Err(ChunkError("a size that is not hexadecimal")),
            (State::Extension { .. }, b'\n') => return Err(ChunkError("a bare line feed")),
            (State::Extension { size }, _) => {
                self.spent += 1;
                if self.spent > MAX_EXTENSIONS {
                    return Err(ChunkError("endless extensions"));
                }
                State::Extension { size }
            }
            (State::SizeEnd { size: 0 }, b'\n') => {
                self.spent = 0;
                State::Trailers
            }
            (State::SizeEnd { size }, b'\n') => {
                self.spent = 0;
                State::Data { left: size }
            }
            (State::SizeEnd { .. }, _) => return Err(ChunkError("a bare carriage return")),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { size: 0, digits: 0 },
            (State::DataCr | State::DataLf, _) => return Err(ChunkError("a chunk longer than its size")),
            (state @ (State::Data { .. } | State::Trailers | State::Done), _) => state,
        })
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
    const BROKEN: ChunkError = ChunkError("trailers that are no header fields");
    let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILER_FIELDS];
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(bytes, &mut fields) else {
        return Err(BROKEN);
    };
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BROKEN)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| BROKEN)?;
        if may_trail(&name) {
            trailers.append(name, value);
        }
    }
    Ok(Some(trailers))
}

/// Whether a field may stand in trailers: not if it frames, routes or authenticates the message (RFC 9110, 6.5.1).
pub(in crate::proxy) fn may_trail(name: &HeaderName) -> bool {
    !matches!(
        name.as_str(),
        "transfer-encoding"
            | "content-length"
            | "content-encoding"
            | "content-type"
            | "content-range"
            | "host"
            | "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "upgrade"
            | "authorization"
            | "cookie"
            | "set-cookie"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes input that arrives in pieces of `size` bytes: body, trailers, and what is left.
    fn decode(input: &[u8], size: usize) -> Result<(Vec<u8>, Option<HeaderMap>, usize), ChunkError> {
        let mut decoder = Decoder::new();
        let mut body = Vec::new();
        let mut seen = 0;
        for piece in input.chunks(size) {
            let mut piece = Bytes::copy_from_slice(piece);
            seen += piece.len();
            loop {
                match decoder.step(&mut piece)? {
                    Step::More => break,
                    Step::Data(data) => body.extend_from_slice(&data),
                    Step::End(trailers) => return Ok((body, trailers, input.len() - seen + piece.len())),
                }
            }
        }
        Err(ChunkError("cut off"))
    }

    #[test]
    fn a_body_is_the_same_however_it_arrives() {
        let input = b"5\r\nhello\r\n7;x=\"y\"\r\n, world\r\n0A  \r\n0123456789\r\n0\r\nx-sum: 1\r\nContent-Length: 3\r\n\r\nHTTP";
        for size in 1..=input.len() {
            let (body, trailers, left) = decode(input, size).expect("a chunked body");
            assert_eq!(body, b"hello, world0123456789", "pieces of {size}");
            let trailers = trailers.expect("trailers");
            assert_eq!(trailers["x-sum"], "1");
            assert_eq!(trailers.len(), 1, "fields that frame a message may not trail it");
            assert_eq!(left, 4, "what follows is left alone");
        }
        let (body, trailers, _) = decode(b"0\r\n\r\n", 1).expect("an empty body");
        assert!(body.is_empty() && trailers.is_none());
    }

    #[test]
    fn what_another_parser_might_read_differently_is_refused() {
        let long = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(MAX_EXTENSIONS + 1));
        let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(MAX_TRAILERS / 6 + 1));
        let fields = format!("0\r\n{}\r\n", "a: b\r\n".repeat(MAX_TRAILER_FIELDS + 1));
        for broken in [
            "\r\n0\r\n\r\n",
            "5\nhello\n0\n\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello\r0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "-1\r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "5 ;x\n\r\nhello\r\n0\r\n\r\n",
            "5;x\ry\r\nhello\r\n0\r\n\r\n",
            "10000000000000000\r\nhello\r\n0\r\n\r\n",
            "00000000000000005\r\nhello\r\n0\r\n\r\n",
            "0\r\nno field\r\n\r\n",
            "0\r\na: b\n\r\n",
            "0\r\n a: b\r\n\r\n",
            "0\r\na : b\r\n\r\n",
            "5\r\nhel",
            &long,
            &trailers,
            &fields,
        ] {
            assert!(decode(broken.as_bytes(), 3).is_err(), "{broken:?}");
            assert!(decode(broken.as_bytes(), broken.len()).is_err(), "{broken:?}");
        }
    }

    proptest::proptest! {
        /// Whatever comes is understood in one way only, however it was cut on its way.
        #[test]
        fn pieces_do_not_matter(
            input in "([0-9a-f]{1,3}(;[ -~]{0,5})?\\PC{0,2}\r\n[ -~]{0,20}\r\n){0,4}(0\r\n(a: b\r\n)?\r\n)?.{0,5}",
            size in 1_usize..30,
        ) {
            let whole = decode(input.as_bytes(), input.len().max(1));
            proptest::prop_assert_eq!(decode(input.as_bytes(), size), whole);
        }

        /// What we would write ourselves is read back as it was.
        #[test]
        fn what_is_chunked_is_unchunked(chunks in proptest::collection::vec("[ -~]{1,40}", 0..6), size in 1_usize..50) {
            let mut input = String::new();
            for chunk in &chunks {
                input += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
            }
            input += "0\r\n\r\nrest";
            let (body, trailers, left) = decode(input.as_bytes(), size).expect("a chunked body");
            proptest::prop_assert_eq!(body, chunks.concat().into_bytes());
            proptest::prop_assert_eq!((trailers, left), (None, 4));
        }
    }
}
