//! The tiny app of `sidegate demo`: says what reached it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Only our own proxy speaks to it, but a port is a port.
const HEAD: u64 = 64 * 1024;
const IDLE: Duration = Duration::from_secs(75);

/// A demo app that has a port, and does not answer yet.
pub struct Demo(TcpListener);

impl Demo {
    /// Takes a port on the loopback address.
    ///
    /// # Errors
    ///
    /// What the system said if there is none.
    pub async fn bind() -> std::io::Result<Self> {
        TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.map(Self)
    }

    /// Where it will answer.
    ///
    /// # Errors
    ///
    /// What the system said if it does not know.
    pub fn addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers until it is dropped.
    pub async fn serve(self) {
        loop {
            match self.0.accept().await {
                // A client that goes away is a client that has seen enough.
                Ok((stream, _)) => drop(tokio::spawn(async move { answer(stream).await.ok() })),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

/// Answers requests without a body, one after another.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            let left = HEAD.saturating_sub(head.len() as u64);
            let read = timeout(IDLE, (&mut reader).take(left).read_line(&mut line)).await;
            if !matches!(read, Ok(Ok(n)) if n > 0) {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let body = format!("Hello from the app behind sidegate. This is what reached it:\n\n{head}");
        let reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        writer.write_all(reply.as_bytes()).await?;
    }
}
