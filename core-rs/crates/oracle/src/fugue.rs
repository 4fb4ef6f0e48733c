//! The Fugue tree, built in full (Weidner and Kleppmann, "The Art of the Fugue", 2023): every unit is a node with left and
//! right children in the order of their dots, and the sequence is the in-order walk.

use crate::log::Dot;
use std::collections::{BTreeMap, BTreeSet};

/// On which side of its parent a unit hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Before it.
    Left,
    /// After it.
    Right,
}

/// A sequence's tree and what was deleted of it.
#[derive(Debug, Default)]
pub struct Order {
    children: BTreeMap<(Option<Dot>, Side), BTreeSet<Dot>>,
    deleted: BTreeSet<Dot>,
    /// Which element stands at a unit that a move made.
    elements: BTreeMap<Dot, Dot>,
}

impl Order {
    /// Hangs a unit in.
    pub fn insert(&mut self, dot: Dot, parent: Option<Dot>, side: Side) {
        self.children.entry((parent, side)).or_default().insert(dot);
    }

    /// Hangs in a unit of an element that was inserted before.
    pub fn move_to(&mut self, dot: Dot, element: Dot, parent: Option<Dot>, side: Side) {
        self.insert(dot, parent, side);
        self.elements.insert(dot, element);
    }

    /// Of all units of an element only the one at which it stands is seen, and none of a deleted one.
    pub fn stand(&mut self, element: Dot, at: Dot) {
        let is_deleted = self.deleted.contains(&element);
        let mut units = vec![element];
        units.extend(
            self.elements
                .iter()
                .filter(|(_, of)| **of == element)
                .map(|(unit, _)| *unit),
        );
        let hidden = units.into_iter().filter(|&unit| is_deleted || unit != at);
        self.deleted.extend(hidden);
    }

    /// The elements that a reader sees, in order.
    pub fn visible_elements(&self) -> Vec<Dot> {
        let element = |unit: Dot| self.elements.get(&unit).copied().unwrap_or(unit);
        self.visible().into_iter().map(element).collect()
    }

    /// Deletes a unit.
    pub fn delete(&mut self, dot: Dot) {
        self.deleted.insert(dot);
    }

    fn below(&self, parent: Option<Dot>, side: Side) -> impl DoubleEndedIterator<Item = Dot> + '_ {
        self.children.get(&(parent, side)).into_iter().flatten().copied()
    }

    /// Every unit in order, deleted ones included.
    pub fn all(&self) -> Vec<Dot> {
        enum Visit {
            Enter(Dot),
            Read(Dot),
        }
        let mut order = Vec::new();
        let mut stack: Vec<Visit> = self.below(None, Side::Right).rev().map(Visit::Enter).collect();
        while let Some(visit) = stack.pop() {
            match visit {
                Visit::Read(dot) => order.push(dot),
                Visit::Enter(dot) => {
                    stack.extend(self.below(Some(dot), Side::Right).rev().map(Visit::Enter));
                    stack.push(Visit::Read(dot));
                    stack.extend(self.below(Some(dot), Side::Left).rev().map(Visit::Enter));
                }
            }
        }
        order
    }

    /// The units that a reader sees, in order.
    pub fn visible(&self) -> Vec<Dot> {
        let mut order = self.all();
        order.retain(|dot| !self.deleted.contains(dot));
        order
    }

    /// Where whoever inserts before the visible unit at `index` hangs the new one.
    pub fn anchor_before(&self, index: usize) -> (Option<Dot>, Side) {
        self.anchor_behind(index.checked_sub(1).map(|before| self.visible()[before]))
    }

    /// Where whoever inserts right behind a unit (or at the start) hangs the new one: on the right of that unit, or, where
    /// something hangs there already, on the left of what comes next in the tree.
    pub fn anchor_behind(&self, left: Option<Dot>) -> (Option<Dot>, Side) {
        if self.below(left, Side::Right).next().is_none() {
            return (left, Side::Right);
        }
        let all = self.all();
        let next = match left {
            None => 0,
            Some(left) => 1 + all.iter().take_while(|&&dot| dot != left).count(),
        };
        (Some(all[next]), Side::Left)
    }
}
