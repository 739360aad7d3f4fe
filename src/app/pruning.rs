//! `sidegate prune`: by the process that issues, or on the storage where none does.

use super::operator::{Operator, OperatorError};
use super::{AppError, build, storage};
use crate::admin::{PruneReport, PruneRequest};
use crate::clock::Clock;
use crate::config::Settings;
use crate::store::Store;
use crate::{manager, ops};

/// Removes what nobody needs: what has ended, and apart from it what is for names that nobody has configured.
///
/// # Errors
///
/// [`OperatorError`]; also if a process issues for the storage and cannot be asked.
pub async fn prune(settings: &Settings, request: &PruneRequest) -> Result<PruneReport, OperatorError> {
    match Operator::of_process(&settings.storage).await? {
        Some(issuer) if issuer.issues() => issuer.prune(request).await,
        _ => Ok(at_rest(settings, request).await?),
    }
}

async fn at_rest(settings: &Settings, request: &PruneRequest) -> Result<PruneReport, AppError> {
    let clock = Clock::system();
    let open = if request.dry_run { storage::look } else { storage::open_present };
    let opened = open(&settings.storage)?;
    let (now, recorder) = (clock.now(), opened.journal(&clock, || {})?);
    let store = Store::new(opened.engine, clock.clone());
    let mut desired = build::desired(settings);
    if desired.on_demand.is_some() {
        // Names that nobody has listed are configured by their rule.
        desired.demand(store.demands().load().await?.names.into_iter().map(|demanded| demanded.name));
    }
    let in_use = manager::in_use(&desired, &store, now).await?;
    let asked = request.asked().by(settings.prune);
    let pruned = ops::prune(&store, &asked, &in_use, now, &recorder).await?;
    Ok(PruneReport::of(&pruned, request))
}
