//! One test binary; one file a behaviour.

mod cli;
mod config_faults;
mod config_samples;
mod crash;
mod drain;
mod engine_contract;
mod environment;
mod hostile_disk;
mod house;
mod interop;
mod issuer;
mod killed;
mod layout;
mod limits;
mod pebble;
mod plain;
mod refuse;
mod reloading;
mod renewal;
mod resolve;
mod seeing;
mod spool;
mod static_binary;
mod stopping;
mod walls;
mod wrapping;
