//! Looking before something is spent, with the doctor's eyes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::build::Kit;
use crate::config::Settings;
use crate::dns::{Authority, Resolver, Server};
use crate::doctor::{Ca, Examiner, Finding, Outcome, Storage};
use crate::host;
use crate::issuer::{ChallengeKind, Intent, Obstacle, Preflight};

/// How long all of it may take. What is not known by then is no reason to wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is in the way of so many names is told at once.
const TOLD: usize = 6;

/// Looks at the storage and at what the DNS says of the names.
pub(super) struct Lookout {
    examiner: Examiner,
    storage: PathBuf,
}

impl Lookout {
    pub(super) fn new(settings: &Settings, kit: &Kit) -> Self {
        Self { examiner: Examiner::new(authority(settings), kit.clock.clone()), storage: kit.storage.clone() }
    }
}

#[async_trait]
impl Preflight for Lookout {
    async fn look(&self, intent: Intent<'_>) -> Result<(), Obstacle> {
        obstacle(vec![storage(&self.storage).finding()], "this machine")?;
        let Intent { names, challenges, identities, account } = intent;
        // A CA that goes by no name in the DNS may be a house's own, and look at another DNS than we.
        if identities.is_empty() {
            return Ok(());
        }
        let ca = Ca { called: None, identities: identities.to_vec(), account: Some(account.to_owned()) };
        let methods: Vec<&str> = challenges.iter().copied().map(ChallengeKind::as_str).collect();
        let look = async |name| (name, self.examiner.dns(name, &ca, &methods).await);
        let mut looks: FuturesUnordered<_> = names.iter().map(look).collect();
        let end = Instant::now() + PATIENCE;
        let mut obstacles = Vec::new();
        while let Ok(look) = timeout_at(end, looks.next()).await {
            let Some((name, findings)) = look else { return all(obstacles) };
            obstacles.extend(obstacle(findings, &name.to_string()).err());
        }
        debug!(%names, "what the DNS says of some of the names is not known in time");
        all(obstacles)
    }
}

/// The first thing that is certain to go wrong.
fn obstacle(findings: Vec<Finding>, whose: &str) -> Result<(), Obstacle> {
    match findings.into_iter().find(|finding| finding.outcome == Outcome::Fail) {
        Some(Finding { check, reason, remedy, .. }) => Err(Obstacle {
            reason: format!("{whose}: {}: {reason}", check.name()),
            remedy: remedy.unwrap_or_default(),
        }),
        None => Ok(()),
    }
}

/// What is in the way of several names, in one: nobody wants to be told of a record a time.
fn all(mut obstacles: Vec<Obstacle>) -> Result<(), Obstacle> {
    if obstacles.is_empty() {
        return Ok(());
    }
    obstacles.sort_by(|a, b| a.reason.cmp(&b.reason));
    let more = obstacles.len().saturating_sub(TOLD);
    let join = |part: fn(&Obstacle) -> &str, with| {
        let mut parts: Vec<&str> = obstacles.iter().take(TOLD).map(part).collect();
        parts.dedup();
        parts.join(with)
    };
    let mut reason = join(|obstacle| &obstacle.reason, "; ");
    if more > 0 {
        reason = format!("{reason}; and {more} more, which sidegate doctor tells");
    }
    Err(Obstacle { reason, remedy: join(|obstacle| &obstacle.remedy, "; ") })
}

/// Who is asked about names.
pub(super) fn authority(settings: &Settings) -> Authority {
    match &settings.acme.nameservers[..] {
        [] => {
            let known = host::resolvers::resolvers().into_iter().map(Server::from);
            Authority::Zones(Resolver::new(known.collect()))
        }
        named => Authority::Servers(named.to_vec()),
    }
}

/// What there is to know of the storage.
pub(super) fn storage(path: &Path) -> Storage {
    let host::room::Room { refused, others, bytes, files } = host::room::room(path);
    Storage { path: path.to_owned(), read_only: false, refused, by_user: others, bytes, files }
}
