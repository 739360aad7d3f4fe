//! Repair at the start: pointers are recomputed from the items, and what is damaged is moved out of the way.
//!
//! Pointers are a cache. A crash between the rename that makes an item and the last of its pointers leaves some of them
//! behind, and a restored backup may have none; both are mended here. A live draft is never touched, and nor are items
//! that are whole.

mod survey;

use std::fmt;

use tracing::{info, warn};

use super::database::item_of;
use super::engine::{EngineError, Expect};
use super::layout::{self, Family};
use super::{Key, Store, StoreError};
use crate::ident::{ItemId, LineageId, Name};

pub use survey::{Found, Items, Survey, Wrong, survey};

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
    fn strays(&mut self, found: &[Key]) {
        self.strays.extend(found.iter().map(ToString::to_string));
    }

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

/// Reads every item, sets aside what is damaged, and makes every pointer lead to the newest whole item that carries
/// its name.
///
/// Safe beside other processes and beside this one's own commits: a pointer to an item that was committed meanwhile
/// stays.
///
/// # Errors
///
/// [`StoreError::Engine`] if the storage cannot be listed or changed. One item that cannot be read is in the report
/// instead.
pub async fn sweep(store: &Store) -> Result<SweepReport, StoreError> {
    let mut report = SweepReport::default();
    let items = Items::read(store).await?;
    set_aside(store, &items, &mut report).await?;
    report.strays(items.strays());
    for family in Family::ALL {
        let (wrong, strays) = items.compare(store, family).await?;
        report.strays(&strays);
        for wrong in wrong {
            mend(store, wrong, &mut report).await?;
        }
    }
    let (drafts, strays) = survey::drafts(store).await?;
    report.strays(&strays);
    report.drafts = drafts;
    store.accounts().forget_past_changes().await?;
    if report.is_clean() {
        info!(%report, "swept");
    } else {
        warn!(%report, "swept");
    }
    Ok(report)
}

async fn set_aside(store: &Store, items: &Items, report: &mut SweepReport) -> Result<(), StoreError> {
    report.items = items.whole;
    for (id, error) in &items.damaged {
        match store.engine().set_aside(&layout::item(id)).await {
            // Somebody else did it since the look.
            Err(EngineError::Absent { .. }) => {}
            Err(error) => return Err(error.into()),
            Ok(to) => {
                warn!(item = %id, %error, %to, "damaged item set aside");
                report.quarantined.push((id.clone(), to.to_string(), error.to_string()));
            }
        }
    }
    for (id, error) in &items.unreadable {
        warn!(item = %id, %error, "item not readable");
        report.unreadable.push((id.clone(), error.to_string()));
    }
    Ok(())
}

async fn mend(store: &Store, wrong: Wrong, report: &mut SweepReport) -> Result<(), StoreError> {
    let Wrong { family, name, found, best } = wrong;
    let pointer = layout::pointer(family, &name);
    match (found, best) {
        (Found::Foreign, None) => report.strays.push(pointer.to_string()),
        (Found::Link(target), best) if best.is_none() || item_of(&target) > best => {
            retract(store, &pointer, best, (family, name), report).await?;
        }
        (_, Some(best)) => {
            if store.database().advance(family, &name, &best).await? {
                report.moved.push((family, name, best));
            }
        }
        (_, None) => {}
    }
    Ok(())
}

/// Makes a pointer that leads to nothing good lead to the best item there is, also backwards, or removes it.
async fn retract(
    store: &Store,
    pointer: &Key,
    best: Option<ItemId>,
    of: (Family, Name),
    report: &mut SweepReport,
) -> Result<(), StoreError> {
    let (family, name) = of;
    let Some((_, version)) = store.engine().follow(pointer).await? else { return Ok(()) };
    let done = match &best {
        Some(id) => store.engine().point(pointer, &layout::item(id), Expect::Is(version)).await,
        None => store.engine().remove(&pointer.as_prefix(), Expect::Is(version)).await,
    };
    match (done, best) {
        // Somebody else moved it meanwhile, and knew why.
        (Err(EngineError::Conflict { .. }), _) => {}
        (Err(error), _) => return Err(error.into()),
        (Ok(()), Some(id)) => report.moved.push((family, name, id)),
        (Ok(()), None) => report.removed.push((family, name)),
    }
    Ok(())
}
