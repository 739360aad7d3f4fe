//! A JSON object, written field by field.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use time::OffsetDateTime;

/// An object that is being written to the end of a buffer.
pub(super) struct Fields<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Fields<'a> {
    /// Begins with the moment, in UTC and milliseconds.
    pub(super) fn new(out: &'a mut Vec<u8>, moment: SystemTime) -> Self {
        out.extend_from_slice(b"{\"ts\":\"");
        let t = OffsetDateTime::from(moment);
        let mut line = Self { out };
        line.put(format_args!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\"",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            t.millisecond()
        ));
        line
    }

    /// Text that comes from outside, or might.
    pub(super) fn text(&mut self, key: &'static str, value: &[u8]) {
        self.key(key);
        self.quoted(value);
    }

    /// Something whose display needs no escape: an address, a word of our own.
    pub(super) fn plain(&mut self, key: &'static str, value: impl fmt::Display) {
        self.key(key);
        self.put(format_args!("\"{value}\""));
    }

    pub(super) fn number(&mut self, key: &'static str, value: u64) {
        self.key(key);
        self.put(format_args!("{value}"));
    }

    /// Milliseconds with three decimals.
    pub(super) fn millis(&mut self, key: &'static str, value: std::time::Duration) {
        self.key(key);
        let micros = value.as_micros();
        self.put(format_args!("{}.{:03}", micros / 1000, micros % 1000));
    }

    pub(super) fn list<'v>(&mut self, key: &'static str, values: impl Iterator<Item = &'v str>) {
        self.key(key);
        self.out.push(b'[');
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.quoted(value.as_bytes());
        }
        self.out.push(b']');
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    fn key(&mut self, key: &'static str) {
        self.put(format_args!(",\"{key}\":"));
    }

    /// RFC 8259 section 7. What is no UTF-8 becomes U+FFFD; DEL and the C1 controls, which JSON allows, are escaped
    /// too, since the line may be read in a terminal.
    fn quoted(&mut self, value: &[u8]) {
        self.out.push(b'"');
        for chunk in value.utf8_chunks() {
            let valid = chunk.valid();
            let mut clean = 0;
            for (at, c) in valid.char_indices() {
                if !(c.is_control() || matches!(c, '"' | '\\')) {
                    continue;
                }
                self.out.extend_from_slice(&valid.as_bytes()[clean..at]);
                clean = at + c.len_utf8();
                match c {
                    '"' | '\\' => self.put(format_args!("\\{c}")),
                    _ => self.put(format_args!("\\u{:04x}", u32::from(c))),
                }
            }
            self.out.extend_from_slice(&valid.as_bytes()[clean..]);
            if !chunk.invalid().is_empty() {
                self.out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
        self.out.push(b'"');
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        // Memory takes everything.
        let _infallible = Sink(self.out).write_fmt(text);
    }
}

struct Sink<'a>(&'a mut Vec<u8>);

impl fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
