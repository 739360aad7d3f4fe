//! tls-alpn-01: a certificate with the answer in it, shown to hellos with ALPN `acme-tls/1` (RFC 8737).

use std::fmt::Write;
use std::net::IpAddr;

use async_trait::async_trait;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair, SanType};
use rustls_pki_types::PrivatePkcs8KeyDer;

use super::{Challenge, ChallengeKind, Posted, SolveError, Solver};
use crate::catalog::Challenges;
use crate::ident::Name;
use crate::pki::crypto;

/// Answers through whoever shakes hands on port 443 and looks server names up in the catalog.
pub struct TlsAlpn01 {
    challenges: Challenges,
}

impl TlsAlpn01 {
    /// A solver that hangs its answers in this catalog.
    #[must_use]
    pub fn new(challenges: Challenges) -> Self {
        Self { challenges }
    }
}

#[async_trait]
impl Solver for TlsAlpn01 {
    fn kind(&self) -> ChallengeKind {
        ChallengeKind::TlsAlpn01
    }

    fn can_prove(&self, name: &Name) -> bool {
        // A wildcard is proved in the DNS only (RFC 8737 section 3 knows none).
        !name.is_wildcard()
    }

    async fn post(&self, challenge: &Challenge) -> Result<Posted, SolveError> {
        let fault = |fault: String| SolveError {
            kind: ChallengeKind::TlsAlpn01,
            name: challenge.name.clone(),
            fault,
        };
        let (certificate, key) = certificate(challenge).map_err(|e| fault(e.to_string()))?;
        let key = PrivatePkcs8KeyDer::from(key).into();
        let certified =
            crypto::certified_key(vec![certificate.into()], key).map_err(|e| fault(e.to_string()))?;
        Ok(Posted::Catalog(self.challenges.post_tls_alpn01(&server_name(&challenge.name), certified)))
    }
}

/// What the validator sends as its server name: for an address the name under which the DNS keeps it (RFC 8738 section
/// 6), since an address cannot stand there.
fn server_name(name: &Name) -> String {
    match name {
        Name::Dns(fqdn) => fqdn.as_str().to_owned(),
        Name::Ip(IpAddr::V4(ip)) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Name::Ip(IpAddr::V6(ip)) => {
            let mut reverse = String::with_capacity(72);
            for byte in ip.octets().iter().rev() {
                // Writing to a String cannot fail.
                let _ = write!(reverse, "{:x}.{:x}.", byte & 0xf, byte >> 4);
            }
            reverse + "ip6.arpa"
        }
    }
}

/// A self-signed certificate of a new key, for the one name, with the digest in a critical extension (RFC 8737 section
/// 3), and its key as PKCS#8.
fn certificate(challenge: &Challenge) -> Result<(Vec<u8>, Vec<u8>), rcgen::Error> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    // No common name: it has room for 64 bytes only, and a name may be longer.
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names.push(match &challenge.name {
        Name::Dns(fqdn) => SanType::DnsName(fqdn.as_str().try_into()?),
        Name::Ip(ip) => SanType::IpAddress(*ip),
    });
    let digest = crypto::sha256(challenge.key_authorization.as_bytes());
    params.custom_extensions.push(CustomExtension::new_acme_identifier(&digest));
    let certificate = params.self_signed(&key)?;
    Ok((certificate.der().to_vec(), key.serialize_der()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_for_by_its_reverse_name() {
        let of = |name: &str| server_name(&Name::parse(name).expect("a name"));
        assert_eq!(of("www.example.com"), "www.example.com");
        assert_eq!(of("192.0.2.7"), "7.2.0.192.in-addr.arpa");
        // The example of RFC 3596 section 2.5.
        assert_eq!(
            of("4321:0:1:2:3:4:567:89ab"),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa"
        );
    }

    #[tokio::test]
    async fn the_answer_hangs_as_long_as_its_guard() {
        let (_publisher, challenges, resolver, _misses) = crate::catalog::open();
        let solver = TlsAlpn01::new(challenges);
        let challenge = Challenge {
            name: Name::parse("example.com").expect("a name"),
            token: "token".to_owned(),
            key_authorization: "token.thumbprint".to_owned(),
            account: "https://ca.test/1".to_owned(),
            issuers: Vec::new(),
        };
        let posted = solver.post(&challenge).await.expect("it is posted");
        assert!(resolver.tls_alpn01("example.com"));
        drop(posted);
        assert!(!resolver.tls_alpn01("example.com"));
        assert!(!solver.can_prove(&Name::parse("*.example.com").expect("a name")));
    }

    #[test]
    fn the_digest_stands_in_a_critical_extension() {
        let challenge = Challenge {
            name: Name::parse("example.com").expect("a name"),
            token: "token".to_owned(),
            key_authorization: "token.thumbprint".to_owned(),
            account: "https://ca.test/1".to_owned(),
            issuers: Vec::new(),
        };
        let (der, _) = certificate(&challenge).expect("a certificate");
        // SEQUENCE { OID 1.3.6.1.5.5.7.1.31, TRUE, OCTET STRING { OCTET STRING of 32 bytes } }
        let mut extension = vec![0x30, 0x31, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1f];
        extension.extend([0x01, 0x01, 0xff, 0x04, 0x22, 0x04, 0x20]);
        extension.extend(crypto::sha256(b"token.thumbprint"));
        assert!(der.windows(extension.len()).any(|window| window == extension));
    }
}
