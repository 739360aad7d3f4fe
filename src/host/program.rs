//! A program of the operator's that is called for something, such as a hook.
//!
//! It has a process group of its own and a bounded time: when that is over, or nobody waits for it any more, the whole
//! group is killed. Of what it says a bounded part is kept, its end, however much it is. What it has started and left
//! behind when it ended in time is its own affair.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::child::SpawnError;
use super::executable;

/// At most this many characters of what it says are told: few enough that their end is there wherever they are told
/// with other words.
const LONGEST_OUTPUT: usize = 250;
/// At most this many bytes of it are kept until it has ended.
const KEPT_OUTPUT: usize = 4 * LONGEST_OUTPUT;
/// What it has left behind may hold its output open. Its last words come sooner than this.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A program with its first arguments, and how long it may run. No shell is involved: an argument stays one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    command: Vec<String>,
    patience: Duration,
}

/// What it is told this time.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// Behind its first arguments.
    pub arguments: Vec<String>,
    /// Beside the variables that are here.
    pub variables: Vec<(String, String)>,
    /// On standard input, which is closed after that.
    pub input: Vec<u8>,
}

/// Why a call came to nothing.
#[derive(Debug, Error)]
pub enum CallError {
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] SpawnError),
    /// It could not be waited for.
    #[error("{program}: {source}")]
    Wait {
        /// Its name.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It did not end in time.
    #[error("{program} did not end within {} seconds, and was killed", patience.as_secs())]
    Killed {
        /// Its name.
        program: String,
        /// The time it had.
        patience: Duration,
    },
    /// It said that it failed.
    #[error("{program} failed ({status}): {said}")]
    Failed {
        /// Its name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said, on one line.
        said: String,
    },
}

impl Program {
    /// This program, which may run for `patience`. `command` is its path, or a name that is looked for in `PATH`, and
    /// its first arguments.
    #[must_use]
    pub fn new(command: Vec<String>, patience: Duration) -> Self {
        Self { command, patience }
    }

    /// Its path or name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }

    /// How long it may run.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Looks whether this user could start it, without doing so. `path` is the value of `PATH`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as the rest of a sentence.
    pub fn look(&self, path: Option<&str>) -> Result<(), &'static str> {
        let name = self.name();
        let looked = executable::look(name.as_ref(), path.unwrap_or_default().as_ref());
        looked.map_err(|error| match error.kind() {
            io::ErrorKind::IsADirectory => "is a folder",
            io::ErrorKind::PermissionDenied => "is not executable by this user",
            _ if name.contains('/') => "is not there",
            _ => "is not in PATH",
        })
    }

    /// Runs it to its end. Dropping the future kills it.
    ///
    /// # Errors
    ///
    /// [`CallError`]; nothing of it runs any more then, unless it [`Failed`](CallError::Failed) by itself.
    pub async fn run(&self, call: Call) -> Result<(), CallError> {
        let program = || self.name().to_owned();
        let mut running = Command::new(self.name())
            .args(self.command.iter().skip(1))
            .args(call.arguments)
            .envs(call.variables)
            .stdin(if call.input.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| SpawnError::new(program(), source))?;
        let mut group = Group::of(running.id());
        let (stdin, stdout, stderr) = (running.stdin.take(), running.stdout.take(), running.stderr.take());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = {
            let feed = async {
                if let Some(mut stdin) = stdin {
                    // One that does not want to know is free not to read it.
                    let _ = stdin.write_all(&call.input).await;
                }
            };
            let talk = async { tokio::join!(feed, listen(stdout, &mut out), listen(stderr, &mut err)) };
            tokio::pin!(talk);
            let ending = async {
                tokio::select! {
                    status = running.wait() => return (status, false),
                    _ = &mut talk => {}
                }
                (running.wait().await, true)
            };
            let ended = timeout(self.patience, ending).await;
            let (status, heard_all) =
                ended.map_err(|_| CallError::Killed { program: program(), patience: self.patience })?;
            group.spare();
            if !heard_all {
                let _ = timeout(LAST_WORDS, talk).await;
            }
            status.map_err(|source| CallError::Wait { program: program(), source })?
        };
        if status.success() {
            return Ok(());
        }
        let said = [err, out].iter().map(|bytes| shown(bytes)).find(|text| !text.is_empty());
        let said = said.unwrap_or_else(|| "it said nothing".to_owned());
        Err(CallError::Failed { program: program(), status, said })
    }
}

/// A process group of ours. Dropping it kills it, and with it whatever the program has started and kept with it.
struct Group(Option<Pid>);

