//! The environment: a short list of names other programs made familiar, and the same with our name in
//! front.
//!
//! `SIDEGATE_X` wins over `X`. A name that begins with `SIDEGATE_` and is not on the list is a fault: it
//! was certainly meant for us, and it would certainly be missed. Those by which we tell a hook what has happened are no
//! fault where they stand together: a hook calls us.

use std::collections::BTreeMap;
use std::path::Path;

use crate::hooks::Options as Hooks;

use super::error::{Fault, Place};
use super::written::{CaWritten, DnsWritten, Layer, Words};

const PREFIX: &str = "SIDEGATE_";

/// Read with or without [`PREFIX`].
const VARIABLES: &[&str] = &[
    "TLS_DOMAIN",
    "TLS_CERTIFICATES",
    "TARGET_PORT",
    "TARGET",
    "HTTP_PORT",
    "HTTPS_PORT",
    "STORAGE_PATH",
    "ACME_DIRECTORY",
    "ACME_EMAIL",
    "ACME_DNS_SERVER",
    "ACME_DNS_KEY",
    "ACME_DNS_PROVIDER",
    "ACME_DNS_CREDENTIALS",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "HEALTH_ADDR",
    "DRAIN",
    "NO_COLOR",
];

/// May be given as the name of a file that holds the value, by a variable that ends in `_FILE`.
const BY_FILE: &[&str] = &["ACME_EMAIL", "ACME_DIRECTORY", "ACME_DNS_KEY", "ACME_DNS_CREDENTIALS"];

/// What a hook for the DNS is told by.
const FOR_DNS_HOOK: &[&str] = &["SIDEGATE_HOOK", "SIDEGATE_NAME", "SIDEGATE_VALUE"];

/// The variables of a process, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The environment of this process. A variable that is not Unicode is seen with its odd bytes replaced.
    #[must_use]
    pub fn of_this_process() -> Self {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self(std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect())
    }

    /// An environment of exactly these variables.
    #[must_use]
    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The names that are read, without our prefix.
    pub fn names() -> impl Iterator<Item = &'static str> {
        VARIABLES.iter().copied()
    }

    /// Whether this process runs inside a Kubernetes pod.
    pub(super) fn in_kubernetes(&self) -> bool {
        self.0.contains_key("KUBERNETES_SERVICE_HOST")
    }

    /// Where this user's programs keep what lasts: `$XDG_STATE_HOME`, else `~/.local/state`.
    pub(super) fn state_home(&self) -> Option<String> {
        let absolute = |name| self.0.get(name).filter(|path: &&String| path.starts_with('/'));
        absolute("XDG_STATE_HOME")
            .cloned()
            .or_else(|| absolute("HOME").map(|home| format!("{home}/.local/state")))
    }

    /// Where programs are looked for.
    pub(super) fn path(&self) -> Option<&str> {
        self.0.get("PATH").map(String::as_str)
    }

    /// Whether this process was started by a hook, and the variable is one that it was told by.
    fn is_for_hook(&self, name: &str) -> bool {
        let calls = [("SIDEGATE_EVENT", Hooks::VARIABLES), ("SIDEGATE_HOOK", FOR_DNS_HOOK)];
        calls.iter().any(|(first, told)| self.0.contains_key(*first) && told.contains(&name))
    }

    /// Whether colours are unwanted (<https://no-color.org>: set and not empty).
    #[must_use]
    pub fn no_color(&self) -> bool {
        self.value("NO_COLOR").is_some()
    }

    /// The value of the twin, else of `name`, with the name it was found under. Empty is as good as unset.
    fn value(&self, name: &str) -> Option<Words> {
        [format!("{PREFIX}{name}"), name.to_owned()].into_iter().find_map(|name| {
            let value =
                self.0.get(&name).filter(|value| !value.is_empty() && !is_service_link(&name, value))?;
            Some(Words::new(value, Place::Variable(name), ""))
        })
    }

    /// Names with our prefix that are not on the list.
    fn unknown(&self) -> impl Iterator<Item = (&str, &str)> {
        let ours = self.0.iter().filter_map(|(name, value)| Some((name, name.strip_prefix(PREFIX)?, value)));
        ours.filter(|(name, bare, value)| {
            let by_file = bare.strip_suffix("_FILE").is_some_and(|bare| BY_FILE.contains(&bare));
            !by_file && !VARIABLES.contains(bare) && !is_service_link(name, value) && !self.is_for_hook(name)
        })
        .map(|(name, bare, _)| (name.as_str(), bare))
    }
}

