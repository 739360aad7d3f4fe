//! What stands around the thing under test.

pub(crate) mod app;
pub(crate) mod backend;
pub(crate) mod client;
pub(crate) mod cloud;
mod daemon;
pub(crate) mod faults;
pub(crate) mod front;
pub(crate) mod front_of_ca;
pub(crate) mod greeter;
mod heard;
pub(crate) mod issued;
pub(crate) mod log;
pub(crate) mod named;
pub(crate) mod pebble;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod python;
pub(crate) mod shop;
pub(crate) mod test_ca;
pub(crate) mod tool;
#[cfg(target_arch = "x86_64")]
pub(crate) mod tracer;
