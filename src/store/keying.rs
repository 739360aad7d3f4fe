//! Which key a certificate is to have.

use crate::pki::{KeyType, PrivateKey};

/// What decides about the key of a draft.
#[derive(Debug, Clone, Default)]
pub struct Keying {
    /// The kind of key.
    pub key_type: KeyType,
    /// This one, where no earlier attempt has left one; without it a new one is made.
    pub reuse: Option<PrivateKey>,
    /// The public halves (`SubjectPublicKeyInfo`) of keys that somebody else has, or may have. None of them is used,
    /// whoever left it.
    pub compromised: Vec<Vec<u8>>,
}

impl Keying {
    /// Whether somebody else may have this key.
    #[must_use]
    pub fn is_compromised(&self, key: &PrivateKey) -> bool {
        self.compromised.contains(&key.spki())
    }
}

impl From<KeyType> for Keying {
    fn from(key_type: KeyType) -> Self {
        Self { key_type, ..Self::default() }
    }
}
