//! A copy of a storage on its way in: first everything is put together aside, then it takes its places.
//!
//! Nothing that is here is overwritten. Items have ids that no two items share, so both sides' items are kept; a
//! pointer moves to an item that came in if that is newer, and never to an older one. What somebody has decided here
//! stays decided.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::iter;

use bytes::Bytes;
use tracing::warn;

use super::engine::{Claim, EngineError, Expect, Secrecy};
use super::item::Item;
use super::layout::{self, AccountFile, AccountId, Family, File};
use super::{Kept, Pin, Store, StoreError, journal, record};
use crate::ident::{ItemId, Lineage, Name};

/// Takes a copy in. Dropped before [`take`](Self::take) and [`adopt`](Self::adopt), it has changed nothing that anybody
/// looks at.
pub struct Incoming {
    store: Store,
    /// What was proved, and which pointers it wants.
    items: BTreeMap<ItemId, Lineage>,
    /// Those of them that are here too, but damaged.
    damaged: BTreeSet<ItemId>,
    /// What is said of its items: which are revoked, and which names are pinned.
    revoked: Vec<ItemId>,
    pins: Vec<(Name, Pin)>,
    /// How many segments the copy's journal has.
    segments: usize,
    /// Whether there is a journal here.
    has_journal: bool,
    /// How far the hook has been told of the copy's.
    told: Option<Bytes>,
    settled: Settled,
    _claim: Claim,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// How many items are new here.
    pub new: usize,
    /// How many of those were here too, but damaged; the damaged ones are in quarantine.
    pub replaced: usize,
    /// How many names are pinned here as they are in the copy.
    pub pins: usize,
    /// How many items are revoked according to the copy.
    pub revoked: usize,
    /// Whether its journal is the one here now.
    pub journal: bool,
    /// What was not taken over.
    pub left: Vec<Left>,
}

/// Something of a copy that was not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// What this name was gone back to.
    Pin(Name),
    /// The journal.
    Journal,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pin(name) => {
                write!(f, "the rollback of {name}: the name has certificates here, and is served as it was")
            }
            Self::Journal => f.write_str("the journal: there is one here, and it goes on"),
        }
    }
}

impl Incoming {
    pub(super) async fn begin(store: Store) -> Result<Self, StoreError> {
        let claim = store.claim_issuer().await?;
        // What one that was killed has left.
        store.engine().remove(&layout::incoming(), Expect::Any).await?;
        let has_journal = !store.engine().list(&layout::journal()).await?.is_empty();
        Ok(Self {
            store,
            items: BTreeMap::new(),
            damaged: BTreeSet::new(),
            revoked: Vec::new(),
            pins: Vec::new(),
            segments: 0,
            has_journal,
            told: None,
            settled: Settled::default(),
            _claim: claim,
        })
    }

