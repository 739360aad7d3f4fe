//! Examining names: everything about each at the same time, and each part within its time.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::addresses::{Answers, is_ours};
use super::caa::{climb, judge};
use super::{Ca, Check, Finding, reach, standing};
use crate::clock::Clock;
use crate::dns::{Authority, DnsError, Said, Survey};
use crate::ident::{Fqdn, Name};

/// How long one question may take, with all the servers that have to be asked for it.
const PATIENCE: Duration = Duration::from_secs(15);
/// At most this many names are looked at together: each takes some sockets.
const TOGETHER: usize = 8;

/// Looks at names from outside, as a CA would.
pub struct Examiner {
    authority: Authority,
    clock: Clock,
    turns: Semaphore,
}

impl Examiner {
    /// One that asks these servers. What ends, ends by `clock`.
    #[must_use]
    pub fn new(authority: Authority, clock: Clock) -> Self {
        Self { authority, clock, turns: Semaphore::new(TOGETHER) }
    }

    /// What the DNS says of a name that is to be proved to this CA by one of these kinds of challenge.
    pub async fn dns(&self, name: &Name, ca: &Ca, methods: &[&str]) -> Vec<Finding> {
        let _turn = self.turns.acquire().await;
        self.look(name, &[ca], &fitting(name, methods)).await.0
    }

    /// The same for each of these CAs, and what answers where the name leads; `http` and `https` are the ports at which
    /// sidegate listens on this machine.
    pub async fn name(
        &self,
        name: &Name,
        cas: &[&Ca],
        methods: &[&str],
        (http, https): (Option<u16>, u16),
    ) -> Vec<Finding> {
        let methods = fitting(name, methods);
        let _turn = self.turns.acquire().await;
        let (mut findings, addresses) = self.look(name, cas, &methods).await;
        let by_http = methods.contains(&"http-01");
        let host = host_of(name);
        let knocks = first_of_each(&addresses).map(async |ip| {
            let ours = is_ours(ip);
            // Elsewhere it is the ports that the world knows.
            let (http, https) = if ours { (http.unwrap_or(80), https) } else { (80, 443) };
            let clear = async {
                let knock = reach::http(SocketAddr::new(ip, http), &host).await;
                reach::judge_http(ip, ours, &knock)
            };
            let clear = async { if by_http { Some(clear.await) } else { None } };
            let tls = reach::https(SocketAddr::new(ip, https));
            let (clear, tls) = tokio::join!(clear, tls);
            clear.into_iter().chain([reach::judge_https(ip, ours, &tls)])
        });
        findings.extend(join_all(knocks).await.into_iter().flatten());
        findings
    }

    /// What the DNS says, and the addresses to which a CA may connect.
    async fn look(&self, name: &Name, cas: &[&Ca], methods: &[&str]) -> (Vec<Finding>, Vec<IpAddr>) {
        match name {
            Name::Ip(ip) => (Vec::new(), vec![*ip]),
            // Nobody connects to a wildcard itself.
            Name::Dns(fqdn) if fqdn.is_wildcard() => {
                let (caa, standing) =
                    tokio::join!(self.caa(fqdn, cas, methods), self.standing(fqdn, cas, methods));
                (caa.into_iter().chain(standing).collect(), Vec::new())
            }
            Name::Dns(fqdn) => {
                let (answers, caa, standing) = tokio::join!(
                    self.addresses(fqdn),
                    self.caa(fqdn, cas, methods),
                    self.standing(fqdn, cas, methods)
                );
                let by_dns = methods.iter().any(|method| method.starts_with("dns-"));
                let findings = [answers.judge(is_ours, !by_dns)].into_iter().chain(caa).chain(standing);
                (findings.collect(), answers.in_order())
            }
        }
    }

    async fn addresses(&self, name: &Fqdn) -> Answers {
        let (v4, v6) = tokio::join!(said(self.authority.v4(name)), said(self.authority.v6(name)));
        Answers { v4, v6 }
    }

    async fn caa(&self, name: &Fqdn, cas: &[&Ca], methods: &[&str]) -> Vec<Finding> {
        match timeout(PATIENCE, climb(&self.authority, name)).await {
            Ok(found) => judge(name, &found, cas, methods),
            Err(_) => vec![Finding::unknown(
                Check::Caa,
                late(),
                "See that the name servers answer: a CA that hears nothing either will not issue.",
            )],
        }
    }

    /// Nothing where no standing record is to prove it.
    async fn standing(&self, name: &Fqdn, cas: &[&Ca], methods: &[&str]) -> Vec<Finding> {
        if !methods.contains(&standing::METHOD) {
            return Vec::new();
        }
        let only = *methods == [standing::METHOD];
        let each =
            cas.iter().map(async |ca| self.standing_for(name, ca, only).await.at(ca.called.as_deref()));
        join_all(each).await
    }

    async fn standing_for(&self, name: &Fqdn, ca: &Ca, only: bool) -> Finding {
        let needed = match standing::needed(name, ca) {
            Ok(needed) => needed,
            Err(finding) => return finding,
        };
        let seen = said(self.authority.text(&needed.place)).await;
        let now = self.clock.now();
        standing::judge(&needed, needed.shown(seen, now), only, now)
    }
}

async fn said<T: Ord>(asking: impl Future<Output = Result<Survey<T>, DnsError>>) -> Said<T> {
    timeout(PATIENCE, asking).await.map_or_else(|_| Said::Nothing(late()), Said::from)
}

fn late() -> String {
    format!("no answer within {} seconds", PATIENCE.as_secs())
}

/// The kinds of challenge that can prove the name at all.
fn fitting<'m>(name: &Name, methods: &[&'m str]) -> Vec<&'m str> {
    let fits = |method: &&&str| match name {
        Name::Ip(_) => !method.starts_with("dns-"),
        Name::Dns(fqdn) => !fqdn.is_wildcard() || method.starts_with("dns-"),
    };
    methods.iter().filter(fits).copied().collect()
}

/// The first of each family, in the order in which the CA uses them.
fn first_of_each(addresses: &[IpAddr]) -> impl Iterator<Item = IpAddr> {
    let first = |v6| addresses.iter().find(|ip| ip.is_ipv6() == v6).copied();
    [first(true), first(false)].into_iter().flatten()
}

fn host_of(name: &Name) -> String {
    match name {
        Name::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        name => name.to_string(),
    }
}
