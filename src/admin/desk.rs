//! Where an operator's questions are answered: by the process that runs, or by a tool from the storage alone.

use std::path::PathBuf;

use super::report::{Certificate, Process, Reason, Refusal, Report, VERSION};
use crate::clock::Clock;
use crate::ident::Name;
use crate::manager::Status;

/// Answers about one storage. Cloning shares what is looked at.
#[derive(Clone)]
pub struct Desk {
    status: Status,
    clock: Clock,
    storage: PathBuf,
    /// Whether a manager runs behind it.
    live: bool,
}

impl Desk {
    /// The desk of a running process.
    #[must_use]
    pub fn of_process(status: Status, clock: Clock, storage: PathBuf) -> Self {
        Self { status, clock, storage, live: true }
    }

    /// A desk with nothing behind it but the storage.
    #[must_use]
    pub fn of_storage(status: Status, clock: Clock, storage: PathBuf) -> Self {
        Self { status, clock, storage, live: false }
    }

    /// Who answers, if a process does.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        self.live.then(|| Process {
            version: VERSION,
            pid: std::process::id(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            issues: self.status.issues(),
            storage: self.storage.clone(),
        })
    }

    /// How every certificate is, or `only` the one with this name.
    ///
    /// # Errors
    ///
    /// [`Reason::Unknown`] if nobody has configured the name.
    pub async fn status(&self, only: Option<&Name>) -> Result<Report, Refusal> {
        let now = self.clock.now();
        let rows = self.status.certificates(only).await;
        if let (Some(name), true) = (only, rows.is_empty()) {
            return Err(Refusal::new(Reason::Unknown, format!("nobody has configured {name}")));
        }
        let certificates = rows.into_iter().map(|(row, left)| Certificate::of(&row, left, now)).collect();
        let (process, storage) = (self.process(), self.storage.clone());
        Ok(Report { version: VERSION, process, storage, certificates })
    }
}
