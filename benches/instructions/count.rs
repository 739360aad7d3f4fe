//! Running the measured process, under callgrind or without it.

use std::env::current_exe;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::client::{self, Client};
use crate::operation::Operation;
use crate::paced::Sleeper;

/// What a process has spent.
pub(crate) struct Spent {
    pub(crate) instructions: u64,
    pub(crate) system_calls: u64,
}

/// Counts a process that does an operation so many times. What callgrind has to say about it stays in
/// `target/tmp/<operation>.callgrind`.
pub(crate) fn callgrind(operation: Operation, times: u32) -> Spent {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{operation:?}.callgrind"));
    let mut command = valgrind("callgrind");
    command.arg("--collect-systime=yes").arg(format!("--callgrind-out-file={}", out.display()));
    run(command.arg(this()), operation, times);
    let text = fs::read_to_string(out).expect("what callgrind has counted");
    let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).expect("a callgrind profile");
    let totals: Vec<&str> = line("totals: ").split(' ').collect();
    let total = |event: &str| {
        let column = line("events: ").split(' ').position(|name| name == event);
        totals[column.expect("it is counted")].parse().expect("a number")
    };
    Spent { instructions: total("Ir"), system_calls: total("sysCount") }
}

/// Does an operation once, as it is.
pub(crate) fn try_once(operation: Operation) {
    run(&mut Command::new(this()), operation, 1);
}

/// A command that runs what follows it as if on one and the same processor.
pub(crate) fn valgrind(tool: &str) -> Command {
    let mut command = Command::new("valgrind");
    command.arg("--quiet").arg(format!("--tool={tool}"));
    // Valgrind shows programs a processor of its own making, all but for the instructions that give random numbers.
    // AWS-LC uses those where it sees them; this bit for each of the two says that they are not there.
    command.env("OPENSSL_ia32cap", "~0x4000000000000000:~0x40000");
    command
}

/// This program.
pub(crate) fn this() -> PathBuf {
    current_exe().expect("a program knows where it is")
}

/// Has an operation done by a child, which ends at the latest when this process does: its standard input ends then.
fn run(command: &mut Command, operation: Operation, times: u32) {
    let behind = TcpListener::bind("127.0.0.1:0").expect("a port");
    let backend = behind.local_addr().expect("an address").to_string();
    command.args(["--measured", &format!("{operation:?}"), &times.to_string(), &backend]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_or_else(|error| {
        panic!("{error}: {:?} cannot be run; `sh tests/setup.sh` installs valgrind", command.get_program())
    });
    if !operation.is_solitary() {
        let sleeper = Sleeper::new(child.id());
        client::stand_behind(behind, &sleeper);
        let mut address = String::new();
        let said = child.stdout.take().expect("piped");
        BufReader::new(said).read_line(&mut address).expect("an address");
        let https = address.trim().parse().expect("an address");
        Client { https, sleeper }.ask(operation, times);
    }
    assert!(child.wait().expect("it is ours").success(), "{operation:?} failed");
}
