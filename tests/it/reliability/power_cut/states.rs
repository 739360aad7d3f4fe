//! Which states there are.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

use super::chance::Chance;
use super::verdict::{Judge, pattern};
use crate::house::tracer::Call;
use crate::reliability::disk::{Disk, Kept, Tree, is_aside};
use crate::reliability::recording::Recording;

/// States that are drawn for each moment.
const DRAWN: usize = 16;

/// What was looked at.
#[derive(Default)]
pub(super) struct States {
    /// States of a disk at a moment, no two alike.
    pub(super) count: usize,
    /// Disks, no two alike, each with the first moment at which it may be found.
    pub(super) trees: HashMap<u64, (usize, Tree)>,
}

/// What becomes of the changes that are not certain to last: one thing of all, and another of these.
struct Loss {
    others: Kept,
    these: Vec<(usize, Kept)>,
}

impl States {
    /// Looks at every state before every call and after the last one: all is there that was done, only what was synced, all
    /// but one change or two, one change alone, files half there, and what is drawn.
    pub(super) fn all(&mut self, recording: &Recording, judge: &Judge, chance: &mut Chance) -> Vec<String> {
        let disk = recording.disk(None);
        let mut faults = Vec::new();
        for cut in 0..=recording.calls.len() {
            let mut seen = HashSet::new();
            for loss in losses(&disk, cut, chance) {
                let tree = loss.tree(&disk, cut);
                let hash = hash(&tree);
                if seen.insert(hash) {
                    self.count += 1;
                    faults.extend(
                        judge.fault(&tree, cut).map(|fault| format!("cut before call {cut}: {fault}")),
                    );
                    self.trees.entry(hash).or_insert((cut, tree));
                }
            }
        }
        faults
    }
}

/// What the syncs of a recording are good for.
#[derive(Default)]
pub(super) struct Syncs {
    /// So many are needed: without any of them a rule is broken.
    pub(super) needed: usize,
    /// So many find nothing to sync, or what is synced once more before it matters.
    pub(super) again: usize,
    /// The places of the others.
    pub(super) needless: Vec<String>,
}

impl Syncs {
    /// Takes each of them out of the recording in turn.
    pub(super) fn of(recording: &Recording, judge: &Judge) -> Self {
        let whole = recording.disk(None);
        let mut syncs = Self::default();
        for (number, call) in recording.calls.iter().enumerate() {
            let Call::Sync { path } = call else { continue };
            let disk = recording.disk(Some(number));
            let affected: Vec<usize> = (0..whole.changes().len())
                .filter(|change| whole.changes()[*change].lasts == Some(number))
                .collect();
            if breaks(&disk, &affected, number, recording.calls.len(), judge) {
                syncs.needed += 1;
            } else if affected.iter().all(|change| disk.changes()[*change].lasts.is_some()) {
                syncs.again += 1;
            } else {
                syncs.needless.push(pattern(&recording.inside(path)));
            }
        }
        syncs
    }
}

/// Whether some state without these changes breaks a rule.
fn breaks(disk: &Disk, affected: &[usize], from: usize, end: usize, judge: &Judge) -> bool {
    let lost = |these: Vec<(usize, Kept)>| Loss { others: Kept::All, these };
    (from + 1..=end).any(|cut| {
        let single = affected
            .iter()
            .flat_map(|change| [Kept::Nothing, Kept::Half].map(|kept| lost(vec![(*change, kept)])));
        let all = lost(affected.iter().map(|change| (*change, Kept::Nothing)).collect());
        single.chain([all]).any(|loss| judge.fault(&loss.tree(disk, cut), cut).is_some())
    })
}

fn losses(disk: &Disk, cut: usize, chance: &mut Chance) -> Vec<Loss> {
    let loose = |number: &usize| {
        let change = &disk.changes()[*number];
        change.made < cut && change.lasts.is_none_or(|lasts| lasts >= cut)
    };
    let all: Vec<usize> = (0..disk.changes().len()).filter(loose).collect();
    // What is not in its place yet is lost or not as it is drawn; nobody looks at it.
    let near: Vec<usize> = all.iter().copied().filter(|number| !disk.changes()[*number].aside).collect();
    let mut losses = vec![
        Loss { others: Kept::All, these: Vec::new() },
        Loss { others: Kept::Nothing, these: Vec::new() },
    ];
    for (index, one) in near.iter().enumerate() {
        for kept in [Kept::Nothing, Kept::Half] {
            losses.push(Loss { others: Kept::All, these: vec![(*one, kept)] });
        }
        losses.push(Loss { others: Kept::Nothing, these: vec![(*one, Kept::All)] });
        for other in &near[index + 1..] {
            losses.push(Loss {
                others: Kept::All,
                these: vec![(*one, Kept::Nothing), (*other, Kept::Nothing)],
            });
        }
    }
    for _ in 0..DRAWN {
        let drawn = all.iter().map(|one| (*one, [Kept::All, Kept::Half, Kept::Nothing][chance.below(3)]));
        losses.push(Loss { others: Kept::All, these: drawn.collect() });
    }
    losses
}

impl Loss {
    fn tree(&self, disk: &Disk, cut: usize) -> Tree {
        disk.tree(cut, |number| {
            let this = self.these.iter().find(|(this, _)| *this == number);
            this.map_or(self.others, |(_, kept)| *kept)
        })
    }
}

/// What is aside makes no difference.
fn hash(tree: &Tree) -> u64 {
    let mut hasher = DefaultHasher::new();
    for entry in tree.iter().filter(|(path, _)| !is_aside(path)) {
        entry.hash(&mut hasher);
    }
    hasher.finish()
}
