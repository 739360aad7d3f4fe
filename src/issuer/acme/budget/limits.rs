//! What is known of CAs by their directories: the limits they publish, and where to try things out.

use std::time::Duration;

use super::bucket::Limit;

/// The limits of a CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// New orders of one account.
    pub orders: Limit,
    /// Certificates for the exact same set of names.
    pub set: Limit,
    /// Certificates for one registered domain, or network.
    pub domain: Limit,
    /// Failed validations of one name by one account.
    pub failures: Limit,
    /// The same without a success in between; where nothing is left, the CA pauses the name for the account.
    pub in_a_row: Limit,
    /// New accounts from one address.
    pub accounts: Limit,
    /// How far apart requests are sent that want more than to read.
    pub apart: Duration,
}

const LETSENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
const LETSENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

const fn every(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// An address may ask for twenty nonces in a second, and for more of anything else but new accounts, of which there are
/// few.
const APART: Duration = Duration::from_millis(50);

/// <https://letsencrypt.org/docs/rate-limits/>, as of August 2026.
const PRODUCTION: Limits = Limits {
    orders: Limit::new(300, every(36)),
    set: Limit::new(5, every(34 * HOUR)),
    domain: Limit::new(50, every(202 * MINUTE)),
    failures: Limit::new(5, every(12 * MINUTE)),
    in_a_row: Limit::new(1152, every(24 * HOUR)),
    accounts: Limit::new(10, every(18 * MINUTE)),
    apart: APART,
};

/// <https://letsencrypt.org/docs/staging-environment/>, as of August 2026; the limit by domain is no lower than that
/// by set.
const STAGING: Limits = Limits {
    orders: Limit::new(1500, Duration::from_millis(7_200)),
    set: Limit::new(30_000, every(21)),
    domain: Limit::new(30_000, every(21)),
    failures: Limit::new(200, every(18)),
    in_a_row: Limit::new(1152, every(24 * HOUR)),
    accounts: Limit::new(50, every(216)),
    apart: APART,
};

impl Limits {
    /// What the CA with this directory publishes, if that is known.
    #[must_use]
    pub fn of(directory: &str) -> Option<Self> {
        match directory {
            LETSENCRYPT => Some(PRODUCTION),
            LETSENCRYPT_STAGING => Some(STAGING),
            _ => None,
        }
    }

    /// Let's Encrypt's.
    #[must_use]
    pub fn letsencrypt() -> Self {
        PRODUCTION
    }
}

/// The directory where the CA with this one lets people try things out, if that is known.
#[must_use]
pub(in crate::issuer::acme) fn rehearsal_of(directory: &str) -> Option<&'static str> {
    (directory == LETSENCRYPT).then_some(LETSENCRYPT_STAGING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_known_of_the_cas_that_publish_them() {
        assert_eq!(Limits::of(LETSENCRYPT), Some(PRODUCTION));
        assert_ne!(Limits::of(LETSENCRYPT_STAGING), Some(PRODUCTION));
        assert_eq!(Limits::of("https://ca.example/directory"), None);
        assert_eq!(rehearsal_of(LETSENCRYPT), Some(LETSENCRYPT_STAGING));
        assert_eq!(rehearsal_of(LETSENCRYPT_STAGING), None);
    }
}
