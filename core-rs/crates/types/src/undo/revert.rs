//! Taking steps back, newest edit first. Every edit is looked at anew: what somebody else has changed or taken away since is left as
//! it is. A step of which nothing is left is passed over for the next one.

use super::copy::{Copied, Val};
use super::rename::{Renames, Table};
use super::step::{Edit, Entry, Step};
use super::UndoSide;
use crate::container::Key;
use crate::document::{Document, Write};
use crate::error::Error;
use crate::slot::{Slot, SlotValue};
use joinery_history::{Dot, Stamp, MAX_SEQ};
use std::collections::BTreeSet;

/// A step that is being taken back.
pub(super) struct Back {
    pub now_ms: u64,
    /// Units, nodes and edges that the step itself has made: if they went in it too, they don't come back.
    pub made: Table,
}

impl Document {
    /// Takes back the newest step that has something left to take back, and puts what that takes on the other side. False where
    /// there is none. What it writes is an ordinary edit of this replica, all of it in one transaction.
    pub fn undo(&mut self, stack: u32, now_ms: u64) -> Result<bool, Error> {
        self.take_back(stack, UndoSide::Undo, now_ms)
    }

    /// The same for what was undone last; there is nothing to redo after another edit.
    pub fn redo(&mut self, stack: u32, now_ms: u64) -> Result<bool, Error> {
        self.take_back(stack, UndoSide::Redo, now_ms)
    }

    fn take_back(&mut self, at: u32, side: UndoSide, now_ms: u64) -> Result<bool, Error> {
        self.undo.stack_mut(at)?.close(UndoSide::Undo);
        self.next_dot(1)?;
        let other = match side {
            UndoSide::Undo => UndoSide::Redo,
            UndoSide::Redo => UndoSide::Undo,
        };
        loop {
            let stack = self.undo.stack_mut(at)?;
            let Some(step) = stack.side(side).pop_back() else {
                return Ok(false);
            };
            stack.bytes -= step.weight.min(stack.bytes);
            if let Err(error) = self.check_room(&step) {
                let stack = self.undo.stack_mut(at)?;
                stack.bytes += step.weight;
                stack.side(side).push_back(step);
                return Err(error);
            }
            let before = self.revision;
            let paused = self.undo.on;
            self.undo.on = 1;
            self.undo.active = Some(at);
            let meta = step.meta.clone();
            self.undo.is_redo = side == UndoSide::Redo;
            let renames = self.revert_step(step, now_ms);
            self.undo.rename(&renames);
            self.undo.active = None;
            self.undo.on = paused;
            let stack = self.undo.stack_mut(at)?;
            if let Some(open) = stack.open.as_mut() {
                stack.bytes += meta.len();
                open.weight += meta.len();
                open.meta = meta;
            }
            stack.close(other);
            if self.revision != before {
                return Ok(true);
            }
        }
    }

    /// Are there dots and stamps for all that a step may write?
    fn check_room(&mut self, step: &Step) -> Result<(), Error> {
        let units = |entry: &Entry| match &entry.edit {
            Edit::Inserted(ranges) => ranges.iter().map(|&(_, len)| u64::from(len)).sum(),
            _ => 0u64,
        };
        // Whatever is written weighs more than one in a step.
        let most = step.weight as u64 + step.entries.iter().map(units).sum::<u64>();
        let own = self.next_dot(1)?;
        if most > u64::from(MAX_SEQ - own.seq) {
            return Err(Error::LimitExceeded(
                "an agent writes at most 2^32 − 2 operations; open the document anew",
            ));
        }
        if most >= Stamp::MAX - 1 - self.clock.highest().min(Stamp::MAX - 1) {
            return Err(Error::LimitExceeded("no stamp is left above the highest one seen"));
        }
        Ok(())
    }

    fn revert_step(&mut self, step: Step, now_ms: u64) -> Renames {
        // What hung on a node for a while finds its way back by it.
        let parents = step.entries.iter().filter_map(|entry| match &entry.edit {
            Edit::Hung { parent, .. } | Edit::CutNode { parent, .. } => Some(*parent),
            _ => None,
        });
        let parents: BTreeSet<Dot> = parents.collect();
        let mut made = Table::default();
        for entry in &step.entries {
            match &entry.edit {
                Edit::Inserted(ranges) => ranges.iter().for_each(|&(first, len)| made.add(first, len, Dot::NONE)),
                Edit::Created { id, .. } if !parents.contains(id) => made.add(*id, 1, Dot::NONE),
                _ => {}
            }
        }
        let mut back = Back { now_ms, made };
        // What is left of the step is named too, when something in it is copied again.
        self.undo.reverting = step.entries;
        while let Some(mut entry) = self.undo.reverting.pop() {
            self.undo.renames.entry(&mut entry);
            // A limit of the document: that part stays as it is.
            let _ = self.revert(entry, &mut back);
        }
        std::mem::take(&mut self.undo.renames)
    }

