//! Hearing that a pointer was moved: the kernel's word for it at once, and a look from time to time.
//!
//! The kernel (inotify) tells about changes made on this machine. Those made elsewhere on a shared filesystem show only
//! when one looks: a pointer is moved by a rename, and that changes the folder's times. So a look costs one `stat`
//! a folder, however many names there are, and is made often where others may change the filesystem. One's own moves are seen too, by both ways.

mod medium;

use std::collections::VecDeque;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;
use tracing::warn;

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
    folders: Vec<Watched>,
    kernel: Kernel,
    /// How often one looks as long as the kernel tells something.
    every: Duration,
    news: VecDeque<Changed>,
    next_look: Option<Instant>,
}

struct Watched {
    path: PathBuf,
    prefix: Prefix,
    /// What the kernel calls it.
    descriptor: Option<i32>,
    /// What it looked like last.
    face: Option<Face>,
}

/// Device, inode and times: what changes when an entry does.
type Face = (u64, u64, i64, i64);

enum Kernel {
    /// Not yet known to the runtime.
    Started(OwnedFd),
    Telling(AsyncFd<OwnedFd>),
    Silent,
}

impl FolderWatch {
    pub(super) fn new(folders: impl IntoIterator<Item = (PathBuf, Prefix)>) -> Self {
        let folders = folders.into_iter().map(|(path, prefix)| {
            let face = face(&path);
            Watched { path, prefix, descriptor: None, face }
        });
        let folders: Vec<Watched> = folders.collect();
        let local = folders.iter().all(|folder| medium::is_local(&folder.path));
        let every = if local { LOOK } else { LOOK_ALONE };
        let kernel = match inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC) {
            Ok(fd) => Kernel::Started(fd),
            Err(error) => {
                warn!(%error, "the kernel gives no file watch; looking every {} s instead", LOOK_ALONE.as_secs());
                Kernel::Silent
            }
        };
        let mut watch = Self { folders, kernel, every, news: VecDeque::new(), next_look: None };
        watch.add_watches();
        watch
    }

    /// The same, looking as often as if the kernel told nothing.
    pub(super) fn distrusting(self) -> Self {
        Self { every: LOOK_ALONE, ..self }
    }

    /// Asks the kernel about the folders it does not tell about yet.
    fn add_watches(&mut self) {
        let fd = match &self.kernel {
            Kernel::Started(fd) => fd,
            Kernel::Telling(fd) => fd.get_ref(),
            Kernel::Silent => return,
        };
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        for folder in self.folders.iter_mut().filter(|folder| folder.descriptor.is_none()) {
            folder.descriptor = inotify::add_watch(fd, &folder.path, flags).ok();
        }
    }

    /// Compares the folders' faces with those of the last look.
    fn look(&mut self) {
        for folder in &mut self.folders {
            let now = face(&folder.path);
            if now != folder.face {
                // Another folder under the same path is not the one the kernel watches.
                if now.map(|f| (f.0, f.1)) != folder.face.map(|f| (f.0, f.1)) {
                    folder.descriptor = None;
                }
                folder.face = now;
                tell(&mut self.news, Changed::Something);
            }
        }
        self.add_watches();
    }

    fn take(&mut self, heard: Vec<Heard>) {
        for heard in heard {
            let Heard { descriptor, name, flags } = heard;
            let folder = self.folders.iter_mut().find(|folder| folder.descriptor == Some(descriptor));
            if flags.intersects(
                ReadFlags::QUEUE_OVERFLOW
                    | ReadFlags::DELETE_SELF
                    | ReadFlags::MOVE_SELF
                    | ReadFlags::IGNORED
                    | ReadFlags::UNMOUNT,
            ) {
                if let Some(folder) = folder.filter(|_| !flags.contains(ReadFlags::QUEUE_OVERFLOW)) {
                    folder.descriptor = None;
                }
                tell(&mut self.news, Changed::Something);
            } else if let Some(key) = folder.and_then(|folder| folder.prefix.child(&name?)) {
                tell(&mut self.news, Changed::Pointer(key));
            }
        }
    }

    /// Waits until the kernel has told something; never returns if it does not tell anything.
    async fn hear(kernel: &mut Kernel) -> Vec<Heard> {
        if let Kernel::Started(_) = kernel
            && let Kernel::Started(fd) = std::mem::replace(kernel, Kernel::Silent)
        {
            #[expect(
                deprecated,
                reason = "it is deprecated because a type may lie about its descriptor, which an OwnedFd does not"
            )]
            match AsyncFd::new(fd) {
                Ok(fd) => *kernel = Kernel::Telling(fd),
                Err(error) => warn!(%error, "the file watch cannot be waited for"),
            }
        }
        let Kernel::Telling(fd) = kernel else {
            return std::future::pending().await;
        };
        loop {
            let Ok(mut ready) = fd.readable().await else {
                return std::future::pending().await;
            };
            if let Ok(Ok(heard)) = ready.try_io(|fd| Ok(drain(fd.get_ref())?)) {
                return heard;
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
            let every = if matches!(self.kernel, Kernel::Silent) { LOOK_ALONE } else { self.every };
            let next_look = *self.next_look.get_or_insert_with(|| Instant::now() + every);
            tokio::select! {
                heard = Self::hear(&mut self.kernel) => self.take(heard),
                () = tokio::time::sleep_until(next_look) => {
                    self.next_look = None;
                    self.look();
                }
            }
        }
    }
}

struct Heard {
    descriptor: i32,
    name: Option<String>,
    flags: ReadFlags,
}

/// Everything the kernel has to tell now; an error if that is nothing.
fn drain(fd: &OwnedFd) -> Result<Vec<Heard>, Errno> {
    let mut space = [MaybeUninit::uninit(); 8192];
    let mut reader = Reader::new(fd, &mut space);
    let mut heard = Vec::new();
    loop {
        match reader.next() {
            Ok(event) => heard.push(Heard {
                descriptor: event.wd(),
                name: event.file_name().and_then(|name| name.to_str().ok()).map(str::to_owned),
                flags: event.events(),
            }),
            Err(_) if !heard.is_empty() => return Ok(heard),
            Err(error) => return Err(error),
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

fn face(folder: &PathBuf) -> Option<Face> {
    let meta = fs::symlink_metadata(folder).ok()?;
    Some((meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec()))
}

#[cfg(test)]
mod tests;
