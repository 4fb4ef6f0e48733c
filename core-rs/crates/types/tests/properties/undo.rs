//! Undo and redo: of one replica alone they lead through the values that it had, also when it is loaded anew on the way; among
//! others they take nothing away that is somebody else's.

use crate::differences::{check as check_differences, earlier};
use crate::mutation::damaged;
use crate::peer::{integer, take_all, units, LATE};
use crate::random::{for_seeds, for_these, rounds, Random};
use crate::refusal::refs;
use crate::replay::loaded;
use crate::undo_edits::{containers, seen, Editor, KINDS};
use joinery_types::{
    Document, Entry, Error, Expand, Kind, Replay, ReplayOptions, UndoScope, UndoSide, LAST_CHILD, MAX_UNDO_BYTES,
    MAX_UNDO_STEPS, ROOT,
};
use std::cell::Cell;
use std::collections::BTreeMap;

/// A stack held against its naive twin: per step what the document showed before it was done, or undone.
pub struct Twin {
    stack: u32,
    undo: Vec<String>,
    redo: Vec<String>,
    /// All that this replica wrote, under whatever agent.
    written: Vec<Vec<u8>>,
}

impl Twin {
    pub fn new(document: &mut Document) -> Twin {
        Twin {
            stack: document.undo_start(&[]).unwrap(),
            undo: Vec::new(),
            redo: Vec::new(),
            written: Vec::new(),
        }
    }

    fn depth(&self, document: &Document, side: UndoSide) -> usize {
        document.undo_depth(self.stack, side).unwrap()
    }

    pub fn step(&mut self, document: &mut Document, edits: impl FnOnce(&mut Document)) {
        let before = seen(document);
        document.undo_boundary(self.stack, &[]).unwrap();
        edits(document);
        let depth = self.depth(document, UndoSide::Undo);
        if depth > self.undo.len() {
            assert_eq!(depth, self.undo.len() + 1);
            self.undo.push(before);
            self.redo.clear();
        } else {
            assert_eq!(seen(document), before, "an edit that was not taken down");
        }
        self.counted(document);
    }

    fn counted(&self, document: &Document) {
        assert_eq!(self.depth(document, UndoSide::Undo), self.undo.len());
        assert_eq!(self.depth(document, UndoSide::Redo), self.redo.len());
    }

    pub fn take_back(&mut self, document: &mut Document, side: UndoSide, now: u64) -> bool {
        let before = seen(document);
        let (from, to) = match side {
            UndoSide::Undo => (&mut self.undo, &mut self.redo),
            UndoSide::Redo => (&mut self.redo, &mut self.undo),
        };
        let done = take_back(document, self.stack, side, now);
        let left = document.undo_depth(self.stack, side).unwrap();
        let expected = from.drain(left..).next();
        assert_eq!(
            seen(document),
            expected.unwrap_or(before.clone()),
            "{side:?} of {before}"
        );
        if done {
            to.push(before);
        }
        self.counted(document);
        done
    }

    /// The same document in another replica.
    pub fn reload(&mut self, document: &mut Document, agent: u64) {
        self.written.extend(take_all(document));
        let bytes = document.undo_encode(self.stack).unwrap();
        let mut loaded = Document::default();
        loaded.apply(&document.encode_snapshot(), LATE).unwrap();
        self.stack = loaded.undo_decode(&bytes).unwrap();
        assert_eq!(loaded.undo_encode(self.stack).unwrap(), bytes);
        loaded.set_agent(agent);
        *document = loaded;
        self.counted(document);
    }
}

fn take_back(document: &mut Document, stack: u32, side: UndoSide, now: u64) -> bool {
    match side {
        UndoSide::Undo => document.undo(stack, now).unwrap(),
        UndoSide::Redo => document.redo(stack, now).unwrap(),
    }
}

fn walk(random: &mut Random, only: Option<Kind>, reloads: bool) {
    let mut document = Document::default();
    document.set_agent(random.next());
    let mut editor = Editor { name: 1, count: 0 };
    for _ in 0..random.below(12) {
        editor.edit(&mut document, random, only);
    }
    let mut twin = Twin::new(&mut document);
    for _ in 0..30 {
        let now = random.below(6) as u64;
        match random.below(6) {
            0 | 1 => {
                let n = 1 + random.below(5);
                twin.step(&mut document, |document| {
                    (0..n).for_each(|_| editor.edit(document, random, only));
                });
            }
            2 | 3 => {
                let _ = twin.take_back(&mut document, UndoSide::Undo, now);
            }
            4 if reloads => twin.reload(&mut document, random.next()),
            _ => {
                let _ = twin.take_back(&mut document, UndoSide::Redo, now);
            }
        }
    }
    while twin.take_back(&mut document, UndoSide::Undo, 1) {}
    while twin.take_back(&mut document, UndoSide::Redo, 1) {}
    while twin.take_back(&mut document, UndoSide::Undo, 1) {}
    // What was written is sound: another replica shows the same.
    let mut other = Document::default();
    twin.written.extend(take_all(&mut document));
    for envelope in &twin.written {
        other.apply(envelope, LATE).unwrap();
    }
    assert!(other.encode_snapshot() == document.encode_snapshot());
}

#[test]
fn undo_and_redo_lead_through_the_same_values() {
    for only in KINDS.into_iter().map(Some).chain([None, None, None]) {
        for_seeds(40, |random| walk(random, only, false));
    }
}

#[test]
fn undo_and_redo_go_on_in_a_replica_that_was_loaded_anew() {
    for only in KINDS.into_iter().map(Some).chain([None, None, None]) {
        for_seeds(30, |random| walk(random, only, true));
    }
}

#[test]
fn undo_and_redo_lead_through_what_hung_on_a_node_that_nobody_deletes_again() {
    for reloads in [false, true] {
        for_these([5061, 402_949], |random| walk(random, Some(Kind::Tree), reloads));
    }
}

#[test]
fn undo_and_redo_lead_through_marks_that_end_where_something_went() {
    // A mark that was taken down while a step was taken back ends on a place that the step itself has brought back.
    for_these([100_525], |random| walk(random, None, false));
}

#[test]
fn undo_and_redo_lead_through_edges_both_ends_of_which_went_apart() {
    for_these([301_677], |random| walk(random, None, true));
}

#[test]
fn what_is_hidden_below_a_deleted_node_is_hidden_in_a_copy_too() {
    let none = joinery_history::Dot::NONE;
    let mut document = Document::default();
    document.set_agent(1);
    let mut twin = Twin::new(&mut document);
    let mut node = none;
    twin.step(&mut document, |document| {
        let tree = document.ensure_child(ROOT, "it", Kind::Tree, 0).unwrap();
        node = document.tree_create(tree, none, 0, 0, 0).unwrap();
    });
    twin.step(&mut document, |document| {
        let tree = document.child(ROOT, "it", Kind::Tree).unwrap();
        let above = document.tree_create(tree, none, 0, 0, 0).unwrap();
        assert!(document.tree_move(tree, node, above, 0, 0, 0).unwrap());
        assert!(document.tree_delete(tree, above, 9).unwrap());
    });
    // Of a redo the step has the move alone: what was made and deleted in it does not come back.
    assert!(twin.take_back(&mut document, UndoSide::Undo, 0));
    assert!(twin.take_back(&mut document, UndoSide::Redo, 0));
    twin.step(&mut document, |document| {
        assert!(document.map_delete(ROOT, "it", 0).unwrap());
    });
    for side in [UndoSide::Undo, UndoSide::Redo, UndoSide::Undo] {
        for _ in 0..3 {
            assert!(twin.take_back(&mut document, side, 0));
        }
    }
}

