//! The program we wrap: `sidegate run -- CMD`.
//!
//! It is started once its listeners exist, gets the signals we get, and its end is ours.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, Resource, Rlimit, Signal as Raw, getrlimit, kill_process, prlimit};
use thiserror::Error;
use tokio::process::Command;

use super::{FileLimit, Signal, executable};

/// Where the C library looks for programs if nothing says where.
const USUAL_PATH: &str = "/usr/local/bin:/bin:/usr/bin";

/// A program could not be started.
#[derive(Debug, Error)]
#[error("cannot start {program}: {source}{}", hint(source))]
pub struct SpawnError {
    program: String,
    source: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => " (is it in PATH?)",
        io::ErrorKind::PermissionDenied => " (is it executable?)",
        _ => "",
    }
}

impl SpawnError {
    pub(super) fn new(program: String, source: io::Error) -> Self {
        Self { program, source }
    }

    /// What a shell would exit with: 127 for a program it cannot find, 126 for one it cannot run.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.source.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
    }
}

/// A program that runs beside us. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
}

impl Child {
    /// Looks whether `command` could be started, so that what is only misspelt is told before anything is begun.
    ///
    /// # Errors
    ///
    /// [`SpawnError`], as starting it would give it.
    pub fn look(command: &[OsString]) -> Result<(), SpawnError> {
        let name = command.first().cloned().unwrap_or_default();
        let path = env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into());
        executable::look(&name, &path)
            .map_err(|source| SpawnError::new(name.to_string_lossy().into_owned(), source))
    }

    /// Starts `command` with `PORT` in its environment and everything else as it is here.
    ///
    /// With `files`, its limit on open files is what ours was before we raised it: programs that loop
    /// over every possible descriptor, or use `select`, are not to be surprised.
    ///
    /// # Errors
    ///
    /// [`SpawnError`], whose exit code is the one a shell would give.
    pub fn spawn(
        command: &[OsString],
        port: Option<u16>,
        files: Option<FileLimit>,
    ) -> Result<Self, SpawnError> {
        let name = command.first().cloned().unwrap_or_default();
        let program = name.to_string_lossy().into_owned();
        let mut prepared = Command::new(&name);
        prepared.args(command.iter().skip(1)).kill_on_drop(true);
        if let Some(port) = port {
            prepared.env("PORT", port.to_string());
        }
        let process = prepared.spawn().map_err(|source| SpawnError::new(program, source))?;
        let child = Self { process };
        if let (Some(files), Some(pid)) = (files, child.pid()) {
            let limit = Rlimit { current: Some(files.was), maximum: getrlimit(Resource::Nofile).maximum };
            if let Err(error) = prlimit(Some(pid), Resource::Nofile, limit) {
                tracing::debug!(%error, "the wrapped program keeps the raised limit on open files");
            }
        }
        Ok(child)
    }

    /// Sends a signal on. A program that has ended gets nothing, and neither does anybody else.
    pub fn relay(&self, signal: Signal) {
        let raw = match signal {
            Signal::Terminate => Raw::TERM,
            // The terminal has sent it to the whole foreground group already.
            Signal::Interrupt if io::stdin().is_terminal() => return,
            Signal::Interrupt => Raw::INT,
            Signal::Reload => Raw::HUP,
        };
        if let Some(pid) = self.pid()
            && let Err(error) = kill_process(pid, raw)
        {
            tracing::debug!(%signal, %error, "signal not relayed");
        }
    }

    /// Waits for the end and returns the exit code: the program's own, or 128 and the signal's number.
    ///
    /// # Errors
    ///
    /// What the system said if the program could not be waited for.
    pub async fn wait(&mut self) -> io::Result<u8> {
        self.process.wait().await.map(exit_code)
    }

    /// None once the program has been waited for: its number may be somebody else's by then.
    fn pid(&self) -> Option<Pid> {
        self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Vec<OsString> {
        ["sh", "-c", script].map(OsString::from).to_vec()
    }

    #[tokio::test]
    async fn its_exit_code_is_ours() {
        let mut child = Child::spawn(&sh("exit 7"), Some(3000), None).expect("sh");
        assert_eq!(child.wait().await.expect("ended"), 7);
        child.relay(Signal::Terminate);
    }

    #[tokio::test]
    async fn it_is_told_its_port_and_gets_its_old_file_limit() {
        let files = FileLimit { was: 100, now: 200 };
        // The limit is set just after the start, so the script looks until it is.
        let script = "test $PORT = 4321 || exit 1
            for i in $(seq 500); do test $(ulimit -Sn) = 100 && exit 0; sleep 0.01; done; exit 2";
        let mut child = Child::spawn(&sh(script), Some(4321), Some(files)).expect("sh");
        assert_eq!(child.wait().await.expect("ended"), 0);
    }

    #[tokio::test]
    async fn a_signal_reaches_it_and_shows_in_the_code() {
        let mut child = Child::spawn(&sh("exec sleep 600"), None, None).expect("sh");
        child.relay(Signal::Terminate);
        assert_eq!(child.wait().await.expect("ended"), 128 + 15);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_what_a_shell_says_it_is() {
        let plain = tempfile::NamedTempFile::new().expect("a file");
        let plain = plain.path().to_str().expect("text");
        for (name, code) in [("/nonexistent/app", 127), ("no-such-program", 127), (plain, 126)] {
            let command = [OsString::from(name)];
            let started = Child::spawn(&command, None, None).expect_err(name);
            let seen = Child::look(&command).expect_err(name);
            assert_eq!((started.exit_code(), seen.exit_code()), (code, code), "{name}");
            assert_eq!(started.to_string(), seen.to_string());
        }
        Child::look(&sh("exit")).expect("there is one");
    }
}
