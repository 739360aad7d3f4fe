//! Doing what the findings say.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::finding::{Finding, Outcome, Remedy};
use crate::clock::Clock;
use crate::store::fs::{FsEngine, Salvage};
use crate::store::sweep::sweep;
use crate::store::{Store, StoreError};

/// Tries each remedy, and returns the findings with what came of it.
///
/// What is in the way goes first, since the rest needs the folders; the owner comes last, since by then all there is
/// has been made.
pub(super) async fn all(root: &Path, salvage: &Salvage, mut findings: Vec<Finding>) -> Vec<Finding> {
    let moved: Vec<PathBuf> =
        findings.iter().filter(|f| f.remedy == Remedy::MoveAway).map(|f| f.place.clone()).collect();
    // What is in something that goes, goes with it; and whatever else is wrong with that need not be put right.
    findings.retain(|f| {
        let moves_alone = |above: &PathBuf| f.place == *above && f.remedy == Remedy::MoveAway;
        moved.iter().all(|above| !f.place.starts_with(above) || moves_alone(above))
    });
    each(&mut findings, |finding| match finding.remedy {
        Remedy::MoveAway => Some(salvage.move_away(&finding.place).map(Some).map_err(|e| e.to_string())),
        _ => None,
    });
    each(&mut findings, |finding| match finding.remedy {
        Remedy::Mode(mode) => {
            Some(done(fs::set_permissions(root.join(&finding.place), Permissions::from_mode(mode))))
        }
        _ => None,
    });
    by_the_store(root, &mut findings).await;
    each(&mut findings, |finding| match finding.remedy {
        Remedy::Owner(user, group) => Some(done(lchown(root.join(&finding.place), Some(user), Some(group)))),
        _ => None,
    });
    findings
}

type Tried = Result<Option<PathBuf>, String>;

fn each(findings: &mut [Finding], remedy: impl Fn(&Finding) -> Option<Tried>) {
    for finding in findings {
        if let Some(tried) = remedy(finding) {
            finding.outcome = outcome(tried);
        }
    }
}

fn outcome(tried: Tried) -> Outcome {
    tried.map_or_else(Outcome::Failed, Outcome::Done)
}

fn done(result: io::Result<()>) -> Tried {
    result.map(|()| None).map_err(|e| e.to_string())
}

/// What the store does itself: folders are made by opening it, and pointers moved by its sweep.
async fn by_the_store(root: &Path, findings: &mut [Finding]) {
    let wants_store = |finding: &Finding| {
        matches!(finding.remedy, Remedy::Make | Remedy::Lead(_) | Remedy::Choose(_) | Remedy::PublicKey(_))
    };
    if !findings.iter().any(wants_store) {
        return;
    }
    let store = match FsEngine::open(root) {
        Ok(engine) => Store::new(Arc::new(engine), Clock::system()),
        Err(error) => {
            for finding in findings.iter_mut().filter(|finding| wants_store(finding)) {
                finding.outcome = Outcome::Failed(error.to_string());
            }
            return;
        }
    };
    let swept = match findings.iter().any(|finding| matches!(finding.remedy, Remedy::Lead(_))) {
        true => sweep(&store).await.map(|_| ()),
        false => Ok(()),
    };
    for finding in findings {
        let tried: Result<(), StoreError> = match &finding.remedy {
            Remedy::Make => Ok(()),
            Remedy::Lead(_) => swept.clone(),
            Remedy::Choose(id) => store.accounts().choose(id).await,
            Remedy::PublicKey(id) => store.accounts().restore_public(id).await,
            Remedy::MoveAway | Remedy::Mode(_) | Remedy::Owner(..) | Remedy::Person(_) => continue,
        };
        finding.outcome = outcome(tried.map(|()| None).map_err(|error| error.to_string()));
    }
}
