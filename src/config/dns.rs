//! How names are proved in the DNS: `[acme.dns]`.

use std::time::Duration;

use crate::dns::{Algorithm, Key, KeyError, Server};
use crate::issuer::solver::dns01::{Options, Sight, Way};

use super::check::Checker;
use super::written::{At, DnsWritten, Words};

/// What is accepted where a way to set records is asked for.
pub(super) const WAY: &str = "[acme.dns] with server and key, or with hook";

const NO_WAY: &str = "nothing says how records are set";
const KEY: &str = "a file as tsig-keygen writes it, or with algorithm:name:secret";
pub(super) const SERVER: &str =
    "an address or a name, with a port or without, such as 192.0.2.53 or ns1.example.com:5353";

/// How long it may take until every name server shows a record.
const WITHIN: Duration = Duration::from_secs(120);
/// Nobody waits longer for a record than this: an issuance as a whole has its time too.
const LONGEST: Duration = Duration::from_secs(600);

impl Checker<'_> {
    /// How dns-01 is done, if the operator says anything about it.
    pub(super) fn dns(&mut self) -> Option<Options> {
        let written = std::mem::take(&mut self.layer.dns);
        let key = written.key.as_ref().or(written.key_file.as_ref());
        let way = match (&written.hook, &written.server, key) {
            (None, None, None) => {
                let lists = written.nameservers.iter().map(|list| list.fault(NO_WAY));
                let words =
                    [&written.timeout, &written.wait].into_iter().flatten().map(|words| words.fault(NO_WAY));
                let lonely = lists.chain(words).next();
                self.faults.extend(lonely.map(|fault| fault.accepted(WAY)));
                return None;
            }
            (Some(hook), None, None) => self.hook(hook),
            (None, Some(server), Some(key)) => {
                let key = self.key(key, written.key.is_none());
                let server = self.dns_server(server);
                server.zip(key).map(|(server, key)| Way::Update { server, key })
            }
            (None, Some(server), None) => {
                let what = "nothing says which key updates are signed with";
                self.faults.push(server.fault(what).accepted("acme.dns.key, or the variable ACME_DNS_KEY"));
                None
            }
            (None, None, Some(key)) => {
                let what = "nothing says which server has this key";
                let accepted = "acme.dns.server, or the variable ACME_DNS_SERVER";
                self.faults.push(key.fault(what).accepted(accepted));
                None
            }
            (Some(hook), server, key) => {
                let other = server.as_ref().or(key).map(Words::name).unwrap_or_default();
                let what = format!("{other} is set as well");
                self.faults.push(hook.fault(what).accepted("either hook, or server and key"));
                None
            }
        };
        let sight = self.sight(&written);
        Some(Options { way: way?, sight })
    }

    fn hook(&mut self, hook: &At<Vec<Words>>) -> Option<Way> {
        self.not_empty(hook, "a program and its first arguments, such as [\"/etc/sidegate/dns-hook\"]");
        let (program, arguments) = hook.value.split_first()?;
        // A name without a slash is looked for in PATH.
        let is_path = program.value.contains('/');
        let program =
            if is_path { program.path().to_string_lossy().into_owned() } else { program.value.clone() };
        let arguments = arguments.iter().map(|words| words.value.clone());
        Some(Way::Hook(std::iter::once(program).chain(arguments).collect()))
    }

    /// A server that is asked or told something.
    pub(super) fn dns_server(&mut self, words: &Words) -> Option<Server> {
        let parsed = Server::parse(&words.value);
        parsed.map_err(|error| self.faults.push(words.fault(error.to_string()).accepted(SERVER))).ok()
    }

    /// The key that `words` are, or that the file they name holds.
    fn key(&mut self, words: &Words, in_file: bool) -> Option<Key> {
        let text = if in_file {
            (self.read)(words).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        } else {
            Ok(words.value.clone())
        };
        let parsed = text.map_err(|error| (error, KEY.to_owned())).and_then(|text| {
            Key::parse(&text).map_err(|error| match error {
                KeyError::Algorithm(_) => (error.to_string(), Algorithm::NAMES.join(", ")),
                _ => (error.to_string(), KEY.to_owned()),
            })
        });
        parsed.map_err(|(what, accepted)| self.faults.push(words.fault(what).accepted(accepted))).ok()
    }

    fn sight(&mut self, written: &DnsWritten) -> Sight {
        if let Some(wait) = &written.wait {
            let looks = written.nameservers.as_ref().map(At::name);
            if let Some(other) = looks.or(written.timeout.as_ref().map(Words::name)) {
                let what = format!("{other} is set as well, but with a wait nobody looks");
                self.faults.push(wait.fault(what).accepted("either wait, or nameservers and timeout"));
            }
            return Sight::After(self.bounded(wait, Duration::ZERO));
        }
        let within = written.timeout.as_ref();
        let within = within.map_or(WITHIN, |words| self.bounded(words, Duration::from_secs(1)));
        let Some(list) = &written.nameservers else { return Sight::Authority { within } };
        self.not_empty(list, SERVER);
        let servers = list.value.iter().filter_map(|words| self.dns_server(words)).collect();
        Sight::Servers { servers, within }
    }

    fn bounded(&mut self, words: &Words, least: Duration) -> Duration {
        let given = self.duration(words, least);
        if given > LONGEST {
            let what = format!("{:?} is too long", words.value);
            self.faults.push(words.fault(what).accepted(format!("{}s at most", LONGEST.as_secs())));
        }
        given
    }
}
