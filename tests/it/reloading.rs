//! SIGHUP: what changed in the files holds from now on, what was open stays open, and a mistake changes nothing.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use rustix::process::Signal;

use crate::house::client::{self, Client};
use crate::house::greeter::Greeter;
use crate::house::process::{Place, Sidegate};

#[tokio::test]
async fn routes_and_sites_change_under_an_open_connection() {
    let (place, one, two) = (Place::new(), Greeter::start("one").await, Greeter::start("two").await);
    let config = place.configure("", &site("a.internal", &one));
    let sidegate = Sidegate::serve(&config).await;
    let mut open = client::h1(place.tls(), "a.internal").await;
    assert_eq!(ask(&mut open, "a.internal").await, "one");
    let before = serial(&place, "a.internal").await;
    Client::offering(&["h2"]).alert(place.tls(), Some("b.internal")).await;

    place.configure("", &(site("a.internal", &two) + &site("b.internal", &one)));
    sidegate.signal(Signal::HUP);
    sidegate.logged(&["configured anew", "certificates=2"]).await;
    assert_eq!(ask(&mut open, "a.internal").await, "two", "on the connection from before");
    let mut added = client::h1(place.tls(), "b.internal").await;
    assert_eq!(ask(&mut added, "b.internal").await, "one");
    assert_eq!(serial(&place, "a.internal").await, before, "what did not change keeps its certificate");

    // A name that is gone is refused; whoever is connected under another one does not notice.
    place.configure("", &site("b.internal", &one));
    sidegate.signal(Signal::HUP);
    sidegate.logged(&["configured anew", "certificates=1"]).await;
    Client::offering(&["h2"]).alert(place.tls(), Some("a.internal")).await;
    assert_eq!(ask(&mut added, "b.internal").await, "one");
    sidegate.stop().await;
}

#[tokio::test]
async fn a_faulty_file_changes_nothing_and_every_fault_is_told() {
    let (place, one) = (Place::new(), Greeter::start("one").await);
    let config = place.configure("", &site("a.internal", &one));
    let sidegate = Sidegate::serve(&config).await;
    let mut open = client::h1(place.tls(), "a.internal").await;
    assert_eq!(ask(&mut open, "a.internal").await, "one");

    place.configure("emial = \"x\"", "[[site]]\ndomains = [\"b.internal\"]\nto = \"ftp://b\"");
    let lines = std::fs::read_to_string(&config).expect("readable");
    let line = |of: &str| lines.lines().position(|line| line.starts_with(of)).expect("written") + 1;
    sidegate.signal(Signal::HUP);
    sidegate.logged(&["WARN", "not reloaded", "stays as it is"]).await;
    let at = |of: &str| format!("{}:{}:", config.display(), line(of));
    sidegate.assert_story(&[&at("emial"), &at("to = "), "not reloaded"]);
    sidegate.logged(&["Did you mean `email`?"]).await;

    assert_eq!(ask(&mut open, "a.internal").await, "one");
    let mut new = client::h1(place.tls(), "a.internal").await;
    assert_eq!(ask(&mut new, "a.internal").await, "one");
    Client::offering(&["h2"]).alert(place.tls(), Some("b.internal")).await;

    // What needs a restart is named, and the rest is taken over.
    let text = place.configure("", &site("a.internal", &one));
    let changed = std::fs::read_to_string(&text).expect("readable").replace("workers = 2", "workers = 3");
    std::fs::write(&text, changed).expect("written");
    sidegate.signal(Signal::HUP);
    sidegate.logged(&["a restart takes it over", "workers"]).await;
    sidegate.logged(&["configured anew"]).await;
    assert_eq!(ask(&mut open, "a.internal").await, "one");
    sidegate.stop().await;
}

fn site(name: &str, app: &Greeter) -> String {
    format!("[[site]]\ndomains = [{name:?}]\nto = {}\n", app.port)
}

async fn serial(place: &Place, name: &str) -> String {
    // A client of its own each time: a resumed session would show the certificate it began with.
    let client = Client::offering(&["http/1.1"]);
    client.hello(place.tls(), Some(name)).await.expect("a handshake").leaf.serial()
}

async fn ask(connection: &mut SendRequest<Full<Bytes>>, name: &str) -> String {
    connection.ready().await.expect("the connection is still open");
    let answer = connection.send_request(client::get("/", name)).await.expect("an answer");
    let (status, text) = client::read(answer).await;
    assert_eq!(status, 200, "{text}");
    text
}
