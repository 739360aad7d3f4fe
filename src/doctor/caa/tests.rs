use super::*;
use crate::doctor::Outcome;

const ACCOUNT: &str = "https://ca.test/acct/1";

fn ca() -> Ca {
    let identities = vec!["ca.test".to_owned(), "ca2.test".to_owned()];
    Ca { called: None, identities, account: Some(ACCOUNT.to_owned()) }
}

fn fqdn(name: &str) -> Fqdn {
    Fqdn::parse(name).expect(name)
}

/// Records as `tag value`, with a `!` in front of a critical one.
fn set(records: &[&str]) -> Vec<Caa> {
    let record = |text: &&str| {
        let bare = text.strip_prefix('!').unwrap_or(text);
        let (tag, value) = bare.split_once(' ').expect("a tag and a value");
        Caa { critical: bare != *text, tag: tag.to_owned(), value: value.to_owned() }
    };
    records.iter().map(record).collect()
}

fn judged(name: &str, sets: &[&[&str]], ca: &Ca) -> Finding {
    let found = Found::Set(fqdn("example.com"), sets.iter().map(|records| set(records)).collect());
    judge(&fqdn(name), &found, &[ca], &["http-01", "tls-alpn-01"]).remove(0)
}

#[test]
fn whom_the_records_name_decides() {
    let ours = "issue ca.test; accounturi=https://ca.test/acct/1; validationmethods=dns-01,http-01";
    for (name, records, outcome, words) in [
        ("a.example.com", &["issue ca.test"][..], Outcome::Pass, "let this CA issue"),
        ("a.example.com", &["issue CA2.test."], Outcome::Pass, ""),
        ("a.example.com", &["issue other.test", "issue ca.test"], Outcome::Pass, ""),
        ("a.example.com", &["iodef mailto:a@b.test"], Outcome::Pass, ""),
        ("a.example.com", &["!issue ca.test", "!iodef x"], Outcome::Pass, ""),
        ("a.example.com", &["policy x"], Outcome::Pass, ""),
        ("a.example.com", &["issuewild ;"], Outcome::Pass, ""),
        ("a.example.com", &[ours], Outcome::Pass, ""),
        (
            "a.example.com",
            &["issue other.test"],
            Outcome::Fail,
            "allow \"other.test\", not ca.test, ca2.test",
        ),
        ("a.example.com", &["issue ;"], Outcome::Fail, "allow \";\", not ca.test"),
        ("a.example.com", &["issue ca.test", "!policy x"], Outcome::Fail, "critical tag \"policy\""),
        // What is not written as the standard has it means nobody.
        ("a.example.com", &["issue ca.test; x"], Outcome::Fail, "allow \"ca.test; x\""),
        (
            "a.example.com",
            &["issue ca.test; accounturi=https://ca.test/acct/2"],
            Outcome::Fail,
            "are for the account https://ca.test/acct/2, and ours is https://ca.test/acct/1",
        ),
        (
            "a.example.com",
            &["issue ca.test; validationmethods=dns-01"],
            Outcome::Fail,
            "want a proof by dns-01, and ours is by http-01, tls-alpn-01",
        ),
        ("*.example.com", &["issue ca.test"], Outcome::Pass, ""),
        ("*.example.com", &["issue other.test", "issuewild ca.test"], Outcome::Pass, ""),
        ("*.example.com", &["issue ca.test", "issuewild ;"], Outcome::Fail, "allow \";\""),
    ] {
        let found = judged(name, &[records], &ca());
        assert_eq!(found.outcome, outcome, "{name} {records:?}: {found:?}");
        assert!(found.reason.contains(words), "{name} {records:?}: {}", found.reason);
    }
}

#[test]
fn the_way_out_is_the_record_that_is_missing() {
    let found = judged("*.example.com", &[&["issuewild ;"]], &ca());
    assert_eq!(found.remedy.as_deref(), Some("Set the record: example.com. CAA 0 issuewild \"ca.test\""));
    let found = judged("example.com", &[&["issue ;"]], &ca());
    assert_eq!(found.remedy.as_deref(), Some("Set the record: example.com. CAA 0 issue \"ca.test\""));
}

#[test]
fn what_depends_on_what_is_not_known_cannot_be_told() {
    let stranger = Ca { account: None, ..ca() };
    let of_account = "issue ca.test; accounturi=https://ca.test/acct/1";
    assert_eq!(judged("example.com", &[&[of_account]], &stranger).outcome, Outcome::Unknown);
    assert_eq!(judged("example.com", &[&[of_account, "issue ca.test"]], &stranger).outcome, Outcome::Pass);
    let nameless = Ca { identities: Vec::new(), ..ca() };
    assert_eq!(judged("example.com", &[&["issue other.test"]], &nameless).outcome, Outcome::Unknown);
    assert_eq!(judged("example.com", &[&["iodef x"]], &nameless).outcome, Outcome::Pass);
}

#[test]
fn what_names_no_ca_is_said_once_and_the_rest_of_each() {
    let called = |called: &str, identity: &str| Ca {
        called: Some(called.to_owned()),
        identities: vec![identity.to_owned()],
        account: None,
    };
    let (ca, other) = (called("a", "ca.test"), called("b", "other.test"));
    let judged = |found: Found| judge(&fqdn("a.example.com"), &found, &[&ca, &other], &[]);
    let silent = judged(Found::Unanswered(fqdn("example.com"), "ns1 says SERVFAIL".to_owned()));
    assert_eq!((silent.len(), silent[0].outcome, &silent[0].ca), (1, Outcome::Unknown, &None));
    assert!(silent[0].reason.ends_with("ns1 says SERVFAIL"), "{}", silent[0].reason);
    let nothing = judged(Found::Nothing);
    assert_eq!((nothing.len(), nothing[0].outcome, &nothing[0].ca), (1, Outcome::Pass, &None));
    let named = judged(Found::Set(fqdn("example.com"), vec![set(&["issue other.test"])]));
    let outcomes: Vec<_> = named.iter().map(|found| (found.ca.as_deref(), found.outcome)).collect();
    assert_eq!(outcomes, [(Some("a"), Outcome::Fail), (Some("b"), Outcome::Pass)]);
}

#[test]
fn only_what_all_servers_forbid_is_certain() {
    assert_eq!(judged("example.com", &[&["issue ;"], &[]], &ca()).outcome, Outcome::Warn);
    assert_eq!(judged("example.com", &[&["issue ;"], &["issue b.test"]], &ca()).outcome, Outcome::Fail);
    assert_eq!(judged("example.com", &[&["issue ca.test"], &[]], &ca()).outcome, Outcome::Pass);
}

#[test]
fn a_record_cannot_steer_a_terminal_or_fill_it() {
    let long = format!("issue \u{1b}[2J{}", "x".repeat(5000));
    let records: Vec<&str> = std::iter::repeat_n(long.as_str(), 30).collect();
    let found = judged("example.com", &[&records], &ca());
    assert_eq!(found.outcome, Outcome::Fail);
    assert!(!found.reason.contains('\u{1b}') && found.reason.len() < 3000, "{}", found.reason);
}
