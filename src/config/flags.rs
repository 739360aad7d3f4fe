//! The command line's share of a configuration.

use super::error::Place;
use super::written::{At, CaWritten, Layer, Words};

/// Flags as they were given. What is `None` or empty was not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--domain`, once or more, each with one name or several between commas.
    pub domain: Vec<String>,
    /// `--certificates`: a list of names and their PEM files.
    pub certificates: Option<String>,
    /// `--to`.
    pub to: Option<String>,
    /// `--storage`.
    pub storage: Option<String>,
    /// `--read-only`.
    pub read_only: bool,
    /// `--expect-state`.
    pub expect_state: bool,
    /// `--force`.
    pub force: bool,
    /// `--email`.
    pub email: Option<String>,
    /// `--staging`.
    pub staging: bool,
    /// `--acme-directory`.
    pub acme_directory: Option<String>,
    /// `--http-port`.
    pub http_port: Option<String>,
    /// `--https-port`.
    pub https_port: Option<String>,
    /// `--workers`.
    pub workers: Option<String>,
    /// `--drain`: a duration.
    pub drain: Option<String>,
    /// `--log`: a level.
    pub log: Option<String>,
}

impl Flags {
    pub(super) fn layer(&self) -> Layer {
        let words =
            |value: &Option<String>, flag| value.clone().map(|v| Words::new(v, Place::Flag(flag), ""));
        let switch =
            |on: bool, flag| on.then(|| At { value: true, place: Place::Flag(flag), key: String::new() });
        let domains = Some(self.domain.join(",")).filter(|all| !all.is_empty());
        Layer {
            storage: words(&self.storage, "--storage"),
            workers: words(&self.workers, "--workers"),
            drain: words(&self.drain, "--drain"),
            http: words(&self.http_port, "--http-port"),
            https: words(&self.https_port, "--https-port"),
            ca: CaWritten {
                directory: words(&self.acme_directory, "--acme-directory"),
                email: words(&self.email, "--email"),
                ..CaWritten::default()
            },
            read_only: switch(self.read_only, "--read-only"),
            expect_state: switch(self.expect_state, "--expect-state"),
            force: switch(self.force, "--force"),
            staging: switch(self.staging, "--staging"),
            log_level: words(&self.log, "--log"),
            domains: words(&domains, "--domain").map(|words| words.split_list()),
            certificates: words(&self.certificates, "--certificates"),
            to: words(&self.to, "--to"),
            ..Layer::default()
        }
    }
}
