//! Giving an account another key (RFC 8555 section 7.3.5), so that no crash can lose the account.
//!
//! The new key is on disk before the CA hears of it, and the old one stays until the new one is known to be the
//! account's. Whoever finds both asks the CA whether it knows the new one.

use instant_acme::Error;
use serde_json::json;

use super::account::{Membership, unusable};
use super::failure::kind_of;
use super::http::Http;
use super::jws::{Sender, Signer};
use super::nonce::insist;
use crate::issuer::{IssueError, RolledOver};
use crate::pki::{KeyType, PrivateKey};
use crate::store::Account;
use crate::story::Event;

/// What a CA says of a key that an account does not have.
const STRANGER: [&str; 3] = ["accountDoesNotExist", "malformed", "unauthorized"];

impl Membership {
    /// Gives the account another key, or ends what an earlier call has begun; `None` if there is no account. Waits
    /// until nobody uses it.
    pub(super) async fn roll_over(&self, http: &Http) -> Result<Option<RolledOver>, IssueError> {
        let _alone = self.users.write().await;
        let find = async || self.accounts.find(&self.directory).await.map_err(unusable);
        let Some(before) = find().await? else { return Ok(None) };
        // What an earlier call has begun may have ended well. Opening finds out, and the URL is known then.
        *self.kept.lock().await = None;
        self.open(http).await?;
        // Until it is certain which key the account has, whoever opens it asks.
        *self.kept.lock().await = None;
        let Some(account) = find().await? else { return Ok(None) };
        if account.id != before.id {
            return Ok(Some(rolled_over(account, true)));
        }
        let directory = insist!(http, http.directory()).map_err(|e| self.explain(e, http))?;
        let Some(url) = directory.key_change else {
            let detail = "it changes no keys of accounts".to_owned();
            return Err(IssueError::Refused { directory: self.directory.clone(), detail, for_good: true });
        };
        let begun = self.accounts.next_key(&account).await.map_err(unusable)?;
        let earlier = begun.is_some();
        let next = match begun {
            Some(next) => next,
            None => {
                let next = PrivateKey::generate(KeyType::P256);
                self.accounts.prepare(&account, &next).await.map_err(unusable)?;
                next
            }
        };
        change(http, &url, &account, &next).await.map_err(|e| self.explain(e, http))?;
        Ok(Some(rolled_over(self.succeed(&account, &next).await?, earlier)))
    }

    /// The account with the key by which the CA knows it, where it was on the way to another one; and whether that is
    /// over.
    pub(super) async fn settle(&self, account: Account, http: &Http) -> Result<(Account, bool), IssueError> {
        let Some(next) = self.accounts.next_key(&account).await.map_err(unusable)? else {
            return Ok((account, true));
        };
        if !is_known(http, &account, &next).await.map_err(|e| self.explain(e, http))? {
            // It stays what the account is to have: a request that is still on its way may arrive.
            return Ok((account, false));
        }
        Ok((self.succeed(&account, &next).await?, true))
    }

    async fn succeed(&self, account: &Account, next: &PrivateKey) -> Result<Account, IssueError> {
        let account = self.accounts.succeed(account, next).await.map_err(unusable)?;
        let (ca, url) = (self.directory.as_str().into(), account.url.as_deref().unwrap_or_default().into());
        self.recorder.tell([], Event::AccountRolledOver { ca, account: url });
        Ok(account)
    }
}

fn rolled_over(account: Account, earlier: bool) -> RolledOver {
    RolledOver { account: account.url.unwrap_or_default(), id: account.id.to_string(), earlier }
}

/// Whether the CA knows the account by this key.
async fn is_known(http: &Http, account: &Account, key: &PrivateKey) -> Result<bool, Error> {
    let (url, signer) = (http.directory().await?.new_account, Signer::new(key)?);
    let question = json!({ "onlyReturnExisting": true });
    let mut said = signer.post(http, &url, Sender::Key, Some(&question)).await;
    // A CA that wants to hear of an agreement before it looks is asked for the account itself.
    if let (Err(Error::Api(problem)), Some(url)) = (&said, &account.url)
        && kind_of(problem) == "externalAccountRequired"
    {
        said = signer.post(http, url, Sender::Account(url), None).await;
    }
    match said {
        Ok(_) => Ok(true),
        Err(Error::Api(problem)) if STRANGER.contains(&kind_of(&problem)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Has the CA know the account by the new key, and no longer by the old one.
async fn change(http: &Http, url: &str, account: &Account, new: &PrivateKey) -> Result<(), Error> {
    let (old, new) = (Signer::new(&account.key)?, Signer::new(new)?);
    let account = account.url.as_deref().unwrap_or_default();
    // By its own signature the new key agrees; the old one's says that it comes from the account.
    let agreed = json!({ "account": account, "oldKey": old.jwk() });
    let agreed = new.signed(&json!({ "alg": new.algorithm(), "jwk": new.jwk(), "url": url }), &agreed)?;
    old.post(http, url, Sender::Account(account), Some(&agreed)).await.map(drop)
}
