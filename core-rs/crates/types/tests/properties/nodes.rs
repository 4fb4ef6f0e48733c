//! Trees and graphs beside the oracle: what an edit by index shows at once, whatever circles others have made.

use crate::peer::{plain, take_all, texts, Handle, Peer};
use crate::random::Random;
use joinery_codec::Reader;
use joinery_history::{Dot as CoreDot, EnvelopeHeader};
use joinery_oracle::{Dot, Hanging, Kind, Log, Place};
use joinery_types::Document;

/// A packed value, as far as tests have them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Packed {
    Null,
    Is(bool),
    Number(i64),
    /// As its bits.
    Float(u64),
    Bytes(Vec<u8>),
    String(String),
    Array(Vec<Packed>),
    Object(Vec<(String, Packed)>),
}

impl Packed {
    pub fn read(reader: &mut Reader<'_>) -> Packed {
        match reader.u8("a tag").unwrap() {
            0 => Packed::Null,
            tag @ (1 | 2) => Packed::Is(tag == 2),
            3 => Packed::Number(reader.zigzag("a number").unwrap()),
            4 => Packed::Float(reader.u64_le("a float").unwrap()),
            6 => Packed::Bytes(reader.blob("bytes").unwrap().to_vec()),
            5 => Packed::String(reader.str("a string").unwrap().to_string()),
            7 => {
                let n = reader.count("a count").unwrap();
                Packed::Array((0..n).map(|_| Packed::read(reader)).collect())
            }
            8 => {
                let n = reader.count("a count").unwrap();
                let mut member = || (reader.str("a key").unwrap().to_string(), Packed::read(reader));
                Packed::Object((0..n).map(|_| member()).collect())
            }
            tag => panic!("a value with the tag {tag}"),
        }
    }

    pub fn get(&self, key: &str) -> &Packed {
        match self {
            Packed::Object(members) => &members.iter().find(|(name, _)| name == key).unwrap().1,
            other => panic!("{other:?} is no object"),
        }
    }

    pub fn items(&self) -> &[Packed] {
        match self {
            Packed::Array(items) => items,
            other => panic!("{other:?} is no array"),
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Packed::String(text) => text,
            other => panic!("{other:?} is no string"),
        }
    }
}

/// All that a document shows but for ids: its plain content, and its texts with their marks, those in nodes and edges last.
pub type Shape = (Packed, Vec<Vec<u8>>);

/// What a document shows, without the ids of nodes and edges, which a replay and a trim change. `ordered`: siblings in their order,
/// else in any (who made them at one place at once stand in the order of their ids).
pub fn shape(document: &Document, ordered: bool) -> Shape {
    let content = without_ids(Packed::read(&mut Reader::new(&plain(document))), ordered);
    let (mut in_nodes, elsewhere): (Vec<_>, Vec<_>) = texts(document).into_iter().partition(|(in_node, _)| *in_node);
    // They come as the ids of what they are in say.
    in_nodes.sort();
    (
        content,
        elsewhere.into_iter().chain(in_nodes).map(|(_, delta)| delta).collect(),
    )
}

