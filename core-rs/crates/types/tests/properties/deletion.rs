//! A deletion against each operation at the same time, per type: the vectors of `tests/vectors/deletion.json`, which every
//! language reads, met in every way that two replicas can meet.

use crate::json::Json;
use crate::nodes::id_of;
use crate::peer::{plain, rich, take_all, units, Handle, Peer, LATE};
use joinery_oracle::{Dot, Kind, Log};
use joinery_types::Document;

fn kind(name: &str) -> Kind {
    match name {
        "map" => Kind::Map,
        "list" => Kind::List,
        "text" => Kind::Text,
        "counter" => Kind::Counter,
        "set" => Kind::Set,
        "tree" => Kind::Tree,
        "graph" => Kind::Graph,
        other => panic!("{other:?} is no kind"),
    }
}

struct Author<'a> {
    peer: Peer,
    log: &'a mut Log,
    now: u64,
}

impl Author<'_> {
    /// The container at a path; missing ones at keys are created.
    fn find(&mut self, path: &[Json], last: Kind) -> Handle {
        let mut at = Handle::root();
        for (i, step) in path.iter().enumerate() {
            if let (Json::String(id), true) = (step, matches!(at.kind(), Kind::Tree | Kind::Graph)) {
                at = self.peer.data(&at, id_of(id));
                continue;
            }
            let wanted = match path.get(i + 1) {
                None => last,
                // A node's id leads on from a tree or a graph that is there.
                Some(Json::String(id)) if id.contains(':') => {
                    let found = match step {
                        Json::String(key) => self.peer.at_key(self.log, &at, key),
                        index => self.peer.at_index(self.log, &at, index.number() as usize),
                    };
                    at = found.expect("a container");
                    continue;
                }
                Some(Json::String(_)) => Kind::Map,
                Some(_) => Kind::List,
            };
            at = match step {
                Json::String(key) => self.peer.ensure(self.log, &at, key, wanted, self.now),
                index => {
                    let index = index.number() as usize;
                    self.peer.at_index(self.log, &at, index).expect("a container")
                }
            };
            assert_eq!(at.kind(), wanted);
        }
        at
    }

    fn perform(&mut self, operation: &Json) {
        let [name, path, arguments @ ..] = operation.items() else {
            panic!("{operation:?} is no operation");
        };
        let (type_name, verb) = name.text().split_once('.').unwrap();
        let at = self.find(path.items(), kind(type_name));
        let (log, now) = (&mut *self.log, self.now);
        let peer = &mut self.peer;
        let index = |i: usize| arguments[i].number() as usize;
        match (type_name, verb) {
            ("map", "set") => peer.map_set(log, &at, arguments[0].text(), &arguments[1].pack(), now),
            ("map", "delete") => peer.map_delete(log, &at, arguments[0].text(), now),
            ("map", "create") => {
                peer.create(log, &at, arguments[0].text(), kind(arguments[1].text()), now);
            }
            ("list", "insert") => {
                let values: Vec<Vec<u8>> = arguments[1..].iter().map(Json::pack).collect();
                let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
                peer.list_insert(log, &at, index(0), &values);
            }
            ("list", "insertContainer") => {
                peer.list_insert_child(log, &at, index(0), kind(arguments[1].text()));
            }
            ("list", "set") => peer.list_set(log, &at, index(0), &arguments[1].pack(), now),
            ("list", "setContainer") => {
                peer.list_set_child(log, &at, index(0), kind(arguments[1].text()), now);
            }
            ("list", "move") => peer.list_move(log, &at, index(0), index(1), now),
            ("list", "delete") => peer.list_delete(log, &at, index(0), index(1)),
            ("text", "insert") => peer.text_insert(log, &at, index(0), &units(arguments[1].text())),
            ("text", "mark") => {
                let (key, value) = (arguments[2].text(), arguments[3].pack());
                peer.text_mark(log, &at, (index(0), index(1)), (key, &value), now);
            }
            ("text", "delete") => peer.text_delete(log, &at, index(0), index(1)),
            ("counter", "increment") => peer.counter_add(log, &at, arguments[0].number()),
            ("set", "add") => peer.set_add(log, &at, &arguments[0].pack()),
            ("set", "delete") => peer.set_delete(log, &at, &arguments[0].pack()),
            ("tree", "create") => {
                peer.tree_create_at(log, &at, node(&arguments[0]), index(1), 0, now);
            }
            ("tree", "move") => {
                let (moved, parent) = (id_of(arguments[0].text()), node(&arguments[1]));
                peer.tree_move_to(log, &at, moved, parent, index(2), 0, now);
            }
            ("graph", "addNode") => peer.graph_add_node(log, &at),
            ("graph", "addEdge") => {
                let ends = [0, 1].map(|i: usize| id_of(arguments[i].text()));
                peer.graph_add_edge(log, &at, (ends[0], ends[1]));
            }
            ("tree", "delete") => peer.tree_delete(log, &at, id_of(arguments[0].text()), now),
            ("graph", "delete") => peer.graph_delete(log, &at, id_of(arguments[0].text())),
            _ => panic!("{name:?} is no operation"),
        }
    }
}

