//! The program itself, as an operator runs it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::heard::{Heard, holds};

/// Nothing that is waited for takes this long on a machine that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A running `sidegate`. Dropping it kills it.
pub(crate) struct Sidegate {
    child: Child,
    log: Heard,
    out: Heard,
}

/// Where a process of a test listens, and what it keeps.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    pub(crate) http: u16,
    pub(crate) https: u16,
    pub(crate) health: u16,
}

impl Place {
    /// Free ports, and an empty directory.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let [http, https, health] = std::array::from_fn(|_| super::port::free());
        Self { directory, http, https, health }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn storage(&self) -> PathBuf {
        self.path("storage")
    }

    /// Where its TLS port is reached.
    pub(crate) fn tls(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.https))
    }

    /// Writes a configuration whose general part is this place's, followed by `rest`, and returns its path.
    pub(crate) fn configure(&self, acme: &str, sites: &str) -> PathBuf {
        let path = self.path("sidegate.toml");
        let text = format!(
            "storage = {:?}\nworkers = 2\n[listen]\nhttp = {}\nhttps = {}\nhealth = \"127.0.0.1:{}\"\n\
             [acme]\n{acme}\n{sites}\n",
            self.storage(),
            self.http,
            self.https,
            self.health
        );
        std::fs::write(&path, text).expect("the configuration is written");
        path
    }
}

impl Sidegate {
    /// Starts the program with these arguments.
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// Starts the program with these arguments and variables.
    pub(crate) fn start_with<S: AsRef<std::ffi::OsStr>>(arguments: &[S], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
        command.args(arguments).envs(variables.iter().copied());
        Self::by(command)
    }

    /// Starts a command that is, or becomes, the program.
    pub(crate) fn by(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = Heard::over(child.stderr.take().expect("piped"));
        let out = Heard::over(child.stdout.take().expect("piped"));
        Self { child, log, out }
    }

    /// Starts `serve` with a configuration and waits until it listens.
    pub(crate) async fn serve(config: &Path) -> Self {
        let sidegate = Self::start(&["serve".as_ref(), "-c".as_ref(), config.as_os_str()]);
        sidegate.logged(&["listening"]).await;
        sidegate
    }

    /// The same, and waits until it serves a certificate of Pebble's.
    pub(crate) async fn issued(config: &Path) -> Self {
        let sidegate = Self::serve(config).await;
        sidegate.logged(&["serving", "issuer=\"Pebble"]).await;
        sidegate
    }

    /// Waits until one line of the log holds all of these words, and returns it.
    pub(crate) async fn logged(&self, words: &[&str]) -> String {
        wait(&self.log, words, "the log").await
    }

    /// Waits until one line of standard output holds all of these words, and returns it.
    pub(crate) async fn said(&self, words: &[&str]) -> String {
        wait(&self.out, words, "standard output").await
    }

    /// Waits until the log has more lines than this, or has ended.
    pub(crate) async fn says_more(&self, lines: usize) {
        self.log.until(|log| log.len() > lines).await;
    }

    /// All lines of the log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lines()
    }

    /// Standard output, also of a process that has ended.
    pub(crate) fn output(&self) -> Output {
        Output(self.out.clone())
    }

    /// Fails unless the log tells of these things one after another.
    pub(crate) fn assert_story(&self, phrases: &[&str]) {
        let log = self.log();
        let mut lines = log.iter();
        for phrase in phrases {
            assert!(
                lines.any(|line| line.contains(phrase)),
                "no «{phrase}» in its place in\n{}",
                log.join("\n")
            );
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("it has a number")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is ours");
    }

    /// Waits for the end.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let waiting = tokio::task::spawn_blocking(move || self.child.wait().expect("it is ours"));
        tokio::time::timeout(PATIENCE, waiting).await.expect("it ends").expect("no panic")
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(self) {
        self.signal(Signal::TERM);
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "a stop that was asked for is a success");
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
        self.log()
    }
}

/// What a process says on standard output.
pub(crate) struct Output(Heard);

impl Output {
    /// All of it, once the process has ended.
    pub(crate) async fn whole(self) -> Vec<String> {
        tokio::time::timeout(PATIENCE, self.0.ended()).await.expect("its output ends");
        self.0.lines()
    }
}

impl Drop for Sidegate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the log of sidegate\n{}", self.log().join("\n"));
        }
    }
}

async fn wait(heard: &Heard, words: &[&str], what: &str) -> String {
    let mut found = None;
    let came = heard.until(|lines| {
        found = lines.iter().find(|line| holds(line, words)).cloned();
        found.is_some()
    });
    let ended = matches!(tokio::time::timeout(PATIENCE, came).await, Ok(false));
    found.unwrap_or_else(|| panic!("no {words:?} in {what} (ended: {ended}):\n{}", heard.lines().join("\n")))
}