fn without_ids(value: Packed, ordered: bool) -> Packed {
    let member = |members: &[(String, Packed)], key: &str| {
        let found = members.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone())
    };
    match value {
        Packed::Array(items) => {
            let is_tree = items
                .iter()
                .any(|item| matches!(item, Packed::Object(of) if of.len() == 3 && of[2].0 == "id"));
            let mut items: Vec<Packed> = items.into_iter().map(|item| without_ids(item, ordered)).collect();
            if is_tree && !ordered {
                items.sort();
            }
            Packed::Array(items)
        }
        Packed::Object(members) if members.len() == 2 && members[0].0 == "edges" => {
            // Of an edge only what is at its ends.
            let data = |value: &Packed| without_ids(value.get("data").clone(), ordered);
            let end = |id: &Packed| {
                let mut nodes = members[1].1.items().iter();
                data(nodes.find(|node| node.get("id") == id).unwrap())
            };
            let mut nodes: Vec<Packed> = members[1].1.items().iter().map(data).collect();
            let edges = members[0].1.items().iter();
            let edges = edges.map(|edge| Packed::Array(vec![data(edge), end(edge.get("from")), end(edge.get("to"))]));
            let mut edges: Vec<Packed> = edges.collect();
            nodes.sort();
            edges.sort();
            Packed::Array(vec![Packed::Array(nodes), Packed::Array(edges)])
        }
        Packed::Object(mut members) => {
            if member(&members, "children").is_some() {
                members.retain(|(name, _)| name != "id");
            }
            let members = members
                .into_iter()
                .map(|(name, value)| (name, without_ids(value, ordered)));
            Packed::Object(members.collect())
        }
        other => other,
    }
}

/// What a document's own operations from `seq` on say, by what it is going to send.
pub fn said_since(document: &Document, seq: u32) -> Vec<Packed> {
    let mut sender = document.clone();
    let mut said = Vec::new();
    for envelope in take_all(&mut sender) {
        let header = EnvelopeHeader::decode(&mut Reader::new(&envelope)).unwrap();
        if header.to > seq {
            let mut out = Vec::new();
            document
                .describe_parts(&envelope, &[(seq, header.to)], &mut out)
                .unwrap();
            said.extend_from_slice(Packed::read(&mut Reader::new(&out)).items());
        }
    }
    said
}

pub fn id_text(id: Dot) -> String {
    format!("{:x}:{}", id.agent, id.seq)
}

pub fn id_of(text: &str) -> Dot {
    let (agent, seq) = text.split_once(':').unwrap();
    Dot {
        agent: u64::from_str_radix(agent, 16).unwrap(),
        seq: seq.parse().unwrap(),
    }
}

impl Peer {
    pub fn core_dot(&self, id: Option<Dot>) -> CoreDot {
        id.map_or(CoreDot::NONE, |id| self.document.node_of(&id_text(id)).unwrap())
    }

    /// A tree's shown nodes; the core has to agree about each one's place.
    pub fn tree_nodes(&mut self, log: &Log, tree: &Handle) -> Vec<Dot> {
        let hanging = log.view(&self.version).hanging(&tree.id);
        let all: Vec<Dot> = hanging.places.keys().copied().collect();
        for parent in all.iter().copied().map(Some).chain([None]) {
            let core_parent = self.core_dot(parent);
            let children = self.document.tree_children(tree.number, core_parent).unwrap();
            let children: Vec<Dot> = children
                .iter()
                .map(|&node| id_of(&self.document.node_id(node)))
                .collect();
            let is_shown = parent.is_none_or(|parent| hanging.is_shown(parent));
            let expected = if is_shown { hanging.children(parent) } else { Vec::new() };
            assert_eq!(children, expected, "below {parent:?}");
        }
        for &node in &all {
            let core_node = self.core_dot(Some(node));
            let parent = self.document.tree_parent(tree.number, core_node).unwrap();
            let expected = hanging.is_shown(node).then(|| self.core_dot(hanging.places[&node].0));
            assert_eq!(parent, expected, "above {node:?}");
        }
        all.into_iter().filter(|&node| hanging.is_shown(node)).collect()
    }

    pub fn data(&mut self, container: &Handle, node: Dot) -> Handle {
        let core_node = self.core_dot(Some(node));
        Handle {
            number: self.document.node_data(container.number, core_node).unwrap(),
            id: container.id.child(Place::Element(node), Kind::Map, None),
        }
    }

    /// The maps of every node and edge that is shown.
    pub fn node_maps(&mut self, log: &Log, container: &Handle) -> Vec<Handle> {
        let ids = if container.kind() == Kind::Tree {
            self.tree_nodes(log, container)
        } else {
            let edges = self.graph_edges(log, container);
            let edges = edges.into_iter().map(|edge| edge.0);
            self.graph_nodes(log, container).into_iter().chain(edges).collect()
        };
        ids.into_iter().map(|id| self.data(container, id)).collect()
    }

