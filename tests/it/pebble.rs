//! The whole path with a real ACME CA and the real program: selfsigned at once, the CA's certificate when it comes,
//! nothing that is open is touched, and a second start asks nobody.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::house::client::{self, Client};
use crate::house::front_of_ca::{Fault, FrontOfCa};
use crate::house::pebble::{Pebble, Settings};
use crate::house::process::{PATIENCE, Place, Sidegate};

const NAMES: [&str; 2] = ["shop.example.com", "www.shop.example.com"];

#[tokio::test]
async fn http01_whole_path() {
    whole_path("http-01").await;
}

#[tokio::test]
async fn tls_alpn01_whole_path() {
    whole_path("tls-alpn-01").await;
}

async fn whole_path(challenge: &str) {
    let place = Place::new();
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    let front = FrontOfCa::start(&pebble).await;
    // The CA is down until the test has opened what must survive the swap.
    front.plan("/dir", usize::MAX, Fault::html(503));
    let app = App::start().await;
    let config = configure(&place, &pebble, &front, challenge, app.port);

    let handshakes = Handshakes::start(place.tls());
    let sidegate = Sidegate::serve(&config).await;
    front.wait_for("/dir").await;
    let mut socket = open_websocket(&place).await;
    let download = open_download(&place).await;

    front.heal();
    sidegate.logged(&["serving", "names=shop.example.com", "issuer=\"Pebble"]).await;
    handshakes.until_last_is("Pebble").await;

    // Both were opened under the certificate before.
    socket.write_all(b"still here").await.expect("the socket is open");
    let mut echo = [0; 10];
    socket.read_exact(&mut echo).await.expect("the socket answers");
    assert_eq!(&echo, b"still here");
    app.finish_download();
    let rest = download.collect().await.expect("the download ends well").to_bytes();
    assert_eq!(rest.len(), 2 * CHUNK);
    drop(socket);

    let seen = handshakes.end().await;
    assert!(seen.len() == 2 && seen[0].starts_with("sidegate") && seen[1].starts_with("Pebble"), "{seen:?}");
    sidegate.assert_story(&[
        "no certificate found; ordering one",
        "serving selfsigned",
        "listening",
        "not issued",
        "registers an account",
        "placed an order",
        "posted the answer",
        "validated",
        "finalizes the order",
        "received the certificate",
        "committed",
        "serving",
    ]);
    both_names_in_one_certificate(&place).await;
    every_item_is_accepted_elsewhere(&place.storage());
    let (orders, issued) = (pebble.orders(), pebble.issued());
    assert_eq!(issued, 1, "one certificate for both names");
    let ledger = std::fs::read_to_string(place.storage().join("state/ledger.json")).expect("a ledger");
    assert!(ledger.contains("set shop.example.com www.shop.example.com"), "{ledger}");
    sidegate.stop().await;

    let again = Sidegate::serve(&config).await;
    again.logged(&["items are whole"]).await;
    let shown = Client::offering(&["h2"]).hello(place.tls(), Some(NAMES[0])).await.expect("a handshake");
    assert!(shown.leaf.issuer().starts_with("Pebble"));
    again.stop().await;
    assert_eq!((pebble.orders(), pebble.issued()), (orders, issued), "the second start places no order");
}

#[tokio::test]
async fn a_certificate_is_renewed_in_the_window_that_the_ca_names() {
    let place = Place::new();
    let mut settings = Settings::new(place.http, place.https);
    settings.newer = true;
    // Pebble's window is then the whole of a certificate's life; so it is under the profile that is asked for below.
    settings.validity = Duration::from_secs(20);
    let pebble = Pebble::start(settings).await;
    let front = FrontOfCa::start(&pebble).await;
    let config = configure(&place, &pebble, &front, "tls-alpn-01", 1);
    let sidegate = Sidegate::serve(&config).await;
    pebble.wait_for_line(&["ARI: order", "is a replacement of"]).await;
    sidegate.logged(&["placed an order", "replaces=", "in the CA's window"]).await;
    // The item says so as well, once it is made; handshakes go on meanwhile.
    let items = place.storage().join("database/items");
    let recorded = || {
        std::fs::read_dir(&items).expect("items").any(|item| {
            let path = item.expect("an item").path().join("issuance.json");
            std::fs::read_to_string(path).expect("issuance.json").contains("\"replaces\": ")
        })
    };
    let made = async {
        while !recorded() {
            Client::offering(&["h2"]).hello(place.tls(), Some(NAMES[0])).await.expect("a handshake");
        }
    };
    tokio::time::timeout(PATIENCE, made).await.expect("in time");
    sidegate.assert_story(&[
        "serving",
        "the CA says when to renew",
        "placed an order",
        "received the certificate",
    ]);
    sidegate.stop().await;
}

