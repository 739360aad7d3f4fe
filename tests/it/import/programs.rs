//! Each program's layout.

use sidegate::ident::Provider;
use sidegate::pki::KeyType;
use sidegate::store::Account;

use super::fixture::{
    PKCS1, PKCS8, PRODUCTION, Pair, Rig, SEC1, acme_sh, caddy, certbot, key, lego, traefik,
};

/// The one item is this certificate, under the CA it is from.
async fn taken(rig: &Rig, pair: &Pair, names: &str, why: &str) {
    let items = rig.items().await;
    let [item] = &items[..] else { panic!("{} items", items.len()) };
    assert!(pair.is(item));
    assert_eq!((item.names().domain_list().trim_end(), item.provider()), (names, Provider::Letsencrypt));
    let issuance = item.issuance().expect("a record");
    assert_eq!(issuance.directory.as_deref(), Some(PRODUCTION));
    assert!(issuance.why.starts_with("imported from ") && issuance.why.contains(why), "{}", issuance.why);
    let storage = rig.path("storage").join(format!("database/items/{}/key.pem", item.id()));
    let pem = std::fs::read_to_string(storage).expect("a key");
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"), "PKCS#8, whatever it was");
}

async fn account(rig: &Rig) -> Option<Account> {
    rig.store().accounts().find(PRODUCTION).await.expect("readable")
}

#[tokio::test]
async fn certbot_has_links_and_accounts_that_cannot_be_used() {
    let rig = Rig::new();
    let pair = Pair::new(&["example.com", "www.example.com"], PKCS8);
    certbot(&rig, "example.com-0001", &pair, PRODUCTION);
    let before = rig.contents("etc");
    let said = rig.from("certbot", "etc").good();
    taken(&rig, &pair, "example.com www.example.com", "live/example.com-0001").await;
    assert!(said.contains("domains = [\"example.com\", \"www.example.com\"]"), "{said}");
    assert!(
        said.contains("only kind accounts have") && said.contains(&format!("registered at {PRODUCTION}")),
        "{said}"
    );
    assert!(account(&rig).await.is_none());
    assert_eq!(rig.contents("etc"), before, "nothing of certbot's is touched");
}

#[tokio::test]
async fn acme_sh_has_a_folder_for_each_kind_of_key() {
    let rig = Rig::new();
    let pair = Pair::new(&["*.example.com", "example.com"], SEC1);
    let own = key(SEC1);
    acme_sh(&rig, "*.example.com", "*.example.com_ecc", &pair, &own);
    rig.from("acme.sh", "acme.sh").good();
    taken(&rig, &pair, "*.example.com example.com", "acme.sh/*.example.com_ecc").await;
    let account = account(&rig).await.expect("its account is used");
    assert_eq!(account.url.as_deref(), Some("https://acme-v02.api.letsencrypt.org/acme/acct/2"));
    assert_eq!(account.contacts, ["mailto:me@example.com"]);
    assert!(account.key.to_pem().starts_with("-----BEGIN PRIVATE KEY-----"));
}

#[tokio::test]
async fn acme_sh_also_has_rsa_keys() {
    let rig = Rig::new();
    let pair = Pair::new(&["example.com"], PKCS1);
    acme_sh(&rig, "example.com", "example.com", &pair, &key(PKCS1));
    let said = rig.from("acme.sh", "acme.sh").good();
    taken(&rig, &pair, "example.com", "acme.sh/example.com").await;
    assert_eq!(rig.items().await[0].bundle().key().key_type(), Some(KeyType::Rsa2048));
    assert!(account(&rig).await.is_none() && said.contains("only kind accounts have"), "{said}");
}

#[tokio::test]
async fn lego_bundles_or_does_not() {
    for bundled in [true, false] {
        let rig = Rig::new();
        let pair = Pair::new(&["*.example.com"], SEC1);
        lego(&rig, "*.example.com", &pair, bundled, &key(SEC1));
        rig.from("lego", ".lego").good();
        taken(&rig, &pair, "*.example.com", "_.example.com.crt").await;
        let account = account(&rig).await.expect("its account is used");
        assert_eq!(account.url.as_deref(), Some("https://acme-v02.api.letsencrypt.org/acme/acct/3"));
    }
}

#[tokio::test]
async fn caddy_has_a_folder_for_each_ca() {
    let rig = Rig::new();
    let pair = Pair::new(&["*.example.com"], SEC1);
    caddy(&rig, "*.example.com", &pair, &key(SEC1));
    let said = rig.from("caddy", "caddy").good();
    taken(&rig, &pair, "*.example.com", "wildcard_.example.com").await;
    assert!(said.contains("Caddy's own CA"), "{said}");
    let account = account(&rig).await.expect("its account is used");
    assert_eq!(account.url.as_deref(), Some("https://acme-v02.api.letsencrypt.org/acme/acct/4"));
}

#[tokio::test]
async fn traefik_has_it_all_in_one_file() {
    let rig = Rig::new();
    let pair = Pair::new(&["example.com"], PKCS1);
    traefik(&rig, "example.com", &pair);
    let said = rig.from("traefik", "acme.json").good();
    taken(&rig, &pair, "example.com", "acme.json: letsencrypt: example.com").await;
    assert!(said.contains("only kind accounts have"), "{said}");
}

#[tokio::test]
async fn anybody_has_two_files() {
    let rig = Rig::new();
    let pair = Pair::new(&["example.com"], PKCS8);
    rig.write("x.crt", pair.chain());
    rig.write("x.key", &pair.key);
    let (cert, key) = (rig.path("x.crt"), rig.path("x.key"));
    rig.import(&["--cert", cert.to_str().expect("text"), "--key", key.to_str().expect("text")]).good();
    taken(&rig, &pair, "example.com", "x.crt").await;
}
