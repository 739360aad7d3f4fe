//! The verbs as they block: what [`FsEngine`](super::FsEngine) does on another thread.

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::geteuid;
use tracing::warn;
use zeroize::Zeroizing;

use super::beside::Beside;
use super::durable::{
    Aside, Held, Staged, hold, make_folder, make_folders, read_file, rename_new, sync_file, sync_folder,
};
use crate::pki::crypto;
use crate::store::engine::{Claim, EngineError, Expect, Version};
use crate::store::{Key, Prefix, layout};

/// The storage directory.
pub(super) struct Disk {
    root: PathBuf,
    /// None in a storage that is only looked at.
    tools: Option<Tools>,
    /// How many more keys that others can read are named in the log; none if others cannot get at them.
    warnings: AtomicU32,
}

/// What is needed to change it.
struct Tools {
    aside: Aside,
    /// Look-then-rename happens one at a time, among threads by the mutex, among processes by a lock on the file.
    turn: Mutex<File>,
}

type Done<T> = Result<T, EngineError>;

/// How long a turn is waited for; each takes microseconds.
const TURN: Duration = Duration::from_secs(10);

impl Disk {
    /// Makes the folders that are missing and warns about those that are open to others.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        make_folders(root)?;
        let root = root.canonicalize()?;
        let folders: Vec<PathBuf> =
            layout::folders().iter().map(|folder| root.join(folder.as_str())).collect();
        folders.iter().try_for_each(|folder| make_folders(folder))?;
        let shared = root.join(layout::aside().as_str());
        let turn = Mutex::new(File::open(&shared)?);
        let tools = Tools { aside: Aside::open(&shared)?, turn };
        // A root that is closed to others closes everything in it.
        let open = warn_if_open(&root);
        for folder in folders.iter().filter(|_| open) {
            warn_if_open(folder);
        }
        Ok(Self { root, tools: Some(tools), warnings: AtomicU32::new(if open { 10 } else { 0 }) })
    }

    /// Opens it as it is, to look at only: every verb that changes something fails.
    pub(super) fn open_to_look(root: &Path) -> io::Result<Self> {
        // A link on the way may lead elsewhere tomorrow.
        let root = std::path::absolute(root)?;
        // A file is no storage.
        fs::read_dir(&root)?;
        Ok(Self { root, tools: None, warnings: AtomicU32::new(0) })
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.tools.is_none()
    }

    pub(super) fn path(&self, place: &str) -> PathBuf {
        self.root.join(place)
    }

    /// What stands beside the storage directory.
    pub(super) fn kept(&self) -> Done<Option<Bytes>> {
        let Some(beside) = Beside::of(&self.root) else { return Ok(None) };
        let kept = beside.read().map_err(|e| fault("read", &layout::ledger().as_prefix(), e))?;
        Ok(kept.map(Bytes::from))
    }

    pub(super) fn keep(&self, value: &[u8]) -> Done<()> {
        self.tools(&layout::ledger().as_prefix())?;
        let Some(beside) = Beside::of(&self.root) else { return Ok(()) };
        beside.write(value).map_err(|e| fault("keep", &layout::ledger().as_prefix(), e))
    }

    pub(super) fn read(&self, key: &Key) -> Done<(Bytes, Version)> {
        let contents = self.contents(key)?;
        let version = Version::of(&contents);
        Ok((contents, version))
    }

    pub(super) fn read_all(&self, folder: &Prefix) -> Done<Vec<(Key, Bytes)>> {
        // A link to a folder is no folder: what is behind it is another place.
        if self.path(folder.as_str()).is_symlink() {
            return Err(EngineError::Foreign { place: folder.clone(), what: "is not a folder" });
        }
        let keys = self.keys(folder)?.ok_or_else(|| EngineError::Absent { place: folder.clone() })?;
        keys.into_iter().map(|key| self.contents(&key).map(|contents| (key, contents))).collect()
    }

    pub(super) fn list(&self, folder: &Prefix) -> Done<Vec<Key>> {
        Ok(self.keys(folder)?.unwrap_or_default())
    }

    pub(super) fn put(&self, key: &Key, value: &[u8], expect: Expect) -> Done<Version> {
        let place = key.as_prefix();
        self.may_change(&place)?;
        self.make_folder_of(&place)?;
        let staged = self.tools(&place)?.aside.write(value).map_err(|e| fault("write", &place, e))?;
        self.install("write", staged, &place, expect)?;
        Ok(Version::of(value))
    }

    pub(super) fn remove(&self, place: &Prefix, expect: Expect) -> Done<()> {
        self.may_change(place)?;
        let path = self.path(place.as_str());
        let mut doomed = None;
        {
            let _turn = self.turn(place)?;
            let meta = match path.symlink_metadata() {
                Err(error) if is_absent(&error) => {
                    return if matches!(expect, Expect::Is(_)) {
                        Err(EngineError::Conflict { place: place.clone() })
                    } else {
                        Ok(())
                    };
                }
                other => other.map_err(|e| fault("look at", place, e))?,
            };
            match expect {
                Expect::Absent => return Err(EngineError::Conflict { place: place.clone() }),
                Expect::Is(version) => self.must_be(place, version)?,
                Expect::Any => {}
            }
            if meta.is_dir() {
                // Out of the way in one step, so that nobody sees half a folder.
                let out = self.tools(place)?.aside.doomed();
                // Held, so that no engine that opens meanwhile takes it for a dead one's, unless somebody holds it
                // anyway.
                let held = hold(&path);
                rename_new(&path, &out).map_err(|e| fault("remove", place, e))?;
                doomed = Some((out, held));
            } else {
                fs::remove_file(&path).map_err(|e| fault("remove", place, e))?;
            }
        }
        self.sync_around(place)?;
        if let Some((folder, _held)) = doomed {
            // Not before: a power cut might undo the renaming and not this, and half a folder would stand there again.
            // What does not go now goes when the next engine opens.
            let _ = fs::remove_dir_all(folder);
        }
        Ok(())
    }

    pub(super) fn seal(&self, draft: &Prefix, item: &Prefix) -> Done<()> {
        self.tools(draft)?;
        let (from, to) = (self.path(draft.as_str()), self.path(item.as_str()));
        let files = self.keys(draft)?.ok_or_else(|| EngineError::Absent { place: draft.clone() })?;
        for file in files {
            sync_file(&from.join(file.name())).map_err(|e| fault("sync", &file.as_prefix(), e))?;
        }
        sync_folder(&from).map_err(|e| fault("sync", draft, e))?;
        self.make_folder_of(item)?;
        match rename_new(&from, &to) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(EngineError::Exists { place: item.clone() });
            }
            Err(error) if is_absent(&error) => return Err(EngineError::Absent { place: draft.clone() }),
            other => other.map_err(|e| fault("seal", draft, e))?,
        }
        self.sync_around(item)?;
        self.sync_around(draft)
    }

    pub(super) fn point(&self, pointer: &Key, target: &Prefix, expect: Expect) -> Done<()> {
        let place = pointer.as_prefix();
        self.may_change(&place)?;
        self.make_folder_of(&place)?;
        let link = pointer.folder().link_to(target);
        let staged = self.tools(&place)?.aside.link(&link).map_err(|e| fault("point", &place, e))?;
        self.install("point", staged, &place, expect)
    }

    pub(super) fn follow(&self, pointer: &Key) -> Done<Option<(Prefix, Version)>> {
        let place = pointer.as_prefix();
        match fs::read_link(self.path(pointer.as_str())) {
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                Err(EngineError::Foreign { place, what: "is not a link" })
            }
            Err(error) => Err(fault("follow", &place, error)),
            Ok(link) => {
                let target = link.to_str().and_then(|link| pointer.folder().resolve(link));
                let target = target.ok_or(EngineError::Foreign {
                    place,
                    what: "is a link that does not lead to a place in the storage",
                })?;
                let version = Version::of(target.as_str().as_bytes());
                Ok(Some((target, version)))
            }
        }
    }

    pub(super) fn follow_all(&self, folder: &Prefix) -> Done<Vec<(Key, Option<Prefix>)>> {
        let path = self.path(folder.as_str());
        let mut all = Vec::new();
        for key in self.list(folder)? {
            match fs::read_link(path.join(key.name())) {
                Ok(link) => {
                    let target = link.to_str().and_then(|link| folder.resolve(link));
                    all.push((key, target));
                }
                Err(error) if error.kind() == ErrorKind::InvalidInput => all.push((key, None)),
                // Removed since the listing.
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(fault("follow", &key.as_prefix(), error)),
            }
        }
        Ok(all)
    }

    pub(super) fn set_aside(&self, place: &Prefix) -> Done<Prefix> {
        self.may_change(place)?;
        let to = layout::quarantined(place, &crypto::hex(&crypto::random::<4>()));
        self.make_folder_of(&to)?;
        match rename_new(&self.path(place.as_str()), &self.path(to.as_str())) {
            Err(error) if is_absent(&error) => return Err(EngineError::Absent { place: place.clone() }),
            other => other.map_err(|e| fault("set aside", place, e))?,
        }
        self.sync_around(&to)?;
        self.sync_around(place)?;
        Ok(to)
    }

    pub(super) fn claim(&self, what: &Prefix) -> Done<Claim> {
        self.tools(what)?;
        let path = self.path(what.as_str());
        // A folder that was sealed or given up between two steps is made anew; that this happens eight times in
        // a row needs somebody who does it on purpose.
        for _ in 0..8 {
            self.make_folder_of(what)?;
            make_folder(&path).map_err(|e| fault("make", what, e))?;
            match hold(&path) {
                Ok(Held::Mine(file)) => return Ok(Claim::new(what.clone(), file)),
                Ok(Held::Other(holder)) => {
                    return Err(EngineError::Taken { place: what.clone(), holder });
                }
                Ok(Held::Moved) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.kind() == ErrorKind::NotADirectory => {
                    return Err(EngineError::Foreign { place: what.clone(), what: "is not a folder" });
                }
                Err(error) => return Err(fault("take", what, error)),
            }
        }
        Err(EngineError::Taken { place: what.clone(), holder: None })
    }

    /// Puts something staged into its place if what stands there is as expected, and makes that last.
    fn install(&self, verb: &'static str, staged: Staged, place: &Prefix, expect: Expect) -> Done<()> {
        let path = self.path(place.as_str());
        let turn = self.turn(place)?;
        let renamed = match expect {
            Expect::Absent => staged.place(&path),
            Expect::Any => staged.replace(&path),
            Expect::Is(version) => {
                self.must_be(place, version)?;
                staged.replace(&path)
            }
        };
        drop(turn);
        match renamed {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(EngineError::Conflict { place: place.clone() })
            }
            Err(error) => Err(fault(verb, place, error)),
            Ok(()) => self.sync_around(place),
        }
    }

    /// What stands in a folder, in order; `None` if there is no such folder. What has a name that is no [`Key`] was
    /// not put there by the store, and is passed over.
    fn keys(&self, folder: &Prefix) -> Done<Option<Vec<Key>>> {
        let entries = match fs::read_dir(self.path(folder.as_str())) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(EngineError::Foreign { place: folder.clone(), what: "is not a folder" });
            }
            other => other.map_err(|e| fault("list", folder, e))?,
        };
        let mut keys = Vec::new();
        for entry in entries {
            let name = entry.map_err(|e| fault("list", folder, e))?.file_name();
            keys.extend(name.to_str().and_then(|name| folder.child(name)));
        }
        keys.sort();
        Ok(Some(keys))
    }

    fn contents(&self, key: &Key) -> Done<Bytes> {
        let place = key.as_prefix();
        let (contents, mode) =
            read_file(&self.path(key.as_str())).map_err(|e| fault_of_read("read", &place, e))?;
        if !layout::is_secret(key) {
            return Ok(contents.into());
        }
        if mode & 0o077 != 0 {
            self.warn_about(key, mode);
        }
        Ok(Bytes::from_owner(Zeroizing::new(contents)))
    }

    /// Refuses if the present value or pointer is not of this version. The caller has the turn.
    fn must_be(&self, place: &Prefix, version: Version) -> Done<()> {
        let conflict = || EngineError::Conflict { place: place.clone() };
        let key = place.folder().child(place.name()).ok_or_else(conflict)?;
        let present = match self.follow(&key) {
            Ok(Some((_, present))) => present,
            Ok(None) => return Err(conflict()),
            Err(EngineError::Foreign { .. }) => match read_file(&self.path(place.as_str())) {
                Ok((contents, _)) => Version::of(&contents),
                Err(error) if error.kind() == ErrorKind::InvalidData => return Err(conflict()),
                Err(error) => return Err(fault_of_read("read", place, error)),
            },
            Err(error) => return Err(error),
        };
        if present == version { Ok(()) } else { Err(conflict()) }
    }

    fn turn(&self, place: &Prefix) -> Done<Turn<'_>> {
        let file = self.tools(place)?.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        while let Err(error) = file.try_lock() {
            match error {
                fs::TryLockError::WouldBlock if began.elapsed() < TURN => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                fs::TryLockError::WouldBlock => {
                    return Err(EngineError::Taken { place: layout::aside(), holder: None });
                }
                fs::TryLockError::Error(error) => return Err(fault("take a turn at", place, error)),
            }
        }
        Ok(Turn(file))
    }

    fn make_folder_of(&self, place: &Prefix) -> Done<()> {
        make_folders(&self.path(place.folder().as_str())).map_err(|e| fault("make the folder of", place, e))
    }

    fn sync_around(&self, place: &Prefix) -> Done<()> {
        sync_folder(&self.path(place.folder().as_str())).map_err(|e| fault("sync the folder of", place, e))
    }

    /// Whether this place may be changed at all: not in an item, and not in a storage that is only looked at.
    fn may_change(&self, place: &Prefix) -> Done<()> {
        if layout::is_sealed(place) {
            return Err(EngineError::Sealed { place: place.clone() });
        }
        self.tools(place).map(|_| ())
    }

    fn tools(&self, place: &Prefix) -> Done<&Tools> {
        self.tools.as_ref().ok_or_else(|| EngineError::ReadOnly { place: place.clone() })
    }

    fn warn_about(&self, key: &Key, mode: u32) {
        let left = self.warnings.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        if let Ok(left) = left {
            let more = if left == 1 { "; others like it are not named any more" } else { "" };
            let (path, mode) = (self.path(key.as_str()), mode & 0o7777);
            warn!(path = %path.display(), mode = %format_args!("{mode:04o}"), "a key can be read by others: chmod 600{more}");
        }
    }
}

/// One's turn at looking and then renaming.
struct Turn<'a>(MutexGuard<'a, File>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Whether others may look into a folder, which is then named in the log.
fn warn_if_open(folder: &Path) -> bool {
    let Ok(meta) = folder.metadata() else { return false };
    let mode = meta.permissions().mode() & 0o7777;
    let open = mode & 0o077 != 0;
    // What belongs to somebody else is not ours to close, such as the root of a volume that a container got.
    if open && meta.uid() == geteuid().as_raw() {
        let path = folder.display();
        warn!(%path, mode = %format_args!("{mode:04o}"), "others may look into the storage: chmod 700");
    }
    open
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn fault(verb: &'static str, place: &Prefix, error: io::Error) -> EngineError {
    match error.kind() {
        ErrorKind::InvalidData => EngineError::Foreign { place: place.clone(), what: "is not a plain file" },
        _ => EngineError::io(verb, place, error),
    }
}

fn fault_of_read(verb: &'static str, place: &Prefix, error: io::Error) -> EngineError {
    if is_absent(&error) { EngineError::Absent { place: place.clone() } } else { fault(verb, place, error) }
}
