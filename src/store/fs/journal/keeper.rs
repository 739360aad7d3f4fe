//! Writing the journal: whole lines at the end, synced, within bounds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tracing::warn;

use super::Segments;
use crate::store::fs::durable::{create, make_folders, read_file, sync_folder};
use crate::store::journal::{Chain, SEGMENTS};
use crate::story::{Event, Heard, Record, Told};

/// A segment that has so many bytes is followed by the next.
const SEGMENT: u64 = 1 << 20;

/// Keeps what is told in the journal of the storage in this directory, until nobody can tell anything any more. Blocks
/// the thread it is called on.
///
/// `kept` is called when there is more in it that survives a power cut.
///
/// Before it is said that this process keeps the journal nothing is written. A journal that cannot be written costs
/// what was told meanwhile; how much stands in its place as soon as it can be written again.
pub fn keep(mut told: Told, storage: &Path, kept: impl Fn()) {
    let mut keeping = Keeping::NotYet(Vec::new());
    loop {
        let heard = told.wait();
        if heard.is_empty() {
            return;
        }
        let mut answers = Vec::new();
        let mut records = Vec::new();
        for heard in heard {
            match heard {
                Heard::Record(record) => records.push(*record),
                Heard::Keep => keeping.begin(storage, &mut records),
                Heard::Forget => (keeping, records) = (Keeping::Somebody, Vec::new()),
                Heard::End(answer) => answers.push(answer),
            }
        }
        if keeping.take(records, &told) {
            kept();
        }
        for answer in answers {
            // Whoever asked may have gone.
            let _ = answer.send(());
        }
    }
}

/// Who keeps the journal.
enum Keeping {
    /// It is not known yet; what was told waits.
    NotYet(Vec<Record>),
    /// Another process.
    Somebody,
    /// We do. So many events could not be kept.
    Us(Box<Keeper>, u64),
}

impl Keeping {
    fn begin(&mut self, storage: &Path, records: &mut Vec<Record>) {
        let keeper = || Box::new(Keeper::new(Segments::of(storage), SEGMENT, SEGMENTS));
        match std::mem::replace(self, Self::Somebody) {
            Self::NotYet(waiting) => {
                records.splice(0..0, waiting);
                *self = Self::Us(keeper(), 0);
            }
            Self::Somebody => {
                // Told while it was another process's to keep.
                records.clear();
                *self = Self::Us(keeper(), 0);
            }
            us @ Self::Us(..) => *self = us,
        }
    }

    /// Whether any of it is on the disk now.
    fn take(&mut self, mut records: Vec<Record>, told: &Told) -> bool {
        match self {
            Self::NotYet(waiting) => waiting.extend(records),
            Self::Somebody => {}
            Self::Us(_, 0) if records.is_empty() => {}
            Self::Us(keeper, untold) => {
                let before = *untold;
                if before > 0 {
                    records.insert(0, told.record(Event::Untold { events: before }));
                }
                let all = records.len();
                let written = keeper.write(&mut records, told);
                *untold = records.iter().map(events).sum();
                if let Err(error) = written
                    && before == 0
                {
                    warn!(%error, events = *untold, "the journal cannot be written; what happens is not kept");
                }
                return records.len() < all;
            }
        }
        false
    }
}

/// How many events are lost with a record that could not be written.
fn events(record: &Record) -> u64 {
    match record.event {
        Event::Untold { events } => events,
        Event::Mended { .. } => 0,
        _ => 1,
    }
}

/// Adds to a journal. There is one at a time.
pub(super) struct Keeper {
    segments: Segments,
    longest: u64,
    kept: usize,
    /// What is written to, once something was.
    open: Option<Open>,
}

struct Open {
    file: File,
    number: u64,
    length: u64,
    chain: Chain,
}

impl Keeper {
    pub(super) fn new(segments: Segments, longest: u64, kept: usize) -> Self {
        Self { segments, longest, kept, open: None }
    }

