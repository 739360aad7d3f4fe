//! Removing what nobody needs, when an operator asks for it where no process issues.

use std::time::SystemTime;

use super::OpsError;
use crate::store::prune::{InUse, Prune, Pruned};
use crate::store::{Store, StoreError};
use crate::story::Recorder;

/// Removes what need be kept no longer, and tells that to `recorder`, whose journal is ours to keep meanwhile.
///
/// # Errors
///
/// [`OpsError::Refused`] if another process issues for the storage, or if it cannot be told which names are configured;
/// nothing is removed then. [`OpsError::Store`].
pub async fn prune(
    store: &Store,
    asked: &Prune,
    in_use: &InUse,
    now: SystemTime,
    recorder: &Recorder,
) -> Result<Pruned, OpsError> {
    if asked.spares_nothing(in_use) {
        let text = "no name is configured, so everything would go: name the configuration with -c FILE";
        return Err(OpsError::Refused(text.to_owned()));
    }
    let _role = match store.claim_issuer().await {
        Ok(role) => Some(role),
        Err(_) if asked.dry_run && store.is_read_only() => None,
        Err(StoreError::Taken { .. }) if asked.dry_run => None,
        Err(error @ StoreError::Taken { .. }) => {
            let text = format!(
                "{error}, and cannot be asked from here; ask where it runs, stop it first, or give --dry-run"
            );
            return Err(OpsError::Refused(text));
        }
        Err(error) => return Err(error.into()),
    };
    if asked.dry_run {
        return Ok(asked.run(store, in_use, now, recorder).await?);
    }
    recorder.keep().await;
    let done = asked.run(store, in_use, now, recorder).await;
    // While the role is ours, also if it did not get to its end.
    recorder.end().await;
    Ok(done?)
}
