//! A sequence of units with ids in Fugue order: what text (units are UTF-16 characters) and list (units are elements) share.
//!
//! The order is that of Weidner and Kleppmann, "The Art of the Fugue: Minimizing Interleaving in Collaborative Text Editing"
//! (2023): units form a tree; a unit hangs on the left or the right of its parent; reading in order (left children, the unit,
//! right children; siblings by id) gives the sequence. Who inserts between two neighbours hangs the new unit on the right of
//! the left one or, where something already hangs there, on the left of the right one.
//!
//! Deviations: the tree is not built. Runs stand in reading order in a B-tree ([`tree`]); a run's inner units have exactly
//! one child, the next unit, and a run knows whether something hangs on its ends. Where a new unit's place is free, it goes right
//! beside its parent with no further look. Only where siblings exist ([`children`]) is the way to the neighbour sibling's outermost
//! descendant walked.
//!
//! What it is not: it assigns no dots, checks no version, and encodes nothing.

mod build;
mod children;
mod gap;
mod lookup;
mod run;
mod tree;

pub use build::Builder;
pub use children::rank;
pub use gap::{Gap, Spot};
#[cfg(test)]
use run::Hanging;
pub use run::{is_continuation, Removal, Run, Side};

use crate::cut::{self, OfPatches};
use crate::patches::Hunks;
use children::Children;
use joinery_history::{Agents, Dot};
use tree::Tree;
pub use tree::{At, Place};

/// Where a new unit hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Anchor {
    /// The unit it hangs on; [`Dot::NONE`] is the start.
    pub parent: Dot,
    /// On which side.
    pub side: Side,
}

impl Anchor {
    /// Where the first unit of all hangs.
    pub const START: Anchor = Anchor {
        parent: Dot::NONE,
        side: Side::Right,
    };
}

/// A sequence. See the top of this file.
#[derive(Debug, Clone)]
pub struct Sequence<U> {
    tree: Tree<U>,
    /// None until siblings were looked for.
    children: Option<Box<Children>>,
    /// While changes are noted: which visible units came and went.
    pub(crate) changes: Option<OfPatches<Box<Hunks<U>>>>,
}

impl<U: Copy> Default for Sequence<U> {
    fn default() -> Self {
        Sequence {
            tree: Tree::new(),
            children: None,
            changes: None,
        }
    }
}

impl<U: Copy> Sequence<U> {
    /// Visible units.
    pub fn len(&self) -> u32 {
        self.tree.len()
    }

    /// True when nothing was ever inserted.
    pub fn is_untouched(&self) -> bool {
        self.tree.is_untouched()
    }

