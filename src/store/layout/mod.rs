//! Every directory and file name of the storage, in one table.
//!
//! ```text
//! letsencrypt-account/<account id>/        account_key.pem  account_pub.pem  account.json
//! letsencrypt-account/current              → <account id>
//! spool/<lineage id>/                      the twelve files of [`File`]
//! database/items/<item id>/                the same twelve, for ever
//! database/latest-by-fqdn/<name>           → ../items/<item id>
//! database/latest-letsencrypt-by-fqdn/<name>
//! database/latest-selfsigned-by-fqdn/<name>
//! state/lineages/<lineage id>.json         failures, when to try again, when the CA wants a renewal
//! state/ledger.json                        what has been spent of the limits of CAs
//! state/on-demand.json                     names nobody has listed that may have a certificate
//! state/hooks.json                         how far the operator's hook has been told what the journal holds
//! state/journal/<number>.jsonl             what happened and why, one line per event
//! state/pins/<name>                        what a name is served with because somebody said so
//! state/revoked/<item id>                  items that are not to be gone back to
//! state/rollover/<account id>.pem          the key that an account is about to have
//! state/issuer/                            held by the process that issues
//! state/control/                           the sockets of running processes
//! state/incoming/                          what a restore puts together
//! state/aside/                             where the filesystem engine writes before it renames
//! quarantine/                              what was damaged or foreign, moved out of the way
//! ```
//!
//! A place is built from values that are valid by their types, so none of these functions can fail and none of
//! the places can leave the root.

mod file;
#[cfg(test)]
mod tests;

use std::fmt;

pub use super::account_id::AccountId;

use crate::ident::{ItemId, LineageId, Name, Provider};

pub use self::file::{AccountFile, File};
use super::engine::Secrecy;
use super::{Key, Prefix};

const ACCOUNTS: &str = "letsencrypt-account";
pub(super) const CURRENT: &str = "current";
const SPOOL: &str = "spool";
const DATABASE: &str = "database";
const ITEMS: &str = "items";
const STATE: &str = "state";
const LINEAGES: &str = "lineages";
const LEDGER: &str = "ledger.json";
const DEMANDED: &str = "on-demand.json";
const HOOKED: &str = "hooks.json";
const JOURNAL: &str = "journal";
const ISSUER: &str = "issuer";
const PINS: &str = "pins";
const CONTROL: &str = "control";
const INCOMING: &str = "incoming";
const REVOKED: &str = "revoked";
const ROLLOVER: &str = "rollover";
const ASIDE: &str = "aside";
const QUARANTINE: &str = "quarantine";

/// How many bytes a file of the store has at the most. None of ours comes near it, so a larger one is not ours.
pub const LARGEST: u64 = 8 << 20;

/// The three families of pointers. Each means «most recently issued» and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// From whichever provider.
    Any,
    /// From an ACME CA.
    Letsencrypt,
    /// Self-signed.
    Selfsigned,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Any, Self::Letsencrypt, Self::Selfsigned];

    /// The families in which an item of this provider has pointers.
    #[must_use]
    pub const fn of(provider: Provider) -> [Self; 2] {
        match provider {
            Provider::Letsencrypt => [Self::Any, Self::Letsencrypt],
            Provider::Selfsigned => [Self::Any, Self::Selfsigned],
        }
    }

    /// The folder's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "latest-by-fqdn",
            Self::Letsencrypt => "latest-letsencrypt-by-fqdn",
            Self::Selfsigned => "latest-selfsigned-by-fqdn",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The folder of all accounts.
#[must_use]
pub fn accounts() -> Prefix {
    folder(&[ACCOUNTS])
}

/// The folder of one account.
#[must_use]
pub fn account(id: &AccountId) -> Prefix {
    folder(&[ACCOUNTS, id.as_str()])
}

/// One file of an account.
#[must_use]
pub fn account_file(id: &AccountId, file: AccountFile) -> Key {
    place(&[ACCOUNTS, id.as_str(), file.as_str()])
}

/// An account's public key, which can be made from its private one.
#[must_use]
pub fn public_key(id: &AccountId) -> Prefix {
    account_file(id, AccountFile::Pub).as_prefix()
}

/// The pointer to the account chosen last.
#[must_use]
pub fn current_account() -> Key {
    place(&[ACCOUNTS, CURRENT])
}

/// The folder of all drafts.
#[must_use]
pub fn spool() -> Prefix {
    folder(&[SPOOL])
}

/// The folder of one draft.
#[must_use]
pub fn draft(id: &LineageId) -> Prefix {
    folder(&[SPOOL, id.as_str()])
}

/// One file of a draft.
#[must_use]
pub fn draft_file(id: &LineageId, file: File) -> Key {
    place(&[SPOOL, id.as_str(), file.as_str()])
}

/// The folder of all items.
#[must_use]
pub fn items() -> Prefix {
    folder(&[DATABASE, ITEMS])
}

/// The folder of one item.
#[must_use]
pub fn item(id: &ItemId) -> Prefix {
    folder(&[DATABASE, ITEMS, id.as_str()])
}

/// One file of an item.
#[must_use]
pub fn item_file(id: &ItemId, file: File) -> Key {
    place(&[DATABASE, ITEMS, id.as_str(), file.as_str()])
}

/// The folder of one family of pointers.
#[must_use]
pub fn family(family: Family) -> Prefix {
    folder(&[DATABASE, family.as_str()])
}

/// A name's pointer in one family. A wildcard keeps its plain form, `*.example.com`.
#[must_use]
pub fn pointer(family: Family, name: &Name) -> Key {
    place(&[DATABASE, family.as_str(), &name.to_string()])
}

