//! The core for documents of maps, lists, counters and sets: the crates below it are the same, built without what such documents
//! don't need. It is a WebAssembly module of its own; it converts and never decides.

pub mod door;
#[cfg(target_arch = "wasm32")]
mod exports;
