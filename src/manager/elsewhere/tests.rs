use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::catalog::{self, Lookup, Resolver};
use crate::ident::Names;
use crate::pki::{KeyType, Leaf, PrivateKey, SigningRequest};

const HOUR: Duration = Duration::from_secs(3600);

/// Files of somebody else, and what becomes of them here.
struct House {
    folder: tempfile::TempDir,
    elsewhere: Elsewhere,
    shelf: Shelf,
    resolver: Resolver,
    now: SystemTime,
}

impl House {
    fn new() -> Self {
        let (publisher, _, resolver, _) = catalog::open();
        let folder = tempfile::tempdir().expect("a directory");
        // All files are older than now, so that none of them is doubtful.
        let now = SystemTime::now() + HOUR;
        Self { folder, elsewhere: Elsewhere::default(), shelf: Shelf::new(publisher, 100), resolver, now }
    }

    /// Puts a certificate for the name there, valid for `hours` from an hour ago on; returns its serial.
    fn put(&self, file: &str, name: &str, hours: u32) -> String {
        let names = Names::new([Name::parse(name).expect("a name")]).expect("names");
        let key = PrivateKey::generate(KeyType::P256);
        let request = SigningRequest::new(&key, &names).expect("a request");
        let from = self.now - HOUR;
        let leaf = Leaf::from_der(request.self_sign(from, from + HOUR * hours).expect("signed").into());
        let leaf = leaf.expect("a leaf");
        let beside = self.folder.path().join(".new");
        fs::write(&beside, leaf.pem() + &key.to_pem()).expect("written");
        fs::rename(beside, self.folder.path().join(file)).expect("moved");
        leaf.serial()
    }

    fn list(&self, text: &str) -> Desired {
        let list = List::parse(&self.folder.path().join("list"), text.as_bytes()).expect("a list");
        Desired { lists: vec![Arc::new(list)], ..Desired::default() }
    }

    fn configure(&mut self, desired: &Desired) {
        self.elsewhere.configure(desired, &mut self.shelf, self.now);
    }

    fn turn(&mut self) {
        self.elsewhere.turn(&mut self.shelf, self.now);
    }

    /// To the end of the pass.
    fn look(&mut self) {
        while self.elsewhere.pass.is_some() {
            self.turn();
        }
    }

    /// The serial number of what a hello is shown, if it is shown something.
    fn hello(&mut self, host: &str) -> Option<String> {
        if matches!(self.resolver.lookup(Some(host)), Lookup::Cold(_)) {
            assert!(self.elsewhere.fetch(&Name::parse(host).expect("a name"), &mut self.shelf, self.now));
        }
        match self.resolver.lookup(Some(host)) {
            Lookup::Warm(certificate) => {
                let der = certificate.certified_key().cert[0].clone();
                Some(Leaf::from_der(der).expect("a leaf").serial())
            }
            Lookup::Cold(_) => None,
            Lookup::Stranger(_) | Lookup::Unknown => panic!("{host} is not on show"),
        }
    }

    fn faults(&self) -> Vec<String> {
        self.elsewhere.found.iter().filter_map(|found| found.fault().map(str::to_owned)).collect()
    }
}

fn lines(count: usize) -> String {
    (0..count).map(|number| format!("n{number}.example {number}.pem\n")).collect()
}

#[test]
fn what_is_in_use_is_looked_at_before_what_nobody_has_read() {
    let mut house = House::new();
    for number in 0..40 {
        house.put(&format!("{number}.pem"), &format!("n{number}.example"), 9);
    }
    let desired = house.list(&lines(40));
    house.configure(&desired);
    let before = house.hello("n39.example");
    let after = house.put("39.pem", "n39.example", 9);
    house.turn();
    assert_eq!(house.hello("n39.example"), before, "nobody said that it changed");
    house.configure(&desired);
    house.turn();
    assert_eq!(house.hello("n39.example"), Some(after));
    assert!(house.elsewhere.kept[38].stamp.is_none(), "there were 38 to be read before it");
    house.look();
    assert!(house.elsewhere.kept.iter().all(|kept| kept.packed.is_some()));
    assert!(!house.shelf.is_warm([&Name::parse("n7.example").expect("a name")]), "nobody asked for it");
}

#[test]
fn the_last_good_one_outlives_its_file_and_its_place_in_memory() {
    let mut house = House::new();
    let good = house.put("0.pem", "n0.example", 9);
    let desired = house.list(&lines(1));
    house.configure(&desired);
    house.look();
    fs::remove_file(house.folder.path().join("0.pem")).expect("removed");
    house.configure(&desired);
    house.look();
    assert_eq!(house.faults().len(), 1);
    assert_eq!(house.hello("n0.example"), Some(good.clone()), "nobody had asked for it before");

    // It leads elsewhere now, where nothing is yet, and then to something for another name.
    for text in ["n0.example there.pem\n", "n0.example other.pem\nmore.example more.pem\n"] {
        house.put("other.pem", "n1.example", 9);
        let moved = house.list(text);
        house.configure(&moved);
        house.look();
        house.shelf.show_cold([&Name::parse("n0.example").expect("a name")]);
        assert_eq!(house.hello("n0.example"), Some(good.clone()), "{text}");
    }
    assert_eq!(house.hello("more.example"), None);
    let late = house.put("more.pem", "more.example", 9);
    assert_eq!(house.hello("more.example"), Some(late), "the next one looks again");
}

