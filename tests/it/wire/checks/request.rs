//! What holds for the head of a request, whatever the bytes.

use bytes::Bytes;
use http::{Method, Version};
use sidegate::proxy::wire::{
    Framing, Head, MAX_FIELDS, MAX_HEAD, MAX_TARGET, Refusal, Request, is_worth_another_look, request,
};

/// Reads `input` as a whole and in pieces, and everything that was accepted once more in the plainest way.
pub(crate) fn check(input: &[u8]) {
    let mut rest = Bytes::copy_from_slice(input);
    let whole = request(&mut rest);
    for size in [1, 2, 7, 61] {
        let pieces = arriving(input, size);
        match (&whole, &pieces) {
            (Ok(Some(whole)), Ok(Some(pieces))) => assert_eq!(written(whole), written(pieces)),
            (Ok(None), Ok(None)) | (Err(_), Err(_)) => {}
            _ => panic!("{whole:?} as a whole, {pieces:?} in pieces of {size}"),
        }
    }
    match whole {
        Ok(Some(head)) => {
            assert!(input.ends_with(&rest), "the head is what was cut off");
            let raw = &input[..input.len() - rest.len()];
            // An empty line may come before it.
            agrees_with_the_grammar(raw.strip_prefix(b"\r\n").unwrap_or(raw), &head);
            let again = request(&mut Bytes::from(written(&head))).expect("well formed").expect("complete");
            assert_eq!(written(&again), written(&head), "what was understood is understood again");
            assert_eq!((again.framing, again.keep), (head.framing, head.keep));
            assert_eq!(again.expects_continue, head.expects_continue);
        }
        Ok(None) => {
            assert_eq!(rest, input, "an incomplete head is left alone");
            assert!(input.len() <= MAX_HEAD + 2, "and it is not endless");
        }
        Err(Refusal { status, reason }) => {
            assert!(status.is_client_error() || status.is_server_error(), "{status}");
            assert!(reason.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
        }
    }
}

/// Parses input as a connection does it that reads `size` bytes at once.
fn arriving(input: &[u8], size: usize) -> Result<Option<Request>, Refusal> {
    let mut seen = 0;
    while seen < input.len() {
        let end = input.len().min(seen + size);
        if seen == 0 || end == input.len() || is_worth_another_look(&input[seen..end], end) {
            let parsed = request(&mut Bytes::copy_from_slice(&input[..end]))?;
            if parsed.is_some() {
                return Ok(parsed);
            }
        }
        seen = end;
    }
    Ok(None)
}

/// A head as it was understood.
fn written(head: &Request) -> Vec<u8> {
    let Head { method, uri, version, fields } = &*head.head;
    let mut out = format!("{method} {uri} {version:?}\r\n").into_bytes();
    fields.write(&mut out, |_| true);
    out.extend_from_slice(b"\r\n");
    out
}

/// RFC 9112 word for word, slow and without any cleverness.
fn agrees_with_the_grammar(raw: &[u8], request: &Request) {
    assert!(raw.len() <= MAX_HEAD);
    let lines = lines(raw);
    let head = &request.head;
    let words: Vec<&[u8]> = lines[0].split(|&b| b == b' ').collect();
    let [method, target, version] = words[..] else { panic!("three words, one space between") };
    assert_eq!(head.method.as_str().as_bytes(), method);
    assert!(is_token(method) && ![Method::CONNECT, Method::TRACE].contains(&head.method));
    assert_eq!(version, if head.version == Version::HTTP_10 { b"HTTP/1.0" } else { b"HTTP/1.1" });

    assert!(target.len() <= MAX_TARGET && target.iter().all(|&b| b.is_ascii_graphic() && b != b'#'));
    let target = str::from_utf8(target).expect("ASCII");
    match target.split_once("://").filter(|_| !target.starts_with('/')) {
        None if target == "*" => assert!(head.uri.path() == "*" && head.method == Method::OPTIONS),
        None => {
            assert!(target.starts_with('/') && head.uri.authority().is_none());
            assert_eq!(head.uri.path_and_query().expect("a path").as_str(), target);
        }
        Some((scheme, rest)) => {
            assert!(scheme.eq_ignore_ascii_case(head.uri.scheme_str().expect("a scheme")));
            assert!(matches!(head.uri.scheme_str(), Some("http" | "https")));
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            assert_eq!(head.uri.authority().expect("an authority").as_str(), authority);
            assert!(!authority.is_empty() && !authority.contains('@'));
            let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
            assert_eq!(head.uri.path_and_query().expect("a path").as_str(), path);
        }
    }

    let fields = fields(&lines[1..]);
    assert!(fields.len() <= MAX_FIELDS);
    let understood = head.fields.iter().map(|f| (f.name.to_ascii_lowercase(), f.value));
    assert!(understood.eq(fields.iter().map(|(name, value)| (name.clone().into_bytes(), *value))));
    let lengths: Vec<_> = all(&fields, "content-length").collect();
    let codings: Vec<_> = all(&fields, "transfer-encoding").collect();
    match request.framing {
        Framing::Empty => assert!(lengths.is_empty() && codings.is_empty()),
        Framing::Length(length) => {
            assert!(lengths.len() == 1 && codings.is_empty());
            assert!(lengths[0].iter().all(u8::is_ascii_digit));
            assert_eq!(str::from_utf8(lengths[0]).expect("ASCII").parse(), Ok(length));
        }
        Framing::Chunked => {
            assert!(lengths.is_empty() && head.version == Version::HTTP_11);
            assert!(codings.len() == 1 && codings[0].eq_ignore_ascii_case(b"chunked"));
        }
    }
    let connection: Vec<_> = all(&fields, "connection").flat_map(|v| v.split(|&b| b == b',')).collect();
    let says = |word: &[u8]| connection.iter().any(|c| c.trim_ascii().eq_ignore_ascii_case(word));
    let kept = if head.version == Version::HTTP_10 { says(b"keep-alive") } else { true };
    assert_eq!(request.keep, kept && !says(b"close"));
    for expectation in all(&fields, "expect") {
        assert!(expectation.eq_ignore_ascii_case(b"100-continue"));
        assert_eq!(request.expects_continue, head.version == Version::HTTP_11);
    }
}

/// The lines of a head, without the empty one at its end.
fn lines(raw: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = raw.strip_suffix(b"\r\n\r\n").expect("an empty line at the end");
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    assert!(lines.iter().all(|line| !line.contains(&b'\r') && !line.contains(&b'\n')), "CRLF ends lines");
    lines
}

/// Names in lower case, values without the white space around them.
fn fields<'a>(lines: &[&'a [u8]]) -> Vec<(String, &'a [u8])> {
    lines
        .iter()
        .map(|line| {
            let colon = line.iter().position(|&b| b == b':').expect("a colon");
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            assert!(is_token(name), "a name is a token");
            assert!(
                value.iter().all(|&b| b == b'\t' || b >= b' ' && b != 0x7f),
                "a value has no control bytes"
            );
            let begin = value.iter().position(|&b| b != b' ' && b != b'\t').unwrap_or(value.len());
            let end = value.iter().rposition(|&b| b != b' ' && b != b'\t').map_or(begin, |last| last + 1);
            (String::from_utf8_lossy(name).to_ascii_lowercase(), &value[begin..end])
        })
        .collect()
}

fn all<'a>(fields: &[(String, &'a [u8])], name: &str) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |(n, _)| n == name).map(|&(_, value)| value)
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}
