//! Which item answers for a name. Pure.

use std::time::SystemTime;

use super::desired::Wish;
use super::inventory::{Held, Inventory};
use crate::clock::rfc3339;
use crate::ident::{ItemId, Name, Provider};

/// The item to show for a name that `wish` decides on, if there is any.
///
/// What the name is pinned to, while that is sound (valid and not revoked) and nothing newer was issued. Else among
/// what the wish accepts: sound before revoked, that before expired, a CA's before selfsigned, the configured lineage
/// before another with the name in it, the name itself before a wildcard, the newest first. An expired or revoked one
/// is better than none: a client may look away, and a clock may be wrong.
#[must_use]
pub fn choose<'a>(name: &Name, wish: &Wish, inventory: &'a Inventory, now: SystemTime) -> Option<&'a Held> {
    let pinned = pinned(name, wish, inventory, now);
    pinned.or_else(|| candidates(name, wish, inventory, now).max_by_key(Candidate::key).map(|best| best.held))
}

/// The same, with the rule that decided, in words.
#[must_use]
pub fn explain<'a>(
    name: &Name,
    wish: &Wish,
    inventory: &'a Inventory,
    now: SystemTime,
) -> Option<(&'a Held, String)> {
    if let Some(held) = pinned(name, wish, inventory, now) {
        let since = inventory.pin(name).map(|pin| rfc3339(pin.since)).unwrap_or_default();
        return Some((held, format!("it was gone back to at {since}, and nothing was issued since")));
    }
    let mut candidates: Vec<Candidate> = candidates(name, wish, inventory, now).collect();
    candidates.sort_by_key(Candidate::key);
    let best = candidates.pop()?;
    let rule = match candidates.last() {
        None => "it is the only one".to_owned(),
        Some(next) => format!("{}, of {} that could be served", best.beats(next), candidates.len() + 1),
    };
    let flaw = match best {
        Candidate { sound: true, .. } => "",
        Candidate { valid: true, .. } => "; it was revoked, and is better than none",
        _ => "; it is not valid, and better than none",
    };
    Some((best.held, rule + flaw))
}

fn pinned<'a>(name: &Name, wish: &Wish, inventory: &'a Inventory, now: SystemTime) -> Option<&'a Held> {
    let held = inventory.item(&inventory.pin(name)?.item)?;
    let covers = held.names.contains(name) || name.wildcard().is_some_and(|wild| held.names.contains(&wild));
    (covers && inventory.is_sound(held, now) && wish.accepts(held.provider, held.directory.as_deref()))
        .then_some(held)
}

/// What could be shown for a name, and what it is judged by.
struct Candidate<'a> {
    held: &'a Held,
    sound: bool,
    valid: bool,
    issued: bool,
    configured: bool,
    exact: bool,
}

fn candidates<'a>(
    name: &Name,
    wish: &Wish,
    inventory: &'a Inventory,
    now: SystemTime,
) -> impl Iterator<Item = Candidate<'a>> {
    let wildcard = name.wildcard();
    let exact = inventory.carrying(name).map(|held| (true, held));
    let wild: Vec<&Held> = wildcard.iter().flat_map(|wild| inventory.carrying(wild)).collect();
    let all = exact.chain(wild.into_iter().map(|held| (false, held)));
    all.filter(|(_, held)| wish.accepts(held.provider, held.directory.as_deref())).map(
        move |(exact, held)| Candidate {
            held,
            sound: inventory.is_sound(held, now),
            valid: held.valid_at(now),
            issued: held.provider == Provider::Letsencrypt,
            configured: held.lineage == *wish.lineage.id(),
            exact,
        },
    )
}

impl<'a> Candidate<'a> {
    /// The weightiest first.
    fn key(&self) -> (bool, bool, bool, bool, bool, &'a ItemId) {
        (self.sound, self.valid, self.issued, self.configured, self.exact, &self.held.id)
    }

    /// What decides against the next best.
    fn beats(&self, next: &Self) -> &'static str {
        if self.valid != next.valid {
            "it is valid and the next best is not"
        } else if self.sound != next.sound {
            "the next best was revoked"
        } else if self.issued != next.issued {
            "it is from a CA and the next best is self-signed"
        } else if self.configured != next.configured {
            "it is for the configured names and the next best for others"
        } else if self.exact != next.exact {
            "it is for the name itself and the next best for a wildcard"
        } else {
            "it is the newest"
        }
    }
}
