//! `sidegate doctor` with a real DNS server and a real CA, as an operator runs it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::house::named::Named;
use crate::house::pebble::{Pebble, Settings};
use crate::house::process::{Place, Sidegate};

/// Names that are as they should be, and names with something wrong.
const RECORDS: &str = "\
good      A     127.0.0.1
good      CAA   0 issue \"ca.test\"
torn      A     127.0.0.1
torn      AAAA  2001:db8::1
nowhere   TXT   \"nothing else\"
alias     CNAME good
strict    A     127.0.0.1
strict    CAA   0 issue \"other.example\"
a.strict  A     127.0.0.1
strange   A     127.0.0.1
strange   CAA   128 tbs \"unknown\"
ways      A     127.0.0.1
ways      CAA   0 issue \"ca.test; validationmethods=dns-01\"
stranger  A     127.0.0.1
stranger  CAA   0 issue \"ca.test; accounturi=https://ca.test/acct/1\"
";

const NAMES: [&str; 8] = ["good", "torn", "nowhere", "alias", "a.strict", "strange", "ways", "stranger"];

/// A CA that goes by a name in the DNS, and looks at this server.
pub(crate) async fn pebble(place: &Place, named: &Named) -> Pebble {
    let mut settings = Settings::new(place.http, place.https);
    settings.dns = Some(named.port());
    settings.identities = vec!["ca.test".to_owned()];
    settings.newer = true;
    Pebble::start(settings).await
}

/// `[acme]` for that CA and that server.
pub(crate) fn acme(place: &Place, pebble: &Pebble, named: &Named) -> String {
    for (name, pem) in [("api.pem", pebble.api_root()), ("issuance.pem", pebble.issuance_root())] {
        std::fs::write(place.path(name), pem).expect("written");
    }
    format!(
        "directory = {:?}\nretry = [\"1s\"]\napi_root = \"api.pem\"\nissuance_root = \"issuance.pem\"\nnameservers = [\"{}\"]",
        pebble.directory(),
        named.server(),
    )
}

fn sites(names: &[&str]) -> String {
    names.iter().map(|name| format!("[[site]]\nto = 1\ndomains = [\"{name}.test\"]\n")).collect()
}

