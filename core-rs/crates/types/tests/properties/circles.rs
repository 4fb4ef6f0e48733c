//! Nodes that were moved into each other at the same time: deleting one hides it and what is shown below it, and nothing else that
//! is shown moves. What a join makes of them is for the oracle (`exchange.rs`); what a deletion by somebody else does there is not promised.

use crate::edits::{edit, Scope};
use crate::exchange::World;
use crate::nodes::{shape, Shape};
use crate::patches::check;
use crate::peer::{ids, integer, take_all, LATE};
use crate::random::{for_seeds, for_these, Random};
use crate::replay::loaded;
use crate::undo::Twin;
use joinery_history::Dot;
use joinery_oracle::Kind as OracleKind;
use joinery_types::{Document, Error, Kind, UndoSide, LAST_CHILD, ROOT};
use std::cell::Cell;
use std::collections::BTreeMap;

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

/// What is written down is still whosever it was: no undo hides what somebody else has put below a node.
#[test]
fn where_somebody_else_has_put_a_node_it_stays_also_once_it_was_written_down() {
    let (mut one, mut other, nodes) = planted(&[(b'x', None), (b'z', None)]);
    let [x, z] = nodes[..] else { unreachable!() };
    let (tree, stack) = (tree_of(&one), one.undo_start(&[]).unwrap());
    let above = plant(&mut one, TOP, b'p');
    one.undo_boundary(stack, &[]).unwrap();
    exchange(&mut one, &mut other);
    let ids = one.clone();
    hang(&mut other, &ids, x, above, 6);
    hang(&mut other, &ids, x, z, 6);
    hang(&mut one, &ids, z, x, 7);
    one.undo_boundary(stack, &[]).unwrap();
    exchange(&mut one, &mut other);
    let before = shown(&mut one);
    assert_eq!(before, [(above, TOP), (x, above), (z, x)]);
    let seq = one.own_seq();
    assert_eq!(one.tree_move(tree, z, TOP, 0, 0, 8), Ok(true));
    assert_eq!(one.own_seq(), seq + 2);
    assert_eq!(one.tree_parent(tree, x), Ok(Some(above)));
    assert!(one.undo(stack, 9).unwrap());
    assert_eq!(shown(&mut one), before);
    while one.undo(stack, 9).unwrap() {}
    assert_eq!(shown(&mut one), [(z, TOP), (above, TOP), (x, above)]);
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

/// Where there aren't stamps for a change and for what is to be written down before it, nothing is written.
#[test]
fn a_change_that_cannot_be_written_down_changes_nothing() {
    let (mut one, mut other, nodes) = planted(&[(b'a', None), (b'b', None)]);
    let ids = one.clone();
    hang(&mut one, &ids, nodes[0], nodes[1], 6);
    hang(&mut other, &ids, nodes[1], nodes[0], 6);
    exchange(&mut one, &mut other);
    one.map_set(ROOT, "k", &[0], (1 << 48) - 1).unwrap();
    for _ in 0..(1 << 16) - 3 {
        one.map_set(ROOT, "k", &[0], 1).unwrap();
    }
    let (tree, lower) = (tree_of(&one), shown(&mut one)[1].0);
    let refused = |one: &mut Document, edit: &dyn Fn(&mut Document) -> Result<bool, Error>| {
        let before = one.encode_snapshot();
        assert_eq!(edit(one).unwrap_err().code(), "limit-exceeded");
        assert!(one.encode_snapshot() == before);
    };
    // One is left.
    refused(&mut one, &|one| one.tree_move(tree, lower, TOP, 0, 0, 9));
    one.map_set(ROOT, "k", &[0], 1).unwrap();
    refused(&mut one, &|one| one.tree_delete(tree, lower, 9));
}

/// Replicas that move nodes apart, again and again, and hear of each other: then they are all the same, with circles. `jitter`: which
/// of an index's bits are random; without any, siblings get the same.
fn entangled(random: &mut Random, jitter: u32) -> Vec<Document> {
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
                        random.next() as u32 & jitter,
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
    let mut replicas = entangled(random, u32::MAX);
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

/// What is shown, by parent, in the order of siblings.
fn lists(document: &mut Document) -> BTreeMap<Dot, Vec<Dot>> {
    let tree = tree_of(document);
    let mut nodes = ids(document, tree, Kind::Tree);
    nodes.push(TOP);
    let lists = nodes.into_iter();
    lists
        .map(|node| (node, document.tree_children(tree, node).unwrap()))
        .collect()
}

/// One edit of a tree's nodes; all else that is shown stays where it is. How many operations there were beside it.
fn edit_nodes(document: &mut Document, random: &mut Random, deletes: bool) -> u32 {
    let (tree, seq, now) = (tree_of(document), document.own_seq(), random.below(9) as u64);
    let mut lists = lists(document);
    let shown: Vec<Dot> = lists.keys().copied().collect();
    let (node, parent) = (*random.pick(&shown), *random.pick(&shown));
    let mut below = vec![node];
    let mut at = 0;
    while let Some(above) = below.get(at) {
        below.extend(&lists[above]);
        at += 1;
    }
    let take_out =
        |lists: &mut BTreeMap<Dot, Vec<Dot>>| lists.values_mut().for_each(|list| list.retain(|&at| at != node));
    let own = match random.below(6) {
        0 if node != TOP && deletes => {
            take_out(&mut lists);
            lists.retain(|at, _| !below.contains(at));
            assert_eq!(document.tree_delete(tree, node, now), Ok(true));
            1
        }
        1..=4 if !below.contains(&parent) => {
            let before = lists.clone();
            take_out(&mut lists);
            let index = random.below(lists[&parent].len() + 1);
            lists.entry(parent).or_default().insert(index, node);
            let done = document.tree_move(tree, node, parent, index as u32, 0, now);
            assert!(done == Ok(true) || before == lists);
            u32::from(done == Ok(true))
        }
        _ => {
            let index = random.below(lists[&parent].len() + 1);
            let made = document.tree_create(tree, parent, index as u32, 0, now).unwrap();
            let data = document.node_data(tree, made).unwrap();
            document
                .map_set(data, "name", &integer(i64::from(made.seq)), now)
                .unwrap();
            lists.entry(parent).or_default().insert(index, made);
            lists.insert(made, Vec::new());
            2
        }
    };
    assert_eq!(self::lists(document), lists);
    document.own_seq() - seq - own
}

/// Moves, creations and deletions, taken back and done again among them, also in a replica that was loaded anew. How many operations
/// there were beside them.
fn moves(random: &mut Random) -> u32 {
    // What comes back is another node, and among those with the same index it stands elsewhere.
    let deletes = random.once_in(2);
    let mut replicas = entangled(random, if deletes { u32::MAX } else { 0 });
    let (mut one, mut other) = (replicas.swap_remove(0), replicas.swap_remove(0));
    one.record_patches(true);
    one.take_patches(&mut Vec::new());
    let mut twin = Twin::new(&mut one);
    let mut written = 0;
    let mut turns = vec![0; 4];
    turns.extend((0..8).map(|_| random.below(5)));
    turns.extend([[2; 12], [3; 12], [2; 12]].concat());
    for turn in turns {
        if turn == 4 {
            twin.reload(&mut one, random.next());
            one.record_patches(true);
            continue;
        }
        let before = one.clone();
        match turn {
            0 | 1 => twin.step(&mut one, |one| {
                let edits = 1 + random.below(2);
                written += (0..edits).map(|_| edit_nodes(one, random, deletes)).sum::<u32>();
            }),
            2 => drop(twin.take_back(&mut one, UndoSide::Undo, 7)),
            _ => drop(twin.take_back(&mut one, UndoSide::Redo, 7)),
        }
        check(&before, &mut one);
        exchange(&mut one, &mut other);
    }
    written
}

#[test]
fn a_move_moves_nothing_that_is_shown_but_what_it_names() {
    // A sibling, or the node itself, got the index that it had: the move before could not be taken back any more.
    for_these([8639, 11_547, 12_949], |random| _ = moves(random));
    let (runs, with) = (Cell::new(0), Cell::new(0));
    for_seeds(600, |random| {
        runs.set(runs.get() + 1);
        with.set(with.get() + u32::from(moves(random) > 0));
    });
    assert!(
        with.get() * 20 > runs.get(),
        "{} of {} with something beside",
        with.get(),
        runs.get()
    );
}

/// What is written down is what the oracle says, and what all see then as well.
#[test]
fn trees_full_of_circles_agree_with_the_oracle() {
    let agree = |random: &mut Random| {
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
    };
    // A move out of a circle moved another node.
    for_these([2518], agree);
    for_seeds(150, agree);
}
