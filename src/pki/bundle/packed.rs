//! A certificate and its key as small as they can be held.

use std::collections::HashSet;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::{Zeroize, Zeroizing};

use super::Bundle;
use crate::ident::Name;
use crate::pki::{Leaf, PkiError, crypto};

/// What a [`Bundle`] was, in a third of its memory: for the many certificates of which few are shown at a time.
#[derive(PartialEq, Eq)]
pub struct Packed {
    /// The key, then the leaf, both in DER.
    der: Zeroizing<Box<[u8]>>,
    /// How much of it is the key.
    key: u32,
    intermediates: Arc<[CertificateDer<'static>]>,
}

/// The chains above leaves, each held once: a hundred thousand leaves have a handful of them.
#[derive(Default)]
pub struct Intermediates(HashSet<Arc<[CertificateDer<'static>]>>);

impl Packed {
    /// Packs what was proved.
    #[must_use]
    pub fn new(bundle: &Bundle, known: &mut Intermediates) -> Self {
        let mut served = bundle.chain().served();
        let leaf = served.next().expect("a chain begins with its leaf");
        let mut key = bundle.key().der();
        let secret = key.secret_der();
        let mut der = Vec::with_capacity(secret.len() + leaf.len());
        der.extend_from_slice(secret);
        der.extend_from_slice(leaf);
        let length = u32::try_from(secret.len()).expect("keys are kilobytes");
        key.zeroize();
        Self {
            der: Zeroizing::new(der.into()),
            key: length,
            intermediates: known.shared(served.cloned().collect()),
        }
    }

    /// The form a handshake uses, and the names it stands for.
    ///
    /// # Errors
    ///
    /// None but for want of memory: all of it was proved before it was packed.
    pub fn unpack(&self) -> Result<(Arc<CertifiedKey>, Vec<Name>), PkiError> {
        let (key, leaf) = self.der.split_at(self.key as usize);
        let leaf = Leaf::from_der(CertificateDer::from(leaf.to_vec()))?;
        let key = PrivateKeyDer::try_from(key).map_err(|e| PkiError::Key(e.to_owned()))?;
        let chain = std::iter::once(leaf.der()).chain(&*self.intermediates).cloned().collect();
        Ok((crypto::certified_key(chain, key.clone_key())?, leaf.names().to_vec()))
    }
}

impl Intermediates {
    fn shared(&mut self, chain: Vec<CertificateDer<'static>>) -> Arc<[CertificateDer<'static>]> {
        if let Some(known) = self.0.get(chain.as_slice()) {
            return Arc::clone(known);
        }
        let new: Arc<[_]> = chain.into();
        self.0.insert(Arc::clone(&new));
        new
    }

    /// Forgets those that stand above no leaf any more.
    pub fn forget_unused(&mut self) {
        self.0.retain(|chain| Arc::strong_count(chain) > 1);
    }
}
