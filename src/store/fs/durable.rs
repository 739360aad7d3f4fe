//! Files that are whole or absent: created closed to others, synced, renamed, and the folder synced.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::owner;
use crate::pki::crypto;
use crate::store::layout;

/// A folder of one's own for things that are not in place yet.
pub(super) struct Aside {
    folder: PathBuf,
    next: AtomicU64,
    /// Says that the folder's owner is alive. None where there was no room for the folder: it comes with the first
    /// file.
    alive: Mutex<Option<File>>,
}

/// Something that is not in place yet, and is removed unless it gets there.
pub(super) struct Staged(PathBuf);

impl Aside {
    /// A new folder in `shared`, after what dead engines left there has been removed.
    pub(super) fn open(shared: &Path) -> io::Result<Self> {
        for entry in fs::read_dir(shared)? {
            let left = entry?.path();
            // What has another name is not an engine's.
            let ours = left.file_name().and_then(|name| name.to_str()).is_some_and(layout::is_scratch);
            // Held means alive. What cannot be removed is in nobody's way.
            if let (true, Ok(Held::Mine(_dead))) = (ours, hold(&left)) {
                let _ = fs::remove_dir_all(&left);
            }
        }
        loop {
            let aside =
                Self { folder: shared.join(scratch()), next: AtomicU64::new(0), alive: Mutex::default() };
            match aside.make() {
                // What is there can be served all the same.
                Err(error) if is_full(&error) => return Ok(aside),
                Err(error) => return Err(error),
                Ok(true) => return Ok(aside),
                // Another engine that is just opening took the folder for a dead one's.
                Ok(false) => {}
            }
        }
    }

    /// Makes the folder; whether it is ours now.
    fn make(&self) -> io::Result<bool> {
        make_folder(&self.folder)?;
        match hold(&self.folder) {
            Ok(Held::Mine(alive)) => {
                *self.alive.lock().unwrap_or_else(PoisonError::into_inner) = Some(alive);
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where a folder may go that is to be removed: among the engines' own, so that none has to be made for it, and
    /// with the name of one, so that the next engine that opens removes what is left of it.
    pub(super) fn doomed(&self) -> PathBuf {
        self.folder.with_file_name(scratch())
    }

    /// Writes a file that only its owner can read, and syncs it.
    pub(super) fn write(&self, contents: &[u8]) -> io::Result<Staged> {
        self.stage(|path| {
            let mut file = create(path, &self.folder)?;
            file.write_all(contents)?;
            file.sync_all()
        })
    }

    /// Makes a symbolic link.
    pub(super) fn link(&self, target: &str) -> io::Result<Staged> {
        self.stage(|path| std::os::unix::fs::symlink(target, path))
    }

    fn stage(&self, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<Staged> {
        let staged = Staged(self.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string()));
        match make(&staged.0) {
            // Somebody tidied up, or there was no room for it.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.make()?;
                make(&staged.0)?;
            }
            other => other?,
        }
        Ok(staged)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Staged {
    /// Takes the place of whatever stands at `to`.
    pub(super) fn replace(self, to: &Path) -> io::Result<()> {
        fs::rename(&self.0, to)?;
        std::mem::forget(self);
        Ok(())
    }

    /// Goes to `to` if nothing stands there; [`ErrorKind::AlreadyExists`] if something does.
    pub(super) fn place(self, to: &Path) -> io::Result<()> {
        rename_new(&self.0, to)?;
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A name of which [`layout::is_scratch`] is true.
fn scratch() -> String {
    crypto::hex(&crypto::random::<8>())
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Makes a file that is closed to others and belongs to whom `like` belongs.
pub(super) fn create(file: &Path, like: &Path) -> io::Result<File> {
    let made = OpenOptions::new().append(true).create_new(true).mode(0o600).open(file)?;
    // What stands beside the storage outlives it.
    if let Ok(like) = like.metadata() {
        owner::give(&made, &like)?;
    }
    Ok(made)
}

/// Makes one folder, closed to others, that survives a power cut. One that is there already is fine.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        other => other?,
    }
    let above = match folder.parent() {
        // One name alone stands in the working directory.
        Some(above) if above.as_os_str().is_empty() => Path::new("."),
        Some(above) => above,
        None => return Ok(()),
    };
    match open_folder(folder) {
        Ok(made) => owner::give(&made, &above.metadata()?)?,
        // Another process has tidied it away already.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    sync_folder(above)
}

/// The same with the folders above it.
pub(super) fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_folders(above)?;
    }
    make_folder(folder)
}

/// Makes what happened in a folder last.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some filesystems have nothing to sync in a folder and say so.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

/// Makes a file's contents last, whoever wrote them.
pub(super) fn sync_file(file: &Path) -> io::Result<()> {
    open_file(file)?.0.sync_all()
}

/// Renames without replacing anything.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The filesystem cannot do it in one. A file or folder at `to` made between the look and the rename is not
        // noticed then; names of items are random, so nobody makes the same.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            if to.symlink_metadata().is_ok() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        other => Ok(other?),
    }
}

/// What a file holds, and its mode.
///
/// Never waits: a pipe or a device in the place of a file is [`ErrorKind::InvalidData`], as are a link, a folder
/// and a file larger than any of ours.
pub(super) fn read_file(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    let (file, meta) = open_file(path)?;
    if meta.len() > layout::LARGEST {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut contents = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or_default());
    file.take(layout::LARGEST).read_to_end(&mut contents)?;
    Ok((contents, meta.mode()))
}

/// What a plain file holds behind its first bytes.
pub(super) fn read_behind(path: &Path, bytes: u64) -> io::Result<Vec<u8>> {
    let (mut file, _) = open_file(path)?;
    file.seek(SeekFrom::Start(bytes))?;
    let mut contents = Vec::new();
    file.take(layout::LARGEST).read_to_end(&mut contents)?;
    Ok(contents)
}

fn open_file(path: &Path) -> io::Result<(File, fs::Metadata)> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
            return Err(ErrorKind::InvalidData.into());
        }
        other => other?,
    };
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok((file, meta))
}

