//! Hooks: a real program is told what happens, whatever it does and whatever happens to us.

mod faults;
mod page;
mod restarts;
mod seen;
mod told;
mod trouble;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::house::process::Place;
use crate::house::program;

/// A script that notes each call, and then does what it was made for.
pub(crate) struct Hook {
    folder: PathBuf,
}

/// A call as the script has noted it.
pub(crate) struct Call {
    event: String,
    attempt: u64,
    pub(crate) line: u64,
    variables: BTreeMap<String, String>,
    object: Value,
}

impl Hook {
    /// A hook in a place that ends with these lines of a shell.
    pub(crate) fn new(place: &Place, lines: &str) -> Self {
        let hook = Self { folder: place.path("calls") };
        fs::create_dir(&hook.folder).expect("a folder");
        hook.change(lines);
        hook
    }

    /// From the next call on it ends with these lines.
    pub(crate) fn change(&self, lines: &str) {
        let script = format!(
            "#!/bin/sh\nset -e\ncd {:?}\ncall=$SIDEGATE_EVENT-$SIDEGATE_LINE-$SIDEGATE_ATTEMPT\n\
             env | grep ^SIDEGATE_ > $call.env\ncat > $call.part\nmv $call.part $call.json\n{lines}\n",
            self.folder
        );
        // Not into a file that is being run.
        let aside = self.folder.with_extension("new");
        program::write(&aside, &script);
        fs::rename(aside, self.program()).expect("renamed");
    }

    fn program(&self) -> PathBuf {
        self.folder.with_extension("sh")
    }

    /// Adds it to a configuration, with these keys.
    pub(crate) fn configure(&self, config: &Path, keys: &str) {
        let text = fs::read_to_string(config).expect("written");
        fs::write(config, format!("{text}\n[hooks]\ncommand = [{:?}]\n{keys}\n", self.program()))
            .expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// All calls so far, in the order of the journal.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let entries =
            fs::read_dir(&self.folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let noted = entries.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let mut calls: Vec<Call> = noted.map(|path| Call::read(&path)).collect();
        calls.sort_by_key(|call| (call.line, call.attempt));
        calls
    }

    /// What it was told of so far, and at which attempt.
    fn events(&self) -> Vec<(String, u64)> {
        self.calls().into_iter().map(|call| (call.event, call.attempt)).collect()
    }

    /// Waits until it was called so often.
    pub(crate) async fn called(&self, calls: usize) {
        until(|| self.calls().len() >= calls).await;
    }
}

/// Waits until that is so.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it comes about");
}

impl Call {
    fn read(path: &Path) -> Self {
        let object: Value = serde_json::from_slice(&fs::read(path).expect("noted")).expect("JSON");
        let text = fs::read_to_string(path.with_extension("env")).expect("noted");
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            event: object["event"].as_str().expect("an event").to_owned(),
            attempt: object["attempt"].as_u64().expect("a number"),
            line: object["line"].as_u64().expect("a number"),
            variables: text.lines().filter_map(pair).collect(),
            object,
        }
    }

    fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }
}
