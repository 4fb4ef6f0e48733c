//! The map: per key the write with the highest (stamp, agent) wins; a deletion is such a write and stays on record.

use crate::container::{Key, Keyed};
use crate::slot::{Slot, SlotValue};
use joinery_history::Agents;
use joinery_tables::HashedList;
use std::rc::Rc;

/// A map's live state. It is told in the order of its keys, so that encoding it is deterministic.
#[derive(Debug, Default, Clone)]
pub struct Map {
    entries: HashedList<Rc<str>, Slot>,
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

    /// Joins a write to the key `name`, which is `key`. Returns whether containers may be seen otherwise than before.
    pub fn join(&mut self, agents: &Agents, name: &str, key: &dyn Keyed, write: Slot) -> bool {
        if let Some(have) = self.entries.get_mut(name) {
            return have.join(agents, write);
        }
        let shows = write.has_child();
        if let Key::Name(name) = key.to_key() {
            self.entries.insert(name, write);
        }
        shows
    }

    /// Keys whose winning write isn't a deletion.
    pub fn present(&self) -> impl Iterator<Item = (&Rc<str>, &Slot)> {
        self.entries.iter().filter(|(_, slot)| slot.value != SlotValue::Deleted)
    }
}
