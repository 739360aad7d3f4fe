//! Is the storage directory as it should be, and can it be made so?
//!
//! [`tree`] compares what stands on disk with what belongs there; [`contents`] reads what files hold, and asks the
//! store itself what it makes of them; [`journal`] reads what was told; [`repair`] does what the findings say. Nothing
//! is ever deleted: what has no place, or is damaged, goes to `quarantine/`.

mod contents;
mod finding;
mod journal;
mod repair;
mod tree;

use std::path::Path;
use std::sync::Arc;

use crate::clock::Clock;
use crate::store::fs::{FsEngine, Salvage};
use crate::store::{Store, StoreError};

pub use finding::{Finding, Outcome, Remedy};

/// What a check found, and what a repair did.
#[derive(Debug, Default)]
pub struct Report {
    /// How many items are whole.
    pub items: usize,
    /// What is, or was, wrong, one thing each.
    pub findings: Vec<Finding>,
}

/// The result in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing is wrong.
    Clean,
    /// Everything that was wrong is repaired, or can be.
    Repaired,
    /// Something is left that only a person can put right.
    NeedsPerson,
}

impl Report {
    /// The worst of the findings.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(Finding::verdict).max().unwrap_or(Verdict::Clean)
    }
}

/// Looks at everything, changes nothing, and says what [`repair`] would do.
///
/// # Errors
///
/// [`StoreError`] if there is no such directory, or it cannot be read.
pub async fn check(root: &Path) -> Result<Report, StoreError> {
    let mut report = look(root).await?;
    if !report.findings.is_empty() {
        // A process may be in the middle of something; what is wrong still is a moment later.
        let again = look(root).await?;
        report.findings.retain(|finding| again.findings.contains(finding));
    }
    Ok(report)
}

/// Puts right what can be put right without a person.
///
/// # Errors
///
/// [`StoreError::Taken`] while a process issues with this storage; else as for [`check`]. One thing that cannot be
/// repaired is no error, and does not keep the others from it.
pub async fn repair(root: &Path) -> Result<Report, StoreError> {
    /// One repair may show what it hid: an item that is gone leaves pointers to move.
    const ROUNDS: usize = 4;
    // Without a storage there is nothing to repair, and nothing is made.
    FsEngine::open_to_look(root)?;
    let salvage = Salvage::begin(root)?;
    let mut done: Vec<Finding> =
        salvage.cleared().iter().map(|(from, to)| Finding::cleared(from, to)).collect();
    for _ in 0..ROUNDS {
        let Report { items, findings } = look(root).await?;
        let (known, new): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| done.iter().any(|old| old.is_same(finding)));
        for old in done.iter_mut().filter(|old| known.iter().any(|known| known.is_same(old))) {
            old.still_there();
        }
        if new.is_empty() {
            return Ok(Report { items, findings: done });
        }
        done.extend(repair::all(root, &salvage, new).await);
    }
    Ok(Report { items: look(root).await?.items, findings: done })
}

async fn look(root: &Path) -> Result<Report, StoreError> {
    let engine = FsEngine::open_to_look(root)?;
    let root = engine.root();
    let (mut findings, seen) = tree::look(&root);
    let store = Store::new(Arc::new(engine), Clock::system());
    let items = contents::look(&store, &seen, &mut findings).await?;
    journal::look(&root, &seen, &mut findings);
    findings.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(Report { items, findings })
}
