//! The merge rules of `joinery-types`, explored exhaustively for small scopes: two or three replicas, a few edits each, and
//! every order in which their envelopes and states can come, with every repetition.
//!
//! It is no part of the core: nothing depends on it, and its workspace is its own (see `Cargo.toml`). It samples nothing and
//! has no random numbers; `joinery-types`' own tests draw from larger scopes.

mod edit;
mod packed;
mod replica;
mod scope;
mod world;

pub use edit::Edit;
pub use scope::{Explored, Plant, Scope, BOUNDED, WIDE};
pub use world::{Act, Fault, World};
