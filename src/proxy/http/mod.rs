//! HTTP, whichever version.

pub(in crate::proxy) mod body;
pub(in crate::proxy) mod forward;
pub(in crate::proxy) mod headers;
pub(in crate::proxy) mod reply;
pub(in crate::proxy) mod upgrade;
