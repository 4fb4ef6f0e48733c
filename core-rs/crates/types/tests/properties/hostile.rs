//! Bad bytes at every decoder: no panic; what is refused has a typed error and changes nothing; what is taken leaves a
//! document that still works and that its own snapshot rebuilds.

use crate::edits::{Scope, EVERY_SCOPE};
use crate::exchange::World;
use crate::mutation::{damaged, snapshot_of, SNAPSHOT_HEADER};
use crate::peer::{integer, shown, take_all, units, LATE};
use crate::random::{rounds, Random};
use joinery_codec::{check_value, decode_wtf8_to_units, Reader};
use joinery_history::{Dot, EnvelopeHeader, Version};
use joinery_types::{Applied, Document, Entry, Error, Expand, Kind, ROOT};

const INPUTS: u64 = 100_000;

/// Good bytes of every kind, and documents on which they fall.
struct Corpus {
    envelopes: Vec<Vec<u8>>,
    updates: Vec<Vec<u8>>,
    snapshots: Vec<Vec<u8>>,
    versions: Vec<Vec<u8>>,
    victims: Vec<Document>,
}

fn corpus(seed: u64) -> Corpus {
    let mut random = Random(seed);
    let mut corpus = Corpus {
        envelopes: Vec::new(),
        updates: Vec::new(),
        snapshots: Vec::new(),
        versions: vec![vec![0]],
        victims: vec![Document::default()],
    };
    for round in 0..12 {
        let scope = if round % 2 == 0 {
            Scope::Mixed
        } else {
            EVERY_SCOPE[round / 2]
        };
        let mut world = World::new(&mut random);
        for _ in 0..30 + random.below(60) {
            world.step(&mut random, scope);
        }
        world.collect_all();
        for peer in &world.peers {
            corpus.versions.push(peer.document.version_bytes());
            corpus.snapshots.push(peer.document.encode_snapshot());
            corpus.updates.push(peer.document.export_update(None).unwrap());
            for other in &world.peers {
                let since = other.document.version_bytes();
                corpus.updates.push(peer.document.export_update(Some(&since)).unwrap());
            }
            corpus.victims.push(peer.document.clone());
        }
        corpus.envelopes.extend(world.envelopes);
    }
    corpus
}

/// A document, what it was, and a copy to begin anew with.
struct Victim {
    document: Document,
    copy: Document,
    snapshot: Vec<u8>,
    insides: String,
}

impl Victim {
    fn new(document: &Document) -> Victim {
        let mut document = document.clone();
        if document.agent().is_none() {
            document.set_agent(77);
        }
        document.record_patches(true);
        Victim {
            copy: document.clone(),
            snapshot: document.encode_snapshot(),
            insides: format!("{document:?}"),
            document,
        }
    }

    /// Nothing may have changed, to the last field now and then.
    fn is_as_it_was(&mut self, thoroughly: bool) {
        assert_eq!(self.document.revision(), self.copy.revision());
        assert_eq!(self.document.pending_count(), self.copy.pending_count());
        assert!(self.document.version_bytes() == self.copy.version_bytes());
        assert!(self.document.encode_snapshot() == self.snapshot);
        // (A look at none changes nothing.)
        assert_eq!(self.document.take_patches(&mut Vec::new()), 0);
        if thoroughly {
            assert!(format!("{:?}", self.document) == self.insides);
        }
    }

