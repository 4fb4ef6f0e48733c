//! What a tree shows: each living node once, below the top or hidden below a deleted node. A function of the edges alone.
//!
//! A node hangs by its highest edge. Moves that were made apart may have put nodes into each other: then the highest edges make a
//! circle. Of all circles' other edges the highest that leads to a shown node is taken, until there is no circle; where there is no
//! such edge, the lowest id in a circle goes to the top. One node of each circle is moved by that, and what hangs on it comes along.
//!
//! It is kept and brought up to date: a change costs the way up from what was changed, and what the circles cost.

use super::siblings::{Sibling, Siblings};
use super::{name, Edge, Node};
use crate::dots::DotMap;
use joinery_history::{Agents, Dot};
use std::collections::BinaryHeap;
use std::rc::Rc;

/// Where a node is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The node above; [`Dot::NONE`] for the top.
    pub parent: Dot,
    /// Its index among the siblings.
    pub index: Rc<str>,
}

impl Place {
    fn of(edge: &Edge) -> Place {
        Place {
            parent: edge.parent,
            index: edge.index.clone(),
        }
    }
}

/// See the top of this file.
#[derive(Debug, Default, Clone)]
pub struct Reading {
    places: DotMap<Place>,
    /// By parent; also below deleted nodes.
    children: DotMap<Siblings>,
    /// Every node in a circle of highest edges.
    circling: Vec<Dot>,
    /// Of each circle the node that is shown by another edge, and where.
    mended: DotMap<Place>,
    /// While changes are noted: where nodes were that hang elsewhere now.
    recorded: Option<Box<DotMap<Option<Place>>>>,
}

/// Where the way up by highest edges ends, if not in a circle (then by its number).
const TOP: u32 = u32::MAX;
const DELETED: u32 = u32::MAX - 1;

impl Reading {
    /// Reads everything.
    pub fn of(nodes: &DotMap<Node>, agents: &Agents) -> Reading {
        let mut reading = Reading::default();
        let all: Vec<Dot> = nodes.keys().copied().collect();
        reading.refresh(nodes, agents, &all, &all);
        reading
    }

    /// Brings it up to date with nodes that came, were moved or deleted, by operations that were checked one after the other.
    pub fn update(&mut self, nodes: &DotMap<Node>, agents: &Agents, changed: &[Dot]) {
        // A node's creation hangs it on what was there before it, so a new circle has a node in it that was moved.
        let is_moved = |node: &&Dot| nodes.get(node).is_some_and(|state| state.top().dot != **node);
        let mut suspects: Vec<Dot> = changed.iter().filter(is_moved).copied().collect();
        suspects.append(&mut self.circling);
        self.refresh(nodes, agents, changed, &suspects);
    }

    #[inline(never)]
    fn refresh(&mut self, nodes: &DotMap<Node>, agents: &Agents, changed: &[Dot], suspects: &[Dot]) {
        let circles = circles(nodes, suspects);
        let mended = mend(nodes, agents, &circles);
        self.circling = circles.concat();
        let before = std::mem::replace(&mut self.mended, mended);
        let again: Vec<Dot> = before.keys().chain(self.mended.keys()).copied().collect();
        for &node in changed.iter().chain(&again) {
            let place = match (self.mended.get(&node), nodes.get(&node)) {
                (Some(mended), _) => Some(mended.clone()),
                (None, state) => state.map(|state| Place::of(state.top())),
            };
            self.put(agents, node, place);
        }
    }

    #[inline(never)]
    fn put(&mut self, agents: &Agents, node: Dot, place: Option<Place>) {
        if self.places.get(&node) == place.as_ref() {
            return;
        }
        if let Some(recorded) = &mut self.recorded {
            recorded.entry(node).or_insert_with(|| self.places.get(&node).cloned());
        }
        let sibling = |place: &Place| (place.index.clone(), agents.id(node.agent), node);
        if let Some(old) = self.places.remove(&node) {
            if let Some(siblings) = self.children.get_mut(&old.parent) {
                siblings.remove(&sibling(&old));
                if siblings.len() == 0 {
                    self.children.remove(&old.parent);
                }
            }
        }
        if let Some(place) = place {
            let siblings = self.children.entry(place.parent).or_default();
            siblings.insert(sibling(&place));
            self.places.insert(node, place);
        }
    }

