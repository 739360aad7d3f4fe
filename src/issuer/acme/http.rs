//! HTTPS to a CA: our own client below `instant_acme`, which keeps what that crate drops.
//!
//! Kept are the HTTP status and the `Retry-After` of the last error answer, a body that is no problem document (a
//! content delivery network's page), the alternates to an answer, and the directory's terms of service. Bounded are
//! the time a connection and an answer may take, and the size of an answer. Every task has a [`Http`] of its own, so
//! that two orders never see each other's errors; the connections below are shared.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AGE, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use tracing::warn;

use super::pace::Pace;
use super::{Timeouts, alternates, retry_after};
use crate::clock::{Clock, Epoch};
use crate::issuer::IssueError;
use crate::pki::crypto;

/// Tells the CA's operators who is asking, as RFC 8555 section 6.1 wants.
const WHO: &str = concat!("sidegate/", env!("CARGO_PKG_VERSION"));

/// The largest answer that is read. A chain of certificates has some ten thousand bytes.
const LARGEST_ANSWER: usize = 1 << 20;

/// A connection that has rested longer is not used again: the CA may be closing it just as we write, and a request
/// that may have arrived cannot simply be repeated. Longer than the longest pause between two looks at an order.
const IDLE: Duration = Duration::from_secs(15);

/// The way to one CA: its connections and whom they trust. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connector {
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    directory: Arc<str>,
    total: Duration,
    pace: Arc<Pace>,
    clock: Clock,
}

impl Connector {
    /// Trusts `roots`, and nothing else, to speak for the CA. A root that cannot be read is left out.
    pub(super) fn new(
        directory: &str,
        roots: impl IntoIterator<Item = CertificateDer<'static>>,
        timeouts: Timeouts,
        pace: Pace,
        clock: Clock,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeouts.connect));
        // RFC 8555 section 6.1: HTTPS always.
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(crypto::trusting(roots))
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(4)
            .build(https);
        Self { client, directory: directory.into(), total: timeouts.request, pace: pace.into(), clock }
    }

    /// A client for one task.
    pub(super) fn http(&self) -> Http {
        Http { connector: self.clone(), seen: Arc::default() }
    }
}

/// One task's client. A clone shares what was seen.
#[derive(Clone)]
pub(super) struct Http {
    connector: Connector,
    seen: Arc<Mutex<Seen>>,
}

/// What `instant_acme` does not pass on.
#[derive(Default)]
struct Seen {
    refusal: Option<Refusal>,
    /// Of the last answer, whatever its status.
    retry_after: Option<SystemTime>,
    /// When the last answer was given, by the CA's clock.
    date: Option<SystemTime>,
    /// Where the last answer says that there is an alternate to it.
    alternates: Vec<String>,
    /// Served instead of asking again: `instant_acme` wants the directory for every account it opens.
    directory: Option<Bytes>,
}

/// An answer with a status from 400 up.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<SystemTime>,
}

/// What a directory says that `instant_acme` does not pass on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    /// Where accounts are registered.
    pub(super) new_account: String,
    /// Where nonces are had.
    pub(super) new_nonce: String,
    /// Where an account gets another key (RFC 8555 section 7.3.5), if it can.
    pub(super) key_change: Option<String>,
    /// Where certificates are revoked (RFC 8555 section 7.6), if they can be.
    pub(super) revoke_cert: Option<String>,
    /// About itself.
    #[serde(default)]
    pub(super) meta: Meta,
    /// Where it tells when to renew (RFC 9773 section 3), if it does.
    pub(super) renewal_info: Option<String>,
}

/// What the directory says about itself (RFC 8555 section 7.1.1).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    /// Where the terms are to which registering agrees.
    pub(super) terms_of_service: Option<String>,
    /// The domains that mean it in CAA records (RFC 8659 section 4.2).
    pub(super) caa_identities: Vec<String>,
    /// The profiles there are, and where each is described (draft-ietf-acme-profiles section 3).
    pub(super) profiles: BTreeMap<String, String>,
}

