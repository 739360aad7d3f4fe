//! Certificates somebody else keeps: files that change are served without anybody saying so, and the last good ones stay.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use sidegate::pki::{KeyType, Leaf, PrivateKey, SigningRequest};

use crate::house::client::{self, Client};
use crate::house::greeter::Greeter;
use crate::house::issued::names;
use crate::house::process::{Place, Sidegate};
use crate::status::{tell, tell_until};

const NAME: &str = "shop.example.com";

/// A fresh certificate for the name and its key as PEM, and the serial number.
fn fresh(name: &str) -> (String, String, String) {
    let private = PrivateKey::generate(KeyType::P256);
    let request = SigningRequest::new(&private, &names(&[name])).expect("a request");
    let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
    let leaf = Leaf::from_der(request.self_sign(now - hour, now + hour).expect("signed").into());
    let leaf = leaf.expect("a certificate");
    (leaf.pem(), private.to_pem().to_string(), leaf.serial())
}

/// Puts a fresh pair there; returns its serial number.
pub(crate) fn write_pair(cert: &Path, key: &Path, name: &str) -> String {
    let (leaf, private, serial) = fresh(name);
    fs::write(cert, leaf).expect("written");
    fs::write(key, private).expect("written");
    serial
}

fn configure(place: &Place, app: &Greeter, files: &str) -> std::path::PathBuf {
    place.configure("", &format!("[[site]]\ndomains = [{NAME:?}]\nto = {}\n{files}", app.port))
}

async fn serial(place: &Place) -> String {
    // A client of its own each time: a resumed session would show the certificate it began with.
    let client = Client::offering(&["http/1.1"]);
    client.hello(place.tls(), Some(NAME)).await.expect("a handshake").leaf.serial()
}

/// Returns when new clients that ask for the name are shown this.
pub(crate) async fn comes(place: &Place, name: &str, wanted: &str) {
    let shown = async {
        loop {
            let hello = Client::offering(&["http/1.1"]).hello(place.tls(), Some(name)).await;
            if hello.is_ok_and(|shown| shown.leaf.serial() == wanted) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(180), shown).await.expect("it is served");
}

#[tokio::test]
async fn files_that_change_are_served_and_the_last_good_ones_stay() {
    let (place, one) = (Place::new(), Greeter::start("one").await);
    let (cert, key) = (place.path("site.crt"), place.path("site.key"));
    let files = format!("cert = {cert:?}\nkey = {key:?}\n");
    let first = write_pair(&cert, &key, NAME);
    let config = configure(&place, &one, &files);
    let sidegate = Sidegate::serve(&config).await;
    let mut open = client::h1(place.tls(), NAME).await;
    assert_eq!(serial(&place).await, first);
    let second = write_pair(&cert, &key, NAME);
    comes(&place, NAME, &second).await;

    // The renewal was interrupted: a new certificate beside the old key.
    fs::write(&cert, fresh(NAME).0).expect("written");
    sidegate.logged(&["the one before stays", "another key"]).await;
    let said = tell_until(&config, &["status"], &["another key"]);
    assert!(said.out.contains("read again when it changes"), "{}", said.out);
    assert_eq!(serial(&place).await, second);
    write_pair(&cert, &key, "other.example.com");
    sidegate.logged(&["the one before stays", "does not cover shop.example.com"]).await;
    assert_eq!(serial(&place).await, second);
    fs::remove_file(&cert).expect("removed");
    sidegate.logged(&["the one before stays", "site.crt cannot be read"]).await;
    assert_eq!(serial(&place).await, second);
    let third = write_pair(&cert, &key, NAME);
    comes(&place, NAME, &third).await;

    // A file that turns bad keeps nobody from the rest of a new configuration; one that never was there is a slip of the
    // pen.
    fs::write(&cert, "this is no certificate").expect("written");
    let site = format!("[[site]]\ndomains = [\"new.internal\"]\nto = {}\n", one.port);
    configure(&place, &one, &(files.clone() + &site));
    sidegate.signal(Signal::HUP);
    sidegate.logged(&["the one before stays", "no CERTIFICATE block"]).await;
    sidegate.logged(&["configured anew", "certificates=2"]).await;
    configure(&place, &one, &files.replace("site.key", "sitekey"));
    sidegate.signal(Signal::HUP);
    sidegate.logged(&["the configuration is faulty", "sitekey: there is no such file"]).await;
    assert_eq!(serial(&place).await, third);
    let answer = open.send_request(client::get("/", NAME)).await.expect("the connection from the beginning");
    assert_eq!(client::read(answer).await, (200, "one".to_owned()));
    sidegate.stop().await;
}

/// Many tools write one file, which can be replaced at once.
#[tokio::test]
async fn certificate_and_key_in_one_file_are_enough() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let bundle = place.path("bundle.pem");
    let put = || {
        let (leaf, private, serial) = fresh(NAME);
        fs::write(place.path("new"), private + &leaf).expect("written");
        fs::rename(place.path("new"), &bundle).expect("in its place");
        serial
    };
    let first = put();
    let config = configure(&place, &app, &format!("cert = {bundle:?}\n"));
    let sidegate = Sidegate::serve(&config).await;
    assert_eq!(serial(&place).await, first);
    let second = put();
    comes(&place, NAME, &second).await;
    fs::write(&bundle, fresh(NAME).0).expect("written");
    sidegate.logged(&["the one before stays", "no private key found"]).await;
    sidegate.stop().await;
    let told = tell(&config, &["check"]);
    assert!(told.err.contains("Accepted: a PEM file with the private key as well, or key"), "{}", told.err);
}

