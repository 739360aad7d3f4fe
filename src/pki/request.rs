//! A request for a certificate: some names, and a key that stays here.

use std::time::SystemTime;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
};

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use super::{PkiError, PrivateKey, pem};
use crate::ident::{Name, Names};

/// The subject of every self-signed certificate. Java refuses an issuer without a name.
const SELF_SIGNED_NAME: &str = "sidegate self-signed";

/// Names and a key, as a CSR (RFC 2986), able to sign itself.
///
/// An issuer gets this and never the key.
pub struct SigningRequest {
    key: PrivateKey,
    names: Names,
    csr: Vec<u8>,
}

impl SigningRequest {
    /// The request of `key` for `names`.
    ///
    /// # Errors
    ///
    /// [`PkiError::Key`] if the key cannot sign.
    pub fn new(key: &PrivateKey, names: &Names) -> Result<Self, PkiError> {
        let mut params = params(names)?;
        params.extended_key_usages.clear();
        let csr = params.serialize_request(key.pair()).map_err(|e| PkiError::Key(e.to_string()))?;
        Ok(Self { key: key.clone(), names: names.clone(), csr: csr.der().to_vec() })
    }

    /// The names asked for.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The public half of the key (`SubjectPublicKeyInfo`).
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        self.key.spki()
    }

    /// The CSR as DER.
    #[must_use]
    pub fn csr_der(&self) -> &[u8] {
        &self.csr
    }

    /// The CSR as PEM.
    #[must_use]
    pub fn csr_pem(&self) -> String {
        pem::block("CERTIFICATE REQUEST", &self.csr)
    }

    /// A certificate for the names signed by their own key: not a CA, for servers, valid in the given span.
    ///
    /// # Errors
    ///
    /// [`PkiError::Key`] if the key cannot sign.
    pub fn self_sign(&self, not_before: SystemTime, not_after: SystemTime) -> Result<Vec<u8>, PkiError> {
        let mut params = params(&self.names)?;
        params.distinguished_name.push(DnType::CommonName, SELF_SIGNED_NAME);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = not_before.into();
        params.not_after = not_after.into();
        let certificate = params.self_signed(self.key.pair()).map_err(|e| PkiError::Key(e.to_string()))?;
        Ok(certificate.der().to_vec())
    }
}

/// Whose request a CSR is, as `SubjectPublicKeyInfo`.
///
/// # Errors
///
/// [`PkiError`] if the text is no CSR, or not signed by the key it names.
pub fn request_spki(text: &[u8]) -> Result<Vec<u8>, PkiError> {
    let fault = |fault: String| PkiError::Pem { wanted: "certificate request", fault };
    let block = ::pem::parse(text).map_err(|e| fault(e.to_string()))?;
    let (_, request) =
        X509CertificationRequest::from_der(block.contents()).map_err(|e| fault(e.to_string()))?;
    request
        .verify_signature()
        .map_err(|e| PkiError::Mismatch(format!("the signature of the request: {e}")))?;
    Ok(request.certification_request_info.subject_pki.raw.to_vec())
}

/// Parameters with nothing in them but the names: the subject stays empty, as current CAs want it.
fn params(names: &Names) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for name in names {
        params.subject_alt_names.push(match name {
            Name::Dns(fqdn) => {
                let text =
                    fqdn.as_str().try_into().map_err(|e: rcgen::Error| PkiError::Key(e.to_string()))?;
                SanType::DnsName(text)
            }
            Name::Ip(ip) => SanType::IpAddress(*ip),
        });
    }
    Ok(params)
}
