//! One TLS session without its socket: what arrives is deciphered, what is to be sent is enciphered.
//!
//! Nobody keeps buffers here; the bytes lie in those of the caller. A session holds on to what is left over and
//! to nothing else: the beginning of a message whose end has not arrived, plaintext that nobody has taken yet, and
//! ciphertext that is still to be sent.
//!
//! rustls carries a session through its handshake and for as long as it is not clear whether the client will stay.
//! From one that stays the keys are taken over ([`records`]) when there is nothing on the way: its records cost less
//! then, and it holds a kilobyte less.

mod records;

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, InsufficientSizeError, WriteTraffic};
use rustls::{ProtocolVersion, ServerConfig};
use tokio::io::ReadBuf;

use self::records::{Content, Fault, Records};
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
    keeper: Keeper,
    /// What has arrived of a message that is not complete.
    incomplete: Vec<u8>,
    /// What has been deciphered and not been taken.
    plaintext: Vec<u8>,
    /// What has been enciphered and not been sent.
    pub(super) outgoing: Vec<u8>,
    incoming: Incoming,
    /// Whether something was sent that was not TLS's own.
    spoken: bool,
    said_goodbye: bool,
}

/// Who has the keys.
enum Keeper {
    Rustls(Box<UnbufferedServerConnection>),
    Records(Box<Records>),
    /// Nobody: they could not be taken over.
    Lost,
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
            keeper: Keeper::Rustls(Box::new(UnbufferedServerConnection::new(Arc::clone(config))?)),
            incomplete: Vec::new(),
            plaintext: Vec::new(),
            outgoing: Vec::new(),
            incoming: Incoming::Open,
            spoken: false,
            said_goodbye: false,
        })
    }

    /// Whether the handshake is not over yet.
    pub(super) fn is_handshaking(&self) -> bool {
        self.rustls().is_some_and(|tls| tls.is_handshaking())
    }

    /// The protocol agreed on with the client, if it asked for one. Known right after the handshake.
    pub(super) fn alpn(&self) -> Option<&[u8]> {
        self.rustls()?.alpn_protocol()
    }

    /// The version agreed on with the client. Known right after the handshake.
    pub(super) fn version(&self) -> Option<ProtocolVersion> {
        self.rustls()?.protocol_version()
    }

    fn rustls(&self) -> Option<&UnbufferedServerConnection> {
        if let Keeper::Rustls(tls) = &self.keeper { Some(tls) } else { None }
    }

    /// Takes the keys over, if the client has come to stay, there is nothing on the way, and the version is 1.3.
    ///
    /// To be called when there is nothing else to do: it costs as much as some twenty records.
    pub(super) fn settle(&mut self) {
        let Keeper::Rustls(tls) = &self.keeper else { return };
        let clear = self.incomplete.is_empty() && self.plaintext.is_empty() && self.outgoing.is_empty();
        let lasts = self.spoken && self.incoming == Incoming::Open && !self.said_goodbye;
        if !clear || !lasts || tls.wants_write() || tls.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return;
        }
        let Keeper::Rustls(tls) = std::mem::replace(&mut self.keeper, Keeper::Lost) else { return };
        let taken = tls.dangerous_into_kernel_connection().map_err(|_| Fault::InternalError);
        match taken.and_then(|(secrets, kernel)| Records::new(&secrets, kernel)) {
            Ok(records) => self.keeper = Keeper::Records(Box::new(records)),
            // Not with the ciphers there are. Should there be others, the client comes back.
            Err(_) => self.incoming = Incoming::Broken,
        }
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
        let Self { keeper, plaintext, outgoing, incoming, .. } = self;
        let mut heard = Heard { into, plaintext, outgoing, incoming };
        let (done, result) = match keeper {
            Keeper::Rustls(tls) => heard.through_rustls(tls, arrived),
            Keeper::Records(records) => heard.through_records(records, arrived),
            Keeper::Lost => (0, Err(ErrorKind::InvalidData.into())),
        };
        let rest = if self.incoming == Incoming::Open && result.is_ok() { &arrived[done..] } else { &[] };
        let result = if rest.len() > MAX_KEPT { Err(ErrorKind::InvalidData.into()) } else { result };
        if result.is_err() {
            self.incoming = Incoming::Broken;
        }
        if rest.is_empty() || result.is_err() {
            self.incomplete = Vec::new();
        } else {
            self.incomplete.clear();
            self.incomplete.extend_from_slice(rest);
        }
        result
    }

    /// The same for a hello, or a part of one, that lies elsewhere.
    pub(super) fn receive_hello(&mut self, bytes: &[u8]) -> io::Result<()> {
        scratch::reading(|room| {
            let arrived = &mut room[..self.kept() + bytes.len()];
            arrived[self.kept()..].copy_from_slice(bytes);
            self.receive(arrived, &mut ReadBuf::new(&mut []))
        })
    }

    /// Enciphers as many bytes of `pieces` as `out` has room for. Returns how many those are, and how many they have
    /// become.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if nothing can be sent any more.
    pub(super) fn encipher(&mut self, pieces: &[IoSlice<'_>], out: &mut [u8]) -> io::Result<(usize, usize)> {
        if self.said_goodbye || self.incoming == Incoming::Broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let cipher = match &mut self.keeper {
            Keeper::Rustls(tls) => Cipher::Rustls(traffic(tls, &mut self.incomplete)?),
            Keeper::Records(records) => Cipher::Records(records),
            Keeper::Lost => return Err(ErrorKind::BrokenPipe.into()),
        };
        let mut sealing = Sealing { cipher, out, taken: 0, filled: 0 };
        match pieces {
            [piece] => sealing.seal(piece)?,
            _ => scratch::gathering(|room| sealing.gather(pieces, room))?,
        };
        self.spoken = true;
        Ok((sealing.taken, sealing.filled))
    }

    /// Tells the client that nothing follows. Nothing can be enciphered afterwards.
    pub(super) fn say_goodbye(&mut self) {
        if std::mem::replace(&mut self.said_goodbye, true) || self.incoming == Incoming::Broken {
            return;
        }
        let mut record = [0; OVERHEAD];
        // Whoever has broken the session off has been told why, and needs no goodbye.
        let filled = match &mut self.keeper {
            Keeper::Rustls(tls) => traffic(tls, &mut self.incomplete)
                .ok()
                .and_then(|mut traffic| traffic.queue_close_notify(&mut record).ok()),
            Keeper::Records(records) => records.say_goodbye(&mut record).ok(),
            Keeper::Lost => None,
        };
        self.outgoing.extend_from_slice(&record[..filled.unwrap_or(0)]);
    }
}

