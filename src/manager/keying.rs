//! Which key the next certificate is to have: a new one, or on request that of the certificate before.

use tracing::info;

use super::Tools;
use super::plan::Step;
use super::revoke::is_compromised;
use crate::store::{Item, Keying, Store, StoreError};

/// What decides about the key of the certificate of a step, which takes the place of this item.
///
/// # Errors
///
/// [`StoreError::Engine`] if it cannot be told which keys are compromised.
pub(super) async fn keying(
    tools: &Tools,
    step: &Step,
    replaced: Option<&Item>,
) -> Result<Keying, StoreError> {
    let wish = &step.wish;
    let barred = compromised(&tools.store).await?;
    let mut keying = Keying { barred, ..Keying::from(wish.key_type) };
    let Some(item) = replaced else { return Ok(keying) };
    let key = item.bundle().key();
    if !wish.reuse_key {
        // An earlier attempt may have been asked to keep it.
        keying.barred.push(key.spki());
    } else if key.key_type() == Some(wish.key_type) && !keying.is_barred(key) {
        info!(names = %wish.names(), item = %item.id(), "uses the key of the certificate before again");
        keying.reuse = Some(key.clone());
    }
    Ok(keying)
}

/// The public halves of keys whose certificates were revoked because somebody else has them, or nobody knows why.
async fn compromised(store: &Store) -> Result<Vec<Vec<u8>>, StoreError> {
    let (pins, mut compromised) = (store.pins(), Vec::new());
    for id in pins.all_revoked().await? {
        if !is_compromised(&pins, &id).await? {
            continue;
        }
        match store.database().item(&id).await {
            Ok(item) => compromised.push(item.bundle().key().spki()),
            // It was removed, or nobody can read its key: no certificate is left to take it from.
            Err(error) if error.is_absent() => {}
            Err(StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(compromised)
}
