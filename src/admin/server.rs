//! `/livez` and `/readyz` over plain HTTP/1.1.

use std::convert::Infallible;
use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::View;

/// A probe that has not said what it wants by then is no probe.
const HEAD: Duration = Duration::from_secs(5);
/// Probes at one time; more wait in the listener's queue.
const PROBES: usize = 64;

/// Answers probes until it is dropped.
///
/// `/livez` is 200 as long as the control plane runs; `/readyz` is 200 while every configured name has a
/// certificate and no stop was asked for, else 503 with the reason.
///
/// # Errors
///
/// If the runtime cannot take the listener.
pub async fn serve(listener: TcpListener, view: View) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let permits = std::sync::Arc::new(Semaphore::new(PROBES));
    loop {
        let Ok(permit) = std::sync::Arc::clone(&permits).acquire_owned().await else { return Ok(()) };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "a probe could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let view = view.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let reply = reply(&request, &view);
                async move { Ok::<_, Infallible>(reply) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(false);
            if let Err(error) = server.serve_connection(TokioIo::new(stream), answer).await {
                debug!(%error, "a probe went away");
            }
            drop(permit);
        });
    }
}

fn reply(request: &Request<Incoming>, view: &View) -> Response<Full<Bytes>> {
    let (status, text) = match request.uri().path() {
        _ if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            (StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only".to_owned())
        }
        "/livez" => (StatusCode::OK, "ok".to_owned()),
        "/readyz" => match view.unready() {
            None => (StatusCode::OK, "ok".to_owned()),
            Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
        },
        _ => (StatusCode::NOT_FOUND, "there is /livez and /readyz".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text + "\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
    }
    response
}
