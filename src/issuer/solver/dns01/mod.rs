//! dns-01: a TXT record beside the name (RFC 8555 section 8.4), set for each order.
//!
//! Who keeps the DNS is the operator's choice: a [`Way`] sets and removes records, and [`Sight`] says when the CA may
//! be told to look. A name can have several records at a time, since `example.com` and `*.example.com` want theirs at
//! the same place.
//!
//! A record lies with somebody else, so removing it takes time and may fail. Dropping its guard only notes that it is
//! to go; [`Solver::tidy`] removes it. One that a crash left behind is removed when its order is gone on with, which
//! sets the same record again; if the CA had seen it by then it stays, and is of no use to anybody.

mod hook;
mod sight;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tracing::{info, warn};

use super::{Challenge, ChallengeKind, Posted, SolveError, Solver};
use crate::clock::Clock;
use crate::dns::{Cloud, CloudAccount, Key, Resolver, Server, Updater};
use crate::ident::{Fqdn, Name};
use crate::pki::crypto;

use self::hook::Hook;
pub use self::sight::Sight;

/// How dns-01 is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How records are set and removed.
    pub way: Way,
    /// When a record counts as set.
    pub sight: Sight,
}

/// How records are set and removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By this program, with these first arguments.
    Hook(Vec<String>),
    /// By updates to this server (RFC 2136), signed with this key (RFC 8945).
    Update {
        /// Where it is reached.
        server: Server,
        /// What it knows us by.
        key: Key,
    },
    /// By the provider that keeps the zone.
    Cloud(CloudAccount),
}

/// Answers in the DNS.
pub struct Dns01 {
    hand: Hand,
    sight: Sight,
    resolver: Resolver,
    leftovers: Leftovers,
}

/// A TXT record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    name: Fqdn,
    value: String,
}

/// Who sets and removes records.
enum Hand {
    Hook(Hook),
    Updater(Updater),
    Cloud(Cloud),
}

/// A record was not set, or it is not known.
struct Unset {
    why: String,
    /// Whether it certainly was not.
    refused: bool,
}

/// Records that nobody needs any more.
type Leftovers = Arc<Mutex<Vec<Record>>>;

/// A record that is needed until this is dropped, and is to be removed then.
pub struct Hung {
    record: Record,
    /// Whether there is nothing to be removed, or nothing more to be done about it.
    done_with: bool,
    leftovers: Leftovers,
}

impl Dns01 {
    /// A solver that has not asked anybody anything yet. Updates are dated by `clock`.
    #[must_use]
    pub fn new(options: &Options, resolvers: &[IpAddr], clock: Clock) -> Self {
        let hand = match &options.way {
            Way::Hook(command) => Hand::Hook(Hook::new(command.clone())),
            Way::Update { server, key } => Hand::Updater(Updater::new(server.clone(), key.clone(), clock)),
            Way::Cloud(account) => Hand::Cloud(Cloud::new(account.clone())),
        };
        let resolver = options.sight.resolver(resolvers.iter().copied().map(Server::from));
        Self { hand, sight: options.sight.clone(), resolver, leftovers: Leftovers::default() }
    }

    /// The record that answers a challenge.
    async fn record(&self, challenge: &Challenge) -> Result<Record, String> {
        let Name::Dns(fqdn) = &challenge.name else {
            return Err("an address has no place in the DNS for it".to_owned());
        };
        let name = Fqdn::parse(&format!("_acme-challenge.{}", fqdn.base())).map_err(|e| e.to_string())?;
        // RFC 8555 section 8.4.
        let value = URL_SAFE_NO_PAD.encode(crypto::sha256(challenge.key_authorization.as_bytes()));
        Ok(Record { name: self.sight.follow(name, &self.resolver).await, value })
    }
}

#[async_trait]
impl Solver for Dns01 {
    fn kind(&self) -> ChallengeKind {
        ChallengeKind::Dns01
    }

    fn can_prove(&self, name: &Name) -> bool {
        // RFC 8738 section 7.
        name.fqdn().is_some()
    }

