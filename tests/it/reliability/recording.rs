//! A scene that was played once, in peace, with everything that was seen of it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use super::disk::{Disk, Tree};
use crate::house::tracer::{Call, Seen};

/// What happened on the way from one state of the storage to another.
pub(super) struct Recording {
    pub(super) calls: Vec<Call>,
    /// The threads that made them.
    threads: Vec<Pid>,
    /// After how many calls the program said what it had done.
    pub(super) promises: Vec<usize>,
    /// What stood there before the first call.
    old: Tree,
    /// The folder that holds the storage.
    root: PathBuf,
}

/// Words of the log, each said when something has been done that must last: the CA was asked for something, or people were
/// told of it.
const PROMISES: [&str; 9] = [
    "registers an account",
    "registered the account",
    "posted the answer",
    "finalizes the order",
    "received the certificate",
    "committed",
    "serving names",
    "clients are shown it",
    "stopped",
];

impl Recording {
    /// What was seen in this folder, which held `old`. A tool promises by its end.
    pub(super) fn of(seen: Seen, old: Tree, root: PathBuf, is_tool: bool) -> Self {
        let said = seen.said.iter().filter(|(_, text)| PROMISES.iter().any(|words| text.contains(words)));
        let end = is_tool.then_some(seen.done.len());
        let promises = said.map(|(done, _)| *done).chain(end).collect();
        Self { calls: seen.done, threads: seen.threads, promises, old, root }
    }

    /// The disk after these calls, if the one with this number had synced nothing.
    pub(super) fn disk(&self, unsynced: Option<usize>) -> Disk {
        Disk::after(&self.old, &self.root, &self.calls, unsynced)
    }

    /// Where the threads are at work that are to sync something next: nothing was promised of it yet.
    pub(super) fn in_flight(&self, done: usize) -> Vec<PathBuf> {
        let of = |thread, range: Range<usize>| range.filter(move |number| self.threads[*number] == thread);
        let sync = |number: &usize| matches!(self.calls[*number], Call::Sync { .. });
        let threads: BTreeSet<Pid> = self.threads.iter().copied().collect();
        let unfinished = threads
            .into_iter()
            .filter(|thread| of(*thread, done..self.calls.len()).next().is_some_and(|next| sync(&next)));
        let change = |thread| of(thread, 0..done).rfind(|number| !sync(number));
        unfinished.filter_map(change).map(|number| self.inside(self.calls[number].path())).collect()
    }

    /// A path as seen from the folder that holds the storage.
    pub(super) fn inside(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).expect("nothing else is recorded").to_owned()
    }
}
