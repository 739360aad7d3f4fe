//! A faulty network in front of a real CA: what Pebble never does by itself.
//!
//! An HTTPS reverse proxy that passes everything on to Pebble, except what the test has asked to go wrong. The
//! directory's URLs follow the Host header, so a client that got the directory here stays here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::pebble::Pebble;
use super::process::PATIENCE;
use super::test_ca::TestCa;

/// What happens to a request instead of the right thing.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing goes wrong; for the requests before the one that meets a fault.
    Pass,
    /// Nothing goes wrong, but the CA's answer gets one more header line.
    PassWith(String),
    /// Nothing goes wrong, but in the body of the CA's answer the second text stands for the first one.
    PassReplacing(String, String),
    /// The CA never sees it; this is the answer.
    Answer {
        status: u16,
        /// Header lines without line ends.
        headers: Vec<String>,
        body: String,
    },
    /// The CA never sees it, and the connection ends without an answer.
    Drop,
    /// The CA sees it and does what it is asked, but the connection ends without an answer.
    LoseAnswer,
    /// The CA never sees it; the connection stays open and silent.
    Stall,
    /// The CA sees it and does what it is asked, but the connection stays open and silent.
    KeepAnswer,
    /// It is passed on after this time.
    Slow(Duration),
    /// The CA never sees it; the answer is a head and then bytes without end.
    Endless,
}

impl Fault {
    /// What a content delivery network says in place of the CA behind it.
    pub(crate) fn html(status: u16) -> Self {
        Self::Answer {
            status,
            headers: vec!["Content-Type: text/html".to_owned()],
            body: "<html><body><h1>Backend fetch failed</h1></body></html>".to_owned(),
        }
    }

    /// A problem document (RFC 7807) as an ACME server writes it; `kind` is the last part of its type.
    pub(crate) fn problem(status: u16, kind: &str, detail: &str) -> Self {
        Self::Answer {
            status,
            headers: vec!["Content-Type: application/problem+json".to_owned()],
            body: serde_json::json!({
                "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail, "status": status,
            })
            .to_string(),
        }
    }

    /// The same fault with one more header line, where it is an answer.
    pub(crate) fn with_header(self, line: &str) -> Self {
        match self {
            Self::Answer { status, mut headers, body } => {
                headers.push(line.to_owned());
                Self::Answer { status, headers, body }
            }
            other => other,
        }
    }
}

/// The running proxy. Dropping it closes the listener and cuts what is open.
pub(crate) struct FrontOfCa {
    port: u16,
    ca: TestCa,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

struct Shared {
    upstream: u16,
    connector: TlsConnector,
    faults: Mutex<Vec<Planned>>,
    /// `METHOD path`, in the order of arrival.
    seen: watch::Sender<Vec<String>>,
    /// The heads of the requests, likewise.
    heads: Mutex<Vec<String>>,
    /// How many answers of the CA itself had the status 400.
    refused: AtomicUsize,
    /// How many answers were kept from the client.
    kept: watch::Sender<usize>,
}

struct Planned {
    path: String,
    left: usize,
    fault: Fault,
}

struct Message {
    head: String,
    body: Vec<u8>,
}

impl Message {
    /// The same answer with another body.
    fn with_body(self, body: Vec<u8>) -> Self {
        let old = format!("Content-Length: {}\r\n", self.body.len());
        let new = format!("Content-Length: {}\r\n", body.len());
        Self { head: self.head.replacen(&old, &new, 1), body }
    }
}

impl FrontOfCa {
    /// Listens on a port of its own, and passes on to this CA.
    pub(crate) async fn start(pebble: &Pebble) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let ca = TestCa::new("the front's API");
        let acceptor = TlsAcceptor::from(ca.server_config(&["localhost", "127.0.0.1"]));
        let shared = Arc::new(Shared {
            upstream: pebble.port(),
            connector: TlsConnector::from(pebble.api_ca().client_config()),
            faults: Mutex::default(),
            seen: watch::Sender::default(),
            heads: Mutex::default(),
            refused: AtomicUsize::new(0),
            kept: watch::Sender::default(),
        });
        let accepting = tokio::spawn(accept(listener, acceptor, Arc::clone(&shared)));
        Self { port, ca, shared, accepting }
    }

    /// The URL of the directory, seen through this proxy.
    pub(crate) fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// The root to trust when talking to this proxy, as PEM.
    pub(crate) fn api_root(&self) -> Vec<u8> {
        self.ca.root_pem().as_bytes().to_vec()
    }

    /// The next `times` requests whose path contains `path` meet this fault. Faults planned first come first.
    pub(crate) fn plan(&self, path: &str, times: usize, fault: Fault) {
        let planned = Planned { path: path.to_owned(), left: times, fault };
        self.shared.faults.lock().expect("no test panicked here").push(planned);
    }

    /// Nothing goes wrong from here on.
    pub(crate) fn heal(&self) {
        self.shared.faults.lock().expect("no test panicked here").clear();
    }

