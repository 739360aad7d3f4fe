//! Changing a zone (RFC 2136), signed (RFC 8945).

use super::exchange::{self, id, id_of, nonsense};
use super::message::{self, Change, Data, Reply, kind};
use super::tsig::Signed;
use super::{DnsError, Key, Rcode, Server};
use crate::clock::Clock;
use crate::ident::Fqdn;

/// For this many seconds others may remember a record of ours: it is there for minutes, and another one comes after it.
const TTL: u32 = 30;

/// Changes records at one server, with one key.
#[derive(Clone)]
pub struct Updater {
    server: Server,
    key: Key,
    clock: Clock,
}

impl Updater {
    /// An updater that has not asked anybody anything yet.
    #[must_use]
    pub fn new(server: Server, key: Key, clock: Clock) -> Self {
        Self { server, key, clock }
    }

    /// Adds a TXT record to those of the name; the server has it when this returns. Adding it twice is adding it once.
    ///
    /// # Errors
    ///
    /// [`DnsError`] if the server did not do it, or did not say so.
    pub async fn add(&self, name: &Fqdn, value: &str) -> Result<(), DnsError> {
        self.change(name, value, Change::Add { ttl: TTL }).await
    }

    /// Removes one TXT record of the name, and no other; if it is not there, that is as good.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add).
    pub async fn remove(&self, name: &Fqdn, value: &str) -> Result<(), DnsError> {
        self.change(name, value, Change::Remove).await
    }

    async fn change(&self, name: &Fqdn, value: &str, change: Change) -> Result<(), DnsError> {
        let zone = self.zone(name).await?;
        let now = self.clock.now();
        let signed = Signed::new(message::update(id(), &zone, name, value, change), &self.key, now);
        let bytes = exchange::over_tcp(&self.server, &signed.message).await?;
        let reply = Reply::read(&bytes)
            .filter(|reply| reply.id == id_of(&signed.message))
            .ok_or_else(|| nonsense(&self.server, "this is not the answer to an update"))?;
        let server = self.server.to_string();
        signed.verify(&bytes, &reply, &self.key, now, &server)?;
        match reply.rcode {
            Rcode::NO_ERROR => Ok(()),
            rcode => Err(DnsError::Refused { server, rcode }),
        }
    }

    /// The zone in which the server keeps the name.
    async fn zone(&self, name: &Fqdn) -> Result<Fqdn, DnsError> {
        let mut asked = Some(name.clone());
        let mut last = None;
        while let Some(name) = asked {
            // Of a name that it has no authority for, a server may know its parent.
            match exchange::ask(&self.server, &name, kind::SOA, false).await {
                Ok(reply) => {
                    if let Some(zone) = zone_in(&reply, &name) {
                        return Ok(zone);
                    }
                }
                Err(error @ DnsError::Refused { .. }) => last = Some(error),
                Err(error) => return Err(error),
            }
            asked = name.parent().and_then(|parent| Fqdn::parse(parent).ok());
        }
        Err(last.unwrap_or(DnsError::Refused { server: self.server.to_string(), rcode: Rcode::NOT_AUTH }))
    }
}

/// The zone of a name, as an answer to the question for its SOA tells it: as the answer if it is the zone itself, else
/// with the reason why there is none (RFC 2308 section 2).
pub(super) fn zone_in(reply: &Reply, name: &Fqdn) -> Option<Fqdn> {
    let records = reply.answers.iter().chain(&reply.authority);
    let mut zones = records.filter(|record| record.data == Data::Authority).map(|record| &record.owner);
    zones.find(|zone| is_within(name, zone)).cloned()
}

/// Whether a name lies in a zone or at its top.
fn is_within(name: &Fqdn, zone: &Fqdn) -> bool {
    let rest = name.as_str().strip_suffix(zone.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
