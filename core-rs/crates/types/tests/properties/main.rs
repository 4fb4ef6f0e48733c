//! What must hold for every document, checked with random input: against the oracle, against the laws of a join, against
//! hostile bytes, and at the limits.
//!
//! Runs are seeded; a failure names its seed. `JOINERY_ROUNDS=20` runs twenty times as many seeds, and `JOINERY_SEED=123`
//! starts there. What it is not: a measurement; nothing here depends on how fast the machine is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod boundaries;
mod circles;
mod deletion;
mod differences;
mod edits;
mod exchange;
mod forged;
mod fractional_index;
mod gaps;
mod hostile;
mod interleaving;
mod json;
mod laws;
mod marks;
mod moves;
mod mutation;
mod nodes;
mod patched;
mod patches;
mod peer;
mod positions;
mod random;
mod refusal;
mod regressions;
mod replay;
mod splits;
mod tags;
mod three;
mod trees;
mod undo;
mod undo_edits;
