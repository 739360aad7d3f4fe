//! The program as one starts it: exit codes, words, signals.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sidegate::clock::Clock;
use sidegate::ident::{Name, Names};
use sidegate::pki::{KeyType, Leaf, PrivateKey, SigningRequest};
use tempfile::TempDir;

/// Nothing here takes a second; what takes this long has got stuck.
const STUCK: Duration = Duration::from_secs(60);

/// The program with nothing in its environment but what it is given here.
fn sidegate(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home).env("TMPDIR", home);
    command.env("HEALTH_ADDR", "off").args(words);
    command
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Runs it to its end.
fn outcome(command: &mut Command) -> Output {
    let mut process = Process::start(command);
    let mut out = Output { status: ExitStatus::default(), stdout: Vec::new(), stderr: Vec::new() };
    process.stdout.read_to_end(&mut out.stdout).expect("readable");
    process.stderr.read_to_end(&mut out.stderr).expect("readable");
    out.status = process.child.wait().expect("ended");
    out
}

fn code_and_words(command: &mut Command) -> (Option<i32>, String, String) {
    let out = outcome(command);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (out.status.code(), text(out.stdout), text(out.stderr))
}

/// A process that is killed when the test is over, or stuck.
struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    _alive: mpsc::Sender<()>,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the program");
        let pid = Pid::from_child(&child);
        let (alive, gone) = mpsc::channel();
        thread::spawn(move || {
            if gone.recv_timeout(STUCK) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, stdout, stderr, _alive: alive }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a living process");
    }

    /// Reads standard error up to a line that contains `what`, and returns that line.
    fn says(&mut self, what: &str) -> String {
        line_with(&mut self.stderr, what)
    }

    fn exit_code(mut self) -> Option<i32> {
        self.child.wait().expect("ended").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line_with(from: &mut impl BufRead, what: &str) -> String {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        let read = from.read_line(&mut line).expect("readable");
        assert!(read > 0, "{what:?} was never said, but:\n{seen}");
        if line.contains(what) {
            return line;
        }
        seen.push_str(&line);
    }
}

/// What curl gets from `url`, certificates unseen.
fn curl(url: &str) -> String {
    let out = Command::new("curl").args(["-sk", "--max-time", "20", url]).output().expect("curl");
    assert!(out.status.success(), "{url}: {out:?}");
    String::from_utf8(out.stdout).expect("text")
}

