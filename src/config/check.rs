//! Words to settings: the place where what was written meets what is possible.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::host::telemetry::Options as LogOptions;
use crate::issuer::solver::ChallengeKind;
use crate::manager::Options;

use super::env::Env;
use super::error::{Fault, Place};
use super::settings::{Acme, Listen, Settings, Storage};
use super::value;
use super::written::{At, Layer, Words};
use super::{Purpose, demand, dns, sites};

const SYSTEM_STORAGE: &str = "/var/lib/sidegate";
const HEALTH_PORT: u16 = 9090;
const DRAIN: Duration = Duration::from_secs(25);
const HOLD: Duration = Duration::from_secs(5);

/// Turns one layer into settings, and notes every fault on the way.
///
/// Each question is asked even if an earlier one went wrong; a faulty answer is replaced by a harmless value, so that
/// it breeds no further faults.
pub(super) struct Checker<'a> {
    pub(super) purpose: &'a Purpose,
    pub(super) env: &'a Env,
    pub(super) layer: Layer,
    /// Whether a file was looked for where it stands if none is named, and was not there.
    pub(super) without_file: bool,
    /// What is in force, if anything is yet.
    pub(super) before: Option<&'a Settings>,
    pub(super) read: &'a dyn Fn(&Words) -> Result<Vec<u8>, String>,
    pub(super) faults: &'a mut Vec<Fault>,
}