/// A node, or none for the top.
fn node(id: &Json) -> Option<Dot> {
    (*id != Json::Null).then(|| id_of(id.text()))
}

/// One replica's part: on what it starts, and what it does there.
fn write(log: &mut Log, agent: u64, now: u64, base: &[Vec<u8>], operations: &Json) -> (Peer, Vec<Vec<u8>>) {
    let mut author = Author {
        peer: Peer::new(agent),
        log,
        now,
    };
    for envelope in base {
        author.peer.receive(author.log, envelope, LATE);
    }
    operations
        .items()
        .iter()
        .for_each(|operation| author.perform(operation));
    let mut peer = author.peer;
    let envelopes = take_all(&mut peer.document);
    (peer, envelopes)
}

fn meet(name: &str, vector: &Json) {
    let mut log = Log::default();
    let (base, base_envelopes) = write(&mut log, 1, 1000, &[], vector.get("base"));
    let (left, left_envelopes) = write(&mut log, 2, 2000, &base_envelopes, vector.get("left"));
    let (right, right_envelopes) = write(&mut log, 3, 3000, &base_envelopes, vector.get("right"));
    let (left_state, right_state) = (left.document.encode_snapshot(), right.document.encode_snapshot());
    let export = |from: &Peer| {
        let since = base.document.version_bytes();
        from.document.export_update(Some(&since)).unwrap()
    };
    let (left_update, right_update) = (vec![export(&left)], vec![export(&right)]);
    let (left_state, right_state) = (vec![left_state], vec![right_state]);
    let backwards: Vec<Vec<u8>> = [&right_envelopes, &left_envelopes, &base_envelopes]
        .into_iter()
        .flat_map(|envelopes| envelopes.iter().rev().cloned())
        .collect();
    let nobody = Document::default();
    type Way<'a> = (&'a str, &'a Document, Vec<&'a [Vec<u8>]>);
    let ways: [Way<'_>; 11] = [
        ("left hears of right", &left.document, vec![&right_envelopes]),
        ("right hears of left", &right.document, vec![&left_envelopes]),
        (
            "base, left, right",
            &base.document,
            vec![&left_envelopes, &right_envelopes],
        ),
        (
            "base, right, left",
            &base.document,
            vec![&right_envelopes, &left_envelopes],
        ),
        ("everything backwards", &nobody, vec![&backwards]),
        ("left joins right's state", &left.document, vec![&right_state]),
        ("right joins left's state", &right.document, vec![&left_state]),
        ("left joins right's update", &left.document, vec![&right_update]),
        ("right joins left's update", &right.document, vec![&left_update]),
        ("both states", &nobody, vec![&left_state, &right_state]),
        (
            "update on envelopes",
            &base.document,
            vec![&right_envelopes, &left_update],
        ),
    ];
    let mut snapshots = Vec::new();
    for (way, document, updates) in ways {
        let mut document = document.clone();
        for update in updates.into_iter().flatten() {
            document.apply(update, LATE).unwrap();
        }
        assert_eq!(document.pending_count(), 0);
        assert_eq!(
            plain(&document),
            vector.get("reads").pack(),
            "{name}, {way}: {:?}",
            vector.get("reads")
        );
        if vector.has("deltas") {
            let deltas: Vec<Vec<u8>> = vector.get("deltas").items().iter().map(Json::pack).collect();
            assert_eq!(rich(&document), deltas, "{name}, {way}");
        }
        snapshots.push(document.encode_snapshot());
    }
    assert!(snapshots.iter().all(|snapshot| *snapshot == snapshots[0]), "{name}");
    let mut reader = Peer::new(4);
    reader.receive(&log, &snapshots[0], LATE);
    reader.check(&log);
}

#[test]
fn a_deletion_against_each_operation_reads_as_the_vectors_say() {
    assert!(meet_all("deletion.json") >= 287);
}

/// Goes through a file of vectors; how many there are.
pub fn meet_all(file: &str) -> usize {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/vectors/");
    let file = Json::parse(&std::fs::read_to_string(path.to_string() + file).unwrap());
    let vectors = file.get("vectors").items();
    for vector in vectors {
        meet(vector.get("name").text(), vector);
    }
    vectors.len()
}
