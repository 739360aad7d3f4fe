//! What is said to a client that speaks HTTP in clear where TLS is spoken.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The word for it in the answer and in the access log.
pub(in crate::proxy) const REASON: &str = "http_on_https_port";

const ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    cache-control: no-store\r\ncontent-length: 36\r\nconnection: close\r\n\r\n\
    400 Bad Request: http_on_https_port\n";

/// How long a client may take to see that we have closed, and what it may still send.
const FAREWELL: Duration = Duration::from_secs(2);
const MOST: u64 = 1024 * 1024;

/// Whether bytes that are no hello look like a request: no record of TLS begins with a letter.
pub(super) fn is_http(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_uppercase)
}

/// Says what is wrong, and closes. Whether it arrives is of no consequence to us.
pub(super) async fn answer(tcp: &mut TcpStream) {
    if tcp.write_all(ANSWER).await.is_ok() && tcp.shutdown().await.is_ok() {
        // Closing with bytes unread would reset the connection, and a reset may overtake the answer.
        let _ = timeout(FAREWELL, copy(&mut tcp.take(MOST), &mut sink())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says_and_names_the_reason() {
        let text = str::from_utf8(ANSWER).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        assert_eq!(body, format!("400 Bad Request: {REASON}\n"));
    }
}
