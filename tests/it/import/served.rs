//! The whole program: what was imported is served at once, and no CA is asked for it.

use sidegate::pki::{Leaf, pem};

use super::fixture::{PKCS8, Pair, Rig, certbot};
use crate::house::client::Client;
use crate::house::pebble::{Pebble, Settings};
use crate::house::process::{Place, Sidegate};
use crate::house::tool::sidegate;

#[tokio::test]
async fn an_imported_certificate_is_shown_at_the_first_handshake_and_nothing_is_ordered() {
    let place = Place::new();
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    std::fs::write(place.path("api.pem"), pebble.api_root()).expect("written");
    let acme = format!("directory = {:?}\napi_root = {:?}", pebble.directory(), place.path("api.pem"));
    let site = "[[site]]\ndomains = [\"www.example.com\", \"example.com\"]\nto = \"3000\"\n";
    let config = place.configure(&acme, site);

    let rig = Rig::new();
    let pair = Pair::new(&["example.com", "www.example.com"], PKCS8);
    certbot(&rig, "example.com", &pair, &pebble.directory());
    let root = rig.path("etc");
    let words = [
        "import".as_ref(),
        "-c".as_ref(),
        config.as_os_str(),
        "--from".as_ref(),
        "certbot".as_ref(),
        root.as_os_str(),
    ];
    let said = sidegate(&words).good();
    assert!(said.starts_with("imported  ") && !said.contains("The configuration needs"), "{said}");

    let running = Sidegate::serve(&config).await;
    let leaf = pem::certificates(pair.leaf.as_bytes()).expect("a certificate").remove(0);
    for name in ["example.com", "www.example.com"] {
        let shown =
            Client::offering(&["http/1.1"]).hello(place.tls(), Some(name)).await.expect("a handshake");
        assert_eq!(shown.leaf.der(), Leaf::from_der(leaf.clone()).expect("a leaf").der(), "{name}");
    }
    running.logged(&["swept"]).await;
    running.stop().await;
    assert_eq!((pebble.orders(), pebble.accounts()), (0, 0));
}
