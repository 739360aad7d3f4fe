//! Whose turn it is: which of the CAs of a wish is asked next, and when. Pure.
//!
//! Each CA has a ladder of its own. The preferred one is asked as soon as its wait is over, so that it gets its chance
//! again at every renewal; while it is waited for, the next one is asked, but only if the last failure was one that
//! another CA may not repeat. A CA that has refused is waited for like any other: a refusal may have been its mistake.

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
    /// Whether the last of them was a refusal, which a new configuration may end at once.
    pub(super) refused: bool,
}

/// Whom to ask at the moment `then`; if nobody may be asked then, who may be soonest after it. `urgent` where there is
/// nothing left that could be shown.
pub(super) fn turn<'a>(
    wish: &'a Wish,
    inventory: &Inventory,
    urgent: bool,
    now: SystemTime,
    then: SystemTime,
) -> Turn<'a> {
    let id = wish.lineage.id();
    let mut soonest: Option<Turn<'a>> = None;
    for ca in wish.asked() {
        let directory = ca.map(|ca| &*ca.directory);
        let (attempts, refused) = (inventory.attempts(id, directory), inventory.is_refused(id, directory));
        // What a limit keeps for the day when there is nothing else is there on that day.
        let wait = attempts.not_before(now).filter(|_| !(attempts.unhurried && urgent));
        let at = wait.unwrap_or(SystemTime::UNIX_EPOCH);
        let turn = Turn { ca, at, failures: attempts.failures, refused };
        if turn.at <= then {
            return turn;
        }
        soonest = soonest.into_iter().chain([turn]).min_by_key(|turn| turn.at);
        if !attempts.elsewhere && !refused {
            break;
        }
    }
    soonest.expect("somebody is asked: a CA, or we ourselves")
}

/// Whom to ask at once for somebody who waits for a certificate, after these were asked for it in vain, the last of
/// them so that another may give it. None if nobody is left who may be asked now; failures of other days keep nobody
/// away from one who insists, refusals do.
pub(super) fn next<'a>(
    wish: &'a Wish,
    inventory: &Inventory,
    asked: &[&str],
    insists: bool,
    urgent: bool,
    now: SystemTime,
) -> Option<&'a Ca> {
    let free = Some(turn(wish, inventory, urgent, now, now)).filter(|turn| turn.at <= now);
    let id = wish.lineage.id();
    let refuses = |ca: &&Ca| inventory.is_refused(id, Some(&ca.directory));
    let insisted = wish.cas.iter().filter(|ca| insists && !refuses(ca));
    let mut candidates = free.and_then(|turn| turn.ca).into_iter().chain(insisted);
    candidates.find(|ca| !asked.contains(&&*ca.directory))
}

#[cfg(test)]
#[path = "tests/turn.rs"]
mod tests;
