//! Names that none of the sites has: `[on_demand]`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::ident::{Fqdn, Name};
use crate::manager::demand::Options;
use crate::proxy::Target;
use crate::store::Demanded;

use super::check::Checker;
use super::settings::{Acme, OnDemand, Site};
use super::sites::TARGET;
use super::written::{At, OnDemandWritten, Words};

const PER_HOUR: usize = 60;
const PER_DOMAIN_PER_HOUR: usize = 10;
const DENY_TTL: Duration = Duration::from_secs(10 * 60);
const MAX_NAMES: usize = 10_000;

const WAYS: &str = "allow = [\"shop.example.com\"], suffixes = [\"customers.example.com\"], or ask = \"http://127.0.0.1:9000/check\"";
const ASK: &str = "an http:// or https:// URL, such as http://127.0.0.1:9000/check";
const MOST: usize = Demanded::MOST;

/// What was written, if it comes to something.
pub(super) fn check(
    checker: &mut Checker<'_>,
    written: &OnDemandWritten,
    acme: &Acme,
    sites: &[Site],
) -> Option<OnDemand> {
    if written.allow.is_none() && written.suffixes.is_none() && written.ask.is_none() {
        let what = "nothing says which names may have a certificate";
        checker.missing(&written.place, "on_demand", what, WAYS);
    }
    let allow = checker.allowed(written.allow.as_ref(), acme, sites);
    let suffixes = checker.suffixes(written.suffixes.as_ref(), acme);
    let ask = written.ask.as_ref().and_then(|words| checker.ask(words));
    let to = checker.to(written, sites);
    let fallback = checker.one_of(written.policy.as_ref(), &["refuse", "fallback"]) == Some("fallback");
    let mut number =
        |words: &Option<Words>, default| words.as_ref().map_or(default, |words| checker.number(words));
    let names = Options {
        allow,
        suffixes,
        ask,
        private: acme.preferred.own,
        fallback,
        per_hour: number(&written.per_hour, PER_HOUR),
        per_domain_per_hour: number(&written.per_domain_per_hour, PER_DOMAIN_PER_HOUR),
        max_names: number(&written.max_names, MAX_NAMES),
        deny_ttl: written
            .deny_ttl
            .as_ref()
            .map_or(DENY_TTL, |words| checker.duration(words, Duration::from_secs(1))),
    };
    Some(OnDemand { names, to: to? })
}

impl Checker<'_> {
    fn allowed(&mut self, list: Option<&At<Vec<Words>>>, acme: &Acme, sites: &[Site]) -> BTreeSet<Fqdn> {
        let names = self.names(list, acme);
        let mut allowed = BTreeSet::new();
        for (name, words) in names {
            let listed = Name::Dns(name.clone());
            if name.is_wildcard() {
                let accepted = format!("suffixes = [\"{}\"] for all names below it", name.base());
                self.faults.push(words.fault(format!("{name} is not one name")).accepted(accepted));
            } else if sites.iter().any(|site| site.names().any(|name| *name == listed)) {
                let what = format!("{name} is a domain of a site, and needs no leave");
                self.faults.push(words.fault(what).accepted("names that no site has"));
            } else {
                allowed.insert(name);
            }
        }
        allowed
    }

    fn suffixes(&mut self, list: Option<&At<Vec<Words>>>, acme: &Acme) -> BTreeSet<Fqdn> {
        let names = self.names(list, acme);
        let mut suffixes = BTreeSet::new();
        for (name, words) in names {
            if name.is_wildcard() {
                let accepted = format!("\"{}\", which means all names below it", name.base());
                self.faults.push(words.fault("a suffix has no `*.`").accepted(accepted));
            } else {
                suffixes.insert(name);
            }
        }
        suffixes
    }

    /// The names of a list that a CA may sign, or names below which.
    fn names<'w>(&mut self, list: Option<&'w At<Vec<Words>>>, acme: &Acme) -> Vec<(Fqdn, &'w Words)> {
        let Some(list) = list else { return Vec::new() };
        self.not_empty(list, "at least one name, or no such key");
        let mut names = Vec::new();
        for words in &list.value {
            match Fqdn::parse(&words.value) {
                Ok(name) if name.base().contains('.') && (acme.preferred.own || name.is_public()) => {
                    names.push((name, words))
                }
                Ok(name) => {
                    let fault = words.fault(format!("no public CA can sign {name}, or names below it"));
                    self.faults.push(fault.accepted("a name with two labels and more, of the public DNS"));
                }
                Err(error) => self.faults.push(words.fault(error.to_string())),
            }
        }
        names
    }

    fn ask(&mut self, words: &Words) -> Option<http::Uri> {
        let uri = words.value.parse::<http::Uri>().ok().filter(|uri| {
            let known = matches!(uri.scheme_str(), Some("http" | "https"));
            let bare = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
            known && bare && uri.host().is_some_and(|host| !host.is_empty()) && !words.value.contains('#')
        });
        if uri.is_none() {
            let what = format!("{:?} is not a URL that can be asked", words.value);
            self.faults.push(words.fault(what).accepted(ASK));
        }
        uri
    }

    /// Where requests go: where it says, else where those of the first site do.
    fn to(&mut self, written: &OnDemandWritten, sites: &[Site]) -> Option<Target> {
        if let Some(words) = &written.to {
            let target = Target::parse(&words.value);
            return target
                .map_err(|error| self.faults.push(words.fault(error.to_string()).accepted(TARGET)))
                .ok();
        }
        let first = sites.first().and_then(|site| site.routes.iter().find(|(path, _)| path == "/"));
        if first.is_none() {
            self.missing(&written.place, "on_demand.to", "nothing says where requests go", TARGET);
        }
        first.map(|(_, target)| target.clone())
    }

    fn number(&mut self, words: &Words) -> usize {
        match words.value.parse() {
            Ok(number) if (1..=MOST).contains(&number) => number,
            _ => {
                let what = format!("{:?} is not such a number", words.value);
                self.faults.push(words.fault(what).accepted(format!("a number from 1 to {MOST}")));
                1
            }
        }
    }
}