    /// Writes these, and takes away those that survive a power cut: all of them, unless it fails.
    fn write(&mut self, records: &mut Vec<Record>, told: &Told) -> io::Result<()> {
        while !records.is_empty() {
            let torn = self.ready()?;
            if torn > 0 {
                records.insert(0, told.record(Event::Mended { bytes: torn }));
            }
            let written = self.append(records)?;
            records.drain(..written);
        }
        Ok(())
    }

    /// Opens the last segment, or the first, or one more if the last is full. Says how many bytes of a torn line were
    /// cut off.
    pub(super) fn ready(&mut self) -> io::Result<u64> {
        // Somebody who should not may have been here since.
        let place = |open: &Open| self.segments.path(open.number).symlink_metadata();
        let as_it_was = |open: &Open| {
            let there = place(open).map(|meta| (meta.dev(), meta.ino(), meta.len()));
            open.file
                .metadata()
                .is_ok_and(|ours| there.is_ok_and(|at| at == (ours.dev(), ours.ino(), open.length)))
        };
        if self.open.as_ref().is_some_and(|open| !as_it_was(open)) {
            self.open = None;
        }
        let mut torn = 0;
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let (open, cut) = self.open_last()?;
                torn = cut;
                open
            }
        };
        let open = if open.length >= self.longest { self.next(open.number + 1, open.chain)? } else { open };
        self.open = Some(open);
        Ok(torn)
    }

    /// Adds lines to what was made [`ready`](Self::ready), until the segment is full. Says how many.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<usize> {
        let Some(mut open) = self.open.take() else { return Err(ErrorKind::NotConnected.into()) };
        let (mut chain, mut lines, mut count) = (open.chain.clone(), String::new(), 0);
        for record in records {
            lines.push_str(&chain.forge(record));
            count += 1;
            if open.length + lines.len() as u64 >= self.longest {
                break;
            }
        }
        let written = open.file.write_all(lines.as_bytes()).and_then(|()| open.file.sync_data());
        if let Err(error) = written {
            // What is half there must not become the beginning of a line. If it cannot be cut off now, it is found to
            // be torn when the file is opened again.
            let _ = open.file.set_len(open.length);
            return Err(error);
        }
        open.length += lines.len() as u64;
        open.chain = chain;
        self.open = Some(open);
        Ok(count)
    }

    fn open_last(&self) -> io::Result<(Open, u64)> {
        make_folders(&self.segments.folder)?;
        let numbers = self.segments.list()?;
        let Some(&number) = numbers.last() else { return Ok((self.next(1, Chain::default())?, 0)) };
        let (file, length, torn) = self.mend(number)?;
        // Where a damaged segment leaves no line to follow on, the one before it does not help either: it is told as
        // damage in any case.
        let mut chain = Chain::without_beginning();
        let before = numbers.len().checked_sub(2).map(|index| numbers[index]);
        for number in before.into_iter().chain([number]) {
            let contents = read_file(&self.segments.path(number))?.0;
            for line in contents.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                let _ = chain.read(line);
            }
        }
        Ok((Open { file, number, length, chain }, torn))
    }

    /// Opens a segment, without what a crash has left of a line.
    fn mend(&self, number: u64) -> io::Result<(File, u64, u64)> {
        let path = self.segments.path(number);
        let contents = read_file(&path)?.0;
        let whole = contents.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let file = OpenOptions::new().append(true).open(&path)?;
        let torn = (contents.len() - whole) as u64;
        if torn > 0 {
            file.set_len(whole as u64)?;
        }
        Ok((file, whole as u64, torn))
    }

    /// Begins a segment, and lets the oldest go.
    fn next(&self, number: u64, chain: Chain) -> io::Result<Open> {
        let path = self.segments.path(number);
        let file = create(&path, &self.segments.folder)?;
        let numbers = self.segments.list()?;
        for old in numbers.iter().rev().skip(self.kept) {
            fs::remove_file(self.segments.path(*old))?;
        }
        sync_folder(&self.segments.folder)?;
        Ok(Open { file, number, length: 0, chain })
    }
}
