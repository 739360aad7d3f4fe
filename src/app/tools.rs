//! Tools that work on the storage itself, whether a process uses it at the same time or not.

use std::io::{BufWriter, Write, stdout};
use std::path::Path;

use super::{AppError, build};
use crate::clock::Clock;
use crate::config::Settings;
use crate::ident::{ItemId, Name};
use crate::manager;
use crate::ops::{self, Backed, Export, Exported, Import, Imported, OpsError, Restored};
use crate::store::Store;

/// Gives a certificate and its key in the form another program reads.
///
/// # Errors
///
/// [`AppError::Ops`] if there is no such certificate, or if it cannot be written there.
pub async fn export(settings: &Settings, asked: &Export) -> Result<Exported, AppError> {
    let clock = Clock::system();
    let store = storage(settings, &clock)?;
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
pub async fn backup(settings: &Settings, to: Option<&Path>) -> Result<Backed, AppError> {
    let clock = Clock::system();
    let store = storage(settings, &clock)?;
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

/// Brings what is in an archive into the storage, beside what is there.
///
/// # Errors
///
/// [`AppError::Ops`] if the archive is refused; nothing is changed then.
pub async fn restore(settings: &Settings, from: &Path) -> Result<Restored, AppError> {
    let store = storage(settings, &Clock::system())?;
    Ok(ops::restore(&store, from).await?)
}

/// Takes over certificates that another program has got.
///
/// # Errors
///
/// [`AppError`] if they cannot be read, or the storage cannot be written.
pub async fn import(settings: &Settings, asked: &Import) -> Result<Imported, AppError> {
    let clock = Clock::system();
    let store = storage(settings, &clock)?;
    Ok(ops::import(&store, asked, &settings.acme.preferred.directory, clock.now()).await?)
}

fn storage(settings: &Settings, clock: &Clock) -> Result<Store, AppError> {
    let (engine, _) = build::engine(&settings.storage)?;
    Ok(Store::new(engine, clock.clone()))
}
