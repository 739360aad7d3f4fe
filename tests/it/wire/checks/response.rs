//! What holds for the head of a response, whatever the bytes.

use bytes::Bytes;
use http::Method;
use sidegate::proxy::wire::{Response, ResponseFraming, response};

/// What ends with the connection it came on (RFC 9110, 7.6.1).
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Reads `input` as the answer to a GET and to a HEAD, as a whole and in pieces.
pub(crate) fn check(input: &[u8]) {
    for method in [Method::GET, Method::HEAD] {
        let mut rest = Bytes::copy_from_slice(input);
        let whole = response(&mut rest, &method);
        for size in [1, 2, 7, 61] {
            let pieces = arriving(input, size, &method);
            match (&whole, &pieces) {
                (Ok(Some(whole)), Ok(Some(pieces))) => assert_eq!(summary(whole), summary(pieces)),
                (Ok(None), Ok(None)) | (Err(_), Err(_)) => {}
                _ => panic!("{whole:?} as a whole, {pieces:?} in pieces of {size}"),
            }
        }
        match whole {
            Ok(Some(head)) => {
                assert!(input.ends_with(&rest), "the head is what was cut off");
                agrees_with_the_grammar(&input[..input.len() - rest.len()], &head, &method);
            }
            Ok(None) => assert_eq!(rest, input, "an incomplete head is left alone"),
            Err(fault) => assert!(!fault.is_empty()),
        }
    }
}

fn arriving(input: &[u8], size: usize, method: &Method) -> Result<Option<Response>, &'static str> {
    for end in (size..input.len()).step_by(size).chain([input.len()]) {
        let parsed = response(&mut Bytes::copy_from_slice(&input[..end]), method)?;
        if parsed.is_some() {
            return Ok(parsed);
        }
    }
    Ok(None)
}

fn summary(head: &Response) -> String {
    format!("{head:?}")
}

/// RFC 9112 word for word, slow and without any cleverness.
fn agrees_with_the_grammar(raw: &[u8], head: &Response, method: &Method) {
    let text = raw.strip_suffix(b"\r\n\r\n").expect("an empty line at the end");
    // One character a byte.
    let text: String = text.iter().map(|&b| char::from(b)).collect();
    let mut lines = text.split("\r\n");
    let status_line = lines.next().expect("a line");
    let old = status_line.starts_with("HTTP/1.0 ");
    assert!(old || status_line.starts_with("HTTP/1.1 "));
    assert_eq!(status_line.get(9..12), Some(head.status.as_str()));
    assert!(matches!(status_line.as_bytes().get(12), None | Some(b' ')));
    assert!(head.status.as_u16() < 600 && !text.replace("\r\n", "").contains(['\r', '\n', '\0']));

    let fields: Vec<(String, &str)> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').expect("a colon");
            assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()), "a name is a token");
            (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']))
        })
        .collect();
    let all = |name: &str| -> Vec<&str> {
        fields.iter().filter(|(n, _)| n == name).map(|&(_, value)| value).collect()
    };
    let text = |bytes: &[u8]| -> String { bytes.iter().map(|&b| char::from(b)).collect() };
    let passed: Vec<(String, String)> =
        head.fields.iter().map(|field| (text(field.name).to_ascii_lowercase(), text(field.value))).collect();
    for (name, _) in &passed {
        assert!(!HOP_BY_HOP.contains(&name.as_str()), "{name}");
        let values: Vec<&str> = passed.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        assert_eq!(values, all(name), "{name}");
    }
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
    assert!(lengths.len() + codings.len() <= 1, "one field frames a body");
    let bodiless = *method == Method::HEAD || matches!(head.status.as_u16(), 100..200 | 204 | 304);
    match head.framing {
        ResponseFraming::Empty => assert!(bodiless || lengths.iter().all(|l| l.trim_matches('0').is_empty())),
        ResponseFraming::Length(length) => assert_eq!(lengths[0].parse(), Ok(length)),
        ResponseFraming::Chunked => assert!(codings[0].eq_ignore_ascii_case("chunked") && !old),
        ResponseFraming::Close => assert!(lengths.is_empty() && codings.is_empty() && !head.keep),
    }
    if head.keep {
        let connection = all("connection").join(",").to_ascii_lowercase();
        let says = |word| connection.split(',').any(|c| c.trim() == word);
        assert!(!says("close") && (!old || says("keep-alive")));
    }
}
