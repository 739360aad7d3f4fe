//! What is taken and what is not, whoever had it.

use std::process::Command;

use super::fixture::{PKCS8, PRODUCTION, Pair, Rig, certbot, traefik};
use crate::house::tool::ran;

#[tokio::test]
async fn the_same_again_is_passed_over_and_so_is_what_is_older_than_what_is_here() {
    let rig = Rig::new();
    let pair = Pair::new(&["example.com", "www.example.com"], PKCS8);
    certbot(&rig, "example.com", &pair, PRODUCTION);
    rig.from("certbot", "etc").good();
    let said = rig.from("certbot", "etc").good();
    assert!(said.contains("passed over") && said.contains("it is here as"), "{said}");
    let older = Pair::valid(&["example.com"], PKCS8, 2020, 2120);
    traefik(&rig, "example.com", &older);
    let said = rig.from("traefik", "acme.json").good();
    assert!(said.contains("was issued later"), "{said}");
    let items = rig.items().await;
    assert!(items.len() == 1 && pair.is(&items[0]));
}

#[tokio::test]
async fn what_has_expired_is_taken_only_if_that_is_said() {
    let rig = Rig::new();
    let pair = Pair::valid(&["example.com"], PKCS8, 2020, 2021);
    traefik(&rig, "example.com", &pair);
    let said = rig.from("traefik", "acme.json").good();
    assert!(said.contains("it ended 2021-01-01") && !said.contains("[[site]]"), "{said}");
    assert!(rig.items().await.is_empty());
    let file = rig.path("acme.json");
    rig.import(&["--from", "traefik", file.to_str().expect("text"), "--expired"]).good();
    assert_eq!(rig.items().await.len(), 1);
}

#[tokio::test]
async fn an_import_of_nothing_or_of_a_part_fails() {
    let rig = Rig::new();
    std::fs::create_dir_all(rig.path("etc/live")).expect("a folder");
    let none = rig.from("certbot", "etc");
    assert_eq!(none.code, Some(1), "{none:?}");
    let sought = format!("there is no {}/live/*/fullchain.pem: is ", rig.path("etc").display());
    assert!(none.err.contains(&sought) && none.err.contains("/etc/letsencrypt"), "{none:?}");

    certbot(&rig, "good.example", &Pair::new(&["good.example"], PKCS8), PRODUCTION);
    std::fs::create_dir_all(rig.path("etc/live/part.example")).expect("a folder");
    let part = rig.from("certbot", "etc");
    assert_eq!(part.code, Some(1), "{part:?}");
    assert!(part.out.contains("imported  good.example"), "{part:?}");
    assert!(part.out.contains("part.example: fullchain.pem or privkey.pem is missing"), "{part:?}");
}

#[tokio::test]
async fn a_rehearsal_changes_nothing() {
    let rig = Rig::new();
    certbot(&rig, "example.com", &Pair::new(&["example.com"], PKCS8), PRODUCTION);
    let root = rig.path("etc");
    let said = rig.import(&["--dry-run", "--from", "certbot", root.to_str().expect("text")]).good();
    assert!(said.contains("would import  example.com") && said.contains("[[site]]"), "{said}");
    assert!(!rig.path("storage").exists(), "not even a storage is made");
    assert!(rig.items().await.is_empty());
    assert!(rig.store().spool().list().await.expect("a listing").is_empty());
}

#[tokio::test]
async fn what_is_no_pair_is_named_and_the_rest_is_taken() {
    let rig = Rig::new();
    let (good, other) = (Pair::new(&["good.example"], PKCS8), Pair::new(&["bad.example"], PKCS8));
    let mixed = Pair { key: good.key.clone(), ..other };
    certbot(&rig, "bad.example", &mixed, PRODUCTION);
    certbot(&rig, "good.example", &good, PRODUCTION);
    rig.write("etc/archive/huge.example/fullchain1.pem", vec![b'x'; 2 << 20]);
    let ran = rig.from("certbot", "etc");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("cannot use") && ran.out.contains("live/bad.example"), "{ran:?}");
    assert!(!ran.out.contains("PRIVATE KEY"));
    let items = rig.items().await;
    assert!(items.len() == 1 && good.is(&items[0]));
}

#[tokio::test]
async fn strange_files_are_not_waited_for_and_not_swallowed() {
    let rig = Rig::new();
    let pair = Pair::new(&["example.com"], PKCS8);
    rig.write("x.key", &pair.key);
    let of = |cert: &str| {
        let (cert, key) = (rig.path(cert), rig.path("x.key"));
        rig.import(&["--cert", cert.to_str().expect("text"), "--key", key.to_str().expect("text")]).refused()
    };
    ran(Command::new("mkfifo").arg(rig.path("pipe"))).good();
    assert!(of("pipe").contains("not a file"));
    rig.write("huge", vec![b'x'; 2 << 20]);
    assert!(of("huge").contains("too large"));
    assert!(of("nothing").contains("nothing"));
    rig.write("acme.json", "{\"x\": 1}");
    assert!(rig.from("traefik", "acme.json").refused().contains("not what Traefik writes"));
    assert!(rig.from("certbot", "no such folder").refused().contains("no such folder"));
    assert!(!rig.path("storage").exists(), "nothing was found to fill one with");
    assert!(rig.items().await.is_empty());
}
