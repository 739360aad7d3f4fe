use std::io::{Read, Write};

use rustls::{AlertDescription, ClientConnection, Error};

use super::*;
use crate::proxy::tls::tests::{Pair, VERSIONS, pattern};

/// A session and its client, with no socket between them.
pub(super) struct Both {
    pub(super) client: ClientConnection,
    pub(super) server: Session,
}

impl Both {
    fn new(pair: &Pair, version: &'static rustls::SupportedProtocolVersion) -> Self {
        Self { client: pair.client(version), server: Session::new(&pair.server).expect("a session") }
    }

    fn shaken(version: &'static rustls::SupportedProtocolVersion) -> Self {
        let mut both = Self::new(&Pair::new(), version);
        both.shake_hands(usize::MAX);
        both
    }

    /// A session of TLS 1.3 that rustls does not carry any more.
    pub(super) fn settled() -> Self {
        let mut both = Self::shaken(&rustls::version::TLS13);
        both.settle();
        both
    }

    fn settle(&mut self) {
        let greeting = self.encipher(&[b"welcome"]);
        assert_eq!(self.give(&greeting).expect("no alert"), b"welcome");
        self.server.settle();
        assert!(matches!(self.server.keeper, Keeper::Records(_)));
    }

    /// A session of each kind whose handshake is over.
    fn all() -> [Self; 3] {
        let [old, new] = VERSIONS.map(Self::shaken);
        [old, new, Self::settled()]
    }

    /// Shakes hands, with the client's bytes arriving in pieces of this size.
    fn shake_hands(&mut self, size: usize) {
        while self.server.is_handshaking() || self.client.is_handshaking() {
            self.arrive(size, 0).expect("a handshake");
            self.answer();
        }
    }

    /// What the client has to say arrives in pieces of this size at a caller who has this much room for what it means.
    pub(super) fn arrive(&mut self, size: usize, room: usize) -> io::Result<Vec<u8>> {
        let mut sent = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut sent).expect("a Vec takes all");
        }
        let mut heard = Vec::new();
        for piece in sent.chunks(size.min(READ_AT_ONCE)) {
            heard.extend(self.arrives(piece, room)?);
        }
        Ok(heard)
    }

    fn arrives(&mut self, bytes: &[u8], room: usize) -> io::Result<Vec<u8>> {
        let mut arrived = vec![0; self.server.kept() + bytes.len()];
        arrived[self.server.kept()..].copy_from_slice(bytes);
        let mut room = vec![0; room];
        let mut into = ReadBuf::new(&mut room);
        self.server.receive(&mut arrived, &mut into)?;
        assert!(self.server.kept() <= MAX_KEPT);
        let mut heard = into.filled().to_vec();
        heard.append(&mut self.take());
        Ok(heard)
    }

    /// What was deciphered and did not fit.
    fn take(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        while !self.server.plaintext.is_empty() {
            let mut room = [0; 1000];
            let mut into = ReadBuf::new(&mut room);
            assert!(self.server.take(&mut into).expect("plaintext"));
            heard.extend_from_slice(into.filled());
        }
        heard
    }

    /// Gives the client what TLS itself has to say.
    fn answer(&mut self) {
        let outgoing = std::mem::take(&mut self.server.outgoing);
        self.give(&outgoing).expect("no alert");
    }

    pub(super) fn give(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let mut heard = Vec::new();
        while !bytes.is_empty() {
            self.client.read_tls(&mut bytes).expect("a slice gives all");
            let state = self.client.process_new_packets()?;
            let mut room = vec![0; state.plaintext_bytes_to_read()];
            self.client.reader().read_exact(&mut room).expect("as much as was said");
            heard.extend(room);
        }
        Ok(heard)
    }

    /// Enciphers all of `pieces`; returns what it has become.
    pub(super) fn encipher(&mut self, pieces: &[&[u8]]) -> Vec<u8> {
        let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut out = vec![0; 1 << 20];
        let (taken, filled) = self.server.encipher(&slices, &mut out).expect("an open session");
        assert_eq!(taken, pieces.iter().map(|piece| piece.len()).sum::<usize>());
        out.truncate(filled);
        out
    }
}

const READ_AT_ONCE: usize = 64 * 1024;

/// The lengths of the records on the wire.
pub(super) fn records(mut bytes: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let [_, _, _, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        lengths.push(length);
        bytes = &rest[length..];
    }
    lengths
}

