//! Which certificate a hello is answered with.
//!
//! rustls asks in the middle of reading a hello and must be told at once. Where there is no certificate to show now,
//! it is told that there is none, and what there is to be done instead is left for whoever handed it the hello.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::catalog::{Certificate, Lookup, Resolver, Waiting};

/// RFC 8737 section 6.2.
pub(super) const ACME: &[u8] = b"acme-tls/1";

/// What a hello asked for, and what there is for it.
pub(super) struct Choice {
    /// The name it asked for.
    pub(super) server_name: Option<String>,
    pub(super) found: Found,
}

pub(super) enum Found {
    /// The certificate it has been answered with.
    Certificate(Arc<Certificate>),
    /// One that has to be waited for; the hello can be read again then.
    Cold(Waiting),
    /// Nothing for an ordinary client: it is a CA that validates a name.
    Validation,
    /// What is shown for a name that nobody has listed, if anything is.
    Stranger(Option<Arc<Certificate>>),
    /// Nothing: the name is nobody's.
    Unknown,
}

thread_local! {
    /// What the last hello read on this thread came to.
    static LAST: Cell<Option<Choice>> = const { Cell::new(None) };
}

/// Runs `reading`, and returns with its result what the hello came to if it was read in there.
pub(super) fn made_by<R>(reading: impl FnOnce() -> R) -> (R, Option<Choice>) {
    let result = reading();
    (result, LAST.take())
}

/// The look-up rustls makes in an ordinary handshake.
pub(super) struct Chooser(pub(super) Resolver);

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = self.find(&hello);
        let shown = match &found {
            Found::Certificate(certificate) | Found::Stranger(Some(certificate)) => {
                Some(Arc::clone(certificate.certified_key()))
            }
            Found::Cold(_) | Found::Validation | Found::Stranger(None) | Found::Unknown => None,
        };
        LAST.set(Some(Choice { server_name: hello.server_name().map(str::to_owned), found }));
        shown
    }
}

impl Chooser {
    fn find(&self, hello: &ClientHello<'_>) -> Found {
        if only_acme(hello) && hello.server_name().is_some_and(|name| self.0.tls_alpn01(name)) {
            return Found::Validation;
        }
        match self.0.lookup(hello.server_name()) {
            Lookup::Warm(certificate) => Found::Certificate(certificate),
            Lookup::Cold(waiting) => Found::Cold(waiting),
            Lookup::Stranger(shown) => Found::Stranger(shown),
            Lookup::Unknown => Found::Unknown,
        }
    }
}

/// RFC 8737 section 3: a validation offers `acme-tls/1` and nothing else.
fn only_acme(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| offered.next() == Some(ACME) && offered.next().is_none())
}

impl fmt::Debug for Chooser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chooser")
    }
}
