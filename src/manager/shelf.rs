//! What is on show: the catalog's one writer, within a budget of memory.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use tracing::debug;

use crate::catalog::{Certificate, Entry, Publisher, Strangers};
use crate::ident::{ItemId, Name};

/// Puts certificates on show and takes them off.
pub(super) struct Shelf {
    publisher: Publisher,
    /// Which item each name shows; none for what is not from the store.
    shown: HashMap<Name, ItemId>,
    /// What is in memory and could be had again.
    warm: HashMap<Name, Arc<Certificate>>,
    /// The same names in the order in which room is sought among them.
    order: VecDeque<Name>,
    budget: usize,
    /// Names that should have a certificate and have none.
    bare: BTreeSet<Name>,
}

/// What a name shows from now on.
enum Shown {
    /// This, which is nowhere else yet.
    Pinned(Arc<Certificate>),
    /// This, as long as there is room for it.
    Warm(Arc<Certificate>),
    /// What is fetched when somebody asks.
    Cold,
}

impl Shelf {
    /// An empty shelf that keeps at most `budget` names' certificates in memory.
    #[must_use]
    pub(super) fn new(publisher: Publisher, budget: usize) -> Self {
        Self {
            publisher,
            shown: HashMap::new(),
            warm: HashMap::new(),
            order: VecDeque::new(),
            budget: budget.max(1),
            bare: BTreeSet::new(),
        }
    }

    /// The item the name shows.
    pub(super) fn item(&self, name: &Name) -> Option<&ItemId> {
        self.shown.get(name)
    }

    /// All items that are shown.
    pub(super) fn items(&self) -> impl Iterator<Item = &ItemId> {
        self.shown.values()
    }

    /// Whether there is no room for `more`.
    pub(super) fn is_full(&self, more: usize) -> bool {
        self.warm.len() + more >= self.budget
    }

