//! Names and ids.
