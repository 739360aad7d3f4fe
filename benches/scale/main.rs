//! The program with very many names: how soon the first client is served, what a name takes in memory, and what it costs to
//! serve one whose certificate is not in memory.
//!
//! ```text
//! make scale                            100,000 names, in a temporary directory (2 GB, a million files)
//! SCALE_NAMES=1000000 make scale        more of them
//! SCALE_DIRECTORY=/mnt/x make scale     there; what an earlier run has made is used again
//! SCALE_COLD='umount /mnt/x && mount /mnt/x' make scale      runs that before a start that reads from the disk
//! ```
//!
//! Each name has a certificate and an item of its own; the files that would be equal are links to the same ones. What is
//! told is wall time, and CPU time of the whole process in brackets: the machine may have other work to do.

#[path = "../house/mod.rs"]
mod house;
mod process;
mod storage;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use process::{Program, Seen};
use storage::Storage;

/// So many handshakes of each kind are made; the one in the middle counts.
const HANDSHAKES: usize = 201;

fn main() {
    if !env::args().any(|word| word == "--bench") {
        // Called as a test: whether it works.
        return tell(&measure(&place(None), 1000, None));
    }
    let names = env::var("SCALE_NAMES").map_or(100_000, |count| count.parse().expect("a number"));
    let cold = env::var("SCALE_COLD").ok();
    tell(&measure(&place(env::var_os("SCALE_DIRECTORY").map(PathBuf::from)), names, cold.as_deref()));
}

/// Where the storages are, and for how long.
enum Place {
    Ours(tempfile::TempDir),
    Given(PathBuf),
}

fn place(given: Option<PathBuf>) -> Place {
    given.map_or_else(|| Place::Ours(tempfile::tempdir().expect("a directory")), Place::Given)
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Self::Ours(place) => place.path(),
            Self::Given(path) => path,
        }
    }
}

/// What was found.
struct Figures {
    names: usize,
    /// From the start of the program to the end of the first handshake, with everything in the page cache.
    warm: Seen,
    /// The same with nothing there.
    cold: Option<Seen>,
    /// Bytes of the process then, with one name and with all.
    least: u64,
    first: u64,
    /// The process when it has read whatever it reads by itself.
    settled: Seen,
    /// The handshake in the middle, of those whose certificate has to be read, and of the same once more.
    unread: Duration,
    again: Duration,
}

fn measure(place: &Place, names: usize, cold: Option<&str>) -> Figures {
    let one = Storage::make(&place.path().join("1"), 1);
    let least = Program::start(&one).first(0).memory;
    let storage = Storage::make(&place.path().join(names.to_string()), names);
    let cold = cold.map(|command| {
        let done = Command::new("sh").args(["-c", command]).status().expect("a shell");
        assert!(done.success(), "{command}: {done}");
        Program::start(&storage).first(names / 2)
    });
    // What the kernel remembers from this one, it has for the next.
    Program::start(&storage).first(names / 2);
    let program = Program::start(&storage);
    let warm = program.first(names / 2);
    let settled = program.settled();
    // The first ones are read last by the program itself, and not kept if there are many.
    let shake = |number| {
        let began = Instant::now();
        program.shake(number);
        began.elapsed()
    };
    let middle = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let some = HANDSHAKES.min(names / 2);
    let unread = middle((0..some).map(shake).collect());
    let again = middle((0..some).map(shake).collect());
    Figures { names, warm, cold, least, first: warm.memory, settled, unread, again }
}

fn tell(figures: &Figures) {
    let Figures { names, warm, cold, least, first, settled, unread, again } = figures;
    let seen = |seen: &Seen| format!("{:.2} s ({:.2} s)", seen.wall.as_secs_f64(), seen.cpu.as_secs_f64());
    let each = |bytes: u64| bytes.saturating_sub(*least) / *names as u64;
    let memory = |bytes: u64| format!("{:.1} MB, {} bytes a name", bytes as f64 / 1e6, each(bytes));
    println!("\n| {names} names | |\n|---|---|");
    println!("| until the first handshake is done | {} |", seen(warm));
    if let Some(cold) = cold {
        println!("| the same, with nothing in the page cache | {} |", seen(cold));
    }
    println!("| memory then | {} |", memory(*first));
    println!("| until everything has been looked at, in the background | {} |", seen(settled));
    println!("| memory then | {} |", memory(settled.memory));
    println!("| handshake with a certificate that has to be read | {} µs |", unread.as_micros());
    println!("| the same once more | {} µs |", again.as_micros());
}
