//! Random edits of a document alone, and what it shows without the ids that an undo gives anew.

use crate::edits::KEYS;
pub use crate::peer::ids;
use crate::peer::{expand, integer};
use crate::random::Random;
use joinery_history::Dot;
use joinery_types::{Document, Entry, Kind, ROOT};

pub const KINDS: [Kind; 7] = [
    Kind::Map,
    Kind::List,
    Kind::Text,
    Kind::Counter,
    Kind::Set,
    Kind::Tree,
    Kind::Graph,
];
const MARKS: [&str; 3] = ["bold", "comment:1", "link"];
/// What tells a graph's nodes and edges from each other whatever their ids are. Random edits don't touch it.
const LABEL: &str = "label";

/// The containers that a reader sees, parents first.
pub fn containers(document: &mut Document) -> Vec<(u32, Kind)> {
    let mut found = vec![(ROOT, Kind::Map)];
    let mut at = 0;
    while let Some(&(container, kind)) = found.get(at) {
        at += 1;
        found.extend(children(document, container, kind));
    }
    found
}

fn children(document: &mut Document, container: u32, kind: Kind) -> Vec<(u32, Kind)> {
    let child = |entry: Option<Entry<'_>>| match entry {
        Some(Entry::Child(child, kind)) => Some((child, kind)),
        _ => None,
    };
    match kind {
        Kind::Map => {
            let keys: Vec<_> = document.map_keys(container).unwrap().cloned().collect();
            let slots = keys.iter().map(|key| document.map_get(container, key).unwrap());
            slots.filter_map(child).collect()
        }
        Kind::List => (0..document.list_len(container).unwrap())
            .filter_map(|index| child(document.list_get(container, index).unwrap()))
            .collect(),
        Kind::Tree | Kind::Graph => {
            let ids = ids(document, container, kind);
            let maps = ids.into_iter().map(|id| document.node_data(container, id).unwrap());
            maps.map(|map| (map, Kind::Map)).collect()
        }
        _ => Vec::new(),
    }
}

