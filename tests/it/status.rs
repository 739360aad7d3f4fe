//! `sidegate status` and `list`: from the process that runs, and from the storage where none does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use crate::house::process::{PATIENCE, Place, Sidegate};

/// What a command of the program came to.
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Told {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// Runs a command about the certificates of a configuration.
pub(crate) fn tell(config: &Path, words: &[&str]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.args(words).arg("-c").arg(config);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let end = Instant::now() + PATIENCE;
    loop {
        let out = command.output().expect("the program");
        let told = Told { code: out.status.code(), out: text(out.stdout), err: text(out.stderr) };
        // A process that is slow to say who it is has been asked for nothing else.
        if Instant::now() > end || !told.err.contains("did not answer within 5 seconds") {
            return told;
        }
    }
}

/// The same, asked again until all of these words are in the answer: what the log tells of is in the picture a moment later.
pub(crate) fn tell_until(config: &Path, words: &[&str], awaited: &[&str]) -> Told {
    let end = Instant::now() + PATIENCE;
    loop {
        let told = tell(config, words);
        let is_so = awaited.iter().all(|word| told.out.contains(word));
        assert!(is_so || Instant::now() < end, "not all of {awaited:?} in {}{}", told.out, told.err);
        if is_so {
            return told;
        }
    }
}

/// A configuration with a name that we sign ourselves.
pub(crate) fn localhost(place: &Place) -> PathBuf {
    place.configure("", "[[site]]\ndomains = [\"localhost\"]\nto = 3000\n")
}

#[tokio::test]
async fn a_running_process_is_asked_and_else_the_storage() {
    let place = Place::new();
    let config = localhost(&place);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;

    let pid = sidegate.pid().as_raw_nonzero();
    let told = tell_until(&config, &["status"], &[&format!("\nsaid by process {pid}, which issues")]);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    assert!(told.out.starts_with("STATE ") && told.out.contains("localhost"), "{}", told.out);
    assert!(!told.out.contains('\x1b'), "a pipe gets no colours");

    let live = tell(&config, &["status", "localhost", "--json"]).json();
    assert_eq!((&live["version"], &live["process"]["pid"]), (&1.into(), &pid.get().into()));
    sidegate.stop().await;

    let told = tell(&config, &["status", "--json"]);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    let stored = told.json();
    assert_eq!(stored["process"], Value::Null);
    assert_eq!(stored["certificates"], live["certificates"], "both say the same");
    let text = tell(&config, &["status"]).out;
    assert!(text.ends_with("; no process uses it\n"), "{text}");
    assert_eq!(tell(&config, &["list", "--json"]).json(), live["certificates"]);
}

#[tokio::test]
async fn the_exit_code_is_for_monitoring() {
    let place = Place::new();
    let acme = "directory = \"https://127.0.0.1:1/directory\"";
    let config = place.configure(acme, "[[site]]\ndomains = [\"www.example.com\"]\nto = 3000\n");
    fs::create_dir(place.storage()).expect("made");
    let told = tell(&config, &["status"]);
    assert_eq!(told.code, Some(2), "{}", told.out);
    assert!(told.out.contains("www.example.com has no valid certificate"), "{}", told.out);

    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    sidegate.logged(&["not issued"]).await;
    let awaited = ["warning ", "a self-signed certificate stands in", "last error: ", "attempt 2"];
    assert_eq!(tell_until(&config, &["status"], &awaited).code, Some(1));
    let told = tell(&config, &["status", "other.example.com"]);
    assert_eq!((told.code, told.out.as_str()), (Some(3), ""));
    assert!(told.err.contains("nobody has configured other.example.com"), "{}", told.err);
    assert_eq!(tell(&config, &["status", "no name"]).code, Some(3));
    assert_eq!(tell(&config, &["status", "--jsno"]).code, Some(64));
    sidegate.stop().await;
}

#[tokio::test]
async fn of_several_processes_the_one_that_issues_is_asked() {
    let place = Place::new();
    let config = localhost(&place);
    let first = Sidegate::serve(&config).await;
    first.logged(&["serving", "item="]).await;
    let other = Place::new();
    let text = fs::read_to_string(localhost(&other)).expect("written");
    let shared = text.replace(&format!("{:?}", other.storage()), &format!("{:?}", place.storage()));
    let second_config = other.path("shared.toml");
    fs::write(&second_config, shared).expect("written");
    let second = Sidegate::serve(&second_config).await;
    second.logged(&["another process issues"]).await;

    let folder = place.storage().join("state/control");
    let mode = |name: &str| folder.join(name).metadata().expect("a socket").permissions().mode() & 0o777;
    assert_eq!((mode("1.sock"), mode("2.sock")), (0o600, 0o600));
    let asked = |config: &Path| tell(config, &["status", "--json"]).json()["process"]["pid"].clone();
    let pid = |process: &Sidegate| Value::from(process.pid().as_raw_nonzero().get());
    assert_eq!(asked(&second_config), pid(&first));
    // What a killed process leaves keeps nobody from asking the other one.
    first.kill();
    assert_eq!(asked(&config), pid(&second));
    let third = Sidegate::serve(&config).await;
    assert!(third.log().iter().all(|line| !line.contains("no control socket")));
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 2, "the dead one was replaced");
    third.signal(Signal::TERM);
    third.ended().await;
    second.stop().await;
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 0, "a stop leaves nothing");
}
