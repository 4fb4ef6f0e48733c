//! The flat B-tree that keeps the runs in order: runs with their content in leaves, visible lengths in the nodes above,
//! u32 indices for links, and per agent a table from dots to leaves. It knows nothing of merging.
//!
//! ```text
//!            node (children, visible length of each)
//!           /                 \
//!   leaf ⇄ leaf ⇄ leaf      leaf ⇄ …      a leaf: up to 32 runs, up to 1,024 visible units inline
//! ```
//!
//! Runs are never taken out (a removed run keeps its place), so the tree only grows and needs no rebalancing downwards.

mod build;
mod dated;
mod read;

pub use build::At;

use super::lookup::Lookup;
use super::run::Run;
use joinery_history::Dot;
use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;

const NIL: u32 = u32::MAX;
/// How many runs a leaf has at most.
pub const MAX_RUNS: usize = 32;
/// How many visible units.
pub const MAX_CONTENT: usize = 1024;
const MAX_CHILDREN: usize = 32;

/// Some runs and the visible units in them, in order.
#[derive(Debug, Clone)]
pub struct Leaf<U> {
    /// The node above, so that a change of length can be told upwards.
    parent: u32,
    /// The leaf before and the one after, so that reading in order needs no walk through the nodes.
    prev: u32,
    next: u32,
    /// The [`Tree::time`] of the last change to what is in it: no later one has made, or removed, any of its units.
    changed: u64,
    /// The runs, in order.
    pub runs: Vec<Run>,
    /// The units of the runs that are not removed, in order.
    pub content: Vec<U>,
}

/// A node's children are all leaves or all nodes.
#[derive(Debug, Clone)]
struct Node {
    parent: u32,
    children: Vec<u32>,
    /// Visible length below each child.
    lens: Vec<u32>,
    of_leaves: bool,
}

/// A unit's place: its run and how far into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The leaf.
    pub leaf: u32,
    /// The run's position in the leaf.
    pub run: usize,
    /// Units before it in the run.
    pub offset: u32,
}

impl Place {
    /// Where the first run of all goes.
    pub const START: Place = Place {
        leaf: 0,
        run: 0,
        offset: 0,
    };
}

/// The tree. See the top of this file.
#[derive(Debug, Clone)]
pub struct Tree<U> {
    leaves: Vec<Leaf<U>>,
    nodes: Vec<Node>,
    root: u32,
    first: u32,
    /// In which leaf a unit is.
    lookup: Lookup,
    len: u32,
    /// The leaf found last and the visible units before it, so that typing finds its leaf without a descent.
    recent: Option<(u32, u32)>,
    /// What changes from now on is marked with it: see [`Sequence::date`](super::Sequence::date).
    time: u64,
    hints: Hints,
}

/// Where things were found last, for who goes on there. Not part of what a tree is, so it isn't shown.
#[derive(Clone, Default)]
struct Hints {
    /// The leaf and the run that a dot was located in; it may be another run by now.
    located: Cell<(u32, usize)>,
    /// A leaf, a run in it (or one past the last), and how many visible units of the leaf stand before that run.
    counted: Cell<(u32, usize, u32)>,
}

impl fmt::Debug for Hints {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl<U: Copy> Tree<U> {
    /// An empty tree.
    pub fn new() -> Self {
        Tree {
            leaves: vec![Leaf {
                parent: 0,
                prev: NIL,
                next: NIL,
                changed: 0,
                runs: Vec::new(),
                content: Vec::new(),
            }],
            nodes: vec![Node {
                parent: NIL,
                children: vec![0],
                lens: vec![0],
                of_leaves: true,
            }],
            root: 0,
            first: 0,
            lookup: Lookup::default(),
            len: 0,
            recent: None,
            time: 0,
            hints: Hints::default(),
        }
    }

    /// Visible units.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// True when there is no run at all, visible or not.
    pub fn is_untouched(&self) -> bool {
        self.leaves[self.first as usize].runs.is_empty()
    }

    /// A leaf's runs and content.
    pub fn leaf(&self, leaf: u32) -> &Leaf<U> {
        &self.leaves[leaf as usize]
    }

    /// A run.
    pub fn run(&self, place: Place) -> Run {
        self.leaves[place.leaf as usize].runs[place.run]
    }

    /// A run, to change what is neither its dot nor its length nor its visibility.
    pub fn run_mut(&mut self, place: Place) -> &mut Run {
        &mut self.leaves[place.leaf as usize].runs[place.run]
    }

