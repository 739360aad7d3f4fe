//! The request on its way out.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::super::connect::Stream;
use crate::proxy::http::body::Body;
use crate::proxy::http::outgoing::{Outgoing, OutgoingError};
use crate::proxy::wire::Framing;

/// How long an upstream may take to say 100 before the body is sent anyway; an old one never says it.
const CONTINUE: Duration = Duration::from_secs(1);

/// A request that is being written, its body taken from the client piece by piece as the upstream takes it.
pub(in crate::proxy) struct Sending {
    outgoing: Outgoing,
    /// Whether there was no body in the first place.
    bodiless: bool,
    /// While this is set the client's body is not asked for: asking makes our own side say 100.
    gate: Option<Pin<Box<Sleep>>>,
}

impl Sending {
    /// `head` is a whole head, framed as `framing` says. With `gated` the body waits for [`Sending::go_on`].
    pub(in crate::proxy) fn new(head: Vec<u8>, body: Body, framing: Framing, gated: bool) -> Self {
        let outgoing = Outgoing::new(head, body, framing.into());
        let bodiless = !outgoing.has_more();
        let gate = (gated && !bodiless).then(|| Box::pin(sleep(CONTINUE)));
        Self { outgoing, bodiless, gate }
    }

    /// Whether everything has been handed to the upstream.
    pub(super) fn is_done(&self) -> bool {
        self.outgoing.is_done()
    }

    /// Stands at the beginning again, for another connection, if that can be done: because nothing was written,
    /// or because there is no body and the request is `idempotent`.
    pub(in crate::proxy) fn again(mut self, idempotent: bool) -> Option<Self> {
        if !(self.outgoing.is_untouched() || self.bodiless && idempotent) {
            return None;
        }
        self.outgoing.rewind();
        Some(self)
    }

    /// The upstream said that it wants the body.
    pub(super) fn go_on(&mut self) {
        self.gate = None;
    }

    /// The upstream answered; a body that it was asked about first, and did not want, is not sent.
    pub(super) fn answered(&mut self) {
        if self.gate.take().is_some() {
            self.outgoing.abandon();
        }
    }

    /// Writes as much as the client gives and the upstream takes.
    pub(super) fn poll(&mut self, io: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), OutgoingError>> {
        if self.gate.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready()) {
            self.gate = None;
        }
        self.outgoing.poll(io, cx, self.gate.is_none())
    }
}
