//! Moving list elements. An element's id is the dot of its insert, for good. A move makes a new unit in the list's sequence, by
//! its own dot, and a register per element (stamp, agent, seq of the unit) tells at which of its units it stands: the highest
//! wins; the insert's own unit has stamp 0. All other units stay where they are, without content.
//!
//! ```text
//! a b c    b is moved behind c:     a (b) c b'      (b) is ELSEWHERE: b, when deleted, is deleted there
//!          and then to the start:   b" a (b) c [b']  [b'] is SUPERSEDED: nothing will ever stand there again
//! ```
//!
//! Only elements that were moved are in a table, those deleted since while they are fewer than the others; a list in which nothing
//! that lives was moved has none.

use crate::list::List;
use crate::sequence::{Anchor, Place, Removal};
use joinery_history::{Agents, Dot, Stamp};
use joinery_tables::{HashedList, OrderedSet};

/// Where an element stands, and since which move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The unit: the move's dot, or the element's own.
    pub unit: Dot,
    /// The move's stamp; 0 where the element stands where it was inserted.
    pub stamp: Stamp,
}

impl Standing {
    /// Does this move win over `other`?
    pub fn beats(&self, other: &Standing, agents: &Agents) -> bool {
        let rank = |at: &Standing| (at.stamp, agents.id(at.unit.agent), at.unit.seq);
        rank(self) > rank(other)
    }
}

/// The living elements of a list that don't stand where they were inserted.
#[derive(Debug, Default, Clone)]
pub struct Moves {
    /// Where they stand. Those deleted since stand nowhere, at [`Dot::NONE`].
    by_element: HashedList<Dot, Standing>,
    /// From the slots' side: whose each is; [`Dot::NONE`], or nothing, where that element was never moved.
    by_slot: Vec<Dot>,
    /// The units that moves made, those of which nothing stands any more included: asked is only for visible ones.
    units: OrderedSet<Dot>,
    /// How many elements were deleted since.
    gone: usize,
}

impl Moves {
    #[inline(never)]
    fn set(&mut self, element: Dot, at: Standing, slot: u32) {
        match self.by_element.get_mut(&element) {
            Some(known) => *known = at,
            None => {
                self.by_element.push(element, at);
            }
        }
        let slot = slot as usize;
        if slot >= self.by_slot.len() {
            self.by_slot.resize(slot + 1, Dot::NONE);
        }
        self.by_slot[slot] = element;
        self.units.insert(at.unit);
    }

    /// The moved element that has a slot.
    fn element_of(&self, slot: u32) -> Option<Dot> {
        let element = self.by_slot.get(slot as usize);
        element.copied().filter(|element| element.is_some())
    }

    /// A moved element was deleted, and lets go of its slot.
    #[inline(never)]
    fn forget(&mut self, element: Dot, slot: u32) {
        self.by_slot[slot as usize] = Dot::NONE;
        if let Some(at) = self.by_element.get_mut(&element) {
            at.unit = Dot::NONE;
            self.gone += 1;
        }
        if self.gone * 2 > self.by_element.len() {
            self.gone = 0;
            let mut living = HashedList::default();
            for (&element, &at) in self.by_element.iter().filter(|(_, at)| at.unit.is_some()) {
                living.push(element, at);
            }
            self.by_element = living;
        }
    }
}

