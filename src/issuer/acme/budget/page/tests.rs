use std::time::Duration;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const ACCOUNT: &str = "https://ca.example/acct/1";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn names(list: &str) -> Names {
    Names::parse_domain_list(list).expect("names")
}

fn new(names: &Names) -> Expense<'_> {
    Expense { names, account: ACCOUNT, counted: Counted::Fully, urgent: false }
}

/// Places an order.
fn place(page: &mut Page, expense: Expense<'_>, now: SystemTime) -> Result<(), Short> {
    super::order(page, &Limits::letsencrypt(), expense, false, now)
}

/// Places an order that becomes a certificate.
fn order(page: &mut Page, expense: Expense<'_>, now: SystemTime) -> Result<(), Short> {
    place(page, expense, now)?;
    verified(page, ACCOUNT, expense.names);
    Ok(())
}

/// Places an order whose primary name cannot be verified.
fn fail(page: &mut Page, expense: Expense<'_>, now: SystemTime) -> Result<(), Short> {
    place(page, expense, now)?;
    no_certificate(page, expense.names, now);
    failed(page, &Limits::letsencrypt(), ACCOUNT, expense.names.primary(), now);
    Ok(())
}

/// How often this can be ordered at this moment.
fn count(page: &mut Page, expense: Expense<'_>, now: SystemTime) -> usize {
    (0..2000).take_while(|_| order(page, expense, now).is_ok()).count()
}

#[test]
fn of_one_set_of_names_the_last_one_is_kept_for_emergencies() {
    let (mut page, names) = (Page::default(), names("example.com www.example.com"));
    assert_eq!(count(&mut page, new(&names), now()), 4);
    let short = order(&mut page, new(&names), now()).expect_err("one is kept");
    assert_eq!(short.until, now() + HOUR * 34);
    assert!(short.what.contains("kept for emergencies"), "{}", short.what);
    assert_eq!(count(&mut page, Expense { urgent: true, ..new(&names) }, now()), 1);
    let short =
        order(&mut page, Expense { urgent: true, ..new(&names) }, now()).expect_err("nothing is left");
    assert_eq!(short.until, now() + HOUR * 34);
    assert_eq!(order(&mut page, new(&names), now()).expect_err("nothing is left").until, now() + HOUR * 68);
    assert_eq!(count(&mut page, new(&names), now() + HOUR * 24 * 8), 4, "a week later all are back");
}

#[test]
fn the_order_of_names_makes_no_other_set() {
    let mut page = Page::default();
    assert_eq!(count(&mut page, new(&names("a.example.com b.example.com")), now()), 4);
    assert_eq!(count(&mut page, new(&names("b.example.com a.example.com")), now()), 0);
    assert_eq!(count(&mut page, new(&names("b.example.com")), now()), 4);
}

#[test]
fn a_registered_domain_gets_fifty_and_renewals_do_not_count() {
    let mut page = Page::default();
    let issued = (0..200).take_while(|n| {
        let names = names(&format!("n{n}.example.co.uk"));
        order(&mut page, new(&names), now()).is_ok()
    });
    assert_eq!(issued.count(), 50);
    let one = names("another.example.co.uk www.example.org");
    assert_eq!(
        order(&mut page, new(&one), now()).expect_err("full").until,
        now() + Duration::from_secs(202 * 60)
    );
    assert_eq!(count(&mut page, Expense { counted: Counted::AsRenewal, ..new(&one) }, now()), 4);
    assert_eq!(
        count(&mut page, new(&names("www.example.net")), now()),
        4,
        "another domain is another bucket"
    );
}

#[test]
fn an_account_places_three_hundred_orders_in_three_hours() {
    let mut page = Page::default();
    let placed = |page: &mut Page, from: u32, now| {
        let one = |n: &u32| order(page, new(&names(&format!("www.example{n}.com"))), now).is_ok();
        (from..from + 1000).take_while(one).count()
    };
    assert_eq!(placed(&mut page, 0, now()), 300);
    assert_eq!(placed(&mut page, 1000, now() + HOUR), 100);
    let (other, one) = ("https://ca.example/acct/2", names("www.other.com"));
    assert_eq!(order(&mut page, Expense { account: other, ..new(&one) }, now() + HOUR), Ok(()));
}

