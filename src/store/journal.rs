//! A line of the journal, and the chain that the lines are.
//!
//! ```text
//! {"n":7,"at":"…","names":["example.com"],"event":"served",…,"before":"<sum of line 6>","sum":"<SHA-256 of all that precedes it>"}
//! ```
//!
//! A line whose text was changed does not fit its own sum; one that was taken away, put in or moved is noticed at the
//! line after it. The chain finds damage and careless hands. It does not stop somebody who writes all of it anew.

use serde::{Deserialize, Serialize};

use crate::pki::crypto;
use crate::story::Record;

/// A line that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number, from one.
    pub n: u64,
    /// What it says.
    #[serde(flatten)]
    pub record: Record,
}

/// A journal has so many segments at the most: the oldest make room.
pub const SEGMENTS: usize = 8;

/// What stands before the first line of all.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// How a line ends, with the sum in between.
const SUM: &str = ",\"sum\":\"";
const END: &str = "\"}";

/// Where a chain stands: what the next line is held to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// Number and sum of the last sound line; none where the journal begins.
    last: Option<(u64, String)>,
    /// Whether there was an unsound one after it, or there may have been: then the next may follow on anything.
    broken: bool,
}

#[derive(Serialize, Deserialize)]
struct Line<R> {
    n: u64,
    #[serde(flatten)]
    record: R,
    before: String,
}

impl Chain {
    /// A chain whose beginning is not kept any more.
    pub(super) fn without_beginning() -> Self {
        Self { last: None, broken: true }
    }

    /// The line that says this, with its newline. The chain stands behind it then.
    pub(super) fn forge(&mut self, record: &Record) -> String {
        let (n, before) =
            self.last.take().map_or_else(|| (1, NOTHING.to_owned()), |(n, sum)| (n.saturating_add(1), sum));
        let mut line = serde_json::to_string(&Line { n, record, before }).expect("names and words are JSON");
        // The brace: the sum comes before it.
        line.pop();
        let sum = crypto::hex(&crypto::sha256(line.as_bytes()));
        line.extend([SUM, sum.as_str(), END, "\n"]);
        *self = Self { last: Some((n, sum)), broken: false };
        line
    }

    /// Reads the next line, which is given without its newline.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as the rest of a sentence. What follows may be sound again.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<Entry, &'static str> {
        let read = sound(line);
        let Some((Line { n, record, before }, sum)) = read else {
            self.broken = true;
            return Err("does not fit its own sum");
        };
        let follows = match &self.last {
            _ if self.broken => true,
            Some((last, sum)) => last.checked_add(1) == Some(n) && before == *sum,
            None => n == 1 && before == NOTHING,
        };
        *self = Self { last: Some((n, sum)), broken: false };
        if follows { Ok(Entry { n, record }) } else { Err("does not follow on the line before it") }
    }
}

/// A line that fits its own sum, and the sum.
fn sound(line: &[u8]) -> Option<(Line<Record>, String)> {
    let text = std::str::from_utf8(line).ok()?;
    let (summed, sum) = text.strip_suffix(END)?.rsplit_once(SUM)?;
    if sum != crypto::hex(&crypto::sha256(summed.as_bytes())) {
        return None;
    }
    let line = serde_json::from_str(&format!("{summed}}}")).ok()?;
    Some((line, sum.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::ident::Name;
    use crate::story::{Event, Moment};

    fn records() -> Vec<Record> {
        let at = |seconds: u64| Moment(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds));
        let name = || Name::parse("example.com").expect("a name");
        vec![
            Record { at: at(0), names: vec![], event: Event::Leads },
            Record { at: at(1), names: vec![name()], event: Event::Validated { kind: "http-01".into() } },
            Record { at: at(2), names: vec![name()], event: Event::StoodIn { why: "\"},\"sum\":\"".into() } },
            Record { at: at(3), names: vec![], event: Event::Stopped },
        ]
    }

    fn forged() -> Vec<u8> {
        let mut chain = Chain::default();
        records().iter().map(|record| chain.forge(record)).collect::<String>().into_bytes()
    }

    /// The numbers of what is sound, and of lines that are not, in a journal from its beginning.
    fn read(bytes: &[u8]) -> (Vec<u64>, Vec<usize>) {
        let mut chain = Chain::default();
        let (mut sound, mut damaged) = (Vec::new(), Vec::new());
        let lines = bytes.split_inclusive(|b| *b == b'\n');
        for (at, line) in lines.enumerate() {
            match line.strip_suffix(b"\n").ok_or("is torn").and_then(|line| chain.read(line)) {
                Ok(entry) => sound.push(entry.n),
                Err(_) => damaged.push(at + 1),
            }
        }
        (sound, damaged)
    }

    #[test]
    fn what_was_forged_is_read_again() {
        let mut chain = Chain::default();
        let text = forged();
        let read: Vec<Entry> = text
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| chain.read(line).expect("sound"))
            .collect();
        let entries: Vec<Entry> =
            records().into_iter().zip(1..).map(|(record, n)| Entry { n, record }).collect();
        assert_eq!(read, entries);
    }

    #[test]
    fn each_byte_that_is_flipped_is_found_in_its_line() {
        let whole = forged();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                let line = 1 + whole[..at].iter().filter(|b| **b == b'\n').count();
                let (_, damaged) = read(&bytes);
                assert_eq!(damaged.first(), Some(&line), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_line_that_is_gone_or_stands_elsewhere_is_found() {
        let whole = forged();
        let lines: Vec<&[u8]> = whole.split_inclusive(|b| *b == b'\n').collect();
        let read = |lines: &[&[u8]]| read(&lines.concat());
        assert_eq!(read(&lines), (vec![1, 2, 3, 4], vec![]));
        assert_eq!(read(&[lines[1], lines[2], lines[3]]).1, [1], "the first is gone");
        assert_eq!(read(&[lines[0], lines[2], lines[3]]).1, [2], "one between is gone");
        assert_eq!(read(&[lines[0], lines[2], lines[1], lines[3]]).1, [2, 3, 4], "two are exchanged");
        assert_eq!(read(&[lines[0], lines[1], lines[1], lines[2]]).1, [3], "one is there twice");
    }

    #[test]
    fn after_damage_the_chain_goes_on() {
        let mut bytes = forged();
        bytes[10] = b'!';
        assert_eq!(read(&bytes), (vec![2, 3, 4], vec![1]));
        let mut chain = Chain::default();
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let _ = chain.read(line.strip_suffix(b"\n").expect("a line"));
        }
        bytes.extend_from_slice(chain.forge(&records()[0]).as_bytes());
        assert_eq!(read(&bytes), (vec![2, 3, 4, 5], vec![1]));
    }
}
