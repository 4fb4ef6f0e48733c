//! The counter: per agent a pair (up, down) of what it has added and taken away; the value is the sum of all. Only an agent
//! itself changes its pair, so of two pairs the one with the higher seq is the newer.

use joinery_history::Dot;
use joinery_tables::OrderedMap;

/// The bound of each half of a pair: JavaScript's largest exact integer.
pub const MAX_AMOUNT: u64 = (1 << 53) - 1;

/// One agent's part.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// All it has added.
    pub up: u64,
    /// All it has taken away.
    pub down: u64,
    /// The seq of its last change.
    pub seq: u32,
}

/// A counter's live state.
#[derive(Debug, Default, Clone)]
pub struct Counter {
    pairs: OrderedMap<u32, Pair>,
}

impl Counter {
    /// The sum over all agents.
    pub fn value(&self) -> i128 {
        self.pairs
            .values()
            .map(|pair| i128::from(pair.up) - i128::from(pair.down))
            .sum()
    }

    /// Every agent's pair.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, Pair)> + '_ {
        self.pairs.iter().map(|(&agent, &pair)| (agent, pair))
    }

    /// One agent's pair.
    pub fn pair(&self, agent: u32) -> Pair {
        self.pairs.get(&agent).copied().unwrap_or_default()
    }

    /// Adds a difference, as its own agent's operation `dot` says. Refuses one that would pass the bound.
    pub fn add(&mut self, dot: Dot, amount: i64) -> bool {
        let mut pair = self.pair(dot.agent);
        let half = if amount < 0 { &mut pair.down } else { &mut pair.up };
        match half.checked_add(amount.unsigned_abs()) {
            Some(sum) if sum <= MAX_AMOUNT => *half = sum,
            _ => return false,
        }
        pair.seq = dot.seq;
        self.pairs.insert(dot.agent, pair);
        true
    }

    /// The merge rule: joins an agent's pair from another state.
    pub fn join(&mut self, agent: u32, pair: Pair) {
        if pair.seq > self.pair(agent).seq {
            self.pairs.insert(agent, pair);
        }
    }
}