impl Checker<'_> {
    /// The settings; none only if there is a fault.
    pub(super) fn settings(mut self) -> Option<Settings> {
        let listen = self.listen();
        let acme = self.acme(listen.http.is_some());
        let written = self.layer.on_demand.take();
        let (sites, child_port) = sites::check(&mut self, &acme, written.is_some());
        let on_demand = written.and_then(|written| demand::check(&mut self, &written, &acme, &sites));
        let settings = Settings {
            storage: self.storage(),
            acme,
            retry: self.retry(),
            log: self.log(),
            access: self.access(),
            prune: self.prune(),
            hooks: self.hooks(),
            workers: self.workers(),
            drain: self.drain(),
            hold: if matches!(self.purpose, Purpose::Run) { HOLD } else { Duration::ZERO },
            child_port,
            listen,
            sites,
            on_demand,
        };
        let nothing_to_do = settings.sites.is_empty()
            && settings.on_demand.is_none()
            && !matches!(self.purpose, Purpose::List { .. });
        (!nothing_to_do).then_some(settings)
    }

    pub(super) fn storage(&mut self) -> Storage {
        let set = |switch: &Option<At<bool>>| switch.as_ref().is_some_and(|switch| switch.value);
        let (expected, force) = (set(&self.layer.expect_state), set(&self.layer.force));
        let read_only = set(&self.layer.read_only);
        let place = |path, fallback| Storage { path, fallback, expected, force, read_only };
        if let Purpose::Demo { storage, .. } = self.purpose {
            return place(storage.clone(), None);
        }
        match &self.layer.storage {
            Some(words) if words.value.is_empty() => {
                let fault = words.fault("the path is empty").accepted("a directory");
                self.faults.push(fault);
                place(SYSTEM_STORAGE.into(), None)
            }
            Some(words) => place(words.path(), None),
            None => {
                let home = self.env.state_home().map(|home| PathBuf::from(home).join("sidegate"));
                place(SYSTEM_STORAGE.into(), home)
            }
        }
    }

    fn listen(&mut self) -> Listen {
        let demo = matches!(self.purpose, Purpose::Demo { .. });
        let pod = self.env.in_kubernetes() && !demo;
        let (http, https, health) = match (demo, pod) {
            (true, _) => ("localhost:8080".to_owned(), "localhost:8443".to_owned(), "off".to_owned()),
            (_, true) => ("8080".to_owned(), "8443".to_owned(), format!("[::]:{HEALTH_PORT}")),
            _ => ("80".to_owned(), "443".to_owned(), format!("localhost:{HEALTH_PORT}")),
        };
        let (http_words, https_words, health_words) =
            (self.layer.http.clone(), self.layer.https.clone(), self.layer.health.clone());
        let http = self.addresses(http_words.as_ref(), &http, false);
        let https_addr = self.addresses(https_words.as_ref(), &https, true);
        let health = self.addresses(health_words.as_ref(), &health, false);
        let listen = Listen {
            http: http.first().copied(),
            https: https_addr.first().copied().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 443))),
            health,
            https_port_is_public: !pod,
        };
        if let (Some(http), Some(words)) = (listen.http, http_words.as_ref().or(https_words.as_ref()))
            && http.port() == listen.https.port()
            && http.port() != 0
        {
            let what = format!("http and https cannot both have port {}", http.port());
            self.faults.push(words.fault(what).accepted("two different ports"));
        }
        listen
    }

    fn addresses(&mut self, words: Option<&Words>, default: &str, needed: bool) -> Vec<SocketAddr> {
        let accepted = if needed { value::ADDRESS.to_owned() } else { format!("{}, or off", value::ADDRESS) };
        if let Some(words) = words {
            match value::addresses(&words.value) {
                Some(addresses) if !(addresses.is_empty() && needed) => return addresses,
                Some(_) => self.faults.push(words.fault("https cannot be switched off").accepted(accepted)),
                None => {
                    let what = format!("{:?} is not an address to listen on", words.value);
                    self.faults.push(words.fault(what).accepted(accepted));
                }
            }
        }
        value::addresses(default).unwrap_or_default()
    }

    fn acme(&mut self, http: bool) -> Acme {
        let dns = self.dns();
        let preferred = self.preferred();
        Acme {
            fallback: self.fallback(&preferred),
            preferred,
            challenges: self.challenges(http, dns.is_some()),
            key_type: self.key_type(),
            reuse_key: self.reuse_key(),
            dns,
            preflight: self.preflight(),
            nameservers: self.nameservers(),
        }
    }

    fn challenges(&mut self, http: bool, dns: bool) -> Vec<ChallengeKind> {
        let known = ChallengeKind::ALL.map(ChallengeKind::as_str);
        let possible = |kind: &ChallengeKind| match kind {
            ChallengeKind::Http01 => http,
            ChallengeKind::TlsAlpn01 => true,
            ChallengeKind::Dns01 => dns,
            ChallengeKind::DnsPersist01 => true,
        };
        let Some(list) = self.layer.challenges.clone() else {
            // Whoever has set records for good says so.
            let unasked = |kind: &ChallengeKind| *kind != ChallengeKind::DnsPersist01 && possible(kind);
            return ChallengeKind::ALL.into_iter().filter(unasked).collect();
        };
        let mut kinds = Vec::new();
        for words in &list.value {
            match words.value.parse::<ChallengeKind>() {
                Ok(kind) if possible(&kind) => kinds.push(kind),
                Ok(ChallengeKind::Dns01) => {
                    let what = "dns-01 needs a way to set records";
                    self.faults.push(words.fault(what).accepted(dns::WAY));
                }
                Ok(kind) => {
                    let what = format!("{kind} needs the listener that listen.http switches off");
                    self.faults.push(words.fault(what).accepted("tls-alpn-01"));
                }
                Err(()) => {
                    let what = format!("{:?} is not a challenge we can answer", words.value);
                    self.faults.push(words.fault(what).known(&words.value, &known));
                }
            }
        }
        if dns && !kinds.contains(&ChallengeKind::Dns01) {
            let what = "[acme.dns] is of no use without dns-01";
            self.faults.push(list.fault(what).accepted("dns-01 in this list as well, or no [acme.dns]"));
        }
        self.not_empty(&list, &known.join(", "));
        kinds
    }

    fn retry(&mut self) -> Vec<Duration> {
        let Some(list) = self.layer.retry.clone() else { return Options::RETRY.to_vec() };
        self.not_empty(&list, "durations such as [\"1m\", \"10m\"]");
        list.value.iter().map(|words| self.duration(words, Duration::from_secs(1))).collect()
    }

    fn drain(&mut self) -> Duration {
        let words = self.layer.drain.clone();
        words.map_or(DRAIN, |words| self.duration(&words, Duration::ZERO))
    }

    pub(super) fn duration(&mut self, words: &Words, least: Duration) -> Duration {
        let given = value::duration(&words.value);
        if let Some(duration) = given.filter(|duration| *duration >= least) {
            return duration;
        }
        let what = match given {
            Some(_) => format!("{:?} is too short", words.value),
            None => format!("{:?} is not a duration", words.value),
        };
        let bound = if least.is_zero() { String::new() } else { format!(", at least {}s", least.as_secs()) };
        self.faults.push(words.fault(what).accepted(format!("{}{bound}", value::DURATION)));
        least
    }

    pub(super) fn bounded(&mut self, words: &Words, least: Duration, most: Duration) -> Duration {
        let given = self.duration(words, least);
        if given > most {
            let what = format!("{:?} is too long", words.value);
            self.faults.push(words.fault(what).accepted(format!("{}s at most", most.as_secs())));
        }
        given
    }

    fn log(&mut self) -> LogOptions {
        let default = LogOptions::default();
        let format = self.layer.log_format.clone();
        let json = self.one_of(format.as_ref(), &["text", "json"]) == Some("json");
        let level = match &self.layer.log_level {
            Some(words) if LogOptions::is_level(&words.value) => words.value.to_ascii_lowercase(),
            Some(words) => {
                let what = format!("{:?} is not a log level", words.value);
                let fault = words.fault(what).known(&words.value, &LogOptions::LEVELS);
                self.faults.push(fault);
                default.level
            }
            None => default.level,
        };
        LogOptions { json, level, color: !self.env.no_color() }
    }

    fn access(&mut self) -> bool {
        let words = self.layer.access.clone();
        match self.one_of(words.as_ref(), &["json", "off"]) {
            Some(format) => format == "json",
            None => !matches!(self.purpose, Purpose::Demo { .. }),
        }
    }

    fn workers(&mut self) -> usize {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let Some(words) = &self.layer.workers else { return processors };
        match words.value.parse() {
            Ok(workers @ 1..=1024) => workers,
            _ => {
                let what = format!("{:?} is not a number of threads", words.value);
                self.faults.push(words.fault(what).accepted("a number from 1 to 1024"));
                processors
            }
        }
    }

    /// The word that was chosen of the `known` ones; none if none was, or a wrong one.
    pub(super) fn one_of<'k>(&mut self, words: Option<&Words>, known: &[&'k str]) -> Option<&'k str> {
        let words = words?;
        let chosen = known.iter().find(|known| **known == words.value).copied();
        if chosen.is_none() {
            let what = format!("{:?} is none of the choices", words.value);
            self.faults.push(words.fault(what).known(&words.value, known));
        }
        chosen
    }

    pub(super) fn not_empty(&mut self, list: &At<Vec<Words>>, accepted: &str) {
        if list.value.is_empty() {
            self.faults.push(list.fault("the list is empty").accepted(accepted));
        }
    }

    pub(super) fn missing(&mut self, place: &Place, key: &str, what: &str, accepted: &str) {
        self.faults.push(Fault::new(place, key, what).accepted(accepted));
    }
}
