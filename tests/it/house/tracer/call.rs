//! What a system call does to files, read from the registers and the memory of the process that makes it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::libc::{self, user_regs_struct};
use nix::unistd::Pid;

/// A call that changes files, or makes a change last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// A file is opened and made if it is not there.
    Create {
        path: PathBuf,
        /// What it held is gone.
        truncated: bool,
    },
    Write {
        path: PathBuf,
        at: u64,
        bytes: Vec<u8>,
    },
    Truncate {
        path: PathBuf,
        length: u64,
    },
    Sync {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    /// Another name for a file.
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Symlink {
        target: PathBuf,
        path: PathBuf,
    },
    /// Of a file, a link or an empty folder.
    Remove {
        path: PathBuf,
    },
    Mkdir {
        path: PathBuf,
    },
    Chmod {
        path: PathBuf,
    },
}

impl Call {
    /// What is changed.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Create { path, .. }
            | Self::Write { path, .. }
            | Self::Truncate { path, .. }
            | Self::Sync { path }
            | Self::Symlink { path, .. }
            | Self::Remove { path }
            | Self::Mkdir { path }
            | Self::Chmod { path } => path,
            Self::Rename { to, .. } | Self::Link { to, .. } => to,
        }
    }
}

/// The call that the thread is about to make, if it changes something below `root`.
///
/// # Panics
///
/// If it does so in a way that is not known here: then it must become known.
pub(super) fn read(pid: Pid, regs: &user_regs_struct, root: &Path) -> Option<Call> {
    known(pid, regs).filter(|call| call.path().starts_with(root)).or_else(|| {
        let file = written_otherwise(pid, regs).filter(|file| file.starts_with(root));
        assert!(
            file.is_none(),
            "{file:?} is written by system call {}, which is not known here",
            regs.orig_rax
        );
        None
    })
}

/// The file that is written by a call other than those whose work is [`known`].
fn written_otherwise(pid: Pid, regs: &user_regs_struct) -> Option<PathBuf> {
    let file = match regs.orig_rax.cast_signed() {
        libc::SYS_writev
        | libc::SYS_pwritev
        | libc::SYS_pwritev2
        | libc::SYS_sendfile
        | libc::SYS_fallocate => regs.rdi,
        libc::SYS_copy_file_range | libc::SYS_splice => regs.rdx,
        _ => return None,
    };
    Process(pid).file(file)
}

fn known(pid: Pid, regs: &user_regs_struct) -> Option<Call> {
    let process = Process(pid);
    let [a, b, c, d] = [regs.rdi, regs.rsi, regs.rdx, regs.r10];
    let at = |folder, path| process.path(folder, path);
    let here = |path| process.path(HERE, path);
    let number = regs.orig_rax.cast_signed();
    Some(match number {
        libc::SYS_openat if flag(c, libc::O_CREAT) => {
            Call::Create { path: at(a, b)?, truncated: flag(c, libc::O_TRUNC) }
        }
        libc::SYS_open if flag(b, libc::O_CREAT) => {
            Call::Create { path: here(a)?, truncated: flag(b, libc::O_TRUNC) }
        }
        libc::SYS_creat => Call::Create { path: here(a)?, truncated: true },
        libc::SYS_write => {
            Call::Write { path: process.file(a)?, at: process.position(a)?, bytes: process.bytes(b, c)? }
        }
        libc::SYS_pwrite64 => Call::Write { path: process.file(a)?, at: d, bytes: process.bytes(b, c)? },
        libc::SYS_ftruncate => Call::Truncate { path: process.file(a)?, length: b },
        libc::SYS_truncate => Call::Truncate { path: here(a)?, length: b },
        libc::SYS_fsync | libc::SYS_fdatasync => Call::Sync { path: process.file(a)? },
        libc::SYS_rename => Call::Rename { from: here(a)?, to: here(b)? },
        libc::SYS_renameat | libc::SYS_renameat2 => Call::Rename { from: at(a, b)?, to: at(c, d)? },
        libc::SYS_link => Call::Link { from: here(a)?, to: here(b)? },
        libc::SYS_linkat => Call::Link { from: at(a, b)?, to: at(c, d)? },
        libc::SYS_symlink => Call::Symlink { target: process.text(a)?, path: here(b)? },
        libc::SYS_symlinkat => Call::Symlink { target: process.text(a)?, path: at(b, c)? },
        libc::SYS_unlink | libc::SYS_rmdir => Call::Remove { path: here(a)? },
        libc::SYS_unlinkat => Call::Remove { path: at(a, b)? },
        libc::SYS_mkdir => Call::Mkdir { path: here(a)? },
        libc::SYS_mkdirat => Call::Mkdir { path: at(a, b)? },
        libc::SYS_chmod => Call::Chmod { path: here(a)? },
        libc::SYS_fchmod => Call::Chmod { path: process.file(a)? },
        libc::SYS_fchmodat => Call::Chmod { path: at(a, b)? },
        _ => return None,
    })
}