/// What of others a reader sees: their characters, and the values that they wrote, each with how often.
fn theirs(document: &Document) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut document = document.clone();
    for (container, kind) in containers(&mut document) {
        let mut packed = Vec::new();
        match kind {
            Kind::Text => {
                for unit in document.text_chunks(container).unwrap().flatten() {
                    if (0x402..0x410).contains(unit) {
                        *found.entry(format!("char {unit:x}")).or_insert(0) += 1;
                    }
                }
            }
            Kind::Map => {
                let keys: Vec<_> = document.map_keys(container).unwrap().cloned().collect();
                for key in keys {
                    if let Some(Entry::Plain(value)) = document.map_get(container, &key).unwrap() {
                        packed.push(value.to_vec());
                    }
                }
            }
            Kind::List => {
                for index in 0..document.list_len(container).unwrap() {
                    if let Some(Entry::Plain(value)) = document.list_get(container, index).unwrap() {
                        packed.push(value.to_vec());
                    }
                }
            }
            Kind::Set => {
                for name in 2..5 {
                    for value in (0..4).map(|i| integer(name * 10_000_000 + i)) {
                        if document.set_has(container, &value).unwrap() {
                            packed.push(value);
                        }
                    }
                }
            }
            _ => {}
        }
        for value in packed {
            let number = |name: i64| {
                let low = integer(name * 10_000_000);
                value.len() == low.len() && value[4] == low[4] && value[3] & 0x7c == low[3] & 0x7c
            };
            if value.first() == Some(&3) && value.len() > 4 && (2..5).any(number) {
                *found.entry(format!("value {value:?}")).or_insert(0) += 1;
            }
        }
    }
    found
}

/// Takes a step back: an undo takes nothing of others, and a redo only what undos have brought back of theirs.
fn take_back_of_ones_own(
    document: &mut Document,
    (stack, side): (u32, UndoSide),
    brought: &mut BTreeMap<String, usize>,
) -> bool {
    let (before, shown) = (theirs(document), seen(document));
    let done = take_back(document, stack, side, 3);
    let after = theirs(document);
    for (token, count) in &before {
        let has = after.get(token).copied().unwrap_or(0);
        let may = match side {
            UndoSide::Undo => 0,
            UndoSide::Redo => brought.get(token).copied().unwrap_or(0),
        };
        assert!(
            has + may >= *count,
            "{side:?} took {token} of\n{shown}\n{}",
            seen(document)
        );
    }
    for (token, count) in after {
        let had = before.get(&token).copied().unwrap_or(0);
        *brought.entry(token).or_insert(0) += count.saturating_sub(had);
    }
    done
}

/// Three write, and one of them undoes and redoes among them.
fn among_others(random: &mut Random, only: Option<Kind>) {
    let mut documents: Vec<Document> = (0..3).map(|_| Document::default()).collect();
    let mut editors: Vec<Editor> = (1..4).map(|name| Editor { name, count: 0 }).collect();
    documents
        .iter_mut()
        .for_each(|document| document.set_agent(random.next()));
    let mut written: Vec<Vec<u8>> = Vec::new();
    let mut stack = documents[0].undo_start(&[]).unwrap();
    let mut brought = BTreeMap::new();
    for _ in 0..60 {
        let at = random.below(3);
        match random.below(9) {
            0..=2 => editors[at].edit(&mut documents[at], random, only),
            3 => editors[0].edit(&mut documents[0], random, only),
            4 => {
                let _ = documents[0].undo_boundary(stack, &[]).unwrap();
            }
            5 => {
                for document in &mut documents {
                    written.extend(take_all(document));
                }
                for envelope in &written {
                    documents[at].apply(envelope, LATE).unwrap();
                }
            }
            6 if random.once_in(3) => {
                written.extend(take_all(&mut documents[0]));
                let bytes = documents[0].undo_encode(stack).unwrap();
                let mut loaded = Document::default();
                loaded.apply(&documents[0].encode_snapshot(), LATE).unwrap();
                loaded.set_agent(random.next());
                stack = loaded.undo_decode(&bytes).unwrap();
                documents[0] = loaded;
            }
            what => {
                let side = if what == 8 { UndoSide::Redo } else { UndoSide::Undo };
                take_back_of_ones_own(&mut documents[0], (stack, side), &mut brought);
            }
        }
    }
    while take_back_of_ones_own(&mut documents[0], (stack, UndoSide::Undo), &mut brought) {}
    for document in &mut documents {
        written.extend(take_all(document));
    }
    for document in &mut documents {
        random.shuffle(&mut written);
        for envelope in &written {
            document.apply(envelope, LATE).unwrap();
        }
        assert_eq!(document.pending_count(), 0);
    }
    let whole = documents[0].encode_snapshot();
    assert!(documents.iter().all(|document| document.encode_snapshot() == whole));
    for document in &documents {
        let versions: Vec<Vec<u8>> = (0..8).map(|_| earlier(document, random)).collect();
        check_differences(document, &versions);
    }
}

#[test]
fn what_others_wrote_is_never_taken_away() {
    // Somebody else's node came back, and an undo hung it back to where its author's own node was taken away.
    for_these([24_072], |random| among_others(random, Some(Kind::Tree)));
    for only in KINDS.into_iter().map(Some).chain([None, None, None]) {
        for_seeds(40, |random| among_others(random, only));
    }
}

#[test]
fn damaged_stacks_give_a_stack_or_an_error() {
    let mut corpus: Vec<(Document, Vec<u8>)> = Vec::new();
    let mut random = Random(7);
    for _ in 0..40 {
        let mut document = Document::default();
        document.set_agent(random.next());
        let mut editor = Editor { name: 1, count: 0 };
        let stack = document.undo_start(&[]).unwrap();
        for _ in 0..30 {
            editor.edit(&mut document, &mut random, None);
            if random.once_in(3) {
                document.undo_boundary(stack, &[5, 1, b'm']).unwrap();
            }
            if random.once_in(8) {
                document.undo(stack, 1).unwrap();
            }
        }
        let bytes = document.undo_encode(stack).unwrap();
        document.undo_stop(stack).unwrap();
        take_all(&mut document);
        corpus.push((document, bytes));
    }
    let all: Vec<Vec<u8>> = corpus.iter().map(|(_, bytes)| bytes.clone()).collect();
    let mut read = 0;
    for round in 0..100_000 * rounds() {
        let (document, bytes) = random.pick(&corpus);
        let bytes = damaged(&[bytes.clone(), random_of(&all, round)], &mut random);
        let mut document = document.clone();
        let before = document.encode_snapshot().len();
        let Ok(stack) = document.undo_decode(&bytes) else {
            continue;
        };
        read += 1;
        assert!(document.undo_bytes(stack).unwrap() <= MAX_UNDO_BYTES);
        if round % 4 == 0 {
            let mut other = Document::default();
            other.apply(&document.encode_snapshot(), LATE).unwrap();
            for side in [
                UndoSide::Undo,
                UndoSide::Undo,
                UndoSide::Redo,
                UndoSide::Undo,
                UndoSide::Redo,
            ] {
                take_back(&mut document, stack, side, 1);
            }
            document.undo_encode(stack).unwrap();
            // Whatever it made of them, others can read.
            for envelope in take_all(&mut document) {
                other.apply(&envelope, LATE).unwrap();
            }
            assert_eq!(other.pending_count(), 0);
            assert!(other.encode_snapshot() == document.encode_snapshot());
            assert!(before > 0);
        }
    }
    assert!(read > 1000, "only {read} damaged stacks were read");
}

fn random_of(all: &[Vec<u8>], round: u64) -> Vec<u8> {
    all[round as usize % all.len()].clone()
}