/// The folder of what is remembered about lineages.
#[must_use]
pub fn lineages() -> Prefix {
    folder(&[STATE, LINEAGES])
}

/// What is remembered about one lineage.
#[must_use]
pub fn lineage_state(id: &LineageId) -> Key {
    place(&[STATE, LINEAGES, &format!("{id}.json")])
}

/// What has been spent of the limits of CAs.
#[must_use]
pub fn ledger() -> Key {
    place(&[STATE, LEDGER])
}

/// What is remembered of names nobody has listed.
#[must_use]
pub fn demanded() -> Key {
    place(&[STATE, DEMANDED])
}

/// How far the operator's hook has been told what the journal holds.
#[must_use]
pub fn hooked() -> Key {
    place(&[STATE, HOOKED])
}

/// The folder of what is told: see [`journal`](super::journal).
#[must_use]
pub fn journal() -> Prefix {
    folder(&[STATE, JOURNAL])
}

/// One segment of it. A number has eight digits at the most: so many segments come to a hundred terabytes.
#[must_use]
pub fn journal_segment(number: u64) -> Key {
    place(&[STATE, JOURNAL, &format!("{number:08}.jsonl")])
}

/// The number of the segment with this name, if it is one's name.
#[must_use]
pub(super) fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".jsonl")?;
    (digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// Held by the process that issues.
#[must_use]
pub fn issuer_role() -> Prefix {
    folder(&[STATE, ISSUER])
}

/// The folder of all pins.
#[must_use]
pub fn pins() -> Prefix {
    folder(&[STATE, PINS])
}

/// A name's pin. The name stands alone, as it does in the folders of pointers: the longest leaves no room for more.
#[must_use]
pub fn pin(name: &Name) -> Key {
    place(&[STATE, PINS, &name.to_string()])
}

/// The folder of the notes on revoked items.
#[must_use]
pub fn all_revoked() -> Prefix {
    folder(&[STATE, REVOKED])
}

/// Notes that an item was revoked.
#[must_use]
pub fn revoked(id: &ItemId) -> Key {
    place(&[STATE, REVOKED, id.as_str()])
}

/// The folder of the keys that accounts are about to have.
#[must_use]
pub fn next_account_keys() -> Prefix {
    folder(&[STATE, ROLLOVER])
}

/// The key that an account is about to have.
#[must_use]
pub fn next_account_key(id: &AccountId) -> Key {
    place(&[STATE, ROLLOVER, &format!("{id}.pem")])
}

/// Where tools find the processes that use the storage.
#[must_use]
pub fn control() -> Prefix {
    folder(&[STATE, CONTROL])
}

/// Where a restore puts items together before they take their places.
#[must_use]
pub fn incoming() -> Prefix {
    folder(&[STATE, INCOMING])
}

/// One of those items.
#[must_use]
pub fn incoming_item(id: &ItemId) -> Prefix {
    folder(&[STATE, INCOMING, id.as_str()])
}

/// One of its files.
#[must_use]
pub fn incoming_file(id: &ItemId, file: File) -> Key {
    place(&[STATE, INCOMING, id.as_str(), file.as_str()])
}

/// Where a restore puts a journal together.
#[must_use]
pub fn incoming_journal() -> Prefix {
    folder(&[STATE, INCOMING, JOURNAL])
}

/// One segment of it.
#[must_use]
pub fn incoming_segment(number: u64) -> Key {
    incoming_journal().child(journal_segment(number).name()).expect("a segment's name is a plain file name")
}

/// Where things are written before they are renamed into place.
#[must_use]
pub fn aside() -> Prefix {
    folder(&[STATE, ASIDE])
}

/// Whether a folder in [`aside`] with this name is an engine's own.
#[must_use]
pub(super) fn is_scratch(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Where damaged and foreign things are moved.
#[must_use]
pub fn quarantine() -> Prefix {
    folder(&[QUARANTINE])
}

/// Where this very thing is moved when it is set aside: the place it had, and a suffix of its own.
#[must_use]
pub(super) fn quarantined(place: &Prefix, suffix: &str) -> Prefix {
    let mut name = place.as_str().replace('/', "+");
    while name.len() > 200 {
        name.pop();
    }
    folder(&[QUARANTINE, &format!("{name}-{suffix}")])
}

/// The folders that are there from the beginning.
#[must_use]
pub fn folders() -> Vec<Prefix> {
    let mut all = vec![accounts(), spool(), items()];
    all.extend(Family::ALL.map(family));
    all.extend([
        lineages(),
        pins(),
        all_revoked(),
        next_account_keys(),
        issuer_role(),
        control(),
        aside(),
        quarantine(),
    ]);
    all
}

/// Whether a place lies inside an item, where nothing changes.
#[must_use]
pub fn is_sealed(place: &Prefix) -> bool {
    place.names().count() > 3 && items().holds(place.as_str())
}

/// Whether a value at this place holds a key, going by its name.
#[must_use]
pub fn is_secret(key: &Key) -> bool {
    File::named(key.name()).is_some_and(|file| file.secrecy() == Secrecy::Secret)
        || key.name() == AccountFile::Key.as_str()
        || next_account_keys().holds(key.as_str())
}

fn folder(names: &[&str]) -> Prefix {
    names.iter().fold(Prefix::root(), |above, name| step(&above, name).as_prefix())
}

fn place(names: &[&str]) -> Key {
    let (last, above) = names.split_last().expect("a place has a name");
    step(&folder(above), last)
}

fn step(above: &Prefix, name: &str) -> Key {
    // The types promise it. Should one of them ever break its promise, stopping is better than a path that
    // leads elsewhere.
    above.child(name).expect("ids and names are plain file names")
}