#[test]
fn what_has_ended_does_not_replace_what_is_valid_and_is_better_than_nothing() {
    let mut house = House::new();
    let ended = house.put("0.pem", "n0.example", 1);
    house.now += HOUR;
    let desired = house.list(&lines(1));
    house.configure(&desired);
    house.look();
    assert_eq!(house.hello("n0.example"), Some(ended));
    assert!(house.faults()[0].contains("the certificate ended "), "{:?}", house.faults());
    let good = house.put("0.pem", "n0.example", 9);
    house.configure(&desired);
    house.look();
    assert_eq!((house.hello("n0.example"), house.faults()), (Some(good.clone()), vec![]));
    house.now -= HOUR;
    house.put("0.pem", "n0.example", 1);
    house.now += HOUR;
    house.configure(&desired);
    house.look();
    assert_eq!(house.hello("n0.example"), Some(good));
    assert_eq!(house.faults().len(), 1);
}

#[test]
fn a_site_with_files_of_its_own_is_read_at_once() {
    let mut house = House::new();
    let serial = house.put("0.pem", "n0.example", 9);
    let file = |file: &str| house.folder.path().join(file);
    let source =
        |name: &str, path: &Path| Arc::new(Source::new([Name::parse(name).expect("a name")], path, path));
    let files = vec![source("n0.example", &file("0.pem")), source("n1.example", &file("1.pem"))];
    house.configure(&Desired { files, ..Desired::default() });
    assert!(matches!(house.resolver.lookup(Some("n0.example")), Lookup::Warm(_)));
    assert!(matches!(house.resolver.lookup(Some("n1.example")), Lookup::Unknown), "it counts as missing");
    assert_eq!(house.hello("n0.example"), Some(serial));
}

/// Clients are shown this, a while after it was put there and without anybody asking.
async fn comes(house: &mut House, host: &str, serial: &str) {
    while house.hello(host).as_deref() != Some(serial) {
        house.elsewhere.turn_is_due().await;
        house.turn();
    }
}

/// The clock of the test runs ahead when nothing else is left to do, so this takes no time.
#[tokio::test(start_paused = true)]
async fn what_the_kernel_does_not_tell_of_is_found_by_a_look() {
    let mut house = House::new();
    let at = |name: &str| house.folder.path().join(name);
    let [real, link] = [at("real"), at("link")];
    fs::create_dir(&real).expect("a folder");
    house.put("real/0.pem", "n0.example", 9);
    house.put("real/1.pem", "n1.example", 9);
    fs::create_dir(&link).expect("a folder");
    for number in 0..2 {
        let name = format!("{number}.pem");
        std::os::unix::fs::symlink(real.join(&name), link.join(&name)).expect("a link");
    }
    let desired = house.list("n0.example link/0.pem\nn1.example link/1.pem\n");
    house.configure(&desired);
    house.look();
    house.hello("n0.example");
    let began = tokio::time::Instant::now();
    let changed = house.put("real/0.pem", "n0.example", 9);
    comes(&mut house, "n0.example", &changed).await;
    assert_eq!(began.elapsed(), Duration::from_secs(30));

    // It leads there by another way now, and the kernel, which told of that, is asked again.
    fs::rename(&link, house.folder.path().join("old")).expect("moved");
    std::os::unix::fs::symlink(&real, &link).expect("a link");
    house.elsewhere.turn_is_due().await;
    house.look();
    let began = tokio::time::Instant::now();
    let changed = house.put("real/0.pem", "n0.example", 9);
    comes(&mut house, "n0.example", &changed).await;
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_stays_bad_is_told_of_once() {
    let mut house = House::new();
    let good = house.put("0.pem", "n0.example", 9);
    let desired = house.list(&lines(1));
    house.configure(&desired);
    house.look();
    for text in ["nothing", "nothing, still"] {
        fs::write(house.folder.path().join("0.pem"), text).expect("written");
        house.elsewhere.turn_is_due().await;
        let looked = house.elsewhere.look_at(0, false, &mut house.shelf, house.now);
        let expected = if text == "nothing" { Looked::Faulty } else { Looked::Same };
        assert_eq!(looked, expected, "{text}");
        house.look();
    }
    assert_eq!((house.hello("n0.example"), house.faults().len()), (Some(good), 1));
}
