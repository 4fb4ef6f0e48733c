//! Random edits: where in the document, and what. The same decision goes to the core and to the oracle.

use crate::peer::{integer, units, Handle, Peer};
use crate::random::Random;
use joinery_oracle::{Attributes, DeltaStep, Kind, Log};

/// What a run writes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scope {
    /// One container of this kind under the root (for a map: the root's own keys).
    Only(Kind),
    /// Everything, nested.
    Mixed,
}

pub const EVERY_SCOPE: [Scope; 8] = [
    Scope::Only(Kind::Map),
    Scope::Only(Kind::List),
    Scope::Only(Kind::Text),
    Scope::Only(Kind::Counter),
    Scope::Only(Kind::Set),
    Scope::Only(Kind::Tree),
    Scope::Only(Kind::Graph),
    Scope::Mixed,
];

pub const KINDS: [Kind; 7] = [
    Kind::Map,
    Kind::List,
    Kind::Text,
    Kind::Counter,
    Kind::Set,
    Kind::Tree,
    Kind::Graph,
];
pub const KEYS: [&str; 3] = ["a", "b", "é"];

fn value(random: &mut Random) -> Vec<u8> {
    match random.below(4) {
        0 => vec![0],
        1 => vec![5, 2, b'h', b'i'],
        2 => vec![7, 1, 8, 1, 1, b'k', 2],
        _ => integer(random.below(40) as i64 - 20),
    }
}

fn words(random: &mut Random) -> Vec<u16> {
    match random.below(9) {
        0 | 1 => units("hello"),
        2 => units("é\u{7}"),
        3 => units("a😀b"),
        4 => units("😀😀"),
        5 => vec![0xd83d],
        6 => vec![0xde00, b'x'.into()],
        _ => vec![b'a' as u16 + random.below(26) as u16],
    }
}

/// One edit somewhere. Times differ by little and go back, so stamps collide.
pub fn edit(peer: &mut Peer, log: &mut Log, random: &mut Random, scope: Scope) {
    let now = random.below(6) as u64;
    let root = Handle::root();
    match scope {
        Scope::Only(Kind::Map) => edit_keys(peer, log, random, &root, now),
        Scope::Only(kind) => {
            let container = peer.ensure(log, &root, "it", kind, now);
            edit_in(peer, log, random, &container, now, false);
        }
        Scope::Mixed => {
            let mut container = root;
            while !random.once_in(4) {
                let children = peer.children(log, &container);
                if children.is_empty() {
                    break;
                }
                container = random.pick(&children).clone();
            }
            edit_in(peer, log, random, &container, now, container.id.0.len() < 3);
        }
    }
}

fn edit_keys(peer: &mut Peer, log: &mut Log, random: &mut Random, map: &Handle, now: u64) {
    let key = *random.pick(&KEYS);
    if random.once_in(3) {
        peer.map_delete(log, map, key, now);
    } else {
        let value = value(random);
        peer.map_set(log, map, key, &value, now);
    }
}

/// One edit in this container. `nested`: it may create containers.
fn edit_in(peer: &mut Peer, log: &mut Log, random: &mut Random, at: &Handle, now: u64, nested: bool) {
    match at.kind() {
        Kind::Map if nested && random.below(3) > 0 => {
            let (key, kind) = (*random.pick(&KEYS), *random.pick(&KINDS));
            if random.once_in(3) {
                peer.create(log, at, key, kind, now);
            } else {
                // The same key and kind on several replicas: the case in which they are one container.
                let child = peer.ensure(log, at, key, kind, now);
                if random.once_in(2) {
                    edit_in(peer, log, random, &child, now, false);
                }
            }
        }
        Kind::Map => edit_keys(peer, log, random, at, now),
        Kind::List => edit_list(peer, log, random, at, now, nested),
        Kind::Text if random.once_in(4) => edit_marks(peer, log, random, at, now),
        Kind::Text => {
            let len = peer.text_len(at);
            // A key held down: what follows on what came before is told as one stretch, which a state may cut.
            if len > 0 && random.once_in(4) {
                let from = if random.once_in(2) { len - 1 } else { 0 };
                for _ in 0..1 + random.below(2).min(len - 1) {
                    let len = peer.text_len(at);
                    peer.text_delete(log, at, from.min(len.saturating_sub(1)), len.min(1));
                }
            } else if len > 0 && random.once_in(4) {
                let from = random.below(len);
                let n = random.below((len - from).min(7) + 1);
                peer.text_delete(log, at, from, n);
            } else {
                let what = words(random);
                let index = if random.once_in(2) { len } else { random.below(len + 1) };
                peer.text_insert(log, at, index, &what);
            }
        }
        Kind::Counter => peer.counter_add(log, at, random.below(9) as i64 - 4),
        Kind::Set => {
            let value = integer(random.below(4) as i64 - 2);
            if random.once_in(3) {
                peer.set_delete(log, at, &value);
            } else {
                peer.set_add(log, at, &value);
            }
        }
        Kind::Tree => edit_tree(peer, log, random, at, now, nested),
        Kind::Graph => edit_graph(peer, log, random, at, now, nested),
    }
}

