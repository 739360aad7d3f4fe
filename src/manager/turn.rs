//! Whose turn it is: which of the CAs of a wish is asked next, and when. Pure.
//!
//! Each CA has a ladder of its own. The preferred one is asked as soon as its wait is over, so that it gets its chance
//! again at every renewal; while it is waited for, the next one is asked, but only if the last failure was one that
//! another CA may not repeat.

use std::time::SystemTime;

use super::desired::{Ca, Wish};
use super::inventory::Inventory;

/// A CA, and when it may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn<'a> {
    /// Whom to ask; none to sign ourselves.
    pub(super) ca: Option<&'a Ca>,
    /// Not before this moment.
    pub(super) at: SystemTime,
    /// Failures there since the last success.
    pub(super) failures: u32,
}

/// Whom to ask at the moment `then`; if nobody may be asked then, who may be soonest after it. `urgent` where there is
/// nothing left that could be shown.
///
/// # Errors
///
/// The reason of the preferred CA if all of them have refused until the configuration changes.
pub(super) fn turn<'a>(
    wish: &'a Wish,
    inventory: &Inventory,
    urgent: bool,
    (now, then): (SystemTime, SystemTime),
) -> Result<Turn<'a>, String> {
    let id = wish.lineage.id();
    let (mut refusal, mut soonest): (_, Option<Turn<'a>>) = (None, None);
    for ca in wish.asked() {
        let directory = ca.map(|ca| &*ca.directory);
        if let Some(reason) = inventory.refusal(id, directory) {
            refusal = refusal.or(Some(reason));
            continue;
        }
        let attempts = inventory.attempts(id, directory);
        // What a limit keeps for the day when there is nothing else is there on that day.
        let wait = attempts.not_before(now).filter(|_| !(attempts.unhurried && urgent));
        let turn = Turn { ca, at: wait.unwrap_or(SystemTime::UNIX_EPOCH), failures: attempts.failures };
        if turn.at <= then {
            return Ok(turn);
        }
        soonest = soonest.into_iter().chain([turn]).min_by_key(|turn| turn.at);
        if !attempts.elsewhere {
            break;
        }
    }
    soonest.ok_or_else(|| refusal.unwrap_or_default().to_owned())
}

/// Whom to ask at once for somebody who waits for a certificate, after these were asked for it in vain, the last of them so
/// that another may give it. None if nobody is left who may be asked now; failures of other days keep nobody away from
/// one who insists, refusals do.
pub(super) fn next<'a>(
    wish: &'a Wish,
    inventory: &Inventory,
    (asked, insists): (&[&str], bool),
    urgent: bool,
    now: SystemTime,
) -> Option<&'a Ca> {
    let free = turn(wish, inventory, urgent, (now, now)).ok().filter(|turn| turn.at <= now);
    let id = wish.lineage.id();
    let refuses = |ca: &&Ca| inventory.refusal(id, Some(&ca.directory)).is_some();
    let insisted = wish.cas.iter().filter(|ca| insists && !refuses(ca));
    let mut candidates = free.and_then(|turn| turn.ca).into_iter().chain(insisted);
    candidates.find(|ca| !asked.contains(&&*ca.directory))
}

#[cfg(test)]
#[path = "tests/turn.rs"]
mod tests;
