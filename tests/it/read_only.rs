//! A storage that is only read: what another process commits is served and followed, and no byte of it is touched.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sidegate::ident::Provider;
use sidegate::store::{Store, layout};

use crate::house::client::Client;
use crate::house::issued::lineage;
use crate::house::process::{Place, Sidegate};
use crate::house::tool::{commit, ran, store};
use crate::status::tell;

/// Nobody answers there, and nobody is to be asked.
const CA: &str = "https://127.0.0.1:1/directory";
const NAME: &str = "www.example.com";
const OTHER: &str = "new.example.com";

/// Why a process only reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It was told so.
    Asked,
    /// Its mount of the directory is read-only.
    Mounted,
    /// It may not write there.
    Forbidden,
}

/// What root leaves out to be a user like others.
const NO_MORE_THAN_OTHERS: [&str; 2] = ["--inh-caps=-all", "--bounding-set=-all"];

impl Way {
    /// Those that can be had here: the latter two take root.
    fn all() -> Vec<Self> {
        let works = |program: &str, words: &[&str]| {
            rustix::process::geteuid().is_root() && ran(Command::new(program).args(words)).code == Some(0)
        };
        let mounted = works("unshare", &["--mount", "true"]).then_some(Self::Mounted);
        let [caps, bounding] = NO_MORE_THAN_OTHERS;
        let forbidden = works("setpriv", &[caps, bounding, "true"]).then_some(Self::Forbidden);
        [Some(Self::Asked), mounted, forbidden].into_iter().flatten().collect()
    }

    /// Starts a process that has to do with `place` in this way.
    async fn serve(self, place: &Place) -> Sidegate {
        let sidegate = Sidegate::by(self.command(place));
        sidegate.logged(&["listening"]).await;
        sidegate
    }

    fn command(self, place: &Place) -> Command {
        let config = configure(place, self == Self::Asked);
        let program = env!("CARGO_BIN_EXE_sidegate");
        let mut command = match self {
            Self::Asked => Command::new(program),
            Self::Mounted => {
                let mut command = Command::new("unshare");
                let script = r#"mount --bind -o ro "$0" "$0" && exec "$@""#;
                command.args(["--mount", "sh", "-c", script]).arg(place.storage()).arg(program);
                command
            }
            Self::Forbidden => {
                let mut command = Command::new("setpriv");
                command.args(NO_MORE_THAN_OTHERS).arg(program);
                command
            }
        };
        command.arg("serve").arg("-c").arg(config);
        command
    }

    /// What it says about it.
    fn word(self) -> [&'static str; 2] {
        match self {
            Self::Asked => ["INFO", "read-only: what is in the storage is served and followed"],
            Self::Mounted => ["WARN", "cause=Read-only file system"],
            Self::Forbidden => ["WARN", "cause=Permission denied"],
        }
    }
}

fn configure(place: &Place, read_only: bool) -> PathBuf {
    let site =
        format!("[[site]]\ndomains = [{NAME:?}]\nto = 3000\n[[site]]\ndomains = [{OTHER:?}]\nto = 3000\n");
    let config = place.configure(&format!("directory = {CA:?}"), &site);
    let text = fs::read_to_string(&config).expect("written");
    fs::write(&config, format!("read_only = {read_only}\n{text}")).expect("written");
    config
}

/// Everything in a directory, with contents, modes and times.
fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let meta = path.symlink_metadata().expect("there");
        let value = if meta.is_dir() {
            waiting
                .extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
            Vec::new()
        } else if meta.is_symlink() {
            fs::read_link(&path).expect("a link").as_os_str().as_bytes().to_owned()
        } else {
            fs::read(&path).expect("a file")
        };
        let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
        found.insert(path, format!("{:o} {times:?} {value:?}", meta.mode()));
    }
    found
}

/// What stands beside the storage is no place to write either.
fn beside(place: &Place) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(place.path("")).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut beside: Vec<PathBuf> = entries.filter(|path| *path != place.storage()).collect();
    beside.sort();
    beside
}

/// Takes the right to write from the owner of the folders, as far as that is the way.
fn forbid(way: Way, root: &Path) {
    if way == Way::Forbidden {
        let mut command = Command::new("find");
        ran(command.arg(root).args(["-type", "d", "-exec", "chmod", "0500", "{}", "+"])).good();
    }
}

/// Serial number and issuer of what a client is shown.
async fn shown(place: &Place, name: &str) -> (String, String) {
    let shown = Client::offering(&["http/1.1"]).hello(place.tls(), Some(name)).await.expect("a handshake");
    (shown.leaf.serial(), shown.leaf.issuer().to_owned())
}

/// Returns when a client is shown this. What the kernel does not tell of is looked for every half minute.
async fn followed(place: &Place, name: &str, serial: &str) {
    let shown = async { while shown(place, name).await.0 != serial {} };
    tokio::time::timeout(Duration::from_secs(180), shown).await.expect("it is followed");
}

/// Commits a certificate of the CA, and returns its serial number.
async fn issue(store: &Store, name: &str) -> String {
    commit(store, &[name], Provider::Letsencrypt, Some(CA)).await.1.leaf().serial()
}

