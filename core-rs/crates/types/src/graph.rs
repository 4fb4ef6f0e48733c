//! The graph: nodes and directed edges, each with an id, deleted by id, for good. An edge is shown while it and both its ends live:
//! deleting a node hides its edges, and an edge that is made at the same time does not bring the node back.

use crate::document::Document;
use crate::dots::DotMap;
use crate::error::Error;
use crate::outbox::Who;
use crate::removed_ids::RemovedIds;
use joinery_history::{Agents, Dot};

/// Nodes and edges with what they were before: not there, or as [`Graph`] has them.
pub type OldItems = DotMap<Option<(Dot, Dot)>>;

/// A graph's live state.
#[derive(Debug, Default, Clone)]
pub struct Graph {
    /// Of an edge, from where to where it leads; of a node twice [`Dot::NONE`].
    items: DotMap<(Dot, Dot)>,
    removed: RemovedIds,
    /// While changes are noted: what came or was deleted, each with what it was before.
    pub(crate) changes: Option<Box<OldItems>>,
}

impl Graph {
    /// Is it a node or an edge that wasn't deleted?
    pub fn lives(&self, id: Dot) -> bool {
        self.item(id).is_some()
    }

    #[inline(never)]
    pub(crate) fn item(&self, id: Dot) -> Option<&(Dot, Dot)> {
        self.items.get(&id)
    }

    /// Where an edge that wasn't deleted leads from and to; of a node twice [`Dot::NONE`].
    pub fn ends(&self, id: Dot) -> Option<(Dot, Dot)> {
        self.item(id).copied()
    }

    /// Is it a node that wasn't deleted?
    pub fn has_node(&self, id: Dot) -> bool {
        self.item(id).is_some_and(|ends| !ends.0.is_some())
    }

    /// Is it a node or an edge of this graph, deleted or not?
    pub fn knows(&self, id: Dot) -> bool {
        self.lives(id) || self.removed.contains(id)
    }

    /// How many of the ids from `first` on are of this graph, deleted or not.
    pub fn stretch(&self, first: Dot, len: u32) -> u32 {
        (0..len).find(|&i| !self.knows(first.plus(i))).unwrap_or(len)
    }

    /// Every node that wasn't deleted, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = Dot> + '_ {
        let nodes = self.items.iter().filter(|(_, ends)| !ends.0.is_some());
        nodes.map(|(&node, _)| node)
    }

    /// Every edge that wasn't deleted, shown or hidden, with its ends, in no order.
    pub fn edges(&self) -> impl Iterator<Item = (Dot, Dot, Dot)> + '_ {
        let edges = self.items.iter().filter(|(_, ends)| ends.0.is_some());
        edges.map(|(&edge, &(from, to))| (edge, from, to))
    }

    /// Ids of deleted nodes and edges.
    pub fn removed(&self) -> &RemovedIds {
        &self.removed
    }

    /// Joins a node, or an edge between these ends.
    #[inline(never)]
    pub fn add(&mut self, id: Dot, ends: Option<(Dot, Dot)>) {
        if !self.removed.contains(id) {
            self.note(id);
            self.items.insert(id, ends.unwrap_or((Dot::NONE, Dot::NONE)));
        }
    }

    /// Deletes a node or an edge.
    pub fn remove(&mut self, agents: &Agents, id: Dot, by: Dot) {
        self.note(id);
        self.removed.insert(agents, id, by);
        self.items.remove(&id);
    }

    fn note(&mut self, id: Dot) {
        if let Some(changes) = &mut self.changes {
            changes.entry(id).or_insert(self.items.get(&id).copied());
        }
    }

    /// The nodes that a reader sees, by id.
    pub fn shown_nodes(&self, agents: &Agents) -> Vec<Dot> {
        let mut nodes: Vec<Dot> = self.nodes().collect();
        nodes.sort_unstable_by_key(|node| (agents.id(node.agent), node.seq));
        nodes
    }

    /// The edges that a reader sees, by id, with their ends.
    pub fn shown_edges(&self, agents: &Agents) -> Vec<(Dot, Dot, Dot)> {
        let is_shown = |(_, from, to): &(Dot, Dot, Dot)| self.has_node(*from) && self.has_node(*to);
        let mut edges: Vec<_> = self.edges().filter(is_shown).collect();
        edges.sort_unstable_by_key(|(edge, ..)| (agents.id(edge.agent), edge.seq));
        edges
    }
}

impl Document {
    /// A new node.
    pub fn graph_add_node(&mut self, graph: u32) -> Result<Dot, Error> {
        self.put_in_graph(graph, None)
    }

    /// A new edge between two nodes that are there.
    pub fn graph_add_edge(&mut self, graph: u32, from: Dot, to: Dot) -> Result<Dot, Error> {
        let state = self.containers.graph(graph)?;
        if ![from, to].iter().all(|&end| state.has_node(end)) {
            return Err(Error::NoSuchNode);
        }
        self.put_in_graph(graph, Some((from, to)))
    }

    /// Deletes a node, with its edges, or an edge, for good. False, and nothing is written, where it was deleted before.
    pub fn graph_delete(&mut self, graph: u32, id: Dot) -> Result<bool, Error> {
        if !self.containers.graph(graph)?.knows(id) {
            return Err(Error::NoSuchNode);
        }
        self.delete_node(graph, id)
    }

    /// The nodes, by id.
    pub fn graph_nodes(&self, graph: u32) -> Result<Vec<Dot>, Error> {
        Ok(self.containers.graph(graph)?.shown_nodes(&self.agents))
    }

    /// The edges that are shown, by id: each with where it leads from and to.
    pub fn graph_edges(&self, graph: u32) -> Result<Vec<(Dot, Dot, Dot)>, Error> {
        Ok(self.containers.graph(graph)?.shown_edges(&self.agents))
    }

    /// Writes a node, or an edge between these ends.
    pub(crate) fn put_in_graph(&mut self, graph: u32, ends: Option<(Dot, Dot)>) -> Result<Dot, Error> {
        self.containers.graph(graph)?;
        let dot = self.next_dot(1)?;
        self.book(graph, dot, 1, 0);
        self.containers.graph_mut(graph)?.add(dot, ends);
        let who = Who {
            own: dot.agent,
            agents: &self.agents,
        };
        self.outbox.add_to_graph(who, dot, ends);
        if self.undo.is_on() {
            self.undo_created(graph, dot);
        }
        Ok(dot)
    }
}