    fn revert(&mut self, entry: Entry, back: &mut Back) -> Result<(), Error> {
        let at = entry.container;
        self.containers.live(at)?;
        match entry.edit {
            Edit::Inserted(ranges) => self.revert_inserted(at, &ranges),
            Edit::CutText(cuts) => self.revert_cut_text(at, cuts, back),
            Edit::CutElements(cuts, copies) => self.revert_cut_elements(at, cuts, &copies, back),
            Edit::Wrote {
                key,
                mine,
                was,
                before,
                copies,
            } => {
                if !self.shows(at, &key, mine) {
                    return Ok(());
                }
                self.revert_write(at, key, was, (&before, &copies), back)
            }
            Edit::Counted(amount) => self.counter_add(at, amount.checked_neg().unwrap_or(i64::MAX)),
            Edit::Added(value) => {
                let member = self.containers.set(at)?.member(&value);
                let adds = member.map_or(&[][..], |member| &member.adds).iter().copied();
                let own: Vec<Dot> = adds.filter(|&add| self.undo.may_take(add, 1)).collect();
                if !own.is_empty() {
                    self.set_remove(at, &value, own)?;
                }
                Ok(())
            }
            Edit::Taken(value, theirs) => {
                if !self.set_has(at, &value)? {
                    self.add_again(at, &value, theirs)?;
                }
                Ok(())
            }
            Edit::Moved { element, mine, was } => self.revert_move(at, element, (mine, was), back),
            Edit::Marked { key, value, pieces } => self.revert_marks(at, &key, &value, pieces, back.now_ms),
            Edit::Hung {
                node,
                mine,
                was,
                parent,
                index,
                hidden,
            } => self.revert_hung(at, (node, mine), was, (parent, index, hidden), back),
            Edit::Created { id, known } => self.revert_created(at, id, &known, back.now_ms),
            Edit::CutNode {
                node,
                edge,
                parent,
                index,
                data,
            } => self.revert_cut_node(at, (node, edge), (parent, index), &data, back),
            Edit::CutItem { id, ends, edges, data } => self.revert_cut_item(at, id, (ends, edges), &data, back),
        }
    }

    /// Does a slot still show this write, and nothing in it that others have put there?
    fn shows(&self, container: u32, key: &Key, mine: Dot) -> bool {
        let Some(slot) = self.slot_at(container, key) else {
            // A key whose deletion a copy has left out.
            return !mine.is_some() && matches!(key, Key::Name(_)) && self.containers.map(container).is_ok();
        };
        slot.dot == mine
            && match slot.value {
                SlotValue::Child(child) => !self.has_foreign(&[child]),
                _ => true,
            }
    }

    fn revert_write(
        &mut self,
        container: u32,
        key: Key,
        was: Dot,
        (before, copies): (&Val, &Copied),
        back: &mut Back,
    ) -> Result<(), Error> {
        let slot = self.slot_at(container, &key);
        let found = slot.map_or(Dot::NONE, |slot| slot.dot);
        let is_shown = slot.is_some_and(|slot| self.entry(slot).is_some());
        let part = match before {
            Val::Child(part) => Self::undo_kind(copies, *part).map(|kind| (*part, kind)),
            _ => None,
        };
        let write = match (before, part, &key) {
            (_, Some((_, kind)), _) => Write::Child(kind, found),
            (Val::Plain(bytes), ..) => Write::Plain(bytes),
            (.., Key::Element(_)) => Write::Plain(&[0]),
            _ if !is_shown => {
                // It shows what it had shown, and stands for it from now on.
                self.stands_for(container, &key, was, found);
                return Ok(());
            }
            _ => Write::Deleted,
        };
        let is_seen = !matches!(write, Write::Deleted);
        let child = self.write_slot(container, &key, write, back.now_ms)?;
        let new = self.last_dot().unwrap_or(Dot::NONE);
        self.stands_for(container, &key, was, new);
        if is_seen {
            self.undo.turn_as(was, 1, new);
        }
        if let Some((part, _)) = part {
            self.undo_fill(copies, part, child, back.now_ms);
        }
        Ok(())
    }

    /// A slot's write shows what another one had shown there.
    fn stands_for(&mut self, container: u32, key: &Key, was: Dot, new: Dot) {
        if was.is_some() {
            self.undo.renames.writes.add(was, 1, new);
        } else {
            self.undo.renames.absent.insert((container, key.clone()), new);
        }
    }

    /// Has somebody else written this?
    pub(super) fn is_foreign(&self, dot: Dot) -> bool {
        dot.agent != Dot::NONE.agent && !self.undo.is_mine(dot)
    }

    /// Fresh characters, elements, nodes or edges are what these were.
    pub(super) fn stands_for_units(&mut self, old: Dot, len: u32, new: Dot) {
        self.undo.renames.units.add(old, len, new);
        self.undo.turn_as(old, len, new);
    }

    /// A fresh write, or edge of a tree's node, is what this was.
    pub(super) fn stands_for_write(&mut self, old: Dot, new: Dot) {
        self.undo.renames.writes.add(old, 1, new);
        self.undo.turn_as(old, 1, new);
    }

    /// A fresh element or node of a tree is what another one was, with its write or its edge.
    pub(super) fn stands_for_both(&mut self, (unit, write): (Dot, Dot), new: Dot) {
        self.stands_for_units(unit, 1, new);
        self.stands_for_write(write, new);
    }

    /// A value comes into a set again.
    pub(super) fn add_again(&mut self, set: u32, value: &[u8], theirs: bool) -> Result<(), Error> {
        let new = self.next_dot(1)?;
        self.set_add(set, value)?;
        if theirs {
            self.undo.turn(new, 1);
        }
        Ok(())
    }

    /// The slot at a map's key or in an element.
    pub(super) fn slot_at(&self, container: u32, key: &Key) -> Option<&Slot> {
        match key {
            Key::Name(name) => self.containers.map(container).ok()?.slot(name),
            Key::Element(element) => self.containers.list(container).ok()?.slot_of(*element),
        }
    }
}
