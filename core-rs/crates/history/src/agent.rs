//! The table that gives each agent (64 random bits, one replica's lifetime) a small number within one document.

use joinery_tables::OrderedMap;

/// An agent's place in its document's table. Never written to bytes: two replicas number agents differently.
pub type AgentIndex = u32;

/// All agents a document has heard of.
#[derive(Debug, Default, Clone)]
pub struct Agents {
    ids: Vec<u64>,
    index: OrderedMap<u64, AgentIndex>,
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
