//! Reading the journal, also while it is written.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::Segments;
use crate::store::fs::durable::read_behind;
use crate::store::journal::{Chain, Entry};

/// Reads a journal from its oldest line on, and again from where it stands: what was added since.
#[derive(Debug)]
pub struct Reader {
    segments: Segments,
    /// The segment that is read, once there is one.
    at: Option<u64>,
    /// What has been read of it.
    bytes: u64,
    lines: usize,
    chain: Chain,
}

/// A line that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file's name.
    pub file: String,
    /// The line, counted from one.
    pub line: usize,
    /// What is wrong with it, as the rest of a sentence.
    pub why: &'static str,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {} {}", self.file, self.line, self.why)
    }
}

impl Reader {
    /// A reader at the beginning of the journal of the storage in this directory. Nothing is made or written.
    #[must_use]
    pub fn new(storage: &Path) -> Self {
        Self { segments: Segments::of(storage), at: None, bytes: 0, lines: 0, chain: Chain::default() }
    }

    /// The number of the last sound line of that journal; zero if it has none.
    ///
    /// # Errors
    ///
    /// What the system says if the journal cannot be read.
    pub fn last(storage: &Path) -> io::Result<u64> {
        let segments = Segments::of(storage);
        for number in segments.list()?.into_iter().rev() {
            let chain = Chain::without_beginning();
            let mut reader = Self { segments: segments.clone(), at: Some(number), bytes: 0, lines: 0, chain };
            if let Some(last) = reader.read()?.into_iter().rev().find_map(Result::ok) {
                return Ok(last.n);
            }
        }
        Ok(0)
    }

    /// All lines from where it stands. One that is being written, or was torn by a crash, is not one yet.
    ///
    /// # Errors
    ///
    /// What the system says if the journal cannot be read.
    pub fn read(&mut self) -> io::Result<Vec<Result<Entry, Damage>>> {
        let mut read = Vec::new();
        while self.read_segment(&mut read)? {}
        Ok(read)
    }

    /// Adds the lines from where it stands up to the end of the segment. Whether there is another one behind it.
    ///
    /// # Errors
    ///
    /// What the system says if the journal cannot be read.
    pub fn read_segment(&mut self, read: &mut Vec<Result<Entry, Damage>>) -> io::Result<bool> {
        // Listed before it is read: nothing is added to a segment once there is a next one.
        let numbers = self.segments.list()?;
        let Some(&oldest) = numbers.first() else { return Ok(false) };
        let number = match self.at {
            Some(at) if at >= oldest => at,
            before => {
                // What was before is gone, read or not.
                if before.is_some() || oldest > 1 {
                    self.chain = Chain::without_beginning();
                }
                self.go_to(oldest)
            }
        };
        self.read_rest(number, read)?;
        let next = numbers.into_iter().find(|next| *next > number);
        Ok(next.map(|next| self.go_to(next)).is_some())
    }

    fn go_to(&mut self, number: u64) -> u64 {
        (self.at, self.bytes, self.lines) = (Some(number), 0, 0);
        number
    }

    fn read_rest(&mut self, number: u64, read: &mut Vec<Result<Entry, Damage>>) -> io::Result<()> {
        let path = self.segments.path(number);
        let rest = match read_behind(&path, self.bytes) {
            Ok(rest) => rest,
            // It had to make room just now.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        for line in rest.split_inclusive(|b| *b == b'\n') {
            let Some(whole) = line.strip_suffix(b"\n") else { break };
            self.bytes += line.len() as u64;
            self.lines += 1;
            let damage = |why| Damage { file: file.clone().into_owned(), line: self.lines, why };
            read.push(self.chain.read(whole).map_err(damage));
        }
        Ok(())
    }
}
