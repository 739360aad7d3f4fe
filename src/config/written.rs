//! Values as somebody wrote them, with the place where: the one form that flags, variables and files
//! have in common before anything is checked.

use std::path::{Path, PathBuf};

use super::error::{Fault, Place};

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
    /// The key in a file; empty where the place says it all.
    pub(super) key: String,
}

/// Words that mean something once they are checked.
pub(super) type Words = At<String>;

impl Words {
    pub(super) fn new(value: impl Into<String>, place: Place, key: &str) -> Self {
        Self { value: value.into(), place, key: key.to_owned() }
    }

    /// The parts between commas, each at the place of the whole.
    pub(super) fn split_list(&self) -> At<Vec<Words>> {
        let parts = self.value.split(',').map(str::trim).filter(|part| !part.is_empty());
        let value = parts.map(|part| Self::new(part, self.place.clone(), &self.key)).collect();
        At { value, place: self.place.clone(), key: self.key.clone() }
    }

    /// A program: a path, or without a slash a name that is looked for in `PATH`.
    pub(super) fn program(&self) -> String {
        if self.value.contains('/') { self.path().to_string_lossy().into_owned() } else { self.value.clone() }
    }

    /// A path that was written in a file is relative to that file, any other to the working directory.
    pub(super) fn path(&self) -> PathBuf {
        match &self.place {
            Place::File { path, .. } => path.parent().unwrap_or(Path::new("")).join(&self.value),
            _ => PathBuf::from(&self.value),
        }
    }
}

impl<T> At<T> {
    pub(super) fn fault(&self, what: impl Into<String>) -> Fault {
        Fault::new(&self.place, &self.key, what)
    }

    /// Where it is, without what it is.
    pub(super) fn mark(&self) -> At<()> {
        At { value: (), place: self.place.clone(), key: self.key.clone() }
    }

    /// What an operator calls this value: the variable, the flag, or the key.
    pub(super) fn name(&self) -> &str {
        match &self.place {
            Place::Variable(name) => name,
            Place::Flag(name) => name,
            Place::File { .. } | Place::Nowhere => &self.key,
        }
    }
}

/// Everything one source says. What it does not say is left to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    pub(super) storage: Option<Words>,
    pub(super) read_only: Option<At<bool>>,
    pub(super) expect_state: Option<At<bool>>,
    pub(super) force: Option<At<bool>>,
    pub(super) workers: Option<Words>,
    pub(super) drain: Option<Words>,
    pub(super) http: Option<Words>,
    pub(super) https: Option<Words>,
    pub(super) health: Option<Words>,
    pub(super) staging: Option<At<bool>>,
    /// The preferred CA.
    pub(super) ca: CaWritten,
    /// Those that are asked in its stead, and where each of them was written.
    pub(super) fallback: Vec<(Place, CaWritten)>,
    pub(super) challenges: Option<At<Vec<Words>>>,
    pub(super) dns: DnsWritten,
    pub(super) on_demand: Option<OnDemandWritten>,
    pub(super) preflight: Option<At<bool>>,
    pub(super) nameservers: Option<At<Vec<Words>>>,
    pub(super) retry: Option<At<Vec<Words>>>,
    pub(super) key_type: Option<Words>,
    pub(super) reuse_key: Option<At<bool>>,
    pub(super) log_format: Option<Words>,
    pub(super) log_level: Option<Words>,
    pub(super) access: Option<Words>,
    pub(super) keep: Option<Words>,
    pub(super) expired_for: Option<Words>,
    pub(super) hooks: Option<HooksWritten>,
    /// Of the one site that flags and variables can speak of.
    pub(super) domains: Option<At<Vec<Words>>>,
    pub(super) certificates: Option<Words>,
    pub(super) to: Option<Words>,
    /// The sites of a file.
    pub(super) sites: Vec<SiteWritten>,
}

/// What `[acme]` and each `[[acme.fallback]]` say about their CA.
#[derive(Debug, Clone, Default)]
pub(super) struct CaWritten {
    pub(super) directory: Option<Words>,
    pub(super) email: Option<Words>,
    pub(super) api_root: Option<Words>,
    pub(super) issuance_root: Option<Words>,
    pub(super) preferred_chain: Option<Words>,
    pub(super) profile: Option<Words>,
    pub(super) profile_required: Option<At<bool>>,
    pub(super) limits: Option<Words>,
    pub(super) eab_kid: Option<Words>,
    pub(super) eab_key: Option<Words>,
}

impl CaWritten {
    fn over(self, lower: Self) -> Self {
        Self {
            directory: self.directory.or(lower.directory),
            email: self.email.or(lower.email),
            api_root: self.api_root.or(lower.api_root),
            issuance_root: self.issuance_root.or(lower.issuance_root),
            preferred_chain: self.preferred_chain.or(lower.preferred_chain),
            profile: self.profile.or(lower.profile),
            profile_required: self.profile_required.or(lower.profile_required),
            limits: self.limits.or(lower.limits),
            eab_kid: self.eab_kid.or(lower.eab_kid),
            eab_key: self.eab_key.or(lower.eab_key),
        }
    }
}

