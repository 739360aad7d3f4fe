//! A leaf with what leads from it to a root.

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Leaf, PkiError, Roots, pem};

/// A leaf, the intermediates a client needs, and the certificate at the top.
#[derive(Debug, Clone)]
pub struct Chain {
    leaf: Leaf,
    /// What is sent after the leaf, each signing the one before; no self-signed root among them.
    intermediates: Vec<CertificateDer<'static>>,
    /// The root, or where it is not known the top-most certificate there is.
    ca: CertificateDer<'static>,
}

impl Chain {
    /// Takes apart what an issuer sent: the leaf first, each certificate signed by the next (RFC 8555 section 9.1).
    ///
    /// Self-signed roots are taken out of what will be served. The CA is the root found in `roots`, else the root
    /// that was sent along, else a copy of the top-most certificate.
    ///
    /// # Errors
    ///
    /// [`PkiError`] if the text is not a list of certificates, or if one of them did not sign the one before it.
    pub fn from_pem(text: &[u8], roots: &Roots) -> Result<Self, PkiError> {
        let mut all = pem::certificates(text)?.into_iter();
        let first = all.next().ok_or_else(|| PkiError::Certificate("there is none".to_owned()))?;
        let leaf = Leaf::from_der(first)?;
        if leaf.is_self_issued() {
            return Ok(Self::self_signed(leaf));
        }
        let (sent_roots, intermediates): (Vec<_>, Vec<_>) = all.partition(|der| signed(der, der).is_ok());
        let top = intermediates.last().unwrap_or(leaf.der());
        let sent = || sent_roots.iter().find(|root| signed(top, root).is_ok()).cloned();
        let ca = roots.find(top).or_else(sent).unwrap_or_else(|| top.clone());
        let chain = Self { leaf, intermediates, ca };
        chain.prove()?;
        Ok(chain)
    }

    /// Puts together what [`crt_pem`](Self::crt_pem), [`chain_pem`](Self::chain_pem) and [`ca_pem`](Self::ca_pem)
    /// wrote.
    ///
    /// # Errors
    ///
    /// [`PkiError`] if one of the texts is not what it should be, or if a certificate did not sign the one before it.
    pub fn from_parts(crt: &[u8], chain: &[u8], ca: &[u8]) -> Result<Self, PkiError> {
        let only = |text: &[u8]| {
            let mut all = pem::certificates(text)?;
            match all.len() {
                1 => Ok(all.remove(0)),
                n => Err(PkiError::Certificate(format!("{n} certificates where one belongs"))),
            }
        };
        let intermediates =
            if chain.trim_ascii().is_empty() { Vec::new() } else { pem::certificates(chain)? };
        let chain = Self { leaf: Leaf::from_der(only(crt)?)?, intermediates, ca: only(ca)? };
        chain.prove()?;
        Ok(chain)
    }

    /// The chain of a certificate that signed itself: nothing in between, and itself at the top.
    #[must_use]
    pub fn self_signed(leaf: Leaf) -> Self {
        Self { ca: leaf.der().clone(), intermediates: Vec::new(), leaf }
    }

    /// The end-entity certificate.
    #[must_use]
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// The name of whoever signed the top-most certificate that is served: its common name, or its organisation.
    #[must_use]
    pub fn top_issuer(&self) -> String {
        let top = self.intermediates.last().unwrap_or(self.leaf.der());
        // It has been read before, to see who signed it.
        Leaf::from_der(top.clone()).map(|top| top.issuer().to_owned()).unwrap_or_default()
    }

    /// What a server sends: the leaf and the intermediates.
    pub fn served(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        std::iter::once(self.leaf.der()).chain(&self.intermediates)
    }

    /// `crt.pem`.
    #[must_use]
    pub fn crt_pem(&self) -> String {
        self.leaf.pem()
    }

    /// `chain.pem`: the intermediates; empty if there are none.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        pem::join(self.intermediates.iter().map(AsRef::as_ref))
    }

    /// `ca.pem`.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        pem::join([self.ca.as_ref()])
    }

    /// `crt+chain.pem`.
    #[must_use]
    pub fn crt_chain_pem(&self) -> String {
        self.crt_pem() + &self.chain_pem()
    }

    /// Each certificate was signed by the next, and the last by the CA (or is the CA).
    fn prove(&self) -> Result<(), PkiError> {
        let mut below = self.leaf.der();
        for above in &self.intermediates {
            signed(below, above)?;
            below = above;
        }
        if *below == self.ca { Ok(()) } else { signed(below, &self.ca) }
    }
}

/// Whether `above` is the issuer of `below`, by name and by signature (RFC 5280 section 6.1.3).
pub(super) fn signed(below: &CertificateDer<'_>, above: &CertificateDer<'_>) -> Result<(), PkiError> {
    let unreadable = |e: &dyn std::fmt::Display| PkiError::Certificate(e.to_string());
    let (_, below) = X509Certificate::from_der(below).map_err(|e| unreadable(&e))?;
    let (_, above) = X509Certificate::from_der(above).map_err(|e| unreadable(&e))?;
    if below.issuer().as_raw() != above.subject().as_raw() {
        let text = format!("`{}` is not issued by `{}`", below.subject(), above.subject());
        return Err(PkiError::Mismatch(text));
    }
    below.verify_signature(Some(above.public_key())).map_err(|e| {
        PkiError::Mismatch(format!("the signature of `{}` on `{}`: {e}", above.subject(), below.subject()))
    })
}
