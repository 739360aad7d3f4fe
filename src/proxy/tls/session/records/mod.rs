//! Records of TLS 1.3 under the keys of a session whose handshake is over (RFC 8446 sections 5 and 4.6.3).
//!
//! rustls shakes hands and derives keys, also the next ones when keys are changed; what is done here is done once a
//! record: a header, a nonce, one call of the cipher from where the bytes lie to where they go. rustls takes a buffer
//! from the heap and two copies for that, which is a tenth of what a large body costs.

use aws_lc_rs::aead::{
    self, AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{ConnectionTrafficSecrets, ExtractedSecrets};
use thiserror::Error;

use super::{MAX_RECORD, OVERHEAD};

const HEADER: usize = 5;
const TAG: usize = 16;

/// What a record may have beside its content: its kind, padding, the tag (section 5.2).
const MAX_EXPANSION: usize = 256;

/// At most this many records are enciphered with one key of AES-GCM, which leaves a margin (section 5.5). Others bear
/// more.
const MAX_SEALED: u64 = 1 << 24;

/// At most this often a client may ask for new keys without saying anything else. Each change costs more than it does
/// to ask.
const MAX_UPDATES: u8 = 32;

/// The change of keys, but for its last byte: whether the other side is to change its own (section 4.6.3).
const KEY_UPDATE: [u8; 4] = [24, 0, 0, 1];

/// The kinds of content (section 5.1).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// Why a session is broken off, by the codes of section 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Fault {
    #[error("a message that cannot come now")]
    UnexpectedMessage = 10,
    #[error("a record that was changed on the way")]
    BadRecordMac = 20,
    #[error("a record that is too long")]
    RecordOverflow = 22,
    #[error("a malformed key update")]
    IllegalParameter = 47,
    #[error("keys that cannot be used")]
    InternalError = 80,
    /// Nobody is told.
    #[error("the client broke the session off")]
    Theirs = 0,
}

/// What a record was there for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    Data(&'a [u8]),
    /// The client says nothing more.
    Goodbye,
    /// Nothing that concerns anybody else.
    Done,
}

/// Both directions of a session.
pub(super) struct Records {
    secrets: KernelConnection<ServerConnectionData>,
    reading: Direction,
    writing: Direction,
    /// The beginning of a handshake message that goes on in the next record.
    partial: Vec<u8>,
    /// Changes of keys since the client has last said something.
    updates: u8,
    /// Whether the client waits for us to change our keys; one that asks several times meanwhile is answered once.
    update_due: bool,
    /// How many records are enciphered with one key.
    max_sealed: u64,
}

struct Direction {
    key: LessSafeKey,
    iv: [u8; aead::NONCE_LEN],
    /// How many records there were under this key.
    count: u64,
}

impl Records {
    /// Goes on where rustls has stopped.
    pub(super) fn new(
        secrets: &ExtractedSecrets,
        kernel: KernelConnection<ServerConnectionData>,
    ) -> Result<Self, Fault> {
        Ok(Self {
            secrets: kernel,
            reading: Direction::new(&secrets.rx)?,
            writing: Direction::new(&secrets.tx)?,
            partial: Vec::new(),
            updates: 0,
            update_due: false,
            max_sealed: MAX_SEALED,
        })
    }

