//! Following all threads of a process from stop to stop, and meddling with one of its calls.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{Call, Fault, Injection, Seen, call};

/// One process, and what is to be done to it.
pub(super) struct Tracer {
    root: PathBuf,
    injection: Option<Injection>,
    seen: Arc<Mutex<Seen>>,
    leader: Pid,
    /// Calls that have begun, by thread.
    pending: HashMap<Pid, Pending>,
}

struct Pending {
    call: Call,
    /// What is put right when the call returns.
    meddled: Meddled,
}

enum Meddled {
    No,
    /// The call was made one that does not exist, and returns this.
    Fails(Errno),
    /// This is how much was to be written.
    Short(u64),
}

/// `PTRACE_GET_SYSCALL_INFO` says with these which of its two stops a call is at.
const ENTRY: u8 = 1;
const EXIT: u8 = 2;

impl Tracer {
    /// Of a child of this thread, for what it does below `root`.
    pub(super) fn new(
        leader: Pid,
        root: PathBuf,
        injection: Option<Injection>,
        seen: Arc<Mutex<Seen>>,
    ) -> Self {
        Self { root, injection, seen, leader, pending: HashMap::new() }
    }

    /// Takes hold of the process, lets it go on, and follows all its threads to the end.
    pub(super) fn follow(mut self, go: impl FnOnce()) -> WaitStatus {
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::seize(self.leader, options).expect("a child of one's own may be traced");
        ptrace::interrupt(self.leader).expect("it is seized");
        let mut go = Some(go);
        // The children of this thread, and no others: other tests have theirs.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        loop {
            let status = waitpid(Pid::from_raw(-1), Some(flags)).expect("there is a child");
            let signal = match status {
                WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _) if pid == self.leader => {
                    return status;
                }
                WaitStatus::PtraceSyscall(pid) => {
                    self.stopped(pid);
                    None
                }
                WaitStatus::Stopped(_, signal) => Some(signal),
                _ => None,
            };
            if let Some(pid) = status.pid() {
                // One that was killed meanwhile is heard of next.
                let _ = ptrace::syscall(pid, signal);
            }
            if let Some(go) = go.take() {
                go();
            }
        }
    }

    /// A thread stands before a call or after it. One that is killed meanwhile answers nothing, and nothing is done.
    fn stopped(&mut self, pid: Pid) {
        match ptrace::syscall_info(pid).map(|info| info.op) {
            Ok(ENTRY) => self.begins(pid).unwrap_or_default(),
            Ok(EXIT) => self.ends(pid).unwrap_or_default(),
            _ => {}
        }
    }

    fn begins(&mut self, pid: Pid) -> nix::Result<()> {
        let mut regs = ptrace::getregs(pid)?;
        if let Some(text) = call::said(pid, &regs) {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let done = seen.done.len();
            seen.said.push((done, text));
        }
        let Some(mut call) = call::read(pid, &regs, &self.root) else { return Ok(()) };
        let long = matches!(&call, Call::Write { bytes, .. } if bytes.len() > 1);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, writes) = (seen.begun, seen.writes);
        seen.begun += 1;
        seen.writes += usize::from(long);
        let fault = self.injection.and_then(|Injection { at, fault }| match fault {
            Fault::Short => (long && writes == at).then_some(fault),
            _ => (all == at).then_some(fault),
        });
        if fault.is_some() {
            seen.struck = Some(call.clone());
        }
        let meddled = match fault {
            None => Meddled::No,
            Some(Fault::Kill) => return kill(self.leader, Signal::SIGKILL),
            Some(Fault::Fails(errno)) => {
                regs.orig_rax = u64::MAX;
                ptrace::setregs(pid, regs)?;
                Meddled::Fails(errno)
            }
            Some(Fault::Short) => {
                let whole = regs.rdx;
                regs.rdx /= 2;
                if let Call::Write { bytes, .. } = &mut call {
                    bytes.truncate(bytes.len() / 2);
                }
                ptrace::setregs(pid, regs)?;
                Meddled::Short(whole)
            }
        };
        self.pending.insert(pid, Pending { call, meddled });
        Ok(())
    }

    fn ends(&mut self, pid: Pid) -> nix::Result<()> {
        let Some(Pending { call, meddled }) = self.pending.remove(&pid) else { return Ok(()) };
        let mut regs = ptrace::getregs(pid)?;
        match meddled {
            Meddled::No => {}
            Meddled::Fails(errno) => {
                regs.rax = i64::from(-(errno as i32)).cast_unsigned();
                ptrace::setregs(pid, regs)?;
            }
            // The caller may rely on its registers.
            Meddled::Short(whole) => {
                regs.rdx = whole;
                ptrace::setregs(pid, regs)?;
            }
        }
        if regs.rax.cast_signed() >= 0 {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.done.push(call);
            seen.threads.push(pid);
        }
        Ok(())
    }
}
