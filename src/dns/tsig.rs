//! Signing a message, and proving that the answer comes from who shares the key (RFC 8945).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::message::{ANY, Reply, Signature, kind, put_16, put_name};
use super::{DnsError, Key, Rcode};

/// Clocks may differ by at most this many seconds (RFC 8945 section 10).
const FUDGE: u16 = 300;

const BAD_SIG: u16 = 16;
const BAD_KEY: u16 = 17;
const BAD_TIME: u16 = 18;

/// Where the number of additional records stands in a header.
const ADDITIONAL: usize = 10;

/// A signed message, and what its answer's signature begins with.
pub(super) struct Signed {
    pub(super) message: Vec<u8>,
    mac: Vec<u8>,
}

impl Signed {
    /// Puts a signature behind a message that has no additional records.
    pub(super) fn new(mut message: Vec<u8>, key: &Key, now: SystemTime) -> Self {
        let time = seconds(now);
        let mac = key.sign(&[&message[..], &variables(key, time, FUDGE, 0, &[])].concat());
        let mut data = Vec::with_capacity(128);
        put_name(&mut data, key.algorithm().as_str());
        data.extend(&time.to_be_bytes()[2..]);
        put_16(&mut data, FUDGE);
        put_16(&mut data, mac.len() as u16);
        data.extend(&mac);
        let id = [message[0], message[1]];
        data.extend(id);
        // No error, and nothing else to say.
        data.extend([0; 4]);
        put_name(&mut message, key.name().as_str());
        put_16(&mut message, kind::TSIG);
        put_16(&mut message, ANY);
        message.extend([0; 4]);
        put_16(&mut message, data.len() as u16);
        message.extend(data);
        message[ADDITIONAL + 1] = 1;
        Self { message, mac }
    }

    /// Proves that `reply`, read from `bytes`, was signed with the key by who had seen our message.
    ///
    /// # Errors
    ///
    /// What the server says about our signature, else [`DnsError::Unsigned`].
    pub(super) fn verify(
        &self,
        bytes: &[u8],
        reply: &Reply,
        key: &Key,
        now: SystemTime,
        server: &str,
    ) -> Result<(), DnsError> {
        let server = || server.to_owned();
        let name = || key.name().to_string();
        let unsigned = |what| Err(DnsError::Unsigned { server: server(), key: name(), what });
        let Some((signature, at)) = &reply.signature else {
            // Servers that know nothing of keys refuse without one.
            return match reply.rcode {
                Rcode::NO_ERROR => unsigned("there is no signature"),
                rcode => Err(DnsError::Refused { server: server(), rcode }),
            };
        };
        match signature.error {
            // These two are never signed: there is nothing to sign them with.
            BAD_KEY => return Err(DnsError::BadKey { server: server(), key: name() }),
            BAD_SIG => return Err(DnsError::BadSignature { server: server(), key: name() }),
            _ => {}
        }
        let is_ours = signature.key.as_ref() == Some(key.name())
            && signature.algorithm.as_ref().is_some_and(|name| name.as_str() == key.algorithm().as_str());
        if !is_ours {
            return unsigned("the signature is of another key");
        }
        if !key.is_signature(&self.signed(bytes, *at, signature, key), &signature.mac) {
            return unsigned("the signature does not fit");
        }
        if signature.error == BAD_TIME {
            let theirs = six_bytes(&signature.other).unwrap_or(signature.time);
            let (seconds, ahead) = (theirs.abs_diff(seconds(now)), theirs > seconds(now));
            return Err(DnsError::BadTime { server: server(), seconds, ahead });
        }
        if signature.time.abs_diff(seconds(now)) > signature.fudge.max(FUDGE).into() {
            return unsigned("the signature is of another time");
        }
        Ok(())
    }

    /// RFC 8945 section 4.3: the request's MAC, the answer as it was before it was signed, and the variables.
    fn signed(&self, bytes: &[u8], at: usize, signature: &Signature, key: &Key) -> Vec<u8> {
        let mut parts = Vec::with_capacity(bytes.len() + 128);
        put_16(&mut parts, self.mac.len() as u16);
        parts.extend(&self.mac);
        let start = parts.len();
        parts.extend(&bytes[..at]);
        parts[start..start + 2].copy_from_slice(&signature.original_id.to_be_bytes());
        let additional = [parts[start + ADDITIONAL], parts[start + ADDITIONAL + 1]];
        let without = u16::from_be_bytes(additional).saturating_sub(1).to_be_bytes();
        parts[start + ADDITIONAL..start + ADDITIONAL + 2].copy_from_slice(&without);
        parts.extend(variables(key, signature.time, signature.fudge, signature.error, &signature.other));
        parts
    }
}

/// RFC 8945 section 4.3.3.
fn variables(key: &Key, time: u64, fudge: u16, error: u16, other: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(96);
    put_name(&mut bytes, key.name().as_str());
    put_16(&mut bytes, ANY);
    bytes.extend([0; 4]);
    put_name(&mut bytes, key.algorithm().as_str());
    bytes.extend(&time.to_be_bytes()[2..]);
    put_16(&mut bytes, fudge);
    put_16(&mut bytes, error);
    put_16(&mut bytes, other.len() as u16);
    bytes.extend(other);
    bytes
}

fn six_bytes(bytes: &[u8]) -> Option<u64> {
    let mut number = [0; 8];
    (bytes.len() == 6).then(|| {
        number[2..].copy_from_slice(bytes);
        u64::from_be_bytes(number)
    })
}

fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
