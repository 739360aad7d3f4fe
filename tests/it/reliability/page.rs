//! docs/reliability.md, which holds what was counted.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::everything;

/// A line about interruptions, all of which have held.
pub(super) struct Interrupted {
    pub(super) what: &'static str,
    /// System calls that change the storage.
    pub(super) calls: usize,
    /// Interruptions of them.
    pub(super) struck: usize,
}

/// A line about power cuts, all of which have held.
pub(super) struct Cut {
    pub(super) what: &'static str,
    /// System calls that have changed the storage, or made a change last.
    pub(super) calls: usize,
    /// Those that make a change last, and without which something breaks.
    pub(super) needed: usize,
    /// Those without which nothing breaks.
    pub(super) others: usize,
    /// Moments and what the disk holds then.
    pub(super) states: usize,
    /// What the disk may hold.
    pub(super) disks: usize,
}

impl Interrupted {
    /// Writes down what was counted, if everything was interrupted.
    pub(super) fn note(&self) {
        note("## Killed", self.what, &format!("{} | {}", self.calls, self.struck));
    }
}

impl Cut {
    /// Writes down what was counted, if everything was looked at.
    pub(super) fn note(&self) {
        let Self { calls, needed, others, states, disks, .. } = self;
        note("## A power cut", self.what, &format!("{calls} | {needed} | {others} | {states} | {disks}"));
    }
}

fn note(section: &str, what: &str, figures: &str) {
    // Scenes are played side by side.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let page = fs::read_to_string(&path).expect("the page is there");
    let begin = page.find(section).unwrap_or_else(|| panic!("docs/reliability.md has no section {section}"));
    let (above, below) = page.split_at(begin);
    let first = format!("| {what} | ");
    println!("{section}: {first}{figures} |");
    let line = below.lines().find(|line| line.starts_with(&first));
    let line = line.unwrap_or_else(|| panic!("{section} in docs/reliability.md has no line {first}"));
    if everything() {
        let below = below.replacen(line, &format!("{first}{figures} |"), 1);
        fs::write(&path, above.to_owned() + &below).expect("written");
    }
}
