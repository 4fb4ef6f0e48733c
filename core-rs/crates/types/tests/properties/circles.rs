//! Nodes that were moved into each other at the same time: deleting one hides it and what is shown below it, and nothing else that
//! is shown moves. What a join makes of them is for the oracle (`exchange.rs`); what a deletion by somebody else does there is not promised.

use crate::edits::{edit, Scope};
use crate::exchange::World;
use crate::nodes::{shape, Shape};
use crate::patches::check;
use crate::peer::{ids, take_all, LATE};
use crate::random::{for_seeds, for_these, Random};
use crate::replay::loaded;
use joinery_history::Dot;
use joinery_oracle::Kind as OracleKind;
use joinery_types::{Document, Kind, LAST_CHILD, ROOT};
use std::cell::Cell;

const TOP: Dot = Dot::NONE;

fn tree_of(document: &Document) -> u32 {
    document.child(ROOT, "t", Kind::Tree).unwrap()
}

/// A new last node, named in its data.
fn plant(document: &mut Document, parent: Dot, name: u8) -> Dot {
    let tree = tree_of(document);
    let node = document.tree_create(tree, parent, LAST_CHILD, 0, 5).unwrap();
    let data = document.node_data(tree, node).unwrap();
    document.map_set(data, "name", &[5, 1, name], 5).unwrap();
    node
}

/// Two replicas of a tree with these nodes, each by its name and the place of the one above it among them.
fn planted(nodes: &[(u8, Option<usize>)]) -> (Document, Document, Vec<Dot>) {
    let mut one = Document::default();
    one.set_agent(1);
    one.ensure_child(ROOT, "t", Kind::Tree, 1).unwrap();
    let mut planted: Vec<Dot> = Vec::new();
    for &(name, above) in nodes {
        planted.push(plant(&mut one, above.map_or(TOP, |above| planted[above]), name));
    }
    let other = loaded(&one.encode_snapshot(), 2);
    take_all(&mut one);
    (one, other, planted)
}

/// Hangs a node of `ids`' document below another one in this document.
fn hang(document: &mut Document, ids: &Document, node: Dot, parent: Dot, now: u64) {
    let [node, parent] = [node, parent].map(|node| document.node_of(&ids.node_id(node)).unwrap());
    let tree = tree_of(document);
    assert_eq!(document.tree_move(tree, node, parent, LAST_CHILD, 0, now), Ok(true));
}

fn exchange(one: &mut Document, other: &mut Document) {
    let updates = (take_all(one), take_all(other));
    for update in &updates.0 {
        other.apply(update, LATE).unwrap();
    }
    for update in &updates.1 {
        one.apply(update, LATE).unwrap();
    }
    assert!(one.encode_snapshot() == other.encode_snapshot());
}

/// A shown tree: its nodes, each with the one above it, in the order that a reader goes down.
fn shown(document: &mut Document) -> Vec<(Dot, Dot)> {
    let tree = tree_of(document);
    let nodes = ids(document, tree, Kind::Tree).into_iter();
    nodes
        .map(|node| (node, document.tree_parent(tree, node).unwrap().unwrap()))
        .collect()
}

/// Without a node and what is below it.
fn without(mut shown: Vec<(Dot, Dot)>, node: Dot) -> Vec<(Dot, Dot)> {
    let mut gone = vec![node];
    let mut next = 0;
    while let Some(&above) = gone.get(next) {
        gone.extend(
            shown
                .iter()
                .filter(|(_, parent)| *parent == above)
                .map(|(node, _)| *node),
        );
        next += 1;
    }
    shown.retain(|(node, _)| !gone.contains(node));
    shown
}

#[test]
fn of_two_nodes_in_each_other_the_upper_one_stays_when_the_lower_one_is_deleted() {
    let (mut one, mut other, nodes) = planted(&[(b'a', None), (b'b', None), (b'x', Some(0)), (b'y', Some(1))]);
    let [a, b, ..] = nodes[..] else { unreachable!() };
    hang(&mut other, &one, b, a, 6);
    let ids = one.clone();
    hang(&mut one, &ids, a, b, 7);
    exchange(&mut one, &mut other);
    let tree = tree_of(&one);
    let [(upper, TOP), ..] = shown(&mut one)[..] else {
        panic!("one is at the top")
    };
    let lower = if upper == a { b } else { a };
    assert_eq!(one.tree_parent(tree, lower), Ok(Some(upper)));
    let (before, seq) = (shown(&mut one), one.own_seq());
    let stack = one.undo_start(&[]).unwrap();
    let value = shape(&one, true);
    assert_eq!(one.tree_delete(tree, lower, 8), Ok(true));
    // The upper one is moved to where it is shown, before.
    assert_eq!(one.own_seq(), seq + 2);
    let after = shown(&mut one);
    assert_eq!(after, without(before, lower));
    assert_eq!(after.len(), 2, "the upper one and its other child");
    exchange(&mut one, &mut other);
    assert!(one.undo(stack, 9).unwrap());
    assert_eq!(shape(&one, true), value);
    assert!(one.redo(stack, 9).unwrap());
    assert_eq!(shown(&mut one), after);
    exchange(&mut one, &mut other);
}

