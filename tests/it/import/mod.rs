//! `sidegate import`: what other programs keep, in the layouts they keep it in.

mod fixture;
mod programs;
mod rules;
mod served;
mod told;
