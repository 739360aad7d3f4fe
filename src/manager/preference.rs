//! Which item answers for a name. Pure.

use std::time::SystemTime;

use super::desired::Wish;
use super::inventory::{Held, Inventory};
use crate::ident::{Fqdn, Name, Provider};

/// The item to show for a name that `wish` decides on, if there is any.
///
/// Among what the wish accepts: valid before expired, a CA's before selfsigned, the configured lineage before another with
/// the name in it, the name itself before a wildcard, the newest first. An expired one is better than none: a
/// client may look away, and a clock may be wrong.
#[must_use]
pub fn choose<'a>(name: &Name, wish: &Wish, inventory: &'a Inventory, now: SystemTime) -> Option<&'a Held> {
    let wildcard = wildcard_of(name);
    let exact = inventory.carrying(name).map(|held| (true, held));
    let wild = wildcard.iter().flat_map(|wild| inventory.carrying(wild)).map(|held| (false, held));
    exact
        .chain(wild)
        .filter(|(_, held)| wish.accepts(held.provider, held.directory.as_deref()))
        .max_by_key(|(exact, held)| {
            let configured = held.lineage == *wish.lineage.id();
            let issued = held.provider == Provider::Letsencrypt;
            (held.valid_at(now), issued, configured, *exact, &held.id)
        })
        .map(|(_, held)| held)
}

/// The wildcard name that covers this one.
#[must_use]
pub(super) fn wildcard_of(name: &Name) -> Option<Name> {
    let fqdn = name.fqdn().filter(|fqdn| !fqdn.is_wildcard())?;
    Fqdn::parse(&format!("*.{}", fqdn.parent()?)).ok().map(Name::Dns)
}