#[tokio::test]
async fn a_storage_that_was_lost_is_told_at_the_next_start() {
    let place = Place::new();
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    let front = FrontOfCa::start(&pebble).await;
    let config = configure(&place, &pebble, &front, "tls-alpn-01", 1);
    let sidegate = Sidegate::issued(&config).await;
    sidegate.stop().await;
    std::fs::remove_dir_all(place.storage()).expect("the volume is gone");
    let sidegate = Sidegate::serve(&config).await;
    sidegate
        .logged(&["WARN", "the storage is empty although certificates were ordered before", "--force"])
        .await;
    sidegate.logged(&["serving", "issuer=\"Pebble"]).await;
    sidegate.stop().await;
}

#[tokio::test]
async fn an_address_gets_the_key_and_the_profile_that_were_asked_for() {
    let place = Place::new();
    let mut settings = Settings::new(place.http, place.https);
    settings.newer = true;
    let pebble = Pebble::start(settings).await;
    let write = |name: &str, pem: Vec<u8>| {
        std::fs::write(place.path(name), pem).expect("written");
        place.path(name)
    };
    let acme = format!(
        "directory = {:?}\nkey_type = \"p384\"\nprofile = \"shortlived\"\nprofile_required = true\n\
         retry = [\"1s\"]\napi_root = {:?}\nissuance_root = {:?}",
        pebble.directory(),
        write("api.pem", pebble.api_root()),
        write("issuance.pem", pebble.issuance_root()),
    );
    let site = "[[site]]\ndomains = [\"127.0.0.1\"]\nissuer = \"acme\"\nto = 1";
    let sidegate = Sidegate::serve(&place.configure(&acme, site)).await;
    sidegate.logged(&["serving", "names=127.0.0.1", "issuer=\"Pebble"]).await;
    // A client names no address in its hello; the first name answers for those that name none.
    let shown = Client::offering(&["h2"]).hello(place.tls(), None).await.expect("a handshake");
    let leaf = &shown.leaf;
    assert!(leaf.covers("127.0.0.1") && leaf.issuer().starts_with("Pebble"));
    let life = leaf.not_after().duration_since(leaf.not_before()).expect("a span");
    assert!(life < Duration::from_secs(7 * 24 * 3600), "{life:?}");
    // The point of a P-384 key, as it stands in the certificate, has 97 bytes; that of a P-256 key 65.
    assert_eq!(leaf.spki().len(), 120);
    sidegate.stop().await;
}

fn configure(place: &Place, pebble: &Pebble, front: &FrontOfCa, challenge: &str, port: u16) -> PathBuf {
    let root = |name: &str, pem: &[u8]| {
        let path = place.path(name);
        std::fs::write(&path, pem).expect("written");
        path
    };
    let acme = format!(
        "directory = {:?}\nemail = \"ops@example.com\"\nchallenges = [{challenge:?}]\nretry = [\"1s\"]\n\
         limits = \"letsencrypt\"\nprofile = \"default\"\n\
         api_root = {:?}\nissuance_root = {:?}",
        front.directory(),
        root("api.pem", &front.api_root()),
        root("issuance.pem", &pebble.issuance_root()),
    );
    place.configure(&acme, &format!("[[site]]\ndomains = {NAMES:?}\nto = \"127.0.0.1:{port}\""))
}

async fn both_names_in_one_certificate(place: &Place) {
    let mut serials = BTreeSet::new();
    for name in NAMES {
        let shown =
            Client::offering(&["http/1.1"]).hello(place.tls(), Some(name)).await.expect("a handshake");
        assert!(NAMES.iter().all(|name| shown.leaf.covers(name)));
        serials.insert(shown.leaf.serial());
    }
    assert_eq!(serials.len(), 1);
}

