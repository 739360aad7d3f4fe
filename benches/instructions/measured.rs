//! The process that is measured: one thread, which does nothing but what is counted.

use std::hint::black_box;
use std::io::stdin;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sidegate::catalog::{self, Entry, Lookup};
use sidegate::clock::Clock;
use sidegate::proxy::{AccessLog, drain, wire};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::house;
use crate::operation::Operation;

const NAMES: usize = 1_000;

/// Does an operation so many times, or lets it be done.
pub(crate) fn run(operation: Operation, times: u32, backend: SocketAddr) {
    match operation {
        Operation::Lookup => look_up(times),
        Operation::Head => parse(times),
        Operation::Http1Logged => {
            // Nobody writes the lines: the thread that does is on no request's path. Nor does anybody get to see them
            // before there are many, so it does not matter how long it takes until then.
            let (log, _batches) = AccessLog::channel(Duration::from_secs(3_600), Clock::system());
            serve(backend, log);
        }
        _ => serve(backend, AccessLog::off()),
    }
}

fn look_up(times: u32) {
    let (mut publisher, _, resolver, _) = catalog::open();
    let certificate = house::certificate();
    let names: Vec<String> = (0..NAMES).map(|number| format!("site{number}.example.com")).collect();
    let entry = |name: &String| (house::name(name), Some(Entry::Warm(Arc::clone(&certificate))));
    publisher.publish(names.iter().map(entry));
    for name in names.iter().cycle().take(times as usize) {
        assert!(matches!(resolver.lookup(black_box(Some(name))), Lookup::Warm(_)));
    }
}

/// The head is in memory that was asked for, as one from a socket is. Where a constant comes to stand differs from build
/// to build, and what looks at many bytes at once costs up to 3 % more from an odd address.
fn parse(times: u32) {
    let head = Bytes::from(house::BROWSER.as_bytes().to_vec());
    for _ in 0..times {
        let parsed = wire::request(&mut black_box(head.clone()));
        assert!(matches!(parsed, Ok(Some(_))));
    }
}

/// Says on standard output where it serves, and does so until its standard input ends.
fn serve(backend: SocketAddr, access: AccessLog) {
    let proxy = house::proxy(backend, access);
    let https = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", https.local_addr().expect("an address"));
    house::work(async {
        let (_drain, watcher) = drain::channel();
        let input = stdin().as_fd().try_clone_to_owned().expect("an input");
        let mut input = pipe::Receiver::from_owned_fd(input).expect("a pipe");
        tokio::select! {
            () = house::serve(proxy, https, watcher) => {}
            _ = input.read_u8() => {}
        }
    });
}
