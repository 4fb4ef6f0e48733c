//! A million operations over all types, on two replicas that exchange them, save and load; then both are dropped, and every byte
//! that was allocated has been given back. It counts natively what `sdk/src/core/memory.test.ts` shows of linear memory.

#![allow(unsafe_code, clippy::unwrap_used)]

use joinery_history::Dot;
use joinery_types::{Document, Expand, Kind, ROOT};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

const OPERATIONS: u32 = 1_000_000;
const LATE: u64 = 1 << 46;

thread_local! {
    /// What this thread has allocated and not given back, in bytes. Others, such as the one that waits for the test, don't count.
    static IN_USE: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    IN_USE.with(|in_use| in_use.set(in_use.get() + bytes));
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator as it came; the counter allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        System.alloc(layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        System.dealloc(block, layout);
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Writes until there are as many operations. How many bytes were in use then.
fn live() -> isize {
    let (mut author, mut reader) = (Document::default(), Document::default());
    author.set_agent(1);
    let child = |author: &mut Document, key, kind| author.ensure_child(ROOT, key, kind, 1).unwrap();
    let text = child(&mut author, "text", Kind::Text);
    let list = child(&mut author, "list", Kind::List);
    let map = child(&mut author, "map", Kind::Map);
    let counter = child(&mut author, "counter", Kind::Counter);
    let set = child(&mut author, "set", Kind::Set);
    let tree = child(&mut author, "tree", Kind::Tree);
    let graph = child(&mut author, "graph", Kind::Graph);
    author.list_insert(list, 0, &[&[0]]).unwrap();
    let mut node = author.tree_create(tree, Dot::NONE, 0, 0, 1).unwrap();
    let mut vertex = author.graph_add_node(graph).unwrap();
    let mut round = 0u32;
    while author.own_seq() < OPERATIONS {
        let now = u64::from(round);
        let value = [5, 1, b'a' + (round % 26) as u8];
        let len = author.text_len(text).unwrap();
        let mut sentence = units("Of what was typed here, most is deleted later, and its place stays. ").repeat(6);
        author
            .text_insert(text, round * 7919 % (len + 1), &mut sentence)
            .unwrap();
        author.text_insert(text, 1, &mut units("x")).unwrap();
        if len > 4000 {
            author.text_delete(text, 500, 3000).unwrap();
        }
        author
            .text_mark(text, (0, 1 + round % 30), "color", &value, Expand::After, now)
            .unwrap();
        let len = author.list_len(list).unwrap();
        author.list_insert(list, round % len, &[&value]).unwrap();
        author.list_set(list, 0, &value, now).unwrap();
        author.list_move(list, len, 0, now).unwrap();
        if round.is_multiple_of(50) {
            let inner = author.list_insert_child(list, 0, Kind::Text).unwrap();
            author.text_insert(inner, 0, &mut units("in a list")).unwrap();
        }
        if len > 300 {
            author.list_delete(list, 100, 150).unwrap();
        }
        author
            .map_set(map, &format!("key {}", round % 200), &value, now)
            .unwrap();
        let fresh = author.create_child(ROOT, "fresh", Kind::List, now).unwrap();
        author.list_insert(fresh, 0, &[&value]).unwrap();
        author.counter_add(counter, 2).unwrap();
        author.set_add(set, &value).unwrap();
        author.set_delete(set, &[5, 1, b'a' + (round * 7 % 26) as u8]).unwrap();
        let next = author.tree_create(tree, node, 0, 0, now).unwrap();
        author.tree_move(tree, next, Dot::NONE, 0, 0, now).unwrap();
        let data = author.node_data(tree, next).unwrap();
        author.map_set(data, "title", &value, now).unwrap();
        author.tree_delete(tree, node, now).unwrap();
        node = next;
        let another = author.graph_add_node(graph).unwrap();
        author.graph_add_edge(graph, vertex, another).unwrap();
        author.graph_delete(graph, vertex).unwrap();
        vertex = another;
        if round % 500 == 250 {
            while let Some(update) = author.take_update() {
                reader.apply(&update, LATE).unwrap();
            }
        }
        if round.is_multiple_of(500) {
            let mut again = Document::default();
            again.apply(&reader.encode_snapshot(), LATE).unwrap();
            reader = again;
        }
        round += 1;
    }
    let update = author.export_update(Some(&reader.version_bytes())).unwrap();
    reader.apply(&update, LATE).unwrap();
    assert!(reader.encode_snapshot() == author.encode_snapshot());
    IN_USE.get()
}

#[test]
fn a_million_operations_then_a_drop_leave_the_allocator_where_it_was() {
    // What is allocated once and for all (the seeds of hash tables, say) is, by then.
    drop(Document::default());
    let before = IN_USE.get();
    let at_work = live();
    assert!(at_work > before + (1 << 20));
    assert_eq!(IN_USE.get(), before);
}
