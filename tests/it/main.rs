//! One test binary; one file a behaviour.

mod engine_contract;
mod walls;
