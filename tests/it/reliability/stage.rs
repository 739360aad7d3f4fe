//! One scene, played again and again from the same beginning.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::wait::WaitStatus;
use sidegate::pki::{Leaf, pem};
use sidegate::store::sweep::sweep;

use super::disk::{self, Tree};
use super::held::{self, Held};
use super::recording::Recording;
use super::scene::Scene;
use crate::house::client::Client;
use crate::house::pebble::{Pebble, Settings};
use crate::house::process::{self, Place, Sidegate};
use crate::house::tool::{Ran, ran, sidegate, store};
use crate::house::tracer::{Call, Injection, Seen, Traced};

/// How long is waited for what may not come, since something went wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a start notices of a storage that is gone; it stands beside it.
const BESIDE: &str = ".storage.issued.json";

pub(super) struct Stage {
    scene: Scene,
    place: Place,
    pebble: Option<Pebble>,
    /// What is whole at the beginning and has to stay, and where pointers ought to lead.
    before: Held,
    /// Items that are damaged at the beginning, or that the scene is there to remove.
    doomed: Vec<String>,
    /// What a restore brings.
    brought: BTreeSet<String>,
    /// How much is set aside, rightly.
    aside: usize,
    attempts: usize,
}

/// What came of an interruption.
pub(super) struct Outcome {
    /// The call that it happened to. A run may be shorter than another one, and there was none.
    pub(super) struck: Option<Call>,
    /// What was not as it should be.
    pub(super) faults: Vec<String>,
}

impl Stage {
    pub(super) async fn set(scene: Scene) -> Self {
        let place = Place::new();
        let mut pebble = None;
        if scene.asks_a_ca() {
            let mut settings = Settings::new(place.http, place.https);
            settings.nonce_reject = 0;
            let started = Pebble::start(settings).await;
            fs::write(place.path("api.pem"), started.api_root()).expect("written");
            fs::write(place.path("issuance.pem"), started.issuance_root()).expect("written");
            pebble = Some(started);
        }
        let mut doomed = scene.prepare(&place).await;
        if scene.begins_with_the_cas() {
            let config = scene.configure(&place, pebble.as_ref(), 0);
            let sidegate = Sidegate::serve(&config).await;
            sidegate.logged(&["serving names", "issuer=\"Pebble"]).await;
            sidegate.stop().await;
        }
        let mut before = Held::default();
        if place.storage().exists() {
            copy(&place.storage(), &place.path("beginning"));
            let found = Held::of(&place.storage());
            sweep(&store(&place.storage())).await.expect("a sweep");
            before = Held::of(&place.storage());
            doomed.extend(found.gone_in(&before));
            before = before.without(&doomed);
        }
        Self { scene, place, pebble, before, doomed, brought: BTreeSet::new(), aside: 0, attempts: 0 }
    }

    /// Plays it without an interruption, and counts the calls, and those that can fall short.
    pub(super) async fn in_peace(&mut self) -> (usize, usize) {
        let seen = self.play_well().await;
        (seen.begun, seen.writes)
    }

    /// Plays it without an interruption, and tells what happened.
    pub(super) async fn record(&mut self) -> Recording {
        let seen = self.play_well().await;
        let old = match self.place.path("beginning") {
            beginning if beginning.exists() => disk::read(&beginning, Path::new("storage")),
            _ => Tree::new(),
        };
        Recording::of(seen, old, self.root(), self.scene.done().is_none())
    }

    /// Plays it with an interruption, then again in peace, and looks at what became of it.
    pub(super) async fn interrupted(&mut self, injection: Injection) -> Outcome {
        let spent = self.spent();
        let config = self.begin();
        let (seen, _, log) = self.play(&config, Some(injection)).await;
        let mut faults = self.again(spent, usize::from(seen.struck.is_some())).await;
        if !faults.is_empty() {
            faults.push(format!("the log of the run that was interrupted:\n{}", log.join("\n")));
        }
        Outcome { struck: seen.struck, faults }
    }

    /// Plays it in peace on this disk, and looks at what became of it.
    pub(super) async fn found(&mut self, disk: &Tree) -> Vec<String> {
        let spent = self.spent();
        self.clear();
        disk::write(disk, &self.place.path(""));
        self.again(spent, 1).await
    }

    /// Puts everything back to the beginning.
    fn begin(&mut self) -> PathBuf {
        self.attempts += 1;
        self.clear();
        let beginning = self.place.path("beginning");
        if beginning.exists() {
            copy(&beginning, &self.place.storage());
        }
        self.configure()
    }

    fn clear(&self) {
        // On a first start there is neither.
        let _ = fs::remove_dir_all(self.place.storage());
        let _ = fs::remove_file(self.place.path(BESIDE));
    }

    fn configure(&self) -> PathBuf {
        self.scene.configure(&self.place, self.pebble.as_ref(), self.attempts)
    }

    async fn play_well(&mut self) -> Seen {
        let config = self.begin();
        let (seen, status, log) = self.play(&config, None).await;
        let well = matches!(status, WaitStatus::Exited(_, code) if code == self.scene.ends());
        assert!(well, "{}: {status:?}\n{}", self.scene.name(), log.join("\n"));
        self.aside = Held::of(&self.place.storage()).aside;
        if self.scene == Scene::Restore {
            self.brought = held::copied(&self.place.storage());
        }
        seen
    }

