//! Sites: which names, which certificate, and where requests go.

mod listed;
mod taken;

use std::sync::Arc;

use crate::foreign::Source;
use crate::ident::{Fqdn, Lineage, Name, Names, Provider};
use crate::issuer::solver::ChallengeKind;
use crate::proxy::Target;

use super::check::Checker;
use super::dns;
use super::error::Place;
use super::profiles;
use super::settings::{Acme, FOR_ADDRESSES, Keeper, Site};
use super::value;
use super::written::{At, SiteWritten, Words};
use super::{DEFAULT_FILE, Purpose};
use taken::{InUse, Taken};

/// What is accepted where a target is asked for.
pub(super) const TARGET: &str =
    "a port such as 3000, host:port, or a URL without a path: http://, https://, h2c:// or unix:/path";

/// What an app of ours is told to listen on unless it was said where.
const CHILD_PORT: u16 = 3000;

/// The sites, and the port a wrapped app is to listen on. Without a single good one there is a fault, unless none will
/// do.
pub(super) fn check(checker: &mut Checker<'_>, acme: &Acme, none_will_do: bool) -> (Vec<Site>, Option<u16>) {
    let written = gather(checker, none_will_do);
    let mut taken = Taken::default();
    let in_use = InUse::by(checker.before);
    let mut sites = Vec::new();
    for site in &written {
        let mut check = Check { checker: &mut *checker, site, acme, taken: &mut taken, in_use: &in_use };
        sites.extend(check.site());
    }
    let port = match checker.purpose {
        Purpose::Run => {
            sites.first().and_then(|site: &Site| site.routes.first()).and_then(|(_, to)| port_of(to))
        }
        _ => None,
    };
    (sites, port)
}

/// The sites of the file, and what flags and variables say about the one they can speak of.
fn gather(checker: &mut Checker<'_>, none_will_do: bool) -> Vec<SiteWritten> {
    let (domains, to) = (checker.layer.domains.take(), checker.layer.to.take());
    let certificates = checker.layer.certificates.take();
    let mut sites = std::mem::take(&mut checker.layer.sites);
    if let Purpose::Demo { port, .. } = checker.purpose {
        let mut site = SiteWritten::empty(Place::Nowhere);
        site.domains = domains.or(Some(default_domain()));
        site.to = to.or(Some(Words::new(port.to_string(), Place::Nowhere, "to")));
        site.issuer = Some(Words::new("selfsigned", Place::Nowhere, "issuer"));
        return vec![site];
    }
    match sites.len() {
        0 if domains.is_none()
            && certificates.is_none()
            && (none_will_do && to.is_none() || matches!(checker.purpose, Purpose::List { .. })) => {}
        0 => {
            let mut site = SiteWritten::empty(Place::Nowhere);
            let run = matches!(checker.purpose, Purpose::Run);
            let domain = (run && certificates.is_none()).then(default_domain);
            site.domains = domains.or(domain);
            site.certificates = certificates;
            site.to =
                if run { to.or(Some(Words::new(CHILD_PORT.to_string(), Place::Nowhere, "to"))) } else { to };
            sites.push(site);
        }
        1 => {
            sites[0].domains = domains.or(sites[0].domains.take());
            sites[0].certificates = certificates.or(sites[0].certificates.take());
            sites[0].to = to.or(sites[0].to.take());
        }
        many => {
            let what = format!("the file has {many} sites, and this does not say which of them it is about");
            let domains = domains.as_ref().map(|domains| domains.fault(&what));
            let others = [&certificates, &to].into_iter().flatten().map(|words| words.fault(&what));
            let fault = domains.into_iter().chain(others).next();
            checker
                .faults
                .extend(fault.map(|fault| fault.accepted("domains and to in each [[site]] of the file")));
        }
    }
    sites
}

fn default_domain() -> At<Vec<Words>> {
    Words::new("localhost", Place::Nowhere, "domains").split_list()
}

fn port_of(target: &Target) -> Option<u16> {
    let text = target.to_string();
    if text.starts_with("unix:") { None } else { text.rsplit_once(':')?.1.parse().ok() }
}

