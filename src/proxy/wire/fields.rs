//! The fields of a head.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::Header;

use super::kind::Kind;

/// Fields in the order they came, spelt as they came.
///
/// Those of a head that was read stay in the buffer it was read into: keeping one is noting where it stands, and
/// passing many on is one copy.
#[derive(Clone, Default)]
pub struct Fields {
    /// The head they came in.
    head: Bytes,
    /// What was added to them; each field a line, as in a head.
    added: Vec<u8>,
    places: Vec<Place>,
}

/// Where a field stands: in the head, or behind its end in what was added.
#[derive(Clone, Copy)]
struct Place {
    kind: Kind,
    /// Whether it must not get into the tables of HPACK (RFC 7541 section 7.1.3).
    sensitive: bool,
    name: u32,
    name_end: u32,
    value: u32,
    value_end: u32,
}

/// Where the fields of a head stand.
pub(super) struct Places(Vec<Place>);

impl Places {
    /// The places of these fields of a head of less than 4 GiB.
    pub(super) fn of(head: &[u8], fields: &[Header<'_>]) -> Self {
        let at = |text: &[u8]| (text.as_ptr().addr() - head.as_ptr().addr()) as u32;
        let place = |field: &Header<'_>| {
            let name = at(field.name.as_bytes());
            let name_end = name + field.name.len() as u32;
            // An empty value may stand anywhere.
            let value = if field.value.is_empty() { name_end } else { at(field.value) };
            let value_end = value + field.value.len() as u32;
            Place {
                kind: Kind::of(field.name.as_bytes()),
                sensitive: false,
                name,
                name_end,
                value,
                value_end,
            }
        };
        Self(fields.iter().map(place).collect())
    }
}

/// One field.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// What it is.
    pub kind: Kind,
    /// A token, in the case it came in.
    pub name: &'a [u8],
    /// No control bytes but tabs, and no white space around it.
    pub value: &'a [u8],
    sensitive: bool,
}

/// What stands between name and value, and behind the value.
const COLON: &[u8] = b": ";
const END: &[u8] = b"\r\n";

impl Fields {
    /// The fields that stand in `head` at these places.
    pub(super) fn new(head: Bytes, places: Places) -> Self {
        Self { head, added: Vec::new(), places: places.0 }
    }

    /// Adds a field at the end. `name` is a token, and `value` has no control bytes and no white space around it.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        let at = |added: &Vec<u8>| (self.head.len() + added.len()) as u32;
        let begin = at(&self.added);
        self.added.extend_from_slice(name.as_bytes());
        let name_end = at(&self.added);
        self.added.extend_from_slice(COLON);
        let value_begin = at(&self.added);
        self.added.extend_from_slice(value);
        let value_end = at(&self.added);
        self.added.extend_from_slice(END);
        let kind = Kind::of(name.as_bytes());
        self.places.push(Place {
            kind,
            sensitive: false,
            name: begin,
            name_end,
            value: value_begin,
            value_end,
        });
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.places.iter().map(|place| self.field(place))
    }

    /// The values of all fields of a kind, in order.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        self.places.iter().filter(move |place| place.kind == kind).map(|place| self.value(place))
    }

    /// The value of the first field of a kind.
    #[must_use]
    pub fn get(&self, kind: Kind) -> Option<&[u8]> {
        self.all(kind).next()
    }

    /// Whether there is a field of a kind.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.places.iter().any(|place| place.kind == kind)
    }

    /// Takes out all fields but those that `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(Field<'_>) -> bool) {
        let mut places = std::mem::take(&mut self.places);
        places.retain(|place| keep(self.field(place)));
        self.places = places;
    }

    /// Writes the fields that `keep` says to the end of `out`, a line each.
    pub fn write(&self, out: &mut Vec<u8>, mut keep: impl FnMut(Field<'_>) -> bool) {
        // Neighbours that stand there as they are written here go together.
        let mut run: Range<u32> = 0..0;
        for place in self.places.iter().filter(|place| keep(self.field(place))) {
            let line = place.name..place.value_end + END.len() as u32;
            let plain = self.text(place.name_end..place.value) == COLON
                && self.text(place.value_end..line.end) == END;
            if plain && line.start == run.end {
                run.end = line.end;
                continue;
            }
            out.extend_from_slice(self.text(run));
            run = if plain {
                line
            } else {
                let Field { name, value, .. } = self.field(place);
                for piece in [name, COLON, value, END] {
                    out.extend_from_slice(piece);
                }
                0..0
            };
        }
        out.extend_from_slice(self.text(run));
    }

    /// The same fields as HTTP/2 has them.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.places.len());
        for place in &self.places {
            let Field { name, value, sensitive, .. } = self.field(place);
            // Names and values that are none cannot be here.
            let (Ok(name), Ok(mut value)) = (HeaderName::from_bytes(name), self.shared(place, value)) else {
                continue;
            };
            value.set_sensitive(sensitive);
            map.append(name, value);
        }
        map
    }

    /// A value that stays in the head it came in.
    fn shared(&self, place: &Place, value: &[u8]) -> Result<HeaderValue, http::Error> {
        let range = place.value as usize..place.value_end as usize;
        if range.end > self.head.len() {
            return Ok(HeaderValue::from_bytes(value)?);
        }
        Ok(HeaderValue::from_maybe_shared(self.head.slice(range))?)
    }

    fn field(&self, place: &Place) -> Field<'_> {
        let &Place { kind, sensitive, name, name_end, .. } = place;
        Field { kind, sensitive, name: self.text(name..name_end), value: self.value(place) }
    }

    fn value(&self, place: &Place) -> &[u8] {
        self.text(place.value..place.value_end)
    }

    fn text(&self, range: Range<u32>) -> &[u8] {
        let (begin, end) = (range.start as usize, range.end as usize);
        match begin.checked_sub(self.head.len()) {
            None => &self.head[begin..end],
            Some(begin) => &self.added[begin..end - self.head.len()],
        }
    }
}

