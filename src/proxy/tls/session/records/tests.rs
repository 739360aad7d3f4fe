use std::io::Write;

use super::*;
use crate::proxy::tls::session::Keeper;
use crate::proxy::tls::session::tests::{Both, records};

/// What a client writes with, whatever it wants to say, and who reads it.
fn sides() -> (Direction, Records) {
    let Both { client, server } = Both::settled();
    let Keeper::Records(records) = server.keeper else { panic!("it is settled") };
    let secrets = client.dangerous_extract_secrets().expect("nothing is on the way");
    (Direction::new(&secrets.tx).expect("keys"), *records)
}

impl Direction {
    fn record(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![0; HEADER + content.len() + 1 + TAG];
        self.seal(kind, content, &mut out).expect("room");
        out
    }
}

#[test]
fn padding_is_taken_off() {
    let (mut client, mut server) = sides();
    // The kind that is sealed last is the last byte of the padding.
    for (inside, data) in
        [(&b"hello\x17"[..], &b"hello"[..]), (b"a\0\0\x17\0\0\0", b"a\0\0"), (b"\x17\0", b"")]
    {
        let mut record = client.record(0, inside);
        let length = record.len();
        assert_eq!(server.open(&mut record), Ok(Some((length, Content::Data(data)))));
    }
}

#[test]
fn a_client_may_end_in_several_ways() {
    let (mut client, mut server) = sides();
    for (alert, expected) in [
        (&[1, 90][..], Ok(Content::Done)),
        (&[1, 0], Ok(Content::Goodbye)),
        (&[2, 40], Err(Fault::Theirs)),
        (&[1], Err(Fault::UnexpectedMessage)),
        (&[1, 0, 1, 0], Err(Fault::UnexpectedMessage)),
    ] {
        let mut record = client.record(ALERT, alert);
        let opened = server.open(&mut record).map(|opened| opened.expect("a whole record").1);
        assert_eq!(opened, expected, "{alert:?}");
    }
}

#[test]
fn what_is_no_record_of_the_session_is_a_fault() {
    let update = |asks| [24, 0, 0, 1, asks];
    let long = vec![0x17; MAX_RECORD + 1];
    for (kind, content, fault) in [
        (0, &[][..], Fault::UnexpectedMessage),
        (0, &[0; 9], Fault::UnexpectedMessage),
        (20, &[1], Fault::UnexpectedMessage),
        (99, b"x", Fault::UnexpectedMessage),
        (APPLICATION_DATA, &long, Fault::RecordOverflow),
        (HANDSHAKE, &[], Fault::UnexpectedMessage),
        (HANDSHAKE, &[1, 0, 0, 1, 0], Fault::UnexpectedMessage),
        (HANDSHAKE, &[24, 0, 0, 2, 0], Fault::UnexpectedMessage),
        (HANDSHAKE, &update(2), Fault::IllegalParameter),
        (HANDSHAKE, &[update(0), update(0)].concat(), Fault::UnexpectedMessage),
    ] {
        let (mut client, mut server) = sides();
        assert_eq!(server.open(&mut client.record(kind, content)), Err(fault), "{kind} {}", content.len());
    }
    let (mut client, mut server) = sides();
    for (header, fault) in [
        ([ALERT, 3, 3, 0, 2], Fault::UnexpectedMessage),
        ([20, 3, 3, 0, 1], Fault::UnexpectedMessage),
        ([APPLICATION_DATA, 3, 3, 0x41, 1], Fault::RecordOverflow),
    ] {
        assert_eq!(server.open(&mut header.clone()), Err(fault), "{header:?}");
    }
    assert_eq!(server.open(&mut [APPLICATION_DATA, 3, 3, 0, 1, 0]), Err(Fault::BadRecordMac), "too short");
    // One was lost, or comes a second time.
    let mut first = client.record(APPLICATION_DATA, b"x");
    assert_eq!(server.open(&mut first), Err(Fault::BadRecordMac));
}

#[test]
fn a_record_is_waited_for_to_its_last_byte() {
    let (mut client, mut server) = sides();
    let mut record = client.record(APPLICATION_DATA, b"hello");
    let length = record.len();
    for end in 0..length {
        assert_eq!(server.open(&mut record[..end]), Ok(None), "{end}");
    }
    record.extend_from_slice(b"more");
    assert_eq!(server.open(&mut record), Ok(Some((length, Content::Data(b"hello")))));
}

#[test]
fn a_change_of_keys_may_come_in_pieces_and_nothing_in_between() {
    let (mut client, mut server) = sides();
    for piece in [&[24, 0][..], &[0, 1], &[0]] {
        let mut record = client.record(HANDSHAKE, piece);
        assert_eq!(server.open(&mut record).map(|o| o.map(|(_, c)| c)), Ok(Some(Content::Done)));
    }
    // Under the old keys.
    assert_eq!(server.open(&mut client.record(APPLICATION_DATA, b"x")), Err(Fault::BadRecordMac));

    let (mut client, mut server) = sides();
    assert!(server.open(&mut client.record(HANDSHAKE, &[24, 0])).is_ok());
    assert_eq!(server.open(&mut client.record(APPLICATION_DATA, b"x")), Err(Fault::UnexpectedMessage));
}

#[test]
fn new_keys_without_a_word_are_not_given_for_ever() {
    let mut both = Both::settled();
    let change = |both: &mut Both| {
        both.client.refresh_traffic_keys().expect("TLS 1.3");
        both.arrive(usize::MAX, 0).map(drop)
    };
    for _ in 0..MAX_UPDATES {
        change(&mut both).expect("that often");
    }
    both.client.writer().write_all(b"a word").expect("a client takes it");
    assert_eq!(both.arrive(usize::MAX, 10).expect("plaintext"), b"a word");
    for _ in 0..MAX_UPDATES {
        change(&mut both).expect("that often again");
    }
    change(&mut both).expect_err("once too often");
}

#[test]
fn keys_are_changed_before_they_have_been_used_too_often() {
    let mut both = Both::settled();
    let Keeper::Records(server) = &mut both.server.keeper else { panic!("it is settled") };
    server.max_sealed = 2;
    assert!(server.writing.count >= 2, "tickets, and a greeting");
    let mut lengths = Vec::new();
    for said in [b"one", b"two", b"six", b"ten"] {
        let out = both.encipher(&[said]);
        assert_eq!(both.give(&out).expect("no alert"), said);
        lengths.push(records(&out).len());
    }
    assert_eq!(lengths, [2, 1, 2, 1], "a change before every other record");
}
