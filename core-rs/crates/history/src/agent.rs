//! The table that gives each agent (64 random bits, one replica's lifetime) a small number within one document.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// An agent's place in its document's table. Never written to bytes: two replicas number agents differently.
pub type AgentIndex = u32;

/// Agent ids are random already, so their bits serve as the hash. A hostile peer can make a table slow, not wrong; the
/// multiplication keeps ids that differ in their high bits only from meeting in one bucket.
#[derive(Debug, Default, Clone)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_u64(&mut self, id: u64) {
        self.0 = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 29;
    }
}

/// All agents a document has heard of.
#[derive(Debug, Default, Clone)]
pub struct Agents {
    ids: Vec<u64>,
    index: HashMap<u64, AgentIndex, BuildHasherDefault<IdHasher>>,
}

impl Agents {
    /// The number of `id`, given now if it has none yet.
    pub fn intern(&mut self, id: u64) -> AgentIndex {
        if let Some(&index) = self.index.get(&id) {
            return index;
        }
        let index = self.ids.len() as AgentIndex;
        self.ids.push(id);
        self.index.insert(id, index);
        index
    }

    /// The number of `id`, if it has one.
    pub fn find(&self, id: u64) -> Option<AgentIndex> {
        self.index.get(&id).copied()
    }

    /// The id behind a number that this table gave.
    pub fn id(&self, index: AgentIndex) -> u64 {
        self.ids[index as usize]
    }

    /// How many agents there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True before the first agent.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}
