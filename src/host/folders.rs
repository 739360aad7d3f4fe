//! Folders of which the kernel (inotify) tells when their entries change.
//!
//! It tells of what is done on this machine, through the folders themselves. Whoever needs to know of more looks from
//! time to time.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::{self, Errno};
use tokio::io::unix::AsyncFd;
use tracing::warn;

/// Which changes of an entry are heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// It was made, removed or renamed.
    Names,
    /// Besides, it was written to the end, or may be read by others than before.
    Contents,
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Of an entry of the folder with this number; no name stands for the folder itself.
    Entry(usize, Option<String>),
    /// The folder with this number is not where it was. Nothing is heard of it until the kernel is asked again.
    Gone(usize),
    /// There was more than the kernel could keep: anything may have changed.
    Anything,
}

/// Some folders, numbered as they were given.
pub struct Folders {
    watched: Vec<Watched>,
    of: Of,
    kernel: Kernel,
}

struct Watched {
    path: PathBuf,
    /// What the kernel calls it.
    descriptor: Option<i32>,
}

enum Kernel {
    /// Not yet known to the runtime.
    Started(OwnedFd),
    Telling(AsyncFd<OwnedFd>),
    Silent,
}

/// What the kernel calls a folder, the name of an entry, and what happened.
type Event = (i32, Option<String>, ReadFlags);

impl Folders {
    /// Asks about these folders. What happens from now on is kept until somebody listens; no runtime is needed before.
    #[must_use]
    pub fn new(paths: impl IntoIterator<Item = PathBuf>, of: Of) -> Self {
        let watched = paths.into_iter().map(|path| Watched { path, descriptor: None }).collect();
        let kernel = match inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC) {
            Ok(fd) => Kernel::Started(fd),
            Err(error) => {
                warn!(%error, "the kernel gives no file watch, so files are looked at from time to time only");
                Kernel::Silent
            }
        };
        let mut folders = Self { watched, of, kernel };
        folders.ask();
        folders
    }

    /// Whether the kernel tells anything at all.
    #[must_use]
    pub fn are_told_of(&self) -> bool {
        !matches!(self.kernel, Kernel::Silent)
    }

    /// The path of a folder.
    #[must_use]
    pub fn path(&self, folder: usize) -> &Path {
        &self.watched[folder].path
    }

    /// Asks about all of them again: a path may lead to another folder by now, or to one for the first time.
    pub fn ask(&mut self) {
        let fd = match &self.kernel {
            Kernel::Started(fd) => fd.as_fd(),
            Kernel::Telling(fd) => fd.get_ref().as_fd(),
            Kernel::Silent => return,
        };
        let mut flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        if self.of == Of::Contents {
            flags |= WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB;
        }
        let mut left = Vec::new();
        for folder in &mut self.watched {
            // For a folder that it knows it gives the same descriptor again.
            let now = inotify::add_watch(fd, &folder.path, flags).ok();
            left.extend(std::mem::replace(&mut folder.descriptor, now).filter(|before| now != Some(*before)));
        }
        left.retain(|before| self.watched.iter().all(|folder| folder.descriptor != Some(*before)));
        for descriptor in left {
            // It may have gone by itself, with its folder.
            let _ = inotify::remove_watch(fd, descriptor);
        }
    }

    /// From now on the kernel tells nothing.
    #[cfg(test)]
    pub(crate) fn deafen(&mut self) {
        self.kernel = Kernel::Silent;
    }

    /// Waits until the kernel has told something; never returns if it does not tell anything. Nothing is lost when the
    /// future is dropped.
    pub async fn hear(&mut self) -> Vec<Heard> {
        loop {
            let events = self.kernel.tell().await;
            let mut heard = Vec::new();
            for (descriptor, name, flags) in events {
                if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                    heard.push(Heard::Anything);
                }
                let is_gone = flags.intersects(
                    ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED | ReadFlags::UNMOUNT,
                );
                for (number, folder) in self.watched.iter_mut().enumerate() {
                    if folder.descriptor == Some(descriptor) {
                        if is_gone {
                            folder.descriptor = None;
                        }
                        heard.push(if is_gone {
                            Heard::Gone(number)
                        } else {
                            Heard::Entry(number, name.clone())
                        });
                    }
                }
            }
            // Else it was all about folders that have been left.
            if !heard.is_empty() {
                return heard;
            }
        }
    }
}

