//! Whether the journal is as it was written.

use std::collections::BTreeMap;
use std::path::Path;

use super::finding::{Finding, Remedy};
use super::tree::Misplaced;
use crate::store::fs::journal::{Damage, Reader};
use crate::store::{Prefix, layout};

/// Adds what is wrong with it, once for each segment. What is `misplaced` has been found already.
pub(super) fn look(root: &Path, misplaced: &Misplaced, findings: &mut Vec<Finding>) {
    let place = layout::journal();
    let read = match Reader::new(root).read() {
        Ok(read) => read,
        Err(_) if misplaced.iter().any(|found| found.starts_with(place.as_str())) => return,
        Err(error) => return findings.push(Finding::unreadable(place.as_str(), &error)),
    };
    let mut damaged: BTreeMap<String, Vec<Damage>> = BTreeMap::new();
    for damage in read.into_iter().filter_map(Result::err) {
        damaged.entry(damage.file.clone()).or_default().push(damage);
    }
    findings.extend(damaged.iter().filter_map(|(file, damages)| of_segment(&place, file, damages)));
}

fn of_segment(folder: &Prefix, file: &str, damages: &[Damage]) -> Option<Finding> {
    let Damage { line, why, .. } = damages.first()?;
    let more = match damages.len() - 1 {
        0 => String::new(),
        1 => ", and another line is damaged".to_owned(),
        more => format!(", and {more} more lines are damaged"),
    };
    let advice = format!(
        "what it told is lost, and all else holds; to begin a new journal, stop sidegate and move {folder} away"
    );
    let wrong = format!("is damaged: line {line} {why}{more}");
    Some(Finding::new(Path::new(folder.as_str()).join(file), wrong, Remedy::Person(advice)))
}
