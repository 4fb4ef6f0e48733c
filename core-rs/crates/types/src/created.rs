//! Which containers were created in which slot: a map's key, a list's element, a tree's or a graph's node or edge. What stands in a
//! slot is the slot's own business (`slot.rs`).

use crate::container::{Container, Key, KeyRef, Kind};
use joinery_history::Dot;
use joinery_tables::{OrderedMap, OrderedSet};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::rc::Rc;

/// The containers that were created at one slot. Nearly always one; an app may have put a hundred thousand there, one after the
/// other, and each write asks for those that weren't ended.
#[derive(Debug, Clone)]
pub enum AtSlot {
    /// By its number.
    One(u32),
    /// By their ids.
    Many {
        /// All of them.
        all: OrderedMap<(Kind, Dot), u32>,
        /// Those that weren't ended.
        open: OrderedSet<(Kind, Dot)>,
    },
}

impl AtSlot {
    /// Their numbers.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (one, many) = match self {
            AtSlot::One(one) => (Some(*one), None),
            AtSlot::Many { all, .. } => (None, Some(all.values().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// One more.
    pub fn add(&mut self, arena: &[Container], id: (Kind, Dot), number: u32) {
        if let AtSlot::One(one) = *self {
            let first = &arena[one as usize];
            let is_open = !first.ended.is_some();
            *self = AtSlot::Many {
                all: OrderedMap::from([(first.id(), one)]),
                open: is_open.then(|| first.id()).into_iter().collect(),
            };
        }
        if let AtSlot::Many { all, open } = self {
            all.insert(id, number);
            open.insert(id);
        }
    }
}

/// A map's key by its container and its name. A table of owned ones is asked for borrowed ones through this trait's order.
trait NamedSlot {
    fn id(&self) -> (u32, &str);
}

impl NamedSlot for (u32, Rc<str>) {
    fn id(&self) -> (u32, &str) {
        (self.0, &self.1)
    }
}

impl NamedSlot for (u32, &str) {
    fn id(&self) -> (u32, &str) {
        *self
    }
}

impl<'a> Borrow<dyn NamedSlot + 'a> for (u32, Rc<str>) {
    fn borrow(&self) -> &(dyn NamedSlot + 'a) {
        self
    }
}

impl PartialEq for dyn NamedSlot + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for dyn NamedSlot + '_ {}

impl PartialOrd for dyn NamedSlot + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn NamedSlot + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id().cmp(&other.id())
    }
}

/// See the top of this file.
#[derive(Debug, Clone, Default)]
pub struct Created {
    named: OrderedMap<(u32, Rc<str>), AtSlot>,
    of_elements: OrderedMap<(u32, Dot), AtSlot>,
}

impl Created {
    /// What was created in a slot.
    pub fn get(&self, parent: u32, key: KeyRef<'_>) -> Option<&AtSlot> {
        match key {
            KeyRef::Name(name) => {
                let id: &dyn NamedSlot = &(parent, name);
                self.named.get(id)
            }
            KeyRef::Element(element) => self.of_elements.get(&(parent, element)),
        }
    }

    /// The same, to change.
    pub fn get_mut(&mut self, parent: u32, key: KeyRef<'_>) -> Option<&mut AtSlot> {
        match key {
            KeyRef::Name(name) => {
                let id: &dyn NamedSlot = &(parent, name);
                self.named.get_mut(id)
            }
            KeyRef::Element(element) => self.of_elements.get_mut(&(parent, element)),
        }
    }

    /// The first that is created in a slot.
    pub fn insert(&mut self, parent: u32, key: Key, at_slot: AtSlot) {
        match key {
            Key::Name(name) => self.named.insert((parent, name), at_slot),
            Key::Element(element) => self.of_elements.insert((parent, element), at_slot),
        };
    }

    /// Forgets what was created in a slot.
    pub fn remove(&mut self, parent: u32, key: KeyRef<'_>) -> Option<AtSlot> {
        match key {
            KeyRef::Name(name) => {
                let id: &dyn NamedSlot = &(parent, name);
                self.named.remove(id)
            }
            KeyRef::Element(element) => self.of_elements.remove(&(parent, element)),
        }
    }
}
