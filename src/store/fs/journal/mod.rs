//! The journal on disk: `state/journal/<number>.jsonl`, written at the end only, a few segments of bounded size.
//!
//! A segment that is full is followed by the next one, whose first line follows on the last of the one before; the
//! oldest goes then, so the chain can be checked from the first line that is left. Only the process with the issuer's
//! role writes. What a [`Keeper`] has taken is on the disk, synced, when it comes back; a crash before that may lose
//! the last events, of some milliseconds. Nothing waits for them: what such an event told of is found again at the next
//! start, and told then.

mod keeper;
mod reader;

pub use keeper::keep;
pub use reader::{Damage, Reader};

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::store::layout;

/// The segments of a journal.
#[derive(Debug, Clone)]
struct Segments {
    folder: PathBuf,
}

impl Segments {
    fn of(storage: &Path) -> Self {
        Self { folder: storage.join(layout::journal().as_str()) }
    }

    /// The numbers of those that are there, the oldest first.
    fn list(&self) -> io::Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut numbers = Vec::new();
        for entry in entries {
            numbers.extend(entry?.file_name().to_str().and_then(layout::segment_number));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(layout::journal_segment(number).name())
    }
}

#[cfg(test)]
mod tests;
