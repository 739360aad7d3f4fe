//! When certificates are looked at although nobody asked for it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::foreign::{Source, Stirred, Watch};

/// Certificate and key are rarely written in one go: a folder is looked at this long after the first news of it.
const SETTLE: Duration = Duration::from_secs(1);
/// How often all files are looked at, for what the kernel does not tell: what a link leads to, what other machines do.
const LOOK: Duration = Duration::from_secs(30);
/// More rarely where there are many, so that looking takes less than a thousandth of a processor.
const LOOK_EACH: Duration = Duration::from_millis(6);

/// Watches over files.
pub(super) struct Vigil {
    watch: Watch,
    every: Duration,
    next_look: Instant,
    /// What has stirred, and when it is looked at.
    stirred: Option<(Instant, Where)>,
}

/// Which files are to be looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Where {
    In(HashSet<PathBuf>),
    Everywhere,
}

impl Vigil {
    pub(super) fn new<'a>(sources: impl ExactSizeIterator<Item = &'a Source>) -> Self {
        let every = LOOK.max(LOOK_EACH * u32::try_from(sources.len()).unwrap_or(u32::MAX));
        Self { watch: Watch::new(sources), every, next_look: Instant::now() + every, stirred: None }
    }

    /// Waits until it is time to look somewhere. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Where {
        loop {
            let stirred = self.stirred.as_ref().map_or(self.next_look, |(at, _)| *at);
            tokio::select! {
                () = sleep_until(stirred.min(self.next_look)) => break,
                news = self.watch.next() => {
                    let (_, place) = self
                        .stirred
                        .get_or_insert_with(|| (Instant::now() + SETTLE, Where::In(HashSet::new())));
                    news.for_each(|news| place.add(news));
                }
            }
        }
        // Before the look, so that no change comes between.
        self.watch.renew();
        let stirred = self.stirred.take();
        if self.next_look <= Instant::now() {
            self.next_look = Instant::now() + self.every;
            return Where::Everywhere;
        }
        stirred.map_or(Where::Everywhere, |(_, place)| place)
    }
}

impl Where {
    fn add(&mut self, news: Stirred<'_>) {
        match (self, news) {
            (Self::Everywhere, _) => {}
            (Self::In(folders), Stirred::In(folder)) => {
                if !folders.contains(folder) {
                    folders.insert(folder.to_owned());
                }
            }
            (place, Stirred::Anything) => *place = Self::Everywhere,
        }
    }

    /// Whether a source may have changed.
    pub(super) fn concerns(&self, source: &Source) -> bool {
        match self {
            Self::In(folders) => folders.iter().any(|folder| source.lies_in(folder)),
            Self::Everywhere => true,
        }
    }
}
