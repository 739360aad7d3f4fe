//! Registering an account on the strength of an agreement made elsewhere (RFC 8555 section 7.3.4).
//!
//! `instant_acme` makes the key of such an account inside its call, so that the CA would know a key that is not on
//! disk yet. This is that one request with a key that is: signed by the account's key, and in it another signed
//! text, by the key of the agreement, that says whose key it is.

use aws_lc_rs::hmac;
use http::header::LOCATION;
use instant_acme::Error;
use serde_json::json;

use super::http::Http;
use super::jws::{Sender, Signer, flattened};
use crate::issuer::Binding;
use crate::pki::PrivateKey;

/// Registers the account of this key and returns its URL. Registering it again gives the same URL.
pub(super) async fn register(http: &Http, key: &PrivateKey, binding: &Binding) -> Result<String, Error> {
    let url = http.directory().await?.new_account;
    let signer = Signer::new(key)?;
    let bound = json!({ "alg": "HS256", "kid": binding.kid, "url": url });
    let bound = flattened(&bound, Some(signer.jwk()), |text| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &binding.key);
        Ok(hmac::sign(&key, text).as_ref().to_vec())
    })?;
    let account = json!({ "termsOfServiceAgreed": true, "externalAccountBinding": bound });
    let answer = signer.post(http, &url, Sender::Key, Some(&account)).await?;
    let at = answer.headers().get(LOCATION).and_then(|at| at.to_str().ok());
    at.map(str::to_owned).ok_or(Error::Str("the CA does not say where the account is"))
}
