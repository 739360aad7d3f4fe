//! What went wrong at a CA, and whose fault it is.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use instant_acme::{Error, Problem};
use thiserror::Error;

use super::http::Http;
use super::{budget, retry_after};
use crate::ident;
use crate::issuer::IssueError;

/// Problems of RFC 8555 section 6.7 that are about what we ask for, not about when: the same request fails tomorrow.
const FOR_GOOD: [&str; 7] = [
    "badCSR",
    "badPublicKey",
    "badSignatureAlgorithm",
    "externalAccountRequired",
    "invalidProfile",
    "rejectedIdentifier",
    "unsupportedIdentifier",
];

/// Words of a CA that end up in a log have at most this many characters, and none that steer a terminal.
const LONGEST_TEXT: usize = 600;

/// A pause ends when a person lifts it. Whether that has happened the CA is asked this often.
const PAUSED: Duration = Duration::from_secs(24 * 60 * 60);

/// The CA does not know the account that signed a request.
#[derive(Debug, Error)]
#[error("the CA does not know this account")]
struct UnknownAccount;

/// An answer that makes no sense, in our words.
#[derive(Debug, Error)]
#[error("{0}")]
struct Nonsense(String);

/// The CA gave an answer that makes no sense.
pub(super) fn nonsense(directory: &str, what: impl Into<String>) -> IssueError {
    unusable(directory, what, None)
}

/// The CA gave no usable answer, and may have said when to ask again.
pub(super) fn unusable(directory: &str, what: impl Into<String>, until: Option<SystemTime>) -> IssueError {
    let source = Box::new(Nonsense(what.into()));
    IssueError::Unreachable { directory: directory.to_owned(), source, until }
}

