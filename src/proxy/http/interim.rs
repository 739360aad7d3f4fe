//! Interim responses on their way from an upstream to the client (RFC 9110 section 15.2).

use std::cell::RefCell;

use http::StatusCode;

use crate::proxy::wire::Fields;

/// What the upstream has said before its answer, and the client has not been told yet.
///
/// The upstream's side of an exchange puts it here, the client's side takes it out each time it has polled the
/// exchange. What is still here when the answer comes is older than the answer and goes first.
#[derive(Default)]
pub(in crate::proxy) struct Interim(RefCell<Vec<(StatusCode, Fields)>>);

impl Interim {
    /// Adds one. 100 is not for here: whoever reads a client's body says it when the body is asked for.
    pub(in crate::proxy) fn push(&self, status: StatusCode, fields: Fields) {
        self.0.borrow_mut().push((status, fields));
    }

    /// Takes all of them, in order.
    pub(in crate::proxy) fn take(&self) -> Vec<(StatusCode, Fields)> {
        self.0.take()
    }
}
