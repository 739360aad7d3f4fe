//! The CAs: `[acme]` has the preferred one, and each `[[acme.fallback]]` another.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::check::Checker;
use super::profiles::{self, LETSENCRYPT, LETSENCRYPT_STAGING};
use super::settings::{Ca, KeptLimits};
use super::written::{CaWritten, Words};
use crate::issuer::{Binding, Profile};

/// CAs of the public web: none of them signs a name that only a house knows.
const PUBLIC_CAS: &[&str] = &[
    "acme-v02.api.letsencrypt.org",
    "acme-staging-v02.api.letsencrypt.org",
    "acme.zerossl.com",
    "dv.acme-v02.api.pki.goog",
    "dv.acme-v02.test-api.pki.goog",
    "acme.ssl.com",
    "api.buypass.com",
];

/// Shorter keys do not protect anything; CAs give 32 bytes and more.
const LEAST_EAB_KEY: usize = 16;
const EAB_KEY: &str = "a file with the HMAC key as the CA has given it, in base64url";

const DIRECTORY: &str = "an https:// URL, such as https://acme.zerossl.com/v2/DV90";
const ROOT: &str = "a PEM file with the root certificate";

impl Checker<'_> {
    /// The CA of `[acme]`.
    pub(super) fn preferred(&mut self) -> Ca {
        let written = std::mem::take(&mut self.layer.ca);
        let staging = self.layer.staging.as_ref().filter(|staging| staging.value);
        let directory = match (&written.directory, staging) {
            (Some(directory), Some(staging)) => {
                let what = format!("{} is set as well", directory.name());
                self.faults.push(staging.fault(what).accepted("one of the two"));
                LETSENCRYPT.to_owned()
            }
            (Some(words), None) => self.directory(words, &format!("an https:// URL, such as {LETSENCRYPT}")),
            (None, Some(_)) => LETSENCRYPT_STAGING.to_owned(),
            (None, None) => LETSENCRYPT.to_owned(),
        };
        self.ca(directory, &written)
    }

    /// The CAs that are asked in its stead. They write to the same address, unless another one is given.
    pub(super) fn fallback(&mut self, preferred: &Ca) -> Vec<Ca> {
        let mut cas: Vec<Ca> = Vec::new();
        for (place, written) in std::mem::take(&mut self.layer.fallback) {
            let Some(words) = &written.directory else {
                self.missing(&place, "acme.fallback.directory", "missing", DIRECTORY);
                continue;
            };
            let directory = self.directory(words, DIRECTORY);
            let what = if cas.iter().chain([preferred]).any(|ca| ca.directory == directory) {
                Some(("this CA is asked already", "each CA once"))
            } else if directory == LETSENCRYPT_STAGING {
                Some(("no browser trusts the certificates of this CA", "a CA that is no staging environment"))
            } else {
                None
            };
            let fault = what.map(|(what, accepted)| words.fault(what).accepted(accepted));
            self.faults.extend(fault);
            let mut ca = self.ca(directory, &written);
            ca.email = ca.email.or_else(|| preferred.email.clone());
            cas.push(ca);
        }
        cas
    }

    fn ca(&mut self, directory: String, written: &CaWritten) -> Ca {
        Ca {
            own: !PUBLIC_CAS.contains(&host_of(&directory).unwrap_or_default()),
            email: self.email(written.email.as_ref()),
            api_root: self.pem(written.api_root.as_ref()),
            issuance_root: self.pem(written.issuance_root.as_ref()),
            preferred_chain: self.preferred_chain(written.preferred_chain.as_ref()),
            binding: self.binding(written),
            profile: self.profile(&directory, written),
            limits: self.limits(written.limits.as_ref()),
            directory,
        }
    }

    fn directory(&mut self, words: &Words, accepted: &str) -> String {
        if host_of(&words.value).is_none() {
            let what = format!("{:?} is not the URL of an ACME directory", words.value);
            self.faults.push(words.fault(what).accepted(accepted));
        }
        words.value.clone()
    }

    fn email(&mut self, words: Option<&Words>) -> Option<String> {
        let words = words?;
        let parts = words.value.split_once('@');
        let odd = |c: char| c.is_whitespace() || c.is_control() || [',', ':', '<', '>', '@'].contains(&c);
        let fine = parts.is_some_and(|(who, at)| !who.is_empty() && at.contains('.') && !at.contains(odd));
        if !fine || words.value.contains(|c| odd(c) && c != '@') {
            let what = format!("{:?} is not an e-mail address", words.value);
            self.faults.push(words.fault(what).accepted("one address, such as ops@example.org"));
        }
        Some(words.value.clone())
    }

    fn pem(&mut self, words: Option<&Words>) -> Option<Vec<u8>> {
        let words = words?;
        match (self.read)(words) {
            Ok(bytes) if contains(&bytes, b"-----BEGIN CERTIFICATE-----") => Some(bytes),
            Ok(_) => {
                let what = format!("{} holds no certificate", words.path().display());
                self.faults.push(words.fault(what).accepted(ROOT));
                None
            }
            Err(error) => {
                self.faults.push(words.fault(error).accepted(ROOT));
                None
            }
        }
    }

    fn preferred_chain(&mut self, words: Option<&Words>) -> Option<String> {
        let words = words?;
        if words.value.trim().is_empty() || words.value.contains(char::is_control) {
            let fault = words.fault(format!("{:?} is not the name of a CA", words.value));
            self.faults.push(fault.accepted("the common name of a root, such as \"ISRG Root X1\""));
        }
        Some(words.value.clone())
    }

    fn binding(&mut self, written: &CaWritten) -> Option<Binding> {
        let (kid, file) = match (&written.eab_kid, &written.eab_key) {
            (Some(kid), Some(file)) => (kid, file),
            (None, None) => return None,
            (Some(one), None) | (None, Some(one)) => {
                let fault = one.fault("eab_kid and eab_key are of use only together");
                self.faults.push(fault.accepted("both, as the CA has given them"));
                return None;
            }
        };
        // CAs write the key with padding or without.
        let decoded = (self.read)(file).and_then(|text| {
            let text = Zeroizing::new(text);
            let bare = text.split(|b| *b == b'=').next().unwrap_or_default();
            let key = BASE64_URL_SAFE_NO_PAD.decode(bare.trim_ascii());
            key.map_err(|_| format!("{} holds no key in base64url", file.path().display()))
        });
        match decoded {
            Ok(key) if key.len() >= LEAST_EAB_KEY => {
                Some(Binding { kid: kid.value.clone(), key: Zeroizing::new(key) })
            }
            Ok(_) => {
                let what = format!("the key in {} is too short", file.path().display());
                self.faults.push(file.fault(what).accepted(EAB_KEY));
                None
            }
            Err(what) => {
                self.faults.push(file.fault(what).accepted(EAB_KEY));
                None
            }
        }
    }

    fn profile(&mut self, directory: &str, written: &CaWritten) -> Option<Profile> {
        let required = written.profile_required.as_ref().filter(|required| required.value);
        let Some(words) = &written.profile else {
            if let Some(required) = required {
                let fault = required.fault("no profile is named that could be required");
                self.faults.push(fault.accepted("profile beside it, such as \"shortlived\""));
            }
            return None;
        };
        if words.value.is_empty() || !words.value.bytes().all(|b| b.is_ascii_graphic()) {
            let fault = words.fault(format!("{:?} is not the name of a profile", words.value));
            self.faults.push(fault.accepted("a name that the CA's directory lists, such as shortlived"));
        } else if let Some(known) = profiles::of(directory).filter(|known| !known.contains(&&*words.value)) {
            let fault = words.fault(format!("{:?} is none of Let's Encrypt's profiles", words.value));
            self.faults.push(fault.known(&words.value, &known));
        }
        Some(Profile { name: words.value.clone(), required: required.is_some() })
    }

    fn limits(&mut self, words: Option<&Words>) -> Option<KeptLimits> {
        match self.one_of(words, &["letsencrypt", "none"])? {
            "letsencrypt" => Some(KeptLimits::Letsencrypt),
            _ => Some(KeptLimits::None),
        }
    }
}

/// The host of an `https://` URL.
fn host_of(url: &str) -> Option<&str> {
    let uri: http::Uri = url.parse().ok()?;
    let host = uri.host().filter(|host| !host.is_empty() && uri.scheme_str() == Some("https"))?;
    let start = url.find(host)?;
    url.get(start..start + host.len())
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}
