//! A hundred kills (SIGKILL) at random moments of an issuance against a real CA: after each, every name is served by a
//! complete, matching pair, and the CA never had to do anything twice that was not lost on the way to it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use sidegate::clock::{Clock, jitter};
use sidegate::ident::{Lineage, Names, Provider};
use sidegate::store::fs::FsEngine;
use sidegate::store::{Family, Store};

use crate::house::client::Client;
use crate::house::pebble::{Pebble, Settings};
use crate::house::process::{Place, Sidegate};

const KILLS: usize = 100;

#[tokio::test]
async fn a_hundred_kills_tear_nothing_and_order_nothing_twice() {
    let place = Place::new();
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    for (name, pem) in [("api.pem", pebble.api_root()), ("issuance.pem", pebble.issuance_root())] {
        std::fs::write(place.path(name), pem).expect("written");
    }
    let (mut kills, mut sites, mut unexplained) = (0, Vec::new(), Vec::new());
    // How long an issuance takes that nobody disturbs; the first one is left in peace to tell.
    let mut usual = None;
    while kills < KILLS {
        sites.push(format!("n{}.example.com", sites.len()));
        let name = sites.last().expect("just pushed").clone();
        let config = configure(&place, &pebble, &sites);
        let mut round = Round::begin(&pebble, &name);
        loop {
            let began = std::time::Instant::now();
            let sidegate = start(&config, &place, &sites).await;
            let moment =
                usual.map_or(Duration::from_secs(30), |usual: Duration| usual.mul_f64(1.1 * jitter()));
            let words = ["serving", &format!("names={name}"), "issuer=\"Pebble"];
            let issued = sidegate.logged(&words);
            let finished = tokio::time::timeout(moment, issued).await.is_ok();
            usual = usual.or(Some(began.elapsed()));
            // The end of the round is a kill as well: what was just committed has to survive it.
            sidegate.kill();
            kills += 1;
            round.died(&place);
            everything_is_whole(&place.storage()).await;
            if finished || kills >= KILLS {
                break;
            }
        }
        // A lineage that was killed up to the last moment gets its certificate in peace.
        let sidegate = start(&config, &place, &sites).await;
        // «found» at the start, or «serving» after it: both name the item.
        sidegate.logged(&["item=", &format!("names={name}"), "issuer=\"Pebble"]).await;
        assert!(shown(&place, &name).await.starts_with("Pebble"));
        sidegate.stop().await;
        unexplained.extend(round.end());
    }
    assert_eq!(unexplained, Vec::<String>::new(), "after {kills} kills");
    assert_eq!(pebble.issued(), sites.len(), "one certificate for each lineage");
    println!("{kills} kills, {} lineages, {} orders", sites.len(), pebble.orders());
    assert!(pebble.accounts() == 1, "one account");
}

/// The orders of one lineage, as the CA and our notes tell of them.
struct Round<'a> {
    pebble: &'a Pebble,
    name: String,
    /// Lines of the CA's log that are older than the round.
    before: usize,
    kills: usize,
    /// Orders that stood in our notes when the process was killed.
    noted: BTreeSet<String>,
}

impl<'a> Round<'a> {
    fn begin(pebble: &'a Pebble, name: &str) -> Self {
        Self { pebble, name: name.to_owned(), before: pebble.log().len(), kills: 0, noted: BTreeSet::new() }
    }

    fn died(&mut self, place: &Place) {
        self.kills += 1;
        let names = Names::parse_domain_list(&self.name).expect("names");
        let lineage = Lineage::new(names, Provider::Letsencrypt);
        let note = place.storage().join("spool").join(lineage.id().as_str()).join("issuance.json");
        let Ok(note) = std::fs::read(note) else { return };
        let note: serde_json::Value = serde_json::from_slice(&note).expect("a note is whole or not there");
        if let Some(order) = note.get("order").and_then(serde_json::Value::as_str) {
            self.noted.insert(order.rsplit('/').next().expect("an id").to_owned());
        }
    }

    /// What cannot be explained by a kill.
    fn end(self) -> Vec<String> {
        let log = self.pebble.log().split_off(self.before);
        let all = |words: &str| log.iter().filter(|line| line.contains(words)).cloned().collect::<Vec<_>>();
        let quoted = |line: &String| line.split('"').nth(1).unwrap_or_default().to_owned();
        let orders: BTreeSet<String> = all("Added order").iter().map(quoted).collect();
        let issued = all("Issued certificate serial");
        let mut faults = Vec::new();
        if issued.len() != 1 {
            faults.push(format!("{}: {} certificates", self.name, issued.len()));
        }
        let useless = |order: &&String| !issued.iter().any(|line| line.contains(order.as_str()));
        let (noted, lost): (Vec<_>, Vec<_>) =
            orders.iter().filter(useless).partition(|order| self.noted.contains(*order));
        // An order that was noted is gone on with, unless the CA looked for us while we were dead.
        if noted.len() > all("set INVALID").len() {
            faults.push(format!("{}: {noted:?} were noted, valid, and left", self.name));
        }
        // An order that never was noted is the work of a kill between sending it and noting it: one a kill.
        if lost.len() > self.kills {
            faults.push(format!("{}: {} kills lost {lost:?}", self.name, self.kills));
        }
        faults
    }
}

fn configure(place: &Place, pebble: &Pebble, sites: &[String]) -> std::path::PathBuf {
    let acme = format!(
        "directory = {:?}\nretry = [\"1s\"]\napi_root = {:?}\nissuance_root = {:?}",
        pebble.directory(),
        place.path("api.pem"),
        place.path("issuance.pem")
    );
    let site = |name| format!("[[site]]\ndomains = [{name:?}]\nto = \"3000\"\n");
    place.configure(&acme, &sites.iter().map(site).collect::<String>())
}

/// Starts, and shakes hands for every name as soon as anybody can.
async fn start(config: &Path, place: &Place, sites: &[String]) -> Sidegate {
    let sidegate = Sidegate::serve(config).await;
    for (index, name) in sites.iter().enumerate() {
        let issuer = shown(place, name).await;
        let last = index + 1 == sites.len();
        assert!(last || issuer.starts_with("Pebble"), "{name} has lost its certificate and shows {issuer}");
    }
    sidegate
}

/// Who signed what a client is shown; the handshake proves that key and certificate fit.
async fn shown(place: &Place, name: &str) -> String {
    let shown = Client::offering(&["http/1.1"]).hello(place.tls(), Some(name)).await;
    shown.unwrap_or_else(|error| panic!("{name} is not served: {error}")).leaf.issuer().to_owned()
}

/// Every item is complete, its parts fit, and every pointer leads to one.
async fn everything_is_whole(storage: &Path) {
    let engine = FsEngine::open(storage).expect("the storage opens");
    let database = Store::new(std::sync::Arc::new(engine), Clock::system()).database();
    for id in database.items().await.expect("a listing") {
        database.item(&id).await.unwrap_or_else(|error| panic!("{id} is torn: {error}"));
    }
    for family in [Family::Any, Family::Letsencrypt, Family::Selfsigned] {
        for (name, id) in database.pointers(family).await.expect("a listing") {
            let item = database.item(&id).await.unwrap_or_else(|e| panic!("{name} leads to {id}: {e}"));
            assert!(item.names().contains(&name));
        }
    }
}
