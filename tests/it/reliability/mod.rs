//! What holds however the program ends: docs/reliability.md says it, and these tests find it out.
//!
//! [`interrupted`] plays a [`scene::Scene`] again and again, and lets one system call after another go wrong; [`power_cut`]
//! records it once, and builds from the recording every disk that a power cut may leave. Either way the program is started
//! again then, in peace, and looked at.
//!
//! A run of the tests takes every so many of the points there are; `make crash` takes all of them, and writes what it
//! counted into the page.
//!
//! Where the kernel lets nobody trace his children, these tests fail and say so, unless `WITHOUT_PTRACE` is set: then
//! nothing but the verbs of the storage is interrupted, by `crash`.

/// A test of each scene.
macro_rules! in_every_scene {
    ($holds:path) => {
        in_every_scene! {
            $holds:
            a_first_start: Own,
            an_account_and_its_first_certificate: First,
            a_renewal: Renewal,
            a_revocation: Revoke,
            a_sweep: Sweep,
            going_back: Rollback,
            what_makes_room: Prune,
            a_restore: Restore,
            an_import: Import,
            a_repair: Repair,
        }
    };
    ($holds:path: $($sentence:ident: $scene:ident,)*) => {
        $(#[tokio::test]
        async fn $sentence() {
            $holds(Scene::$scene).await;
        })*
    };
}

mod disk;
mod held;
mod interrupted;
mod page;
mod power_cut;
mod recording;
mod scene;
mod stage;

/// Whether everything is to be looked at, and written down.
fn everything() -> bool {
    std::env::var_os("CRASH_EVERYWHERE").is_some()
}

/// All of these, or as many as a run of the tests has time for, the same every time.
fn chosen<T>(all: Vec<T>, sample: usize) -> Vec<T> {
    if everything() {
        return all;
    }
    let step = all.len().div_ceil(sample).max(1);
    // From the middle of the first step, since the very first point is the least of them.
    all.into_iter().skip(step / 2).step_by(step).collect()
}
