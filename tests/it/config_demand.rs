//! What can be wrong with `[on_demand]`, and what it comes to when nothing is.

use sidegate::config::{self, Env, Flags, OnDemand, Purpose};

use crate::config_faults::faults_of;

const SITE: &str = "[[site]]\ndomains = [\"example.com\"]\nto = 3000\n";

fn on_demand(text: &str) -> OnDemand {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("x.toml");
    std::fs::write(&file, text).expect("written");
    let serve = Purpose::Serve { file: Some(file) };
    let settings = config::load(&serve, &Flags::default(), &Env::default());
    settings.unwrap_or_else(|faults| panic!("{faults}")).on_demand.expect("it is on")
}

#[test]
fn each_fault_says_what_would_be_right() {
    for (rules, fault) in [
        ("", "1:2: on_demand: nothing says which names may have a certificate. Accepted: allow = ["),
        ("per_hour = 3", "1:2: on_demand: nothing says which names may have a certificate."),
        ("allow = []", "2:9: on_demand.allow: the list is empty."),
        ("allow = [\"a b.example.com\"]", "2:10: on_demand.allow: `a b.example.com` is not a name"),
        (
            "allow = [\"*.example.com\"]",
            "2:10: on_demand.allow: *.example.com is not one name. \
             Accepted: suffixes = [\"example.com\"] for all names below it",
        ),
        (
            "allow = [\"example.com\"]",
            "2:10: on_demand.allow: example.com is a domain of a site, and needs no leave.",
        ),
        (
            "allow = [\"db.internal\"]",
            "2:10: on_demand.allow: no public CA can sign db.internal, or names below it.",
        ),
        ("suffixes = [\"com\"]", "2:13: on_demand.suffixes: no public CA can sign com, or names below it."),
        (
            "suffixes = [\"*.example.com\"]",
            "2:13: on_demand.suffixes: a suffix has no `*.`. Accepted: \"example.com\", which means all names",
        ),
        (
            "ask = \"127.0.0.1:9000\"",
            "2:7: on_demand.ask: \"127.0.0.1:9000\" is not a URL that can be asked.",
        ),
        (
            "ask = \"ftp://a.example/\"",
            "2:7: on_demand.ask: \"ftp://a.example/\" is not a URL that can be asked.",
        ),
        ("ask = \"http://u:p@a.example/\"", "2:7: on_demand.ask: "),
        ("ask = \"http://a.example/\"\nto = \"ftp://b\"", "3:6: on_demand.to: "),
        (
            "ask = \"http://a.example/\"\npolicy = \"fall back\"",
            "3:10: on_demand.policy: \"fall back\" is none of the choices. Did you mean `fallback`?",
        ),
        (
            "ask = \"http://a.example/\"\nper_hour = 0",
            "3:12: on_demand.per_hour: \"0\" is not such a number. Accepted: a number from 1 to 10000",
        ),
        (
            "ask = \"http://a.example/\"\nper_domain_per_hour = \"x\"",
            "3:23: on_demand.per_domain_per_hour: \"x\"",
        ),
        ("ask = \"http://a.example/\"\nmax_names = 10001", "3:13: on_demand.max_names: \"10001\""),
        (
            "ask = \"http://a.example/\"\ndeny_ttl = \"10\"",
            "3:12: on_demand.deny_ttl: \"10\" is not a duration.",
        ),
        ("ask = \"http://a.example/\"\ndeny_ttl = \"0s\"", "3:12: on_demand.deny_ttl: \"0s\" is too short."),
        (
            "ask = \"http://a.example/\"\nallowed = 1",
            "3:1: on_demand.allowed: unknown key. Did you mean `allow`?",
        ),
    ] {
        let faults = faults_of(&format!("[on_demand]\n{rules}\n{SITE}"));
        let [found] = &faults[..] else { panic!("{rules}: {faults:#?}") };
        assert!(found.starts_with(fault), "{found}\nis not\n{fault}");
    }
}

#[test]
fn requests_go_where_it_says_or_where_those_of_the_first_site_do() {
    let rules = "[on_demand]\nsuffixes = [\"example.net\"]\n";
    assert_eq!(on_demand(&format!("{rules}{SITE}")).to.to_string(), "http://localhost:3000");
    assert_eq!(on_demand(&format!("{rules}to = 3004\n{SITE}")).to.to_string(), "http://localhost:3004");
    assert_eq!(on_demand(&format!("{rules}to = 3004\n")).to.to_string(), "http://localhost:3004", "no site");
    let faults = faults_of(rules);
    assert!(faults[0].starts_with("1:2: on_demand.to: nothing says where requests go."), "{faults:?}");
}

#[test]
fn a_ca_of_ones_own_signs_names_of_the_house() {
    let text = format!(
        "[acme]\ndirectory = \"https://ca.example.com/dir\"\n[on_demand]\nsuffixes = [\"apps.internal\"]\n{SITE}"
    );
    assert!(on_demand(&text).names.private);
    assert!(!on_demand(&format!("[on_demand]\nsuffixes = [\"example.net\"]\n{SITE}")).names.private);
}
