//! HTTP/1.1 as bytes, in both directions (RFC 9112): bytes in, a head or a refusal out.
//!
//! What is lax in one parser and strict in the next is how requests and responses are smuggled. So nothing is
//! repaired here and nothing is guessed: a message that could be read in two ways is not read at all, and where the
//! RFC leaves a choice the strict one is taken. Fields stay in the
//! bytes they came in.
//!
//! These are functions of their input alone. When to read more, how long to wait and what to answer is for those who
//! have the connection.

pub mod chunked;
mod fields;
mod kind;
mod lines;
mod request;
mod response;
mod tokens;

pub use self::fields::{Field, Fields};
pub use self::kind::Kind;
pub use self::lines::length;
pub use self::request::{
    Framing, Head, MAX_FIELDS, MAX_HEAD, MAX_TARGET, Refusal, Request, is_worth_another_look, request,
};
pub use self::response::{Response, ResponseFraming, over_h2, response};
pub use self::tokens::{Tokens, words};
