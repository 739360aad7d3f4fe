//! Reads the journal, and calls the program for what is in it.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Calls, Occasion, Options, notice};
use crate::clock::Clock;
use crate::ident::Name;
use crate::store::fs::journal::Reader;
use crate::store::journal::Entry;
use crate::store::{Hooked, Hooks};
use crate::story::{Event, Record, Recorder, Text};

/// At most this often is the program called for one thing.
const ATTEMPTS: u32 = 3;
/// How long after the first and the second of them, if they failed. What comes after waits for it.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];
/// A journal that could not be read is read again after so long, also if nothing is added to it meanwhile.
const READ_AGAIN: Duration = Duration::from_secs(60);
/// How long a program may go on once we are asked to stop.
const GRACE: Duration = Duration::from_secs(5);
/// Lines that nobody is told of are done with as well. Where there are many, that is remembered so often.
const REMEMBERED: u64 = 256;

/// Where the runner works.
#[derive(Clone)]
pub struct Place {
    /// The storage's directory, from the root on.
    pub storage: PathBuf,
    /// How far it has got, in that storage.
    pub hooks: Hooks,
    /// The time that is told.
    pub clock: Clock,
    /// Who is told how it went.
    pub recorder: Recorder,
    /// Who is told how it goes.
    pub calls: Calls,
}

#[cfg(test)]
impl Place {
    /// One that keeps in memory how far it has got.
    pub(crate) fn forgetful(storage: &std::path::Path) -> Self {
        use std::sync::Arc;

        use crate::store::{Store, memory::MemoryEngine};

        let engine = Arc::new(MemoryEngine::new());
        Self {
            storage: storage.to_owned(),
            hooks: Store::new(engine, Clock::system()).hooks(),
            clock: Clock::system(),
            recorder: Recorder::default(),
            calls: Calls::default(),
        }
    }
}

/// Calls the program, for as long as it is asked to.
pub struct Runner {
    place: Place,
    /// None while there is nobody to be told.
    options: watch::Receiver<Option<Options>>,
    /// Changes when this process has added to the journal.
    journal: watch::Receiver<()>,
    reader: Reader,
    /// Where the journal ended when we came.
    begin: u64,
    /// Up to this line what the journal tells of calls is about those of other processes.
    theirs: u64,
    /// How far we have got, once this process keeps the journal and somebody is to be told.
    done: Option<Hooked>,
    /// What of that is on the disk.
    kept: Option<Hooked>,
    /// Of which items it was told that they near their end.
    expiring: HashSet<Text>,
}

impl Runner {
    /// A runner that begins, where nobody has kept how far an earlier one got, at the end of the journal: to be created
    /// before this process adds to it.
    ///
    /// # Errors
    ///
    /// What the system says if the journal cannot be read.
    pub fn new(
        place: Place,
        options: watch::Receiver<Option<Options>>,
        journal: watch::Receiver<()>,
    ) -> io::Result<Self> {
        let (reader, begin) = (Reader::new(&place.storage), Reader::last(&place.storage)?);
        let (theirs, expiring) = (begin, HashSet::new());
        Ok(Self { place, options, journal, reader, begin, theirs, done: None, kept: None, expiring })
    }

    /// Calls the program for what is in the journal and for what comes, until `end`. One that runs then has a moment to
    /// finish; if it does not use it, it is killed, and called again by whoever comes next.
    ///
    /// Nothing happens before this process has added to the journal: until then it is another one's.
    pub async fn run(mut self, end: CancellationToken) {
        let mut unread = false;
        loop {
            let ours = self.done.is_some();
            let changed = tokio::select! {
                // At the end nobody is called any more, although a stop is told to the journal.
                biased;
                () = end.cancelled() => break,
                changed = self.journal.changed() => changed,
                changed = self.options.changed(), if ours => changed,
                () = sleep(READ_AGAIN), if unread => Ok(()),
            };
            if changed.is_err() {
                break;
            }
            let read = self.catch_up(&end).await;
            if let Err(error) = &read {
                warn!(%error, "the journal cannot be read; hooks wait for it");
            }
            unread = read.is_err();
            let why = |error| format!("the journal cannot be read ({error})");
            self.place.calls.set_stuck(read.err().map(why));
        }
        self.keep().await;
    }

