//! One test binary; one file a behaviour.

mod cli;
mod config_faults;
mod config_samples;
mod crash;
mod engine_contract;
mod hostile_disk;
mod house;
mod issuer;
mod killed;
mod layout;
mod pebble;
mod renewal;
mod spool;
mod static_binary;
mod walls;
