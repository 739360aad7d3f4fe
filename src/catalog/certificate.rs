//! A certificate as a handshake shows it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::sign::CertifiedKey;

use crate::ident::Name;
use crate::pki::{Bundle, Packed, PkiError};

/// Chain and key in the form TLS uses, with the names the leaf stands for.
pub struct Certificate {
    certified: Arc<CertifiedKey>,
    names: Box<[Name]>,
    /// Whether a hello has met it since somebody asked. A new one has: it was made because of one.
    met: AtomicBool,
}

impl Certificate {
    /// The certificate of a bundle. Nothing is parsed or copied but the names.
    #[must_use]
    pub fn new(bundle: &Bundle) -> Arc<Self> {
        Self::of(Arc::clone(bundle.certified_key()), bundle.leaf().names().into())
    }

    /// The certificate that was packed.
    ///
    /// # Errors
    ///
    /// As [`Packed::unpack`].
    pub fn unpack(packed: &Packed) -> Result<Arc<Self>, PkiError> {
        let (certified, names) = packed.unpack()?;
        Ok(Self::of(certified, names.into()))
    }

    fn of(certified: Arc<CertifiedKey>, names: Box<[Name]>) -> Arc<Self> {
        Arc::new(Self { certified, names, met: AtomicBool::new(true) })
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

    /// Whether a hello has met it since the last call.
    #[must_use]
    pub fn take_met(&self) -> bool {
        self.met.swap(false, Ordering::Relaxed)
    }

    pub(super) fn meet(&self) {
        // Read first: a cache line that every core writes would be slower than the look-up.
        if !self.met.load(Ordering::Relaxed) {
            self.met.store(true, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.names).finish()
    }
}
