//! What a replay makes of deletions: of what an epoch without a bridge named, and of what is deleted already.

use crate::peer::{integer, units};
use crate::replay::loaded;
use joinery_history::Dot;
use joinery_types::{Bridge, Document, Kind, Reason, Replay, ReplayOptions, ROOT};

const NOON: u64 = 43_200_000;

/// One of each that something can be taken away from.
fn base() -> Document {
    let mut base = Document::default();
    base.set_agent(1);
    let text = base.ensure_child(ROOT, "text", Kind::Text, NOON).unwrap();
    base.text_insert(text, 0, &mut units("ab")).unwrap();
    let list = base.ensure_child(ROOT, "list", Kind::List, NOON).unwrap();
    base.list_insert(list, 0, &[&integer(1), &integer(2)]).unwrap();
    let set = base.ensure_child(ROOT, "set", Kind::Set, NOON).unwrap();
    base.set_add(set, &integer(1)).unwrap();
    let tree = base.ensure_child(ROOT, "tree", Kind::Tree, NOON).unwrap();
    base.tree_create(tree, Dot::NONE, 0, 7, NOON).unwrap();
    base
}

/// How many units, elements, values and nodes are there.
fn counts(document: &mut Document) -> [usize; 4] {
    let at = |key, kind| document.child(ROOT, key, kind).unwrap();
    let (text, list, set, tree) = (
        at("text", Kind::Text),
        at("list", Kind::List),
        at("set", Kind::Set),
        at("tree", Kind::Tree),
    );
    [
        document.text_string(text).unwrap().len(),
        document.list_len(list).unwrap() as usize,
        usize::from(document.set_has(set, &integer(1)).unwrap()),
        document.tree_children(tree, Dot::NONE).unwrap().len(),
    ]
}

#[test]
fn what_a_lost_epoch_named_is_rejected_and_not_taken_for_deleted() {
    for lost in [0, 1, 2] {
        let mut server = base();
        let mut from = loaded(&server.encode_snapshot(), 2);
        let envelopes = deletions(&mut from);
        let text = from.child(ROOT, "text", Kind::Text).unwrap();
        // What its author has made is known by its own names.
        from.text_insert(text, 1, &mut units("xyz")).unwrap();
        from.text_delete(text, 2, 1).unwrap();
        let own = from.take_update().unwrap();

        let mut bridges = Vec::new();
        for agent in 50..53 {
            bridges.push((agent, server.encode_snapshot()));
            server = loaded(&server.trim(agent).unwrap(), agent + 10);
        }
        let given: Vec<Bridge<'_>> = bridges[lost..]
            .iter()
            .map(|(agent, snapshot)| Bridge {
                agent: *agent,
                snapshot,
            })
            .collect();
        let options = ReplayOptions {
            bridges: &given,
            epoch: true,
            ..ReplayOptions::default()
        };
        let mut into = loaded(&server.encode_snapshot(), 3);
        let mut replay = Replay::new(&from, &into, &options).unwrap();
        for (index, envelope) in envelopes.iter().enumerate() {
            let outcome = replay.add(&from, &mut into, envelope).unwrap();
            let reasons: Vec<Reason> = outcome.rejected.iter().map(|part| part.reason).collect();
            let expected = if lost == 0 { vec![] } else { vec![Reason::ParentMissing] };
            assert_eq!(reasons, expected, "deletion {index}, {lost} bridges lost");
        }
        assert_eq!(replay.add(&from, &mut into, &own).unwrap().rejected, []);
        let expected = if lost == 0 { [3, 1, 0, 0] } else { [4, 2, 1, 1] };
        assert_eq!(counts(&mut into), expected, "{lost} bridges lost");
    }
}

/// Deletes one of each, an envelope each.
fn deletions(document: &mut Document) -> Vec<Vec<u8>> {
    let mut envelopes = Vec::new();
    let text = document.child(ROOT, "text", Kind::Text).unwrap();
    document.text_delete(text, 0, 1).unwrap();
    envelopes.push(document.take_update().unwrap());
    let list = document.child(ROOT, "list", Kind::List).unwrap();
    document.list_delete(list, 0, 1).unwrap();
    envelopes.push(document.take_update().unwrap());
    let set = document.child(ROOT, "set", Kind::Set).unwrap();
    document.set_delete(set, &integer(1)).unwrap();
    envelopes.push(document.take_update().unwrap());
    let tree = document.child(ROOT, "tree", Kind::Tree).unwrap();
    let node = document.tree_children(tree, Dot::NONE).unwrap()[0];
    document.tree_delete(tree, node, 9).unwrap();
    envelopes.push(document.take_update().unwrap());
    envelopes
}

#[test]
fn what_two_have_deleted_stays_deleted_where_one_of_them_is_refused() {
    let server = base().encode_snapshot();
    let (mut from, mut other) = (loaded(&server, 2), loaded(&server, 3));
    let mine = deletions(&mut from);
    let theirs = deletions(&mut other);
    for envelope in &theirs {
        from.apply(envelope, NOON).unwrap();
    }
    // For one reason or another all of it is made anew: first the one's, then the other's.
    let mut between = loaded(&server, 4);
    let mut replay = Replay::new(&from, &between, &ReplayOptions::default()).unwrap();
    let mut made: Vec<Vec<u8>> = Vec::new();
    for envelope in mine.iter().chain(&theirs) {
        assert_eq!(replay.add(&from, &mut between, envelope).unwrap().rejected, []);
        made.push(between.take_update().unwrap());
    }
    // Now the first one's is refused.
    let mut into = loaded(&server, 5);
    let mut replay = Replay::new(&between, &into, &ReplayOptions::default()).unwrap();
    let (refused, kept) = made.split_at(mine.len());
    for envelope in refused {
        replay.refuse(&between, &mut into, envelope).unwrap();
    }
    for envelope in kept {
        assert_eq!(replay.add(&between, &mut into, envelope).unwrap().rejected, []);
    }
    assert_eq!(counts(&mut into), [1, 1, 0, 0]);
}
