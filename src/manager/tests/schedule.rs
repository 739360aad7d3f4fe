use super::*;
use crate::ident::{Name, Names};
use crate::issuer::{Advice, Window};
use crate::manager::advised::advised;
use crate::store::Attempts;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const CA: &str = "https://ca.example/directory";

/// Lifetimes that CAs issue or will; how much of each is left at the renewal, at least and at most.
const LIFETIMES: [(&str, Duration, Duration, Duration); 7] = [
    ("160 hours", hours(160), hours(80), hours(84)),
    ("just under 10 days", hours(239), hours(119), hours(125)),
    ("10 days", hours(240), hours(80), hours(85)),
    ("45 days", hours(45 * 24), hours(15 * 24), hours(16 * 24)),
    ("64 days", hours(64 * 24), hours(21 * 24 + 8), hours(22 * 24 + 16)),
    ("90 days", hours(90 * 24), hours(30 * 24), hours(32 * 24)),
    ("200 days", hours(200 * 24), hours(66 * 24 + 16), hours(70 * 24 + 17)),
];

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn wish() -> Wish {
    Wish::acme(Names::new([Name::parse("example.com").expect("a name")]).expect("names"), CA)
}

fn held(lifetime: Duration) -> Held {
    let wish = wish();
    Held {
        id: ItemId::next(start(), None),
        lineage: wish.lineage.id().clone(),
        names: wish.names().clone(),
        provider: wish.lineage.provider(),
        directory: Some(CA.to_owned()),
        issuer: String::new(),
        not_before: start(),
        not_after: start() + lifetime,
    }
}

fn said(held: &Held, from: SystemTime, to: SystemTime, draw: f64) -> Advised {
    let window = Window::new(from, to).expect("a window");
    let advice = Advice { window, explanation: None, again: None };
    advised(None, &held.id, Ok(Some(advice)), start(), draw)
}

#[test]
fn without_advice_a_third_of_the_real_lifetime_is_left_and_half_of_a_short_one() {
    for (what, lifetime, least, most) in LIFETIMES {
        for _ in 0..50 {
            let held = held(lifetime);
            let left = held.not_after.duration_since(renewal_of(&held)).expect("before the end");
            assert!((least..=most).contains(&left), "{what}: {left:?}");
        }
    }
}

#[test]
fn the_draw_of_an_item_stays_and_differs_between_items() {
    let one = held(DAY * 90);
    assert_eq!(renewal_of(&one), renewal_of(&one));
    let moments: std::collections::BTreeSet<SystemTime> =
        (0..50).map(|_| renewal_of(&held(DAY * 90))).collect();
    assert!(moments.len() > 40, "what was issued together is not renewed together");
}

#[test]
fn the_window_of_the_ca_decides_for_every_lifetime() {
    for (what, lifetime, _, _) in LIFETIMES {
        let held = held(lifetime);
        // As Let's Encrypt has it: two thirds, or half of a short life, and a hundredth of it to each side.
        let ideal = start() + if lifetime < DAY * 10 { lifetime / 2 } else { lifetime / 3 * 2 };
        let (from, to) = (ideal - lifetime / 100, ideal + lifetime / 100);
        for draw in [0.0, 0.37, 0.999] {
            let (at, rule) = due(&held, Some(&said(&held, from, to, draw)));
            assert!((from..to).contains(&at) && rule == Rule::Window, "{what}: {at:?} by {rule:?}");
        }
    }
}

#[test]
fn a_ca_gets_its_way_within_bounds() {
    for (what, lifetime, least, _) in LIFETIMES {
        let held = held(lifetime);
        let beyond = said(&held, held.not_after, held.not_after + DAY, 0.5);
        let (at, rule) = due(&held, Some(&beyond));
        let left = held.not_after.duration_since(at).expect("before the end");
        assert!(left >= least / 2 - HOUR && rule == Rule::Latest, "{what}: {left:?} by {rule:?}");
        let over = said(&held, start() - HOUR * 2, start() - HOUR, 0.5);
        assert_eq!(due(&held, Some(&over)), (held.id.time() + REST, Rule::Rest), "{what}");
        let past = said(&held, start() + HOUR, start() + HOUR * 2, 0.0);
        assert_eq!(
            due(&held, Some(&past)),
            (start() + HOUR, Rule::Window),
            "{what}: past by the time it is heard of means now"
        );
    }
}