#[test]
fn bytes_may_arrive_in_any_pieces() {
    let pair = Pair::new();
    for (version, settles) in [(VERSIONS[0], false), (VERSIONS[1], false), (VERSIONS[1], true)] {
        for (size, length) in [(1, 300), (2, 5000), (7, 20_000), (1000, 60_000), (READ_AT_ONCE, 60_000)] {
            let mut both = Both::new(&pair, version);
            both.shake_hands(size);
            if settles {
                both.settle();
            }
            let said = pattern(length);
            both.client.writer().write_all(&said).expect("a client takes 64 KiB");
            for room in [0, 10, 100_000] {
                both.client.writer().write_all(b"and more").expect("a client takes more");
                let mut expected = if room == 0 { said.clone() } else { Vec::new() };
                expected.extend_from_slice(b"and more");
                assert!(both.arrive(size, room).expect("plaintext") == expected, "{size} {length} {room}");
            }
            assert_eq!(both.server.kept(), 0);
            let out = both.encipher(&[&said]);
            assert!(both.give(&out).expect("no alert") == said);
        }
    }
}

#[test]
fn nothing_is_held_between_two_messages() {
    for mut both in Both::all() {
        both.client.writer().write_all(&pattern(40_000)).expect("a client takes 64 KiB");
        both.arrive(10_000, 100).expect("plaintext");
        let Session { incomplete, plaintext, outgoing, .. } = &both.server;
        assert_eq!([incomplete, plaintext, outgoing].map(Vec::capacity), [0; 3]);
    }
}

#[test]
fn small_pieces_share_a_record_and_large_ones_fill_theirs() {
    for mut both in [Both::shaken(&rustls::version::TLS13), Both::settled()] {
        small_pieces_share(&mut both);
    }
}

fn small_pieces_share(both: &mut Both) {
    let body = pattern(100_000);
    for (pieces, expected) in [
        (&[200, 1024][..], &[1224][..]),
        (&[200, 0, 5, 1000, 2], &[1207]),
        (&[200, 65_536, 7], &[200, 16_384, 16_384, 16_384, 16_384, 7]),
        (&[8000, 8000, 8000], &[16_000, 8000]),
        (&[20_000], &[16_384, 3616]),
        (&[0], &[]),
    ] {
        let pieces: Vec<&[u8]> = pieces.iter().map(|length| &body[..*length]).collect();
        let out = both.encipher(&pieces);
        // A byte for the kind of content, and the tag.
        let lengths: Vec<usize> = records(&out).iter().map(|length| length - 17).collect();
        assert_eq!(lengths, expected);
        assert!(both.give(&out).expect("no alert") == pieces.concat());
    }
}

#[test]
fn what_there_is_no_room_for_is_not_taken() {
    let body = pattern(100_000);
    for mut both in Both::all() {
        let mut heard = Vec::new();
        while heard.len() < body.len() {
            let mut out = vec![0; 3 * (MAX_RECORD + OVERHEAD)];
            let rest = &body[heard.len()..];
            // A head in front, so that a piece ends within its record.
            let (head, rest) = rest.split_at(rest.len().min(300));
            let (taken, filled) =
                both.server.encipher(&[IoSlice::new(head), IoSlice::new(rest)], &mut out).expect("open");
            let given = both.give(&out[..filled]).expect("no alert");
            assert_eq!(given.len(), taken);
            assert!(taken > 0);
            heard.extend(given);
        }
        assert!(heard == body);
    }
}

#[test]
fn an_end_that_was_announced_is_an_end() {
    for mut both in Both::all() {
        both.client.writer().write_all(b"last words").expect("a client takes them");
        both.client.send_close_notify();
        assert_eq!(both.arrive(3, 4).expect("plaintext"), b"last words");
        let mut room = [0; 4];
        let mut into = ReadBuf::new(&mut room);
        assert!(both.server.take(&mut into).expect("an end"));
        assert!(into.filled().is_empty());
        // The other direction is open.
        let out = both.encipher(&[b"goodbye"]);
        assert_eq!(both.give(&out).expect("no alert"), b"goodbye");
        both.server.say_goodbye();
        both.server.say_goodbye();
        both.answer();
        assert!(both.client.process_new_packets().expect("no alert").peer_has_closed());
        let closed = both.server.encipher(&[IoSlice::new(b"more")], &mut [0; 1000]);
        assert_eq!(closed.expect_err("it has said goodbye").kind(), ErrorKind::BrokenPipe);
    }
}

