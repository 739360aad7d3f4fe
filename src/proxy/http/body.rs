//! The body type of the house.

use bytes::Bytes;

/// What a request or a response carries.
pub(in crate::proxy) enum Body {
    /// Nothing.
    Empty,
    /// Bytes we wrote ourselves.
    Full(Option<Bytes>),
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Full(Some(text.into()))
    }
}
