//! What can go wrong between a request and its response, whose fault it is, and the status it becomes.

use http::StatusCode;
use thiserror::Error;

use super::http::body::BodyError;
use super::upstream::h1::ExchangeError;
use super::upstream::h2::H2Error;
use super::upstream::{ConnectError, Fault};

/// Why a request was not answered by its upstream.
#[derive(Debug, Error)]
pub(in crate::proxy) enum ForwardError {
    /// There was no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The upstream broke off, or spoke no HTTP/1.1.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The same over HTTP/2.
    #[error(transparent)]
    H2(H2Error),
}

impl From<H2Error> for ForwardError {
    fn from(error: H2Error) -> Self {
        match error {
            H2Error::Connect(error) => Self::Connect(error),
            H2Error::Client(error) => Self::Exchange(ExchangeError::Client(error)),
            error @ H2Error::Exchange(_) => Self::H2(error),
        }
    }
}

impl ForwardError {
    /// What the client is told.
    pub(in crate::proxy) fn status(&self) -> StatusCode {
        match self {
            Self::Connect(error) => match error.fault {
                Fault::NotReady => StatusCode::SERVICE_UNAVAILABLE,
                Fault::Timeout => StatusCode::GATEWAY_TIMEOUT,
                Fault::Refused | Fault::Name | Fault::Tls | Fault::Unreachable => StatusCode::BAD_GATEWAY,
            },
            // Nobody reads this answer; the access log tells it from a mistake by the number that nginx made up.
            Self::Exchange(ExchangeError::Client(error)) if error.is_absence() => {
                StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
            }
            Self::Exchange(ExchangeError::Client(BodyError::TooLarge)) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Exchange(ExchangeError::Client(_)) => StatusCode::BAD_REQUEST,
            Self::Exchange(_) | Self::H2(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// The word for it in answers and logs.
    pub(in crate::proxy) fn reason(&self) -> &'static str {
        match self {
            Self::Connect(error) => match error.fault {
                Fault::Refused => "upstream_refused",
                Fault::NotReady => "upstream_not_ready",
                Fault::Timeout => "upstream_timeout",
                Fault::Name => "upstream_name_unknown",
                Fault::Tls => "upstream_tls",
                Fault::Unreachable => "upstream_unreachable",
            },
            Self::Exchange(error) => match error {
                ExchangeError::Io(_) => "upstream_reset",
                ExchangeError::Closed => "upstream_closed",
                ExchangeError::Malformed(_) => "upstream_malformed",
                ExchangeError::Client(error) if error.is_absence() => "client_gone",
                ExchangeError::Client(BodyError::TooLarge) => "body_too_large",
                ExchangeError::Client(_) => "client_body_malformed",
            },
            Self::H2(_) => "upstream_http2",
        }
    }

    /// Whether the client spoilt it; nobody needs to be woken then.
    pub(in crate::proxy) fn is_clients_fault(&self) -> bool {
        matches!(self, Self::Exchange(ExchangeError::Client(_)))
    }
}
