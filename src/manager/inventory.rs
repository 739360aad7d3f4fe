//! What does exist: the items of the configured names, and what is remembered of failures.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::SystemTime;

use crate::ident::{ItemId, LineageId, Name, Names, Provider};
use crate::store::Advised;

/// What planning needs to know of an item.
#[derive(Debug, Clone)]
pub struct Held {
    /// The item.
    pub id: ItemId,
    /// The lineage it belongs to.
    pub lineage: LineageId,
    /// Its names.
    pub names: Names,
    /// Who issued it.
    pub provider: Provider,
    /// The directory of the CA that issued it.
    pub directory: Option<String>,
    /// The issuer's name, for people.
    pub issuer: String,
    /// The first moment of validity.
    pub not_before: SystemTime,
    /// The last moment of validity.
    pub not_after: SystemTime,
}

impl Held {
    /// Whether `now` lies in the span of validity.
    #[must_use]
    pub fn valid_at(&self, now: SystemTime) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// What is remembered of a lineage's attempts. Kept in `state/`, so neither a restart nor a reload forgets it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// Failures since the last success.
    pub failures: u32,
    /// Not before this moment.
    pub next: Option<SystemTime>,
    /// Whether that moment is when a limit will allow what is in no hurry.
    pub unhurried: bool,
    /// What the last failure said.
    pub last_error: Option<String>,
    /// The name that could not be verified then, if it was that.
    pub failed: Option<Name>,
    /// When that was.
    pub last_failure: Option<SystemTime>,
    /// The CA they happened at.
    pub directory: Option<String>,
}

impl Memory {
    /// Until when nothing is tried. A failure that lies ahead was noted by a clock that has been set back: what it says
    /// about moments means nothing.
    #[must_use]
    pub(super) fn not_before(&self, now: SystemTime) -> Option<SystemTime> {
        self.next.filter(|_| self.last_failure.is_none_or(|failure| failure <= now))
    }
}

/// Items and memories, as far as they are known.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    items: BTreeMap<ItemId, Held>,
    by_name: HashMap<Name, Vec<ItemId>>,
    memories: HashMap<LineageId, Memory>,
    advised: HashMap<LineageId, Advised>,
    /// Lineages of which something is remembered that nobody has read yet.
    unrecalled: HashSet<LineageId>,
    /// Lineages that are refused until the configuration changes, and why.
    refused: HashMap<LineageId, String>,
    /// Names that have an item which nobody has read yet.
    unread: HashSet<Name>,
    /// Names for which something has changed since somebody asked.
    changed: Vec<Name>,
}

impl Inventory {
    /// Takes an item in.
    pub(super) fn hold(&mut self, held: Held) {
        for name in &held.names {
            let ids = self.by_name.entry(name.clone()).or_default();
            if !ids.contains(&held.id) {
                ids.push(held.id.clone());
            }
        }
        self.changed.extend(held.names.iter().cloned());
        self.items.insert(held.id.clone(), held);
    }

    /// Forgets an item that can no longer be read.
    pub(super) fn lose(&mut self, id: &ItemId) {
        if let Some(held) = self.items.remove(id) {
            for name in &held.names {
                if let Some(ids) = self.by_name.get_mut(name) {
                    ids.retain(|other| other != id);
                }
            }
            self.changed.extend(held.names.iter().cloned());
        }
    }

    /// Forgets all items of a lineage that has this one name, and what is remembered of it.
    pub(super) fn forget(&mut self, lineage: &LineageId, name: &Name) {
        let theirs = self.carrying(name).filter(|held| held.lineage == *lineage);
        let ids: Vec<ItemId> = theirs.map(|held| held.id.clone()).collect();
        ids.iter().for_each(|id| self.lose(id));
        if self.by_name.get(name).is_some_and(Vec::is_empty) {
            self.by_name.remove(name);
        }
        self.memories.remove(lineage);
        self.advised.remove(lineage);
        self.refused.remove(lineage);
        self.unread.remove(name);
    }

