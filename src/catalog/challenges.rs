//! Challenge answers while a CA looks for them, and the account that answers for what others have posted.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::Shared;

/// What is posted now. Small: a few entries for each order in flight.
#[derive(Clone, Default)]
pub(super) struct Answers {
    /// Key authorization by token (RFC 8555 section 8.3).
    pub(super) http01: HashMap<String, Arc<str>>,
    /// Certificate by server name (RFC 8737 section 3).
    pub(super) tls_alpn01: HashMap<String, Arc<CertifiedKey>>,
    /// The thumbprint of the account whose challenges other processes may be posting.
    pub(super) account: Option<Arc<str>>,
}

/// Puts answers up. Cloning shares the place where they hang.
#[derive(Clone)]
pub struct Challenges(Arc<Shared>);

/// An answer that hangs until this is dropped, also when the order is cancelled in the middle.
#[must_use = "dropping it takes the answer down"]
pub struct Posted {
    shared: Arc<Shared>,
    key: Key,
}

enum Key {
    Http01(String, Arc<str>),
    TlsAlpn01(String, Arc<CertifiedKey>),
}

impl Challenges {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Answers `/.well-known/acme-challenge/<token>` with the key authorization, on every thread, when this returns.
    pub fn post_http01(&self, token: &str, key_authorization: &str) -> Posted {
        let (token, answer): (String, Arc<str>) = (token.to_owned(), key_authorization.into());
        self.change(|answers| {
            answers.http01.insert(token.clone(), Arc::clone(&answer));
        });
        Posted { shared: Arc::clone(&self.0), key: Key::Http01(token, answer) }
    }

    /// Shows `certificate` to hellos with ALPN `acme-tls/1` for `server_name`, on every thread, when this returns.
    pub fn post_tls_alpn01(&self, server_name: &str, certificate: Arc<CertifiedKey>) -> Posted {
        let name = server_name.to_owned();
        self.change(|answers| {
            answers.tls_alpn01.insert(name.clone(), Arc::clone(&certificate));
        });
        Posted { shared: Arc::clone(&self.0), key: Key::TlsAlpn01(name, certificate) }
    }

    fn change(&self, change: impl Fn(&mut Answers)) {
        change_in(&self.0, change);
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        // Only what this guard put up: a later post for the same name is somebody else's.
        change_in(&self.shared, |answers| match &self.key {
            Key::Http01(token, answer) => {
                if answers.http01.get(token).is_some_and(|now| Arc::ptr_eq(now, answer)) {
                    answers.http01.remove(token);
                }
            }
            Key::TlsAlpn01(name, certificate) => {
                if answers.tls_alpn01.get(name).is_some_and(|now| Arc::ptr_eq(now, certificate)) {
                    answers.tls_alpn01.remove(name);
                }
            }
        });
    }
}

pub(super) fn change_in(shared: &Shared, change: impl Fn(&mut Answers)) {
    shared.answers.rcu(|now| {
        let mut next = Answers::clone(now);
        change(&mut next);
        next
    });
}
