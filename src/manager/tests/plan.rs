use super::*;
use crate::ident::{ItemId, Name, Names};
use crate::manager::inventory::Held;
use crate::store::{Attempts, Pin};

const DAY: Duration = Duration::from_secs(86_400);
const CA: &str = "https://ca.example/directory";

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn names(list: &[&str]) -> Names {
    Names::new(list.iter().map(|text| Name::parse(text).expect("a name"))).expect("names")
}

fn held(wish: &Wish, from: SystemTime, days: u32) -> Held {
    Held {
        id: ItemId::next(from, None),
        lineage: wish.lineage.id().clone(),
        names: wish.names().clone(),
        provider: wish.lineage.provider(),
        directory: wish.directories().next().flatten().map(str::to_owned),
        issuer: String::new(),
        not_before: from,
        not_after: from + DAY * days,
    }
}

/// The lineages of the steps, and the moment of the next look.
fn planned(wish: &Wish, inventory: &Inventory, now: SystemTime) -> (Vec<Provider>, Option<SystemTime>) {
    let plan = plan(wish, inventory, |_| false, now);
    (plan.steps.iter().map(|step| step.wish.lineage.provider()).collect(), plan.next)
}

#[test]
fn an_empty_store_gets_a_stand_in_first_and_then_the_real_one() {
    let wish = Wish::acme(names(&["example.com", "www.example.com"]), CA);
    let mut inventory = Inventory::default();
    let (steps, _) = planned(&wish, &inventory, start());
    assert_eq!(steps, [Provider::Selfsigned, Provider::Letsencrypt]);

    inventory.hold(held(&wish.stand_in(), start() - DAY, 90));
    assert_eq!(planned(&wish, &inventory, start()).0, [Provider::Letsencrypt]);

    inventory.hold(held(&wish, start(), 90));
    let (steps, next) = planned(&wish, &inventory, start());
    assert_eq!(steps, []);
    let next = next.expect("a renewal is planned");
    let left = (start() + DAY * 90).duration_since(next).expect("before the end");
    assert!(left >= DAY * 30 && left <= DAY * 32, "{left:?}");
    assert_eq!(planned(&wish, &inventory, next).0, [Provider::Letsencrypt]);
}

#[test]
fn a_selfsigned_certificate_is_never_renewed_while_the_real_one_is_valid() {
    let wish = Wish::acme(names(&["example.com"]), CA);
    let mut inventory = Inventory::default();
    inventory.hold(held(&wish.stand_in(), start() - DAY * 100, 90));
    inventory.hold(held(&wish, start() - DAY * 10, 90));
    assert_eq!(planned(&wish, &inventory, start()).0, []);
    // The CA stays away until the certificate has ended: something valid is served all the same.
    let after = start() + DAY * 81;
    let attempts = Attempts { failures: 9, next: Some(after + DAY), ..Attempts::at(Some(CA)) };
    inventory.remember(wish.lineage.id(), attempts);
    assert_eq!(planned(&wish, &inventory, after).0, [Provider::Selfsigned]);
}

#[test]
fn a_name_that_is_selfsigned_by_choice_is_renewed_by_itself() {
    let wish = Wish::selfsigned(names(&["localhost"]));
    let mut inventory = Inventory::default();
    inventory.hold(held(&wish, start(), 90));
    let (steps, next) = planned(&wish, &inventory, start());
    assert_eq!(steps, []);
    let (steps, _) = planned(&wish, &inventory, next.expect("a moment"));
    assert_eq!(steps, [Provider::Selfsigned]);
}

#[test]
fn a_failure_waits_for_its_moment_and_only_at_its_ca() {
    let wish = Wish::acme(names(&["example.com"]), CA);
    let mut inventory = Inventory::default();
    inventory.hold(held(&wish.stand_in(), start(), 90));
    let later = start() + Duration::from_secs(600);
    let attempts = Attempts { failures: 2, next: Some(later), ..Attempts::at(Some(CA)) };
    inventory.remember(wish.lineage.id(), attempts);
    assert_eq!(planned(&wish, &inventory, start()), (vec![], Some(later)));
    assert_eq!(planned(&wish, &inventory, later).0, [Provider::Letsencrypt]);
    let elsewhere = Wish::acme(names(&["example.com"]), "https://other.example/directory");
    assert_eq!(planned(&elsewhere, &inventory, start()).0, [Provider::Letsencrypt]);
}

#[test]
fn a_refused_lineage_rests_until_its_moment_or_until_the_configuration_changes() {
    let wish = Wish::acme(names(&["example.com"]), CA);
    let mut inventory = Inventory::default();
    inventory.hold(held(&wish.stand_in(), start(), 90));
    let later = start() + DAY;
    let attempts = Attempts { failures: 1, next: Some(later), ..Attempts::at(Some(CA)) };
    inventory.remember(wish.lineage.id(), attempts);
    inventory.refuse(wish.lineage.id(), Some(CA));
    assert_eq!(planned(&wish, &inventory, start()), (vec![], Some(later)));
    assert_eq!(planned(&wish, &inventory, later).0, [Provider::Letsencrypt]);
    inventory.forgive();
    assert_eq!(planned(&wish, &inventory, start()).0, [Provider::Letsencrypt]);
}

#[test]
fn what_is_being_issued_is_left_alone_and_what_is_unread_is_not_guessed() {
    let wish = Wish::acme(names(&["example.com"]), CA);
    let mut inventory = Inventory::default();
    assert!(plan(&wish, &inventory, |_| true, start()).steps.is_empty());
    let ordering = plan(&wish, &inventory, |id| id == wish.lineage.id(), start());
    assert_eq!(ordering.steps.len(), 1, "the stand-in is another lineage");
    inventory.set_unread(wish.names().primary(), true);
    assert_eq!(planned(&wish, &inventory, start()).0, []);
}

