//! One test binary; one file a behaviour.

mod walls;
