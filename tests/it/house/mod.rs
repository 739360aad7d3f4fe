//! What stands around the thing under test.

pub(crate) mod faults;
pub(crate) mod issued;
