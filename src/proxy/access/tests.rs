use std::rc::Rc;
use std::time::SystemTime;

use http::StatusCode;
use serde_json::Value;
use tokio::time::sleep;

use super::lines::{FULL, ON_THE_WAY};
use super::*;
use crate::ident::Fqdn;
use crate::proxy::conn::{ConnFacts, address};
use crate::proxy::wire::Head;

const DELAY: Duration = Duration::from_millis(100);

fn facts() -> Rc<ConnFacts> {
    Rc::new(ConnFacts {
        client: address("[::ffff:192.0.2.7]:40000".parse().expect("an address")),
        secure: true,
        server_name: Some(Fqdn::parse("example.com").expect("a name")),
        certificate: None,
        tls_version: Some("1.3"),
        cut: std::cell::Cell::default(),
    })
}

fn log() -> (AccessLog, Receiver<Batch>) {
    let (clock, _hand) = Clock::manual(SystemTime::UNIX_EPOCH + Duration::from_millis(1_234));
    AccessLog::channel(DELAY, clock)
}

/// A record of a request that nobody has answered.
fn begun(lines: &Lines, head: &Head) -> Record {
    Record::begin(lines, head, &facts())
}

/// Writes the shortest of lines.
fn write(lines: &Lines) {
    drop(begun(lines, &Head::get("/", &[])));
}

fn parsed(batch: &Batch) -> Vec<Value> {
    let lines = batch.as_ref().split_inclusive(|&byte| byte == b'\n');
    lines.map(|line| serde_json::from_slice(line).expect("a line is JSON")).collect()
}

/// The only line of a worker that ends.
fn only_line(lines: Lines, batches: &Receiver<Batch>) -> (String, Value) {
    drop(lines);
    let batch = batches.try_recv().expect("a batch");
    let [line] = &parsed(&batch)[..] else { panic!("more than one line") };
    (String::from_utf8(batch.as_ref().to_vec()).expect("text"), line.clone())
}

#[test]
fn a_line_says_what_happened_and_keeps_the_query_to_itself() {
    let (log, batches) = log();
    let lines = log.lines();
    let fields = [("user-agent", "curl/8"), ("authorization", "secret")];
    let mut record = begun(&lines, &Head::get("https://example.com/a?secret=1", &fields));
    record.received(3);
    let mut tried = Tried::default();
    tried.note(&"127.0.0.1:1".into());
    tried.note(&"[::1]:1".into());
    record.answered(
        StatusCode::OK,
        &Trace {
            tried,
            upstream_conn: Some("new"),
            upstream_time: Some(Duration::from_micros(61_001_500)),
            ..Trace::default()
        },
    );
    record.sent(10);
    record.finish();
    drop(record);
    let (text, mut value) = only_line(lines, &batches);
    assert!(!text.contains("secret"));
    let took = value.as_object_mut().and_then(|object| object.remove("dur_ms"));
    assert!(took.is_some_and(|took| took.is_f64()));
    assert_eq!(
        value,
        serde_json::json!({
            "ts": "1970-01-01T00:00:01.234Z", "msg": "access", "client_ip": "192.0.2.7", "method": "GET",
            "host": "example.com", "path": "/a", "proto": "HTTP/1.1", "status": 200, "bytes_in": 3, "bytes_out": 10,
            "upstream": "[::1]:1", "tried": ["127.0.0.1:1", "[::1]:1"], "upstream_ms": 61001.5, "upstream_conn": "new",
            "tls_version": "1.3", "sni": "example.com", "user_agent": "curl/8",
        })
    );
}

#[test]
fn nothing_a_client_sends_breaks_a_line() {
    let (log, batches) = log();
    let lines = log.lines();
    let mut head = Head::get("/\"\\", &[("x-request-id", &"x".repeat(5000))]);
    head.fields.add("user-agent", b"a\"b\\c\xff\td\xc2\x85\xc3\xa9");
    let mut record = begun(&lines, &head);
    record.answered(StatusCode::NOT_FOUND, &Trace { reason: Some("no_site"), ..Trace::default() });
    record.finish();
    drop(record);
    let (text, value) = only_line(lines, &batches);
    let text = text.strip_suffix('\n').expect("a newline at the end");
    assert!(!text.contains(char::is_control));
    assert!(text.len() < 2000);
    assert_eq!(value["user_agent"], "a\"b\\c\u{fffd}\td\u{85}é");
    assert_eq!(value["path"], "/\"\\");
    assert_eq!(value["reason"], "no_site");
}

#[test]
fn a_client_that_goes_away_leaves_a_line_behind() {
    let (log, batches) = log();
    let lines = log.lines();
    write(&lines);
    let (_, value) = only_line(lines, &batches);
    assert_eq!((value["status"].as_u64(), value["reason"].as_str()), (Some(499), Some("client_abort")));

    let lines = log.lines();
    let mut record = begun(&lines, &Head::get("/", &[]));
    record.answered(StatusCode::OK, &Trace::default());
    drop(record);
    let (_, value) = only_line(lines, &batches);
    assert_eq!((value["status"].as_u64(), value["reason"].as_str()), (Some(200), Some("client_abort")));
}

#[tokio::test(start_paused = true)]
async fn lines_go_together_when_the_first_has_waited_long_enough() {
    let (log, batches) = log();
    let lines = log.lines();
    let test = async {
        for _ in 0..2 {
            write(&lines);
            sleep(DELAY / 2).await;
            write(&lines);
            assert!(batches.try_recv().is_err(), "the first has waited for half the time");
            sleep(DELAY / 2 + Duration::from_millis(1)).await;
            assert_eq!(parsed(&batches.try_recv().expect("a batch")).len(), 2);
        }
    };
    tokio::select! {
        () = lines.hand_over_in_time() => unreachable!("a worker hands over until it ends"),
        () = test => {}
    }
}

#[test]
fn a_full_buffer_is_handed_over_at_once_and_used_again() {
    let (log, batches) = log();
    let lines = log.lines();
    let fill = || {
        loop {
            write(&lines);
            if let Ok(batch) = batches.try_recv() {
                break batch;
            }
        }
    };
    let batch = fill();
    assert!((FULL..FULL + 1024).contains(&batch.as_ref().len()), "{} bytes", batch.as_ref().len());
    assert!(parsed(&batch).len() > 100);
    let place = batch.as_ref().as_ptr();
    drop(batch);
    assert_eq!(fill().as_ref().as_ptr(), place, "it came back");
}

#[test]
fn a_slow_far_end_costs_lines_and_counts_them() {
    let (log, batches) = log();
    let (lines, dropped) = (log.lines(), log.dropped());
    let mut written = 0;
    while dropped.load(Ordering::Relaxed) < 2 {
        write(&lines);
        written += 1;
    }
    let waiting: Vec<Batch> = batches.try_iter().collect();
    assert_eq!(waiting.len(), ON_THE_WAY);
    assert_eq!(waiting.iter().map(|batch| parsed(batch).len()).sum::<usize>(), written - 2);
    drop(waiting);
    write(&lines);
    let _ = only_line(lines, &batches);
    assert_eq!(dropped.load(Ordering::Relaxed), 2, "there is room again");

    drop(batches);
    let lines = log.lines();
    write(&lines);
    write(&lines);
    drop(lines);
    assert_eq!(dropped.load(Ordering::Relaxed), 4, "nobody receives");
}

#[test]
fn without_a_log_nothing_is_put_together() {
    assert!(Record::begin(&AccessLog::off().lines(), &Head::get("/", &[]), &facts()).0.is_none());
}
