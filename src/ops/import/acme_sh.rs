//! acme.sh's home: a folder for each certificate, named after its first name, with `_ecc` if its key is no RSA key;
//! `ca/`.

use std::path::Path;

use zeroize::Zeroizing;

use super::files::{exists, holding, list, name, perhaps, setting};
use super::{Found, Member, Trove};
use crate::ops::OpsError;

pub(super) fn find(root: &Path) -> Result<Trove, OpsError> {
    exists(root)?;
    let mut trove = Trove::default();
    for folder in list(root)? {
        let domain = name(&folder).strip_suffix("_ecc").unwrap_or(name(&folder));
        // Whatever else is there has no such file.
        let Some(conf) = perhaps(&folder.join(format!("{domain}.conf")))? else { continue };
        let (chain, key) =
            (perhaps(&folder.join("fullchain.cer"))?, perhaps(&folder.join(format!("{domain}.key")))?);
        let (Some(chain), Some(key)) = (chain, key) else {
            trove
                .incomplete
                .push((folder.display().to_string(), format!("fullchain.cer or {domain}.key is missing")));
            continue;
        };
        trove.certificates.push(Found {
            from: folder.display().to_string(),
            primary: Some(domain.to_owned()),
            chain,
            key: Zeroizing::new(key),
            directory: setting(&conf, "Le_API"),
        });
    }
    let cas = root.join("ca");
    for folder in holding(&cas, "account.key")? {
        let Some(key) = perhaps(&folder.join("account.key"))? else { continue };
        let conf = perhaps(&folder.join("ca.conf"))?.unwrap_or_default();
        // `ca/<host>/<path>`.
        let server = folder.strip_prefix(&cas).ok().and_then(|server| server.to_str());
        trove.accounts.push(Member {
            from: folder.display().to_string(),
            directory: server.map(|server| format!("https://{server}")),
            url: setting(&conf, "ACCOUNT_URL"),
            contacts: setting(&conf, "CA_EMAIL").map(|email| format!("mailto:{email}")).into_iter().collect(),
            key: Some(Zeroizing::new(key)),
        });
    }
    Ok(trove)
}
