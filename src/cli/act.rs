//! From a [`Command`] to an exit code.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;
use tokio::runtime::LocalRuntime;
use tracing::{error, info, warn};

use super::Command;
use crate::app::{self, Demo, Running, with_causes};
use crate::config::{self, Env, Faults, Flags, Keeper, Purpose, Settings};
use crate::host::{Child, Scratch, Signal, Signals, SpawnError, limits, telemetry};

/// The configuration was read, and what it leads to is wrong (`EX_CONFIG`).
const CONFIG: u8 = 78;
/// Something failed.
pub(super) const FAILED: u8 = 1;

/// Does what the command says and returns when it is done.
///
/// 0 if it went as asked, 1 if something failed, 64 if only the command line is to blame and 78 if the configuration
/// is wrong; under `run` the program's own code.
#[must_use]
pub fn act(command: Command, env: &Env) -> ExitCode {
    let runtime = match app::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let code = match command {
        Command::Serve { purpose, flags } => serve(&runtime, &purpose, &flags, env),
        Command::Run { flags, command } => run(&runtime, &flags, &command, env),
        Command::Check { file, flags } => check(file, &flags, env),
        Command::Tool(tool) => tool.act(&runtime, env),
        Command::Demo { flags } => demo(&runtime, &flags, env),
    };
    ExitCode::from(code.unwrap_or_else(|code| code))
}

/// Reads the configuration; on faults they are printed and the exit code is the error.
pub(super) fn load(purpose: &Purpose, flags: &Flags, env: &Env) -> Result<Settings, u8> {
    config::load(purpose, flags, env).map_err(|faults| {
        eprintln!("{faults}");
        faults.exit_code()
    })
}

fn serve(runtime: &LocalRuntime, purpose: &Purpose, flags: &Flags, env: &Env) -> Result<u8, u8> {
    let settings = load(purpose, flags, env)?;
    telemetry::start(&settings.log);
    runtime.block_on(async {
        let mut signals = Signals::install().map_err(|e| say(&e))?;
        let mut running = app::start(&settings).await.map_err(|e| say(&e))?;
        let reload = |now: &Settings| config::reload(purpose, flags, env, now);
        let code = until_stopped(&mut running, &mut signals, reload).await;
        stop(running, &mut signals).await;
        Ok(code)
    })
}

/// Serves; returns the exit code when a signal asks for the end, or when a part has died.
async fn until_stopped(
    running: &mut Running,
    signals: &mut Signals,
    reload: impl Fn(&Settings) -> Result<Settings, Faults>,
) -> u8 {
    loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            thread = running.died() => {
                error!(thread, "a part of sidegate ended by itself; stopping");
                return FAILED;
            }
        };
        match signal {
            Signal::Terminate | Signal::Interrupt => return 0,
            Signal::Reload => match reload(running.settings()) {
                Ok(settings) => {
                    if let Err(error) = running.reload(settings).await {
                        warn!(error = with_causes(&error), "not reloaded; everything stays as it is");
                    }
                }
                Err(faults) => {
                    for fault in faults.iter() {
                        warn!(%fault, "the configuration is faulty");
                    }
                    if faults.untold() > 0 {
                        warn!(more = faults.untold(), "the configuration is faulty in other places too");
                    }
                    warn!("not reloaded; everything stays as it is");
                }
            },
        }
    }
}

/// Lets open connections finish; a second signal has no patience.
async fn stop(running: Running, signals: &mut Signals) {
    let impatient = async {
        while signals.next().await == Signal::Reload {}
        warn!("asked again; ending now");
    };
    running.stop_or(impatient).await;
}