#[tokio::test]
async fn what_another_process_commits_is_served_and_followed_and_nothing_is_written() {
    for way in Way::all() {
        let place = Place::new();
        let writer = store(&place.storage());
        let first = issue(&writer, NAME).await;
        // What cannot be read, and would be moved out of the way where it can be.
        let record = layout::lineage_state(lineage(&[NAME], Provider::Letsencrypt).id());
        fs::write(place.storage().join(record.as_str()), "{").expect("written");
        forbid(way, &place.storage());
        configure(&place, way == Way::Asked);
        let (before, around) = (tree(&place.storage()), beside(&place));

        let reader = way.serve(&place).await;
        assert_eq!(shown(&place, NAME).await.0, first, "{way:?}");
        assert_eq!(shown(&place, OTHER).await.1, "sidegate self-signed", "{way:?}");
        reader.logged(&["damaged, and passed over"]).await;
        assert_eq!(tree(&place.storage()), before, "{way:?}");

        let (second, other) = (issue(&writer, NAME).await, issue(&writer, OTHER).await);
        let committed = tree(&place.storage());
        followed(&place, NAME, &second).await;
        followed(&place, OTHER, &other).await;
        let log = reader.log();
        let said = log.iter().filter(|line| way.word().iter().all(|word| line.contains(word))).count();
        assert_eq!(said, 1, "{way:?}: {log:#?}");
        assert!(!log.iter().any(|line| line.contains("ordering") || line.contains("not issued")), "{log:#?}");
        reader.stop().await;
        assert_eq!(tree(&place.storage()), committed, "{way:?}");
        assert_eq!(beside(&place), around, "{way:?}");
    }
}

#[tokio::test]
async fn a_directory_with_nothing_in_it_is_enough_to_start() {
    for way in Way::all().into_iter().filter(|way| *way != Way::Forbidden) {
        let place = Place::new();
        fs::create_dir(place.storage()).expect("made");
        let reader = way.serve(&place).await;
        assert_eq!(shown(&place, NAME).await.1, "sidegate self-signed");
        assert_eq!(tree(&place.storage()).len(), 1, "{way:?}");
        let serial = issue(&store(&place.storage()), NAME).await;
        followed(&place, NAME, &serial).await;
        reader.stop().await;
    }
}

/// It would be well served, and self-signed for ever.
#[test]
fn an_empty_directory_of_somebody_else_is_a_mistake() {
    for way in Way::all().into_iter().filter(|way| *way == Way::Forbidden) {
        let place = Place::new();
        fs::create_dir(place.storage()).expect("made");
        forbid(way, &place.storage());
        let said = ran(&mut way.command(&place));
        assert_eq!(said.code, Some(1), "{}", said.err);
        for part in [&*place.storage().display().to_string(), "Permission denied", "--read-only"] {
            assert!(said.err.contains(part), "{part} is not in {}", said.err);
        }
        assert_eq!(tree(&place.storage()).len(), 1);
    }
}

#[tokio::test]
async fn a_link_that_leads_to_another_tree_is_followed() {
    let place = Place::new();
    let [old, new] = ["old", "new"].map(|name| place.path(name));
    let first = issue(&store(&old), NAME).await;
    let second = issue(&store(&new), NAME).await;
    symlink(&old, place.storage()).expect("a link");
    let reader = Way::Asked.serve(&place).await;
    assert_eq!(shown(&place, NAME).await.0, first);
    symlink(&new, place.path("next")).expect("a link");
    fs::rename(place.path("next"), place.storage()).expect("in its place");
    followed(&place, NAME, &second).await;
    reader.stop().await;
}

#[tokio::test]
async fn commands_that_write_refuse_and_say_where_to_go() {
    let place = Place::new();
    let writer = store(&place.storage());
    let (item, _) = commit(&writer, &[NAME], Provider::Letsencrypt, Some(CA)).await;
    issue(&writer, NAME).await;
    drop(writer);
    let (open, config) = (configure(&place, false), place.path("read-only.toml"));
    let archive = place.path("backup.tar");
    let archive = archive.to_str().expect("text");
    assert_eq!(tell(&open, &["backup", archive]).code, Some(0));
    fs::rename(configure(&place, true), &config).expect("renamed");
    let before = tree(&place.storage());

    let unknown = commit(&store(&place.path("other")), &[OTHER], Provider::Letsencrypt, Some(CA)).await.0;
    let pem = place.path("other/database/items").join(unknown.as_str()).join("crt+chain+key.pem");
    let pem = pem.to_str().expect("text");
    for (words, why) in [
        (&["renew", NAME][..], "the storage is read-only here: ask the process that issues"),
        (&["revoke", item.as_str(), "--yes"], "the storage is read-only here: ask the process that issues"),
        (&["rollback", NAME], "the storage is read-only here"),
        (&["account", "rollover"], "the storage is read-only here"),
        (&["prune"], "the storage is read-only here"),
        (&["restore", archive], "the storage is read-only here"),
        (&["import", "--cert", pem, "--key", pem], "the storage is read-only here"),
        (&["fsck", "--repair"], "the configuration has the storage only read"),
    ] {
        let told = tell(&config, words);
        assert!(!matches!(told.code, Some(0 | 64 | 78) | None), "{words:?}: {:?} {}", told.code, told.out);
        assert!(told.err.contains(why), "{words:?}: {}", told.err);
    }
    for (words, what) in [
        (&["status"][..], "which is read-only here"),
        (&["list"], NAME),
        (&["history", NAME], item.as_str()),
        (&["show", item.as_str()], NAME),
        (&["prune", "--dry-run"], ""),
        (&["fsck"], "2 whole items"),
        (&["check"], ", only read"),
        (&["backup", "-"], "domain.list"),
        (&["doctor"], "is only read, as configured"),
    ] {
        let told = tell(&config, words);
        assert!(told.out.contains(what), "{words:?}: {} {}", told.out, told.err);
    }
    assert_eq!(tree(&place.storage()), before);
}
