//! The one choice of cryptography, handed out as a value; nothing is installed for the whole process.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::{digest, rand};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::PkiError;

/// The provider of every TLS configuration: aws-lc, with X25519MLKEM768 first among the groups, then X25519, P-256
/// and P-384.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

/// TLS for a client that trusts `roots` and nothing else. A root that cannot be read is left out.
#[must_use]
pub fn trusting(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> ClientConfig {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has the safe default versions")
        .with_root_certificates(store)
        .with_no_client_auth()
}

/// A chain and its key in the form a handshake uses, without the proof that they fit.
///
/// For what was proved before, and for certificates just made to answer a challenge: rustls cannot read these to prove
/// it, since they carry a critical extension it does not know (RFC 8737 section 3). Everything else goes through
/// [`Bundle`](super::Bundle).
///
/// # Errors
///
/// [`PkiError::Key`] if TLS cannot use the key.
pub fn certified_key(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, PkiError> {
    let key = provider().key_provider.load_private_key(key).map_err(|e| PkiError::Key(e.to_string()))?;
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// SHA-256 of the bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    sum
}

/// Random bytes from the operating system's generator.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// The bytes in lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::*;

    #[test]
    fn the_hybrid_group_comes_first() {
        assert_eq!(provider().kx_groups[0].name(), NamedGroup::X25519MLKEM768);
    }

    #[test]
    fn a_challenge_certificate_can_be_shown_but_not_proved() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::default();
        params.custom_extensions.push(rcgen::CustomExtension::new_acme_identifier(&[7; 32]));
        let der = params.self_signed(&key).expect("a certificate").der().to_vec();
        let pkcs8 = || PrivateKeyDer::try_from(key.serialize_der()).expect("PKCS#8");
        assert!(certified_key(vec![der.clone().into()], pkcs8()).is_ok());
        let proved = CertifiedKey::from_der(vec![der.into()], pkcs8(), &provider());
        assert!(proved.is_err(), "rustls has learnt to read it: use the proof");
    }

    #[test]
    fn sums_are_those_of_the_standard() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(&sha256(b"")), empty);
    }
}