impl Http {
    /// Forgets what was seen, so that what is seen next belongs to the next call.
    pub(super) fn begin(&self) {
        let mut seen = self.seen();
        seen.refusal = None;
        seen.retry_after = None;
    }

    /// The last error answer since [`begin`](Self::begin).
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.seen().refusal.clone()
    }

    /// When the last answer since [`begin`](Self::begin) asked us to come back, if it did.
    pub(super) fn retry_after(&self) -> Option<SystemTime> {
        self.seen().retry_after
    }

    /// When the last answer was given, by the CA's clock.
    pub(super) fn date(&self) -> Option<SystemTime> {
        self.seen().date
    }

    /// Where the last answer says that there is an alternate to it.
    pub(super) fn alternates(&self) -> Vec<String> {
        self.seen().alternates.clone()
    }

    /// Compares our clock with the CA's, as far as it has answered.
    ///
    /// # Errors
    ///
    /// [`IssueError::Clock`] if it was corrected, now or otherwise since that epoch.
    pub(super) fn check_clock(&self, since: Epoch) -> Result<(), IssueError> {
        let clock = &self.connector.clock;
        let (date, before) = (self.seen().date.take(), clock.epoch());
        let told = date.unwrap_or_else(|| clock.now());
        let Some(by) = clock.agree(told, since) else { return Ok(()) };
        let directory = self.connector.directory.to_string();
        if clock.epoch() != before {
            warn!(directory, "the machine's clock is {by} of the CA's; going by the CA's");
        }
        Err(IssueError::Clock { directory, by })
    }

    /// The directory, fetched once: this client answers further requests for it from memory.
    pub(super) async fn directory(&self) -> Result<Directory, Error> {
        let known = self.seen().directory.clone();
        let body = match known {
            Some(body) => body,
            None => self.get(&self.connector.directory).await?,
        };
        let directory = serde_json::from_slice(&body)?;
        self.seen().directory = Some(body);
        Ok(directory)
    }

    /// Gets what stands at a URL, unsigned.
    pub(super) async fn get(&self, url: &str) -> Result<Bytes, Error> {
        let request = Request::builder().method(Method::GET).uri(url).body(BodyWrapper::default())?;
        Ok(self.send(request).await?.into_body())
    }

    /// Sends a request as it is; an answer that is no success is an error.
    pub(super) async fn send(&self, request: Request<BodyWrapper<Bytes>>) -> Result<Response<Bytes>, Error> {
        let answer = self.clone().exchange(request).await?;
        if !answer.status().is_success() {
            // `exchange` has made a problem document of every refusal; a redirect stays what it is.
            return Err(serde_json::from_slice::<Problem>(answer.body())?.into());
        }
        Ok(answer)
    }

    /// Sends one request and reads the whole answer.
    async fn exchange(self, mut request: Request<BodyWrapper<Bytes>>) -> Result<Response<Bytes>, Error> {
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(WHO));
        let Connector { client, total, pace, clock, .. } = self.connector;
        // What is only read is allowed far more often than we can ask.
        if request.method() != Method::GET {
            pace.turn().await;
        }
        let answered = tokio::time::timeout(total, async {
            let (parts, body) = client.request(request).await.map_err(other)?.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER).collect().await.map_err(Error::Other)?;
            Ok::<_, Error>((parts, body.to_bytes()))
        });
        let (mut parts, mut body) = answered.await.map_err(|_| other(Late(total)))??;

        // Taken out, not only read: `instant_acme` adds what it finds here to the time of day, and a number
        // that is large enough makes that panic.
        let wait = parts.headers.remove(RETRY_AFTER).and_then(|v| retry_after::header(&v, clock.now()));
        let refused = parts.status.is_client_error() || parts.status.is_server_error();
        // Also in a page that is no problem document.
        let wait = wait.or_else(|| {
            retry_after::in_text(&String::from_utf8_lossy(&body), clock.now()).filter(|_| refused)
        });
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retry_after = wait;
        seen.date = date_of(&parts.headers);
        seen.alternates = alternates::named_in(&parts.headers);
        if refused {
            seen.refusal = Some(Refusal { status: parts.status, retry_after: wait });
            if let Some(problem) = problem_instead(parts.status, &parts.headers, &body) {
                body = problem;
            }
        }
        Ok(Response::from_parts(parts, body))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let known =
            (request.uri() == &*self.connector.directory).then(|| self.seen().directory.clone()).flatten();
        let http = self.clone();
        Box::pin(async move {
            let response = match known {
                Some(directory) => Response::new(directory),
                None => http.exchange(request).await?,
            };
            Ok(BytesResponse::from(response.map(Full::new)))
        })
    }
}