/// `openssl` verifies each item by its own files, and `nginx` would serve it.
fn every_item_is_accepted_elsewhere(storage: &Path) {
    let items: Vec<PathBuf> = std::fs::read_dir(storage.join("database/items"))
        .expect("items")
        .map(|item| item.expect("an item").path())
        .collect();
    assert_eq!(items.len(), 2, "a selfsigned one and the CA's");
    for item in items {
        // openssl takes no empty file for an answer, and a selfsigned certificate has nothing in between.
        let chain = std::fs::read(item.join("chain.pem")).expect("chain.pem");
        let between: &[&str] = if chain.is_empty() { &[] } else { &["-untrusted", "chain.pem"] };
        let verify = Command::new("openssl")
            .args(["verify", "-CAfile", "ca.pem"])
            .args(between)
            .arg("crt.pem")
            .current_dir(&item)
            .output()
            .expect("openssl is installed; tests/setup.sh sees to it");
        let said =
            String::from_utf8_lossy(&verify.stdout).into_owned() + &String::from_utf8_lossy(&verify.stderr);
        assert!(verify.status.success() && said.contains("crt.pem: OK"), "{}: {said}", item.display());

        let directory = tempfile::tempdir().expect("a directory");
        let config = directory.path().join("nginx.conf");
        let text = format!(
            "pid {0}/pid; error_log stderr; events {{}} http {{ access_log off; client_body_temp_path {0};\n\
             proxy_temp_path {0}; fastcgi_temp_path {0}; uwsgi_temp_path {0}; scgi_temp_path {0};\n\
             server {{ listen 127.0.0.1:1 ssl; ssl_certificate {1}/crt+chain.pem; ssl_certificate_key {1}/key.pem; }} }}",
            directory.path().display(),
            item.display()
        );
        std::fs::write(&config, text).expect("written");
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let test = Command::new("nginx").env("PATH", path).arg("-t").arg("-c").arg(&config).output();
        let test = test.expect("nginx is installed; tests/setup.sh sees to it");
        assert!(test.status.success(), "{}: {}", item.display(), String::from_utf8_lossy(&test.stderr));
    }
}

/// Shakes hands every few milliseconds from the first moment on.
struct Handshakes {
    seen: watch::Receiver<Vec<String>>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Handshakes {
    fn start(to: std::net::SocketAddr) -> Self {
        let (sender, seen) = watch::channel(Vec::<String>::new());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut count = 0;
            while !*stopped.borrow() {
                // A client of its own for each: a resumed session would show the certificate it began with.
                let name = NAMES[count % 2];
                match Client::offering(&["h2", "http/1.1"]).hello(to, Some(name)).await {
                    Ok(shown) => {
                        let issuer = shown.leaf.issuer().to_owned();
                        count += 1;
                        sender.send_if_modified(|seen| {
                            let new = seen.last() != Some(&issuer);
                            if new {
                                seen.push(issuer);
                            }
                            new
                        });
                    }
                    Err(error) => assert!(count == 0, "handshake {count} failed: {error}"),
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            assert!(count > 20, "only {count} handshakes");
        });
        Self { seen, stop, task }
    }

    async fn until_last_is(&self, issuer: &str) {
        let mut seen = self.seen.clone();
        let came = seen.wait_for(|seen| seen.last().is_some_and(|last| last.starts_with(issuer)));
        tokio::time::timeout(PATIENCE, came).await.expect("in time").expect("it runs");
    }

    /// The issuers in the order in which they were seen, without repeats; fails if one handshake failed.
    async fn end(self) -> Vec<String> {
        self.stop.send_replace(true);
        self.task.await.expect("no handshake failed");
        self.seen.borrow().clone()
    }
}

const CHUNK: usize = 100_000;

/// An app with an echoing upgrade and a download that is in no hurry.
struct App {
    port: u16,
    finish: watch::Sender<bool>,
}

impl App {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (finish, finished) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, finished.clone()));
            }
        });
        Self { port, finish }
    }

    fn finish_download(&self) {
        self.finish.send_replace(true);
    }
}

async fn serve(mut stream: TcpStream, mut finished: watch::Receiver<bool>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    if head.starts_with("get /socket ") {
        assert!(head.contains("upgrade: websocket"), "{head}");
        stream
            .write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            )
            .await?;
        let (mut reader, mut writer) = stream.split();
        tokio::io::copy(&mut reader, &mut writer).await?;
    } else {
        let length = 2 * CHUNK;
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes()).await?;
        stream.write_all(&[b'a'; CHUNK]).await?;
        let _ = finished.wait_for(|finished| *finished).await;
        stream.write_all(&[b'b'; CHUNK]).await?;
    }
    Ok(())
}

async fn open_websocket(place: &Place) -> TokioIo<hyper::upgrade::Upgraded> {
    let mut sender = client::h1(place.tls(), NAMES[0]).await;
    let request = Request::get("/socket")
        .header("host", NAMES[0])
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(Full::<Bytes>::default())
        .expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!(response.status(), 101);
    TokioIo::new(hyper::upgrade::on(response).await.expect("an upgrade"))
}

async fn open_download(place: &Place) -> hyper::body::Incoming {
    let (mut sender, _connection) = client::h2(place.tls(), NAMES[1]).await;
    let request = client::get(&format!("https://{}/file", NAMES[1]), NAMES[1]);
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!(response.status(), 200);
    // The connection lives as long as its last stream.
    response.into_body()
}
