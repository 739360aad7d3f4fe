//! Who has authority for a name, and what they say.

use futures_util::future::join_all;
use thiserror::Error;

use super::exchange::ask;
use super::message::{Data, Reply, kind};
use super::update::zone_in;
use super::{DnsError, Server};
use crate::ident::Fqdn;

/// At most this many aliases in a row are followed.
pub(super) const ALIASES: usize = 8;

/// Servers that find out for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver(Vec<Server>);

/// A server with authority, at all of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nameserver {
    name: String,
    addresses: Vec<Server>,
}

/// Why a server does not show a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unseen {
    /// It says that there is none.
    #[error("does not show it")]
    Denied,
    /// It says nothing, and whoever resolves the name asks the next one; why, in a few words.
    #[error("{0}")]
    Silent(String),
}

impl Resolver {
    /// Asks these servers, one after another until one answers.
    #[must_use]
    pub fn new(servers: Vec<Server>) -> Self {
        Self(servers)
    }

    /// The name servers of the zone that a name lies in.
    ///
    /// # Errors
    ///
    /// [`DnsError::NoAuthority`] if nobody says who they are.
    pub async fn nameservers(&self, name: &Fqdn) -> Result<Vec<Nameserver>, DnsError> {
        let zone = self.zone(name).await?;
        let reply = self.ask(&zone, kind::NS).await.map_err(|why| unknown(name, why))?;
        let named = reply.answers.into_iter().filter_map(|record| match record.data {
            Data::Nameserver(host) if record.owner == zone => Some(host),
            _ => None,
        });
        let found: Vec<Nameserver> = join_all(named.map(|host| self.nameserver(host))).await;
        if found.is_empty() {
            return Err(unknown(name, format!("{zone} has no NS records")));
        }
        Ok(found)
    }

    /// Where the records of a name really are: where its aliases (CNAME) lead.
    ///
    /// # Errors
    ///
    /// [`DnsError::NoAuthority`] if nobody answers.
    pub async fn follow(&self, name: &Fqdn) -> Result<Fqdn, DnsError> {
        let reply = self.ask(name, kind::TXT).await.map_err(|why| unknown(name, why))?;
        end_of_aliases(&reply, name)
    }

    /// The zone that a name lies in.
    ///
    /// # Errors
    ///
    /// [`DnsError::NoAuthority`] if nobody answers, or no zone has it.
    pub async fn zone(&self, name: &Fqdn) -> Result<Fqdn, DnsError> {
        let mut asked = Some(name.clone());
        while let Some(at) = asked {
            let reply = self.ask(&at, kind::SOA).await.map_err(|why| unknown(name, why))?;
            if let Some(zone) = zone_in(&reply, &at) {
                return Ok(zone);
            }
            asked = at.parent().and_then(|parent| Fqdn::parse(parent).ok());
        }
        Err(unknown(name, "no zone has it".to_owned()))
    }

    async fn nameserver(&self, host: Fqdn) -> Nameserver {
        let both = [self.ask(&host, kind::A), self.ask(&host, kind::AAAA)];
        let records = join_all(both).await.into_iter().flatten().flat_map(|reply| reply.answers);
        let addresses = records.filter_map(|record| match record.data {
            Data::Address(ip) => Some(ip.into()),
            _ => None,
        });
        Nameserver { addresses: addresses.collect(), name: host.to_string() }
    }

    async fn ask(&self, name: &Fqdn, kind: u16) -> Result<Reply, String> {
        let mut why = Vec::new();
        for server in &self.0 {
            match ask(server, name, kind, true).await {
                Ok(reply) => return Ok(reply),
                Err(error) => why.push(error.to_string()),
            }
        }
        Err(if why.is_empty() { "there is no resolver".to_owned() } else { why.join(", ") })
    }
}

impl Nameserver {
    /// Its name, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is reached.
    #[must_use]
    pub fn addresses(&self) -> &[Server] {
        &self.addresses
    }

    /// Asks it, at one address after another until one answers.
    pub(super) async fn ask(&self, name: &Fqdn, kind: u16) -> Result<Reply, DnsError> {
        let mut last = None;
        for address in &self.addresses {
            match ask(address, name, kind, false).await {
                Ok(reply) => return Ok(reply),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| unknown(name, format!("{} has no address", self.name))))
    }

    /// Makes sure that the server shows this TXT record to whoever asks it for the name, at each address where it
    /// answers at all.
    ///
    /// # Errors
    ///
    /// [`Unseen`].
    pub async fn shows(&self, name: &Fqdn, value: &str) -> Result<(), Unseen> {
        let asked = self.addresses.iter().map(|address| ask(address, name, kind::TXT, false));
        let mut answered = false;
        let mut silent = None;
        for answer in join_all(asked).await {
            match answer {
                Ok(reply) if has(&reply, name, value) => answered = true,
                Ok(_) => return Err(Unseen::Denied),
                Err(error) => silent = Some(error.to_string()),
            }
        }
        if answered {
            return Ok(());
        }
        Err(Unseen::Silent(silent.unwrap_or_else(|| "it has no address".to_owned())))
    }
}

impl From<Server> for Nameserver {
    fn from(server: Server) -> Self {
        Self { name: server.to_string(), addresses: vec![server] }
    }
}

/// Where the aliases of an answer lead.
pub(super) fn end_of_aliases(reply: &Reply, name: &Fqdn) -> Result<Fqdn, DnsError> {
    let mut target = name.clone();
    for _ in 0..ALIASES {
        let alias = reply.answers.iter().find_map(|record| match &record.data {
            Data::Alias(to) if record.owner == target => Some(to.clone()),
            _ => None,
        });
        match alias {
            Some(to) => target = to,
            None => return Ok(target),
        }
    }
    Err(unknown(name, "its aliases have no end".to_owned()))
}

fn has(reply: &Reply, name: &Fqdn, value: &str) -> bool {
    let is_it = |data: &Data| matches!(data, Data::Text(text) if text == value.as_bytes());
    reply.answers.iter().any(|record| record.owner == *name && is_it(&record.data))
}

pub(super) fn unknown(name: &Fqdn, why: String) -> DnsError {
    DnsError::NoAuthority { name: name.to_string(), why }
}
