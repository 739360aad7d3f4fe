use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::ask::AskError;
use crate::ident::ItemId;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));

pub(super) fn options(allow: &[&str], suffixes: &[&str]) -> Options {
    let names = |list: &[&str]| list.iter().map(|name| name.parse().expect("a name")).collect();
    Options {
        allow: names(allow),
        suffixes: names(suffixes),
        ask: None,
        private: false,
        fallback: false,
        per_hour: 4,
        per_domain_per_hour: 2,
        deny_ttl: HOUR,
        max_names: 5,
    }
}

/// Names on demand at a time that passes as it is told to.
struct World {
    demands: Demands,
    now: SystemTime,
}

impl World {
    fn with(options: Options) -> Self {
        let mut demands = Demands::new(Recorder::default());
        demands.set(Some(Demand { options, ask: None }));
        Self { demands, now: SystemTime::UNIX_EPOCH + DAY * 20_000 }
    }

    fn asking() -> Self {
        let ask = Some("http://127.0.0.1:9000/check".parse().expect("a URL"));
        Self::with(Options { ask, ..options(&[], &["free.example.net"]) })
    }

    fn meet(&mut self, name: &str) -> Met {
        let stranger = Stranger { name: name.parse().expect("a name"), client: CLIENT };
        self.demands.meet(stranger, self.now)
    }

    /// Somebody comes for it, and it is let in if it may be.
    fn let_in(&mut self, name: &str) -> bool {
        let met = self.meet(name);
        matches!(met, Met::LetIn(_)) && self.demands.let_in(&host(name), self.now)
    }

    fn answer(&mut self, name: &str, said: Result<bool, AskError>) -> bool {
        // As if it had been asked.
        self.demands.asks = Asks::default();
        let answered = Answered { name: name.parse().expect("a name"), client: Some(CLIENT), said };
        self.demands.note_answer(&answered, self.now)
    }

    fn is_asked(&self, name: &str) -> bool {
        self.demands.asks.has(&name.parse().expect("a name"))
    }

    fn permit(&mut self, name: &str) -> Permit {
        self.demands.permit(&host(name), self.now)
    }
}

fn host(name: &str) -> Name {
    Name::parse(name).expect("a name")
}

#[test]
fn nobody_is_let_in_where_it_is_off() {
    let mut world = World::with(options(&["one.example.com"], &[]));
    world.demands.set(None);
    assert_eq!(world.meet("one.example.com"), Met::Nothing);
    assert!(!world.demands.let_in(&host("one.example.com"), world.now));
}

#[test]
fn the_budget_holds_for_all_and_for_each_domain_and_ends_with_the_hour() {
    let mut world = World::with(options(&[], &["example.com", "example.org", "example.net"]));
    for (name, let_in) in [
        ("a.example.com", true),
        ("b.example.com", true),
        ("c.example.com", false),
        ("a.example.org", true),
        ("a.example.org", false),
        ("a.example.net", true),
        ("b.example.net", false),
    ] {
        assert_eq!(world.let_in(name), let_in, "{name}");
    }
    world.now += HOUR;
    assert!(world.let_in("c.example.com"));
    assert!(!world.let_in("d.example.com"), "there is room for five names");
    world.demands.forget(&host("a.example.com"));
    assert!(world.let_in("d.example.com"));
}

#[test]
fn a_restart_gives_no_budget_back_and_knows_the_names_that_have_a_certificate() {
    let mut before = World::with(options(&[], &["example.com", "example.org"]));
    assert!(before.let_in("a.example.com") && before.let_in("b.example.com"));
    let mut world = World::with(options(&[], &["example.com", "example.org"]));
    world.demands.recall(before.demands.record(), |name| *name == host("a.example.com"));
    assert_eq!(world.demands.names(), [host("a.example.com")]);
    assert_eq!(world.permit("a.example.com"), Permit::Granted);
    assert!(!world.let_in("c.example.com"), "the hour has not passed");
    world.now += HOUR;
    assert!(world.let_in("b.example.com"));
}

#[test]
fn whoever_is_asked_decides_and_is_not_asked_again_soon() {
    let mut world = World::asking();
    assert!(matches!(world.meet("a.free.example.net"), Met::LetIn(_)));
    assert!(!world.is_asked("a.free.example.net"));
    assert_eq!(world.meet("a.example.com"), Met::Nothing);
    assert!(world.is_asked("a.example.com"));
    assert!(!world.answer("a.example.com", Ok(false)));
    world.meet("a.example.com");
    assert!(!world.is_asked("a.example.com"), "it was denied a moment ago");
    world.now += HOUR;
    world.meet("a.example.com");
    assert!(world.is_asked("a.example.com"));
    assert!(world.answer("a.example.com", Ok(true)));
    world.meet("www.www.example.com");
    assert!(!world.is_asked("www.www.example.com"));
}

