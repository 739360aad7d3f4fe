//! What is interrupted.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sidegate::ident::{ItemId, Name, Provider};
use sidegate::pki::{KeyType, PrivateKey};
use sidegate::store::{Demanded, DemandedName, Hooked, Pin, Revoked};
use sidegate::story::Event;

use super::held::Held;
use crate::house::pebble::Pebble;
use crate::house::process::Place;
use crate::house::tool::{commit, sidegate, store, store_at, told};

/// Something that the program does to its storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    /// The first start, with names that no CA signs.
    Own,
    /// The first start, with a name that a CA signs.
    First,
    /// A renewal that is asked for.
    Renewal,
    /// A revocation, and the certificate that comes after it.
    Revoke,
    /// A start on a storage where much is to be mended.
    Sweep,
    /// `sidegate rollback`, with no process that serves.
    Rollback,
    /// `sidegate prune` of what nobody has configured.
    Prune,
    /// `sidegate restore` into a storage that has something of its own.
    Restore,
    /// `sidegate import` of a pair of files.
    Import,
    /// `sidegate fsck --repair` of the storage that the sweep mends.
    Repair,
}

/// Names that no CA signs.
const OWN: [&str; 2] = ["a.localhost", "b.localhost"];
/// The same, but nobody has configured them.
const STRAY: [&str; 2] = ["c.localhost", "d.localhost"];
/// A name that the CA has signed before.
const ISSUED: &str = "www.example.com";

impl Scene {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Own => "first start, self-signed",
            Self::First => "first start: account, order, certificate",
            Self::Renewal => "renewal",
            Self::Revoke => "`revoke`, and what replaces it",
            Self::Sweep => "start on a damaged storage",
            Self::Rollback => "`rollback`",
            Self::Prune => "`prune`",
            Self::Restore => "`restore`",
            Self::Import => "`import`",
            Self::Repair => "`fsck --repair`",
        }
    }

    /// Whether a CA is asked.
    pub(super) fn asks_a_ca(self) -> bool {
        self == Self::First || self.begins_with_the_cas()
    }

    /// Whether the CA has issued before it begins.
    pub(super) fn begins_with_the_cas(self) -> bool {
        matches!(self, Self::Renewal | Self::Revoke)
    }

    /// The names that are served. Each attempt at a first certificate has one that the CA has never heard of.
    pub(super) fn names(self, attempt: usize) -> Vec<String> {
        match self {
            Self::First => vec![format!("n{attempt}.example.com")],
            Self::Renewal | Self::Revoke => vec![ISSUED.to_owned()],
            _ => OWN.map(str::to_owned).to_vec(),
        }
    }

    pub(super) fn configure(self, place: &Place, pebble: Option<&Pebble>, attempt: usize) -> PathBuf {
        let retry = "retry = [\"1s\"]";
        let acme = pebble.map_or_else(
            || retry.to_owned(),
            |pebble| {
                let (api, issuance) = (place.path("api.pem"), place.path("issuance.pem"));
                let directory = pebble.directory();
                format!(
                    "directory = {directory:?}\napi_root = {api:?}\nissuance_root = {issuance:?}\n\
                 {retry}\nchallenges = [\"http-01\"]"
                )
            },
        );
        place.configure(&acme, &format!("[[site]]\ndomains = {:?}\nto = \"3000\"\n", self.names(attempt)))
    }

    /// What the program is told, where this much is there before.
    pub(super) fn words(self, place: &Place, config: &Path, before: &Held) -> Vec<OsString> {
        let file = |name| place.path(name).into_os_string();
        let mut words: Vec<OsString> = match self {
            Self::Own | Self::First | Self::Renewal | Self::Revoke | Self::Sweep => vec!["serve".into()],
            Self::Rollback => {
                let to = before.oldest().expect("an item");
                ["rollback", OWN[0], "--to", to].map(Into::into).into()
            }
            Self::Prune => ["prune", "--unconfigured"].map(Into::into).into(),
            Self::Restore => vec!["restore".into(), file("backup.tar")],
            Self::Import => {
                vec!["import".into(), "--cert".into(), file("pair.crt"), "--key".into(), file("pair.key")]
            }
            Self::Repair => ["fsck", "--repair"].map(Into::into).into(),
        };
        words.extend(["-c".into(), config.into()]);
        words
    }

    /// What an operator asks of the process once it runs, where this much was there before.
    pub(super) fn asked(self, before: &Held) -> Option<Vec<&str>> {
        match self {
            Self::Renewal => Some(vec!["renew", ISSUED, "--force"]),
            Self::Revoke => Some(vec!["revoke", before.best(ISSUED)?, "--yes"]),
            _ => None,
        }
    }

    /// The line of the log after which the program has done it; a tool ends by itself.
    pub(super) fn done(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Own => Some(&["serving names", "item="]),
            // Of one that was there it says «found».
            Self::First | Self::Renewal | Self::Revoke => Some(&["serving names", "issuer=\"Pebble"]),
            Self::Sweep => Some(&["swept"]),
            Self::Rollback | Self::Prune | Self::Restore | Self::Import | Self::Repair => None,
        }
    }

    /// How the program ends when nothing goes wrong.
    pub(super) fn ends(self) -> i32 {
        // What was repaired was wrong.
        i32::from(self == Self::Repair)
    }

    /// Puts into the storage, and beside it, what there is at the beginning; returns the items that will be removed.
    pub(super) async fn prepare(self, place: &Place) -> Vec<String> {
        let storage = place.storage();
        let mut removed = Vec::new();
        match self {
            Self::Own | Self::First | Self::Renewal | Self::Revoke => {}
            Self::Sweep | Self::Repair => damaged(&storage).await,
            Self::Rollback => {
                own(&storage, &OWN, 20).await;
                own(&storage, &OWN, 10).await;
            }
            Self::Prune => {
                own(&storage, &OWN, 10).await;
                for days in [30, 20] {
                    removed.push(own(&storage, &STRAY, days).await.to_string());
                }
            }
            Self::Restore => {
                let other = place.path("other");
                let old = own(&other, &[OWN[0], OWN[1], STRAY[0]], 20).await;
                own(&other, &OWN, 10).await;
                remembered(&other, old).await;
                let file = place.path("backup.tar").into_os_string();
                sidegate(&["backup".into(), file, "--storage".into(), other.into_os_string()]).good();
                own(&storage, &OWN, 15).await;
            }
            Self::Import => {
                let other = place.path("other");
                let item = other.join("database/items").join(own(&other, &OWN, 10).await.as_str());
                fs::copy(item.join("crt.pem"), place.path("pair.crt")).expect("copied");
                fs::copy(item.join("key.pem"), place.path("pair.key")).expect("copied");
            }
        }
        removed
    }
}

