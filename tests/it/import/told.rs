//! The journal has what was imported, whether a process runs or not.

use std::path::{Path, PathBuf};

use super::fixture::{PKCS8, Pair, Rig};
use crate::house::process::{Place, Sidegate};
use crate::status::{tell, tell_until};

const NAME: &str = "shop.example.com";

/// A name whose CA nobody reaches.
fn unreachable(place: &Place) -> PathBuf {
    let acme = "directory = \"https://127.0.0.1:1/dir\"\nretry = [\"1h\"]";
    place.configure(acme, &format!("[[site]]\ndomains = [\"{NAME}\"]\nto = 3000\n"))
}

/// Imports a certificate for the name, and returns its item and the file it came from.
fn import(config: &Path) -> (String, String) {
    let (rig, pair) = (Rig::new(), Pair::new(&[NAME], PKCS8));
    rig.write("shop.pem", pair.chain());
    rig.write("shop.key", &pair.key);
    let path = |name: &str| rig.path(name).to_str().expect("text").to_owned();
    let (cert, key) = (path("shop.pem"), path("shop.key"));
    let told = tell(config, &["import", "--cert", &cert, "--key", &key]);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    let item = told.out.lines().next().and_then(|line| line.rsplit(' ').next()).expect("an item");
    (item.to_owned(), cert)
}

/// Fails unless the words stand in the text one after another.
fn in_order(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let (_, after) =
            rest.split_once(word).unwrap_or_else(|| panic!("no «{word}» in its place in:\n{text}"));
        rest = after;
    }
}

#[tokio::test]
async fn what_is_imported_beside_a_process_is_told_by_it_and_so_is_that_it_is_served() {
    let place = Place::new();
    let config = unreachable(&place);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["not issued"]).await;
    let (item, cert) = import(&config);
    let (took, serves) = (format!("took in {item}"), format!("serves {item}"));
    let told = tell_until(&config, &["explain", NAME], &[&took, &serves]);
    in_order(&told.out, &["not issued", &took, &format!("imported from {cert}"), &serves, "will renew "]);
    let history = tell(&config, &["history", NAME, "--json"]).json();
    assert_eq!(history["served"], item.as_str());
    sidegate.stop().await;
}

#[tokio::test]
async fn what_is_imported_where_no_process_runs_is_told_as_well() {
    let place = Place::new();
    let config = unreachable(&place);
    let (item, cert) = import(&config);
    let told = tell(&config, &["explain", NAME]);
    let took = format!("took in {item}");
    in_order(&told.out, &["asked by an operator: import", &took, &format!("imported from {cert}")]);
    let sidegate = Sidegate::serve(&config).await;
    let found = format!("found {item}");
    let told = tell_until(&config, &["explain", NAME], &[&found]);
    in_order(&told.out, &[&took, &found]);
    assert_eq!(tell(&config, &["explain", "--verify"]).code, Some(0), "it is one journal");
    sidegate.stop().await;
}
