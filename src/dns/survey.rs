//! What the servers with authority for a name say about it, each of them.

use std::net::IpAddr;

use futures_util::future::join_all;

use super::authority::{ALIASES, end_of_aliases, unknown};
use super::exchange::ask;
use super::message::{Caa, Data, Reply, kind};
use super::{DnsError, Nameserver, Resolver, Server};
use crate::ident::Fqdn;

/// Where questions about names go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// To the name servers of each name's zone, which these resolvers know.
    Zones(Resolver),
    /// To these servers and nobody else, whatever the name.
    Servers(Vec<Server>),
}

/// What each server says.
#[derive(Debug)]
pub struct Survey<T>(Vec<View<T>>);

/// What one server says.
#[derive(Debug)]
pub struct View<T> {
    /// Its name.
    pub server: String,
    /// The records, sorted.
    pub said: Result<Vec<T>, DnsError>,
}

/// What a survey comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said<T> {
    /// All who answered say this.
    Alike(Vec<T>),
    /// They contradict each other.
    Differently(Vec<(String, Vec<T>)>),
    /// Nobody answered, and why.
    Nothing(String),
}

impl Authority {
    /// The name's IPv4 addresses.
    ///
    /// # Errors
    ///
    /// [`DnsError::NoAuthority`] if there is nobody to ask; here and below.
    pub async fn v4(&self, name: &Fqdn) -> Result<Survey<IpAddr>, DnsError> {
        self.survey(name, kind::A, address).await
    }

    /// The name's IPv6 addresses.
    ///
    /// # Errors
    ///
    /// As above.
    pub async fn v6(&self, name: &Fqdn) -> Result<Survey<IpAddr>, DnsError> {
        self.survey(name, kind::AAAA, address).await
    }

    /// Who may issue for the name itself; its parents are not asked.
    ///
    /// # Errors
    ///
    /// As above.
    pub async fn caa(&self, name: &Fqdn) -> Result<Survey<Caa>, DnsError> {
        let caa = |data: &Data| match data {
            Data::Issuance(caa) => Some(caa.clone()),
            _ => None,
        };
        self.survey(name, kind::CAA, caa).await
    }

    /// The name's texts, each with its strings joined.
    ///
    /// # Errors
    ///
    /// As above.
    pub async fn text(&self, name: &Fqdn) -> Result<Survey<String>, DnsError> {
        let text = |data: &Data| match data {
            Data::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        };
        self.survey(name, kind::TXT, text).await
    }

    /// Asks for the records of a kind where the aliases of the name lead.
    async fn survey<T: Ord>(
        &self,
        name: &Fqdn,
        kind: u16,
        of_interest: impl Fn(&Data) -> Option<T>,
    ) -> Result<Survey<T>, DnsError> {
        let mut at = name.clone();
        for _ in 0..ALIASES {
            let mut leads_on = None;
            let mut views = Vec::new();
            for (server, reply) in self.replies(&at, kind).await? {
                let said = reply.and_then(|reply| {
                    let end = end_of_aliases(&reply, &at)?;
                    let ours = reply.answers.iter().filter(|record| record.owner == end);
                    let mut records: Vec<T> = ours.filter_map(|record| of_interest(&record.data)).collect();
                    if records.is_empty() && end != at {
                        leads_on = Some(end);
                    }
                    records.sort();
                    records.dedup();
                    Ok(records)
                });
                views.push(View { server, said });
            }
            match leads_on {
                // A server with authority for the alias need not know what lies at its end.
                Some(end) if matches!(self, Self::Zones(_)) => at = end,
                _ => return Ok(Survey(views)),
            }
        }
        Err(unknown(name, "its aliases have no end".to_owned()))
    }

    async fn replies(
        &self,
        name: &Fqdn,
        kind: u16,
    ) -> Result<Vec<(String, Result<Reply, DnsError>)>, DnsError> {
        Ok(match self {
            Self::Zones(resolver) => {
                let servers = resolver.nameservers(name).await?;
                let asked = servers.iter().map(|server: &Nameserver| async {
                    (server.name().to_owned(), server.ask(name, kind).await)
                });
                join_all(asked).await
            }
            Self::Servers(servers) => {
                let asked = servers.iter().map(|server| async {
                    // They may have to ask others.
                    (server.to_string(), ask(server, name, kind, true).await)
                });
                join_all(asked).await
            }
        })
    }
}

impl<T: Ord> Survey<T> {
    /// What it comes to. Whoever did not answer is left out, unless nobody did.
    #[must_use]
    pub fn said(self) -> Said<T> {
        let (mut answers, mut silent) = (Vec::new(), Vec::new());
        for View { server, said } in self.0 {
            match said {
                Ok(records) => answers.push((server, records)),
                Err(error) => silent.push(error.to_string()),
            }
        }
        if answers.iter().any(|(_, records)| *records != answers[0].1) {
            return Said::Differently(answers);
        }
        match answers.pop() {
            Some((_, records)) => Said::Alike(records),
            None if silent.is_empty() => Said::Nothing("there is no server to ask".to_owned()),
            None => Said::Nothing(silent.join(", ")),
        }
    }
}

impl<T: Ord> From<Result<Survey<T>, DnsError>> for Said<T> {
    fn from(survey: Result<Survey<T>, DnsError>) -> Self {
        survey.map_or_else(|error| Self::Nothing(error.to_string()), Survey::said)
    }
}

fn address(data: &Data) -> Option<IpAddr> {
    match data {
        Data::Address(ip) => Some(*ip),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(server: &str, said: Option<&[u8]>) -> View<u8> {
        let silent = || DnsError::Silent { server: server.to_owned(), seconds: 4 };
        View { server: server.to_owned(), said: said.map(<[u8]>::to_vec).ok_or_else(silent) }
    }

    #[test]
    fn who_answers_decides_and_contradictions_are_told() {
        let said = |views| Survey(views).said();
        assert_eq!(said(vec![view("a", Some(&[1])), view("b", None)]), Said::Alike(vec![1]));
        assert_eq!(said(vec![view("a", Some(&[])), view("b", Some(&[]))]), Said::Alike(vec![]));
        let both = vec![("a".to_owned(), vec![1]), ("b".to_owned(), vec![])];
        assert_eq!(said(vec![view("a", Some(&[1])), view("b", Some(&[]))]), Said::Differently(both));
        let why = "a did not answer within 4 seconds, b did not answer within 4 seconds".to_owned();
        assert_eq!(said(vec![view("a", None), view("b", None)]), Said::Nothing(why));
        assert!(matches!(said(vec![]), Said::Nothing(_)));
    }
}
