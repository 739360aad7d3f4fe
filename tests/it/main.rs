//! One test binary; one file a behaviour.

mod cli;
mod config_faults;
mod config_samples;
mod crash;
mod drain;
mod engine_contract;
mod hostile_disk;
mod house;
mod issuer;
mod killed;
mod layout;
mod limits;
mod pebble;
mod plain;
mod refuse;
mod renewal;
mod resolve;
mod spool;
mod static_binary;
mod walls;
