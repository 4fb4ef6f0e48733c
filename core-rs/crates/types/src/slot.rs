//! A slot: what stands at a map key or in a list element. The write with the highest (stamp, agent) wins; a deletion is
//! such a write; of an overwritten value nothing is left.

use joinery_history::{Agents, Dot, Stamp};

/// What a write put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotValue {
    /// Nothing: the key was deleted.
    Deleted,
    /// A packed plain value.
    Plain(Box<[u8]>),
    /// A container, by its index in the document.
    Child(u32),
}

/// The winning write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The write's dot. (A list element's first value has the element's own dot.)
    pub dot: Dot,
    /// The write's stamp. (0 for a list element's first value: every later write has seen it.)
    pub stamp: Stamp,
    /// What it put there.
    pub value: SlotValue,
}

impl Slot {
    /// Does this write win over `other`?
    pub fn beats(&self, other: &Slot, agents: &Agents) -> bool {
        let rank = |slot: &Slot| (slot.stamp, agents.id(slot.dot.agent), slot.dot.seq);
        rank(self) > rank(other)
    }
}
