//! Programs other people wrote get along with us: curl, openssl, a WebSocket client and server, gRPC on both sides.
//!
//! Every one of them verifies our certificate, with the item's own `crt.pem` for a root.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::house::client::Client;
use sidegate::pki::crypto;

use crate::house::greeter::Greeter;
use crate::house::process::{Place, Sidegate};
use crate::house::python;

#[tokio::test]
async fn curl_speaks_both_versions_of_http() {
    let app = Greeter::start("hello").await;
    let front = Front::start(&format!("http://127.0.0.1:{}", app.port)).await;
    let url = front.url();
    for (version, shown) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let out = front.curl(&[version, &url]).await;
        assert_eq!(text(&out), format!("hello {shown} 200"));
    }
    // Connections are kept: two requests, one handshake.
    let out = front.curl(&["-w", "%{num_connects} ", &url, "-w", "%{num_connects} ", &url]).await;
    assert_eq!(text(&out), "hello1 hello0 ");
    let in_clear = format!("http://localhost:{}/a?b=c", front.place.http);
    let out = front.curl(&["-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", &in_clear]).await;
    assert_eq!(text(&out), format!("301 https://localhost:{}/a?b=c", front.place.https));
    front.sidegate.stop().await;
}

#[tokio::test]
async fn curl_sends_files_of_known_and_of_unknown_length() {
    let server = Server::start("upload.py");
    let front = Front::start(&format!("http://127.0.0.1:{}", server.port)).await;
    let file = front.place.path("file");
    // Larger than every buffer on the way, and never the same twice in a row.
    let content: Vec<u8> = (0..6_000_011_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(&file, &content).expect("written");
    let expected = format!("{} {}", content.len(), crypto::hex(&crypto::sha256(&content)));
    let (file, url) = (file.to_str().expect("text"), front.url());
    let data = format!("@{file}");
    for version in ["--http1.1", "--http2"] {
        // Curl asks first whether it may send this much (`Expect: 100-continue`), in HTTP/1.1.
        let known: &[&str] = &[version, "-w", " %{http_code}", "--data-binary", &data, &url];
        let chunked = "transfer-encoding: chunked";
        let unknown: &[&str] = &[version, "-w", " %{http_code}", "-H", chunked, "-T", file, &url];
        for words in [known, unknown] {
            assert_eq!(text(&front.curl(words).await), format!("{expected} 201"), "{words:?}");
        }
    }
    front.sidegate.stop().await;
}

#[tokio::test]
async fn openssl_shakes_hands_in_both_versions() {
    let app = Greeter::start("hello").await;
    let front = Front::start(&format!("127.0.0.1:{}", app.port)).await;
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let out = front.openssl(&["-servername", "localhost", "-verify_hostname", "localhost", flag]).await;
        let (said, told) = (text(&out), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{flag}: {said}\n{told}");
        assert!(said.contains(&format!("New, {version}")), "{flag}: {said}");
        assert!(said.contains("Verification: OK"), "{flag}: {said}");
    }
    let out = front.openssl(&["-servername", "localhost", "-alpn", "h2,http/1.1"]).await;
    assert!(text(&out).contains("ALPN protocol: h2"), "{}", text(&out));
    let out = front.openssl(&["-servername", "nobody.example"]).await;
    assert!(!out.status.success());
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(told.contains("unrecognized name"), "{told}");
    let out = front.openssl(&["-noservername", "-verify_hostname", "localhost"]).await;
    assert!(text(&out).contains("Verification: OK"), "the first name's certificate: {}", text(&out));
    front.sidegate.stop().await;
}

#[tokio::test]
async fn the_key_exchange_is_the_one_that_outlives_quantum_computers() {
    let app = Greeter::start("hello").await;
    let front = Front::start(&app.port.to_string()).await;
    let client = Client::offering(&["h2", "http/1.1"]);
    let shown = client.hello(front.place.tls(), Some("localhost")).await.expect("a handshake");
    assert_eq!(
        (shown.version, shown.group.as_str(), shown.alpn.as_deref()),
        ("TLSv1_3", "X25519MLKEM768", Some("h2"))
    );
    assert!(!shown.resumed);
    let old = Client::tls12().hello(front.place.tls(), Some("localhost")).await.expect("a handshake");
    assert_eq!((old.version, old.alpn.as_deref()), ("TLSv1_2", Some("http/1.1")));
    front.sidegate.stop().await;
}

#[tokio::test]
async fn websockets_go_through() {
    let server = Server::start("ws_echo.py");
    let front = Front::start(&format!("http://127.0.0.1:{}", server.port)).await;
    front.python("ws_client.py").await;
    let line = front.sidegate.said(&["\"path\":\"/socket\"", "\"status\":101"]).await;
    assert!(line.contains("HTTP/1.1"), "{line}");
    front.sidegate.stop().await;
}

#[tokio::test]
async fn grpc_goes_through_with_its_trailers() {
    let server = Server::start("grpc_server.py");
    let front = Front::start(&format!("h2c://127.0.0.1:{}", server.port)).await;
    front.python("grpc_client.py").await;
    front.sidegate.said(&["/test.Interop/Echo", "HTTP/2"]).await;
    front.sidegate.stop().await;
}

/// A sidegate for `localhost` whose certificate is known to be right.
struct Front {
    place: Place,
    sidegate: Sidegate,
    /// The certificate that is served; selfsigned, it is its own root.
    root: PathBuf,
}

impl Front {
    async fn start(target: &str) -> Self {
        let place = Place::new();
        let config = place.configure("", &format!("[[site]]\ndomains = [\"localhost\"]\nto = {target:?}"));
        let sidegate = Sidegate::serve(&config).await;
        sidegate.logged(&["serving", "item=", "names=localhost"]).await;
        let root = place.storage().join("database/latest-selfsigned-by-fqdn/localhost/crt.pem");
        Self { place, sidegate, root }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/", self.place.https)
    }

    async fn curl(&self, words: &[&str]) -> Output {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "30", "--noproxy", "*", "--cacert"]).arg(&self.root);
        if !words.contains(&"-w") {
            command.args(["-w", " %{http_version} %{http_code}"]);
        }
        command.args(words);
        let out = finish(command).await;
        assert!(out.status.success(), "{words:?}: {out:?}");
        out
    }

    async fn openssl(&self, words: &[&str]) -> Output {
        let mut command = Command::new("openssl");
        let to = format!("127.0.0.1:{}", self.place.https);
        command.args(["s_client", "-connect", &to, "-verify_return_error", "-CAfile"]).arg(&self.root);
        command.args(words);
        finish(command).await
    }

    /// Runs a client that says so when all went well.
    async fn python(&self, script: &str) {
        let mut command = Command::new(python::interpreter());
        command.arg(python::script(script)).arg(self.place.https.to_string()).arg(&self.root);
        let out = finish(command).await;
        let told = String::from_utf8_lossy(&out.stderr);
        assert_eq!((out.status.code(), text(&out).trim()), (Some(0), "all well"), "{script}: {told}");
    }
}

/// Runs it to its end, with nothing to read.
async fn finish(mut command: Command) -> Output {
    command.stdin(Stdio::null());
    let name = format!("{:?}", command.get_program());
    let ended = tokio::task::spawn_blocking(move || command.output());
    let out = ended.await.expect("no panic");
    out.unwrap_or_else(|error| panic!("{name} does not start ({error}); `sh tests/setup.sh` installs it"))
}

fn text(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// A server of `tests/interop`, until it is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(script: &str) -> Self {
        let mut child = Command::new(python::interpreter())
            .arg(python::script(script))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("readable");
        let port = line.trim().strip_prefix("port ").and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("{script} said {line:?} and no port"));
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
