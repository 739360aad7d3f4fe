//! Many certificates that somebody else keeps: a list names them, a hello fetches one, a reload takes over what changed.

use std::cell::Cell;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, SanType, SerialNumber};
use rustix::process::Signal;
use rustls::AlertDescription;

use crate::house::client::{self, Client};
use crate::house::greeter::Greeter;
use crate::house::process::{Place, Sidegate};

/// PEM files in the directory of a place. All certificates have the same key: making keys is not under test.
struct Files<'a> {
    place: &'a Place,
    key: KeyPair,
    serial: Cell<u64>,
}

impl<'a> Files<'a> {
    fn new(place: &'a Place) -> Self {
        Self { place, key: KeyPair::generate().expect("a key"), serial: Cell::new(1) }
    }

    /// A new certificate for these names as PEM, and its serial number.
    fn certificate(&self, names: &[&str]) -> (String, String) {
        let serial = self.serial.replace(self.serial.get() + 1);
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(serial));
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.parse() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => SanType::DnsName((*name).try_into().expect("a name")),
            })
            .collect();
        (params.self_signed(&self.key).expect("signed").pem(), format!("{serial:02x}"))
    }

    /// Puts a certificate and its key into one file; returns the serial number.
    fn put(&self, file: &str, names: &[&str]) -> String {
        let (certificate, serial) = self.certificate(names);
        self.write(file, &(certificate + &self.key.serialize_pem()));
        serial
    }

    /// As whoever renews certificates should: beside it, and moved there.
    fn write(&self, file: &str, text: &str) {
        let beside = self.place.path(".new");
        std::fs::write(&beside, text).expect("written");
        std::fs::rename(beside, self.place.path(file)).expect("moved");
    }
}

fn configure(place: &Place, app: &Greeter) -> PathBuf {
    place.configure("", &format!("[[site]]\ncertificates = \"all.list\"\nto = {}\n", app.port))
}

/// The serial number of the certificate that a new client is shown.
async fn serial(place: &Place, name: &str) -> String {
    let client = Client::offering(&["http/1.1"]);
    client.hello(place.tls(), Some(name)).await.expect("a handshake").leaf.serial()
}

async fn alert(place: &Place, name: &str) -> AlertDescription {
    Client::offering(&["h2"]).alert(place.tls(), Some(name)).await
}

async fn ask(place: &Place, name: &str) -> (u16, String) {
    let mut connection = client::h1(place.tls(), name).await;
    client::read(connection.send_request(client::get("/", name)).await.expect("an answer")).await
}

#[tokio::test]
async fn each_name_of_a_list_is_shown_its_certificate() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let files = Files::new(&place);
    let one = files.put("one.pem", &["one.example"]);
    let (chain, two) = files.certificate(&["two.example", "*.two.example", "192.0.2.7"]);
    files.write("two.crt", &chain);
    files.write("two.key", &files.key.serialize_pem());
    let list = "# ours\none.example one.pem\n\ntwo.example two.crt two.key\n*.two.example two.crt two.key\n\
                192.0.2.7 two.crt two.key\n";
    files.write("all.list", list);
    let sidegate = Sidegate::serve(&configure(&place, &app)).await;
    for (name, expected) in [("one.example", &one), ("two.example", &two), ("a.two.example", &two)] {
        assert_eq!(serial(&place, name).await, *expected, "{name}");
        assert_eq!(ask(&place, name).await, (200, "app".to_owned()), "{name}");
    }
    for unknown in ["three.example", "a.b.two.example", "a.one.example"] {
        assert_eq!(alert(&place, unknown).await, AlertDescription::UnrecognisedName, "{unknown}");
    }
    sidegate.logged(&["looked at what is kept elsewhere", "certificates=2", "faulty=0"]).await;
    sidegate.stop().await;
}

#[tokio::test]
async fn a_reload_takes_over_what_changed_and_nothing_else() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let files = Files::new(&place);
    let serials = ["same", "swapped", "broken", "gone"]
        .map(|name| files.put(&format!("{name}.pem"), &[&format!("{name}.example")]));
    let line = |name: &str| format!("{name}.example {name}.pem\n");
    files.write("all.list", &["same", "swapped", "broken", "gone"].map(line).concat());
    let sidegate = Sidegate::serve(&configure(&place, &app)).await;
    sidegate.logged(&["looked at what is kept elsewhere", "changed=4", "faulty=0"]).await;
    let mut open = client::h1(place.tls(), "gone.example").await;
    assert_eq!(serial(&place, "swapped.example").await, serials[1]);

    let swapped = files.put("swapped.pem", &["swapped.example"]);
    files.write("broken.pem", "-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n");
    let new = files.put("new.pem", &["new.example"]);
    files.write("all.list", &["new", "same", "swapped", "broken"].map(line).concat());
    sidegate.signal(Signal::HUP);
    sidegate.logged(&["configured anew"]).await;
    sidegate.logged(&["looked at what is kept elsewhere", "faulty=1"]).await;
    for (name, expected) in
        [("same", &serials[0]), ("swapped", &swapped), ("broken", &serials[2]), ("new", &new)]
    {
        let name = format!("{name}.example");
        assert_eq!(serial(&place, &name).await, *expected, "{name}");
        assert_eq!(ask(&place, &name).await, (200, "app".to_owned()), "{name}");
    }
    sidegate.logged(&["WARN", "the one before stays", "broken.pem"]).await;
    assert_eq!(alert(&place, "gone.example").await, AlertDescription::UnrecognisedName);
    let request = client::get("/", "same.example");
    let answer = open.send_request(request).await.expect("the connection is still open");
    assert_eq!(client::read(answer).await.0, 421, "its certificate is not for that name");

    // Nobody says that it changed.
    let mended = files.put("broken.pem", &["broken.example"]);
    let shown = async { while serial(&place, "broken.example").await != mended {} };
    tokio::time::timeout(Duration::from_secs(180), shown).await.expect("it is served");
    let told = sidegate.log().iter().filter(|line| line.contains("the one before stays")).count();
    assert_eq!(told, 1);
    sidegate.stop().await;
}

