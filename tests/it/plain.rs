//! Port 80: challenges are answered, everything else is sent on to https.

use sidegate::proxy::Options;
use tokio::net::TcpStream;

use crate::house::app::App;
use crate::house::client::{get, h1_over, read};
use crate::house::front::{Front, site};

/// Status, location and text of the answer to one request in clear.
async fn ask(
    front: &Front,
    request: http::Request<http_body_util::Full<bytes::Bytes>>,
) -> (u16, String, String) {
    let io = TcpStream::connect(front.http).await.expect("a connection");
    let answer = h1_over(io).await.send_request(request).await.expect("an answer");
    let location = answer.headers().get("location").map(|l| l.to_str().expect("text").to_owned());
    let (status, text) = read(answer).await;
    (status, location.unwrap_or_default(), text)
}

const CHALLENGES: &str = "/.well-known/acme-challenge";

#[tokio::test]
async fn everything_is_sent_on_to_https() {
    let app = App::saying("never asked").await;
    let front = Front::start(Options::default(), &[site(&["example.com", "*.example.com", "[::1]"], app)]);
    for (method, path, host, status, location) in [
        ("GET", "/", "example.com", 301, "https://example.com/"),
        ("HEAD", "/a?b=c", "www.Example.com:80", 301, "https://www.example.com/a?b=c"),
        ("POST", "/a", "example.com", 308, "https://example.com/a"),
        ("GET", "/", "[::1]:80", 301, "https://[::1]/"),
        ("GET", "/.well-known/other", "example.com", 301, "https://example.com/.well-known/other"),
        ("GET", "/", "nowhere.example", 404, ""),
        ("GET", "/", "a b", 400, ""),
    ] {
        let mut request = get(path, host);
        *request.method_mut() = method.parse().expect("a method");
        let (got, to, _) = ask(&front, request).await;
        assert_eq!((got, to.as_str()), (status, location), "{method} {host}{path}");
    }
}

#[tokio::test]
async fn a_port_other_than_443_is_named() {
    let app = App::saying("never asked").await;
    let options = Options { https_port: 8443, ..Options::default() };
    let front = Front::start(options, &[site(&["example.com"], app)]);
    let (status, location, _) = ask(&front, get("/x", "example.com:8080")).await;
    assert_eq!((status, location.as_str()), (301, "https://example.com:8443/x"));
}

#[tokio::test]
async fn a_posted_token_is_answered_for_every_host_and_only_while_it_is_posted() {
    let app = App::saying("never asked").await;
    let front = Front::start(Options::default(), &[site(&["example.com"], app)]);
    let posted = front.challenges.post_http01("token", "token.thumbprint");
    let path = format!("{CHALLENGES}/token");
    for host in ["example.com", "elsewhere.example"] {
        let (status, _, text) = ask(&front, get(&path, host)).await;
        assert_eq!((status, text.as_str()), (200, "token.thumbprint"), "{host}");
        assert_eq!(front.line()["reason"], "challenge");
    }
    let mut request = get(&path, "example.com");
    *request.method_mut() = http::Method::HEAD;
    assert_eq!(ask(&front, request).await, (200, String::new(), String::new()));
    let mut request = get(&path, "example.com");
    *request.method_mut() = http::Method::POST;
    assert_eq!(ask(&front, request).await.0, 405);
    drop(posted);
    let (status, location, _) = ask(&front, get(&path, "example.com")).await;
    assert_eq!((status, location.as_str()), (404, ""), "never sent on");
}

#[tokio::test]
async fn a_token_of_another_process_is_answered_by_the_account_for_our_names_only() {
    const TOKEN: &str = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
    let app = App::saying("the app's own token").await;
    let (ours, mut theirs) = (site(&["ours.example"], app), site(&["theirs.example"], app));
    theirs.http01 = false;
    let mut front = Front::start(Options::default(), &[ours, theirs]);
    let path = |token: &str| format!("{CHALLENGES}/{token}");
    assert_eq!(ask(&front, get(&path(TOKEN), "ours.example")).await.0, 404, "there is no account yet");
    front.line();

    front.publisher.set_account(Some("thumbprint"));
    let (status, _, text) = ask(&front, get(&path(TOKEN), "ours.example")).await;
    assert_eq!((status, text), (200, format!("{TOKEN}.thumbprint")));
    assert_eq!(front.line()["reason"], "challenge");
    let mut request = get(&path(TOKEN), "ours.example");
    *request.method_mut() = http::Method::HEAD;
    assert_eq!(ask(&front, request).await.0, 200);
    let (longest, too_long) = ("a".repeat(128), "a".repeat(129));
    assert_eq!(ask(&front, get(&path(&longest), "ours.example")).await.0, 200);
    let with = |character: char| format!("{}{character}", &TOKEN[1..]);
    for token in [&TOKEN[..21], &too_long, &with('.'), &with('/'), &with('%'), &format!("{TOKEN}%0d%0a")] {
        let (status, _, text) = ask(&front, get(&path(token), "ours.example")).await;
        assert_eq!((status, text.contains("thumbprint")), (404, false), "{token}");
    }
    let mut request = get(&path(TOKEN), "ours.example");
    *request.method_mut() = http::Method::POST;
    assert_eq!(ask(&front, request).await.0, 404);
    assert_eq!(ask(&front, get(&path(TOKEN), "nowhere.example")).await.0, 404);
    assert_eq!(ask(&front, get(&path(TOKEN), "theirs.example")).await.2, "the app's own token");
    // What was posted here is known exactly, whichever account was chosen last.
    let _posted = front.challenges.post_http01(TOKEN, "of another CA");
    assert_eq!(ask(&front, get(&path(TOKEN), "ours.example")).await.2, "of another CA");
}

#[tokio::test]
async fn a_token_we_do_not_know_is_the_apps_where_we_do_not_validate_by_http01() {
    let app = App::saying("the app's own token").await;
    let (ours, mut theirs) = (site(&["ours.example"], app), site(&["theirs.example"], app));
    theirs.http01 = false;
    let front = Front::start(Options::default(), &[ours, theirs]);
    let path = format!("{CHALLENGES}/other");
    let (status, _, text) = ask(&front, get(&path, "theirs.example")).await;
    assert_eq!((status, text.as_str()), (200, "the app's own token"));
    assert_eq!(ask(&front, get(&path, "ours.example")).await.0, 404);
    assert_eq!(ask(&front, get(&path, "nowhere.example")).await.0, 404);
    // Only challenges get through in clear.
    assert_eq!(ask(&front, get("/", "theirs.example")).await.0, 301);
    for sneaking in ["/../../secret", "/%2e%2e/%2e%2e/secret", "/", "/a/b", "/a.html"] {
        let (status, _, text) = ask(&front, get(&format!("{CHALLENGES}{sneaking}"), "theirs.example")).await;
        assert_eq!(status, 404, "{sneaking}: {text}");
    }
}
