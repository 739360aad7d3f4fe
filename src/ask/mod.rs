//! Asks a program of the operator's whether a name may have a certificate.
//!
//! One GET for each question, with `domain` and, where somebody asks for the name just now, `client_ip` in the query.
//! Every 2xx means yes, and everything else no: a redirect is not followed, since a permission is worth what the
//! answer of one known program is worth. Nothing of an answer's body is read. This room does not know what hangs on it.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{Request, Uri};
use http_body_util::Empty;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls_pki_types::CertificateDer;
use thiserror::Error;
use tokio::time::timeout;

use crate::ident::Fqdn;
use crate::pki::crypto;

/// A program that is near has answered by then, or does not answer.
const CONNECT: Duration = Duration::from_secs(2);
const TOTAL: Duration = Duration::from_secs(5);

const WHO: &str = concat!("sidegate/", env!("CARGO_PKG_VERSION"));

/// The way to the program. Cheap to clone.
#[derive(Clone)]
pub struct Ask {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    url: Uri,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// It took too long.
    #[error("no answer within {} seconds", TOTAL.as_secs())]
    Late,
    /// It could not be asked.
    #[error("it could not be asked")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Ask {
    /// Asks at this URL, which is `http://` or `https://`; `roots` may speak for it then. A root that cannot be read is
    /// left out.
    #[must_use]
    pub fn new(url: Uri, roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(crypto::trusting(roots))
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        // Bodies are left unread, so no connection can be used again.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Self { client, url }
    }

    /// Whether the name may have a certificate.
    ///
    /// # Errors
    ///
    /// [`AskError`] if there is no answer within a few seconds.
    pub async fn permits(&self, name: &Fqdn, client: Option<IpAddr>) -> Result<bool, AskError> {
        let request = Request::get(question(&self.url, name, client))
            .header(USER_AGENT, WHO)
            .body(Empty::new())
            .map_err(|error| AskError::Failed(error.into()))?;
        let answer = timeout(TOTAL, self.client.request(request)).await.map_err(|_| AskError::Late)?;
        Ok(answer.map_err(|error| AskError::Failed(error.into()))?.status().is_success())
    }
}

/// The URL of a question. Neither names nor addresses have a character that would have to be escaped.
fn question(url: &Uri, name: &Fqdn, client: Option<IpAddr>) -> String {
    let joint = if url.query().is_some() { '&' } else { '?' };
    let client = client.map(|client| format!("&client_ip={client}")).unwrap_or_default();
    format!("{url}{joint}domain={name}{client}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_goes_into_the_query() {
        let url = |text: &str| text.parse::<Uri>().expect("a URL");
        let name: Fqdn = "shop.example.com".parse().expect("a name");
        let client = Some("2001:db8::7".parse().expect("an address"));
        for (given, client, expected) in [
            ("http://127.0.0.1:9000/check", client, "/check?domain=shop.example.com&client_ip=2001:db8::7"),
            ("http://127.0.0.1:9000", None, "/?domain=shop.example.com"),
            ("http://127.0.0.1:9000/a?token=x", None, "/a?token=x&domain=shop.example.com"),
        ] {
            let question = question(&url(given), &name, client);
            let parsed = url(&question);
            assert_eq!(parsed.path_and_query().map(|path| path.as_str()), Some(expected));
        }
    }
}
