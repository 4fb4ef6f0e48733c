//! Reads the sections of trees and graphs: the mirror of `state/nodes.rs`. Ids stand in ascending order, each once, so that they
//! can be looked up and equal states have one form.

use super::{unzigzag, Section, StateReader};
use crate::cut;
use crate::dots::DotMap;
use crate::operation::read_index;
use crate::tree::Edge;
use joinery_codec::DecodeError;
use joinery_history::{Agents, Dot};

/// A deleted id and the deletion's dot.
type RemovedId = (Dot, Dot);

/// A tree's part of a state.
#[derive(Debug)]
pub struct TreeState {
    /// By node; each living node has one at least.
    pub edges: Vec<(Dot, Edge)>,
    /// The living nodes: each edge's parent is looked up.
    living: DotMap<()>,
    pub removed: Vec<RemovedId>,
}

/// A graph's part of a state.
#[derive(Debug)]
pub struct GraphState {
    pub nodes: Vec<Dot>,
    /// With where they lead from and to.
    pub edges: Vec<(Dot, Dot, Dot)>,
    pub removed: Vec<RemovedId>,
}

/// Looks an id up in what was read in order.
fn has<T>(agents: &Agents, items: &[T], id: impl Fn(&T) -> Dot, wanted: Dot) -> bool {
    let order = |dot: Dot| (agents.id(dot.agent), dot.seq);
    wanted.is_some()
        && items
            .binary_search_by_key(&order(wanted), |item| order(id(item)))
            .is_ok()
}

impl TreeState {
    /// Does a node live in it?
    pub fn lives(&self, node: Dot) -> bool {
        self.living.contains_key(&node)
    }

    /// How many nodes live in it.
    pub fn len(&self) -> usize {
        self.living.len()
    }

    /// Is a node in it, living or removed?
    pub fn tells(&self, agents: &Agents, node: Dot) -> bool {
        self.lives(node) || has(agents, &self.removed, |(id, _)| *id, node)
    }
}

impl GraphState {
    /// Does a node or an edge live in it?
    pub fn lives(&self, agents: &Agents, id: Dot) -> bool {
        self.has_node(agents, id) || has(agents, &self.edges, |(id, ..)| *id, id)
    }

    /// Is it a node in it?
    pub fn has_node(&self, agents: &Agents, id: Dot) -> bool {
        has(agents, &self.nodes, |id| *id, id)
    }

    /// Is a node or an edge in it, living or removed?
    pub fn tells(&self, agents: &Agents, id: Dot) -> bool {
        self.lives(agents, id) || has(agents, &self.removed, |(id, _)| *id, id)
    }
}

/// The dot before, by its place in the state's order; none before the first.
type Last = Option<(u64, u32)>;

impl StateReader<'_> {
    /// A dot, or none, behind the last one.
    fn next_dot(&mut self, last: &mut Last) -> Result<Dot, DecodeError> {
        let mut ahead = self.reader.clone();
        let number = ahead.varint("an agent's number")?;
        let dot = self.dot()?;
        let order = (number, dot.seq);
        if last.is_some_and(|last| last >= order) {
            return Err(self.error("dots in ascending order", "another order"));
        }
        *last = Some(order);
        Ok(dot)
    }

    fn next_id(&mut self, last: &mut Last) -> Result<Dot, DecodeError> {
        let dot = self.next_dot(last)?;
        if dot.is_some() {
            Ok(dot)
        } else {
            Err(self.error("a dot", "none"))
        }
    }

    #[inline(never)]
    pub(super) fn tree(&mut self) -> Result<Section, DecodeError> {
        let n = self.reader.count("a count of nodes")?;
        let mut edges = Vec::new();
        let mut living = DotMap::default();
        let (mut last, mut last_stamp) = (None, 0);
        for _ in 0..n {
            let id = self.next_id(&mut last)?;
            let n = self.reader.count("a count of edges")?;
            if n == 0 {
                return Err(self.error("an edge of the node", "none"));
            }
            living.insert(id, ());
            let mut last_parent = None;
            for _ in 0..n {
                edges.push((id, self.edge(id, &mut last_parent, &mut last_stamp)?));
            }
        }
        let removed = self.removed_ids()?;
        let tree = || TreeState { edges, living, removed };
        Ok(cut::nodes(tree).map_or(Section::None, Section::Tree))
    }

    fn edge(&mut self, node: Dot, last: &mut Last, last_stamp: &mut u64) -> Result<Edge, DecodeError> {
        let parent = self.next_dot(last)?;
        let own = self.dot()?;
        let stamp = last_stamp.wrapping_add(unzigzag(self.reader.varint("a stamp")?) as u64);
        if stamp == 0 || stamp > self.highest || own == node {
            return Err(self.error(
                "an edge with a stamp up to the highest, and its own dot if that isn't the node's",
                "another",
            ));
        }
        *last_stamp = stamp;
        Ok(Edge {
            parent,
            index: read_index(&mut self.reader)?.into(),
            stamp,
            dot: if own.is_some() { own } else { node },
        })
    }

    #[inline(never)]
    pub(super) fn graph(&mut self) -> Result<Section, DecodeError> {
        let n = self.reader.count("a count of nodes")?;
        let mut last = None;
        let nodes = (0..n).map(|_| self.next_id(&mut last)).collect::<Result<_, _>>()?;
        let n = self.reader.count("a count of edges")?;
        let mut last = None;
        let edge =
            |reader: &mut Self, last: &mut Last| Ok((reader.next_id(last)?, reader.some_dot()?, reader.some_dot()?));
        let edges = (0..n)
            .map(|_| edge(self, &mut last))
            .collect::<Result<_, DecodeError>>()?;
        let removed = self.removed_ids()?;
        let graph = || GraphState { nodes, edges, removed };
        Ok(cut::nodes(graph).map_or(Section::None, Section::Graph))
    }

    #[inline(never)]
    fn removed_ids(&mut self) -> Result<Vec<RemovedId>, DecodeError> {
        let n = self.reader.count("a count of removed ids")?;
        let mut last = None;
        let mut id = |reader: &mut Self| Ok((reader.next_id(&mut last)?, reader.some_dot()?));
        (0..n).map(|_| id(self)).collect()
    }
}
