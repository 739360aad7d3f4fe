//! A JSON object, written field by field to the end of a buffer.
//!
//! Every request pays for its line, so nothing here goes through the formatting machinery that could be copied, and
//! punctuation is put together when this is compiled.

use std::time::Duration;

/// A key and the punctuation around it; [`key!`](super::key) makes one.
#[derive(Clone, Copy)]
pub(super) struct Key(pub(super) &'static str);

/// A key that follows another field.
macro_rules! key {
    ($name:literal) => {
        crate::proxy::access::line::Key(concat!(",\"", $name, "\":"))
    };
}
pub(super) use key;

/// Fields that are being written.
pub(super) struct Fields<'a>(pub(super) &'a mut Vec<u8>);

impl Fields<'_> {
    /// Text that comes from outside, or might.
    #[inline]
    pub(super) fn text(&mut self, key: Key, value: &[u8]) {
        self.key(key);
        self.quoted(value);
    }

    /// Text that needs no escape: a word of our own, a name.
    #[inline]
    pub(super) fn plain(&mut self, key: Key, value: &str) {
        self.key(key);
        self.0.push(b'"');
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'"');
    }

    /// A number.
    #[inline]
    pub(super) fn number(&mut self, key: Key, value: u64) {
        self.key(key);
        self.decimal(value);
    }

    /// Milliseconds with three decimals.
    pub(super) fn millis(&mut self, key: Key, value: Duration) {
        self.key(key);
        self.decimal(value.as_secs().saturating_mul(1000).saturating_add(value.subsec_millis().into()));
        self.0.push(b'.');
        self.thousandths(value.subsec_micros() % 1000);
    }

    /// Texts that come from outside, or might.
    pub(super) fn list<'v>(&mut self, key: Key, values: impl Iterator<Item = &'v str>) {
        self.key(key);
        self.0.push(b'[');
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            self.quoted(value.as_bytes());
        }
        self.0.push(b']');
    }

    /// Fields that were written elsewhere.
    pub(super) fn written(&mut self, fields: &[u8]) {
        self.0.extend_from_slice(fields);
    }

    /// A number below 1000, in three digits.
    pub(super) fn thousandths(&mut self, value: u32) {
        let digit = |value: u32| b'0' + (value % 10) as u8;
        self.0.extend_from_slice(&[digit(value / 100), digit(value / 10), digit(value)]);
    }

    /// Where a caller is inlined, the length is known and this is a few moves.
    #[inline]
    fn key(&mut self, Key(key): Key) {
        self.0.extend_from_slice(key.as_bytes());
    }

    #[inline]
    fn decimal(&mut self, value: u64) {
        match u8::try_from(value) {
            Ok(digit @ 0..10) => self.0.push(b'0' + digit),
            _ => self.0.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        }
    }

    fn quoted(&mut self, value: &[u8]) {
        self.0.push(b'"');
        if is_clean(value) {
            self.0.extend_from_slice(value);
        } else {
            self.escaped(value);
        }
        self.0.push(b'"');
    }

    /// RFC 8259 section 7. What is no UTF-8 becomes U+FFFD; DEL and the C1 controls, which JSON allows, are escaped
    /// too, since the line may be read in a terminal.
    fn escaped(&mut self, value: &[u8]) {
        for chunk in value.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => self.0.extend_from_slice(&[b'\\', c as u8]),
                    _ if c.is_control() => {
                        self.0.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
                    }
                    _ => self.0.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            if !chunk.invalid().is_empty() {
                self.0.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
}

/// Whether a value can stand in quotes as it is. Most values can.
fn is_clean(value: &[u8]) -> bool {
    let (pieces, rest) = value.as_chunks::<16>();
    // Without a branch, the bytes of a piece are looked at together.
    let is_clean = |piece: &[u8; 16]| piece.iter().fold(true, |clean, &byte| clean & is_plain(byte));
    pieces.iter().all(is_clean) && rest.iter().all(|&byte| PLAIN[usize::from(byte)])
}

/// Whether a byte stands for itself: printable ASCII without the quote and the backslash.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') & !matches!(byte, b'"' | b'\\')
}

/// The same for each byte, for values too short to be looked at in pieces.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = is_plain(byte as u8);
        byte += 1;
    }
    plain
};
