//! What it costs to read the head of a request, and of a response.

mod house;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use http::Method;
use sidegate::proxy::wire::{self, is_worth_another_look};

use house::BROWSER;

const CURL: &str =
    "GET /index.html HTTP/1.1\r\nHost: example.com\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n";

const RESPONSE: &str = concat!(
    "HTTP/1.1 200 OK\r\n",
    "Date: Sat, 22 Nov 2025 10:00:00 GMT\r\n",
    "Server: gunicorn\r\n",
    "Connection: keep-alive\r\n",
    "Content-Type: text/html; charset=utf-8\r\n",
    "Content-Length: 1024\r\n",
    "Cache-Control: private, max-age=0\r\n",
    "ETag: \"5f3c-62a1b7c9e4d80\"\r\n",
    "Set-Cookie: session=0123456789abcdef; Path=/; HttpOnly; Secure; SameSite=Lax\r\n",
    "Vary: Accept-Encoding, Cookie\r\n",
    "X-Frame-Options: SAMEORIGIN\r\n",
    "X-Content-Type-Options: nosniff\r\n",
    "X-Request-Id: 7d1f6b0e-9a33-4a43-8f3b-0c5a0e9d2c11\r\n",
    "Strict-Transport-Security: max-age=31536000\r\n",
    "\r\n"
);

fn head(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("head");
    for (name, text) in [("request/curl", CURL), ("request/browser", BROWSER)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            // As it comes from a connection: a copy of its own out of the buffer that all share.
            bencher.iter(|| wire::request(&mut Bytes::copy_from_slice(black_box(text.as_bytes()))));
        });
    }
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    group.bench_function("response", |bencher| {
        let read = |mut bytes| wire::response(&mut bytes, &Method::GET);
        bencher.iter(|| read(Bytes::copy_from_slice(black_box(RESPONSE.as_bytes()))));
    });
    // The most that a patient client makes us do for one head: line by line, and nearly as many as there may be.
    let slow = format!("GET / HTTP/1.1\r\n{}\r\n", "a: 0123456789\r\n".repeat(99));
    group.throughput(Throughput::Bytes(slow.len() as u64));
    group.bench_function("request/byte by byte", |bencher| {
        bencher.iter_batched(
            || Bytes::from(slow.clone()),
            |bytes| {
                (1..=bytes.len()).filter(|&end| is_worth_another_look(&bytes[end - 1..end], end)).for_each(
                    |end| {
                        let parsed = wire::request(&mut bytes.slice(..end)).expect("well formed");
                        assert_eq!(parsed.is_some(), end == bytes.len());
                    },
                );
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, head);
criterion_main!(benches);
