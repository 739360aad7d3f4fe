//! One TLS session without its socket: what arrives is deciphered, what is to be sent is enciphered.
//!
//! rustls keeps no buffers here; the bytes lie in those of the caller. A session holds on to what is left over and
//! to nothing else: the beginning of a message whose end has not arrived, plaintext that nobody has taken yet, and
//! ciphertext that is still to be sent.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, InsufficientSizeError, WriteTraffic};
use rustls::{ProtocolVersion, ServerConfig};
use tokio::io::ReadBuf;

use super::scratch;

/// The content of a record at its largest (RFC 8446 section 5.1).
pub(super) const MAX_RECORD: usize = 16 * 1024;

/// More than any cipher suite adds to the content of a record, a key update in front of it included.
pub(super) const OVERHEAD: usize = 128;

/// The most that is kept of messages that are not complete: one record of any version. A hello is shorter, in however
/// many records it comes, and nothing else that a client may send is longer.
pub(super) const MAX_KEPT: usize = 5 + MAX_RECORD + 2048;

/// A piece of up to this size is copied to travel in one record with its neighbours; a larger one is enciphered from
/// where it lies. The copy costs as much as the record it saves at about this size.
const GATHERED: usize = 8 * 1024;

/// The server's side of a session.
pub(super) struct Session {
    tls: UnbufferedServerConnection,
    /// What has arrived of a message that is not complete.
    incomplete: Vec<u8>,
    /// What has been deciphered and not been taken.
    plaintext: Vec<u8>,
    /// What has been enciphered and not been sent.
    pub(super) outgoing: Vec<u8>,
    incoming: Incoming,
    said_goodbye: bool,
}

/// What is to be expected from the client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Incoming {
    Open,
    /// Nothing: it has said so.
    Closed,
    /// Nothing that could be believed.
    Broken,
}

impl Session {
    /// A session that waits for its hello.
    pub(super) fn new(config: &Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            tls: UnbufferedServerConnection::new(Arc::clone(config))?,
            incomplete: Vec::new(),
            plaintext: Vec::new(),
            outgoing: Vec::new(),
            incoming: Incoming::Open,
            said_goodbye: false,
        })
    }

    /// Whether the handshake is not over yet.
    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// The protocol agreed on with the client, if it asked for one.
    pub(super) fn alpn(&self) -> Option<&[u8]> {
        self.tls.alpn_protocol()
    }

    /// The version agreed on with the client.
    pub(super) fn version(&self) -> Option<ProtocolVersion> {
        self.tls.protocol_version()
    }

    /// How many bytes are kept of what is not complete; never more than [`MAX_KEPT`].
    pub(super) fn kept(&self) -> usize {
        self.incomplete.len()
    }

    /// Whether there is plaintext to be taken, or the end is known.
    pub(super) fn is_ready(&self) -> bool {
        !self.plaintext.is_empty() || self.incoming != Incoming::Open
    }

    /// Moves what has been deciphered to `into`, as much as fits. `false` if there is nothing and no end either.
    ///
    /// # Errors
    ///
    /// If the client's bytes were no TLS; said once for all that came before it.
    pub(super) fn take(&mut self, into: &mut ReadBuf<'_>) -> io::Result<bool> {
        if self.plaintext.is_empty() {
            return match self.incoming {
                Incoming::Open => Ok(false),
                Incoming::Closed => Ok(true),
                Incoming::Broken => Err(ErrorKind::InvalidData.into()),
            };
        }
        let taken = self.plaintext.len().min(into.remaining());
        into.put_slice(&self.plaintext[..taken]);
        drop_front(&mut self.plaintext, taken);
        Ok(true)
    }

    /// Deciphers what has arrived, to `into` and what does not fit there to the session. Of `arrived`, the first
    /// [`kept`](Self::kept) bytes are room for the session to lay in front what it has kept. Alerts and other answers
    /// of TLS itself are in `outgoing` afterwards.
    ///
    /// # Errors
    ///
    /// If these bytes are no TLS, or not this session's. The alert that says so is in `outgoing`.
    pub(super) fn receive(&mut self, arrived: &mut [u8], into: &mut ReadBuf<'_>) -> io::Result<()> {
        arrived[..self.incomplete.len()].copy_from_slice(&self.incomplete);
        let mut done = 0;
        let result = loop {
            let status = self.tls.process_tls_records(&mut arrived[done..]);
            done += status.discard;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        done += record.discard;
                        let (now, later) =
                            record.payload.split_at(record.payload.len().min(into.remaining()));
                        into.put_slice(now);
                        self.plaintext.extend_from_slice(later);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.outgoing),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.incoming = Incoming::Closed,
                Ok(_) => break Ok(()),
                Err(error) => break Err(io::Error::new(ErrorKind::InvalidData, error)),
            }
        };
        let rest = if self.incoming == Incoming::Open && result.is_ok() { &arrived[done..] } else { &[] };
        if rest.len() > MAX_KEPT {
            return self.broken(ErrorKind::InvalidData.into());
        }
        if rest.is_empty() {
            self.incomplete = Vec::new();
        } else {
            self.incomplete.clear();
            self.incomplete.extend_from_slice(rest);
        }
        if let Err(error) = result {
            // What is asked for now is the alert; only while there is one, since rustls would look at the bad bytes
            // a second time.
            while self.tls.wants_write()
                && let Ok(ConnectionState::EncodeTlsData(data)) =
                    self.tls.process_tls_records(&mut arrived[done..]).state
            {
                encode(data, &mut self.outgoing);
            }
            return self.broken(error);
        }
        Ok(())
    }

    /// The same for a hello, or a part of one, that lies elsewhere.
    pub(super) fn receive_hello(&mut self, bytes: &[u8]) -> io::Result<()> {
        scratch::reading(|room| {
            let arrived = &mut room[..self.kept() + bytes.len()];
            arrived[self.kept()..].copy_from_slice(bytes);
            self.receive(arrived, &mut ReadBuf::new(&mut []))
        })
    }

    fn broken(&mut self, error: io::Error) -> io::Result<()> {
        self.incoming = Incoming::Broken;
        self.incomplete = Vec::new();
        Err(error)
    }

    /// Enciphers as many bytes of `pieces` as `out` has room for. Returns how many those are, and how many they have
    /// become.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if nothing can be sent any more.
    pub(super) fn encipher(&mut self, pieces: &[IoSlice<'_>], out: &mut [u8]) -> io::Result<(usize, usize)> {
        let mut records = Records { traffic: self.traffic()?, out, taken: 0, filled: 0 };
        match pieces {
            [piece] => records.seal(piece)?,
            _ => scratch::gathering(|room| records.gather(pieces, room))?,
        };
        Ok((records.taken, records.filled))
    }

    /// Tells the client that nothing follows. Nothing can be enciphered afterwards.
    pub(super) fn say_goodbye(&mut self) {
        if self.said_goodbye {
            return;
        }
        let mut record = [0; OVERHEAD];
        // Whoever has broken the session off has been told why, and needs no goodbye.
        let filled = self.traffic().ok().and_then(|mut traffic| traffic.queue_close_notify(&mut record).ok());
        self.outgoing.extend_from_slice(&record[..filled.unwrap_or(0)]);
        self.said_goodbye = true;
    }

    fn traffic(&mut self) -> io::Result<WriteTraffic<'_, rustls::server::ServerConnectionData>> {
        if self.said_goodbye || self.incoming == Incoming::Broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        match self.tls.process_tls_records(&mut self.incomplete).state {
            Ok(ConnectionState::WriteTraffic(traffic)) => Ok(traffic),
            _ => Err(ErrorKind::BrokenPipe.into()),
        }
    }
}