#[test]
fn toggling_four_thousand_times_grows_nothing() {
    let mut document = Document::default();
    document.set_agent(1);
    let text = document.ensure_child(ROOT, "t", Kind::Text, 0).unwrap();
    let stack = document.undo_start(&[]).unwrap();
    document.text_insert(text, 0, &mut units("hello world")).unwrap();
    document.undo_boundary(stack, &[]).unwrap();
    document.text_delete(text, 3, 4).unwrap();
    document
        .text_mark(text, (1, 5), "bold", &[2], Expand::After, 0)
        .unwrap();
    let list = document.ensure_child(ROOT, "l", Kind::List, 0).unwrap();
    document.list_insert(list, 0, &[&[1], &[2]]).unwrap();
    document.list_move(list, 0, 1, 0).unwrap();
    let tree = document.ensure_child(ROOT, "tree", Kind::Tree, 0).unwrap();
    let node = document.tree_create(tree, joinery_history::Dot::NONE, 0, 0, 0).unwrap();
    document.undo_boundary(stack, &[]).unwrap();
    document.tree_delete(tree, node, 9).unwrap();
    document.map_delete(ROOT, "l", 0).unwrap();
    let mut lengths = Vec::new();
    for round in 0..4000 {
        assert!(document.undo(stack, 1).unwrap());
        if round % 2 == 0 {
            assert!(document.undo(stack, 1).unwrap());
            assert!(document.redo(stack, 1).unwrap());
        }
        assert!(document.redo(stack, 1).unwrap());
        let weight = document.undo_bytes(stack).unwrap();
        lengths.push((document.undo_encode(stack).unwrap().len(), weight));
    }
    // Seqs have become longer, nothing else.
    let most = lengths[..100].iter().max().unwrap();
    let last = lengths[3900..].iter().max().unwrap();
    assert!(last.0 < most.0 + most.0 / 2 && last.1 <= most.1, "{most:?} {last:?}");
}

/// A text with "one two", of another agent.
fn shared() -> (Document, Document, u32) {
    let mut theirs = Document::default();
    theirs.set_agent(9);
    let text = theirs.ensure_child(ROOT, "t", Kind::Text, 0).unwrap();
    theirs.text_insert(text, 0, &mut units("one two")).unwrap();
    let mut mine = Document::default();
    mine.set_agent(5);
    send(&mut theirs, &mut mine);
    let text = mine.child(ROOT, "t", Kind::Text).unwrap();
    (mine, theirs, text)
}

fn send(from: &mut Document, to: &mut Document) {
    for envelope in take_all(from) {
        to.apply(&envelope, LATE).unwrap();
    }
}

fn text(document: &Document) -> String {
    let text = document.child(ROOT, "t", Kind::Text).unwrap();
    document.text_string(text).unwrap()
}

#[test]
fn what_comes_back_stands_beside_what_others_typed_there() {
    let (mut mine, mut theirs, text_at) = shared();
    let stack = mine.undo_start(&[]).unwrap();
    mine.text_delete(text_at, 1, 5).unwrap();
    let at = theirs.child(ROOT, "t", Kind::Text).unwrap();
    theirs.text_insert(at, 3, &mut units("XY")).unwrap();
    send(&mut theirs, &mut mine);
    assert_eq!(text(&mine), "oXYo");
    assert!(mine.undo(stack, 0).unwrap());
    assert_eq!(text(&mine), "oneXY two");
    assert!(mine.redo(stack, 0).unwrap());
    assert_eq!(text(&mine), "oXYo");
    send(&mut mine, &mut theirs);
    assert_eq!(text(&theirs), "oXYo");
}

#[test]
fn what_others_deleted_stays_deleted() {
    let (mut mine, mut theirs, text_at) = shared();
    let stack = mine.undo_start(&[]).unwrap();
    mine.text_insert(text_at, 3, &mut units("abc")).unwrap();
    send(&mut mine, &mut theirs);
    let at = theirs.child(ROOT, "t", Kind::Text).unwrap();
    theirs.text_delete(at, 4, 1).unwrap();
    send(&mut theirs, &mut mine);
    assert!(mine.undo(stack, 0).unwrap());
    assert_eq!(text(&mine), "one two");
    assert!(mine.redo(stack, 0).unwrap());
    assert_eq!(text(&mine), "oneac two");
}

#[test]
fn a_slot_that_another_has_written_since_stays_and_the_rest_of_the_step_goes() {
    let (mut mine, mut theirs, text_at) = shared();
    let stack = mine.undo_start(&[]).unwrap();
    mine.map_set(ROOT, "a", &integer(1), 10).unwrap();
    mine.map_set(ROOT, "b", &integer(1), 10).unwrap();
    mine.text_insert(text_at, 0, &mut units("!")).unwrap();
    send(&mut mine, &mut theirs);
    theirs.map_set(ROOT, "a", &integer(2), 20).unwrap();
    send(&mut theirs, &mut mine);
    assert!(mine.undo(stack, 30).unwrap());
    assert_eq!(mine.map_get(ROOT, "a"), Ok(Some(Entry::Plain(&integer(2)))));
    assert_eq!(mine.map_get(ROOT, "b"), Ok(None));
    assert!(mine.redo(stack, 30).unwrap());
    assert_eq!(mine.map_get(ROOT, "a"), Ok(Some(Entry::Plain(&integer(2)))));
    assert_eq!(mine.map_get(ROOT, "b"), Ok(Some(Entry::Plain(&integer(1)))));
    assert_eq!(text(&mine), "!one two");
}

#[test]
fn a_step_of_which_nothing_is_left_is_passed_over() {
    let (mut mine, mut theirs, _) = shared();
    let stack = mine.undo_start(&[]).unwrap();
    mine.map_set(ROOT, "a", &integer(1), 10).unwrap();
    mine.undo_boundary(stack, &[]).unwrap();
    mine.map_set(ROOT, "b", &integer(1), 10).unwrap();
    send(&mut mine, &mut theirs);
    theirs.map_set(ROOT, "b", &integer(2), 20).unwrap();
    send(&mut theirs, &mut mine);
    assert!(mine.undo(stack, 30).unwrap());
    assert_eq!(mine.map_get(ROOT, "a"), Ok(None));
    assert_eq!(mine.map_get(ROOT, "b"), Ok(Some(Entry::Plain(&integer(2)))));
    assert_eq!(mine.undo(stack, 30), Ok(false));
}

#[test]
fn a_container_in_which_another_wrote_stays_also_when_it_came_back() {
    let (mut mine, mut theirs, _) = shared();
    let stack = mine.undo_start(&[]).unwrap();
    let map = mine.ensure_child(ROOT, "m", Kind::Map, 10).unwrap();
    mine.map_set(map, "mine", &integer(1), 10).unwrap();
    mine.undo_boundary(stack, &[]).unwrap();
    send(&mut mine, &mut theirs);
    let at = theirs.child(ROOT, "m", Kind::Map).unwrap();
    theirs.map_set(at, "theirs", &integer(2), 20).unwrap();
    send(&mut theirs, &mut mine);
    mine.map_delete(ROOT, "m", 30).unwrap();
    assert!(mine.undo(stack, 40).unwrap());
    assert!(mine.undo(stack, 40).unwrap());
    // The creation is not undone, what it held of the author is.
    assert_eq!(mine.undo(stack, 40), Ok(false));
    let map = mine.child(ROOT, "m", Kind::Map).unwrap();
    assert_eq!(mine.map_get(map, "mine"), Ok(None));
    assert_eq!(mine.map_get(map, "theirs"), Ok(Some(Entry::Plain(&integer(2)))));
}

