//! Two processes on one storage: one issues, and the CA asks the other one for the answers.

use std::path::PathBuf;

use tokio::net::TcpStream;

use crate::house::client::{get, h1_over, read};
use crate::house::front_of_ca::{Fault, FrontOfCa};
use crate::house::pebble::{Pebble, Settings};
use crate::house::process::{Place, Sidegate};

#[tokio::test]
async fn another_process_that_holds_the_account_answers_http01() {
    let (issuing, answering) = (Place::new(), Place::new());
    // The names lead to the one that does not issue.
    let pebble = Pebble::start(Settings::new(answering.http, answering.https)).await;
    let front = FrontOfCa::start(&pebble).await;
    front.plan("/dir", usize::MAX, Fault::html(503));
    let issuer = Sidegate::serve(&configure(&issuing, &issuing, &front, &pebble)).await;
    issuer.logged(&["not issued", "503"]).await;
    let config = configure(&answering, &issuing, &front, &pebble);
    let other = Sidegate::serve(&config).await;
    other.logged(&["another process issues"]).await;

    // Both run when the account is made.
    front.heal();
    issuer.logged(&["serving", "names=shop.example.com", "issuer=\"Pebble"]).await;
    other.said(&["\"reason\":\"challenge\"", "\"status\":200"]).await;
    other.stop().await;

    // One that starts later has it from the start.
    let other = Sidegate::serve(&config).await;
    let token = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
    let request = get(&format!("/.well-known/acme-challenge/{token}"), "shop.example.com");
    let io = TcpStream::connect(("127.0.0.1", answering.http)).await.expect("a connection");
    let (status, answer) = read(h1_over(io).await.send_request(request).await.expect("an answer")).await;
    assert_eq!((status, answer.split_once('.').map(|(token, _)| token)), (200, Some(token)), "{answer}");
    other.stop().await;
    issuer.stop().await;
}

/// A process that listens at one place, and keeps what it has at another.
fn configure(listens: &Place, keeps: &Place, front: &FrontOfCa, pebble: &Pebble) -> PathBuf {
    let write = |name: &str, pem: Vec<u8>| {
        std::fs::write(listens.path(name), pem).expect("written");
        listens.path(name)
    };
    let acme = format!(
        "directory = {:?}\nchallenges = [\"http-01\"]\nretry = [\"1s\"]\napi_root = {:?}\nissuance_root = {:?}",
        front.directory(),
        write("api.pem", front.api_root()),
        write("issuance.pem", pebble.issuance_root()),
    );
    let config = listens.configure(&acme, "[[site]]\ndomains = [\"shop.example.com\"]\nto = 1");
    let text = std::fs::read_to_string(&config).expect("written");
    let shared = text.replace(&format!("{:?}", listens.storage()), &format!("{:?}", keeps.storage()));
    std::fs::write(&config, shared).expect("written");
    config
}