/// Whether a folder could be taken.
pub(super) enum Held {
    /// It is held for as long as this file is open.
    Mine(File),
    /// Somebody alive holds it: who, in words, where that can be known.
    Other(Option<String>),
    /// The path does not lead to the folder that was locked any more.
    Moved,
}

/// Takes a folder by a lock on its descriptor, which the kernel gives back when the process ends.
///
/// Between opening and locking, the folder may have become an item or have been given up, and its path may lead
/// nowhere or to another; so the path is looked at again.
pub(super) fn hold(folder: &Path) -> io::Result<Held> {
    let file = open_folder(folder)?;
    let mine = file.metadata()?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(Held::Other(holder(&mine))),
        Err(TryLockError::Error(error)) => return Err(error),
        Ok(()) => {}
    }
    match folder.symlink_metadata() {
        Ok(there) if there.ino() == mine.ino() && there.dev() == mine.dev() => Ok(Held::Mine(file)),
        Ok(_) => Ok(Held::Moved),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Held::Moved),
        Err(error) => Err(error),
    }
}

/// A folder itself, and none that a link leads to.
fn open_folder(folder: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(flags).open(folder)
}

/// Who holds the lock on a file, as the kernel's list of locks has it. A help for people, never relied on.
fn holder(locked: &fs::Metadata) -> Option<String> {
    let (major, minor) = (rustix::fs::major(locked.dev()), rustix::fs::minor(locked.dev()));
    let place = format!("{major:02x}:{minor:02x}:{}", locked.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let line = locks.lines().find(|line| line.contains(" FLOCK ") && line.contains(&place))?;
    let pid: u32 = line.split_whitespace().nth(4)?.parse().ok()?;
    if pid == std::process::id() { Some("this process".into()) } else { Some(format!("process {pid}")) }
}
