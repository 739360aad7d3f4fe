//! Wildcards with a real ACME CA, a real DNS server and the real program.

use std::path::PathBuf;

use sidegate::dns::{Nameserver, Unseen};
use sidegate::ident::Fqdn;

use crate::house::client::Client;
use crate::house::named::{self, Named};
use crate::house::pebble::{Pebble, Settings};
use crate::house::process::{Place, Sidegate};
use crate::house::program;

/// A CA that asks this server.
pub(crate) async fn pebble(place: &Place, named: &Named) -> Pebble {
    let mut settings = Settings::new(place.http, place.https);
    settings.dns = Some(named.port());
    Pebble::start(settings).await
}

/// A configuration with `dns` as its `[acme.dns]`, `general` above it, and a site for each of these lists of names.
pub(crate) fn configure(
    place: &Place,
    pebble: &Pebble,
    general: &str,
    dns: &str,
    domains: &[&str],
) -> PathBuf {
    let root = |name: &str, pem: &[u8]| {
        let path = place.path(name);
        std::fs::write(&path, pem).expect("written");
        path
    };
    let acme = format!(
        "directory = {:?}\nretry = [\"1s\"]\napi_root = {:?}\nissuance_root = {:?}\n{general}\n[acme.dns]\n{dns}",
        pebble.directory(),
        root("api.pem", &pebble.api_root()),
        root("issuance.pem", &pebble.issuance_root()),
    );
    let sites = domains.iter().map(|domains| format!("[[site]]\nto = 1\ndomains = {domains}\n"));
    place.configure(&acme, &sites.collect::<String>())
}

/// The keys for updates, with the key in a file of its own.
fn by_update(place: &Place, named: &Named, secret: &str) -> String {
    let key = format!("key \"{}\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{secret}\";\n}};\n", named::KEY);
    std::fs::write(place.path("dns.key"), key).expect("written");
    format!("server = \"{0}\"\nkey = \"dns.key\"\nnameservers = [\"{0}\"]", named.server())
}

pub(crate) const DNS01: &str = "challenges = [\"dns-01\"]";
pub(crate) const BOTH: &str = "[\"example.com\", \"*.example.com\"]";

/// Both names are in one certificate of the CA, whose records are gone.
pub(crate) async fn assert_served(place: &Place, named: &Named, pebble: &Pebble, sidegate: &Sidegate) {
    sidegate.logged(&["serving", "issuer=\"Pebble"]).await;
    let mut serials = Vec::new();
    for name in ["example.com", "shop.example.com"] {
        let shown = Client::offering(&["h2"]).hello(place.tls(), Some(name)).await.expect("a handshake");
        assert!(shown.leaf.issuer().starts_with("Pebble") && shown.leaf.covers(name), "{name}");
        serials.push(shown.leaf.serial());
    }
    assert_eq!(serials[0], serials[1]);
    assert_eq!((pebble.orders(), pebble.issued()), (1, 1));
    assert_eq!(named.says(2, &["adding an RR", "_acme-challenge.example.com"]).await.len(), 2);
    assert_eq!(named.says(2, &["deleting an RR", "_acme-challenge.example.com"]).await.len(), 2);
    sidegate.assert_story(&[
        "posted the answer to the challenge",
        "posted the answer to the challenge",
        "seen at every name server",
        "validated",
        "received the certificate",
        "removed",
        "serving",
    ]);
    assert!(sidegate.log().iter().all(|line| !line.contains(named::SECRET)), "the log tells the secret");
}

#[tokio::test]
async fn a_wildcard_and_its_base_are_had_by_updates() {
    let (place, named) = (Place::new(), Named::start().await);
    let pebble = pebble(&place, &named).await;
    let dns = by_update(&place, &named, named::SECRET);
    let sidegate = Sidegate::serve(&configure(&place, &pebble, DNS01, &dns, &[BOTH])).await;
    assert_served(&place, &named, &pebble, &sidegate).await;
    sidegate.stop().await;
}

