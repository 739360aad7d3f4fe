//! Repair at the start: pointers are recomputed from the items, and what is damaged is moved out of the way.
//!
//! Pointers are a cache. A crash between the rename that makes an item and the last of its pointers leaves some of them
//! behind, and a restored backup may have none; both are mended here. A live draft is never touched, and nor are items
//! that are whole.

use std::collections::{HashMap, HashSet};
use std::fmt;

use tracing::{info, warn};

use super::database::{item_of, name_of};
use super::engine::{EngineError, Expect};
use super::layout::{self, Family};
use super::{Key, Prefix, Store, StoreError};
use crate::ident::{ItemId, LineageId, Name};

/// What a sweep found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// How many items are whole.
    pub items: usize,
    /// Items that were damaged, where they are now, and what is wrong with them.
    pub quarantined: Vec<(ItemId, String, String)>,
    /// Items that could not be read at all; they were left where they are.
    pub unreadable: Vec<(ItemId, String)>,
    /// Pointers that lead somewhere else now.
    pub moved: Vec<(Family, Name, ItemId)>,
    /// Pointers that led nowhere and are gone.
    pub removed: Vec<(Family, Name)>,
    /// Things that the store did not write, by their places. They were left where they are.
    pub strays: Vec<String>,
    /// Drafts in the spool, live or to be taken up.
    pub drafts: Vec<LineageId>,
}

impl SweepReport {
    /// Whether there was nothing to mend and nothing to tell.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.quarantined.is_empty()
            && self.unreadable.is_empty()
            && self.moved.is_empty()
            && self.removed.is_empty()
            && self.strays.is_empty()
    }
}

impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} items are whole", self.items)?;
        for (count, what) in [
            (self.quarantined.len(), "damaged and set aside"),
            (self.unreadable.len(), "could not be read"),
            (self.moved.len(), "pointers moved"),
            (self.removed.len(), "pointers that led nowhere removed"),
            (self.strays.len(), "things that do not belong here"),
            (self.drafts.len(), "drafts in the spool"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// For each family and name the newest whole item.
type Newest = HashMap<(Family, Name), ItemId>;

/// Reads every item, sets aside what is damaged, and makes every pointer lead to the newest whole item that carries
/// its name.
///
/// Safe beside other processes and beside this one's own commits: a pointer to an item that was committed meanwhile stays.
///
/// # Errors
///
/// [`StoreError::Engine`] if the storage cannot be listed or changed. One item that cannot be read is in the report
/// instead.
pub async fn sweep(store: &Store) -> Result<SweepReport, StoreError> {
    let mut report = SweepReport::default();
    let newest = read_items(store, &mut report).await?;
    for family in Family::ALL {
        mend_pointers(store, family, &newest, &mut report).await?;
    }
    look_at_spool(store, &mut report).await?;
    if report.is_clean() {
        info!(%report, "swept");
    } else {
        warn!(%report, "swept");
    }
    Ok(report)
}

async fn read_items(store: &Store, report: &mut SweepReport) -> Result<Newest, StoreError> {
    let mut newest = Newest::new();
    for key in store.engine().list(&layout::items()).await? {
        let Ok(id) = ItemId::parse(key.name()) else {
            report.strays.push(key.to_string());
            continue;
        };
        match store.database().item(&id).await {
            Ok(item) => {
                report.items += 1;
                for family in Family::of(item.provider()) {
                    for name in item.names() {
                        // In order of commits, so the last one stays.
                        newest.insert((family, name.clone()), id.clone());
                    }
                }
            }
            Err(error @ StoreError::Damaged { .. }) => {
                let to = store.engine().set_aside(&layout::item(&id)).await?;
                warn!(item = %id, %error, %to, "damaged item set aside");
                report.quarantined.push((id, to.to_string(), error.to_string()));
            }
            // Removed by somebody since the listing.
            Err(error) if error.is_absent() => {}
            Err(error) => {
                warn!(item = %id, %error, "item not readable");
                report.unreadable.push((id, error.to_string()));
            }
        }
    }
    Ok(newest)
}

async fn mend_pointers(
    store: &Store,
    family: Family,
    newest: &Newest,
    report: &mut SweepReport,
) -> Result<(), StoreError> {
    let mut right = HashSet::new();
    for (key, target) in store.engine().follow_all(&layout::family(family)).await? {
        let Some(name) = name_of(key.name()) else {
            report.strays.push(key.to_string());
            continue;
        };
        let best = newest.get(&(family, name.clone()));
        let present = target.as_ref().and_then(item_of);
        if present.as_ref() == best && best.is_some() {
            right.insert(name);
            continue;
        }
        if target.is_none() {
            // Not a pointer at all. `advance` sets it aside if there is something to point to.
            if best.is_none() {
                report.strays.push(key.to_string());
            }
            continue;
        }
        if let Some(present) = &present
            && carries(store, present, family, &name, report).await
        {
            continue;
        }
        mend(store, &key, best, (family, name), report).await?;
    }
    let behind = newest.iter().filter(|((of, name), _)| *of == family && !right.contains(name));
    for ((_, name), id) in behind {
        if store.database().advance(family, name, id).await? {
            report.moved.push((family, name.clone(), id.clone()));
        }
    }
    Ok(())
}

/// Whether an item that the pointer leads to, and that is not the newest one known, is right all the same: committed
/// since the listing, or not readable at the moment. An older one is not.
async fn carries(store: &Store, id: &ItemId, family: Family, name: &Name, report: &SweepReport) -> bool {
    if report.unreadable.iter().any(|(unreadable, _)| unreadable == id) {
        return true;
    }
    match store.database().item(id).await {
        Ok(item) => Family::of(item.provider()).contains(&family) && item.names().contains(name),
        Err(StoreError::Damaged { .. }) => false,
        Err(error) => !error.is_absent(),
    }
}

/// Makes a pointer that leads to nothing good lead to the best item there is, also backwards, or removes it.
async fn mend(
    store: &Store,
    key: &Key,
    best: Option<&ItemId>,
    of: (Family, Name),
    report: &mut SweepReport,
) -> Result<(), StoreError> {
    let (family, name) = of;
    let Some((_, version)) = store.engine().follow(key).await? else { return Ok(()) };
    let done = match best {
        Some(id) => store.engine().point(key, &layout::item(id), Expect::Is(version)).await,
        None => store.engine().remove(&key.as_prefix(), Expect::Is(version)).await,
    };
    match (done, best) {
        // Somebody else moved it meanwhile, and knew why.
        (Err(EngineError::Conflict { .. }), _) => {}
        (Err(error), _) => return Err(error.into()),
        (Ok(()), Some(id)) => report.moved.push((family, name, id.clone())),
        (Ok(()), None) => report.removed.push((family, name)),
    }
    Ok(())
}

async fn look_at_spool(store: &Store, report: &mut SweepReport) -> Result<(), StoreError> {
    let spool: Prefix = layout::spool();
    for key in store.engine().list(&spool).await? {
        match LineageId::parse(key.name()) {
            Ok(id) => report.drafts.push(id),
            Err(_) => report.strays.push(key.to_string()),
        }
    }
    Ok(())
}
