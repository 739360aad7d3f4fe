//! A CA that counts as Let's Encrypt does, and notes whatever it should never have been asked for.

use std::collections::BTreeMap;

use super::bucket::Bucket;
use super::fate::{DAY, HOUR};

/// Burst, and seconds until one comes back.
pub(super) struct Rates {
    orders: (u64, u64),
    set: (u64, u64),
    domain: (u64, u64),
    failures: (u64, u64),
    in_a_row: (u64, u64),
    accounts: (u64, u64),
}

/// <https://letsencrypt.org/docs/rate-limits/>, as of August 2026.
pub(super) const PRODUCTION: Rates = Rates {
    orders: (300, 36),
    set: (5, 34 * HOUR),
    domain: (50, 202 * 60),
    failures: (5, 12 * 60),
    in_a_row: (1_152, DAY),
    accounts: (10, 18 * 60),
};

/// <https://letsencrypt.org/docs/staging-environment/>.
pub(super) const STAGING: Rates = Rates {
    orders: (1_500, 7),
    set: (30_000, 20),
    domain: (30_000, 20),
    failures: (200, 18),
    in_a_row: (1_152, DAY),
    accounts: (50, 216),
};

/// An order as the CA sees it.
#[derive(Debug, Clone)]
pub(super) struct Request<'a> {
    pub(super) names: &'a [String],
    pub(super) domains: &'a [String],
    /// The certificate that it says to replace.
    pub(super) replaces: Option<u64>,
}

/// A certificate.
#[derive(Debug, Clone)]
struct Issued {
    names: Vec<String>,
    at: u64,
    /// When it should be renewed.
    window: (u64, u64),
    replaced: bool,
}

/// A limit is reached.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    /// In Let's Encrypt's words.
    pub(super) detail: String,
    /// After so many seconds; no word of that where a person has to do something.
    pub(super) retry_after: Option<u64>,
}

pub(super) struct Ca {
    rates: Rates,
    buckets: BTreeMap<String, Bucket>,
    issued: Vec<Issued>,
    latest: BTreeMap<String, usize>,
    /// What should not have been asked for, and when.
    pub(super) faults: Vec<(u64, String)>,
    /// Orders that were placed.
    pub(super) orders: u64,
    /// Orders refused because of what others had taken.
    pub(super) crowded: u64,
}

impl Ca {
    pub(super) fn new(rates: Rates) -> Self {
        let (buckets, issued, latest) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        Self { rates, buckets, issued, latest, faults: Vec::new(), orders: 0, crowded: 0 }
    }

    /// A new account from our address.
    pub(super) fn register(&mut self, now: u64) {
        if self.bucket("accounts", self.rates.accounts, now).wait(now).is_some() {
            self.faults.push((now, "more accounts than the address may have".to_owned()));
        }
        self.bucket("accounts", self.rates.accounts, now).take(now);
    }

    /// Places an order. Says whether it is exempt from what certificates count against.
    pub(super) fn order(&mut self, request: &Request<'_>, now: u64) -> Result<bool, Refusal> {
        let set = set(request.names);
        for name in request.names {
            let rate = self.rates.in_a_row;
            if self.bucket(&in_a_row(name), rate, now).wait(now).is_some() {
                self.faults.push((now, format!("{name} is paused")));
                let detail = format!(
                    "Your account is temporarily prevented from requesting certificates for {name} and possibly \
                     others. Please visit: https://portal.test/unpause"
                );
                return Err(Refusal { detail, retry_after: None });
            }
        }
        let replaced = request.replaces.and_then(|serial| self.issued.get_mut(serial as usize));
        let exempt = replaced.is_some_and(|issued| {
            let valid = !issued.replaced && issued.names.iter().any(|name| request.names.contains(name));
            // RFC 9773 section 5; what is in a hurry is out of its window.
            let exempt = valid && (issued.window.0..issued.window.1).contains(&now);
            issued.replaced |= valid;
            exempt
        });
        if !exempt {
            let renews = |before: &usize| now - self.issued[*before].at < 120 * DAY;
            let renewal = self.latest.get(&set).is_some_and(renews);
            self.within_limits(request, &set, renewal, now)?;
            if !renewal {
                self.bucket("orders", self.rates.orders, now).take(now);
            }
        }
        self.orders += 1;
        Ok(exempt)
    }

