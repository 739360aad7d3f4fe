//! Wiring: the only file that sees every room.
