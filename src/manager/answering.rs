//! What answers for a name, as the storage has it, without a manager that runs.

use std::collections::HashSet;
use std::time::SystemTime;

use super::desired::{Desired, Wish};
use super::load;
use super::preference;
use crate::ident::{ItemId, Name};
use crate::store::prune::InUse;
use crate::store::{Family, Store, StoreError};

/// The items that are shown for the names that are configured.
///
/// # Errors
///
/// [`StoreError`] if the storage cannot be listed.
async fn shown(desired: &Desired, store: &Store, now: SystemTime) -> Result<HashSet<ItemId>, StoreError> {
    let inventory = load::inventory_of(desired, store, now).await?;
    let names = desired.wishes.iter().flat_map(|wish| wish.names().iter().map(move |name| (wish, name)));
    let chosen = names.filter_map(|(wish, name)| preference::choose(name, wish, &inventory, now));
    Ok(chosen.map(|held| held.id.clone()).collect())
}

/// What is configured, and what is shown for it, so that nobody removes it.
///
/// # Errors
///
/// [`StoreError`] if the storage cannot be listed.
pub async fn in_use(desired: &Desired, store: &Store, now: SystemTime) -> Result<InUse, StoreError> {
    let kept_elsewhere = desired.files.iter().flat_map(|source| source.names());
    let listed = desired.lists.iter().flat_map(|list| list.names());
    let names = desired.wishes.iter().flat_map(Wish::names).chain(kept_elsewhere).chain(listed);
    let lineages = desired.wishes.iter().flat_map(|wish| [wish.lineage.clone(), wish.stand_in().lineage]);
    Ok(InUse {
        names: names.cloned().collect(),
        lineages: lineages.map(|lineage| lineage.id().clone()).collect(),
        served: shown(desired, store, now).await?,
    })
}

/// The item that is served for a name. For a name that nobody has configured, the newest valid one from a CA, else the
/// newest selfsigned one, else one that has ended or was revoked.
///
/// # Errors
///
/// [`StoreError`] if the storage cannot be listed.
pub async fn answering(
    desired: &Desired,
    store: &Store,
    name: &Name,
    now: SystemTime,
) -> Result<Option<ItemId>, StoreError> {
    if let Some(wish) = desired.owners().of(name).and_then(|index| desired.wishes.get(index)) {
        let desired = Desired { wishes: vec![wish.clone()], ..Desired::default() };
        let inventory = load::inventory_of(&desired, store, now).await?;
        return Ok(preference::choose(name, wish, &inventory, now).map(|held| held.id.clone()));
    }
    let (database, revoked) = (store.database(), store.pins().all_revoked().await?);
    let mut ended = None;
    for family in [Family::Letsencrypt, Family::Selfsigned] {
        let Some(id) = database.pointer(family, name).await? else { continue };
        match database.item(&id).await {
            Ok(item) if item.bundle().leaf().valid_at(now) && !revoked.contains(&id) => return Ok(Some(id)),
            Ok(_) => ended = ended.or(Some(id)),
            Err(error @ StoreError::Damaged { .. }) => tracing::warn!(item = %id, %error, "passed over"),
            Err(error) => return Err(error),
        }
    }
    Ok(ended)
}
