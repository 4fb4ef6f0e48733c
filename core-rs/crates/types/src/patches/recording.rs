//! What is noted of a change while it is made, so that patches can be told of it: per container that was changed, what a reader saw
//! there before. What is noted is told in `mod.rs`.
//!
//! Each container is noted once, and of it each slot, member, node and edge once: it never gets longer than the document. How a
//! sequence's changes are bounded stands in `hunks.rs`; old values are kept up to [`MAX_KEPT_BYTES`].

use super::hunks::Hunks;
use crate::container::Key;
use crate::counter::Counter;
use crate::cut;
use crate::graph::Graph;
use crate::list::List;
use crate::map::Map;
use crate::set::Set;
use crate::text::Text;
use crate::tree::Tree;
use joinery_tables::OrderedMap;

/// How many bytes of overwritten values are kept, to find out that a value was written again. Beyond it each write counts as a change.
const MAX_KEPT_BYTES: usize = 1 << 20;

/// What a reader saw in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// A packed plain value.
    Plain(Box<[u8]>),
    /// A plain value that was not kept.
    Unknown,
    /// A container, by its number.
    Child(u32),
}

/// See the top of this file.
#[derive(Debug, Default, Clone)]
pub struct Recording {
    /// Containers whose own state may have changed, each once.
    pub touched: Vec<u32>,
    /// Slots of maps and lists that were written, or whose container was ended.
    pub slots: OrderedMap<(u32, Key), Before>,
    /// Counters' values.
    pub counters: OrderedMap<u32, i128>,
    kept_bytes: usize,
}

impl Recording {
    /// Notes what is seen in a slot, unless that was noted before.
    #[inline(never)]
    pub fn note_slot(&mut self, container: u32, key: &Key, seen: &dyn Fn() -> Option<Before>) {
        let slot = (container, key.clone());
        if self.slots.contains_key(&slot) {
            return;
        }
        let Some(mut before) = seen() else { return };
        if let Before::Plain(bytes) = &before {
            if bytes.len() > MAX_KEPT_BYTES - self.kept_bytes {
                before = Before::Unknown;
            } else {
                self.kept_bytes += bytes.len();
            }
        }
        self.slots.insert(slot, before);
    }
}

/// A container's state of which changes can be noted.
pub trait Recorded {
    /// From now on its changes are noted, if they weren't before.
    fn record(&mut self, container: u32, recording: &mut Recording);
}

impl Recorded for Map {
    /// Its slots are noted one by one.
    fn record(&mut self, _: u32, _: &mut Recording) {}
}

impl Recorded for List {
    #[inline(never)]
    fn record(&mut self, container: u32, recording: &mut Recording) {
        let sequence = &mut self.sequence;
        if sequence.changes.is_none() {
            let len = sequence.len();
            sequence.changes = cut::patches(|| Box::new(Hunks::new(len, true)));
            recording.touched.push(container);
        }
    }
}

impl Recorded for Text {
    #[inline(never)]
    fn record(&mut self, container: u32, recording: &mut Recording) {
        let sequence = &mut self.sequence;
        if sequence.changes.is_none() {
            let len = sequence.len();
            sequence.changes = cut::patches(|| Box::new(Hunks::new(len, false)));
            recording.touched.push(container);
        }
    }
}

impl Recorded for Counter {
    #[inline(never)]
    fn record(&mut self, container: u32, recording: &mut Recording) {
        if !recording.counters.contains_key(&container) {
            recording.counters.insert(container, self.value());
            recording.touched.push(container);
        }
    }
}

impl Recorded for Set {
    #[inline(never)]
    fn record(&mut self, container: u32, recording: &mut Recording) {
        if self.changes.is_none() {
            self.changes = cut::patches(OrderedMap::new);
            recording.touched.push(container);
        }
    }
}

impl Recorded for Tree {
    #[inline(never)]
    fn record(&mut self, container: u32, recording: &mut Recording) {
        if self.changes.is_none() {
            self.changes = Some(Box::default());
            recording.touched.push(container);
        }
    }
}

impl Recorded for Graph {
    #[inline(never)]
    fn record(&mut self, container: u32, recording: &mut Recording) {
        if self.changes.is_none() {
            self.changes = Some(Box::default());
            recording.touched.push(container);
        }
    }
}
