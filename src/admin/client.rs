//! Asking a process over its control socket.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::report::{Refusal, VERSION};

/// No answer is larger; a hundred thousand certificates take a third of it.
const LARGEST: usize = 128 * 1024 * 1024;

/// Why there was no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// The process understood, and does not.
    #[error("{}", .0.error)]
    Refused(Refusal),
    /// The process speaks another version.
    #[error("the running process speaks version {0}, and this tool version {VERSION}: use the same program")]
    Version(u64),
    /// There was no answer, or none that can be understood.
    #[error("the running process gave no usable answer")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("the running process did not answer within {} seconds", .0.as_secs())]
    Late(Duration),
}

/// Asks one question on a fresh connection and waits for the answer so long at most.
///
/// # Errors
///
/// [`AskError`].
pub async fn ask<T: DeserializeOwned>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    (method, path): (Method, &str),
    body: &impl Serialize,
    patience: Duration,
) -> Result<T, AskError> {
    let body = serde_json::to_vec(body).map_err(broken)?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(broken)?;
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(broken)?;
            let fine = response.status().is_success();
            let text =
                Limited::new(response.into_body(), LARGEST).collect().await.map_err(AskError::Broken)?;
            Ok((fine, text.to_bytes()))
        };
        // The connection moves as long as somebody waits for the answer, and no longer.
        tokio::pin!(connection, answer);
        tokio::select! {
            answered = &mut answer => answered,
            ended = &mut connection => {
                ended.map_err(broken)?;
                answer.await
            }
        }
    };
    let (fine, text) = timeout(patience, exchange).await.map_err(|_| AskError::Late(patience))??;
    understand(fine, &text)
}

fn understand<T: DeserializeOwned>(fine: bool, text: &[u8]) -> Result<T, AskError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u64,
    }
    let Versioned { version } = serde_json::from_slice(text).map_err(broken)?;
    if version != u64::from(VERSION) {
        return Err(AskError::Version(version));
    }
    if fine {
        serde_json::from_slice(text).map_err(broken)
    } else {
        Err(AskError::Refused(serde_json::from_slice(text).map_err(broken)?))
    }
}

fn broken<E: Into<Box<dyn std::error::Error + Send + Sync>>>(error: E) -> AskError {
    AskError::Broken(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::report::Reason;

    #[test]
    fn another_version_is_not_guessed_at() {
        let read = |fine, text: &str| understand::<serde_json::Value>(fine, text.as_bytes());
        assert!(read(true, r#"{"version": 1, "x": 2}"#).is_ok_and(|value| value["x"] == 2));
        assert!(matches!(read(true, r#"{"version": 2, "x": 2}"#), Err(AskError::Version(2))));
        assert!(matches!(read(true, "hello"), Err(AskError::Broken(_))));
        let refused = read(false, r#"{"version": 1, "kind": "unknown", "error": "no such name"}"#);
        assert!(matches!(refused, Err(AskError::Refused(refusal)) if refusal.kind == Reason::Unknown));
    }
}
