//! What holds for a chunked body, whatever the bytes.

use bytes::Bytes;
use http::HeaderMap;
use sidegate::proxy::wire::chunked::{Decoder, Step, may_trail};

/// A body, its trailers, and how many bytes were left.
type Read = (Vec<u8>, Option<HeaderMap>, usize);

/// Reads `input` as a whole and in pieces, as a client's and as an upstream's, and what was accepted once more in the
/// plainest way.
pub(crate) fn check(input: &[u8]) {
    let strict = read(Decoder::of_request, input);
    let padded = read(Decoder::of_response, input);
    if strict.is_some() {
        assert_eq!(padded, strict, "who pads nothing is understood by both");
    }
    let Some(Some((body, trailers, left))) = &strict else { return };
    assert_eq!(plain(&input[..input.len() - left]).as_ref(), Some(body), "the grammar has it so");
    assert!(trailers.iter().flat_map(HeaderMap::keys).all(may_trail));

    let mut again = body.chunks(5).fold(Vec::new(), |mut out, chunk| {
        out.extend(format!("{:X};a=\"b\"\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
        out
    });
    // A body of five bytes a chunk pays for an extension of as many.
    again.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.iter().flatten() {
        again.extend([name.as_str().as_bytes(), b":", value.as_bytes(), b"\r\n"].concat());
    }
    again.extend_from_slice(b"\r\nrest");
    let (body_again, trailers_again, left) =
        read(Decoder::of_request, &again).flatten().expect("well formed");
    assert_eq!((&body_again, left), (body, 4));
    assert_eq!(trailers_again.unwrap_or_default(), trailers.clone().unwrap_or_default());
}

/// `None` if this is refused, `Some(None)` if it is not over yet.
fn read(decoder: fn() -> Decoder, input: &[u8]) -> Option<Option<Read>> {
    let whole = arriving(decoder(), input, input.len().max(1));
    for size in [1, 2, 3, 61] {
        assert_eq!(arriving(decoder(), input, size), whole, "in pieces of {size}");
    }
    whole
}

fn arriving(mut decoder: Decoder, input: &[u8], size: usize) -> Option<Option<Read>> {
    let (mut body, mut seen) = (Vec::new(), 0);
    for piece in input.chunks(size) {
        seen += piece.len();
        let mut piece = Bytes::copy_from_slice(piece);
        loop {
            match decoder.step(&mut piece).ok()? {
                Step::More => break,
                Step::Data(data) => body.extend_from_slice(&data),
                Step::End(trailers) => {
                    assert!(decoder.is_done());
                    return Some(Some((body, trailers, input.len() - seen + piece.len())));
                }
            }
        }
    }
    assert!(!decoder.is_done());
    Some(None)
}

/// RFC 9112, 7.1 word for word: the body in `input`, if it is nothing but a chunked body.
fn plain(input: &[u8]) -> Option<Vec<u8>> {
    let (mut body, mut rest) = (Vec::new(), input);
    loop {
        let line = line(&mut rest)?;
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (size, extension) = line.split_at(digits);
        let extension = extension.trim_ascii_start();
        if !(extension.is_empty() && digits == line.len() || extension.first() == Some(&b';')) {
            return None;
        }
        let size = usize::from_str_radix(str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    loop {
        match line(&mut rest)? {
            b"" if rest.is_empty() => return Some(body),
            field if field.contains(&b':') => {}
            _ => return None,
        }
    }
}

/// Cuts off a line, which has no other CR or LF than those at its end.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, after) = (&rest[..end], &rest[end + 2..]);
    *rest = after;
    (!line.contains(&b'\r') && !line.contains(&b'\n')).then_some(line)
}