    /// From now on it is noted where nodes were before.
    pub fn record(&mut self) {
        self.recorded = Some(Box::default());
    }

    /// The nodes that hang elsewhere than before, each with where it hung. Nothing more is noted.
    pub fn take_recorded(&mut self) -> DotMap<Option<Place>> {
        let mut recorded = self.recorded.take().map_or_else(DotMap::default, |recorded| *recorded);
        recorded.retain(|node, before| self.places.get(node) != before.as_ref());
        recorded
    }

    /// Where all nodes were before what is noted.
    pub fn places_before(self) -> DotMap<Place> {
        let mut places = self.places;
        for (node, before) in self.recorded.into_iter().flat_map(|recorded| *recorded) {
            match before {
                Some(place) => drop(places.insert(node, place)),
                None => drop(places.remove(&node)),
            }
        }
        places
    }

    /// The nodes that hang elsewhere than in `before`, each with where it hung there.
    pub fn unlike(&self, before: DotMap<Place>) -> DotMap<Option<Place>> {
        let is_new = |node: &&Dot| !before.contains_key(node);
        let new: Vec<Dot> = self.places.keys().filter(is_new).copied().collect();
        let moved = before
            .into_iter()
            .filter(|(node, place)| self.places.get(node) != Some(place));
        let mut unlike: DotMap<Option<Place>> = moved.map(|(node, place)| (node, Some(place))).collect();
        unlike.extend(new.into_iter().map(|node| (node, None)));
        unlike
    }

    /// Where a living node hangs, shown or hidden.
    pub fn place(&self, node: Dot) -> Option<&Place> {
        self.places.get(&node)
    }

    /// The way up from a node, itself first, as far as there are living nodes.
    pub fn upwards(&self, node: Dot) -> impl Iterator<Item = (Dot, &Place)> {
        let mut at = node;
        std::iter::from_fn(move || {
            let place = self.places.get(&at)?;
            let step = (at, place);
            at = place.parent;
            Some(step)
        })
    }

    /// Is this the top, or a node that is shown?
    pub fn is_shown(&self, node: Dot) -> bool {
        let last = self.upwards(node).last();
        last.map_or(node, |(_, place)| place.parent) == Dot::NONE
    }

    /// Is it shown by another edge than its highest?
    pub fn is_mended(&self, node: Dot) -> bool {
        self.mended.contains_key(&node)
    }

    /// Is any node?
    pub fn has_mended(&self) -> bool {
        !self.mended.is_empty()
    }

    /// What hangs on a node, or at the top, in its order.
    #[inline(never)]
    pub fn children(&self, parent: Dot) -> Vec<Dot> {
        let mut nodes = Vec::with_capacity(self.count(parent));
        for sibling in self.children.get(&parent).into_iter().flat_map(Siblings::iter) {
            nodes.push(sibling.2);
        }
        nodes
    }

    /// The `at`-th of them, `node` not counted.
    #[inline(never)]
    pub fn nth(&self, agents: &Agents, parent: Dot, at: usize, node: Option<Dot>) -> Option<&Sibling> {
        let siblings = self.children.get(&parent)?;
        let node = node.and_then(|node| Some((self.place(node)?, node)));
        let node = node.filter(|(place, _)| place.parent == parent);
        let node = node.map(|(place, node)| (place.index.clone(), agents.id(node.agent), node));
        siblings.nth(at, node.as_ref())
    }

    /// Every living node, shown or hidden, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = Dot> + '_ {
        self.places.keys().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// How many those are.
    pub fn count(&self, parent: Dot) -> usize {
        self.children.get(&parent).map_or(0, Siblings::len)
    }

    /// The siblings behind one, in their order.
    pub fn behind(&self, parent: Dot, sibling: &Sibling) -> Option<impl Iterator<Item = &Sibling>> {
        Some(self.children.get(&parent)?.behind(sibling))
    }