#[test]
fn a_deleted_node_comes_back_with_what_others_have_put_below_it() {
    let none = joinery_history::Dot::NONE;
    let (mut mine, mut theirs, _) = shared();
    let tree = mine.ensure_child(ROOT, "tree", Kind::Tree, 0).unwrap();
    let node = mine.tree_create(tree, none, 0, 0, 0).unwrap();
    send(&mut mine, &mut theirs);
    let stack = mine.undo_start(&[]).unwrap();
    mine.tree_delete(tree, node, 9).unwrap();
    let at = theirs.child(ROOT, "tree", Kind::Tree).unwrap();
    let above = theirs.tree_children(at, none).unwrap()[0];
    theirs.tree_create(at, above, 0, 0, 0).unwrap();
    send(&mut theirs, &mut mine);
    assert_eq!(mine.tree_children(tree, none).unwrap(), []);
    assert!(mine.undo(stack, 0).unwrap());
    let back = mine.tree_children(tree, none).unwrap();
    assert_eq!(mine.tree_children(tree, back[0]).unwrap().len(), 1);
    // It was there when the node came back, so the deletion may be done again; not after they have put more there.
    let mut again = mine.clone();
    assert!(again.redo(stack, 0).unwrap());
    assert_eq!(again.tree_children(tree, none).unwrap(), []);
    send(&mut mine, &mut theirs);
    let above = theirs.tree_children(at, none).unwrap()[0];
    theirs.tree_create(at, above, 0, 0, 0).unwrap();
    send(&mut theirs, &mut mine);
    assert_eq!(mine.redo(stack, 0), Ok(false));
    assert_eq!(mine.tree_children(tree, none).unwrap().len(), 1);
}

#[test]
fn a_node_goes_back_to_where_it_was_hidden_unless_others_have_put_something_below_it() {
    let none = joinery_history::Dot::NONE;
    for is_shared in [false, true] {
        let (mut mine, mut theirs, _) = shared();
        let tree = mine.ensure_child(ROOT, "tree", Kind::Tree, 0).unwrap();
        let above = mine.tree_create(tree, none, 0, 0, 0).unwrap();
        let node = mine.tree_create(tree, above, 0, 0, 0).unwrap();
        assert!(mine.tree_delete(tree, above, 9).unwrap());
        let stack = mine.undo_start(&[]).unwrap();
        assert!(mine.tree_move(tree, node, none, 0, 0, 0).unwrap());
        send(&mut mine, &mut theirs);
        if is_shared {
            let at = theirs.child(ROOT, "tree", Kind::Tree).unwrap();
            let node = theirs.tree_children(at, none).unwrap()[0];
            theirs.tree_create(at, node, 0, 0, 0).unwrap();
            send(&mut theirs, &mut mine);
        }
        assert_eq!(mine.undo(stack, 0), Ok(!is_shared));
        assert_eq!(mine.tree_children(tree, none).unwrap().len(), usize::from(is_shared));
        assert_eq!(mine.redo(stack, 0), Ok(!is_shared));
        assert_eq!(mine.tree_children(tree, none).unwrap(), [node]);
    }
}

/// A step makes something, is undone, somebody else hangs something on what is gone, and the step is redone: what the other one
/// made is there again, and no undo takes it away.
fn hung_on_what_came_back(kind: Kind, step: impl Fn(&mut Document, u32), hang: impl Fn(&mut Document, u32)) {
    let (mut mine, mut theirs, _) = shared();
    let at = mine.ensure_child(ROOT, "it", kind, 0).unwrap();
    if kind == Kind::Graph {
        mine.graph_add_node(at).unwrap();
    }
    let stack = mine.undo_start(&[]).unwrap();
    step(&mut mine, at);
    send(&mut mine, &mut theirs);
    assert!(mine.undo(stack, 0).unwrap());
    let before = seen(&mine);
    let there = theirs.child(ROOT, "it", kind).unwrap();
    hang(&mut theirs, there);
    send(&mut theirs, &mut mine);
    assert_eq!(seen(&mine), before);
    assert!(mine.redo(stack, 0).unwrap());
    send(&mut mine, &mut theirs);
    let after = seen(&theirs);
    assert_eq!(seen(&mine), after);
    let bytes = mine.undo_encode(stack).unwrap();
    assert_eq!(mine.undo(stack, 0), Ok(false));
    // The same where the stack was stored.
    let loaded = mine.undo_decode(&bytes).unwrap();
    assert_eq!(mine.undo(loaded, 0), Ok(false));
    assert_eq!(seen(&mine), after);
}

#[test]
fn what_others_hung_on_what_a_redo_brought_back_stays() {
    let none = joinery_history::Dot::NONE;
    hung_on_what_came_back(
        Kind::Tree,
        |mine, tree| {
            mine.tree_create(tree, none, 0, 0, 0).unwrap();
        },
        |theirs, tree| {
            let above = theirs.tree_children(tree, none).unwrap()[0];
            theirs.tree_create(tree, above, 0, 0, 0).unwrap();
        },
    );
    hung_on_what_came_back(
        Kind::Graph,
        |mine, graph| {
            mine.graph_add_node(graph).unwrap();
        },
        |theirs, graph| {
            let nodes = theirs.graph_nodes(graph).unwrap();
            theirs.graph_add_edge(graph, nodes[0], nodes[1]).unwrap();
        },
    );
}

/// A step makes something in a container, somebody else writes into it, and the container goes and comes back: what the other one
/// wrote stays there, also where the stack was stored meanwhile.
fn written_into_what_a_copy_brought_back(
    kind: Kind,
    make: impl Fn(&mut Document, u32),
    write: impl Fn(&mut Document, u32),
) {
    let (mut mine, mut theirs, _) = shared();
    let at = mine.ensure_child(ROOT, "it", kind, 0).unwrap();
    let stack = mine.undo_start(&[]).unwrap();
    make(&mut mine, at);
    assert!(mine.undo_boundary(stack, &[]).unwrap());
    send(&mut mine, &mut theirs);
    let there = theirs.child(ROOT, "it", kind).unwrap();
    write(&mut theirs, there);
    send(&mut theirs, &mut mine);
    let before = seen(&mine);
    assert!(mine.map_delete(ROOT, "it", 0).unwrap());
    let after = seen(&mine);
    let bytes = mine.undo_encode(stack).unwrap();
    let mut other = loaded(&mine.encode_snapshot(), 6);
    let there = other.undo_decode(&bytes).unwrap();
    for (document, stack) in [(&mut mine, stack), (&mut other, there)] {
        assert!(document.undo(stack, 0).unwrap());
        assert_eq!(seen(document), before);
        assert!(document.redo(stack, 0).unwrap());
        assert_eq!(seen(document), after);
        assert!(document.undo(stack, 0).unwrap());
        assert_eq!(document.undo(stack, 0), Ok(false), "{before} became {}", seen(document));
        assert_eq!(seen(document), before);
    }
}

