//! The map: per key the write with the highest (stamp, agent) wins; a deletion is such a write and stays on record.

use crate::slot::{Slot, SlotValue};
use joinery_history::Agents;
use joinery_tables::OrderedMap;
use std::rc::Rc;

/// A map's live state. Ordered by key, so that encoding it is deterministic.
#[derive(Debug, Default, Clone)]
pub struct Map {
    entries: OrderedMap<Rc<str>, Slot>,
}

impl Map {
    /// The winning write at `key`, deletions included.
    pub fn slot(&self, key: &str) -> Option<&Slot> {
        self.entries.get(key)
    }

    /// Every key that was ever written, with its winning write.
    pub fn slots(&self) -> impl Iterator<Item = (&Rc<str>, &Slot)> {
        self.entries.iter()
    }

    /// The merge rule: joins a write. Returns whether it won.
    pub fn join(&mut self, agents: &Agents, key: &Rc<str>, write: Slot) -> bool {
        match self.entries.get_mut(key) {
            Some(have) if !write.beats(have, agents) => false,
            Some(have) => {
                *have = write;
                true
            }
            None => {
                self.entries.insert(key.clone(), write);
                true
            }
        }
    }

    /// Keys whose winning write isn't a deletion.
    pub fn present(&self) -> impl Iterator<Item = (&Rc<str>, &Slot)> {
        self.entries.iter().filter(|(_, slot)| slot.value != SlotValue::Deleted)
    }
}
