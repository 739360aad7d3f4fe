//! sidegate: automatic HTTPS in front of any app.
//!
//! This is the map. Two planes and one door between them:
//!
//! ```text
//!                      config ──► Settings ──► app ─── wires, starts, stops ── host (signals, sockets,
//!                         ▲                     │                                    logs, a wrapped app)
//!              TOML, environment                │
//!                                               │
//!     CONTROL PLANE  slow · careful · writes    │      DATA PLANE  fast · forgetful · reads
//! ┌───────────────────────────────────────────┐ │ ┌──────────────────────────────────────────────┐
//! │ manager                                   │ │ │ proxy                                        │
//! │                                           │ │ │                                              │
//! │   desired ┐                               │ │ │  :443 listener ► tls ► session ► http ► route│
//! │           ├► plan ──► renew ──────────┐   │ │ │        │          │       │              │   │
//! │ inventory ┘   ▲                       │   │ │ │        │          │       └ ends here    ▼   │
//! │               └ schedule, preference  │   │ │ │  :80  plain       │         (probe)  upstream│
//! └──────┬──────────┬──────────┬──────────┼───┘ │ └────────┼──────────┼────────────────────┼─────┘
//!        ▼          ▼          ▼          │     │          │          │                    ▼
//!    store        pki        issuer       │     │          │          │ resolve           apps
//!    items,       keys,      acme, self   ▼     │          ▼          ▼
//!    pointers,    chains     solvers    ╔═══════╧════════════════════════════╗
//!    spool                      │       ║ catalog                            ║
//!      │ engine                 └─────► ║ Publisher │ Challenges │ Resolver  ║   the only door
//!      ▼                      post      ╚════════════════════════════════════╝
//!    directories              the CA
//!                       ident (names, ids) and clock lie under everything
//! ```
//!
//! - [`manager`] makes certificates, with [`store`], [`issuer`] and [`pki`] under it. It may take minutes, and it writes.
//! - [`proxy`] moves bytes. It never reads a file and never waits for the other plane.
//! - [`ops`] is what an operator does to a storage by hand, beside the process that uses it.
//! - [`dns`] is asked and changed by whoever has to know or prove something about a name from outside.
//! - [`ask`] asks a program of the operator's whether a name that nobody has listed may have a certificate.
//! - [`story`] is told what happens and why, by everybody in the slow plane, once: for the log and for the journal.
//! - [`hooks`] reads that journal behind everybody's back, and calls a program of the operator's for what is worth it.
//! - [`catalog`] is the door: one immutable snapshot, swapped whole, handed out in halves that cannot reach each other.
//!
//! Which room may name which other, and where a foreign crate may appear, stands in the two tables of
//! `tests/it/walls/tables.rs`; a test holds every file to them, since the language does not.
//!
//! # One connection
//!
//! [`proxy`]'s listener accepts and takes a permit; `tls` reads the hello, looks the name up once, and shakes hands under
//! a deadline; `session` picks the protocol; `http` refuses what is not clearly for one of our sites, finds the route,
//! rewrites the header fields and forwards inside the request's own future; `drain` ends it.
//!
//! # One certificate
//!
//! [`manager::plan`] says that a lineage is due. The spool opens its draft, and with it takes the lineage for this
//! process; key and request are on disk before anybody is asked; the [`issuer`] notes its order in the draft, posts answers through
//! [`catalog::Challenges`] and comes back with a chain; [`pki::Bundle::join`] refuses one that does not fit; one rename
//! turns the draft into an item, pointers move, and [`manager::preference`] picks what each name shows from now on.
//! A crash between any two of these steps is gone on from, never begun again.
//!
//! The journeys meet where [`catalog::Publisher::publish`] is read by the next hello, and nowhere else.

pub mod admin;
pub mod app;
pub mod ask;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dns;
pub mod doctor;
pub mod foreign;
pub mod hooks;
pub mod host;
pub mod ident;
pub mod issuer;
pub mod manager;
pub mod ops;
pub mod pki;
pub mod proxy;
pub mod store;
pub mod story;
