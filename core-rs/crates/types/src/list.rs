//! The list: elements with ids in Fugue order. An element's value and its position merge apart: the value is a slot (the
//! last writer wins), the position a register (`moves.rs`); an element is deleted by id, for good.

use crate::moves::Moves;
use crate::sequence::Sequence;
use crate::slot::{Slot, SlotValue};
use joinery_history::{Agents, Dot};

/// A list's live state.
#[derive(Debug, Default, Clone)]
pub struct List {
    /// The elements in order; each unit is an index into `slots`.
    pub sequence: Sequence<u32>,
    slots: Vec<Slot>,
    /// Slots of deleted elements, to be used again.
    free: Vec<u32>,
    /// The same, but not before patches were told: till then a slot is known by its number.
    held: Vec<u32>,
    /// What was moved; none where nothing ever was.
    pub(crate) moves: Option<Box<Moves>>,
}

impl List {
    /// A list over elements that were read from a state: unit k of `sequence` is `slots[k]`.
    pub fn new(sequence: Sequence<u32>, slots: Vec<Slot>) -> Self {
        List {
            sequence,
            slots,
            free: Vec::new(),
            held: Vec::new(),
            moves: None,
        }
    }

    /// Stores an element's slot; the index is its unit in the sequence.
    pub fn add_slot(&mut self, slot: Slot) -> u32 {
        match self.free.pop() {
            Some(unit) => {
                self.slots[unit as usize] = slot;
                unit
            }
            None => {
                self.slots.push(slot);
                self.slots.len() as u32 - 1
            }
        }
    }

    /// Lets go of a deleted element's slot.
    pub fn drop_slot(&mut self, unit: u32) {
        self.slots[unit as usize].value = SlotValue::Deleted;
        match self.sequence.changes {
            None => self.free.push(unit),
            Some(_) => self.held.push(unit),
        }
    }

    /// Patches were told: slots that were held for them can be used again.
    pub(crate) fn release_slots(&mut self) {
        self.free.append(&mut self.held);
    }

    /// The slot behind a unit.
    pub fn slot(&self, unit: u32) -> &Slot {
        &self.slots[unit as usize]
    }

    /// The slot of the element with id `element`; none where it was deleted.
    pub fn slot_of(&self, element: Dot) -> Option<&Slot> {
        self.number_of(element).map(|unit| self.slot(unit))
    }

    fn number_of(&self, element: Dot) -> Option<u32> {
        self.sequence.unit(self.unit_of(element)?)
    }

    /// The unit at which an element stands that may be here.
    fn unit_of(&self, element: Dot) -> Option<Dot> {
        match self.moves {
            None => Some(element),
            Some(_) => self.standing(element).map(|at| at.unit),
        }
    }

    /// Joins a write to an element's value; a deleted one takes none. Returns whether containers may be seen otherwise than before.
    pub fn join(&mut self, agents: &Agents, element: Dot, write: Slot) -> bool {
        let unit = self.unit_of(element);
        match unit.and_then(|unit| self.sequence.unit_changed(unit)) {
            Some(unit) => self.slots[unit as usize].join(agents, write),
            None => false,
        }
    }
}