#[test]
fn two_nodes_in_each_other_are_hidden_with_what_they_are_shown_below() {
    let (mut one, mut other, nodes) = planted(&[(b'p', None), (b'a', None), (b'b', None), (b'c', None)]);
    let [p, a, b, _] = nodes[..] else { unreachable!() };
    let ids = one.clone();
    hang(&mut one, &ids, a, p, 6);
    hang(&mut one, &ids, b, p, 6);
    exchange(&mut one, &mut other);
    hang(&mut one, &ids, a, b, 7);
    hang(&mut other, &ids, b, a, 7);
    exchange(&mut one, &mut other);
    let before = shown(&mut one);
    let tree = tree_of(&one);
    let below = one.tree_children(tree, p).unwrap();
    assert!(below == [a] || below == [b]);
    let stack = one.undo_start(&[]).unwrap();
    let value = shape(&one, true);
    one.tree_delete(tree, p, 8).unwrap();
    assert_eq!(shown(&mut one), without(before, p));
    assert_eq!(shown(&mut one).len(), 1);
    exchange(&mut one, &mut other);
    assert!(one.undo(stack, 9).unwrap());
    assert_eq!(shape(&one, true), value);
    exchange(&mut one, &mut other);
}

/// A deletion that has to do with no circle is one operation, whatever circles there are.
#[test]
fn a_deletion_beside_a_circle_writes_nothing_down() {
    let (mut one, mut other, nodes) = planted(&[(b'a', None), (b'b', None), (b'c', None), (b'd', Some(1))]);
    let ids = one.clone();
    hang(&mut one, &ids, nodes[0], nodes[1], 6);
    hang(&mut other, &ids, nodes[1], nodes[0], 6);
    exchange(&mut one, &mut other);
    let seq = one.own_seq();
    let tree = tree_of(&one);
    for node in [nodes[2], nodes[3]] {
        let expected = without(shown(&mut one), node);
        one.tree_delete(tree, node, 8).unwrap();
        assert_eq!(shown(&mut one), expected);
    }
    assert_eq!(one.own_seq(), seq + 2);
}

/// Where there is no stamp for what is to be written down, nothing is deleted.
#[test]
fn a_deletion_that_cannot_be_written_down_changes_nothing() {
    let (mut one, mut other, nodes) = planted(&[(b'a', None), (b'b', None)]);
    let ids = one.clone();
    hang(&mut one, &ids, nodes[0], nodes[1], 6);
    hang(&mut other, &ids, nodes[1], nodes[0], 6);
    exchange(&mut one, &mut other);
    one.map_set(ROOT, "k", &[0], (1 << 48) - 1).unwrap();
    for _ in 0..(1 << 16) - 2 {
        one.map_set(ROOT, "k", &[0], 1).unwrap();
    }
    let (before, lower) = (one.encode_snapshot(), shown(&mut one)[1].0);
    let refused = one.tree_delete(tree_of(&one), lower, 9).unwrap_err();
    assert_eq!(refused.code(), "limit-exceeded");
    assert!(one.encode_snapshot() == before);
}

/// Replicas that move nodes apart, again and again, and hear of each other: then they are all the same, with circles.
fn entangled(random: &mut Random) -> Vec<Document> {
    let size = 3 + random.below(6);
    let mut one = Document::default();
    one.set_agent(random.next());
    one.ensure_child(ROOT, "t", Kind::Tree, 1).unwrap();
    for name in 0..size {
        plant(&mut one, TOP, b'a' + name as u8);
    }
    let mut replicas = vec![one];
    for _ in 0..2 {
        let snapshot = replicas[0].encode_snapshot();
        replicas.push(loaded(&snapshot, random.next()));
    }
    let mut updates: Vec<Vec<u8>> = Vec::new();
    for _ in 0..1 + random.below(4) {
        for replica in &mut replicas {
            let tree = tree_of(replica);
            for _ in 0..1 + random.below(3) {
                let nodes: Vec<Dot> = ids(replica, tree, Kind::Tree);
                if nodes.is_empty() {
                    break;
                }
                let node = *random.pick(&nodes);
                let parent = if random.once_in(8) { TOP } else { *random.pick(&nodes) };
                if random.once_in(20) {
                    replica.tree_delete(tree, node, 6).unwrap();
                } else {
                    // Into itself is refused, and nothing has changed.
                    let _ = replica.tree_move(
                        tree,
                        node,
                        parent,
                        LAST_CHILD,
                        random.next() as u32,
                        random.below(9) as u64,
                    );
                }
            }
            updates.extend(take_all(replica));
        }
        for replica in &mut replicas {
            for update in &updates {
                replica.apply(update, LATE).unwrap();
            }
        }
        updates.clear();
    }
    replicas
}