/// When an answer was given; `None` if it comes from somebody's memory (RFC 9110 section 6.6.1, RFC 9111 section 5.1).
fn date_of(headers: &HeaderMap) -> Option<SystemTime> {
    let date = headers.get(DATE).filter(|_| !headers.contains_key(AGE))?;
    httpdate::parse_http_date(date.to_str().ok()?).ok()
}

/// An answer did not end in time.
#[derive(Debug, thiserror::Error)]
#[error("no complete answer within {} seconds", .0.as_secs_f32())]
struct Late(Duration);

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

/// A problem document in place of an error answer that is none, or that does not name its status.
fn problem_instead(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Bytes> {
    let given = serde_json::from_slice::<Problem>(body);
    if given.as_ref().is_ok_and(|problem| problem.status == Some(status.as_u16())) {
        return None;
    }
    let mut document = match serde_json::from_slice(body) {
        Ok(serde_json::Value::Object(document)) => document,
        _ => serde_json::Map::new(),
    };
    if given.is_err() {
        let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("an unnamed type");
        let text = format!("HTTP status {status} with {kind} instead of a problem document");
        document.retain(|key, value| matches!(key.as_str(), "type" | "detail") && value.is_string());
        document.entry("detail").or_insert(text.into());
    }
    document.insert("status".to_owned(), status.as_u16().into());
    Some(serde_json::Value::Object(document).to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16, body: &[u8]) -> Problem {
        let status = StatusCode::from_u16(status).expect("a status");
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        let document = problem_instead(status, &headers, body).unwrap_or_else(|| body.to_vec().into());
        serde_json::from_slice(&document).expect("a problem document")
    }

    #[test]
    fn a_page_becomes_a_problem_document_with_its_status() {
        let page = problem(503, b"<html>Backend fetch failed</html>");
        assert_eq!(page.status, Some(503));
        assert_eq!(
            page.detail.as_deref(),
            Some("HTTP status 503 Service Unavailable with text/html instead of a problem document")
        );
        assert_eq!(problem(500, b"").status, Some(500));
        assert_eq!(problem(400, b"[1,2]").status, Some(400));
    }

    #[test]
    fn a_problem_document_keeps_its_words() {
        let good = br#"{"type":"urn:ietf:params:acme:error:badNonce","detail":"no","status":400}"#;
        let headers = HeaderMap::new();
        assert_eq!(problem_instead(StatusCode::BAD_REQUEST, &headers, good), None);

        let unnamed = problem(429, br#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"slow"}"#);
        assert_eq!((unnamed.status, unnamed.detail.as_deref()), (Some(429), Some("slow")));
        assert_eq!(unnamed.r#type.as_deref(), Some("urn:ietf:params:acme:error:rateLimited"));

        let strange = problem(400, br#"{"type":"x","detail":"said","subproblems":"none"}"#);
        assert_eq!(strange.detail.as_deref(), Some("said"));
        let stranger = problem(400, br#"{"type":5,"detail":{}}"#);
        assert!(stranger.r#type.is_none() && stranger.detail.is_some_and(|d| d.contains("text/html")));
    }
}