    /// The sibling before one.
    pub fn before(&self, parent: Dot, sibling: &Sibling) -> Option<&Sibling> {
        self.children.get(&parent)?.before(sibling)
    }
}

/// The circles of highest edges that the ways up from `suspects` lead into.
#[inline(never)]
fn circles(nodes: &DotMap<Node>, suspects: &[Dot]) -> Vec<Vec<Dot>> {
    let mut circles = Vec::new();
    // On which way each node was passed first: none is passed twice.
    let mut passed: DotMap<u32> = DotMap::default();
    for (way, &start) in suspects.iter().enumerate() {
        let mut at = start;
        while let Some(node) = nodes.get(&at) {
            match passed.get(&at) {
                Some(&before) if before == way as u32 => {
                    let mut circle = vec![at];
                    let mut next = node.top().parent;
                    while next != at {
                        circle.push(next);
                        next = nodes.get(&next).map_or(at, |node| node.top().parent);
                    }
                    circles.push(circle);
                    break;
                }
                Some(_) => break,
                None => passed.insert(at, way as u32),
            };
            at = node.top().parent;
        }
    }
    circles
}

/// Finds of each circle the node that is shown by another edge, and where.
#[inline(never)]
fn mend(nodes: &DotMap<Node>, agents: &Agents, circles: &[Vec<Dot>]) -> DotMap<Place> {
    let mut mended = DotMap::default();
    if circles.is_empty() {
        return mended;
    }
    let circle_of: DotMap<u32> = (circles.iter().enumerate())
        .flat_map(|(number, circle)| circle.iter().map(move |&node| (node, number as u32)))
        .collect();
    let mut ends = DotMap::default();
    let mut ready = BinaryHeap::new();
    // Edges that lead into a circle, or to what hangs on it: they are ready when it is mended.
    let mut waiting = vec![Vec::new(); circles.len()];
    for (number, circle) in circles.iter().enumerate() {
        for &node in circle {
            let others = nodes.get(&node).map_or(&[][..], |state| &state.edges()[1..]);
            for (at, edge) in others.iter().enumerate() {
                let candidate = (edge.rank(agents), name(agents, node), number, node, at + 1);
                match end(nodes, &circle_of, &mut ends, edge.parent) {
                    TOP => ready.push(candidate),
                    // What is below a deleted node is not shown, and would not show this either.
                    DELETED => {}
                    other => waiting[other as usize].push(candidate),
                }
            }
        }
    }
    let mut by_id: Vec<Dot> = circle_of.keys().copied().collect();
    by_id.sort_unstable_by_key(|&node| name(agents, node));
    let mut by_id = by_id.into_iter();
    let mut done = vec![false; circles.len()];
    while mended.len() < circles.len() {
        let (number, node, at) = match ready.pop() {
            Some((_, _, number, node, at)) => (number, node, at),
            None => match by_id.next() {
                Some(node) => (circle_of[&node] as usize, node, 0),
                None => break,
            },
        };
        let Some(state) = nodes.get(&node).filter(|_| !done[number]) else {
            continue;
        };
        done[number] = true;
        let mut place = Place::of(&state.edges()[at]);
        if at == 0 {
            // No edge leads where it is shown: it goes to the top.
            place.parent = Dot::NONE;
        }
        mended.insert(node, place);
        for candidate in std::mem::take(&mut waiting[number]) {
            ready.push(candidate);
        }
    }
    mended
}

/// Where the way up from `start` by highest edges ends ([`TOP`]…); `ends` remembers it for all on the way.
#[inline(never)]
fn end(nodes: &DotMap<Node>, circle_of: &DotMap<u32>, ends: &mut DotMap<u32>, start: Dot) -> u32 {
    let mut way = Vec::new();
    let mut at = start;
    let end = loop {
        if !at.is_some() {
            break TOP;
        }
        if let Some(&known) = ends.get(&at) {
            break known;
        }
        if let Some(&circle) = circle_of.get(&at) {
            break circle;
        }
        let Some(node) = nodes.get(&at) else {
            break DELETED;
        };
        way.push(at);
        at = node.top().parent;
    };
    ends.extend(way.into_iter().map(|node| (node, end)));
    end
}
