//! What may stand where: the layout as a question.

use super::layout::{self, AccountFile, AccountId, Family, File};
use super::{Prefix, database};
use crate::ident::{ItemId, LineageId};

/// What belongs at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// One of the folders that are there from the beginning.
    Base,
    /// A folder.
    Folder,
    /// A plain file.
    File,
    /// A link.
    Link,
    /// A socket.
    Socket,
    /// A folder of which only its owner knows what is in it.
    Opaque,
    /// Nothing.
    Nothing,
}

impl Standing {
    /// What belongs at this place, going by its name.
    #[must_use]
    pub fn of(place: &Prefix) -> Self {
        let (name, above) = (place.name(), place.folder());
        if *place == layout::quarantine() || *place == layout::incoming() {
            return Self::Opaque;
        }
        if layout::folders().iter().any(|base| place.holds(base.as_str())) {
            return Self::Base;
        }
        if [layout::ledger(), layout::demanded(), layout::hooked()]
            .iter()
            .any(|file| file.as_prefix() == *place)
        {
            return Self::File;
        }
        if *place == layout::current_account().as_prefix() {
            return Self::Link;
        }
        if *place == layout::journal() {
            return Self::Folder;
        }
        let is = |fits: bool, standing: Self| if fits { standing } else { Self::Nothing };
        if above == layout::items() {
            return is(ItemId::parse(name).is_ok(), Self::Folder);
        }
        if above == layout::spool() {
            return is(LineageId::parse(name).is_ok(), Self::Folder);
        }
        if above == layout::accounts() {
            return is(AccountId::parse(name).is_some(), Self::Folder);
        }
        if above == layout::lineages() {
            let id = name.strip_suffix(".json").and_then(|id| LineageId::parse(id).ok());
            return is(id.is_some(), Self::File);
        }
        if above == layout::pins() {
            return is(database::name_of(name).is_some(), Self::File);
        }
        if above == layout::all_revoked() {
            return is(ItemId::parse(name).is_ok(), Self::File);
        }
        if above == layout::journal() {
            return is(layout::segment_number(name).is_some(), Self::File);
        }
        if above == layout::next_account_keys() {
            return is(name.strip_suffix(".pem").and_then(AccountId::parse).is_some(), Self::File);
        }
        if above == layout::control() {
            let number = name.strip_suffix(".sock").map(str::as_bytes);
            return is(number.is_some_and(|number| number.iter().all(u8::is_ascii_digit)), Self::Socket);
        }
        if above == layout::aside() {
            return is(layout::is_scratch(name), Self::Opaque);
        }
        if Family::ALL.into_iter().any(|family| above == layout::family(family)) {
            return is(database::name_of(name).is_some(), Self::Link);
        }
        let folder = above.folder();
        if folder == layout::items() || folder == layout::spool() {
            return is(File::named(name).is_some(), Self::File);
        }
        is(folder == layout::accounts() && AccountFile::named(name).is_some(), Self::File)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_the_layout_is_known_and_nothing_else() {
        let item = "database/items/20370101T000000.000000000Z-aaaaaaaaaaaaaaaa";
        let lineage = "a.example-selfsigned-0123456789abcdef0123456789abcdef";
        for (place, standing) in [
            ("database", Standing::Base),
            ("state/issuer", Standing::Base),
            ("state/ledger.json", Standing::File),
            ("state/on-demand.json", Standing::File),
            ("state/hooks.json", Standing::File),
            ("state/incoming", Standing::Opaque),
            ("state/journal", Standing::Folder),
            ("state/journal/00000001.jsonl", Standing::File),
            ("state/journal/1.jsonl", Standing::Nothing),
            ("letsencrypt-account/current", Standing::Link),
            ("letsencrypt-account/ca.example-0123456789abcdef", Standing::Folder),
            ("letsencrypt-account/ca.example-0123456789abcdef/account_key.pem", Standing::File),
            ("letsencrypt-account/ca.example-0123456789abcdef/key.pem", Standing::Nothing),
            (item, Standing::Folder),
            (&format!("{item}/key.pem"), Standing::File),
            (&format!("{item}/key.pem~"), Standing::Nothing),
            (&format!("{item}/deep/key.pem"), Standing::Nothing),
            ("database/items/mine", Standing::Nothing),
            ("database/latest-by-fqdn/*.example.com", Standing::Link),
            ("database/latest-by-fqdn/Example.com", Standing::Nothing),
            (&format!("spool/{lineage}"), Standing::Folder),
            (&format!("state/lineages/{lineage}.json"), Standing::File),
            (&format!("state/lineages/{lineage}"), Standing::Nothing),
            ("state/pins/*.example.com", Standing::File),
            ("state/pins/Example.com", Standing::Nothing),
            ("state/revoked/20370101T000000.000000000Z-aaaaaaaaaaaaaaaa", Standing::File),
            ("state/revoked/mine", Standing::Nothing),
            ("state/rollover/ca.example-0123456789abcdef.pem", Standing::File),
            ("state/rollover/ca.example-0123456789abcdef", Standing::Nothing),
            ("state/aside/0123456789abcdef", Standing::Opaque),
            ("state/aside/0123", Standing::Nothing),
            ("state/control/1.sock", Standing::Socket),
            ("state/control/notes", Standing::Nothing),
            ("quarantine", Standing::Opaque),
            ("notes.txt", Standing::Nothing),
        ] {
            let step = |above: Prefix, name| above.child(name).expect("a name").as_prefix();
            let prefix = place.split('/').fold(Prefix::root(), step);
            assert_eq!(Standing::of(&prefix), standing, "{place}");
        }
    }
}
