//! What may be found after a power cut, and what may not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sidegate::ident::{ItemId, LineageId};

use crate::reliability::disk::{Content, Kept, Tree, is_aside};
use crate::reliability::recording::Recording;

/// Knows what happened, and judges what is left of it.
pub(super) struct Judge {
    /// By path, what stood there from which call on if nothing was lost.
    history: BTreeMap<PathBuf, Vec<(usize, Option<Content>)>>,
    /// The number of calls that were done when the program said something that it must keep to, and what other threads were
    /// about to finish.
    promises: Vec<(usize, Vec<PathBuf>)>,
}

impl Judge {
    pub(super) fn new(recording: &Recording) -> Self {
        let disk = recording.disk(None);
        let mut history: BTreeMap<PathBuf, Vec<(usize, Option<Content>)>> = BTreeMap::new();
        let mut before = Tree::new();
        for cut in 0..=recording.calls.len() {
            let mut tree = disk.tree(cut, |_| Kept::All);
            tree.retain(|path, _| !is_scratch(path));
            let paths: BTreeSet<_> = tree.keys().chain(before.keys()).collect();
            for path in paths {
                if tree.get(path) != before.get(path) {
                    history.entry(path.clone()).or_default().push((cut, tree.get(path).cloned()));
                }
            }
            before = tree;
        }
        let promises = recording.promises.iter().map(|done| (*done, recording.in_flight(*done))).collect();
        Self { history, promises }
    }

    /// What is wrong with a disk as it is found after a cut before the call with this number, if anything is.
    ///
    /// Every file is whole, and every place holds what it held when the program last said what it had done, or what came
    /// there since. The journal is written at its end only, and may end within what was written there last.
    pub(super) fn fault(&self, tree: &Tree, cut: usize) -> Option<String> {
        let grows = |path: &Path| path.starts_with("storage/state/journal");
        for (path, found) in tree.iter().filter(|(path, _)| !is_scratch(path)) {
            let ever = self.history.get(path).map_or(&[][..], Vec::as_slice);
            let mut whole =
                ever.iter().filter(|(from, _)| *from <= cut).filter_map(|(_, whole)| whole.as_ref());
            if !whole.any(|whole| found == whole || grows(path) && found.begins(whole)) {
                return Some(format!("{} is torn", path.display()));
            }
        }
        let (promised, in_flight) = self.promises.iter().filter(|(done, _)| *done <= cut).max()?;
        let settled = |path: &Path| !in_flight.iter().any(|place| path.starts_with(place));
        for (path, ever) in self.history.iter().filter(|(path, _)| settled(path)) {
            let found = tree.get(path);
            let last = ever.iter().rfind(|(from, _)| from <= promised).and_then(|(_, last)| last.as_ref());
            let mut since = ever.iter().filter(|(from, _)| from > promised && *from <= cut);
            let grown = || grows(path) && last.zip(found).is_some_and(|(last, found)| last.begins(found));
            if found != last && !since.any(|(_, whole)| found == whole.as_ref()) && !grown() {
                return Some(format!("{} is not as it was said to be", path.display()));
            }
        }
        None
    }
}

/// Whether nobody relies on what is found there: it is on its way to its place, or what a restore had put together.
fn is_scratch(path: &Path) -> bool {
    is_aside(path) || path.starts_with("storage/state/incoming")
}

/// A place with words for what is another one every time.
pub(super) fn pattern(place: &Path) -> String {
    let part = |part: &std::ffi::OsStr| {
        let text = part.to_string_lossy().into_owned();
        let hexadecimal = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match () {
            () if ItemId::parse(&text).is_ok() => "<item>".to_owned(),
            () if LineageId::parse(&text).is_ok() => "<lineage>".to_owned(),
            () if hexadecimal => "<process>".to_owned(),
            () if text.bytes().all(|byte| byte.is_ascii_digit()) => "<file>".to_owned(),
            () => text,
        }
    };
    place.iter().map(part).collect::<Vec<_>>().join("/")
}
