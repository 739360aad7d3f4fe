use proptest::prelude::*;

use super::*;

proptest! {
    /// No string, however hostile, becomes a place outside the folder it is meant for.
    #[test]
    fn hostile_strings_do_not_become_places(given in "\\PC{0,60}|[a-z0-9./\\\\*:\0\n-]{0,60}|(\\.\\./){1,4}[a-z]{1,5}") {
        if let Ok(name) = Name::parse(&given) {
            prop_assert_eq!(pointer(Family::Any, &name).folder(), family(Family::Any));
        }
        if let Ok(id) = LineageId::parse(&given) {
            prop_assert_eq!(draft(&id).folder(), spool());
            prop_assert_eq!(lineage_state(&id).folder(), lineages());
        }
        if let Ok(id) = ItemId::parse(&given) {
            prop_assert_eq!(item(&id).folder(), items());
        }
        if let Some(id) = AccountId::parse(&given) {
            prop_assert_eq!(account(&id).folder(), accounts());
            prop_assert_ne!(account(&id), current_account().as_prefix());
        }
    }
}

#[test]
fn only_what_is_inside_an_item_is_sealed() {
    let id = ItemId::next(std::time::SystemTime::UNIX_EPOCH, None);
    assert!(is_sealed(&item_file(&id, File::Key).as_prefix()));
    assert!(!is_sealed(&item(&id)), "an item can be removed or set aside whole");
    assert!(!is_sealed(&items()));
}

#[test]
fn keys_are_known_by_their_names() {
    let id = ItemId::next(std::time::SystemTime::UNIX_EPOCH, None);
    let secret: Vec<_> = File::ALL.into_iter().filter(|f| is_secret(&item_file(&id, *f))).collect();
    assert_eq!(secret, [File::Key, File::CrtChainKey]);
}
