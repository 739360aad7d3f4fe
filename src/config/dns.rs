//! How names are proved in the DNS: `[acme.dns]`.

use std::time::Duration;

use crate::dns::{Algorithm, CloudAccount, CloudError, Key, KeyError, Server};
use crate::issuer::solver::dns01::{Options, Sight, Way};

use super::check::Checker;
use super::written::{At, DnsWritten, Words};

/// What is accepted where a way to set records is asked for.
pub(super) const WAY: &str = "[acme.dns] with server and key, with provider and credentials, or with hook";

const ONE_WAY: &str = "one way: server and key, provider and credentials, or hook";

const NO_WAY: &str = "nothing says how records are set";
const KEY: &str = "a file as tsig-keygen writes it, or with algorithm:name:secret";
const CREDENTIALS: &str = "a file with words such as token=…, or in JSON";
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
        let credentials = written.credentials.as_ref().or(written.credentials_file.as_ref());
        let begun = [
            written.hook.as_ref().map(At::mark),
            written.server.as_ref().or(key).map(At::mark),
            written.provider.as_ref().or(credentials).map(At::mark),
        ];
        let begun: Vec<At<()>> = begun.into_iter().flatten().collect();
        if let [first, second, ..] = &begun[..] {
            let what = format!("{} is set as well", second.name());
            self.faults.push(first.fault(what).accepted(ONE_WAY));
            return None;
        }
        let way = match (&written.hook, (&written.server, key), (&written.provider, credentials)) {
            (Some(hook), ..) => self.hook(hook),
            (_, (Some(server), Some(key)), _) => self.update(server, key, written.key.is_none()),
            (_, (Some(server), None), _) => {
                let what = "nothing says which key updates are signed with";
                self.lonely(server, what, "acme.dns.key, or the variable ACME_DNS_KEY")
            }
            (_, (None, Some(key)), _) => {
                let what = "nothing says which server has this key";
                self.lonely(key, what, "acme.dns.server, or the variable ACME_DNS_SERVER")
            }
            (_, _, (Some(provider), Some(credentials))) => {
                self.cloud(provider, credentials, written.credentials.is_none())
            }
            (_, _, (Some(provider), None)) => {
                let what = "nothing says what the account there is opened with";
                self.lonely(provider, what, "acme.dns.credentials, or the variable ACME_DNS_CREDENTIALS")
            }
            (_, _, (None, Some(credentials))) => {
                let what = "nothing says which provider has this account";
                self.lonely(credentials, what, "acme.dns.provider, or the variable ACME_DNS_PROVIDER")
            }
            (None, (None, None), (None, None)) => {
                let lists = written.nameservers.iter().map(|list| list.fault(NO_WAY));
                let words =
                    [&written.timeout, &written.wait].into_iter().flatten().map(|words| words.fault(NO_WAY));
                let lonely = lists.chain(words).next();
                self.faults.extend(lonely.map(|fault| fault.accepted(WAY)));
                return None;
            }
        };
        let sight = self.sight(&written);
        Some(Options { way: way?, sight })
    }

    /// Half of a way.
    fn lonely(&mut self, half: &Words, what: &str, other: &str) -> Option<Way> {
        self.faults.push(half.fault(what).accepted(other));
        None
    }

    fn hook(&mut self, hook: &At<Vec<Words>>) -> Option<Way> {
        self.not_empty(hook, "a program and its first arguments, such as [\"/etc/sidegate/dns-hook\"]");
        let (program, arguments) = hook.value.split_first()?;
        let arguments = arguments.iter().map(|words| words.value.clone());
        Some(Way::Hook(std::iter::once(program.program()).chain(arguments).collect()))
    }

    fn update(&mut self, server: &Words, key: &Words, in_file: bool) -> Option<Way> {
        let key = self.key(key, in_file);
        let server = self.dns_server(server);
        server.zip(key).map(|(server, key)| Way::Update { server, key })
    }

    fn cloud(&mut self, provider: &Words, credentials: &Words, in_file: bool) -> Option<Way> {
        let text = self.secret(credentials, in_file, CREDENTIALS)?;
        let account = CloudAccount::parse(&provider.value, &text).map_err(|error| {
            let fault = match error {
                CloudError::Provider(_) => {
                    provider.fault(error.to_string()).accepted(CloudAccount::providers().join(", "))
                }
                CloudError::NoRoots { .. } => provider.fault(error.to_string()),
                _ => {
                    let wanted = CloudAccount::wanted(&provider.value);
                    credentials.fault(error.to_string()).accepted(wanted.unwrap_or_default())
                }
            };
            self.faults.push(fault);
        });
        account.map(Way::Cloud).ok()
    }

    /// What `words` are, or what the file they name holds.
    fn secret(&mut self, words: &Words, in_file: bool, accepted: &str) -> Option<String> {
        if !in_file {
            return Some(words.value.clone());
        }
        let read = (self.read)(words).map_err(|what| self.faults.push(words.fault(what).accepted(accepted)));
        Some(String::from_utf8_lossy(&read.ok()?).into_owned())
    }

    /// A server that is asked or told something.
    pub(super) fn dns_server(&mut self, words: &Words) -> Option<Server> {
        let parsed = Server::parse(&words.value);
        parsed.map_err(|error| self.faults.push(words.fault(error.to_string()).accepted(SERVER))).ok()
    }

    /// The key that `words` are, or that the file they name holds.
    fn key(&mut self, words: &Words, in_file: bool) -> Option<Key> {
        let text = self.secret(words, in_file, KEY)?;
        let parsed = Key::parse(&text).map_err(|error| {
            let names = Algorithm::NAMES.join(", ");
            let accepted = if let KeyError::Algorithm(_) = error { &names } else { KEY };
            self.faults.push(words.fault(error.to_string()).accepted(accepted));
        });
        parsed.ok()
    }

    fn sight(&mut self, written: &DnsWritten) -> Sight {
        if let Some(wait) = &written.wait {
            let looks = written.nameservers.as_ref().map(At::name);
            if let Some(other) = looks.or(written.timeout.as_ref().map(Words::name)) {
                let what = format!("{other} is set as well, but with a wait nobody looks");
                self.faults.push(wait.fault(what).accepted("either wait, or nameservers and timeout"));
            }
            return Sight::After(self.bounded(wait, Duration::ZERO, LONGEST));
        }
        let within = written.timeout.as_ref();
        let within = within.map_or(WITHIN, |words| self.bounded(words, Duration::from_secs(1), LONGEST));
        let Some(list) = &written.nameservers else { return Sight::Authority { within } };
        self.not_empty(list, SERVER);
        let servers = list.value.iter().filter_map(|words| self.dns_server(words)).collect();
        Sight::Servers { servers, within }
    }
}
