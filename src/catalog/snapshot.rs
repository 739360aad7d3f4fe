//! What every handshake looks at.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rpds::HashTrieMapSync;
use tokio::sync::Notify;

use super::{Certificate, Strangers};
use crate::ident::{Fqdn, Name};

/// A node of the trees has this many branches. Fewer make a swap cheaper, which copies the nodes on the way to a name;
/// more make a look-up cheaper, which goes through them. With 16 a swap costs half of what it costs with 64 branches,
/// and a look-up a few nanoseconds more.
const BRANCHES: u8 = 16;

/// Names, and for each the certificate to show.
///
/// A snapshot never changes. Changing one name among a million copies a few nodes of a tree and nothing else, and
/// a handshake that began with the old snapshot ends with it.
#[derive(Clone)]
pub(super) struct Snapshot {
    /// Names as they stand in certificates, without the wildcard ones.
    exact: HashTrieMapSync<Fqdn, Slot>,
    /// Keyed by what follows the `*.`; one label deep, as RFC 9525 section 6.3 has it.
    wildcard: HashTrieMapSync<Box<str>, Slot>,
    addresses: HashTrieMapSync<IpAddr, Slot>,
    /// The name that answers for clients that send none. Without it they are refused.
    unnamed: Option<Name>,
    /// What clients get that ask for any other name.
    pub(super) strangers: Strangers,
}

/// A name's place in a snapshot.
#[derive(Clone)]
pub(super) enum Slot {
    /// Parsed, ready to be shown.
    Warm(Arc<Certificate>),
    /// Only known to exist.
    Cold(Arc<Cell>),
}

/// Where hellos for a cold name meet until its certificate has been read.
pub(super) struct Cell {
    pub(super) name: Name,
    /// Whether the name stands on the list of wanted ones.
    asked: AtomicBool,
    /// Whether the slot that held this cell has been replaced.
    filled: AtomicBool,
    waiting: Notify,
}

impl Cell {
    pub(super) fn new(name: Name) -> Arc<Self> {
        let (asked, filled) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { name, asked, filled, waiting: Notify::new() })
    }

    /// True for the one caller that should ask for the name.
    pub(super) fn ask(&self) -> bool {
        !self.asked.swap(true, Ordering::AcqRel)
    }

    /// The asking failed; the next hello may try.
    pub(super) fn unask(&self) {
        self.asked.store(false, Ordering::Release);
    }

    pub(super) fn fill(&self) {
        self.filled.store(true, Ordering::Release);
        self.waiting.notify_waiters();
    }

    pub(super) async fn filled(&self) {
        // In the line before the look: what is filled between the two wakes this one as well.
        let notified = self.waiting.notified();
        if !self.filled.load(Ordering::Acquire) {
            notified.await;
        }
    }
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            exact: HashTrieMapSync::new_sync_with_degree(BRANCHES),
            wildcard: HashTrieMapSync::new_sync_with_degree(BRANCHES),
            addresses: HashTrieMapSync::new_sync_with_degree(BRANCHES),
            unnamed: None,
            strangers: Strangers::default(),
        }
    }
}

impl Snapshot {
    /// The slot for a name as it stands in a hello: lower case, no trailing dot. Exact before wildcard.
    pub(super) fn find(&self, host: &str) -> Option<&Slot> {
        if let Some(slot) = self.exact.get(host) {
            return Some(slot);
        }
        if let Some((_, parent)) = host.split_once('.')
            && let Some(slot) = self.wildcard.get(parent)
        {
            return Some(slot);
        }
        if self.addresses.is_empty() {
            return None;
        }
        self.addresses.get(&host.parse::<IpAddr>().ok()?)
    }

    /// The slot for a client that sends no name.
    pub(super) fn find_unnamed(&self) -> Option<&Slot> {
        self.get(self.unnamed.as_ref()?)
    }

    /// The slot of this very name.
    pub(super) fn get(&self, name: &Name) -> Option<&Slot> {
        match name {
            Name::Dns(fqdn) if fqdn.is_wildcard() => self.wildcard.get(fqdn.base()),
            Name::Dns(fqdn) => self.exact.get(fqdn),
            Name::Ip(ip) => self.addresses.get(ip),
        }
    }

    /// Puts `slot` in the name's place, or clears it; whoever waited at the old one looks again after the swap.
    pub(super) fn set(&mut self, name: Name, slot: Option<Slot>) {
        match (name, slot) {
            (Name::Dns(fqdn), Some(slot)) if fqdn.is_wildcard() => {
                self.wildcard.insert_mut(fqdn.base().into(), slot);
            }
            (Name::Dns(fqdn), None) if fqdn.is_wildcard() => {
                self.wildcard.remove_mut(fqdn.base());
            }
            (Name::Dns(fqdn), Some(slot)) => {
                self.exact.insert_mut(fqdn, slot);
            }
            (Name::Dns(fqdn), None) => {
                self.exact.remove_mut(&fqdn);
            }
            (Name::Ip(ip), Some(slot)) => {
                self.addresses.insert_mut(ip, slot);
            }
            (Name::Ip(ip), None) => {
                self.addresses.remove_mut(&ip);
            }
        }
    }

    pub(super) fn set_unnamed(&mut self, name: Option<Name>) {
        self.unnamed = name;
    }
}