struct Check<'c, 'a> {
    checker: &'c mut Checker<'a>,
    site: &'c SiteWritten,
    acme: &'c Acme,
    taken: &'c mut Taken,
    in_use: &'c InUse<'a>,
}

impl Check<'_, '_> {
    fn site(&mut self) -> Option<Site> {
        if let Some(words) = &self.site.certificates {
            return self.listed(words);
        }
        let names = self.names();
        let routes = self.routes();
        let redirect = self.redirect(|from| names.iter().any(|(name, _)| name.covers(from.as_str())));
        let all = self.all(&names);
        let keeper = self.keeper(all, &names);
        let max_body = self.max_body();
        Some(Site { keeper: keeper?, routes, redirect, max_body })
    }

    /// All of the site's names; none if there is none, or if they do not fit one certificate.
    fn all(&mut self, names: &[(Name, Words)]) -> Option<Names> {
        self.fit(names.len(), Names::MAX, "one certificate");
        Names::new(names.iter().map(|(name, _)| name.clone())).ok()
    }

    /// Faults the names of the site if there are more of them than fit `what`.
    fn fit(&mut self, names: usize, most: usize, what: &str) {
        if let Some(domains) = self.site.domains.as_ref().filter(|_| names > most) {
            let fault = domains.fault(format!("{names} names do not fit {what}"));
            let accepted = format!("{most} names at most; the others in another [[site]]");
            self.checker.faults.push(fault.accepted(accepted));
        }
    }

    fn names(&mut self) -> Vec<(Name, Words)> {
        let Some(list) = &self.site.domains else {
            if self.site.place == Place::Nowhere {
                let file = match self.checker.without_file {
                    true => format!(", or -c FILE ({DEFAULT_FILE} does not exist)"),
                    false => String::new(),
                };
                let ways = "--domain example.com, TLS_DOMAIN=example.com, or a [[site]] with domains";
                self.checker.missing(&Place::Nowhere, "", "no domain is given", &(ways.to_owned() + &file));
            } else {
                let accepted = "a list of names, such as [\"example.com\"]";
                self.checker.missing(&self.site.place, "site.domains", "missing", accepted);
            }
            return Vec::new();
        };
        if list.value.is_empty() {
            self.checker.faults.push(list.fault("no domain is given").accepted("at least one name"));
        }
        let mut names: Vec<(Name, Words)> = Vec::new();
        for words in &list.value {
            match Name::parse(&words.value) {
                Err(error) => self.checker.faults.push(words.fault(error.to_string())),
                Ok(name) => match self.taken.place(&name) {
                    Some(first) => {
                        let what = taken::twice(&name, &first);
                        self.checker.faults.push(words.fault(what).accepted("each name once"));
                    }
                    None => {
                        self.taken.names.insert(name.clone(), words.place.clone());
                        names.push((name, words.clone()));
                    }
                },
            }
        }
        names
    }

    fn routes(&mut self) -> Vec<(String, Target)> {
        let mut routes: Vec<(String, Target)> = Vec::new();
        if let Some(to) = &self.site.to {
            routes.extend(self.target(to).map(|target| ("/".to_owned(), target)));
        } else if self.site.routes.is_empty() {
            let nowhere = self.site.place == Place::Nowhere;
            let key = if nowhere { "" } else { "site.to" };
            let ways = "--to 3000, TARGET_PORT=3000, TARGET=http://localhost:3000, or a [[site]] with to";
            let accepted = if nowhere { ways } else { TARGET };
            self.checker.missing(&self.site.place, key, "nothing says where requests go", accepted);
        }
        for route in &self.site.routes {
            let target = match &route.to {
                Some(to) => self.target(to),
                None => {
                    self.checker.missing(&route.place, "site.route.to", "missing", TARGET);
                    None
                }
            };
            let Some(path) = &route.path else {
                self.checker.missing(&route.place, "site.route.path", "missing", "a path such as /api");
                continue;
            };
            if !path.value.starts_with('/') || path.value.contains(['?', '#', ' ']) {
                let what = format!("{:?} is not a path", path.value);
                self.checker.faults.push(path.fault(what).accepted("a path such as /api"));
            } else if routes.iter().any(|(known, _)| *known == path.value) {
                let hint = if path.value == "/" && self.site.to.is_some() {
                    " (`to` is the route of /)"
                } else {
                    ""
                };
                let what = format!("{} has a route already{hint}", path.value);
                self.checker.faults.push(path.fault(what).accepted("each path once"));
            } else {
                routes.extend(target.map(|target| (path.value.clone(), target)));
            }
        }
        routes
    }

