//! The TOML file, exactly as written: which keys there are and what kind of value each takes.
//!
//! The document is walked rather than deserialized, because a walk can go on after a fault and knows the
//! line of everything it meets.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Fault, Place};
use super::written::{
    At, CaWritten, DnsWritten, HooksWritten, Layer, OnDemandWritten, RouteWritten, SiteWritten, Words,
};

type Value<'i> = Spanned<DeValue<'i>>;

/// Every table and its keys. A key that is not here is a fault.
const ROOT: Kind = Kind {
    name: "",
    keys: &[
        "storage",
        "read_only",
        "workers",
        "drain",
        "listen",
        "acme",
        "on_demand",
        "log",
        "prune",
        "hooks",
        "site",
    ],
};
const LISTEN: Kind = Kind { name: "listen", keys: &["http", "https", "health"] };
const ACME: Kind = Kind {
    name: "acme",
    keys: &[
        "directory",
        "staging",
        "email",
        "api_root",
        "issuance_root",
        "preferred_chain",
        "challenges",
        "dns",
        "preflight",
        "nameservers",
        "retry",
        "key_type",
        "reuse_key",
        "profile",
        "profile_required",
        "limits",
        "eab_kid",
        "eab_key",
        "fallback",
    ],
};
const FALLBACK: Kind = Kind {
    name: "acme.fallback",
    keys: &[
        "directory",
        "email",
        "api_root",
        "issuance_root",
        "preferred_chain",
        "profile",
        "profile_required",
        "limits",
        "eab_kid",
        "eab_key",
    ],
};
const DNS: Kind = Kind {
    name: "acme.dns",
    keys: &["server", "key", "provider", "credentials", "hook", "nameservers", "timeout", "wait"],
};
const ON_DEMAND: Kind = Kind {
    name: "on_demand",
    keys: &[
        "allow",
        "suffixes",
        "ask",
        "to",
        "policy",
        "per_hour",
        "per_domain_per_hour",
        "deny_ttl",
        "max_names",
    ],
};
const LOG: Kind = Kind { name: "log", keys: &["format", "level", "access"] };
const PRUNE: Kind = Kind { name: "prune", keys: &["keep", "expired_for"] };
const HOOKS: Kind = Kind { name: "hooks", keys: &["command", "events", "timeout"] };
const SITE: Kind = Kind {
    name: "site",
    keys: &[
        "domains",
        "to",
        "route",
        "redirect",
        "max_body",
        "certificates",
        "cert",
        "key",
        "issuer",
        "challenges",
    ],
};
const ROUTE: Kind = Kind { name: "site.route", keys: &["path", "to"] };

struct Kind {
    name: &'static str,
    keys: &'static [&'static str],
}

/// Every key a file may have, such as `listen.https`; those that hold a table are left out.
pub fn keys() -> impl Iterator<Item = String> {
    let tables = ["listen", "acme", "fallback", "dns", "on_demand", "log", "prune", "hooks", "site", "route"];
    [ROOT, LISTEN, ACME, FALLBACK, DNS, ON_DEMAND, LOG, PRUNE, HOOKS, SITE, ROUTE].into_iter().flat_map(
        move |kind| {
            let leaves = kind.keys.iter().filter(move |key| !tables.contains(key));
            leaves.map(
                move |key| {
                    if kind.name.is_empty() { (*key).to_owned() } else { format!("{}.{key}", kind.name) }
                },
            )
        },
    )
}

/// What the file `path` with the content `text` says; faults are added to `faults`. None if it is not TOML.
pub(super) fn read(path: PathBuf, text: &str, faults: &mut Vec<Fault>) -> Option<Layer> {
    let mut reader = Reader { path: Arc::new(path), lines: Lines::of(text), faults };
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What else is wrong cannot be known before this is TOML.
        for error in errors {
            let place = reader.place(error.span().unwrap_or(0..0));
            let what = error.message().replace('\n', "; ");
            reader.faults.push(Fault::new(&place, "", format!("not TOML: {what}")));
        }
        return None;
    }
    Some(reader.root(document.get_ref()))
}

struct Reader<'a> {
    path: Arc<PathBuf>,
    lines: Lines<'a>,
    faults: &'a mut Vec<Fault>,
}

/// A table with its full name for messages.
struct Table<'t, 'i> {
    kind: &'static Kind,
    entries: &'t DeTable<'i>,
}

