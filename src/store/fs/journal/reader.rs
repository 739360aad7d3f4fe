//! Reading the journal, also while it is written.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::Segments;
use crate::store::fs::durable::read_file;
use crate::store::journal::{Chain, Entry};

/// Reads a journal from its oldest line on, and again from where it stands: what was added since.
#[derive(Debug)]
pub struct Reader {
    segments: Segments,
    /// The segment that is read, once there is one.
    at: Option<u64>,
    /// What has been read of it.
    bytes: usize,
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

    /// All lines from where it stands. One that is being written, or was torn by a crash, is not one yet.
    ///
    /// # Errors
    ///
    /// What the system says if the journal cannot be read.
    pub fn read(&mut self) -> io::Result<Vec<Result<Entry, Damage>>> {
        let mut read = Vec::new();
        loop {
            // Listed before it is read: nothing is added to a segment once there is a next one.
            let numbers = self.segments.list()?;
            let Some(&oldest) = numbers.first() else { return Ok(read) };
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
            self.read_rest(number, &mut read)?;
            match numbers.into_iter().find(|next| *next > number) {
                Some(next) => self.go_to(next),
                None => return Ok(read),
            };
        }
    }

    fn go_to(&mut self, number: u64) -> u64 {
        (self.at, self.bytes, self.lines) = (Some(number), 0, 0);
        number
    }

    fn read_rest(&mut self, number: u64, read: &mut Vec<Result<Entry, Damage>>) -> io::Result<()> {
        let path = self.segments.path(number);
        let contents = match read_file(&path) {
            Ok((contents, _)) => contents,
            // It had to make room just now.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let rest = contents.get(self.bytes..).unwrap_or_default();
        for line in rest.split_inclusive(|b| *b == b'\n') {
            let Some(whole) = line.strip_suffix(b"\n") else { break };
            self.bytes += line.len();
            self.lines += 1;
            let damage = |why| Damage { file: file.clone().into_owned(), line: self.lines, why };
            read.push(self.chain.read(whole).map_err(damage));
        }
        Ok(())
    }
}
