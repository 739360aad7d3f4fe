//! Private keys.

use std::fmt;
use std::sync::Arc;

use rcgen::{KeyPair, PublicKeyData, RsaKeySize};
use rustls_pki_types::PrivateKeyDer;
use zeroize::{Zeroize, Zeroizing};

use super::{PkiError, pem, pkcs8};

/// What kind of key a lineage's certificates have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyType {
    /// ECDSA on P-256.
    #[default]
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
}

impl KeyType {
    /// Every kind there is.
    pub const ALL: [Self; 5] = [Self::P256, Self::P384, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    /// The kind as configuration and `issuance.json` spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Rsa2048 => "rsa2048",
            Self::Rsa3072 => "rsa3072",
            Self::Rsa4096 => "rsa4096",
        }
    }

    fn generate(self) -> Result<KeyPair, rcgen::Error> {
        match self {
            Self::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            Self::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            Self::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
            Self::Rsa3072 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072),
            Self::Rsa4096 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_4096),
        }
    }
}

/// A private key. Cloning shares it; the last clone wipes its encoding. It has no printable form but
/// [`to_pem`](Self::to_pem).
#[derive(Clone)]
pub struct PrivateKey(Arc<Zeroizing<KeyPair>>);

impl PrivateKey {
    /// A new key.
    #[must_use]
    pub fn generate(key_type: KeyType) -> Self {
        let pair = key_type.generate().expect("the operating system gives randomness");
        Self(Arc::new(Zeroizing::new(pair)))
    }

    /// Reads the first private key of a PEM text: PKCS#8, SEC 1 or PKCS#1.
    ///
    /// # Errors
    ///
    /// [`PkiError::Pem`] if there is none, [`PkiError::Key`] if it is damaged, encrypted or of a kind unknown here.
    pub fn from_pem(text: &[u8]) -> Result<Self, PkiError> {
        let fault = |fault: String| PkiError::Pem { wanted: "private key", fault };
        let blocks = ::pem::parse_many(text).map_err(|e| fault(e.to_string()))?;
        let block = blocks
            .into_iter()
            .find(|block| block.tag().ends_with("PRIVATE KEY"))
            .ok_or_else(|| fault("the text has no PRIVATE KEY block".to_owned()))?;
        if block.tag().starts_with("ENCRYPTED") {
            return Err(PkiError::Key("it is encrypted; store it without a passphrase".to_owned()));
        }
        let der = Zeroizing::new(block.into_contents());
        let pair = KeyPair::try_from(der.as_slice()).map_err(|e| PkiError::Key(e.to_string()))?;
        Ok(Self(Arc::new(Zeroizing::new(pair))))
    }

    /// The same key in PKCS#8, whatever it was read from.
    ///
    /// # Errors
    ///
    /// [`PkiError::Key`] if it cannot be brought into that form.
    pub fn into_pkcs8(self) -> Result<Self, PkiError> {
        if matches!(self.der(), PrivateKeyDer::Pkcs8(_)) {
            return Ok(self);
        }
        let wrapped = pkcs8::wrapped(self.0.serialized_der(), &self.spki());
        let der =
            Zeroizing::new(wrapped.ok_or_else(|| PkiError::Key("its public half is unknown".to_owned()))?);
        let pair = KeyPair::try_from(der.as_slice()).map_err(|e| PkiError::Key(e.to_string()))?;
        Ok(Self(Arc::new(Zeroizing::new(pair))))
    }

    /// What kind of key it is; `None` for one that is never made here.
    #[must_use]
    pub fn key_type(&self) -> Option<KeyType> {
        let algorithm = self.0.algorithm();
        if *algorithm == rcgen::PKCS_ECDSA_P256_SHA256 {
            return Some(KeyType::P256);
        }
        if *algorithm == rcgen::PKCS_ECDSA_P384_SHA384 {
            return Some(KeyType::P384);
        }
        // Modulus, exponent and what stands around them.
        match self.spki().len() {
            294 => Some(KeyType::Rsa2048),
            422 => Some(KeyType::Rsa3072),
            550 => Some(KeyType::Rsa4096),
            _ => None,
        }
    }

    /// The key as PEM, in the encoding it was read or made in (PKCS#8 for keys made here).
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        let der = self.der();
        let tag = match der {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        Zeroizing::new(pem::block(tag, self.0.serialized_der()))
    }

    /// The key's DER in its own encoding. The copy is the caller's to wipe.
    #[must_use]
    pub fn der(&self) -> PrivateKeyDer<'static> {
        let der = self.0.serialized_der();
        PrivateKeyDer::try_from(der).expect("it was read as a private key").clone_key()
    }

    /// The public half as PEM (SPKI).
    #[must_use]
    pub fn public_pem(&self) -> String {
        pem::block("PUBLIC KEY", &self.spki())
    }

    /// The public half as DER (`SubjectPublicKeyInfo`).
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }

    /// The public half as the bits of its own algorithm; for P-256 the uncompressed point.
    #[must_use]
    pub fn public_raw(&self) -> &[u8] {
        self.0.public_key_raw()
    }

    /// For signing requests and certificates inside this room.
    pub(super) fn pair(&self) -> &KeyPair {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

// `Zeroizing` does the wiping; this keeps the promise checked by the compiler.
const _: fn() = || {
    fn wipes<T: Zeroize>() {}
    wipes::<KeyPair>();
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_as_itself_and_never_prints() {
        let key = PrivateKey::generate(KeyType::P256);
        let again = PrivateKey::from_pem(key.to_pem().as_bytes()).expect("its own PEM");
        assert_eq!(key.spki(), again.spki());
        assert!(key.to_pem().starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert_eq!(format!("{key:?}"), "PrivateKey(..)");
        assert_eq!(key.public_raw().len(), 65);
    }

    #[test]
    fn every_kind_of_key_is_made_and_read_again() {
        for kind in KeyType::ALL {
            let key = PrivateKey::generate(kind);
            let again = PrivateKey::from_pem(key.to_pem().as_bytes()).expect("its own PEM");
            assert_eq!(key.spki(), again.spki(), "{}", kind.as_str());
            assert_eq!(again.key_type(), Some(kind));
        }
        let bits = |kind| PrivateKey::generate(kind).spki().len() * 8;
        assert!(bits(KeyType::Rsa3072) > 3072 && bits(KeyType::Rsa2048) < 3072);
    }

    #[test]
    fn keys_of_other_programs_become_pkcs8() {
        for words in [
            "openssl ecparam -name prime256v1 -genkey -noout",
            "openssl ecparam -name secp384r1 -genkey -noout",
            "openssl genrsa -traditional 2048",
        ] {
            let made = std::process::Command::new("sh").args(["-c", words]).output().expect("openssl");
            let key = PrivateKey::from_pem(&made.stdout).expect(words);
            assert!(!key.to_pem().starts_with("-----BEGIN PRIVATE KEY"), "{words}");
            let again = key.clone().into_pkcs8().expect(words);
            assert!(again.to_pem().starts_with("-----BEGIN PRIVATE KEY"), "{words}");
            assert_eq!((key.spki(), key.key_type()), (again.spki(), again.key_type()), "{words}");
        }
    }

    #[test]
    fn what_is_no_key_says_so() {
        let public = PrivateKey::generate(KeyType::P256).public_pem();
        assert!(matches!(PrivateKey::from_pem(public.as_bytes()), Err(PkiError::Pem { .. })));
        assert!(
            PrivateKey::from_pem(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").is_err()
        );
        assert!(PrivateKey::from_pem(b"").is_err());
    }
}
