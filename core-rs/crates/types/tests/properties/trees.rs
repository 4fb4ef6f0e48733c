//! Trees and graphs at their edges: equal and exhausted indices, depth, many nodes, many circles, and what isn't allowed.

use crate::peer::{plain, take_all, LATE};
use crate::random::Random;
use crate::replay::loaded;
use joinery_history::Dot;
use joinery_types::{Applied, Document, Kind, Replay, ReplayOptions, MAX_PLAIN_NODES_DEEP, ROOT};

const TOP: Dot = Dot::NONE;

fn with_tree(agent: u64) -> (Document, u32) {
    let mut document = Document::default();
    document.set_agent(agent);
    let tree = document.ensure_child(ROOT, "t", Kind::Tree, 1).unwrap();
    (document, tree)
}

fn tree_of(document: &Document) -> u32 {
    document.child(ROOT, "t", Kind::Tree).unwrap()
}

fn send(from: &mut Document, to: &mut Document) {
    for envelope in take_all(from) {
        assert_eq!(to.apply(&envelope, LATE), Ok(Applied::Joined));
    }
}

fn ids(document: &mut Document, parent: Dot) -> Vec<String> {
    let tree = tree_of(document);
    let nodes = document.tree_children(tree, parent).unwrap();
    nodes.into_iter().map(|node| document.node_id(node)).collect()
}

/// Everybody puts a node at the same place without jitter: equal indices. Then there is no room, and it is made.
#[test]
fn between_siblings_with_equal_indices_room_is_made() {
    let (mut base, _) = with_tree(1);
    send(&mut base.clone(), &mut Document::default());
    let snapshot = base.encode_snapshot();
    take_all(&mut base);
    for agent in 2..9 {
        let mut other = loaded(&snapshot, agent);
        let tree = tree_of(&other);
        other.tree_create(tree, TOP, 0, 0, 5).unwrap();
        send(&mut other, &mut base);
    }
    let tree = tree_of(&base);
    let mut expected = ids(&mut base, TOP);
    assert_eq!(expected.len(), 7);
    for index in [3, 0, 8, 5, 1] {
        let node = base.tree_create(tree, TOP, index, 0, 6).unwrap();
        expected.insert(index as usize, base.node_id(node));
        assert_eq!(ids(&mut base, TOP), expected);
    }
    let mut reader = loaded(&base.encode_snapshot(), 50);
    assert_eq!(ids(&mut reader, TOP), expected);
}

#[test]
fn what_is_not_allowed_changes_nothing() {
    let (mut document, tree) = with_tree(1);
    let text = document.ensure_child(ROOT, "x", Kind::Text, 1).unwrap();
    let above = document.tree_create(tree, TOP, 0, 0, 5).unwrap();
    let below = document.tree_create(tree, above, 0, 0, 5).unwrap();
    let gone = document.tree_create(tree, TOP, 1, 0, 5).unwrap();
    let hidden = document.tree_create(tree, gone, 0, 0, 5).unwrap();
    document.tree_delete(tree, gone, 9).unwrap();
    let graph = document.ensure_child(ROOT, "g", Kind::Graph, 1).unwrap();
    let node = document.graph_add_node(graph).unwrap();
    let edge = document.graph_add_edge(graph, node, node).unwrap();
    let before = (document.encode_snapshot(), document.revision());
    let mut refused = |code: &str, act: &dyn Fn(&mut Document) -> Option<joinery_types::Error>| {
        let error = act(&mut document).expect(code);
        assert_eq!(error.code(), code);
        assert!((document.encode_snapshot(), document.revision()) == before);
    };
    refused("move-into-itself", &|d| d.tree_move(tree, above, above, 0, 0, 9).err());
    refused("move-into-itself", &|d| d.tree_move(tree, above, below, 0, 0, 9).err());
    refused("index-out-of-range", &|d| d.tree_move(tree, above, TOP, 1, 0, 9).err());
    refused("index-out-of-range", &|d| d.tree_create(tree, above, 2, 0, 9).err());
    refused("no-such-node", &|d| d.tree_create(tree, gone, 0, 0, 9).err());
    refused("no-such-node", &|d| d.tree_create(tree, hidden, 0, 0, 9).err());
    refused("no-such-node", &|d| d.tree_move(tree, above, hidden, 0, 0, 9).err());
    refused("no-such-node", &|d| d.tree_move(tree, gone, TOP, 0, 0, 9).err());
    refused("no-such-node", &|d| d.tree_delete(tree, node, 9).err());
    refused("no-such-node", &|d| d.node_data(tree, gone).err());
    refused("no-such-node", &|d| d.graph_add_edge(graph, node, edge).err());
    refused("no-such-node", &|d| d.graph_delete(graph, above).err());
    refused("no-such-node", &|d| d.node_of("1:999").err());
    refused("no-such-node", &|d| d.node_of("7:1").err());
    refused("wrong-type", &|d| d.node_data(text, above).err());
    refused("wrong-type", &|d| d.tree_create(graph, TOP, 0, 0, 9).err());
    // What is hidden comes back by being moved out; where a node stands already nothing is written.
    assert_eq!(document.tree_parent(tree, hidden), Ok(None));
    assert_eq!(document.tree_children(tree, gone), Ok(Vec::new()));
    assert_eq!(document.tree_move(tree, hidden, below, 0, 0, 9), Ok(true));
    assert_eq!(document.tree_parent(tree, hidden), Ok(Some(below)));
    assert_eq!(document.tree_move(tree, hidden, below, 0, 0, 9), Ok(false));
    assert_eq!(document.tree_delete(tree, gone, 9), Ok(false));
}