    /// Every run in order, with its visible units.
    pub fn runs(&self) -> impl Iterator<Item = (Run, &[U])> + '_ {
        self.tree.runs()
    }

    /// Sets the time: how many operations the replica knows when the change is done that comes next. Whatever changes is marked
    /// with it.
    #[inline]
    pub fn date(&mut self, time: u64) {
        self.tree.date(time);
    }

    /// All of it changes now.
    pub fn touch_all(&mut self) {
        self.tree.touch_all();
    }

    /// Runs in order, and the visible units, leaf by leaf: of those leaves in which something changed after `after`, or of all.
    pub fn pieces(&self, after: Option<u64>) -> impl Iterator<Item = (&[Run], &[U])> + '_ {
        self.tree
            .leaves_changed(after)
            .map(|leaf| (leaf.runs.as_slice(), leaf.content.as_slice()))
    }

    /// The visible units in order, leaf by leaf.
    pub fn chunks(&self) -> impl Iterator<Item = &[U]> + '_ {
        self.tree.leaves().map(|leaf| leaf.content.as_slice())
    }

    /// The visible unit at `index`.
    pub fn get(&mut self, index: u32) -> Option<U> {
        if index >= self.len() {
            return None;
        }
        let place = self.tree.find(index);
        self.tree.unit(place)
    }

    /// The dot of the visible unit at `index`.
    pub fn dot_at(&mut self, index: u32) -> Option<Dot> {
        if index >= self.len() {
            return None;
        }
        let place = self.tree.find(index);
        Some(self.tree.run(place).dot.plus(place.offset))
    }

    /// Appends the visible units from `from` on, `len` of them or as many as there are.
    pub fn read(&self, from: u32, len: u32, out: &mut Vec<U>) {
        self.tree.read(from, len, out);
    }

    /// The same as [`Sequence::dot_at`], for who only looks.
    pub fn dot_of_index(&self, index: u32) -> Option<Dot> {
        self.tree.dot_of_index(index)
    }

    /// Is `dot` a unit of this sequence, visible or not?
    pub fn contains(&self, dot: Dot) -> bool {
        self.tree.locate(dot).is_some()
    }

    /// How many units from `dot` on, at most `len`, stand in the same run; 0 where `dot` is not here.
    pub fn stretch(&self, dot: Dot, len: u32) -> u32 {
        self.tree
            .locate(dot)
            .map_or(0, |place| len.min(self.tree.run(place).len - place.offset))
    }

    /// The visible unit with id `dot`, for which something else stands from now on.
    pub fn unit_changed(&mut self, dot: Dot) -> Option<U> {
        let place = self.tree.locate(dot)?;
        let unit = self.tree.unit(place)?;
        self.tree.touch(place);
        Some(unit)
    }

    /// The visible unit with id `dot`.
    pub fn unit(&self, dot: Dot) -> Option<U> {
        self.tree.unit(self.tree.locate(dot)?)
    }

    /// How many visible units stand before `dot`.
    pub fn index_of(&self, dot: Dot) -> Option<u32> {
        self.tree.locate(dot).map(|place| self.tree.index_of(place))
    }

    /// Inserts new units before the visible unit at `index` (at most [`Sequence::len`]); the first has the id `dot`, the
    /// others the dots after it. Returns where they hang.
    pub fn insert(&mut self, agents: &Agents, index: u32, dot: Dot, units: &[U]) -> Anchor {
        let left = self.behind_index(index);
        self.insert_behind(agents, left, dot, units)
    }

    /// The place behind which a unit inserted at `index` stands; none for the start.
    pub fn behind_index(&mut self, index: u32) -> Option<Place> {
        (index > 0).then(|| self.tree.find(index - 1))
    }

    /// The place of the unit `dot`, visible or not.
    pub fn place_of(&self, dot: Dot) -> Option<Place> {
        self.tree.locate(dot)
    }

    /// Inserts new units right behind the unit at `left`, visible or not; at the start where there is none.
    pub fn insert_behind(&mut self, agents: &Agents, left: Option<Place>, dot: Dot, units: &[U]) -> Anchor {
        let (anchor, at) = match left {
            Some(left) => {
                let run = self.tree.run(left);
                let left_dot = run.dot.plus(left.offset);
                let behind = Place {
                    offset: left.offset + 1,
                    ..left
                };
                if behind.offset < run.len {
                    (
                        Anchor {
                            parent: left_dot.plus(1),
                            side: Side::Left,
                        },
                        behind,
                    )
                } else if !run.hanging.next && run.is_open() {
                    (
                        Anchor {
                            parent: left_dot,
                            side: Side::Right,
                        },
                        behind,
                    )
                } else {
                    // Something hangs on the right of the left neighbour, so the next run starts with its first descendant.
                    let next = self.tree.next_run(left).map(|place| self.tree.run(place).dot);
                    (
                        Anchor {
                            parent: next.unwrap_or(left_dot),
                            side: Side::Left,
                        },
                        behind,
                    )
                }
            }
            None => match self.tree.first_run() {
                Some(first) => (
                    Anchor {
                        parent: self.tree.run(first).dot,
                        side: Side::Left,
                    },
                    first,
                ),
                None => (Anchor::START, Place::START),
            },
        };
        self.put(agents, at, dot, anchor, Removal::NONE, units.len() as u32, units);
        anchor
    }

    /// Inserts `len` units that came from elsewhere, the first with the id `dot`. The parent is known to be here; none of
    /// the dots is. Removed units come without content.
    pub fn integrate(&mut self, agents: &Agents, dot: Dot, anchor: Anchor, removal: Removal, len: u32, units: &[U]) {
        let Some(at) = self.place_for(agents, dot, anchor) else {
            return;
        };
        self.put(agents, at, dot, anchor, removal, len, units);
    }

    /// Where a unit with this anchor stands.
    fn place_for(&mut self, agents: &Agents, dot: Dot, anchor: Anchor) -> Option<Place> {
        let Anchor { parent, side } = anchor;
        let (beside, has_siblings, continuation) = if side == Side::Left {
            let place = self.tree.locate(parent)?;
            let has_siblings = place.offset == 0 && self.tree.run(place).hanging.left;
            (self.tree.cut(place), has_siblings, None)
        } else if parent.is_some() {
            let place = self.tree.locate(parent)?;
            let run = self.tree.run(place);
            let behind = Place {
                offset: place.offset + 1,
                ..place
            };
            let is_inner = behind.offset < run.len;
            if is_inner {
                self.tree.cut(behind);
            }
            let continuation = (is_inner || run.hanging.next).then(|| parent.plus(1));
            (behind, !is_inner && run.hanging.right, continuation)
        } else {
            match self.tree.first_run() {
                Some(first) => (first, true, None),
                None => return Some(Place::START),
            }
        };
        let (mut below, mut above) = if has_siblings {
            let children = self.children(agents);
            (
                children.highest_below(agents, parent, side, Some(dot)),
                children.lowest_above(agents, parent, side, Some(dot)),
            )
        } else {
            (None, None)
        };
        if let Some(next) = continuation {
            let next_rank = rank(agents, next);
            if next_rank > rank(agents, dot) {
                if above.is_none_or(|above| next_rank < rank(agents, above)) {
                    above = Some(next);
                }
            } else if below.is_none_or(|below| next_rank > rank(agents, below)) {
                below = Some(next);
            }
        }
        match (side, below, above) {
            (Side::Left, _, None) | (Side::Right, None, _) => Some(beside),
            _ => self.between(agents, below, above),
        }
    }

    /// The table of children, made where there is none yet.
    fn children(&mut self, agents: &Agents) -> &Children {
        let tree = &self.tree;
        self.children
            .get_or_insert_with(|| Box::new(Children::of(agents, tree.runs().map(|(run, _)| run))))
    }

    /// The place behind a sibling and all that hangs below it, and before the next sibling and all that hangs below that:
    /// the same place where there are both. It is looked for from both at once, and the shorter way ends it. So whoever
    /// makes one way long to slow others down makes the next ways short.
    fn between(&mut self, agents: &Agents, below: Option<Dot>, above: Option<Dot>) -> Option<Place> {
        self.children(agents);
        let children = self.children.as_deref()?;
        let (mut last, mut first) = (below, above);
        loop {
            if let Some(at) = first {
                first = children.lowest_above(agents, at, Side::Left, None);
                if first.is_none() {
                    return self.tree.locate(at);
                }
            }
            if let Some(at) = last {
                let place = self.tree.locate(at)?;
                let run = self.tree.run(place);
                last = last_child(agents, children, run);
                if last.is_none() {
                    return Some(Place {
                        offset: run.len,
                        ..place
                    });
                }
            }
            if first.is_none() && last.is_none() {
                return None;
            }
        }
    }

    /// Puts units at a place. Extends the run before it where they continue it.
    #[allow(clippy::too_many_arguments)]
    fn put(&mut self, agents: &Agents, at: Place, dot: Dot, anchor: Anchor, removal: Removal, len: u32, units: &[U]) {
        let Anchor { parent, side } = anchor;
        let continues = is_continuation(dot, parent, side);
        // At the front of a run the place may as well be behind the one before it; that one isn't extended.
        if continues && at.offset > 0 && !removal.is_some() {
            let run = self.tree.run(at);
            if run.tail() == parent
                && at.offset == run.len
                && !run.hanging.next
                && run.is_open()
                && !run.removal.is_some()
            {
                if self.changes.is_some() {
                    self.record_inserted(at, units.len() as u32);
                }
                self.tree.extend(at, units);
                return;
            }
        }
        let at = self.tree.cut(at);
        self.hang(at, anchor, continues);
        if let (false, Some(children)) = (continues, &mut self.children) {
            children.add(agents, parent, side, dot);
        }
        if self.changes.is_some() && !removal.is_some() {
            self.record_inserted(at, len);
        }
        self.tree.insert(at, Run::new(dot, len, anchor, removal), units);
    }

    /// Notes in the parent's run that something hangs on its end. Mostly that run is right beside the new unit's place.
    fn hang(&mut self, at: Place, Anchor { parent, side }: Anchor, continues: bool) {
        if !parent.is_some() {
            return;
        }
        let beside = match side {
            Side::Left => Some(at.run),
            Side::Right => at.run.checked_sub(1),
        };
        let beside = beside.and_then(|at_run| self.tree.leaf(at.leaf).runs.get(at_run).map(|run| (at_run, run)));
        let place = match beside {
            Some((run, found)) if parent == if side == Side::Left { found.dot } else { found.tail() } => {
                Some(Place { run, ..at })
            }
            _ => self.tree.locate(parent),
        };
        if let Some(place) = place {
            self.tree.run_mut(place).hanging.note(side, continues);
        }
    }

    /// Removes `len` visible units from `index` on (the caller has checked that they exist), all by the one operation
    /// `removal`. Tells each stretch of ids that was removed, and each unit that was dropped.
    pub fn delete(
        &mut self,
        index: u32,
        len: u32,
        removal: Dot,
        removed: &mut dyn FnMut(Dot, u32),
        dropped: &mut dyn FnMut(U),
    ) {
        let mut left = len;
        while left > 0 {
            let place = self.tree.find(index);
            let run = self.tree.run(place);
            let take = left.min(run.len - place.offset);
            let dot = run.dot.plus(place.offset);
            removed(dot, take);
            self.remove_at(place, take, Removal { dot: removal, step: 0 }, dropped);
            left -= take;
        }
    }

    /// Removes the units `dot` … `dot + len − 1` on behalf of a removal from elsewhere. What was removed before keeps the
    /// lower of the two dots. Ids that are not here are passed over.
    pub fn remove(&mut self, agents: &Agents, dot: Dot, len: u32, removal: Removal, dropped: &mut dyn FnMut(U)) {
        let mut done = 0;
        while done < len {
            let Some(place) = self.tree.locate(dot.plus(done)) else {
                done += 1;
                continue;
            };
            let run = self.tree.run(place);
            let mut take = (len - done).min(run.len - place.offset);
            let new = removal.skip(done);
            if !run.removal.has_dot() {
                self.remove_at(place, take, new, dropped);
            } else {
                let old = run.removal.skip(place.offset);
                take = take.min(new.alike(old));
                if rank(agents, new.dot) < rank(agents, old.dot) {
                    self.remove_at(place, take, new, dropped);
                }
            }
            done += take;
        }
    }

    /// Takes the content out of the visible unit `dot`, whose element stands elsewhere from now on.
    #[inline(never)]
    pub fn hide(&mut self, dot: Dot, why: Removal) -> Option<U> {
        let place = self.tree.locate(dot)?;
        let unit = self.tree.unit(place)?;
        self.remove_at(place, 1, why, &mut |_| {});
        Some(unit)
    }

    /// Why the unit `dot` is not visible, and how many from it on, at most `len`, stand in the same run.
    pub fn stretch_alike(&self, dot: Dot, len: u32) -> Option<(Removal, u32)> {
        let place = self.tree.locate(dot)?;
        let run = self.tree.run(place);
        Some((run.removal, len.min(run.len - place.offset)))
    }

    /// Marks `len` units of one run removed and joins the result with its neighbours where they go on.
    fn remove_at(&mut self, place: Place, len: u32, removal: Removal, dropped: &mut dyn FnMut(U)) {
        let place = self.tree.cut(place);
        self.tree.cut(Place { offset: len, ..place });
        match self.changes {
            None => self.tree.remove(place, removal, dropped),
            Some(_) => self.remove_recorded(place, removal, dropped),
        }
        let runs = self.tree.leaf(place.leaf).runs.len();
        if place.run + 1 < runs {
            self.try_fuse(place);
        }
        if place.run > 0 {
            self.try_fuse(Place {
                run: place.run - 1,
                ..place
            });
        }
        self.tree.settle_runs(place.leaf);
    }

    #[cold]
    #[inline(never)]
    fn record_inserted(&mut self, at: Place, len: u32) {
        if let Some(changes) = &mut self.changes {
            changes.insert(self.tree.index_of(at), len);
        }
    }

    /// Notes that all units are new, in a sequence that was empty.
    pub(crate) fn record_filled(&mut self, keeps_gone: bool) {
        let mut changes = Hunks::new(0, keeps_gone);
        changes.insert(0, self.len());
        self.changes = cut::patches(|| Box::new(changes));
    }

    #[inline(never)]
    fn remove_recorded(&mut self, place: Place, removal: Removal, dropped: &mut dyn FnMut(U)) {
        let index = self.tree.index_of(place);
        let mut units = Vec::new();
        self.tree.remove(place, removal, &mut |unit| {
            units.push(unit);
            dropped(unit);
        });
        if let Some(changes) = &mut self.changes {
            changes.delete(index, &units);
        }
    }

    fn try_fuse(&mut self, place: Place) {
        let first = self.tree.run(place);
        let second = self.tree.run(Place {
            run: place.run + 1,
            ..place
        });
        let goes_on = second.is_continuation() && second.parent == first.tail() && first.is_open();
        if !goes_on {
            return;
        }
        if let Some(step) = first.removal.continues(first.len, second.removal, second.len) {
            self.tree.fuse(place, step);
        }
    }

    /// The stretch of units right before `dot`: the first one's dot and how many, all of one run.
    pub fn before(&self, dot: Dot) -> Option<(Dot, u32)> {
        let place = self.tree.locate(dot)?;
        if place.offset > 0 {
            return Some((self.tree.run(place).dot, place.offset));
        }
        let run = self.tree.run(self.tree.previous_run(place)?);
        Some((run.dot, run.len))
    }

    /// The lowest unit of the same agent from `dot` on, how many stand in its run from there on, and why they are not visible.
    pub fn at_or_after(&self, dot: Dot) -> Option<(Dot, u32, Removal)> {
        let place = self.tree.locate_at_or_after(dot)?;
        let run = self.tree.run(place);
        Some((run.dot.plus(place.offset), run.len - place.offset, run.removal))
    }

    /// Replaces the visible unit with id `dot`.
    pub fn set_unit(&mut self, dot: Dot, unit: U) {
        if let Some(place) = self.tree.locate(dot) {
            if !self.tree.run(place).removal.is_some() {
                self.tree.set_unit(place, unit);
            }
        }
    }
}

