//! What an account at a provider is opened with.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::CloudError;

/// Secrets by their names.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials(BTreeMap<String, Zeroizing<String>>);

impl Credentials {
    /// Reads words such as `token=…` with white space between them and comments after `#`, or an object of JSON whose
    /// values are strings, as some providers hand out their keys.
    pub(super) fn parse(text: &str) -> Result<Self, CloudError> {
        if text.trim_start().starts_with('{') {
            let object: BTreeMap<String, String> =
                serde_json::from_str(text).map_err(|_| CloudError::Form(1))?;
            return Ok(Self(object.into_iter().map(|(name, value)| (name, value.into())).collect()));
        }
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let words = lines.flat_map(str::split_whitespace).enumerate();
        let pair = |(index, word): (usize, &str)| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned().into())),
            _ => Err(CloudError::Form(index + 1)),
        };
        words.map(pair).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    /// What is known to be there; else nothing.
    pub(super) fn the(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The same, for those who keep it.
    pub(super) fn owned(&self, name: &str) -> String {
        self.the(name).to_owned()
    }

    /// All of it, as an object of JSON.
    pub(super) fn json(&self) -> String {
        let object: BTreeMap<&str, &str> =
            self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        serde_json::json!(object).to_string()
    }

    /// The text without what is secret, whether it stands there as it is or as a URL has it.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut values: Vec<_> = self.0.values().filter(|value| !value.is_empty()).collect();
        // One may be the beginning of another.
        values.sort_by_key(|value| Reverse(value.len()));
        values.into_iter().fold(text.to_owned(), |text, value| {
            let in_url = form_urlencoded(value);
            text.replace(value.as_str(), "…").replace(in_url.as_str(), "…")
        })
    }
}

/// As a value stands in the query of a URL.
fn form_urlencoded(value: &str) -> Zeroizing<String> {
    let mut encoded = Zeroizing::new(String::new());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => encoded.push(byte.into()),
            b' ' => encoded.push('+'),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}
