//! Ids of tree nodes, graph nodes and graph edges that were deleted, for good. Only the id is kept, so that what comes late about
//! it is known to be gone, and the deletion's own dot, which tells who has heard of it.

use crate::dots::DotMap;
use joinery_history::{Agents, Dot};

/// See the top of this file.
#[derive(Debug, Default, Clone)]
pub struct RemovedIds {
    by: DotMap<Dot>,
}

impl RemovedIds {
    /// Was it deleted?
    #[inline(never)]
    pub fn contains(&self, id: Dot) -> bool {
        self.by.contains_key(&id)
    }

    /// Notes a deletion; of two the lower dot stays.
    #[inline(never)]
    pub fn insert(&mut self, agents: &Agents, id: Dot, by: Dot) {
        let rank = |dot: Dot| (agents.id(dot.agent), dot.seq);
        let have = self.by.entry(id).or_insert(by);
        if rank(by) < rank(*have) {
            *have = by;
        }
    }

    /// Every id with the deletion's dot, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Dot, Dot)> + '_ {
        self.by.iter().map(|(&id, &by)| (id, by))
    }
}
