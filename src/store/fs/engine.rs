//! The verbs, each on a thread that may block.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::verbs::Disk;
use super::watch::FolderWatch;
use crate::store::changes::watched;
use crate::store::engine::{Changes, Claim, Engine, EngineError, Expect, Secrecy, Version};
use crate::store::{Key, Prefix, StoreError, layout};

/// Keeps the storage in a directory.
#[derive(Clone)]
pub struct FsEngine(Arc<Disk>);

impl FsEngine {
    /// Opens the storage in `root`, which is made if it is missing, open to its owner only.
    ///
    /// Directories of others are taken as they are; one that others may look into is named in the log.
    ///
    /// # Errors
    ///
    /// [`StoreError::Storage`] if the directory cannot be made or written to; the text says what to do.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Disk::open(root).map(|disk| Self(Arc::new(disk))).map_err(|cause| StoreError::Storage {
            path: root.display().to_string(),
            advice: advice(&cause),
            cause: Arc::new(cause),
        })
    }

    /// Opens the storage in `root` to look at it: nothing is made, changed or removed, and every verb that would do so
    /// fails.
    ///
    /// # Errors
    ///
    /// [`StoreError::Storage`] if there is no such directory, or it cannot be read.
    pub fn open_to_look(root: &Path) -> Result<Self, StoreError> {
        Disk::open_to_look(root).map(|disk| Self(Arc::new(disk))).map_err(|cause| StoreError::Storage {
            path: root.display().to_string(),
            advice: advice(&cause),
            cause: Arc::new(cause),
        })
    }

    /// The storage directory, absolute.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.0.path("")
    }

    async fn run<T: Send + 'static>(
        &self,
        verb: &'static str,
        place: &Prefix,
        work: impl FnOnce(&Disk) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let disk = Arc::clone(&self.0);
        // The work itself does not panic; a runtime that shuts down may refuse it.
        tokio::task::spawn_blocking(move || work(&disk))
            .await
            .unwrap_or_else(|lost| Err(EngineError::io(verb, place, io::Error::other(lost))))
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            "run as a user who may write there, or choose another directory with --storage DIR (STORAGE_PATH); \
                --read-only serves what another process puts there"
        }
        ErrorKind::NotFound => "name the one there is with --storage DIR (STORAGE_PATH)",
        ErrorKind::ReadOnlyFilesystem => {
            "mount it for writing, or choose another directory with --storage DIR (STORAGE_PATH)"
        }
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "something that is not a directory stands there; choose another with --storage DIR (STORAGE_PATH)"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on that filesystem",
        ErrorKind::Unsupported => {
            "its filesystem has no locks (flock); choose another with --storage DIR (STORAGE_PATH)"
        }
        _ => "choose another directory with --storage DIR (STORAGE_PATH)",
    }
}

#[async_trait]
impl Engine for FsEngine {
    async fn read(&self, key: &Key) -> Result<(Bytes, Version), EngineError> {
        let wanted = key.clone();
        self.run("read", &key.as_prefix(), move |disk| disk.read(&wanted)).await
    }

    async fn list(&self, folder: &Prefix) -> Result<Vec<Key>, EngineError> {
        let wanted = folder.clone();
        self.run("list", folder, move |disk| disk.list(&wanted)).await
    }

    // Whatever is written here can be read by its owner only, so secrecy asks for nothing more.
    async fn put(&self, key: &Key, value: Bytes, expect: Expect, _: Secrecy) -> Result<Version, EngineError> {
        let wanted = key.clone();
        self.run("write", &key.as_prefix(), move |disk| disk.put(&wanted, &value, expect)).await
    }

    async fn remove(&self, place: &Prefix, expect: Expect) -> Result<(), EngineError> {
        let wanted = place.clone();
        self.run("remove", place, move |disk| disk.remove(&wanted, expect)).await
    }

    async fn seal(&self, draft: &Prefix, item: &Prefix) -> Result<(), EngineError> {
        let (from, to) = (draft.clone(), item.clone());
        self.run("seal", draft, move |disk| disk.seal(&from, &to)).await
    }

    async fn point(&self, pointer: &Key, target: &Prefix, expect: Expect) -> Result<(), EngineError> {
        let (from, to) = (pointer.clone(), target.clone());
        self.run("point", &pointer.as_prefix(), move |disk| disk.point(&from, &to, expect)).await
    }

    async fn follow(&self, pointer: &Key) -> Result<Option<(Prefix, Version)>, EngineError> {
        let wanted = pointer.clone();
        self.run("follow", &pointer.as_prefix(), move |disk| disk.follow(&wanted)).await
    }

    async fn set_aside(&self, place: &Prefix) -> Result<Prefix, EngineError> {
        let wanted = place.clone();
        self.run("set aside", place, move |disk| disk.set_aside(&wanted)).await
    }

    async fn claim(&self, what: &Prefix) -> Result<Claim, EngineError> {
        let wanted = what.clone();
        self.run("take", what, move |disk| disk.claim(&wanted)).await
    }

    fn changes(&self) -> Changes {
        let folders = watched().map(|folder| (self.0.path(folder.as_str()), folder));
        let watch = FolderWatch::new(folders);
        // Who changes what is only read here, and how, is not known.
        Changes::new(if self.0.is_read_only() { watch.distrusting() } else { watch })
    }

    async fn kept(&self) -> Result<Option<Bytes>, EngineError> {
        self.run("read", &layout::ledger().as_prefix(), |disk| disk.kept()).await
    }

    async fn keep(&self, value: Bytes) -> Result<(), EngineError> {
        self.run("keep", &layout::ledger().as_prefix(), move |disk| disk.keep(&value)).await
    }

    async fn read_all(&self, folder: &Prefix) -> Result<Vec<(Key, Bytes)>, EngineError> {
        let wanted = folder.clone();
        self.run("read", folder, move |disk| disk.read_all(&wanted)).await
    }

    async fn follow_all(&self, folder: &Prefix) -> Result<Vec<(Key, Option<Prefix>)>, EngineError> {
        let wanted = folder.clone();
        self.run("follow", folder, move |disk| disk.follow_all(&wanted)).await
    }

    fn is_read_only(&self) -> bool {
        self.0.is_read_only()
    }
}