/// Commits a certificate of our own as it was done so many days ago.
async fn own(storage: &Path, names: &[&str], days: u64) -> ItemId {
    let then = SystemTime::now() - Duration::from_secs(days * 86_400);
    commit(&store_at(storage, then), names, Provider::Selfsigned, None).await.0
}

/// What a copy of a storage holds beside items: one of each kind.
async fn remembered(storage: &Path, item: ItemId) {
    let (store, now) = (store(storage), SystemTime::now());
    let name = |name| Name::parse(name).expect("a name");
    let key = || PrivateKey::generate(KeyType::P256);
    let account = store.accounts().create("https://ca.example/dir", &key()).await.expect("an account");
    store.accounts().prepare(&account, &key()).await.expect("a key to come");
    store.pins().note_revoked(&item, &Revoked { at: now, why: None }).await.expect("noted");
    let pin = Pin { over: item.clone(), item, since: now };
    store.pins().put(&name(STRAY[0]), &pin).await.expect("pinned");
    let demanded = DemandedName { name: name("e.localhost"), allowed: now, seen: now };
    let demanded = Demanded { names: vec![demanded], granted: Vec::new() };
    store.demands().save(&demanded).await.expect("saved");
    store.hooks().save(Hooked { line: 1, attempts: 0 }).await.expect("saved");
    told(storage, [Event::Leads, Event::Stopped]).await;
}

/// Two whole items, of which pointers lead to the older one or are missing, a damaged item that is newer, a pointer that
/// leads nowhere, and what a dead process was about to write.
async fn damaged(storage: &Path) {
    let old = own(storage, &OWN, 30).await;
    own(storage, &OWN, 20).await;
    let torn = own(storage, &OWN, 10).await;
    let items = storage.join("database/items");
    fs::write(items.join(torn.as_str()).join("key.pem"), "torn").expect("written");
    let pointer = |name| storage.join("database/latest-by-fqdn").join(name);
    let link = |target: String, name| std::os::unix::fs::symlink(target, pointer(name)).expect("a link");
    for name in OWN {
        fs::remove_file(pointer(name)).expect("it was there");
    }
    link(format!("../items/{old}"), OWN[1]);
    link("../items/nothing".to_owned(), "gone.localhost");
    let dead = storage.join("state/aside/0123456789abcdef");
    fs::create_dir(&dead).expect("made");
    fs::write(dead.join("0"), "half").expect("written");
}
