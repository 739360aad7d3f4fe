//! A certificate as a handshake shows it.

use std::fmt;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use crate::ident::Name;
use crate::pki::Bundle;

/// Chain and key in the form TLS uses, with the names the leaf stands for.
pub struct Certificate {
    certified: Arc<CertifiedKey>,
    names: Box<[Name]>,
}

impl Certificate {
    /// The certificate of a bundle. Nothing is parsed or copied but the names.
    #[must_use]
    pub fn new(bundle: &Bundle) -> Arc<Self> {
        let names = bundle.leaf().names().into();
        Arc::new(Self { certified: Arc::clone(bundle.certified_key()), names })
    }

    /// What rustls signs with.
    #[must_use]
    pub fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// Whether the leaf covers `host` (RFC 9525 section 6.3); `host` is lower case and has no trailing dot.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.covers(host))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.names).finish()
    }
}
