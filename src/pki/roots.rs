//! The roots a chain may end in, for `ca.pem`. Not a verdict on trust: that is the client's.

use rustls_pki_types::CertificateDer;

use super::{PkiError, chain, pem};

/// Self-signed CA certificates in which a chain may end.
#[derive(Clone)]
pub struct Roots {
    /// Looked at before the well-known ones.
    own: Vec<CertificateDer<'static>>,
    well_known: &'static [CertificateDer<'static>],
}

impl Roots {
    /// The roots of the public web.
    #[must_use]
    pub fn well_known() -> Self {
        Self { own: Vec::new(), well_known: webpki_root_certs::TLS_SERVER_ROOT_CERTS }
    }

    /// No roots: a chain ends in the last certificate of it.
    #[must_use]
    pub fn none() -> Self {
        Self { own: Vec::new(), well_known: &[] }
    }

    /// The roots of the public web, and before them those of a PEM text.
    ///
    /// # Errors
    ///
    /// [`PkiError::Pem`] if the text holds no certificate.
    pub fn with_pem(text: &[u8]) -> Result<Self, PkiError> {
        Ok(Self { own: pem::certificates(text)?, ..Self::well_known() })
    }

    /// The root that signed `certificate`: its name is the issuer's and its key verifies the signature.
    #[must_use]
    pub fn find(&self, certificate: &CertificateDer<'_>) -> Option<CertificateDer<'static>> {
        self.own.iter().chain(self.well_known).find(|root| chain::signed(certificate, root).is_ok()).cloned()
    }
}