/// What it prints, and its exit code.
pub(crate) fn doctor(config: &Path, more: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(["doctor", "-c"])
        .arg(config)
        .args(more)
        .output()
        .expect("the program starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.is_empty(), "{told}");
    (String::from_utf8(output.stdout).expect("text"), output.status.code())
}

/// The outcome and the reason of each check, by its name and the name it is about.
fn findings(json: &str) -> BTreeMap<(String, String), (String, String)> {
    let rows: Value = serde_json::from_str(json).expect("JSON");
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let rows = rows.as_array().expect("a list").iter();
    rows.map(|row| ((text(row, "name"), text(row, "check")), (text(row, "outcome"), text(row, "reason"))))
        .collect()
}

#[tokio::test]
async fn what_is_wrong_with_a_name_is_found_before_anything_is_ordered() {
    let (place, named) = (Place::new(), Named::holding(RECORDS).await);
    let pebble = pebble(&place, &named).await;
    let config = place.configure(&acme(&place, &pebble, &named), &sites(&NAMES));
    let (out, code) = doctor(&config, &["--json"]);
    assert_eq!(code, Some(2), "{out}");
    let found = findings(&out);
    let (http, https) = (format!("port {}", place.http), format!("port {}", place.https));
    for (name, check, outcome, words) in [
        ("", "storage", "pass", "can be written, with room for"),
        ("", http.as_str(), "pass", "is free"),
        ("", https.as_str(), "pass", "is free"),
        ("", "CA", "pass", "answers"),
        ("", "clock", "pass", "within 60 seconds"),
        ("good.test", "addresses", "pass", "the CA goes to 127.0.0.1; that is this machine"),
        ("good.test", "CAA", "pass", "the CAA records of good.test let this CA issue"),
        ("good.test", "http-01", "cannot tell", "sidegate does not run here yet"),
        ("torn.test", "addresses", "warn", "goes to 2001:db8::1 first, and to 127.0.0.1 only if"),
        ("torn.test", "CAA", "pass", "no CAA record"),
        ("nowhere.test", "addresses", "fail", "neither an A nor an AAAA record"),
        ("alias.test", "addresses", "pass", "127.0.0.1"),
        ("alias.test", "CAA", "pass", "let this CA issue"),
        (
            "a.strict.test",
            "CAA",
            "fail",
            "the CAA records of strict.test allow \"other.example\", not ca.test",
        ),
        ("strange.test", "CAA", "fail", "the critical tag \"tbs\""),
        ("ways.test", "CAA", "fail", "want a proof by dns-01, and ours is by http-01, tls-alpn-01"),
        ("stranger.test", "CAA", "cannot tell", "and we have none yet"),
    ] {
        let key = (name.to_owned(), check.to_owned());
        let (seen, reason) = found.get(&key).unwrap_or_else(|| panic!("no {key:?} in {out}"));
        assert_eq!(seen, outcome, "{key:?}: {reason}");
        assert!(reason.contains(words), "{key:?}: {reason}");
    }
    assert_eq!((pebble.accounts(), pebble.orders()), (0, 0), "it only looks");
    assert!(!place.storage().exists(), "it only looks");
}

#[tokio::test]
async fn a_name_that_is_served_is_found_to_be() {
    let (place, named) = (Place::new(), Named::holding(RECORDS).await);
    let pebble = pebble(&place, &named).await;
    let config = place.configure(&acme(&place, &pebble, &named), &sites(&["good"]));
    let sidegate = Sidegate::issued(&config).await;
    let (out, code) = doctor(&config, &["good.test"]);
    assert_eq!(code, Some(0), "{out}");
    for words in ["sidegate (pid ", "sidegate answers at 127.0.0.1", "127.0.0.1 takes connections"] {
        assert!(out.contains(words), "{out}");
    }
    assert!(!out.contains('\u{1b}'), "colours are for terminals: {out}");
    // Now there is an account, and it is not the one.
    let (out, code) = doctor(&config, &["stranger.test"]);
    assert_eq!(code, Some(2), "{out}");
    assert!(
        out.contains("are for the account https://ca.test/acct/1, and ours is https://127.0.0.1:"),
        "{out}"
    );
    sidegate.stop().await;
}

#[tokio::test]
async fn a_ca_that_does_not_answer_is_a_contradiction_and_silent_servers_are_not() {
    let (place, named) = (Place::new(), Named::holding(RECORDS).await);
    let mut pebble = pebble(&place, &named).await;
    let config = place.configure(&acme(&place, &pebble, &named), &sites(&["good"]));
    pebble.stop();
    drop(named);
    let (out, code) = doctor(&config, &["--json"]);
    assert_eq!(code, Some(2), "{out}");
    let found = findings(&out);
    let outcome = |name: &str, check: &str| found[&(name.to_owned(), check.to_owned())].0.clone();
    assert_eq!(outcome("", "CA"), "fail");
    assert_eq!(
        [outcome("good.test", "addresses"), outcome("good.test", "CAA")],
        ["cannot tell", "cannot tell"]
    );
}

#[test]
fn where_no_name_is_for_a_ca_that_is_said() {
    let place = Place::new();
    let config = place.configure("", "[[site]]\nto = 1\ndomains = [\"db.internal\"]\n");
    let (told, _) = doctor(&config, &[]);
    let last = "\nno name of the configuration is for a CA; `sidegate doctor example.com` looks at one\n";
    assert!(told.ends_with(last), "{told}");
    let (json, _) = doctor(&config, &["--json"]);
    assert_eq!(findings(&json).len(), 3, "the storage and two ports: {json}");
}

/// A second CA that goes by another name, and what makes it one of the configuration.
async fn fallback(place: &Place, named: &Named) -> (Pebble, String) {
    let mut settings = Settings::new(place.http, place.https);
    settings.dns = Some(named.port());
    settings.identities = vec!["other.example".to_owned()];
    settings.newer = true;
    let other = Pebble::start(settings).await;
    std::fs::write(place.path("other-api.pem"), other.api_root()).expect("written");
    let table =
        format!("\n[[acme.fallback]]\ndirectory = {:?}\napi_root = \"other-api.pem\"\n", other.directory());
    (other, table)
}

#[tokio::test]
async fn every_ca_is_looked_at_and_only_what_all_of_them_forbid_is_a_contradiction() {
    let (place, named) = (Place::new(), Named::holding(RECORDS).await);
    let pebble = pebble(&place, &named).await;
    let (mut other, table) = fallback(&place, &named).await;
    let acme = acme(&place, &pebble, &named) + &table;
    let config = place.configure(&acme, &sites(&["good", "alias", "a.strict", "strange"]));
    let (first, second) = (pebble.directory(), other.directory());
    // What is said of a name at a CA: the outcome and why.
    let said = |rows: &[Value], name: &str, check: &str, ca: Option<&str>| -> (String, String) {
        let row = rows.iter().find(|row| {
            row["name"].as_str().unwrap_or_default() == name
                && row["check"] == check
                && row.get("ca").and_then(Value::as_str) == ca
        });
        let row = row.unwrap_or_else(|| panic!("nothing of {check} of {name} at {ca:?} in {rows:#?}"));
        (row["outcome"].as_str().expect("text").to_owned(), row["reason"].as_str().expect("text").to_owned())
    };
    let (out, code) = doctor(&config, &["--json"]);
    assert_eq!(code, Some(2), "no CA may issue for strange.test: {out}");
    let rows: Vec<Value> = serde_json::from_str(&out).expect("JSON");
    for (name, check, ca, outcome, words) in [
        ("", "CA", Some(&first), "pass", "answers"),
        ("", "CA", Some(&second), "pass", "answers"),
        ("", "clock", Some(&first), "pass", "within"),
        ("", "clock", Some(&second), "pass", "within"),
        ("good.test", "addresses", None, "pass", "127.0.0.1"),
        ("good.test", "CAA", Some(&first), "pass", "let this CA issue"),
        ("good.test", "CAA", Some(&second), "warn", "allow \"ca.test\", not other.example"),
        ("a.strict.test", "CAA", Some(&first), "warn", "allow \"other.example\", not ca.test"),
        ("a.strict.test", "CAA", Some(&second), "pass", "let this CA issue"),
        ("strange.test", "CAA", Some(&first), "fail", "the critical tag"),
        ("strange.test", "CAA", Some(&second), "fail", "the critical tag"),
    ] {
        let (seen, reason) = said(&rows, name, check, ca.map(String::as_str));
        assert_eq!(seen, outcome, "{check} of {name} at {ca:?}: {reason}");
        assert!(reason.contains(words), "{reason}");
    }
    let (out, code) = doctor(&config, &["good.test"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains(&format!("warn         {second}: the CAA records of good.test allow")), "{out}");

    // With the second one down, the first one is what a.strict.test would need.
    other.stop();
    for (name, code, silent, caa) in [("good.test", 1, "warn", "pass"), ("a.strict.test", 2, "fail", "fail")]
    {
        let (out, seen) = doctor(&config, &["--json", name]);
        assert_eq!(seen, Some(code), "{out}");
        let rows: Vec<Value> = serde_json::from_str(&out).expect("JSON");
        assert_eq!(said(&rows, "", "CA", Some(&second)).0, silent, "{out}");
        assert_eq!(said(&rows, name, "CAA", Some(&first)).0, caa, "{out}");
    }
    assert_eq!((pebble.orders(), pebble.accounts()), (0, 0), "it only looks");
}

#[tokio::test]
async fn the_handbook_shows_what_it_prints() {
    let records = "\
blog  A     127.0.0.1
blog  AAAA  2001:db8::1
shop  A     127.0.0.1
shop  CAA   0 issue \"other.example\"
";
    let (place, named) = (Place::new(), Named::holding(records).await);
    let pebble = pebble(&place, &named).await;
    let config = place.configure(&acme(&place, &pebble, &named), &sites(&["blog", "shop"]));
    let (out, _) = doctor(&config, &[]);
    let port = |port: u16| format!("{:14}", format!("port {port}"));
    let out = out
        .replace(&place.storage().display().to_string(), "/var/lib/sidegate")
        .replace(&port(place.http), &port(80))
        .replace(&port(place.https), &port(443))
        .replace(&pebble.directory(), "https://acme-v02.api.letsencrypt.org/directory")
        .replace("ca.test", "letsencrypt.org")
        .replace(".test", ".example.com")
        .replace("127.0.0.1", "203.0.113.10");
    // How much room there is differs, and who answers does not belong there.
    let mut shown = String::new();
    let mut left_out = false;
    for line in out.lines() {
        let finding = !line.trim_start().starts_with('>');
        left_out = if finding { line.starts_with("  http") } else { left_out };
        let line = line.split("room for").next().unwrap_or_default();
        if !left_out {
            shown.push_str(line.trim_end());
            shown.push('\n');
        }
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let block = page.split("$ sidegate doctor\n").nth(1).and_then(|rest| rest.split("```").next());
    let block = block.expect("a block");
    let block = block.lines().map(|line| line.split("room for").next().unwrap_or_default().trim_end());
    assert_eq!(shown.lines().collect::<Vec<_>>(), block.collect::<Vec<_>>());
}
