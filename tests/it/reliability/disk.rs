//! What a disk holds after a power cut, given the calls that came before it.
//!
//! A change of a folder is there for certain once the folder was synced, and bytes of a file once the file was. Until then
//! each of them may be there or not, and of bytes a part, whatever became of the others: nothing is taken for granted of
//! the order in which a filesystem writes. One thing is: a rename puts the file into its new place before it takes it out of
//! the old one, so a file that was renamed has the old name, the new name or both; and the new name for certain once it is
//! certain that the old one is gone.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::house::tracer::Call;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Content {
    Folder,
    File(Vec<u8>),
    Link(PathBuf),
}

impl Content {
    /// Whether it is a file that was added to until it became the other.
    pub(super) fn begins(&self, other: &Self) -> bool {
        matches!((self, other), (Self::File(this), Self::File(other)) if other.starts_with(this))
    }
}

/// Everything that stands on a disk.
pub(super) type Tree = BTreeMap<PathBuf, Content>;

/// A disk, and everything that was ever done to it.
pub(super) struct Disk {
    /// The first one is the root.
    nodes: Vec<Content>,
    /// Where things stand if nothing is lost.
    entries: HashMap<Entry, usize>,
    /// What stood there before the first call.
    old: HashMap<Entry, usize>,
    changes: Vec<Change>,
}

type Entry = (usize, OsString);

/// A change that a power cut may undo.
pub(super) struct Change {
    /// The number of the call that made it.
    pub(super) made: usize,
    /// The number of the call after which it is there for certain.
    pub(super) lasts: Option<usize>,
    what: What,
    /// Whether it concerns only what is not in its place yet.
    pub(super) aside: bool,
}

enum What {
    /// Something stands there, or nothing; a removal is not there without the change that it depends on.
    Entry {
        at: Entry,
        node: Option<usize>,
        after: Option<usize>,
    },
    Bytes {
        node: usize,
        at: usize,
        bytes: Vec<u8>,
    },
    Length {
        node: usize,
        length: usize,
    },
}

/// How much of a change that does not last is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    All,
    /// The first half of the bytes.
    Half,
    Nothing,
}

impl Disk {
    /// What comes of these calls below `root`, on a disk that held `old`, if the call with the number `unsynced` had
    /// synced nothing.
    pub(super) fn after(old: &Tree, root: &Path, calls: &[Call], unsynced: Option<usize>) -> Self {
        let mut disk = Self {
            nodes: vec![Content::Folder],
            entries: HashMap::new(),
            old: HashMap::new(),
            changes: Vec::new(),
        };
        for (path, content) in old {
            let at = disk.entry(path).expect("folders come before what is in them");
            disk.nodes.push(content.clone());
            disk.entries.insert(at, disk.nodes.len() - 1);
        }
        disk.old = disk.entries.clone();
        for (number, call) in calls.iter().enumerate() {
            if unsynced != Some(number) {
                disk.apply(number, call, root);
            }
        }
        disk
    }

    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What is there when the power is cut before the call with the number `cut`, and this much was kept of each change
    /// that was not certain to last.
    pub(super) fn tree(&self, cut: usize, kept: impl Fn(usize) -> Kept) -> Tree {
        let mut entries = self.old.clone();
        let mut contents: HashMap<usize, Vec<u8>> = HashMap::new();
        let mut there = vec![false; self.changes.len()];
        for (number, change) in self.changes.iter().enumerate().take_while(|(_, change)| change.made < cut) {
            let lasts = change.lasts.is_some_and(|lasts| lasts < cut);
            let kept = if lasts { Kept::All } else { kept(number) };
            there[number] = kept != Kept::Nothing;
            match &change.what {
                _ if kept == Kept::Nothing => {}
                What::Entry { after: Some(other), .. } if !there[*other] => there[number] = false,
                What::Entry { at, node: Some(node), .. } => _ = entries.insert(at.clone(), *node),
                What::Entry { at, node: None, .. } => _ = entries.remove(at),
                What::Length { node, length } => self.bytes(&mut contents, *node).resize(*length, 0),
                What::Bytes { node, at, bytes } => {
                    let bytes = if kept == Kept::Half { &bytes[..bytes.len() / 2] } else { bytes };
                    let file = self.bytes(&mut contents, *node);
                    file.resize(file.len().max(at + bytes.len()), 0);
                    file[*at..at + bytes.len()].copy_from_slice(bytes);
                }
            }
        }
        let mut folders: HashMap<usize, Vec<(&OsString, usize)>> = HashMap::new();
        for ((folder, name), node) in &entries {
            folders.entry(*folder).or_default().push((name, *node));
        }
        let (mut tree, mut open) = (Tree::new(), vec![(PathBuf::new(), 0)]);
        while let Some((path, folder)) = open.pop() {
            for (name, node) in folders.get(&folder).into_iter().flatten() {
                let path = path.join(name);
                let content = match &self.nodes[*node] {
                    Content::File(old) => Content::File(contents.get(node).unwrap_or(old).clone()),
                    other => other.clone(),
                };
                if content == Content::Folder {
                    open.push((path.clone(), *node));
                }
                tree.insert(path, content);
            }
        }
        tree
    }

