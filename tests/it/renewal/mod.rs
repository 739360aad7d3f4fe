//! The control plane against a scripted CA, a store in memory and a clock that is moved by hand.

mod advice;
mod asking;
mod clock;
mod course;
mod fail_over;
mod following;
mod many;
mod older;
mod reading;
mod reloading;
mod replacing;
mod world;
