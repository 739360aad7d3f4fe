//! The database: items for ever, and for each name the pointers to its newest ones.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{Mutex, OnceCell};
use tracing::warn;

use super::engine::{Engine, EngineError, Expect};
use super::issuance::Issuance;
use super::item::Item;
use super::layout::{self, Family, File};
use super::ledger::Issued;
use super::{Prefix, StoreError};
use crate::ident::{ItemId, Lineage, Name, Names};

/// Reads items, and moves pointers forwards.
#[derive(Clone)]
pub struct Database {
    engine: Arc<dyn Engine>,
    index: Arc<Mutex<Index>>,
    /// The newest item when this process first looked, or the newest of its own since.
    newest: Arc<OnceCell<Mutex<Option<ItemId>>>>,
}

/// Which items carry which name; what [`Database::items_for`] and its like remember between calls.
#[derive(Default)]
struct Index {
    known: HashSet<ItemId>,
    by_name: HashMap<Name, BTreeSet<ItemId>>,
}

impl Database {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, index: Arc::default(), newest: Arc::default() }
    }

    /// The ids of all items, oldest first. What is no item id is left out.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn items(&self) -> Result<Vec<ItemId>, StoreError> {
        let keys = self.engine.list(&layout::items()).await?;
        // In order of names, which is the order of commits.
        Ok(keys.iter().filter_map(|key| ItemId::parse(key.name()).ok()).collect())
    }

    /// Reads and proves one item.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] names the file that is not right.
    pub async fn item(&self, id: &ItemId) -> Result<Item, StoreError> {
        Item::load(&*self.engine, id).await
    }

    /// What is wrong with an item that is whole: the files that nobody who serves it needs.
    ///
    /// # Errors
    ///
    /// As for [`item`](Self::item).
    pub async fn blemishes(&self, id: &ItemId) -> Result<Vec<StoreError>, StoreError> {
        Item::blemishes(&*self.engine, id).await
    }

    /// All pointers of a family, by name, without a look at the items. What is no pointer of ours is left out.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn pointers(&self, family: Family) -> Result<Vec<(Name, ItemId)>, StoreError> {
        let all = self.engine.follow_all(&layout::family(family)).await?;
        let read =
            |(key, target): (super::Key, Option<Prefix>)| Some((name_of(key.name())?, item_of(&target?)?));
        Ok(all.into_iter().filter_map(read).collect())
    }

    /// What a name's pointer leads to, if it leads to an item.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`], also if something that is not a pointer stands there.
    pub async fn pointer(&self, family: Family, name: &Name) -> Result<Option<ItemId>, StoreError> {
        let target = self.engine.follow(&layout::pointer(family, name)).await?;
        Ok(target.and_then(|(target, _)| item_of(&target)))
    }

    /// The items that carry a name, newest first: where to look when the one a pointer leads to is damaged.
    ///
    /// Items whose names cannot be read are left out; those that are listed may be damaged in other ways. The first
    /// call reads the names of all items, the later ones those of items that are new.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn items_for(&self, name: &Name) -> Result<Vec<ItemId>, StoreError> {
        let mut index = self.index.lock().await;
        self.learn(&mut index).await?;
        Ok(index.by_name.get(name).map(|ids| ids.iter().rev().cloned().collect()).unwrap_or_default())
    }

    /// The items that carry a name and were committed before this one, newest first; otherwise as
    /// [`items_for`](Self::items_for).
    ///
    /// The items are listed only if this one was not there when they were listed last, so that whoever asks for very
    /// many names does not pay for as many listings.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn items_before(&self, name: &Name, item: &ItemId) -> Result<Vec<ItemId>, StoreError> {
        let mut index = self.index.lock().await;
        if !index.known.contains(item) {
            self.learn(&mut index).await?;
        }
        let ids = index.by_name.get(name).into_iter().flat_map(|ids| ids.range(..item).rev());
        Ok(ids.cloned().collect())
    }

    /// Takes in which names the items carry that have come since the last call.
    async fn learn(&self, index: &mut Index) -> Result<(), StoreError> {
        let present: HashSet<ItemId> = self.items().await?.into_iter().collect();
        if !index.known.is_subset(&present) {
            // Items go seldom and many at once.
            *index = Index::default();
        }
        for id in present.difference(&index.known).cloned().collect::<Vec<_>>() {
            match self.names(&id).await {
                Ok(names) => {
                    for name in &names {
                        index.by_name.entry(name.clone()).or_default().insert(id.clone());
                    }
                }
                Err(error) => warn!(item = %id, %error, "names not readable"),
            }
            index.known.insert(id);
        }
        Ok(())
    }

    /// What CAs have issued since a moment, the oldest first. Items that do not say so are left out.
    pub(super) async fn issued_since(&self, since: SystemTime) -> Result<Vec<Issued>, StoreError> {
        let mut issued = Vec::new();
        for id in self.items().await?.into_iter().filter(|id| id.time() >= since) {
            let record = self.engine.read(&layout::item_file(&id, File::Issuance)).await;
            let record = record.ok().and_then(|(text, _)| serde_json::from_slice::<Issuance>(&text).ok());
            let Some((directory, account)) =
                record.and_then(|record| Some((record.directory?, record.account)))
            else {
                continue;
            };
            if let Ok(names) = self.names(&id).await {
                issued.push(Issued { names, at: id.time(), directory, account });
            }
        }
        Ok(issued)
    }

    async fn names(&self, id: &ItemId) -> Result<Names, StoreError> {
        let (line, _) = self.engine.read(&layout::item_file(id, File::DomainList)).await?;
        Ok(Names::parse_domain_list(&String::from_utf8_lossy(&line))?)
    }

    /// Turns a draft into an item and moves its pointers.
    ///
    /// # Errors
    ///
    /// [`StoreError::PointersLag`] if it is committed all the same; any other error means that it is not.
    pub(super) async fn admit(
        &self,
        draft: &Prefix,
        lineage: &Lineage,
        now: SystemTime,
    ) -> Result<ItemId, StoreError> {
        let id = loop {
            let newest = self.newest(lineage.names()).await?;
            let id = ItemId::next(now, newest.as_ref());
            match self.engine.seal(draft, &layout::item(&id)).await {
                Err(EngineError::Exists { .. }) => {}
                other => break other.map(|()| id)?,
            }
        };
        self.remember(&id).await;
        for family in Family::of(lineage.provider()) {
            for name in lineage.names() {
                if let Err(source) = self.advance(family, name, &id).await {
                    return Err(StoreError::PointersLag { item: id, source });
                }
            }
        }
        Ok(id)
    }

    /// The item a new one for these names must come after.
    ///
    /// All items are listed once; after that, what this process commits is remembered, and what another one commits for
    /// the same names shows in their pointers.
    async fn newest(&self, names: &Names) -> Result<Option<ItemId>, StoreError> {
        let list = async || Ok::<_, StoreError>(Mutex::new(self.items().await?.pop()));
        let mut newest = self.newest.get_or_try_init(list).await?.lock().await.clone();
        for name in names {
            match self.pointer(Family::Any, name).await {
                Ok(latest) => newest = newest.max(latest),
                // `advance` deals with it.
                Err(StoreError::Engine(EngineError::Foreign { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(newest)
    }

    async fn remember(&self, id: &ItemId) {
        if let Some(newest) = self.newest.get() {
            let mut newest = newest.lock().await;
            *newest = newest.take().max(Some(id.clone()));
        }
    }

    /// Makes a name's pointer lead to `id`, unless it leads to a newer item already. Something foreign in the
    /// pointer's place is set aside.
    pub(super) async fn advance(
        &self,
        family: Family,
        name: &Name,
        id: &ItemId,
    ) -> Result<bool, EngineError> {
        let pointer = layout::pointer(family, name);
        loop {
            let expect = match self.engine.follow(&pointer).await {
                Ok(None) => Expect::Absent,
                Ok(Some((target, version))) => match item_of(&target) {
                    Some(present) if present >= *id => return Ok(false),
                    _ => Expect::Is(version),
                },
                Err(EngineError::Foreign { what, .. }) => {
                    let moved = self.engine.set_aside(&pointer.as_prefix()).await;
                    warn!(%pointer, what, ?moved, "set aside");
                    match moved {
                        // Somebody else was faster.
                        Err(EngineError::Absent { .. }) => continue,
                        other => other?,
                    };
                    Expect::Absent
                }
                Err(error) => return Err(error),
            };
            match self.engine.point(&pointer, &layout::item(id), expect).await {
                // Somebody moved it since the look; look again. Each turn of this loop is somebody's success.
                Err(EngineError::Conflict { .. }) => {}
                other => return other.map(|()| true),
            }
        }
    }
}

/// The name a pointer is called by, if it is written as we write it.
pub(super) fn name_of(text: &str) -> Option<Name> {
    Name::parse(text).ok().filter(|name| name.to_string() == text)
}

/// The item a pointer leads to, if it leads to one.
pub(super) fn item_of(target: &Prefix) -> Option<ItemId> {
    (target.folder() == layout::items()).then(|| ItemId::parse(target.name()).ok()).flatten()
}
