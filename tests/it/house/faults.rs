//! An engine that fails, or dies, at the verb of one's choice.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use sidegate::store::engine::{Changes, Claim, Engine, EngineError, Expect, Secrecy, Version};
use sidegate::store::{Key, Prefix};

/// What happens at the chosen verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The verb does nothing and fails; the ones after it work again: a full disk, say.
    Fails,
    /// The verb does nothing, and nor does any after it: the process died before it.
    DiesBefore,
    /// The verb does its work, but nobody hears of it: the process died right after it.
    DiesAfter,
}

impl Fault {
    pub(crate) const ALL: [Self; 3] = [Self::Fails, Self::DiesBefore, Self::DiesAfter];
}

/// Does what another engine does, up to the chosen verb.
pub(crate) struct Faulty {
    inner: Arc<dyn Engine>,
    fault: Fault,
    at: usize,
    count: AtomicUsize,
    /// What becomes of verbs on a place, beside the fault.
    trouble: Troubles,
}

type Troubles = Box<dyn Fn(&Prefix) -> Option<Trouble> + Send + Sync>;

/// What becomes of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It never ends.
    Hangs,
    /// It does nothing and fails.
    Fails,
}

impl Faulty {
    /// The fault happens at verb number `at`, the first being 0.
    pub(crate) fn new(inner: Arc<dyn Engine>, fault: Fault, at: usize) -> Arc<Self> {
        Arc::new(Self { inner, fault, at, count: AtomicUsize::new(0), trouble: Box::new(|_| None) })
    }

    /// There is no fault but the trouble that verbs on these places have.
    pub(crate) fn troubled(
        inner: Arc<dyn Engine>,
        trouble: impl Fn(&Prefix) -> Option<Trouble> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (fault, at, count) = (Fault::Fails, usize::MAX, AtomicUsize::new(0));
        Arc::new(Self { inner, fault, at, count, trouble: Box::new(trouble) })
    }

    /// Whether the chosen verb was ever reached.
    pub(crate) fn happened(&self) -> bool {
        self.count.load(Ordering::SeqCst) > self.at
    }

    async fn verb<T>(
        &self,
        place: &Prefix,
        work: impl Future<Output = Result<T, EngineError>> + Send,
    ) -> Result<T, EngineError> {
        match (self.trouble)(place) {
            Some(Trouble::Hangs) => return std::future::pending().await,
            Some(Trouble::Fails) => return Err(dead(place)),
            None => {}
        }
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let fails = match self.fault {
            Fault::Fails => number == self.at,
            Fault::DiesBefore => number >= self.at,
            Fault::DiesAfter => {
                if number == self.at {
                    // What came of it dies with the process: a claim is released, an answer is lost.
                    drop(work.await);
                    return Err(dead(place));
                }
                number > self.at
            }
        };
        if fails { Err(dead(place)) } else { work.await }
    }
}

fn dead(place: &Prefix) -> EngineError {
    EngineError::io("touch", place, io::Error::other("the test wants it so"))
}

#[async_trait]
impl Engine for Faulty {
    async fn read(&self, key: &Key) -> Result<(Bytes, Version), EngineError> {
        self.verb(&key.as_prefix(), self.inner.read(key)).await
    }

    async fn list(&self, folder: &Prefix) -> Result<Vec<Key>, EngineError> {
        self.verb(folder, self.inner.list(folder)).await
    }

    async fn put(
        &self,
        key: &Key,
        value: Bytes,
        expect: Expect,
        secrecy: Secrecy,
    ) -> Result<Version, EngineError> {
        self.verb(&key.as_prefix(), self.inner.put(key, value, expect, secrecy)).await
    }

    async fn remove(&self, place: &Prefix, expect: Expect) -> Result<(), EngineError> {
        self.verb(place, self.inner.remove(place, expect)).await
    }

    async fn seal(&self, draft: &Prefix, item: &Prefix) -> Result<(), EngineError> {
        self.verb(draft, self.inner.seal(draft, item)).await
    }

    async fn point(&self, pointer: &Key, target: &Prefix, expect: Expect) -> Result<(), EngineError> {
        self.verb(&pointer.as_prefix(), self.inner.point(pointer, target, expect)).await
    }

    async fn follow(&self, pointer: &Key) -> Result<Option<(Prefix, Version)>, EngineError> {
        self.verb(&pointer.as_prefix(), self.inner.follow(pointer)).await
    }

    async fn set_aside(&self, place: &Prefix) -> Result<Prefix, EngineError> {
        self.verb(place, self.inner.set_aside(place)).await
    }

    async fn claim(&self, what: &Prefix) -> Result<Claim, EngineError> {
        self.verb(what, self.inner.claim(what)).await
    }

    fn changes(&self) -> Changes {
        self.inner.changes()
    }

    async fn kept(&self) -> Result<Option<Bytes>, EngineError> {
        self.inner.kept().await
    }

    async fn keep(&self, value: Bytes) -> Result<(), EngineError> {
        self.inner.keep(value).await
    }

    async fn read_all(&self, folder: &Prefix) -> Result<Vec<(Key, Bytes)>, EngineError> {
        self.verb(folder, self.inner.read_all(folder)).await
    }

    async fn follow_all(&self, folder: &Prefix) -> Result<Vec<(Key, Option<Prefix>)>, EngineError> {
        self.verb(folder, self.inner.follow_all(folder)).await
    }
}
