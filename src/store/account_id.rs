//! What an account is called.

use std::fmt;

use super::layout::CURRENT;
use crate::pki::{PrivateKey, crypto};

/// The layout's `uniq_identifier` of an account: one plain name, and not `current`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(Box<str>);

impl AccountId {
    /// That of the account with this key in an ACME directory: `<directory host>-<16 hex of SHA-256 of the directory's
    /// URL and the key's thumbprint>`.
    #[must_use]
    pub(super) fn of(directory: &str, key: &PrivateKey) -> Self {
        // A key of a kind that no account has is known by its SPKI.
        let thumbprint = jwk_thumbprint(key).unwrap_or_else(|| base64url(&crypto::sha256(&key.spki())));
        let of = [directory.as_bytes(), b"\n", thumbprint.as_bytes()].concat();
        let (host, sum) = (host_of(directory), crypto::hex(&crypto::sha256(&of)));
        Self::parse(&format!("{host}-{}", &sum[..16])).expect("a cleaned host and hex are a plain name")
    }

    /// Reads an id from a directory's name; `None` if it cannot be one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let fits = (1..=200).contains(&name.len())
            && name != CURRENT
            && !name.starts_with('.')
            && name.bytes().all(plain);
        fits.then(|| Self(name.into()))
    }

    /// The id as it stands on disk.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The host in a URL, in lower case, with `_` for what is neither letter, digit, `-` nor `.`.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    // A port, unless the colon belongs to an address in brackets.
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => host,
    };
    let plain = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || c == '-' || c == '.' => c,
        _ => '_',
    };
    let host: String = host.chars().take(100).map(plain).collect();
    if host.is_empty() || host.starts_with('.') { format!("ca{host}") } else { host }
}

/// The key's JWK thumbprint (RFC 7638), base64url; `None` for a key of a kind that no account has.
pub(super) fn jwk_thumbprint(key: &PrivateKey) -> Option<String> {
    let [4, point @ ..] = key.public_raw() else { return None };
    let (x, y) = point.split_at_checked(32).filter(|(_, y)| y.len() == 32)?;
    let (x, y) = (base64url(x), base64url(y));
    let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Some(base64url(&crypto::sha256(jwk.as_bytes())))
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, b| (bits << 8) | u32::from(*b)) << (8 * (3 - three.len()));
        for i in 0..=three.len() {
            let six = (bits >> (18 - 6 * i)) & 63;
            text.push(char::from(ALPHABET[six as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_is_that_of_rfc_4648() {
        for (plain, coded) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64url(plain.as_bytes()), coded);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn hosts_become_plain_names() {
        for (url, host) in [
            ("https://acme-v02.api.letsencrypt.org/directory", "acme-v02.api.letsencrypt.org"),
            ("https://LOCALHOST:14000/dir", "localhost"),
            ("https://[::1]:14000/dir", "_..1_"),
            ("https://user@ca.example/..", "ca.example"),
            ("../../etc", "ca.."),
            ("", "ca"),
        ] {
            let expected = host.replace("_..1_", "___1_");
            assert_eq!(host_of(url), expected, "{url}");
            let key = PrivateKey::generate(crate::pki::KeyType::P256);
            assert!(AccountId::of(url, &key).as_str().starts_with(&expected));
        }
    }
}