#[test]
fn what_others_wrote_into_what_a_copy_brought_back_stays() {
    let none = joinery_history::Dot::NONE;
    let set = |document: &mut Document, map: u32| document.map_set(map, "theirs", &integer(2), 0).unwrap();
    written_into_what_a_copy_brought_back(
        Kind::Map,
        |mine, map| {
            let inner = mine.ensure_child(map, "m", Kind::Map, 0).unwrap();
            mine.ensure_child(inner, "n", Kind::Map, 0).unwrap();
        },
        |theirs, map| {
            let inner = theirs.child(map, "m", Kind::Map).unwrap();
            let inner = theirs.child(inner, "n", Kind::Map).unwrap();
            set(theirs, inner);
        },
    );
    written_into_what_a_copy_brought_back(
        Kind::List,
        |mine, list| {
            mine.list_insert_child(list, 0, Kind::Map).unwrap();
        },
        |theirs, list| {
            let Some(Entry::Child(inner, _)) = theirs.list_get(list, 0).unwrap() else {
                panic!("no map");
            };
            set(theirs, inner);
        },
    );
    written_into_what_a_copy_brought_back(
        Kind::List,
        |mine, list| mine.list_insert(list, 0, &[&integer(1)]).unwrap(),
        |theirs, list| theirs.list_set(list, 0, &integer(2), 0).unwrap(),
    );
    for is_below in [false, true] {
        written_into_what_a_copy_brought_back(
            Kind::Tree,
            |mine, tree| {
                let above = mine.tree_create(tree, none, 0, 0, 0).unwrap();
                mine.tree_create(tree, above, 0, 0, 0).unwrap();
            },
            |theirs, tree| {
                let above = theirs.tree_children(tree, none).unwrap()[0];
                let node = theirs.tree_children(tree, above).unwrap()[0];
                if is_below {
                    theirs.tree_create(tree, node, 0, 0, 0).unwrap();
                } else {
                    let data = theirs.node_data(tree, node).unwrap();
                    set(theirs, data);
                }
            },
        );
        written_into_what_a_copy_brought_back(
            Kind::Graph,
            |mine, graph| {
                mine.graph_add_node(graph).unwrap();
            },
            |theirs, graph| {
                let node = theirs.graph_nodes(graph).unwrap()[0];
                if is_below {
                    theirs.graph_add_edge(graph, node, node).unwrap();
                } else {
                    let data = theirs.node_data(graph, node).unwrap();
                    set(theirs, data);
                }
            },
        );
    }
    written_into_what_a_copy_brought_back(
        Kind::Graph,
        |mine, graph| {
            let node = mine.graph_add_node(graph).unwrap();
            mine.graph_add_edge(graph, node, node).unwrap();
        },
        |theirs, graph| {
            let edge = theirs.graph_edges(graph).unwrap()[0].0;
            let data = theirs.node_data(graph, edge).unwrap();
            set(theirs, data);
        },
    );
    // One name comes back for what two had done: it is nobody's.
    let add = |document: &mut Document, set: u32| document.set_add(set, &integer(1)).unwrap();
    written_into_what_a_copy_brought_back(Kind::Set, add, add);
    written_into_what_a_copy_brought_back(
        Kind::Map,
        |mine, map| {
            mine.ensure_child(map, "c", Kind::Counter, 0).unwrap();
        },
        |theirs, map| {
            let counter = theirs.child(map, "c", Kind::Counter).unwrap();
            theirs.counter_add(counter, 3).unwrap();
        },
    );
}

#[test]
fn a_value_that_two_had_added_stays_when_it_came_back() {
    let (mut mine, mut theirs, _) = shared();
    let set = mine.ensure_child(ROOT, "set", Kind::Set, 0).unwrap();
    send(&mut mine, &mut theirs);
    let there = theirs.child(ROOT, "set", Kind::Set).unwrap();
    theirs.set_add(there, &integer(1)).unwrap();
    let stack = mine.undo_start(&[]).unwrap();
    mine.set_add(set, &integer(1)).unwrap();
    mine.undo_boundary(stack, &[]).unwrap();
    send(&mut theirs, &mut mine);
    assert!(mine.set_delete(set, &integer(1)).unwrap());
    for _ in 0..2 {
        assert!(mine.undo(stack, 0).unwrap());
        assert_eq!(mine.set_has(set, &integer(1)), Ok(true));
        assert!(mine.redo(stack, 0).unwrap());
        assert_eq!(mine.set_has(set, &integer(1)), Ok(false));
    }
    assert!(mine.undo(stack, 0).unwrap());
    assert_eq!(mine.undo(stack, 0), Ok(false), "another's add was taken away");
    assert_eq!(mine.set_has(set, &integer(1)), Ok(true));
}

#[test]
fn a_redo_leaves_in_sight_what_others_have_put_below_a_node_since_its_undo() {
    let none = joinery_history::Dot::NONE;
    for (before, since) in [(false, false), (true, false), (false, true), (true, true)] {
        let (mut mine, mut theirs, _) = shared();
        let tree = mine.ensure_child(ROOT, "tree", Kind::Tree, 0).unwrap();
        let above = mine.tree_create(tree, none, 0, 0, 0).unwrap();
        let node = mine.tree_create(tree, none, 1, 0, 0).unwrap();
        let stack = mine.undo_start(&[]).unwrap();
        assert!(mine.tree_move(tree, node, above, 0, 0, 0).unwrap());
        send(&mut mine, &mut theirs);
        let there = theirs.child(ROOT, "tree", Kind::Tree).unwrap();
        let nodes = |theirs: &mut Document| {
            let top = theirs.tree_children(there, none).unwrap()[0];
            theirs
                .tree_children(there, top)
                .unwrap()
                .into_iter()
                .chain([top])
                .next()
                .unwrap()
        };
        let below = nodes(&mut theirs);
        if before {
            theirs.tree_create(there, below, 0, 0, 0).unwrap();
        }
        let above = theirs.tree_parent(there, below).unwrap().unwrap();
        assert!(theirs.tree_delete(there, above, 9).unwrap());
        send(&mut theirs, &mut mine);
        assert_eq!(mine.tree_children(tree, none).unwrap(), []);
        assert!(mine.undo(stack, 0).unwrap());
        assert_eq!(mine.tree_children(tree, none).unwrap(), [node]);
        send(&mut mine, &mut theirs);
        if since {
            theirs.tree_create(there, below, 0, 0, 0).unwrap();
        }
        send(&mut theirs, &mut mine);
        let bytes = mine.undo_encode(stack).unwrap();
        let mut other = loaded(&mine.encode_snapshot(), 6);
        let again = other.undo_decode(&bytes).unwrap();
        for (document, stack) in [(&mut mine, stack), (&mut other, again)] {
            let tree = document.child(ROOT, "tree", Kind::Tree).unwrap();
            assert_eq!(document.redo(stack, 0), Ok(!since));
            assert_eq!(document.tree_children(tree, none).unwrap().len(), usize::from(since));
        }
    }
}

#[test]
fn steps_have_labels_scopes_and_bounds_and_a_refused_write_leaves_none() {
    let mut document = Document::default();
    document.set_agent(1);
    let text = document.ensure_child(ROOT, "t", Kind::Text, 0).unwrap();
    let scope = UndoScope {
        container: ROOT,
        keys: vec!["t".into()],
    };
    let stack = document.undo_start(&[scope]).unwrap();
    document.map_set(ROOT, "a", &integer(1), 0).unwrap();
    assert!(document.text_insert(text, 1, &mut units("x")).is_err());
    assert!(document.map_set(ROOT, "a", &[99], 0).is_err());
    assert_eq!(document.undo_depth(stack, UndoSide::Undo), Ok(0));
    assert_eq!(document.undo(stack, 0), Ok(false));
    document.text_insert(text, 0, &mut units("x")).unwrap();
    assert_eq!(document.undo_boundary(stack, &[5, 1, b'L']), Ok(true));
    assert_eq!(document.undo_boundary(stack, &[]), Ok(false));
    assert!(document.undo_boundary(stack, &[99]).is_err());
    assert_eq!(document.undo_meta(stack, UndoSide::Undo), Ok(&[5, 1, b'L'][..]));
    assert!(document.undo(stack, 0).unwrap());
    assert_eq!(document.undo_meta(stack, UndoSide::Redo), Ok(&[5, 1, b'L'][..]));
    // What is written elsewhere leaves redo; what is written here empties it.
    document.map_set(ROOT, "a", &integer(2), 0).unwrap();
    assert_eq!(document.undo_depth(stack, UndoSide::Redo), Ok(1));
    document.text_insert(text, 0, &mut units("y")).unwrap();
    assert_eq!(document.undo_depth(stack, UndoSide::Redo), Ok(0));
    for _ in 0..MAX_UNDO_STEPS + 10 {
        document.undo_boundary(stack, &[]).unwrap();
        document.text_insert(text, 0, &mut units("z")).unwrap();
    }
    document.undo_boundary(stack, &[]).unwrap();
    assert_eq!(document.undo_depth(stack, UndoSide::Undo), Ok(MAX_UNDO_STEPS));
    let long = vec![b'q'; MAX_UNDO_BYTES / 4];
    for _ in 0..4 {
        let mut long: Vec<u16> = long.iter().map(|&byte| u16::from(byte)).collect();
        let len = long.len() as u32;
        document.text_insert(text, 0, &mut long).unwrap();
        document.undo_boundary(stack, &[]).unwrap();
        document.text_delete(text, 0, len).unwrap();
        document.undo_boundary(stack, &[]).unwrap();
        assert!(document.undo_bytes(stack).unwrap() <= MAX_UNDO_BYTES);
    }
    // The oldest went first, so the last deletion can be undone.
    let len = document.text_len(text).unwrap();
    assert!(document.undo(stack, 0).unwrap());
    assert_eq!(document.text_len(text), Ok(len + long.len() as u32));
    document.undo_stop(stack).unwrap();
    assert_eq!(document.undo(stack, 0), Err(Error::NoSuchUndoStack));
}