    /// Every run in order, with its content (empty where it is removed).
    pub fn runs(&self) -> impl Iterator<Item = (Run, &[U])> + '_ {
        self.leaves().flat_map(|leaf| {
            let mut taken = 0;
            leaf.runs.iter().map(move |run| {
                let from = taken;
                taken += run.visible() as usize;
                (*run, &leaf.content[from..taken])
            })
        })
    }

    /// The place of the first run, if any.
    pub fn first_run(&self) -> Option<Place> {
        let place = Place {
            leaf: self.first,
            run: 0,
            offset: 0,
        };
        (!self.is_untouched()).then_some(place)
    }

    /// The run after the one at `place`.
    pub fn next_run(&self, place: Place) -> Option<Place> {
        let leaf = &self.leaves[place.leaf as usize];
        if place.run + 1 < leaf.runs.len() {
            return Some(Place {
                leaf: place.leaf,
                run: place.run + 1,
                offset: 0,
            });
        }
        // Only the very first leaf of an untouched tree is empty, so the next leaf has a run.
        (leaf.next != NIL).then_some(Place {
            leaf: leaf.next,
            run: 0,
            offset: 0,
        })
    }

    /// The run before the one at `place`.
    pub fn previous_run(&self, place: Place) -> Option<Place> {
        if place.run > 0 {
            return Some(Place {
                run: place.run - 1,
                offset: 0,
                ..place
            });
        }
        let leaf = self.leaves.get(self.leaves[place.leaf as usize].prev as usize)?;
        Some(Place {
            leaf: self.leaves[place.leaf as usize].prev,
            run: leaf.runs.len().checked_sub(1)?,
            offset: 0,
        })
    }

    /// The place of the agent's lowest unit from `dot` on.
    pub fn locate_at_or_after(&self, dot: Dot) -> Option<Place> {
        // A leaf may stand for a gap; the next one that doesn't has the unit.
        self.lookup.from(dot).find_map(|leaf| {
            let runs = self.leaves[leaf as usize].runs.iter().enumerate();
            let later = runs.filter(|(_, run)| run.dot.agent == dot.agent && run.tail().seq >= dot.seq);
            let (at, run) = later.min_by_key(|(_, run)| run.dot.seq)?;
            Some(Place {
                leaf,
                run: at,
                offset: dot.seq.saturating_sub(run.dot.seq),
            })
        })
    }

    /// Where `dot` stands, if it is in this sequence.
    pub fn locate(&self, dot: Dot) -> Option<Place> {
        let (leaf, run) = self.hints.located.get();
        if let Some(found) = self.leaves[leaf as usize].runs.get(run).filter(|run| run.has(dot)) {
            let offset = dot.seq - found.dot.seq;
            return Some(Place { leaf, run, offset });
        }
        let leaf = self.lookup.get(dot)?;
        let runs = &self.leaves[leaf as usize].runs;
        let run = runs.iter().position(|run| run.has(dot))?;
        self.hints.located.set((leaf, run));
        Some(Place {
            leaf,
            run,
            offset: dot.seq - runs[run].dot.seq,
        })
    }

    /// The place of the visible unit at `index`, which must be below [`Tree::len`].
    pub fn find(&mut self, index: u32) -> Place {
        let (leaf, start) = self.find_leaf(index);
        let within = index - start;
        let runs = &self.leaves[leaf as usize].runs;
        let (mut at, mut before) = self.counted_in(leaf);
        while before > within {
            at -= 1;
            before -= runs[at].visible();
        }
        while let Some(run) = runs.get(at) {
            let visible = run.visible();
            if within - before < visible {
                break;
            }
            before += visible;
            at += 1;
        }
        self.hints.counted.set((leaf, at, before));
        Place {
            leaf,
            run: at,
            offset: within - before,
        }
    }

    /// A run of the leaf, and how many visible units of the leaf stand before it.
    fn counted_in(&self, leaf: u32) -> (usize, u32) {
        match self.hints.counted.get() {
            (counted, run, before) if counted == leaf => (run, before),
            _ => (0, 0),
        }
    }

    /// A run is about to change, or what stands from there on: what was counted holds up to there.
    fn recount_from(&mut self, leaf: u32, run: usize) {
        let (counted, at, _) = self.hints.counted.get();
        if counted == leaf && at > run {
            self.count(leaf, run);
        }
    }

    /// How many visible units of the leaf stand before a run.
    fn count(&self, leaf: u32, run: usize) -> u32 {
        let runs = &self.leaves[leaf as usize].runs;
        let (at, before) = self.counted_in(leaf);
        let sum = |runs: &[Run]| runs.iter().map(Run::visible).sum::<u32>();
        let before = if at <= run {
            before + sum(&runs[at..run])
        } else {
            before - sum(&runs[run..at])
        };
        self.hints.counted.set((leaf, run, before));
        before
    }

