//! When a record counts as set: a CA that looks too early fails the order.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::Record;
use crate::dns::{Nameserver, Resolver, Server, Unseen};
use crate::ident::Fqdn;

/// When a record counts as set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// When every name server of the zone shows it that answers.
    Authority {
        /// How long that may take.
        within: Duration,
    },
    /// When each of these servers shows it that answers.
    Servers {
        /// All of them.
        servers: Vec<Server>,
        /// How long that may take.
        within: Duration,
    },
    /// After this time, without looking.
    After(Duration),
}

/// The first pause between two looks, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Sight {
    /// Who is asked about zones and aliases: the servers that have to show a record know their own, which others may
    /// see otherwise; else `usual`.
    pub(super) fn resolver(&self, usual: impl IntoIterator<Item = Server>) -> Resolver {
        Resolver::new(match self {
            Self::Servers { servers, .. } => servers.clone(),
            Self::Authority { .. } | Self::After(_) => usual.into_iter().collect(),
        })
    }

    /// The place to which the aliases of a name lead, so that somebody else's zone can have the records (RFC 8555
    /// section 8.4 has CAs follow them). Where nobody can be asked it is the name itself.
    pub(super) async fn follow(&self, name: Fqdn, resolver: &Resolver) -> Fqdn {
        if let Self::After(_) = self {
            return name;
        }
        match resolver.follow(&name).await {
            Ok(target) if target != name => {
                info!(%name, %target, "an alias; the record goes to where it leads");
                target
            }
            Ok(_) => name,
            Err(error) => {
                debug!(%name, %error, "whether it is an alias cannot be told");
                name
            }
        }
    }

    /// Waits until a validator finds the record, wherever it asks.
    ///
    /// # Errors
    ///
    /// Who does not show it yet, when the time for it is over.
    pub(super) async fn until_seen(&self, record: &Record, resolver: &Resolver) -> Result<(), String> {
        let (nameservers, within) = match self {
            Self::After(time) => {
                info!(%record, wait = ?time, "waits until it can be seen");
                sleep(*time).await;
                return Ok(());
            }
            Self::Servers { servers, within } => {
                (servers.iter().cloned().map(Nameserver::from).collect(), within)
            }
            Self::Authority { within } => {
                (resolver.nameservers(&record.name).await.map_err(|e| e.to_string())?, within)
            }
        };
        seen_by(&nameservers, record, *within).await
    }
}

/// Waits until each of these shows the record. When the time for it is over, whoever does not answer at all is left
/// out if the others show it: so does a validator, which asks the next one then.
async fn seen_by(nameservers: &[Nameserver], record: &Record, within: Duration) -> Result<(), String> {
    let end = Instant::now() + within;
    let mut pause = FIRST_PAUSE;
    let mut missing: Vec<&Nameserver> = nameservers.iter().collect();
    loop {
        let looks = join_all(missing.iter().map(|server| server.shows(&record.name, &record.value))).await;
        let blind = missing.iter().zip(looks).filter_map(|(server, look)| Some((*server, look.err()?)));
        let blind: Vec<(&Nameserver, Unseen)> = blind.collect();
        if blind.is_empty() {
            info!(%record, servers = nameservers.len(), "seen at every name server");
            return Ok(());
        }
        if Instant::now() + pause > end {
            let why: Vec<String> =
                blind.iter().map(|(server, why)| format!("{}: {why}", server.name())).collect();
            let why = why.join("; ");
            let denied = blind.iter().any(|(_, why)| *why == Unseen::Denied);
            if !denied && blind.len() < nameservers.len() {
                warn!(%record, silent = why, "seen at every name server that answers");
                return Ok(());
            }
            return Err(format!(
                "{record} was not seen at every name server within {} seconds ({why})",
                within.as_secs(),
            ));
        }
        missing = blind.into_iter().map(|(server, _)| server).collect();
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