/// `[acme.dns]`.
#[derive(Debug, Clone, Default)]
pub(super) struct DnsWritten {
    pub(super) server: Option<Words>,
    /// The key itself. It is secret: no message may hold it.
    pub(super) key: Option<Words>,
    /// Where the key is kept.
    pub(super) key_file: Option<Words>,
    /// Who keeps the zones.
    pub(super) provider: Option<Words>,
    /// What the account there is opened with. It is secret: no message may hold it.
    pub(super) credentials: Option<Words>,
    /// Where that is kept.
    pub(super) credentials_file: Option<Words>,
    pub(super) hook: Option<At<Vec<Words>>>,
    pub(super) nameservers: Option<At<Vec<Words>>>,
    pub(super) timeout: Option<Words>,
    pub(super) wait: Option<Words>,
}

impl DnsWritten {
    fn over(self, lower: Self) -> Self {
        Self {
            server: self.server.or(lower.server),
            key: self.key.or(lower.key),
            key_file: self.key_file.or(lower.key_file),
            provider: self.provider.or(lower.provider),
            credentials: self.credentials.or(lower.credentials),
            credentials_file: self.credentials_file.or(lower.credentials_file),
            hook: self.hook.or(lower.hook),
            nameservers: self.nameservers.or(lower.nameservers),
            timeout: self.timeout.or(lower.timeout),
            wait: self.wait.or(lower.wait),
        }
    }
}

/// `[on_demand]`.
#[derive(Debug, Clone)]
pub(super) struct OnDemandWritten {
    pub(super) place: Place,
    pub(super) allow: Option<At<Vec<Words>>>,
    pub(super) suffixes: Option<At<Vec<Words>>>,
    pub(super) ask: Option<Words>,
    pub(super) to: Option<Words>,
    pub(super) policy: Option<Words>,
    pub(super) per_hour: Option<Words>,
    pub(super) per_domain_per_hour: Option<Words>,
    pub(super) deny_ttl: Option<Words>,
    pub(super) max_names: Option<Words>,
}

/// `[hooks]`.
#[derive(Debug, Clone)]
pub(super) struct HooksWritten {
    pub(super) place: Place,
    pub(super) command: Option<At<Vec<Words>>>,
    pub(super) events: Option<At<Vec<Words>>>,
    pub(super) timeout: Option<Words>,
}

/// A `[[site]]`.
#[derive(Debug, Clone)]
pub(super) struct SiteWritten {
    pub(super) place: Place,
    pub(super) domains: Option<At<Vec<Words>>>,
    pub(super) to: Option<Words>,
    pub(super) routes: Vec<RouteWritten>,
    pub(super) redirect: Vec<(Words, Words)>,
    pub(super) max_body: Option<Words>,
    /// The list with the names and their certificates.
    pub(super) certificates: Option<Words>,
    pub(super) cert: Option<Words>,
    pub(super) key: Option<Words>,
    pub(super) issuer: Option<Words>,
    pub(super) challenges: Option<At<Vec<Words>>>,
}

impl SiteWritten {
    pub(super) fn empty(place: Place) -> Self {
        Self {
            place,
            domains: None,
            to: None,
            routes: Vec::new(),
            redirect: Vec::new(),
            max_body: None,
            certificates: None,
            cert: None,
            key: None,
            issuer: None,
            challenges: None,
        }
    }
}

/// A `[[site.route]]`.
#[derive(Debug, Clone)]
pub(super) struct RouteWritten {
    pub(super) place: Place,
    pub(super) path: Option<Words>,
    pub(super) to: Option<Words>,
}

impl Layer {
    /// This layer, and beneath it what `lower` says where this one is silent.
    pub(super) fn over(self, mut lower: Self) -> Self {
        // A directory and «staging» are two answers to one question, so they are taken together.
        let asks_for_ca =
            self.ca.directory.is_some() || self.staging.as_ref().is_some_and(|staging| staging.value);
        let staging = if asks_for_ca {
            lower.ca.directory = None;
            self.staging
        } else {
            lower.staging
        };
        Self {
            storage: self.storage.or(lower.storage),
            read_only: self.read_only.or(lower.read_only),
            expect_state: self.expect_state.or(lower.expect_state),
            force: self.force.or(lower.force),
            workers: self.workers.or(lower.workers),
            drain: self.drain.or(lower.drain),
            http: self.http.or(lower.http),
            https: self.https.or(lower.https),
            health: self.health.or(lower.health),
            staging,
            ca: self.ca.over(lower.ca),
            fallback: if self.fallback.is_empty() { lower.fallback } else { self.fallback },
            challenges: self.challenges.or(lower.challenges),
            dns: self.dns.over(lower.dns),
            // Only a file can speak of it.
            on_demand: self.on_demand.or(lower.on_demand),
            preflight: self.preflight.or(lower.preflight),
            nameservers: self.nameservers.or(lower.nameservers),
            retry: self.retry.or(lower.retry),
            key_type: self.key_type.or(lower.key_type),
            reuse_key: self.reuse_key.or(lower.reuse_key),
            log_format: self.log_format.or(lower.log_format),
            log_level: self.log_level.or(lower.log_level),
            access: self.access.or(lower.access),
            keep: self.keep.or(lower.keep),
            expired_for: self.expired_for.or(lower.expired_for),
            hooks: self.hooks.or(lower.hooks),
            domains: self.domains.or(lower.domains),
            certificates: self.certificates.or(lower.certificates),
            to: self.to.or(lower.to),
            sites: if self.sites.is_empty() { lower.sites } else { self.sites },
        }
    }
}
