//! What a reader makes of the bytes of a connection.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sidegate::proxy::wire::chunked::{Decoder, Step};
use sidegate::proxy::wire::{Fields, Framing, Head, request};

/// The messages of one connection, and why there are no more.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Reading {
    pub(crate) messages: Vec<Message>,
    pub(crate) end: End,
}

/// One message, as far as it was there.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) method: String,
    /// As it came, or as a URI is written that was made of it.
    pub(crate) target: String,
    /// The minor version.
    pub(crate) minor: u8,
    /// Names in lower case; one character a byte. In the order they came, or in any that keeps the order of
    /// those with the same name.
    pub(crate) fields: Vec<(String, String)>,
    /// One character a byte.
    pub(crate) body: String,
    /// Whether the body is over.
    pub(crate) whole: bool,
}

/// Why a reader reads no further.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum End {
    /// The rest has not come yet.
    #[default]
    Waits,
    /// The rest is refused.
    Refuses,
    /// The rest is ignored: the connection is over.
    Leaves,
    /// The rest is no HTTP: the last message asked for another protocol.
    Switches,
}

/// Reads requests as our front does: one behind the other, until one says that it was the last.
pub(crate) fn ours(input: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let mut rest = Bytes::copy_from_slice(input);
    loop {
        let before = rest.clone();
        let head = match request(&mut rest) {
            Ok(Some(head)) => head,
            Ok(None) => return reading,
            Err(_) => {
                reading.end = End::Refuses;
                return reading;
            }
        };
        let mut message = Message::of(&head.head, &before);
        let read = body(head.framing, &mut rest, &mut message.body);
        message.whole = read == Some(true);
        reading.messages.push(message);
        match read {
            Some(true) if head.keep => {}
            Some(true) => reading.end = End::Leaves,
            Some(false) => {}
            None => reading.end = End::Refuses,
        }
        if read != Some(true) || !head.keep {
            return reading;
        }
    }
}

/// Reads a body to its end, or as far as it goes; `None` if it is refused.
fn body(framing: Framing, rest: &mut Bytes, body: &mut String) -> Option<bool> {
    match framing {
        Framing::Empty => Some(true),
        Framing::Length(length) => {
            let here = rest.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            body.push_str(&text(&rest.split_to(here)));
            Some(here as u64 == length)
        }
        Framing::Chunked => {
            let mut decoder = Decoder::of_request();
            loop {
                match decoder.step(rest).ok()? {
                    Step::More => return Some(false),
                    Step::Data(data) => body.push_str(&text(&data)),
                    Step::End(_) => return Some(true),
                }
            }
        }
    }
}

impl Message {
    /// `raw` begins with the head as it came.
    fn of(head: &Head, raw: &[u8]) -> Self {
        Self {
            method: head.method.to_string(),
            target: text(raw.split(|&b| b == b' ').nth(1).unwrap_or_default()),
            minor: u8::from(head.version == http::Version::HTTP_11),
            fields: fields(&head.fields),
            ..Self::default()
        }
    }
}

/// Fields as [`Message::fields`] has them.
pub(crate) fn fields(fields: &Fields) -> Vec<(String, String)> {
    fields.iter().map(|field| (text(field.name).to_ascii_lowercase(), text(field.value))).collect()
}

/// One character a byte.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
