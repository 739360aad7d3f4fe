//! When a line was written.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

use super::line::Fields;

/// Writes moments in UTC and milliseconds. Most are of the second of the one before, whose text is kept.
#[derive(Default)]
pub(super) struct Stamp {
    second: u64,
    text: String,
}

impl Stamp {
    /// Writes a moment; one before 1970 is the beginning of that year.
    pub(super) fn write(&mut self, moment: SystemTime, out: &mut Vec<u8>) {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.text.is_empty() || self.second != since.as_secs() {
            let t = OffsetDateTime::from(UNIX_EPOCH + since);
            let (month, day) = (u8::from(t.month()), t.day());
            let (hour, minute, second) = t.to_hms();
            self.text = format!("{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.", t.year());
            self.second = since.as_secs();
        }
        out.extend_from_slice(self.text.as_bytes());
        Fields(out).thousandths(since.subsec_millis());
        out.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_second_changes_with_the_moment() {
        let mut stamp = Stamp::default();
        let mut at = |millis| {
            let mut out = Vec::new();
            stamp.write(UNIX_EPOCH + Duration::from_millis(millis), &mut out);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(at(7), "1970-01-01T00:00:00.007Z");
        assert_eq!(at(1_790_000_000_042), "2026-09-21T14:13:20.042Z");
        assert_eq!(at(1_790_000_000_999), "2026-09-21T14:13:20.999Z");
        assert_eq!(at(1_790_000_001_000), "2026-09-21T14:13:21.000Z");
        assert_eq!(at(1_790_000_000_999), "2026-09-21T14:13:20.999Z", "a step back");
    }
}
