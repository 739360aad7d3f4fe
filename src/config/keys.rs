//! The keys of certificates.

use super::check::Checker;
use crate::pki::KeyType;

impl Checker<'_> {
    pub(super) fn key_type(&mut self) -> KeyType {
        let words = self.layer.key_type.clone();
        let chosen = self.one_of(words.as_ref(), &KeyType::ALL.map(KeyType::as_str));
        KeyType::ALL.into_iter().find(|kind| Some(kind.as_str()) == chosen).unwrap_or_default()
    }

    pub(super) fn reuse_key(&self) -> bool {
        self.layer.reuse_key.as_ref().is_some_and(|reuse| reuse.value)
    }
}
