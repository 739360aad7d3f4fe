//! The program is interrupted at every system call by which it changes its storage: killed there, told that the disk is
//! broken, full, read-only or closed to it, or given half a write. Then it is started again, in peace.

use std::fmt::Write;

use nix::errno::Errno;

use super::chosen;
use super::page::Interrupted;
use super::scene::Scene;
use super::stage::Stage;
use crate::house::tracer::{self, Fault, Injection};

/// What happens at a call.
const FAULTS: [Fault; 6] = [
    Fault::Kill,
    Fault::Fails(Errno::EIO),
    Fault::Fails(Errno::ENOSPC),
    Fault::Fails(Errno::EROFS),
    Fault::Fails(Errno::EACCES),
    Fault::Short,
];

/// Interruptions of one scene in a sample.
const SAMPLE: usize = 6;

in_every_scene!(at_every_call);

/// Interrupts it everywhere, or here and there, and fails with all that was not as it should be.
async fn at_every_call(scene: Scene) {
    if !tracer::is_allowed() {
        return;
    }
    let mut stage = Stage::set(scene).await;
    let (calls, writes) = stage.in_peace().await;
    let points = |fault| if fault == Fault::Short { writes } else { calls };
    let all = FAULTS.iter().flat_map(|&fault| (0..points(fault)).map(move |at| Injection { at, fault }));
    let (mut struck, mut faults) = (0, String::new());
    for injection in chosen(all.collect(), SAMPLE) {
        let outcome = stage.interrupted(injection).await;
        struck += usize::from(outcome.struck.is_some());
        for fault in outcome.faults {
            writeln!(faults, "{injection:?}, {:.300}: {fault}", format!("{:?}", outcome.struck))
                .expect("a string");
        }
    }
    assert!(faults.is_empty(), "{}:\n{faults}", scene.name());
    assert!(struck > 0, "{}: nothing was interrupted", scene.name());
    Interrupted { what: scene.name(), calls, struck }.note();
}