#[tokio::test]
async fn a_name_that_leads_to_a_missing_file_harms_no_other_and_comes_with_the_file() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let files = Files::new(&place);
    let good = files.put("good.pem", &["good.example"]);
    files.put("other.pem", &["other.example"]);
    files.write("all.list", "late.example late.pem\ngood.example good.pem\nwrong.example other.pem\n");
    let sidegate = Sidegate::serve(&configure(&place, &app)).await;
    assert_eq!(serial(&place, "good.example").await, good);
    assert_eq!(alert(&place, "late.example").await, AlertDescription::InternalError);
    assert_eq!(alert(&place, "wrong.example").await, AlertDescription::InternalError);
    sidegate.logged(&["looked at what is kept elsewhere", "certificates=3", "faulty=2"]).await;
    sidegate.logged(&["WARN", "cannot be served", "late.pem cannot be read"]).await;
    sidegate.logged(&["WARN", "cannot be served", "other.pem does not cover wrong.example"]).await;
    assert_eq!(client::in_clear(place.health, "/readyz").await.0, 200, "one of many faults is nobody's end");

    let late = files.put("late.pem", &["late.example"]);
    assert_eq!(serial(&place, "late.example").await, late, "whoever asks again gets it");
    sidegate.stop().await;
}

#[tokio::test]
async fn a_list_that_is_wrong_is_told_line_by_line_and_changes_nothing() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let files = Files::new(&place);
    let one = files.put("one.pem", &["one.example"]);
    files.write("all.list", "one.example one.pem\n");
    let config = configure(&place, &app);
    let sidegate = Sidegate::serve(&config).await;
    files.write("all.list", "one.example one.pem\nx..y one.pem\nONE.example. two.pem\n");
    sidegate.signal(Signal::HUP);
    sidegate.logged(&["not reloaded", "stays as it is"]).await;
    let list = place.path("all.list");
    sidegate.assert_story(&[
        &format!("{}:2:1: `x..y` is not a name", list.display()),
        &format!("{}:3:1: one.example is given twice, first on line 1", list.display()),
    ]);
    assert_eq!(serial(&place, "one.example").await, one);
    sidegate.stop().await;

    files.write("all.list", &"nonsense\n".repeat(70));
    let (code, _, told) = check(&config);
    assert_eq!(code, Some(78));
    assert_eq!(told.lines().count(), 51, "{told}");
    assert!(told.ends_with("and 20 more\n"), "{told}");
}

#[tokio::test]
async fn a_check_reads_every_certificate_and_says_how_many_there_are() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let files = Files::new(&place);
    files.put("one.pem", &["one.example", "www.one.example"]);
    files.write("all.list", "one.example one.pem\nwww.one.example one.pem\ntwo.example two.pem\n");
    let config = configure(&place, &app);
    let (code, _, told) = check(&config);
    assert_eq!(code, Some(78));
    let list = place.path("all.list");
    assert!(told.starts_with(&format!("{}:3: ", list.display())), "{told}");
    assert!(told.contains("two.pem cannot be read"), "{told}");
    files.put("two.pem", &["two.example"]);
    let (code, said, told) = check(&config);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert!(said.contains("all.list: 3 names, 2 certificates\n  / goes to http://localhost:"), "{said}");
}

fn check(config: &std::path::Path) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    let out = command.args(["check", "-c"]).arg(config).output().expect("the program");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (out.status.code(), text(out.stdout), text(out.stderr))
}

#[tokio::test]
async fn the_last_of_ten_thousand_names_is_served_as_soon_as_it_listens() {
    let (place, app) = (Place::new(), Greeter::start("app").await);
    let files = Files::new(&place);
    let (mut list, mut last) = (String::new(), String::new());
    for number in 0..10_000 {
        let (file, name) = (format!("{number}.pem"), format!("n{number}.example"));
        last = files.put(&file, &[&name]);
        writeln!(list, "{name} {file}").expect("text");
    }
    files.write("all.list", &list);
    let sidegate = Sidegate::serve(&configure(&place, &app)).await;
    assert_eq!(serial(&place, "n9999.example").await, last);
    assert_eq!(ask(&place, "n5000.example").await, (200, "app".to_owned()));
    let told = sidegate.log().len();
    assert!(told < 100, "{told} lines for a start");
    sidegate.stop().await;
}