/// The way to encipher, where that is possible.
fn traffic<'a>(
    tls: &'a mut UnbufferedServerConnection,
    incomplete: &'a mut [u8],
) -> io::Result<WriteTraffic<'a, ServerConnectionData>> {
    match tls.process_tls_records(incomplete).state {
        Ok(ConnectionState::WriteTraffic(traffic)) => Ok(traffic),
        _ => Err(ErrorKind::BrokenPipe.into()),
    }
}

/// Where that goes which has arrived.
struct Heard<'a, 'b> {
    into: &'a mut ReadBuf<'b>,
    plaintext: &'a mut Vec<u8>,
    outgoing: &'a mut Vec<u8>,
    incoming: &'a mut Incoming,
}

impl Heard<'_, '_> {
    /// Returns how many bytes of `arrived` are used up.
    fn through_rustls(
        &mut self,
        tls: &mut UnbufferedServerConnection,
        arrived: &mut [u8],
    ) -> (usize, io::Result<()>) {
        let mut done = 0;
        let result = loop {
            let status = tls.process_tls_records(&mut arrived[done..]);
            done += status.discard;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        done += record.discard;
                        self.data(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, self.outgoing),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => *self.incoming = Incoming::Closed,
                Ok(_) => break Ok(()),
                Err(error) => break Err(io::Error::new(ErrorKind::InvalidData, error)),
            }
        };
        if result.is_err() {
            // What is asked for now is the alert; only while there is one, since rustls would look at the bad bytes
            // a second time.
            while tls.wants_write()
                && let Ok(ConnectionState::EncodeTlsData(data)) =
                    tls.process_tls_records(&mut arrived[done..]).state
            {
                encode(data, self.outgoing);
            }
        }
        (done, result)
    }

    /// The same where we have the keys.
    fn through_records(&mut self, records: &mut Records, arrived: &mut [u8]) -> (usize, io::Result<()>) {
        let mut done = 0;
        let fault = loop {
            match records.open(&mut arrived[done..]) {
                Ok(None) => return (done, Ok(())),
                Ok(Some((length, content))) => {
                    done += length;
                    match content {
                        Content::Data(data) => self.data(data),
                        Content::Done => {}
                        Content::Goodbye => {
                            *self.incoming = Incoming::Closed;
                            return (done, Ok(()));
                        }
                    }
                }
                Err(fault) => break fault,
            }
        };
        let mut room = [0; OVERHEAD];
        if fault != Fault::Theirs
            && let Ok(filled) = records.say(fault, &mut room)
        {
            self.outgoing.extend_from_slice(&room[..filled]);
        }
        (done, Err(io::Error::new(ErrorKind::InvalidData, fault)))
    }

    fn data(&mut self, data: &[u8]) {
        let (now, later) = data.split_at(data.len().min(self.into.remaining()));
        self.into.put_slice(now);
        self.plaintext.extend_from_slice(later);
    }
}

/// Who enciphers.
enum Cipher<'a> {
    Rustls(WriteTraffic<'a, ServerConnectionData>),
    Records(&'a mut Records),
}

/// Records on their way into a buffer.
struct Sealing<'a> {
    cipher: Cipher<'a>,
    out: &'a mut [u8],
    taken: usize,
    filled: usize,
}

impl Sealing<'_> {
    /// Enciphers what there is room for of one piece; `true` if that is all of it.
    fn seal(&mut self, piece: &[u8]) -> io::Result<bool> {
        let room = (self.out.len() - self.filled) / (MAX_RECORD + OVERHEAD) * MAX_RECORD;
        let now = piece.len().min(room);
        let (bytes, out) = (&piece[..now], &mut self.out[self.filled..]);
        self.filled += match &mut self.cipher {
            Cipher::Rustls(traffic) => traffic.encrypt(bytes, out).map_err(io::Error::other)?,
            Cipher::Records(records) => records.seal(bytes, out).map_err(io::Error::other)?,
        };
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