/// Something in the map of a node or an edge.
fn edit_data(peer: &mut Peer, log: &mut Log, random: &mut Random, data: &Handle, now: u64, nested: bool) {
    let nested = nested && data.id.0.len() < 3;
    edit_in(peer, log, random, data, now, nested);
}

fn edit_tree(peer: &mut Peer, log: &mut Log, random: &mut Random, at: &Handle, now: u64, nested: bool) {
    let nodes = peer.tree_nodes(log, at);
    let parent = |random: &mut Random| (!random.once_in(3) && !nodes.is_empty()).then(|| *random.pick(&nodes));
    match random.below(8) {
        0 if !nodes.is_empty() => {
            let node = *random.pick(&nodes);
            peer.tree_delete(log, at, node, now);
        }
        1 if !nodes.is_empty() => {
            let data = peer.data(at, *random.pick(&nodes));
            edit_data(peer, log, random, &data, now, nested);
        }
        2..=5 if !nodes.is_empty() => {
            let (node, parent) = (*random.pick(&nodes), parent(random));
            peer.tree_move(log, at, node, parent, random, now);
        }
        _ => {
            let parent = parent(random);
            peer.tree_create(log, at, parent, random, now);
        }
    }
}

fn edit_graph(peer: &mut Peer, log: &mut Log, random: &mut Random, at: &Handle, now: u64, nested: bool) {
    let nodes = peer.graph_nodes(log, at);
    let edges = peer.graph_edges(log, at);
    match random.below(7) {
        0 if !nodes.is_empty() => peer.graph_delete(log, at, *random.pick(&nodes)),
        1 if !edges.is_empty() => peer.graph_delete(log, at, random.pick(&edges).0),
        2 if !nodes.is_empty() => {
            let ids: Vec<_> = nodes.iter().copied().chain(edges.iter().map(|edge| edge.0)).collect();
            let data = peer.data(at, *random.pick(&ids));
            edit_data(peer, log, random, &data, now, nested);
        }
        3..=4 if !nodes.is_empty() => peer.graph_add_edge(log, at, (*random.pick(&nodes), *random.pick(&nodes))),
        _ => peer.graph_add_node(log, at),
    }
}

const MARKS: [&str; 3] = ["bold", "comment:1", "link"];

fn attributes(random: &mut Random, off: bool) -> Attributes {
    let mut attributes = Attributes::new();
    for _ in 0..random.below(3) {
        let value = match random.below(4) {
            0 if off => vec![0],
            1 => vec![5, 1, b'u'],
            _ => vec![2],
        };
        attributes.insert(random.pick(&MARKS).to_string(), value);
    }
    attributes
}

fn edit_marks(peer: &mut Peer, log: &mut Log, random: &mut Random, at: &Handle, now: u64) {
    let len = peer.text_len(at);
    let from = random.below(len + 1);
    let to = from + random.below((len - from).min(6) + 1);
    if random.below(3) > 0 {
        let value = [&[0][..], &[2], &[5, 1, b'u']][random.below(3)];
        let key = *random.pick(&MARKS);
        peer.text_mark(log, at, (from, to), (key, value), now);
        return;
    }
    let mut left = len;
    let mut steps = Vec::new();
    // A delta's steps end between characters; where there may be pairs it is inserted at the start.
    let pairs = peer.has_pairs(at);
    for _ in 0..1 + random.below(3) {
        let n = if pairs { 0 } else { random.below(left.min(4) + 1) };
        let attributes = attributes(random, true);
        match random.below(5) {
            0 => steps.push(DeltaStep::Embed(vec![8, 1, 1, b'e', 2], attributes)),
            1 => steps.push(DeltaStep::Insert(units("a😀b"), attributes)),
            2 => steps.push(DeltaStep::Insert(
                vec![b'a' as u16 + random.below(26) as u16],
                attributes,
            )),
            3 => {
                steps.push(DeltaStep::Retain(n, attributes));
                left -= n;
            }
            _ => {
                steps.push(DeltaStep::Delete(n));
                left -= n;
            }
        }
    }
    peer.text_apply_delta(log, at, &steps, now);
}

fn edit_list(peer: &mut Peer, log: &mut Log, random: &mut Random, at: &Handle, now: u64, nested: bool) {
    let len = peer.list_len(at);
    match random.below(8) {
        4 | 5 if len > 0 => peer.list_move(log, at, random.below(len), random.below(len), now),
        0 if len > 0 => {
            let from = random.below(len);
            let n = random.below((len - from).min(4) + 1);
            peer.list_delete(log, at, from, n);
        }
        1 if len > 0 => {
            let value = value(random);
            peer.list_set(log, at, random.below(len), &value, now);
        }
        2 if len > 0 && nested => {
            let kind = *random.pick(&KINDS);
            peer.list_set_child(log, at, random.below(len), kind, now);
        }
        3 if nested => {
            let kind = *random.pick(&KINDS);
            peer.list_insert_child(log, at, random.below(len + 1), kind);
        }
        _ => {
            let (one, two) = (value(random), value(random));
            let values: &[&[u8]] = if random.once_in(2) { &[&one] } else { &[&one, &two] };
            peer.list_insert(log, at, random.below(len + 1), values);
        }
    }
}
