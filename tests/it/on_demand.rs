//! Names nobody has listed: who gets a certificate, who decides, and what it costs everybody else.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::{Response, StatusCode};
use rustls::AlertDescription;
use tokio::task::JoinSet;

use crate::house::app::{App, Asked, no_body};
use crate::house::backend::soon;
use crate::house::client::{self, Client};
use crate::house::greeter::Greeter;
use crate::house::pebble::{Pebble, Settings};
use crate::house::process::{Place, Sidegate};

const UNREACHABLE: &str = "https://127.0.0.1:1/dir";

/// What is asked of the program that decides, such as `/check?domain=…`.
fn question(asked: &Asked) -> String {
    asked.request.uri().to_string()
}

fn say(asked: Asked, status: u16) {
    let status = StatusCode::from_u16(status).expect("a status");
    asked.answer(Response::builder().status(status).body(no_body()).expect("an answer"));
}

/// A configuration with one site of ours, and names on demand by these rules.
fn configure(place: &Place, acme: &str, app: &Greeter, rules: &str) -> PathBuf {
    let port = app.port;
    place.configure(
        acme,
        &format!(
            "[on_demand]\n{rules}\nto = {port}\n[log]\nlevel = \"info,sidegate::manager=debug\"\n\
             [[site]]\ndomains = [\"ours.internal\"]\nissuer = \"selfsigned\"\nto = {port}\n"
        ),
    )
}

fn by_pebble(place: &Place, pebble: &Pebble) -> String {
    let write = |name: &str, pem: Vec<u8>| {
        std::fs::write(place.path(name), pem).expect("written");
        place.path(name)
    };
    format!(
        "directory = {:?}\nretry = [\"1s\"]\napi_root = {:?}\nissuance_root = {:?}",
        pebble.directory(),
        write("api.pem", pebble.api_root()),
        write("issuance.pem", pebble.issuance_root()),
    )
}

fn unreachable() -> String {
    format!("directory = {UNREACHABLE:?}\nretry = [\"1h\"]")
}

fn asking(app: &App) -> String {
    format!("ask = \"http://{}/check\"", app.address)
}

async fn refused(place: &Place, name: &str) {
    let alert = Client::offering(&["h2"]).alert(place.tls(), Some(name)).await;
    assert_eq!(alert, AlertDescription::UnrecognisedName, "{name}");
}

async fn issuer(place: &Place, name: &str) -> String {
    let shown = Client::offering(&["h2"]).hello(place.tls(), Some(name)).await.expect("a handshake");
    shown.leaf.issuer().to_owned()
}

async fn get(place: &Place, name: &str) -> (u16, String) {
    let mut connection = client::h1(place.tls(), name).await;
    client::read(connection.send_request(client::get("/", name)).await.expect("an answer")).await
}

#[tokio::test]
async fn a_name_that_the_program_allows_is_refused_at_first_and_served_from_then_on_also_after_a_restart() {
    let (place, app, mut program) = (Place::new(), Greeter::start("app").await, App::start().await);
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    let config = configure(&place, &by_pebble(&place, &pebble), &app, &asking(&program));
    let sidegate = Sidegate::serve(&config).await;
    refused(&place, "shop.example.com").await;
    let asked = soon(program.next()).await;
    assert_eq!(question(&asked), "/check?domain=shop.example.com&client_ip=127.0.0.1");
    refused(&place, "shop.example.com").await;
    say(asked, 204);
    sidegate.logged(&["serving", "names=shop.example.com", "issuer=\"Pebble"]).await;
    assert!(issuer(&place, "shop.example.com").await.starts_with("Pebble"));
    assert_eq!(get(&place, "shop.example.com").await, (200, "app".to_owned()));
    assert!(program.is_idle(), "one question for one name");
    sidegate.assert_story(&["gets a certificate on demand", "placed an order", "committed", "serving"]);

    // Another name is nobody's on that connection, and in clear every name is sent on to where it may get one.
    let mut connection = client::h1(place.tls(), "shop.example.com").await;
    let other = connection.send_request(client::get("/", "other.example.com")).await.expect("an answer");
    assert_eq!(client::read(other).await.0, 421);
    let (listed, _) = list(&config);
    assert!(listed.contains("shop.example.com") && listed.contains("ours.internal"), "{listed}");
    sidegate.stop().await;

    let orders = pebble.orders();
    let sidegate = Sidegate::serve(&config).await;
    assert!(issuer(&place, "shop.example.com").await.starts_with("Pebble"));
    sidegate.logged(&["items are whole"]).await;
    assert_eq!((pebble.orders(), pebble.issued()), (orders, 1), "the second start orders nothing");
    assert!(program.is_idle(), "and asks nobody");
    sidegate.stop().await;
}