    fn feed(&mut self, bytes: &[u8], tally: &mut Tally, random: &mut Random) {
        match self.document.apply(bytes, LATE) {
            Err(error) => {
                assert!(!error.code().is_empty() && !error.to_string().is_empty());
                tally.refused += 1;
                self.is_as_it_was(random.once_in(64));
            }
            Ok(Applied::Duplicate) => {
                tally.duplicate += 1;
                self.is_as_it_was(random.once_in(64));
            }
            Ok(Applied::Waiting) => {
                tally.waiting += 1;
                assert!(self.document.version_bytes() == self.copy.version_bytes());
                assert!(self.document.pending_count() >= self.copy.pending_count());
                self.document = self.copy.clone();
            }
            Ok(Applied::Joined) => {
                tally.joined += 1;
                self.document.take_patches(&mut Vec::new());
                if random.once_in(3) {
                    still_works(&self.document, random);
                }
                self.document = self.copy.clone();
            }
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    refused: u64,
    duplicate: u64,
    waiting: u64,
    joined: u64,
}

/// A document that has taken something odd: it can be read, its states rebuild it, and it can be written on.
fn still_works(document: &Document, random: &mut Random) {
    let content = shown(document);
    let snapshot = document.encode_snapshot();
    let rebuilt = |state: &[u8]| {
        let mut fresh = Document::default();
        let applied = fresh.apply(state, LATE);
        assert!(
            matches!(applied, Ok(Applied::Joined | Applied::Duplicate)),
            "its own state is {applied:?}"
        );
        assert!(shown(&fresh) == content, "a state gives another content");
        assert!(fresh.encode_snapshot() == snapshot, "a state gives another state");
        fresh
    };
    let mut reader = rebuilt(&snapshot);
    rebuilt(&document.export_update(None).unwrap());
    let mut writer = document.clone();
    take_all(&mut writer);
    for _ in 0..4 {
        write_anywhere(&mut writer, random);
    }
    for envelope in take_all(&mut writer) {
        let applied = reader.apply(&envelope, LATE);
        assert_eq!(applied, Ok(Applied::Joined), "what is written on it");
    }
    assert!(shown(&reader) == shown(&writer));
    assert!(reader.encode_snapshot() == writer.encode_snapshot());
}

/// The nodes and edges of a container, in any order.
fn some_ids(document: &mut Document, at: u32, kind: Kind) -> Vec<Dot> {
    if kind == Kind::Graph {
        let edges = document.graph_edges(at).unwrap();
        let mut ids = document.graph_nodes(at).unwrap();
        ids.extend(edges.iter().map(|edge| edge.0));
        return ids;
    }
    let mut ids = document.tree_children(at, Dot::NONE).unwrap();
    let mut next = 0;
    while next < ids.len() {
        ids.extend(document.tree_children(at, ids[next]).unwrap());
        next += 1;
    }
    ids
}

fn write_nodes(document: &mut Document, at: u32, kind: Kind, random: &mut Random) -> Result<(), Error> {
    let ids = some_ids(document, at, kind);
    if ids.is_empty() || random.once_in(3) {
        return match kind {
            Kind::Graph => document.graph_add_node(at).map(drop),
            _ => document.tree_create(at, Dot::NONE, 0, 7, 9).map(drop),
        };
    }
    let (one, two) = (*random.pick(&ids), *random.pick(&ids));
    let done = match (random.below(3), kind) {
        (0, Kind::Tree) => document.tree_delete(at, one, 9).map(drop),
        (0, _) => document.graph_delete(at, one).map(drop),
        (1, _) => document
            .node_data(at, one)
            .and_then(|data| document.map_set(data, "d", &[0], 9)),
        (_, Kind::Tree) => document.tree_move(at, one, two, 0, 7, 9).map(drop),
        _ => document.graph_add_edge(at, one, two).map(drop),
    };
    // An edge is no end of an edge, and a node doesn't go below itself.
    done.or_else(|error| match error {
        Error::NoSuchNode | Error::MoveIntoItself => Ok(()),
        other => Err(other),
    })
}

/// One edit in some container. At the edge of a limit it may be refused.
fn write_anywhere(document: &mut Document, random: &mut Random) {
    let (mut at, mut kind) = (ROOT, Kind::Map);
    while !random.once_in(4) {
        let mut children = Vec::new();
        if kind == Kind::Map {
            let keys: Vec<_> = document.map_keys(at).unwrap().cloned().collect();
            for key in keys {
                if let Some(Entry::Child(child, kind)) = document.map_get(at, &key).unwrap() {
                    children.push((child, kind));
                }
            }
        } else if kind == Kind::List {
            for index in 0..document.list_len(at).unwrap() {
                if let Some(Entry::Child(child, kind)) = document.list_get(at, index).unwrap() {
                    children.push((child, kind));
                }
            }
        }
        if matches!(kind, Kind::Tree | Kind::Graph) {
            for id in some_ids(document, at, kind) {
                children.extend(document.node_data(at, id).ok().map(|data| (data, Kind::Map)));
            }
        }
        if children.is_empty() {
            break;
        }
        (at, kind) = *random.pick(&children);
    }
    let place = |len: u32, random: &mut Random| random.below(len as usize + 1) as u32;
    let value = integer(random.below(9) as i64);
    let done = match kind {
        Kind::Map if random.once_in(3) => document.create_child(at, "a", Kind::Text, 9).map(drop),
        Kind::Map => document.map_set(at, "b", &value, 9),
        Kind::Text => {
            let len = document.text_len(at).unwrap();
            let from = place(len, random);
            match random.below(4) {
                0 => document.text_delete(at, from, place(len - from, random)),
                1 | 2 => document.text_insert(at, from, &mut units("w😀")),
                _ => {
                    let range = (from, from + place(len - from, random));
                    let done = document.text_mark(at, range, "bold", &value, Expand::After, 9);
                    done.map(drop)
                }
            }
        }
        Kind::List => {
            let len = document.list_len(at).unwrap();
            let from = place(len, random);
            match random.below(4) {
                3 if from < len => document.list_move(at, from, random.below(len as usize) as u32, 9),
                0 => document.list_delete(at, from, place(len - from, random)),
                1 if from < len => document.list_set(at, from, &value, 9),
                _ => document.list_insert(at, from, &[&value]),
            }
        }
        Kind::Counter => document.counter_add(at, 1),
        Kind::Set if random.once_in(2) => document.set_delete(at, &value).map(drop),
        Kind::Set => document.set_add(at, &value),
        Kind::Tree | Kind::Graph => write_nodes(document, at, kind, random),
    };
    assert!(matches!(done, Ok(()) | Err(Error::LimitExceeded(_))), "{done:?}");
}

/// Parts that ascend, about what an envelope states; now and then others.
fn some_parts(envelope: &[u8], random: &mut Random) -> Vec<(u32, u32)> {
    let header = EnvelopeHeader::decode(&mut Reader::new(envelope));
    let (mut at, most) = header.map_or((0, 40), |header| {
        (header.from.saturating_sub(2), header.to - header.from)
    });
    let mut parts = Vec::new();
    for _ in 0..random.below(6) {
        let from = at.saturating_add(random.below(most.min(9) as usize + 1) as u32);
        at = from.saturating_add(1 + random.below(4) as u32);
        parts.push((from, at));
    }
    match random.below(12) {
        0 => parts.push((at, u32::MAX)),
        1 => parts.push((random.next() as u32, random.next() as u32)),
        2 => random.shuffle(&mut parts),
        _ => {}
    }
    parts
}

/// Held against a naive twin, which passes over the envelope for each part anew.
#[test]
fn damaged_envelopes_are_described_by_parts_as_part_by_part() {
    let (mut told, mut refused) = (0, 0);
    for round in 0..8 * rounds() {
        let corpus = corpus(600 + round);
        let mut random = Random(700 ^ round << 32);
        for _ in 0..INPUTS / 8 {
            let bad = damaged(&corpus.envelopes, &mut random);
            let document = random.pick(&corpus.victims);
            let parts = some_parts(&bad, &mut random);
            let mut out = vec![1];
            let described = document.describe_parts(&bad, &parts, &mut out);
            let one = |part: &(u32, u32)| {
                let mut out = Vec::new();
                let done = document.describe_parts(&bad, &[*part], &mut out);
                done.map(|()| out)
            };
            match described {
                Ok(()) => {
                    check_value(&out[1..]).unwrap();
                    let mut reader = Reader::new(&out[2..]);
                    let count = reader.varint("a count").unwrap();
                    let mut expected = (0, Vec::new());
                    for part in &parts {
                        let alone = one(part).unwrap();
                        let mut reader = Reader::new(&alone[1..]);
                        expected.0 += reader.varint("a count").unwrap();
                        expected.1.extend(&alone[1 + reader.offset()..]);
                    }
                    assert_eq!((count, &out[2 + reader.offset()..]), (expected.0, &expected.1[..]));
                    told += u64::from(count > 0);
                }
                Err(error) => {
                    assert!(["invalid-update", "limit-exceeded"].contains(&error.code()), "{error}");
                    assert_eq!(out, [1]);
                    let ascend = parts.windows(2).all(|pair| pair[0].1 <= pair[1].0);
                    assert!(!ascend || parts.is_empty() || parts.iter().any(|part| one(part).is_err()));
                    refused += 1;
                }
            }
        }
    }
    assert!(
        told > INPUTS / 20 && refused > INPUTS / 10,
        "{told} told, {refused} refused"
    );
}

/// Feeds damaged inputs from `inputs` to the documents of a corpus. `seal` turns a damaged piece into what is fed.
fn assail(name: &str, seed: u64, pick: impl Fn(&Corpus) -> Vec<Vec<u8>>, seal: impl Fn(Vec<u8>) -> Vec<u8>) {
    let mut tally = Tally::default();
    let per_corpus = INPUTS / 8;
    for round in 0..8 * rounds() {
        let corpus = corpus(seed + round);
        let inputs = pick(&corpus);
        let mut random = Random(seed ^ round << 32);
        let mut victims: Vec<Victim> = corpus.victims.iter().map(Victim::new).collect();
        for _ in 0..per_corpus {
            let input = seal(damaged(&inputs, &mut random));
            let victim = random.below(victims.len());
            let before = random.clone();
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                victims[victim].feed(&input, &mut tally, &mut random);
            }));
            if let Err(panic) = outcome {
                eprintln!(
                    "{name}: corpus {}, {before:?}, victim {victim}, input {input:?}",
                    seed + round
                );
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{name}: {tally:?}");
    // Damage that never gets past the first check would prove little.
    assert!(tally.joined > INPUTS / 100 && tally.refused > INPUTS / 10);
}

#[test]
fn damaged_envelopes() {
    assail("envelopes", 1000, |corpus| corpus.envelopes.clone(), |bytes| bytes);
}

#[test]
fn damaged_updates() {
    assail("updates", 2000, |corpus| corpus.updates.clone(), |bytes| bytes);
}

#[test]
fn damaged_snapshots_with_a_checksum_that_fits() {
    let bodies = |corpus: &Corpus| {
        let bodies = corpus
            .snapshots
            .iter()
            .map(|snapshot| snapshot[SNAPSHOT_HEADER..].to_vec());
        bodies.collect()
    };
    assail("snapshots", 3000, bodies, |body| snapshot_of(&body));
}

#[test]
fn damaged_snapshots() {
    let corpus = corpus(4000);
    let mut random = Random(4000);
    let mut victims: Vec<Victim> = corpus.victims.iter().map(Victim::new).collect();
    for _ in 0..INPUTS * rounds() {
        let input = damaged(&corpus.snapshots, &mut random);
        if corpus.snapshots.contains(&input) {
            continue;
        }
        let at = random.below(victims.len());
        let victim = &mut victims[at];
        let applied = victim.document.apply(&input, LATE);
        let error = applied.expect_err("a damaged snapshot was taken");
        assert!(matches!(error.code(), "invalid-snapshot" | "invalid-update"), "{error}");
        victim.is_as_it_was(false);
    }
}

#[test]
fn damaged_versions() {
    let corpus = corpus(5000);
    let mut random = Random(5000);
    let victims: Vec<Victim> = corpus.victims.iter().map(Victim::new).collect();
    let mut taken = 0;
    for _ in 0..INPUTS * rounds() {
        let input = damaged(&corpus.versions, &mut random);
        let victim = random.pick(&victims);
        let decoded = Version::decode(&input).is_ok();
        taken += u64::from(decoded);
        let covers = victim.document.covers(&input);
        let update = victim.document.export_update(Some(&input));
        if decoded {
            covers.unwrap();
            let mut fresh = Document::default();
            fresh.apply(&update.unwrap(), LATE).unwrap();
        } else {
            assert_eq!(covers.unwrap_err().code(), "invalid-version");
            assert_eq!(update.unwrap_err().code(), "invalid-version");
        }
    }
    assert!(taken > INPUTS / 100);
}

#[test]
fn damaged_values() {
    let mut random = Random(6000);
    let mut values: Vec<Vec<u8>> = [0, 1, -1, 63, 64, (1 << 53) - 1, 1 - (1 << 53)].map(integer).to_vec();
    values.extend([
        vec![0],
        vec![1],
        vec![2],
        vec![5, 0],
        vec![6, 2, 0xff, 0],
        vec![7, 0],
        vec![8, 0],
    ]);
    values.push([&[4][..], &0.5f64.to_le_bytes()].concat());
    values.push([&[5, 7][..], "é😀x".as_bytes()].concat());
    values.push(vec![8, 2, 1, b'a', 7, 2, 0, 3, 2, 1, b'b', 8, 1, 0, 5, 1, b'x']);
    values.push([[7, 1].repeat(32), vec![2]].concat());
    let mut document = Document::default();
    document.set_agent(1);
    let list = document.ensure_child(ROOT, "list", Kind::List, 1).unwrap();
    let copy = document.clone();
    let mut taken = 0;
    for _ in 0..INPUTS * rounds() {
        let input = damaged(&values, &mut random);
        let valid = check_value(&input).is_ok();
        let before = document.revision();
        let results = [
            document.map_set(ROOT, "k", &input, 1),
            document.list_insert(list, 0, &[&input]),
        ];
        for result in results {
            assert_eq!(result.is_ok(), valid);
            assert!(result.is_ok() || result.unwrap_err().code() == "invalid-value");
        }
        if !valid {
            assert_eq!(document.revision(), before);
            continue;
        }
        taken += 1;
        assert_eq!(document.map_get(ROOT, "k"), Ok(Some(Entry::Plain(&input))));
        let mut reader = copy.clone();
        for envelope in take_all(&mut document) {
            assert_eq!(reader.apply(&envelope, LATE), Ok(Applied::Joined));
        }
        assert_eq!(shown(&reader), shown(&document));
        document = copy.clone();
    }
    assert!(taken > INPUTS / 100);
}

#[test]
fn damaged_pieces() {
    let corpus = corpus(7000);
    let mut random = Random(7000);
    let mut pieces = corpus.envelopes;
    pieces.extend(["a😀é\u{ffff}\u{d7ff}".as_bytes().to_vec(), vec![0xed, 0xa0, 0x80, 0x41]]);
    for _ in 0..INPUTS * rounds() {
        let input = damaged(&pieces, &mut random);
        let _ = EnvelopeHeader::decode(&mut Reader::new(&input));
        let mut units = Vec::new();
        if decode_wtf8_to_units(&input, &mut units).is_ok() {
            let mut back = Vec::new();
            joinery_codec::encode_units_as_wtf8(&units, &mut back);
            assert_eq!(back, input, "one text, two forms");
        }
    }
}
