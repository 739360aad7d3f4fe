//! The machine around us: sockets, limits, signals, the log's far end, a wrapped program and those that are called.
//!
//! Nothing here knows what the program is for. Functions take and give plain values (addresses, bytes,
//! words), and `app` translates; so this room can be tested on its own, and it is the one to look at
//! when sidegate meets another operating system.

pub mod access;
pub mod child;
pub mod control;
mod executable;
pub mod folders;
pub mod holder;
pub mod limits;
pub mod output;
pub mod program;
pub mod resolvers;
pub mod room;
pub mod scratch;
pub mod signals;
pub mod sockets;
pub mod telemetry;
pub mod trust;

pub use self::child::{Child, SpawnError};
pub use self::control::ControlSocket;
pub use self::folders::Folders;
pub use self::limits::FileLimit;
pub use self::program::{Call, CallError, Program};
pub use self::scratch::Scratch;
pub use self::signals::{Signal, Signals};
pub use self::sockets::{BindError, Listening};
pub use self::trust::Trust;
