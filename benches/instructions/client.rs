//! Who asks the measured process for operations, and who stands behind it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::Resumption;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};
use sidegate::pki::crypto;
use tokio::runtime::Builder;
use tokio_rustls::TlsConnector;

use crate::house::{self, HOST};
use crate::operation::Operation;
use crate::paced::{Paced, Sleeper};

const SIZE: usize = 1024;

/// A client of one measured process.
pub(crate) struct Client {
    pub(crate) https: SocketAddr,
    pub(crate) sleeper: Sleeper,
}

impl Client {
    /// Asks for an operation so many times, one after the other.
    pub(crate) fn ask(&self, operation: Operation, times: u32) {
        match operation {
            Operation::Lookup | Operation::Head => unreachable!("nobody asks for it"),
            Operation::Handshake => {
                let mut config = config("http/1.1");
                config.resumption = Resumption::disabled();
                let config = Arc::new(config);
                for _ in 0..times {
                    house::visit(self.connect(), &config, HandshakeKind::Full);
                }
            }
            Operation::Resumption => {
                let config = Arc::new(config("http/1.1"));
                house::visit(self.connect(), &config, HandshakeKind::Full);
                for _ in 0..times {
                    house::visit(self.connect(), &config, HandshakeKind::Resumed);
                }
            }
            Operation::Http1 | Operation::Http1Logged => self.http1(times),
            Operation::Http2 => self.http2(times),
        }
    }

    fn connect(&self) -> Paced<TcpStream> {
        self.sleeper.wait();
        let io = TcpStream::connect(self.https).expect("a connection");
        io.set_nodelay(true).expect("a TCP socket");
        Paced { io, sleeper: self.sleeper.clone() }
    }

    fn http1(&self, times: u32) {
        let config = Arc::new(config("http/1.1"));
        let tls = ClientConnection::new(config, house::server_name()).expect("a client");
        let mut io = StreamOwned::new(tls, self.connect());
        let request =
            format!("GET /{SIZE} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n");
        for _ in 0..times {
            io.write_all(request.as_bytes()).expect("sent");
            read_answer(&mut io);
        }
    }

    fn http2(&self, times: u32) {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let Paced { io, sleeper } = self.connect();
            io.set_nonblocking(true).expect("a TCP socket");
            let io = Paced { io: tokio::net::TcpStream::from_std(io).expect("a TCP socket"), sleeper };
            let tls = TlsConnector::from(Arc::new(config("h2")));
            let io = tls.connect(house::server_name(), io).await.expect("a handshake");
            // Windows that are never used up, so that nothing is said about them.
            let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(1 << 30)
                .initial_connection_window_size(1 << 30)
                .handshake::<_, Empty<Bytes>>(TokioIo::new(io))
                .await
                .expect("a connection");
            tokio::spawn(connection);
            for _ in 0..times {
                let request = Request::get(format!("https://{HOST}/{SIZE}"))
                    .header("user-agent", "bench")
                    .header("accept", "*/*")
                    .body(Empty::new())
                    .expect("a request");
                let answer = sender.send_request(request).await.expect("an answer");
                assert_eq!(answer.status(), 200);
                assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes().len(), SIZE);
            }
        });
    }
}

fn config(alpn: &str) -> ClientConfig {
    house::client(crypto::provider(), &TLS13, &[alpn])
}

/// Reads one answer of [`SIZE`] bytes.
fn read_answer(io: &mut impl Read) {
    let (mut seen, mut room) = (Vec::new(), [0; 4096]);
    let whole = |seen: &[u8]| {
        let head = seen.windows(4).position(|w| w == b"\r\n\r\n");
        head.is_some_and(|head| seen.len() == head + 4 + SIZE)
    };
    while !whole(&seen) {
        let read = io.read(&mut room).expect("an answer");
        assert!(read > 0, "the answer broke off: {:?}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&room[..read]);
    }
    assert!(seen.starts_with(b"HTTP/1.1 200 "));
}

/// Stands behind the proxy once it is known which process it is.
pub(crate) fn stand_behind(listener: TcpListener, sleeper: &Sleeper) {
    let sleeper = sleeper.clone();
    thread::spawn(move || {
        for io in listener.incoming() {
            let io = io.expect("a connection");
            io.set_nodelay(true).expect("a TCP socket");
            let answers = Paced { io: io.try_clone().expect("a socket"), sleeper: sleeper.clone() };
            thread::spawn(move || house::answer(io, answers));
        }
    });
}
