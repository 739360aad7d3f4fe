//! What is known of the profiles of CAs.

use crate::ident::Names;

/// The directory that is asked unless another one is named.
pub(super) const LETSENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// The one that is asked under `--staging`.
pub(super) const LETSENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// The profiles of Let's Encrypt, and how many names a certificate may have under each:
/// <https://letsencrypt.org/docs/profiles/>, as of August 2026.
const OF_LETSENCRYPT: [(&str, usize); 3] = [("classic", Names::MAX), ("tlsserver", 25), ("shortlived", 25)];

/// The profiles of the CA with this directory, where they are known: others tell theirs only when they are asked.
pub(super) fn of(directory: &str) -> Option<[&'static str; 3]> {
    is_known(directory).then(|| OF_LETSENCRYPT.map(|(name, _)| name))
}

/// How many names the CA with this directory puts into one certificate under this profile, as far as that is known.
pub(super) fn most_names(directory: &str, profile: &str) -> usize {
    let known = OF_LETSENCRYPT.iter().find(|(name, _)| is_known(directory) && *name == profile);
    known.map_or(Names::MAX, |(_, most)| *most)
}

fn is_known(directory: &str) -> bool {
    [LETSENCRYPT, LETSENCRYPT_STAGING].contains(&directory)
}
