//! What counts depend on beside the code.

use std::process::Command;

use crate::count;
use crate::figures::Machine;

/// This machine.
pub(crate) fn describe() -> Machine {
    Machine {
        rustc: said(Command::new("rustc").arg("--version")),
        libc: said(Command::new("getconf").arg("GNU_LIBC_VERSION")),
        valgrind: said(Command::new("valgrind").arg("--version")),
        processor: said(count::valgrind("none").arg(count::this()).arg("--features")),
    }
}

/// The processor this runs on, as far as libraries choose their code by it.
pub(crate) fn features() -> String {
    let mut features = vec![std::env::consts::ARCH];
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! seen {
            ($($name:tt)*) => { $(if is_x86_feature_detected!($name) { features.push($name); })* };
        }
        seen!("sse4.2" "aes" "pclmulqdq" "avx" "avx2" "bmi2" "adx" "sha" "avx512f" "vaes" "vpclmulqdq");
    }
    features.join(" ")
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{error}: {command:?} cannot be run"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
