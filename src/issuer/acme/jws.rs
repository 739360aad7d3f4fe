//! Signed requests of our own (RFC 8555 section 6.2): those that `instant_acme` does not send, or not with the key that
//! has to sign them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response};
use instant_acme::{BodyWrapper, Error};
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};

use super::http::Http;
use super::nonce::{TRIES, insist, is_bad};
use crate::pki::{KeyType, PrivateKey, PublicNumbers};

/// A key that signs requests, with the algorithm that goes with its kind.
pub(super) struct Signer {
    algorithm: &'static str,
    jwk: Value,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// Whom a request comes from.
#[derive(Clone, Copy)]
pub(super) enum Sender<'a> {
    /// Whoever has the key, which is sent along.
    Key,
    /// The account with this URL.
    Account(&'a str),
}

impl Signer {
    /// # Errors
    ///
    /// [`Error::KeyRejected`] if ACME has no algorithm for this kind of key that CAs accept.
    pub(super) fn new(key: &PrivateKey) -> Result<Self, Error> {
        let rejected = || Error::KeyRejected;
        let key = key.clone().into_pkcs8().map_err(|_| rejected())?;
        let kind = key.key_type().ok_or_else(rejected)?;
        let jwk = jwk(kind, &key.public_numbers().ok_or_else(rejected)?);
        let PrivateKeyDer::Pkcs8(der) = key.der() else { return Err(rejected()) };
        let der = der.secret_pkcs8_der();
        let ecdsa = |how| EcdsaKeyPair::from_pkcs8(how, der).map(Pair::Ecdsa).map_err(|_| rejected());
        // RFC 7518 section 3.1, RFC 8555 section 6.2.
        let (algorithm, pair) = match kind {
            KeyType::P256 => ("ES256", ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING)?),
            KeyType::P384 => ("ES384", ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING)?),
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => {
                ("RS256", Pair::Rsa(RsaKeyPair::from_pkcs8(der).map_err(|_| rejected())?))
            }
        };
        Ok(Self { algorithm, jwk, pair })
    }

    /// The public half (RFC 7517).
    pub(super) fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// The algorithm, as JWS calls it.
    pub(super) fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// A text of this key's own, to be sent in a request.
    pub(super) fn signed(&self, head: &Value, payload: &Value) -> Result<Value, Error> {
        flattened(head, Some(payload), |text| self.sign(text))
    }

    /// Sends a payload to a URL, signed; nothing as the payload reads what stands there (RFC 8555 section 6.3). A
    /// nonce that is thrown away is replaced.
    ///
    /// # Errors
    ///
    /// What the CA or the network says against it.
    pub(super) async fn post(
        &self,
        http: &Http,
        url: &str,
        sender: Sender<'_>,
        payload: Option<&Value>,
    ) -> Result<Response<Bytes>, Error> {
        // As many tries a round as `instant_acme` makes of each request.
        insist!(http, async {
            for _ in 1..TRIES {
                match self.post_once(http, url, sender, payload).await {
                    Err(error) if is_bad(&error) => {}
                    done => return done,
                }
            }
            self.post_once(http, url, sender, payload).await
        })
    }

    async fn post_once(
        &self,
        http: &Http,
        url: &str,
        sender: Sender<'_>,
        payload: Option<&Value>,
    ) -> Result<Response<Bytes>, Error> {
        let nonce = nonce(http, &http.directory().await?.new_nonce).await?;
        let mut head = json!({ "alg": self.algorithm, "nonce": nonce, "url": url });
        match sender {
            Sender::Key => head["jwk"] = self.jwk.clone(),
            Sender::Account(account) => head["kid"] = account.into(),
        }
        let signed = flattened(&head, payload, |text| self.sign(text))?;
        let request =
            Request::builder().method(Method::POST).uri(url).header(CONTENT_TYPE, "application/jose+json");
        http.send(request.body(BodyWrapper::from(signed.to_string().into_bytes()))?).await
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, Error> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => {
                let signature = pair.sign(&random, text).map_err(|_| Error::Crypto)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).map_err(|_| Error::Crypto)?;
                Ok(signature)
            }
        }
    }
}

/// A flattened JWS (RFC 7515 section 7.2.2).
pub(super) fn flattened(
    head: &Value,
    payload: Option<&Value>,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, Error>,
) -> Result<Value, Error> {
    let head = BASE64_URL_SAFE_NO_PAD.encode(head.to_string());
    let payload = BASE64_URL_SAFE_NO_PAD.encode(payload.map(Value::to_string).unwrap_or_default());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(sign(format!("{head}.{payload}").as_bytes())?);
    Ok(json!({ "protected": head, "payload": payload, "signature": signature }))
}

/// A nonce for one request (RFC 8555 section 7.2).
async fn nonce(http: &Http, url: &str) -> Result<String, Error> {
    let request = Request::builder().method(Method::HEAD).uri(url).body(BodyWrapper::default())?;
    let answer = http.send(request).await?;
    let nonce = answer.headers().get("replay-nonce").and_then(|nonce| nonce.to_str().ok());
    nonce.map(str::to_owned).ok_or(Error::Str("the CA gives no nonce"))
}

/// A public key as JWK has it (RFC 7518 sections 6.2.1 and 6.3.1).
fn jwk(kind: KeyType, numbers: &PublicNumbers) -> Value {
    let coded = |number: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(number);
    match numbers {
        PublicNumbers::Point { x, y } => {
            let curve = if kind == KeyType::P384 { "P-384" } else { "P-256" };
            json!({ "crv": curve, "kty": "EC", "x": coded(x), "y": coded(y) })
        }
        PublicNumbers::Rsa { modulus, exponent } => {
            json!({ "e": coded(exponent), "kty": "RSA", "n": coded(modulus) })
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    };

    use super::*;

    #[test]
    fn each_kind_of_key_signs_with_its_own_algorithm() {
        let kinds: [(KeyType, &str, &'static dyn VerificationAlgorithm); 3] = [
            (KeyType::P256, "ES256", &ECDSA_P256_SHA256_FIXED),
            (KeyType::P384, "ES384", &ECDSA_P384_SHA384_FIXED),
            (KeyType::Rsa2048, "RS256", &RSA_PKCS1_2048_8192_SHA256),
        ];
        for (kind, algorithm, verification) in kinds {
            let key = PrivateKey::generate(kind);
            let signer = Signer::new(&key).expect("a signer");
            assert_eq!(signer.algorithm, algorithm);
            let payload = json!({ "a": 1 });
            let jws = flattened(&json!({ "alg": algorithm }), Some(&payload), |text| signer.sign(text));
            let jws = jws.expect("it signs");
            let part = |name: &str| jws[name].as_str().expect("text").to_owned();
            let signed = format!("{}.{}", part("protected"), part("payload"));
            let signature = BASE64_URL_SAFE_NO_PAD.decode(part("signature")).expect("base64url");
            UnparsedPublicKey::new(verification, key.public_raw())
                .verify(signed.as_bytes(), &signature)
                .unwrap_or_else(|_| panic!("{algorithm}: the signature is not the key's"));
        }
    }

    #[test]
    fn reading_has_an_empty_payload() {
        let jws = flattened(&json!({}), None, |_| Ok(vec![1])).expect("no key is needed");
        assert_eq!(jws["payload"], "");
    }
}
