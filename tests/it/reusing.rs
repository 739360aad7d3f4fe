//! `acme.reuse_key`: a renewal keeps its key, unless there is a reason not to.

use std::fs;
use std::path::Path;

use sidegate::ident::Provider;
use sidegate::pki::{KeyType, PrivateKey};

use crate::going_back::{from_ca, history};
use crate::house::issued::lineage;
use crate::house::pebble::Pebble;
use crate::house::process::{Place, Sidegate};
use crate::house::shop::shop;
use crate::status::tell;

struct Rig {
    place: Place,
    config: std::path::PathBuf,
    sidegate: Sidegate,
    _pebble: Pebble,
}

impl Rig {
    async fn new(settings: &str) -> Self {
        let (place, pebble, config) = shop().await;
        add(&config, settings);
        let sidegate = Sidegate::issued(&config).await;
        Self { place, config, sidegate, _pebble: pebble }
    }

    fn renew(&self) {
        let told = tell(&self.config, &["renew", "shop.example.com", "--force"]);
        assert_eq!(told.code, Some(0), "{}", told.err);
    }

    fn revoke(&self, item: &str, reason: &str) {
        let told = tell(&self.config, &["revoke", item, "--reason", reason, "--yes"]);
        assert_eq!(told.code, Some(0), "{}", told.err);
    }

    /// The newest item of the CA, and its key.
    fn newest(&self) -> (String, PrivateKey) {
        let (_, item) = from_ca(&history(&self.config)).pop().expect("a certificate");
        let path = self.place.storage().join("database/items").join(&item).join("key.pem");
        let key = PrivateKey::from_pem(&fs::read(path).expect("a key")).expect("readable");
        (item, key)
    }

    /// The same, once the process has replaced this item.
    async fn after(&self, item: &str) -> (String, PrivateKey) {
        let replaced = async {
            loop {
                let newest = self.newest();
                if newest.0 != item {
                    return newest;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), replaced).await.expect("it is replaced")
    }
}

/// Adds a line to what is configured of the CA.
fn add(config: &Path, line: &str) {
    let text = fs::read_to_string(config).expect("a file");
    fs::write(config, text.replace("[acme]\n", &format!("[acme]\n{line}\n"))).expect("written");
}

#[tokio::test]
async fn a_renewal_has_a_new_key_unless_it_is_asked_to_keep_it() {
    let rig = Rig::new("").await;
    let (_, first) = rig.newest();
    rig.renew();
    let (_, second) = rig.newest();
    assert_ne!(first.spki(), second.spki());

    add(&rig.config, "reuse_key = true");
    rig.sidegate.signal(rustix::process::Signal::HUP);
    rig.sidegate.logged(&["configured anew"]).await;
    rig.renew();
    let (item, third) = rig.newest();
    assert_eq!(second.spki(), third.spki());
    rig.sidegate.logged(&["uses the key of the certificate before again", "names=shop.example.com"]).await;
    rig.revoke(&item, "superseded");
    let (_, fourth) = rig.after(&item).await;
    assert_eq!(third.spki(), fourth.spki(), "nobody else has it");
    rig.sidegate.stop().await;
}

#[tokio::test]
async fn a_key_that_somebody_else_has_is_not_used_again() {
    let rig = Rig::new("reuse_key = true").await;
    let (item, first) = rig.newest();
    rig.revoke(&item, "keyCompromise");
    let (item, second) = rig.after(&item).await;
    assert_ne!(first.spki(), second.spki());
    rig.renew();
    assert_eq!(second.spki(), rig.newest().1.spki());
    // What counts is the key, whichever certificate with it was revoked, and whatever else is said of it later.
    rig.revoke(&item, "keyCompromise");
    rig.revoke(&item, "superseded");
    rig.renew();
    assert_ne!(second.spki(), rig.newest().1.spki());
    rig.sidegate.stop().await;
}

#[tokio::test]
async fn a_key_that_an_attempt_was_to_keep_is_not_used_where_a_new_one_is_wanted_by_now() {
    let rig = Rig::new("").await;
    let (_, first) = rig.newest();
    // What an attempt that ended early has left.
    let lineage = lineage(&["shop.example.com"], Provider::Letsencrypt);
    let draft = rig.place.storage().join("spool").join(lineage.id().as_str());
    fs::create_dir(&draft).expect("a folder");
    fs::write(draft.join("key.pem"), &*first.to_pem()).expect("written");
    rig.renew();
    assert_ne!(first.spki(), rig.newest().1.spki());
    rig.sidegate.stop().await;
}

#[tokio::test]
async fn another_kind_of_key_is_a_new_key() {
    let rig = Rig::new("reuse_key = true\nkey_type = \"p256\"").await;
    let text = fs::read_to_string(&rig.config).expect("a file");
    fs::write(&rig.config, text.replace("p256", "p384")).expect("written");
    rig.sidegate.signal(rustix::process::Signal::HUP);
    rig.sidegate.logged(&["configured anew"]).await;
    rig.renew();
    let (_, other) = rig.newest();
    assert_eq!(other.key_type(), Some(KeyType::P384));
    rig.renew();
    assert_eq!(rig.newest().1.spki(), other.spki());
    rig.sidegate.stop().await;
}