    async fn play(&self, config: &Path, injection: Option<Injection>) -> (Seen, WaitStatus, Vec<String>) {
        // In peace everything comes, and takes its time with a tracer at its side.
        let patience = if injection.is_some() { PATIENCE } else { process::PATIENCE };
        let traced = Traced::start(&self.words(config), &self.root(), injection);
        let Some(done) = self.scene.done() else { return traced.end(patience).await };
        let mut asked = None;
        if let Some(ask) = self.ask(config) {
            traced.done_or_in_trouble(&["swept"], patience).await;
            asked = Some(tokio::task::spawn_blocking(ask));
        }
        traced.done_or_in_trouble(done, patience).await;
        traced.ask_to_stop();
        let ended = traced.end(patience).await;
        if let Some(asked) = asked {
            // It hears that nobody is there any more.
            asked.await.expect("it ends");
        }
        ended
    }

    fn words(&self, config: &Path) -> Vec<OsString> {
        self.scene.words(&self.place, config, &self.before)
    }

    /// The operator beside the process.
    fn ask(&self, config: &Path) -> Option<impl FnOnce() -> Ran + Send + use<>> {
        let mut words: Vec<OsString> = self.scene.asked(&self.before)?.into_iter().map(Into::into).collect();
        words.extend(["-c".into(), config.into()]);
        Some(move || sidegate(&words))
    }

    /// The same once more, in peace, on what is there; returns what is not as it should be. So many orders may have been
    /// lost on their way from the CA.
    async fn again(&self, spent: [usize; 3], lost: usize) -> Vec<String> {
        let (config, storage) = (self.configure(), self.place.storage());
        let meanwhile = Held::of(&storage).without(&self.doomed);
        let mut faults = Vec::new();
        if self.scene.done().is_none() {
            let told = sidegate(&self.words(&config));
            // A repair may find that the one before was whole.
            if told.code != Some(0) && told.code != Some(self.scene.ends()) {
                faults.push(format!("it cannot be done again: {told:?}"));
            }
            let come = held::copied(&storage);
            faults.extend(self.brought.difference(&come).map(|place| format!("{place} has not come")));
        }
        let running = Sidegate::serve(&config).await;
        running.logged(&["swept"]).await;
        // A renewal is one too many if the first has been ordered; a revocation is not.
        if self.scene == Scene::Revoke
            && let Some(ask) = self.ask(&config)
        {
            let told = tokio::task::spawn_blocking(ask).await.expect("it ends");
            if told.code != Some(0) {
                faults.push(format!("it cannot be asked again: {told:?}"));
            }
        }
        faults.extend(self.unsettled(&running).await);
        let held = Held::of(&storage);
        faults.extend(self.before.lost_in(&held));
        faults.extend(meanwhile.lost_in(&held));
        if held.aside > self.aside {
            faults.push(format!("{} things are set aside, of which {} are damaged", held.aside, self.aside));
        }
        running.stop().await;
        let told = sidegate(&["fsck".as_ref(), "-c".as_ref(), config.as_os_str()]);
        if told.code != Some(0) {
            faults.push(format!("fsck says {told:?}"));
        }
        faults.extend(self.overspent(spent, lost));
        faults
    }

    /// Waits until every name is served as it ought to be; when patience ends, tells of one that is not.
    async fn unsettled(&self, running: &Sidegate) -> Option<String> {
        let mut fault = None;
        let settled = async {
            loop {
                let heard = running.log().len();
                fault = self.not_served().await;
                if fault.is_none() {
                    return;
                }
                // Nothing is served that the log does not tell of.
                running.says_more(heard).await;
            }
        };
        match tokio::time::timeout(process::PATIENCE, settled).await {
            Ok(()) => None,
            Err(_) => fault.map(|fault| format!("{fault}\n{}", running.log().join("\n"))),
        }
    }

    /// A finished handshake proves that key and certificate fit; the certificate has to be the best one.
    async fn not_served(&self) -> Option<String> {
        let held = Held::of(&self.place.storage());
        for name in self.names() {
            let Some(item) = held.best(&name) else { return Some(format!("{name} has no pointer")) };
            let shown = match Client::offering(&["http/1.1"]).hello(self.place.tls(), Some(&name)).await {
                Err(error) => return Some(format!("{name} is not served: {error}")),
                Ok(shown) => shown.leaf,
            };
            let file = self.place.storage().join("database/items").join(item).join("crt.pem");
            let leaf = pem::certificates(&fs::read(file).expect("a file")).expect("a certificate").remove(0);
            if shown.der() != Leaf::from_der(leaf).expect("a leaf").der() {
                return Some(format!("{name} is served by another certificate than {item}"));
            }
            if self.pebble.is_some() && !shown.issuer().starts_with("Pebble") {
                return Some(format!("{name} has no certificate of the CA"));
            }
            if self.scene == Scene::Revoke && self.before.best(&name) == Some(item) {
                return Some(format!("{name} is served by what was revoked"));
            }
        }
        None
    }

    fn names(&self) -> Vec<String> {
        self.scene.names(self.attempts)
    }

    /// The folder that holds the storage, as the kernel calls it.
    fn root(&self) -> PathBuf {
        self.place.path("").canonicalize().expect("it is there")
    }

    /// Accounts, orders and certificates of the CA.
    fn spent(&self) -> [usize; 3] {
        self.pebble.as_ref().map_or([0; 3], |ca| [ca.accounts(), ca.orders(), ca.issued()])
    }

    /// What was asked for once too often. An order that the CA has and we have no note of is the work of the interruption.
    fn overspent(&self, before: [usize; 3], lost: usize) -> Vec<String> {
        let now = self.spent();
        [("accounts", 1), ("orders", 1 + lost), ("certificates", 1)]
            .into_iter()
            .enumerate()
            .filter(|(at, (_, allowed))| now[*at] - before[*at] > *allowed)
            .map(|(at, (what, _))| format!("{} {what}", now[at] - before[at]))
            .collect()
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = ran(Command::new("cp").arg("-a").arg(from).arg(to));
    assert_eq!(copied.code, Some(0), "{copied:?}");
}