impl Kernel {
    async fn tell(&mut self) -> Vec<Event> {
        if let Self::Started(_) = self
            && let Self::Started(fd) = std::mem::replace(self, Self::Silent)
        {
            #[expect(
                deprecated,
                reason = "it is deprecated because a type may lie about its descriptor, which an OwnedFd does not"
            )]
            match AsyncFd::new(fd) {
                Ok(fd) => *self = Self::Telling(fd),
                Err(error) => warn!(%error, "the file watch cannot be waited for"),
            }
        }
        let Self::Telling(fd) = self else {
            return std::future::pending().await;
        };
        loop {
            let Ok(mut ready) = fd.readable().await else {
                return std::future::pending().await;
            };
            if let Ok(Ok(events)) = ready.try_io(|fd| Ok(read(fd.get_ref())?)) {
                return events;
            }
        }
    }
}

/// What the kernel has to tell now, as much as 8 KiB hold: anybody may write to a folder, and faster than we read. An
/// error if that is nothing.
fn read(fd: &OwnedFd) -> io::Result<Vec<Event>> {
    let mut space = [MaybeUninit::uninit(); 8192];
    let mut reader = Reader::new(fd, &mut space);
    let mut events = Vec::new();
    loop {
        match reader.next() {
            Ok(event) => {
                let name = event.file_name().and_then(|name| name.to_str().ok()).map(str::to_owned);
                events.push((event.wd(), name, event.events()));
            }
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        }
        if reader.is_buffer_empty() {
            return Ok(events);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    async fn heard(folders: &mut Folders) -> Vec<Heard> {
        tokio::time::timeout(Duration::from_secs(60), folders.hear()).await.expect("news")
    }

    fn entry(folder: usize, name: &str) -> Heard {
        Heard::Entry(folder, Some(name.to_owned()))
    }

    #[tokio::test]
    async fn what_is_written_is_heard_of_by_whoever_asks_for_contents() {
        let root = tempfile::tempdir().expect("a directory");
        fs::write(root.path().join("old"), "1").expect("written");
        let [mut names, mut contents] =
            [Of::Names, Of::Contents].map(|of| Folders::new([root.path().to_owned()], of));
        fs::write(root.path().join("old"), "2").expect("written");
        assert_eq!(heard(&mut contents).await, [entry(0, "old")]);
        fs::write(root.path().join("new"), "1").expect("written");
        assert_eq!(heard(&mut names).await, [entry(0, "new")]);
    }

    #[tokio::test]
    async fn a_path_that_leads_to_another_folder_is_followed_when_the_kernel_is_asked_again() {
        let root = tempfile::tempdir().expect("a directory");
        let at = |name: &str| root.path().join(name);
        let link = |to: &str| {
            std::os::unix::fs::symlink(at(to), at("next")).expect("a link");
            fs::rename(at("next"), at("link")).expect("in its place");
        };
        for folder in ["one", "two"] {
            fs::create_dir(at(folder)).expect("a folder");
        }
        link("one");
        // Two paths to one folder.
        let mut folders = Folders::new([at("link"), at("one"), at("none")], Of::Names);
        fs::write(at("one/a"), "").expect("written");
        assert_eq!(heard(&mut folders).await, [entry(0, "a"), entry(1, "a")]);
        link("two");
        folders.ask();
        fs::write(at("two/b"), "").expect("written");
        assert_eq!(heard(&mut folders).await, [entry(0, "b")]);
        fs::write(at("one/c"), "").expect("written");
        assert_eq!(heard(&mut folders).await, [entry(1, "c")]);
        fs::remove_dir_all(at("two")).expect("removed");
        assert!(heard(&mut folders).await.contains(&Heard::Gone(0)));
    }
}
