//! From the settings to every room's options.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use tracing::debug;

use super::AppError;
use super::preflight::{Lookout, authority};
use crate::ask::Ask;
use crate::catalog::Challenges;
use crate::clock::Clock;
use crate::config::{self, Keeper, KeptLimits, Settings};
use crate::host;
use crate::ident::{Names, Provider};
use crate::issuer::{self, AcmeIssuer, ChallengeKind, Issuer, Issuers, Limits, Preflight, SelfsignedIssuer};
use crate::manager::demand::Demand;
use crate::manager::{self, Desired, Ladder, Template, Wish};
use crate::proxy::{self, Roots, RouteTable, Site, Target};
use crate::store::Store;
use crate::story::Recorder;

/// What certificates are made with; the same before and after a reload.
#[derive(Clone)]
pub(super) struct Kit {
    pub(super) store: Store,
    /// Where it keeps things.
    pub(super) storage: PathBuf,
    pub(super) challenges: Challenges,
    pub(super) clock: Clock,
    pub(super) recorder: Recorder,
    /// Whom to believe when an app speaks TLS.
    pub(super) roots: Roots,
}

/// What the control plane should see to.
pub(super) fn manager(settings: &Settings, kit: &Kit) -> Result<manager::Options, AppError> {
    Ok(manager::Options {
        desired: desired(settings),
        issuers: issuers(settings, kit)?,
        demand: settings.on_demand.as_ref().map(|on_demand| demand(&on_demand.names)),
        ladder: Ladder::new(settings.retry.clone()),
        warm: manager::Options::WARM,
        prune: settings.prune,
    })
}

/// Who may have a certificate although nobody has listed them, and who is asked.
fn demand(options: &manager::demand::Options) -> Demand {
    let ask = options.ask.clone().map(|url| {
        let https = url.scheme_str() == Some("https");
        Ask::new(url, if https { trusted() } else { Vec::new() })
    });
    Demand { options: options.clone(), ask }
}

/// The certificates that should exist.
pub(super) fn desired(settings: &Settings) -> Desired {
    let mut desired = Desired { unnamed: settings.unnamed().cloned(), ..Desired::default() };
    desired.on_demand = settings.on_demand.as_ref().map(|_| Template {
        cas: settings.acme.cas().map(ca).collect(),
        key_type: settings.acme.key_type,
        reuse_key: settings.acme.reuse_key,
        challenges: settings.acme.challenges.clone(),
    });
    for site in &settings.sites {
        match &site.keeper {
            Keeper::Files(source) => desired.files.push(Arc::clone(source)),
            Keeper::List(list) => desired.lists.push(Arc::clone(list)),
            Keeper::Us { lineages, challenges, .. } => {
                desired.wishes.extend(lineages.iter().map(|lineage| {
                    let names = lineage.names().clone();
                    match lineage.provider() {
                        Provider::Selfsigned => Wish::selfsigned(names),
                        Provider::Letsencrypt => Wish {
                            lineage: lineage.clone(),
                            cas: cas(settings, &names),
                            key_type: settings.acme.key_type,
                            reuse_key: settings.acme.reuse_key,
                            challenges: challenges.clone(),
                            on_demand: false,
                        },
                    }
                }))
            }
        }
    }
    desired
}

/// The CAs to ask for these names: those of the configuration that sign such names.
fn cas(settings: &Settings, names: &Names) -> Vec<manager::Ca> {
    let signs = |ca: &&config::Ca| names.iter().all(|name| ca.signs(name));
    settings.acme.cas().filter(signs).map(ca).collect()
}

fn ca(ca: &config::Ca) -> manager::Ca {
    manager::Ca { directory: ca.directory.clone(), profile: ca.profile.clone() }
}