    fn target(&mut self, words: &Words) -> Option<Target> {
        match Target::parse(&words.value) {
            Ok(target) => Some(target),
            Err(error) => {
                self.checker.faults.push(words.fault(error.to_string()).accepted(TARGET));
                None
            }
        }
    }

    fn max_body(&mut self) -> Option<u64> {
        let words = self.site.max_body.as_ref()?;
        let size = value::size(&words.value);
        if size.is_none() {
            let fault = words.fault(format!("{:?} is not a size", words.value)).accepted(value::SIZE);
            self.checker.faults.push(fault);
        }
        size
    }

    fn redirect(&mut self, is_ours: impl Fn(&Fqdn) -> bool) -> Vec<(Fqdn, Fqdn)> {
        let mut pairs: Vec<(Fqdn, Fqdn)> = Vec::new();
        for (from_words, to_words) in &self.site.redirect {
            let mut name = |words: &Words| match Fqdn::parse(&words.value) {
                Ok(name) if !name.is_wildcard() => Some(name),
                Ok(_) => {
                    self.checker.faults.push(words.fault("a redirect is from one name to one name"));
                    None
                }
                Err(error) => {
                    self.checker.faults.push(words.fault(error.to_string()));
                    None
                }
            };
            let (Some(from), Some(to)) = (name(from_words), name(to_words)) else { continue };
            let what = if !is_ours(&from) {
                // Without a certificate for it, nobody would get as far as the redirect.
                format!("{from} is not one of the site's domains")
            } else if from == to
                || self.site.redirect.iter().any(|(from, _)| Fqdn::parse(&from.value) == Ok(to.clone()))
            {
                format!("{to} is redirected itself")
            } else {
                pairs.push((from, to));
                continue;
            };
            self.checker.faults.push(from_words.fault(what));
        }
        pairs
    }

    fn keeper(&mut self, all: Option<Names>, names: &[(Name, Words)]) -> Option<Keeper> {
        match (&self.site.cert, &self.site.key) {
            (None, None) => {
                let challenges = self.challenges();
                let lineages = self.lineages(names, &challenges);
                Some(Keeper::Us { names: all?, lineages: lineages?, challenges })
            }
            (None, Some(key)) => {
                self.checker.faults.push(key.fault("key is of use only with cert").accepted("cert as well"));
                None
            }
            (Some(cert), key) => {
                let what = "somebody else keeps this site's certificate: cert and key are set";
                let issuer = self.site.issuer.as_ref().map(|issuer| issuer.fault(what));
                let challenges = self.site.challenges.as_ref().map(|challenges| challenges.fault(what));
                let faults = issuer.into_iter().chain(challenges);
                let accepted = "either issuer and challenges, or cert and key";
                self.checker.faults.extend(faults.map(|fault| fault.accepted(accepted)));
                self.pem(cert, b"CERTIFICATE", "a PEM file with the certificate and its chain");
                let (key, accepted) = match key {
                    Some(key) => (key, "a PEM file with the private key"),
                    None => (cert, "a PEM file with the private key as well, or key"),
                };
                self.pem(key, b"PRIVATE KEY", accepted);
                let source = Source::new(all?.iter().cloned(), &cert.path(), &key.path());
                Some(Keeper::Files(Arc::new(source)))
            }
        }
    }

    fn pem(&mut self, words: &Words, label: &[u8], accepted: &str) {
        let path = words.path();
        let judged = matches!(self.checker.purpose, Purpose::Check { .. }) || self.checker.before.is_some();
        // What it held last goes on being served, whatever has become of it.
        if !judged || self.in_use.files.contains(&*path) {
            return;
        }
        let what = match (self.checker.read)(words) {
            Ok(bytes) if bytes.windows(label.len()).any(|window| window == label) => return,
            Ok(_) => format!("{} holds nothing of the kind", path.display()),
            Err(error) => error,
        };
        self.checker.faults.push(words.fault(what).accepted(accepted));
    }