impl Group {
    /// The group that this process leads, which has not been waited for.
    fn of(leader: Option<u32>) -> Self {
        Self(leader.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Its leader has been waited for: the number may be somebody else's soon.
    fn spare(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An error says that it is gone.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Reads all of what is said and keeps the end of it: who talks without end must not fill our memory.
async fn listen(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut room = [0; KEPT_OUTPUT];
    // A pipe that breaks has nothing more to say.
    while let Ok(read @ 1..) = from.read(&mut room).await {
        kept.extend_from_slice(&room[..read]);
        kept.drain(..kept.len().saturating_sub(KEPT_OUTPUT));
    }
}

/// The end of what was said, on one line.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let cut = line.char_indices().rev().nth(LONGEST_OUTPUT - 1).filter(|(at, _)| *at > 0);
    cut.map_or_else(|| line.clone(), |(at, _)| format!("…{}", &line[at..]))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn script(text: &str, patience: Duration) -> Program {
        Program::new(["/bin/sh", "-c", text, "hook"].map(str::to_owned).to_vec(), patience)
    }

    async fn said(text: &str) -> String {
        let called = script(text, PATIENCE).run(Call::default()).await;
        called.expect_err("it fails").to_string()
    }

    #[tokio::test]
    async fn it_is_told_in_three_ways() {
        let call = Call {
            arguments: vec!["two words".to_owned()],
            variables: vec![("SAID".to_owned(), "a value".to_owned())],
            input: b"a line\n".to_vec(),
        };
        let program = script("read line; echo \"$# $1; $SAID; $line\" >&2; exit 3", PATIENCE);
        let error = program.run(call).await.expect_err("it fails").to_string();
        assert_eq!(error, "/bin/sh failed (exit status: 3): 1 two words; a value; a line");
        // Nobody has to read.
        let call = Call { input: vec![b'x'; 1 << 20], ..Call::default() };
        script("exit 0", PATIENCE).run(call).await.expect("it does not care");
    }

    #[tokio::test]
    async fn what_goes_wrong_is_said() {
        let program = Program::new(vec!["/nowhere/hook".to_owned()], PATIENCE);
        let error = program.run(Call::default()).await.expect_err("there is none").to_string();
        assert!(error.starts_with("cannot start /nowhere/hook: No such file"), "{error}");
        assert!(said("exit 1").await.ends_with("it said nothing"));
        let long = said("printf 'a\\n\\033b\\n'; yes | head -n 5000; exit 1").await;
        assert!(long.len() < 1200 && long.ends_with(" y y") && long.contains('…'), "{long}");
    }

    #[test]
    fn no_more_is_shown_than_is_promised() {
        let fits = "x".repeat(LONGEST_OUTPUT);
        assert_eq!(shown(fits.as_bytes()), fits);
        assert_eq!(shown(format!("y{fits}").as_bytes()), format!("…{fits}"));
    }

    #[tokio::test]
    async fn of_much_that_is_said_the_end_is_kept() {
        let said: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
        let mut kept = Vec::new();
        listen(Some(&said[..]), &mut kept).await;
        assert_eq!(kept, said[said.len() - KEPT_OUTPUT..]);
    }

    #[tokio::test]
    async fn one_that_does_not_end_is_killed_with_everything_it_has_started() {
        let folder = tempfile::tempdir().expect("a directory");
        let pids = folder.path().join("pids");
        let text = format!("sleep 600 & echo $! $$ > {}; wait", pids.display());
        let program = script(&text, Duration::from_secs(10));
        let error = program.run(Call::default()).await.expect_err("it never ends").to_string();
        assert_eq!(error, "/bin/sh did not end within 10 seconds, and was killed");
        let pids = std::fs::read_to_string(pids).expect("it has begun");
        assert_eq!(pids.split_whitespace().count(), 2, "{pids}");
        for pid in pids.split_whitespace() {
            let process = PathBuf::from(format!("/proc/{pid}/cmdline"));
            let gone = async {
                // Killed, it is nobody's program any more, even before somebody asks how it ended.
                while std::fs::read(&process).is_ok_and(|line| !line.is_empty()) {
                    tokio::task::yield_now().await;
                }
            };
            timeout(PATIENCE, gone).await.expect("it is gone");
        }
    }

    #[tokio::test]
    async fn what_it_leaves_behind_on_purpose_does_not_make_it_late() {
        // The program has ended well; somebody it has started holds its output open.
        script("sleep 600 & exit 0", PATIENCE).run(Call::default()).await.expect("it ended in time");
    }

    #[test]
    fn whether_it_can_be_started_is_seen_beforehand() {
        let folder = tempfile::tempdir().expect("a directory");
        let file = folder.path().join("plain");
        std::fs::write(&file, "no program").expect("written");
        let look = |name: &str, path| Program::new(vec![name.to_owned()], PATIENCE).look(path);
        assert_eq!(look("/bin/sh", None), Ok(()));
        assert_eq!(look("sh", Some("/nowhere:/bin")), Ok(()));
        assert_eq!(look("sh", Some("/nowhere")), Err("is not in PATH"));
        assert_eq!(look("sh", None), Err("is not in PATH"));
        assert_eq!(look("", Some("/bin")), Err("is not in PATH"));
        assert_eq!(look("/nowhere/hook", None), Err("is not there"));
        assert_eq!(look("/bin/", None), Err("is a folder"));
        assert_eq!(look(file.to_str().expect("text"), None), Err("is not executable by this user"));
        let path = format!("{}:/bin", folder.path().display());
        assert_eq!(look("plain", Some(&path)), Err("is not executable by this user"));
        assert_eq!(look("sh", Some(&path)), Ok(()));
    }
}
