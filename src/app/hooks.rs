//! The thread that tells the operator's program what happens, where there is such a program.

use std::error::Error;
use std::io;
use std::path::absolute;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use super::build::Kit;
use super::{AppError, runtime};
use crate::hooks::{Calls, Options, Place, Runner};

/// Who is told, and the thread that tells it. Dropping this ends the thread.
pub(super) struct Hooks {
    place: Place,
    options: watch::Sender<Option<Options>>,
    journal: watch::Receiver<()>,
    end: CancellationToken,
    _guard: DropGuard,
    thread: Option<JoinHandle<()>>,
}

impl Hooks {
    /// Starts the thread if somebody is to be told, or was: what nobody is told any more is not owed for ever. To be
    /// called before this process adds to the journal; `journal` changes whenever it has. That nobody can be told keeps
    /// nobody from being served.
    pub(super) async fn start(options: Option<Options>, kit: &Kit, journal: watch::Receiver<()>) -> Self {
        let place = Place {
            storage: absolute(&kit.storage).unwrap_or_else(|_| kit.storage.clone()),
            hooks: kit.store.hooks(),
            clock: kit.clock.clone(),
            recorder: kit.recorder.clone(),
            calls: Calls::default(),
        };
        let owed = place.hooks.load().await.unwrap_or_else(|error| {
            warn!(%error, "whether something is owed to a hook cannot be told");
            None
        });
        let wanted = options.is_some() || owed.is_some();
        let mut hooks = Self::new(place, options, journal);
        if wanted && let Err(error) = hooks.begin() {
            let cause = error.source().map(ToString::to_string);
            warn!(%error, cause, "hooks are not called before a reload or a restart");
            hooks.place.calls.set_stuck(Some(format!("{error}; a reload or a restart tries it again")));
        }
        hooks
    }

    /// How its calls go.
    pub(super) fn calls(&self) -> Calls {
        self.place.calls.clone()
    }

    /// From now on this program is told, or none. What went wrong before is no trouble any more.
    ///
    /// # Errors
    ///
    /// [`AppError::Setup`] if it takes a thread, and there is none to be had.
    pub(super) fn configure(&mut self, options: Option<Options>) -> Result<(), AppError> {
        if self.thread.is_none() {
            if options.is_some() {
                self.begin()?;
            }
            self.place.calls.set_stuck(None);
        }
        self.place.calls.forgive();
        self.options.send_replace(options);
        Ok(())
    }

    fn new(place: Place, options: Option<Options>, journal: watch::Receiver<()>) -> Self {
        let (options, _) = watch::channel(options);
        let end = CancellationToken::new();
        let _guard = end.clone().drop_guard();
        Self { place, options, journal, end, _guard, thread: None }
    }

    fn begin(&mut self) -> Result<(), AppError> {
        let (place, end) = (self.place.clone(), self.end.clone());
        let runner = Runner::new(place, self.options.subscribe(), self.journal.clone())
            .map_err(AppError::setup("the journal cannot be read for hooks"))?;
        let (begun, has_begun) = mpsc::channel();
        // That it ends is no reason for anything else to end.
        let thread = thread::Builder::new().name("hooks".to_owned());
        let thread = thread.spawn(move || match runtime() {
            Ok(runtime) => {
                let _ = begun.send(Ok(()));
                runtime.block_on(runner.run(end));
            }
            Err(error) => {
                let _ = begun.send(Err(error));
            }
        });
        let thread = thread.map_err(AppError::setup("the thread hooks cannot be started"))?;
        let begun = has_begun.recv().unwrap_or_else(|lost| Err(io::Error::other(lost)));
        begun.map_err(AppError::setup("hooks cannot be run"))?;
        self.thread = Some(thread);
        Ok(())
    }

    /// From now on no program is called. One that runs has a moment to finish.
    pub(super) fn end(&self) {
        self.end.cancel();
    }

    /// The same, and returns when none runs any more.
    pub(super) fn stop(mut self) {
        self.end();
        if let Some(thread) = self.thread.take() {
            // One that died has said so.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::hooks::Occasion;
    use crate::host::program::Program;
    use crate::store::layout;

    #[test]
    fn that_nobody_can_be_told_is_no_trouble_where_nobody_is_to_be_told() {
        let folder = tempfile::tempdir().expect("a directory");
        let journal = folder.path().join(layout::journal().as_str());
        fs::create_dir_all(journal.parent().expect("a folder")).expect("made");
        fs::write(&journal, "no folder").expect("written");
        let place = Place::forgetful(folder.path());
        let (_added, journal) = watch::channel(());
        let program = Program::new(vec!["/nowhere/hook".to_owned()], Duration::from_secs(1));
        let told = Options { program, occasions: Occasion::ALL.into() };

        let mut hooks = Hooks::new(place, Some(told.clone()), journal);
        let calls = hooks.calls();
        calls.set_stuck(Some("the journal cannot be read".to_owned()));
        hooks.configure(Some(told)).expect_err("it still cannot be read");
        assert_eq!(calls.trouble(Clock::system().now()).len(), 1);
        hooks.configure(None).expect("nobody has to read it");
        assert_eq!(calls.trouble(Clock::system().now()), Vec::<String>::new());
    }
}
