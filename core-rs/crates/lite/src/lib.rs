//! The core for documents of maps, lists, counters and sets: the crates below it are the same, built without what such documents
//! don't need. It is a WebAssembly module of its own; it converts and never decides.

pub mod door;
#[cfg(target_arch = "wasm32")]
mod exports;
// Implementing an allocator is unsafe by its nature.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)]
mod memory;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: memory::Memory = memory::Memory::new();