/// The highest of what hangs on the right of a run.
fn last_child(agents: &Agents, children: &Children, run: Run) -> Option<Dot> {
    let explicit = children.highest_below(agents, run.tail(), Side::Right, None);
    if !run.hanging.next {
        return explicit;
    }
    let next = run.tail().plus(1);
    explicit
        .filter(|&child| rank(agents, child) > rank(agents, next))
        .or(Some(next))
}

#[cfg(test)]
impl<U: Copy> Sequence<U> {
    /// Deep invariants, for tests: those of the tree, and that what hangs on a run hangs on its ends.
    pub fn check(&self, agents: &Agents) {
        self.tree.check();
        let children = Children::of(agents, self.runs().map(|(run, _)| run));
        let any = |dot, side| children.lowest_above(agents, dot, side, None).is_some();
        for (run, _) in self.tree.runs() {
            let next = run.tail().plus(1);
            let child = self.tree.locate(next).map(|place| (self.tree.run(place), place.offset));
            let hanging = Hanging {
                left: any(run.dot, Side::Left),
                right: any(run.tail(), Side::Right),
                next: child.is_some_and(|(next, offset)| offset == 0 && next.is_continuation()),
            };
            assert_eq!(run.hanging, hanging, "{run:?}");
            for offset in 0..run.len {
                let dot = run.dot.plus(offset);
                assert!(offset == 0 || !any(dot, Side::Left), "{dot:?} in {run:?}");
                assert!(offset + 1 == run.len || !any(dot, Side::Right), "{dot:?} in {run:?}");
            }
            if let Some(children) = &self.children {
                for side in [Side::Left, Side::Right] {
                    let dot = if side == Side::Left { run.dot } else { run.tail() };
                    assert_eq!(children.lowest_above(agents, dot, side, None).is_some(), any(dot, side));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