#[test]
fn no_stamp_left_changes_nothing() {
    let (mut document, tree) = with_tree(1);
    let mut agents = [2, 3].map(|agent| loaded(&document.encode_snapshot(), agent));
    agents.iter_mut().for_each(|other| {
        other.tree_create(tree_of(other), TOP, 0, 0, 5).unwrap();
        send(other, &mut document);
    });
    // Down to one stamp: room between equal indices takes two.
    document.map_set(ROOT, "k", &[0], (1 << 48) - 1).unwrap();
    for _ in 0..(1 << 16) - 3 {
        document.map_set(ROOT, "k", &[0], 1).unwrap();
    }
    let before = document.encode_snapshot();
    assert_eq!(
        document.tree_create(tree, TOP, 1, 0, 1).unwrap_err().code(),
        "limit-exceeded"
    );
    assert!(document.encode_snapshot() == before);
    document.tree_create(tree, TOP, 0, 0, 1).unwrap();
    assert_eq!(
        document.tree_create(tree, TOP, 0, 0, 1).unwrap_err().code(),
        "limit-exceeded"
    );
}

#[test]
fn a_hundred_thousand_nodes_are_written_moved_and_read() {
    let (mut document, tree) = with_tree(1);
    let mut random = Random(1);
    let mut nodes = vec![TOP];
    for _ in 0..100_000 {
        // A thousand parents, and each time among the siblings at some place.
        let parent = nodes[random.below(nodes.len().min(1000))];
        let count = document
            .tree_children(tree, parent)
            .map_or(0, |children| children.len());
        let index = random.below(count + 1) as u32;
        nodes.push(
            document
                .tree_create(tree, parent, index, random.next() as u32, 5)
                .unwrap(),
        );
    }
    let mut reader = Document::default();
    send(&mut document, &mut reader);
    for _ in 0..2000 {
        let (node, parent) = (nodes[1 + random.below(100_000)], *random.pick(&nodes));
        match document.tree_move(tree, node, parent, 0, 7, 5) {
            Ok(_) => assert_eq!(document.tree_parent(tree, node), Ok(Some(parent))),
            Err(error) => assert_eq!(error.code(), "move-into-itself"),
        }
    }
    send(&mut document, &mut reader);
    assert!(reader.encode_snapshot() == document.encode_snapshot());
    assert!(plain(&reader) == plain(&document));
    assert!(plain(&loaded(&document.encode_snapshot(), 2)) == plain(&document));
}

#[test]
fn a_tree_may_be_as_deep_as_it_has_nodes() {
    const DEEP: usize = 3000;
    let (mut document, tree) = with_tree(1);
    let mut at = TOP;
    let mut all = Vec::new();
    for _ in 0..DEEP {
        at = document.tree_create(tree, at, 0, 0, 5).unwrap();
        all.push(at);
    }
    assert_eq!(
        document.tree_move(tree, all[0], at, 0, 0, 5).unwrap_err().code(),
        "move-into-itself"
    );
    let mut reader = loaded(&document.encode_snapshot(), 2);
    assert_eq!(plain(&reader), plain(&document));
    // As a plain value it ends where a reader that goes down by recursion should.
    let ids = plain(&document)
        .windows(4)
        .filter(|bytes| *bytes == [2, b'i', b'd', 5])
        .count();
    assert_eq!(ids, MAX_PLAIN_NODES_DEEP as usize);
    let trimmed = loaded(&reader.trim(3).unwrap(), 4);
    assert_eq!(
        trimmed.encode_snapshot(),
        loaded(&document.trim(3).unwrap(), 5).encode_snapshot()
    );
    // The whole way down hangs on a node that is put below its own end by somebody else at the same time.
    let half = all[DEEP / 2];
    let other = reader.tree_children(tree_of(&reader), TOP).unwrap()[0];
    document.tree_move(tree, half, TOP, 0, 0, 6).unwrap();
    document.tree_move(tree, all[0], at, 0, 0, 6).unwrap();
    let up = reader.node_of(&document.node_id(half)).unwrap();
    let reader_tree = tree_of(&reader);
    reader.tree_create(reader_tree, other, 0, 0, 7).unwrap();
    reader.tree_delete(reader_tree, up, 9).unwrap();
    send(&mut document, &mut reader);
    assert_eq!(reader.tree_children(reader_tree, TOP), Ok(Vec::new()));
}