    /// Of the challenges that can be answered, those that may prove the site's names.
    fn challenges(&mut self) -> Vec<ChallengeKind> {
        let all = &self.acme.challenges;
        let Some(list) = &self.site.challenges else { return all.clone() };
        let known: Vec<&str> = all.iter().map(|kind| kind.as_str()).collect();
        for words in list.value.iter().filter(|words| !known.contains(&words.value.as_str())) {
            let what = format!("{:?} is none of the challenges of [acme]", words.value);
            self.checker.faults.push(words.fault(what).known(&words.value, &known));
        }
        self.checker.not_empty(list, &known.join(", "));
        let chosen = |kind: &&ChallengeKind| list.value.iter().any(|words| words.value == kind.as_str());
        all.iter().filter(chosen).copied().collect()
    }

    /// One lineage for the names a CA is asked for and one for the others.
    fn lineages(&mut self, names: &[(Name, Words)], challenges: &[ChallengeKind]) -> Option<Vec<Lineage>> {
        let issuer = self.checker.one_of(self.site.issuer.as_ref(), &["acme", "selfsigned"]);
        let (mut by_ca, mut by_us) = (Vec::new(), Vec::new());
        for (name, words) in names {
            match self.provider(name, words, issuer, challenges) {
                Provider::Letsencrypt => by_ca.push(name.clone()),
                Provider::Selfsigned => by_us.push(name.clone()),
            }
        }
        for ca in self.acme.cas().filter(|_| by_ca.len() <= Names::MAX) {
            if let Some(profile) = &ca.profile {
                let most = profiles::most_names(&ca.directory, &profile.name);
                self.fit(by_ca.len(), most, &format!("one certificate under the profile {}", profile.name));
            }
        }
        let mut lineages = Vec::new();
        for (members, provider) in [(by_ca, Provider::Letsencrypt), (by_us, Provider::Selfsigned)] {
            if !members.is_empty() {
                // Too many names for one certificate: said once, about all the names of the site.
                lineages.push(Lineage::new(Names::new(members).ok()?, provider));
            }
        }
        Some(lineages)
    }

    /// Who signs for `name`. Names that no public CA can sign are not taken to one.
    fn provider(
        &mut self,
        name: &Name,
        words: &Words,
        issuer: Option<&str>,
        challenges: &[ChallengeKind],
    ) -> Provider {
        let (ip, signs) = (name.fqdn().is_none(), self.acme.preferred.signs(name));
        let ourselves = "issuer = \"selfsigned\", or cert and key of your own";
        let mut accepted = ourselves.to_owned();
        let what = match issuer {
            Some("selfsigned") => return Provider::Selfsigned,
            None if ip || !signs => return Provider::Selfsigned,
            _ if ip && !signs => {
                accepted = format!("acme.profile = \"{FOR_ADDRESSES}\", or issuer = \"selfsigned\"");
                format!("a CA signs addresses such as {name} under the profile {FOR_ADDRESSES} only")
            }
            _ if ip && !challenges.is_empty() && challenges.iter().all(|kind| kind.is_in_dns()) => {
                accepted = format!("http-01 or tls-alpn-01 in challenges, {ourselves}");
                format!("an address such as {name} cannot be proved in the DNS")
            }
            _ if ip => return Provider::Letsencrypt,
            _ if name.is_wildcard() && !challenges.iter().any(|kind| kind.is_in_dns()) => {
                let can = self.acme.challenges.iter().find(|kind| kind.is_in_dns());
                let way = match can {
                    Some(kind) => format!("{kind} in the site's challenges"),
                    None => format!("{}, dns-persist-01 in acme.challenges", dns::WAY),
                };
                accepted = format!("{way}, {ourselves}");
                format!("a CA signs {name} after a challenge in the DNS only")
            }
            _ if !signs => format!("no public CA can sign {name}"),
            _ => return Provider::Letsencrypt,
        };
        let fault = words.fault(what).accepted(accepted);
        self.checker.faults.push(fault);
        Provider::Letsencrypt
    }
}