impl List {
    /// The visible units in order, each with its slot.
    pub fn visible_units(&self) -> impl Iterator<Item = (Dot, u32)> + '_ {
        self.units_changed(None)
    }

    /// The same of where something changed after `after`: there or in the slot.
    pub fn units_changed(&self, after: Option<u64>) -> impl Iterator<Item = (Dot, u32)> + '_ {
        self.sequence.pieces(after).flat_map(|(runs, slots)| {
            let visible = runs.iter().filter(|run| run.visible() > 0);
            let units = visible.flat_map(|run| (0..run.len).map(|i| run.dot.plus(i)));
            units.zip(slots.iter().copied())
        })
    }

    /// The element that stands at a visible unit.
    #[inline(never)]
    pub fn element_at(&self, unit: Dot) -> Dot {
        let moves = self.moves.as_ref();
        let moved = moves.and_then(|moves| moves.element_of(self.sequence.unit(unit)?));
        moved.unwrap_or(unit)
    }

    /// Where a moved element stands.
    #[inline(never)]
    pub fn moved_to(&self, element: Dot) -> Option<Standing> {
        let at = self.moves.as_ref()?.by_element.get(&element);
        at.copied().filter(|at| at.unit.is_some())
    }

    /// Where an element stands; none where it was deleted, or never inserted here.
    #[inline(never)]
    pub fn standing(&self, element: Dot) -> Option<Standing> {
        if self.moves.is_some() {
            if let Some(at) = self.moved_to(element) {
                return Some(at);
            }
            if self.element_at(element) != element {
                return None;
            }
        }
        let at = Standing {
            unit: element,
            stamp: 0,
        };
        self.sequence.unit(element).map(|_| at)
    }

    /// How many of the dots from `first` on, at most `len`, are elements of this list, living or deleted, in one piece; 0 where
    /// `first` is none.
    #[inline(never)]
    pub fn stretch(&self, first: Dot, len: u32) -> u32 {
        if len == 1 && self.moved_to(first).is_some() {
            return 1;
        }
        match self.sequence.stretch_alike(first, len) {
            Some((Removal::SUPERSEDED, _)) | None => 0,
            Some((removal, n)) if removal.is_some() => n,
            Some((_, n)) => self.before_moved(first, n),
        }
    }

    /// How many of `len` visible units from `first` on stand before the first one that a move made.
    fn before_moved(&self, first: Dot, len: u32) -> u32 {
        let units = self.moves.as_ref().map(|moves| &moves.units);
        let next = units.and_then(|units| units.range_from(&first).next());
        next.map_or(len, |&unit| {
            if unit < first.plus(len) {
                unit.seq - first.seq
            } else {
                len
            }
        })
    }

    /// The agent's lowest unit from `dot` on, how many from it on are of one kind, and whether they are elements, deleted or not.
    #[inline(never)]
    pub fn at_or_after(&self, dot: Dot) -> Option<(Dot, u32, bool)> {
        let (first, len, removal) = self.sequence.at_or_after(dot)?;
        if removal.is_some() {
            return Some((first, len, removal != Removal::SUPERSEDED));
        }
        Some(match self.before_moved(first, len) {
            0 => (first, 1, false),
            n => (first, n, true),
        })
    }

    /// Moves an element right behind a place that the sequence gave; at the start where there is none. Returns where the new
    /// unit hangs.
    #[inline(never)]
    pub fn move_behind(
        &mut self,
        agents: &Agents,
        element: Dot,
        left: Option<Place>,
        (unit, stamp): (Dot, Stamp),
    ) -> Anchor {
        let anchor = self.sequence.insert_behind(agents, left, unit, &[NOWHERE]);
        self.settle(agents, element, Standing { unit, stamp });
        anchor
    }

    /// The same for a move from elsewhere.
    #[inline(never)]
    pub fn integrate_move(&mut self, agents: &Agents, element: Dot, anchor: Anchor, (unit, stamp): (Dot, Stamp)) {
        self.sequence
            .integrate(agents, unit, anchor, Removal::NONE, 1, &[NOWHERE]);
        self.settle(agents, element, Standing { unit, stamp });
    }

    /// The merge rule of positions: joins a move whose unit was just put into the sequence. A deleted element takes none.
    #[inline(never)]
    pub fn settle(&mut self, agents: &Agents, element: Dot, at: Standing) {
        let before = self.standing(element).filter(|before| at.beats(before, agents));
        let Some(before) = before else {
            self.sequence.hide(at.unit, Removal::SUPERSEDED);
            return;
        };
        let why = if before.unit == element {
            Removal::ELSEWHERE
        } else {
            Removal::SUPERSEDED
        };
        if let Some(slot) = self.sequence.hide(before.unit, why) {
            self.stand(element, at, slot);
        }
    }

    /// Notes that an element, whose slot is this one, stands at a visible unit.
    #[inline(never)]
    pub fn stand(&mut self, element: Dot, at: Standing, slot: u32) {
        self.sequence.set_unit(at.unit, slot);
        self.moves.get_or_insert_default().set(element, at, slot);
    }

    /// Deletes the `len` elements that are seen from `index` on (the caller has checked that they are there), all by the one
    /// operation `by`. Tells each stretch of elements.
    #[inline(never)]
    pub fn delete(&mut self, agents: &Agents, index: u32, len: u32, by: Dot, deleted: &mut dyn FnMut(Dot, u32)) {
        let mut left = len;
        while left > 0 {
            let take = match self.moves {
                None => left,
                Some(_) => self.sequence.dot_at(index).map_or(left, |unit| {
                    let alike = self.sequence.stretch(unit, left);
                    self.before_moved(unit, alike)
                }),
            };
            if take == 0 {
                let Some(unit) = self.sequence.dot_at(index) else {
                    return;
                };
                let element = self.element_at(unit);
                self.remove(agents, element, 1, Removal { dot: by, step: 0 });
                deleted(element, 1);
                left -= 1;
                continue;
            }
            let mut dropped = Vec::new();
            let drop = &mut |slot| dropped.push(slot);
            self.sequence.delete(index, take, by, deleted, drop);
            dropped.into_iter().for_each(|slot| self.drop_slot(slot));
            left -= take;
        }
    }

    /// Deletes the elements `first` … `first + len − 1` on behalf of a removal from elsewhere, wherever they stand. True if one
    /// of them was living.
    #[inline(never)]
    pub fn remove(&mut self, agents: &Agents, first: Dot, len: u32, removal: Removal) -> bool {
        let mut dropped = Vec::new();
        if self.moves.is_some() {
            self.hide_moved(first, len, &mut dropped);
        }
        self.sequence
            .remove(agents, first, len, removal, &mut |slot| dropped.push(slot));
        dropped.iter().for_each(|&slot| self.drop_slot(slot));
        !dropped.is_empty()
    }

    /// Takes those of the elements `first` … `first + len − 1` that were moved from where they stand.
    #[inline(never)]
    fn hide_moved(&mut self, first: Dot, len: u32, dropped: &mut Vec<u32>) {
        let mut done = 0;
        while done < len {
            let (why, alike) = self
                .sequence
                .stretch_alike(first.plus(done), len - done)
                .unwrap_or((Removal::NONE, 1));
            let moved = if why == Removal::ELSEWHERE { alike } else { 0 };
            for element in (0..moved).map(|n| first.plus(done + n)) {
                let Some(at) = self.moved_to(element) else { continue };
                let slot = self.sequence.hide(at.unit, Removal::SUPERSEDED);
                if let (Some(slot), Some(moves)) = (slot, &mut self.moves) {
                    moves.forget(element, slot);
                    dropped.push(slot);
                }
            }
            done += alike;
        }
        if self.moves.as_ref().is_some_and(|moves| moves.by_element.is_empty()) {
            self.moves = None;
        }
    }
}

/// The slot of a unit of which it isn't decided yet whether anything stands there.
pub const NOWHERE: u32 = u32::MAX;
