//! Messages as they go over the wire (RFC 1035 section 4, RFC 2136 section 2): what we write, and as much of what we
//! read as we have a use for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Rcode;
use crate::ident::Fqdn;

/// Types of records.
pub(super) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const TSIG: u16 = 250;
    pub(crate) const CAA: u16 = 257;
}

const IN: u16 = 1;
/// The class of a record that is to go (RFC 2136 section 2.5.4).
const NONE: u16 = 254;
pub(super) const ANY: u16 = 255;

/// The one flag of a query: the server may ask others.
const RECURSION_DESIRED: u16 = 0x0100;
const UPDATE: u16 = 5 << 11;
const IS_RESPONSE: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;

/// Asks for the records of a kind; with `recurse`, on to whoever has them.
pub(super) fn query(id: u16, name: &Fqdn, kind: u16, recurse: bool) -> Vec<u8> {
    let mut message = header(id, if recurse { RECURSION_DESIRED } else { 0 }, 0);
    put_question(&mut message, name, kind);
    message
}

/// What is to become of a TXT record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It is to be there, beside others of the name, and may be remembered for `ttl` seconds.
    Add { ttl: u32 },
    /// It is to go; others of the name stay.
    Remove,
}

/// Changes one TXT record of a zone.
pub(super) fn update(id: u16, zone: &Fqdn, name: &Fqdn, value: &str, change: Change) -> Vec<u8> {
    let mut message = header(id, UPDATE, 1);
    put_question(&mut message, zone, kind::SOA);
    put_name(&mut message, name.as_str());
    let (class, ttl) = match change {
        Change::Add { ttl } => (IN, ttl),
        Change::Remove => (NONE, 0),
    };
    put_16(&mut message, kind::TXT);
    put_16(&mut message, class);
    message.extend(ttl.to_be_bytes());
    let mut strings = Vec::with_capacity(value.len() + 1);
    value.as_bytes().chunks(255).for_each(|string| put_string(&mut strings, string));
    put_16(&mut message, strings.len() as u16);
    message.extend(strings);
    message
}

/// A header with one question or zone, and this many `changes`: records to be added or removed.
fn header(id: u16, flags: u16, changes: u16) -> Vec<u8> {
    let mut message = Vec::with_capacity(512);
    for field in [id, flags, 1, 0, changes, 0] {
        put_16(&mut message, field);
    }
    message
}

fn put_question(message: &mut Vec<u8>, name: &Fqdn, kind: u16) {
    put_name(message, name.as_str());
    put_16(message, kind);
    put_16(message, IN);
}

/// A name without compression, which is how signatures want it (RFC 8945 section 4.3.3).
pub(super) fn put_name(message: &mut Vec<u8>, name: &str) {
    name.split('.').for_each(|label| put_string(message, label.as_bytes()));
    message.push(0);
}

/// At most 255 bytes after their number; of a name, at most 63.
fn put_string(message: &mut Vec<u8>, string: &[u8]) {
    message.push(string.len() as u8);
    message.extend(string);
}

pub(super) fn put_16(message: &mut Vec<u8>, number: u16) {
    message.extend(number.to_be_bytes());
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) id: u16,
    pub(super) rcode: Rcode,
    /// There is more, but not over UDP.
    pub(super) truncated: bool,
    /// What was asked, as the answer repeats it.
    pub(super) question: Option<(Fqdn, u16)>,
    pub(super) answers: Vec<Record>,
    pub(super) authority: Vec<Record>,
    /// The signature, which is the last record if there is one, and where it begins.
    pub(super) signature: Option<(Signature, usize)>,
}

/// A record whose name is one that could be asked for; others are left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) owner: Fqdn,
    pub(super) data: Data,
}

/// What a record says, as far as it is of use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Data {
    Address(IpAddr),
    Nameserver(Fqdn),
    Alias(Fqdn),
    /// The beginning of a zone.
    Authority,
    /// Its strings, joined.
    Text(Vec<u8>),
    Issuance(Caa),
    Other,
}

/// Who may issue for a name, in the words of its owner (RFC 8659 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caa {
    /// Whether a CA that does not know the tag must not issue.
    pub critical: bool,
    /// What it is about, such as `issue`, in lower case.
    pub tag: String,
    /// What it says.
    pub value: String,
}

/// The data of a TSIG record (RFC 8945 section 4.2).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) key: Option<Fqdn>,
    pub(super) algorithm: Option<Fqdn>,
    /// Seconds since 1970.
    pub(super) time: u64,
    pub(super) fudge: u16,
    pub(super) mac: Vec<u8>,
    pub(super) original_id: u16,
    pub(super) error: u16,
    pub(super) other: Vec<u8>,
}

