//! What stands on disk, beside what belongs there: kinds, modes, owners, and what has no place at all.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::finding::{Finding, Remedy};
use crate::store::fs::has_acl;
use crate::store::{Prefix, Standing, layout};

/// The places whose kind is wrong. What they hold is not looked at any more.
pub(super) type Misplaced = BTreeSet<PathBuf>;

/// Walks through everything but what is in `quarantine/`, and in the folders of processes that write.
pub(super) fn look(root: &Path) -> (Vec<Finding>, Misplaced) {
    let mut walk = Walk { root, owner: (0, 0), findings: Vec::new(), misplaced: BTreeSet::new() };
    match root.metadata() {
        Ok(meta) => {
            // The root of a volume may be the platform's, which gives others a group's access to it: it is not ours to
            // close.
            let ours = root.join(layout::items().as_str()).metadata().unwrap_or_else(|_| meta.clone());
            walk.owner = (ours.uid(), ours.gid());
            if meta.uid() == ours.uid() {
                walk.mode(Path::new(""), &meta);
            }
            walk.folder(Path::new(""));
            walk.bases();
        }
        Err(error) => walk.unreadable(Path::new(""), &error),
    }
    (walk.findings, walk.misplaced)
}

struct Walk<'a> {
    root: &'a Path,
    /// To whom what is in the storage belongs.
    owner: (u32, u32),
    findings: Vec<Finding>,
    misplaced: Misplaced,
}

impl Walk<'_> {
    fn found(&mut self, place: &Path, wrong: impl Into<String>, remedy: Remedy) {
        self.findings.push(Finding::new(place, wrong, remedy));
    }

    fn folder(&mut self, folder: &Path) {
        match fs::read_dir(self.root.join(folder)) {
            Err(error) => self.unreadable(folder, &error),
            Ok(entries) => {
                for entry in entries {
                    match entry {
                        Ok(entry) => self.entry(&folder.join(entry.file_name())),
                        Err(error) => self.unreadable(folder, &error),
                    }
                }
            }
        }
    }

    fn entry(&mut self, place: &Path) {
        let meta = match self.root.join(place).symlink_metadata() {
            Ok(meta) => meta,
            // It was there a moment ago, and belongs to a process at work.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.unreadable(place, &error),
        };
        // A filesystem's own, where the storage is one.
        if place == Path::new("lost+found") && meta.is_dir() {
            return;
        }
        let standing = prefix(place).map_or(Standing::Nothing, |place| Standing::of(&place));
        let fits = match standing {
            Standing::Base | Standing::Folder | Standing::Opaque => meta.is_dir(),
            Standing::File => meta.is_file(),
            Standing::Link => meta.is_symlink(),
            Standing::Socket => meta.file_type().is_socket(),
            Standing::Nothing => false,
        };
        if !fits {
            self.misplaced.insert(place.to_owned());
            return self.misfit(place, standing, &meta);
        }
        if meta.is_symlink() {
            return;
        }
        self.owner(place, &meta);
        self.mode(place, &meta);
        if matches!(standing, Standing::Base | Standing::Folder) {
            self.folder(place);
        }
    }

    fn misfit(&mut self, place: &Path, standing: Standing, meta: &Metadata) {
        let is = kind(meta);
        let belongs = match standing {
            Standing::Base | Standing::Opaque if meta.is_symlink() => {
                let advice = "put the folder itself here: the whole storage must be on one filesystem";
                return self.found(
                    place,
                    "is a link to a folder elsewhere",
                    Remedy::Person(advice.to_owned()),
                );
            }
            Standing::Nothing => {
                return self.found(place, format!("is {is} that does not belong here"), Remedy::MoveAway);
            }
            Standing::Base | Standing::Folder | Standing::Opaque => "a folder",
            Standing::File => "a file",
            Standing::Link => "a link",
            Standing::Socket => "a socket",
        };
        self.found(place, format!("is {is} where {belongs} belongs"), Remedy::MoveAway);
    }

    fn owner(&mut self, place: &Path, meta: &Metadata) {
        let (user, group) = self.owner;
        if meta.uid() != user {
            let wrong = format!("belongs to user {}, and the storage to {user}", meta.uid());
            self.found(place, wrong, Remedy::Owner(user, group));
        }
    }

    fn mode(&mut self, place: &Path, meta: &Metadata) {
        let right = if meta.is_dir() { 0o700 } else { 0o600 };
        // A group that goes on to new files is no access.
        let mode = meta.mode() & 0o7777 & !if meta.is_dir() { 0o2000 } else { 0 };
        if mode == right || has_acl(&self.root.join(place)) {
            return;
        }
        let wrong = if mode & 0o077 != 0 { "is open to others" } else { "has a mode of its own" };
        self.found(place, format!("{wrong} (mode {mode:04o})"), Remedy::Mode(right));
    }

    /// Folders that should be there from the beginning, and are not.
    fn bases(&mut self) {
        for base in layout::folders() {
            let missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
            if self.root.join(base.as_str()).symlink_metadata().is_err_and(missing) {
                self.found(Path::new(base.as_str()), "is missing", Remedy::Make);
            }
        }
    }

    fn unreadable(&mut self, place: &Path, error: &io::Error) {
        self.findings.push(Finding::unreadable(place, error));
    }
}

/// The place as the store would write it.
fn prefix(place: &Path) -> Option<Prefix> {
    let step = |above: Prefix, name: &str| Some(above.child(name)?.as_prefix());
    place.to_str()?.split('/').try_fold(Prefix::root(), step)
}

fn kind(meta: &Metadata) -> &'static str {
    match meta.file_type() {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_file() => "a file",
        kind if kind.is_symlink() => "a link",
        _ => "a pipe, a socket or a device",
    }
}
