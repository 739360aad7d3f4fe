//! Caddy's data directory: `certificates/<CA>/<name>/`, `acme/<CA>/users/<e-mail>/`.

use std::path::Path;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::directories::{matching, without_scheme};
use super::files::{exists, list, name, perhaps};
use super::{Found, Member, Trove};
use crate::ops::OpsError;

/// `NAME.json` beside a certificate.
#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    sans: Vec<String>,
    issuer_data: Option<Issuer>,
}

#[derive(Deserialize)]
struct Issuer {
    ca: Option<String>,
}

/// The note of an account.
#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    contact: Vec<String>,
    location: Option<String>,
}

/// The CA of Caddy itself, whose certificates live for hours.
const LOCAL: &str = "local";

pub(super) fn find(root: &Path, configured: &str) -> Result<Trove, OpsError> {
    exists(root)?;
    let mut trove = Trove::default();
    let directory = |ca: &str| matching(configured, |directory| folder_of(directory) == ca);
    for ca in list(&root.join("certificates"))? {
        if name(&ca) == LOCAL {
            trove.remarks.push(format!("{}: made by Caddy's own CA; passed over", ca.display()));
            continue;
        }
        for folder in list(&ca)? {
            let beside = |ending: &str| perhaps(&folder.join(format!("{}.{ending}", name(&folder))));
            let (Some(chain), Some(key)) = (beside("crt")?, beside("key")?) else {
                trove
                    .incomplete
                    .push((folder.display().to_string(), "its certificate or its key is missing".to_owned()));
                continue;
            };
            let resource = beside("json")?.and_then(|text| serde_json::from_slice::<Resource>(&text).ok());
            let (sans, issuer) =
                resource.map_or((Vec::new(), None), |resource| (resource.sans, resource.issuer_data));
            trove.certificates.push(Found {
                from: folder.display().to_string(),
                primary: sans.into_iter().next(),
                chain,
                key: Zeroizing::new(key),
                directory: issuer.and_then(|issuer| issuer.ca).or_else(|| directory(name(&ca))),
            });
        }
    }
    for ca in list(&root.join("acme"))? {
        for user in list(&ca.join("users"))? {
            // Named after what stands before the @.
            for key in
                list(&user)?.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "key"))
            {
                let Some(pem) = perhaps(&key)? else { continue };
                let account = perhaps(&key.with_extension("json"))?;
                let account = account.and_then(|text| serde_json::from_slice::<Account>(&text).ok());
                let (contacts, url) =
                    account.map_or((Vec::new(), None), |account| (account.contact, account.location));
                trove.accounts.push(Member {
                    from: user.display().to_string(),
                    directory: directory(name(&ca)),
                    url: url.filter(|url| !url.is_empty()),
                    contacts,
                    key: Some(Zeroizing::new(pem)),
                });
            }
        }
    }
    Ok(trove)
}

/// The folder of a CA: its URL with hyphens for slashes.
fn folder_of(directory: &str) -> String {
    without_scheme(directory).replace('/', "-")
}
