//! The program under a tracer that sees every system call by which it changes files, and lets one of them go wrong.
//!
//! The calls of all threads are counted together, in the order in which they begin, so that a number is one moment in the
//! life of the process. Tracing a child of one's own takes no privilege, but some containers forbid it all the same.

mod call;
mod follow;

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use tokio::sync::watch;

pub(crate) use call::Call;

use super::heard::{Heard, holds};
use follow::Tracer;

/// What happens to a call instead of the right thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process is killed before the call does anything.
    Kill,
    /// The call does nothing and fails with this.
    Fails(Errno),
    /// A write writes the first half.
    Short,
}

/// Which call goes wrong, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Injection {
    /// Its number, from 0, among the calls that this fault can happen to.
    pub(crate) at: usize,
    pub(crate) fault: Fault,
}

/// What was seen.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    /// The calls that did something, in the order in which they ended.
    pub(crate) done: Vec<Call>,
    /// The threads that made them.
    pub(crate) threads: Vec<Pid>,
    /// All calls that began.
    pub(crate) begun: usize,
    /// Those of them that a short write can happen to.
    pub(crate) writes: usize,
    /// The call that went wrong, if one did.
    pub(crate) struck: Option<Call>,
    /// What was written to standard error, and how many calls were done then.
    pub(crate) said: Vec<(usize, String)>,
}

/// Whether the kernel lets us trace. If not, whoever runs the tests must have said with `WITHOUT_PTRACE` that he knows.
///
/// # Panics
///
/// If he has not.
pub(crate) fn is_allowed() -> bool {
    let mut child =
        Command::new("sh").args(["-c", "read _"]).stdin(Stdio::piped()).spawn().expect("a shell starts");
    let seized = ptrace::seize(pid_of(&child), Options::empty());
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    let Err(error) = seized else { return true };
    assert!(
        std::env::var_os("WITHOUT_PTRACE").is_some(),
        "the kernel does not let a process trace its own child ({error}), so no system call can be interrupted: allow it \
         (in a container: --cap-add=SYS_PTRACE), or set WITHOUT_PTRACE=1, and only the verbs of the storage are interrupted"
    );
    eprintln!("WITHOUT_PTRACE: no system call is interrupted ({error})");
    false
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a small number"))
}

/// A process under the tracer. Dropping it kills it.
pub(crate) struct Traced {
    pid: Pid,
    log: Heard,
    ended: watch::Receiver<Option<WaitStatus>>,
    seen: Arc<Mutex<Seen>>,
}

impl Traced {
    /// Starts the program with these arguments. What counts is what it does below `root`.
    pub(crate) fn start<S: AsRef<OsStr>>(arguments: &[S], root: &Path, injection: Option<Injection>) -> Self {
        // It waits for a line before it becomes the program, so that it is traced from the first instruction on.
        let mut command = Command::new("sh");
        command.args(["-c", "read _ && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_sidegate")]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let seen = Arc::<Mutex<Seen>>::default();
        let (hand_over, started) = std::sync::mpsc::sync_channel(1);
        let (end, ended) = watch::channel(None);
        let (root, told) = (root.to_owned(), Arc::clone(&seen));
        // A process is traced by one thread and no other.
        std::thread::spawn(move || {
            let mut child = command.spawn().expect("a shell starts");
            let pid = pid_of(&child);
            let log = Heard::over(child.stderr.take().expect("piped"));
            hand_over.send((pid, log)).expect("somebody waits");
            let mut gate = child.stdin.take().expect("piped");
            let status = Tracer::new(pid, root, injection, told).follow(|| {
                gate.write_all(b"\n").expect("the shell waits");
            });
            // The tracer has waited for it already.
            let _ = child.wait();
            end.send_replace(Some(status));
        });
        let (pid, log) = started.recv().expect("it starts");
        Self { pid, log, ended, seen }
    }

    /// Waits for a line of the log with all of these words, for the end of the process, for a warning or an error after a
    /// call went wrong, or until patience ends.
    pub(crate) async fn done_or_in_trouble(&self, words: &[&str], patience: Duration) {
        let mut ended = self.ended.clone();
        let troubled = |line: &String| ["WARN", "ERROR"].iter().any(|level| line.contains(level));
        let done = |line: &String| holds(line, words);
        let line = self
            .log
            .until(|all| all.iter().any(done) || (all.iter().any(troubled) && self.seen().struck.is_some()));
        let end = ended.wait_for(Option::is_some);
        let _ = tokio::time::timeout(patience, async {
            tokio::select! { _ = line => {}, _ = end => {} }
        })
        .await;
    }

    /// Asks it to stop.
    pub(crate) fn ask_to_stop(&self) {
        if self.ended.borrow().is_none() {
            let _ = kill(self.pid, Signal::SIGTERM);
        }
    }

    /// Waits for the end, kills it when patience ends, and tells what was seen, how it ended, and what it said.
    pub(crate) async fn end(self, patience: Duration) -> (Seen, WaitStatus, Vec<String>) {
        let mut ended = self.ended.clone();
        if tokio::time::timeout(patience, ended.wait_for(Option::is_some)).await.is_err() {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
        let status =
            ended.wait_for(Option::is_some).await.expect("the tracer tells").expect("just waited for");
        (self.seen(), status, self.log.lines())
    }

    /// What was seen so far.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if self.ended.borrow().is_none() {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
    }
}
