//! The program with many names: which files it opens, and when.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use sidegate::ident::{ItemId, Name, Provider};
use sidegate::store::{Family, layout};

use crate::house::client::Client;
use crate::house::process::{Place, Sidegate};
use crate::house::tool::{commit, store};

const CA: &str = "https://127.0.0.1:1/directory";
const NAMES: usize = 2000;
const ASKED: usize = 1200;

fn name(number: usize) -> String {
    format!("n{number}.example.com")
}

/// A storage in which one item is there and the others have only their pointers.
async fn fill(root: &Path) -> (ItemId, String) {
    let (item, bundle) = commit(&store(root), &[&name(ASKED)], Provider::Letsencrypt, Some(CA)).await;
    let mut other = item.clone();
    for number in (0..NAMES).filter(|number| *number != ASKED) {
        other = ItemId::next(other.time(), Some(&other));
        let name = Name::parse(&name(number)).expect("a name");
        for family in Family::of(Provider::Letsencrypt) {
            let pointer = root.join(layout::pointer(family, &name).as_str());
            symlink(format!("../items/{other}"), pointer).expect("a link");
        }
    }
    (item, bundle.leaf().serial())
}

#[tokio::test]
async fn no_item_is_opened_before_clients_are_let_in() {
    let place = Place::new();
    let (item, serial) = fill(&place.storage()).await;
    let site = |number| format!("[[site]]\ndomains = [{:?}]\nto = 3000\n", name(number));
    let config = place.configure(&format!("directory = {CA:?}"), &(0..NAMES).map(site).collect::<String>());
    let trace = place.path("trace");
    let mut command = Command::new("strace");
    // With -D the tracer stands aside: what is started here is the program.
    command.args(["-D", "-f", "-s", "200", "-e", "trace=openat,write", "-o"]).arg(&trace);
    command.arg(env!("CARGO_BIN_EXE_sidegate")).arg("serve").arg("-c").arg(&config);
    let sidegate = Sidegate::by(command);
    sidegate.logged(&["listening"]).await;
    let shown = Client::offering(&["http/1.1"]).hello(place.tls(), Some(&name(ASKED))).await;
    assert_eq!(shown.expect("a handshake").leaf.serial(), serial);

    // What was written before the handshake was done is in the file by now: the tracer writes before it goes on.
    let trace = fs::read_to_string(trace).expect("a trace");
    let lines: Vec<&str> = trace.lines().collect();
    let find = |words: &[&str]| lines.iter().position(|line| words.iter().all(|word| line.contains(word)));
    let listening = find(&["write(", "listening"]).expect("it said so");
    let pointers = find(&["openat(", "latest-letsencrypt-by-fqdn"]).expect("pointers are listed");
    let first = find(&["openat(", "database/items/"]).expect("an item is opened");
    assert!(find(&["openat(", "database/items/", item.as_str()]).is_some());
    assert!(pointers < listening && listening < first, "{pointers} {listening} {first}: {}", lines[first]);
}
