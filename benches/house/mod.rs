//! What the benches have in common: a certificate, a proxy with one worker that shows it, and who talks to it.
#![allow(dead_code, reason = "each bench uses a part of it")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::kx_group;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use sidegate::catalog::{self, Certificate, Entry};
use sidegate::ident::{Name, Names};
use sidegate::pki::{Bundle, Chain, PrivateKey, crypto};
use sidegate::proxy::{
    AccessLog, Drain, Listeners, Options, Proxy, RouteTable, Site, Target, Watcher, drain,
};
use tokio::runtime::{Builder, LocalOptions};

/// The head of a request as a browser writes it.
pub(crate) const BROWSER: &str = concat!(
    "GET /articles/2026/ahead-of-every-proxy?ref=front&lang=en HTTP/1.1\r\n",
    "Host: www.example.com\r\n",
    "Connection: keep-alive\r\n",
    "sec-ch-ua: \"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n",
    "sec-ch-ua-mobile: ?0\r\n",
    "sec-ch-ua-platform: \"Linux\"\r\n",
    "Upgrade-Insecure-Requests: 1\r\n",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 ",
    "Safari/537.36\r\n",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n",
    "Sec-Fetch-Site: same-origin\r\n",
    "Sec-Fetch-Mode: navigate\r\n",
    "Sec-Fetch-User: ?1\r\n",
    "Sec-Fetch-Dest: document\r\n",
    "Referer: https://www.example.com/articles/\r\n",
    "Accept-Encoding: gzip, deflate, br, zstd\r\n",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n",
    "Cookie: session=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.c2lkZWdhdGU.q8vKXO0tqwm4c7BvCk1; theme=dark; seen=17\r\n",
    "If-None-Match: \"5f3c-62a1b7c9e4d80\"\r\n",
    "\r\n"
);

/// The name of the only site.
pub(crate) const HOST: &str = "bench.example";

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// The name as clients ask for it.
pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::try_from(HOST).expect("a name")
}

/// The key of [`HOST`] and its self-signed certificate. They are valid for a century and the same in each run: where
/// things come to lie in memory follows from lengths, and what it costs to find room there follows from that.
fn bundle() -> Bundle {
    let (key, crt) = (include_bytes!("key.pem"), include_bytes!("certificate.pem"));
    let key = PrivateKey::from_pem(key).expect("a key");
    let chain = Chain::from_parts(crt, b"", crt).expect("a certificate");
    Bundle::join(key, chain, &Names::new([name(HOST)]).expect("names")).expect("what belongs together")
}

/// A certificate to publish.
pub(crate) fn certificate() -> Arc<Certificate> {
    Certificate::new(&bundle())
}

/// A proxy that sends everything for [`HOST`] to `to`.
pub(crate) fn proxy(to: SocketAddr, access: AccessLog) -> Arc<Proxy> {
    let (mut publisher, _challenges, resolver, _misses) = catalog::open();
    publisher.publish([(name(HOST), Some(Entry::Warm(certificate())))]);
    let routes = vec![("/".into(), Target::parse(&to.to_string()).expect("a target"))];
    let site = Site { names: vec![name(HOST)], routes, redirect: Vec::new(), http01: false, max_body: None };
    Proxy::new(Options::default(), resolver, RouteTable::new(vec![site]), access).expect("TLS is set up")
}

/// Does what a worker does, on the thread this runs on.
pub(crate) fn work(future: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    runtime.expect("a runtime").block_on(future);
}

/// Serves until the drain is over.
pub(crate) async fn serve(proxy: Arc<Proxy>, https: TcpListener, watcher: Watcher) {
    let listeners = Listeners { http: Vec::new(), https: vec![https] };
    proxy.serve(listeners, watcher).await.expect("a good listener");
}

/// A proxy with one worker, on a thread of this process.
pub(crate) struct House {
    pub(crate) https: SocketAddr,
    _drain: Drain,
}

impl House {
    /// In front of [`backend`].
    pub(crate) fn build() -> Self {
        let proxy = proxy(backend(), AccessLog::off());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let https = listener.local_addr().expect("an address");
        let (drain, watcher) = drain::channel();
        std::thread::spawn(move || work(serve(proxy, listener, watcher)));
        Self { https, _drain: drain }
    }
}

/// Cryptography with one key exchange only, which is not the default one.
pub(crate) fn x25519() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { kx_groups: vec![kx_group::X25519], ..(*crypto::provider()).clone() })
}

/// A client that trusts the certificate of [`HOST`].
pub(crate) fn client(
    provider: Arc<CryptoProvider>,
    version: &'static SupportedProtocolVersion,
    alpn: &[&str],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(bundle().leaf().der().clone()).expect("a root");
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// Shakes hands, says goodbye and reads what comes before the other side's: tickets.
pub(crate) fn visit(mut io: impl Read + Write, config: &Arc<ClientConfig>, expected: HandshakeKind) {
    let mut tls = ClientConnection::new(Arc::clone(config), server_name()).expect("a client");
    while tls.is_handshaking() {
        tls.complete_io(&mut io).expect("a handshake");
    }
    assert_eq!(tls.handshake_kind(), Some(expected));
    tls.send_close_notify();
    let mut stream = rustls::Stream::new(&mut tls, &mut io);
    stream.flush().expect("sent");
    // The proxy may leave without a word: it was about to be told the same.
    if let Err(error) = stream.read_to_end(&mut Vec::new()) {
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}

/// Answers `/n` with n bytes. Threads and blocking sockets: as little as can stand behind a proxy.
fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for io in listener.incoming() {
            let io = io.expect("a connection");
            std::thread::spawn(move || answer(&io, &io));
        }
    });
    address
}

/// Answers requests until there are no more.
pub(crate) fn answer(mut requests: impl Read, mut answers: impl Write) {
    let (mut seen, mut room) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = requests.read(&mut room) {
        seen.extend_from_slice(&room[..read]);
        while let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..end]);
            let size: usize = head.split(['/', ' ']).nth(2).and_then(|n| n.parse().ok()).expect("a size");
            let mut answer =
                format!("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\nContent-Length: {size}\r\n\r\n")
                    .into_bytes();
            answer.resize(answer.len() + size, b'x');
            seen.drain(..end + 4);
            if answers.write_all(&answer).is_err() {
                return;
            }
        }
    }
}