/// What the thread is about to write to standard error.
pub(super) fn said(pid: Pid, regs: &user_regs_struct) -> Option<String> {
    let says = regs.orig_rax.cast_signed() == libc::SYS_write && regs.rdi == 2;
    says.then(|| Process(pid).bytes(regs.rsi, regs.rdx))
        .flatten()
        .map(|b| String::from_utf8_lossy(&b).into_owned())
}

/// `AT_FDCWD` as an argument.
const HERE: u64 = libc::AT_FDCWD as u64;

fn flag(flags: u64, flag: i32) -> bool {
    flags & u64::from(flag.unsigned_abs()) != 0
}

struct Process(Pid);

impl Process {
    /// What stands at a path, seen from an open folder or from the process's own.
    fn path(&self, folder: u64, at: u64) -> Option<PathBuf> {
        let path = self.text(at)?;
        // An int in a register: the upper half is not part of it.
        let folder = if folder as u32 == HERE as u32 { self.look("cwd")? } else { self.file(folder)? };
        Some(folder.join(path))
    }

    /// The path of an open file; none of what has no path.
    fn file(&self, descriptor: u64) -> Option<PathBuf> {
        self.look(&format!("fd/{}", descriptor as u32)).filter(|path| path.is_absolute())
    }

    fn look(&self, what: &str) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/{what}", self.0)).ok()
    }

    /// Where the next write goes.
    fn position(&self, descriptor: u64) -> Option<u64> {
        let facts = fs::read_to_string(format!("/proc/{}/fdinfo/{descriptor}", self.0)).ok()?;
        let fact = |name| Some(facts.lines().find_map(|line| line.strip_prefix(name))?.trim());
        let flags = i32::from_str_radix(fact("flags:")?, 8).ok()?;
        if flags & libc::O_APPEND == 0 {
            return fact("pos:")?.parse().ok();
        }
        Some(self.file(descriptor)?.metadata().ok()?.len())
    }

    fn text(&self, at: u64) -> Option<PathBuf> {
        const PAGE: u64 = 4096;
        let memory = File::open(format!("/proc/{}/mem", self.0)).ok()?;
        let (mut text, mut at) = (Vec::new(), at);
        loop {
            // Not beyond the page, since the next one may not be there.
            let mut piece = vec![0; usize::try_from(PAGE - at % PAGE).ok()?];
            memory.read_exact_at(&mut piece, at).ok()?;
            if let Some(end) = piece.iter().position(|byte| *byte == 0) {
                text.extend(&piece[..end]);
                return Some(OsString::from_vec(text).into());
            }
            at += piece.len() as u64;
            text.append(&mut piece);
        }
    }

    fn bytes(&self, at: u64, length: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        File::open(format!("/proc/{}/mem", self.0)).ok()?.read_exact_at(&mut bytes, at).ok()?;
        Some(bytes)
    }
}
