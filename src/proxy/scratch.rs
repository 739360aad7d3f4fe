//! Buffers that belong to a worker, not to its connections.
//!
//! A connection that waits for bytes holds no room for them: they are read in here and copied to where they are
//! needed, once it is known how many there are. A head is put together in a buffer that the next head uses again.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// What is read at once of a body.
pub(in crate::proxy) const PIECE: usize = 64 * 1024;

/// What is read at once where a head may come: such a piece, and the head before it.
const ROOM: usize = PIECE + 4 * 1024;

/// Buffers for heads that are kept, and how large each may have grown.
const KEPT: usize = 16;
const KEPT_SIZE: usize = 4 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; ROOM].into_boxed_slice());
    static HEADS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// The bytes that are there, at least one; none at all is the end.
pub(in crate::proxy) fn poll_read(
    io: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
) -> Poll<io::Result<Bytes>> {
    SCRATCH.with_borrow_mut(|room| {
        let mut room = ReadBuf::new(room);
        ready!(Pin::new(io).poll_read(cx, &mut room))?;
        Poll::Ready(Ok(Bytes::copy_from_slice(room.filled())))
    })
}

/// Puts the bytes that are there behind those in `inbox`, and says how many they are; 0 is the end.
pub(in crate::proxy) fn poll_fill(
    io: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    inbox: &mut Bytes,
) -> Poll<io::Result<usize>> {
    let read = ready!(poll_read(io, cx))?;
    let length = read.len();
    *inbox = if inbox.is_empty() {
        read
    } else {
        let mut both = BytesMut::with_capacity(inbox.len() + length);
        both.extend_from_slice(inbox);
        both.extend_from_slice(&read);
        both.freeze()
    };
    Poll::Ready(Ok(length))
}

/// The same as [`poll_read`] for bytes of which at least `left` are still to come: they are read where they will stay,
/// which saves the copy. `room` is where; it is as large as it needs to be, and nothing once the last of them is there.
pub(in crate::proxy) fn poll_read_long(
    io: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    room: &mut BytesMut,
    left: u64,
) -> Poll<io::Result<Bytes>> {
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    if room.capacity() < left.min(PIECE / 8) {
        *room = BytesMut::with_capacity(left.min(PIECE));
    }
    let read = ready!(pin!(io.read_buf(room)).poll(cx))?;
    let bytes = room.split().freeze();
    if read >= left {
        *room = BytesMut::new();
    }
    Poll::Ready(Ok(bytes))
}

/// An empty buffer to write a head into; [`keep`] takes it back.
pub(in crate::proxy) fn buffer() -> Vec<u8> {
    HEADS.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(1024))
}

/// Takes back a buffer that is no longer needed.
pub(in crate::proxy) fn keep(mut buffer: Vec<u8>) {
    // At the end of a thread there is nobody left to keep it for.
    let _ = HEADS.try_with(|heads| {
        let mut heads = heads.borrow_mut();
        if heads.len() < KEPT && (1..=KEPT_SIZE).contains(&buffer.capacity()) {
            buffer.clear();
            heads.push(std::mem::take(&mut buffer));
        }
    });
}
