//! Other readers of HTTP/1.1: hyper in this process, llhttp and h11 in one of their own.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, BufWriter, Cursor, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sidegate::proxy::wire::Fields;
use tokio::runtime::Runtime;

use super::reading::{End, Message, Reading, fields, text};
use crate::house::python;

/// llhttp and h11, in a Python process.
pub(crate) struct Others {
    child: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Others {
    pub(crate) const NAMES: [&str; 2] = ["llhttp", "h11"];

    pub(crate) fn start() -> Self {
        let mut child = Command::new(python::interpreter())
            .arg(python::script("readers.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let to = BufWriter::new(child.stdin.take().expect("its input"));
        let from = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, to, from }
    }

    /// What each of them has read of each of these connections.
    pub(crate) fn read(&mut self, connections: &[Vec<u8>]) -> Vec<[Reading; 2]> {
        if connections.is_empty() {
            return Vec::new();
        }
        let number = |count: usize| u32::try_from(count).expect("a small number").to_be_bytes();
        let mut batch = number(connections.len()).to_vec();
        for connection in connections {
            batch.extend_from_slice(&number(connection.len()));
            batch.extend_from_slice(connection);
        }
        self.to.write_all(&batch).and_then(|()| self.to.flush()).expect("it reads");
        let lines = (&mut self.from).lines().take(connections.len());
        lines.map(|line| serde_json::from_str(&line.expect("it answers")).expect("a reading")).collect()
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        // Its input ends with us, but that may be later than now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What hyper's server has read.
pub(crate) fn hyper(runtime: &Runtime, input: &[u8]) -> Reading {
    let reading = Rc::new(RefCell::new(Reading::default()));
    let service = service_fn(|request| answer(request, Rc::clone(&reading)));
    let io = TokioIo::new(tokio::io::join(Cursor::new(input.to_vec()), tokio::io::sink()));
    let served = runtime.block_on(http1::Builder::new().half_close(true).serve_connection(io, service));
    let mut reading = reading.take();
    if reading.end == End::Waits {
        reading.end = match served {
            Err(error) if error.is_incomplete_message() => End::Waits,
            Err(_) => End::Refuses,
            Ok(()) => End::Leaves,
        };
    }
    reading
}

async fn answer(
    request: Request<Incoming>,
    reading: Rc<RefCell<Reading>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, mut body) = request.into_parts();
    let mut message = Message {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        minor: u8::from(head.version == Version::HTTP_11),
        fields: fields(&Fields::from(&head.headers)),
        ..Message::default()
    };
    let mut end = End::Waits;
    loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    message.body.push_str(&text(data));
                }
            }
            Some(Err(error)) if error.is_incomplete_message() => break,
            Some(Err(_)) => {
                end = End::Refuses;
                break;
            }
            None => {
                message.whole = true;
                break;
            }
        }
    }
    let mut reading = reading.borrow_mut();
    reading.messages.push(message);
    reading.end = end;
    Ok(Response::new(Empty::new()))
}
