//! What of a head goes on to the other side, and what we say in it ourselves.
//!
//! Fields that concern one connection end with it (RFC 9110, 7.6.1). What apps take as our word - who the client
//! is, how it came, which host it asked for - is our word alone: whatever a client sends under those names, or
//! under names that a framework cannot tell from them, is left out.

use std::io::Write;

use http::header::{CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE};
use http::request::Parts;

use crate::proxy::conn::ConnFacts;
use crate::proxy::wire::{Framing, Tokens, is_hop_by_hop};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Writes the head of an HTTP/1.1 request to `out`, from the request line to the empty line.
///
/// With `websocket` the upstream is asked to switch; otherwise no upgrade is asked for, whatever the client sent.
pub(in crate::proxy) fn write_h1(
    parts: &Parts,
    facts: &ConnFacts,
    framing: Framing,
    websocket: bool,
    out: &mut Vec<u8>,
) {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    for piece in [parts.method.as_str(), " ", path, " HTTP/1.1\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
    let mut field = |name: &str, value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    };
    // First, since that is where people look for it, and some servers too (RFC 9110, 7.2).
    let host = host(parts).unwrap_or_default();
    field("host", host.as_bytes());
    for_each_kept(parts, |name, value| field(name.as_str(), value.as_bytes()));
    match framing {
        Framing::Empty => {}
        Framing::Length(length) => field("content-length", Digits::new(length).as_bytes()),
        Framing::Chunked => field("transfer-encoding", b"chunked"),
    }
    if websocket {
        field("connection", b"Upgrade");
        field("upgrade", b"websocket");
    }
    let mut address = [0; 46];
    let address = written(&mut address, facts);
    field("x-forwarded-for", address);
    field("x-forwarded-host", host.as_bytes());
    field("x-forwarded-port", port(host, facts).as_bytes());
    field("x-forwarded-proto", proto(facts).as_bytes());
    field("x-real-ip", address);
    out.extend_from_slice(b"\r\n");
}

/// The fields of an HTTP/2 request; the host stands in its `:authority`.
pub(in crate::proxy) fn for_h2(parts: &Parts, facts: &ConnFacts) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(parts.headers.len() + 6);
    for_each_kept(parts, |name, value| {
        headers.append(name, value.clone());
    });
    // The one field about the connection that HTTP/2 knows (RFC 9113, 8.2.2); gRPC servers insist on it.
    if parts.headers.get_all(TE).iter().any(|te| Tokens::of(te).any(|t| t == "trailers")) {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let host = host(parts).unwrap_or_default();
    let mut address = [0; 46];
    let value =
        |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap_or_else(|_| HeaderValue::from_static(""));
    let address = value(written(&mut address, facts));
    headers.insert(X_FORWARDED_FOR, address.clone());
    headers.insert(X_FORWARDED_HOST, value(host.as_bytes()));
    headers.insert(X_FORWARDED_PORT, value(port(host, facts).as_bytes()));
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto(facts)));
    headers.insert(X_REAL_IP, address);
    headers
}

/// The host a request is for: what stands in its target if that names one, else its `Host`.
///
/// The two agree by the time a request gets here; a client over HTTP/2 sends only the first (RFC 9112, 3.2.2).
pub(in crate::proxy) fn host(parts: &Parts) -> Option<&str> {
    match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(HOST)?.to_str().ok(),
    }
}

/// Hands on what the client sent and the upstream shall see, cookies as one field.
fn for_each_kept(parts: &Parts, mut keep: impl FnMut(HeaderName, &HeaderValue)) {
    let mut connection = Tokens::default();
    for value in parts.headers.get_all(CONNECTION) {
        connection.add(value.as_bytes());
    }
    for (name, value) in &parts.headers {
        if *name == COOKIE || is_dropped(name) || connection.nominates(name) {
            continue;
        }
        keep(name.clone(), value);
    }
    // HTTP/2 clients may send cookies in crumbs; apps behind HTTP/1.1 look at one field (RFC 9113, 8.2.3).
    let mut cookies = parts.headers.get_all(COOKIE).iter();
    if let Some(first) = cookies.next() {
        let mut joined = None;
        for crumb in cookies {
            let joined = joined.get_or_insert_with(|| first.as_bytes().to_vec());
            joined.extend_from_slice(b"; ");
            joined.extend_from_slice(crumb.as_bytes());
        }
        match joined.map(HeaderValue::try_from) {
            Some(Ok(joined)) => keep(COOKIE, &joined),
            // Parts that are valid are valid together; this is for one that stands alone.
            Some(Err(_)) | None => keep(COOKIE, first),
        }
    }
}

/// Fields of a request that never go on as they are.
fn is_dropped(name: &HeaderName) -> bool {
    let name = name.as_str();
    if is_ours(name) || is_hop_by_hop(name) {
        return true;
    }
    // `X_Forwarded_For` reaches a CGI-like interface as the same variable as `X-Forwarded-For` does.
    let spoofed = name.contains('_') && {
        let dashed = name.replace('_', "-");
        is_ours(&dashed) || is_hop_by_hop(&dashed)
    };
    if spoofed {
        tracing::debug!(field = name, "dropped: some apps would take it for a field of ours");
    }
    spoofed
}

/// Fields that we write, or that would contradict what we write. All of `X-Forwarded-*` is: frameworks know many,
/// and each is believed.
fn is_ours(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "content-length"
            | "forwarded"
            | "x-real-ip"
            // httpoxy: becomes HTTP_PROXY in a CGI environment.
            | "proxy"
            // Offers h2c, which would tunnel past us.
            | "http2-settings"
    ) || name.starts_with("x-forwarded-")
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

/// The client's address; an IPv4 client of a dual-stack listener is an IPv4 client.
fn written<'a>(room: &'a mut [u8; 46], facts: &ConnFacts) -> &'a [u8] {
    let mut rest = &mut room[..];
    // The longest address has 45 bytes.
    let _ = write!(rest, "{}", facts.client.ip().to_canonical());
    let left = rest.len();
    let length = room.len() - left;
    &room[..length]
}

/// A number in decimal, without a heap.
struct Digits {
    room: [u8; 20],
    length: usize,
}

impl Digits {
    fn new(number: u64) -> Self {
        let mut room = [0; 20];
        let mut rest = &mut room[..];
        // The longest number has 20 digits.
        let _ = write!(rest, "{number}");
        let left = rest.len();
        Self { room, length: 20 - left }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.room[..self.length]
    }
}

#[cfg(test)]
mod tests;
