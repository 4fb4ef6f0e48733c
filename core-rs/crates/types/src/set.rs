//! The set: add-wins. An add replaces only its own agent's earlier add of the value; a removal names, per value, each agent's
//! highest add that its author had seen, and takes every add of that agent up to it.

use crate::cut::OfPatches;
use joinery_codec::compare_values;
use joinery_history::{Agents, Dot};
use joinery_tables::OrderedMap;

/// "Adds of `upto.agent` up to `upto.seq` are removed, by the operation `by`."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// The highest add that is taken.
    pub upto: Dot,
    /// The removal's own dot, which tells who has heard of it.
    pub by: Dot,
}

/// All that is known of one value.
#[derive(Debug, Default, Clone)]
pub struct Member {
    /// Per agent its latest add that wasn't removed.
    pub adds: Vec<Dot>,
    /// Per agent the highest add that was removed.
    pub removed: Vec<Removed>,
}

impl Member {
    fn add(&mut self, dot: Dot) {
        if self
            .removed
            .iter()
            .any(|r| r.upto.agent == dot.agent && r.upto.seq >= dot.seq)
        {
            return;
        }
        match self.adds.iter_mut().find(|have| have.agent == dot.agent) {
            Some(have) => have.seq = have.seq.max(dot.seq),
            None => self.adds.push(dot),
        }
    }

    fn remove(&mut self, agents: &Agents, new: Removed) {
        self.adds
            .retain(|have| have.agent != new.upto.agent || have.seq > new.upto.seq);
        let rank = |dot: Dot| (agents.id(dot.agent), dot.seq);
        match self.removed.iter_mut().find(|have| have.upto.agent == new.upto.agent) {
            Some(have) if have.upto.seq > new.upto.seq => {}
            Some(have) if have.upto.seq == new.upto.seq && rank(have.by) <= rank(new.by) => {}
            Some(have) => *have = new,
            None => self.removed.push(new),
        }
    }
}

/// A set's live state, by packed value.
#[derive(Debug, Default, Clone)]
pub struct Set {
    members: OrderedMap<Box<[u8]>, Member>,
    /// While changes are noted: the values of which something came, each with whether it was in before.
    pub(crate) changes: Option<OfPatches<OrderedMap<Box<[u8]>, bool>>>,
}

impl Set {
    /// What is known of a value.
    pub fn member(&self, value: &[u8]) -> Option<&Member> {
        self.members.get(value)
    }

    /// Every value that was ever added.
    pub fn members(&self) -> impl Iterator<Item = (&[u8], &Member)> {
        self.members.iter().map(|(value, member)| (&**value, member))
    }

    /// Is the value in the set?
    pub fn has(&self, value: &[u8]) -> bool {
        self.member(value).is_some_and(|member| !member.adds.is_empty())
    }

    /// The values in the set, in the order of [`compare_values`].
    pub fn values(&self) -> Vec<&[u8]> {
        let present = self.members().filter(|(_, member)| !member.adds.is_empty());
        let mut values: Vec<&[u8]> = present.map(|(value, _)| value).collect();
        values.sort_unstable_by(|a, b| compare_values(a, b));
        values
    }

    fn entry(&mut self, value: &[u8]) -> &mut Member {
        if self
            .changes
            .as_ref()
            .is_some_and(|changes| !changes.contains_key(value))
        {
            let was_in = self.has(value);
            if let Some(changes) = &mut self.changes {
                changes.insert(value.into(), was_in);
            }
        }
        self.members.get_or_default(value.into())
    }

    /// Joins an add.
    pub fn add(&mut self, value: &[u8], dot: Dot) {
        self.entry(value).add(dot);
    }

    /// Joins a removal.
    pub fn remove(&mut self, agents: &Agents, value: &[u8], removed: Removed) {
        self.entry(value).remove(agents, removed);
    }
}
