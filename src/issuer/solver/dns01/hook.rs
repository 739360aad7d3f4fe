//! A program of the operator's that sets and removes records.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::Record;

/// How long it may run. Providers' interfaces are slow, but not slower than this.
const PATIENCE: Duration = Duration::from_secs(120);

/// So much of what it says is told.
const LONGEST_OUTPUT: usize = 1000;

/// So many bytes of it are kept until it has ended.
const KEPT_OUTPUT: usize = 4 * LONGEST_OUTPUT;

/// The program and its first arguments. No shell is involved: what is in a name or a value stays one argument.
pub(super) struct Hook {
    command: Vec<String>,
    patience: Duration,
}

impl Hook {
    pub(super) fn new(command: Vec<String>) -> Self {
        Self { command, patience: PATIENCE }
    }

    /// Runs it with what to do (`present` or `cleanup`), the record's name with its last dot, and the value, as arguments
    /// and as variables.
    ///
    /// # Errors
    ///
    /// What went wrong, with what the program said about it.
    pub(super) async fn run(&self, what: &str, record: &Record) -> Result<(), String> {
        let program = self.command.first().map(String::as_str).unwrap_or_default();
        let name = format!("{}.", record.name);
        let mut running = Command::new(program)
            .args(&self.command[1..])
            .args([what, &name, &record.value])
            .envs([("SIDEGATE_HOOK", what), ("SIDEGATE_NAME", &name), ("SIDEGATE_VALUE", &record.value)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Whatever becomes of us, it does not go on alone.
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{program} cannot be started: {error}"))?;
        let (stdout, stderr) = (running.stdout.take(), running.stderr.take());
        let ending = async { tokio::join!(running.wait(), last_words(stdout), last_words(stderr)) };
        let (status, stdout, stderr) = timeout(self.patience, ending).await.map_err(|_| {
            format!("{program} {what} did not end within {} seconds, and was killed", self.patience.as_secs())
        })?;
        let status = status.map_err(|e| format!("{program} {what}: {e}"))?;
        if status.success() {
            return Ok(());
        }
        let said = [stderr, stdout].iter().map(|bytes| shown(bytes)).find(|text| !text.is_empty());
        Err(format!("{program} {what} failed ({status}): {}", said.as_deref().unwrap_or("it said nothing")))
    }
}

/// Reads all of what is said and keeps the end of it: who talks without end must not fill our memory.
async fn last_words(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let Some(mut from) = from else { return Vec::new() };
    let (mut kept, mut room) = (Vec::new(), [0; KEPT_OUTPUT]);
    // A pipe that breaks has nothing more to say.
    while let Ok(read @ 1..) = from.read(&mut room).await {
        kept.extend_from_slice(&room[..read]);
        kept.drain(..kept.len().saturating_sub(KEPT_OUTPUT));
    }
    kept
}

/// The end of what was said, on one line.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let cut = line.char_indices().rev().nth(LONGEST_OUTPUT);
    cut.map_or_else(|| line.clone(), |(at, _)| format!("…{}", &line[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::Fqdn;

    fn record() -> Record {
        let name = Fqdn::parse("_acme-challenge.example.com").expect("a name");
        Record { name, value: "va-l_ue".to_owned() }
    }

    /// A hook that is a shell's script, which is the operator's business.
    fn script(text: &str) -> Hook {
        let command = ["/bin/sh", "-c", text, "hook"].map(str::to_owned);
        Hook { command: command.to_vec(), patience: Duration::from_secs(20) }
    }

    #[tokio::test]
    async fn it_is_told_as_arguments_and_as_variables() {
        let says = "echo \"$# $1 $2 $3; $SIDEGATE_HOOK $SIDEGATE_NAME $SIDEGATE_VALUE\" >&2; exit 3";
        let error = script(says).run("present", &record()).await.expect_err("it fails");
        let all = "present _acme-challenge.example.com. va-l_ue";
        assert_eq!(error, format!("/bin/sh present failed (exit status: 3): 3 {all}; {all}"));
        assert_eq!(script("test $1 = cleanup").run("cleanup", &record()).await, Ok(()));
    }

    #[tokio::test]
    async fn what_goes_wrong_is_said() {
        let hook = Hook::new(vec!["/nowhere/hook".to_owned()]);
        let error = hook.run("present", &record()).await.expect_err("there is none");
        assert!(error.starts_with("/nowhere/hook cannot be started: No such file"), "{error}");
        let error = script("exit 1").run("present", &record()).await.expect_err("it fails");
        assert!(error.ends_with("it said nothing"), "{error}");
        let long = "printf 'a\\n\\033b\\n'; yes | head -n 5000";
        let error = script(&format!("{long}; exit 1")).run("present", &record()).await.expect_err("it fails");
        assert!(error.len() < 1200 && error.ends_with(" y y") && error.contains('…'), "{error}");
    }

    #[tokio::test]
    async fn of_much_that_is_said_the_end_is_kept() {
        let said: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
        assert_eq!(last_words(Some(&said[..])).await, said[said.len() - KEPT_OUTPUT..]);
        assert_eq!(last_words(Some(&said[..10])).await, said[..10]);
    }

    #[tokio::test]
    async fn one_that_does_not_end_is_killed() {
        let folder = tempfile::tempdir().expect("a directory");
        let pid = folder.path().join("pid");
        let mut hook = script(&format!("echo $$ > {}; exec sleep 600", pid.display()));
        hook.patience = Duration::from_millis(1500);
        let error = hook.run("present", &record()).await.expect_err("it never ends");
        assert!(error.contains("did not end within 1 seconds, and was killed"), "{error}");
        let pid = std::fs::read_to_string(pid).expect("it has begun");
        let process = std::path::PathBuf::from(format!("/proc/{}/cmdline", pid.trim()));
        let gone = async {
            // Killed, it is nobody's program any more, even before somebody asks how it ended.
            while std::fs::read(&process).is_ok_and(|line| !line.is_empty()) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), gone).await.expect("it is gone");
    }
}
