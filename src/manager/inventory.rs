//! What does exist: the items of the configured names, and what is remembered of failures.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::SystemTime;

use super::desired::Wish;
use crate::ident::{ItemId, LineageId, Name, Names, Provider};
use crate::store::{Advised, Attempts, Pin, StoreError};

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

/// Items and attempts, as far as they are known.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    items: BTreeMap<ItemId, Held>,
    by_name: HashMap<Name, Vec<ItemId>>,
    /// Once for each CA that a lineage has been tried at.
    attempts: HashMap<LineageId, Vec<Attempts>>,
    advised: HashMap<LineageId, Advised>,
    /// Lineages of which something is remembered that nobody has read yet.
    unrecalled: HashSet<LineageId>,
    /// What was refused at the last attempt: lineages, and by which CA.
    refused: HashMap<LineageId, HashSet<Option<String>>>,
    /// What was refused under an earlier configuration, and has not been tried since.
    forgiven: HashMap<LineageId, HashSet<Option<String>>>,
    /// Names that have an item which nobody has read yet.
    unread: HashSet<Name>,
    /// Names of which the older items were read as well, those behind what the pointers lead to.
    complete: HashSet<Name>,
    /// What names are served with because somebody said so.
    pins: HashMap<Name, Pin>,
    /// Items that nobody is to rely on any longer.
    revoked: HashSet<ItemId>,
    /// Names for which something has changed since somebody asked.
    changed: Vec<Name>,
    /// Whether something could not be read, since somebody asked, that may be readable later.
    missed: bool,
}