#[tokio::test]
async fn a_client_may_be_shown_something_until_there_is_a_certificate() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    let rules = "policy = \"fallback\"\nsuffixes = [\"shops.example.com\"]";
    let config = configure(&place, &by_pebble(&place, &pebble), &app, rules);
    let sidegate = Sidegate::serve(&config).await;
    let shown = Client::offering(&["http/1.1"]).hello(place.tls(), Some("a.shops.example.com")).await;
    let shown = shown.expect("a handshake");
    assert!(shown.leaf.covers("on-demand.invalid") && !shown.leaf.covers("a.shops.example.com"));
    let mut connection = client::h1_over(shown.io).await;
    let answer = connection.send_request(client::get("/", "a.shops.example.com")).await.expect("an answer");
    assert_eq!(client::read(answer).await.0, 421, "nothing goes to the app under that certificate");
    sidegate.logged(&["serving", "names=a.shops.example.com", "issuer=\"Pebble"]).await;
    assert_eq!(get(&place, "a.shops.example.com").await, (200, "app".to_owned()));
    sidegate.stop().await;
}

#[tokio::test]
async fn what_the_program_does_not_allow_never_reaches_the_ca_and_is_not_asked_about_again() {
    let (place, app, mut program) = (Place::new(), Greeter::start("app").await, App::start().await);
    let yes = App::start().await;
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    let config = configure(&place, &by_pebble(&place, &pebble), &app, &asking(&program));
    let sidegate = Sidegate::serve(&config).await;
    refused(&place, "denied.example.com").await;
    say(soon(program.next()).await, 404);
    refused(&place, "moved.example.com").await;
    let location = format!("http://{}/", yes.address);
    let moved = Response::builder().status(302).header("location", location).body(no_body());
    soon(program.next()).await.answer(moved.expect("an answer"));
    for name in ["denied.example.com", "moved.example.com"] {
        sidegate.logged(&["asked", &format!("name={name}"), "said=Some(false)"]).await;
        refused(&place, name).await;
    }
    // No name but these would be of use: repeated labels, and what no CA signs in public or at all.
    for name in ["www.www.example.com", "a.b.a.b", "localhost"] {
        refused(&place, name).await;
    }
    refused(&place, "last.example.com").await;
    let asked = soon(program.next()).await;
    assert_eq!(question(&asked), "/check?domain=last.example.com&client_ip=127.0.0.1", "the next new name");
    say(asked, 200);
    sidegate.logged(&["serving", "names=last.example.com"]).await;
    assert_eq!(pebble.orders(), 1);
    assert!(program.is_idle() && yes.is_idle());
    sidegate.stop().await;
}

#[tokio::test]
async fn a_program_that_does_not_answer_costs_nobody_else_anything() {
    let (place, app, mut program) = (Place::new(), Greeter::start("app").await, App::start().await);
    let rules = format!("{}\nallow = [\"listed.example.com\"]", asking(&program));
    let config = configure(&place, &unreachable(), &app, &rules);
    let sidegate = Sidegate::serve(&config).await;
    let mut silent = Vec::new();
    let began = Instant::now();
    for number in 0..4 {
        refused(&place, &format!("silent{number}.example.com")).await;
        silent.push(soon(program.next()).await);
    }
    refused(&place, "fifth.example.com").await;
    assert_eq!(get(&place, "ours.internal").await, (200, "app".to_owned()));
    refused(&place, "listed.example.com").await;
    sidegate.logged(&["gets a certificate on demand", "name=listed.example.com"]).await;
    // Five seconds from the first on there is room, since nobody answers.
    let has_room = began.elapsed().as_secs() >= 5;
    assert!(program.is_idle() || has_room, "no more than four are asked about at once");
    let fifth = soon(program.next()).await;
    assert!(question(&fifth).contains("fifth.example.com"));
    sidegate
        .logged(&["WARN", "whether a name may have a certificate is not known", "no answer within"])
        .await;
    for asked in silent {
        asked.abandoned().await;
    }
    sidegate.stop().await;
}