    /// Deciphers the first of these records where it lies, and says how long it was. `None` if its end is not there.
    pub(super) fn open<'a>(&mut self, arrived: &'a mut [u8]) -> Result<Option<(usize, Content<'a>)>, Fault> {
        let Some(length) = record_length(arrived)? else { return Ok(None) };
        let Some(record) = arrived.get_mut(..length) else { return Ok(None) };
        let (header, sealed) = record.split_at_mut(HEADER);
        let opened = self.reading.open(header, sealed)?;
        // Zeros behind the kind are padding (section 5.4).
        let Some(end) = opened.iter().rposition(|&byte| byte != 0) else {
            return Err(Fault::UnexpectedMessage);
        };
        let (content, kind) = (&opened[..end], opened[end]);
        if opened.len() > MAX_RECORD + 1 {
            return Err(Fault::RecordOverflow);
        }
        if kind != HANDSHAKE && !self.partial.is_empty() {
            return Err(Fault::UnexpectedMessage);
        }
        let content = match kind {
            APPLICATION_DATA => {
                self.updates = 0;
                Content::Data(content)
            }
            ALERT => alert(content)?,
            HANDSHAKE => self.handshake(content)?,
            _ => return Err(Fault::UnexpectedMessage),
        };
        Ok(Some((length, content)))
    }

    /// Reads a part of the only handshake message that a client may send now.
    fn handshake(&mut self, part: &[u8]) -> Result<Content<'static>, Fault> {
        // Nothing may stand behind it: the next record is under the next key (section 5.1).
        if part.is_empty() || self.partial.len() + part.len() > KEY_UPDATE.len() + 1 {
            return Err(Fault::UnexpectedMessage);
        }
        self.partial.extend_from_slice(part);
        if self.partial.iter().zip(KEY_UPDATE).any(|(&is, should)| is != should) {
            return Err(Fault::UnexpectedMessage);
        }
        let Some(&asks) = self.partial.get(KEY_UPDATE.len()) else { return Ok(Content::Done) };
        self.partial = Vec::new();
        self.updates += 1;
        if self.updates > MAX_UPDATES {
            return Err(Fault::UnexpectedMessage);
        }
        let secret = self.secrets.update_rx_secret().map_err(|_| Fault::InternalError)?;
        self.reading = Direction::new(&secret)?;
        match asks {
            0 => {}
            1 => self.update_due = true,
            _ => return Err(Fault::IllegalParameter),
        }
        Ok(Content::Done)
    }

    /// Enciphers bytes in as many records as it takes, and says how long those are. `out` has room for them:
    /// [`OVERHEAD`] and each [`MAX_RECORD`] bytes, or a part of them.
    pub(super) fn seal(&mut self, bytes: &[u8], out: &mut [u8]) -> Result<usize, Fault> {
        let mut filled = 0;
        for content in bytes.chunks(MAX_RECORD) {
            if self.update_due || self.writing.count >= self.max_sealed {
                filled += self.change_keys(&mut out[filled..])?;
            }
            filled += self.writing.seal(APPLICATION_DATA, content, &mut out[filled..])?;
        }
        Ok(filled)
    }

    /// Tells the client about new keys, and uses them from then on.
    fn change_keys(&mut self, out: &mut [u8]) -> Result<usize, Fault> {
        let [first, second, third, fourth] = KEY_UPDATE;
        let filled = self.writing.seal(HANDSHAKE, &[first, second, third, fourth, 0], out)?;
        let secret = self.secrets.update_tx_secret().map_err(|_| Fault::InternalError)?;
        self.writing = Direction::new(&secret)?;
        self.update_due = false;
        Ok(filled)
    }

    /// Tells the client why the session is broken off.
    pub(super) fn say(&mut self, fault: Fault, out: &mut [u8; OVERHEAD]) -> Result<usize, Fault> {
        self.writing.seal(ALERT, &[2, fault as u8], out)
    }

    /// Tells the client that nothing follows.
    pub(super) fn say_goodbye(&mut self, out: &mut [u8; OVERHEAD]) -> Result<usize, Fault> {
        self.writing.seal(ALERT, &[1, 0], out)
    }
}

impl Direction {
    /// Goes on behind this many records under this key.
    fn new((count, secrets): &(u64, ConnectionTrafficSecrets)) -> Result<Self, Fault> {
        let (cipher, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(Fault::InternalError),
        };
        let key = UnboundKey::new(cipher, key.as_ref()).map_err(|_| Fault::InternalError)?;
        let iv = iv.as_ref().try_into().map_err(|_| Fault::InternalError)?;
        Ok(Self { key: LessSafeKey::new(key), iv, count: *count })
    }

    /// The next nonce: no two records of a key have the same (section 5.3).
    fn nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        for (byte, count) in nonce[aead::NONCE_LEN - 8..].iter_mut().zip(self.count.to_be_bytes()) {
            *byte ^= count;
        }
        self.count += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    fn open<'a>(&mut self, header: &[u8], sealed: &'a mut [u8]) -> Result<&'a mut [u8], Fault> {
        let nonce = self.nonce();
        self.key.open_in_place(nonce, Aad::from(header), sealed).map_err(|_| Fault::BadRecordMac)
    }

    fn seal(&mut self, kind: u8, content: &[u8], out: &mut [u8]) -> Result<usize, Fault> {
        let sealed = content.len() + 1 + TAG;
        let [high, low] = (sealed as u16).to_be_bytes();
        let header = [APPLICATION_DATA, 3, 3, high, low];
        let room = out.get_mut(..HEADER + sealed).ok_or(Fault::InternalError)?;
        let (head, body) = room.split_at_mut(HEADER);
        head.copy_from_slice(&header);
        let (body, end) = body.split_at_mut(content.len());
        let nonce = self.nonce();
        self.key
            .seal_out_of_place_scatter(nonce, Aad::from(&header), content, body, &[kind], end)
            .map_err(|_| Fault::InternalError)?;
        Ok(HEADER + sealed)
    }
}

/// The length of the record that begins here, once its header is there.
fn record_length(arrived: &[u8]) -> Result<Option<usize>, Fault> {
    // The version is of no meaning (section 5.1).
    let &[kind, _, _, high, low, ..] = arrived else { return Ok(None) };
    if kind != APPLICATION_DATA {
        return Err(Fault::UnexpectedMessage);
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_RECORD + MAX_EXPANSION {
        return Err(Fault::RecordOverflow);
    }
    Ok(Some(HEADER + length))
}

/// What the client has to say about the session. All but a goodbye is its end (section 6).
fn alert(content: &[u8]) -> Result<Content<'static>, Fault> {
    match content {
        [_, 0] => Ok(Content::Goodbye),
        // user_canceled: a goodbye follows.
        [_, 90] => Ok(Content::Done),
        [_, _] => Err(Fault::Theirs),
        _ => Err(Fault::UnexpectedMessage),
    }
}

#[cfg(test)]
mod tests;
