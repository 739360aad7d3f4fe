//! Exchanges that nobody waits for any more.

use http::StatusCode;

use super::message::Response;
use super::reply::reply;
use crate::proxy::access::Trace;

/// Why a response is not waited for.
pub(super) enum Lost {
    /// The client went away.
    Client,
    /// It stopped sending the body that it announced.
    Body,
}

impl Lost {
    /// What the client is told instead. One that went away is told nothing; that its record is dropped without an
    /// answer says what became of it.
    pub(super) fn answer(self, trace: &mut Trace) -> Option<Response> {
        match self {
            Self::Client => None,
            Self::Body => {
                trace.reason = Some("body_timeout");
                Some(reply(StatusCode::REQUEST_TIMEOUT, "body_timeout"))
            }
        }
    }
}