impl Reply {
    /// Reads an answer; none if it is cut off, or no answer at all.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let mut reader = Reader { message, at: 0 };
        let (id, flags) = (reader.u16()?, reader.u16()?);
        if flags & IS_RESPONSE == 0 {
            return None;
        }
        let counts = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        let mut question = None;
        for _ in 0..counts[0] {
            let name = reader.name()?;
            let kind = reader.u16()?;
            let class = reader.u16()?;
            question = name.filter(|_| class == IN).map(|name| (name, kind));
        }
        let mut reply = Self {
            id,
            rcode: Rcode((flags & 0xf) as u8),
            truncated: flags & TRUNCATED != 0,
            question,
            answers: Vec::new(),
            authority: Vec::new(),
            signature: None,
        };
        for (section, count) in counts.into_iter().enumerate().skip(1) {
            for _ in 0..count {
                let at = reader.at;
                match (reader.record()?, section) {
                    (Found::Record(record), 1) => reply.answers.push(record),
                    (Found::Record(record), 2) => reply.authority.push(record),
                    (Found::Signature(signature), 3) => reply.signature = Some((signature, at)),
                    _ => {}
                }
            }
        }
        Some(reply)
    }
}

/// What stands at the place of a record.
enum Found {
    Record(Record),
    Signature(Signature),
    /// Of a name that cannot be asked for.
    Nothing,
}

struct Reader<'m> {
    message: &'m [u8],
    at: usize,
}

