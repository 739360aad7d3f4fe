//! What is remembered of a request until its line is written.

use std::mem;
use std::rc::Rc;
use std::time::Instant;

use http::{StatusCode, Version};

use super::Trace;
use super::line::{Fields, key};
use super::lines::{Appender, Lines};
use crate::proxy::conn::ConnFacts;
use crate::proxy::wire::{Head, Kind};

/// Longer values are cut: a line is for reading.
const LONGEST: usize = 1024;

/// One exchange from the head of its request to the last byte of its response. Without a log, nothing at all.
///
/// Dropping it writes the line, so that there is exactly one for each request, whatever becomes of it: a record
/// that is dropped before it was [`answered`](Self::answered) tells of a client that went away.
pub(in crate::proxy) struct Record(pub(super) Option<Entry>);

/// What the line will say.
pub(super) struct Entry {
    appender: Rc<Appender>,
    facts: Rc<ConnFacts>,
    began: Instant,
    /// What is known already, as it will stand in the line. The request's head is not held: the buffer it came in is
    /// wanted for the next one.
    known: Known,
    received: u64,
    sent: u64,
    status: Option<StatusCode>,
    reason: Option<&'static str>,
    whole: bool,
}

/// Fields that have been written down, in the order in which they became known.
struct Known {
    text: Vec<u8>,
    /// Where what the request asks for ends, and what else it said begins.
    asked: usize,
    /// Where what the request said ends, and how it was answered begins.
    said: usize,
}

impl Record {
    /// Begins with a request whose head has just been read.
    pub(in crate::proxy) fn begin(lines: &Lines, head: &Head, facts: &Rc<ConnFacts>) -> Self {
        Self(lines.appender().map(|appender| Entry {
            facts: Rc::clone(facts),
            began: Instant::now(),
            known: Known::of(head, facts, appender.scratch()),
            appender: Rc::clone(appender),
            received: 0,
            sent: 0,
            status: None,
            reason: None,
            whole: false,
        }))
    }

    /// The length of the request's body, as far as it has come.
    pub(in crate::proxy) fn received(&mut self, bytes: u64) {
        if let Some(entry) = &mut self.0 {
            entry.received = bytes;
        }
    }

    /// The head of the response is on its way.
    pub(in crate::proxy) fn answered(&mut self, status: StatusCode, trace: &Trace) {
        if let Some(entry) = &mut self.0 {
            entry.status = Some(status);
            entry.reason = trace.reason;
            entry.known.add(trace);
        }
    }

    /// More bytes of the response's body are on their way.
    pub(in crate::proxy) fn sent(&mut self, bytes: u64) {
        if let Some(entry) = &mut self.0 {
            entry.sent += bytes;
        }
    }

    /// The response is complete.
    pub(in crate::proxy) fn finish(&mut self) {
        if let Some(entry) = &mut self.0 {
            entry.whole = true;
        }
    }

    /// The response broke off, and not because of the client.
    pub(in crate::proxy) fn broken(&mut self, reason: &'static str) {
        if let Some(entry) = &mut self.0 {
            entry.whole = true;
            entry.reason.get_or_insert(reason);
        }
    }

    /// What went through the tunnel that followed a 101.
    pub(in crate::proxy) fn tunneled(&mut self, received: u64, sent: u64) {
        if let Some(entry) = &mut self.0 {
            entry.received = received;
            entry.sent = sent;
            entry.whole = true;
        }
    }
}

impl Entry {
    fn write(&self, line: &mut Fields<'_>) {
        let took = self.began.elapsed();
        let (asked, said, answered) = self.known.parts();
        // RFC 9110 knows no status for a client that does not wait; 499 is what nginx made of it.
        let status = self.status.map_or(499, |status| status.as_u16());
        let reason = match self.reason {
            None if !self.whole => Some(self.facts.cut.get().unwrap_or("client_abort")),
            reason => reason,
        };
        line.written(asked);
        line.number(key!("status"), u64::from(status));
        if let Some(reason) = reason {
            line.plain(key!("reason"), reason);
        }
        line.number(key!("bytes_in"), self.received);
        line.number(key!("bytes_out"), self.sent);
        line.millis(key!("dur_ms"), took);
        line.written(answered);
        line.written(said);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.appender.write(|line| self.write(line));
        self.appender.keep(mem::take(&mut self.known.text));
    }
}

impl Known {
    /// What is known before there is an answer.
    fn of(head: &Head, facts: &ConnFacts, mut text: Vec<u8>) -> Self {
        let Head { method, uri, version, fields } = head;
        let method = method.as_str();
        let proto = match *version {
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        };
        let mut line = Fields(&mut text);
        line.plain(key!("client_ip"), &facts.client);
        // A token, in which nothing needs an escape (RFC 9110 section 9.1).
        line.plain(key!("method"), &method[..method.len().min(LONGEST)]);
        if let Some(host) = head.host() {
            line.text(key!("host"), cut(host));
        }
        line.text(key!("path"), cut(uri.path().as_bytes()));
        line.plain(key!("proto"), proto);
        let asked = line.0.len();
        connection(&mut line, facts);
        if let Some(agent) = fields.get(Kind::UserAgent) {
            line.text(key!("user_agent"), cut(agent));
        }
        if let Some(id) = fields.get(Kind::RequestId) {
            line.text(key!("request_id"), cut(id));
        }
        let said = line.0.len();
        Self { text, asked, said }
    }

    /// Adds the way the answer took.
    fn add(&mut self, trace: &Trace) {
        let mut line = Fields(&mut self.text);
        if let Some(upstream) = trace.tried.last() {
            line.text(key!("upstream"), upstream.as_bytes());
        }
        if trace.tried.is_plural() {
            line.list(key!("tried"), trace.tried.iter());
        }
        if let Some(took) = trace.upstream_time {
            line.millis(key!("upstream_ms"), took);
        }
        if let Some(kind) = trace.upstream_conn {
            line.plain(key!("upstream_conn"), kind);
        }
    }

    /// What the request asks for, what else it said, and how it was answered.
    fn parts(&self) -> (&[u8], &[u8], &[u8]) {
        let (request, answered) = self.text.split_at(self.said);
        let (asked, said) = request.split_at(self.asked);
        (asked, said, answered)
    }
}

/// What is known of the connection a request came on.
pub(super) fn connection(line: &mut Fields<'_>, facts: &ConnFacts) {
    if let Some(version) = facts.tls_version {
        line.plain(key!("tls_version"), version);
    }
    if let Some(name) = &facts.server_name {
        line.plain(key!("sni"), name.as_str());
    }
}

fn cut(value: &[u8]) -> &[u8] {
    &value[..value.len().min(LONGEST)]
}