/// Kubernetes tells every pod about every service: one that is called `sidegate` puts
/// `SIDEGATE_SERVICE_HOST` and `SIDEGATE_PORT=tcp://…` here, one called `http` puts `HTTP_PORT=tcp://…`.
fn is_service_link(name: &str, value: &str) -> bool {
    let of_service = name.contains("_SERVICE_HOST") || name.contains("_SERVICE_PORT");
    let of_port = name.contains("_PORT_") && (name.contains("_TCP") || name.contains("_UDP"));
    of_service
        || of_port
        || (name.ends_with("_PORT") && (value.starts_with("tcp://") || value.starts_with("udp://")))
}

/// What the environment says; faults are added to `faults`.
pub(super) fn read(
    env: &Env,
    read_file: impl Fn(&Path) -> Result<String, String>,
    faults: &mut Vec<Fault>,
) -> Layer {
    for (name, bare) in env.unknown() {
        let fault = Fault::new(&Place::Variable(name.to_owned()), "", "unknown variable");
        faults.push(fault.known(bare, VARIABLES));
    }
    let mut value = |name: &str| {
        let by_file = if BY_FILE.contains(&name) { env.value(&format!("{name}_FILE")) } else { None };
        let (value, file) = match (env.value(name), by_file) {
            (value, None) => return value,
            (None, Some(file)) => (read_file(Path::new(&file.value)), file),
            (Some(value), Some(file)) => (Err(format!("{} is set as well", value.name())), file),
        };
        match value {
            Ok(text) => Some(Words { value: text.trim().to_owned(), ..file }),
            Err(error) => {
                faults.push(file.fault(error));
                None
            }
        }
    };
    Layer {
        storage: value("STORAGE_PATH"),
        http: value("HTTP_PORT"),
        https: value("HTTPS_PORT"),
        health: value("HEALTH_ADDR"),
        ca: CaWritten {
            directory: value("ACME_DIRECTORY"),
            email: value("ACME_EMAIL"),
            ..CaWritten::default()
        },
        dns: DnsWritten {
            server: value("ACME_DNS_SERVER"),
            key: value("ACME_DNS_KEY"),
            provider: value("ACME_DNS_PROVIDER"),
            credentials: value("ACME_DNS_CREDENTIALS"),
            ..DnsWritten::default()
        },
        log_format: value("LOG_FORMAT"),
        log_level: value("LOG_LEVEL"),
        drain: value("DRAIN"),
        domains: value("TLS_DOMAIN").map(|words| words.split_list()),
        certificates: value("TLS_CERTIFICATES"),
        to: target(value("TARGET"), value("TARGET_PORT"), faults),
        ..Layer::default()
    }
}

/// Where requests go: a whole target or a port of this machine. Of the same rank, they contradict each other.
fn target(whole: Option<Words>, port: Option<Words>, faults: &mut Vec<Fault>) -> Option<Words> {
    if let Some(port) = &port
        && port.value.parse::<u16>().map_or(true, |port| port == 0)
    {
        faults
            .push(port.fault(format!("{:?} is not a port", port.value)).accepted("a number from 1 to 65535"));
        return whole;
    }
    match (whole, port) {
        (Some(whole), Some(port)) => {
            let ours = |words: &Words| words.name().starts_with(PREFIX);
            if ours(&whole) == ours(&port) {
                faults
                    .push(port.fault(format!("{} is set as well", whole.name())).accepted("one of the two"));
            }
            Some(if ours(&port) && !ours(&whole) { port } else { whole })
        }
        (whole, port) => whole.or(port),
    }
}
