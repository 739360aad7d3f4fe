//! The interfaces of DNS providers, as far as they are needed, in front of a real DNS server.
//!
//! Requests come through a proxy that answers in the name of every host, so that the program under test asks for the
//! providers' own addresses, over TLS, and nothing leaves the machine. Cloudflare's zones are those of the DNS server;
//! all the other providers know nobody.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sidegate::clock::Clock;
use sidegate::dns::Updater;
use sidegate::ident::Fqdn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::named::{self, Named};
use super::test_ca::TestCa;

/// What the account at Cloudflare is opened with.
pub(crate) const TOKEN: &str = "a-token-of-forty-letters-and-no-fewer-ok";

const CLOUDFLARE: &str = "api.cloudflare.com";
const ZONE_ID: &str = "023e105f4ecef8ad9ca31a8372d0c353";

/// The running stand-in. Dropping it ends it.
pub(crate) struct Cloud {
    port: u16,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

struct Shared {
    ca: TestCa,
    updater: Updater,
    /// Name and value, by id.
    records: Mutex<BTreeMap<u64, (Fqdn, String)>>,
    seen: Mutex<Vec<Seen>>,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) host: String,
    /// `METHOD path`
    pub(crate) line: String,
    /// All fields, as text.
    pub(crate) fields: String,
}

impl Cloud {
    /// Changes are made at this DNS server.
    pub(crate) async fn start(named: &Named) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            ca: TestCa::new("every provider"),
            updater: Updater::new(named.server(), named::key("hmac-sha256"), Clock::system()),
            records: Mutex::default(),
            seen: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared, accepting }
    }

    /// The proxy to use for `https` URLs.
    pub(crate) fn proxy(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The root that providers are trusted by, as PEM.
    pub(crate) fn root_pem(&self) -> &str {
        self.shared.ca.root_pem()
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("no test panicked here").clone()
    }

    /// How many records there are at Cloudflare.
    pub(crate) fn records(&self) -> usize {
        self.shared.records.lock().expect("no test panicked here").len()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Ends with this task, and with it every connection.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(tunnel(stream, Arc::clone(&shared)));
    }
}

/// One connection: CONNECT, then the TLS and HTTP of the host that is wanted.
async fn tunnel(mut stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let host = head.strip_prefix("CONNECT ")?.split_once(":443 ")?.0.to_owned();
    stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.ok()?;
    let acceptor = TlsAcceptor::from(shared.ca.server_config(&[&host]));
    let stream = TokioIo::new(acceptor.accept(stream).await.ok()?);
    let service = service_fn(|request| {
        let (shared, host) = (Arc::clone(&shared), host.clone());
        async move { Ok::<_, Infallible>(shared.answer(&host, request).await) }
    });
    http1::Builder::new().serve_connection(stream, service).await.ok()
}

impl Shared {
    async fn answer(&self, host: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let target = head.uri.path_and_query().expect("a path").as_str().to_owned();
        self.seen.lock().expect("no test panicked here").push(Seen {
            host: host.to_owned(),
            line: format!("{} {target}", head.method),
            fields: format!("{:?}", head.headers),
        });
        let authorization = head.headers.get("authorization").and_then(|value| value.to_str().ok());
        let known = host == CLOUDFLARE && authorization == Some(&format!("Bearer {TOKEN}"));
        let result = if known { self.cloudflare(&head.method, &target, &body).await } else { None };
        let (status, body) = match result {
            Some(result) => (StatusCode::OK, json!({ "success": true, "errors": [], "result": result })),
            None if known => (StatusCode::NOT_FOUND, json!({ "success": false, "result": null })),
            None => (StatusCode::UNAUTHORIZED, json!({ "success": false, "result": null })),
        };
        let body = Full::from(body.to_string());
        Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(body)
            .expect("whole")
    }

    /// <https://developers.cloudflare.com/api/resources/dns/subresources/records/>
    async fn cloudflare(&self, method: &Method, target: &str, body: &[u8]) -> Option<Value> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let records = format!("/client/v4/zones/{ZONE_ID}/dns_records");
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("name="));
        if *method == Method::GET && path == "/client/v4/zones" {
            let zone = json!({ "id": ZONE_ID, "name": named::ZONE });
            return Some(if asked == Some(named::ZONE) { json!([zone]) } else { json!([]) });
        }
        if *method == Method::GET && path == records {
            let held = self.records.lock().expect("no test panicked here");
            let of_name = held.iter().filter(|(_, (name, _))| Some(name.as_str()) == asked);
            let shown = of_name.map(|(id, (name, value))| {
                json!({ "id": id.to_string(), "name": name.as_str(), "type": "TXT", "content": value })
            });
            return Some(shown.collect());
        }
        if *method == Method::POST && path == records {
            let wanted: Value = serde_json::from_slice(body).ok()?;
            let name = Fqdn::parse(wanted["name"].as_str()?).ok()?;
            let value = wanted["content"].as_str().filter(|_| wanted["type"] == "TXT")?.to_owned();
            self.updater.add(&name, value.trim_matches('"')).await.expect("added");
            let mut held = self.records.lock().expect("no test panicked here");
            let id = held.last_key_value().map_or(1, |(id, _)| id + 1);
            held.insert(id, (name, value));
            return Some(json!({ "id": id.to_string() }));
        }
        if *method == Method::DELETE {
            let id: u64 = path.strip_prefix(&format!("{records}/"))?.parse().ok()?;
            let (name, value) = self.records.lock().expect("no test panicked here").remove(&id)?;
            self.updater.remove(&name, value.trim_matches('"')).await.expect("removed");
            return Some(json!({ "id": id.to_string() }));
        }
        None
    }
}
