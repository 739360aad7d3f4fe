//! Everything that can be looked at without changing anything, for somebody who wants to know.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::join_all;

use super::preflight::{authority, storage};
use super::{AppError, build};
use crate::catalog;
use crate::clock::Clock;
use crate::config::{Keeper, Settings};
use crate::doctor::{Ca, Examiner, Outcome, Port, PortState, Report, Storage, Word};
use crate::host::holder::{self, Holder};
use crate::ident::{Name, Provider};
use crate::issuer::{AcmeIssuer, ChallengeKind, Standing};
use crate::store::Store;
use crate::store::fs::FsEngine;
use crate::store::memory::MemoryEngine;

/// Looks for what would keep certificates from being issued: for this name, or for all that a CA is to sign.
///
/// Nothing is ordered, and no account is registered.
///
/// # Errors
///
/// [`AppError::Setup`] if this is no name, or the CA no CA.
pub async fn examine(settings: &Settings, only: Option<&str>) -> Result<Report, AppError> {
    let only = only.map(Name::parse).transpose().map_err(AppError::setup("this cannot be looked at"))?;
    let place = place(settings);
    let read_only = settings.storage.read_only;
    let mut general = vec![Storage { read_only, ..storage(&place) }.finding()];
    let ports = settings.listen.http.into_iter().chain([settings.listen.https]);
    general.extend(ports.map(|at| port(at).finding()));

    // What is ordered elsewhere is looked at there.
    let wanted = if read_only { Vec::new() } else { wanted(settings, only) };
    if wanted.is_empty() {
        return Ok(Report { general, names: Vec::new() });
    }
    let clock = Clock::system();
    let standing = issuer(settings, clock.clone())?.standing().await;
    let (word, identities) = match standing {
        Ok(Standing { date, identities }) => (Ok(date), identities),
        Err(error) => (Err(told(&error)), Vec::new()),
    };
    let directory = settings.acme.preferred.directory.clone();
    let ca = Ca { identities, account: account(&place, &directory, clock.clone()).await };
    general.extend(Word { directory, answered: word }.findings(clock.now()));

    let examiner = Examiner::new(authority(settings), clock.clone());
    let ports = (settings.listen.http.map(|at| at.port()), settings.listen.https.port());
    let names = wanted.into_iter().map(async |(name, kinds)| {
        let methods: Vec<&str> = kinds.iter().copied().map(ChallengeKind::as_str).collect();
        let findings = examiner.name(&name, &ca, &methods, ports).await;
        (name, findings)
    });
    Ok(Report { general, names: join_all(names).await })
}

/// The names to look at, and how each may be proved.
fn wanted(settings: &Settings, only: Option<Name>) -> Vec<(Name, Vec<ChallengeKind>)> {
    let of_cas = settings.sites.iter().filter_map(|site| match &site.keeper {
        Keeper::Us { lineages, challenges, .. } => Some((lineages, challenges)),
        Keeper::Files(_) | Keeper::List(_) => None,
    });
    let mut names = of_cas.flat_map(|(lineages, challenges)| {
        let signed = lineages.iter().filter(|lineage| lineage.provider() == Provider::Letsencrypt);
        signed.flat_map(|lineage| lineage.names().iter().map(|name| (name.clone(), challenges.clone())))
    });
    match only {
        None => names.collect(),
        Some(only) => {
            let configured = names.find(|(name, _)| *name == only);
            vec![configured.unwrap_or_else(|| (only, settings.acme.challenges.clone()))]
        }
    }
}

/// Where certificates are kept, or will be.
fn place(settings: &Settings) -> PathBuf {
    let usual = &settings.storage.path;
    let usable = storage(usual).finding().outcome != Outcome::Fail;
    settings.storage.fallback.as_ref().filter(|_| !usable).unwrap_or(usual).clone()
}

fn port(at: SocketAddr) -> Port {
    let state = match holder::of(at) {
        Holder::Nobody => PortState::Free,
        Holder::Reserved => PortState::Forbidden,
        Holder::Program(program) => PortState::Held(program),
        Holder::Hidden => PortState::Hidden,
        Holder::Odd(why) => PortState::Odd(why),
    };
    Port { number: at.port(), state }
}

/// One that can ask the CA, and keeps nothing.
fn issuer(settings: &Settings, clock: Clock) -> Result<AcmeIssuer, AppError> {
    let store = Store::new(Arc::new(MemoryEngine::new()), clock.clone());
    let (_, challenges, ..) = catalog::open();
    AcmeIssuer::new(
        &build::options(settings, &settings.acme.preferred),
        store.accounts(),
        store.ledger(),
        &challenges,
        clock,
    )
    .map_err(AppError::setup("the CA cannot be set up"))
}

/// The URL of our account at the CA, if the storage holds one.
async fn account(place: &Path, directory: &str, clock: Clock) -> Option<String> {
    // A storage that is not there yet is not made for this.
    if !place.is_dir() {
        return None;
    }
    let engine = FsEngine::open_to_look(place).ok()?;
    let accounts = Store::new(Arc::new(engine), clock).accounts();
    accounts.find(directory).await.ok()??.url
}

/// An error and what lies under it.
fn told(error: &dyn std::error::Error) -> String {
    let under = std::iter::successors(error.source(), |error| error.source());
    under.fold(error.to_string(), |text, error| format!("{text}: {error}"))
}
