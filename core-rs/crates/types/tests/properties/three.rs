//! Three replicas over several epochs: they edit and exchange at random, everything is brought together, the document is trimmed,
//! and they go on. The first epoch is held against the oracle all the way (order by its Fugue, deletions, generations, marks, trees,
//! graphs); the later ones, which begin with what the oracle has no log of, are held against each other. Equal states give equal
//! bytes, whoever writes them, and equal trims as well.
//!
//! `cargo test` runs a share. The ten thousand of the acceptance, some minutes:
//!
//! ```text
//! JOINERY_ROUNDS=50 cargo test -p joinery-types --test properties three::
//! ```
//!
//! An edit of a later epoch is one arm of [`scribble`]; what is new (undoing one's own, say) belongs there and in `edits.rs`.

use crate::edits::{Scope, EVERY_SCOPE, KINDS};
use crate::exchange::World;
use crate::nodes::shape;
use crate::peer::{core_kind, expand, integer, shown, take_all, units, LATE};
use crate::random::{for_seeds, Random};
use crate::replay::loaded;
use joinery_history::Dot;
use joinery_types::{Document, Kind};

const REPLICAS: usize = 3;
/// Of the acceptance's ten thousand; `JOINERY_ROUNDS` multiplies it.
const SHARE: u64 = 200;

#[test]
fn three_replicas_agree_over_epochs() {
    for_seeds(SHARE, |random| {
        let scope = if random.once_in(2) {
            Scope::Mixed
        } else {
            *random.pick(&EVERY_SCOPE)
        };
        let mut world = World::of(REPLICAS, random);
        for _ in 0..20 + random.below(60) {
            world.step(random, scope);
        }
        world.settle(random);
        let mut documents: Vec<Document> = world.peers.iter().map(|peer| peer.document.clone()).collect();
        for _ in 0..1 + random.below(2) {
            documents = next_epoch(&documents, random);
            live_on(&mut documents, random);
        }
    });
}

/// All of them trim to the same bytes, which show what was shown.
fn next_epoch(documents: &[Document], random: &mut Random) -> Vec<Document> {
    let agent = random.next();
    let trimmed = documents[0].trim(agent).unwrap();
    for document in documents {
        assert!(document.trim(agent).unwrap() == trimmed, "equal states, other trims");
    }
    let fresh: Vec<Document> = (0..REPLICAS).map(|_| loaded(&trimmed, random.next())).collect();
    assert_eq!(shape(&fresh[0], true), shape(&documents[0], true));
    // A trim leaves nothing to trim but names.
    assert_eq!(fresh[0].trim(agent).unwrap().len(), trimmed.len());
    fresh
}

/// Edits and exchanges; at last everybody has everything, and all are one.
fn live_on(documents: &mut Vec<Document>, random: &mut Random) {
    let begin = documents[0].encode_snapshot();
    let mut envelopes: Vec<Vec<u8>> = Vec::new();
    let mut states: Vec<Vec<u8>> = Vec::new();
    for _ in 0..20 + random.below(40) {
        let (at, from) = (random.below(REPLICAS), random.below(REPLICAS));
        match random.below(10) {
            0..=5 => scribble(&mut documents[at], random),
            6 => envelopes.extend(take_all(&mut documents[at])),
            7 if !envelopes.is_empty() => {
                let envelope = random.pick(&envelopes);
                documents[at].apply(envelope, LATE).unwrap();
            }
            8 => {
                let since = documents[at].version_bytes();
                states.push(documents[from].export_update(Some(&since)).unwrap());
                documents[at].apply(&states[states.len() - 1], LATE).unwrap();
            }
            _ => {
                states.push(documents[from].encode_snapshot());
                let state = random.pick(&states);
                documents[at].apply(state, LATE).unwrap();
            }
        }
    }
    documents
        .iter_mut()
        .for_each(|document| envelopes.extend(take_all(document)));
    documents.push(loaded(&begin, random.next()));
    let mut all = envelopes.clone();
    all.extend(states.into_iter().filter(|_| random.once_in(3)));
    for document in documents.iter_mut() {
        random.shuffle(&mut all);
        for update in &all {
            document.apply(update, LATE).unwrap();
        }
        assert_eq!(document.pending_count(), 0);
    }
    let snapshot = documents[0].encode_snapshot();
    documents.push(loaded(&snapshot, random.next()));
    let content = shown(&documents[0]);
    for document in documents.iter() {
        assert_eq!(shown(document), content);
        assert!(document.encode_snapshot() == snapshot, "equal states, other bytes");
    }
}

