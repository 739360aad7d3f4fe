//! The machine: whether what is issued can be kept, and whether anybody who comes can be answered.

use std::path::PathBuf;

use super::{Check, Finding};

/// Where certificates and keys are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The directory.
    pub path: PathBuf,
    /// Whether it is to be read only.
    pub read_only: bool,
    /// Why it cannot be written, if it cannot.
    pub refused: Option<String>,
    /// Whether that may be different for the user that sidegate runs as.
    pub by_user: bool,
    /// Bytes that are left there, if that can be told.
    pub bytes: Option<u64>,
    /// Files that can still be made there, if that can be told.
    pub files: Option<u64>,
}

/// A port that sidegate listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// Who has it.
    pub state: PortState,
}

/// Who has a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortState {
    /// Nobody, and we may take it.
    Free,
    /// Nobody, but this user may not take it.
    Forbidden,
    /// This program, such as `nginx (pid 812)`.
    Held(String),
    /// A program that this user may not see.
    Hidden,
    /// This machine does not have the address, or something else is odd.
    Odd(String),
}

/// With less than this, an issuance is lost half-way: a dozen files and a journal's blocks.
const LEAST_BYTES: u64 = 256 << 10;
const LEAST_FILES: u64 = 64;
/// With less than this, somebody should look soon.
const FEW_BYTES: u64 = 64 << 20;
const FEW_FILES: u64 = 1000;

impl Storage {
    /// Whether what is issued can be kept.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let (check, path) = (Check::Storage, self.path.display());
        if self.read_only {
            let reason = format!("{path} is only read, as configured: another process issues for it");
            return Finding::pass(check, reason);
        }
        if let Some(why) = &self.refused {
            let reason = format!("{path} cannot be written: {why}");
            return if self.by_user {
                Finding::unknown(check, reason, "Ask again as the user that sidegate runs as.")
            } else {
                let remedy = "Make it writable, or choose another place with --storage; where another process issues for it, \
                              read_only says that it is meant.";
                Finding::fail(check, reason, remedy)
            };
        }
        let bytes = self.bytes.map(|bytes| format!("{} MB", bytes >> 20));
        let files = self.files.map(|files| format!("{files} files"));
        let left = [bytes, files].into_iter().flatten().collect::<Vec<_>>().join(" and ");
        let short = |bytes: u64, files: u64| {
            self.bytes.is_some_and(|left| left < bytes) || self.files.is_some_and(|left| left < files)
        };
        let remedy = "Make room on that filesystem: a certificate that cannot be kept is lost, and counts all the same.";
        if short(LEAST_BYTES, LEAST_FILES) {
            Finding::fail(check, format!("{path} has no room: {left} are left"), remedy)
        } else if short(FEW_BYTES, FEW_FILES) {
            Finding::warn(check, format!("{path} has little room: {left} are left"), remedy)
        } else if left.is_empty() {
            Finding::pass(check, format!("{path} can be written"))
        } else {
            Finding::pass(check, format!("{path} can be written, with room for {left}"))
        }
    }
}

impl Port {
    /// Whether sidegate has the port or can have it.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let (check, number) = (Check::Port(self.number), self.number);
        match &self.state {
            PortState::Free => Finding::pass(check, "is free"),
            PortState::Held(by) if by.starts_with("sidegate ") => {
                Finding::pass(check, format!("is held by {by}"))
            }
            PortState::Held(by) => Finding::fail(
                check,
                format!("is held by {by}"),
                format!("End that program, or have sidegate listen elsewhere and port {number} led there."),
            ),
            PortState::Hidden => Finding::unknown(
                check,
                "is held by a program that this user may not see",
                "Ask again as root, or as the user that sidegate runs as.",
            ),
            PortState::Forbidden => Finding::warn(
                check,
                "is free, but this user may not listen on it",
                "Let it (CAP_NET_BIND_SERVICE, or the sysctl net.ipv4.ip_unprivileged_port_start), or run as another.",
            ),
            PortState::Odd(why) => {
                Finding::unknown(check, why.clone(), "See that the address to listen on is this machine's.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn a_storage_has_to_be_writable_and_to_have_room() {
        let good = Storage {
            path: "/data".into(),
            read_only: false,
            refused: None,
            by_user: false,
            bytes: Some(1 << 30),
            files: Some(5000),
        };
        let refused = Some("read-only filesystem".to_owned());
        let room = |bytes, files| Storage { bytes, files, ..good.clone() };
        for (storage, outcome, reason) in [
            (good.clone(), Outcome::Pass, "/data can be written, with room for 1024 MB and 5000 files"),
            (room(None, None), Outcome::Pass, "/data can be written"),
            (room(Some(1 << 20), None), Outcome::Warn, "/data has little room: 1 MB are left"),
            (
                room(Some(1 << 30), Some(999)),
                Outcome::Warn,
                "/data has little room: 1024 MB and 999 files are left",
            ),
            (room(Some(1000), Some(5000)), Outcome::Fail, "/data has no room: 0 MB and 5000 files are left"),
            (room(Some(1 << 30), Some(0)), Outcome::Fail, "/data has no room: 1024 MB and 0 files are left"),
            (
                Storage { refused: refused.clone(), ..good.clone() },
                Outcome::Fail,
                "/data cannot be written: read-only filesystem",
            ),
            (
                Storage { refused: refused.clone(), by_user: true, ..good.clone() },
                Outcome::Unknown,
                "/data cannot be written: read-only filesystem",
            ),
            (
                Storage { refused, read_only: true, ..good.clone() },
                Outcome::Pass,
                "/data is only read, as configured: another process issues for it",
            ),
        ] {
            let found = storage.finding();
            assert_eq!((found.outcome, found.reason.as_str()), (outcome, reason));
            assert_eq!(found.remedy.is_none(), outcome == Outcome::Pass);
        }
    }

    #[test]
    fn a_port_is_ours_or_free_or_somebody_has_it() {
        for (state, outcome) in [
            (PortState::Free, Outcome::Pass),
            (PortState::Held("sidegate (pid 7)".to_owned()), Outcome::Pass),
            (PortState::Held("nginx (pid 812)".to_owned()), Outcome::Fail),
            (PortState::Held("sidegatex (pid 7)".to_owned()), Outcome::Fail),
            (PortState::Hidden, Outcome::Unknown),
            (PortState::Forbidden, Outcome::Warn),
            (PortState::Odd("no such address".to_owned()), Outcome::Unknown),
        ] {
            assert_eq!(Port { number: 443, state: state.clone() }.finding().outcome, outcome, "{state:?}");
        }
    }
}