    /// Enters the moves that the core has just made, at the indices that it chose; what it has written down before them the oracle
    /// says as well. The node that the last one is about.
    fn enter(&mut self, log: &mut Log, tree: &Handle, before: &Hanging, seq: u32, now: u64) -> Dot {
        let (mut named, mut all) = (Vec::new(), Vec::new());
        let mut said = said_since(&self.document, seq);
        let last = said.pop().unwrap();
        for (said, is_last) in said.iter().map(|said| (said, false)).chain([(&last, true)]) {
            let node = id_of(said.get("path").items().last().unwrap().text());
            let (kind, value) = (said.get("kind").text(), said.get("value"));
            let parent = match value.get("parent") {
                Packed::Null => None,
                id => Some(id_of(id.text())),
            };
            let place = (parent, value.get("index").text().to_string());
            if is_last || before.places.get(&node) != Some(&place) {
                named.push(((kind == "move").then_some(node), place.clone()));
            }
            all.push((Some(node), place));
        }
        let hung = log.tree_move((self.agent, now), &mut self.version, &tree.id, &named);
        assert_eq!(hung, all);
        self.counted();
        all.pop().unwrap().0.unwrap()
    }

    /// Everything hangs where it hung, but for one node, which is the `index`-th below `parent`.
    fn hangs(&self, log: &Log, tree: &Handle, before: &Hanging, node: Dot, parent: Option<Dot>, index: usize) {
        let after = log.view(&self.version).hanging(&tree.id);
        let mut parents: Vec<Option<Dot>> = after.places.keys().copied().map(Some).collect();
        parents.push(None);
        for at in parents {
            let mut expected = before.children(at);
            expected.retain(|&child| child != node);
            if at == parent {
                expected.insert(index, node);
            }
            assert_eq!(after.children(at), expected, "below {at:?}");
        }
    }

    pub fn tree_create(
        &mut self,
        log: &mut Log,
        tree: &Handle,
        parent: Option<Dot>,
        random: &mut Random,
        now: u64,
    ) -> Dot {
        let before = log.view(&self.version).hanging(&tree.id);
        let index = random.below(before.children(parent).len() + 1);
        self.tree_create_at(log, tree, parent, index, random.below(3) as u32, now)
    }

    pub fn tree_create_at(
        &mut self,
        log: &mut Log,
        tree: &Handle,
        parent: Option<Dot>,
        index: usize,
        jitter: u32,
        now: u64,
    ) -> Dot {
        let before = log.view(&self.version).hanging(&tree.id);
        let (core_parent, seq) = (self.core_dot(parent), self.document.own_seq());
        let node = self
            .document
            .tree_create(tree.number, core_parent, index as u32, jitter, now)
            .unwrap();
        let entered = self.enter(log, tree, &before, seq, now);
        assert_eq!(self.core_dot(Some(entered)), node);
        self.hangs(log, tree, &before, entered, parent, index);
        entered
    }

    pub fn tree_move(
        &mut self,
        log: &mut Log,
        tree: &Handle,
        node: Dot,
        parent: Option<Dot>,
        random: &mut Random,
        now: u64,
    ) {
        let before = log.view(&self.version).hanging(&tree.id);
        let siblings = before.children(parent).iter().filter(|&&child| child != node).count();
        let index = random.below(siblings + 1);
        self.tree_move_to(log, tree, node, parent, index, random.below(3) as u32, now);
    }

