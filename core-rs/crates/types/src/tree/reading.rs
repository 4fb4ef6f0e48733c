//! What a tree shows: each living node once, below the top or hidden below a deleted node. A function of the edges alone.
//!
//! A node hangs by its highest edge. Moves that were made apart may have put nodes into each other: then the highest edges make a
//! circle. Of all circles' other edges the highest that leads to a shown node is taken, until there is no circle; where there is no
//! such edge, the lowest id in a circle goes to the top. One node of each circle is moved by that, and what hangs on it comes along.
//!
//! It is kept and brought up to date: a change costs some dozens of steps, however deep it is, and what the circles cost that it has to
//! do with: those that the changed nodes are or were in, those with an edge that leads elsewhere now, and those tied to them.

use super::forest::Forest;
use super::siblings::{Sibling, Siblings};
use super::{name, Edge, Node, Rank};
use crate::dots::DotMap;
use joinery_history::{Agents, Dot};
use std::cell::RefCell;
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

/// Another edge of a node in a circle: what decides, the circle's number, the node, and which of its other edges.
type Candidate = ((Rank, (u64, u32)), u32, Dot, usize);

/// Nodes whose highest edges lead from one to the next, and from the last to the first.
#[derive(Debug, Clone)]
struct Circle {
    /// None: there is no circle with this number any more.
    nodes: Vec<Dot>,
    /// The node that is shown by another edge, and where. In the forest it hangs on nothing.
    mended: Dot,
    place: Option<Place>,
    /// The nodes' other edges, as they stand in [`Reading::sought`].
    leads: Vec<(Dot, Sibling)>,
    /// The circles that these edges lead to, and those with edges that lead here: they are mended together.
    ties: Vec<u32>,
    /// Edges that lead here, while it has to be mended: they are ready when it is.
    waiting: Vec<Candidate>,
    is_open: bool,
}

impl Circle {
    fn new(mended: Dot) -> Circle {
        Circle {
            nodes: Vec::new(),
            mended,
            place: None,
            leads: Vec::new(),
            ties: Vec::new(),
            waiting: Vec::new(),
            is_open: mended.is_some(),
        }
    }
}