    fn within_limits(
        &mut self,
        request: &Request<'_>,
        set: &str,
        renewal: bool,
        now: u64,
    ) -> Result<(), Refusal> {
        let mut asked = vec![(
            set.to_owned(),
            self.rates.set,
            "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s"
                .to_owned(),
        )];
        asked.extend(request.names.iter().map(|name| {
            let detail = format!("too many failed authorizations (5) for \"{name}\" in the last 1h0m0s");
            (failures(name), self.rates.failures, detail)
        }));
        if !renewal {
            let detail = "too many new orders (300) from this account in the last 3h0m0s".to_owned();
            asked.push(("orders".to_owned(), self.rates.orders, detail));
            asked.extend(request.domains.iter().map(|domain| {
                let detail = format!(
                    "too many certificates (50) already issued for \"{domain}\" in the last 168h0m0s"
                );
                (format!("domain {domain}"), self.rates.domain, detail)
            }));
        }
        let mut longest: Option<(u64, String, String)> = None;
        for (key, rate, detail) in asked {
            let wait = self.bucket(&key, rate, now).wait(now);
            longest = longest.max(wait.map(|wait| (wait, key, detail)));
        }
        let Some((wait, key, detail)) = longest else { return Ok(()) };
        let bucket = self.buckets.get_mut(&key).expect("it was asked");
        if bucket.refuse(now + wait, now) {
            self.faults.push((now, detail.clone()));
        } else {
            self.crowded += 1;
        }
        Err(Refusal { detail, retry_after: Some(wait) })
    }

    /// A name could not be verified.
    pub(super) fn unverified(&mut self, name: &str, now: u64) {
        self.bucket(&failures(name), self.rates.failures, now).take(now);
        self.bucket(&in_a_row(name), self.rates.in_a_row, now).take(now);
    }

    /// Makes a certificate, valid for so many seconds; says its serial number.
    pub(super) fn issue(&mut self, request: &Request<'_>, exempt: bool, lifetime: u64, now: u64) -> u64 {
        let set = set(request.names);
        for name in request.names {
            self.buckets.remove(&in_a_row(name));
        }
        if !exempt {
            self.bucket(&set, self.rates.set, now).take(now);
            let known = self.latest.get(&set).is_some_and(|before| now - self.issued[*before].at < 120 * DAY);
            for domain in request.domains.iter().filter(|_| !known) {
                self.bucket(&format!("domain {domain}"), self.rates.domain, now).take(now);
            }
        }
        let ideal = now + if lifetime < 10 * DAY { lifetime / 2 } else { lifetime / 3 * 2 };
        let window = (ideal - lifetime / 100, ideal + lifetime / 100);
        self.issued.push(Issued { names: request.names.to_vec(), at: now, window, replaced: false });
        self.latest.insert(set, self.issued.len() - 1);
        self.issued.len() as u64 - 1
    }

    /// When it would like a certificate to be renewed.
    pub(super) fn window(&self, serial: u64) -> (u64, u64) {
        self.issued[serial as usize].window
    }

    /// Revokes a certificate: it should have been renewed already.
    pub(super) fn revoke(&mut self, serial: u64, now: u64) {
        self.issued[serial as usize].window = (now - HOUR, now - HOUR / 2);
    }

    /// Somebody else gets certificates.
    pub(super) fn crowd(&mut self, domain: &str, certificates: u64, now: u64) {
        self.bucket(&format!("domain {domain}"), self.rates.domain, now).take_for_others(certificates, now);
    }

    fn bucket(&mut self, key: &str, rate: (u64, u64), now: u64) -> &mut Bucket {
        self.buckets.entry(key.to_owned()).or_insert_with(|| Bucket::full(rate, now))
    }
}

fn set(names: &[String]) -> String {
    let mut sorted = names.to_vec();
    sorted.sort();
    format!("set {}", sorted.join(" "))
}

fn failures(name: &str) -> String {
    format!("failures {name}")
}

fn in_a_row(name: &str) -> String {
    format!("in a row {name}")
}