#[test]
fn a_name_may_fail_five_times_in_an_hour() {
    let mut page = Page::default();
    let both = names("bad.example.com good.example.com");
    for _ in 0..5 {
        assert_eq!(fail(&mut page, Expense { urgent: true, ..new(&both) }, now()), Ok(()));
    }
    let short = order(&mut page, new(&both), now()).expect_err("it failed five times");
    assert_eq!(short.until, now() + Duration::from_secs(12 * 60));
    assert!(short.what.contains("bad.example.com"), "{}", short.what);
    assert_eq!(
        count(&mut page, new(&names("good.example.com")), now()),
        4,
        "the others may go on without it"
    );
    assert_eq!(order(&mut page, new(&both), short.until), Ok(()), "what came to nothing was given back");
}

#[test]
fn a_name_that_never_works_is_not_driven_into_a_pause() {
    let mut page = Page::default();
    let both = names("bad.example.com good.example.com");
    let mut at = now();
    // Only the hourly limit in mind, twelve minutes each: ten days of it.
    while fail(&mut page, new(&both), at).is_ok() {
        at += Duration::from_secs(12 * 60);
    }
    let day = Duration::from_secs(86_400);
    assert!(at > now() + day * 9 && at < now() + day * 10, "{}", clock::rfc3339(at));
    let short = order(&mut page, new(&both), at).expect_err("it would be paused");
    assert!(short.until > at && short.until <= at + day, "{}", clock::rfc3339(short.until));
    assert!(
        short.what.contains("bad.example.com") && short.what.contains("lift the pause"),
        "{}",
        short.what
    );
    let exempt = Expense { counted: Counted::Exempt, ..new(&both) };
    assert!(place(&mut page, exempt, at).is_err(), "no exemption covers that");
    assert_eq!(order(&mut page, new(&names("good.example.com")), at), Ok(()));

    assert_eq!(order(&mut page, new(&both), short.until), Ok(()), "one a day");
    verified(&mut page, ACCOUNT, &both);
    assert_eq!(order(&mut page, exempt, at), Ok(()), "a success begins a new row");
}

#[test]
fn an_order_in_the_cas_window_costs_nothing() {
    let mut page = Page::default();
    let one = names("example.com");
    assert_eq!(count(&mut page, Expense { counted: Counted::Exempt, ..new(&one) }, now()), 2000);
    assert_eq!(page, Page::default());
}

#[test]
fn an_order_that_came_to_nothing_gives_back_what_it_cost_once() {
    let (mut page, names) = (Page::default(), names("example.com"));
    assert_eq!(count(&mut page, new(&names), now()), 4);
    assert_eq!(place(&mut page, Expense { urgent: true, ..new(&names) }, now()), Ok(()));
    assert!(is_open(&page, &names));
    for _ in 0..3 {
        no_certificate(&mut page, &names, now() + HOUR);
    }
    assert!(!is_open(&page, &names));
    let all = Expense { urgent: true, ..new(&names) };
    assert_eq!(count(&mut page, all, now() + HOUR), 1, "one of the five was given back");
}

#[test]
fn an_order_that_nobody_goes_on_with_gives_way_to_the_next() {
    let (mut page, names) = (Page::default(), names("example.com"));
    // Each dies before it is proved, and nobody hears of it.
    for minute in 0..20 {
        assert_eq!(place(&mut page, new(&names), now() + Duration::from_secs(60 * minute)), Ok(()));
    }
    let at = now() + HOUR;
    verified(&mut page, ACCOUNT, &names);
    assert_eq!(count(&mut page, new(&names), at), 3, "there may be a certificate of the last one");
}

#[test]
fn an_order_that_was_refused_when_it_was_proved_gives_back_what_it_cost() {
    let (mut page, names) = (Page::default(), names("example.com"));
    for _ in 0..20 {
        assert_eq!(place(&mut page, new(&names), now()), Ok(()));
        verified(&mut page, ACCOUNT, &names);
        no_certificate(&mut page, &names, now());
    }
}

#[test]
fn what_came_back_by_itself_is_not_given_back() {
    let (one, other) = (names("a.example.com"), names("b.example.com"));
    let left_of_domain = |page: &Page, at| left(page, &Limits::letsencrypt(), &one, at)[1].left;
    let mut page = Page::default();
    assert_eq!(place(&mut page, new(&one), now()), Ok(()));
    // A token of the domain comes back every 202 minutes, so its bucket is full again by then.
    let later = now() + HOUR * 4;
    assert_eq!(order(&mut page, new(&other), later), Ok(()));
    no_certificate(&mut page, &one, later);
    assert_eq!(left_of_domain(&page, later), 49);

    let mut page = Page::default();
    assert_eq!(place(&mut page, new(&one), now()), Ok(()));
    no_certificate(&mut page, &one, now() - HOUR);
    assert_eq!(left_of_domain(&page, now()), 49, "a clock that was set back tells nothing");
}

