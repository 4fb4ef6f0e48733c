//! The table that gives each agent (64 random bits, one replica's lifetime) a small number within one document.

use joinery_tables::HashedList;

/// An agent's place in its document's table. Never written to bytes: two replicas number agents differently.
pub type AgentIndex = u32;

/// All agents a document has heard of.
#[derive(Debug, Default, Clone)]
pub struct Agents {
    ids: HashedList<u64, ()>,
}

impl Agents {
    /// The number of `id`, given now if it has none yet.
    pub fn intern(&mut self, id: u64) -> AgentIndex {
        self.find(id).unwrap_or_else(|| self.ids.push(id, ()))
    }

    /// The number of `id`, if it has one.
    pub fn find(&self, id: u64) -> Option<AgentIndex> {
        self.ids.find(&id)
    }

    /// The id behind a number that this table gave.
    pub fn id(&self, index: AgentIndex) -> u64 {
        *self.ids.at(index).0
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
