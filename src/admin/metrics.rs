//! What there is to count about certificates, in Prometheus' text format (version 0.0.4). Pure.

use std::fmt::{Display, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::manager::Row;

/// Of so many certificates it is told when they end: those that end first.
const TOLD: usize = 1000;

/// The picture at a moment. Times are seconds since 1970, by UTC.
pub(super) fn metrics(rows: &[Row], issues: bool, draining: bool, now: SystemTime) -> String {
    let mut text = Text::default();
    let build = format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    text.gauge("sidegate_build_info", "1, with the version of the program.", [(build, 1)]);
    let one = |value: bool| [(String::new(), u8::from(value))];
    text.gauge("sidegate_issues", "Whether this process issues for its storage.", one(issues));
    text.gauge("sidegate_draining", "Whether this process is stopping.", one(draining));

    let troubles: Vec<_> = rows.iter().map(|row| row.trouble(now).map(|trouble| trouble.critical)).collect();
    let states = [("ok", None), ("warning", Some(false)), ("critical", Some(true))].map(|(name, state)| {
        let count = troubles.iter().filter(|trouble| **trouble == state).count();
        (format!("{{state=\"{name}\"}}"), count)
    });
    text.gauge(
        "sidegate_certificates",
        "Certificates that should be served, by the state `status` says.",
        states,
    );
    let disproved = rows.iter().filter(|row| row.disproved.is_some()).count();
    let help = "Certificates instead of which clients are shown something else.";
    text.gauge("sidegate_tls_cert_disproved", help, [(String::new(), disproved)]);

    let served = |row: &Row| Some((row.served.as_ref()?.not_after, row.names.first()?.to_string()));
    let mut ends: Vec<_> = rows.iter().filter_map(served).collect();
    ends.sort();
    let ends = ends.into_iter().take(TOLD).map(|(end, name)| {
        let end = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        (format!("{{name=\"{name}\"}}"), end)
    });
    let help = "When the certificate that is served ends, by its first name.";
    text.gauge("sidegate_tls_cert_not_after_timestamp_seconds", help, ends);
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    /// Adds a metric with its values by their labels.
    fn gauge<V: Display>(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (String, V)>) {
        let text = &mut self.0;
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    }
}