    /// How many requests came for paths that contain `path`; also those that met a fault.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.shared.seen.borrow().iter().filter(|seen| seen.contains(path)).count()
    }

    /// All requests so far, as `METHOD path`.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.shared.seen.borrow().clone()
    }

    /// Waits until a request has come for a path that contains `path`.
    pub(crate) async fn wait_for(&self, path: &str) {
        self.wait_for_nth(path, 1).await;
    }

    /// Waits until so many have come.
    pub(crate) async fn wait_for_nth(&self, path: &str, count: usize) {
        let mut seen = self.shared.seen.subscribe();
        let came = seen.wait_for(|seen| seen.iter().filter(|seen| seen.contains(path)).count() >= count);
        tokio::time::timeout(PATIENCE, came).await.expect("it comes").expect("the front runs");
    }

    /// Waits until the CA has answered, and the answer was kept from the client.
    pub(crate) async fn has_kept_an_answer(&self) {
        let mut kept = self.shared.kept.subscribe();
        let one = kept.wait_for(|kept| *kept > 0);
        tokio::time::timeout(PATIENCE, one).await.expect("it answers").expect("the front runs");
    }

    /// How many requests the CA itself has found faulty.
    pub(crate) fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().expect("no test panicked here").clone()
    }
}

impl Drop for FrontOfCa {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    // Ends with this task, and with it every connection.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, &shared).await;
            }
        });
    }
}

/// One connection: request after request, until the client or a fault ends it.
async fn serve(mut client: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) {
    while let Some(request) = read_message(&mut client).await {
        let mut words = request.head.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        shared.heads.lock().expect("no test panicked here").push(request.head.clone());
        shared.seen.send_modify(|seen| seen.push(format!("{method} {path}")));
        let fault = shared.take_fault(path);
        let answer = match fault {
            Some(Fault::Answer { status, headers, body }) => {
                let mut head = format!("HTTP/1.1 {status} Fault\r\nContent-Length: {}\r\n", body.len());
                headers.iter().for_each(|line| head.extend([line, "\r\n"]));
                let body = if method == "HEAD" { Vec::new() } else { body.into_bytes() };
                Some(Message { head: head + "\r\n", body })
            }
            Some(Fault::PassWith(line)) => shared.pass_on(&request).await.map(|answer| Message {
                head: answer.head.replacen("\r\n", &format!("\r\n{line}\r\n"), 1),
                ..answer
            }),
            Some(Fault::PassReplacing(from, to)) => shared.pass_on(&request).await.map(|answer| {
                let body = String::from_utf8_lossy(&answer.body).replacen(&from, &to, 1);
                answer.with_body(body.into_bytes())
            }),
            Some(Fault::Drop) => None,
            Some(Fault::LoseAnswer) => {
                shared.pass_on(&request).await;
                None
            }
            Some(Fault::Stall) => std::future::pending().await,
            Some(Fault::KeepAnswer) => {
                shared.pass_on(&request).await;
                shared.kept.send_modify(|kept| *kept += 1);
                std::future::pending().await
            }
            Some(Fault::Slow(by)) => {
                tokio::time::sleep(by).await;
                shared.pass_on(&request).await
            }
            Some(Fault::Endless) => {
                endless(&mut client).await;
                None
            }
            Some(Fault::Pass) | None => shared.pass_on(&request).await,
        };
        let Some(answer) = answer else { return };
        let sent = async {
            client.write_all(answer.head.as_bytes()).await?;
            client.write_all(&answer.body).await?;
            client.flush().await
        };
        if sent.await.is_err() {
            return;
        }
    }
}

async fn endless(client: &mut (impl AsyncWrite + Unpin)) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
    let mut sent = client.write_all(head.as_bytes()).await;
    while sent.is_ok() {
        sent = client.write_all(&[b' '; 16 * 1024]).await;
    }
}

impl Shared {
    fn take_fault(&self, path: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().expect("no test panicked here");
        let planned = faults.iter_mut().find(|planned| planned.left > 0 && path.contains(&planned.path))?;
        planned.left -= 1;
        Some(planned.fault.clone())
    }

    /// What the CA answers; nothing if it is down.
    async fn pass_on(&self, request: &Message) -> Option<Message> {
        let stream = TcpStream::connect(("127.0.0.1", self.upstream)).await.ok()?;
        let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
        let mut stream = self.connector.connect(name, stream).await.ok()?;
        let head = request.head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(&request.body).await.ok()?;
        let mut raw = Vec::new();
        // Pebble may end the connection without a TLS close; what has come by then is whole.
        stream.read_to_end(&mut raw).await.ok();
        let head_end = head_end(&raw)?;
        let head = String::from_utf8(raw[..head_end].to_vec()).ok()?;
        if head.starts_with("HTTP/1.1 400") {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        let body = raw[head_end..].to_vec();
        let body = if header(&head, "transfer-encoding").is_some() { dechunked(&body)? } else { body };
        // The connection to the CA ends, the one to the client does not, so the length must be said here.
        let mut kept: Vec<&str> = head
            .trim_end()
            .split("\r\n")
            .filter(|line| {
                let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                !["connection", "content-length", "transfer-encoding"].contains(&name.as_str())
            })
            .collect();
        let length = format!("Content-Length: {}", body.len());
        kept.push(&length);
        Some(Message { head: kept.join("\r\n") + "\r\n\r\n", body })
    }
}

/// A request with its body, whose length is given; `None` when the client has ended.
async fn read_message(from: &mut (impl AsyncRead + Unpin)) -> Option<Message> {
    let mut raw = Vec::new();
    let head_end = loop {
        if let Some(end) = head_end(&raw) {
            break end;
        }
        if from.read_buf(&mut raw).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(raw[..head_end].to_vec()).ok()?;
    let length: usize = header(&head, "content-length").map_or(Some(0), |value| value.parse().ok())?;
    let mut body = raw.split_off(head_end);
    while body.len() < length {
        if from.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Message { head, body })
}

fn head_end(raw: &[u8]) -> Option<usize> {
    raw.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn dechunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line_end = body.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&body[..line_end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        body = body.get(line_end + 2..)?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(..size)?);
        body = body.get(size + 2..)?;
    }
}
