//! Hearing that a pointer was moved: the kernel's word for it at once, and a look from time to time.
//!
//! The kernel (inotify) tells about changes made on this machine. Those made elsewhere on a shared filesystem show only
//! when one looks: a pointer is moved by a rename, and that changes the folder's times. So a look costs one `stat` a
//! folder, however many names there are, and is made often where others may change the filesystem. One's own moves are
//! seen too, by both ways.

mod medium;

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::host::Folders;
use crate::host::folders::{Heard, Of};
use crate::store::Prefix;
use crate::store::engine::{Changed, Watch};

/// How often one looks when the kernel tells most of it.
const LOOK: Duration = Duration::from_secs(30);
/// How often one looks when the kernel tells nothing, or nothing of what other machines do.
const LOOK_ALONE: Duration = Duration::from_secs(1);
/// More news than this at once is one: look at everything.
const MOST: usize = 1024;

/// Watches folders of pointers.
pub(super) struct FolderWatch {
    kernel: Folders,
    /// In the same order.
    folders: Vec<Watched>,
    /// How often one looks as long as the kernel tells something.
    every: Duration,
    news: VecDeque<Changed>,
    next_look: Option<Instant>,
}

struct Watched {
    prefix: Prefix,
    /// What it looked like last.
    face: Option<Face>,
}

/// Device, inode and times: what changes when an entry does.
type Face = (u64, u64, i64, i64);

impl FolderWatch {
    pub(super) fn new(folders: impl IntoIterator<Item = (PathBuf, Prefix)>) -> Self {
        let (paths, prefixes): (Vec<PathBuf>, Vec<Prefix>) = folders.into_iter().unzip();
        let every = if paths.iter().all(|path| medium::is_local(path)) { LOOK } else { LOOK_ALONE };
        let watched = |(path, prefix): (&PathBuf, _)| Watched { prefix, face: face(path) };
        let folders = paths.iter().zip(prefixes).map(watched).collect();
        Self {
            kernel: Folders::new(paths, Of::Names),
            folders,
            every,
            news: VecDeque::new(),
            next_look: None,
        }
    }

    /// The same, looking as often as if the kernel told nothing.
    pub(super) fn distrusting(self) -> Self {
        Self { every: LOOK_ALONE, ..self }
    }

    /// Compares the folders' faces with those of the last look.
    fn look(&mut self) {
        for (number, folder) in self.folders.iter_mut().enumerate() {
            let now = face(self.kernel.path(number));
            if now != folder.face {
                folder.face = now;
                tell(&mut self.news, Changed::Something);
            }
        }
        self.kernel.ask();
    }

    fn hear(&mut self, heard: Vec<Heard>) {
        for heard in heard {
            match heard {
                Heard::Gone(_) | Heard::Anything => tell(&mut self.news, Changed::Something),
                Heard::Entry(_, None) => {}
                Heard::Entry(folder, Some(name)) => {
                    if let Some(key) = self.folders[folder].prefix.child(&name) {
                        tell(&mut self.news, Changed::Pointer(key));
                    }
                }
            }
        }
    }
}

#[async_trait]
impl Watch for FolderWatch {
    async fn next(&mut self) -> Changed {
        loop {
            if let Some(news) = self.news.pop_front() {
                return news;
            }
            let every = if self.kernel.are_told_of() { self.every } else { LOOK_ALONE };
            let next_look = *self.next_look.get_or_insert_with(|| Instant::now() + every);
            tokio::select! {
                heard = self.kernel.hear() => self.hear(heard),
                () = tokio::time::sleep_until(next_look) => {
                    self.next_look = None;
                    self.look();
                }
            }
        }
    }
}

fn tell(news: &mut VecDeque<Changed>, one: Changed) {
    if news.contains(&Changed::Something) || news.contains(&one) {
        return;
    }
    if one == Changed::Something || news.len() >= MOST {
        news.clear();
        news.push_back(Changed::Something);
    } else {
        news.push_back(one);
    }
}

fn face(folder: &Path) -> Option<Face> {
    let meta = fs::symlink_metadata(folder).ok()?;
    Some((meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec()))
}

#[cfg(test)]
mod tests;
