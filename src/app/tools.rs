//! Tools that work on the storage itself, whether a process uses it at the same time or not.

use std::io::{BufWriter, ErrorKind, Write, stdout};
use std::path::Path;
use std::sync::Arc;

use super::{AppError, build, storage};
use crate::clock::Clock;
use crate::config::{Settings, Storage};
use crate::ident::{ItemId, Name};
use crate::manager;
use crate::ops::{self, Backed, Export, Exported, Import, Imported, OpsError, Restore, Restored};
use crate::store::memory::MemoryEngine;
use crate::store::{Store, StoreError};
use crate::story::Recorder;

/// Gives a certificate and its key in the form another program reads.
///
/// # Errors
///
/// [`AppError::Ops`] if there is no such certificate, or if it cannot be written there.
pub async fn export(settings: &Settings, asked: &Export) -> Result<Exported, AppError> {
    let clock = Clock::system();
    let store = Store::new(storage::look(&settings.storage)?.engine, clock.clone());
    let refused = |text: String| AppError::Ops(OpsError::Refused(text));
    let name = Name::parse(&asked.name).map_err(|error| refused(error.to_string()))?;
    let id = match &asked.item {
        Some(id) => ItemId::parse(id).map_err(|error| refused(error.to_string()))?,
        None => manager::answering(&build::desired(settings), &store, &name, clock.now())
            .await?
            .ok_or_else(|| refused(format!("there is no certificate for {name} in the storage")))?,
    };
    let item = store.database().item(&id).await?;
    let leaf = item.bundle().leaf();
    if !leaf.names().contains(&name) && !leaf.covers(&name.to_string()) {
        return Err(refused(format!("{id} is for {}, not for {name}", item.names())));
    }
    Ok(ops::export(&item, &name, asked.format, &asked.out)?)
}

/// Writes all of the storage that could not be made anew into one archive: to a file, or to standard output.
///
/// # Errors
///
/// [`AppError`]; a file that stood there before is still there then.
pub async fn backup(storage: &Storage, to: Option<&Path>) -> Result<Backed, AppError> {
    let clock = Clock::system();
    let opened = storage::look(storage)?;
    if let Some(path) = to.filter(|path| lies_in(path, &opened.path)) {
        let what = format!("{} lies in the storage itself; name a place outside of it", path.display());
        return Err(OpsError::Refused(what).into());
    }
    let store = Store::new(opened.engine, clock.clone());
    Ok(match to {
        Some(path) => ops::backup(&store, path, clock.now()).await?,
        None => {
            let out = BufWriter::new(stdout());
            let (mut out, backed) = ops::write_backup(&store, out, clock.now(), Path::new("-")).await?;
            out.flush().map_err(AppError::setup("standard output was closed"))?;
            backed
        }
    })
}

/// Whether a file that may still be made has its place below a folder.
fn lies_in(file: &Path, folder: &Path) -> bool {
    let above = file.parent().map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
    let above = above.and_then(|above| above.canonicalize().ok());
    above.zip(folder.canonicalize().ok()).is_some_and(|(above, folder)| above.starts_with(folder))
}

/// Brings what is in an archive into the storage, beside what is there: of a file, or of standard input.
///
/// # Errors
///
/// [`AppError::Ops`] if the archive is refused; nothing is changed then, and no storage is made.
pub async fn restore(settings: &Settings, from: Option<&Path>) -> Result<Restored, AppError> {
    let restore = from.map_or_else(Restore::from_stdin, Restore::open)?;
    let clock = Clock::system();
    if let Some(empty) = unmade(&settings.storage, &clock)? {
        restore.prove(&empty).await?;
    }
    Ok(restore.bring(&store(settings, &clock)?).await?)
}

/// Takes over certificates that another program has got.
///
/// # Errors
///
/// [`AppError`] if they cannot be read, or the storage cannot be written.
pub async fn import(settings: &Settings, asked: &Import) -> Result<Imported, AppError> {
    let (clock, directory) = (Clock::system(), &settings.acme.preferred.directory);
    let trove = asked.source.open(directory)?;
    let (store, recorder) = if asked.dry_run {
        (present(settings, &clock)?, Recorder::default())
    } else {
        let opened = storage::open(&settings.storage)?;
        let recorder = opened.journal(&clock, || {})?;
        (Store::new(opened.engine, clock.clone()), recorder)
    };
    Ok(ops::import(&store, trove, asked, (directory, clock.now()), &recorder).await?)
}

fn store(settings: &Settings, clock: &Clock) -> Result<Store, AppError> {
    let opened = storage::open(&settings.storage)?;
    Ok(Store::new(opened.engine, clock.clone()))
}

/// What is there, to look at only; of a storage that is still to be made, an empty one.
fn present(settings: &Settings, clock: &Clock) -> Result<Store, AppError> {
    match unmade(&settings.storage, clock)? {
        Some(empty) => Ok(empty),
        None => Ok(Store::new(storage::look(&settings.storage)?.engine, clock.clone())),
    }
}

/// An empty storage in the place of one that is still to be made; none if there is one.
fn unmade(storage: &Storage, clock: &Clock) -> Result<Option<Store>, AppError> {
    match storage::look(storage) {
        Ok(_) => Ok(None),
        Err(AppError::Store(StoreError::Storage { cause, .. })) if cause.kind() == ErrorKind::NotFound => {
            Ok(Some(Store::new(Arc::new(MemoryEngine::new()), clock.clone())))
        }
        Err(error) => Err(error),
    }
}
