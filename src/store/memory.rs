//! The engine without a disk: for tests, and for a process that keeps nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::broadcast::{self, error::RecvError};

use super::changes::watched;
use super::engine::{Changed, Changes, Claim, Engine, EngineError, Expect, Secrecy, Version, Watch};
use super::{Key, Prefix, layout};
use crate::pki::crypto;

/// Keeps the storage in memory. Cloning shares it.
#[derive(Clone)]
pub struct MemoryEngine {
    tree: Arc<Mutex<Tree>>,
    news: broadcast::Sender<Changed>,
    kept: Arc<Mutex<Option<Bytes>>>,
}

#[derive(Default)]
struct Tree {
    nodes: BTreeMap<String, Node>,
    /// The folders somebody holds, by number, so that a folder that moves stays held and a new one is free.
    held: HashSet<u64>,
    next: u64,
}

#[derive(Clone)]
enum Node {
    Folder(u64),
    Value(Bytes),
    Pointer(Prefix),
}

impl MemoryEngine {
    /// An empty storage.
    #[must_use]
    pub fn new() -> Self {
        let mut tree = Tree::default();
        for folder in layout::folders() {
            tree.make_folders(&folder);
        }
        Self { tree: Arc::new(Mutex::new(tree)), news: broadcast::channel(256).0, kept: Arc::default() }
    }

    /// An empty storage in the place of this one, as a volume that was lost leaves it.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self { kept: Arc::clone(&self.kept), ..Self::new() }
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, place: &Prefix) {
        if watched().any(|folder| folder == place.folder())
            && let Some(key) = place.folder().child(place.name())
        {
            // Nobody listening is fine.
            let _ = self.news.send(Changed::Pointer(key));
        }
    }
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    fn make_folders(&mut self, folder: &Prefix) -> u64 {
        if folder.as_str().is_empty() {
            return 0;
        }
        self.make_folders(&folder.folder());
        if let Some(Node::Folder(number)) = self.nodes.get(folder.as_str()) {
            return *number;
        }
        self.next += 1;
        self.nodes.insert(folder.as_str().to_owned(), Node::Folder(self.next));
        self.next
    }

    /// The places of everything below a folder.
    fn below(&self, folder: &Prefix) -> Vec<String> {
        let front = if folder.as_str().is_empty() { String::new() } else { format!("{folder}/") };
        let after = self.nodes.range(front.clone()..);
        after.map(|(place, _)| place.clone()).take_while(|place| place.starts_with(&front)).collect()
    }

    /// What stands directly below a folder, without a walk through what lies deeper.
    fn children(&self, folder: &Prefix) -> Vec<Key> {
        let front = if folder.as_str().is_empty() { String::new() } else { format!("{folder}/") };
        let mut keys = Vec::new();
        let mut from = front.clone();
        while let Some((place, _)) = self.nodes.range(from..).next()
            && let Some(rest) = place.strip_prefix(&front)
        {
            from = match rest.split_once('/') {
                // `0` comes right after `/`.
                Some((name, _)) => format!("{front}{name}0"),
                None => {
                    keys.extend(folder.child(rest));
                    format!("{place}\0")
                }
            };
        }
        keys.sort();
        keys
    }

    fn rename(&mut self, from: &Prefix, to: &Prefix) {
        self.make_folders(&to.folder());
        for place in std::iter::once(from.as_str().to_owned()).chain(self.below(from)) {
            if let Some(node) = self.nodes.remove(&place) {
                let rest = place.strip_prefix(from.as_str()).unwrap_or_default();
                self.nodes.insert(format!("{to}{rest}"), node);
            }
        }
    }

    /// Whether there is such a folder; an error if something else stands there.
    fn must_be_folder(&self, folder: &Prefix) -> Result<bool, EngineError> {
        match self.nodes.get(folder.as_str()) {
            None => Ok(folder.as_str().is_empty()),
            Some(Node::Folder(_)) => Ok(true),
            Some(_) => Err(EngineError::Foreign { place: folder.clone(), what: "is not a folder" }),
        }
    }

    fn must_be(&self, place: &Prefix, expect: Expect) -> Result<(), EngineError> {
        let fits = match (expect, self.nodes.get(place.as_str())) {
            (Expect::Any, _) | (Expect::Absent, None) => true,
            (Expect::Absent, Some(_)) | (Expect::Is(_), None | Some(Node::Folder(_))) => false,
            (Expect::Is(version), Some(Node::Value(value))) => Version::of(value) == version,
            (Expect::Is(version), Some(Node::Pointer(target))) => {
                Version::of(target.as_str().as_bytes()) == version
            }
        };
        if fits { Ok(()) } else { Err(EngineError::Conflict { place: place.clone() }) }
    }

    fn write(&mut self, place: &Prefix, node: Node, expect: Expect) -> Result<(), EngineError> {
        refuse_sealed(place)?;
        self.must_be(place, expect)?;
        if let Some(Node::Folder(_)) = self.nodes.get(place.as_str()) {
            return Err(EngineError::Foreign { place: place.clone(), what: "is a folder" });
        }
        self.make_folders(&place.folder());
        self.nodes.insert(place.as_str().to_owned(), node);
        Ok(())
    }
}

fn refuse_sealed(place: &Prefix) -> Result<(), EngineError> {
    if layout::is_sealed(place) { Err(EngineError::Sealed { place: place.clone() }) } else { Ok(()) }
}