    /// Proves that these files are a whole item, and that there is no whole one here of that id with other contents.
    /// Says whether it is here already; one that is damaged here is not, and gives way.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if one of the two is not so.
    pub async fn prove_item(&mut self, id: &ItemId, files: &[(File, Bytes)]) -> Result<bool, StoreError> {
        let named = files.iter().map(|(file, value)| (file.as_str().into(), value.clone()));
        let item = Item::prove(id, named.collect())?;
        self.items.insert(id.clone(), item.lineage().clone());
        let (engine, place) = (self.store.engine(), layout::item(id));
        let present = match engine.read_all(&place).await {
            Err(EngineError::Absent { .. }) => return Ok(false),
            Err(EngineError::Foreign { .. }) => Vec::new(),
            other => other?,
        };
        let differs = |(file, value): &&(File, Bytes)| {
            !present.iter().any(|(key, there)| key.name() == file.as_str() && there == value)
        };
        let Some((file, _)) = files.iter().find(differs) else { return Ok(true) };
        match Item::blemishes(engine, id).await {
            Ok(blemishes) if blemishes.is_empty() => {
                let why = "the copy has an item of the same id with other contents".to_owned();
                Err(StoreError::Damaged { place: layout::item_file(id, *file).as_prefix(), why })
            }
            Ok(_) | Err(StoreError::Damaged { .. }) => {
                self.damaged.insert(id.clone());
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Proves that these files are an account's, and that the account is not here with another key.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if one of the two is not so.
    pub async fn prove_account(
        &self,
        id: &AccountId,
        files: &[(AccountFile, Bytes)],
    ) -> Result<(), StoreError> {
        self.store.accounts().refuse_other_key(id, files).await
    }

    /// Proves that this may stand where it does in a storage, as far as that can be told from it alone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it may not.
    pub fn prove(&mut self, kept: &Kept, value: &[u8]) -> Result<(), StoreError> {
        kept.prove(value)?;
        match kept {
            Kept::Pin(name) => self.pins.push((name.clone(), record::parse(&kept.key(), value)?)),
            Kept::Revoked(id) => self.revoked.push(id.clone()),
            Kept::Segment(_) => self.segments += 1,
            _ => {}
        }
        if self.segments > journal::SEGMENTS {
            return Err(record::damaged(&kept.key(), "there are more of them than a journal has"));
        }
        Ok(())
    }

    /// Proves, once everything in the copy was proved, that it fits together: that what is said of an item is said of
    /// one that is in it, and of its names.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if that is not so.
    pub fn prove_whole(&self) -> Result<(), StoreError> {
        if let Some(id) = self.revoked.iter().find(|id| !self.items.contains_key(*id)) {
            return Err(record::damaged(&layout::revoked(id), "there is no copy of that item"));
        }
        let names = |id| self.items.get(id).map(Lineage::names);
        self.pins.iter().try_for_each(|(name, pin)| pin.must_be_for(name, names(&pin.item)))
    }

    /// Puts an item together where nobody looks.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it is not whole; [`StoreError::Engine`].
    pub async fn stage(&mut self, id: &ItemId, files: &[(File, Bytes)]) -> Result<(), StoreError> {
        if !self.prove_item(id, files).await? {
            for (file, value) in files {
                let key = layout::incoming_file(id, *file);
                self.store.engine().put(&key, value.clone(), Expect::Absent, file.secrecy()).await?;
            }
        }
        Ok(())
    }

    /// Keeps an account, unless it is here.
    ///
    /// # Errors
    ///
    /// As for [`prove_account`](Self::prove_account).
    pub async fn adopt(&self, id: &AccountId, files: &[(AccountFile, Bytes)]) -> Result<(), StoreError> {
        self.store.accounts().adopt(id, files).await
    }

    /// Puts a segment of the journal together with the others, unless there is a journal here.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn stage_segment(&mut self, number: u64, lines: Bytes) -> Result<(), StoreError> {
        if !self.has_journal {
            let key = layout::incoming_segment(number);
            self.store.engine().put(&key, lines, Expect::Absent, Secrecy::Open).await?;
        }
        Ok(())
    }

    /// Takes over what is neither of an item nor of an account, beside what is here.
    ///
    /// # Errors
    ///
    /// As for [`prove`](Self::prove); [`StoreError::Engine`].
    pub async fn take(&mut self, kept: &Kept, value: Bytes) -> Result<(), StoreError> {
        match kept {
            Kept::NextKey(id) => self.store.accounts().adopt_next_key(id, value).await?,
            Kept::State(_) => self.add(kept, value).await.map(drop)?,
            Kept::Ledger => self.store.ledger().merge(&value).await?,
            Kept::Demanded => self.store.demands().merge(&value).await?,
            Kept::Pin(name) => self.pin(kept, name, value).await?,
            Kept::Revoked(id) => {
                if !self.add(kept, value.clone()).await? {
                    self.store.pins().merge_revoked(id, &value).await?;
                }
                self.settled.revoked += 1;
            }
            Kept::Hooked => self.told = Some(value),
            // These have ways of their own.
            Kept::Item(..) | Kept::Account(..) | Kept::Segment(_) => {}
        }
        Ok(())
    }

    /// Pins a name as it is in the copy, unless there is something for it here, or for the wildcard above it: then what
    /// is served is decided here.
    async fn pin(&mut self, kept: &Kept, name: &Name, value: Bytes) -> Result<(), StoreError> {
        let mut is_new = true;
        for name in iter::once(name.clone()).chain(name.wildcard()) {
            is_new &= self.store.database().pointer(Family::Any, &name).await?.is_none();
        }
        let pinned = if is_new {
            self.add(kept, value).await?
        } else {
            matches!(self.store.engine().read(&kept.key()).await, Ok((there, _)) if there == value)
        };
        if pinned {
            self.settled.pins += 1;
        } else {
            self.settled.left.push(Left::Pin(name.clone()));
        }
        Ok(())
    }

    /// Puts it where it belongs, unless something stands there; whether it stands there now.
    async fn add(&self, kept: &Kept, value: Bytes) -> Result<bool, StoreError> {
        match self.store.engine().put(&kept.key(), value.clone(), Expect::Absent, Secrecy::Open).await {
            Ok(_) => Ok(true),
            Err(EngineError::Conflict { .. }) => {
                let there = self.store.engine().read(&kept.key()).await;
                Ok(there.is_ok_and(|(there, _)| there == value))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Leaves it. What was put together goes; what does not go now goes when the next one begins.
    pub async fn abandon(self) {
        if let Err(error) = self.store.engine().remove(&layout::incoming(), Expect::Any).await {
            warn!(%error, "what a restore has put together could not be removed");
        }
    }

    /// Moves what was put together to its places: the oldest item first, then the pointers, then the journal.
    ///
    /// If the process dies meanwhile, items that have moved are whole, and the next start moves the pointers. The same
    /// copy taken in once more brings the rest, unless a process has begun a journal here since, or has got a
    /// certificate for a name that is pinned in the copy: then the one and the other are left.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`]; as if the process had died.
    pub async fn settle(mut self) -> Result<Settled, StoreError> {
        let (engine, database) = (self.store.engine(), self.store.database());
        for id in self.items.keys() {
            if self.damaged.contains(id) {
                let to = engine.set_aside(&layout::item(id)).await?;
                warn!(item = %id, %to, "set aside, since it is damaged and its copy is whole");
                self.settled.replaced += 1;
            }
            match engine.seal(&layout::incoming_item(id), &layout::item(id)).await {
                Ok(()) => self.settled.new += 1,
                // It was here already.
                Err(EngineError::Absent { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for (id, lineage) in &self.items {
            for family in Family::of(lineage.provider()) {
                for name in lineage.names() {
                    database.advance(family, name, id).await?;
                }
            }
        }
        if self.segments > 0 && self.has_journal {
            self.settled.left.push(Left::Journal);
        } else if self.segments > 0 {
            self.settle_journal().await?;
            self.settled.journal = true;
        }
        self.store.engine().remove(&layout::incoming(), Expect::Any).await?;
        Ok(self.settled)
    }

    /// The hook goes on where it was in this journal. That comes first: where it was in a journal that is not there
    /// means nothing to it, and without it the hook would pass over what it has not been told.
    async fn settle_journal(&self) -> Result<(), StoreError> {
        let (engine, told) = (self.store.engine(), layout::hooked());
        match &self.told {
            Some(text) => {
                engine.put(&told, text.clone(), Expect::Any, Secrecy::Open).await?;
            }
            None => engine.remove(&told.as_prefix(), Expect::Any).await?,
        }
        // A folder in which a journal was about to begin.
        engine.remove(&layout::journal(), Expect::Any).await?;
        Ok(engine.seal(&layout::incoming_journal(), &layout::journal()).await?)
    }
}
