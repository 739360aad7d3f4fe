//! Buffers that a thread's connections share, so that none needs one of its own while it waits.
//!
//! Each is lent for the length of one call, in which nothing is awaited.

use std::cell::RefCell;

use super::session::{MAX_KEPT, MAX_RECORD, OVERHEAD};
use crate::proxy::scratch::PIECE;

/// What one read takes from a socket.
pub(super) const READ: usize = PIECE;

/// What one send puts on a socket: a head and two whole records, behind what may still wait from before. The kernel
/// copies them while the nearest cache still has them; ten at once make a large body a fifth dearer.
const SEND: usize = MAX_WAITING + HEAD + 2 * (MAX_RECORD + OVERHEAD);

/// A head that travels in front of a body.
const HEAD: usize = 2 * 1024;

/// What is enciphered but not sent travels with the next send if it is not more than this: session tickets do.
pub(super) const MAX_WAITING: usize = 4 * 1024;

thread_local! {
    static READING: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_KEPT + READ].into());
    static SENDING: RefCell<Box<[u8]>> = RefCell::new(vec![0; SEND].into());
    static GATHERING: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_RECORD].into());
}

/// Lends the room for what a session has kept ([`MAX_KEPT`] bytes at most) and, behind it, for one [`READ`].
pub(super) fn reading<R>(with: impl FnOnce(&mut [u8]) -> R) -> R {
    READING.with_borrow_mut(|buffer| with(buffer))
}

/// Lends the room for one send.
pub(super) fn sending<R>(with: impl FnOnce(&mut [u8]) -> R) -> R {
    SENDING.with_borrow_mut(|buffer| with(buffer))
}

/// Lends the room for the content of one record.
pub(super) fn gathering<R>(with: impl FnOnce(&mut [u8]) -> R) -> R {
    GATHERING.with_borrow_mut(|buffer| with(buffer))
}
