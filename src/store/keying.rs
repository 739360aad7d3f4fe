//! Which key a certificate is to have.

use crate::pki::{KeyType, PrivateKey};

/// What decides about the key of a draft.
#[derive(Debug, Clone, Default)]
pub struct Keying {
    /// The kind of key.
    pub key_type: KeyType,
    /// This one, where no earlier attempt has left one; without it a new one is made.
    pub reuse: Option<PrivateKey>,
    /// The public halves (`SubjectPublicKeyInfo`) of keys that are not to be used, whoever left them: that somebody
    /// else has, or may have, and that of the certificate before, where a new one is wanted.
    pub barred: Vec<Vec<u8>>,
}

impl Keying {
    /// Whether this key is not to be used.
    #[must_use]
    pub fn is_barred(&self, key: &PrivateKey) -> bool {
        self.barred.contains(&key.spki())
    }
}

impl From<KeyType> for Keying {
    fn from(key_type: KeyType) -> Self {
        Self { key_type, ..Self::default() }
    }
}