/// See the top of this file.
#[derive(Debug, Default, Clone)]
pub struct Reading {
    places: DotMap<Place>,
    /// By parent; also below deleted nodes.
    children: DotMap<Siblings>,
    /// The ways up by highest edges. Of each circle the mended node hangs on nothing.
    forest: RefCell<Forest>,
    circles: Vec<Circle>,
    /// Numbers that no circle has.
    vacant: Vec<u32>,
    /// Every node in a circle of highest edges, with the circle's number.
    circling: DotMap<u32>,
    /// By parent, the nodes in circles that have another edge there.
    sought: DotMap<Siblings>,
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
        reading.places.reserve(nodes.len());
        let mut opened: Vec<u32> = Vec::new();
        let links = nodes.iter().map(|(&node, state)| (node, state.top().parent));
        for node in reading.forest.get_mut().hang_all(links) {
            reading.note_circle(nodes, agents, node, &mut opened);
        }
        reading.mend(nodes, agents, &mut opened, &mut Vec::new());
        for (&node, state) in nodes {
            let place = reading.mended(node).cloned();
            reading.put(agents, node, Some(place.unwrap_or_else(|| Place::of(state.top()))));
        }
        reading
    }

    /// Brings it up to date with nodes that came, were moved or deleted.
    #[inline(never)]
    pub fn update(&mut self, nodes: &DotMap<Node>, agents: &Agents, changed: &[Dot]) {
        // With a node what hangs on it goes from one end to another, and that may be where edges of circles lead.
        let mut ends: Vec<(Dot, u32)> = Vec::new();
        for &node in changed.iter().filter(|_| !self.circling.is_empty()) {
            if self.children.contains_key(&node) || self.sought.contains_key(&node) {
                ends.push((node, self.end(node)));
            }
        }
        // The numbers of circles that are to be mended, or were.
        let mut opened: Vec<u32> = Vec::new();
        let mut again = changed.to_vec();
        for &node in changed {
            if let Some(&circle) = self.circling.get(&node) {
                self.open(circle, &mut opened);
                again.push(self.take_apart(circle));
            }
            self.forest.get_mut().take_off(node);
        }
        for &node in &again {
            self.hang(nodes, agents, node, &mut opened);
        }
        for (node, before) in ends {
            match self.end(node) {
                end if end == before => {}
                _ if before == TOP || before == DELETED => self.open_below(node, &mut opened),
                _ => self.open(before, &mut opened),
            }
        }
        self.mend(nodes, agents, &mut opened, &mut again);
        if self.circling.is_empty() {
            self.circles = Vec::new();
            self.vacant = Vec::new();
        } else {
            let is_vacant = |circle: &u32| self.circles[*circle as usize].nodes.is_empty();
            self.vacant.extend(opened.into_iter().filter(is_vacant));
        }
        for &node in &again {
            let place = match (self.mended(node), nodes.get(&node)) {
                (Some(mended), _) => Some(mended.clone()),
                (None, state) => state.map(|state| Place::of(state.top())),
            };
            self.put(agents, node, place);
        }
        for node in &again {
            if !self.places.contains_key(node) && !self.children.contains_key(node) {
                self.forest.get_mut().forget(*node);
            }
        }
    }

    /// Where the way up from a node by highest edges ends.
    #[inline(never)]
    fn end(&self, node: Dot) -> u32 {
        match self.forest.borrow_mut().end(node) {
            Dot::NONE => TOP,
            end => self.circling.get(&end).map_or(DELETED, |&circle| circle),
        }
    }

    /// Hangs a node by its highest edge, where it hangs on nothing; or it finds that this makes a circle.
    fn hang(&mut self, nodes: &DotMap<Node>, agents: &Agents, node: Dot, opened: &mut Vec<u32>) {
        let forest = self.forest.get_mut();
        let Some(state) = nodes.get(&node).filter(|_| forest.end(node) == node) else {
            return;
        };
        let parent = state.top().parent;
        if forest.end(parent) != node {
            forest.hang(node, parent);
            return;
        }
        if !self.circling.contains_key(&node) {
            self.note_circle(nodes, agents, node, opened);
        }
    }

    /// Notes the circle that a node is in, which hangs on nothing in the forest.
    fn note_circle(&mut self, nodes: &DotMap<Node>, agents: &Agents, node: Dot, opened: &mut Vec<u32>) {
        let number = self.vacant.pop().unwrap_or(self.circles.len() as u32);
        let mut circle = Circle::new(node);
        let mut at = node;
        while let Some(state) = nodes.get(&at).filter(|_| at != node || circle.nodes.is_empty()) {
            circle.nodes.push(at);
            self.circling.insert(at, number);
            for edge in state.others().iter().filter(|edge| edge.parent.is_some()) {
                let sibling = (edge.index.clone(), agents.id(at.agent), at);
                self.sought.entry(edge.parent).or_default().insert(sibling.clone());
                circle.leads.push((edge.parent, sibling));
            }
            at = state.top().parent;
        }
        if number as usize == self.circles.len() {
            self.circles.push(circle);
        } else {
            self.circles[number as usize] = circle;
        }
        opened.push(number);
    }

    /// Forgets a circle that was opened. The node that was mended.
    fn take_apart(&mut self, number: u32) -> Dot {
        let circle = std::mem::replace(&mut self.circles[number as usize], Circle::new(Dot::NONE));
        for node in circle.nodes {
            self.circling.remove(&node);
        }
        for (parent, sibling) in circle.leads {
            take_out(&mut self.sought, parent, &sibling);
        }
        circle.mended
    }

    /// Has a circle mended anew, and all that are tied to it.
    #[inline(never)]
    fn open(&mut self, number: u32, opened: &mut Vec<u32>) {
        let mut open = vec![number];
        while let Some(number) = open.pop() {
            let circle = &mut self.circles[number as usize];
            if !circle.is_open && !circle.nodes.is_empty() {
                circle.is_open = true;
                opened.push(number);
                open.append(&mut circle.ties);
            }
        }
    }

    /// The same for all circles with an edge to what hung on a node, or to itself; simply for all circles where that is more to look
    /// through than they are.
    fn open_below(&mut self, node: Dot, opened: &mut Vec<u32>) {
        let most = self.circles.len().max(self.circling.len());
        let mut below = vec![node];
        let mut at = 0;
        while let Some(node) = below.get(at).copied() {
            if below.len() > most {
                for number in 0..self.circles.len() as u32 {
                    self.open(number, opened);
                }
                return;
            }
            let leading = self.sought.get(&node).into_iter().flat_map(Siblings::iter);
            let leading: Vec<u32> = leading
                .filter_map(|sibling| self.circling.get(&sibling.2).copied())
                .collect();
            for number in leading {
                self.open(number, opened);
            }
            let children = self.children.get(&node).into_iter().flat_map(Siblings::iter);
            below.extend(children.map(|sibling| sibling.2).take(most));
            at += 1;
        }
    }

    /// Finds of each circle that is open the node that is shown by another edge, and where. Whatever changes by that is added to
    /// `again`.
    #[inline(never)]
    fn mend(&mut self, nodes: &DotMap<Node>, agents: &Agents, opened: &mut Vec<u32>, again: &mut Vec<Dot>) {
        let mut ready: BinaryHeap<Candidate> = BinaryHeap::new();
        let mut by_id: Vec<Dot> = Vec::new();
        let mut at = 0;
        while let Some(&number) = opened.get(at) {
            at += 1;
            let circle = std::mem::take(&mut self.circles[number as usize].nodes);
            for &node in &circle {
                let others = nodes.get(&node).map_or(&[][..], Node::others);
                for (at, edge) in others.iter().enumerate() {
                    let candidate = ((edge.rank(agents), name(agents, node)), number, node, at);
                    match self.end(edge.parent) {
                        TOP => ready.push(candidate),
                        // What is below a deleted node is not shown, and would not show this either.
                        DELETED => {}
                        other => {
                            self.open(other, opened);
                            self.circles[number as usize].ties.push(other);
                            self.circles[other as usize].ties.push(number);
                            self.circles[other as usize].waiting.push(candidate);
                        }
                    }
                }
            }
            by_id.extend(&circle);
            self.circles[number as usize].nodes = circle;
        }
        by_id.sort_unstable_by_key(|&node| name(agents, node));
        let mut by_id = by_id.into_iter();
        loop {
            let (node, at) = match ready.pop() {
                Some((_, _, node, at)) => (node, Some(at)),
                None => match by_id.next() {
                    Some(node) => (node, None),
                    None => break,
                },
            };
            let circle = self
                .circling
                .get(&node)
                .map(|&number| &mut self.circles[number as usize]);
            let (Some(state), Some(circle)) = (nodes.get(&node), circle.filter(|circle| circle.is_open)) else {
                continue;
            };
            circle.is_open = false;
            let mut place = Place::of(at.map_or(state.top(), |at| &state.others()[at]));
            if at.is_none() {
                // No edge leads where it is shown: it goes to the top.
                place.parent = Dot::NONE;
            }
            circle.place = Some(place);
            let before = std::mem::replace(&mut circle.mended, node);
            ready.extend(std::mem::take(&mut circle.waiting));
            if let Some(state) = nodes.get(&before).filter(|_| before != node) {
                let forest = self.forest.get_mut();
                forest.take_off(node);
                forest.hang(before, state.top().parent);
            }
            again.extend([before, node]);
        }
    }

    /// Where a node is shown by another edge than its highest.
    fn mended(&self, node: Dot) -> Option<&Place> {
        let circle = &self.circles[*self.circling.get(&node)? as usize];
        circle.place.as_ref().filter(|_| circle.mended == node)
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
            take_out(&mut self.children, old.parent, &sibling(&old));
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

    /// The nodes that would hang elsewhere if these were as told here (without a state: deleted), each with where it hangs. In the end
    /// nothing has changed, nor is it noted that it had.
    pub fn try_out(
        &mut self,
        nodes: &mut DotMap<Node>,
        agents: &Agents,
        mut instead: Vec<(Dot, Option<Node>)>,
    ) -> DotMap<Option<Place>> {
        let noted = self.recorded.replace(Box::default());
        let changed: Vec<Dot> = instead.iter().map(|(node, _)| *node).collect();
        exchange(nodes, &mut instead);
        self.update(nodes, agents, &changed);
        let moved = self.take_recorded();
        exchange(nodes, &mut instead);
        self.update(nodes, agents, &changed);
        self.recorded = noted;
        moved
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

    /// Is this the top, or a node that is shown? (What hangs on a circle is: that is how it is mended.)
    pub fn is_shown(&self, node: Dot) -> bool {
        self.end(node) != DELETED
    }

    /// Does the way up from a node lead to another one? (It does to itself.)
    pub fn is_below(&self, node: Dot, above: Dot) -> bool {
        let mut ways = std::iter::once(node).chain(self.mended_above(node).map(|(_, place)| place.parent));
        ways.any(|way| self.forest.borrow_mut().is_below(way, above))
    }

    /// The nodes on the way up from a node, itself first, that are shown by another edge than their highest, and where.
    pub fn mended_above(&self, node: Dot) -> impl Iterator<Item = (Dot, &Place)> {
        let mut at = node;
        std::iter::from_fn(move || {
            let circle = self.circles.get(self.end(at) as usize)?;
            let place = circle.place.as_ref()?;
            at = place.parent;
            Some((circle.mended, place))
        })
    }

    /// Is it shown by another edge than its highest?
    pub fn is_mended(&self, node: Dot) -> bool {
        self.mended(node).is_some()
    }

    /// Every node of which that is so, in no order.
    pub fn all_mended(&self) -> impl Iterator<Item = Dot> + '_ {
        self.circling.keys().copied().filter(|&node| self.is_mended(node))
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

/// Takes out what is below a parent.
#[inline(never)]
fn take_out(children: &mut DotMap<Siblings>, parent: Dot, sibling: &Sibling) {
    if let Some(siblings) = children.get_mut(&parent) {
        siblings.remove(sibling);
        if siblings.len() == 0 {
            children.remove(&parent);
        }
    }
}

/// Puts states in the place of others, which take theirs.
fn exchange(nodes: &mut DotMap<Node>, states: &mut [(Dot, Option<Node>)]) {
    for (node, state) in states {
        *state = match state.take() {
            Some(state) => nodes.insert(*node, state),
            None => nodes.remove(node),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Edge, Tree};
    use super::*;

    /// Whatever came in whatever portions, it is what is read at once. (That this is right, the oracle says.)
    #[test]
    fn what_is_brought_up_to_date_is_what_is_read_at_once() {
        let mut agents = Agents::default();
        let own = agents.intern(7);
        let mut seed = 1u64;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as u32 % below
        };
        let (mut circles, mut most) = (0, 0);
        for round in 0..1500 {
            let size = [4, 9, 30, 100][round % 4];
            let mut tree = Tree::default();
            let mut reading = Reading::default();
            let mut changed: Vec<Dot> = Vec::new();
            for seq in 0..2 * size {
                let dot = |seq| Dot { agent: own, seq };
                let node = dot(1 + if seq < size { seq } else { random(size) });
                // A few go up, so that there are circles of all sizes, and some that hang on others.
                let parent = match random(4) {
                    0 if seq >= size => Dot::NONE,
                    _ => dot(1 + random(size)),
                };
                if random(20) == 0 {
                    tree.remove(&agents, node, dot(1000 + seq));
                } else {
                    let edge = Edge {
                        parent,
                        index: if random(2) == 0 { "a".into() } else { "b".into() },
                        stamp: u64::from(random(3 * size)),
                        dot: dot(1000 + seq),
                    };
                    tree.join(&agents, node, edge);
                }
                changed.push(node);
                if random(3) > 0 {
                    continue;
                }
                reading.update(&tree.nodes, &agents, &std::mem::take(&mut changed));
                let whole = Reading::of(&tree.nodes, &agents);
                assert_eq!(reading.places, whole.places, "round {round}, change {seq}");
                most = most.max(reading.circles.len() - reading.vacant.len());
                circles += usize::from(!reading.circling.is_empty());
                // What is tried is what would be, and leaves nothing behind.
                let (gone, moved) = (dot(1 + random(size)), dot(1 + random(size)));
                let other = tree.node(dot(1 + random(size))).cloned();
                let mut instead = vec![(gone, None)];
                if gone != moved {
                    instead.push((moved, other));
                }
                let unlike = reading.try_out(&mut tree.nodes, &agents, instead.clone());
                assert_eq!(reading.places, whole.places, "round {round}, change {seq}");
                exchange(&mut tree.nodes, &mut instead);
                assert_eq!(unlike, Reading::of(&tree.nodes, &agents).unlike(whole.places.clone()));
                exchange(&mut tree.nodes, &mut instead);
                let mended: DotMap<()> = reading.all_mended().map(|node| (node, ())).collect();
                for number in 1..=size {
                    let node = dot(number);
                    assert_eq!(reading.is_mended(node), mended.contains_key(&node));
                    let way: Vec<Dot> = reading.upwards(node).map(|(at, _)| at).collect();
                    let end = reading.upwards(node).last().map_or(node, |(_, place)| place.parent);
                    assert_eq!(reading.is_shown(node), end == Dot::NONE);
                    let mended: Vec<Dot> = way.iter().copied().filter(|&at| reading.is_mended(at)).collect();
                    let above: Vec<Dot> = reading.mended_above(node).map(|(at, _)| at).collect();
                    assert_eq!(above, mended);
                    let other = dot(1 + random(size));
                    if [node, other].iter().all(|&node| tree.node(node).is_some()) {
                        assert_eq!(reading.is_below(node, other), way.contains(&other));
                    }
                }
            }
        }
        assert!(
            circles > 10_000 && most > 4,
            "{circles} readings with circles, {most} at most"
        );
    }
}
