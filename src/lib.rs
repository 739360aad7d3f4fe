//! sidegate: automatic HTTPS in front of any app.

pub mod admin;
pub mod app;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod foreign;
pub mod host;
pub mod ident;
pub mod issuer;
pub mod manager;
pub mod pki;
pub mod proxy;
pub mod store;
