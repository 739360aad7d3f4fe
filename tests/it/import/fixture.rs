//! What other programs leave on a disk, as they leave it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use sidegate::clock::Clock;
use sidegate::pki::PrivateKey;
use sidegate::store::fs::FsEngine;
use sidegate::store::{Item, Store};

use crate::house::tool::{Ran, sidegate};

pub(super) const PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// A directory for another program's files and for a storage.
pub(super) struct Rig(tempfile::TempDir);

/// A certificate as a CA has sent it, and its key as the program has written it.
pub(super) struct Pair {
    pub(super) leaf: String,
    pub(super) issuer: String,
    pub(super) key: String,
}

/// Kinds of keys by the command that makes them, in the encodings they have on other programs' disks.
pub(super) const SEC1: &str = "openssl ecparam -name prime256v1 -genkey -noout";
pub(super) const PKCS1: &str = "openssl genrsa -traditional 2048";
pub(super) const PKCS8: &str = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";

impl Rig {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    pub(super) fn link(&self, name: &str, to: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        symlink(to, path).expect("a link");
    }

    pub(super) fn import(&self, words: &[&str]) -> Ran {
        let storage = self.path("storage");
        let all = [&["import", "--storage", storage.to_str().expect("text")], words].concat();
        sidegate(&all)
    }

    /// Imports what a program keeps in a folder of this rig.
    pub(super) fn from(&self, program: &str, folder: &str) -> Ran {
        self.import(&["--from", program, self.path(folder).to_str().expect("text")])
    }

    pub(super) fn store(&self) -> Store {
        let engine = FsEngine::open(&self.path("storage")).expect("a storage");
        Store::new(Arc::new(engine), Clock::system())
    }

    /// All items, the oldest first.
    pub(super) async fn items(&self) -> Vec<Item> {
        let database = self.store().database();
        let mut items = Vec::new();
        for id in database.items().await.expect("a listing") {
            items.push(database.item(&id).await.expect("a whole item"));
        }
        items
    }

    /// Every file below a folder with what it holds, to see that nothing is changed.
    pub(super) fn contents(&self, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let value = fs::read(&path).expect("readable");
                    found.insert(path, value);
                }
            }
        }
        found
    }
}

impl Pair {
    /// One for these names that is valid now, with a key that this command makes.
    pub(super) fn new(names: &[&str], key: &str) -> Self {
        Self::valid(names, key, 2026, 2120)
    }

    /// One that is valid from the first day of one year to that of another.
    pub(super) fn valid(names: &[&str], key: &str, from: i32, to: i32) -> Self {
        let made = Command::new("sh").args(["-c", key]).output().expect("openssl");
        let key = String::from_utf8(made.stdout).expect("PEM");
        let own = KeyPair::from_pem(&key).expect("a key");
        let authority = CertifiedIssuer::self_signed(authority("the root"), pair()).expect("a root");
        let middle = CertifiedIssuer::signed_by(self::authority("the intermediate"), pair(), &authority)
            .expect("signed");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let leaf = params.signed_by(&own, &middle).expect("a leaf").pem();
        Self { leaf, issuer: middle.pem(), key }
    }

    pub(super) fn chain(&self) -> String {
        self.leaf.clone() + &self.issuer
    }

    /// Whether the item is this certificate with its key.
    pub(super) fn is(&self, item: &Item) -> bool {
        let key = PrivateKey::from_pem(self.key.as_bytes()).expect("a key");
        let same = |a: &str, b: &str| a.split_whitespace().eq(b.split_whitespace());
        same(&item.bundle().chain().crt_chain_pem(), &self.chain())
            && item.bundle().key().spki() == key.spki()
    }
}

fn pair() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A key of an account.
pub(super) fn key(command: &str) -> String {
    let made = Command::new("sh").args(["-c", command]).output().expect("openssl");
    String::from_utf8(made.stdout).expect("PEM")
}

