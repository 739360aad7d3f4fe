use std::time::Duration;

use super::*;
use crate::ident::Names;
use crate::store::Attempts;

const CAS: [&str; 3] = ["https://a.example/dir", "https://b.example/dir", "https://c.example/dir"];
const HOUR: Duration = Duration::from_secs(3_600);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn wish() -> Wish {
    let names = Names::parse_domain_list("example.com").expect("names");
    let cas = CAS.map(|directory| Ca { directory: directory.to_owned(), profile: None });
    Wish { cas: cas.into(), ..Wish::acme(names, CAS[0]) }
}

/// What was remembered of a CA.
#[derive(Debug, Clone, Copy)]
enum Past {
    Nothing,
    /// Waited for this many hours, after a failure that another CA may mend.
    Down(u32),
    /// Waited for this many hours, after a failure of our own.
    Ours(u32),
    /// Waited for this many hours, by a limit that keeps its last for an emergency.
    Spent(u32),
    /// Waited for this many hours, after a refusal.
    Refused(u32),
}

fn inventory(past: [Past; 3]) -> Inventory {
    let (wish, mut inventory) = (wish(), Inventory::default());
    for (directory, past) in CAS.into_iter().zip(past) {
        let (hours, elsewhere, unhurried) = match past {
            Past::Nothing => continue,
            Past::Down(hours) => (hours, true, false),
            Past::Ours(hours) | Past::Refused(hours) => (hours, false, false),
            Past::Spent(hours) => (hours, true, true),
        };
        let next = Some(now() + HOUR * hours);
        let attempts = Attempts { failures: 1, next, elsewhere, unhurried, ..Attempts::at(Some(directory)) };
        inventory.remember(wish.lineage.id(), attempts);
        if matches!(past, Past::Refused(_)) {
            inventory.refuse(wish.lineage.id(), Some(directory));
        }
    }
    inventory
}

/// Which of the CAs is asked, and after how many hours.
fn asked(past: [Past; 3], urgent: bool, then: u32) -> (usize, u64) {
    let wish = wish();
    let turn = turn(&wish, &inventory(past), urgent, now(), now() + HOUR * then);
    let directory = &turn.ca.expect("a CA").directory;
    let wait = turn.at.duration_since(now()).unwrap_or_default().as_secs() / 3_600;
    (CAS.iter().position(|ca| ca == directory).expect("one of them"), wait)
}

#[test]
fn the_preferred_ca_unless_it_is_waited_for_and_another_may_mend_it() {
    use Past::{Down, Nothing, Ours, Refused, Spent};
    let table = [
        // Past of each CA; the moment of the question; who is asked, and when.
        ([Nothing, Nothing, Nothing], 0, (0, 0)),
        ([Down(1), Nothing, Nothing], 0, (1, 0)),
        ([Spent(1), Nothing, Nothing], 0, (1, 0)),
        ([Down(1), Down(2), Nothing], 0, (2, 0)),
        ([Down(3), Down(2), Down(4)], 0, (1, 2)),
        // A name that does not lead here leads here for nobody.
        ([Ours(1), Nothing, Nothing], 0, (0, 1)),
        ([Down(1), Ours(2), Nothing], 0, (0, 1)),
        ([Down(3), Ours(2), Nothing], 0, (1, 2)),
        // Once its wait is over, and at the next renewal, the preferred one is asked again.
        ([Down(1), Nothing, Nothing], 1, (0, 1)),
        ([Down(9), Down(1), Nothing], 1, (1, 1)),
        ([Down(9), Down(1), Nothing], 1_000, (0, 9)),
        // One that has refused is passed over, whoever is behind it, but not for ever.
        ([Refused(24), Nothing, Nothing], 0, (1, 0)),
        ([Refused(24), Ours(2), Nothing], 0, (1, 2)),
        ([Down(1), Refused(24), Nothing], 0, (2, 0)),
        ([Refused(24), Refused(24), Down(1)], 0, (2, 1)),
        ([Refused(24), Refused(25), Refused(26)], 0, (0, 24)),
        ([Refused(24), Down(48), Nothing], 24, (0, 24)),
    ];
    for (past, then, expected) in table {
        assert_eq!(asked(past, false, then), expected, "{past:?} at {then}");
    }
}

#[test]
fn in_an_emergency_the_last_of_a_limit_is_spent_at_the_preferred_ca() {
    use Past::{Down, Nothing, Spent};
    assert_eq!(asked([Spent(5), Nothing, Nothing], true, 0), (0, 0));
    assert_eq!(asked([Down(5), Spent(5), Nothing], true, 0), (1, 0));
    assert_eq!(asked([Down(5), Nothing, Nothing], true, 0), (1, 0), "what is down is down all the same");
}

/// Whom somebody who waits has asked next, after these; the numbers are places in the order of preference.
fn next_after(asked: &[usize], insists: bool, past: [Past; 3]) -> Option<usize> {
    let wish = wish();
    let asked: Vec<&str> = asked.iter().map(|ca| CAS[*ca]).collect();
    let ca = next(&wish, &inventory(past), &asked, insists, false, now())?;
    CAS.iter().position(|directory| *directory == ca.directory)
}

#[test]
fn who_waits_has_each_ca_asked_that_may_be_asked_now() {
    use Past::{Down, Nothing, Ours, Refused};
    let table = [
        // Who was asked; whether somebody insists; past of each CA; who is next.
        (&[0][..], false, [Down(1), Nothing, Nothing], Some(1)),
        (&[0, 1], false, [Down(1), Down(1), Nothing], Some(2)),
        (&[0, 1, 2], false, [Down(1), Down(1), Down(1)], None),
        (&[0], false, [Refused(24), Nothing, Nothing], Some(1)),
        // One that has failed before is left alone, but for somebody who insists.
        (&[0], false, [Down(1), Down(1), Nothing], Some(2)),
        (&[0], false, [Down(1), Down(1), Down(1)], None),
        (&[0], true, [Down(1), Down(1), Down(1)], Some(1)),
        (&[1], true, [Down(1), Down(1), Nothing], Some(2)),
        (&[1, 2], true, [Down(1), Down(1), Down(1)], Some(0)),
        (&[0, 1, 2], true, [Down(1), Down(1), Down(1)], None),
        // What one has refused it refuses whoever insists.
        (&[0], true, [Down(1), Refused(24), Down(1)], Some(2)),
        (&[0], true, [Down(1), Refused(24), Refused(24)], None),
        // What failed by our own fault at one of them is not tried at those behind it.
        (&[0], false, [Down(1), Ours(1), Nothing], None),
    ];
    for (asked, insists, past, expected) in table {
        assert_eq!(next_after(asked, insists, past), expected, "{past:?} after {asked:?}, {insists}");
    }
}
