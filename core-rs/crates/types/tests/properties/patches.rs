//! Patches: done to what a reader had, they give what a reader has; and they tell of nothing that hasn't changed.

use crate::edits::{Scope, EVERY_SCOPE};
use crate::exchange::World;
use crate::patched::{apply, edited_rich, is_rich, number, patches, read, Patch, Value};
use crate::peer::{integer, plain, take_all, units, LATE};
use crate::random::{for_seeds, Random};
use joinery_types::{Document, Entry, Expand, Kind, ROOT};

/// Takes patches, and holds them against what was there before.
pub fn check(before: &Document, after: &mut Document) -> Vec<Patch> {
    let mut packed = Vec::new();
    let count = after.take_patches(&mut packed);
    let told = patches(&packed);
    assert_eq!(told.len() as u64, count);
    let mut value = read(&plain(before));
    for patch in &told {
        let was = value.clone();
        apply(&mut value, patch);
        // A move, marks, or another container in the place of an equal one change nothing that plain values show.
        let may_be_alike = matches!(patch.kind(), "move" | "edit" | "set");
        assert!(
            may_be_alike || value != was,
            "a patch that changes nothing: {:?}",
            patch.0
        );
    }
    assert_eq!(value, read(&plain(after)));
    let mut seen: Vec<u32> = Vec::new();
    for patch in told.iter().filter(|patch| patch.container() == "text") {
        let text = resolve(after, patch.path());
        assert!(!seen.contains(&text), "told twice");
        seen.push(text);
        let (old, new) = (rich(before, text), rich(after, text));
        assert!(is_rich(&new, &edited_rich(&old, &patch.0["delta"])), "{:?}", patch.0);
        assert_ne!(old, new);
    }
    // Whoever is not told of shows what it showed.
    for text in 0..before.containers().len() {
        let is_text = |document: &Document| document.text_len(text).is_ok();
        if is_text(before) && is_text(after) && !seen.contains(&text) && is_seen(before, text) && is_seen(after, text) {
            assert_eq!(rich(before, text), rich(after, text));
        }
    }
    assert_eq!(after.take_patches(&mut Vec::new()), 0);
    told
}

fn rich(document: &Document, text: u32) -> Value {
    let mut delta = Vec::new();
    document.text_delta(text, &mut delta).unwrap();
    read(&delta)
}

/// Is a container at a key of maps all the way up?
fn is_seen(document: &Document, container: u32) -> bool {
    let mut at = container;
    while at != ROOT {
        let (parent, key) = document.place_of(at);
        let joinery_types::Key::Name(name) = key else {
            return false;
        };
        let entry = document.map_get(parent, name);
        if !matches!(entry, Ok(Some(Entry::Child(child, _))) if child == at) {
            return false;
        }
        at = parent;
    }
    true
}

/// The container at a path.
fn resolve(document: &Document, path: &[Value]) -> u32 {
    let mut document = document.clone();
    let mut at = ROOT;
    for step in path {
        at = match step {
            Value::Text(key) if document.map_keys(at).is_ok() => match document.map_get(at, key) {
                Ok(Some(Entry::Child(child, _))) => child,
                other => panic!("{other:?} at {key}"),
            },
            Value::Text(id) => {
                let node = document.node_of(id).unwrap();
                document.node_data(at, node).unwrap()
            }
            index => match document.list_get(at, number(index) as u32) {
                Ok(Some(Entry::Child(child, _))) => child,
                other => panic!("{other:?} at {index:?}"),
            },
        };
    }
    at
}

fn run(random: &mut Random, scope: Scope) {
    let mut world = World::new(random);
    for peer in &mut world.peers {
        peer.document.record_patches(true);
    }
    let mut before: Vec<Document> = world.peers.iter().map(|peer| peer.document.clone()).collect();
    for _ in 0..10 + random.below(60) {
        world.step(random, scope);
        for (peer, before) in world.peers.iter_mut().zip(&mut before) {
            // Several changes may be told together.
            if !random.once_in(3) {
                check(before, &mut peer.document);
                *before = peer.document.clone();
            }
        }
    }
    world.settle(random);
    for (peer, before) in world.peers.iter_mut().zip(&before) {
        check(before, &mut peer.document);
    }
}

#[test]
fn patches_lead_from_what_was_shown_to_what_is() {
    for scope in EVERY_SCOPE {
        for_seeds(if scope == Scope::Mixed { 600 } else { 120 }, |random| {
            run(random, scope)
        });
    }
}

fn document(agent: u64) -> Document {
    let mut document = Document::default();
    document.set_agent(agent);
    document
}