fn absent(place: &Prefix) -> EngineError {
    EngineError::Absent { place: place.clone() }
}

#[async_trait]
impl Engine for MemoryEngine {
    async fn read(&self, key: &Key) -> Result<(Bytes, Version), EngineError> {
        match self.tree().nodes.get(key.as_str()) {
            Some(Node::Value(value)) => Ok((value.clone(), Version::of(value))),
            Some(_) => Err(EngineError::Foreign { place: key.as_prefix(), what: "is not a plain file" }),
            None => Err(absent(&key.as_prefix())),
        }
    }

    async fn list(&self, folder: &Prefix) -> Result<Vec<Key>, EngineError> {
        let tree = self.tree();
        tree.must_be_folder(folder)?;
        Ok(tree.children(folder))
    }

    async fn put(&self, key: &Key, value: Bytes, expect: Expect, _: Secrecy) -> Result<Version, EngineError> {
        let version = Version::of(&value);
        self.tree().write(&key.as_prefix(), Node::Value(value), expect)?;
        Ok(version)
    }

    async fn remove(&self, place: &Prefix, expect: Expect) -> Result<(), EngineError> {
        refuse_sealed(place)?;
        {
            let mut tree = self.tree();
            tree.must_be(place, expect)?;
            for below in tree.below(place) {
                tree.nodes.remove(&below);
            }
            tree.nodes.remove(place.as_str());
        }
        self.tell(place);
        Ok(())
    }

    async fn seal(&self, draft: &Prefix, item: &Prefix) -> Result<(), EngineError> {
        let mut tree = self.tree();
        if !tree.must_be_folder(draft)? {
            return Err(absent(draft));
        }
        if tree.nodes.contains_key(item.as_str()) {
            return Err(EngineError::Exists { place: item.clone() });
        }
        for key in tree.children(draft) {
            if !matches!(tree.nodes.get(key.as_str()), Some(Node::Value(_))) {
                return Err(EngineError::Foreign { place: key.as_prefix(), what: "is not a plain file" });
            }
        }
        tree.rename(draft, item);
        Ok(())
    }

    async fn point(&self, pointer: &Key, target: &Prefix, expect: Expect) -> Result<(), EngineError> {
        let place = pointer.as_prefix();
        self.tree().write(&place, Node::Pointer(target.clone()), expect)?;
        self.tell(&place);
        Ok(())
    }

    async fn follow(&self, pointer: &Key) -> Result<Option<(Prefix, Version)>, EngineError> {
        match self.tree().nodes.get(pointer.as_str()) {
            None => Ok(None),
            Some(Node::Pointer(target)) => {
                Ok(Some((target.clone(), Version::of(target.as_str().as_bytes()))))
            }
            Some(_) => Err(EngineError::Foreign { place: pointer.as_prefix(), what: "is not a link" }),
        }
    }

    async fn set_aside(&self, place: &Prefix) -> Result<Prefix, EngineError> {
        refuse_sealed(place)?;
        let to = layout::quarantined(place, &crypto::hex(&crypto::random::<4>()));
        {
            let mut tree = self.tree();
            if !tree.nodes.contains_key(place.as_str()) {
                return Err(absent(place));
            }
            tree.rename(place, &to);
        }
        self.tell(place);
        Ok(to)
    }

    async fn claim(&self, what: &Prefix) -> Result<Claim, EngineError> {
        let number = {
            let mut tree = self.tree();
            tree.must_be_folder(what)?;
            let number = tree.make_folders(what);
            if !tree.held.insert(number) {
                return Err(EngineError::Taken { place: what.clone(), holder: Some("this process".into()) });
            }
            number
        };
        Ok(Claim::new(what.clone(), Hold { tree: Arc::clone(&self.tree), number }))
    }

    fn changes(&self) -> Changes {
        Changes::new(Listener(self.news.subscribe()))
    }

    async fn kept(&self) -> Result<Option<Bytes>, EngineError> {
        Ok(self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn keep(&self, value: Bytes) -> Result<(), EngineError> {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    }

    async fn read_all(&self, folder: &Prefix) -> Result<Vec<(Key, Bytes)>, EngineError> {
        let tree = self.tree();
        if !tree.must_be_folder(folder)? {
            return Err(absent(folder));
        }
        let read = |key: Key| match tree.nodes.get(key.as_str()) {
            Some(Node::Value(value)) => Ok((key, value.clone())),
            _ => Err(EngineError::Foreign { place: key.as_prefix(), what: "is not a plain file" }),
        };
        tree.children(folder).into_iter().map(read).collect()
    }

    async fn follow_all(&self, folder: &Prefix) -> Result<Vec<(Key, Option<Prefix>)>, EngineError> {
        let tree = self.tree();
        tree.must_be_folder(folder)?;
        let follow = |key: Key| match tree.nodes.get(key.as_str()) {
            Some(Node::Pointer(target)) => (key, Some(target.clone())),
            _ => (key, None),
        };
        Ok(tree.children(folder).into_iter().map(follow).collect())
    }
}

/// A held folder.
struct Hold {
    tree: Arc<Mutex<Tree>>,
    number: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner).held.remove(&self.number);
    }
}

struct Listener(broadcast::Receiver<Changed>);

#[async_trait]
impl Watch for Listener {
    async fn next(&mut self) -> Changed {
        match self.0.recv().await {
            Ok(news) => news,
            Err(RecvError::Lagged(_)) => Changed::Something,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
