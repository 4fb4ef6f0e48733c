//! Trees and graphs with fresh ids: what is shown, where it is shown, without a trace of what was moved or deleted.

use super::Trim;
use crate::container::{Key, Kind};
use crate::dots::DotMap;
use crate::error::Error;
use crate::graph::Graph;
use crate::replay::Said;
use crate::tree::{Edge, Tree};
use joinery_history::Dot;

impl Trim<'_> {
    /// In document order, so that siblings with one index keep theirs.
    #[inline(never)]
    pub(super) fn tree(
        &mut self,
        tree: &Tree,
        (from, to): (u32, u32),
        below: &mut Vec<(u32, u32)>,
    ) -> Result<(), Error> {
        let reading = tree.read(&self.old.agents);
        let mut open: Vec<(Dot, Dot)> = Vec::new();
        let mut above = (Dot::NONE, Dot::NONE);
        loop {
            let children = reading.children(above.0).into_iter().rev();
            open.extend(children.map(|child| (child, above.1)));
            let Some((old, parent)) = open.pop() else {
                return Ok(());
            };
            let (Some(node), Some(place)) = (tree.node(old), reading.place(old)) else {
                return Err(Error::Contradiction("a node that hangs nowhere"));
            };
            let dot = self.take(1)?;
            let top = node.top();
            self.name(old, 1, dot);
            self.name(top.dot, 1, dot);
            let written = (self.old.agents.id(top.dot.agent), top.dot.seq);
            self.new.written.add((self.agent, dot.seq), 1, Said::running(written));
            // Where it is shown, by the highest stamp it had: what was written before still loses to it.
            let edge = Edge {
                parent,
                index: place.index.clone(),
                stamp: top.stamp,
                dot,
            };
            let document = &mut self.new.document;
            document.containers.tree_mut(to)?.join(&document.agents, dot, edge);
            self.data((from, old), (to, dot), below);
            above = (old, dot);
        }
    }

    #[inline(never)]
    pub(super) fn graph(
        &mut self,
        graph: &Graph,
        (from, to): (u32, u32),
        below: &mut Vec<(u32, u32)>,
    ) -> Result<(), Error> {
        let agents = &self.old.agents;
        let mut new_nodes: DotMap<Dot> = DotMap::default();
        for old in graph.shown_nodes(agents) {
            let node = self.take(1)?;
            self.name(old, 1, node);
            new_nodes.insert(old, node);
            self.new.document.containers.graph_mut(to)?.add(node, None);
            self.data((from, old), (to, node), below);
        }
        for (old, start, end) in graph.shown_edges(agents) {
            let edge = self.take(1)?;
            self.name(old, 1, edge);
            let graph = self.new.document.containers.graph_mut(to)?;
            graph.add(edge, Some((new_nodes[&start], new_nodes[&end])));
            self.data((from, old), (to, edge), below);
        }
        Ok(())
    }

    /// The map of a node or an edge, where somebody has written to it.
    fn data(&mut self, (from, old): (u32, Dot), (to, new): (u32, Dot), below: &mut Vec<(u32, u32)>) {
        let found = self.old.containers.find(from, &Key::Element(old), Kind::Map, Dot::NONE);
        if let Some(map) = found {
            let containers = &mut self.new.document.containers;
            let fresh = containers.find_or_create(to, &Key::Element(new), Kind::Map, Dot::NONE);
            self.new.containers[map as usize] = fresh;
            below.push((map, fresh));
        }
    }
}
