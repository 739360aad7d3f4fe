//! Proof of serving: after a renewal a handshake shows whether clients get the new certificate.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::ServerConfig;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::house::client;
use crate::house::process::{Place, Sidegate};
use crate::house::test_ca::TestCa;
use crate::status::{tell, tell_until};

/// A name that we sign ourselves, on every IPv4 address of the machine.
fn localhost(place: &Place) -> std::path::PathBuf {
    let config = place.configure("", "[[site]]\ndomains = [\"localhost\"]\nto = 3000\n");
    let text = fs::read_to_string(&config).expect("written");
    let everywhere = format!("https = \"0.0.0.0:{}\"", place.https);
    fs::write(&config, text.replace(&format!("https = {}", place.https), &everywhere)).expect("written");
    config
}

#[tokio::test]
async fn a_renewal_is_proved_and_a_start_is_not() {
    let place = Place::new();
    let config = localhost(&place);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    assert_eq!(tell(&config, &["renew", "localhost", "--force"]).code, Some(0));
    let item = tell(&config, &["status", "--json"]).json()["certificates"][0]["item"].clone();
    sidegate.logged(&["clients are shown it", item.as_str().expect("an item")]).await;
    let proofs = sidegate.log().iter().filter(|line| line.contains("clients are shown")).count();
    assert_eq!(proofs, 1, "what was made at the start is not proved");
    sidegate.stop().await;
}

#[tokio::test]
async fn somebody_else_behind_the_port_is_an_error_until_they_are_gone() {
    let place = Place::new();
    let config = localhost(&place);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    // The kernel prefers whoever listens at the very address that is connected to.
    let other = tokio::spawn(answer(beside(place.https), TestCa::new("other").server_config(&["localhost"])));
    assert_eq!(tell(&config, &["renew", "localhost", "--force"]).code, Some(0));
    let line = sidegate.logged(&["clients are shown serial"]).await;
    assert!(line.contains("ERROR") && line.contains(" instead of "), "{line}");
    assert_eq!(tell_until(&config, &["status"], &["clients are shown serial"]).code, Some(2));
    let metrics = client::in_clear(place.health, "/metrics").await.1;
    assert!(metrics.contains("\nsidegate_tls_cert_disproved 1\n"), "{metrics}");

    other.abort();
    assert!(other.await.expect_err("it was ended").is_cancelled());
    assert_eq!(tell(&config, &["renew", "localhost", "--force"]).code, Some(0));
    sidegate.logged(&["clients are shown it"]).await;
    assert_eq!(tell_until(&config, &["status"], &["\nok "]).code, Some(0));
    let metrics = client::in_clear(place.health, "/metrics").await.1;
    assert!(metrics.contains("\nsidegate_tls_cert_disproved 0\n"), "{metrics}");
    sidegate.stop().await;
    let story = tell(&config, &["explain", "localhost"]).out;
    let wrong = story.find("a handshake was not shown 20").expect("what was wrong is told");
    let right = story.find("a handshake was shown 20").expect("and that it is right again");
    assert!(wrong < right && story[wrong..right].contains("clients are shown serial"), "{story}");
}

/// A listener at the loopback address of a port that is in use at every address.
fn beside(port: u16) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_port(true).expect("set");
    socket.set_nonblocking(true).expect("set");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).expect("bound");
    socket.listen(16).expect("listens");
    TcpListener::from_std(socket.into()).expect("a listener")
}

async fn answer(listener: TcpListener, config: Arc<ServerConfig>) {
    let tls = TlsAcceptor::from(config);
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        // A client that has seen what it wanted goes away.
        drop(tls.accept(stream).await);
    }
}
