//! Certificates somebody else keeps: which there are, what was last found good, and when the files are looked at.
//!
//! At a start the names are put on show cold, and listeners accept. A hello that asks for one waits for its one file;
//! behind that a [`Pass`] reads all of them a few at a time, so that what is wrong is told before somebody meets it.
//! What was proved is kept packed: a file that turns bad changes nothing, and nobody waits for a disk again. A reload
//! is another pass, which reads the files that look different than before and puts each on show as soon as it is read.
//! So is what a [`Vigil`] asks for: it hears of files that change by themselves, and has all of them looked at from
//! time to time.

mod found;
mod pass;
mod vigil;

pub(super) use found::Found;

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::SystemTime;

use rpds::VectorSync;
use tracing::{error, info};

use super::desired::Desired;
use super::shelf::Shelf;
use crate::catalog::Certificate;
use crate::foreign::{List, Source, Stamp};
use crate::ident::Name;
use crate::pki::{Intermediates, Packed};

use pass::Pass;
use vigil::{Vigil, Where};

/// The own files of at most this many sites are read before anybody may connect; the others when they are asked for, or
/// behind.
const AT_ONCE: usize = 512;

/// All of it.
#[derive(Default)]
pub(super) struct Elsewhere {
    files: Vec<Arc<Source>>,
    lists: Vec<Arc<List>>,
    /// The sources of sites; a list knows its own names.
    by_name: HashMap<Name, usize>,
    /// For each source, first those of sites, then those of lists.
    kept: Vec<Kept>,
    /// In the same order.
    found: VectorSync<Found>,
    intermediates: Intermediates,
    pass: Option<Pass>,
    /// None where there is nothing to watch over.
    vigil: Option<Vigil>,
}

/// What is kept of a source.
#[derive(Default)]
struct Kept {
    /// What the files looked like when they were last read.
    stamp: Option<Stamp>,
    /// The last good certificate.
    packed: Option<Packed>,
}

/// What came of a look at a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// Nobody had to read it.
    Unread,
    /// It was read, and is what it was, good or not.
    Same,
    /// Something new that is served from now on, for the first time or instead of another.
    Better { first: bool },
    /// Something that is not served, and was not told of before.
    Faulty,
}

impl Elsewhere {
    /// Takes a configuration over: reads the sites' own files, puts what else is new on show, and begins a pass. Names
    /// that are gone are the caller's to take off, since somebody else may serve them now.
    ///
    /// What stays in the configuration keeps what is known of it, and so does a name that leads to other files now.
    pub(super) fn configure(&mut self, desired: &Desired, shelf: &mut Shelf, now: SystemTime) {
        let same_lists = self.lists.iter().map(Arc::as_ptr).eq(desired.lists.iter().map(Arc::as_ptr));
        let changed = !same_lists || self.files != desired.files;
        if changed {
            let before = std::mem::take(self);
            self.take_over(desired, before);
            // Before anything is read, so that no change comes between.
            let sources = self.found.iter().map(|found| &*found.source);
            self.vigil = (sources.len() > 0).then(|| Vigil::new(sources));
        }
        let at_once = self.files.len().min(AT_ONCE);
        let (seen, unseen) = (at_once..self.kept.len()).partition(|index| self.kept[*index].stamp.is_some());
        let mut pass = Pass::asked_for(seen, unseen);
        for index in 0..at_once {
            let looked = self.look_at(index, true, shelf, now);
            pass.note(looked, true, &self.found[index]);
        }
        if changed {
            let later = self.files[at_once..].iter().chain(self.lists.iter().flat_map(|list| list.sources()));
            shelf.add_cold(later.flat_map(|source| source.names()));
        }
        self.pass = (!self.kept.is_empty()).then_some(pass);
    }

    /// What was found, for the picture.
    pub(super) fn picture(&self) -> VectorSync<Found> {
        self.found.clone()
    }

    /// How many certificates there are.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether this very name is served with a certificate somebody else keeps.
    pub(super) fn has(&self, name: &Name) -> bool {
        self.position(name).is_some()
    }

    /// A hello waits for the name: shows the last good certificate, after reading the files if there is none yet. False
    /// if the name is none of ours.
    pub(super) fn fetch(&mut self, name: &Name, shelf: &mut Shelf, now: SystemTime) -> bool {
        let Some(index) = self.position(name) else { return false };
        if self.kept[index].packed.is_none() && self.look_at(index, true, shelf, now) == Looked::Faulty {
            self.found[index].tell();
        }
        let unpacked = self.kept[index].packed.as_ref().map(Certificate::unpack);
        let names = self.found[index].source.names();
        match unpacked {
            Some(Ok(certificate)) => shelf.show(names, &certificate),
            Some(Err(error)) => {
                error!(%name, %error, "what was proved cannot be served");
                shelf.show_cold([name]);
            }
            // Whoever waits is refused; the next one looks whether the file has become better.
            None => shelf.show_cold([name]),
        }
        true
    }