/// Deletes each shown node in a copy of its own; those of which more was written than their deletion.
fn holding_others(document: &mut Document) -> Vec<Dot> {
    let tree = tree_of(document);
    let before = shown(document);
    let writes_more = |&(node, _): &(Dot, Dot)| {
        let mut copy = document.clone();
        assert_eq!(copy.tree_delete(tree, node, 6), Ok(true));
        assert_eq!(shown(&mut copy), without(before.clone(), node));
        (copy.own_seq() > document.own_seq() + 1).then_some(node)
    };
    before.iter().filter_map(writes_more).collect()
}

/// One deletes; what it shows, and what the others show who hear of it, is what was shown without that. Each undo brings back what was
/// shown before, each redo what was shown after. How many operations there were beside the deletions.
fn deletions(random: &mut Random) -> u32 {
    let mut replicas = entangled(random);
    let (mut one, mut other) = (replicas.swap_remove(0), replicas.swap_remove(0));
    let tree = tree_of(&one);
    one.record_patches(true);
    one.take_patches(&mut Vec::new());
    let stack = one.undo_start(&[]).unwrap();
    let mut values: Vec<Shape> = vec![shape(&one, true)];
    let mut written = 0;
    for _ in 0..3 {
        let nodes = ids(&mut one, tree, Kind::Tree);
        if nodes.is_empty() {
            break;
        }
        let holding = holding_others(&mut one);
        let node = *random.pick(if holding.is_empty() { &nodes } else { &holding });
        let (before, seq) = (one.clone(), one.own_seq());
        let expected = without(shown(&mut one), node);
        one.undo_boundary(stack, &[]).unwrap();
        assert_eq!(one.tree_delete(tree, node, random.below(9) as u64), Ok(true));
        assert_eq!(shown(&mut one), expected);
        check(&before, &mut one);
        written += one.own_seq() - seq - 1;
        exchange(&mut one, &mut other);
        assert_eq!(shape(&other, true), shape(&one, true));
        values.push(shape(&one, true));
        if random.once_in(3) {
            // A deletion among what came back.
            assert!(one.undo(stack, 7).unwrap());
            values.pop();
            assert_eq!(shape(&one, true), values[values.len() - 1]);
            one.take_patches(&mut Vec::new());
        }
    }
    for value in values.iter().rev().skip(1) {
        let before = one.clone();
        assert!(one.undo(stack, 7).unwrap());
        assert_eq!(shape(&one, true), *value);
        check(&before, &mut one);
        exchange(&mut one, &mut other);
    }
    for value in values.iter().skip(1) {
        let before = one.clone();
        assert!(one.redo(stack, 7).unwrap());
        assert_eq!(shape(&one, true), *value);
        check(&before, &mut one);
        exchange(&mut one, &mut other);
    }
    written
}

#[test]
fn a_deletion_hides_a_node_and_what_is_shown_below_it_and_moves_nothing_else() {
    // An undo brought back what a circle had a higher edge to than the one that it was shown by, once others were written down.
    for_these([87_190], |random| assert!(deletions(random) > 0));
    let (runs, with) = (Cell::new(0), Cell::new(0));
    for_seeds(1500, |random| {
        runs.set(runs.get() + 1);
        with.set(with.get() + u32::from(deletions(random) > 0));
    });
    assert!(
        with.get() * 12 > runs.get(),
        "{} of {} with something to be written down",
        with.get(),
        runs.get()
    );
}

/// What is written down is what the oracle says, and what all see then as well.
#[test]
fn trees_full_of_circles_agree_with_the_oracle() {
    for_seeds(150, |random| {
        let mut world = World::of(3, random);
        let mut apart = |world: &mut World, edits: usize| {
            for at in 0..world.peers.len() {
                for _ in 0..edits {
                    edit(
                        &mut world.peers[at],
                        &mut world.log,
                        random,
                        Scope::Only(OracleKind::Tree),
                    );
                }
            }
            world.collect_all();
            for peer in &mut world.peers {
                for envelope in &world.envelopes {
                    peer.receive(&world.log, envelope, LATE);
                }
                peer.check(&world.log);
            }
        };
        for _ in 0..8 {
            apart(&mut world, 4);
        }
        world.settle(random);
    });
}
