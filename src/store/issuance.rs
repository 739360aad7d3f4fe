//! Where a certificate comes from: the small record beside the layout's eleven files.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// `issuance.json`. In a draft it is what a later attempt goes on from; in an item it never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuance {
    /// The ACME directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The order's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The URL of the account that placed the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What the order said it replaces (RFC 9773 section 5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Why the order did not say so, where there was a certificate to replace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_replacing: Option<String>,
    /// The CA's profile, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// By which kind of challenge each name was validated last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub validated: BTreeMap<String, String>,
    /// The kinds that were configured by then, the preferred one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub challenges: Vec<String>,
    /// The kind of key, as configuration spells it.
    #[serde(default)]
    pub key_type: String,
    /// Why the certificate was made, in words.
    #[serde(default)]
    pub why: String,
    /// When this was written down.
    #[serde(with = "super::moment::at")]
    pub noted: SystemTime,
}

impl Issuance {
    /// One that says nothing but this: no CA had anything to do with it.
    #[must_use]
    pub fn new(key_type: impl Into<String>, why: impl Into<String>, noted: SystemTime) -> Self {
        Self {
            directory: None,
            order: None,
            account: None,
            replaces: None,
            not_replacing: None,
            profile: None,
            validated: BTreeMap::new(),
            challenges: Vec::new(),
            key_type: key_type.into(),
            why: why.into(),
            noted,
        }
    }
}
