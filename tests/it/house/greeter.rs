//! An app behind the proxy that answers with its name.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Half of a download.
pub(crate) const HALF: usize = 100_000;

/// Answers every request with its name. `/slow` is a download whose second half waits for
/// [`finish`](Self::finish).
pub(crate) struct Greeter {
    pub(crate) port: u16,
    finish: watch::Sender<bool>,
}

impl Greeter {
    /// Starts one on the loopback address; it ends with the test.
    pub(crate) async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (finish, finished) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, name, finished.clone()));
            }
        });
        Self { port, finish }
    }

    /// Lets downloads go on.
    pub(crate) fn finish(&self) {
        self.finish.send_replace(true);
    }
}

async fn answer(
    mut stream: TcpStream,
    name: &str,
    mut finished: watch::Receiver<bool>,
) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let slow = head.starts_with(b"GET /slow ");
        let length = if slow { 2 * HALF } else { name.len() };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        if slow {
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&[b'a'; HALF]).await?;
            let _ = finished.wait_for(|finished| *finished).await;
            stream.write_all(&[b'b'; HALF]).await?;
        } else {
            // In one piece: a second one would wait for the other side's delayed acknowledgement.
            stream.write_all((head + name).as_bytes()).await?;
        }
    }
}
