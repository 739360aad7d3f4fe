//! What nobody needs any more: certificates that have ended long since and that newer ones have followed, and those of
//! names nobody has configured.
//!
//! A key that is good for nothing is only something to lose. What is current, pinned or served is never among it. Only
//! the process that has the role of the issuer removes anything.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use super::engine::{EngineError, Expect};
use super::layout::{self, Family, File};
use super::{Issuance, Pin, Prefix, Store, StoreError, record};
use crate::ident::{ItemId, Lineage, LineageId, Name, Names};
use crate::story::{Event, Recorder};

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// How many items before the current one of each lineage, at each CA.
    pub keep: usize,
    /// How long after its end each of the others; for ever if it is none.
    pub expired_for: Option<Duration>,
}

/// An item that nobody needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needless {
    /// The item.
    pub item: ItemId,
    /// Its names.
    pub names: Names,
    /// When it ends, or has ended.
    pub expires: SystemTime,
    /// Why nobody needs it.
    pub why: String,
}

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

/// What items succeed each other in: names and provider, and the CA's directory.
type Kin = (LineageId, Option<String>);

impl Default for Rule {
    /// The two before the current one, and the others for thirty days.
    fn default() -> Self {
        Self { keep: 2, expired_for: Some(Duration::from_secs(30 * 24 * 60 * 60)) }
    }
}

impl Prune {
    /// Whether everything would go: nobody has said which names there are.
    #[must_use]
    pub fn spares_nothing(&self, in_use: &InUse) -> bool {
        self.unconfigured && in_use.names.is_empty()
    }

    /// Removes what need be kept no longer, and tells that to `recorder`. Only for whoever has the role of the issuer,
    /// unless it is a dry run.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`]; what was removed before is gone then.
    pub async fn run(
        &self,
        store: &Store,
        in_use: &InUse,
        now: SystemTime,
        recorder: &Recorder,
    ) -> Result<Pruned, StoreError> {
        let unconfigured = unconfigured(store, &in_use.names, &in_use.served).await?;
        let named: HashSet<&ItemId> = unconfigured.iter().map(|needless| &needless.item).collect();
        let mut ended = self.rule.needless(store, &in_use.served, now).await?;
        ended.retain(|needless| !named.contains(&needless.item) || !self.unconfigured);
        let pruned = Pruned { ended, unconfigured };
        if !self.dry_run {
            remove(store, &pruned.gone(self), recorder).await?;
            if self.unconfigured {
                forget_unconfigured(store, &in_use.names, &in_use.lineages).await?;
            }
        }
        Ok(pruned)
    }
}

impl Pruned {
    /// What of it is removed, or would be.
    #[must_use]
    pub fn gone(&self, asked: &Prune) -> Vec<Needless> {
        let unconfigured = if asked.unconfigured { &self.unconfigured[..] } else { &[] };
        [&self.ended, unconfigured].concat()
    }
}

impl Rule {
    /// The items that need not be kept, the newest first. `served` are items that are shown for a name now.
    ///
    /// Where nothing is old enough, no item is read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`] if the storage cannot be listed. A damaged item is nobody's concern here.
    pub async fn needless(
        &self,
        store: &Store,
        served: &HashSet<ItemId>,
        now: SystemTime,
    ) -> Result<Vec<Needless>, StoreError> {
        let Some(expired_for) = self.expired_for else { return Ok(Vec::new()) };
        let spared = spared(store, served).await?;
        let items = store.database().items().await?;
        // An item is committed before it ends.
        let old = |id: &ItemId| id.time() + expired_for < now && !spared.contains(id);
        let mut ranks: HashMap<Kin, usize> = HashMap::new();
        let mut needless = Vec::new();
        if !items.iter().any(old) {
            return Ok(needless);
        }
        let days = expired_for.as_secs() / (24 * 60 * 60);
        let why =
            format!("it ended more than {days} days ago, and more than {} newer ones follow it", self.keep);
        for id in items.into_iter().rev() {
            let Some(kin) = kin(store, &id).await? else { continue };
            let rank = ranks.entry(kin).or_default();
            if *rank > self.keep
                && old(&id)
                && let Some(found) = read(store, &id, &why).await?
                && found.expires + expired_for < now
            {
                needless.push(found);
            }
            *rank += 1;
        }
        Ok(needless)
    }
}

/// The items none of whose names anybody has configured, the newest first, whether they have ended or not.
///
/// # Errors
///
/// [`StoreError::Engine`] if the storage cannot be listed.
pub async fn unconfigured(
    store: &Store,
    configured: &HashSet<Name>,
    served: &HashSet<ItemId>,
) -> Result<Vec<Needless>, StoreError> {
    let pinned = pinned(store).await?;
    let mut found = Vec::new();
    for id in store.database().items().await?.into_iter().rev() {
        if served.contains(&id) || pinned.contains(&id) {
            continue;
        }
        if let Some(item) = read(store, &id, "nobody has configured any of its names").await?
            && !item.names.iter().any(|name| configured.contains(name))
        {
            found.push(item);
        }
    }
    Ok(found)
}