#[test]
fn a_client_is_told_what_is_wrong_with_its_bytes() {
    for mut both in Both::all() {
        both.client.writer().write_all(b"something").expect("a client takes it");
        let mut sent = Vec::new();
        both.client.write_tls(&mut sent).expect("a Vec takes all");
        *sent.last_mut().expect("a record") ^= 1;
        let error = both.arrives(&sent, 100).expect_err("it was changed on the way");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let outgoing = std::mem::take(&mut both.server.outgoing);
        let alert = both.give(&outgoing).expect_err("an alert");
        assert_eq!(alert, Error::AlertReceived(AlertDescription::BadRecordMac));
        assert!(both.server.take(&mut ReadBuf::new(&mut [0; 9])).is_err());
        assert!(both.server.encipher(&[IoSlice::new(b"more")], &mut [0; 1000]).is_err());
    }
}

#[test]
fn bytes_that_are_no_tls_are_an_error_with_an_alert() {
    let pair = Pair::new();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[22, 3, 1, 0, 5, 1, 0, 0, 1, 0]] {
        let mut both = Both::new(&pair, VERSIONS[1]);
        let error = both.arrives(bytes, 0).expect_err("no hello");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let [21, 3, 3, 0, 2, 2, _] = both.server.outgoing[..] else {
            panic!("no fatal alert, but {:?}", both.server.outgoing)
        };
    }
}

#[test]
fn a_hello_without_end_is_not_waited_for() {
    let mut both = Both::new(&Pair::new(), VERSIONS[1]);
    // A hello of 60,000 bytes, a byte a record.
    let mut arrived = 0;
    let mut content = [1, 0, 0xea, 0x60].into_iter().chain(std::iter::repeat(0));
    let error = loop {
        let byte = content.next().expect("an endless hello");
        match both.arrives(&[22, 3, 1, 0, 1, byte], 0) {
            Ok(_) => arrived += 6,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(arrived <= MAX_KEPT, "{arrived}");
}

#[test]
fn keys_are_changed_when_the_client_asks_for_it() {
    for mut both in [Both::shaken(&rustls::version::TLS13), Both::settled()] {
        for round in 0..3 {
            both.client.refresh_traffic_keys().expect("TLS 1.3");
            both.client.writer().write_all(b"under new keys").expect("a client takes it");
            assert_eq!(both.arrive(5, 0).expect("plaintext"), b"under new keys", "{round}");
            let out = both.encipher(&[b"and so are we"]);
            assert_eq!(records(&out).len(), 2, "the change, and what comes after it");
            assert_eq!(both.give(&out).expect("no alert"), b"and so are we");
        }
    }
}

#[test]
fn keys_are_taken_over_from_a_client_that_stays_and_has_nothing_on_the_way() {
    let is_settled = |both: &Both| matches!(both.server.keeper, Keeper::Records(_));
    let [mut old, mut new] = VERSIONS.map(Both::shaken);
    new.server.settle();
    assert!(!is_settled(&new), "nothing has been said");
    for both in [&mut old, &mut new] {
        let out = both.encipher(&[b"welcome"]);
        both.give(&out).expect("no alert");
    }
    old.server.settle();
    assert!(!is_settled(&old), "the version is 1.2");
    new.client.writer().write_all(b"a message").expect("a client takes it");
    let mut sent = Vec::new();
    new.client.write_tls(&mut sent).expect("a Vec takes all");
    new.arrives(&sent[..10], 100).expect("a part of it");
    new.server.settle();
    assert!(!is_settled(&new), "a record has begun");
    assert_eq!(new.arrives(&sent[10..], 100).expect("the rest"), b"a message");
    new.server.outgoing = b"a record".to_vec();
    new.server.settle();
    assert!(!is_settled(&new), "something waits to be sent");
    new.server.outgoing = Vec::new();
    new.server.settle();
    assert!(is_settled(&new));
}

#[test]
fn a_ticket_waits_for_what_is_sent_next() {
    let both = Both::new(&Pair::new(), VERSIONS[1]);
    let Both { mut client, mut server } = both;
    while client.is_handshaking() {
        let mut both = Both { client, server };
        both.arrive(READ_AT_ONCE, 0).expect("a handshake");
        both.answer();
        Both { client, server } = both;
    }
    let mut both = Both { client, server };
    both.arrive(READ_AT_ONCE, 0).expect("the end of the handshake");
    assert!(!both.server.is_handshaking());
    assert!(!both.server.outgoing.is_empty());
    both.answer();
    assert!(both.client.tls13_tickets_received() > 0);
}
