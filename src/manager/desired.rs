//! What should exist: the lineages the configuration asks for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::foreign::{List, Source};
use crate::ident::{Fqdn, Lineage, Name, Names, Provider};
use crate::issuer::{ChallengeKind, Profile};
use crate::pki::KeyType;

/// One certificate that should exist, and keep existing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Its names and who issues it.
    pub lineage: Lineage,
    /// The CAs that may issue it, the preferred one first; none for selfsigned.
    pub cas: Vec<Ca>,
    /// The kind of its key.
    pub key_type: KeyType,
    /// Whether a renewal keeps the key of the certificate before.
    pub reuse_key: bool,
    /// The kinds of challenge that may prove its names, of those that are configured.
    pub challenges: Vec<ChallengeKind>,
    /// Whether nobody has listed its name: it was asked for. Nothing stands in for it then.
    pub on_demand: bool,
}

/// A CA that may issue a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ca {
    /// The URL of its directory.
    pub directory: String,
    /// The profile to follow there, if it should be a certain one.
    pub profile: Option<Profile>,
}

impl Wish {
    /// A certificate signed by its own key.
    #[must_use]
    pub fn selfsigned(names: Names) -> Self {
        let lineage = Lineage::new(names, Provider::Selfsigned);
        Self {
            lineage,
            cas: Vec::new(),
            key_type: KeyType::default(),
            reuse_key: false,
            challenges: Vec::new(),
            on_demand: false,
        }
    }

    /// A certificate from the ACME CA at `directory`.
    #[must_use]
    pub fn acme(names: Names, directory: &str) -> Self {
        let lineage = Lineage::new(names, Provider::Letsencrypt);
        let cas = vec![Ca { directory: directory.to_owned(), profile: None }];
        let challenges = ChallengeKind::ALL.to_vec();
        Self { lineage, cas, key_type: KeyType::default(), reuse_key: false, challenges, on_demand: false }
    }

    /// The certificate that stands in as long as there is none from the CA.
    #[must_use]
    pub fn stand_in(&self) -> Self {
        Self::selfsigned(self.lineage.names().clone())
    }
}

/// All that should exist.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// In the order of the configuration.
    pub wishes: Vec<Wish>,
    /// Certificates somebody else keeps, each for a site of its own.
    pub files: Vec<Arc<Source>>,
    /// Lists of such certificates.
    pub lists: Vec<Arc<List>>,
    /// The name that answers for clients that send none.
    pub unnamed: Option<Name>,
    /// How certificates for names nobody has listed are ordered, if they are.
    pub on_demand: Option<Template>,
}

/// What the wishes for names nobody has listed have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The CAs that may issue them, the preferred one first.
    pub cas: Vec<Ca>,
    /// The kind of their keys.
    pub key_type: KeyType,
    /// Whether a renewal keeps the key of the certificate before.
    pub reuse_key: bool,
    /// The kinds of challenge that may prove the names.
    pub challenges: Vec<ChallengeKind>,
}

impl Template {
    /// The wish for one name.
    #[must_use]
    pub(super) fn wish(&self, name: Name) -> Wish {
        Wish {
            lineage: Lineage::new(Names::one(name), Provider::Letsencrypt),
            cas: self.cas.clone(),
            key_type: self.key_type,
            reuse_key: self.reuse_key,
            challenges: self.challenges.clone(),
            on_demand: true,
        }
    }
}

impl Desired {
    /// Wishes for those of the names that nobody has listed, behind all others; the names that somebody has listed are
    /// returned. Without a template for such wishes, that is all of them.
    pub fn demand(&mut self, names: impl IntoIterator<Item = Name>) -> Vec<Name> {
        self.wishes.retain(|wish| !wish.on_demand);
        let listed: HashSet<Name> = self.wishes.iter().flat_map(Wish::names).cloned().collect();
        let mut refused = Vec::new();
        for name in names {
            match &self.on_demand {
                Some(template) if !listed.contains(&name) => self.wishes.push(template.wish(name)),
                _ => refused.push(name),
            }
        }
        refused
    }

    /// Which wish decides who may sign for a name.
    #[must_use]
    pub(super) fn owners(&self) -> Owners {
        let mut owners = Owners::default();
        // The first site that names a name has it.
        for (index, wish) in self.wishes.iter().enumerate().rev() {
            owners.wishes.extend(wish.names().iter().map(|name| (name.clone(), index)));
        }
        let wildcards = owners.wishes.keys().filter_map(Name::fqdn).filter(|fqdn| fqdn.is_wildcard());
        owners.below = wildcards.map(|fqdn| (fqdn.base().into(), Vec::new())).collect();
        for (name, index) in &owners.wishes {
            let parent = name.fqdn().filter(|fqdn| !fqdn.is_wildcard()).and_then(Fqdn::parent);
            if let Some(below) = parent.and_then(|parent| owners.below.get_mut(parent)) {
                below.push(*index);
            }
        }
        owners
    }
}

/// The wish of each name, as its place in [`Desired::wishes`]; made once for a configuration.
#[derive(Debug, Default)]
pub(super) struct Owners {
    wishes: HashMap<Name, usize>,
    /// The wishes of names that a wildcard covers, by what follows its `*.`.
    below: HashMap<Box<str>, Vec<usize>>,
}

impl Owners {
    /// Takes in a wish for names that nobody has wished for yet, and that are no wildcards.
    pub(super) fn add(&mut self, wish: &Wish, index: usize) {
        for name in wish.names() {
            self.wishes.insert(name.clone(), index);
            let parent = name.fqdn().and_then(Fqdn::parent);
            if let Some(below) = parent.and_then(|parent| self.below.get_mut(parent)) {
                below.push(index);
            }
        }
    }

    /// The wish that decides on the name.
    pub(super) fn of(&self, name: &Name) -> Option<usize> {
        self.wishes.get(name).copied()
    }

    /// The wishes to which it matters what there is for a name: its own, and those of the names it covers.
    pub(super) fn concerned(&self, name: &Name) -> impl Iterator<Item = usize> {
        let wildcard = name.fqdn().filter(|fqdn| fqdn.is_wildcard());
        let below = wildcard.and_then(|fqdn| self.below.get(fqdn.base()));
        self.of(name).into_iter().chain(below.into_iter().flatten().copied())
    }
}

impl Wish {
    /// The names of the certificate.
    #[must_use]
    pub fn names(&self) -> &Names {
        self.lineage.names()
    }

    /// What is done for it: a CA is given an order, or we sign.
    pub(super) fn verb(&self) -> &'static str {
        match self.lineage.provider() {
            Provider::Letsencrypt => "order",
            Provider::Selfsigned => "sign",
        }
    }

    /// Whom to ask, in order of preference. For selfsigned that is `None`, once.
    pub(super) fn asked(&self) -> impl Iterator<Item = Option<&Ca>> {
        let ourselves = self.cas.is_empty().then_some(None);
        self.cas.iter().map(Some).chain(ourselves)
    }

    /// The directories of those, likewise.
    pub(super) fn directories(&self) -> impl Iterator<Item = Option<&str>> {
        self.asked().map(|ca| ca.map(|ca| &*ca.directory))
    }

    /// Whether what `provider` issued at `directory` may be shown for these names: a stand-in always, a CA's
    /// certificate only if it is from one of the CAs that are configured.
    #[must_use]
    pub(super) fn accepts(&self, provider: Provider, directory: Option<&str>) -> bool {
        match provider {
            Provider::Selfsigned => true,
            Provider::Letsencrypt => self.cas.iter().any(|ca| Some(&*ca.directory) == directory),
        }
    }
}
