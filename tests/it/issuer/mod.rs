//! Issuance by a real ACME CA, straight through the issuer: proving names, going on after a crash, and a CA that is
//! slow, broken or hostile.

mod account;
mod advice;
mod alternates;
mod binding;
mod budget;
mod dns01;
mod faults;
mod issuance;
mod perspectives;
mod profiles;
mod rehearsal;
mod resume;
mod revocation;
mod rig;
mod rollover;
