//! Tells the linker which functions a program that only serves has run: they lie together at the front, and the pages
//! of the others stay on the disk.

use std::env;

/// A linker script that adds to the default one. `make first-use` writes it.
const ORDER: &str = "link/first-use.ld";

fn main() {
    println!("cargo::rerun-if-changed={ORDER}");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|set| set == value);
    // A linker that somebody has chosen may not know such scripts (mold does not), and without it all works as well.
    let chosen = env::var_os("RUSTC_LINKER").is_some()
        || env::var("CARGO_ENCODED_RUSTFLAGS")
            .is_ok_and(|flags| flags.contains("linker") || flags.contains("fuse-ld"));
    if is("CARGO_CFG_TARGET_OS", "linux") && is("PROFILE", "release") && !chosen {
        let root = env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
        println!("cargo::rustc-link-arg-bins=-Wl,--script={root}/{ORDER}");
    }
}
