//! Keys of older encodings in the one that every program reads (RFC 5958).

const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
const VERSION_0: [u8; 3] = [0x02, 0x01, 0x00];

/// The PKCS#8 form of a SEC 1 or PKCS#1 key, which says nothing about the algorithm that its public half does not.
///
/// `None` if the public half is no `SubjectPublicKeyInfo`.
pub(super) fn wrapped(key: &[u8], spki: &[u8]) -> Option<Vec<u8>> {
    let (SEQUENCE, info) = value(spki)? else { return None };
    let (SEQUENCE, parameters) = value(info)? else { return None };
    let algorithm = element(SEQUENCE, parameters);
    Some(element(SEQUENCE, &[&VERSION_0[..], &algorithm, &element(OCTETS, key)].concat()))
}

/// The tag and the contents of the first element.
fn value(der: &[u8]) -> Option<(u8, &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.get(..length).map(|contents| (tag, contents))
}

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let mut der = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => der.push(short),
        _ => {
            let digits = length.to_be_bytes();
            let digits = &digits[digits.iter().take_while(|digit| **digit == 0).count()..];
            // At most eight digits.
            der.push(0x80 | digits.len() as u8);
            der.extend_from_slice(digits);
        }
    }
    der.extend_from_slice(contents);
    der
}