/// One edit somewhere, by the core alone. Times differ by little and go back, so that stamps collide.
fn scribble(document: &mut Document, random: &mut Random) {
    let now = random.below(6) as u64;
    let all = document.containers();
    let live: Vec<(u32, Kind)> = (0..all.len())
        .filter_map(|at| Some((at, all.live(at).ok()?.body.kind())))
        .collect();
    let (at, kind) = *random.pick(&live);
    let value = integer(random.below(9) as i64);
    let some_kind = core_kind(*random.pick(&KINDS));
    match kind {
        Kind::Map => {
            let key = *random.pick(&["a", "b", "é"]);
            // What is nested too deep is refused, and nothing has changed.
            let _ = match random.below(5) {
                0 => document.map_delete(at, key, now).map(|_| ()),
                1 => document.ensure_child(at, key, some_kind, now).map(|_| ()),
                2 => document.create_child(at, key, some_kind, now).map(|_| ()),
                _ => document.map_set(at, key, &value, now),
            };
        }
        Kind::List => {
            let len = document.list_len(at).unwrap() as usize;
            let (one, other) = (random.below(len.max(1)) as u32, random.below(len.max(1)) as u32);
            match random.below(8) {
                0 if len > 0 => document.list_delete(at, one, 1).unwrap(),
                1 if len > 0 => document.list_set(at, one, &value, now).unwrap(),
                2 if len > 0 => drop(document.list_set_child(at, one, some_kind, now)),
                3 => drop(document.list_insert_child(at, one, some_kind)),
                4..=5 if len > 0 => document.list_move(at, one, other, now).unwrap(),
                _ => document.list_insert(at, one, &[&value, &value]).unwrap(),
            }
        }
        Kind::Text => {
            let len = document.text_len(at).unwrap() as usize;
            let from = random.below(len + 1);
            let n = random.below(len - from + 1).min(6) as u32;
            match random.below(4) {
                0 => document.text_delete(at, from as u32, n).unwrap(),
                1 => {
                    let (key, range) = (*random.pick(&["bold", "link"]), (from as u32, from as u32 + n));
                    document
                        .text_mark(at, range, key, &value, expand(key), now)
                        .map(drop)
                        .unwrap();
                }
                _ => document.text_insert(at, from as u32, &mut units("w😀rd")).unwrap(),
            }
        }
        Kind::Counter => document.counter_add(at, random.below(9) as i64 - 4).unwrap(),
        Kind::Set if random.once_in(3) => document.set_delete(at, &value).map(drop).unwrap(),
        Kind::Set => document.set_add(at, &value).unwrap(),
        Kind::Tree => {
            let mut nodes = vec![Dot::NONE];
            let mut next = 0;
            while let Some(&node) = nodes.get(next) {
                nodes.extend(document.tree_children(at, node).unwrap());
                next += 1;
            }
            let (node, parent) = (*random.pick(&nodes), *random.pick(&nodes));
            match random.below(6) {
                0 if node.is_some() => document.tree_delete(at, node, now).map(drop).unwrap(),
                // Into itself is refused, and nothing has changed.
                1..=2 if node.is_some() => drop(document.tree_move(at, node, parent, 0, 0, now)),
                3 if node.is_some() => write_data(document, at, node, &value, now),
                _ => drop(document.tree_create(at, parent, 0, 0, now).unwrap()),
            }
        }
        Kind::Graph => {
            let nodes = document.graph_nodes(at).unwrap();
            let edges = document.graph_edges(at).unwrap();
            let ids: Vec<Dot> = nodes.iter().copied().chain(edges.iter().map(|edge| edge.0)).collect();
            match random.below(6) {
                0 if !ids.is_empty() => document.graph_delete(at, *random.pick(&ids)).map(drop).unwrap(),
                1..=2 if !nodes.is_empty() => {
                    let (from, to) = (*random.pick(&nodes), *random.pick(&nodes));
                    document.graph_add_edge(at, from, to).map(drop).unwrap();
                }
                3 if !ids.is_empty() => write_data(document, at, *random.pick(&ids), &value, now),
                _ => document.graph_add_node(at).map(drop).unwrap(),
            }
        }
    }
}

fn write_data(document: &mut Document, container: u32, node: Dot, value: &[u8], now: u64) {
    let data = document.node_data(container, node);
    let _ = data.and_then(|data| document.map_set(data, "k", value, now));
}
