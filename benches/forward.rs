//! One request through the whole proxy: TLS, HTTP/1.1 or HTTP/2 in front, HTTP/1.1 behind.
//!
//! Client, proxy and backend are threads of this process, so the figures are round trips and not the proxy's own
//! cost; what they are good for is to be compared with each other and with those of yesterday.

mod house;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::version::TLS13;
use sidegate::pki::crypto;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use house::{HOST, House, client, server_name};

const SIZES: [(&str, usize); 3] = [("1k", 1 << 10), ("64k", 64 << 10), ("1m", 1 << 20)];

async fn connect(house: &House, alpn: &str) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(house.https).await.expect("a connection");
    tcp.set_nodelay(true).expect("a TCP socket");
    let config = Arc::new(client(crypto::provider(), &TLS13, &[alpn]));
    TlsConnector::from(config).connect(server_name(), tcp).await.expect("a handshake")
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
        let io = TokioIo::new(connect(house, "http/1.1").await);
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
        let io = TokioIo::new(connect(house, "h2").await);
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
