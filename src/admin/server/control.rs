//! What tools on this machine may ask: JSON over HTTP/1.1, on a socket that only this user may connect to.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixListener;
use tokio::time::timeout;

use super::{Limits, Reply, answer};
use crate::admin::Desk;
use crate::admin::report::{LONGEST, Reason, Refusal};
use crate::ident::Name;

const LIMITS: Limits = Limits { at_once: 16, longest: LONGEST };

/// What is asked for is said in few words, and at once.
const LARGEST: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers tools until it is dropped.
pub async fn control(listener: UnixListener, desk: Desk) {
    let reply = move |request: Request<Incoming>| {
        let desk = desk.clone();
        async move { reply(request, &desk).await.unwrap_or_else(|refusal| refused(&refusal)) }
    };
    answer(listener, LIMITS, reply).await;
}

async fn reply(request: Request<Incoming>, desk: &Desk) -> Result<Reply, Refusal> {
    let (head, body) = request.into_parts();
    let steps: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    match (&head.method, steps.as_slice()) {
        (&Method::GET, ["v1", "process"]) => Ok(said(&desk.process())),
        (&Method::GET, ["v1", "status"]) => Ok(said(&desk.status(None).await?)),
        (&Method::GET, ["v1", "status", name]) => Ok(said(&desk.status(Some(&named(name)?)).await?)),
        (&Method::GET, ["v1", "history", name]) => Ok(said(&desk.history(&named(name)?).await?)),
        (&Method::GET, ["v1", "items", id]) => Ok(said(&desk.item(id).await?)),
        (&Method::POST, ["v1", "rollback", name]) => {
            Ok(said(&desk.roll_back(&named(name)?, &understood(body).await?).await?))
        }
        (&Method::POST, ["v1", "renew", name]) => {
            Ok(said(&desk.renew(named(name)?, understood(body).await?).await?))
        }
        (&Method::POST, ["v1", "revoke", id]) => Ok(said(&desk.revoke(id, &understood(body).await?).await?)),
        (&Method::POST, ["v1", "prune"]) => Ok(said(&desk.prune(&understood(body).await?).await?)),
        (&Method::POST, ["v1", "accounts", "rollover"]) => {
            Ok(said(&desk.roll_over(&understood(body).await?).await?))
        }
        (method, _) => {
            let what = format!("{method} {} is nothing that can be asked", head.uri.path());
            Err(Refusal::new(Reason::Malformed, what))
        }
    }
}

fn named(text: &str) -> Result<Name, Refusal> {
    Name::parse(text).map_err(|error| Refusal::new(Reason::Malformed, error.to_string()))
}

/// What a request asks for in particular; the usual if it says nothing.
async fn understood<T: DeserializeOwned + Default>(body: Incoming) -> Result<T, Refusal> {
    let malformed = |what: String| Refusal::new(Reason::Malformed, what);
    let read = timeout(PATIENCE, Limited::new(body, LARGEST).collect()).await;
    let read = read.map_err(|_| malformed("the request did not end".to_owned()))?;
    let text = read.map_err(|error| malformed(error.to_string()))?.to_bytes();
    if text.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))
}

fn said(what: &impl Serialize) -> Reply {
    json(StatusCode::OK, what)
}

fn refused(refusal: &Refusal) -> Reply {
    let status = match refusal.kind {
        Reason::Malformed => StatusCode::BAD_REQUEST,
        Reason::Unknown => StatusCode::NOT_FOUND,
        Reason::Refused => StatusCode::CONFLICT,
        Reason::Failed => StatusCode::BAD_GATEWAY,
    };
    json(status, refusal)
}

fn json(status: StatusCode, what: &impl Serialize) -> Reply {
    let mut text = serde_json::to_vec(what).expect("strings, numbers and lists are JSON");
    text.push(b'\n');
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
