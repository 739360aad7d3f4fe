//! From an accepted connection to the protocol spoken on it. The set of protocols is closed.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use ::http::StatusCode;
use tokio::net::TcpStream;

use super::Worker;
use super::access::Trace;
use super::conn::{Alpn, Conn, ConnError, ConnFacts, Stream, address};
use super::drain::Watcher;
use super::http::interim::Interim;
use super::http::message::Request;
use super::http::{self, Terms};
use super::listener::Door;
use super::tls::{self, Accepted};

/// Serves one accepted stream until it ends, or until the drain cuts it.
pub(in crate::proxy) async fn serve(
    worker: &Rc<Worker>,
    tcp: TcpStream,
    client: SocketAddr,
    door: Door,
    mut drain: Watcher,
) -> Result<(), ConnError> {
    let conn = match door {
        Door::Http => Conn { io: Stream::Clear(tcp), facts: Rc::new(in_clear(client)), alpn: Alpn::Absent },
        Door::Https => {
            let accepted = tokio::select! {
                accepted = worker.proxy.tls.accept(tcp, client) => accepted,
                () = drain.cut() => return Err(ConnError::Cut),
            };
            match accepted {
                Ok(Accepted::Client(conn)) => conn,
                // The handshake was the answer. Nothing may follow it: a validator must not reach an app.
                Ok(Accepted::Validation) => return Ok(()),
                Err(error) => {
                    if matches!(error, ConnError::Clear) {
                        let facts = in_clear(client);
                        worker.access.refused(&facts, StatusCode::BAD_REQUEST, tls::clear::REASON);
                    }
                    return Err(error);
                }
            }
        }
    };
    let facts = Rc::clone(&conn.facts);
    let terms = Terms { options: &worker.proxy.options, access: &worker.access };
    let exchange = async |request: Request, trace: &mut Trace, interim: &Interim| {
        http::exchange(worker, request, &facts, trace).run(trace, interim).await
    };
    match conn.alpn {
        // Boxed: it is the larger one, and there is one of either for each connection.
        Alpn::H2 => Box::pin(http::h2::serve(terms, conn, drain, exchange)).await,
        Alpn::Http11 | Alpn::Absent => http::h1::serve(terms, conn, drain, exchange).await,
    }
}

/// What is known of a client whose bytes come without TLS.
fn in_clear(client: SocketAddr) -> ConnFacts {
    ConnFacts {
        client: address(client),
        secure: false,
        server_name: None,
        certificate: None,
        tls_version: None,
        cut: Cell::default(),
    }
}
