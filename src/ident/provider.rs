//! Who issues a certificate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::NameError;

/// Who issues: part of a lineage's identity, and spelled the same on disk and in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// An ACME CA, whichever directory is configured; the item's `issuance.json` names it.
    Letsencrypt,
    /// The certificate's own key.
    Selfsigned,
}

impl Provider {
    /// The provider as it is spelled on disk.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Letsencrypt => "letsencrypt",
            Self::Selfsigned => "selfsigned",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Provider {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        match given {
            "letsencrypt" => Ok(Self::Letsencrypt),
            "selfsigned" => Ok(Self::Selfsigned),
            _ => Err(NameError::new(given, "a provider is letsencrypt or selfsigned")),
        }
    }
}