#[test]
fn help_and_version_are_asked_for_and_anything_else_wrong_is_64() {
    let home = home();
    let (code, out, err) = code_and_words(&mut sidegate(home.path(), &["--help"]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for word in ["run", "serve", "check", "list", "demo", "TLS_DOMAIN", "--storage"] {
        assert!(out.contains(word), "{word} is not in the help");
    }
    let (code, out, _) = code_and_words(&mut sidegate(home.path(), &["--version"]));
    assert_eq!((code, out.trim()), (Some(0), concat!("sidegate ", env!("CARGO_PKG_VERSION"))));
    let (code, out, err) = code_and_words(&mut sidegate(home.path(), &["serve", "--confg", "x"]));
    assert_eq!((code, out.as_str()), (Some(64), ""));
    assert!(err.contains("--config"), "the nearest flag is named: {err}");
    let (code, _, err) =
        code_and_words(&mut sidegate(home.path(), &["--domain", "exa mple.com", "--to", "3000"]));
    assert_eq!(code, Some(64), "{err}");
    assert!(err.contains("--domain: "), "{err}");
}

#[test]
fn check_says_what_a_good_file_comes_to_and_all_that_is_wrong_with_a_bad_one() {
    let home = home();
    let file = home.path().join("x.toml");
    let name = file.to_str().expect("text");
    fs::write(&file, "[[site]]\ndomains = [\"example.com\"]\nto = 3000\n").expect("written");
    let (code, out, err) = code_and_words(&mut sidegate(home.path(), &["check", "-c", name]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("example.com") && out.contains("http://localhost:3000"), "{out}");

    fs::write(&file, "drian = 1\n[[site]]\ndomain = [\"example.com\"]\nto = 3000\n").expect("written");
    let (code, out, err) = code_and_words(&mut sidegate(home.path(), &["check", "-c", name]));
    assert_eq!((code, out.as_str()), (Some(78), ""));
    for words in [":1:1: drian: unknown key. Did you mean `drain`?", ":3:1: site.domain: unknown key."] {
        assert!(err.contains(words), "{words} is not in: {err}");
    }
    let left: Vec<_> = fs::read_dir(home.path()).expect("a directory").collect();
    assert_eq!(left.len(), 1, "looking changes nothing: {left:?}");
}

#[test]
fn without_a_domain_the_place_is_named_where_a_file_was_looked_for() {
    let home = home();
    let (code, _, err) = code_and_words(&mut sidegate(home.path(), &["check"]));
    assert_eq!(code, Some(78), "{err}");
    assert!(err.contains("or -c FILE (/etc/sidegate/sidegate.toml does not exist)"), "{err}");
}

#[test]
fn check_looks_into_the_certificates_somebody_else_keeps() {
    let home = home();
    let names = Names::new([Name::parse("example.com").expect("a name")]).expect("names");
    let (key, other) = (PrivateKey::generate(KeyType::P256), PrivateKey::generate(KeyType::P256));
    let request = SigningRequest::new(&key, &names).expect("a request");
    let now = Clock::system().now();
    let der = request.self_sign(now - STUCK, now + 60 * STUCK).expect("a certificate");
    fs::write(home.path().join("x.crt"), Leaf::from_der(der.into()).expect("a leaf").pem()).expect("written");
    let file = home.path().join("x.toml");
    let site = "[[site]]\ndomains = [\"example.com\"]\nto = 3000\ncert = \"x.crt\"\nkey = \"x.key\"\n";
    fs::write(&file, site).expect("written");
    let check = |key: &PrivateKey| {
        fs::write(home.path().join("x.key"), key.to_pem().as_bytes()).expect("written");
        code_and_words(&mut sidegate(home.path(), &["check", "-c", file.to_str().expect("text")]))
    };
    let (code, out, err) = check(&other);
    assert_eq!((code, out.as_str()), (Some(78), ""), "{err}");
    assert!(err.contains("x.key") || err.contains("x.crt"), "the file is named: {err}");
    let (code, out, err) = check(&key);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("certificate from "), "{out}");
}

#[test]
fn a_taken_port_names_three_ways_out() {
    let home = home();
    let taken = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let storage = home.path().join("storage");
    let words = ["--domain", "localhost", "--to", "3000", "--http-port", "0", "--https-port", &port];
    let mut command = sidegate(home.path(), &words);
    let (code, _, err) = code_and_words(command.env("STORAGE_PATH", &storage));
    assert_eq!(code, Some(1), "{err}");
    assert_eq!(err.matches("\n  - ").count(), 3, "{err}");
    assert!(err.contains(&format!("pid {}", std::process::id())), "who holds it is named: {err}");
}

#[test]
fn the_demo_prints_a_line_that_works_and_leaves_nothing_behind() {
    let home = home();
    for _ in 0..2 {
        let mut demo =
            Process::start(&mut sidegate(home.path(), &["demo", "--http-port", "0", "--https-port", "0"]));
        let line = line_with(&mut demo.stdout, "curl -k ");
        let url = line.trim().strip_prefix("curl -k ").expect("the url").to_owned();
        assert!(curl(&url).contains("Hello"), "{url}");
        demo.signal(Signal::INT);
        assert_eq!(demo.exit_code(), Some(0));
        let left: Vec<_> = fs::read_dir(home.path()).expect("a directory").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// `sidegate run` around a shell script, on free ports.
fn run(home: &Path, script: &str) -> Command {
    let ports = ["run", "--http-port", "0", "--https-port", "0", "--", "sh", "-c", script];
    let mut command = sidegate(home, &ports);
    command.env("STORAGE_PATH", home.join("storage"));
    command
}

#[test]
fn a_wrapped_program_gives_its_exit_code() {
    let home = home();
    let (code, out, err) = code_and_words(&mut run(home.path(), "echo port $PORT; exit 7"));
    assert_eq!(code, Some(7), "{err}");
    assert_eq!(out, "port 3000\n");
    let (code, out, _) = code_and_words(run(home.path(), "echo port $PORT").env("TARGET_PORT", "4321"));
    assert_eq!((code, out.as_str()), (Some(0), "port 4321\n"));
    let (code, _, _) = code_and_words(&mut run(home.path(), "kill -KILL $$"));
    assert_eq!(code, Some(128 + 9));
}

#[test]
fn a_program_that_cannot_be_started_is_told_before_anything_is_begun() {
    let home = home();
    let (storage, plain) = (home.path().join("storage"), home.path().join("plain"));
    fs::write(&plain, "no program").expect("written");
    for (program, expected) in [("no-such-program", 127), (plain.to_str().expect("text"), 126)] {
        let words = ["run", "--http-port", "0", "--https-port", "0", "--", program];
        let mut command = sidegate(home.path(), &words);
        let (code, _, err) = code_and_words(command.env("STORAGE_PATH", &storage));
        assert_eq!(code, Some(expected), "{err}");
        assert!(err.starts_with(&format!("sidegate: cannot start {program}: ")), "{err}");
        assert!(!storage.exists(), "there is no storage yet, and so no order either");
    }
}

#[test]
fn signals_are_passed_on_to_a_wrapped_program() {
    let home = home();
    let script = "trap 'echo again' HUP; trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut process = Process::start(&mut run(home.path(), script));
    line_with(&mut process.stdout, "ready");
    process.signal(Signal::HUP);
    line_with(&mut process.stdout, "again");
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), Some(9));
}

#[test]
fn a_reload_takes_a_good_file_and_leaves_everything_alone_for_a_bad_one() {
    let home = home();
    let file = home.path().join("x.toml");
    let site = |to: &str| {
        format!(
            "storage = \"storage\"\n[listen]\nhttp = \"off\"\nhttps = \"127.0.0.1:0\"\n\
             [[site]]\ndomains = [\"localhost\"]\nto = \"{to}\"\n"
        )
    };
    let app = |answer: &'static str| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("bound").to_string();
        thread::spawn(move || {
            for stream in listener.incoming() {
                use std::io::Write;
                let mut stream = stream.expect("accepted");
                let mut head = BufReader::new(stream.try_clone().expect("cloned"));
                while head.by_ref().lines().next().is_some_and(|line| !line.expect("text").is_empty()) {}
                let length = answer.len();
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{answer}"
                )
                .expect("sent");
            }
        });
        addr
    };
    let (first, second) = (app("first"), app("second"));
    fs::write(&file, site(&first)).expect("written");
    let name = file.to_str().expect("text").to_owned();
    let mut process = Process::start(&mut sidegate(home.path(), &["serve", "-c", &name]));
    let listening = process.says("listening");
    let port: u16 = listening
        .split("127.0.0.1:")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .unwrap_or_else(|| panic!("no port in {listening}"));
    let url = format!("https://localhost:{port}/");
    assert_eq!(curl(&url), "first");

    fs::write(&file, site("nonsense://")).expect("written");
    process.signal(Signal::HUP);
    process.says("not reloaded");
    assert_eq!(curl(&url), "first");

    fs::write(&file, site(&second)).expect("written");
    process.signal(Signal::HUP);
    process.says("configured anew");
    assert_eq!(curl(&url), "second");
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), Some(0));
}

#[test]
fn list_shows_what_is_served_and_what_comes_next() {
    let home = home();
    let storage = home.path().join("storage");
    let words = ["--domain", "localhost", "--to", "3000", "--http-port", "0", "--https-port", "0"];
    let mut command = sidegate(home.path(), &words);
    let mut process = Process::start(command.env("STORAGE_PATH", &storage));
    // Served from memory at once, and committed behind that.
    process.says("committed");
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), Some(0));

    let list = |words: &[&str]| {
        let mut command = sidegate(home.path(), words);
        command.env("STORAGE_PATH", &storage).env("TLS_DOMAIN", "localhost").env("TARGET_PORT", "3000");
        code_and_words(&mut command)
    };
    let (code, out, err) = list(&["list"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("NAME ") && out.contains("localhost") && out.contains("selfsigned"), "{out}");
    let (code, out, _) = list(&["list", "--json"]);
    assert_eq!(code, Some(0));
    let rows: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(rows[0]["names"][0], "localhost");
    assert_eq!(rows[0]["served"], "selfsigned");
    assert!(rows[0]["expires"].as_str().is_some_and(|moment| moment.ends_with('Z')), "{out}");
}
