//! `/livez`, `/readyz` and `/metrics` over plain HTTP/1.1.

use std::future::ready;
use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;

use super::{Limits, Reply, answer};
use crate::admin::View;

const LIMITS: Limits = Limits { at_once: 64, longest: Duration::from_secs(30) };

/// Answers probes until it is dropped.
///
/// `/livez` is 200 as long as the control plane runs; `/readyz` is 200 while every configured name has a certificate
/// and no stop was asked for, else 503 with the reason; `/metrics` is what there is to count, for Prometheus.
///
/// # Errors
///
/// If the runtime cannot take the listener.
pub async fn serve(listener: TcpListener, view: View) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    answer(listener, LIMITS, move |request| ready(reply(&request, &view))).await;
    Ok(())
}

fn reply(request: &Request<Incoming>, view: &View) -> Reply {
    const PLAIN: &str = "text/plain; charset=utf-8";
    let (status, kind, text) = match request.uri().path() {
        _ if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            (StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET and HEAD only".to_owned())
        }
        "/livez" => (StatusCode::OK, PLAIN, "ok".to_owned()),
        "/readyz" => match view.unready() {
            None => (StatusCode::OK, PLAIN, "ok".to_owned()),
            Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, PLAIN, reason),
        },
        "/metrics" => (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", view.metrics()),
        _ => (StatusCode::NOT_FOUND, PLAIN, "there is /livez, /readyz and /metrics".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text.trim_end().to_owned() + "\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
    }
    response
}