    fn bytes<'a>(&self, contents: &'a mut HashMap<usize, Vec<u8>>, node: usize) -> &'a mut Vec<u8> {
        contents.entry(node).or_insert_with(|| match &self.nodes[node] {
            Content::File(old) => old.clone(),
            _ => Vec::new(),
        })
    }

    fn apply(&mut self, number: usize, call: &Call, root: &Path) {
        let inside = |path: &Path| path.strip_prefix(root).map(Path::to_owned).unwrap_or_default();
        match call {
            Call::Create { path, truncated } => match self.node(&inside(path)) {
                Some(node) if *truncated => self.change(number, What::Length { node, length: 0 }, false),
                Some(_) => {}
                None => self.make(number, &inside(path), Content::File(Vec::new())),
            },
            Call::Mkdir { path } => self.make(number, &inside(path), Content::Folder),
            Call::Symlink { target, path } => self.make(number, &inside(path), Content::Link(target.clone())),
            Call::Write { path, at, bytes } => {
                if let Some(node) = self.node(&inside(path)) {
                    let at = usize::try_from(*at).expect("a file of ours is small");
                    self.change(number, What::Bytes { node, at, bytes: bytes.clone() }, false);
                }
            }
            Call::Truncate { path, length } => {
                if let Some(node) = self.node(&inside(path)) {
                    let length = usize::try_from(*length).expect("a file of ours is small");
                    self.change(number, What::Length { node, length }, false);
                }
            }
            Call::Link { from, to } => {
                if let Some(node) = self.node(&inside(from)) {
                    self.set(number, &inside(to), Some(node), None);
                }
            }
            Call::Rename { from, to } => {
                if let Some(node) = self.node(&inside(from)) {
                    self.set(number, &inside(to), Some(node), None);
                    self.set(number, &inside(from), None, Some(self.changes.len() - 1));
                }
            }
            Call::Remove { path } => self.set(number, &inside(path), None, None),
            Call::Sync { path } => {
                if let Some(node) = self.node(&inside(path)) {
                    self.sync(number, node);
                }
            }
            Call::Chmod { .. } => {}
        }
    }

    fn sync(&mut self, number: usize, node: usize) {
        for change in 0..self.changes.len() {
            let (of, with) = match &self.changes[change].what {
                What::Entry { at: (folder, _), after, .. } => (*folder, *after),
                What::Bytes { node, .. } | What::Length { node, .. } => (*node, None),
            };
            if of == node {
                // What is not in its old place for certain is in its new one.
                for change in with.into_iter().chain([change]) {
                    self.changes[change].lasts.get_or_insert(number);
                }
            }
        }
    }

    fn make(&mut self, number: usize, path: &Path, content: Content) {
        self.nodes.push(content);
        self.set(number, path, Some(self.nodes.len() - 1), None);
    }

    fn set(&mut self, number: usize, path: &Path, node: Option<usize>, after: Option<usize>) {
        // What was never seen - a socket - is not removed either.
        let Some(at) = self.entry(path) else { return };
        match node {
            Some(node) => _ = self.entries.insert(at.clone(), node),
            None => _ = self.entries.remove(&at),
        }
        self.change(number, What::Entry { at, node, after }, is_aside(path));
    }

    fn change(&mut self, made: usize, what: What, aside: bool) {
        self.changes.push(Change { made, lasts: None, what, aside });
    }

    fn entry(&self, path: &Path) -> Option<Entry> {
        Some((self.node(path.parent()?)?, path.file_name()?.to_owned()))
    }

    fn node(&self, path: &Path) -> Option<usize> {
        path.iter().try_fold(0, |folder, name| self.entries.get(&(folder, name.to_owned())).copied())
    }
}

/// Whether something is on its way to its place.
pub(super) fn is_aside(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "aside")
        || path.extension().is_some_and(|extension| extension == "new")
}

/// A folder with what is in it, as it stands at another place.
pub(super) fn read(root: &Path, place: &Path) -> Tree {
    let (mut tree, mut open) = (Tree::from([(place.to_owned(), Content::Folder)]), vec![root.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let content = if path.is_symlink() {
                Content::Link(fs::read_link(&path).expect("a link"))
            } else if path.is_dir() {
                open.push(path.clone());
                Content::Folder
            } else {
                Content::File(fs::read(&path).expect("a file"))
            };
            tree.insert(place.join(path.strip_prefix(root).expect("below it")), content);
        }
    }
    tree
}

/// Makes it stand below a folder, closed to others as the program itself would have it.
pub(super) fn write(tree: &Tree, root: &Path) {
    let close = |path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
    for (path, content) in tree {
        let path = root.join(path);
        match content {
            Content::Folder => fs::create_dir(&path).and_then(|()| close(path, 0o700)),
            Content::File(bytes) => fs::write(&path, bytes).and_then(|()| close(path, 0o600)),
            Content::Link(target) => std::os::unix::fs::symlink(target, path),
        }
        .expect("made");
    }
}
