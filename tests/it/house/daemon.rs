//! Programs that a test needs beside it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::Pid;

use super::heard::Heard;
use super::process::PATIENCE;

/// An installed program.
pub(super) fn program(name: &str) -> Command {
    // /usr/sbin is not on everybody's PATH.
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    let Some(found): Option<PathBuf> = found else {
        panic!("{name} is not installed, and this test cannot do without it: run tests/setup.sh");
    };
    mortal(&found)
}

/// The program, so started that it dies with this process whatever happens to it.
pub(super) fn mortal(path: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(path).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A child process and what it has said so far.
pub(super) struct Process {
    child: Child,
    pub(super) heard: Heard,
}

impl Process {
    pub(super) fn start(mut command: Command) -> Self {
        let (hand_over, started) = mpsc::sync_channel(1);
        // The child dies with the thread that started it, so that thread is the one that lives as long as the
        // child does: the reader of its output.
        std::thread::spawn(move || {
            let mut child = command.spawn().expect("setpriv (util-linux) starts the program");
            let out = child.stdout.take().expect("stdout is piped");
            let err = child.stderr.take().expect("stderr is piped");
            let heard = Heard::of([out.into(), err.into()]);
            let process = Self { child, heard: heard.clone() };
            hand_over.send(process).expect("somebody waits for the child");
            heard.listen();
        });
        started.recv().expect("the program starts")
    }

    /// Waits until the port takes connections; false if the process ended first.
    pub(super) async fn listens(&mut self, port: u16) -> bool {
        let connects = async {
            loop {
                if self.child.try_wait().expect("a child can be asked").is_some() {
                    return false;
                }
                if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, connects).await.unwrap_or(false)
    }

    pub(super) fn pid(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("it has a number")
    }

    pub(super) fn end(&mut self) {
        // An error means that it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