    fn find_leaf(&mut self, index: u32) -> (u32, u32) {
        if let Some((leaf, start)) = self.recent {
            if index >= start && ((index - start) as usize) < self.leaves[leaf as usize].content.len() {
                return (leaf, start);
            }
        }
        let found = self.leaf_at(index);
        self.recent = Some(found);
        found
    }

    /// How many visible units stand before the run (and offset) at `place`.
    pub fn index_of(&self, place: Place) -> u32 {
        let leaf = &self.leaves[place.leaf as usize];
        let mut index = self.content_offset(place) as u32;
        let (mut child, mut parent) = (place.leaf, leaf.parent);
        while parent != NIL {
            let node = &self.nodes[parent as usize];
            for (&id, &len) in node.children.iter().zip(&node.lens) {
                if id == child {
                    break;
                }
                index += len;
            }
            child = parent;
            parent = node.parent;
        }
        index
    }

    /// The order of two places. All leaves lie equally deep, so the ways up from both meet in one node.
    pub fn compare(&self, a: Place, b: Place) -> Ordering {
        let within = |place: Place| (place.run, place.offset);
        if a.leaf == b.leaf {
            return within(a).cmp(&within(b));
        }
        let mut children = (a.leaf, b.leaf);
        let mut parents = (self.leaves[a.leaf as usize].parent, self.leaves[b.leaf as usize].parent);
        while parents.0 != parents.1 {
            children = parents;
            parents = (
                self.nodes[parents.0 as usize].parent,
                self.nodes[parents.1 as usize].parent,
            );
        }
        let of_both = &self.nodes[parents.0 as usize].children;
        let first = of_both
            .iter()
            .find(|&&child| child == children.0 || child == children.1);
        if first == Some(&children.0) {
            Ordering::Less
        } else {
            Ordering::Greater
        }
    }

    /// Where in its leaf's content the unit at `place` stands (or would).
    pub fn content_offset(&self, place: Place) -> usize {
        let before = self.count(place.leaf, place.run);
        let runs = &self.leaves[place.leaf as usize].runs;
        let within = runs.get(place.run).map_or(0, |run| run.visible().min(place.offset));
        (before + within) as usize
    }

    /// Cuts the run at `place` before its offset, so that a run starts there. Returns that run's place.
    pub fn cut(&mut self, place: Place) -> Place {
        if place.offset == 0 {
            return place;
        }
        self.recount_from(place.leaf, place.run);
        let runs = &mut self.leaves[place.leaf as usize].runs;
        if place.offset < runs[place.run].len {
            let second = runs[place.run].split(place.offset);
            insert_run(runs, place.run + 1, second);
        }
        Place {
            leaf: place.leaf,
            run: place.run + 1,
            offset: 0,
        }
    }

    /// Puts a run in before the run at `place` (offset 0; one past the last run appends). Places change by this.
    pub fn insert(&mut self, place: Place, run: Run, units: &[U]) {
        let at = self.content_offset(place);
        let leaf = &mut self.leaves[place.leaf as usize];
        leaf.changed = self.time;
        insert_run(&mut leaf.runs, place.run, run);
        leaf.content.splice(at..at, units.iter().copied());
        self.lookup.assign(run.dot, run.len, place.leaf);
        self.add_len(place.leaf, i64::from(run.visible()));
        self.settle(place.leaf);
    }

    /// Appends units to the run that ends at `place`, whose dots they continue. Places change by this.
    pub fn extend(&mut self, place: Place, units: &[U]) {
        let at = self.content_offset(place);
        let leaf = &mut self.leaves[place.leaf as usize];
        leaf.changed = self.time;
        if at == leaf.content.len() {
            leaf.content.extend_from_slice(units);
        } else if let [unit] = units {
            leaf.content.insert(at, *unit);
        } else {
            leaf.content.splice(at..at, units.iter().copied());
        }
        let run = &mut leaf.runs[place.run];
        let added = Run {
            dot: run.dot.plus(run.len),
            len: units.len() as u32,
            ..*run
        };
        run.len += added.len;
        self.lookup.assign(added.dot, added.len, place.leaf);
        self.add_len(place.leaf, units.len() as i64);
        self.settle(place.leaf);
    }

    /// Takes the content of the whole run at `place` out and marks it removed. The units are handed to `dropped`.
    pub fn remove(&mut self, place: Place, removal: super::run::Removal, dropped: &mut dyn FnMut(U)) {
        let at = self.content_offset(place);
        let leaf = &mut self.leaves[place.leaf as usize];
        leaf.changed = self.time;
        let run = &mut leaf.runs[place.run];
        let len = run.visible();
        run.removal = removal;
        leaf.content.drain(at..at + len as usize).for_each(dropped);
        self.add_len(place.leaf, -i64::from(len));
    }

