use super::*;

const ACCOUNT: &str = "https://ca.test/acct/1";
const NOW: u64 = 1_800_000_000;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

fn fqdn(name: &str) -> Fqdn {
    Fqdn::parse(name).expect("a name")
}

fn issuers() -> Vec<String> {
    vec!["ca.test".to_owned(), "old.test".to_owned()]
}

#[test]
fn the_record_is_written_as_a_zone_has_it() {
    for (name, record) in [
        (
            "example.com",
            "_validation-persist.example.com. TXT \"ca.test; accounturi=https://ca.test/acct/1\"",
        ),
        (
            "*.example.com",
            "_validation-persist.example.com. TXT \"ca.test; accounturi=https://ca.test/acct/1; policy=wildcard\"",
        ),
    ] {
        let issuers = issuers();
        let needed = Needed::new(&fqdn(name), &issuers, ACCOUNT).expect("it is short enough");
        assert_eq!(needed.to_string(), record);
        // What is printed is what is looked for.
        let value = record.split('"').nth(1).expect("a value").to_owned();
        assert_eq!(needed.held(&[value], now()), Held::Granted(None), "{name}");
    }
}

#[test]
fn a_long_value_has_several_strings_and_a_long_name_no_record() {
    let (issuers, account) = (issuers(), format!("https://ca.test/{}", "a".repeat(300)));
    let needed = Needed::new(&fqdn("example.com"), &issuers, &account).expect("it is short enough");
    let record = needed.to_string();
    let strings: Vec<&str> = record.split('"').skip(1).step_by(2).collect();
    assert_eq!(strings.iter().map(|part| part.len()).collect::<Vec<_>>(), [255, 336 - 255]);
    assert_eq!(needed.held(&[strings.concat()], now()), Held::Granted(None));

    let label = "a".repeat(60);
    let long = fqdn(&format!("{label}.{label}.{label}.{label}.com"));
    assert_eq!(Needed::new(&long, &issuers, ACCOUNT), None);
}

#[test]
fn records_are_judged_as_cas_judge_them() {
    let ends = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    let good = "ca.test; accounturi=https://ca.test/acct/1";
    let with = |more: &str| format!("{good}; {more}");
    for (name, texts, held) in [
        ("example.com", vec![], Held::Absent),
        ("example.com", vec![good.to_owned()], Held::Granted(None)),
        ("example.com", vec!["v=spf1 -all".to_owned(), good.to_owned()], Held::Granted(None)),
        ("example.com", vec![good.replace("ca.test;", "OLD.test.;")], Held::Granted(None)),
        ("example.com", vec![good.replace("accounturi", "AccountURI")], Held::Granted(None)),
        ("example.com", vec![with("x-unknown=1")], Held::Granted(None)),
        ("example.com", vec![with("policy=wildcard")], Held::Granted(None)),
        ("example.com", vec![with("policy=other")], Held::Granted(None)),
        ("*.example.com", vec![with("policy=WildCard")], Held::Granted(None)),
        ("*.example.com", vec![with("policy=other")], Held::NameOnly),
        ("*.example.com", vec![good.to_owned()], Held::NameOnly),
        ("example.com", vec![good.replace("ca.test;", "other.test;")], Held::Absent),
        ("example.com", vec![format!("{good}1")], Held::OtherAccount(format!("{ACCOUNT}1"))),
        ("example.com", vec![format!("{good}1"), good.to_owned()], Held::Granted(None)),
        // Not as it should be.
        ("example.com", vec!["ca.test".to_owned()], Held::Absent),
        ("example.com", vec!["ca.test; accounturi=".to_owned()], Held::Absent),
        ("example.com", vec![with("accounturi=https://ca.test/acct/1")], Held::Absent),
        ("example.com", vec![with("policy")], Held::Absent),
        ("example.com", vec![with("persistUntil=tomorrow")], Held::Absent),
        ("example.com", vec![with("persistUntil=+1900000000")], Held::Absent),
        ("example.com", vec![with("persistUntil=")], Held::Absent),
        // In time, and not.
        ("example.com", vec![with("persistUntil=1800000000")], Held::Granted(ends(NOW))),
        ("example.com", vec![with("persistUntil=1799999999")], Held::Ended(now() - Duration::from_secs(1))),
        ("example.com", vec![with("persistUntil=99999999999999999")], Held::Granted(ends(FOR_EVER))),
        (
            "example.com",
            vec![with("persistUntil=1700000000"), with("persistUntil=1900000000")],
            Held::Granted(ends(1_900_000_000)),
        ),
        ("example.com", vec![with("persistUntil=1700000000"), good.to_owned()], Held::Granted(None)),
        (
            "*.example.com",
            vec![with("policy=wildcard; persistUntil=1700000000"), good.to_owned()],
            Held::Ended(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
        ),
    ] {
        let issuers = issuers();
        let needed = Needed::new(&fqdn(name), &issuers, ACCOUNT).expect("it is short enough");
        assert_eq!(needed.held(&texts, now()), held, "{name}: {texts:?}");
    }
}

#[test]
fn one_server_that_lags_behind_is_enough_to_wait_for() {
    let issuers = issuers();
    let needed = Needed::new(&fqdn("example.com"), &issuers, ACCOUNT).expect("it is short enough");
    let good = format!("ca.test; accounturi={ACCOUNT}");
    let until = |seconds: u64| format!("{good}; persistUntil={seconds}");
    let differently = |views: &[&[&str]]| {
        let texts = |texts: &&[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let views = views.iter().map(|view| ("ns".to_owned(), texts(view))).collect();
        needed.shown(Said::Differently(views), now())
    };
    let (good, later, sooner) = (good.as_str(), &until(1_900_000_000), &until(1_850_000_000));
    let all = Held::Granted(Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_850_000_000)));
    for (shown, expected) in [
        (differently(&[&[good], &[]]), Shown::NotEverywhere(Held::Absent)),
        (differently(&[&["x"], &[]]), Shown::Everywhere(Held::Absent)),
        (differently(&[&[later], &[sooner]]), Shown::Everywhere(all)),
        (differently(&[&[good], &["x", good]]), Shown::Everywhere(Held::Granted(None))),
        (needed.shown(Said::Nothing("silence".to_owned()), now()), Shown::Unknown("silence".to_owned())),
    ] {
        assert_eq!(shown, expected);
    }
}

#[test]
fn an_end_is_told_of_before_the_last_renewal() {
    let day = Duration::from_secs(86_400);
    for (held, soon) in [
        (Held::Granted(None), false),
        (Held::Granted(Some(now() + 151 * day)), false),
        (Held::Granted(Some(now() + 149 * day)), true),
        (Held::Absent, false),
    ] {
        assert_eq!(held.ends_soon(now()), soon, "{held}");
    }
}
