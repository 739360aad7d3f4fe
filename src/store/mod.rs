//! Immutable items, movable pointers, one spool.
