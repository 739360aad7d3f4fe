//! What an end-entity certificate says.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::{PkiError, crypto, pem};
use crate::ident::{Fqdn, Name};

/// Facts of one certificate, read once.
#[derive(Clone)]
pub struct Leaf {
    der: CertificateDer<'static>,
    names: Vec<Name>,
    not_before: SystemTime,
    not_after: SystemTime,
    serial: Vec<u8>,
    authority_key_id: Option<Vec<u8>>,
    issuer: String,
    spki: Vec<u8>,
    self_issued: bool,
}

impl Leaf {
    /// Reads a certificate.
    ///
    /// # Errors
    ///
    /// [`PkiError::Certificate`] if it is not one, or if bytes follow it. Names that could not be served (an e-mail
    /// address, a URI) are not an error; they are left out.
    pub fn from_der(der: CertificateDer<'static>) -> Result<Self, PkiError> {
        let (rest, parsed) =
            X509Certificate::from_der(&der).map_err(|e| PkiError::Certificate(e.to_string()))?;
        if !rest.is_empty() {
            return Err(PkiError::Certificate("bytes follow its end".to_owned()));
        }
        let names = names_of(&parsed)?;
        let validity = parsed.validity();
        let issuer = parsed
            .issuer()
            .iter_common_name()
            .next()
            .or_else(|| parsed.issuer().iter_organization().next())
            .and_then(|attribute| attribute.as_str().ok())
            .unwrap_or_default()
            .to_owned();
        let leaf = Self {
            names,
            not_before: moment(validity.not_before),
            not_after: moment(validity.not_after),
            serial: parsed.raw_serial().to_vec(),
            authority_key_id: authority_key_id_of(&parsed),
            issuer,
            spki: parsed.public_key().raw.to_vec(),
            self_issued: parsed.issuer().as_raw() == parsed.subject().as_raw(),
            der: CertificateDer::from(Vec::new()),
        };
        Ok(Self { der, ..leaf })
    }

    /// The subject alternative names.
    #[must_use]
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// Whether one of the names covers `host` (RFC 9525 section 6.3); `host` is lower case and has no trailing dot.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.covers(host))
    }

    /// The first moment of validity.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The last moment of validity.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// How long the certificate is valid in all.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.not_after.duration_since(self.not_before).unwrap_or_default()
    }

    /// Whether `now` lies in the span of validity.
    #[must_use]
    pub fn valid_at(&self, now: SystemTime) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// The serial number in hexadecimal.
    #[must_use]
    pub fn serial(&self) -> String {
        crypto::hex(&self.serial)
    }

    /// The serial number as it is encoded, without tag and length.
    #[must_use]
    pub fn raw_serial(&self) -> &[u8] {
        &self.serial
    }

    /// Which of the issuer's keys has signed it (RFC 5280 section 4.2.1.1), if it says so.
    #[must_use]
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.authority_key_id.as_deref()
    }

    /// The issuer's common name, or its organisation; empty if it has neither.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The public key (`SubjectPublicKeyInfo`, DER).
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Whether issuer and subject are the same, as in a self-signed certificate.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.self_issued
    }

    /// The certificate itself.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// SHA-256 over the certificate, in hexadecimal: what tools call its fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        crypto::hex(&crypto::sha256(self.der()))
    }

    /// The certificate as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        pem::join([self.der.as_ref()])
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("names", &self.names)
            .field("serial", &self.serial())
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

fn names_of(certificate: &X509Certificate<'_>) -> Result<Vec<Name>, PkiError> {
    let extension =
        certificate.subject_alternative_name().map_err(|e| PkiError::Certificate(e.to_string()))?;
    let Some(extension) = extension else { return Ok(Vec::new()) };
    let name = |general: &GeneralName<'_>| match general {
        GeneralName::DNSName(text) => Fqdn::parse(text).ok().map(Name::Dns),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|octets| Name::Ip(IpAddr::from(octets))),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|octets| Name::Ip(IpAddr::from(octets))),
        },
        _ => None,
    };
    Ok(extension.value.general_names.iter().filter_map(name).collect())
}

fn authority_key_id_of(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(authority) => {
            Some(authority.key_identifier.as_ref()?.0.to_vec())
        }
        _ => None,
    })
}

/// The moment, or the nearest that the machine's time can hold.
fn moment(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let span = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { SystemTime::UNIX_EPOCH - span } else { SystemTime::UNIX_EPOCH + span }
}
