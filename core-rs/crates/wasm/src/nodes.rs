//! Trees and graphs across the boundary: ids go as text, `agent:seq`, and the top of a tree as no text.

use crate::{Core, ABSENT};
use joinery_codec::Writer;
use joinery_history::Dot;
use joinery_types::Error;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
impl Core {
    /// A new node below the one in the input, before its `index`-th child; its id as a packed value is the output.
    pub fn tree_create(&mut self, tree: u32, index: u32, jitter: u32, now_ms: f64) -> i32 {
        let done = self.parent(0);
        let done = done.and_then(|parent| self.document.tree_create(tree, parent, index, jitter, now_ms as u64));
        self.put_id(done)
    }

    /// Hangs the node in the first `node_length` bytes of the input below the one behind them; 1 if it hung elsewhere.
    pub fn tree_move(&mut self, tree: u32, node_length: u32, index: u32, jitter: u32, now_ms: f64) -> i32 {
        let ids = self.key(node_length).and_then(|node| self.document.node_of(&node));
        let ids = ids.and_then(|node| Ok((node, self.parent(node_length)?)));
        let done = ids.and_then(|(node, parent)| {
            self.document
                .tree_move(tree, node, parent, index, jitter, now_ms as u64)
        });
        self.boolean(done)
    }

    /// Deletes the node in the input; 1 if it was there.
    pub fn tree_delete(&mut self, tree: u32, now_ms: f64) -> i32 {
        let done = self
            .node()
            .and_then(|node| self.document.tree_delete(tree, node, now_ms as u64));
        self.boolean(done)
    }

    /// Puts the ids of the nodes below the one in the input into the output, as a packed array.
    pub fn tree_children(&mut self, tree: u32) -> i32 {
        let parent = self.parent(0);
        let done = parent.and_then(|parent| self.document.tree_children(tree, parent));
        let done = done.map(|nodes| self.put_ids(&nodes));
        self.nothing(done)
    }

    /// Puts the id of the node above the one in the input into the output, or null for the top; absent where it isn't shown.
    pub fn tree_parent(&mut self, tree: u32) -> i32 {
        let done = self.node().and_then(|node| self.document.tree_parent(tree, node));
        match done {
            Ok(None) => ABSENT,
            Ok(Some(parent)) if parent == Dot::NONE => {
                self.output.clear();
                self.output.push(0);
                0
            }
            Ok(Some(parent)) => self.put_id(Ok(parent)),
            Err(error) => self.fail(error),
        }
    }

    /// The map of the node or edge in the input, of a tree or a graph; its number.
    pub fn node_data(&mut self, container: u32) -> i32 {
        let done = self.node().and_then(|node| self.document.node_data(container, node));
        self.number(done)
    }

    /// A new node; its id as a packed value is the output.
    pub fn graph_add_node(&mut self, graph: u32) -> i32 {
        let done = self.document.graph_add_node(graph);
        self.put_id(done)
    }

    /// A new edge from the node in the first `from_length` bytes of the input to the one behind them; its id is the output.
    pub fn graph_add_edge(&mut self, graph: u32, from_length: u32) -> i32 {
        let ends = self.key(from_length).and_then(|from| self.document.node_of(&from));
        let ends = ends.and_then(|from| Ok((from, self.parent(from_length)?)));
        let done = ends.and_then(|(from, to)| self.document.graph_add_edge(graph, from, to));
        self.put_id(done)
    }

    /// Deletes the node or edge in the input; 1 if it was there.
    pub fn graph_delete(&mut self, graph: u32) -> i32 {
        let done = self.node().and_then(|id| self.document.graph_delete(graph, id));
        self.boolean(done)
    }

    /// Puts the ids of the nodes into the output, as a packed array.
    pub fn graph_nodes(&mut self, graph: u32) -> i32 {
        let done = self.document.graph_nodes(graph).map(|nodes| self.put_ids(&nodes));
        self.nothing(done)
    }

    /// Puts the ids of the edges into the output, as a packed array: of each its own, that of its start, that of its end.
    pub fn graph_edges(&mut self, graph: u32) -> i32 {
        let done = self.document.graph_edges(graph).map(|edges| {
            let ids: Vec<Dot> = edges
                .into_iter()
                .flat_map(|(edge, from, to)| [edge, from, to])
                .collect();
            self.put_ids(&ids)
        });
        self.nothing(done)
    }
}

/// Private conversions.
impl Core {
    /// The node in the input.
    fn node(&self) -> Result<Dot, Error> {
        self.whole_key().and_then(|id| self.document.node_of(&id))
    }

    /// The node behind so many bytes of the input, or the top.
    fn parent(&self, from: u32) -> Result<Dot, Error> {
        let id = String::from_utf8_lossy(self.input.get(from as usize..).unwrap_or_default());
        if id.is_empty() {
            Ok(Dot::NONE)
        } else {
            self.document.node_of(&id)
        }
    }

    fn put_id(&mut self, done: Result<Dot, Error>) -> i32 {
        let done = done.map(|node| {
            self.output.clear();
            self.output.push(5);
            let id = self.document.node_id(node);
            self.output.blob(id.as_bytes());
        });
        self.nothing(done)
    }

    fn put_ids(&mut self, nodes: &[Dot]) {
        self.output.clear();
        self.output.push(7);
        self.output.varint(nodes.len() as u64);
        for &node in nodes {
            self.output.push(5);
            let id = self.document.node_id(node);
            self.output.blob(id.as_bytes());
        }
    }
}
