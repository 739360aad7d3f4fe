//! A certificate with its key, proved to belong together.

mod packed;

pub use packed::{Intermediates, Packed};

use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::{Chain, Leaf, PkiError, PrivateKey, crypto};
use crate::ident::Names;

/// Chain and key of one certificate. That they fit was proved when it was made.
#[derive(Debug, Clone)]
pub struct Bundle {
    key: PrivateKey,
    chain: Chain,
    certified: Arc<CertifiedKey>,
}

impl Bundle {
    /// Joins a key and the chain that was issued for it.
    ///
    /// # Errors
    ///
    /// [`PkiError::Mismatch`] if the certificate is for another key or does not carry all of `names`;
    /// [`PkiError::Key`] if TLS cannot use the key.
    pub fn join(key: PrivateKey, chain: Chain, names: &Names) -> Result<Self, PkiError> {
        let bundle = Self::foreign(key, chain)?;
        for name in names {
            if !bundle.leaf().names().contains(name) {
                return Err(PkiError::Mismatch(format!("the certificate does not carry {name}")));
            }
        }
        Ok(bundle)
    }

    /// Joins a key and a chain that somebody else keeps, whatever names it carries.
    ///
    /// # Errors
    ///
    /// As for [`join`](Self::join), names apart.
    pub fn foreign(key: PrivateKey, chain: Chain) -> Result<Self, PkiError> {
        if chain.leaf().spki() != key.spki() {
            return Err(PkiError::Mismatch("the certificate is for another key".to_owned()));
        }
        let served = chain.served().cloned().collect();
        let certified = CertifiedKey::from_der(served, key.der(), &crypto::provider())
            .map_err(|e| PkiError::Key(e.to_string()))?;
        Ok(Self { key, chain, certified: Arc::new(certified) })
    }

    /// The private key.
    #[must_use]
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The end-entity certificate.
    #[must_use]
    pub fn leaf(&self) -> &Leaf {
        self.chain.leaf()
    }

    /// The form a handshake uses; shared, never copied.
    #[must_use]
    pub fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}
