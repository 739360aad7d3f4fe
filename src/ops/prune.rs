//! Removing what nobody needs, when an operator asks for it.

use std::collections::HashSet;
use std::time::SystemTime;

use super::OpsError;
use crate::ident::{ItemId, LineageId, Name};
use crate::store::prune::{self, Needless, Rule};
use crate::store::{Store, StoreError};
use crate::story::Recorder;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prune {
    /// What is kept.
    pub rule: Rule,
    /// Also what is there for names that nobody has configured.
    pub unconfigured: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What is configured, and what is shown for it.
#[derive(Debug, Clone, Default)]
pub struct InUse {
    /// Every name.
    pub names: HashSet<Name>,
    /// Every lineage.
    pub lineages: HashSet<LineageId>,
    /// Every item that is shown.
    pub served: HashSet<ItemId>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Pruned {
    /// What had ended, and is removed, or would be.
    pub ended: Vec<Needless>,
    /// What is for names that nobody has configured; removed, or to be, if that was asked for.
    pub unconfigured: Vec<Needless>,
}

/// Removes what had to be kept no longer, and tells that to `recorder`, whose journal is ours to keep meanwhile.
///
/// # Errors
///
/// [`OpsError::Refused`] if another process issues for the storage, or if it cannot be told which names are configured; nothing
/// is removed then. [`OpsError::Store`].
pub async fn prune(
    store: &Store,
    asked: &Prune,
    in_use: &InUse,
    now: SystemTime,
    recorder: &Recorder,
) -> Result<Pruned, OpsError> {
    if asked.unconfigured && in_use.names.is_empty() {
        let text = "no name is configured, so everything would go: name the configuration with -c FILE";
        return Err(OpsError::Refused(text.to_owned()));
    }
    let _role = match store.claim_issuer().await {
        Ok(role) => Some(role),
        Err(_) if asked.dry_run && store.is_read_only() => None,
        Err(StoreError::Taken { .. }) if asked.dry_run => None,
        Err(error @ StoreError::Taken { .. }) => {
            let text =
                format!("{error}, which removes by itself what has ended; stop it first, or give --dry-run");
            return Err(OpsError::Refused(text));
        }
        Err(error) => return Err(error.into()),
    };
    let unconfigured = prune::unconfigured(store, &in_use.names, &in_use.served).await?;
    let named: HashSet<&ItemId> = unconfigured.iter().map(|needless| &needless.item).collect();
    let mut ended = asked.rule.needless(store, &in_use.served, now).await?;
    ended.retain(|needless| !named.contains(&needless.item) || !asked.unconfigured);
    if !asked.dry_run {
        recorder.keep().await;
        let going = if asked.unconfigured { [&ended[..], &unconfigured] } else { [&ended[..], &[]] };
        let gone = prune::remove(store, &going.concat(), recorder).await;
        // While the role is ours, also if it did not get to its end.
        recorder.end().await;
        gone?;
        if asked.unconfigured {
            prune::forget_unconfigured(store, &in_use.names, &in_use.lineages).await?;
        }
    }
    Ok(Pruned { ended, unconfigured })
}
