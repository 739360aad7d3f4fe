//! Where the log goes: one line per event on standard error, for people or for machines.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

/// How to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// JSON objects instead of text.
    pub json: bool,
    /// A level, or a list of directives such as `info,sidegate::issuer=debug`.
    pub level: String,
    /// Colours where standard error is a terminal.
    pub color: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { json: false, level: "info".to_owned(), color: true }
    }
}

impl Options {
    /// The words that may stand where a level is asked for.
    pub const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

    /// Whether [`level`](Self::level) would be understood: each part a level or `target=level`.
    #[must_use]
    pub fn is_level(level: &str) -> bool {
        // A mistyped level would be read as the name of a target, and everything else fall silent.
        level.split(',').all(|part| {
            let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
            Self::LEVELS.contains(&level.trim().to_ascii_lowercase().as_str())
        }) && level.parse::<Targets>().is_ok()
    }

    /// The libraries under us speak only of trouble, unless a directive names them.
    fn filter(&self) -> String {
        self.level
            .split(',')
            .map(|part| match part.trim() {
                level if level.contains('=') => level.to_owned(),
                level => format!("{},sidegate={level}", if level == "off" { "off" } else { "warn" }),
            })
            .collect::<Vec<_>>()
            .join(",")
    }
}

/// Sends this process's log to standard error from now on; only the first call has an effect.
pub fn start(options: &Options) {
    // What was not understood was a fault of the configuration.
    let filter: Targets = options.filter().parse().unwrap_or_default();
    let color = options.color && io::stderr().is_terminal();
    // A second subscriber is refused; in tests many houses start in one process and the first one speaks.
    let outcome = if options.json {
        let lines = layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
        registry().with(filter).with(lines.with_writer(io::stderr).with_ansi(color)).try_init()
    } else {
        let lines = layer().with_target(false).with_writer(io::stderr).with_ansi(color);
        registry().with(filter).with(lines).try_init()
    };
    drop(outcome);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_level_is_noticed() {
        for level in ["info", "WARN", "debug,hyper=info", "sidegate::issuer=trace", "off"] {
            assert!(Options::is_level(level), "{level}");
        }
        for level in ["inof", "", "5", "info;debug", "sidegate=loud"] {
            assert!(!Options::is_level(level), "{level}");
        }
    }

    #[test]
    fn a_level_is_ours_and_the_libraries_stay_quiet() {
        let filter = |level: &str| Options { level: level.to_owned(), ..Options::default() }.filter();
        assert_eq!(filter("debug"), "warn,sidegate=debug");
        assert_eq!(filter("info,hyper=trace"), "warn,sidegate=info,hyper=trace");
    }
}