    async fn catch_up(&mut self, end: &CancellationToken) -> io::Result<()> {
        if !self.find_place().await? {
            return Ok(());
        }
        let (mut read, mut more) = (Vec::new(), true);
        while more {
            more = self.reader.read_segment(&mut read)?;
            // A damaged line is missed at the next sound one.
            for entry in read.drain(..).flatten() {
                self.handle(&entry, end).await;
                if end.is_cancelled() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Finds out where to go on. If nobody is to be told, nothing is owed to anybody: who is told one day is not told
    /// of what is there by now.
    async fn find_place(&mut self) -> io::Result<bool> {
        let somebody = self.options.borrow_and_update().is_some();
        if !somebody {
            self.begin = Reader::last(&self.place.storage)?;
            (self.done, self.kept) = (None, None);
            self.place.calls.forgive();
            if let Err(error) = self.place.hooks.forget().await {
                warn!(%error, "how far hooks have got cannot be forgotten");
            }
        }
        if !somebody || self.done.is_some() {
            return Ok(somebody);
        }
        let known = self.place.hooks.load().await.unwrap_or_else(|error| {
            warn!(%error, "how far hooks have got cannot be read; they begin with what comes");
            None
        });
        let done = known.unwrap_or(Hooked { line: self.begin, attempts: 0 });
        // One that has fewer lines is another journal than the one that was read.
        self.theirs = Reader::last(&self.place.storage)?;
        let another = done.line > self.theirs;
        self.done = Some(if another { Hooked::default() } else { done });
        self.kept = known;
        self.keep().await;
        Ok(true)
    }

    /// Is done with a line when it returns, unless the end came first.
    async fn handle(&mut self, entry: &Entry, end: &CancellationToken) {
        let Record { names, at, event } = &entry.record;
        if entry.n <= self.theirs || matches!(event, Event::Untold { .. }) {
            self.place.calls.hear(names, *at, event);
        }
        // Each start tells it anew.
        let known = match event {
            Event::Expiring { item, .. } => !self.expiring.insert(item.clone()),
            _ => false,
        };
        let Some(done) = self.done.filter(|done| done.line < entry.n) else { return };
        let before = entry.n - 1;
        if before > done.line {
            self.tell(&[], Event::HookMissed { lines: before - done.line });
            self.done = Some(Hooked { line: before, attempts: 0 });
        }
        let options = self.options.borrow().clone();
        let occasion = Occasion::of(event).filter(|_| !known);
        let wanted = options.zip(occasion).filter(|(options, occasion)| options.occasions.contains(occasion));
        if let Some((options, occasion)) = &wanted
            && !self.call(options, *occasion, entry, end).await
        {
            return;
        }
        self.done = Some(Hooked { line: entry.n, attempts: 0 });
        let kept = self.kept.map_or(0, |kept| kept.line);
        if wanted.is_some() || entry.n - kept >= REMEMBERED {
            self.keep().await;
        }
    }

    /// Calls the program until it has done what it should, or that is given up; false if the end came first.
    async fn call(
        &mut self,
        options: &Options,
        occasion: Occasion,
        entry: &Entry,
        end: &CancellationToken,
    ) -> bool {
        let (hook, line, names) = (Text::of(occasion), entry.n, &entry.record.names);
        let before = self.done.map_or(0, |done| done.attempts);
        if before >= ATTEMPTS {
            // Else a program that ends us would do so at every start.
            let error = "sidegate ended each time while it ran".into();
            self.tell(names, Event::HookFailed { hook, line, attempt: before, error, again: None });
            return true;
        }
        for attempt in before + 1..=ATTEMPTS {
            // Remembered before it is called.
            self.done = Some(Hooked { line: line - 1, attempts: attempt });
            self.keep().await;
            let call = notice::call(occasion, entry, attempt, &self.place.storage);
            self.place.calls.begin(occasion, names, options.program.patience(), self.place.clock.now());
            let called = tokio::select! {
                called = options.program.run(call) => Some(called),
                () = async { end.cancelled().await; sleep(GRACE).await } => None,
            };
            self.place.calls.end();
            let Some(called) = called else { return false };
            let hook = hook.clone();
            let Err(error) = called else {
                self.tell(names, Event::HookRan { hook, line, attempt });
                return true;
            };
            let wait = AGAIN.get(attempt as usize - 1).filter(|_| attempt < ATTEMPTS);
            let again = wait.map(|wait| (self.place.clock.now() + *wait).into());
            self.tell(names, Event::HookFailed { hook, line, attempt, error: Text::of(error), again });
            if let Some(wait) = wait {
                tokio::select! {
                    () = sleep(*wait) => {}
                    () = end.cancelled() => return false,
                }
            }
        }
        true
    }

    fn tell(&self, names: &[Name], event: Event) {
        self.place.calls.hear(names, self.place.clock.now().into(), &event);
        self.place.recorder.tell(names, event);
    }

    /// Writes down how far we have got. If that cannot be done, some of it is told again after a restart.
    async fn keep(&mut self) {
        let Some(done) = self.done.filter(|done| self.kept != Some(*done)) else { return };
        match self.place.hooks.save(done).await {
            Ok(()) => self.kept = Some(done),
            Err(error) => warn!(%error, "how far hooks have got cannot be written down"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::host::program::Program;
    use crate::store::layout;

    /// Lets the time pass until there is trouble, or none.
    async fn until(calls: &Calls, trouble: bool) {
        for _ in 0..600 {
            if calls.trouble(Clock::system().now()).is_empty() != trouble {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
        panic!("there is {:?}", calls.trouble(Clock::system().now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_journal_that_could_not_be_read_is_read_again_though_nothing_is_added() {
        let folder = tempfile::tempdir().expect("a directory");
        let place = Place::forgetful(folder.path());
        let program = Program::new(vec!["/nowhere/hook".to_owned()], Duration::from_secs(1));
        let (_told, options) = watch::channel(Some(Options { program, occasions: Occasion::ALL.into() }));
        let (added, journal) = watch::channel(());
        let (calls, end) = (place.calls.clone(), CancellationToken::new());
        let runner = Runner::new(place, options, journal).expect("a runner");
        let running = tokio::spawn(runner.run(end.clone()));

        let journal = folder.path().join(layout::journal().as_str());
        fs::create_dir_all(journal.parent().expect("a folder")).expect("made");
        fs::write(&journal, "no folder").expect("written");
        added.send_replace(());
        until(&calls, true).await;
        fs::remove_file(&journal).expect("removed");
        until(&calls, false).await;
        end.cancel();
        running.await.expect("it ends");
    }
}
