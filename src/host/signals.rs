//! What the operating system asks of us, as values.

use std::fmt;
use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// A signal we act upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: a supervisor wants us to drain and end; the second time, to end now.
    Terminate,
    /// SIGINT: the same from a keyboard.
    Interrupt,
    /// SIGHUP: read configuration and certificates again.
    Reload,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::Reload => "SIGHUP",
        })
    }
}

/// The signals of this process, from the moment this value exists.
#[derive(Debug)]
pub struct Signals {
    terminate: Stream,
    interrupt: Stream,
    reload: Stream,
}

impl Signals {
    /// Takes the signals over from their default actions. Needs a runtime with io enabled.
    ///
    /// # Errors
    ///
    /// What the system said when a handler could not be installed.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal. Dropping the future loses none.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            Some(()) = self.terminate.recv() => Signal::Terminate,
            Some(()) = self.interrupt.recv() => Signal::Interrupt,
            Some(()) = self.reload.recv() => Signal::Reload,
            // The streams end with the runtime, and nobody waits here then.
            else => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal as Raw, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn signals_arrive_as_what_they_mean() {
        let mut signals = Signals::install().expect("handlers");
        for (raw, meant) in
            [(Raw::HUP, Signal::Reload), (Raw::TERM, Signal::Terminate), (Raw::INT, Signal::Interrupt)]
        {
            kill_process(getpid(), raw).expect("our own process");
            assert_eq!(signals.next().await, meant);
        }
    }
}
