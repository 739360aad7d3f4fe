//! What a CA says of an account, as other clients keep it: certbot in `regr.json`, lego within its `account.json`.

use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Registration {
    /// The account's URL.
    pub(super) uri: Option<String>,
    pub(super) body: Option<Body>,
}

#[derive(Deserialize)]
pub(super) struct Body {
    #[serde(default)]
    pub(super) contact: Vec<String>,
}
