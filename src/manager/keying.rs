//! Which key the next certificate is to have: a new one, or on request that of the certificate before.

use tracing::info;

use super::Tools;
use super::plan::Step;
use crate::issuer::Reason;
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
    let compromised = compromised(&tools.store).await?;
    let mut keying = Keying { compromised, ..Keying::from(wish.key_type) };
    if let Some(item) = replaced.filter(|_| wish.reuse_key) {
        let key = item.bundle().key();
        if key.key_type() == Some(wish.key_type) && !keying.is_compromised(key) {
            info!(names = %wish.names(), item = %item.id(), "uses the key of the certificate before again");
            keying.reuse = Some(key.clone());
        }
    }
    Ok(keying)
}

/// The public halves of keys whose certificates were revoked because somebody else has them, or nobody knows why.
async fn compromised(store: &Store) -> Result<Vec<Vec<u8>>, StoreError> {
    let (pins, mut compromised) = (store.pins(), Vec::new());
    for id in pins.all_revoked().await? {
        let why = match pins.revoked(&id).await {
            Ok(revoked) => revoked.and_then(|revoked| revoked.why),
            Err(StoreError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        if why.as_deref().and_then(Reason::parse).is_some_and(|reason| reason != Reason::KeyCompromise) {
            continue;
        }
        match store.database().item(&id).await {
            Ok(item) => compromised.push(item.bundle().key().spki()),
            // It was removed, or nobody can read its key: none like it is used again.
            Err(error) if error.is_absent() => {}
            Err(StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(compromised)
}