    async fn post(&self, challenge: &Challenge) -> Result<Posted, SolveError> {
        let fault = |fault| SolveError { kind: self.kind(), name: challenge.name.clone(), fault };
        let record = self.record(challenge).await.map_err(fault)?;
        // The guard is there before the record is: an attempt that fails, or is cancelled, may have set it.
        let mut hung = Hung { record, done_with: false, leftovers: Arc::clone(&self.leftovers) };
        match self.hand.set(&hung.record, &self.resolver).await {
            Ok(()) => Ok(Posted::Dns(hung)),
            Err(unset) => {
                hung.done_with = unset.refused;
                Err(fault(format!("{} cannot be set: {}", hung.record, unset.why)))
            }
        }
    }

    async fn until_seen(&self, name: &Name, posted: &Posted) -> Result<(), SolveError> {
        let Posted::Dns(hung) = posted else { return Ok(()) };
        let seen = self.sight.until_seen(&hung.record, &self.resolver).await;
        seen.map_err(|fault| SolveError { kind: self.kind(), name: name.clone(), fault })
    }

    async fn tidy(&self) {
        loop {
            // Not while the lock is held: removing takes time.
            let Some(record) = locked(&self.leftovers).pop() else { return };
            // Whoever gives this up meanwhile leaves it to the next one.
            let mut hung = Hung { record, done_with: false, leftovers: Arc::clone(&self.leftovers) };
            let removed = self.hand.remove(&hung.record, &self.resolver).await;
            hung.done_with = true;
            let record = &hung.record;
            match removed {
                Ok(()) => info!(%record, "removed"),
                Err(error) => warn!(%record, error, "could not be removed; nobody needs it any more"),
            }
        }
    }
}

impl Hand {
    async fn set(&self, record: &Record, resolver: &Resolver) -> Result<(), Unset> {
        match self {
            Self::Hook(hook) => {
                let done = hook.run("present", record).await;
                done.map_err(|why| Unset { why, refused: false })
            }
            Self::Updater(updater) => {
                let done = updater.add(&record.name, &record.value).await;
                done.map_err(|error| Unset { why: error.to_string(), refused: error.is_refusal() })
            }
            Self::Cloud(cloud) => {
                let zone = resolver.zone(&record.name).await;
                let zone = zone.map_err(|error| Unset { why: error.to_string(), refused: true })?;
                let done = cloud.add(&zone, &record.name, &record.value).await;
                done.map_err(|why| Unset { why, refused: false })
            }
        }
    }

    async fn remove(&self, record: &Record, resolver: &Resolver) -> Result<(), String> {
        match self {
            Self::Hook(hook) => hook.run("cleanup", record).await,
            Self::Updater(updater) => {
                updater.remove(&record.name, &record.value).await.map_err(|e| e.to_string())
            }
            Self::Cloud(cloud) => {
                let zone = resolver.zone(&record.name).await.map_err(|e| e.to_string())?;
                cloud.remove(&zone, &record.name, &record.value).await
            }
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. TXT {}", self.name, self.value)
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        if !self.done_with {
            locked(&self.leftovers).push(self.record.clone());
        }
    }
}

fn locked(leftovers: &Leftovers) -> MutexGuard<'_, Vec<Record>> {
    leftovers.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_removal_that_was_given_up_is_made_up_for() {
        let folder = tempfile::tempdir().expect("a directory");
        let log = folder.path().join("log");
        // The first call does not end.
        let script =
            format!("echo called >> {0}; test $(wc -l < {0}) -gt 1 || exec sleep 600", log.display());
        let options = Options {
            way: Way::Hook(["/bin/sh", "-c", &script, "hook"].map(str::to_owned).to_vec()),
            sight: Sight::Servers { servers: Vec::new(), within: Duration::from_secs(1) },
        };
        let dns01 = Dns01::new(&options, &[], Clock::system());
        let name = Fqdn::parse("_acme-challenge.example.com").expect("a name");
        locked(&dns01.leftovers).push(Record { name, value: "value".to_owned() });
        let called = || std::fs::read_to_string(&log).unwrap_or_default().lines().count();
        tokio::select! {
            () = dns01.tidy() => panic!("it ended"),
            () = async { while called() == 0 { tokio::task::yield_now().await } } => {}
        }
        dns01.tidy().await;
        assert_eq!(called(), 2);
    }
}
