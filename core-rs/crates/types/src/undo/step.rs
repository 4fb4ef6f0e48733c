//! What a step of an undo stack is made of: edits of this replica, each with what it takes to take it back.
//!
//! It names units, nodes and writes by their dots and containers by their numbers, as they are called now: whenever an undo brings
//! something back under a new name, all steps are renamed (`rename.rs`), so there is no table that grows.

use super::copy::{Copied, Val};
use super::rename::Table;
use crate::container::Key;
use crate::operation::UNKNOWN_AGENT;
use crate::sequence::Gap;
use joinery_history::Dot;
use std::collections::VecDeque;
use std::rc::Rc;

/// Somebody else's operation that a trim has left without a name.
pub const THEIRS: Dot = Dot {
    agent: UNKNOWN_AGENT,
    seq: 1,
};

/// What an edit weighs beside its content, in bytes.
const EDIT_BYTES: usize = 96;

/// Where something stood that comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// On this unit, which is still in the sequence, though removed. Of several in a row: the first one's.
    On(Dot),
    /// Right behind this unit; [`Dot::NONE`] is the start.
    Behind(Dot),
}

/// Characters in a row that were removed.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The first one's id.
    pub first: Dot,
    /// Where they stood.
    pub seat: Seat,
    /// What they were.
    pub units: VecDeque<u16>,
}

/// An element that was removed.
#[derive(Debug, Clone)]
pub struct CutElement {
    /// Its id.
    pub element: Dot,
    /// Where it stood.
    pub seat: Seat,
    /// The write that it showed.
    pub write: Dot,
    /// What it showed.
    pub value: Val,
}

/// A mark's range, and what the key said there before (null: nothing), and whether that was somebody else's.
pub type Marked = ((Gap, Gap), Box<[u8]>, bool);

/// An edge, and from where to where it leads.
pub type GraphEdge = (Dot, Dot, Dot);

/// An edit, and how it is taken back.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Units of a text or a list came: those that are visible go.
    Inserted(Vec<(Dot, u32)>),
    /// Characters went: they come back.
    CutText(Vec<Cut>),
    /// Elements went: they come back.
    CutElements(Vec<CutElement>, Copied),
    /// A map's key or a list's element was written: it shows again what it had shown, if it still shows this write.
    Wrote {
        /// Which.
        key: Key,
        /// The write.
        mine: Dot,
        /// The one before; [`Dot::NONE`] where nobody had written.
        was: Dot,
        /// What that had put there.
        before: Val,
        /// The containers in it.
        copies: Copied,
    },
    /// A counter changed by so much.
    Counted(i64),
    /// A value came into a set.
    Added(Box<[u8]>),
    /// A value was taken from a set, and whether somebody else had added it.
    Taken(Box<[u8]>, bool),
    /// An element was moved: it goes back, if it still stands at this move's unit.
    Moved {
        /// Which.
        element: Dot,
        /// The unit that the move made.
        mine: Dot,
        /// The unit at which it had stood.
        was: Dot,
    },
    /// A text was marked: units that still show a mark of this author with this value show again what they had shown.
    Marked {
        /// The key.
        key: Rc<str>,
        /// What it was set to; null: it was taken off.
        value: Box<[u8]>,
        /// Where, and what was there.
        pieces: Vec<Marked>,
    },
    /// A tree's node was moved: it goes back, if it is still shown by this edge. Where it hung there already, for it was written down
    /// beside a change, nothing is written: earlier edits hear that this edge is the one before.
    Hung {
        /// Which.
        node: Dot,
        /// The edge.
        mine: Dot,
        /// The edge before.
        was: Dot,
        /// Where that hung it.
        parent: Dot,
        /// And among the siblings.
        index: Rc<str>,
        /// It was hidden there; what others' came into sight with it, which a redo hides again.
        hidden: Option<Table>,
    },
    /// A tree's node, or a graph's node or edge, was made: it goes, if nobody else has put anything in or on it.
    Created {
        /// Its id.
        id: Dot,
        /// What others' came back with it under its own name: a redo takes it away again.
        known: Table,
    },
    /// A tree's node was deleted: it comes back, with what hangs below it.
    CutNode {
        /// Its id.
        node: Dot,
        /// The edge by which it was shown.
        edge: Dot,
        /// Where it hung.
        parent: Dot,
        /// And among the siblings.
        index: Rc<str>,
        /// Its map.
        data: Copied,
    },
    /// A graph's node or edge was deleted: it comes back, a node with its edges.
    CutItem {
        /// Its id.
        id: Dot,
        /// Of an edge, from where to where it led.
        ends: Option<(Dot, Dot)>,
        /// Of a node the edges that were shown, with their ends.
        edges: Vec<GraphEdge>,
        /// Its map.
        data: Copied,
    },
}