fn issuers(settings: &Settings, kit: &Kit) -> Result<Issuers, AppError> {
    let selfsigned = Arc::new(SelfsignedIssuer::new(kit.clock.clone()));
    let mut letsencrypt: BTreeMap<String, Arc<dyn Issuer>> = BTreeMap::new();
    if !settings.asks_a_ca() {
        return Ok(Issuers { selfsigned, letsencrypt });
    }
    let (turns, lookout) = (Arc::default(), Arc::new(Lookout::new(settings, kit)));
    // One for all of them: it knows what it has written.
    let ledger = kit.store.ledger();
    for ca in settings.acme.cas() {
        let recorder = kit.recorder.clone();
        let options = issuer::Options { turns: Arc::clone(&turns), recorder, ..options(settings, ca) };
        let (accounts, ledger) = (kit.store.accounts(), ledger.clone());
        let issuer = AcmeIssuer::new(&options, accounts, ledger, &kit.challenges, kit.clock.clone())
            .map_err(AppError::setup("the CA cannot be set up"))?;
        let issuer = match settings.acme.preflight {
            true => issuer.with_preflight(Arc::clone(&lookout) as Arc<dyn Preflight>),
            false => issuer,
        };
        letsencrypt.insert(ca.directory.clone(), Arc::new(issuer));
    }
    Ok(Issuers { selfsigned, letsencrypt })
}

/// How to deal with a CA.
pub(super) fn options(settings: &Settings, ca: &config::Ca) -> issuer::Options {
    let (acme, known) = (&settings.acme, issuer::Options::new(ca.directory.clone()));
    issuer::Options {
        limits: match ca.limits {
            None => known.limits,
            Some(KeptLimits::Letsencrypt) => Some(Limits::letsencrypt()),
            Some(KeptLimits::None) => None,
        },
        email: ca.email.clone(),
        binding: ca.binding.clone(),
        api_root: ca.api_root.clone(),
        issuance_root: ca.issuance_root.clone(),
        preferred_chain: ca.preferred_chain.clone(),
        roots: trusted(),
        challenges: acme.challenges.clone(),
        dns: acme.dns.clone(),
        resolvers: host::resolvers::resolvers(),
        authority: authority(settings),
        ..known
    }
}

/// How the data plane treats clients and upstreams.
pub(super) fn proxy(
    settings: &Settings,
    max_connections: usize,
    https_port: u16,
    roots: &Roots,
) -> proxy::Options {
    proxy::Options {
        max_connections,
        hold: settings.hold,
        https_port: if settings.listen.https_port_is_public { https_port } else { 443 },
        upstream_roots: roots.clone(),
        ..proxy::Options::default()
    }
}

/// Which names lead where. If one of the apps speaks TLS, the machine's roots are read for it.
pub(super) fn routes(settings: &Settings, roots: &Roots) -> RouteTable {
    let others = settings.on_demand.as_ref().map(|on_demand| &on_demand.to);
    let targets = settings.sites.iter().flat_map(|site| &site.routes).map(|(_, target)| target);
    if targets.chain(others).any(Target::is_https) {
        roots.believe(|| trusted().into_iter().map(|root| root.to_vec()).collect());
    }
    let site = |site: &config::Site| Site {
        names: site.names().cloned().collect(),
        routes: site.routes.clone(),
        redirect: site.redirect.clone(),
        http01: settings.validates_by_http01(site),
        max_body: site.max_body,
    };
    let others = others.map(|to| Site {
        names: Vec::new(),
        routes: vec![("/".to_owned(), to.clone())],
        redirect: Vec::new(),
        http01: settings.acme.challenges.contains(&ChallengeKind::Http01),
        max_body: None,
    });
    RouteTable::with_others(settings.sites.iter().map(site).collect(), others)
}

/// Whom this machine trusts.
fn trusted() -> Vec<CertificateDer<'static>> {
    let trust = host::trust::roots();
    debug!(roots = trust.roots.len(), from = trust.source, "trusting");
    trust.roots.into_iter().map(CertificateDer::from).collect()
}