    /// Returns when a [`turn`](Self::turn) is due; never where nobody else keeps anything. Nothing is lost when the
    /// future is dropped.
    pub(super) async fn turn_is_due(&mut self) {
        let rested = async {
            match &self.pass {
                Some(pass) => pass.rested().await,
                None => pending().await,
            }
        };
        let stirred = async {
            match &mut self.vigil {
                Some(vigil) => vigil.next().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = rested => {}
            place = stirred => self.look_again(&place),
        }
    }

    /// Has looked at, before all else, what was read before and lies there.
    fn look_again(&mut self, place: &Where) {
        let sources = self.kept.iter().zip(&self.found).enumerate();
        let concerned =
            sources.filter(|(_, (kept, found))| kept.stamp.is_some() && place.concerns(&found.source));
        let indices = concerned.map(|(index, _)| index);
        self.pass.get_or_insert_with(Pass::of_our_own).look_first(indices);
    }

    /// Does a turn of the pass.
    pub(super) fn turn(&mut self, shelf: &mut Shelf, now: SystemTime) {
        let Some(mut pass) = self.pass.take() else { return };
        while let Some(index) = pass.next() {
            let looked = self.look_at(index, false, shelf, now);
            pass.note(looked, false, &self.found[index]);
        }
        if !pass.is_over() {
            self.pass = Some(pass);
            return;
        }
        if pass.is_news() {
            let (certificates, changed) = (self.kept.len(), pass.changed());
            let faulty = self.found.iter().filter(|found| found.fault().is_some()).count();
            info!(certificates, changed, faulty, "looked at what is kept elsewhere");
        }
        self.intermediates.forget_unused();
    }

    fn position(&self, name: &Name) -> Option<usize> {
        let own = self.by_name.get(name).copied();
        own.or_else(|| {
            let mut first = self.files.len();
            self.lists.iter().find_map(|list| {
                let position = list.position(name).map(|position| first + position);
                first += list.sources().len();
                position
            })
        })
    }

    /// Reads a source if it looks different than when it was last read. What is good is put on show if it is `wanted`,
    /// if something older is there, or nothing where something should be; else it waits to be asked for.
    fn look_at(&mut self, index: usize, wanted: bool, shelf: &mut Shelf, now: SystemTime) -> Looked {
        let (kept, mut found) = (&mut self.kept[index], self.found[index].clone());
        let stamp = found.source.stamp(now);
        if kept.stamp.is_some_and(|before| before.holds(stamp)) {
            return Looked::Unread;
        }
        kept.stamp = Some(stamp);
        let read = found.source.load();
        let fault = found.fault().map(str::to_owned);
        let better = found.note(&read, now);
        let looked = match read {
            Ok(bundle) if better => {
                let packed = Packed::new(&bundle, &mut self.intermediates);
                let (first, same) = (kept.packed.is_none(), kept.packed.as_ref() == Some(&packed));
                kept.packed = Some(packed);
                let names = found.source.names();
                if !same && (wanted || shelf.is_warm(names) || shelf.is_bare(names)) {
                    shelf.show(names, &Certificate::new(&bundle));
                }
                if same { Looked::Same } else { Looked::Better { first } }
            }
            _ if fault.as_deref() == found.fault() => Looked::Same,
            _ => Looked::Faulty,
        };
        self.found.set_mut(index, found);
        looked
    }

    /// Becomes what is desired, with what was known `before`.
    fn take_over(&mut self, desired: &Desired, mut before: Self) {
        self.files.clone_from(&desired.files);
        self.lists.clone_from(&desired.lists);
        for (index, source) in self.files.iter().enumerate() {
            self.by_name.extend(source.names().iter().map(|name| (name.clone(), index)));
        }
        self.intermediates = std::mem::take(&mut before.intermediates);
        let mut found = VectorSync::new_sync();
        for source in self.files.iter().chain(self.lists.iter().flat_map(|list| list.sources())) {
            let (kept, seen) = before.give(source);
            self.kept.push(kept);
            found.push_back_mut(seen);
        }
        self.found = found;
    }

    /// Gives away what is known about the names of `source`.
    fn give(&mut self, source: &Arc<Source>) -> (Kept, Found) {
        let Some(index) = self.position(&source.names()[0]) else {
            return (Kept::default(), Found::unread(source));
        };
        let found = &self.found[index];
        let had = |name| found.source.names().contains(name);
        if found.source == *source {
            (std::mem::take(&mut self.kept[index]), found.clone())
        } else if source.names().iter().all(had) {
            let packed = self.kept[index].packed.take();
            (Kept { stamp: None, packed }, found.for_other(source))
        } else {
            (Kept::default(), Found::unread(source))
        }
    }
}

#[cfg(test)]
mod tests;
