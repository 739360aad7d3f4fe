//! What of a storage is worth copying: everything that could not be made anew.
//!
//! Drafts are not: one costs an order that is placed again, and a copy of half of one is of no use. Nor is what was set
//! aside, nor the folders that only a process that runs has something in.

use super::layout::{self, AccountFile, AccountId, Family, File};
use super::rollover::read_next_key;
use super::{Accounts, Demanded, Hooked, Key, Ledger, Pin, Prefix, States, StoreError, database, record};
use crate::ident::{ItemId, LineageId, Name};

/// No copy has a segment of this number or a higher one: fifty terabytes come before it. A journal goes on behind its
/// last segment, so one that is forged may not leave it without numbers.
const BEYOND: u64 = 50_000_000;

/// A file that a copy of a storage holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Of an item.
    Item(ItemId, File),
    /// Of an account.
    Account(AccountId, AccountFile),
    /// The key that an account is about to have.
    NextKey(AccountId),
    /// What is remembered of a lineage.
    State(LineageId),
    /// What has been spent of the limits of CAs.
    Ledger,
    /// What is remembered of names nobody has listed.
    Demanded,
    /// What a name is served with because somebody said so.
    Pin(Name),
    /// That an item was revoked.
    Revoked(ItemId),
    /// A segment of the journal.
    Segment(u64),
    /// How far the operator's hook has been told of the journal.
    Hooked,
}

/// A link that a copy of a storage holds. All of them can be told from the files; they are there for whoever unpacks a
/// copy by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// To the newest item of a name.
    Pointer(Family, Name, ItemId),
    /// To the account chosen last.
    Current(AccountId),
}

impl Kept {
    /// What belongs at this place, which is written as [`key`](Self::key) writes it; `None` for any other.
    #[must_use]
    pub fn at(place: &str) -> Option<Self> {
        let alone = [Self::Ledger, Self::Demanded, Self::Hooked];
        if let Some(kept) = alone.into_iter().find(|kept| kept.key().as_str() == place) {
            return Some(kept);
        }
        let (folder, name) = place.rsplit_once('/')?;
        let (above, of) = folder.rsplit_once('/').unwrap_or(("", folder));
        let kept = if above == layout::items().as_str() {
            Self::Item(ItemId::parse(of).ok()?, File::named(name)?)
        } else if above == layout::accounts().as_str() {
            Self::Account(AccountId::parse(of)?, AccountFile::named(name)?)
        } else if folder == layout::next_account_keys().as_str() {
            Self::NextKey(AccountId::parse(name.strip_suffix(".pem")?)?)
        } else if folder == layout::lineages().as_str() {
            Self::State(LineageId::parse(name.strip_suffix(".json")?).ok()?)
        } else if folder == layout::pins().as_str() {
            Self::Pin(database::name_of(name)?)
        } else if folder == layout::all_revoked().as_str() {
            Self::Revoked(ItemId::parse(name).ok()?)
        } else if folder == layout::journal().as_str() {
            Self::Segment(layout::segment_number(name).filter(|number| *number < BEYOND)?)
        } else {
            return None;
        };
        (kept.key().as_str() == place).then_some(kept)
    }

    /// Where it stands.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Item(id, file) => layout::item_file(id, *file),
            Self::Account(id, file) => layout::account_file(id, *file),
            Self::NextKey(id) => layout::next_account_key(id),
            Self::State(id) => layout::lineage_state(id),
            Self::Ledger => layout::ledger(),
            Self::Demanded => layout::demanded(),
            Self::Pin(name) => layout::pin(name),
            Self::Revoked(id) => layout::revoked(id),
            Self::Segment(number) => layout::journal_segment(*number),
            Self::Hooked => layout::hooked(),
        }
    }

    /// Fails unless this may stand there, as far as that can be told from this file alone.
    pub(super) fn prove(&self, value: &[u8]) -> Result<(), StoreError> {
        match self {
            // Whoever has all its files judges an item.
            Self::Item(..) => Ok(()),
            Self::Account(id, file) => Accounts::prove(id, *file, value),
            Self::NextKey(id) => read_next_key(id, value).map(drop),
            Self::State(id) => States::prove(id, value),
            Self::Ledger => Ledger::prove(value),
            Self::Demanded => record::parse::<Demanded>(&self.key(), value).map(drop),
            Self::Pin(_) => record::parse::<Pin>(&self.key(), value).map(drop),
            Self::Hooked => record::parse::<Hooked>(&self.key(), value).map(drop),
            // One that cannot be read counts, and a line that is damaged is told by whoever reads the journal.
            Self::Revoked(_) | Self::Segment(_) => Ok(()),
        }
    }
}