/// Forgets lineages none of whose names anybody has configured: what is remembered of their attempts, and their drafts.
/// `lineages` are those that are configured.
///
/// # Errors
///
/// [`StoreError::Engine`].
pub async fn forget_unconfigured(
    store: &Store,
    configured: &HashSet<Name>,
    lineages: &HashSet<LineageId>,
) -> Result<(), StoreError> {
    let states = store.states();
    for id in states.list().await? {
        let state = states.load(&id).await?;
        if state.is_some_and(|state| !state.names.iter().any(|name| configured.contains(name))) {
            states.forget(&id).await?;
        }
    }
    for id in store.spool().list().await?.into_iter().filter(|id| !lineages.contains(id)) {
        match store.spool().open_existing(&id).await {
            Ok(draft) => draft.give_up().await?,
            // Whose it is, or what is wrong with it, is for others to say.
            Err(StoreError::Taken { .. } | StoreError::Damaged { .. }) => {}
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes items: first the pointers that lead to one move back or go, then the item, out of sight in one step. Each is
/// told to `recorder`.
///
/// A crash in between leaves an item without a pointer, which the next start gives it back.
///
/// # Errors
///
/// [`StoreError::Engine`]; those before it are gone then.
pub async fn remove(store: &Store, needless: &[Needless], recorder: &Recorder) -> Result<(), StoreError> {
    let going: HashSet<&ItemId> = needless.iter().map(|needless| &needless.item).collect();
    for Needless { item, names, expires, why } in needless {
        for name in names {
            for family in Family::ALL {
                retreat(store, family, name, item, &going).await?;
            }
        }
        store.engine().remove(&layout::item(item), Expect::Any).await?;
        let event = Event::Pruned {
            item: item.as_str().into(),
            not_after: (*expires).into(),
            why: why.as_str().into(),
        };
        recorder.tell(names, event);
    }
    Ok(())
}

/// Makes a pointer that leads to an item which goes lead to the newest one that stays, or removes it.
async fn retreat(
    store: &Store,
    family: Family,
    name: &Name,
    from: &ItemId,
    going: &HashSet<&ItemId>,
) -> Result<(), StoreError> {
    let pointer = layout::pointer(family, name);
    let version = match store.engine().follow(&pointer).await {
        Ok(Some((target, version))) if target == layout::item(from) => version,
        Ok(_) | Err(EngineError::Foreign { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut best = None;
    for id in store.database().items_for(name).await?.into_iter().filter(|id| !going.contains(id)) {
        if lineage(store, &id).await?.is_some_and(|stays| Family::of(stays.provider()).contains(&family)) {
            best = Some(id);
            break;
        }
    }
    let done = match best {
        Some(id) => store.engine().point(&pointer, &layout::item(&id), Expect::Is(version)).await,
        None => store.engine().remove(&pointer.as_prefix(), Expect::Is(version)).await,
    };
    match done {
        // Somebody else has moved it, to an item of his own.
        Ok(()) | Err(EngineError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What is not touched: what pointers lead to, what is pinned and what is served.
async fn spared(store: &Store, served: &HashSet<ItemId>) -> Result<HashSet<ItemId>, StoreError> {
    let mut spared = pinned(store).await?;
    for family in Family::ALL {
        spared.extend(store.database().pointers(family).await?.into_iter().map(|(_, id)| id));
    }
    spared.extend(served.iter().cloned());
    Ok(spared)
}

/// The items that names are served with because somebody said so.
async fn pinned(store: &Store) -> Result<HashSet<ItemId>, StoreError> {
    let mut pinned = HashSet::new();
    for key in store.engine().list(&layout::pins()).await? {
        let (text, _) = store.engine().read(&key).await?;
        pinned.insert(record::parse::<Pin>(&key, &text)?.item);
    }
    Ok(pinned)
}

/// An item, unless it is damaged or gone.
async fn read(store: &Store, id: &ItemId, why: &str) -> Result<Option<Needless>, StoreError> {
    match store.database().item(id).await {
        Ok(item) => {
            let (names, expires) = (item.names().clone(), item.bundle().leaf().not_after());
            Ok(Some(Needless { item: id.clone(), names, expires, why: why.to_owned() }))
        }
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn kin(store: &Store, id: &ItemId) -> Result<Option<Kin>, StoreError> {
    let Some(lineage) = lineage(store, id).await? else { return Ok(None) };
    let record = text(store, id, File::Issuance).await?;
    let record = record.and_then(|text| serde_json::from_slice::<Issuance>(&text).ok());
    Ok(Some((lineage.id().clone(), record.and_then(|record| record.directory))))
}

/// Names and provider, without a look at keys and certificates.
async fn lineage(store: &Store, id: &ItemId) -> Result<Option<Lineage>, StoreError> {
    let place: Prefix = layout::item(id);
    let mut files = Vec::new();
    for file in [File::DomainList, File::IsLetsencrypt, File::IsSelfsign] {
        files.extend(text(store, id, file).await?.map(|text| (file.as_str().into(), text)));
    }
    Ok(super::item::Files { place, files }.lineage().ok())
}

async fn text(store: &Store, id: &ItemId, file: File) -> Result<Option<bytes::Bytes>, StoreError> {
    match store.engine().read(&layout::item_file(id, file)).await {
        Ok((text, _)) => Ok(Some(text)),
        Err(EngineError::Absent { .. } | EngineError::Foreign { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