#[test]
fn nothing_is_given_back_of_what_the_ca_says_is_spent() {
    let (one, other) = (names("a.example.com"), names("b.example.com"));
    let (mut page, limits) = (Page::default(), Limits::letsencrypt());
    assert_eq!(place(&mut page, new(&one), now()), Ok(()));
    let until = now() + HOUR * 20;
    let detail = r#"too many certificates (50) already issued for "example.com" in the last 168h"#;
    limited(&mut page, &limits, new(&other), detail, until, now());
    no_certificate(&mut page, &one, now());
    assert_eq!(order(&mut page, new(&other), now()).expect_err("as the CA said").until, until);
}

#[test]
fn ten_accounts_in_three_hours() {
    let (mut page, limits) = (Page::default(), Limits::letsencrypt());
    let made = (0..100).take_while(|_| spend(&mut page, &Cost::of_account(&limits), now()).is_ok());
    assert_eq!(made.count(), 10);
}

#[test]
fn what_was_issued_before_the_ledger_began_is_recollected() {
    let (mut page, names) = (Page::default(), names("example.com"));
    for days in [9, 3, 2, 2, 1] {
        let at = now() - HOUR * 24 * days;
        let issued =
            Issued { names: names.clone(), at, directory: String::new(), account: Some(ACCOUNT.into()) };
        recollect(&mut page, &Limits::letsencrypt(), &issued);
    }
    // Four in three days, at one in thirty-four hours: two of them have come back.
    assert_eq!(count(&mut page, Expense { urgent: true, ..new(&names) }, now()), 3);
}

#[test]
fn the_words_of_the_ca_count_more_than_our_sums() {
    let limits = Limits::letsencrypt();
    let one = names("www.example.com www.example.net");
    let until = now() + HOUR * 20;
    for (detail, other, free) in [
        (
            r#"too many certificates (5) already issued for this exact set of identifiers"#,
            "example.com",
            true,
        ),
        (
            r#"too many certificates (50) already issued for "example.com" in the last 168h"#,
            "a.example.com",
            false,
        ),
        (
            r#"too many certificates (50) already issued for "example.com" in the last 168h"#,
            "a.example.net",
            true,
        ),
        (
            r#"too many failed authorizations (5) for "www.example.com" in the last 1h"#,
            "www.example.com",
            false,
        ),
        (
            r#"too many failed authorizations (5) for "www.example.com" in the last 1h"#,
            "www.example.net",
            true,
        ),
        (r#"too many new orders (300) from this account in the last 3h0m0s"#, "a.example.org", false),
        (
            "Your account is temporarily prevented from requesting certificates for www.example.com, \
             www.example.net and possibly others. Please visit: https://portal.example/unpause",
            "www.example.net",
            false,
        ),
        ("something else", "www.example.com", true),
    ] {
        let mut page = Page::default();
        limited(&mut page, &limits, new(&one), detail, until, now());
        let expense = Expense { urgent: true, ..new(&one) };
        let said = order(&mut page, expense, now());
        assert_eq!(said.is_ok(), detail == "something else", "{detail}");
        assert_eq!(order(&mut page, new(&names(other)), now()).is_ok(), free, "{detail}: {other}");
    }
}

#[test]
fn after_a_loss_no_more_than_two_of_a_set_in_a_week() {
    let limits = Limits::letsencrypt();
    let (mut page, names) = (Page::default(), names("example.com"));
    let guarded = |page: &mut Page, expense, now| spend(page, &Cost::of(expense, &limits, true), now);
    for _ in 0..2 {
        assert_eq!(guarded(&mut page, new(&names), now()), Ok(()));
    }
    let short = guarded(&mut page, new(&names), now()).expect_err("there were two");
    assert!(short.what.contains("storage lost"), "{}", short.what);
    assert_eq!(short.until, now() + HOUR * 24 * 7);
    assert_eq!(order(&mut page, new(&names), now()), Ok(()), "unless it is forced");
    assert_eq!(guarded(&mut page, Expense { urgent: true, ..new(&names) }, now()), Ok(()));
}

#[test]
fn a_long_list_of_names_does_not_make_a_long_ledger() {
    let many = |from: usize| {
        let list: Vec<String> = (from..from + 100).map(|n| format!("name{n:04}.example.com")).collect();
        set(&names(&list.join(" ")))
    };
    assert!(many(0).len() < 200, "{}", many(0));
    assert_ne!(many(0), many(1));
}
