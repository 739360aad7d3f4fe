//! Tells the linker how a program that only serves has as little as possible of it in memory.

use std::env;
use std::process::Command;

/// A linker script that adds to the default one: functions that run from the start lie together at the front, and the
/// pages of the others stay on the disk. `make first-use` writes it.
const ORDER: &str = "link/first-use.ld";

fn main() {
    println!("cargo::rerun-if-changed={ORDER}");
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|set| set == value);
    // A linker that somebody has chosen may not know such scripts (mold does not), and without it all works as well.
    let chosen = env::var_os("RUSTC_LINKER").is_some()
        || env::var("CARGO_ENCODED_RUSTFLAGS")
            .is_ok_and(|flags| flags.contains("linker") || flags.contains("fuse-ld"));
    if is("CARGO_CFG_TARGET_OS", "linux") && is("PROFILE", "release") && !chosen {
        let root = env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
        println!("cargo::rustc-link-arg-bins=-Wl,--script={root}/{ORDER}");
        if unpacks() {
            // Where pointers have to be corrected at the start is told in a hundredth of the room; all of it is read.
            println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
    }
}

/// Whether the C library here, in or beside the program, knows packed relocations: glibc does since 2.36.
fn unpacks() -> bool {
    let here = env::var("TARGET") == env::var("HOST");
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let version = said.ok().and_then(|said| {
        let said = String::from_utf8(said.stdout).ok()?;
        let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    here && version.is_some_and(|version| version >= (2, 36))
}
