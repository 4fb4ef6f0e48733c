//! What files need of the core: cutting bytes into chunks by their content ([`Chunker`]) and hashing them (BLAKE3, of the
//! crate `blake3`). It is a WebAssembly module of its own, loaded when it is used; it knows no documents, no names of files
//! and no storage.
//!
//! ```
//! use joinery_files::{Chunker, Gear, Sizes};
//!
//! let mut chunker = Chunker::new(Sizes::DEFAULT, Gear::unkeyed(), true);
//! let bytes = vec![7; 300_000];
//! let (taken, chunk) = chunker.advance(&bytes);
//! assert_eq!((taken, chunk.map(|chunk| chunk.length)), (262_144, Some(262_144)));
//! let (taken, chunk) = chunker.advance(&bytes[taken..]);
//! assert_eq!((taken, chunk), (37_856, None));
//! assert_eq!(chunker.finish().map(|chunk| chunk.hash), Some(*blake3::hash(&[7; 37_856]).as_bytes()));
//! ```

mod chunker;
mod door;
mod error;
#[cfg(target_arch = "wasm32")]
mod exports;
mod gear;
mod gear_table;
mod scan;
mod sizes;

pub use chunker::{Chunk, Chunker, HASH_BYTES};
pub use door::{Door, OUTPUT_BYTES, STAGING_BYTES};
pub use error::Error;
pub use gear::{Gear, KEY_BYTES};
pub use sizes::Sizes;
