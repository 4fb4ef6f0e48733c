//! The tree: nodes with ids, deleted by id, for good. A node keeps one edge for each parent it ever had, the highest of its moves
//! there; which of them it is shown by is for `reading.rs`. After Evan Wallace, "CRDT: Mutable Tree Hierarchy" (2022).
//!
//! Joining is taking maxima: an edge loses only to a higher one to the same parent, and a deleted node takes none. So whatever
//! comes in whatever order leaves the same edges.

mod beside;
mod edits;
mod forest;
mod reading;
mod siblings;

pub use edits::{LAST_CHILD, TREE_JITTER_BITS};
pub use reading::{Place, Reading};

use crate::dots::DotMap;
use crate::removed_ids::RemovedIds;
use joinery_history::{Agents, Dot, Stamp};
use std::borrow::Cow;
use std::rc::Rc;

/// One move of a node, or its creation (then with the node's own dot).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The node above; [`Dot::NONE`] for the top.
    pub parent: Dot,
    /// Where among its siblings: a fractional index.
    pub index: Rc<str>,
    /// When.
    pub stamp: Stamp,
    /// The move's own dot.
    pub dot: Dot,
}

/// What decides between edges: the stamp, the agent; and what no two sound edges share.
pub type Rank = (Stamp, (u64, u32), (u64, u32));

impl Edge {
    fn rank(&self, agents: &Agents) -> Rank {
        (self.stamp, name(agents, self.dot), name(agents, self.parent))
    }
}

/// A dot as it is ordered everywhere. The top comes first.
fn name(agents: &Agents, dot: Dot) -> (u64, u32) {
    if dot.is_some() {
        (agents.id(dot.agent), dot.seq)
    } else {
        (0, 0)
    }
}

/// A living node's edges, one for each parent.
#[derive(Debug, Clone)]
pub struct Node {
    top: Edge,
    others: Vec<Edge>,
}

impl Node {
    fn new(top: Edge) -> Node {
        Node {
            top,
            others: Vec::new(),
        }
    }

    /// The highest edge.
    pub fn top(&self) -> &Edge {
        &self.top
    }

    /// All but the highest, in no order.
    pub fn others(&self) -> &[Edge] {
        &self.others
    }

    /// All of them, in no order.
    pub fn edges(&self) -> impl Iterator<Item = &Edge> {
        std::iter::once(&self.top).chain(&self.others)
    }

    /// The move that is its edge to this parent; none where it has no such edge.
    pub fn edge_to(&self, parent: Dot) -> Dot {
        let edge = self.edges().find(|edge| edge.parent == parent);
        edge.map_or(Dot::NONE, |edge| edge.dot)
    }

    fn join(&mut self, agents: &Agents, edge: Edge) {
        let rank = edge.rank(agents);
        if self.top.parent == edge.parent {
            if self.top.rank(agents) < rank {
                self.top = edge;
            }
            return;
        }
        let at = match self.others.iter().position(|have| have.parent == edge.parent) {
            Some(at) if self.others[at].rank(agents) >= rank => return,
            Some(at) => {
                self.others[at] = edge;
                at
            }
            None => {
                self.others.push(edge);
                self.others.len() - 1
            }
        };
        if rank > self.top.rank(agents) {
            std::mem::swap(&mut self.top, &mut self.others[at]);
        }
    }
}

/// What has changed since the tree was read.
#[derive(Debug, Clone)]
enum Changed {
    /// Everything: nobody has read it yet, or a state was joined.
    All,
    /// These nodes, some perhaps more than once.
    Nodes(Vec<Dot>),
}

/// A tree's live state.
#[derive(Debug, Clone)]
pub struct Tree {
    nodes: DotMap<Node>,
    removed: RemovedIds,
    /// What was shown when it was last read; who never reads it pays nothing.
    reading: Reading,
    changed: Changed,
    /// While changes are noted for patches.
    pub(crate) changes: Option<Box<TreeChanges>>,
}

/// What is noted of a tree's changes, beside what [`Reading`] notes.
#[derive(Debug, Default, Clone)]
pub struct TreeChanges {
    /// Has something changed? Only then is it noted where nodes were.
    is_begun: bool,
    /// Where all nodes were; only where what was read was given up.
    places: Option<DotMap<Place>>,
}

