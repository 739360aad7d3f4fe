//! A connection from its first byte to its last, without a request: full handshakes and resumed ones.
//!
//! The client is a blocking thread of this process, and its share of the work is in the figures; what they are good for
//! is to be compared with each other and with those of yesterday.

mod house;

use std::net::TcpStream;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use rustls::client::Resumption;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};
use sidegate::pki::crypto;

use house::{House, client, visit, x25519};

const ALPN: [&str; 2] = ["h2", "http/1.1"];

fn connect(house: &House, config: &Arc<ClientConfig>, expected: HandshakeKind) {
    let tcp = TcpStream::connect(house.https).expect("a connection");
    tcp.set_nodelay(true).expect("a TCP socket");
    visit(tcp, config, expected);
}

fn handshake(c: &mut Criterion) {
    let house = House::build();
    let mut group = c.benchmark_group("handshake");
    for (name, provider, version) in [
        ("tls13-full-x25519mlkem768", crypto::provider(), &TLS13),
        ("tls13-full-x25519", x25519(), &TLS13),
        ("tls12-full", x25519(), &TLS12),
    ] {
        let mut config = client(provider, version, &ALPN);
        config.resumption = Resumption::disabled();
        let config = Arc::new(config);
        group.bench_function(name, |b| b.iter(|| connect(&house, &config, HandshakeKind::Full)));
    }
    for (name, version) in [("tls13-resumed-x25519", &TLS13), ("tls12-resumed", &TLS12)] {
        let config = Arc::new(client(x25519(), version, &ALPN));
        connect(&house, &config, HandshakeKind::Full);
        group.bench_function(name, |b| b.iter(|| connect(&house, &config, HandshakeKind::Resumed)));
    }
    group.finish();
}

criterion_group!(benches, handshake);
criterion_main!(benches);
