//! Tools that work on the storage itself, whether a process uses it at the same time or not.

use std::io::{BufWriter, ErrorKind, Write, stdout};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{AppError, build, storage};
use crate::clock::{Clock, rfc3339};
use crate::config::Settings;
use crate::ident::{ItemId, Lineage, Name, Names, Provider};
use crate::manager;
use crate::ops::{
    self, Backed, Export, Exported, Import, Imported, InUse, OpsError, Prune, Pruned, Restore, Restored,
};
use crate::store::memory::MemoryEngine;
use crate::store::prune::{Needless, Rule};
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
pub async fn backup(settings: &Settings, to: Option<&Path>) -> Result<Backed, AppError> {
    let clock = Clock::system();
    let store = Store::new(storage::look(&settings.storage)?.engine, clock.clone());
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
    // No storage is made for an archive that is not there.
    let restore = Restore::open(from)?;
    let store = store(settings, &Clock::system())?;
    Ok(restore.bring(&store).await?)
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

/// How items are asked to be removed. What is not said, the configuration says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneRequest {
    /// How many items before the current one are kept.
    pub keep: Option<usize>,
    /// How many days after its end each of the others.
    pub expired_for: Option<u64>,
    /// Also what is there for names that nobody has configured.
    pub unconfigured: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// An item that was removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Its id.
    pub item: String,
    /// Its names.
    pub names: Vec<String>,
    /// When it ends, or has ended; RFC 3339.
    pub expires: String,
}

/// Removes what nobody needs: what has ended, and apart from it what is for names that nobody has configured.
///
/// # Errors
///
/// [`AppError::Ops`] if another process issues for the storage.
pub async fn prune(
    settings: &Settings,
    request: &PruneRequest,
) -> Result<(Vec<Removed>, Vec<Removed>), AppError> {
    let clock = Clock::system();
    let open = if request.dry_run { storage::look } else { storage::open_present };
    let opened = open(&settings.storage)?;
    let (now, recorder) = (clock.now(), opened.journal(&clock, || {})?);
    let store = Store::new(opened.engine, clock.clone());
    let desired = build::desired(settings);
    let lineages = desired.wishes.iter().flat_map(|wish| [wish.lineage.clone(), wish.stand_in().lineage]);
    // Names that nobody has listed are configured by their rule.
    let demanded = match &settings.on_demand {
        Some(_) => store.demands().load().await?.names.into_iter().map(|demanded| demanded.name).collect(),
        None => Vec::new(),
    };
    let of_its_own = |name: &Name| {
        let names = Names::new([name.clone()]).ok()?;
        Some([Provider::Letsencrypt, Provider::Selfsigned].map(|by| Lineage::new(names.clone(), by)))
    };
    let lineages = lineages.chain(demanded.iter().filter_map(of_its_own).flatten());
    let in_use = InUse {
        lineages: lineages.map(|lineage| lineage.id().clone()).collect(),
        names: settings.sites.iter().flat_map(|site| site.names()).chain(&demanded).cloned().collect(),
        served: manager::shown(&desired, &store, now).await?,
    };
    let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
    let rule = Rule {
        keep: request.keep.unwrap_or(settings.prune.keep),
        expired_for: request.expired_for.map(days).or(settings.prune.expired_for),
    };
    let asked = Prune { rule, unconfigured: request.unconfigured, dry_run: request.dry_run };
    let Pruned { ended, unconfigured } = ops::prune(&store, &asked, &in_use, now, &recorder).await?;
    let told = |needless: &[Needless]| needless.iter().map(Removed::of).collect();
    Ok((told(&ended), told(&unconfigured)))
}

impl Removed {
    fn of(needless: &Needless) -> Self {
        Self {
            item: needless.item.to_string(),
            names: needless.names.iter().map(ToString::to_string).collect(),
            expires: rfc3339(needless.expires),
        }
    }
}

fn store(settings: &Settings, clock: &Clock) -> Result<Store, AppError> {
    let opened = storage::open(&settings.storage)?;
    Ok(Store::new(opened.engine, clock.clone()))
}

/// What is there, to look at only; of a storage that is still to be made, an empty one.
fn present(settings: &Settings, clock: &Clock) -> Result<Store, AppError> {
    let engine = match storage::look(&settings.storage) {
        Ok(opened) => opened.engine,
        Err(AppError::Store(StoreError::Storage { cause, .. })) if cause.kind() == ErrorKind::NotFound => {
            Arc::new(MemoryEngine::new())
        }
        Err(error) => return Err(error),
    };
    Ok(Store::new(engine, clock.clone()))
}
