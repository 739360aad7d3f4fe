//! The read side: what the data plane may know about certificates.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::mpsc;

use super::snapshot::{Cell, Slot};
use super::{Certificate, Shared, Stranger, Strangers};
use crate::ident::{Fqdn, Name};

/// Finds the certificate for a hello and the answer for a challenge. Cloning shares the catalog.
///
/// No call waits for a writer, takes a lock or reads a file; [`wait`](Self::wait) says so in its name.
#[derive(Clone)]
pub struct Resolver(Arc<Shared>);

/// What the catalog has for a name.
pub enum Lookup {
    /// A certificate, ready to be shown.
    Warm(Arc<Certificate>),
    /// One that has to be read first; see [`Resolver::wait`].
    Cold(Waiting),
    /// Nothing yet, but [`Resolver::note`] wants to hear of it. Meanwhile this is shown; nothing means a refusal.
    Stranger(Option<Arc<Certificate>>),
    /// Nothing. The hello is refused with `unrecognized_name`.
    Unknown,
}

/// A hello's place in the line for a certificate that is not in memory.
pub struct Waiting(Arc<Cell>);

/// The names that hellos have asked for in vain. Bounded; what does not fit is asked for again.
pub struct Misses {
    cold: mpsc::Receiver<Name>,
    strangers: mpsc::Receiver<Stranger>,
}

/// What hellos have asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Missed {
    /// A certificate that has to be read; somebody waits for it.
    Cold(Name),
    /// Names nobody has listed; nobody waits.
    Strangers(Vec<Stranger>),
}

/// At most this many strangers are handed out at a time.
const AT_A_TIME: usize = 64;

impl Resolver {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Looks up the server name of a hello, in the form TLS delivers it: lower case, one trailing dot allowed. Exact
    /// before wildcard. Without a name, the certificate chosen for clients that send none.
    #[must_use]
    pub fn lookup(&self, server_name: Option<&str>) -> Lookup {
        let snapshot = self.0.snapshot.load();
        let slot = match server_name {
            Some(name) => snapshot.find(name.strip_suffix('.').unwrap_or(name)),
            None => snapshot.find_unnamed(),
        };
        match slot {
            Some(Slot::Warm(certificate)) => {
                certificate.meet();
                Lookup::Warm(Arc::clone(certificate))
            }
            Some(Slot::Cold(cell)) => Lookup::Cold(Waiting(Arc::clone(cell))),
            None if server_name.is_none() => Lookup::Unknown,
            None => match &snapshot.strangers {
                Strangers::Refused => Lookup::Unknown,
                Strangers::Noted => Lookup::Stranger(None),
                Strangers::Shown(certificate) => Lookup::Stranger(Some(Arc::clone(certificate))),
            },
        }
    }

    /// Asks for a cold certificate and waits until it is there; `None` if there turned out to be none. Has no
    /// deadline: that is the caller's, who has one for the handshake.
    pub async fn wait(&self, waiting: Waiting) -> Option<Arc<Certificate>> {
        let cell = waiting.0;
        if cell.ask() && self.0.wanted.try_send(cell.name.clone()).is_err() {
            cell.unask();
        }
        cell.filled().await;
        match self.0.snapshot.load().get(&cell.name) {
            Some(Slot::Warm(certificate)) => Some(Arc::clone(certificate)),
            _ => None,
        }
    }

    /// Notes that a client has asked for a name nobody has listed. Never waits: where there is no room, it asks again.
    pub fn note(&self, server_name: &str, client: IpAddr) {
        if let Some(name) = Fqdn::parse(server_name).ok().filter(|name| !name.is_wildcard()) {
            // A list that is full has enough names on it.
            let _ = self.0.noted.try_send(Stranger { name, client });
        }
    }

    /// The key authorization posted for an http-01 token.
    #[must_use]
    pub fn http01(&self, token: &str) -> Option<Arc<str>> {
        self.0.answers.load().http01.get(token).cloned()
    }

    /// The key authorization of an http-01 token that was not posted here: another process that shares our account may
    /// have asked for the validation. Whatever the token, it is right or of no use to anybody.
    #[must_use]
    pub fn http01_of_account(&self, token: &str) -> Option<String> {
        let answers = self.0.answers.load();
        // RFC 8555 section 8.1.
        answers.account.as_deref().map(|thumbprint| format!("{token}.{thumbprint}"))
    }

    /// Whether a tls-alpn-01 challenge is posted for this server name.
    #[must_use]
    pub fn tls_alpn01(&self, server_name: &str) -> bool {
        self.0.answers.load().tls_alpn01.contains_key(server_name)
    }

    /// The look-up rustls makes in the handshake of a tls-alpn-01 validation.
    #[must_use]
    pub fn challenges(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::new(Validations(self.clone()))
    }
}

struct Validations(Resolver);

impl ResolvesServerCert for Validations {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.0.answers.load().tls_alpn01.get(hello.server_name()?).cloned()
    }
}

impl Misses {
    pub(super) fn new(cold: mpsc::Receiver<Name>, strangers: mpsc::Receiver<Stranger>) -> Self {
        Self { cold, strangers }
    }

    /// What was asked for next, those first for whom somebody waits; `None` when every resolver is gone. Nothing is
    /// lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Missed> {
        let mut met = Vec::new();
        tokio::select! {
            biased;
            Some(name) = self.cold.recv() => Some(Missed::Cold(name)),
            1.. = self.strangers.recv_many(&mut met, AT_A_TIME) => Some(Missed::Strangers(met)),
            else => None,
        }
    }
}

impl fmt::Debug for Validations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Validations")
    }
}
