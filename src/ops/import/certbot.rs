//! Certbot's configuration directory: `live/NAME/` with links to the newest files, `renewal/NAME.conf`, `accounts/`.

use std::path::Path;

use zeroize::Zeroizing;

use super::files::{exists, holding, list, name, perhaps, setting};
use super::registration::Registration;
use super::{Found, Member, Trove};
use crate::ops::OpsError;

pub(super) fn find(root: &Path) -> Result<Trove, OpsError> {
    exists(root)?;
    let mut trove = Trove::default();
    for live in list(&root.join("live"))?.into_iter().filter(|path| path.is_dir()) {
        let (chain, key) = (perhaps(&live.join("fullchain.pem"))?, perhaps(&live.join("privkey.pem"))?);
        let (Some(chain), Some(key)) = (chain, key) else {
            trove
                .incomplete
                .push((live.display().to_string(), "fullchain.pem or privkey.pem is missing".to_owned()));
            continue;
        };
        let renewal = perhaps(&root.join("renewal").join(format!("{}.conf", name(&live))))?;
        trove.certificates.push(Found {
            from: live.display().to_string(),
            primary: None,
            chain,
            key: Zeroizing::new(key),
            directory: renewal.and_then(|text| setting(&text, "server")),
        });
    }
    let accounts = root.join("accounts");
    for folder in holding(&accounts, "private_key.json")? {
        // `accounts/<host>/<path>/<id>`.
        let server = folder.parent().and_then(|server| server.strip_prefix(&accounts).ok()?.to_str());
        let registration = perhaps(&folder.join("regr.json"))?
            .and_then(|text| serde_json::from_slice::<Registration>(&text).ok());
        trove.accounts.push(Member {
            from: folder.display().to_string(),
            directory: server.map(|server| format!("https://{server}")),
            url: registration.as_ref().and_then(|registration| registration.uri.clone()),
            contacts: registration
                .and_then(|registration| registration.body)
                .map(|body| body.contact)
                .unwrap_or_default(),
            // Certbot makes RSA keys for accounts, and no others.
            key: None,
        });
    }
    Ok(trove)
}
