//! What sidegate will do, already valid: nobody further in checks any of it again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::dns::Server;
use crate::foreign::{List, Source};
use crate::hooks::Options as HookOptions;
use crate::host::telemetry::Options as LogOptions;
use crate::ident::{Fqdn, Lineage, Name, Names, Provider};
use crate::issuer::solver::ChallengeKind;
use crate::issuer::solver::dns01::Options as DnsOptions;
use crate::issuer::{Binding, Profile};
use crate::manager::demand::Options as DemandOptions;
use crate::pki::KeyType;
use crate::proxy::Target;
use crate::store::prune::Rule;

/// Everything there is to know before the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where certificates and keys are kept.
    pub storage: Storage,
    /// Where to listen.
    pub listen: Listen,
    /// Which CAs to ask, and how.
    pub acme: Acme,
    /// How long to wait after the first failed attempt, the second, and so on; the last one repeats.
    pub retry: Vec<Duration>,
    /// How to log.
    pub log: LogOptions,
    /// Whether each request becomes a line on standard output.
    pub access: bool,
    /// Which items are removed by themselves.
    pub prune: Rule,
    /// Which program is told of what, if one is.
    pub hooks: Option<HookOptions>,
    /// Threads that serve connections.
    pub workers: usize,
    /// How long open connections may go on once a stop was asked for.
    pub drain: Duration,
    /// How long a request waits for an app that does not listen yet.
    pub hold: Duration,
    /// Told to a wrapped app as `PORT`; none if it listens on a unix socket.
    pub child_port: Option<u16>,
    /// What is served: at least one site, except for `list`, and where names on demand are. A client without SNI gets
    /// the certificate of the first name.
    pub sites: Vec<Site>,
    /// What becomes of names that none of the sites has, if anything does.
    pub on_demand: Option<OnDemand>,
}

/// Where certificates and keys are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// To be used if it can be.
    pub path: PathBuf,
    /// To be used, with a word about it, where `path` may not be created or written. None if the operator
    /// chose `path`: then it is that or nothing.
    pub fallback: Option<PathBuf>,
    /// Whether it should hold something already: an empty one has been lost then.
    pub expected: bool,
    /// Whether it is all right that it has been lost.
    pub force: bool,
    /// Whether nothing is written there, as where another process issues.
    pub read_only: bool,
}

/// Where to listen. Port 0 takes any free one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// For challenges and redirects, in clear; none if it is switched off.
    pub http: Option<SocketAddr>,
    /// For everything else.
    pub https: SocketAddr,
    /// For `/livez` and `/readyz`, in clear: one address, or two for the two forms of `localhost`. Empty if
    /// it is switched off.
    pub health: Vec<SocketAddr>,
    /// Whether a redirect to https names the port of [`https`](Self::https). Not so in a pod, whose port
    /// 8443 is known to the world as the service's 443.
    pub https_port_is_public: bool,
}

/// Which CAs to ask, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// The one that is asked first.
    pub preferred: Ca,
    /// Those that are asked in its stead, in this order.
    pub fallback: Vec<Ca>,
    /// How to prove control of a name, the preferred way first.
    pub challenges: Vec<ChallengeKind>,
    /// The kind of key the certificates have.
    pub key_type: KeyType,
    /// Whether a renewal keeps the key of the certificate before.
    pub reuse_key: bool,
    /// How that is done in the DNS, if it can be.
    pub dns: Option<DnsOptions>,
    /// Whether an order is placed only if nothing is certain to make it fail.
    pub preflight: bool,
    /// Who is asked about names before they are ordered; if nobody is named, the name servers of each one's zone.
    pub nameservers: Vec<Server>,
}

/// One CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ca {
    /// The directory's URL.
    pub directory: String,
    /// Whether it is none of the public ones, so that it may sign any name.
    pub own: bool,
    /// Where it may write to about expiring certificates.
    pub email: Option<String>,
    /// PEM: trust for the directory's own TLS, beside the system's.
    pub api_root: Option<Vec<u8>>,
    /// PEM: the root that its certificates should chain to.
    pub issuance_root: Option<Vec<u8>>,
    /// The issuer's name at the top of the chain that is wanted, where it has several.
    pub preferred_chain: Option<String>,
    /// The agreement that the account is to belong to, if it wants one.
    pub binding: Option<Binding>,
    /// The profile its certificates follow, if it should be a certain one.
    pub profile: Option<Profile>,
    /// The limits that are kept; none if those that are known of it are.
    pub limits: Option<KeptLimits>,
}

