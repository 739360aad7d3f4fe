use std::rc::Rc;
use std::time::SystemTime;

use http::{HeaderValue, Request, StatusCode};

use super::*;
use crate::ident::Fqdn;
use crate::proxy::conn::ConnFacts;

fn facts() -> Rc<ConnFacts> {
    Rc::new(ConnFacts {
        client: "[::ffff:192.0.2.7]:40000".parse().expect("an address"),
        secure: true,
        server_name: Some(Fqdn::parse("example.com").expect("a name")),
        certificate: None,
        tls_version: Some("1.3"),
        cut: std::cell::Cell::default(),
    })
}

fn log() -> (AccessLog, Receiver<Line>) {
    let (clock, _hand) = Clock::manual(SystemTime::UNIX_EPOCH + Duration::from_millis(1_234));
    AccessLog::channel(1, clock)
}

fn parsed(line: &Line) -> serde_json::Value {
    serde_json::from_slice(line.as_ref()).expect("a line is JSON")
}

#[test]
fn a_line_says_what_happened_and_keeps_the_query_to_itself() {
    let (log, lines) = log();
    let meter = Meter::default();
    let request = Request::get("https://example.com/a?secret=1")
        .header("user-agent", "curl/8")
        .header("authorization", "secret")
        .body(())
        .expect("a request");
    let mut record = Record::begin(&Rc::new(log.clone()), &request, &facts(), &meter).expect("a record");
    meter.add(3);
    let mut tried = Tried::default();
    tried.note(&"127.0.0.1:1".into());
    tried.note(&"[::1]:1".into());
    record.answered(
        StatusCode::OK,
        Trace {
            tried,
            upstream_conn: Some("new"),
            upstream_time: Some(Duration::from_micros(1_500)),
            ..Trace::default()
        },
    );
    record.sent(10);
    record.finish();
    drop(record);
    let line = lines.try_recv().expect("a line");
    assert!(!String::from_utf8_lossy(line.as_ref()).contains("secret"));
    let mut value = parsed(&line);
    let took = value.as_object_mut().and_then(|object| object.remove("dur_ms"));
    assert!(took.is_some_and(|took| took.is_f64()));
    assert_eq!(
        value,
        serde_json::json!({
            "ts": "1970-01-01T00:00:01.234Z", "msg": "access", "client_ip": "192.0.2.7", "method": "GET",
            "host": "example.com", "path": "/a", "proto": "HTTP/1.1", "status": 200, "bytes_in": 3, "bytes_out": 10,
            "upstream": "[::1]:1", "tried": ["127.0.0.1:1", "[::1]:1"], "upstream_ms": 1.5, "upstream_conn": "new",
            "tls_version": "1.3", "sni": "example.com", "user_agent": "curl/8",
        })
    );
}

#[test]
fn nothing_a_client_sends_breaks_a_line() {
    let (log, lines) = log();
    let mut request = Request::get("/\"\\").body(()).expect("a request");
    let agent = HeaderValue::from_bytes(b"a\"b\\c\xff\td\xc2\x85").expect("a value");
    request.headers_mut().insert("user-agent", agent);
    request.headers_mut().insert("x-request-id", HeaderValue::from_str(&"x".repeat(5000)).expect("a value"));
    let mut record =
        Record::begin(&Rc::new(log.clone()), &request, &facts(), &Meter::default()).expect("a record");
    record.answered(StatusCode::NOT_FOUND, Trace { reason: Some("no_site"), ..Trace::default() });
    record.finish();
    drop(record);
    let line = lines.try_recv().expect("a line");
    assert!(!line.as_ref().iter().any(|b| b.is_ascii_control()), "no control characters");
    assert!(line.as_ref().len() < 2000);
    let value = parsed(&line);
    assert_eq!(value["user_agent"], "a\"b\\c\u{fffd}\td\u{85}");
    assert_eq!(value["path"], "/\"\\");
    assert_eq!(value["reason"], "no_site");
}

#[test]
fn a_client_that_goes_away_leaves_a_line_behind() {
    let (log, lines) = log();
    let request = Request::get("/").body(()).expect("a request");
    drop(Record::begin(&Rc::new(log.clone()), &request, &facts(), &Meter::default()));
    let value = parsed(&lines.try_recv().expect("a line"));
    assert_eq!((value["status"].as_u64(), value["reason"].as_str()), (Some(499), Some("client_abort")));

    let mut record =
        Record::begin(&Rc::new(log.clone()), &request, &facts(), &Meter::default()).expect("a record");
    record.answered(StatusCode::OK, Trace::default());
    drop(record);
    let value = parsed(&lines.try_recv().expect("a line"));
    assert_eq!((value["status"].as_u64(), value["reason"].as_str()), (Some(200), Some("client_abort")));
}

#[test]
fn a_full_queue_costs_lines_and_counts_them() {
    let (log, lines) = log();
    let request = Request::get("/").body(()).expect("a request");
    for _ in 0..3 {
        drop(Record::begin(&Rc::new(log.clone()), &request, &facts(), &Meter::default()));
    }
    assert_eq!(log.dropped().load(Ordering::Relaxed), 2);
    assert_eq!(lines.try_iter().count(), 1);
    drop(lines);
    drop(Record::begin(&Rc::new(log.clone()), &request, &facts(), &Meter::default()));
    assert_eq!(log.dropped().load(Ordering::Relaxed), 3);
    assert!(Record::begin(&Rc::new(AccessLog::off()), &request, &facts(), &Meter::default()).is_none());
}
