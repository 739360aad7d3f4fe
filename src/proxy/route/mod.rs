//! Which app a request is for: host, then path prefix.
//!
//! A [`RouteTable`] is built once and never changes; a new configuration is a new table, swapped whole. A request
//! takes the table that is current when its head has been read, and keeps it. An exact host comes before a wildcard
//! and a longer prefix before a shorter one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::path;
use super::upstream::{Target, Upstream};
use crate::ident::{Fqdn, Name};

/// What is served under some names.
#[derive(Debug, Clone)]
pub struct Site {
    /// All names that lead here, those that are only redirected included.
    pub names: Vec<Name>,
    /// Path prefixes and where they lead. A prefix ends at a segment: `/api` is not a prefix of `/apis`, and
    /// `/api/` means the same as `/api`.
    pub routes: Vec<(String, Target)>,
    /// Names whose requests are sent on to another name.
    pub redirect: Vec<(Fqdn, Fqdn)>,
    /// Whether we prove control of these names by http-01. If not, a challenge we do not know may be the app's.
    pub http01: bool,
    /// The largest body of a request, in bytes, if there is a limit.
    pub max_body: Option<u64>,
}

/// All sites, ready to be looked up. Building it cannot fail: of two sites with the same name the first has it.
pub struct RouteTable {
    exact: HashMap<Name, Arc<SiteEntry>>,
    /// Keyed by what follows the `*.`.
    wildcard: HashMap<Box<str>, Arc<SiteEntry>>,
    /// Of every other name with a dot in it.
    others: Option<Arc<SiteEntry>>,
}

/// What a site's names lead to.
pub(in crate::proxy) struct SiteEntry {
    /// Longest prefix first; each without a slash at its end, so `/` is empty.
    routes: Vec<(Box<str>, Arc<Upstream>)>,
    redirect: HashMap<Fqdn, Fqdn>,
    http01: bool,
    max_body: Option<u64>,
}

/// Why there is no upstream for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum NoRoute {
    /// No prefix matches.
    Unknown,
    /// The path as it stands and the path as an app may read it lead to different upstreams.
    Ambiguous,
}

impl RouteTable {
    /// A table of these sites.
    #[must_use]
    pub fn new(sites: Vec<Site>) -> Self {
        Self::with_others(sites, None)
    }

    /// The same, and `others` has all names that none of the sites has: whether one of them is served at all is up to
    /// whoever hands out certificates.
    #[must_use]
    pub fn with_others(sites: Vec<Site>, others: Option<Site>) -> Self {
        let names = sites.iter().map(|site| site.names.len()).sum();
        let mut table = Self { exact: HashMap::with_capacity(names), wildcard: HashMap::new(), others: None };
        // Sites that lead to the same place share an upstream.
        let mut upstreams: HashMap<Target, Arc<Upstream>> = HashMap::new();
        for mut site in sites {
            let names = std::mem::take(&mut site.names);
            let entry = Arc::new(SiteEntry::new(site, &mut upstreams));
            for name in names {
                let entry = Arc::clone(&entry);
                match &name {
                    Name::Dns(fqdn) if fqdn.is_wildcard() => {
                        table.wildcard.entry(fqdn.base().into()).or_insert(entry);
                    }
                    Name::Dns(_) | Name::Ip(_) => {
                        table.exact.entry(name).or_insert(entry);
                    }
                }
            }
        }
        table.others = others.map(|site| Arc::new(SiteEntry::new(site, &mut upstreams)));
        table
    }

    /// The site a host belongs to; a wildcard stands for one label.
    pub(in crate::proxy) fn site(&self, host: &Name) -> Option<&Arc<SiteEntry>> {
        if let Some(site) = self.exact.get(host) {
            return Some(site);
        }
        let parent = host.fqdn().and_then(Fqdn::parent)?;
        self.wildcard.get(parent).or(self.others.as_ref())
    }
}

impl SiteEntry {
    fn new(site: Site, upstreams: &mut HashMap<Target, Arc<Upstream>>) -> Self {
        let mut routes: Vec<(Box<str>, Arc<Upstream>)> = Vec::new();
        for (prefix, target) in site.routes {
            let prefix = prefix.trim_end_matches('/');
            if routes.iter().all(|(known, _)| **known != *prefix) {
                let upstream =
                    upstreams.entry(target).or_insert_with_key(|t| Arc::new(Upstream::new(t.clone())));
                routes.push((prefix.into(), Arc::clone(upstream)));
            }
        }
        routes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let Site { redirect, http01, max_body, .. } = site;
        Self { routes, redirect: redirect.into_iter().collect(), http01, max_body }
    }

    /// The name that requests for `host` are sent on to, if they are.
    pub(in crate::proxy) fn redirect(&self, host: &Name) -> Option<&Fqdn> {
        if self.redirect.is_empty() { None } else { self.redirect.get(host.fqdn()?) }
    }

    /// Whether a challenge we did not post can be nobody else's.
    pub(in crate::proxy) fn http01(&self) -> bool {
        self.http01
    }

    /// The largest body of a request, if there is a limit.
    pub(in crate::proxy) fn max_body(&self) -> Option<u64> {
        self.max_body
    }

    /// The upstream for a path as it stands in the request.
    pub(in crate::proxy) fn upstream(&self, raw: &str) -> Result<&Arc<Upstream>, NoRoute> {
        // `OPTIONS *` speaks to the whole server.
        let raw = if raw == "*" { "/" } else { raw };
        let found = self.matching(raw);
        // The path is forwarded as it stands, so an app may see another one behind the dots and percents. It is
        // refused where that matters: where another upstream would have been chosen for it.
        if self.routes.len() > 1 || found.is_none() {
            for reading in path::readings(raw) {
                if self.matching(&reading) != found {
                    return Err(NoRoute::Ambiguous);
                }
            }
        }
        found.map(|index| &self.routes[index].1).ok_or(NoRoute::Unknown)
    }

    fn matching(&self, path: &str) -> Option<usize> {
        self.routes.iter().position(|(prefix, _)| {
            path.strip_prefix(&**prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// The cell the current table lives in.
pub(in crate::proxy) struct Routes(ArcSwap<RouteTable>);

/// A worker's own hold on the current table.
pub(in crate::proxy) struct View(RefCell<Rc<Held>>);

/// A table as the requests of one worker share it: by a count that no other thread touches.
pub(in crate::proxy) struct Held(Arc<RouteTable>);

impl View {
    pub(in crate::proxy) fn of(routes: &Routes) -> Self {
        Self(RefCell::new(Rc::new(Held(routes.0.load_full()))))
    }

    /// The table that is current now, for as long as the caller likes.
    pub(in crate::proxy) fn current(&self, routes: &Routes) -> Rc<Held> {
        let now = routes.0.load();
        let mut seen = self.0.borrow_mut();
        if !Arc::ptr_eq(&now, &seen.0) {
            *seen = Rc::new(Held(Guard::into_inner(now)));
        }
        Rc::clone(&seen)
    }
}

impl Deref for Held {
    type Target = RouteTable;

    fn deref(&self) -> &RouteTable {
        &self.0
    }
}

impl Routes {
    pub(in crate::proxy) fn new(table: RouteTable) -> Self {
        Self(ArcSwap::from_pointee(table))
    }

    pub(in crate::proxy) fn replace(&self, table: RouteTable) {
        self.0.store(Arc::new(table));
    }
}

#[cfg(test)]
mod tests;