impl Inventory {
    /// Takes an item in. What it has taken the place of is forgotten, if it had ended by then: nobody would choose it.
    pub fn hold(&mut self, held: Held) {
        let same = |other: &&Held| other.lineage == held.lineage && other.directory == held.directory;
        let ended = |other: &&Held| other.not_after < held.not_before && other.id < held.id;
        let gone = self.carrying(held.names.primary()).filter(same).filter(ended);
        let gone: Vec<ItemId> = gone.map(|other| other.id.clone()).collect();
        gone.iter().for_each(|id| self.lose(id));
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

    /// Notes that there is something which could not be read.
    pub(super) fn miss(&mut self, error: &StoreError) {
        self.missed |= error.may_pass();
    }

    /// Whether since the last call something could not be read that may be readable later.
    pub(super) fn take_missed(&mut self) -> bool {
        std::mem::take(&mut self.missed)
    }

    /// Forgets all items of a lineage that has this one name, and what is remembered of it.
    pub(super) fn forget(&mut self, lineage: &LineageId, name: &Name) {
        let theirs = self.carrying(name).filter(|held| held.lineage == *lineage);
        let ids: Vec<ItemId> = theirs.map(|held| held.id.clone()).collect();
        ids.iter().for_each(|id| self.lose(id));
        if self.by_name.get(name).is_some_and(Vec::is_empty) {
            self.by_name.remove(name);
        }
        self.attempts.remove(lineage);
        self.advised.remove(lineage);
        self.refused.remove(lineage);
        self.forgiven.remove(lineage);
        self.unread.remove(name);
        self.complete.remove(name);
    }

    /// Notes whether the name has an item that nobody has read yet.
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

    /// Notes whether all items of the name were read which can be read, the older ones too.
    pub(super) fn set_complete(&mut self, name: &Name, complete: bool) {
        if complete {
            self.complete.insert(name.clone());
        } else {
            self.complete.remove(name);
        }
    }

    /// Whether all items of the name were read which can be read.
    #[must_use]
    pub(super) fn is_complete(&self, name: &Name) -> bool {
        self.complete.contains(name)
    }

    /// An item that was read.
    #[must_use]
    pub fn item(&self, id: &ItemId) -> Option<&Held> {
        self.items.get(id)
    }

    /// Takes over what names are pinned to; returns those for which that has changed.
    pub(super) fn set_pins(&mut self, pins: HashMap<Name, Pin>) -> Vec<Name> {
        let before = std::mem::replace(&mut self.pins, pins);
        let names = before.keys().chain(self.pins.keys());
        let differs = |name: &&Name| before.get(*name) != self.pins.get(*name);
        let mut changed: Vec<Name> = names.filter(differs).cloned().collect();
        changed.sort();
        changed.dedup();
        self.changed.extend(changed.iter().cloned());
        changed
    }

    /// Forgets what the name is pinned to.
    pub(super) fn unpin(&mut self, name: &Name) {
        self.pins.remove(name);
    }

    /// Takes over which items were revoked; returns the names of those for which that has changed.
    pub(super) fn set_revoked(&mut self, revoked: HashSet<ItemId>) -> Vec<Name> {
        let before = std::mem::replace(&mut self.revoked, revoked);
        let differ = before.symmetric_difference(&self.revoked);
        let names = differ.filter_map(|id| self.items.get(id)).flat_map(|held| held.names.iter().cloned());
        let names: Vec<Name> = names.collect();
        self.changed.extend(names.iter().cloned());
        names
    }

    /// Whether an item was revoked.
    #[must_use]
    pub(super) fn is_revoked(&self, id: &ItemId) -> bool {
        self.revoked.contains(id)
    }

    /// Whether clients may rely on an item: it is valid, and was not revoked.
    #[must_use]
    pub(super) fn is_sound(&self, held: &Held, now: SystemTime) -> bool {
        held.valid_at(now) && !self.is_revoked(&held.id)
    }

    /// Whether there is a pin for the name, be it void or not.
    #[must_use]
    pub(super) fn is_pinned(&self, name: &Name) -> bool {
        self.pins.contains_key(name)
    }

    /// What the name is pinned to, unless something newer was committed since.
    #[must_use]
    pub(super) fn pin(&self, name: &Name) -> Option<&Pin> {
        let pin = self.pins.get(name)?;
        self.carrying(name).all(|held| held.id <= pin.over).then_some(pin)
    }

    /// The items that carry this very name.
    pub(super) fn carrying(&self, name: &Name) -> impl Iterator<Item = &Held> {
        self.by_name.get(name).into_iter().flatten().filter_map(|id| self.items.get(id))
    }

    /// The newest item of a wish's lineage, of those it accepts.
    #[must_use]
    pub fn newest(&self, wish: &Wish) -> Option<&Held> {
        self.carrying(wish.names().primary())
            .filter(|held| held.lineage == *wish.lineage.id())
            .filter(|held| wish.accepts(held.provider, held.directory.as_deref()))
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

    /// What is remembered of a lineage's attempts at this directory. Failures at another CA do not count here.
    #[must_use]
    pub fn attempts(&self, lineage: &LineageId, directory: Option<&str>) -> Attempts {
        let there = |attempts: &&Attempts| attempts.directory.as_deref() == directory;
        self.all_attempts(lineage).iter().find(there).cloned().unwrap_or_else(|| Attempts::at(directory))
    }

    /// What is remembered of a lineage's attempts, at whichever CA.
    #[must_use]
    pub(super) fn all_attempts(&self, lineage: &LineageId) -> &[Attempts] {
        self.attempts.get(lineage).map_or(&[], Vec::as_slice)
    }

    /// Takes over what the record of a lineage says of its attempts, in the place of all that was remembered of them.
    pub(super) fn recall(&mut self, lineage: &LineageId, mut all: Vec<Attempts>) {
        if let Some(forgiven) = self.forgiven.get(lineage) {
            // The record keeps that moment, for the next process may be one more of a crash loop.
            let forgiven = all.iter_mut().filter(|attempts| forgiven.contains(&attempts.directory));
            forgiven.for_each(|attempts| attempts.next = None);
        }
        if all.is_empty() {
            self.attempts.remove(lineage);
        } else {
            self.attempts.insert(lineage.clone(), all);
        }
    }

    /// Remembers the attempts at one CA; that the one before was refused does not matter any more.
    pub fn remember(&mut self, lineage: &LineageId, attempts: Attempts) {
        for marked in [&mut self.forgiven, &mut self.refused] {
            if let Some(directories) = marked.get_mut(lineage) {
                directories.remove(&attempts.directory);
            }
        }
        let all = self.attempts.entry(lineage.clone()).or_default();
        all.retain(|other| other.directory != attempts.directory);
        if !attempts.is_blank() {
            all.push(attempts);
        }
    }

    /// What a CA has said about renewing an item of the lineage.
    #[must_use]
    pub fn advised(&self, lineage: &LineageId) -> Option<&Advised> {
        self.advised.get(lineage)
    }

    /// What its CA has said about renewing this item.
    #[must_use]
    pub(super) fn advised_about(&self, held: &Held) -> Option<&Advised> {
        self.advised(&held.lineage).filter(|advised| advised.item == held.id)
    }

    /// Whether an item is of no use any more: it has ended or was revoked, or the CA's window to renew it is over, by
    /// which it says that it wants it replaced at once.
    #[must_use]
    pub(super) fn is_done_with(&self, held: &Held, now: SystemTime) -> bool {
        let drawn = self.advised_about(held).and_then(|advised| advised.drawn.as_ref());
        let gone = held.not_after < now || self.is_revoked(&held.id);
        gone || drawn.is_some_and(|drawn| drawn.end <= now)
    }

    /// Keeps what the CA has said about a lineage's newest item; `None` forgets it.
    pub fn advise(&mut self, lineage: &LineageId, advised: Option<Advised>) {
        match advised {
            Some(advised) => self.advised.insert(lineage.clone(), advised),
            None => self.advised.remove(lineage),
        };
    }

    /// Whether the last attempt at this directory was refused, under the configuration that is in force.
    #[must_use]
    pub(super) fn is_refused(&self, lineage: &LineageId, directory: Option<&str>) -> bool {
        self.refused.get(lineage).is_some_and(|refused| refused.contains(&directory.map(str::to_owned)))
    }

    /// Notes that what is remembered of the last attempt at this directory is a refusal. A changed configuration need
    /// not wait as long as that says: [`forgive`](Self::forgive).
    pub fn refuse(&mut self, lineage: &LineageId, directory: Option<&str>) {
        self.refused.entry(lineage.clone()).or_default().insert(directory.map(str::to_owned));
    }

    /// The configuration changed: everything may be tried again, each at its remembered moment, and what was refused at
    /// once.
    pub(super) fn forgive(&mut self) {
        for (lineage, directories) in std::mem::take(&mut self.refused) {
            for attempts in self.attempts.get_mut(&lineage).into_iter().flatten() {
                attempts.next.take_if(|_| directories.contains(&attempts.directory));
            }
            self.forgiven.entry(lineage).or_default().extend(directories);
        }
    }
}
