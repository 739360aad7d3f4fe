//! Which names and files have been met.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use crate::config::error::Place;
use crate::config::settings::{Keeper, Settings};
use crate::foreign::List;
use crate::ident::Name;

/// Where each name was first written, over all sites.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) names: HashMap<Name, Place>,
    pub(super) lists: Vec<Arc<List>>,
}

/// What the settings in force are made of.
#[derive(Default)]
pub(super) struct InUse<'a> {
    /// Certificates and keys of sites.
    pub(super) files: HashSet<&'a Path>,
    pub(super) lists: Vec<&'a Arc<List>>,
}

impl Taken {
    /// Where the name stands already.
    pub(super) fn place(&self, name: &Name) -> Option<Place> {
        let listed = || self.lists.iter().find_map(|list| place_in(list, name));
        self.names.get(name).cloned().or_else(listed)
    }

    /// The names of `list` that stand elsewhere already: where in the list, and what is wrong with that.
    pub(super) fn overlaps(&self, list: &List) -> Vec<(Place, String)> {
        let listed = self.lists.iter().flat_map(|earlier| earlier.names());
        let both = self.names.keys().chain(listed).filter(|name| list.line(name).is_some());
        both.filter_map(|name| Some((place_in(list, name)?, twice(name, &self.place(name)?)))).collect()
    }
}

impl<'a> InUse<'a> {
    pub(super) fn by(settings: Option<&'a Settings>) -> Self {
        let mut in_use = Self::default();
        for site in settings.into_iter().flat_map(|settings| &settings.sites) {
            match &site.keeper {
                Keeper::Us { .. } => {}
                Keeper::Files(source) => in_use.files.extend([source.cert(), source.key()]),
                Keeper::List(list) => in_use.lists.push(list),
            }
        }
        in_use
    }
}

/// What is wrong with a name that stands in two places.
pub(super) fn twice(name: &Name, first: &Place) -> String {
    let first = first.to_string();
    format!("{name} is given twice, first at {}", first.trim_end_matches([':', ' ']))
}

fn place_in(list: &List, name: &Name) -> Option<Place> {
    let line = list.line(name)?;
    Some(Place::File { path: Arc::new(list.path().to_owned()), line, column: 1 })
}