    /// Joins the run at `place` with the next one in its leaf, under the removal `step` given. The caller knows that they
    /// continue each other.
    pub fn fuse(&mut self, place: Place, step: i8) {
        self.recount_from(place.leaf, place.run);
        let runs = &mut self.leaves[place.leaf as usize].runs;
        let second = runs.remove(place.run + 1);
        let run = &mut runs[place.run];
        run.append(second);
        run.removal.step = step;
    }

    /// Replaces the visible unit at `place`.
    pub fn set_unit(&mut self, place: Place, unit: U) {
        let at = self.content_offset(place);
        self.leaves[place.leaf as usize].content[at] = unit;
    }

    /// The visible unit at `place`, if it is not removed.
    pub fn unit(&self, place: Place) -> Option<U> {
        let run = self.run(place);
        if run.removal.is_some() {
            return None;
        }
        self.leaves[place.leaf as usize]
            .content
            .get(self.content_offset(place))
            .copied()
    }

    fn add_len(&mut self, leaf: u32, delta: i64) {
        if delta == 0 {
            return;
        }
        if self.recent.is_some_and(|(at, _)| at != leaf) {
            self.recent = None;
        }
        self.len = (i64::from(self.len) + delta) as u32;
        let (mut child, mut parent) = (leaf, self.leaves[leaf as usize].parent);
        while parent != NIL {
            let node = &mut self.nodes[parent as usize];
            if let Some(at) = node.children.iter().position(|&id| id == child) {
                node.lens[at] = (i64::from(node.lens[at]) + delta) as u32;
            }
            child = parent;
            parent = node.parent;
        }
    }

    /// Splits a leaf that cuts have given too many runs.
    pub fn settle_runs(&mut self, leaf: u32) {
        if self.leaves[leaf as usize].runs.len() > MAX_RUNS {
            self.settle(leaf);
        }
    }

    /// Splits a leaf until it is within its limits.
    fn settle(&mut self, leaf: u32) {
        let mut at = leaf;
        loop {
            let this = &self.leaves[at as usize];
            let (runs, content) = (this.runs.len(), this.content.len());
            if runs <= MAX_RUNS && content <= MAX_CONTENT {
                return;
            }
            let cut = if content > MAX_CONTENT {
                // A long paste leaves full leaves behind; typing leaves halves.
                let keep = if content > 2 * MAX_CONTENT {
                    MAX_CONTENT * 3 / 4
                } else {
                    content / 2
                };
                self.cut_at_content(at, keep)
            } else {
                runs / 2
            };
            at = self.split_leaf(at, cut);
            self.settle_behind(at);
        }
    }

    /// After a split the first part may still have too many runs (never too much content).
    fn settle_behind(&mut self, second: u32) {
        let first = self.leaves[second as usize].prev;
        if first != NIL && self.leaves[first as usize].runs.len() > MAX_RUNS {
            let half = self.leaves[first as usize].runs.len() / 2;
            self.split_leaf(first, half);
        }
    }

    /// The run boundary after `keep` visible units, made by a cut where there is none.
    fn cut_at_content(&mut self, leaf: u32, keep: usize) -> usize {
        let runs = &self.leaves[leaf as usize].runs;
        let mut left = keep as u32;
        let mut at = 0;
        while at < runs.len() && runs[at].visible() <= left {
            left -= runs[at].visible();
            at += 1;
        }
        if left == 0 && at > 0 {
            return at;
        }
        self.cut(Place {
            leaf,
            run: at,
            offset: left,
        })
        .run
    }

    /// Moves the runs from `cut` on into a new leaf behind this one.
    fn split_leaf(&mut self, leaf: u32, cut: usize) -> u32 {
        let at = self.content_offset(Place {
            leaf,
            run: cut,
            offset: 0,
        });
        let this = &mut self.leaves[leaf as usize];
        let runs = this.runs.split_off(cut);
        let content = this.content.split_off(at);
        let new = self.append_leaf(leaf);
        self.add_len(leaf, -(content.len() as i64));
        self.recent = None;
        for &run in &runs {
            self.lookup.assign(run.dot, run.len, new);
        }
        let visible = content.len() as i64;
        let second = &mut self.leaves[new as usize];
        second.runs = runs;
        second.content = content;
        self.add_len(new, visible);
        new
    }

