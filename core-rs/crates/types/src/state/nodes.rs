//! The sections of trees and graphs: ids in order, and of a tree's nodes the edges that the receiver lacks.
//!
//! ```text
//! tree    nodes: id, edges: parent or none, own dot (none: the node's), stamp (from the one before), index · removed
//! graph   nodes: id · edges: id, from, to · removed
//! removed ids: id, the deletion's dot
//! ```

use super::{zigzag, Encoder};
use crate::graph::Graph;
use crate::removed_ids::RemovedIds;
use crate::tree::{Edge, Tree};
use joinery_codec::Writer;
use joinery_history::Dot;

impl Encoder<'_> {
    #[inline(never)]
    pub(super) fn tree(&self, out: &mut Vec<u8>, tree: &Tree) -> bool {
        // What the order goes by stands beside each, so that sorting doesn't look it up again and again.
        let entry = |id, edge: &'_ Edge| (self.order(id), self.order(edge.parent), id);
        let mut edges = Vec::new();
        for (id, node) in tree.nodes() {
            let new = node.edges().filter(|edge| self.is_new(edge.dot));
            edges.extend(new.map(|edge| (entry(id, edge), edge)));
        }
        edges.sort_unstable_by_key(|&((id, parent, _), _)| (id, parent));
        let nodes = edges.chunk_by(|(one, _), (next, _)| one.0 == next.0);
        out.varint(nodes.clone().count() as u64);
        let mut last = 0;
        for edges in nodes {
            let (_, _, id) = edges[0].0;
            self.dot(out, id);
            out.varint(edges.len() as u64);
            for &(_, edge) in edges {
                self.dot(out, edge.parent);
                self.dot(out, if edge.dot == id { Dot::NONE } else { edge.dot });
                out.varint(zigzag(edge.stamp.wrapping_sub(last) as i64));
                last = edge.stamp;
                out.blob(edge.index.as_bytes());
            }
        }
        self.removed_ids(out, tree.removed()) || !edges.is_empty()
    }

    #[inline(never)]
    pub(super) fn graph(&self, out: &mut Vec<u8>, graph: &Graph) -> bool {
        let mut nodes: Vec<Dot> = graph.nodes().filter(|&node| self.is_new(node)).collect();
        nodes.sort_unstable_by_key(|&node| self.order(node));
        out.varint(nodes.len() as u64);
        nodes.iter().for_each(|&node| self.dot(out, node));
        let mut edges: Vec<(Dot, Dot, Dot)> = graph.edges().filter(|&(edge, ..)| self.is_new(edge)).collect();
        edges.sort_unstable_by_key(|&(edge, ..)| self.order(edge));
        out.varint(edges.len() as u64);
        for &(edge, from, to) in &edges {
            [edge, from, to].iter().for_each(|&dot| self.dot(out, dot));
        }
        self.removed_ids(out, graph.removed()) || !nodes.is_empty() || !edges.is_empty()
    }

    #[inline(never)]
    fn removed_ids(&self, out: &mut Vec<u8>, removed: &RemovedIds) -> bool {
        let mut ids: Vec<(Dot, Dot)> = removed.iter().filter(|&(_, by)| self.is_new(by)).collect();
        ids.sort_unstable_by_key(|&(id, _)| self.order(id));
        out.varint(ids.len() as u64);
        for &(id, by) in &ids {
            self.dot(out, id);
            self.dot(out, by);
        }
        !ids.is_empty()
    }
}