/// The profile under which public CAs sign addresses. What Let's Encrypt wants holds for every public CA that signs
/// them at all.
pub(super) const FOR_ADDRESSES: &str = "shortlived";

impl Acme {
    /// All of them, the preferred one first.
    pub fn cas(&self) -> impl Iterator<Item = &Ca> {
        std::iter::once(&self.preferred).chain(&self.fallback)
    }
}

impl Ca {
    /// Whether it signs names of this kind (RFC 8738 for addresses): one of the public ones does not sign every name.
    #[must_use]
    pub fn signs(&self, name: &Name) -> bool {
        let for_addresses = || self.profile.as_ref().is_some_and(|profile| profile.name == FOR_ADDRESSES);
        self.own || if name.fqdn().is_some() { name.is_public() } else { for_addresses() }
    }
}

/// Limits that somebody has chosen to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptLimits {
    /// Let's Encrypt's.
    Letsencrypt,
    /// No limits at all.
    None,
}

/// Some names and what is behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The names clients know it by, and whose certificate is shown for them.
    pub keeper: Keeper,
    /// Path prefixes and where their requests go. `/` is everything else.
    pub routes: Vec<(String, Target)>,
    /// Names that only send clients on to another one.
    pub redirect: Vec<(Fqdn, Fqdn)>,
    /// The largest body of a request, in bytes, if there is a limit.
    pub max_body: Option<u64>,
}

/// What becomes of names that none of the sites has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDemand {
    /// Which of them may have a certificate.
    pub names: DemandOptions,
    /// Where their requests go.
    pub to: Target,
}

/// Who gets and renews a site's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// We do.
    Us {
        /// For these names.
        names: Names,
        /// One lineage, or two if only some of the names are for a CA.
        lineages: Vec<Lineage>,
        /// Of the ways to prove control of a name, those that may be used for them.
        challenges: Vec<ChallengeKind>,
    },
    /// Somebody else does, and puts PEM files there.
    Files(Arc<Source>),
    /// Somebody else does, for each name of a list.
    List(Arc<List>),
}

impl Site {
    /// The names clients know it by, the primary one first. Only a list can have none.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        let (own, listed) = match &self.keeper {
            Keeper::Us { names, .. } => (names.as_slice(), None),
            Keeper::Files(source) => (source.names(), None),
            Keeper::List(list) => (&[][..], Some(list.names())),
        };
        own.iter().chain(listed.into_iter().flatten())
    }
}

impl Settings {
    /// Every lineage we get and renew, in the order of the sites.
    pub fn lineages(&self) -> impl Iterator<Item = &Lineage> {
        self.sites.iter().flat_map(|site| match &site.keeper {
            Keeper::Us { lineages, .. } => lineages.as_slice(),
            Keeper::Files(_) | Keeper::List(_) => &[],
        })
    }

    /// The name whose certificate is shown to clients that name none.
    #[must_use]
    pub fn unnamed(&self) -> Option<&Name> {
        self.sites.first()?.names().next()
    }

    /// Whether a CA is asked for anything at all.
    #[must_use]
    pub fn asks_a_ca(&self) -> bool {
        self.on_demand.is_some() || self.lineages().any(|lineage| lineage.provider() == Provider::Letsencrypt)
    }

    /// Whether we answer http-01 challenges for this site, so that unknown ones are not the app's.
    #[must_use]
    pub fn validates_by_http01(&self, site: &Site) -> bool {
        let by_ca = |lineage: &Lineage| lineage.provider() == Provider::Letsencrypt;
        matches!(&site.keeper, Keeper::Us { lineages, challenges, .. }
            if lineages.iter().any(by_ca) && challenges.contains(&ChallengeKind::Http01))
    }
}