impl<'m> Reader<'m> {
    fn take(&mut self, count: usize) -> Option<&'m [u8]> {
        let taken = self.message.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// As many bytes as the two in front of them say.
    fn counted(&mut self) -> Option<&'m [u8]> {
        let count = self.u16()?;
        self.take(count.into())
    }

    fn record(&mut self) -> Option<Found> {
        let owner = self.name()?;
        let kind = self.u16()?;
        let class = self.u16()?;
        self.take(4)?;
        let length = usize::from(self.u16()?);
        let end = self.at.checked_add(length).filter(|end| *end <= self.message.len())?;
        let found = if kind == kind::TSIG && class == ANY {
            Found::Signature(self.signature(owner)?)
        } else {
            let data = self.data(kind, class, end)?;
            owner.map_or(Found::Nothing, |owner| Found::Record(Record { owner, data }))
        };
        self.at = end;
        Some(found)
    }

    fn data(&mut self, kind: u16, class: u16, end: usize) -> Option<Data> {
        if class != IN {
            return Some(Data::Other);
        }
        let length = end - self.at;
        Some(match (kind, length) {
            (kind::A, 4) => Data::Address(Ipv4Addr::from(<[u8; 4]>::try_from(self.take(4)?).ok()?).into()),
            (kind::AAAA, 16) => {
                Data::Address(Ipv6Addr::from(<[u8; 16]>::try_from(self.take(16)?).ok()?).into())
            }
            (kind::NS, _) => self.name()?.map_or(Data::Other, Data::Nameserver),
            (kind::CNAME, _) => self.name()?.map_or(Data::Other, Data::Alias),
            (kind::SOA, _) => Data::Authority,
            (kind::TXT, _) => {
                let mut text = Vec::with_capacity(length);
                while self.at < end {
                    let count = self.u8()?;
                    text.extend(self.take(count.into())?);
                }
                Data::Text(text)
            }
            (kind::CAA, 2..) => {
                let critical = self.u8()? & 0x80 != 0;
                let count = self.u8()?;
                let tag = self.take(count.into())?;
                let value = self.take(end.checked_sub(self.at)?)?;
                let [tag, value] = [tag, value].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                Data::Issuance(Caa { critical, tag: tag.to_ascii_lowercase(), value })
            }
            _ => Data::Other,
        })
    }

    fn signature(&mut self, key: Option<Fqdn>) -> Option<Signature> {
        let algorithm = self.name()?;
        let mut time = [0; 8];
        time[2..].copy_from_slice(self.take(6)?);
        Some(Signature {
            key,
            algorithm,
            time: u64::from_be_bytes(time),
            fudge: self.u16()?,
            mac: self.counted()?.to_vec(),
            original_id: self.u16()?,
            error: self.u16()?,
            other: self.counted()?.to_vec(),
        })
    }

    /// A name, compressed or not (RFC 1035 section 4.1.4). None inside if it is one that cannot be asked for, such as
    /// the root.
    fn name(&mut self) -> Option<Option<Fqdn>> {
        let mut text = String::new();
        let mut odd = false;
        // Where reading goes on behind the name: after the first pointer, if there is one.
        let mut behind = None;
        loop {
            let start = self.at;
            let length = self.u8()?;
            match length {
                0 => break,
                1..=63 => {
                    let label = self.take(length.into())?;
                    // A dot inside a label would make another name of it.
                    odd |= !label.is_ascii() || label.contains(&b'.');
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.extend(label.iter().copied().map(char::from));
                }
                0xc0.. => {
                    let to = usize::from(length & 0x3f) << 8 | usize::from(self.u8()?);
                    behind.get_or_insert(self.at);
                    // Only ever backwards, so it ends.
                    self.at = Some(to).filter(|to| *to < start)?;
                }
                _ => return None,
            }
            // RFC 1035 section 2.3.4.
            if text.len() > 255 {
                return None;
            }
        }
        self.at = behind.unwrap_or(self.at);
        Some(Fqdn::parse(&text).ok().filter(|_| !odd))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where the question begins.
    const HEADER: usize = 12;

    fn name(text: &str) -> Fqdn {
        Fqdn::parse(text).expect("a name")
    }

    #[test]
    fn a_question_is_written_as_the_standard_has_it() {
        let message = query(0x1234, &name("a.example"), kind::TXT, true);
        let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x10\0\x01";
        assert_eq!(message, question);
        assert_eq!(Reply::read(&message), None, "a question is no answer");
    }

    #[test]
    fn an_update_says_what_is_to_come_and_what_is_to_go() {
        let (zone, owner) = (name("example"), name("a.example"));
        let added = update(1, &zone, &owner, "xy", Change::Add { ttl: 60 });
        let head = b"\0\x01\x28\0\0\x01\0\0\0\x01\0\0\x07example\0\0\x06\0\x01\x01a\x07example\0\0\x10";
        assert_eq!(added, [&head[..], b"\0\x01\0\0\0\x3c\0\x03\x02xy"].concat());
        let removed = update(1, &zone, &owner, "xy", Change::Remove);
        assert_eq!(removed, [&head[..], b"\0\xfe\0\0\0\0\0\x03\x02xy"].concat());
    }

    /// The answer to `a.example TXT`, by way of an alias, with compressed names.
    fn answer() -> Vec<u8> {
        let mut message = query(7, &name("a.example"), kind::TXT, false);
        message[2] = 0x84;
        message[7] = 2;
        // a.example CNAME b.example; b.example TXT "x" "yz".
        message.extend(b"\xc0\x0c\0\x05\0\x01\0\0\0\0\0\x04\x01b\xc0\x0e");
        message.extend(b"\xc0\x27\0\x10\0\x01\0\0\0\0\0\x05\x01x\x02yz");
        message
    }

    #[test]
    fn an_answer_is_read_through_its_compression() {
        let reply = Reply::read(&answer()).expect("an answer");
        assert_eq!((reply.id, reply.rcode, reply.truncated), (7, Rcode::NO_ERROR, false));
        assert_eq!(reply.question, Some((name("a.example"), kind::TXT)));
        let alias = Record { owner: name("a.example"), data: Data::Alias(name("b.example")) };
        let text = Record { owner: name("b.example"), data: Data::Text(b"xyz".to_vec()) };
        assert_eq!(reply.answers, [alias, text]);
    }

    #[test]
    fn who_may_issue_is_read_to_the_end_of_its_record() {
        let mut message = query(7, &name("a.example"), kind::CAA, false);
        message[2] = 0x84;
        message[7] = 1;
        message.extend(b"\xc0\x0c\x01\x01\0\x01\0\0\0\0\0\x0e\x80\x05ISSUEca.test");
        let reply = Reply::read(&message).expect("an answer");
        let caa = Caa { critical: true, tag: "issue".to_owned(), value: "ca.test".to_owned() };
        assert_eq!(reply.answers, [Record { owner: name("a.example"), data: Data::Issuance(caa) }]);
        // A tag that is longer than its record.
        let tag = message.len() - "\x05ISSUEca.test".len();
        message[tag] = 60;
        assert_eq!(Reply::read(&message), None);
    }

    #[test]
    fn an_answer_cut_off_anywhere_is_none() {
        let whole = answer();
        for end in 0..whole.len() {
            assert_eq!(Reply::read(&whole[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn a_pointer_to_itself_or_ahead_ends_the_reading() {
        for to in [0x0c, 0x0d, 0x20] {
            let mut message = query(7, &name("a.example"), kind::TXT, false);
            message[2] = 0x84;
            message.truncate(HEADER);
            message.extend([0xc0, to, 0, 16, 0, 1]);
            message.resize(64, 1);
            assert_eq!(Reply::read(&message), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(mut message in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(flags) = message.get_mut(2) {
                *flags |= 0x80;
            }
            let _ = Reply::read(&message);
        }
    }
}