#[test]
fn an_answer_that_does_not_come_is_a_denial_for_a_minute() {
    let mut world = World::asking();
    assert!(!world.answer("a.example.com", Err(AskError::Late)));
    world.meet("a.example.com");
    assert!(!world.is_asked("a.example.com"));
    world.now += ASK_AGAIN;
    world.meet("a.example.com");
    assert!(world.is_asked("a.example.com"));
}

#[test]
fn nobody_is_asked_once_the_budget_is_spent() {
    let mut world = World::asking();
    assert!(world.let_in("a.free.example.net") && world.let_in("b.free.example.net"));
    world.meet("c.example.net");
    assert!(!world.is_asked("c.example.net"), "its domain has had its share");
    world.meet("c.example.org");
    assert!(world.is_asked("c.example.org"));
}

#[test]
fn ten_thousand_strangers_do_not_fill_the_queue() {
    let mut world = World::asking();
    for number in 0..10_000 {
        world.meet(&format!("n{number}.example.org"));
    }
    let asked = (0..10_000).filter(|number| world.is_asked(&format!("n{number}.example.org"))).count();
    assert_eq!(asked, 256);
    world.demands.asks.put_first("kept.example.com".parse().expect("a name"));
    assert!(world.is_asked("kept.example.com"), "a renewal finds room");
}

#[test]
fn a_renewal_is_asked_for_again_and_a_denial_holds_it_back() {
    let mut world = World::asking();
    assert!(world.demands.let_in(&host("a.example.com"), world.now));
    assert_eq!(world.permit("a.example.com"), Permit::Granted, "it was allowed just now");
    world.now += DAY * 20;
    assert_eq!(world.permit("a.example.com"), Permit::Asking);
    assert!(!world.answer("a.example.com", Err(AskError::Late)));
    assert_eq!(world.permit("a.example.com"), Permit::Denied(world.now + ASK_AGAIN));
    world.now += ASK_AGAIN;
    assert_eq!(world.permit("a.example.com"), Permit::Asking);
    assert!(!world.answer("a.example.com", Ok(false)));
    assert_eq!(world.permit("a.example.com"), Permit::Denied(world.now + DAY));
    assert!(!world.demands.is_over(&host("a.example.com"), Some(true), world.now), "it is served to its end");
    assert!(world.demands.is_over(&host("a.example.com"), Some(false), world.now));
    world.now += DAY;
    assert_eq!(world.permit("a.example.com"), Permit::Asking, "somebody may have been mistaken");
    world.answer("a.example.com", Ok(true));
    assert_eq!(world.permit("a.example.com"), Permit::Granted);
}

#[test]
fn rules_that_change_are_looked_at_again() {
    let mut world = World::with(options(&["a.example.com"], &[]));
    assert!(world.let_in("a.example.com"));
    world.demands.set(Some(Demand { options: options(&["b.example.com"], &[]), ask: None }));
    assert_eq!(world.permit("a.example.com"), Permit::Denied(world.now + DAY));
    world.demands.set(Some(Demand { options: options(&["a.example.com"], &[]), ask: None }));
    assert_eq!(world.permit("a.example.com"), Permit::Granted);
}

#[test]
fn a_name_for_which_nobody_comes_is_not_renewed_and_given_up_at_its_end() {
    let mut world = World::with(options(&["a.example.com"], &[]));
    let (name, item) = (host("a.example.com"), ItemId::next(world.now, None));
    assert!(world.let_in("a.example.com"));
    world.demands.sight(&name, Some(&item), true, world.now);
    world.now += DAY * 20;
    world.demands.sight(&name, Some(&item), true, world.now);
    world.now += DAY * 29;
    assert_eq!(world.permit("a.example.com"), Permit::Granted, "somebody has come 29 days ago");
    world.now += DAY * 2;
    let next = ItemId::next(world.now, Some(&item));
    world.demands.sight(&name, Some(&next), true, world.now);
    world.demands.sight(&name, Some(&next), false, world.now);
    assert_eq!(world.permit("a.example.com"), Permit::Denied(world.now + DAY), "a new one was met by nobody");
    assert!(!world.demands.is_over(&name, Some(true), world.now));
    assert!(world.demands.is_over(&name, Some(false), world.now));
}

#[test]
fn a_name_that_never_gets_a_certificate_is_given_up_when_nobody_comes_for_a_day() {
    let mut world = World::with(options(&["a.example.com"], &[]));
    let name = host("a.example.com");
    assert!(world.let_in("a.example.com"));
    world.now += DAY;
    assert!(!world.demands.is_over(&name, None, world.now));
    world.meet("a.example.com");
    world.now += DAY;
    assert!(!world.demands.is_over(&name, None, world.now));
    world.now += HOUR;
    assert!(world.demands.is_over(&name, None, world.now));
}
