//! A configuration that has become faulty since the start: what runs goes on, and is asked all the same.

use std::fs;

use crate::house::client::{self, Client};
use crate::house::greeter::Greeter;
use crate::house::process::{Place, Sidegate};
use crate::status::{tell, tell_until};

#[tokio::test]
async fn a_site_whose_files_are_missing_keeps_no_other_one_from_a_start() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let (cert, key) = (place.path("site.crt"), place.path("site.key"));
    let site = |name: &str, more: &str| format!("[[site]]\ndomains = [{name:?}]\nto = {}\n{more}", app.port);
    let files = format!("cert = {cert:?}\nkey = {key:?}\n");
    let config = place.configure("", &(site("kept.internal", &files) + &site("b.internal", "")));
    let told = tell(&config, &["check"]);
    assert_eq!(told.code, Some(78), "{}", told.err);
    assert!(told.err.contains("site.cert: ") && told.err.contains("site.key: "), "{}", told.err);

    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["WARN", "kept.internal", "cannot be served", "site.crt"]).await;
    let mut open = client::h1(place.tls(), "b.internal").await;
    let answer = open.send_request(client::get("/", "b.internal")).await.expect("an answer");
    assert_eq!(client::read(answer).await, (200, "app".to_owned()));
    Client::offering(&["h2"]).alert(place.tls(), Some("kept.internal")).await;
    let told = tell_until(&config, &["status"], &["site.crt cannot be read", "b.internal"]);
    assert_eq!(told.code, Some(2), "{}{}", told.out, told.err);

    // Whoever puts the files there has to tell nobody.
    let serial = crate::kept_elsewhere::write_pair(&cert, &key, "kept.internal");
    crate::kept_elsewhere::comes(&place, "kept.internal", &serial).await;
    sidegate.stop().await;
}

#[tokio::test]
async fn a_faulty_configuration_keeps_nobody_from_asking_the_process_that_runs() {
    let place = Place::new();
    let root = place.path("root.pem");
    let acme = format!("api_root = {root:?}");
    let site = "[[site]]\ndomains = [\"a.internal\"]\nto = 3000\n";
    let config = place.configure("", site);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    let history = tell_until(&config, &["history", "a.internal", "--json"], &["\"item\""]).json();
    let item = history["served"].as_str().expect("an item").to_owned();

    place.configure(&acme, site);
    let storage = place.storage();
    let backup = place.path("backup.tar");
    for (words, code, shown) in [
        (vec!["status", "a.internal"], 0, "a.internal"),
        (vec!["list"], 0, "a.internal"),
        (vec!["history", "a.internal"], 0, &*item),
        (vec!["show", &item], 0, "fingerprint"),
        (vec!["rollback", "a.internal", "--off"], 0, &*item),
        (vec!["renew", "a.internal", "--dry-run"], 0, "signs this one itself"),
        (vec!["fsck"], 0, "nothing is wrong"),
        (vec!["backup", backup.to_str().expect("text")], 0, "1 item"),
        // What comes next is for the configuration to say.
        (vec!["explain", "a.internal"], 78, "committed"),
    ] {
        let told = tell(&config, &words);
        assert_eq!(told.code, Some(code), "{words:?}: {}{}", told.out, told.err);
        assert!(told.out.contains(shown), "{words:?}: {}{}", told.out, told.err);
        assert!(
            told.err.contains("acme.api_root: ") && told.err.contains("root.pem"),
            "{words:?}: {}",
            told.err
        );
    }

    // One that may name another storage says nothing about this one.
    let text = fs::read_to_string(&config).expect("readable");
    fs::write(&config, text.replace("storage = ", "storge = ")).expect("written");
    for words in [["status"], ["fsck"]] {
        assert_eq!(tell(&config, &words).code, Some(78), "{words:?}");
    }
    sidegate.stop().await;

    place.configure(&acme, site);
    let told = tell(&config, &["status"]);
    assert_eq!((told.code, told.out.as_str()), (Some(78), ""), "there is nobody to ask: {}", told.err);
    let whole = tell(&config, &["fsck"]);
    assert_eq!(whole.code, Some(0), "{}: {}{}", storage.display(), whole.out, whole.err);
}
