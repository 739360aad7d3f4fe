//! Revoking a certificate (RFC 8555 section 7.6).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use instant_acme::Error;
use serde_json::json;
use tracing::info;

use super::AcmeIssuer;
use super::failure::{self, kind_of};
use super::jws::{Sender, Signer};
use super::nonce::insist;
use crate::issuer::{By, IssueError, Reason};
use crate::pki::{Leaf, PkiError};

impl AcmeIssuer {
    pub(super) async fn revoke_here(
        &self,
        leaf: &Leaf,
        reason: Reason,
        by: By<'_>,
    ) -> Result<(), IssueError> {
        let _used = self.membership.in_use().await;
        let http = self.connector.http();
        let explain = |error| failure::explain(error, &self.directory, &http, self.clock.now());
        let directory = insist!(http, http.directory()).map_err(explain)?;
        let Some(url) = directory.revoke_cert else {
            let detail = "it takes no revocations".to_owned();
            return Err(IssueError::Refused { directory: self.directory.clone(), detail, for_good: true });
        };
        let (signer, account) = match by {
            By::Account => {
                let (signer, account) = self.membership.signer(&http).await?;
                (signer, Some(account))
            }
            By::Key(key) if key.spki() == leaf.spki() => (Signer::new(key).map_err(explain)?, None),
            By::Key(_) => {
                return Err(PkiError::Mismatch("the certificate is for another key".to_owned()).into());
            }
        };
        let sender = account.as_deref().map_or(Sender::Key, Sender::Account);
        let certificate = BASE64_URL_SAFE_NO_PAD.encode(leaf.der());
        let payload = json!({ "certificate": certificate, "reason": reason.code() });
        let serial = leaf.serial();
        match signer.post(&http, &url, sender, Some(&payload)).await {
            Ok(_) => info!(serial, reason = reason.as_str(), account, "revoked the certificate"),
            Err(Error::Api(problem)) if kind_of(&problem) == "alreadyRevoked" => {
                info!(serial, "the certificate had been revoked before");
            }
            Err(error) => return Err(explain(error)),
        }
        Ok(())
    }
}
