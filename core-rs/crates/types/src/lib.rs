//! What merges: map, list, text, counter, set, tree and graph, one merge rule each, joined in a [`Document`].
//!
//! What it is not: it has no clock, no I/O and no randomness, and knows nothing of JavaScript; `crates/wasm` converts.

mod apply;
mod container;
mod counter;
mod created;
mod cut;
mod describe;
mod document;
mod dots;
mod error;
mod fractional_index;
mod graph;
mod join;
mod list;
mod map;
mod marks;
mod moves;
mod node_id;
mod operation;
mod outbox;
mod patches;
mod pending;
mod plain;
mod position;
mod removed_ids;
mod replay;
mod sequence;
mod set;
mod slot;
mod stamps;
mod state;
mod state_reader;
mod tags;
mod text;
mod tree;
mod trim;
mod undo;

pub use apply::Applied;
pub use container::{Key, Kind, ROOT};
pub use describe::{MAX_DESCRIBED_PARTS, MAX_DESCRIPTION_BYTES};
pub use document::{Document, Entry, MAX_DEPTH, MAX_KEY_BYTES};
pub use error::Error;
pub use fractional_index::{fractional_index, FractionalIndexError, MAX_FRACTIONAL_INDEX_BYTES};
pub use marks::{Expand, MAX_MARK_KEYS};
pub use pending::{MAX_PENDING, MAX_PENDING_BYTES};
pub use plain::MAX_PLAIN_NODES_DEEP;
pub use position::Stick;
pub use replay::{
    Bridge, ClockRule, Options as ReplayOptions, Outcome as ReplayOutcome, Reason, Rejected, Replay, MAX_BRIDGES,
    MAX_MAPPED_RANGES,
};
pub use tree::{LAST_CHILD, TREE_JITTER_BITS};
pub use undo::{
    UndoScope, UndoSide, MAX_UNDO_BYTES, MAX_UNDO_META_BYTES, MAX_UNDO_SCOPES, MAX_UNDO_STACKS, MAX_UNDO_STEPS,
};