#[tokio::test]
async fn a_wildcard_and_its_base_are_had_by_a_hook() {
    let (place, named) = (Place::new(), Named::start().await);
    let pebble = pebble(&place, &named).await;
    let hook = place.path("dns-hook");
    let script = format!(
        "#!/bin/sh\n\
         case $2 in present) how=\"add $3 30\";; cleanup) how=\"delete $3\";; esac\n\
         printf 'server 127.0.0.1 %s\\nupdate %s TXT %s\\nsend\\n' \"$1\" \"$how\" \"$4\" |\n\
         nsupdate -y hmac-sha256:{}:{}\n",
        named::KEY,
        named::SECRET
    );
    program::write(&hook, &script);
    let dns =
        format!("hook = [\"./dns-hook\", \"{}\"]\nnameservers = [\"{}\"]", named.port(), named.server());
    let sidegate = Sidegate::serve(&configure(&place, &pebble, DNS01, &dns, &[BOTH])).await;
    assert_served(&place, &named, &pebble, &sidegate).await;
    sidegate.stop().await;
}

#[tokio::test]
async fn other_names_are_proved_as_before_unless_it_is_said_otherwise() {
    for (general, of_site, kind) in [("", "", "http-01"), (DNS01, "", "dns-01"), ("", DNS01, "dns-01")] {
        let (place, named) = (Place::new(), Named::start().await);
        let pebble = pebble(&place, &named).await;
        let dns = by_update(&place, &named, named::SECRET);
        let sites = [&format!("[\"example.com\"]\n{of_site}"), "[\"*.shop.example.com\"]"];
        let sidegate = Sidegate::serve(&configure(&place, &pebble, general, &dns, &sites)).await;
        sidegate.logged(&["validated", "name=example.com", &format!("kind={kind}")]).await;
        sidegate.logged(&["validated", "name=*.shop.example.com", "kind=dns-01"]).await;
        sidegate.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_refuses_is_told_of_and_the_stand_in_goes_on() {
    let (place, named) = (Place::new(), Named::start().await);
    let pebble = pebble(&place, &named).await;
    let dns = by_update(&place, &named, "bm90IHRoZSBzZWNyZXQ=");
    let sidegate = Sidegate::serve(&configure(&place, &pebble, "", &dns, &[BOTH])).await;
    let line = sidegate.logged(&["not issued", "BADSIG"]).await;
    assert!(line.contains("its key \\\"sidegate\\\" has another secret"), "{line}");
    assert_eq!((pebble.orders(), pebble.count(&["Pulled a task"])), (1, 0), "the CA is not told to look");
    let shown =
        Client::offering(&["h2"]).hello(place.tls(), Some("a.example.com")).await.expect("a handshake");
    assert!(shown.leaf.issuer().starts_with("sidegate"));
    sidegate.stop().await;
}

#[tokio::test]
async fn a_stop_in_the_middle_leaves_no_record() {
    let (place, named, behind) = (Place::new(), Named::start().await, Named::start().await);
    let pebble = pebble(&place, &named).await;
    // Nobody ever changes the second server, so it is waited for.
    let servers = format!("[\"{}\", \"{}\"]", named.server(), behind.server());
    let dns = by_update(&place, &named, named::SECRET)
        .replace(&format!("nameservers = [\"{}\"]", named.server()), &format!("nameservers = {servers}"));
    let sidegate = Sidegate::serve(&configure(&place, &pebble, "", &dns, &["[\"*.example.com\"]"])).await;
    sidegate.logged(&["posted the answer to the challenge"]).await;
    sidegate.stop().await;
    let added = named.says(1, &["adding an RR"]).await;
    let value = added[0].split('"').nth(1).expect("its value");
    let name = Fqdn::parse("_acme-challenge.example.com").expect("a name");
    let shown = Nameserver::from(named.server()).shows(&name, value).await;
    assert_eq!(shown, Err(Unseen::Denied));
    assert_eq!(pebble.count(&["Pulled a task"]), 0);
}