    /// Links an empty leaf in behind `leaf`.
    fn append_leaf(&mut self, leaf: u32) -> u32 {
        let new = self.leaves.len() as u32;
        let Leaf {
            parent, next, changed, ..
        } = self.leaves[leaf as usize];
        self.leaves.push(Leaf {
            parent,
            prev: leaf,
            next,
            changed,
            runs: Vec::new(),
            content: Vec::new(),
        });
        self.leaves[leaf as usize].next = new;
        if next != NIL {
            self.leaves[next as usize].prev = new;
        }
        self.link(parent, leaf, new);
        new
    }

    /// Makes `new` the child after `after` of `parent`, splitting nodes upwards where they are full.
    fn link(&mut self, parent: u32, after: u32, new: u32) {
        let (mut parent, mut after, mut new, mut new_len) = (parent, after, new, 0);
        loop {
            let node = &mut self.nodes[parent as usize];
            let at = node
                .children
                .iter()
                .position(|&id| id == after)
                .map_or(node.children.len(), |at| at + 1);
            node.children.insert(at, new);
            node.lens.insert(at, new_len);
            if node.children.len() <= MAX_CHILDREN {
                return;
            }
            // At the very end most will be appended: leave the first node nearly full.
            let half = if at + 1 == node.children.len() {
                MAX_CHILDREN - 2
            } else {
                MAX_CHILDREN / 2
            };
            let children = node.children.split_off(half);
            let lens = node.lens.split_off(half);
            let (of_leaves, grandparent) = (node.of_leaves, node.parent);
            let sibling = self.nodes.len() as u32;
            for &child in &children {
                if of_leaves {
                    self.leaves[child as usize].parent = sibling;
                } else {
                    self.nodes[child as usize].parent = sibling;
                }
            }
            let moved: u32 = lens.iter().sum();
            self.nodes.push(Node {
                parent: grandparent,
                children,
                lens,
                of_leaves,
            });
            if grandparent == NIL {
                let kept: u32 = self.nodes[parent as usize].lens.iter().sum();
                let root = self.nodes.len() as u32;
                let pair = vec![parent, sibling];
                self.nodes.push(Node {
                    parent: NIL,
                    children: pair,
                    lens: vec![kept, moved],
                    of_leaves: false,
                });
                self.nodes[parent as usize].parent = root;
                self.nodes[sibling as usize].parent = root;
                self.root = root;
                return;
            }
            let above = &mut self.nodes[grandparent as usize];
            if let Some(at) = above.children.iter().position(|&id| id == parent) {
                above.lens[at] -= moved;
            }
            (after, new, new_len, parent) = (parent, sibling, moved, grandparent);
        }
    }
}

/// Puts a run among a leaf's. There are no more than so many, so room is made for a few more and not for twice as many.
fn insert_run(runs: &mut Vec<Run>, at: usize, run: Run) {
    if runs.len() == runs.capacity() {
        runs.reserve_exact(MAX_RUNS / 4);
    }
    runs.insert(at, run);
}

#[cfg(test)]
impl<U: Copy> Tree<U> {
    /// Every link and every sum, compared with what they stand for.
    pub fn check(&self) {
        let mut seen = 0;
        let mut prev = NIL;
        let mut at = self.first;
        let mut in_order = self.leaves();
        while at != NIL {
            let leaf = &self.leaves[at as usize];
            assert!(in_order.next().is_some_and(|found| std::ptr::eq(found, leaf)));
            assert_eq!(leaf.prev, prev);
            assert!(leaf.runs.len() <= MAX_RUNS && leaf.content.len() <= MAX_CONTENT);
            let visible: u32 = leaf.runs.iter().map(Run::visible).sum();
            assert_eq!(visible as usize, leaf.content.len());
            let node = &self.nodes[leaf.parent as usize];
            let child = node.children.iter().position(|&id| id == at).unwrap();
            assert_eq!(node.lens[child], visible);
            for (i, run) in leaf.runs.iter().enumerate() {
                assert!(run.len > 0);
                for offset in [0, run.len - 1] {
                    assert_eq!(
                        self.locate(run.dot.plus(offset)),
                        Some(Place {
                            leaf: at,
                            run: i,
                            offset
                        })
                    );
                }
            }
            seen += visible;
            prev = at;
            at = leaf.next;
        }
        assert!(in_order.next().is_none());
        assert_eq!(seen, self.len);
        for (id, node) in self.nodes.iter().enumerate() {
            assert_eq!(node.children.len(), node.lens.len());
            if node.parent != NIL {
                let above = &self.nodes[node.parent as usize];
                let child = above.children.iter().position(|&c| c == id as u32).unwrap();
                assert_eq!(above.lens[child], node.lens.iter().sum::<u32>());
            }
        }
    }
}