/// As many circles as there are pairs: each is mended once, and a move settles the one that it is in.
#[test]
fn ten_thousand_circles_are_mended_at_once() {
    const PAIRS: usize = 10_000;
    let (mut left, tree) = with_tree(1);
    let nodes: Vec<Dot> = (0..2 * PAIRS)
        .map(|_| left.tree_create(tree, TOP, 0, 0, 5).unwrap())
        .collect();
    let mut right = Document::default();
    right.set_agent(2);
    send(&mut left, &mut right);
    let right_tree = tree_of(&right);
    let there = |right: &Document, node| right.node_of(&left.node_id(node)).unwrap();
    for pair in nodes.chunks(2) {
        let (one, two) = (there(&right, pair[0]), there(&right, pair[1]));
        right.tree_move(right_tree, two, one, 0, 0, 6).unwrap();
    }
    for pair in nodes.chunks(2) {
        left.tree_move(tree, pair[0], pair[1], 0, 0, 6).unwrap();
    }
    let envelopes = (take_all(&mut left), take_all(&mut right));
    let mut read = left.clone();
    assert_eq!(read.tree_children(tree, TOP).unwrap().len(), PAIRS);
    for envelope in &envelopes.1 {
        left.apply(envelope, LATE).unwrap();
        read.apply(envelope, LATE).unwrap();
        // Read after each one, and at the end: the same.
        read.tree_children(tree, TOP).unwrap();
    }
    for envelope in &envelopes.0 {
        assert_eq!(right.apply(envelope, LATE), Ok(Applied::Joined));
    }
    assert!(plain(&left) == plain(&right) && plain(&read) == plain(&left));
    assert!(left.encode_snapshot() == right.encode_snapshot());
    assert_eq!(left.tree_children(tree, TOP).unwrap().len(), PAIRS);
    let last = nodes[2 * PAIRS - 2];
    let seq = left.own_seq();
    assert_eq!(left.tree_parent(tree, last), Ok(Some(nodes[2 * PAIRS - 1])));
    left.tree_move(tree, last, TOP, 0, 0, 7).unwrap();
    // The node that it hung on is written down at the top, where it was seen.
    assert_eq!(left.own_seq(), seq + 2);
    assert_eq!(left.tree_children(tree, TOP).unwrap().len(), PAIRS + 1);
}

/// A node that was created below a deleted one and moved out comes through; an edge of a deleted node doesn't.
#[test]
fn a_replay_keeps_what_was_moved_out_of_a_deleted_node() {
    let (mut server, tree) = with_tree(1);
    let above = server.tree_create(tree, TOP, 0, 0, 5).unwrap();
    let graph = server.ensure_child(ROOT, "g", Kind::Graph, 5).unwrap();
    let end = server.graph_add_node(graph).unwrap();
    take_all(&mut server);
    let mut from = loaded(&server.encode_snapshot(), 2);
    let tree_here = tree_of(&from);
    let graph_here = from.child(ROOT, "g", Kind::Graph).unwrap();
    let (above_here, end_here) = (
        from.node_of(&server.node_id(above)).unwrap(),
        from.node_of(&server.node_id(end)).unwrap(),
    );
    let created = from.tree_create(tree_here, above_here, 0, 0, 6).unwrap();
    let data = from.node_data(tree_here, created).unwrap();
    from.map_set(data, "kept", &[2], 6).unwrap();
    let mut envelopes = take_all(&mut from);
    from.tree_move(tree_here, created, TOP, 1, 0, 6).unwrap();
    envelopes.extend(take_all(&mut from));
    let edge = from.graph_add_edge(graph_here, end_here, end_here).unwrap();
    let data = from.node_data(graph_here, edge).unwrap();
    from.map_set(data, "lost", &[2], 6).unwrap();
    envelopes.extend(take_all(&mut from));

    server.tree_delete(tree, above, 9).unwrap();
    server.graph_delete(graph, end).unwrap();
    let mut into = loaded(&server.encode_snapshot(), 3);
    let mut replay = Replay::new(&from, &into, &ReplayOptions::default()).unwrap();
    let mut rejected = Vec::new();
    for envelope in &envelopes {
        let outcome = replay.add(&from, &mut into, envelope).unwrap();
        rejected.push(outcome.rejected.iter().map(|range| range.to - range.from).sum::<u32>());
    }
    assert_eq!(rejected, [0, 0, 2]);
    let tree = tree_of(&into);
    let [node] = into.tree_children(tree, TOP).unwrap()[..] else {
        panic!("one node is shown");
    };
    let data = into.node_data(tree, node).unwrap();
    assert!(into.map_get(data, "kept").unwrap().is_some());
}
