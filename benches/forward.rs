//! One request through the whole proxy: TLS, HTTP/1.1 or HTTP/2 in front, HTTP/1.1 behind.
//!
//! Client, proxy and backend are threads of this process, so the figures are round trips and not the proxy's own
//! cost; what they are good for is to be compared with each other and with those of yesterday.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sidegate::catalog::{self, Certificate, Entry};
use sidegate::ident::{Name, Names};
use sidegate::pki::{Bundle, Chain, KeyType, Leaf, PrivateKey, SigningRequest, crypto};
use sidegate::proxy::{AccessLog, Drain, Listeners, Options, Proxy, RouteTable, Site, Target, drain};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions, Runtime};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const HOST: &str = "bench.example";
const SIZES: [(&str, usize); 3] = [("1k", 1 << 10), ("64k", 64 << 10), ("1m", 1 << 20)];

/// A proxy with one worker in front of a backend that answers `/n` with n bytes.
struct House {
    https: SocketAddr,
    root: CertificateDer<'static>,
    _drain: Drain,
}

impl House {
    fn build() -> Self {
        let name = Name::parse(HOST).expect("a name");
        let (certificate, root) = certificate(&Names::new([name.clone()]).expect("names"));
        let (mut publisher, _challenges, resolver, _misses) = catalog::open();
        publisher.publish([(name.clone(), Some(Entry::Warm(certificate)))]);
        let to = Target::parse(&backend().to_string()).expect("a target");
        let site = Site {
            names: vec![name],
            routes: vec![("/".into(), to)],
            redirect: Vec::new(),
            http01: false,
            max_body: None,
        };
        let proxy = Proxy::new(Options::default(), resolver, RouteTable::new(vec![site]), AccessLog::off())
            .expect("TLS is set up");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let https = listener.local_addr().expect("an address");
        let (drain, watcher) = drain::channel();
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            let listeners = Listeners { http: Vec::new(), https: vec![listener] };
            runtime.expect("a runtime").block_on(proxy.serve(listeners, watcher)).expect("a good listener");
        });
        Self { https, root, _drain: drain }
    }

    async fn connect(&self, alpn: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("a root");
        let mut config = ClientConfig::builder_with_provider(crypto::provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let tcp = TcpStream::connect(self.https).await.expect("a connection");
        tcp.set_nodelay(true).expect("a TCP socket");
        let name = ServerName::try_from(HOST).expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.expect("a handshake")
    }
}

/// A self-signed certificate to serve, and the same to trust.
fn certificate(names: &Names) -> (Arc<Certificate>, CertificateDer<'static>) {
    let key = PrivateKey::generate(KeyType::P256);
    let request = SigningRequest::new(&key, names).expect("a request");
    let (day, now) = (Duration::from_secs(86_400), SystemTime::now());
    let der = request.self_sign(now - day, now + day).expect("a certificate");
    let root = CertificateDer::from(der);
    let chain = Chain::self_signed(Leaf::from_der(root.clone()).expect("a certificate"));
    let bundle = Bundle::join(key, chain, names).expect("what belongs together");
    (Certificate::new(&bundle), root)
}

/// Threads and blocking sockets: as little as can stand behind a proxy.
fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for io in listener.incoming() {
            let mut io = io.expect("a connection");
            std::thread::spawn(move || {
                io.set_nodelay(true).expect("a TCP socket");
                let (mut seen, mut room) = (Vec::new(), [0; 4096]);
                while let Ok(read @ 1..) = io.read(&mut room) {
                    seen.extend_from_slice(&room[..read]);
                    while let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
                        let head = String::from_utf8_lossy(&seen[..end]);
                        let size: usize =
                            head.split(['/', ' ']).nth(2).and_then(|n| n.parse().ok()).expect("a size");
                        let mut answer =
                            format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
                        answer.resize(answer.len() + size, b'x');
                        seen.drain(..end + 4);
                        if io.write_all(&answer).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

fn request(uri: String) -> Request<Full<Bytes>> {
    let request =
        Request::get(uri).header("host", HOST).header("accept", "*/*").header("user-agent", "bench");
    request.body(Full::default()).expect("a request")
}

async fn finish(answer: impl Future<Output = hyper::Result<Response<Incoming>>>, size: usize) {
    let answer = answer.await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes().len(), size);
}

fn forward(c: &mut Criterion) {
    let house = House::build();
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    h1(c, &house, &runtime);
    h2(c, &house, &runtime);
}

fn h1(c: &mut Criterion, house: &House, runtime: &Runtime) {
    let mut sender = runtime.block_on(async {
        let io = TokioIo::new(house.connect("http/1.1").await);
        let (sender, connection) = http1::handshake(io).await.expect("a connection");
        tokio::spawn(connection);
        sender
    });
    let mut group = c.benchmark_group("forward/h1");
    for (name, size) in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                runtime.block_on(async {
                    sender.ready().await.expect("an open connection");
                    finish(sender.send_request(request(format!("/{size}"))), size).await;
                });
            });
        });
    }
    group.finish();
}

/// Thirty-two streams at once on one connection.
fn h2(c: &mut Criterion, house: &House, runtime: &Runtime) {
    const STREAMS: usize = 32;
    let sender = runtime.block_on(async {
        let io = TokioIo::new(house.connect("h2").await);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.expect("a connection");
        tokio::spawn(connection);
        sender
    });
    let mut group = c.benchmark_group("forward/h2x32");
    for (name, size) in &SIZES[..2] {
        let size = *size;
        group.throughput(Throughput::Elements(STREAMS as u64));
        group.bench_function(*name, |b| {
            b.iter(|| {
                runtime.block_on(async {
                    let streams: Vec<_> = (0..STREAMS)
                        .map(|_| {
                            let mut sender = sender.clone();
                            let uri = format!("https://{HOST}/{size}");
                            tokio::spawn(async move { finish(sender.send_request(request(uri)), size).await })
                        })
                        .collect();
                    for stream in streams {
                        stream.await.expect("a stream");
                    }
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, forward);
criterion_main!(benches);