#[test]
fn a_clock_that_was_ahead_once_does_not_keep_the_cas_word_from_counting() {
    let one = held(DAY * 90);
    let ahead = Held { id: ItemId::next(start() + DAY * 300, None), ..one };
    let window = said(&ahead, start() + DAY * 59, start() + DAY * 61, 0.5);
    assert_eq!(due(&ahead, Some(&window)), (start() + DAY * 60, Rule::Window));
}

#[test]
fn what_was_said_about_another_item_does_not_count() {
    let (wish, one) = (wish(), held(DAY * 90));
    let mut inventory = Inventory::default();
    let other = Held { id: ItemId::next(start(), Some(&one.id)), ..one.clone() };
    let about_another = said(&other, start(), start() + HOUR, 0.5);
    inventory.hold(one.clone());
    inventory.advise(wish.lineage.id(), Some(about_another));
    let due = renewal_of(&one);
    let expected = Situation::Held { due, renew_at: due, failures: 0 };
    assert_eq!(situation(&wish, &inventory, start() + DAY), expected);
}

#[test]
fn a_clock_that_was_set_back_does_not_silence_a_lineage() {
    let wish = wish();
    let mut inventory = Inventory::default();
    let failed = start() + DAY * 400;
    let attempts = Attempts {
        failures: 4,
        next: Some(failed + DAY),
        last_failure: Some(failed),
        ..Attempts::at(Some(CA))
    };
    inventory.remember(wish.lineage.id(), attempts);
    let try_at = |now| match situation(&wish, &inventory, now) {
        Situation::Missing { try_at, failures: 4 } => try_at,
        other => panic!("{other:?}"),
    };
    assert_eq!(try_at(failed + HOUR), failed + DAY);
    assert_eq!(
        try_at(start()),
        SystemTime::UNIX_EPOCH,
        "at once: that was noted in a time that has not come"
    );
}

#[test]
fn a_limit_keeps_waiting_only_what_can_wait() {
    let (wish, one) = (wish(), held(DAY * 90));
    let mut inventory = Inventory::default();
    inventory.hold(one.clone());
    let until = one.not_after + DAY;
    for unhurried in [true, false] {
        let attempts = Attempts { next: Some(until), unhurried, ..Attempts::at(Some(CA)) };
        inventory.remember(wish.lineage.id(), attempts);
        let waits = |now| match situation(&wish, &inventory, now) {
            Situation::Held { renew_at: at, .. } | Situation::Missing { try_at: at, .. } => at == until,
            Situation::Refused { .. } => false,
        };
        assert!(waits(one.not_after), "it is still valid");
        assert_eq!(waits(one.not_after + HOUR), !unhurried, "it has ended");
    }
    // So has one that the CA has recalled.
    inventory.advise(wish.lineage.id(), Some(said(&one, start() + HOUR, start() + HOUR * 2, 0.5)));
    let attempts = Attempts { next: Some(until), unhurried: true, ..Attempts::at(Some(CA)) };
    inventory.remember(wish.lineage.id(), attempts);
    let Situation::Held { renew_at, .. } = situation(&wish, &inventory, start() + HOUR * 3) else {
        panic!("it is still valid");
    };
    assert!(renew_at <= start() + HOUR * 2, "{renew_at:?}");
}

#[test]
fn the_ladder_ends_in_its_last_step() {
    let ladder = Ladder::default();
    let minutes: Vec<u64> = (1..=5).map(|n| ladder.wait(n, 0.0).as_secs() / 60).collect();
    assert_eq!(minutes, [1, 10, 100, 1440, 1440]);
    assert!(ladder.wait(1, 1.0) <= Duration::from_secs(66));
}
