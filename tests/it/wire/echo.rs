//! An app that answers with what it was asked, and complains about what a proxy should not have let through.
//!
//! It reads in the plainest way, and shares nothing with the proxy: what both get wrong in the same way would not be
//! seen.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::reading::{Message, text};

/// The field of an answer that holds the request as it was read, in JSON.
pub(crate) const READ: &str = "x-read";

/// The field of an answer that says what is wrong with the request.
pub(crate) const FAULT: &str = "x-fault";

/// Serves for as long as it is polled.
pub(crate) async fn serve(listener: TcpListener) {
    loop {
        let (io, _) = listener.accept().await.expect("a connection");
        tokio::spawn(converse(io));
    }
}

async fn converse(mut io: TcpStream) {
    let mut inbox = Vec::new();
    let (mut count, mut urged) = (0, false);
    loop {
        while let Some(read) = message(&inbox).transpose() {
            let (answer, used) = match read {
                Ok((message, used)) => (answer(&message, count), used),
                Err(fault) => {
                    (format!("HTTP/1.1 200 OK\r\n{FAULT}: {fault}\r\ncontent-length: 0\r\n\r\n"), inbox.len())
                }
            };
            inbox.drain(..used);
            (count, urged) = (count + 1, false);
            // The proxy may be gone; it is read on until it says so.
            let _ = io.write_all(answer.as_bytes()).await;
        }
        // Whoever asks whether the body is wanted is told so, and nobody else is (RFC 9110, 10.1.1).
        if !urged && asks(&inbox) {
            urged = true;
            let _ = io.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        if !matches!(io.read_buf(&mut inbox).await, Ok(1..)) {
            return;
        }
    }
}

/// The answers differ in how they are framed.
fn answer(message: &Message, count: usize) -> String {
    let read = serde_json::to_string(message).expect("JSON");
    let read: String = read.bytes().map(|byte| format!("{byte:02x}")).collect();
    let (fields, body) = match count % 3 {
        0 => ("content-length: 5\r\n", "hello"),
        1 => ("transfer-encoding: chunked\r\n", "3;x\r\nhel\r\n2\r\nlo\r\n0\r\nx-sum: 1\r\n\r\n"),
        _ => ("content-length: 0\r\n", ""),
    };
    let body = if message.method == "HEAD" { "" } else { body };
    format!("HTTP/1.1 200 OK\r\n{fields}{READ}: {read}\r\n\r\n{body}")
}

/// A request and its length, once it is there as a whole.
fn message(input: &[u8]) -> Result<Option<(Message, usize)>, String> {
    let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = text(&input[..end]);
    if head.replace("\r\n", "").contains(['\r', '\n', '\0']) {
        return Err("line ends".into());
    }
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { return Err("the request line".into()) };
    let fields: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())))
        .collect::<Option<_>>()
        .ok_or("a field")?;
    let all = |name: &str| -> Vec<&str> {
        fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    };
    for (name, value) in &fields {
        let graphic = name.bytes().all(|b| b.is_ascii_graphic());
        if name.is_empty() || !graphic || value.trim_matches([' ', '\t']) != value {
            return Err("how a field is written".into());
        }
        let hop = matches!(name.as_str(), "te" | "keep-alive" | "proxy-connection" | "proxy-authorization");
        if hop || name.contains('_') && name.replace('_', "-").starts_with("x-forwarded") {
            return Err(format!("{name} came through"));
        }
    }
    if all("host").len() != 1
        || all("x-forwarded-for") != ["127.0.0.1"]
        || all("x-forwarded-proto") != ["https"]
    {
        return Err("what only a proxy says".into());
    }
    if !matches!(all("connection")[..], [] | ["Upgrade"]) || !matches!(all("upgrade")[..], [] | ["websocket"])
    {
        return Err("what concerns the connection".into());
    }
    let start = end + 4;
    let (body, used) = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => (Some(Vec::new()), start),
        ([length], []) => {
            let length: usize = length.parse().map_err(|_| "a length")?;
            (input[start..].get(..length).map(<[u8]>::to_vec), start + length)
        }
        ([], ["chunked"]) => match chunks(&input[start..])? {
            Some((body, used)) => (Some(body), start + used),
            None => (None, 0),
        },
        _ => return Err("two framings".into()),
    };
    let Some(body) = body else { return Ok(None) };
    let (method, target) = (method.to_owned(), target.to_owned());
    Ok(Some((Message { method, target, minor: 1, body: text(&body), whole: true, fields }, used)))
}

/// A chunked body without extensions, and its length.
fn chunks(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = line(&input[at..]) else { return Ok(None) };
        at += line.len() + 2;
        let size = str::from_utf8(line)
            .ok()
            .and_then(|size| usize::from_str_radix(size, 16).ok())
            .ok_or("a size")?;
        if size == 0 {
            break;
        }
        let Some(chunk) = input.get(at..at + size + 2) else { return Ok(None) };
        body.extend_from_slice(chunk.strip_suffix(b"\r\n").ok_or("the end of a chunk")?);
        at += size + 2;
    }
    loop {
        let Some(line) = line(&input[at..]) else { return Ok(None) };
        at += line.len() + 2;
        match text(line).split_once(": ") {
            None if line.is_empty() => return Ok(Some((body, at))),
            None => return Err("a trailer".into()),
            Some((name, _)) if name.starts_with("x-forwarded") || name.starts_with("content-") => {
                return Err("a trailer that belongs into the head".into());
            }
            Some(_) => {}
        }
    }
}

fn line(input: &[u8]) -> Option<&[u8]> {
    input.windows(2).position(|pair| pair == b"\r\n").map(|end| &input[..end])
}

/// Whether a head is there, and expects to be answered before the body comes.
fn asks(input: &[u8]) -> bool {
    let head = input
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|end| text(&input[..end]).to_ascii_lowercase());
    head.is_some_and(|head| head.contains("\r\nexpect: "))
}