/// As the kubelet does it: the files are links through `..data`, which is replaced by a rename.
#[tokio::test]
async fn a_mounted_secret_that_is_swapped_is_served() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let secret = place.path("tls");
    let version = |name: &str| {
        let folder = secret.join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let serial = write_pair(&folder.join("tls.crt"), &folder.join("tls.key"), NAME);
        symlink(name, secret.join("..data_tmp")).expect("a link");
        fs::rename(secret.join("..data_tmp"), secret.join("..data")).expect("in its place");
        serial
    };
    let first = version("..2026_11_22_01");
    for file in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(file), secret.join(file)).expect("a link");
    }
    let files = format!("cert = {:?}\nkey = {:?}\n", secret.join("tls.crt"), secret.join("tls.key"));
    let config = configure(&place, &app, &files);
    let sidegate = Sidegate::serve(&config).await;
    assert_eq!(serial(&place).await, first);
    for (new, old) in [("..2026_11_22_02", "..2026_11_22_01"), ("..2026_11_22_03", "..2026_11_22_02")] {
        let wanted = version(new);
        fs::remove_dir_all(secret.join(old)).expect("removed");
        comes(&place, NAME, &wanted).await;
    }
    assert_eq!(tell(&config, &["status"]).code, Some(0));
    assert!(
        !sidegate.log().iter().any(|line| line.contains("WARN") && line.contains("tls.")),
        "never half of it"
    );
    sidegate.stop().await;
}

#[tokio::test]
async fn tools_say_who_keeps_a_certificate_that_is_not_ours() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let (cert, key) = (place.path("site.crt"), place.path("site.key"));
    write_pair(&cert, &key, NAME);
    let config = configure(&place, &app, &format!("cert = {cert:?}\nkey = {key:?}\n"));
    let sidegate = Sidegate::serve(&config).await;
    let keeper = format!("the certificate of {NAME} is kept by somebody else, in {}", cert.display());
    for words in [&["history", NAME][..], &["rollback", NAME], &["revoke", NAME, "--yes"], &["renew", NAME]] {
        let told = tell(&config, words);
        assert_eq!((told.code, told.err), (Some(1), format!("sidegate: {keeper}\n")), "{words:?}");
    }
    let told = tell(&config, &["explain", NAME]);
    let served = format!("served  {} by ", cert.display());
    assert!(told.code == Some(0) && told.out.contains(&served), "{}{}", told.out, told.err);
    fs::remove_file(&key).expect("removed");
    let told = tell(&config, &["explain", NAME]);
    assert!(told.out.contains("site.key cannot be read"), "{}{}", told.out, told.err);
    assert!(told.out.contains("read again when it changes"), "{}", told.out);
    sidegate.stop().await;
}
