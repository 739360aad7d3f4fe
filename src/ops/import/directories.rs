//! Which CA a URL belongs to, where a program notes no directory.

/// The directories of the CAs that most certificates come from.
const KNOWN: [&str; 5] = [
    "https://acme-v02.api.letsencrypt.org/directory",
    "https://acme-staging-v02.api.letsencrypt.org/directory",
    "https://acme.zerossl.com/v2/DV90",
    "https://dv.acme-v02.api.pki.goog/directory",
    "https://api.buypass.com/acme/directory",
];

/// The directory of the CA which this URL is one of: the configured one's, or a well-known one's.
pub(super) fn of_url(url: &str, configured: &str) -> Option<String> {
    all(configured).find(|directory| authority(directory) == authority(url)).map(str::to_owned)
}

/// The directory for which this predicate holds.
pub(super) fn matching(configured: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
    all(configured).find(|directory| fits(directory)).map(str::to_owned)
}

/// Host and port.
pub(super) fn authority(url: &str) -> &str {
    without_scheme(url).split(['/', '?', '#']).next().unwrap_or_default()
}

/// A URL from its host on.
pub(super) fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

fn all(configured: &str) -> impl Iterator<Item = &str> {
    std::iter::once(configured).chain(KNOWN)
}