impl Link {
    /// What a link at this place that leads there is, if that is a place and a target of ours.
    #[must_use]
    pub fn at(place: &str, target: &str) -> Option<Self> {
        let (folder, name) = place.rsplit_once('/')?;
        let link = if place == layout::current_account().as_str() {
            Self::Current(AccountId::parse(target)?)
        } else {
            let family = Family::ALL.into_iter().find(|family| layout::family(*family).as_str() == folder)?;
            let (_, id) = target.rsplit_once('/')?;
            Self::Pointer(family, database::name_of(name)?, ItemId::parse(id).ok()?)
        };
        (link.target() == target).then_some(link)
    }

    /// Where it stands.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Pointer(family, name, _) => layout::pointer(*family, name),
            Self::Current(_) => layout::current_account(),
        }
    }

    /// Where it leads, as the link has it: relative.
    #[must_use]
    pub fn target(&self) -> String {
        let place: Prefix = match self {
            Self::Pointer(_, _, id) => layout::item(id),
            Self::Current(id) => layout::account(id),
        };
        self.key().folder().link_to(&place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ITEM: &str = "20370101T000000.000000000Z-aaaaaaaaaaaaaaaa";

    #[test]
    fn what_is_copied_is_known_by_its_place_and_nothing_else_is() {
        let lineage = "a.example-selfsigned-0123456789abcdef0123456789abcdef";
        for place in [
            &format!("database/items/{ITEM}/key.pem"),
            "letsencrypt-account/ca.example-0123456789abcdef/account.json",
            "state/rollover/ca.example-0123456789abcdef.pem",
            &format!("state/lineages/{lineage}.json"),
            "state/ledger.json",
            "state/on-demand.json",
            "state/hooks.json",
            "state/pins/*.a.example",
            &format!("state/revoked/{ITEM}"),
            "state/journal/00000012.jsonl",
        ] {
            assert_eq!(Kept::at(place).expect(place).key().as_str(), place);
        }
        for place in [
            &format!("database/items/{ITEM}/mine.pem"),
            &format!("database/items/{ITEM}"),
            &format!("/database/items/{ITEM}/key.pem"),
            &format!("database/items/../items/{ITEM}/key.pem"),
            &format!("./database/items/{ITEM}/key.pem"),
            &format!("spool/{lineage}/key.pem"),
            "state/ledger.json/",
            "ledger.json",
            "state/pins/A.example",
            "state/pins/../pins/a.example",
            "state/revoked/a.example",
            "state/journal/12.jsonl",
            "state/journal/99999999.jsonl",
            "state/journal/000000012.jsonl",
            "state/journal/00000012.json",
            "letsencrypt-account/../../etc/account.json",
            "state/rollover/ca.example-0123456789abcdef",
            "state/rollover/../rollover/ca.example-0123456789abcdef.pem",
            "",
        ] {
            assert_eq!(Kept::at(place), None, "{place}");
        }
    }

    #[test]
    fn links_lead_where_ours_lead_or_are_none_of_ours() {
        let target = format!("../items/{ITEM}");
        for (place, target) in [
            ("database/latest-by-fqdn/*.example.com", target.as_str()),
            ("letsencrypt-account/current", "ca-1"),
        ] {
            let link = Link::at(place, target).expect(place);
            assert_eq!((link.key().as_str(), link.target()), (place, target.to_owned()));
        }
        for (place, target) in [
            ("database/latest-by-fqdn/example.com", "/etc/passwd"),
            ("database/latest-by-fqdn/example.com", &format!("../../../items/{ITEM}")),
            ("database/latest-by-fqdn/Example.com", &target),
            ("database/items/x", &target),
            ("letsencrypt-account/current", "../spool"),
        ] {
            assert_eq!(Link::at(place, target), None, "{place} → {target}");
        }
    }

    proptest! {
        /// No path, however hostile, is taken for a place of the storage unless it is written as the storage writes it.
        #[test]
        fn hostile_paths_are_no_places(path in "([a-z./\\\\-]{0,12}|\\.\\.|database|items|state|lineages|ledger\\.json|/){0,8}") {
            if let Some(kept) = Kept::at(&path) {
                prop_assert_eq!(kept.key().as_str().to_owned(), path);
            }
        }
    }
}
