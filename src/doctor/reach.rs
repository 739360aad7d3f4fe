//! What answers where clients and the CA knock.
//!
//! For an address of this machine that can be told. For any other it can only if somebody answers: many routers do not
//! lead back in who comes from inside.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::finding::shown;
use super::{Check, Finding};

/// A token that no CA gives out.
const PATH: &str = "/.well-known/acme-challenge/sidegate-doctor";
/// What sidegate says to a token that it does not know.
const OURS: &str = "unknown_token";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// At most this much of it is read.
const LARGEST: usize = 4096;

/// What came of knocking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Knock {
    /// An answer, as much of it as is of interest.
    Answer(String),
    /// Nobody listens.
    Refused,
    /// Nothing came of it.
    Nothing(String),
}

/// Asks in clear for a token that nobody has.
pub(super) async fn http(at: SocketAddr, host: &str) -> Knock {
    let asking = async {
        let mut stream = TcpStream::connect(at).await?;
        let request = format!("GET {PATH} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LARGEST as u64).read_to_end(&mut answer).await?;
        Ok(Knock::Answer(String::from_utf8_lossy(&answer).into_owned()))
    };
    within(asking).await
}

/// Sees whether anybody listens.
pub(super) async fn https(at: SocketAddr) -> Knock {
    within(async { TcpStream::connect(at).await.map(|_| Knock::Answer(String::new())) }).await
}

async fn within(knocking: impl Future<Output = std::io::Result<Knock>>) -> Knock {
    match timeout(PATIENCE, knocking).await {
        Ok(Ok(knock)) => knock,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Knock::Refused,
        Ok(Err(error)) => Knock::Nothing(error.to_string()),
        Err(_) => Knock::Nothing(format!("no answer within {} seconds", PATIENCE.as_secs())),
    }
}

/// What that means where http-01 looks, at an address that is this machine's or not.
pub(super) fn judge_http(ip: IpAddr, ours: bool, knock: &Knock) -> Finding {
    let check = Check::ChallengePath;
    let answer = match knock {
        Knock::Answer(answer) => answer,
        other => return unanswered(check, ip, ours, other),
    };
    let status =
        answer.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|s| s.parse::<u16>().ok());
    let location = answer.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim())
    });
    match (status, location) {
        (Some(300..=399), Some(to)) => Finding::warn(
            check,
            format!("{ip} sends the CA on to {}", shown(to)),
            "Let /.well-known/acme-challenge/ through as it is: after a redirect a CA does not try IPv4 instead.",
        ),
        (Some(404), _) if answer.contains(OURS) => Finding::pass(check, format!("sidegate answers at {ip}")),
        (Some(status), _) => Finding::warn(
            check,
            format!("{ip} is answered by something else than sidegate, with status {status}"),
            "Start sidegate, or lead port 80 of that address to it.",
        ),
        (None, _) => Finding::warn(
            check,
            format!("what answers at port 80 of {ip} does not speak HTTP"),
            "Lead port 80 of that address to sidegate.",
        ),
    }
}

/// What that means where clients and tls-alpn-01 look.
pub(super) fn judge_https(ip: IpAddr, ours: bool, knock: &Knock) -> Finding {
    match knock {
        Knock::Answer(_) => Finding::pass(Check::Https, format!("{ip} takes connections")),
        other => unanswered(Check::Https, ip, ours, other),
    }
}

fn unanswered(check: Check, ip: IpAddr, ours: bool, knock: &Knock) -> Finding {
    match knock {
        Knock::Nothing(why) => Finding::unknown(
            check,
            format!("{ip} does not answer when asked from here: {}", shown(why)),
            "Try it from another network; routers and firewalls often treat this machine differently.",
        ),
        _ if ours => Finding::unknown(
            check,
            format!("nobody listens at {ip}, so sidegate does not run here yet"),
            "Start sidegate and ask again.",
        ),
        _ => Finding::unknown(
            check,
            format!("{ip} refuses connections from here"),
            "Try it from another network; see that the port is led to this machine.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::doctor::Outcome;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn only_our_own_answer_is_a_pass() {
        let answer = |text: &str| Knock::Answer(text.to_owned());
        let ours = answer("HTTP/1.1 404 Not Found\r\n\r\n404 Not Found: unknown_token\n");
        let redirect = answer("HTTP/1.0 301 Moved\r\nLOCATION: https://a.test/x\r\n\r\nlocation: no");
        for (knock, own, outcome, words) in [
            (ours, true, Outcome::Pass, "sidegate answers at 192.0.2.1"),
            (redirect, true, Outcome::Warn, "sends the CA on to https://a.test/x"),
            (answer("HTTP/1.1 404 Not Found\r\n\r\nnginx"), true, Outcome::Warn, "with status 404"),
            (answer("HTTP/1.1 302 Found\r\n\r\nlocation: x"), true, Outcome::Warn, "with status 302"),
            (answer("SSH-2.0-x"), true, Outcome::Warn, "does not speak HTTP"),
            (answer(""), true, Outcome::Warn, "does not speak HTTP"),
            (Knock::Refused, true, Outcome::Unknown, "does not run here yet"),
            (Knock::Refused, false, Outcome::Unknown, "refuses connections from here"),
            (Knock::Nothing("late".to_owned()), false, Outcome::Unknown, "asked from here: late"),
        ] {
            let found = judge_http(IP, own, &knock);
            assert_eq!(found.outcome, outcome, "{knock:?}: {found:?}");
            assert!(found.reason.contains(words), "{knock:?}: {}", found.reason);
        }
        assert_eq!(judge_https(IP, true, &answer("")).outcome, Outcome::Pass);
        assert_eq!(judge_https(IP, true, &Knock::Refused).outcome, Outcome::Unknown);
    }

    #[tokio::test]
    async fn knocking_is_bounded_in_size_and_tells_a_closed_door() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let endless = async {
            let (mut stream, _) = listener.accept().await.expect("a knock");
            // Until nobody reads any more.
            while stream.write_all(&[b'x'; 1024]).await.is_ok() {}
        };
        let (knock, ()) = tokio::join!(http(at, "a.test"), endless);
        assert_eq!(knock, Knock::Answer("x".repeat(LARGEST)));
        drop(listener);
        // The child of another test may hold it as well, until it has become a program of its own.
        let closed = async { while http(at, "a.test").await != Knock::Refused {} };
        timeout(Duration::from_secs(60), closed).await.expect("nobody listens");
        assert_eq!(https(at).await, Knock::Refused);
    }
}