#[tokio::test]
async fn a_budget_that_is_spent_is_told_once_and_survives_a_restart() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let rules = "suffixes = [\"example.com\", \"example.org\"]\nper_domain_per_hour = 1\nper_hour = 2";
    let config = configure(&place, &unreachable(), &app, rules);
    let sidegate = Sidegate::serve(&config).await;
    let spent = "the budget for names on demand is spent";
    refused(&place, "a.example.com").await;
    sidegate.logged(&["gets a certificate on demand", "name=a.example.com"]).await;
    refused(&place, "b.example.com").await;
    sidegate.logged(&["WARN", spent, "limit=\"per_domain_per_hour\"", "domain=\"example.com\""]).await;
    refused(&place, "c.example.com").await;
    refused(&place, "a.example.org").await;
    sidegate.logged(&["gets a certificate on demand", "name=a.example.org"]).await;
    refused(&place, "b.example.org").await;
    sidegate.logged(&["WARN", spent, "limit=\"per_hour\""]).await;
    let told = sidegate.log().iter().filter(|line| line.contains(spent)).count();
    assert_eq!(told, 2, "once for each limit");
    sidegate.stop().await;
    let sidegate = Sidegate::serve(&config).await;
    refused(&place, "d.example.org").await;
    sidegate.logged(&["WARN", spent, "limit=\"per_hour\""]).await;
    assert!(!sidegate.log().iter().any(|line| line.contains("gets a certificate on demand")));
    sidegate.stop().await;
}

#[tokio::test]
async fn a_reload_takes_over_who_is_allowed_and_a_name_that_is_listed_then_is_a_site_like_any_other() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    let acme = by_pebble(&place, &pebble);
    let config = configure(&place, &acme, &app, "allow = [\"one.example.com\"]");
    let sidegate = Sidegate::serve(&config).await;
    refused(&place, "one.example.com").await;
    sidegate.logged(&["serving", "names=one.example.com", "issuer=\"Pebble"]).await;
    configure(&place, &acme, &app, "allow = [\"two.example.com\"]");
    sidegate.signal(rustix::process::Signal::HUP);
    sidegate.logged(&["configured anew", "certificates=2"]).await;
    assert_eq!(
        get(&place, "one.example.com").await,
        (200, "app".to_owned()),
        "to the end of its certificate"
    );
    refused(&place, "two.example.com").await;
    sidegate.logged(&["serving", "names=two.example.com", "issuer=\"Pebble"]).await;
    let site = format!("[[site]]\ndomains = [\"two.example.com\"]\nto = {}\n", app.port);
    place.configure(&acme, &site);
    sidegate.signal(rustix::process::Signal::HUP);
    sidegate.logged(&["configured anew", "certificates=1"]).await;
    assert_eq!(get(&place, "two.example.com").await, (200, "app".to_owned()));
    refused(&place, "one.example.com").await;
    assert_eq!(pebble.orders(), 2, "what there is is served");
    sidegate.stop().await;
}

#[tokio::test]
async fn ten_thousand_names_at_random_leave_no_trace_and_are_in_nobodys_way() {
    const NAMES: usize = 10_000;
    const AT_ONCE: usize = 8;
    let (place, app, mut program) = (Place::new(), Greeter::start("app").await, App::start().await);
    let config = configure(&place, &unreachable(), &app, &asking(&program));
    tokio::spawn(async move {
        loop {
            say(program.next().await, 403);
        }
    });
    let sidegate = Sidegate::serve(&config).await;
    let to = place.tls();
    let storm = |from: usize, until: usize| async move {
        let mut clients = JoinSet::new();
        for offset in 0..AT_ONCE {
            clients.spawn(async move {
                let client = Client::offering(&["h2"]);
                for number in (from + offset..until).step_by(AT_ONCE) {
                    let alert = client.alert(to, Some(&format!("n{number}.x{number}.example.org"))).await;
                    assert_eq!(alert, AlertDescription::UnrecognisedName);
                }
            });
        }
        while let Some(client) = clients.join_next().await {
            client.expect("all are refused");
        }
    };
    storm(0, NAMES / 5).await;
    let before = resident(&sidegate);
    let ours = tokio::spawn(async move {
        let client = Client::offering(&["http/1.1"]);
        for _ in 0..100 {
            client.hello(to, Some("ours.internal")).await.expect("a handshake");
        }
    });
    storm(NAMES / 5, NAMES).await;
    tokio::time::timeout(Duration::from_secs(60), ours)
        .await
        .expect("in time")
        .expect("served all the while");
    let grown = resident(&sidegate).saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more");
    sidegate.stop().await;
}

/// How much memory a process has, in bytes.
pub(crate) fn resident(sidegate: &Sidegate) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", sidegate.pid().as_raw_nonzero()));
    let status = status.expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
    let number = line.split_whitespace().nth(1).expect("a number");
    number.parse::<usize>().expect("a number") * 1024
}

/// What `sidegate list` says.
fn list(config: &std::path::Path) -> (String, Option<i32>) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sidegate"));
    let out = command.args(["list", "-c"]).arg(config).output().expect("the program");
    (String::from_utf8(out.stdout).expect("text"), out.status.code())
}
