//! One message to a server, and its answer.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use aws_lc_rs::rand;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::message::{self, Reply};
use super::{DnsError, Rcode, Server};
use crate::ident::Fqdn;

/// How long one answer may take over UDP, before the question is asked again.
const DATAGRAM: Duration = Duration::from_secs(2);
const DATAGRAMS: u32 = 2;
/// How long a connection and an answer on it may take.
const STREAM: Duration = Duration::from_secs(10);

/// Asks a server for the records of a name; with `recurse`, on to whoever has them. There may be none, nor such a name.
///
/// # Errors
///
/// [`DnsError`] if it did not say so.
pub(super) async fn ask(server: &Server, name: &Fqdn, kind: u16, recurse: bool) -> Result<Reply, DnsError> {
    let question = message::query(id(), name, kind, recurse);
    let answers = |bytes: &[u8]| {
        let reply = Reply::read(bytes)?;
        let ours = reply.id == id_of(&question) && reply.question == Some((name.clone(), kind));
        ours.then_some(reply)
    };
    let reply = match over_udp(server, &question, answers).await? {
        reply if reply.truncated => {
            let bytes = over_tcp(server, &question).await?;
            answers(&bytes).ok_or_else(|| nonsense(server, "this is not the answer to what was asked"))?
        }
        reply => reply,
    };
    match reply.rcode {
        Rcode::NO_ERROR | Rcode::NX_DOMAIN => Ok(reply),
        rcode => Err(DnsError::Refused { server: server.to_string(), rcode }),
    }
}

/// Sends a message over TCP and returns the bytes of its answer, which nobody has looked at.
pub(super) async fn over_tcp(server: &Server, message: &[u8]) -> Result<Vec<u8>, DnsError> {
    let exchange = async {
        let mut stream = TcpStream::connect(&server.addresses().await?[..]).await?;
        let length = (message.len() as u16).to_be_bytes();
        stream.write_all(&[&length, message].concat()).await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; length.into()];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    };
    within(STREAM, server, exchange).await
}

/// Asks until an answer fits.
async fn over_udp(
    server: &Server,
    message: &[u8],
    answers: impl Fn(&[u8]) -> Option<Reply>,
) -> Result<Reply, DnsError> {
    let exchange = async {
        let address = server.addresses().await?.first().copied().ok_or(io::ErrorKind::NotFound)?;
        let from: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(from).await?;
        socket.connect(address).await?;
        let mut buffer = [0; 4096];
        loop {
            socket.send(message).await?;
            let fitting = async {
                loop {
                    let length = socket.recv(&mut buffer).await?;
                    // Anybody can send a datagram; what does not fit is not for us.
                    if let Some(reply) = answers(&buffer[..length]) {
                        return Ok(reply);
                    }
                }
            };
            if let Ok(answer) = timeout(DATAGRAM, fitting).await {
                return answer;
            }
        }
    };
    within(DATAGRAM * DATAGRAMS, server, exchange).await
}

async fn within<T>(
    limit: Duration,
    server: &Server,
    exchange: impl Future<Output = io::Result<T>>,
) -> Result<T, DnsError> {
    match timeout(limit, exchange).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(DnsError::Unreachable { server: server.to_string(), source }),
        Err(_) => Err(DnsError::Silent { server: server.to_string(), seconds: limit.as_secs() }),
    }
}

pub(super) fn nonsense(server: &Server, what: &'static str) -> DnsError {
    DnsError::Nonsense { server: server.to_string(), what }
}

/// A number nobody can guess.
pub(super) fn id() -> u16 {
    let mut bytes = [0; 2];
    rand::fill(&mut bytes).expect("the operating system gives randomness");
    u16::from_be_bytes(bytes)
}

/// The number at the beginning of a message.
pub(super) fn id_of(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[0], message[1]])
}