/// An edit of a container.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number.
    pub container: u32,
    /// What was done.
    pub edit: Edit,
}

impl Entry {
    /// About how many bytes it takes.
    pub fn weight(&self) -> usize {
        let key_bytes = |key: &Key| match key {
            Key::Name(name) => name.len(),
            Key::Element(_) => 0,
        };
        EDIT_BYTES
            + match &self.edit {
                Edit::Inserted(ranges) => ranges.len() * 12,
                Edit::CutText(cuts) => cuts.iter().map(|cut| 64 + cut.units.len() * 2).sum(),
                Edit::CutElements(cuts, copies) => {
                    copies.bytes + cuts.iter().map(|cut| 64 + cut.value.bytes()).sum::<usize>()
                }
                Edit::Wrote {
                    key, before, copies, ..
                } => key_bytes(key) + before.bytes() + copies.bytes,
                Edit::Added(value) | Edit::Taken(value, _) => value.len(),
                Edit::Marked { key, value, pieces } => {
                    key.len() + value.len() + pieces.iter().map(|(_, before, _)| 48 + before.len()).sum::<usize>()
                }
                Edit::Hung { index, hidden, .. } => index.len() + hidden.as_ref().map_or(0, Table::len) * 12,
                Edit::Created { known, .. } => known.len() * 12,
                Edit::CutNode { index, data, .. } => index.len() + data.bytes,
                Edit::CutItem { edges, data, .. } => edges.len() * 24 + data.bytes,
                Edit::Counted(_) | Edit::Moved { .. } => 0,
            }
    }

    /// Takes the next edit into this one where they are one: typing, deleting key by key. How much it grew.
    pub fn fuse(&mut self, next: &mut Entry) -> Option<usize> {
        if self.container != next.container {
            return None;
        }
        match (&mut self.edit, &mut next.edit) {
            (Edit::Inserted(ranges), Edit::Inserted(more)) => {
                let mut grown = 0;
                for &(first, len) in more.iter() {
                    match ranges.last_mut() {
                        Some(last) if last.0.agent == first.agent && last.0.seq + last.1 == first.seq => last.1 += len,
                        _ => {
                            ranges.push((first, len));
                            grown += 12;
                        }
                    }
                }
                Some(grown)
            }
            (Edit::CutText(cuts), Edit::CutText(more)) => {
                let mut grown = 0;
                for cut in more.drain(..) {
                    grown += add_cut(cuts, cut);
                }
                Some(grown)
            }
            (Edit::CutElements(cuts, copies), Edit::CutElements(more, with))
                if copies.is_empty() && with.is_empty() =>
            {
                let grown = more.iter().map(|cut| 64 + cut.value.bytes()).sum();
                cuts.append(more);
                Some(grown)
            }
            (Edit::Counted(sum), Edit::Counted(more)) => {
                *sum = sum.checked_add(*more)?;
                Some(0)
            }
            _ => None,
        }
    }
}

/// Adds characters to those that were removed before; the weight of that.
fn add_cut(cuts: &mut Vec<Cut>, mut cut: Cut) -> usize {
    let len = cut.units.len();
    let follows = |a: Dot, len: usize, b: Dot| a.agent == b.agent && a.seq as usize + len == b.seq as usize;
    if let Some(last) = cuts.last_mut().filter(|last| last.seat == Seat::On(last.first)) {
        if cut.seat == Seat::On(cut.first) {
            if follows(last.first, last.units.len(), cut.first) {
                last.units.append(&mut cut.units);
                return len * 2;
            }
            if follows(cut.first, len, last.first) {
                cut.units.drain(..).rev().for_each(|unit| last.units.push_front(unit));
                last.first = cut.first;
                last.seat = cut.seat;
                return len * 2;
            }
        }
    }
    cuts.push(cut);
    64 + len * 2
}

/// One undo or redo: what was done between two boundaries.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// In the order in which it was done.
    pub entries: Vec<Entry>,
    /// The app's packed value: a label, a selection.
    pub meta: Box<[u8]>,
    /// About how many bytes it takes.
    pub weight: usize,
}

impl Step {
    /// Counts its weight anew.
    pub fn weigh(&mut self) {
        self.weight = self.meta.len() + self.entries.iter().map(Entry::weight).sum::<usize>();
    }
}
