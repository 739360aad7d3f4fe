//! Registering an account on the strength of an agreement made elsewhere (RFC 8555 section 7.3.4).
//!
//! `instant_acme` makes the key of such an account inside its call, so that the CA would know a key that is not on
//! disk yet. This is that one request with a key that is: a JWS by the account's key (RFC 7515), and in it another
//! one, by the key of the agreement, that says whose key it is.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{Method, Request};
use instant_acme::{BodyWrapper, Error};
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};

use super::http::Http;
use crate::issuer::Binding;

/// Registers the account of this key and returns its URL. Registering it again gives the same URL.
pub(super) async fn register(
    http: &Http,
    key: &PrivatePkcs8KeyDer<'_>,
    public: &[u8],
    binding: &Binding,
) -> Result<String, Error> {
    let directory = http.directory().await?;
    let url = directory.new_account;
    let jwk = jwk(public)?;
    let bound = json!({ "alg": "HS256", "kid": binding.kid, "url": url });
    let bound = jws(&bound, &jwk, |signed| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &binding.key);
        Ok(hmac::sign(&key, signed).as_ref().to_vec())
    })?;
    let account = json!({ "termsOfServiceAgreed": true, "externalAccountBinding": bound });
    let head =
        json!({ "alg": "ES256", "jwk": jwk, "nonce": nonce(http, &directory.new_nonce).await?, "url": url });
    let signed = jws(&head, &account, |signed| {
        let der = key.secret_pkcs8_der();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        let signature = key.map_err(|_| Error::KeyRejected)?.sign(&SystemRandom::new(), signed);
        Ok(signature.map_err(|_| Error::Crypto)?.as_ref().to_vec())
    })?;
    let request =
        Request::builder().method(Method::POST).uri(&url).header(CONTENT_TYPE, "application/jose+json");
    let answer = http.send(request.body(BodyWrapper::from(signed.to_string().into_bytes()))?).await?;
    let at = answer.headers().get(LOCATION).and_then(|at| at.to_str().ok());
    at.map(str::to_owned).ok_or(Error::Str("the CA does not say where the account is"))
}

/// A nonce for one request (RFC 8555 section 7.2).
async fn nonce(http: &Http, url: &str) -> Result<String, Error> {
    let request = Request::builder().method(Method::HEAD).uri(url).body(BodyWrapper::default())?;
    let answer = http.send(request).await?;
    let nonce = answer.headers().get("replay-nonce").and_then(|nonce| nonce.to_str().ok());
    nonce.map(str::to_owned).ok_or(Error::Str("the CA gives no nonce"))
}

/// A flattened JWS (RFC 7515 section 7.2.2).
fn jws(
    head: &Value,
    payload: &Value,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, Error>,
) -> Result<Value, Error> {
    let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let (head, payload) = (encoded(head), encoded(payload));
    let signature = sign(format!("{head}.{payload}").as_bytes())?;
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
    Ok(json!({ "protected": head, "payload": payload, "signature": signature }))
}

/// The public half of a P-256 key, an uncompressed point, as JWK has it (RFC 7518 section 6.2.1).
fn jwk(public: &[u8]) -> Result<Value, Error> {
    let [4, point @ ..] = public else { return Err(Error::KeyRejected) };
    let (x, y) = point.split_at(point.len() / 2);
    let [x, y] = [x, y].map(|half| BASE64_URL_SAFE_NO_PAD.encode(half));
    Ok(json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y }))
}
