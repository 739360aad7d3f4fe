//! What of a head goes on to the other side, and what we say in it ourselves.
//!
//! Fields that concern one connection end with it (RFC 9110 section 7.6.1). What apps take as our word - who the client
//! is, how it came, which host it asked for - is our word alone: whatever a client sends under those names, or
//! under names that a framework cannot tell from them, is left out.

use std::borrow::Cow;

use http::HeaderMap;

use crate::proxy::conn::ConnFacts;
use crate::proxy::wire::{self, Field, Fields, Framing, Head, Kind, Tokens};

/// Writes the head of an HTTP/1.1 request to `out`, from the request line to the empty line.
///
/// With `websocket` the upstream is asked to switch; otherwise no upgrade is asked for, whatever the client sent.
pub(in crate::proxy) fn write_h1(
    head: &Head,
    facts: &ConnFacts,
    framing: Framing,
    websocket: bool,
    out: &mut Vec<u8>,
) {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    for piece in [head.method.as_str(), " ", path, " HTTP/1.1\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
    // First, since that is where people look for it, and some servers too (RFC 9110 section 7.2).
    let host = host(head).unwrap_or_default();
    line(out, "host: ", host);
    let connection = Tokens::of(&head.fields);
    head.fields.write(out, |field| is_passed_on(field, &connection) && field.kind != Kind::Cookie);
    if let Some(cookies) = cookies(&head.fields) {
        out.extend_from_slice(b"cookie: ");
        out.extend_from_slice(&cookies);
        out.extend_from_slice(b"\r\n");
    }
    match framing {
        Framing::Empty => {}
        Framing::Length(length) => line(out, "content-length: ", itoa::Buffer::new().format(length)),
        Framing::Chunked => line(out, "transfer-encoding: ", "chunked"),
    }
    if websocket {
        line(out, "connection: ", "Upgrade");
        line(out, "upgrade: ", "websocket");
    }
    line(out, "x-forwarded-for: ", &facts.client);
    line(out, "x-forwarded-host: ", host);
    line(out, "x-forwarded-port: ", port(host, facts));
    line(out, "x-forwarded-proto: ", proto(facts));
    line(out, "x-real-ip: ", &facts.client);
    out.extend_from_slice(b"\r\n");
}

/// One field; where a caller names it, its length is known and writing it is a few moves.
#[inline]
fn line(out: &mut Vec<u8>, name: &'static str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The fields of an HTTP/2 request; the host stands in its `:authority`.
pub(in crate::proxy) fn for_h2(head: &Head, facts: &ConnFacts) -> HeaderMap {
    let connection = Tokens::of(&head.fields);
    let mut fields = head.fields.clone();
    // The client's side says 100 when the body is asked for, which is at once here.
    let is_kept = |field: &Field<'_>| !matches!(field.kind, Kind::Cookie | Kind::Expect);
    fields.retain(|field| is_passed_on(field, &connection) && is_kept(&field));
    if let Some(cookies) = cookies(&head.fields) {
        fields.add("cookie", &cookies);
    }
    // The one field about the connection that HTTP/2 knows (RFC 9113 section 8.2.2); gRPC servers insist on it.
    if head.fields.all(Kind::Te).flat_map(wire::words).any(|word| word == "trailers") {
        fields.add("te", b"trailers");
    }
    let host = host(head).unwrap_or_default();
    fields.add("x-forwarded-for", facts.client.as_bytes());
    fields.add("x-forwarded-host", host.as_bytes());
    fields.add("x-forwarded-port", port(host, facts).as_bytes());
    fields.add("x-forwarded-proto", proto(facts).as_bytes());
    fields.add("x-real-ip", facts.client.as_bytes());
    fields.to_map()
}

/// The host a request is for. What stands in its target and its `Host` agree by the time a request gets here.
pub(in crate::proxy) fn host(head: &Head) -> Option<&str> {
    str::from_utf8(head.host()?).ok()
}

/// Whether the upstream sees a field of the client's. Those that we write ourselves, or that would contradict what we
/// write, it does not.
fn is_passed_on(field: Field<'_>, connection: &Tokens) -> bool {
    if field.kind == Kind::Lookalike {
        let name = String::from_utf8_lossy(field.name);
        tracing::debug!(field = %name, "dropped: some apps would take it for a field of ours");
    }
    !field.kind.is_ours() && !field.kind.is_hop_by_hop() && !connection.nominates(field.name)
}

/// All cookies in one value: HTTP/2 clients may send them in crumbs, and apps behind HTTP/1.1 look at one field
/// (RFC 9113 section 8.2.3).
fn cookies(fields: &Fields) -> Option<Cow<'_, [u8]>> {
    let mut crumbs = fields.all(Kind::Cookie);
    let first = crumbs.next()?;
    Some(crumbs.fold(Cow::Borrowed(first), |mut joined, crumb| {
        joined.to_mut().extend_from_slice(b"; ");
        joined.to_mut().extend_from_slice(crumb);
        joined
    }))
}

fn proto(facts: &ConnFacts) -> &'static str {
    if facts.secure { "https" } else { "http" }
}

/// The port the client meant: the one it wrote behind the host, else the scheme's own. The port we listen on may be
/// another, in a container.
fn port<'a>(host: &'a str, facts: &ConnFacts) -> &'a str {
    match host.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => port,
        _ if facts.secure => "443",
        _ => "80",
    }
}

#[cfg(test)]
mod tests;
