//! Trees and graphs as plain values: a tree as nested arrays of `{children, data, id}`, a graph as `{edges: [{data, from, id, to}],
//! nodes: [{data, id}]}`. A tree may be as deep as it has nodes, so its nodes are steps of the walk like containers; and what is deeper
//! than [`MAX_PLAIN_NODES_DEEP`] is left out, for whoever reads plain values does so by recursion.

use super::Step;
use crate::container::{Container, Key, Kind, ROOT};
use crate::cut::OfNodes;
use crate::document::Document;
use crate::graph::Graph;
use crate::tree::Reading;
use joinery_codec::Writer;
use joinery_history::Dot;
use std::borrow::Cow;

/// So many tree nodes within each other a plain value has at most; what is below is read from the tree itself.
pub const MAX_PLAIN_NODES_DEEP: u32 = 500;

/// The beginning of a packed object with so many keys.
fn object(keys: u8) -> Vec<u8> {
    vec![8, keys]
}

fn key(mut out: Vec<u8>, key: &str) -> Vec<u8> {
    out.blob(key.as_bytes());
    out
}

impl Document {
    fn push_id(&self, out: &mut Vec<u8>, id: Dot) {
        out.push(5);
        out.blob(self.node_id(id).as_bytes());
    }

    /// How many tree nodes a container is in.
    #[inline(never)]
    pub(super) fn nodes_above(&self, container: u32, trees: &[(u32, OfNodes<Cow<'_, Reading>>)]) -> u32 {
        let (mut at, mut nodes) = (container, 0);
        while at != ROOT {
            let Container { parent, key, .. } = self.container(at);
            let tree = trees.iter().rev().find(|(tree, _)| tree == parent);
            if let (Key::Element(node), Some((_, reading))) = (key, tree) {
                nodes += reading.upwards(*node).count() as u32;
            }
            at = *parent;
        }
        nodes
    }

    /// Begins the array of what hangs below a node; its members are steps.
    #[inline(never)]
    pub(super) fn siblings(
        &self,
        out: &mut Vec<u8>,
        reading: &Reading,
        (tree, parent): (usize, Dot),
        depth: u32,
    ) -> Vec<Step> {
        out.push(7);
        if depth >= MAX_PLAIN_NODES_DEEP {
            out.push(0);
            return Vec::new();
        }
        let children = reading.children(parent);
        out.varint(children.len() as u64);
        let node = |node| Step::Node { tree, node, depth };
        children.into_iter().map(node).collect()
    }

    #[inline(never)]
    pub(super) fn node(&self, container: u32, (tree, node): (usize, Dot), depth: u32) -> Vec<Step> {
        let mut id = key(Vec::new(), "id");
        self.push_id(&mut id, node);
        vec![
            Step::Bytes(key(object(3), "children")),
            Step::Siblings {
                tree,
                parent: node,
                depth: depth + 1,
            },
            Step::Bytes(key(Vec::new(), "data")),
            self.data(container, node),
            Step::Bytes(id),
        ]
    }

    #[inline(never)]
    pub(super) fn graph(&self, container: u32, graph: &Graph) -> Vec<Step> {
        let edges = graph.shown_edges(&self.agents);
        let nodes = graph.shown_nodes(&self.agents);
        let mut steps = Vec::with_capacity(2 + 3 * edges.len() + 3 * nodes.len());
        let mut head = key(object(2), "edges");
        head.push(7);
        head.varint(edges.len() as u64);
        steps.push(Step::Bytes(head));
        for (edge, from, to) in edges {
            let mut rest = Vec::new();
            for (name, id) in [("from", from), ("id", edge), ("to", to)] {
                rest = key(rest, name);
                self.push_id(&mut rest, id);
            }
            steps.push(Step::Bytes(key(object(4), "data")));
            steps.push(self.data(container, edge));
            steps.push(Step::Bytes(rest));
        }
        let mut head = key(Vec::new(), "nodes");
        head.push(7);
        head.varint(nodes.len() as u64);
        steps.push(Step::Bytes(head));
        for node in nodes {
            let mut rest = key(Vec::new(), "id");
            self.push_id(&mut rest, node);
            steps.push(Step::Bytes(key(object(2), "data")));
            steps.push(self.data(container, node));
            steps.push(Step::Bytes(rest));
        }
        steps
    }

    /// A node's or an edge's map; nobody may have written to it yet.
    fn data(&self, container: u32, id: Dot) -> Step {
        let found = self.containers.find(container, &Key::Element(id), Kind::Map, Dot::NONE);
        match found {
            Some(map) => Step::Container(map),
            None => Step::Bytes(object(0)),
        }
    }
}
