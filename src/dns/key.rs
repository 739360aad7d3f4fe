//! A secret shared with a DNS server.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::ident::Fqdn;

/// A key for signing messages (TSIG, RFC 8945). Its secret is never shown, and wiped with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    name: Fqdn,
    algorithm: Algorithm,
    secret: Zeroizing<Vec<u8>>,
}

/// How a key signs. Those that RFC 8945 section 6 discourages are not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-384.
    HmacSha384,
    /// HMAC with SHA-512.
    HmacSha512,
}

/// A text holds no key. The message never has the secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// It has neither of the two forms.
    #[error("this is not a TSIG key")]
    Form,
    /// A key's name is a name in the DNS.
    #[error("its name cannot be the name of a key")]
    Name,
    /// Not one of ours.
    #[error("{0} is not an algorithm we sign with")]
    Algorithm(String),
    /// The secret cannot be decoded.
    #[error("the secret is not base64")]
    Secret,
}

impl Key {
    /// Reads a key in either of two forms: `algorithm:name:secret`, which is what `nsupdate -y` takes, and the `key`
    /// statement that `tsig-keygen` writes.
    ///
    /// # Errors
    ///
    /// [`KeyError`], without a word of the secret.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let parts: Vec<&str> = text.split(':').collect();
        let (algorithm, name, secret) = match parts[..] {
            [algorithm, name, secret] => (algorithm, name, secret),
            _ => statement(text).ok_or(KeyError::Form)?,
        };
        let algorithm = Algorithm::of(algorithm).ok_or_else(|| KeyError::Algorithm(shown(algorithm)))?;
        let name = Fqdn::parse(name).map_err(|_| KeyError::Name)?;
        let secret = STANDARD.decode(secret).map(Zeroizing::new).map_err(|_| KeyError::Secret)?;
        if secret.is_empty() {
            return Err(KeyError::Secret);
        }
        Ok(Self { name, algorithm, secret })
    }

    /// By which the server knows it.
    #[must_use]
    pub fn name(&self) -> &Fqdn {
        &self.name
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        hmac::sign(&self.hmac(), bytes).as_ref().to_vec()
    }

    pub(super) fn is_signature(&self, signed: &[u8], signature: &[u8]) -> bool {
        hmac::verify(&self.hmac(), signed, signature).is_ok()
    }

    fn hmac(&self) -> hmac::Key {
        let algorithm = match self.algorithm {
            Algorithm::HmacSha256 => hmac::HMAC_SHA256,
            Algorithm::HmacSha384 => hmac::HMAC_SHA384,
            Algorithm::HmacSha512 => hmac::HMAC_SHA512,
        };
        hmac::Key::new(algorithm, &self.secret)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} {})", self.algorithm.as_str(), self.name)
    }
}

impl Algorithm {
    /// Every one, as RFC 8945 spells it.
    pub const NAMES: [&str; 3] = ["hmac-sha256", "hmac-sha384", "hmac-sha512"];

    /// As RFC 8945 spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => Self::NAMES[0],
            Self::HmacSha384 => Self::NAMES[1],
            Self::HmacSha512 => Self::NAMES[2],
        }
    }

    fn of(name: &str) -> Option<Self> {
        let all = [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];
        all.into_iter().find(|algorithm| algorithm.as_str() == name.to_ascii_lowercase())
    }
}

/// What stands in place of an algorithm, unless it could be a secret in the wrong place.
fn shown(word: &str) -> String {
    let is_algorithm = word.len() < 20 && word.to_ascii_lowercase().starts_with("hmac-");
    if is_algorithm { word.to_owned() } else { "what stands first".to_owned() }
}

/// Algorithm, name and secret of `key "name" { algorithm …; secret "…"; };`.
fn statement(text: &str) -> Option<(&str, &str, &str)> {
    let lines =
        text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']) && !line.starts_with("//"));
    let mut words = lines
        .flat_map(|line| line.split(|c: char| c.is_whitespace() || ['"', ';', '{', '}'].contains(&c)))
        .filter(|word| !word.is_empty());
    if words.next()? != "key" {
        return None;
    }
    let name = words.next()?;
    let (mut algorithm, mut secret) = (None, None);
    while let Some(word) = words.next() {
        match word {
            "algorithm" => algorithm = words.next(),
            "secret" => secret = words.next(),
            // A second key, or something that is none.
            _ => return None,
        }
    }
    Some((algorithm?, name, secret?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0ISE=";

    #[test]
    fn both_forms_are_one_key() {
        let short = Key::parse(&format!("hmac-sha256:sidegate:{SECRET}\n")).expect("a key");
        let statement =
            format!("# ours\nkey \"Sidegate.\" {{\n\talgorithm HMAC-SHA256;\n\tsecret \"{SECRET}\";\n}};\n");
        assert_eq!(Key::parse(&statement).expect("a key"), short);
        assert_eq!((short.name().as_str(), short.algorithm()), ("sidegate", Algorithm::HmacSha256));
        assert_eq!(format!("{short:?}"), "Key(hmac-sha256 sidegate)");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for (text, error) in [
            (String::new(), KeyError::Form),
            (SECRET.to_owned(), KeyError::Form),
            (format!("sidegate:{SECRET}"), KeyError::Form),
            (format!("key a {{ secret {SECRET}; }};"), KeyError::Form),
            (format!("hmac-md5:sidegate:{SECRET}"), KeyError::Algorithm("hmac-md5".to_owned())),
            (format!("{SECRET}:a:hmac-sha256"), KeyError::Algorithm("what stands first".to_owned())),
            (format!("hmac-sha256:{SECRET}:a"), KeyError::Name),
            (format!("hmac-sha512:side gate:{SECRET}"), KeyError::Name),
            ("hmac-sha512:sidegate:s3cret!".to_owned(), KeyError::Secret),
            ("hmac-sha512:sidegate:".to_owned(), KeyError::Secret),
        ] {
            let said = Key::parse(&text).expect_err("no key");
            assert_eq!(said, error, "{text}");
            assert!(!said.to_string().contains(SECRET) && !said.to_string().contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn signatures_are_those_of_the_standard() {
        // RFC 4231 section 4.3 (test case 2).
        let key = Key::parse("hmac-sha256:k:SmVmZQ==").expect("a key");
        let text = b"what do ya want for nothing?";
        let signature = key.sign(text);
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(crate::pki::crypto::hex(&signature), expected);
        assert!(key.is_signature(text, &signature));
        assert!(!key.is_signature(&text[1..], &signature));
        assert!(!key.is_signature(text, &signature[..16]), "a signature cut short is none");
    }
}
