//! Traefik's `acme.json`: an object for each resolver, with its account and all of its certificates.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::directories::of_url;
use super::files::{LARGEST_OF_MANY, bounded};
use super::{Found, Member, Trove};
use crate::ops::OpsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resolver {
    account: Option<Account>,
    certificates: Option<Vec<Certificate>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    email: Option<String>,
    registration: Option<Registration>,
}

#[derive(Deserialize)]
struct Registration {
    uri: Option<String>,
}

#[derive(Deserialize)]
struct Certificate {
    domain: Domain,
    certificate: String,
    key: String,
}

#[derive(Deserialize)]
struct Domain {
    main: String,
}

pub(super) fn find(path: &Path, configured: &str) -> Result<Trove, OpsError> {
    let text = bounded(path, LARGEST_OF_MANY).map(Zeroizing::new).map_err(OpsError::file("read", path))?;
    let resolvers: BTreeMap<String, Resolver> = serde_json::from_slice(&text).map_err(|error| {
        OpsError::Refused(format!("{} is not what Traefik writes: {error}", path.display()))
    })?;
    let mut trove = Trove::default();
    for (resolver, Resolver { account, certificates }) in resolvers {
        let url = account.as_ref().and_then(|account| account.registration.as_ref()?.uri.clone());
        let directory = url.as_ref().and_then(|url| of_url(url, configured));
        for certificate in certificates.into_iter().flatten() {
            let from = format!("{}: {resolver}: {}", path.display(), certificate.domain.main);
            let decoded = |text: &str| BASE64_STANDARD.decode(text);
            match (decoded(&certificate.certificate), decoded(&Zeroizing::new(certificate.key))) {
                (Ok(chain), Ok(key)) => trove.certificates.push(Found {
                    from,
                    primary: Some(certificate.domain.main),
                    chain,
                    key: Zeroizing::new(key),
                    directory: directory.clone(),
                }),
                _ => trove.incomplete.push((from, "not base64".to_owned())),
            }
        }
        trove.accounts.extend(account.map(|account| Member {
            from: format!("{}: {resolver}", path.display()),
            directory,
            url,
            contacts: account.email.map(|email| format!("mailto:{email}")).into_iter().collect(),
            // Traefik makes RSA keys for accounts, and no others.
            key: None,
        }));
    }
    Ok(trove)
}