/// What a container shows, without ids. (A test's documents are a few levels deep.)
pub fn read(document: &mut Document, container: u32, kind: Kind) -> String {
    match kind {
        Kind::Map => {
            let keys: Vec<_> = document.map_keys(container).unwrap().cloned().collect();
            let entry = |key: &std::rc::Rc<str>| {
                let entry = document.map_get(container, key).unwrap();
                format!("{key}: {}", slot(&mut document.clone(), entry))
            };
            format!("{{{}}}", keys.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Kind::List => {
            let mut out = Vec::new();
            for index in 0..document.list_len(container).unwrap() {
                let mut other = document.clone();
                let entry = document.list_get(container, index).unwrap();
                out.push(slot(&mut other, entry));
            }
            format!("[{}]", out.join(", "))
        }
        Kind::Text => {
            let mut delta = Vec::new();
            document.text_delta(container, &mut delta).unwrap();
            format!("text {:?} {delta:?}", document.text_string(container).unwrap())
        }
        Kind::Counter => format!("counter {}", document.counter_value(container).unwrap()),
        Kind::Set => {
            let mut out = Vec::new();
            document.to_plain(container, &mut out).unwrap();
            format!("set {out:?}")
        }
        Kind::Tree => format!("tree {}", siblings(document, container, Dot::NONE)),
        Kind::Graph => {
            let label = |document: &mut Document, id: Dot| {
                let data = document.node_data(container, id).unwrap();
                read(document, data, Kind::Map)
            };
            let mut items = Vec::new();
            for node in document.graph_nodes(container).unwrap() {
                items.push(label(document, node));
            }
            for (edge, from, to) in document.graph_edges(container).unwrap() {
                let ends = [edge, from, to].map(|id| label(document, id));
                items.push(ends.join(" "));
            }
            items.sort();
            format!("graph {items:?}")
        }
    }
}

fn slot(document: &mut Document, entry: Option<Entry<'_>>) -> String {
    match entry {
        Some(Entry::Plain(bytes)) => format!("{bytes:?}"),
        Some(Entry::Child(child, kind)) => read(document, child, kind),
        None => "[0]".into(),
    }
}

fn siblings(document: &mut Document, tree: u32, parent: Dot) -> String {
    let mut out = Vec::new();
    for node in document.tree_children(tree, parent).unwrap() {
        let data = document.node_data(tree, node).unwrap();
        let data = read(document, data, Kind::Map);
        out.push(format!("({data} {})", siblings(document, tree, node)));
    }
    out.join(" ")
}

/// What a document shows, without ids.
pub fn seen(document: &Document) -> String {
    read(&mut document.clone(), ROOT, Kind::Map)
}

/// Who edits: so that values can be told from each other.
#[derive(Debug, Clone)]
pub struct Editor {
    pub name: i64,
    pub count: i64,
}

impl Editor {
    pub fn value(&mut self, random: &mut Random) -> Vec<u8> {
        self.count += 1;
        match random.below(6) {
            0 => vec![5, 2, b'h', b'i'],
            _ => integer(self.name * 10_000_000 + self.count),
        }
    }

    fn words(&mut self, random: &mut Random) -> Vec<u16> {
        if self.name > 1 {
            return vec![Self::letter(self.name); 1 + random.below(3)];
        }
        match random.below(6) {
            0 => "a😀b".encode_utf16().collect(),
            1 => "xyz".encode_utf16().collect(),
            _ => vec![b'a' as u16 + random.below(26) as u16],
        }
    }

    /// The character that stands for an editor who isn't the first.
    pub fn letter(name: i64) -> u16 {
        0x400 + name as u16
    }

    /// One edit, in the container of this kind at the root's key "it", or anywhere.
    pub fn edit(&mut self, document: &mut Document, random: &mut Random, only: Option<Kind>) {
        let now = random.below(6) as u64;
        if let Some(kind) = only {
            let at = document.ensure_child(ROOT, "it", kind, now).unwrap();
            return self.edit_in(document, random, (at, kind), false, now);
        }
        let all = containers(document);
        let at = *random.pick(&all);
        let is_deep = all.len() > 12;
        self.edit_in(document, random, at, !is_deep, now);
    }

    fn edit_in(&mut self, document: &mut Document, random: &mut Random, at: (u32, Kind), nested: bool, now: u64) {
        let (at, kind) = at;
        match kind {
            Kind::Map => {
                let key = *random.pick(&KEYS);
                match random.below(6) {
                    0 => {
                        let _ = document.map_delete(at, key, now).unwrap();
                    }
                    1..=3 if nested => {
                        let kind = *random.pick(&KINDS);
                        let child = document.ensure_child(at, key, kind, now).unwrap();
                        self.edit_in(document, random, (child, kind), false, now);
                    }
                    _ => document.map_set(at, key, &self.value(random), now).unwrap(),
                }
            }
            Kind::List => self.edit_list(document, random, at, nested, now),
            Kind::Text => self.edit_text(document, random, at, now),
            Kind::Counter => document.counter_add(at, random.below(9) as i64 - 4).unwrap(),
            Kind::Set => {
                let value = integer(self.name * 10_000_000 + random.below(4) as i64);
                if random.once_in(3) {
                    document.set_delete(at, &value).unwrap();
                } else {
                    document.set_add(at, &value).unwrap();
                }
            }
            Kind::Tree => self.edit_tree(document, random, at, nested, now),
            Kind::Graph => self.edit_graph(document, random, at, nested, now),
        }
    }

    fn edit_text(&mut self, document: &mut Document, random: &mut Random, at: u32, now: u64) {
        let len = document.text_len(at).unwrap();
        let from = random.below(len as usize + 1) as u32;
        let n = random.below((len - from).min(6) as usize + 1) as u32;
        match random.below(9) {
            0..=1 => document.text_delete(at, from, n).unwrap(),
            2 if len > 0 => document.text_delete(at, len - 1, 1).unwrap(),
            3 | 4 => {
                let value = [&[0][..], &[2], &[5, 1, b'u']][random.below(3)];
                let key = *random.pick(&MARKS);
                document
                    .text_mark(at, (from, from + n), key, value, expand(key), now)
                    .unwrap();
            }
            5 if document
                .text_chunks(at)
                .unwrap()
                .flatten()
                .all(|unit| unit & 0xf800 != 0xd800) =>
            {
                // An object behind what is kept, with an attribute.
                let mut delta = vec![7, 2, 8, 1, 6];
                delta.extend(b"retain");
                delta.extend(integer(i64::from(from)));
                delta.extend([8, 2, 10]);
                delta.extend(b"attributes");
                delta.extend([8, 1, 4]);
                delta.extend(b"bold");
                delta.extend([2, 6]);
                delta.extend(b"insert");
                delta.extend([8, 1, 1, b'e', 2]);
                document.text_apply_delta(at, &delta, &expand, now).unwrap();
            }
            _ => {
                let index = if random.once_in(2) { len } else { from };
                document.text_insert(at, index, &mut self.words(random)).unwrap();
            }
        }
    }

    fn edit_list(&mut self, document: &mut Document, random: &mut Random, at: u32, nested: bool, now: u64) {
        let len = document.list_len(at).unwrap();
        let index = random.below(len.max(1) as usize) as u32;
        match random.below(8) {
            0 | 1 if len > 0 => {
                let n = random.below((len - index).min(4) as usize + 1) as u32;
                document.list_delete(at, index, n).unwrap();
            }
            2 if len > 0 => document.list_set(at, index, &self.value(random), now).unwrap(),
            3 | 4 if len > 0 => {
                let to = random.below(len as usize) as u32;
                document.list_move(at, index, to, now).unwrap();
            }
            5 if nested && len > 0 => {
                let kind = *random.pick(&KINDS);
                let child = document.list_set_child(at, index, kind, now).unwrap();
                self.edit_in(document, random, (child, kind), false, now);
            }
            6 if nested => {
                let kind = *random.pick(&KINDS);
                let child = document.list_insert_child(at, index, kind).unwrap();
                self.edit_in(document, random, (child, kind), false, now);
            }
            _ => {
                let (one, two) = (self.value(random), self.value(random));
                let at_index = random.below(len as usize + 1) as u32;
                document.list_insert(at, at_index, &[&one, &two]).unwrap();
            }
        }
    }

    fn data(&mut self, document: &mut Document, random: &mut Random, at: (u32, Dot), nested: bool, now: u64) {
        let data = document.node_data(at.0, at.1).unwrap();
        self.edit_in(document, random, (data, Kind::Map), nested, now);
    }

    fn edit_tree(&mut self, document: &mut Document, random: &mut Random, at: u32, nested: bool, now: u64) {
        let nodes = ids(document, at, Kind::Tree);
        let mut parents = nodes.clone();
        parents.push(Dot::NONE);
        let parent = *random.pick(&parents);
        let jitter = random.next() as u32;
        let count = document.tree_children(at, parent).unwrap().len();
        match random.below(8) {
            0 | 1 if !nodes.is_empty() => {
                let _ = document.tree_delete(at, *random.pick(&nodes), now).unwrap();
            }
            2 if !nodes.is_empty() => {
                let node = *random.pick(&nodes);
                self.data(document, random, (at, node), nested, now);
            }
            3..=5 if !nodes.is_empty() => {
                let node = *random.pick(&nodes);
                let is_there = document.tree_parent(at, node).unwrap() == Some(parent);
                let index = random.below(count + 1 - usize::from(is_there)) as u32;
                // Into itself: refused, and nothing is taken down.
                let _ = document.tree_move(at, node, parent, index, jitter, now);
            }
            _ => {
                let index = random.below(count + 1) as u32;
                let node = document.tree_create(at, parent, index, jitter, now).unwrap();
                self.label(document, (at, node), now);
            }
        }
    }

    fn label(&mut self, document: &mut Document, at: (u32, Dot), now: u64) {
        self.count += 1;
        let data = document.node_data(at.0, at.1).unwrap();
        let value = integer(self.name * 10_000_000 + self.count);
        document.map_set(data, LABEL, &value, now).unwrap();
    }

    fn edit_graph(&mut self, document: &mut Document, random: &mut Random, at: u32, nested: bool, now: u64) {
        let nodes = document.graph_nodes(at).unwrap();
        let all = ids(document, at, Kind::Graph);
        match random.below(7) {
            0 | 1 if !all.is_empty() => {
                let _ = document.graph_delete(at, *random.pick(&all)).unwrap();
            }
            2 if !all.is_empty() => {
                let id = *random.pick(&all);
                self.data(document, random, (at, id), nested, now);
            }
            3 | 4 if !nodes.is_empty() => {
                let edge = document.graph_add_edge(at, *random.pick(&nodes), *random.pick(&nodes));
                self.label(document, (at, edge.unwrap()), now);
            }
            _ => {
                let node = document.graph_add_node(at).unwrap();
                self.label(document, (at, node), now);
            }
        }
    }
}