#[test]
fn typing_is_one_edit_whatever_its_length() {
    let mut document = Document::default();
    document.set_agent(1);
    let text = document.ensure_child(ROOT, "t", Kind::Text, 0).unwrap();
    let stack = document.undo_start(&[]).unwrap();
    document.text_insert(text, 0, &mut units("a")).unwrap();
    document.text_insert(text, 1, &mut units("a")).unwrap();
    let weight = document.undo_bytes(stack).unwrap();
    for index in 2..5000 {
        document.text_insert(text, index, &mut units("a")).unwrap();
    }
    assert_eq!(document.undo_bytes(stack), Ok(weight));
    document.undo_boundary(stack, &[]).unwrap();
    for index in (0..5000).rev() {
        document.text_delete(text, index, 1).unwrap();
    }
    assert!(document.undo_bytes(stack).unwrap() < weight + 300 + 2 * 5000);
    take_all(&mut document);
    assert!(document.undo(stack, 0).unwrap());
    // One insert, in one envelope.
    assert_eq!(take_all(&mut document).len(), 1);
    assert_eq!(document.text_len(text), Ok(5000));
}

#[test]
fn a_stack_goes_along_with_a_replay_and_leaves_what_was_refused() {
    let (mut mine, theirs, at) = shared();
    let stack = mine.undo_start(&[]).unwrap();
    let mut steps: Vec<Vec<u8>> = Vec::new();
    let mut step = |mine: &mut Document, edit: &dyn Fn(&mut Document)| {
        edit(mine);
        mine.undo_boundary(stack, &[]).unwrap();
        steps.push(mine.take_update().unwrap());
    };
    step(&mut mine, &|mine| mine.text_insert(at, 3, &mut units("abc")).unwrap());
    step(&mut mine, &|mine| {
        mine.map_set(ROOT, "refused", &integer(1), 0).unwrap()
    });
    step(&mut mine, &|mine| mine.text_delete(at, 0, 2).unwrap());
    step(&mut mine, &|mine| {
        let map = mine.ensure_child(ROOT, "m", Kind::Map, 0).unwrap();
        mine.map_set(map, "k", &integer(2), 0).unwrap();
    });
    step(&mut mine, &|mine| mine.text_delete(at, 4, 2).unwrap());
    for trimmed in [false, true] {
        let state = theirs.encode_snapshot();
        let bridge = [joinery_types::Bridge {
            agent: 77,
            snapshot: &state,
        }];
        let start = if trimmed {
            theirs.trim(77).unwrap()
        } else {
            state.clone()
        };
        let mut into = Document::default();
        into.apply(&start, LATE).unwrap();
        into.set_agent(6);
        let options = joinery_types::ReplayOptions {
            bridges: if trimmed { &bridge } else { &[] },
            epoch: trimmed,
            ..Default::default()
        };
        let mut replay = joinery_types::Replay::new(&mine, &into, &options).unwrap();
        for (i, envelope) in steps.iter().enumerate() {
            if i == 1 {
                replay.refuse(&mine, &mut into, envelope).unwrap();
            } else {
                replay.add(&mine, &mut into, envelope).unwrap();
            }
        }
        assert_eq!(text(&into), "eabcwo");
        let carried = into.undo_carry(&replay, &mine, stack).unwrap();
        let bytes = into.undo_encode(carried).unwrap();
        let again = into.undo_decode(&bytes).unwrap();
        assert_eq!(into.undo_encode(again), Ok(bytes));
        assert_eq!(into.undo_depth(carried, UndoSide::Undo), Ok(4));
        assert!(into.undo(carried, 1).unwrap());
        assert_eq!(text(&into), "eabc two");
        assert!(into.undo(carried, 1).unwrap());
        assert_eq!(into.child(ROOT, "m", Kind::Map), None);
        assert!(into.undo(carried, 1).unwrap());
        assert_eq!(text(&into), "oneabc two");
        assert!(into.undo(carried, 1).unwrap());
        assert_eq!(text(&into), "one two");
        assert_eq!(into.undo(carried, 1), Ok(false));
        for _ in 0..4 {
            assert!(into.redo(carried, 1).unwrap());
        }
        assert_eq!(text(&into), "eabcwo");
        assert!(into.child(ROOT, "m", Kind::Map).is_some());
    }
}

#[test]
fn a_deleted_key_comes_back_in_a_copy_of_its_map_also_when_it_was_written_again_meanwhile() {
    let mut document = Document::default();
    document.set_agent(1);
    let map = document.ensure_child(ROOT, "m", Kind::Map, 0).unwrap();
    document.map_set(map, "k", &integer(1), 0).unwrap();
    let mut twin = Twin::new(&mut document);
    twin.step(&mut document, |document| {
        let _ = document.map_delete(map, "k", 0).unwrap();
    });
    twin.step(&mut document, |document| {
        let _ = document.map_delete(ROOT, "m", 0).unwrap();
    });
    assert!(twin.take_back(&mut document, UndoSide::Undo, 0));
    let copy = document.child(ROOT, "m", Kind::Map).unwrap();
    twin.step(&mut document, |document| {
        document.map_set(copy, "k", &integer(2), 0).unwrap()
    });
    assert!(twin.take_back(&mut document, UndoSide::Undo, 0));
    assert!(twin.take_back(&mut document, UndoSide::Undo, 0));
    assert_eq!(document.map_get(copy, "k"), Ok(Some(Entry::Plain(&integer(1)))));
}

#[test]
fn what_a_trim_has_forgotten_comes_back_behind_what_stood_on_its_left() {
    let (mut mine, mut theirs, at) = shared();
    let stack = mine.undo_start(&[]).unwrap();
    mine.text_delete(at, 4, 2).unwrap();
    send(&mut mine, &mut theirs);
    let state = theirs.encode_snapshot();
    let bridges = [joinery_types::Bridge {
        agent: 77,
        snapshot: &state,
    }];
    let mut into = Document::default();
    into.apply(&theirs.trim(77).unwrap(), LATE).unwrap();
    into.set_agent(6);
    let options = joinery_types::ReplayOptions {
        bridges: &bridges,
        epoch: true,
        ..Default::default()
    };
    let replay = joinery_types::Replay::new(&mine, &into, &options).unwrap();
    let carried = into.undo_carry(&replay, &mine, stack).unwrap();
    assert_eq!(text(&into), "one o");
    let again = into.undo_encode(carried).unwrap();
    assert!(into.undo(carried, 1).unwrap());
    assert_eq!(text(&into), "one two");
    assert!(into.redo(carried, 1).unwrap());
    assert_eq!(text(&into), "one o");
    let again = into.undo_decode(&again).unwrap();
    assert!(into.undo(again, 1).unwrap());
    assert_eq!(text(&into), "one two");
}

