//! The app behind the proxy: each request is handed to the test, which says when and what it answers.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

/// An app on 127.0.0.1 that speaks HTTP/1.1.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    asked: mpsc::UnboundedReceiver<Asked>,
}

/// One request that waits for its answer. Dropping it breaks the connection.
pub(crate) struct Asked {
    pub(crate) request: Request<Incoming>,
    answer: oneshot::Sender<Answer>,
}

impl App {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (hand, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((io, _)) = listener.accept().await {
                let hand = hand.clone();
                let service = service_fn(move |request| {
                    let (answer, answered) = oneshot::channel();
                    let _ = hand.send(Asked { request, answer });
                    async { answered.await.map_err(|_| std::io::Error::other("the test gave no answer")) }
                });
                let served =
                    http1::Builder::new().serve_connection(TokioIo::new(io), service).with_upgrades();
                tokio::spawn(served);
            }
        });
        Self { address, asked }
    }

    /// An app that answers everything with this text.
    pub(crate) async fn saying(text: &'static str) -> SocketAddr {
        let mut app = Self::start().await;
        let address = app.address;
        tokio::spawn(async move {
            while let Some(asked) = app.asked.recv().await {
                asked.say(text);
            }
        });
        address
    }

    /// The next request that comes.
    pub(crate) async fn next(&mut self) -> Asked {
        self.asked.recv().await.expect("the app runs")
    }

    /// Whether no request waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }
}

impl Asked {
    pub(crate) fn say(self, text: impl Into<Bytes>) {
        self.answer(Response::new(text_body(text)));
    }

    pub(crate) fn answer(self, answer: Answer) {
        // The client may have gone, which is what some tests are about.
        let _ = self.answer.send(answer);
    }

    /// Returns when nobody waits for the answer any more.
    pub(crate) async fn abandoned(mut self) {
        self.answer.closed().await;
    }
}

pub(crate) fn text_body(text: impl Into<Bytes>) -> UnsyncBoxBody<Bytes, std::io::Error> {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn no_body() -> UnsyncBoxBody<Bytes, std::io::Error> {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that gives a little, and breaks off when the other half is dropped.
pub(crate) fn broken_body() -> (oneshot::Sender<()>, UnsyncBoxBody<Bytes, std::io::Error>) {
    let (hand, broken) = oneshot::channel();
    (hand, Broken { begun: false, broken }.boxed_unsync())
}

struct Broken {
    begun: bool,
    broken: oneshot::Receiver<()>,
}

impl Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if !std::mem::replace(&mut self.begun, true) {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"half an ans")))));
        }
        Pin::new(&mut self.broken).poll(cx).map(|_| Some(Err(std::io::Error::other("the test breaks it"))))
    }
}
