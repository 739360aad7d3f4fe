//! ARI (RFC 9773): when the CA would like a certificate to be renewed, and telling it which one an order replaces.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use instant_acme::CertificateIdentifier;
use rustls_pki_types::Der;
use serde::Deserialize;

use super::failure::{self, printable};
use super::http::Http;
use super::nonce::insist;
use crate::clock::{self, Clock};
use crate::issuer::{Advice, IssueError, Window};
use crate::pki::Leaf;

/// A directory is believed for this long to have, or not to have, its `renewalInfo` where it had it.
const BELIEVED: Duration = Duration::from_secs(24 * 60 * 60);

/// Asks one CA when to renew.
pub(super) struct RenewalInfo {
    directory: String,
    clock: Clock,
    /// Where to ask, and when we looked: not every certificate asks for the directory as well.
    place: Mutex<Option<(SystemTime, Option<String>)>>,
}

/// RFC 9773 section 4.2.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    suggested_window: Span,
    #[serde(rename = "explanationURL")]
    explanation: Option<String>,
}

#[derive(Deserialize)]
struct Span {
    start: String,
    end: String,
}

impl RenewalInfo {
    pub(super) fn new(directory: &str, clock: Clock) -> Self {
        Self { directory: directory.to_owned(), clock, place: Mutex::default() }
    }

    /// What the CA says about this certificate; `None` if it has no ARI, or the certificate no identifier.
    pub(super) async fn ask(&self, http: &Http, leaf: &Leaf) -> Result<Option<Advice>, IssueError> {
        let Some(id) = identifier(leaf) else { return Ok(None) };
        let Some(place) = self.place(http).await? else { return Ok(None) };
        let url = format!("{}/{id}", place.trim_end_matches('/'));
        match insist!(http, http.get(&url)) {
            Ok(body) => match advice(&body) {
                Ok(advice) => Ok(Some(Advice { again: http.retry_after(), ..advice })),
                Err(what) => Err(failure::nonsense(&self.directory, what)),
            },
            Err(error) => {
                // The next one looks whether it has moved.
                *self.known() = None;
                Err(failure::explain(error, &self.directory, http, self.clock.now()))
            }
        }
    }

    async fn place(&self, http: &Http) -> Result<Option<String>, IssueError> {
        let now = self.clock.now();
        if let Some((looked, place)) = &*self.known()
            && now.duration_since(*looked).is_ok_and(|ago| ago < BELIEVED)
        {
            return Ok(place.clone());
        }
        let directory = insist!(http, http.directory());
        let directory = directory.map_err(|e| failure::explain(e, &self.directory, http, now))?;
        *self.known() = Some((now, directory.renewal_info.clone()));
        Ok(directory.renewal_info)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<(SystemTime, Option<String>)>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What ARI calls a certificate (RFC 9773 section 4.1); `None` if it does not say by which key it was signed.
pub(super) fn identifier(leaf: &Leaf) -> Option<CertificateIdentifier<'static>> {
    let key = leaf.authority_key_id()?;
    Some(CertificateIdentifier::new(Der::from_slice(key), Der::from_slice(leaf.raw_serial())))
}

fn advice(body: &[u8]) -> Result<Advice, String> {
    let answer: Answer = serde_json::from_slice(body).map_err(|e| format!("renewal information: {e}"))?;
    let Span { start, end } = answer.suggested_window;
    let window = clock::parse_rfc3339(&start)
        .zip(clock::parse_rfc3339(&end))
        .and_then(|(start, end)| Window::new(start, end))
        .ok_or_else(|| printable(&format!("a window to renew in from {start} to {end}")))?;
    Ok(Advice { window, explanation: answer.explanation.as_deref().map(printable), again: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_window_or_nonsense() {
        let text = |start: &str, end: &str| {
            format!(
                r#"{{"suggestedWindow":{{"start":"{start}","end":"{end}"}},"explanationURL":"https://ca.example/why\u001b"}}"#
            )
        };
        let good = text("2026-11-22T10:00:00Z", "2026-11-23T00:00:00.000000001+01:00");
        let good = advice(good.as_bytes()).expect("a window");
        assert_eq!(clock::rfc3339(good.window.start()), "2026-11-22T10:00:00Z");
        assert_eq!(clock::rfc3339(good.window.end()), "2026-11-22T23:00:00Z");
        assert_eq!(good.explanation.as_deref(), Some("https://ca.example/why\u{fffd}"));
        for bad in [
            text("2026-11-23T10:00:00Z", "2026-11-22T10:00:00Z"),
            text("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
            text("soon", "2026-11-22T10:00:00Z"),
            r#"{"suggestedWindow":{}}"#.to_owned(),
            "<html>".to_owned(),
        ] {
            assert!(advice(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
