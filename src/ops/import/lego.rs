//! lego's path: `certificates/` with four files each, `accounts/<host>/<email>/`.

use std::path::Path;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::directories::{authority, matching, of_url};
use super::files::{exists, list, name, perhaps};
use super::registration::Registration;
use super::{Found, Member, Trove};
use crate::ops::OpsError;
use crate::pki::pem;

/// `certificates/NAME.json`.
#[derive(Deserialize)]
struct Resource {
    domain: Option<String>,
    #[serde(rename = "certUrl")]
    url: Option<String>,
}

/// `account.json`.
#[derive(Deserialize)]
struct Account {
    registration: Option<Registration>,
}

pub(super) fn find(root: &Path, configured: &str) -> Result<Trove, OpsError> {
    exists(root)?;
    let mut trove = Trove::default();
    for path in list(&root.join("certificates"))? {
        let Some(stem) = name(&path).strip_suffix(".crt").filter(|stem| !stem.ends_with(".issuer")) else {
            continue;
        };
        let beside = |ending: &str| perhaps(&path.with_file_name(format!("{stem}.{ending}")));
        let (Some(mut chain), Some(key)) = (perhaps(&path)?, beside("key")?) else {
            trove.incomplete.push((path.display().to_string(), "its key is missing".to_owned()));
            continue;
        };
        // Without its bundle the certificate stands alone, and the issuer's beside it.
        if pem::certificates(&chain).is_ok_and(|all| all.len() == 1) {
            chain.push(b'\n');
            chain.extend(beside("issuer.crt")?.unwrap_or_default());
        }
        let resource = beside("json")?.and_then(|text| serde_json::from_slice::<Resource>(&text).ok());
        let (domain, url) = resource.map_or((None, None), |resource| (resource.domain, resource.url));
        trove.certificates.push(Found {
            from: path.display().to_string(),
            primary: domain,
            chain,
            key: Zeroizing::new(key),
            directory: url.and_then(|url| of_url(&url, configured)),
        });
    }
    for server in list(&root.join("accounts"))? {
        for folder in list(&server)? {
            let Some(key) = perhaps(&folder.join("keys").join(format!("{}.key", name(&folder))))? else {
                continue;
            };
            let account = perhaps(&folder.join("account.json"))?;
            let account = account.and_then(|text| serde_json::from_slice::<Account>(&text).ok());
            let registration = account.and_then(|account| account.registration);
            let (url, body) =
                registration.map_or((None, None), |registration| (registration.uri, registration.body));
            trove.accounts.push(Member {
                from: folder.display().to_string(),
                // A colon before a port cannot stand in a folder's name everywhere.
                directory: matching(configured, |directory| {
                    authority(directory).replace(':', "_") == name(&server)
                }),
                url,
                contacts: body.map(|body| body.contact).unwrap_or_default(),
                key: Some(Zeroizing::new(key)),
            });
        }
    }
    Ok(trove)
}