fn run(runtime: &LocalRuntime, flags: &Flags, command: &[OsString], env: &Env) -> Result<u8, u8> {
    let settings = load(&Purpose::Run, flags, env)?;
    // Before there is a storage or an order: what is misspelt must cost nothing.
    Child::look(command).map_err(|e| not_started(&e))?;
    telemetry::start(&settings.log);
    runtime.block_on(async {
        let files = limits::raise();
        let mut signals = Signals::install().map_err(|e| say(&e))?;
        let mut running = app::start(&settings).await.map_err(|e| say(&e))?;
        let mut child = match Child::spawn(command, settings.child_port, Some(files)) {
            Ok(child) => child,
            Err(error) => {
                let code = not_started(&error);
                running.stop().await;
                return Err(code);
            }
        };
        loop {
            tokio::select! {
                code = child.wait() => {
                    info!(?code, "the app ended");
                    stop(running, &mut signals).await;
                    return code.map_err(|e| say(&e));
                }
                thread = running.died() => {
                    error!(thread, "a part of sidegate ended by itself; stopping");
                    child.relay(Signal::Terminate);
                    stop(running, &mut signals).await;
                    return Err(FAILED);
                }
                signal = signals.next() => match signal {
                    Signal::Reload => child.relay(signal),
                    Signal::Terminate | Signal::Interrupt => {
                        // Our connections first: the app must be there to finish them.
                        stop(running, &mut signals).await;
                        child.relay(signal);
                        return ended(&mut child, &mut signals).await;
                    }
                }
            }
        }
    })
}

/// Says why the app cannot be started and gives the exit code that a shell would.
fn not_started(error: &SpawnError) -> u8 {
    say(error);
    error.exit_code()
}

/// Waits for the app; whatever else we are told meanwhile is for it.
async fn ended(child: &mut Child, signals: &mut Signals) -> Result<u8, u8> {
    loop {
        tokio::select! {
            code = child.wait() => return code.map_err(|e| say(&e)),
            signal = signals.next() => child.relay(signal),
        }
    }
}

fn check(file: Option<std::path::PathBuf>, flags: &Flags, env: &Env) -> Result<u8, u8> {
    let purpose = match (&file, flags.domain.is_empty() && flags.certificates.is_none()) {
        (None, false) => Purpose::Direct,
        _ => Purpose::Check { file },
    };
    let settings = load(&purpose, flags, env)?;
    let faults = unusable(&settings);
    if !faults.is_empty() {
        for fault in faults.iter().take(Faults::TOLD) {
            eprintln!("{fault}");
        }
        if faults.len() > Faults::TOLD {
            eprintln!("… and {} more", faults.len() - Faults::TOLD);
        }
        return Err(CONFIG);
    }
    show(&super::summary(&settings));
    Ok(0)
}

/// What keeps certificates of somebody else from being used; of those in a list, where they stand in it.
fn unusable(settings: &Settings) -> Vec<String> {
    let mut faults = Vec::new();
    for site in &settings.sites {
        match &site.keeper {
            Keeper::Us { .. } => {}
            Keeper::Files(source) => faults.extend(source.load().err().map(|error| with_causes(&error))),
            Keeper::List(list) => {
                for source in list.sources() {
                    let Err(error) = source.load() else { continue };
                    let line = source.names().first().and_then(|name| list.line(name)).unwrap_or_default();
                    faults.push(format!("{}:{line}: {}", list.path().display(), with_causes(&error)));
                }
            }
        }
    }
    faults
}

fn demo(runtime: &LocalRuntime, flags: &Flags, env: &Env) -> Result<u8, u8> {
    runtime.block_on(async {
        let scratch = Scratch::new().map_err(|e| say(&e))?;
        let demo = Demo::bind().await.map_err(|e| say(&e))?;
        let port = demo.addr().map_err(|e| say(&e))?.port();
        let purpose = Purpose::Demo { storage: scratch.path().to_owned(), port };
        let settings = load(&purpose, flags, env)?;
        telemetry::start(&settings.log);
        let mut signals = Signals::install().map_err(|e| say(&e))?;
        let mut running = app::start(&settings).await.map_err(|e| say(&e))?;
        let addrs = running.addrs();
        show(&super::demo(addrs.http, addrs.https));
        let code = tokio::select! {
            code = until_stopped(&mut running, &mut signals, |now| {
                config::reload(&purpose, flags, env, now)
            }) => code,
            () = demo.serve() => FAILED,
        };
        stop(running, &mut signals).await;
        Ok(code)
    })
}

/// Prints what was asked for. A reader that has seen enough, such as `head`, is no failure.
pub(super) fn show(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// What was asked for, for programs.
pub(super) fn json(what: &impl Serialize) -> String {
    // Strings, numbers and lists always have a form in JSON.
    serde_json::to_string_pretty(what).unwrap_or_default() + "\n"
}

/// Prints an error and gives the exit code for it.
pub(super) fn say(error: &dyn std::error::Error) -> u8 {
    eprintln!("sidegate: {}", with_causes(error));
    FAILED
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    ExitCode::from(say(error))
}
