//! The certificates this machine trusts.

use std::collections::BTreeSet;

/// Roots to verify others with, and where they are from.
#[derive(Debug, Clone)]
pub struct Trust {
    /// DER, without repeats.
    pub roots: Vec<Vec<u8>>,
    /// For the log: `the system` or `the built-in list`.
    pub source: &'static str,
}

/// The system's roots, `SSL_CERT_FILE` and `SSL_CERT_DIR` included; the built-in list (Mozilla's) where
/// the system has none, as in an empty container.
#[must_use]
pub fn roots() -> Trust {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a system certificate could not be read");
    }
    let roots: BTreeSet<Vec<u8>> = found.certs.into_iter().map(|cert| cert.to_vec()).collect();
    if roots.is_empty() {
        built_in()
    } else {
        Trust { roots: roots.into_iter().collect(), source: "the system" }
    }
}

fn built_in() -> Trust {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|cert| cert.to_vec()).collect();
    Trust { roots, source: "the built-in list" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_somebody_to_trust() {
        assert!(!roots().roots.is_empty());
        assert!(built_in().roots.len() > 50);
    }
}