/// A step that covers, removes or copies what is marked, and its undo.
type Covering = fn(&mut Document, u32);

#[test]
fn a_mark_of_others_that_an_undo_brought_back_is_not_taken_for_ones_own() {
    let mark = |document: &mut Document, at, value: &[u8], now| {
        document
            .text_mark(at, (0, 7), "bold", value, Expand::None, now)
            .unwrap()
    };
    let covering: [Covering; 3] = [
        |mine, at| {
            mine.text_mark(at, (0, 7), "bold", &[0], Expand::None, 40).unwrap();
        },
        |mine, at| mine.text_delete(at, 1, 2).unwrap(),
        |mine, _| {
            mine.map_delete(ROOT, "t", 40).unwrap();
        },
    ];
    for cover in covering {
        let (mut mine, mut theirs, at) = shared();
        let stack = mine.undo_start(&[]).unwrap();
        mark(&mut mine, at, &[2], 10);
        mine.undo_boundary(stack, &[]).unwrap();
        send(&mut mine, &mut theirs);
        let there = theirs.child(ROOT, "t", Kind::Text).unwrap();
        mark(&mut theirs, there, &[0], 20);
        mark(&mut theirs, there, &[2], 30);
        send(&mut theirs, &mut mine);
        let bold = seen(&mine);
        cover(&mut mine, at);
        let covered = seen(&mine);
        for _ in 0..3 {
            assert!(mine.undo(stack, 50).unwrap());
            assert_eq!(seen(&mine), bold);
            // What the undo has brought back goes again with a redo.
            assert!(mine.redo(stack, 50).unwrap());
            assert_eq!(seen(&mine), covered);
        }
        assert!(mine.undo(stack, 50).unwrap());
        let bytes = mine.undo_encode(stack).unwrap();
        let mut other = loaded(&mine.encode_snapshot(), 6);
        let there = other.undo_decode(&bytes).unwrap();
        assert_eq!(other.undo_encode(there), Ok(bytes));
        for (document, stack) in [(&mut mine, stack), (&mut other, there)] {
            assert_eq!(document.undo(stack, 50), Ok(false), "another's mark was taken off");
            assert_eq!(seen(document), bold);
        }
    }
}

/// The state that `document` is after trims, with the stack of `mine`, which has nothing that isn't there.
fn carried(random: &mut Random, mine: &Document, stack: u32, trims: usize) -> (Document, u32) {
    let mut state = mine.encode_snapshot();
    let mut bridges = Vec::new();
    for _ in 0..trims {
        let agent = random.next();
        let trimmed = loaded(&state, 1).trim(agent).unwrap();
        bridges.push((agent, std::mem::replace(&mut state, trimmed)));
    }
    let mut into = loaded(&state, random.next());
    let bridges = refs(&bridges);
    let options = ReplayOptions {
        bridges: &bridges,
        epoch: trims > 0,
        ..ReplayOptions::default()
    };
    let replay = Replay::new(mine, &into, &options).unwrap();
    let stack = into.undo_carry(&replay, mine, stack).unwrap();
    let bytes = into.undo_encode(stack).unwrap();
    let mut again = loaded(&into.encode_snapshot(), random.next());
    let stack = again.undo_decode(&bytes).unwrap();
    assert_eq!(again.undo_encode(stack), Ok(bytes));
    (again, stack)
}

#[test]
fn across_trims_what_is_ones_own_is_taken_back_as_without_them() {
    let none = joinery_history::Dot::NONE;
    let (mut mine, mut theirs, text) = shared();
    let [list, set, counter, tree, graph] = [Kind::List, Kind::Set, Kind::Counter, Kind::Tree, Kind::Graph]
        .map(|kind| mine.ensure_child(ROOT, kind.name(), kind, 0).unwrap());
    let label = |document: &mut Document, at: u32, id, name: i64| {
        let data = document.node_data(at, id).unwrap();
        document.map_set(data, "label", &integer(name), 0).unwrap();
    };
    mine.list_insert(list, 0, &[&integer(90)]).unwrap();
    mine.set_add(set, &integer(90)).unwrap();
    let above = mine.tree_create(tree, none, 0, 0, 0).unwrap();
    label(&mut mine, tree, above, 90);
    let node = mine.graph_add_node(graph).unwrap();
    label(&mut mine, graph, node, 90);
    let stack = mine.undo_start(&[]).unwrap();
    let mut steps = 0;
    let mut step = |mine: &mut Document| {
        assert!(mine.undo_boundary(stack, &[]).unwrap());
        steps += 1;
    };
    mine.list_insert(list, 1, &[&integer(1), &integer(2), &integer(3)])
        .unwrap();
    step(&mut mine);
    mine.list_set(list, 1, &integer(4), 0).unwrap();
    step(&mut mine);
    mine.list_delete(list, 0, 1).unwrap();
    step(&mut mine);
    mine.list_insert_child(list, 0, Kind::Map).unwrap();
    step(&mut mine);
    [5, 6, 7]
        .iter()
        .for_each(|&value| mine.set_add(set, &integer(value)).unwrap());
    step(&mut mine);
    mine.set_delete(set, &integer(90)).unwrap();
    step(&mut mine);
    mine.counter_add(counter, 8).unwrap();
    step(&mut mine);
    let (one, two) = (
        mine.tree_create(tree, none, 1, 0, 0).unwrap(),
        mine.tree_create(tree, none, 2, 0, 0).unwrap(),
    );
    [(one, 9), (two, 10)]
        .into_iter()
        .for_each(|(node, name)| label(&mut mine, tree, node, name));
    step(&mut mine);
    mine.tree_move(tree, two, one, 0, 0, 0).unwrap();
    step(&mut mine);
    mine.tree_delete(tree, above, 9).unwrap();
    step(&mut mine);
    let other = mine.graph_add_node(graph).unwrap();
    label(&mut mine, graph, other, 11);
    step(&mut mine);
    let edge = mine.graph_add_edge(graph, node, other).unwrap();
    label(&mut mine, graph, edge, 12);
    step(&mut mine);
    mine.text_mark(text, (0, 3), "bold", &[2], Expand::After, 0).unwrap();
    step(&mut mine);
    // Somebody else writes into the second element, adds a value too, and hangs something on a node.
    send(&mut mine, &mut theirs);
    let at = |document: &Document, kind: Kind| document.child(ROOT, kind.name(), kind).unwrap();
    let there = at(&theirs, Kind::List);
    theirs.list_set(there, 2, &integer(13), 0).unwrap();
    let there = at(&theirs, Kind::Set);
    theirs.set_add(there, &integer(5)).unwrap();
    let there = at(&theirs, Kind::Tree);
    let top = theirs.tree_children(there, none).unwrap();
    let hung = theirs.tree_create(there, top[0], 0, 0, 0).unwrap();
    label(&mut theirs, there, hung, 14);
    send(&mut theirs, &mut mine);
    for trims in 0..3 {
        let mut twin = mine.clone();
        let (mut into, carried) = carried(&mut Random(trims as u64), &mine, stack, trims);
        assert_eq!(seen(&into), seen(&twin));
        let mut walk = |side: UndoSide, count: usize| {
            for _ in 0..count {
                let before = seen(&twin);
                assert!(take_back(&mut twin, stack, side, 1));
                assert!(take_back(&mut into, carried, side, 1), "{side:?} of {before}");
                assert_eq!(seen(&into), seen(&twin), "{trims} trims, {side:?} of {before}");
            }
        };
        walk(UndoSide::Undo, steps);
        walk(UndoSide::Redo, steps);
        // Within the epoch a replay keeps what the trims' names tell.
        take_all(&mut into);
        let (mut into, carried) = self::carried(&mut Random(9), &into, carried, 0);
        for _ in 0..steps {
            assert!(take_back(&mut twin, stack, UndoSide::Undo, 1));
            assert!(take_back(&mut into, carried, UndoSide::Undo, 1));
            assert_eq!(seen(&into), seen(&twin));
        }
    }
}