impl Reader<'_> {
    fn root(&mut self, document: &DeTable<'_>) -> Layer {
        let root = self.open(&ROOT, document);
        let mut layer = Layer {
            storage: self.text(&root, "storage"),
            read_only: self.switch(&root, "read_only"),
            workers: self.text(&root, "workers"),
            drain: self.text(&root, "drain"),
            ..Layer::default()
        };
        if let Some(table) = self.table(&root, "listen", &LISTEN) {
            layer.http = self.text(&table, "http");
            layer.https = self.text(&table, "https");
            layer.health = self.text(&table, "health");
        }
        if let Some(table) = self.table(&root, "acme", &ACME) {
            layer.staging = self.switch(&table, "staging");
            layer.ca = self.ca(&table);
            layer.fallback =
                self.tables(&table, "fallback", &FALLBACK, |reader, place, ca| (place, reader.ca(ca)));
            layer.challenges = self.list(&table, "challenges");
            layer.preflight = self.switch(&table, "preflight");
            layer.nameservers = self.list(&table, "nameservers");
            layer.retry = self.list(&table, "retry");
            layer.key_type = self.text(&table, "key_type");
            layer.reuse_key = self.switch(&table, "reuse_key");
            if let Some(table) = self.table(&table, "dns", &DNS) {
                layer.dns = self.dns(&table);
            }
        }
        if let Some(table) = self.table(&root, "on_demand", &ON_DEMAND) {
            layer.on_demand = Some(self.on_demand(self.place_of(document, "on_demand"), &table));
        }
        if let Some(table) = self.table(&root, "log", &LOG) {
            layer.log_format = self.text(&table, "format");
            layer.log_level = self.text(&table, "level");
            layer.access = self.text(&table, "access");
        }
        if let Some(table) = self.table(&root, "prune", &PRUNE) {
            layer.keep = self.text(&table, "keep");
            layer.expired_for = self.text(&table, "expired_for");
        }
        if let Some(table) = self.table(&root, "hooks", &HOOKS) {
            layer.hooks = Some(HooksWritten {
                place: self.place_of(document, "hooks"),
                command: self.list(&table, "command"),
                events: self.list(&table, "events"),
                timeout: self.text(&table, "timeout"),
            });
        }
        layer.sites = self.tables(&root, "site", &SITE, Self::site);
        layer
    }

    fn ca(&mut self, table: &Table<'_, '_>) -> CaWritten {
        CaWritten {
            directory: self.text(table, "directory"),
            email: self.text(table, "email"),
            api_root: self.text(table, "api_root"),
            issuance_root: self.text(table, "issuance_root"),
            preferred_chain: self.text(table, "preferred_chain"),
            profile: self.text(table, "profile"),
            profile_required: self.switch(table, "profile_required"),
            limits: self.text(table, "limits"),
            eab_kid: self.text(table, "eab_kid"),
            eab_key: self.text(table, "eab_key"),
        }
    }

    fn dns(&mut self, table: &Table<'_, '_>) -> DnsWritten {
        DnsWritten {
            server: self.text(table, "server"),
            key: None,
            key_file: self.text(table, "key"),
            provider: self.text(table, "provider"),
            credentials: None,
            credentials_file: self.text(table, "credentials"),
            hook: self.list(table, "hook"),
            nameservers: self.list(table, "nameservers"),
            timeout: self.text(table, "timeout"),
            wait: self.text(table, "wait"),
        }
    }

    fn on_demand(&mut self, place: Place, table: &Table<'_, '_>) -> OnDemandWritten {
        OnDemandWritten {
            place,
            allow: self.list(table, "allow"),
            suffixes: self.list(table, "suffixes"),
            ask: self.text(table, "ask"),
            to: self.text(table, "to"),
            policy: self.text(table, "policy"),
            per_hour: self.text(table, "per_hour"),
            per_domain_per_hour: self.text(table, "per_domain_per_hour"),
            deny_ttl: self.text(table, "deny_ttl"),
            max_names: self.text(table, "max_names"),
        }
    }

    fn site(&mut self, place: Place, site: &Table<'_, '_>) -> SiteWritten {
        SiteWritten {
            place,
            domains: self.list(site, "domains"),
            to: self.text(site, "to"),
            routes: self.tables(site, "route", &ROUTE, |reader, place, route| RouteWritten {
                place,
                path: reader.text(route, "path"),
                to: reader.text(route, "to"),
            }),
            redirect: self.pairs(site, "redirect"),
            max_body: self.text(site, "max_body"),
            certificates: self.text(site, "certificates"),
            cert: self.text(site, "cert"),
            key: self.text(site, "key"),
            issuer: self.text(site, "issuer"),
            challenges: self.list(site, "challenges"),
        }
    }

    /// Takes a table to read from, after saying which of its keys nobody will ever read.
    fn open<'t, 'i>(&mut self, kind: &'static Kind, entries: &'t DeTable<'i>) -> Table<'t, 'i> {
        let table = Table { kind, entries };
        for key in entries.keys() {
            let name: &str = key.get_ref();
            if !kind.keys.contains(&name) {
                let place = self.place(key.span());
                self.faults.push(Fault::new(&place, &table.key(name), "unknown key").known(name, kind.keys));
            }
        }
        table
    }

    fn text(&mut self, table: &Table<'_, '_>, key: &str) -> Option<Words> {
        table.entries.get(key).and_then(|value| self.words(value, &table.key(key)))
    }

    /// A string, or a number where one was written for a port or a count.
    fn words(&mut self, value: &Value<'_>, key: &str) -> Option<Words> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            _ => return self.wrong_kind(value, key, "a string"),
        };
        Some(Words::new(text, self.place(value.span()), key))
    }

    fn switch(&mut self, table: &Table<'_, '_>, key: &str) -> Option<At<bool>> {
        let value = table.entries.get(key)?;
        match value.get_ref().as_bool() {
            Some(on) => Some(At { value: on, place: self.place(value.span()), key: table.key(key) }),
            None => self.wrong_kind(value, &table.key(key), "true or false"),
        }
    }

    fn list(&mut self, table: &Table<'_, '_>, key: &str) -> Option<At<Vec<Words>>> {
        let (value, key) = (table.entries.get(key)?, table.key(key));
        let Some(items) = value.get_ref().as_array() else {
            return self.wrong_kind(value, &key, "a list of strings, such as [\"…\"]");
        };
        let words = items.iter().filter_map(|item| self.words(item, &key)).collect();
        Some(At { value: words, place: self.place(value.span()), key })
    }

    fn pairs(&mut self, table: &Table<'_, '_>, key: &str) -> Vec<(Words, Words)> {
        let (Some(value), key) = (table.entries.get(key), table.key(key)) else { return Vec::new() };
        let Some(pairs) = value.get_ref().as_table() else {
            self.wrong_kind::<()>(value, &key, "{ \"from\" = \"to\" }");
            return Vec::new();
        };
        let mut found = Vec::new();
        for (from, to) in pairs {
            let from = Words::new(from.get_ref().as_ref(), self.place(from.span()), &key);
            found.extend(self.words(to, &key).map(|to| (from, to)));
        }
        found
    }

    fn table<'t, 'i>(
        &mut self,
        parent: &Table<'t, 'i>,
        key: &str,
        kind: &'static Kind,
    ) -> Option<Table<'t, 'i>> {
        let value = parent.entries.get(key)?;
        match value.get_ref().as_table() {
            Some(entries) => Some(self.open(kind, entries)),
            None => self.wrong_kind(value, kind.name, &format!("a table: [{}]", kind.name)),
        }
    }

    fn tables<T>(
        &mut self,
        parent: &Table<'_, '_>,
        key: &str,
        kind: &'static Kind,
        mut read: impl FnMut(&mut Self, Place, &Table<'_, '_>) -> T,
    ) -> Vec<T> {
        let Some(value) = parent.entries.get(key) else { return Vec::new() };
        let wanted = format!("[[{}]], once for each", kind.name);
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_kind::<()>(value, kind.name, &wanted);
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items {
            match item.get_ref().as_table() {
                Some(entries) => {
                    let table = self.open(kind, entries);
                    let place = self.place(item.span());
                    found.push(read(self, place, &table));
                }
                None => found.extend(self.wrong_kind::<T>(item, kind.name, &wanted)),
            }
        }
        found
    }

    fn wrong_kind<T>(&mut self, value: &Value<'_>, key: &str, wanted: &str) -> Option<T> {
        let place = self.place(value.span());
        let found = value.get_ref().type_str();
        self.faults.push(Fault::new(&place, key, format!("this is a TOML {found}")).accepted(wanted));
        None
    }

    fn place_of(&self, document: &DeTable<'_>, key: &str) -> Place {
        document.get_key_value(key).map_or(Place::Nowhere, |(key, _)| self.place(key.span()))
    }

    fn place(&self, span: Range<usize>) -> Place {
        let (line, column) = self.lines.at(span.start);
        Place::File { path: Arc::clone(&self.path), line, column }
    }
}

/// A text and where its lines begin, so that telling the place of each value does not take longer the further down it
/// stands.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line and column of a byte, counted from one.
    fn at(&self, byte: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= byte).max(1);
        let before = self.text.get(self.starts[line - 1]..byte).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

impl Table<'_, '_> {
    fn key(&self, key: &str) -> String {
        if self.kind.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.kind.name) }
    }
}