/// Turns what `instant_acme` says, and what `http` has seen of the same call, into our error.
pub(super) fn explain(error: Error, directory: &str, http: &Http, now: SystemTime) -> IssueError {
    let refusal = http.refusal();
    match error {
        Error::Api(problem) => {
            let status = refusal.as_ref().map(|refusal| refusal.status);
            let wait = refusal.and_then(|refusal| refusal.retry_after);
            of_problem(&problem, status, wait, directory, now)
        }
        // Of an error answer to its newNonce `instant_acme` only says that it was one.
        Error::Str(_) if refusal.is_some() => {
            let (status, wait) = refusal.map(|r| (r.status, r.retry_after)).unwrap_or_default();
            let detail = Some(format!("HTTP status {status}"));
            let problem = Problem { r#type: None, detail, status: None, subproblems: Vec::new() };
            of_problem(&problem, Some(status), wait, directory, now)
        }
        Error::Unsupported(what) => {
            IssueError::Refused { directory: directory.to_owned(), detail: what.to_owned(), for_good: true }
        }
        Error::Crypto | Error::KeyRejected => IssueError::Account(Box::new(error)),
        // What lies below says more than «transparent» does.
        Error::Other(source) => {
            IssueError::Unreachable { directory: directory.to_owned(), source, until: None }
        }
        error => {
            IssueError::Unreachable { directory: directory.to_owned(), source: Box::new(error), until: None }
        }
    }
}

/// What a problem document means. `status` is that of the answer it came in, if it was an error answer.
pub(super) fn of_problem(
    problem: &Problem,
    status: Option<StatusCode>,
    wait: Option<SystemTime>,
    directory: &str,
    now: SystemTime,
) -> IssueError {
    let directory = directory.to_owned();
    let detail = text_of(problem);
    let status = status.map(|status| status.as_u16()).or(problem.status).unwrap_or_default();
    let until = wait
        .or_else(|| retry_after::in_text(&detail, now))
        .or_else(|| budget::is_pause(&detail).then(|| now + PAUSED));
    match (kind_of(problem), status) {
        ("badNonce", _) => IssueError::Nonce { directory },
        ("accountDoesNotExist", _) => IssueError::Account(Box::new(UnknownAccount)),
        ("rateLimited", _) | (_, 429) => IssueError::Limited { directory, detail, until },
        // So a busy CA says that it has had too many of our requests (or everybody's) in this second.
        (_, 503) if until.is_some() => IssueError::Limited { directory, detail, until },
        (_, 500..) => unusable(&directory, detail, until),
        (kind, _) => IssueError::Refused { directory, detail, for_good: FOR_GOOD.contains(&kind) },
    }
}

/// Whether this is the CA not knowing the account that signed the request.
pub(super) fn is_unknown_account(error: &IssueError) -> bool {
    matches!(error, IssueError::Account(source) if source.is::<UnknownAccount>())
}

/// The last part of the problem's type; empty if it is none of ACME's.
pub(super) fn kind_of(problem: &Problem) -> &str {
    let given = problem.r#type.as_deref().unwrap_or_default();
    given.strip_prefix("urn:ietf:params:acme:error:").unwrap_or_default()
}

/// The CA's words on one line: the problem's, then those of its subproblems with the names they are about.
pub(super) fn text_of(problem: &Problem) -> String {
    let mut text = problem.detail.clone().unwrap_or_else(|| "no reason given".to_owned());
    for part in &problem.subproblems {
        let name = part.identifier.as_ref().map(|name| name.authorized(false).to_string());
        text.push_str("; ");
        text.push_str(name.as_deref().unwrap_or("one of the names"));
        text.push_str(": ");
        text.push_str(part.detail.as_deref().unwrap_or("no reason given"));
    }
    let kind = kind_of(problem);
    if !kind.is_empty() {
        text = format!("{text} ({kind})");
    }
    printable(&text)
}

/// The text, bounded, with anything that would steer a terminal or begin a new line made visible.
pub(super) fn printable(text: &str) -> String {
    ident::printable(text, LONGEST_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{parse_rfc3339, rfc3339};
    use crate::issuer::Verdict;

    fn verdict_of(json: &str) -> (IssueError, Verdict) {
        let now = parse_rfc3339("2026-11-22T09:00:00Z").expect("a moment");
        let problem: Problem = serde_json::from_str(json).expect("a problem document");
        let error = of_problem(&problem, None, None, "https://ca.example/dir", now);
        let verdict = error.verdict();
        (error, verdict)
    }

    #[test]
    fn a_limit_names_the_moment_it_ends_even_if_only_in_its_text() {
        let (error, verdict) = verdict_of(
            r#"{"type":"urn:ietf:params:acme:error:rateLimited","status":429,
                "detail":"too many orders, retry after 2026-11-22 10:00:00 UTC: see the page"}"#,
        );
        assert!(matches!(error, IssueError::Limited { .. }));
        let Verdict::After(Some(until)) = verdict else { panic!("{verdict:?}") };
        assert_eq!(rfc3339(until), "2026-11-22T10:00:00Z");
    }

    #[test]
    fn a_pause_is_asked_about_once_a_day() {
        let (error, verdict) = verdict_of(concat!(
            r#"{"type":"urn:ietf:params:acme:error:rateLimited","status":429,"detail":""#,
            "Your account is temporarily prevented from requesting certificates for a.example.com and possibly ",
            r#"others. Please visit: https://portal.example/unpause"}"#
        ));
        assert!(error.to_string().contains("https://portal.example/unpause"), "{error}");
        let Verdict::After(Some(until)) = verdict else { panic!("{verdict:?}") };
        assert_eq!(rfc3339(until), "2026-11-23T09:00:00Z");
    }

    #[test]
    fn verdicts_follow_the_problem() {
        let kind = |kind: &str, status: u16| {
            verdict_of(&format!(
                r#"{{"type":"urn:ietf:params:acme:error:{kind}","detail":"d","status":{status}}}"#
            ))
            .1
        };
        assert_eq!(kind("badNonce", 400), Verdict::After(None));
        assert_eq!(kind("rejectedIdentifier", 400), Verdict::Never);
        assert_eq!(kind("externalAccountRequired", 403), Verdict::Never);
        assert_eq!(kind("serverInternal", 500), Verdict::After(None));
        assert_eq!(kind("malformed", 400), Verdict::After(None));
        assert_eq!(kind("caa", 403), Verdict::After(None));
    }

    #[test]
    fn subproblems_are_told_with_their_names_and_nothing_steers_the_terminal() {
        let (error, _) = verdict_of(
            r#"{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"some names\u001b[2J",
                "subproblems":[{"identifier":{"type":"dns","value":"b.example.com"},"detail":"on\nthe list"}]}"#,
        );
        let IssueError::Refused { detail, .. } = error else { panic!("{error}") };
        assert_eq!(detail, "some names\u{fffd}[2J; b.example.com: on\u{fffd}the list (rejectedIdentifier)");
        assert!(printable(&"x".repeat(5000)).chars().count() <= LONGEST_TEXT + 1);
    }
}