/// Without the white space around values, which is no part of them (RFC 9110 section 5.5) and which HTTP/2 forbids.
impl From<&HeaderMap> for Fields {
    fn from(map: &HeaderMap) -> Self {
        let mut fields = Self { places: Vec::with_capacity(map.len()), ..Self::default() };
        for (name, value) in map {
            fields.add(name.as_str(), value.as_bytes().trim_ascii());
            if let Some(place) = fields.places.last_mut() {
                place.sensitive = value.is_sensitive();
            }
        }
        fields
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Fields {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(list: I) -> Self {
        let mut fields = Self::default();
        for (name, value) in list {
            fields.add(name, value.as_bytes());
        }
        fields
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|field| String::from_utf8_lossy(field.name).into_owned()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Fields {
        let mut room = [httparse::EMPTY_HEADER; 16];
        let head = Bytes::copy_from_slice(head.as_bytes());
        let Ok(httparse::Status::Complete((_, headers))) = httparse::parse_headers(&head, &mut room) else {
            panic!("no fields: {head:?}");
        };
        let places = Places::of(&head, headers);
        Fields::new(head, places)
    }

    fn written(fields: &Fields, keep: impl FnMut(Field<'_>) -> bool) -> String {
        let mut out = Vec::new();
        fields.write(&mut out, keep);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn fields_go_on_in_order_and_spelt_as_they_came() {
        let mut fields = read("Host: a\r\nX-Odd:b  \r\nEMPTY:\r\ncookie: c\r\nAccept:\t d\r\n\r\n");
        assert_eq!(
            written(&fields, |_| true),
            "Host: a\r\nX-Odd: b\r\nEMPTY: \r\ncookie: c\r\nAccept: d\r\n"
        );
        fields.add("x-added", b"e");
        fields.add("x-more", b"");
        assert_eq!(
            written(&fields, |field| !matches!(field.name, b"X-Odd" | b"Accept")),
            "Host: a\r\nEMPTY: \r\ncookie: c\r\nx-added: e\r\nx-more: \r\n"
        );
        fields.retain(|field| field.kind == Kind::Other);
        assert_eq!(
            written(&fields, |_| true),
            "X-Odd: b\r\nEMPTY: \r\nAccept: d\r\nx-added: e\r\nx-more: \r\n"
        );
        assert_eq!((fields.get(Kind::Host), fields.len()), (None, 5));
    }

    #[test]
    fn nothing_is_written_that_stands_between_two_fields() {
        let fields = read("a: b\r\nconnection: x\r\nc: d\r\n\r\n");
        assert_eq!(written(&fields, |field| !field.kind.is_hop_by_hop()), "a: b\r\nc: d\r\n");
        let mut alone = read("a: b\r\n\r\n");
        alone.add("c", b"d");
        assert_eq!(written(&alone, |_| true), "a: b\r\nc: d\r\n");
    }

    #[test]
    fn a_map_says_the_same_and_keeps_secrets() {
        let mut map = HeaderMap::new();
        let mut secret = HeaderValue::from_static("s");
        secret.set_sensitive(true);
        map.insert("authorization", secret);
        map.append("accept", HeaderValue::from_static("a"));
        map.append("accept", HeaderValue::from_static("b"));
        let mut padded = map.clone();
        padded.insert("accept", HeaderValue::from_static(" a\t"));
        padded.append("accept", HeaderValue::from_static("b"));
        let again = Fields::from(&padded).to_map();
        assert_eq!(again, map);
        assert!(again["authorization"].is_sensitive() && !again["accept"].is_sensitive());
        let read = read("Accept: a\r\nAUTHORIZATION: s\r\naccept: b\r\n\r\n").to_map();
        assert_eq!(read, map);
    }
}