    /// Notes that the name has an item which is read when it is needed.
    pub(super) fn set_unread(&mut self, name: &Name, unread: bool) {
        let changed = if unread { self.unread.insert(name.clone()) } else { self.unread.remove(name) };
        self.changed.extend(changed.then(|| name.clone()));
    }

    /// The names for which there are other items than at the last call.
    pub(super) fn take_changed(&mut self) -> Vec<Name> {
        std::mem::take(&mut self.changed)
    }

    /// Whether the name has an item nobody has read yet.
    #[must_use]
    pub(super) fn is_unread(&self, name: &Name) -> bool {
        self.unread.contains(name)
    }

    /// An item that was read.
    #[must_use]
    pub fn item(&self, id: &ItemId) -> Option<&Held> {
        self.items.get(id)
    }

    /// The items that carry this very name.
    pub(super) fn carrying(&self, name: &Name) -> impl Iterator<Item = &Held> {
        self.by_name.get(name).into_iter().flatten().filter_map(|id| self.items.get(id))
    }

    /// The newest item of a lineage from this directory.
    #[must_use]
    pub(super) fn newest(
        &self,
        lineage: &LineageId,
        names: &Names,
        directory: Option<&str>,
    ) -> Option<&Held> {
        self.carrying(names.primary())
            .filter(|held| held.lineage == *lineage && held.directory.as_deref() == directory)
            .max_by(|a, b| a.id.cmp(&b.id))
    }

    /// Notes of which lineages there is something to be read.
    pub(super) fn set_unrecalled(&mut self, lineages: HashSet<LineageId>) {
        self.unrecalled = lineages;
    }

    /// Whether what is remembered of a lineage has to be read; it is being read then.
    pub(super) fn take_unrecalled(&mut self, lineage: &LineageId) -> bool {
        self.unrecalled.remove(lineage)
    }

    /// What is remembered of a lineage at this directory. Failures at another CA do not count here.
    #[must_use]
    pub(super) fn memory(&self, lineage: &LineageId, directory: Option<&str>) -> Memory {
        let memory = self.memories.get(lineage).filter(|memory| memory.directory.as_deref() == directory);
        memory.cloned().unwrap_or_default()
    }

    /// Remembers.
    pub(super) fn remember(&mut self, lineage: &LineageId, memory: Memory) {
        self.memories.insert(lineage.clone(), memory);
    }

    /// What a CA has said about renewing an item of the lineage.
    #[must_use]
    pub(super) fn advised(&self, lineage: &LineageId) -> Option<&Advised> {
        self.advised.get(lineage)
    }

    /// What its CA has said about renewing this item.
    #[must_use]
    pub(super) fn advised_about(&self, held: &Held) -> Option<&Advised> {
        self.advised(&held.lineage).filter(|advised| advised.item == held.id)
    }

    /// Whether an item is of no use any more: it has ended, or the CA's window to renew it is over, by which it says that
    /// it wants it replaced at once.
    #[must_use]
    pub(super) fn is_done_with(&self, held: &Held, now: SystemTime) -> bool {
        let drawn = self.advised_about(held).and_then(|advised| advised.drawn.as_ref());
        held.not_after < now || drawn.is_some_and(|drawn| drawn.end <= now)
    }

    /// Keeps what the CA has said about a lineage's newest item; `None` forgets it.
    pub(super) fn advise(&mut self, lineage: &LineageId, advised: Option<Advised>) {
        match advised {
            Some(advised) => self.advised.insert(lineage.clone(), advised),
            None => self.advised.remove(lineage),
        };
    }

    /// Why the lineage is not tried, if it is refused.
    #[must_use]
    pub(super) fn refusal(&self, lineage: &LineageId) -> Option<&str> {
        self.refused.get(lineage).map(String::as_str)
    }

    /// Stops trying the lineage until [`forgive`](Self::forgive).
    pub(super) fn refuse(&mut self, lineage: &LineageId, reason: String) {
        self.refused.insert(lineage.clone(), reason);
    }

    /// The configuration changed: everything may be tried again, each at its remembered moment.
    pub(super) fn forgive(&mut self) {
        self.refused.clear();
    }
}
