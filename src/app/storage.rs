//! The storage: which place it is, and whether anything may be written there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tracing::{info, warn};

use super::AppError;
use crate::clock::Clock;
use crate::config::Storage;
use crate::store::fs::{FsEngine, journal};
use crate::store::{Engine, StoreError};
use crate::story::Recorder;

/// A storage that was opened.
pub(super) struct Opened {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) path: PathBuf,
    access: Access,
}

/// What may be done in it.
enum Access {
    Full,
    /// It is to be read only.
    Reading,
    /// It can be read only.
    Refused(StoreError),
}

/// Opens the storage: to read it only, where that is asked for or all that is possible; where nobody chose it and it
/// cannot be used, the fallback. An empty directory of somebody else's is a mistake unless that is asked for: it would
/// be well served, and self-signed for ever.
///
/// # Errors
///
/// [`AppError::Store`] if it cannot even be read.
pub(super) fn open(storage: &Storage) -> Result<Opened, AppError> {
    let path = &storage.path;
    if storage.read_only {
        return Ok(Opened::new(FsEngine::open_to_look(path)?, path, Access::Reading));
    }
    let error = match FsEngine::open(path) {
        Ok(engine) => return Ok(Opened::new(engine, path, Access::Full)),
        Err(error) => error,
    };
    if let Some(fallback) = &storage.fallback
        && let Ok(engine) = FsEngine::open(fallback)
    {
        warn!(%error, storage = %fallback.display(),
            "the usual place cannot be used, so this one is; --storage chooses another");
        return Ok(Opened::new(engine, fallback, Access::Full));
    }
    match FsEngine::open_to_look(path) {
        Ok(engine) if error.forbids_writing() && !(error.is_about_rights() && is_empty(path)) => {
            Ok(Opened::new(engine, path, Access::Refused(error)))
        }
        _ => Err(error.into()),
    }
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().is_ok_and(|mut entries| entries.next().is_none())
}

/// Opens the storage that is there for a tool that may change it. One that is not there is not made: a name that is
/// misspelt would be an empty storage, of which all is well.
///
/// # Errors
///
/// [`AppError::Store`] if it is not there, or cannot be read.
pub(super) fn open_present(storage: &Storage) -> Result<Opened, AppError> {
    let path = look(storage)?.path;
    open(&Storage { path, fallback: None, ..storage.clone() })
}

/// Opens the storage for a tool that only looks; nothing is made.
///
/// # Errors
///
/// [`AppError::Store`] if it is not there, or cannot be read.
pub(super) fn look(storage: &Storage) -> Result<Opened, AppError> {
    let look =
        |path: &Path| FsEngine::open_to_look(path).map(|engine| Opened::new(engine, path, Access::Reading));
    let usual = look(&storage.path);
    match &storage.fallback {
        Some(fallback) if usual.is_err() => Ok(look(fallback).or(usual)?),
        _ => Ok(usual?),
    }
}

impl Opened {
    fn new(engine: FsEngine, path: &Path, access: Access) -> Self {
        Self { engine: Arc::new(engine), path: path.to_owned(), access }
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.engine.is_read_only()
    }

    /// Somebody to tell what happens, and a thread that keeps it in the storage for as long as anybody can tell
    /// anything; no thread where nothing can be written. It calls `kept` whenever there is more in the journal.
    pub(super) fn journal(
        &self,
        clock: &Clock,
        kept: impl Fn() + Send + 'static,
    ) -> Result<Recorder, AppError> {
        if self.is_read_only() {
            return Ok(Recorder::default());
        }
        let (recorder, told) = Recorder::channel(clock.clone());
        let at = self.path.clone();
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || journal::keep(told, &at, kept))
            .map_err(AppError::setup("the thread journal cannot be started"))?;
        Ok(recorder)
    }

    /// Tells what it means that nothing can be written, if so.
    pub(super) fn tell(&self) {
        let storage = self.path.display();
        match &self.access {
            Access::Full => {}
            Access::Reading => {
                info!(%storage, "read-only: what is in the storage is served and followed, nothing is issued");
            }
            Access::Refused(StoreError::Storage { cause, .. }) => {
                warn!(%storage, %cause, "the storage cannot be written, so what is in it is served and followed, \
                    and nothing is issued or renewed here; --read-only says that this is meant");
            }
            Access::Refused(error) => warn!(%storage, %error, "the storage is only read"),
        }
    }
}