/// Records on their way into a buffer.
struct Records<'a> {
    traffic: WriteTraffic<'a, rustls::server::ServerConnectionData>,
    out: &'a mut [u8],
    taken: usize,
    filled: usize,
}

impl Records<'_> {
    /// Enciphers what there is room for of one piece; `true` if that is all of it.
    fn seal(&mut self, piece: &[u8]) -> io::Result<bool> {
        let room = (self.out.len() - self.filled) / (MAX_RECORD + OVERHEAD) * MAX_RECORD;
        let now = piece.len().min(room);
        self.filled +=
            self.traffic.encrypt(&piece[..now], &mut self.out[self.filled..]).map_err(io::Error::other)?;
        self.taken += now;
        Ok(now == piece.len())
    }

    /// Enciphers pieces, the small ones together with their neighbours.
    fn gather(&mut self, pieces: &[IoSlice<'_>], room: &mut [u8]) -> io::Result<bool> {
        let mut gathered = 0;
        for piece in pieces {
            let small = piece.len() <= GATHERED;
            if (!small || gathered + piece.len() > room.len()) && gathered > 0 {
                if !self.seal(&room[..gathered])? {
                    return Ok(false);
                }
                gathered = 0;
            }
            if small {
                room[gathered..gathered + piece.len()].copy_from_slice(piece);
                gathered += piece.len();
            } else if !self.seal(piece)? {
                return Ok(false);
            }
        }
        self.seal(&room[..gathered])
    }
}

/// Appends what TLS itself has to say.
fn encode<Data>(mut data: EncodeTlsData<'_, Data>, outgoing: &mut Vec<u8>) {
    // Asked with no room at all, it says how much it needs.
    if let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = data.encode(&mut [])
    {
        let filled = outgoing.len();
        outgoing.resize(filled + required_size, 0);
        let _ = data.encode(&mut outgoing[filled..]);
    }
}

/// Drops the first bytes, and the memory with the last.
pub(super) fn drop_front(bytes: &mut Vec<u8>, count: usize) {
    if count == bytes.len() {
        *bytes = Vec::new();
    } else {
        bytes.drain(..count);
    }
}

#[cfg(test)]
mod tests;