#[test]
fn a_staging_certificate_is_nothing_to_a_production_lineage() {
    let wish = Wish::acme(names(&["example.com"]), CA);
    let staging = Wish::acme(names(&["example.com"]), "https://staging.example/directory");
    assert_eq!(wish.lineage.id(), staging.lineage.id());
    let mut inventory = Inventory::default();
    inventory.hold(held(&staging, start(), 90));
    assert_eq!(planned(&wish, &inventory, start()).0, [Provider::Selfsigned, Provider::Letsencrypt]);
    assert!(preference::choose(wish.names().primary(), &wish, &inventory, start()).is_none());
}

#[test]
fn preference_is_valid_then_issued_then_configured_then_exact_then_newest() {
    let wish = Wish::acme(names(&["a.example.com"]), CA);
    let wild = Wish::acme(names(&["*.example.com"]), CA);
    let wider = Wish::acme(names(&["a.example.com", "b.example.com"]), CA);
    let name = wish.names().primary();
    let mut inventory = Inventory::default();
    let mut add = |wish: &Wish, from, days| {
        let held = held(wish, from, days);
        let id = held.id.clone();
        inventory.hold(held);
        let best = preference::choose(name, &wish_of(), &inventory, start());
        (id, best.map(|held| held.id.clone()))
    };
    let (expired, best) = add(&wish, start() - DAY * 90, 80);
    assert_eq!(best, Some(expired), "an expired one is better than none");
    let (own, best) = add(&wish.stand_in(), start() - DAY, 90);
    assert_eq!(best, Some(own), "valid before expired");
    let (issued, best) = add(&wild, start() - DAY, 90);
    assert_eq!(best, Some(issued), "a CA's before selfsigned, even by wildcard");
    let (exact, best) = add(&wider, start() - DAY * 2, 90);
    assert_eq!(best, Some(exact), "exact before wildcard");
    let (configured, best) = add(&wish, start() - DAY * 3, 90);
    assert_eq!(best, Some(configured.clone()), "the configured lineage first");
    let (older, best) = add(&wish, start() - DAY * 4, 90);
    assert!(older < configured);
    assert_eq!(best, Some(configured), "the newest of them");
}

#[test]
fn a_revoked_one_comes_after_all_that_are_valid_and_before_none() {
    let wish = wish_of();
    let (name, stand_in) = (wish.names().primary(), wish.stand_in());
    let expired = held(&wish, start() - DAY * 90, 80);
    let older = held(&wish, start() - DAY * 5, 90);
    let newest = held(&wish, start() - DAY, 90);
    let own = held(&stand_in, start() - DAY, 90);
    // What there is, and what is served of it when the newest is revoked.
    for (others, best) in [
        (vec![], &newest),
        (vec![&expired], &newest),
        (vec![&expired, &own], &own),
        (vec![&own, &older], &older),
    ] {
        let mut inventory = Inventory::default();
        others.into_iter().chain([&newest]).for_each(|held| inventory.hold(held.clone()));
        let chosen = |inventory: &Inventory| {
            preference::choose(name, &wish, inventory, start()).map(|held| held.id.clone())
        };
        assert_eq!(chosen(&inventory), Some(newest.id.clone()));
        inventory.set_pins([(name.clone(), pin(&newest))].into());
        assert_eq!(inventory.set_revoked([newest.id.clone()].into()), std::slice::from_ref(name));
        assert_eq!(chosen(&inventory), Some(best.id.clone()), "a pin on it does not count");
    }
}

#[test]
fn what_was_revoked_is_ordered_anew_at_once_if_it_is_the_newest() {
    let wish = wish_of();
    let (older, newest) = (held(&wish, start() - DAY * 5, 90), held(&wish, start() - DAY, 90));
    let mut inventory = Inventory::default();
    inventory.hold(older.clone());
    inventory.hold(newest.clone());
    assert_eq!(planned(&wish, &inventory, start()).0, []);
    inventory.set_revoked([older.id.clone()].into());
    assert_eq!(planned(&wish, &inventory, start()).0, []);
    inventory.set_revoked([newest.id.clone()].into());
    assert_eq!(planned(&wish, &inventory, start()).0, [Provider::Letsencrypt]);
    inventory.set_revoked([older.id, newest.id].into());
    assert_eq!(planned(&wish, &inventory, start()).0, [Provider::Selfsigned, Provider::Letsencrypt]);
    let step = plan(&wish, &inventory, |_| false, start()).steps.pop().expect("an order");
    assert_eq!((&*step.why, step.urgent), ("the certificate was revoked", true));
}

fn pin(held: &Held) -> Pin {
    Pin { item: held.id.clone(), over: held.id.clone(), since: start() }
}

fn wish_of() -> Wish {
    Wish::acme(names(&["a.example.com"]), CA)
}

#[test]
fn only_what_is_renewed_before_its_end_has_a_moment_that_was_computed() {
    let wish = Wish::acme(names(&["example.com"]), CA);
    let mut inventory = Inventory::default();
    let issued = held(&wish, start(), 90);
    inventory.hold(issued.clone());
    let basis = |inventory: &Inventory, at| step(&wish, inventory, String::new(), at).basis;
    assert!(basis(&inventory, start() + DAY * 61).is_some());
    assert_eq!(basis(&inventory, start() + DAY * 91), None, "it has ended");
    inventory.set_revoked([issued.id].into());
    assert_eq!(basis(&inventory, start() + DAY * 61), None, "it was revoked");
}
