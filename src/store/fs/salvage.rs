//! What an engine cannot do: to move things whose names are no [`Key`](crate::store::Key), that lie inside an item, or
//! that stand in the way of the folders themselves.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::durable::{Held, hold, make_folder, rename_new, sync_folder};
use crate::pki::crypto;
use crate::store::{Prefix, StoreError, layout};

/// The issuer role of a storage directory, taken in order to repair it. Nobody issues while it lives.
pub struct Salvage {
    root: PathBuf,
    /// What stood in the place of the lock's folder, and where it is now.
    cleared: Vec<(PathBuf, PathBuf)>,
    _role: File,
}

impl Salvage {
    /// Takes the role. What is not a folder in the place of the lock's is moved to `quarantine/`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] if another process has it; [`StoreError::Storage`] if the directory cannot be changed.
    pub fn begin(root: &Path) -> Result<Self, StoreError> {
        let failed = |cause: io::Error| StoreError::Storage {
            path: root.display().to_string(),
            advice: "run as a user who may write there",
            cause: cause.into(),
        };
        let root = root.canonicalize().map_err(failed)?;
        let (role, mut cleared) = (layout::issuer_role(), Vec::new());
        for place in [role.folder(), role.clone()] {
            let path = root.join(place.as_str());
            if path.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
                let from = PathBuf::from(place.as_str());
                let to = move_away(&root, &from).map_err(failed)?;
                cleared.push((from, to));
            }
            make_folder(&path).map_err(failed)?;
        }
        match hold(&root.join(role.as_str())).map_err(failed)? {
            Held::Mine(file) => Ok(Self { root, cleared, _role: file }),
            Held::Other(holder) => Err(StoreError::Taken { place: role, holder }),
            Held::Moved => Err(StoreError::Taken { place: role, holder: None }),
        }
    }

    /// What had to be moved before the role could be taken: from where, and where to.
    #[must_use]
    pub fn cleared(&self) -> &[(PathBuf, PathBuf)] {
        &self.cleared
    }

    /// Moves something to `quarantine/`, and says where to. Nothing is followed, read or deleted.
    ///
    /// # Errors
    ///
    /// If it is not there, or cannot be moved.
    pub fn move_away(&self, place: &Path) -> io::Result<PathBuf> {
        move_away(&self.root, place)
    }
}

fn move_away(root: &Path, place: &Path) -> io::Result<PathBuf> {
    let name: String =
        place.to_string_lossy().chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    let named = name.split('/').try_fold(Prefix::root(), |above, name| Some(above.child(name)?.as_prefix()));
    let named = named.ok_or(ErrorKind::InvalidInput)?;
    let to = layout::quarantined(&named, &crypto::hex(&crypto::random::<4>()));
    let quarantine = root.join(layout::quarantine().as_str());
    make_folder(&quarantine)?;
    let (from, to) = (root.join(place), to.as_str().to_owned());
    rename_new(&from, &root.join(&to))?;
    sync_folder(&quarantine)?;
    if let Some(folder) = from.parent() {
        sync_folder(folder)?;
    }
    Ok(to.into())
}

/// Whether somebody has given others access to this file by an access control list, which shows in its mode as well.
#[must_use]
pub fn has_acl(path: &Path) -> bool {
    // No list is ENODATA, and a filesystem without lists has none.
    rustix::fs::lgetxattr(path, c"system.posix_acl_access", &mut [0_u8; 0]).is_ok_and(|length| length > 0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn whatever_it_is_called_it_is_moved_and_kept() {
        let root = tempfile::tempdir().expect("a directory");
        let salvage = Salvage::begin(root.path()).expect("nobody else is here");
        let name = Path::new(std::ffi::OsStr::from_bytes(b"b\xff\nd"));
        fs::write(root.path().join(name), "bytes").expect("written");
        let to = salvage.move_away(name).expect("moved");
        assert_eq!(fs::read_to_string(root.path().join(&to)).expect("kept"), "bytes");
        assert!(to.starts_with("quarantine"), "{}", to.display());
        assert!(!root.path().join(name).exists());
        assert!(matches!(Salvage::begin(root.path()), Err(StoreError::Taken { .. })), "one at a time");
    }
}