impl Default for Tree {
    fn default() -> Self {
        Tree {
            nodes: DotMap::default(),
            removed: RemovedIds::default(),
            reading: Reading::default(),
            changed: Changed::All,
            changes: None,
        }
    }
}

impl Tree {
    /// A node that wasn't deleted, shown or hidden.
    #[inline(never)]
    pub fn node(&self, node: Dot) -> Option<&Node> {
        self.nodes.get(&node)
    }

    /// Every node that wasn't deleted, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = (Dot, &Node)> {
        self.nodes.iter().map(|(&node, state)| (node, state))
    }

    /// Ids of deleted nodes.
    pub fn removed(&self) -> &RemovedIds {
        &self.removed
    }

    /// Is it a node of this tree, deleted or not?
    pub fn knows(&self, node: Dot) -> bool {
        self.node(node).is_some() || self.removed.contains(node)
    }

    /// The merge rule of edges. A node that is not there comes with its first one; a deleted one takes none.
    pub fn join(&mut self, agents: &Agents, node: Dot, edge: Edge) {
        if self.removed.contains(node) {
            return;
        }
        self.begin_changes(agents);
        match self.nodes.get_mut(&node) {
            Some(have) => have.join(agents, edge),
            None => {
                self.nodes.insert(node, Node::new(edge));
            }
        }
        self.note(node);
    }

    /// Room for so many nodes more, where many come at once.
    pub fn reserve(&mut self, nodes: usize) {
        self.nodes.reserve(nodes);
    }

    /// Deletes a node. What hangs under it is hidden from now on.
    pub fn remove(&mut self, agents: &Agents, node: Dot, by: Dot) {
        self.begin_changes(agents);
        self.removed.insert(agents, node, by);
        if self.nodes.remove(&node).is_some() {
            self.note(node);
        }
    }

    fn note(&mut self, node: Dot) {
        if let Changed::Nodes(nodes) = &mut self.changed {
            nodes.push(node);
            // Reading it all anew costs no more.
            if nodes.len() > self.nodes.len() + 16 {
                self.forget();
            }
        }
    }

    /// A state was joined: its edges may have come in any order, so nothing of what was read is gone on with.
    pub fn forget(&mut self) {
        let reading = std::mem::take(&mut self.reading);
        if let Some(changes) = self.changes.as_mut().filter(|changes| changes.is_begun) {
            changes.places.get_or_insert_with(|| reading.places_before());
        }
        self.changed = Changed::All;
    }

    /// Where changes are noted, the first one needs to know what was shown before it.
    fn begin_changes(&mut self, agents: &Agents) {
        if self.changes.as_ref().is_some_and(|changes| !changes.is_begun) {
            self.settle(agents);
            self.reading.record();
            self.changes.get_or_insert_default().is_begun = true;
        }
    }

    /// The nodes that hang elsewhere than before, each with where it hung. Nothing more is noted.
    pub(crate) fn take_changes(&mut self, agents: &Agents) -> DotMap<Option<Place>> {
        let Some(changes) = self.changes.take().filter(|changes| changes.is_begun) else {
            return DotMap::default();
        };
        self.settle(agents);
        let noted = self.reading.take_recorded();
        match changes.places {
            None => noted,
            Some(before) => self.reading.unlike(before),
        }
    }

    /// Brings the reading up to date.
    #[inline(never)]
    pub fn settle(&mut self, agents: &Agents) -> &Reading {
        match std::mem::replace(&mut self.changed, Changed::Nodes(Vec::new())) {
            Changed::All => self.reading = Reading::of(&self.nodes, agents),
            Changed::Nodes(nodes) if nodes.is_empty() => {}
            Changed::Nodes(nodes) => self.reading.update(&self.nodes, agents, &nodes),
        }
        &self.reading
    }

    /// What is shown, without keeping what it takes to find out.
    #[inline(never)]
    pub fn read(&self, agents: &Agents) -> Cow<'_, Reading> {
        match &self.changed {
            Changed::Nodes(nodes) if nodes.is_empty() => Cow::Borrowed(&self.reading),
            _ => Cow::Owned(Reading::of(&self.nodes, agents)),
        }
    }
}
