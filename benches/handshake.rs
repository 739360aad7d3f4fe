//! A connection from its first byte to its last, without a request: full handshakes and resumed ones.
//!
//! The client is a blocking thread of this process, and its share of the work is in the figures; what they are good for
//! is to be compared with each other and with those of yesterday.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use criterion::{Criterion, criterion_group, criterion_main};
use rustls::crypto::aws_lc_rs::kx_group;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SupportedProtocolVersion, version,
};
use sidegate::catalog::{self, Certificate, Entry};
use sidegate::ident::{Name, Names};
use sidegate::pki::{Bundle, Chain, KeyType, Leaf, PrivateKey, SigningRequest, crypto};
use sidegate::proxy::{AccessLog, Drain, Listeners, Options, Proxy, RouteTable, drain};
use tokio::runtime::{Builder, LocalOptions};

const HOST: &str = "bench.example";

/// A proxy with one worker, and a catalog with one certificate.
struct House {
    https: SocketAddr,
    root: CertificateDer<'static>,
    _drain: Drain,
}

impl House {
    fn build() -> Self {
        let name = Name::parse(HOST).expect("a name");
        let names = Names::new([name.clone()]).expect("names");
        let key = PrivateKey::generate(KeyType::P256);
        let request = SigningRequest::new(&key, &names).expect("a request");
        let (day, now) = (Duration::from_secs(86_400), SystemTime::now());
        let root = CertificateDer::from(request.self_sign(now - day, now + day).expect("a certificate"));
        let chain = Chain::self_signed(Leaf::from_der(root.clone()).expect("a certificate"));
        let bundle = Bundle::join(key, chain, &names).expect("what belongs together");
        let (mut publisher, _challenges, resolver, _misses) = catalog::open();
        publisher.publish([(name, Some(Entry::Warm(Certificate::new(&bundle))))]);
        let routes = RouteTable::new(Vec::new());
        let proxy =
            Proxy::new(Options::default(), resolver, routes, AccessLog::off()).expect("TLS is set up");
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

    fn client(&self, versions: &[&'static SupportedProtocolVersion], hybrid: bool) -> Arc<ClientConfig> {
        let mut provider = (*crypto::provider()).clone();
        if !hybrid {
            provider.kx_groups = vec![kx_group::X25519];
        }
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("a root");
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// Connects, shakes hands, says goodbye and reads what comes before the other side's: tickets.
    fn visit(&self, config: &Arc<ClientConfig>, expected: HandshakeKind) {
        let mut tcp = TcpStream::connect(self.https).expect("a connection");
        tcp.set_nodelay(true).expect("a TCP socket");
        let name = ServerName::try_from(HOST).expect("a name");
        let mut tls = ClientConnection::new(Arc::clone(config), name).expect("a client");
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp).expect("a handshake");
        }
        assert_eq!(tls.handshake_kind(), Some(expected));
        tls.send_close_notify();
        let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
        stream.flush().expect("sent");
        // The proxy may leave without a word: it was about to be told the same.
        if let Err(error) = stream.read_to_end(&mut Vec::new()) {
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}

fn handshake(c: &mut Criterion) {
    let house = House::build();
    let mut group = c.benchmark_group("handshake");
    for (name, versions, hybrid) in [
        ("tls13-full-x25519mlkem768", [&version::TLS13], true),
        ("tls13-full-x25519", [&version::TLS13], false),
        ("tls12-full", [&version::TLS12], false),
    ] {
        let mut config = (*house.client(&versions, hybrid)).clone();
        config.resumption = rustls::client::Resumption::disabled();
        let config = Arc::new(config);
        group.bench_function(name, |b| b.iter(|| house.visit(&config, HandshakeKind::Full)));
    }
    for (name, versions) in
        [("tls13-resumed-x25519", [&version::TLS13]), ("tls12-resumed", [&version::TLS12])]
    {
        let config = house.client(&versions, false);
        house.visit(&config, HandshakeKind::Full);
        group.bench_function(name, |b| b.iter(|| house.visit(&config, HandshakeKind::Resumed)));
    }
    group.finish();
}

criterion_group!(benches, handshake);
criterion_main!(benches);
