//! The app behind the proxy, byte by byte: it says what the test says, when the test says it.

use std::net::SocketAddr;
use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::timeout;

use super::process::PATIENCE;

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("the test waits in vain")
}

/// An app that waits to be told what to say.
pub(crate) struct Backend {
    listener: Listener,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Backend {
    /// On a port of 127.0.0.1.
    pub(crate) async fn start() -> Self {
        Self::at("127.0.0.1:0").await
    }

    /// On this address.
    pub(crate) async fn at(address: &str) -> Self {
        Self { listener: Listener::Tcp(TcpListener::bind(address).await.expect("a free address")) }
    }

    /// On a socket in the file system.
    pub(crate) fn unix(path: &Path) -> Self {
        Self { listener: Listener::Unix(UnixListener::bind(path).expect("a free path")) }
    }

    /// Where it listens, if that is an address.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().expect("an address"),
            Listener::Unix(_) => panic!("a socket in the file system has no address"),
        }
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> Wire {
        match &self.listener {
            Listener::Tcp(listener) => {
                let (io, _) = soon(listener.accept()).await.expect("a connection");
                io.set_nodelay(true).expect("a TCP socket");
                Wire::new(io)
            }
            Listener::Unix(listener) => Wire::new(soon(listener.accept()).await.expect("a connection").0),
        }
    }

    /// Answers every request on every connection with its own head, as text.
    pub(crate) fn echo_heads(self) {
        tokio::spawn(async move {
            loop {
                let mut wire = match &self.listener {
                    Listener::Tcp(listener) => Wire::new(listener.accept().await.expect("a connection").0),
                    Listener::Unix(listener) => Wire::new(listener.accept().await.expect("a connection").0),
                };
                tokio::spawn(async move {
                    while let Some(head) = wire.next_head().await {
                        wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len()))
                            .await;
                    }
                });
            }
        });
    }
}

/// Bytes both ways.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// One end of a connection, in text.
pub(crate) struct Wire {
    io: Box<dyn Io>,
    inbox: Vec<u8>,
}

impl Wire {
    /// Talks over these bytes, TLS or not.
    pub(crate) fn new(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { io: Box::new(io), inbox: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.expect("the other side reads");
        self.io.flush().await.expect("the other side reads");
    }

    /// Everything up to and with `end`, which is waited for.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        match soon(self.find(end)).await {
            Some(text) => text,
            None => panic!("ended before {end:?}: {:?}", String::from_utf8_lossy(&self.inbox)),
        }
    }

    /// A whole head, in lower case.
    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await.to_ascii_lowercase()
    }

    /// A whole head as it came, if there is another one.
    pub(crate) async fn next_head(&mut self) -> Option<String> {
        self.find("\r\n\r\n").await
    }

    /// Everything until the other side ends, however it does.
    pub(crate) async fn rest(&mut self) -> String {
        while matches!(soon(self.io.read_buf(&mut self.inbox)).await, Ok(1..)) {}
        text(std::mem::take(&mut self.inbox))
    }

    /// Says that nothing more will come, and goes on reading.
    pub(crate) async fn end(&mut self) {
        self.io.shutdown().await.expect("an open connection");
    }

    /// The bytes themselves, for somebody who speaks another language. Nothing must have been read yet.
    pub(crate) fn into_io(self) -> Box<dyn Io> {
        assert!(self.inbox.is_empty(), "something was read already");
        self.io
    }

    async fn find(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some(at) = self.inbox.windows(end.len()).position(|w| w == end.as_bytes()) {
                let rest = self.inbox.split_off(at + end.len());
                return Some(text(std::mem::replace(&mut self.inbox, rest)));
            }
            if !matches!(self.io.read_buf(&mut self.inbox).await, Ok(1..)) {
                return None;
            }
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}
