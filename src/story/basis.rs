//! What a moment of renewal was computed from.

use serde::{Deserialize, Serialize};

use super::{Moment, Text};

/// A moment of renewal with its rule, and the values that went into it with their sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// When it is renewed.
    pub renew_at: Moment,
    /// How that was found.
    pub rule: Text,
    /// The item that is to be renewed.
    pub item: Text,
    /// Its first moment of validity.
    pub not_before: Moment,
    /// Its last moment of validity.
    pub not_after: Moment,
    /// Where these were read.
    pub source: Text,
    /// The window that its CA named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// A window to renew in (RFC 9773).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its first moment.
    pub start: Moment,
    /// The first moment after it.
    pub end: Moment,
    /// A page that tells people why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Text>,
}