/// A node that a move gives the index that it has hangs by another edge: what was done before is taken back all the same.
#[test]
fn a_move_to_the_same_index_among_siblings_alike_hides_nothing_done_before_it() {
    let none = joinery_history::Dot::NONE;
    // It was moved there, or made there: then a trim gives both edges one name.
    for (is_moved, trims) in [(true, 0), (false, 0), (false, 1), (false, 2)] {
        let (mut mine, mut theirs, _) = shared();
        let tree = mine.ensure_child(ROOT, "tree", Kind::Tree, 0).unwrap();
        let mut names = 0;
        let mut plant = |document: &mut Document, parent| {
            let tree = document.child(ROOT, "tree", Kind::Tree).unwrap();
            let node = document.tree_create(tree, parent, LAST_CHILD, 0, 0).unwrap();
            let data = document.node_data(tree, node).unwrap();
            names += 1;
            document.map_set(data, "label", &integer(names), 0).unwrap();
            node
        };
        let above = plant(&mut mine, none);
        let mut node = plant(&mut mine, above);
        send(&mut mine, &mut theirs);
        plant(&mut mine, none);
        plant(&mut theirs, none);
        send(&mut theirs, &mut mine);
        let stack = mine.undo_start(&[]).unwrap();
        let mut values = vec![seen(&mine)];
        if is_moved {
            assert!(mine.tree_move(tree, node, none, LAST_CHILD, 0, 0).unwrap());
        } else {
            node = plant(&mut mine, none);
        }
        mine.undo_boundary(stack, &[]).unwrap();
        values.push(seen(&mine));
        assert!(mine.tree_move(tree, node, none, 2, 0, 0).unwrap());
        values.push(seen(&mine));
        take_all(&mut mine);
        let (mut into, carried) = carried(&mut Random(trims as u64), &mine, stack, trims);
        for (side, value) in [
            (UndoSide::Undo, 1),
            (UndoSide::Undo, 0),
            (UndoSide::Redo, 1),
            (UndoSide::Redo, 2),
            (UndoSide::Undo, 1),
            (UndoSide::Undo, 0),
        ] {
            assert!(take_back(&mut into, carried, side, 1), "{side:?} to {}", values[value]);
            assert_eq!(seen(&into), values[value], "{trims} trims, {side:?}");
        }
    }
}

#[test]
fn across_trims_a_redo_takes_away_what_its_undo_had_brought_back_of_others_and_no_undo_does() {
    let none = joinery_history::Dot::NONE;
    let (mut mine, mut theirs, text) = shared();
    let [list, set, tree, graph] = [Kind::List, Kind::Set, Kind::Tree, Kind::Graph]
        .map(|kind| theirs.ensure_child(ROOT, kind.name(), kind, 0).unwrap());
    let map = theirs.ensure_child(ROOT, "map", Kind::Map, 0).unwrap();
    theirs.list_insert(list, 0, &[&integer(1), &integer(2)]).unwrap();
    theirs.set_add(set, &integer(1)).unwrap();
    theirs.map_set(map, "k", &integer(1), 0).unwrap();
    let above = theirs.tree_create(tree, none, 0, 0, 0).unwrap();
    theirs.tree_create(tree, above, 0, 0, 0).unwrap();
    theirs.graph_add_node(graph).unwrap();
    send(&mut theirs, &mut mine);
    let at = |document: &Document, kind: Kind| document.child(ROOT, kind.name(), kind).unwrap();
    let map = mine.child(ROOT, "map", Kind::Map).unwrap();
    let before = seen(&mine);
    let stack = mine.undo_start(&[]).unwrap();
    mine.list_delete(at(&mine, Kind::List), 0, 1).unwrap();
    mine.list_set(at(&mine, Kind::List), 0, &integer(3), 0).unwrap();
    mine.set_delete(at(&mine, Kind::Set), &integer(1)).unwrap();
    mine.map_set(map, "k", &integer(3), 0).unwrap();
    mine.text_delete(text, 1, 3).unwrap();
    let (tree, graph) = (at(&mine, Kind::Tree), at(&mine, Kind::Graph));
    let node = mine.tree_children(tree, none).unwrap()[0];
    assert!(mine.tree_delete(tree, node, 9).unwrap());
    let node = mine.graph_nodes(graph).unwrap()[0];
    assert!(mine.graph_delete(graph, node).unwrap());
    let after = seen(&mine);
    assert!(mine.undo(stack, 0).unwrap());
    take_all(&mut mine);
    for trims in 0..3 {
        let (mut into, carried) = carried(&mut Random(trims as u64), &mine, stack, trims);
        assert_eq!(seen(&into), before);
        assert!(into.redo(carried, 1).unwrap());
        assert_eq!(seen(&into), after, "{trims} trims");
        assert!(into.undo(carried, 1).unwrap());
        assert_eq!(seen(&into), before, "{trims} trims");
        assert_eq!(into.undo(carried, 1), Ok(false));
    }
}

/// Two write, one of them undoes now and then; then come trims, and the stack is gone through. How many steps were taken back.
fn across_trims(random: &mut Random, only: Option<Kind>) -> usize {
    let mut taken = 0;
    let mut documents: Vec<Document> = (0..2).map(|_| Document::default()).collect();
    let mut editors: Vec<Editor> = (1..3).map(|name| Editor { name, count: 0 }).collect();
    documents
        .iter_mut()
        .for_each(|document| document.set_agent(random.next()));
    let stack = documents[0].undo_start(&[]).unwrap();
    let mut written: Vec<Vec<u8>> = Vec::new();
    let mut brought = BTreeMap::new();
    for _ in 0..60 {
        let at = random.below(2);
        match random.below(8) {
            0..=3 => editors[at].edit(&mut documents[at], random, only),
            4 => {
                let _ = documents[0].undo_boundary(stack, &[]).unwrap();
            }
            5 => {
                take_back_of_ones_own(&mut documents[0], (stack, UndoSide::Undo), &mut brought);
            }
            _ => {
                for document in &mut documents {
                    written.extend(take_all(document));
                }
                for envelope in &written {
                    documents[at].apply(envelope, LATE).unwrap();
                }
            }
        }
    }
    let (mine, others) = documents.split_at_mut(1);
    send(&mut others[0], &mut mine[0]);
    for envelope in &written {
        mine[0].apply(envelope, LATE).unwrap();
    }
    take_all(&mut mine[0]);
    let trims = random.below(3);
    let (mut into, stack) = carried(random, &mine[0], stack, trims);
    for side in [UndoSide::Undo, UndoSide::Redo, UndoSide::Undo] {
        while take_back_of_ones_own(&mut into, (stack, side), &mut brought) {
            taken += 1;
        }
    }
    taken
}

#[test]
fn across_trims_what_others_wrote_is_never_taken_away() {
    // A copy brought back what somebody else had put into a node.
    for_these([5034], |random| assert!(across_trims(random, None) > 0));
    // A node with another's below it went back to where it had been hidden.
    for_these([5843], |random| assert!(across_trims(random, Some(Kind::Tree)) > 0));
    // What had come back of somebody else's counted as one's own once a trim had named it; and with a node of a circle all of the
    // circle went, also what it was shown below.
    for_these([20_119, 102_737], |random| {
        assert!(across_trims(random, Some(Kind::Tree)) > 0)
    });
    let undone = Cell::new(0);
    for only in KINDS.into_iter().map(Some).chain([None, None, None]) {
        for_seeds(40, |random| undone.set(undone.get() + across_trims(random, only)));
    }
    assert!(undone.get() > 1000, "only {} steps were taken back", undone.get());
}