    /// Puts on show what is in no other place yet, until something else is shown for the names.
    pub(super) fn pin<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a Name>,
        certificate: &Arc<Certificate>,
    ) {
        let shown = |name: &Name| (name.clone(), Shown::Pinned(Arc::clone(certificate)));
        self.publish(names.into_iter().map(shown));
    }

    /// Puts on show what can be had again.
    pub(super) fn show<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a Name>,
        certificate: &Arc<Certificate>,
    ) {
        let shown = |name: &Name| (name.clone(), Shown::Warm(Arc::clone(certificate)));
        self.publish(names.into_iter().map(shown));
    }

    /// Says that these names exist and are fetched when somebody asks. Whoever waits for one of them looks again.
    pub(super) fn show_cold<'a>(&mut self, names: impl IntoIterator<Item = &'a Name>) {
        self.publish(names.into_iter().map(|name| (name.clone(), Shown::Cold)));
    }

    /// Shows an item for each of these names; without its certificate at hand, when somebody asks.
    pub(super) fn show_items(&mut self, items: Vec<(Name, ItemId, Option<Arc<Certificate>>)>) {
        let mut changes = Vec::with_capacity(items.len());
        for (name, id, certificate) in items {
            if self.shown.get(&name) != Some(&id) {
                debug!(%name, item = %id, "swapped in");
            }
            changes.push((name.clone(), certificate.map_or(Shown::Cold, Shown::Warm)));
            self.shown.insert(name, id);
        }
        self.publish(changes);
    }

    /// The same for those of the names that have nothing on show.
    pub(super) fn add_cold<'a>(&mut self, names: impl IntoIterator<Item = &'a Name>) {
        let bare = &mut self.bare;
        self.publisher.add_cold(names.into_iter().inspect(|name| {
            bare.remove(*name);
        }));
    }

    /// Whether one of the names shows a certificate that is in memory.
    pub(super) fn is_warm<'a>(&self, names: impl IntoIterator<Item = &'a Name>) -> bool {
        names.into_iter().any(|name| self.publisher.is_warm(name))
    }

    /// Whether one of the names should have a certificate and has none.
    pub(super) fn is_bare<'a>(&self, names: impl IntoIterator<Item = &'a Name>) -> bool {
        names.into_iter().any(|name| self.bare.contains(name))
    }

    /// Takes names off that nobody serves any more.
    pub(super) fn take_off(&mut self, names: Vec<Name>) {
        for name in &names {
            self.shown.remove(name);
            self.warm.remove(name);
            self.bare.remove(name);
        }
        self.publisher.publish(names.into_iter().map(|name| (name, None)));
    }

    /// Has nothing to show for a name. Whoever waits for it is refused at once instead of after a while.
    pub(super) fn leave_bare(&mut self, name: &Name) {
        self.take_off(vec![name.clone()]);
        self.bare.insert(name.clone());
    }

    /// Notes which of these names, all of them to be served, have nothing on show.
    pub(super) fn expect<'a>(&mut self, names: impl IntoIterator<Item = &'a Name>) {
        let publisher = &self.publisher;
        self.bare.extend(names.into_iter().filter(|name| !publisher.shows(name)).cloned());
    }

    /// A name that should have a certificate and has none.
    pub(super) fn bare(&self) -> Option<&Name> {
        self.bare.first()
    }

    /// Whether a hello has met the name's certificate since the last call.
    pub(super) fn take_met(&self, name: &Name) -> bool {
        self.warm.get(name).is_some_and(|certificate| certificate.take_met())
    }

    /// Chooses what hellos get for names that have no certificate.
    pub(super) fn set_strangers(&mut self, strangers: Strangers) {
        self.publisher.set_strangers(strangers);
    }

    /// Chooses the account that answers http-01 for tokens nobody has posted here.
    pub(super) fn set_account(&mut self, thumbprint: Option<&str>) {
        self.publisher.set_account(thumbprint);
    }

    /// Chooses whom clients get that send no name.
    pub(super) fn set_unnamed(&mut self, name: Option<Name>) {
        self.publisher.set_unnamed(name);
    }

    fn publish(&mut self, changes: impl IntoIterator<Item = (Name, Shown)>) {
        let mut entries = Vec::new();
        for (name, shown) in changes {
            self.bare.remove(&name);
            let entry = match shown {
                Shown::Warm(certificate) => {
                    if self.warm.insert(name.clone(), Arc::clone(&certificate)).is_none() {
                        self.order.push_back(name.clone());
                    }
                    Entry::Warm(certificate)
                }
                Shown::Pinned(certificate) => {
                    self.warm.remove(&name);
                    Entry::Warm(certificate)
                }
                Shown::Cold => {
                    self.warm.remove(&name);
                    Entry::Cold
                }
            };
            entries.push((name, Some(entry)));
        }
        self.make_room(&mut entries);
        self.publisher.publish(entries);
    }

    /// Sends away what nobody has met since it was last looked at (the «clock» among the page replacement rules).
    fn make_room(&mut self, entries: &mut Vec<(Name, Option<Entry>)>) {
        // Each is looked at twice at most, however busy the hellos are.
        for _ in 0..2 * self.order.len() {
            if self.warm.len() <= self.budget && self.order.len() <= 2 * self.budget {
                break;
            }
            let Some(name) = self.order.pop_front() else { break };
            match self.warm.get(&name) {
                // It was taken off since.
                None => {}
                Some(certificate) if self.warm.len() <= self.budget || certificate.take_met() => {
                    self.order.push_back(name);
                }
                Some(_) => {
                    self.warm.remove(&name);
                    entries.push((name, Some(Entry::Cold)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::catalog::{self, Lookup};
    use crate::ident::Names;
    use crate::pki::{Bundle, Chain, KeyType, Leaf, PrivateKey, SigningRequest};

    fn name(number: usize) -> Name {
        Name::parse(&format!("n{number}.example")).expect("a name")
    }

    fn certificate() -> Arc<Certificate> {
        let names = Names::new([name(0)]).expect("names");
        let key = PrivateKey::generate(KeyType::P256);
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let request = SigningRequest::new(&key, &names).expect("a request");
        let der = request.self_sign(start, start + Duration::from_secs(3600)).expect("a certificate");
        let chain = Chain::self_signed(Leaf::from_der(der.into()).expect("a leaf"));
        Certificate::new(&Bundle::join(key, chain, &names).expect("they fit"))
    }

    #[test]
    fn what_nobody_asks_for_makes_room() {
        let (publisher, _, resolver, _) = catalog::open();
        let mut shelf = Shelf::new(publisher, 3);
        let warm = |number| matches!(resolver.lookup(Some(&format!("n{number}.example"))), Lookup::Warm(_));
        shelf.pin([&name(100)], &certificate());
        for number in 0..3 {
            shelf.show([&name(number)], &certificate());
        }
        shelf.show([&name(3)], &certificate());
        // All were new, so the first of them had to go; from here on it matters who is asked for.
        assert!(!warm(0) && warm(2), "2 is asked for");
        shelf.show([&name(4)], &certificate());
        assert!(warm(2) && warm(4) && !shelf.is_warm([&name(1)]));
        shelf.show([&name(5)], &certificate());
        assert!(shelf.is_warm([&name(2)]) && shelf.is_warm([&name(5)]), "what is new is wanted now");
        assert!(warm(100), "what is nowhere else is not sent away");
    }

    #[test]
    fn a_name_that_was_taken_off_does_not_come_back() {
        let (publisher, _, resolver, _) = catalog::open();
        let mut shelf = Shelf::new(publisher, 1);
        for number in 0..9 {
            shelf.show([&name(number)], &certificate());
            shelf.take_off(vec![name(number)]);
        }
        shelf.show([&name(10)], &certificate());
        shelf.show([&name(11)], &certificate());
        for number in 0..9 {
            let host = format!("n{number}.example");
            assert!(matches!(resolver.lookup(Some(&host)), Lookup::Unknown), "{host}");
        }
        assert!(shelf.order.len() <= 2, "names that are gone are forgotten");
    }

    #[test]
    fn a_name_without_a_certificate_is_bare() {
        let (publisher, ..) = catalog::open();
        let mut shelf = Shelf::new(publisher, 9);
        shelf.show_cold([&name(1)]);
        shelf.expect([&name(1), &name(2)]);
        assert_eq!(shelf.bare(), Some(&name(2)));
        shelf.show([&name(2)], &certificate());
        shelf.leave_bare(&name(1));
        assert_eq!(shelf.bare(), Some(&name(1)));
        shelf.take_off(vec![name(1)]);
        assert_eq!(shelf.bare(), None);
    }
}
