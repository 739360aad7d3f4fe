//! Hearing that somebody may have changed what lies somewhere.

use std::collections::HashSet;
use std::path::Path;

use super::Source;
use crate::host::Folders;
use crate::host::folders::{Heard, Of};

/// At most this many folders are watched; each is memory of the kernel, and most systems give every user a few
/// thousand.
const MOST: usize = 4096;

/// Watches the folders of sources, as far as the kernel tells of them.
///
/// A folder is watched, not a file: files are replaced by a rename, and a mounted secret of Kubernetes is by one of the
/// link `..data` beside them.
pub struct Watch(Folders);

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stirred<'a> {
    /// Something in this folder has changed.
    In(&'a Path),
    /// Anything may have.
    Anything,
}

impl Watch {
    /// Begins to watch the folders of these sources: the first 4,096, if there are more.
    #[must_use]
    pub fn new<'a>(sources: impl IntoIterator<Item = &'a Source>) -> Self {
        let mut folders = HashSet::new();
        let mut last = Path::new("");
        for folder in sources.into_iter().flat_map(Source::folders) {
            // Neighbours mostly lie together, and comparing letters is cheaper than hashing.
            if last.as_os_str() != folder.as_os_str() {
                last = folder;
                folders.insert(folder);
                if folders.len() == MOST {
                    break;
                }
            }
        }
        let folders = folders.into_iter().map(Path::to_owned);
        Self(Folders::new(folders, Of::Contents))
    }

    /// Asks the kernel again, since paths may lead to other folders by now.
    pub fn renew(&mut self) {
        self.0.ask();
    }

    /// Waits until something has stirred, and tells of all that has; never returns where the kernel tells nothing.
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> impl Iterator<Item = Stirred<'_>> {
        let heard = self.0.hear().await;
        heard.into_iter().map(|heard| match heard {
            Heard::Entry(folder, _) | Heard::Gone(folder) => Stirred::In(self.0.path(folder)),
            Heard::Anything => Stirred::Anything,
        })
    }
}

impl Source {
    /// Whether one of its files has its place in this folder.
    #[must_use]
    pub fn lies_in(&self, place: &Path) -> bool {
        self.folders().any(|folder| folder.as_os_str() == place.as_os_str())
    }

    fn folders(&self) -> impl Iterator<Item = &Path> {
        let files = [&self.cert].into_iter().chain(&self.key);
        files.map(|file| match file.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => file,
        })
    }
}