#[test]
fn a_keystroke_of_another_is_one_patch_however_long_the_text() {
    let mut author = document(1);
    let text = author.ensure_child(ROOT, "t", Kind::Text, 1).unwrap();
    author
        .text_insert(text, 0, &mut units(&"word ".repeat(20_000)))
        .unwrap();
    author
        .text_mark(text, (10, 90_000), "bold", &[2], Expand::After, 1)
        .unwrap();
    let list = author.ensure_child(ROOT, "l", Kind::List, 1).unwrap();
    let values: Vec<Vec<u8>> = (0..10_000).map(integer).collect();
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    author.list_insert(list, 0, &values).unwrap();
    let mut reader = document(2);
    reader.apply(&author.encode_snapshot(), LATE).unwrap();
    take_all(&mut author);
    reader.record_patches(true);
    author.text_insert(text, 50_000, &mut units("x")).unwrap();
    author.list_delete(list, 7_000, 1).unwrap();
    for update in take_all(&mut author) {
        reader.apply(&update, LATE).unwrap();
    }
    let mut packed = Vec::new();
    assert_eq!(reader.take_patches(&mut packed), 2);
    // Two steps, and one index: nothing of what is around them.
    assert!(packed.len() < 200, "{} bytes", packed.len());
    let told = patches(&packed);
    let kinds: Vec<_> = told.iter().map(|patch| (patch.container(), patch.kind())).collect();
    assert!(
        kinds.contains(&("text", "edit")) && kinds.contains(&("list", "remove")),
        "{kinds:?}"
    );
}

#[test]
fn what_a_reader_does_not_see_is_no_patch() {
    let mut document = document(1);
    let map = document.ensure_child(ROOT, "m", Kind::Map, 1).unwrap();
    document.map_set(map, "k", &integer(1), 2).unwrap();
    document.record_patches(true);
    document.map_set(map, "k", &integer(1), 3).unwrap();
    let text = document.ensure_child(ROOT, "t", Kind::Text, 4).unwrap();
    document.text_insert(text, 0, &mut units("gone")).unwrap();
    document.map_delete(ROOT, "t", 5).unwrap();
    assert_eq!(document.take_patches(&mut Vec::new()), 0);
    document.record_patches(false);
    document.map_set(map, "k", &integer(2), 6).unwrap();
    assert_eq!(document.take_patches(&mut Vec::new()), 0);
}

#[test]
fn changes_at_too_many_places_are_still_told_rightly() {
    let mut document = document(1);
    let text = document.ensure_child(ROOT, "t", Kind::Text, 1).unwrap();
    let list = document.ensure_child(ROOT, "l", Kind::List, 1).unwrap();
    document.text_insert(text, 0, &mut units(&"ab".repeat(6_000))).unwrap();
    let value = integer(1);
    document.list_insert(list, 0, &vec![&value[..]; 10_000]).unwrap();
    let inner = document.list_insert_child(list, 0, Kind::Map).unwrap();
    document.record_patches(true);
    let before = document.clone();
    for at in 0..4_500 {
        document.text_delete(text, at, 1).unwrap();
        document.list_delete(list, 1 + at, 1).unwrap();
    }
    document.map_set(inner, "k", &integer(7), 9).unwrap();
    check(&before, &mut document);
}

/// What is deeper than plain values show is told with the whole tree, and what lies beside it by itself.
#[test]
fn what_is_beside_a_deep_branch_is_told_by_itself() {
    let mut document = document(1);
    let tree = document.ensure_child(ROOT, "t", Kind::Tree, 1).unwrap();
    let mut above = joinery_history::Dot::NONE;
    for _ in 0..600 {
        above = document.tree_create(tree, above, 0, 5, 1).unwrap();
    }
    document.record_patches(true);
    let before = document.clone();
    let beside = document.tree_create(tree, joinery_history::Dot::NONE, 0, 5, 1).unwrap();
    assert_eq!(check(&before, &mut document).len(), 1);
    let before = document.clone();
    let below = document.tree_create(tree, beside, 0, 5, 1).unwrap();
    let data = document.node_data(tree, below).unwrap();
    document.map_set(data, "k", &integer(7), 9).unwrap();
    assert_eq!(check(&before, &mut document).len(), 1);
    // 2 nodes with their data, below the one that is the 499th: the lower one is too deep.
    let deep = std::iter::successors(Some(above), |&at| document.tree_parent(tree, at).ok().flatten()).nth(101);
    let before = document.clone();
    document.tree_move(tree, beside, deep.unwrap(), 0, 5, 9).unwrap();
    assert!(check(&before, &mut document).len() > 1);
    let before = document.clone();
    document
        .tree_move(tree, beside, joinery_history::Dot::NONE, 0, 5, 9)
        .unwrap();
    assert!(check(&before, &mut document).len() > 1);
}

/// Trees that reach deeper than plain values show are told as a whole.
#[test]
fn trees_deeper_than_plain_values_are_told_rightly() {
    let mut document = document(1);
    let tree = document.ensure_child(ROOT, "t", Kind::Tree, 1).unwrap();
    let mut nodes = vec![joinery_history::Dot::NONE];
    for _ in 0..498 {
        let above = *nodes.last().unwrap();
        nodes.push(document.tree_create(tree, above, 0, 5, 1).unwrap());
    }
    document.record_patches(true);
    for _ in 0..4 {
        let before = document.clone();
        let above = *nodes.last().unwrap();
        nodes.push(document.tree_create(tree, above, 0, 5, 1).unwrap());
        check(&before, &mut document);
    }
    let before = document.clone();
    let data = document.node_data(tree, *nodes.last().unwrap()).unwrap();
    document.map_set(data, "k", &integer(7), 9).unwrap();
    assert!(check(&before, &mut document).is_empty());
    let before = document.clone();
    document.tree_move(tree, nodes[300], nodes[0], 0, 5, 9).unwrap();
    check(&before, &mut document);
    let before = document.clone();
    document.tree_delete(tree, nodes[299], 9).unwrap();
    let told = check(&before, &mut document);
    assert_eq!(told.len(), 1);
}