    #[allow(clippy::too_many_arguments)]
    pub fn tree_move_to(
        &mut self,
        log: &mut Log,
        tree: &Handle,
        node: Dot,
        parent: Option<Dot>,
        index: usize,
        jitter: u32,
        now: u64,
    ) {
        let before = log.view(&self.version).hanging(&tree.id);
        let (core_node, core_parent) = (self.core_dot(Some(node)), self.core_dot(parent));
        let seq = self.document.own_seq();
        let done = self
            .document
            .tree_move(tree.number, core_node, core_parent, index as u32, jitter, now);
        let (mut above, mut steps) = (parent, 0);
        while let Some(at) = above.filter(|&at| at != node && steps <= before.places.len()) {
            (above, steps) = (before.places[&at].0, steps + 1);
        }
        if above == Some(node) {
            assert_eq!(done.unwrap_err().code(), "move-into-itself");
            self.counted();
            return;
        }
        if done.unwrap() {
            assert_eq!(self.enter(log, tree, &before, seq, now), node);
            self.hangs(log, tree, &before, node, parent, index);
        } else {
            assert_eq!(before.children(parent).get(index), Some(&node));
            self.counted();
        }
    }

    /// Everything else hangs where it hung.
    pub fn tree_delete(&mut self, log: &mut Log, tree: &Handle, node: Dot, now: u64) {
        let mut expected = log.view(&self.version).hanging(&tree.id).places;
        let core_node = self.core_dot(Some(node));
        assert_eq!(self.document.tree_delete(tree.number, core_node, now), Ok(true));
        log.tree_delete((self.agent, now), &mut self.version, &tree.id, node);
        self.counted();
        expected.remove(&node);
        assert_eq!(log.view(&self.version).hanging(&tree.id).places, expected);
        assert_eq!(
            self.document.tree_delete(tree.number, core_node, now),
            Ok(false),
            "it is gone already"
        );
        self.counted();
    }

    pub fn graph_delete(&mut self, log: &mut Log, graph: &Handle, id: Dot) {
        let core_id = self.core_dot(Some(id));
        assert_eq!(self.document.graph_delete(graph.number, core_id), Ok(true));
        log.delete_node(self.agent, &mut self.version, &graph.id, id);
        self.counted();
        assert_eq!(
            self.document.graph_delete(graph.number, core_id),
            Ok(false),
            "it is gone already"
        );
        self.counted();
    }

    pub fn graph_nodes(&self, log: &Log, graph: &Handle) -> Vec<Dot> {
        let nodes = self.document.graph_nodes(graph.number).unwrap();
        let nodes: Vec<Dot> = nodes.iter().map(|&node| id_of(&self.document.node_id(node))).collect();
        assert_eq!(nodes, log.view(&self.version).graph_nodes(&graph.id));
        nodes
    }

    pub fn graph_edges(&self, log: &Log, graph: &Handle) -> Vec<(Dot, Dot, Dot)> {
        let edges = self.document.graph_edges(graph.number).unwrap();
        let id = |dot: CoreDot| id_of(&self.document.node_id(dot));
        let edges: Vec<_> = edges
            .iter()
            .map(|&(edge, from, to)| (id(edge), id(from), id(to)))
            .collect();
        assert_eq!(edges, log.view(&self.version).graph_edges(&graph.id));
        edges
    }

    pub fn graph_add_node(&mut self, log: &mut Log, graph: &Handle) {
        let node = self.document.graph_add_node(graph.number).unwrap();
        let entered = log.graph_add_node(self.agent, &mut self.version, &graph.id);
        assert_eq!(self.core_dot(Some(entered)), node);
        self.counted();
    }

    pub fn graph_add_edge(&mut self, log: &mut Log, graph: &Handle, (from, to): (Dot, Dot)) {
        let [core_from, core_to] = [from, to].map(|end| self.core_dot(Some(end)));
        let edge = self.document.graph_add_edge(graph.number, core_from, core_to).unwrap();
        let entered = log.graph_add_edge(self.agent, &mut self.version, &graph.id, (from, to));
        assert_eq!(self.core_dot(Some(entered)), edge);
        self.counted();
    }
}
