//! What is remembered of a request until its line is written.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use http::header::{HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};

use super::line::Fields;
use super::{AccessLog, Trace};
use crate::proxy::conn::ConnFacts;

/// Longer values are cut: a line is for reading.
const LONGEST: usize = 1024;

/// One exchange from the head of its request to the last byte of its response.
///
/// Dropping it writes the line, so that there is exactly one for each request, whatever becomes of it: a record
/// that is dropped before it was [`answered`](Self::answered) tells of a client that went away.
pub(in crate::proxy) struct Record {
    log: Rc<AccessLog>,
    facts: Rc<ConnFacts>,
    began: Instant,
    method: Method,
    uri: Uri,
    version: Version,
    host: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
    received: Meter,
    sent: u64,
    status: Option<StatusCode>,
    trace: Trace,
    whole: bool,
}

/// Counts the bytes of a body; the half that is read stays with the record.
#[derive(Clone, Default)]
pub(in crate::proxy) struct Meter(Rc<Cell<u64>>);

impl Meter {
    pub(in crate::proxy) fn add(&self, bytes: usize) {
        self.0.set(self.0.get() + bytes as u64);
    }
}

impl Record {
    /// Begins with a request whose head has just been read; `None` if there is no log.
    pub(in crate::proxy) fn begin<B>(
        log: &Rc<AccessLog>,
        request: &Request<B>,
        facts: &Rc<ConnFacts>,
        received: &Meter,
    ) -> Option<Box<Self>> {
        const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
        if log.is_off() {
            return None;
        }
        let headers = request.headers();
        Some(Box::new(Self {
            log: Rc::clone(log),
            facts: Rc::clone(facts),
            began: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            host: headers.get(HOST).cloned(),
            user_agent: headers.get(USER_AGENT).cloned(),
            request_id: headers.get(REQUEST_ID).cloned(),
            received: received.clone(),
            sent: 0,
            status: None,
            trace: Trace::default(),
            whole: false,
        }))
    }

    /// The head of the response is on its way.
    pub(in crate::proxy) fn answered(&mut self, status: StatusCode, trace: Trace) {
        self.status = Some(status);
        self.trace = trace;
    }

    /// So many bytes of the response's body are on their way.
    pub(in crate::proxy) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The response is complete.
    pub(in crate::proxy) fn finish(&mut self) {
        self.whole = true;
    }

    /// The response broke off, and not because of the client.
    pub(in crate::proxy) fn broken(&mut self, reason: &'static str) {
        self.whole = true;
        self.trace.reason.get_or_insert(reason);
    }

    /// What went through the tunnel that followed a 101.
    pub(in crate::proxy) fn tunneled(&mut self, received: u64, sent: u64) {
        self.received.0.set(received);
        self.sent = sent;
        self.whole = true;
    }

    fn write(&self, line: &mut Fields<'_>) {
        let took = self.began.elapsed();
        // RFC 9110 knows no status for a client that does not wait; 499 is what nginx made of it.
        let status = self.status.map_or(499, |status| status.as_u16());
        let reason = match self.trace.reason {
            None if !self.whole => Some(self.facts.cut.get().unwrap_or("client_abort")),
            reason => reason,
        };
        let host = match (self.uri.authority(), &self.host) {
            (Some(authority), _) => Some(authority.as_str().as_bytes()),
            (None, host) => host.as_ref().map(HeaderValue::as_bytes),
        };
        let proto = match self.version {
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        };
        line.plain("client_ip", self.facts.client.ip().to_canonical());
        line.text("method", cut(self.method.as_str().as_bytes()));
        if let Some(host) = host {
            line.text("host", cut(host));
        }
        line.text("path", cut(self.uri.path().as_bytes()));
        line.plain("proto", proto);
        line.number("status", u64::from(status));
        if let Some(reason) = reason {
            line.plain("reason", reason);
        }
        line.number("bytes_in", self.received.0.get());
        line.number("bytes_out", self.sent);
        line.millis("dur_ms", took);
        if let Some(upstream) = self.trace.tried.last() {
            line.text("upstream", upstream.as_bytes());
        }
        if self.trace.tried.is_plural() {
            line.list("tried", self.trace.tried.iter());
        }
        if let Some(took) = self.trace.upstream_time {
            line.millis("upstream_ms", took);
        }
        if let Some(kind) = self.trace.upstream_conn {
            line.plain("upstream_conn", kind);
        }
        connection(line, &self.facts);
        if let Some(agent) = &self.user_agent {
            line.text("user_agent", cut(agent.as_bytes()));
        }
        if let Some(id) = &self.request_id {
            line.text("request_id", cut(id.as_bytes()));
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.log.write(|line| self.write(line));
    }
}

/// What is known of the connection a request came on.
pub(super) fn connection(line: &mut Fields<'_>, facts: &ConnFacts) {
    if let Some(version) = facts.tls_version {
        line.plain("tls_version", version);
    }
    if let Some(name) = &facts.server_name {
        line.plain("sni", name);
    }
}

fn cut(value: &[u8]) -> &[u8] {
    &value[..value.len().min(LONGEST)]
}
