//! One test binary; one file a behaviour.

mod config_faults;
mod config_samples;
mod engine_contract;
mod walls;
