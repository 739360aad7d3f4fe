//! What [`start`](super::start) started.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::AppError;
use super::build::{self, Kit};
use super::hooks::Hooks;
use crate::admin::View;
use crate::config::Settings;
use crate::manager::Commands;
use crate::proxy::{Drain, Proxy};

/// How long the last access lines may take. A reader that has stopped reading keeps nobody from ending.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Where a running process listens; ports are never zero.
#[derive(Debug, Clone)]
pub struct Addrs {
    /// For apps.
    pub https: SocketAddr,
    /// For challenges and redirects.
    pub http: Option<SocketAddr>,
    /// For probes.
    pub health: Vec<SocketAddr>,
}

/// A running sidegate. Dropping it cuts every connection; [`stop`](Self::stop) is the friendly way.
pub struct Running {
    pub(super) addrs: Addrs,
    pub(super) settings: Settings,
    pub(super) kit: Kit,
    pub(super) proxy: Arc<Proxy>,
    pub(super) drain: Drain,
    pub(super) view: View,
    pub(super) commands: Commands,
    pub(super) hooks: Hooks,
    /// Ends the control plane.
    pub(super) end: CancellationToken,
    pub(super) threads: Vec<JoinHandle<()>>,
    /// Writes access lines, until the last one is out.
    pub(super) scribe: Option<JoinHandle<()>>,
    /// Names of threads that have ended.
    pub(super) deaths: mpsc::UnboundedReceiver<String>,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn addrs(&self) -> &Addrs {
        &self.addrs
    }

    /// What it was told to do.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the name of a thread that ended although nobody asked it to.
    pub async fn died(&mut self) -> String {
        self.deaths.recv().await.unwrap_or_default()
    }

    /// Takes new settings over: routes, certificates and the CA at once, for whatever connects from now on. Open
    /// connections stay, and so does what only a start can change; the log names it then.
    ///
    /// # Errors
    ///
    /// [`AppError`] if the settings cannot be built; everything stays as it is then.
    pub async fn reload(&mut self, settings: Settings) -> Result<(), AppError> {
        let options = build::manager(&settings, &self.kit)?;
        self.hooks.configure(settings.hooks.clone())?;
        if settings.sites != self.settings.sites || settings.on_demand != self.settings.on_demand {
            self.proxy.replace_routes(build::routes(&settings, &self.kit.roots));
        }
        self.commands.configure(options).await;
        let (old, new) = (&self.settings, &settings);
        for (what, differs) in [
            ("storage", old.storage != new.storage),
            ("listen", old.listen != new.listen),
            ("log", old.log != new.log || old.access != new.access),
            ("workers", old.workers != new.workers),
        ] {
            if differs {
                warn!(what, "changed in the configuration; a restart takes it over");
            }
        }
        self.settings = settings;
        Ok(())
    }

    /// Stops: no new connections, the open ones finish within the configured time, then the control plane ends. Their
    /// access lines are out by then, if somebody reads them.
    pub async fn stop(self) {
        self.stop_or(std::future::pending()).await;
    }

    /// As [`stop`](Self::stop), but cuts the connections that are left as soon as `now` resolves.
    pub async fn stop_or(self, now: impl Future<Output = ()>) {
        tokio::pin!(now);
        let Self { drain, view, hooks, end, threads, scribe, settings, proxy, .. } = self;
        let grace = settings.drain;
        info!(connections = proxy.status().open_connections(), grace = ?grace, "stopping");
        view.drain();
        hooks.end();
        drain.begin(grace);
        tokio::select! {
            () = drain.finished() => {}
            () = &mut now => {
                drain.cut();
                drain.finished().await;
            }
        }
        // While this process has the role: who has it next goes on where they ended.
        hooks.stop();
        end.cancel();
        for thread in threads {
            // A thread that died has said so.
            let _ = thread.join();
        }
        // The last one who could have something to write.
        drop(proxy);
        let latest = Instant::now() + LAST_LINES;
        while scribe.as_ref().is_some_and(|scribe| !scribe.is_finished()) && Instant::now() < latest {
            sleep(Duration::from_millis(1)).await;
        }
        info!("stopped");
    }
}
