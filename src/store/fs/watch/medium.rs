//! Whether the kernel hears of everything that happens on a filesystem.

use std::path::Path;

use rustix::fs::{FsWord, statfs};

/// Filesystems that are changed through this kernel only, by what `statfs` calls them (`linux/magic.h`).
const LOCAL: [FsWord; 11] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0xF2F5_2010, // F2FS
    0x2FC1_2FC1, // ZFS
    0xCA45_1A4E, // bcachefs
    0x5265_4973, // ReiserFS
    0x3153_464A, // JFS
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    0x794C_7630, // overlayfs
];

/// Whether nobody but this machine changes what is at this path. Where that is not known, others may.
pub(super) fn is_local(path: &Path) -> bool {
    statfs(path).is_ok_and(|about| is_local_type(about.f_type))
}

fn is_local_type(kind: FsWord) -> bool {
    LOCAL.contains(&kind)
}

#[cfg(test)]
mod tests {
    use rustix::fs::NFS_SUPER_MAGIC;

    use super::*;

    #[test]
    fn what_another_machine_may_change_is_not_local() {
        assert!(is_local_type(0xEF53) && is_local_type(0x0102_1994));
        let (smb2, fuse, ninep, ceph, lustre) =
            (0xFE53_4D42, 0x6573_5546, 0x0102_1997, 0x00C3_6400, 0x0BD0_0BD0);
        for kind in [NFS_SUPER_MAGIC, smb2, fuse, ninep, ceph, lustre] {
            assert!(!is_local_type(kind), "{kind:#x}");
        }
        assert!(!is_local(Path::new("/proc")) && !is_local(Path::new("/nowhere/at/all")));
    }
}