/// `/etc/letsencrypt` with one certificate under this name, and an account.
pub(super) fn certbot(rig: &Rig, name: &str, pair: &Pair, server: &str) {
    let parts = [("cert", pair.leaf.clone()), ("chain", pair.issuer.clone()), ("fullchain", pair.chain())];
    for (part, text) in parts.into_iter().chain([("privkey", pair.key.clone())]) {
        rig.write(&format!("etc/archive/{name}/{part}1.pem"), text);
        rig.link(&format!("etc/live/{name}/{part}.pem"), &format!("../../archive/{name}/{part}1.pem"));
    }
    rig.write(&format!("etc/live/{name}/README"), "This directory contains your keys and certificates.\n");
    rig.write("etc/live/README", "This directory contains your keys and certificates.\n");
    rig.write(
        &format!("etc/renewal/{name}.conf"),
        format!(
            "# renew_before_expiry = 30 days\nversion = 4.0.0\narchive_dir = /etc/letsencrypt/archive/{name}\n\
             cert = /etc/letsencrypt/live/{name}/cert.pem\nprivkey = /etc/letsencrypt/live/{name}/privkey.pem\n\
             chain = /etc/letsencrypt/live/{name}/chain.pem\nfullchain = /etc/letsencrypt/live/{name}/fullchain.pem\n\n\
             # Options used in the renewal process\n[renewalparams]\naccount = 0123456789abcdef0123456789abcdef\n\
             authenticator = standalone\nserver = {server}\nkey_type = ecdsa\n"
        ),
    );
    let host = server.split_once("://").expect("a URL").1;
    let account = format!("etc/accounts/{host}/0123456789abcdef0123456789abcdef");
    rig.write(&format!("{account}/private_key.json"), r#"{"n": "xw", "e": "AQAB", "d": "Bw", "p": "Aw", "q": "BQ", "dp": "AQ", "dq": "AQ", "qi": "Ag", "kty": "RSA"}"#);
    rig.write(
        &format!("{account}/regr.json"),
        r#"{"body": {}, "uri": "https://acme-v02.api.letsencrypt.org/acme/acct/1"}"#,
    );
    rig.write(
        &format!("{account}/meta.json"),
        r#"{"creation_dt": "2026-01-01T00:00:00Z", "creation_host": "old"}"#,
    );
}

/// `~/.acme.sh` with one certificate and an account.
pub(super) fn acme_sh(rig: &Rig, name: &str, folder: &str, pair: &Pair, account: &str) {
    let folder = format!("acme.sh/{folder}");
    rig.write(&format!("{folder}/{name}.cer"), &pair.leaf);
    rig.write(&format!("{folder}/{name}.key"), &pair.key);
    rig.write(&format!("{folder}/ca.cer"), &pair.issuer);
    // acme.sh leaves an empty line between them.
    rig.write(&format!("{folder}/fullchain.cer"), format!("{}\n{}", pair.leaf, pair.issuer));
    rig.write(
        &format!("{folder}/{name}.conf"),
        format!(
            "Le_Domain='{name}'\nLe_Alt='no'\nLe_Webroot='dns_cf'\nLe_API='{PRODUCTION}'\nLe_Keylength='ec-256'\n\
             Le_OrderFinalize='https://acme-v02.api.letsencrypt.org/acme/finalize/1/2'\nLe_CertCreateTime='1767225600'\n"
        ),
    );
    rig.write("acme.sh/account.conf", "LOG_FILE=''\nAUTO_UPGRADE='1'\n");
    rig.write("acme.sh/http.header", "HTTP/2 200\n");
    let ca = "acme.sh/ca/acme-v02.api.letsencrypt.org/directory";
    rig.write(&format!("{ca}/account.key"), account);
    rig.write(&format!("{ca}/account.json"), r#"{"status": "valid", "contact": ["mailto:me@example.com"]}"#);
    rig.write(
        &format!("{ca}/ca.conf"),
        "CA_KEY_HASH='x'\nACCOUNT_URL='https://acme-v02.api.letsencrypt.org/acme/acct/2'\nCA_EMAIL='me@example.com'\n",
    );
}

/// `.lego` with one certificate under this name, bundled or not, and an account.
pub(super) fn lego(rig: &Rig, name: &str, pair: &Pair, bundled: bool, account: &str) {
    let at = |ending: &str| format!(".lego/certificates/{}.{ending}", name.replace('*', "_"));
    rig.write(&at("crt"), if bundled { pair.chain() } else { pair.leaf.clone() });
    rig.write(&at("issuer.crt"), &pair.issuer);
    rig.write(&at("key"), &pair.key);
    let url = "https://acme-v02.api.letsencrypt.org/acme/cert/0123";
    let resource = serde_json::json!({ "domain": name, "certUrl": url, "certStableUrl": url });
    rig.write(&at("json"), resource.to_string());
    let folder = ".lego/accounts/acme-v02.api.letsencrypt.org/me@example.com";
    rig.write(&format!("{folder}/keys/me@example.com.key"), account);
    let registration = serde_json::json!({
        "body": { "status": "valid", "contact": ["mailto:me@example.com"] },
        "uri": "https://acme-v02.api.letsencrypt.org/acme/acct/3",
    });
    let account = serde_json::json!({ "email": "me@example.com", "registration": registration });
    rig.write(&format!("{folder}/account.json"), account.to_string());
}

/// Caddy's data directory with one certificate and an account.
pub(super) fn caddy(rig: &Rig, name: &str, pair: &Pair, account: &str) {
    let ca = "acme-v02.api.letsencrypt.org-directory";
    let file = name.replace('*', "wildcard_");
    let at = |ending: &str| format!("caddy/certificates/{ca}/{file}/{file}.{ending}");
    rig.write(&at("crt"), pair.chain());
    rig.write(&at("key"), &pair.key);
    let resource = serde_json::json!({
        "sans": [name],
        "issuer_data": { "url": "https://acme-v02.api.letsencrypt.org/acme/cert/0123", "ca": PRODUCTION },
    });
    rig.write(&at("json"), resource.to_string());
    rig.write("caddy/certificates/local/localhost/localhost.crt", &pair.leaf);
    let user = format!("caddy/acme/{ca}/users/me@example.com/me");
    rig.write(&format!("{user}.key"), account);
    let note = serde_json::json!({
        "status": "valid",
        "contact": ["mailto:me@example.com"],
        "termsOfServiceAgreed": true,
        "orders": "",
        "location": "https://acme-v02.api.letsencrypt.org/acme/acct/4",
    });
    rig.write(&format!("{user}.json"), note.to_string());
}

/// Traefik's `acme.json` with one certificate and an account.
pub(super) fn traefik(rig: &Rig, name: &str, pair: &Pair) {
    let coded = |text: &str| BASE64_STANDARD.encode(text);
    let acme = serde_json::json!({
        "letsencrypt": {
            "Account": {
                "Email": "me@example.com",
                "Registration": {
                    "body": { "status": "valid", "contact": ["mailto:me@example.com"] },
                    "uri": "https://acme-v02.api.letsencrypt.org/acme/acct/5",
                },
                "PrivateKey": coded("an RSA key"),
                "KeyType": "4096",
            },
            "Certificates": [{
                "domain": { "main": name },
                "certificate": coded(&pair.chain()),
                "key": coded(&pair.key),
                "Store": "default",
            }],
        },
        "unused": { "Account": null, "Certificates": null },
    });
    rig.write("acme.json", serde_json::to_string_pretty(&acme).expect("JSON"));
}
