//! `sidegate` as a tool that does its work and ends, and storages for it to work on.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::SystemTime;

use sidegate::clock::Clock;
use sidegate::ident::{ItemId, Provider};
use sidegate::pki::{Bundle, KeyType};
use sidegate::store::fs::{FsEngine, journal};
use sidegate::store::{Issuance, Store};
use sidegate::story::{Event, Recorder};

use super::issued;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs it to its end, with nothing in its environment.
pub(crate) fn sidegate<S: AsRef<OsStr>>(words: &[S]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.env_clear().args(words).stdin(Stdio::null());
    ran(&mut command)
}

/// Runs another program to its end.
pub(crate) fn ran(command: &mut Command) -> Ran {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran { code: out.status.code(), out: text(out.stdout), err: text(out.stderr) }
}

impl Ran {
    /// What it said, if all went well.
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// What it said when it refused.
    pub(crate) fn refused(self) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        self.err
    }
}

/// The storage in this directory.
pub(crate) fn store(root: &Path) -> Store {
    Store::new(Arc::new(FsEngine::open(root).expect("a storage")), Clock::system())
}

/// The same at a moment that is not now.
pub(crate) fn store_at(root: &Path, now: SystemTime) -> Store {
    Store::new(Arc::new(FsEngine::open(root).expect("a storage")), Clock::manual(now).0)
}

/// Tells this to the journal of the storage in this directory, as a process that issues for it would.
pub(crate) async fn told(root: &Path, events: impl IntoIterator<Item = Event>) {
    let (recorder, told) = Recorder::channel(Clock::system());
    let storage = root.to_owned();
    let keeper = std::thread::spawn(move || journal::keep(told, &storage, || {}));
    recorder.keep().await;
    for event in events {
        recorder.tell([], event);
    }
    recorder.end().await;
    drop(recorder);
    keeper.join().expect("it ends when nobody can tell anything any more");
}

/// Commits a certificate for these names, as its provider would have issued it, and returns it with its item's id.
pub(crate) async fn commit(
    store: &Store,
    names: &[&str],
    provider: Provider,
    directory: Option<&str>,
) -> (ItemId, Bundle) {
    let lineage = issued::lineage(names, provider);
    let mut draft = store.spool().open(&lineage).await.expect("a draft");
    let (key, request) = draft.request_or_generate(KeyType::P256).await.expect("a request");
    let bundle = issued::answer(&lineage, &key, &request);
    draft.note_issuance(&issuance(directory)).await.expect("noted");
    (draft.commit(&bundle).await.expect("committed"), bundle)
}

/// The same for a certificate that ends at this moment.
pub(crate) async fn commit_until(
    store: &Store,
    names: &[&str],
    provider: Provider,
    directory: Option<&str>,
    end: SystemTime,
) -> ItemId {
    let lineage = issued::lineage(names, provider);
    let mut draft = store.spool().open(&lineage).await.expect("a draft");
    let (key, _) = draft.request_or_generate(KeyType::P256).await.expect("a request");
    let chain = issued::by_a_ca_until(lineage.names(), &key, Some(end));
    let bundle = Bundle::join(key, chain, lineage.names()).expect("they fit");
    draft.note_issuance(&issuance(directory)).await.expect("noted");
    draft.commit(&bundle).await.expect("committed")
}

fn issuance(directory: Option<&str>) -> Issuance {
    let noted = Issuance::new(KeyType::P256.as_str(), "a test", SystemTime::now());
    Issuance { directory: directory.map(str::to_owned), ..noted }
}
