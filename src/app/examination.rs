//! Everything that can be looked at without changing anything, for somebody who wants to know.

use std::net::SocketAddr;
use std::path::PathBuf;

use futures_util::future::join_all;

use super::AppError;
use super::cas::Cas;
use super::preflight::{authority, storage};
use crate::clock::Clock;
use crate::config::{Keeper, Settings};
use crate::doctor::{Examiner, Outcome, Port, PortState, Report, Storage};
use crate::host::holder::{self, Holder};
use crate::ident::{Name, Provider};
use crate::issuer::ChallengeKind;

/// Looks for what would keep certificates from being issued: for this name, or for all that a CA is to sign.
///
/// Nothing is ordered, and no account is registered.
///
/// # Errors
///
/// [`AppError::Setup`] if this is no name, or a CA no CA.
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
    let cas = Cas::ask(settings, &place, &clock).await?;
    general.extend(cas.findings(clock.now()));

    let examiner = Examiner::new(authority(settings), clock.clone());
    let ports = (settings.listen.http.map(|at| at.port()), settings.listen.https.port());
    let names = wanted.into_iter().map(async |(name, kinds)| {
        let methods: Vec<&str> = kinds.iter().copied().map(ChallengeKind::as_str).collect();
        let findings = examiner.name(&name, &cas.of(&name), &methods, ports).await;
        (name, findings)
    });
    let report = Report { general, names: join_all(names).await };
    Ok(report.with_fail_over(|name| cas.of(name).into_iter().filter_map(|ca| ca.called.clone()).collect()))
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
