//! What a refusal takes away: its own effect and what rests on it, nothing else. Held against a model that keeps each edit
//! with its number and reads the document by leaving some out.

use crate::peer::{integer, plain, take_all, units, LATE};
use crate::random::{for_seeds, Random};
use crate::replay::loaded;
use joinery_codec::Reader;
use joinery_history::EnvelopeHeader;
use joinery_types::{
    Applied, Bridge, ClockRule, Document, Kind, Reason, Rejected, Replay, ReplayOptions, MAX_DESCRIBED_PARTS,
    MAX_MAPPED_RANGES, ROOT,
};
use std::collections::BTreeMap;

/// An edit's number; 0 for what was there before.
type Edit = usize;

/// One character or element: who made it, who deleted it, who wrote what into it. Or where an element was moved to.
struct Unit {
    /// The how-manieth it came.
    id: usize,
    /// Of a move: the id of the element's own unit.
    of: Option<usize>,
    unit: u16,
    made: Edit,
    deleted: Vec<Edit>,
    written: Vec<(Edit, i64)>,
}

#[derive(Default)]
struct Model {
    text: Vec<Unit>,
    list: Vec<Unit>,
    keys: BTreeMap<u8, Vec<(Edit, Option<i64>)>>,
    counted: Vec<(Edit, i64)>,
    /// Per value: who added it, and who removed that add.
    set: BTreeMap<i64, Vec<(Edit, Vec<Edit>)>>,
}

fn shown(units: &[Unit], without: &dyn Fn(Edit) -> bool) -> Vec<usize> {
    let shows = |unit: &Unit| !without(unit.made) && unit.deleted.iter().all(|&by| without(by));
    // An element is where its last move put it.
    let last = |element: usize| {
        let its = units
            .iter()
            .filter(|unit| unit.of == Some(element) && !without(unit.made));
        its.map(|unit| unit.id).max().unwrap_or(element)
    };
    let is_seen = |i: &usize| shows(home(units, *i)) && last(home(units, *i).id) == units[*i].id;
    (0..units.len()).filter(is_seen).collect()
}

/// The own unit of the element that stands, or stood, at a unit.
fn home(units: &[Unit], at: usize) -> &Unit {
    units
        .iter()
        .find(|unit| Some(unit.id) == units[at].of)
        .unwrap_or(&units[at])
}

fn home_mut(units: &mut [Unit], at: usize) -> &mut Unit {
    let id = home(units, at).id;
    units.iter_mut().find(|unit| unit.id == id).unwrap()
}

fn insert(units: &mut Vec<Unit>, index: usize, what: u16, made: Edit, value: i64) {
    insert_unit(units, index, what, made, value, None);
}

fn insert_unit(units: &mut Vec<Unit>, index: usize, what: u16, made: Edit, value: i64, of: Option<usize>) {
    let visible = shown(units, &|_| false);
    // Right behind the character on the left that its author saw.
    let at = index.checked_sub(1).map_or(0, |left| visible[left] + 1);
    let unit = Unit {
        id: units.len(),
        of,
        unit: what,
        made,
        deleted: Vec::new(),
        written: vec![(made, value)],
    };
    units.insert(at, unit);
}

impl Model {
    /// The same edit in the document and in the model.
    fn edit(&mut self, document: &mut Document, random: &mut Random, edit: Edit, now: u64) {
        let child = |document: &Document, key: &str, kind| document.child(ROOT, key, kind).unwrap();
        let value = edit as i64;
        match random.below(10) {
            0..=2 => {
                let text = child(document, "text", Kind::Text);
                let visible = shown(&self.text, &|_| false);
                if !visible.is_empty() && random.once_in(3) {
                    let from = random.below(visible.len());
                    let n = 1 + random.below((visible.len() - from).min(3));
                    document.text_delete(text, from as u32, n as u32).unwrap();
                    visible[from..from + n]
                        .iter()
                        .for_each(|&i| self.text[i].deleted.push(edit));
                } else {
                    let index = random.below(visible.len() + 1);
                    let mut typed = units(["a", "bc", "def"][random.below(3)]);
                    document.text_insert(text, index as u32, &mut typed).unwrap();
                    for (i, &unit) in typed.iter().enumerate() {
                        insert(&mut self.text, index + i, unit, edit, 0);
                    }
                }
            }
            3..=5 => {
                let list = child(document, "list", Kind::List);
                let visible = shown(&self.list, &|_| false);
                match random.below(4) {
                    3 if !visible.is_empty() => {
                        let (at, to) = (random.below(visible.len()), random.below(visible.len()));
                        document.list_move(list, at as u32, to as u32, now).unwrap();
                        if at != to {
                            let behind = if to > at { to + 1 } else { to };
                            let element = home(&self.list, visible[at]).id;
                            insert_unit(&mut self.list, behind, 0, edit, 0, Some(element));
                        }
                    }
                    0 if !visible.is_empty() => {
                        let at = random.below(visible.len());
                        document.list_delete(list, at as u32, 1).unwrap();
                        home_mut(&mut self.list, visible[at]).deleted.push(edit);
                    }
                    1 if !visible.is_empty() => {
                        let at = random.below(visible.len());
                        document.list_set(list, at as u32, &integer(value), now).unwrap();
                        home_mut(&mut self.list, visible[at]).written.push((edit, value));
                    }
                    _ => {
                        let at = random.below(visible.len() + 1);
                        document.list_insert(list, at as u32, &[&integer(value)]).unwrap();
                        insert(&mut self.list, at, 0, edit, value);
                    }
                }
            }
            6 => {
                let key = random.below(3) as u8;
                let map = child(document, "map", Kind::Map);
                let name = key.to_string();
                let writes = self.keys.entry(key).or_default();
                if random.once_in(3) {
                    if document.map_delete(map, &name, now).unwrap() {
                        writes.push((edit, None));
                    }
                } else {
                    document.map_set(map, &name, &integer(value), now).unwrap();
                    writes.push((edit, Some(value)));
                }
            }
            7 => {
                let counter = child(document, "counter", Kind::Counter);
                let amount = random.below(9) as i64 - 4;
                document.counter_add(counter, amount).unwrap();
                self.counted.push((edit, amount));
            }
            _ => {
                let set = child(document, "set", Kind::Set);
                let value = random.below(3) as i64;
                let adds = self.set.entry(value).or_default();
                if random.once_in(2) {
                    document.set_add(set, &integer(value)).unwrap();
                    adds.push((edit, Vec::new()));
                } else if document.set_delete(set, &integer(value)).unwrap() {
                    // A removal names each agent's last add, where it is still in, and takes the earlier ones with it.
                    for of_server in [true, false] {
                        let is_theirs = |add: &&mut (Edit, Vec<Edit>)| (add.0 == 0) == of_server;
                        let mut theirs: Vec<_> = adds.iter_mut().filter(is_theirs).collect();
                        if theirs.last().is_some_and(|last| last.1.is_empty()) {
                            theirs.iter_mut().for_each(|add| add.1.push(edit));
                        }
                    }
                }
            }
        }
    }

    /// What the document shows without some edits.
    fn packed(&self, without: &dyn Fn(Edit) -> bool) -> Vec<u8> {
        let mut out = vec![8, 5];
        let key = |out: &mut Vec<u8>, name: &str| {
            out.push(name.len() as u8);
            out.extend(name.as_bytes());
        };
        let array = |out: &mut Vec<u8>, values: Vec<i64>| {
            out.push(7);
            crate::peer::varint(out, values.len() as u64);
            values.into_iter().for_each(|value| out.extend(integer(value)));
        };
        key(&mut out, "counter");
        let kept = self.counted.iter().filter(|(edit, _)| !without(*edit));
        out.extend(integer(kept.map(|(_, amount)| amount).sum()));
        key(&mut out, "list");
        let elements = shown(&self.list, without).into_iter().map(|i| {
            let writes = home(&self.list, i).written.iter().filter(|(edit, _)| !without(*edit));
            writes.last().unwrap().1
        });
        array(&mut out, elements.collect());
        key(&mut out, "map");
        let last =
            |writes: &Vec<(Edit, Option<i64>)>| writes.iter().rfind(|(edit, _)| !without(*edit)).and_then(|w| w.1);
        let entries: Vec<(u8, i64)> = self
            .keys
            .iter()
            .filter_map(|(&key, writes)| Some((key, last(writes)?)))
            .collect();
        out.extend([8, entries.len() as u8]);
        for (name, value) in entries {
            key(&mut out, &name.to_string());
            out.extend(integer(value));
        }
        key(&mut out, "set");
        let is_in = |(edit, removed): &(Edit, Vec<Edit>)| !without(*edit) && removed.iter().all(|&by| without(by));
        let values = self
            .set
            .iter()
            .filter(|(_, adds)| adds.iter().any(is_in))
            .map(|(&value, _)| value);
        array(&mut out, values.collect());
        key(&mut out, "text");
        let text: Vec<u16> = shown(&self.text, without)
            .into_iter()
            .map(|i| self.text[i].unit)
            .collect();
        out.push(5);
        crate::peer::varint(&mut out, text.len() as u64);
        out.extend(String::from_utf16(&text).unwrap().as_bytes());
        out
    }
}

/// A document with a container of each kind.
fn base() -> Document {
    let mut document = Document::default();
    document.set_agent(1);
    let kinds = [
        ("text", Kind::Text),
        ("list", Kind::List),
        ("map", Kind::Map),
        ("counter", Kind::Counter),
        ("set", Kind::Set),
    ];
    for (key, kind) in kinds {
        document.ensure_child(ROOT, key, kind, 1).unwrap();
    }
    take_all(&mut document);
    document
}

#[test]
fn a_refused_envelope_takes_its_own_effect_and_what_rests_on_it() {
    for_seeds(600, |random| {
        let (mut server, mut model) = (base(), Model::default());
        for _ in 0..random.below(20) {
            model.edit(&mut server, random, 0, 2);
        }
        let mut from = loaded(&server.encode_snapshot(), random.next());
        let mut envelopes = Vec::new();
        let mut edits = Vec::new();
        for edit in 1..2 + random.below(40) {
            model.edit(&mut from, random, edit, 3);
            for envelope in take_all(&mut from) {
                envelopes.push(envelope);
                edits.push(edit);
            }
        }
        let often = 1 + random.below(6);
        let refused: Vec<bool> = edits.iter().map(|_| random.once_in(often)).collect();
        // A trim between must change nothing of it.
        let (agent, snapshot) = (random.next(), server.encode_snapshot());
        let bridges = [Bridge {
            agent,
            snapshot: &snapshot,
        }];
        let across = random.once_in(2);
        let state = if across {
            server.trim(agent).unwrap()
        } else {
            snapshot.clone()
        };
        let options = ReplayOptions {
            bridges: if across { &bridges } else { &[] },
            epoch: across,
            ..ReplayOptions::default()
        };
        let mut into = loaded(&state, random.next());
        let mut replay = Replay::new(&from, &into, &options).unwrap();
        for (envelope, &refused) in envelopes.iter().zip(&refused) {
            if refused {
                let outcome = replay.refuse(&from, &mut into, envelope).unwrap();
                assert_eq!(outcome.applied, 0);
                assert_eq!(outcome.rejected.len(), 1);
                assert_eq!(outcome.rejected[0].reason, Reason::Refused);
                continue;
            }
            // Here only a write into an element can rest on anything.
            let outcome = replay.add(&from, &mut into, envelope).unwrap();
            assert!(outcome
                .rejected
                .iter()
                .all(|r| r.reason == Reason::RestsOnRefused && r.to - r.from == 1));
        }
        let is_refused = |edit: Edit| edits.iter().zip(&refused).any(|(&at, &is)| at == edit && is);
        assert_eq!(plain(&into), model.packed(&is_refused));
        let mut reader = loaded(&state, 7);
        for envelope in take_all(&mut into) {
            assert_eq!(reader.apply(&envelope, LATE).unwrap(), Applied::Joined);
        }
        assert_eq!(plain(&reader), plain(&into));
    });
}

#[test]
fn one_refused_envelope_of_a_thousand_is_all_that_is_lost() {
    let mut from = loaded(&base().encode_snapshot(), 2);
    let map = from.child(ROOT, "map", Kind::Map).unwrap();
    let envelopes: Vec<Vec<u8>> = (0..1000)
        .map(|i| {
            from.map_set(map, &format!("key {i:04}"), &integer(i), 5).unwrap();
            from.take_update().unwrap()
        })
        .collect();
    let mut into = loaded(&base().encode_snapshot(), 3);
    let mut replay = Replay::new(&from, &into, &ReplayOptions::default()).unwrap();
    for (i, envelope) in envelopes.iter().enumerate() {
        if i == 500 {
            replay.refuse(&from, &mut into, envelope).unwrap();
        } else {
            assert_eq!(replay.add(&from, &mut into, envelope).unwrap().applied, 1);
            assert_eq!(replay.translate(2, i as u32 + 1).map(|name| name.0), Some(3));
        }
    }
    assert_eq!(replay.translate(2, 501), None);
    assert_eq!(into.map_keys(map).unwrap().count(), 999);
    assert_eq!(into.map_get(map, "key 0500").unwrap(), None);
    assert_eq!(take_all(&mut into).len(), 999, "each stays an envelope of its own");
}

#[test]
fn what_is_written_into_a_refused_container_is_rejected_with_it() {
    let mut from = loaded(&base().encode_snapshot(), 2);
    let note = from.create_child(ROOT, "note", Kind::Map, 5).unwrap();
    let refused = from.take_update().unwrap();
    let body = from.ensure_child(note, "body", Kind::Text, 5).unwrap();
    from.text_insert(body, 0, &mut units("lost")).unwrap();
    from.map_set(ROOT, "kept", &integer(1), 5).unwrap();
    let rest = from.take_update().unwrap();
    let mut into = loaded(&base().encode_snapshot(), 3);
    let mut replay = Replay::new(&from, &into, &ReplayOptions::default()).unwrap();
    replay.refuse(&from, &mut into, &refused).unwrap();
    let outcome = replay.add(&from, &mut into, &rest).unwrap();
    assert_eq!(outcome.applied, 1);
    let expected = Rejected {
        from: 1,
        to: 6,
        reason: Reason::RestsOnRefused,
    };
    assert_eq!(outcome.rejected, [expected]);
    assert!(into.map_get(ROOT, "note").unwrap().is_none());
    assert!(into.map_get(ROOT, "kept").unwrap().is_some());
}

#[test]
fn what_was_typed_before_a_refused_deletion_is_kept_in_order() {
    let mut from = loaded(&base().encode_snapshot(), 2);
    let text = from.child(ROOT, "text", Kind::Text).unwrap();
    let mut typed = Vec::new();
    for (index, what) in [(0, "one "), (4, "three"), (4, "two "), (0, ">")] {
        from.text_insert(text, index, &mut units(what)).unwrap();
        typed.push(from.take_update().unwrap());
    }
    from.map_delete(ROOT, "text", 6).unwrap();
    let refused = from.take_update().unwrap();
    let mut into = loaded(&base().encode_snapshot(), 3);
    let mut replay = Replay::new(&from, &into, &ReplayOptions::default()).unwrap();
    for envelope in &typed {
        assert!(replay.add(&from, &mut into, envelope).unwrap().rejected.is_empty());
    }
    replay.refuse(&from, &mut into, &refused).unwrap();
    let text = into.child(ROOT, "text", Kind::Text).unwrap();
    assert_eq!(into.text_string(text).unwrap(), ">one two three");
}

#[test]
fn a_key_that_was_removed_before_a_trim_does_not_come_back() {
    let mut server = base();
    server.map_set(ROOT, "title", &integer(1), 2).unwrap();
    let mut from = loaded(&server.encode_snapshot(), 2);
    from.map_set(ROOT, "title", &integer(2), 9).unwrap();
    from.map_set(ROOT, "fresh", &integer(3), 9).unwrap();
    let envelope = from.take_update().unwrap();
    server.map_delete(ROOT, "title", 3).unwrap();
    let last = server.encode_snapshot();
    let mut into = loaded(&server.trim(50).unwrap(), 3);
    let bridges = [Bridge {
        agent: 50,
        snapshot: &last,
    }];
    let options = ReplayOptions {
        bridges: &bridges,
        epoch: true,
        ..ReplayOptions::default()
    };
    let mut replay = Replay::new(&from, &into, &options).unwrap();
    let outcome = replay.add(&from, &mut into, &envelope).unwrap();
    assert_eq!(
        outcome.rejected,
        [Rejected {
            from: 0,
            to: 1,
            reason: Reason::KeyRemoved
        }]
    );
    assert!(into.map_get(ROOT, "title").unwrap().is_none());
    assert!(into.map_get(ROOT, "fresh").unwrap().is_some());
}

#[test]
fn a_clock_a_day_ahead_loses_nothing_and_wins_over_nothing_later() {
    const DAY: u64 = 86_400_000;
    const NOON: u64 = 1_000_000_000_000;
    let server = {
        let mut server = base();
        server.map_set(ROOT, "before", &integer(0), NOON - 1000).unwrap();
        server
    };
    let mut from = loaded(&server.encode_snapshot(), 2);
    let mut envelopes = Vec::new();
    let written = |from: &mut Document, key: &str, value: i64, now: u64| {
        from.map_set(ROOT, key, &integer(value), now + DAY).unwrap();
        from.take_update().unwrap()
    };
    envelopes.push(written(&mut from, "early", 1, NOON));
    envelopes.push(written(&mut from, "before", 2, NOON + 10));
    for i in 0..1000 {
        envelopes.push(written(&mut from, &format!("{i}"), i, NOON + 20));
    }
    envelopes.push(written(&mut from, "late", 3, NOON + 5000));
    envelopes.push(written(&mut from, "late", 4, NOON + 5000));
    // Meanwhile another device writes, with a clock that is right.
    let mut server = loaded(&server.encode_snapshot(), 8);
    server.map_set(ROOT, "early", &integer(-1), NOON + 1000).unwrap();
    server.map_set(ROOT, "late", &integer(-1), NOON + 4000).unwrap();
    let mut into = loaded(&server.encode_snapshot(), 3);
    let clock = Some(ClockRule {
        server_time_ms: NOON + 6000,
        correction_ms: DAY as i64,
    });
    let options = ReplayOptions {
        clock,
        ..ReplayOptions::default()
    };
    let mut replay = Replay::new(&from, &into, &options).unwrap();
    for envelope in &envelopes {
        assert!(replay.add(&from, &mut into, envelope).unwrap().rejected.is_empty());
    }
    let value = |key: &str| match into.map_get(ROOT, key).unwrap() {
        Some(joinery_types::Entry::Plain(bytes)) => bytes.to_vec(),
        other => panic!("{key}: {other:?}"),
    };
    assert_eq!(value("early"), integer(-1), "the other device wrote later");
    assert_eq!(value("before"), integer(2));
    assert_eq!(
        value("late"),
        integer(4),
        "the later of its own writes, later than the other device's"
    );
    (0..1000).for_each(|i| assert_eq!(value(&i.to_string()), integer(i)));
    // And whoever is five minutes behind the server still joins all of it at once.
    let mut reader = loaded(&server.encode_snapshot(), 9);
    for envelope in take_all(&mut into) {
        assert_eq!(reader.apply(&envelope, NOON + 6000 - 299_000).unwrap(), Applied::Joined);
    }
}

/// What the author had overwritten is known of its document; where that is damaged, of nothing.
#[test]
fn a_clock_is_put_right_in_a_damaged_document_without_bringing_back_what_was_overwritten() {
    const DAY: u64 = 86_400_000;
    const NOON: u64 = 1_000_000_000_000;
    let mut server = loaded(&base().encode_snapshot(), 8);
    server.map_set(ROOT, "key", &integer(1), NOON - 1000).unwrap();
    let mut author = loaded(&server.encode_snapshot(), 2);
    author.map_set(ROOT, "other", &integer(1), NOON).unwrap();
    server.apply(&author.take_update().unwrap(), LATE).unwrap();
    author.map_delete(ROOT, "key", NOON + DAY).unwrap();
    let envelope = author.take_update().unwrap();
    // All that is left of it is the envelope.
    let mut from = Document::default();
    from.apply(&envelope, LATE).unwrap();
    let options = ReplayOptions {
        clock: Some(ClockRule {
            server_time_ms: NOON + 6000,
            correction_ms: 2 * DAY as i64,
        }),
        ..ReplayOptions::default()
    };
    let mut into = loaded(&server.encode_snapshot(), 3);
    let mut replay = Replay::new(&from, &into, &options).unwrap();
    assert_eq!(replay.add(&from, &mut into, &envelope).unwrap().rejected, []);
    assert_eq!(into.map_get(ROOT, "key").unwrap(), None);
}

/// What was overwritten has another name across a trim, and an element's name stands for the element and for what is in it.
#[test]
fn a_clock_is_put_right_across_trims_as_without_them() {
    const DAY: u64 = 86_400_000;
    const NOON: u64 = 1_000_000_000_000;
    // Put right twice over where it was set back to the right time meanwhile.
    for (trims, days) in [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)] {
        let mut server = base();
        let list = server.child(ROOT, "list", Kind::List).unwrap();
        server.list_insert(list, 0, &[&integer(0), &integer(0)]).unwrap();
        let mut other = loaded(&server.encode_snapshot(), 8);
        for key in ["deleted", "written", "early"] {
            other.map_set(ROOT, key, &integer(1), NOON - 1000).unwrap();
        }
        other.list_set(list, 0, &integer(1), NOON - 1000).unwrap();
        server.apply(&other.take_update().unwrap(), LATE).unwrap();
        let mut from = loaded(&server.encode_snapshot(), 2);
        from.map_delete(ROOT, "deleted", NOON + DAY).unwrap();
        from.map_set(ROOT, "written", &integer(2), NOON + DAY).unwrap();
        from.map_set(ROOT, "early", &integer(2), NOON + DAY).unwrap();
        from.list_set(list, 0, &integer(2), NOON + DAY).unwrap();
        from.list_set(list, 1, &integer(2), NOON + DAY).unwrap();
        let envelope = from.take_update().unwrap();
        // Meanwhile, unheard of, with a clock that is right.
        other.map_set(ROOT, "early", &integer(3), NOON + 1000).unwrap();
        other.list_set(list, 1, &integer(3), NOON + 1000).unwrap();
        server.apply(&other.take_update().unwrap(), LATE).unwrap();
        let mut bridges = Vec::new();
        for agent in 50..50 + trims {
            bridges.push((agent, server.encode_snapshot()));
            server = loaded(&server.trim(agent).unwrap(), agent + 10);
        }
        let clock = Some(ClockRule {
            server_time_ms: NOON + 6000,
            correction_ms: (days * DAY) as i64,
        });
        let options = ReplayOptions {
            bridges: &refs(&bridges),
            epoch: trims > 0,
            clock,
            mapping: None,
        };
        let mut into = loaded(&server.encode_snapshot(), 3);
        let mut replay = Replay::new(&from, &into, &options).unwrap();
        assert_eq!(replay.add(&from, &mut into, &envelope).unwrap().rejected, []);
        let list = into.child(ROOT, "list", Kind::List).unwrap();
        let shows = |entry: Option<joinery_types::Entry<'_>>| match entry {
            Some(joinery_types::Entry::Plain(bytes)) => Some(bytes.to_vec()),
            _ => None,
        };
        let key = |key| shows(into.map_get(ROOT, key).unwrap());
        let context = format!("{trims} trims, {days} days");
        assert_eq!(key("deleted"), None, "{context}");
        assert_eq!(key("written"), Some(integer(2)), "{context}");
        assert_eq!(key("early"), Some(integer(3)), "{context}");
        let mut element = |index| shows(into.list_get(list, index).unwrap());
        assert_eq!(element(0), Some(integer(2)), "{context}");
        assert_eq!(element(1), Some(integer(3)), "{context}");
    }
}

#[test]
fn what_follows_a_lost_record_is_kept_though_its_author_can_not_join_it() {
    for lost in [0, 1] {
        let mut author = loaded(&base().encode_snapshot(), 2);
        let text = author.child(ROOT, "text", Kind::Text).unwrap();
        let mut envelopes = Vec::new();
        for (index, what) in [(0, "one "), (4, "two "), (8, "three "), (14, "four")] {
            author.text_insert(text, index, &mut units(what)).unwrap();
            author.map_set(ROOT, what, &integer(1), 5).unwrap();
            envelopes.push(author.take_update().unwrap());
        }
        envelopes.remove(lost);
        let mut from = base();
        for envelope in &envelopes {
            from.apply(envelope, LATE).unwrap();
        }
        let mut into = loaded(&base().encode_snapshot(), 3);
        let mut replay = Replay::new(&from, &into, &ReplayOptions::default()).unwrap();
        for envelope in &envelopes {
            let outcome = replay.add(&from, &mut into, envelope).unwrap();
            assert_eq!(outcome.rejected, []);
        }
        let expected = ["two three four", "one three four"][lost];
        assert_eq!(into.text_string(text).unwrap(), expected);
        assert_eq!(into.map_keys(ROOT).unwrap().count(), 5 + 3);
    }
}

#[test]
fn as_many_bridges_as_the_bound_and_not_one_more() {
    let snapshot = base().encode_snapshot();
    let document = loaded(&snapshot, 2);
    let mut bridges = Vec::new();
    let mut snapshots = vec![snapshot];
    for agent in 100..100 + joinery_types::MAX_BRIDGES as u64 + 1 {
        snapshots.push(loaded(snapshots.last().unwrap(), 1).trim(agent).unwrap());
    }
    for (agent, snapshot) in (100..).zip(&snapshots[..joinery_types::MAX_BRIDGES + 1]) {
        bridges.push(Bridge { agent, snapshot });
    }
    let into = loaded(&snapshots[joinery_types::MAX_BRIDGES], 2);
    let most = ReplayOptions {
        bridges: &bridges[..joinery_types::MAX_BRIDGES],
        ..ReplayOptions::default()
    };
    assert!(Replay::new(&document, &into, &most).is_ok());
    let more = ReplayOptions {
        bridges: &bridges,
        ..ReplayOptions::default()
    };
    assert_eq!(
        Replay::new(&document, &into, &more).unwrap_err().code(),
        "limit-exceeded"
    );
}

#[test]
fn a_mapping_is_full_at_its_bound() {
    let mapping_of = |ranges: usize| {
        let mut out = vec![2];
        crate::peer::varint(&mut out, ranges as u64);
        for i in 0..ranges {
            out.extend(7u64.to_le_bytes());
            crate::peer::varint(&mut out, 2 * i as u64 + 1);
            out.push(1);
            out.extend([0; 9]);
        }
        out.extend([0, 0, 0, 0]);
        out
    };
    let mut from = loaded(&base().encode_snapshot(), 2);
    from.map_set(ROOT, "k", &integer(1), 5).unwrap();
    let envelope = from.take_update().unwrap();
    let mut into = loaded(&base().encode_snapshot(), 3);
    let more = mapping_of(MAX_MAPPED_RANGES + 1);
    let options = |mapping| ReplayOptions {
        mapping: Some(mapping),
        ..ReplayOptions::default()
    };
    assert_eq!(
        Replay::new(&from, &into, &options(&more)).unwrap_err().code(),
        "invalid-update"
    );
    let most = mapping_of(MAX_MAPPED_RANGES);
    let mut replay = Replay::new(&from, &into, &options(&most)).unwrap();
    let before = into.encode_snapshot();
    assert_eq!(
        replay.add(&from, &mut into, &envelope).unwrap_err().code(),
        "limit-exceeded"
    );
    assert!(into.encode_snapshot() == before && replay.mapping() == most);
    let room = mapping_of(MAX_MAPPED_RANGES - 1);
    let mut replay = Replay::new(&from, &into, &options(&room)).unwrap();
    assert_eq!(replay.add(&from, &mut into, &envelope).unwrap().applied, 1);
}

#[test]
fn a_description_that_would_be_far_longer_than_its_envelope_is_refused() {
    let mut document = base();
    document.set_agent(4);
    let map = document.create_child(ROOT, &"k".repeat(1000), Kind::Map, 1).unwrap();
    let map = document.create_child(map, &"l".repeat(1000), Kind::Map, 1).unwrap();
    take_all(&mut document);
    let mut description = Vec::new();
    let mut lengths = Vec::new();
    for n in [1000, 16_000] {
        for i in 0..n {
            document.map_set(map, &i.to_string(), &integer(1), 2).unwrap();
        }
        let envelope = document.take_update().unwrap();
        description.clear();
        lengths.push(
            document
                .describe(&envelope, &mut description)
                .map(|()| description.len()),
        );
    }
    assert!(lengths[0].as_ref().is_ok_and(|&length| length > 2_000_000));
    assert_eq!(lengths[1].as_ref().unwrap_err().code(), "limit-exceeded");
    assert!(description.is_empty());
}

/// Each operation is told by the part that its seq stands in, and by no other; of a stretch, its own characters.
#[test]
fn a_part_of_an_envelope_is_described_alone() {
    let mut document = base();
    document.set_agent(4);
    let text = document.create_child(ROOT, "fresh", Kind::Text, 1).unwrap();
    document.text_insert(text, 0, &mut units("xyz")).unwrap();
    take_all(&mut document);
    document.text_insert(text, 3, &mut units("a\u{1F30D}b")).unwrap();
    document.text_delete(text, 2, 1).unwrap();
    document.text_delete(text, 1, 1).unwrap();
    document.text_delete(text, 0, 1).unwrap();
    document.map_set(ROOT, "n", &integer(1), 2).unwrap();
    let envelope = document.take_update().unwrap();
    let header = EnvelopeHeader::decode(&mut Reader::new(&envelope)).unwrap();
    let told = |parts: &[(u32, u32)]| {
        let mut description = Vec::new();
        let done = document.describe_parts(&envelope, parts, &mut description);
        done.map(|()| description)
    };
    let described = |from: u32, to: u32| told(&[(from, to)]).unwrap();
    let mut whole = Vec::new();
    document.describe(&envelope, &mut whole).unwrap();
    assert_eq!(described(header.from, header.to), whole);
    assert_eq!(described(header.to, u32::MAX), [7, 0]);
    let holds = |description: &[u8], text: &str| description.windows(text.len()).any(|part| part == text.as_bytes());
    for (character, at) in ["a", "\u{1F30D}", "\u{1F30D}", "b"].into_iter().zip(header.from..) {
        let one = described(at, at + 1);
        assert_eq!(one[1], 1);
        for other in ["a", "\u{1F30D}", "b"] {
            // The keys and kinds are there too: the value is what ends it.
            assert_eq!(one.ends_with(other.as_bytes()), other == character, "{other} in {at}");
        }
    }
    for seq in header.from + 5..header.to {
        let one = described(seq - 1, seq);
        assert_eq!(one[1], 1);
        assert!(holds(&one, "remove"));
    }
    assert!(holds(&described(header.to - 1, header.to), "set"));
    // Many parts are told as one after the other.
    let last = header.to - header.from;
    for cuts in 0..1u32 << last {
        let (mut parts, mut expected) = (Vec::new(), Vec::new());
        let mut from = 0;
        for to in (1..=last).filter(|to| *to == last || cuts >> to & 1 == 1) {
            // Every other one, from the first or the second on.
            if parts.len() as u32 % 2 == cuts & 1 {
                expected.push(described(header.from + from, header.from + to));
            }
            parts.push((header.from + from, header.from + to));
            from = to;
        }
        let mut index = 0;
        parts.retain(|_| {
            index += 1;
            (index - 1) % 2 == cuts & 1
        });
        let whole = told(&parts).unwrap();
        assert_eq!(u32::from(whole[1]), expected.iter().map(|one| u32::from(one[1])).sum());
        assert_eq!(
            whole[2..],
            expected.iter().flat_map(|one| &one[2..]).copied().collect::<Vec<_>>()
        );
    }
    for bad in [[(2, 1), (4, 5)], [(1, 1), (4, 5)], [(1, 3), (2, 4)], [(4, 5), (1, 2)]] {
        assert_eq!(told(&bad).unwrap_err().code(), "invalid-update");
    }
    assert_eq!(told(&[]).unwrap(), [7, 0]);
    let ascending = |n: u32| (0..n).map(|at| (at, at + 1)).collect::<Vec<_>>();
    let most = MAX_DESCRIBED_PARTS as u32;
    assert!(told(&ascending(most)).is_ok());
    assert_eq!(told(&ascending(most + 1)).unwrap_err().code(), "limit-exceeded");
}

/// An author who slept through two trims: what it had stored was made again before the first, or in between, and what it had
/// not is about that. Others wrote after each.
#[test]
fn what_was_made_again_is_found_across_the_trims_after_it() {
    for (made_before, others_add) in [(true, false), (false, false), (true, true), (false, true)] {
        let server = base();
        let mut from = loaded(&server.encode_snapshot(), 2);
        let text = from.child(ROOT, "text", Kind::Text).unwrap();
        let end = from.text_len(text).unwrap();
        from.text_insert(text, end, &mut units("abcdef")).unwrap();
        let map = from.create_child(ROOT, "fresh", Kind::Map, LATE).unwrap();
        let tags = from.create_child(ROOT, "labels", Kind::Set, LATE).unwrap();
        from.set_add(tags, &integer(1)).unwrap();
        let stored = from.take_update().unwrap();
        from.text_insert(text, end + 3, &mut units("-")).unwrap();
        from.map_set(map, "in", &integer(7), LATE).unwrap();
        from.set_delete(tags, &integer(1)).unwrap();
        let unstored = from.take_update().unwrap();

        // The stored one is made again in the first epoch, or in the second.
        let mut bridges: Vec<(u64, Vec<u8>)> = Vec::new();
        let mut state = loaded(&server.encode_snapshot(), 10);
        let mut mapping = None;
        for round in 0..3 {
            if mapping.is_none() && (made_before || round == 1) {
                let options = ReplayOptions {
                    bridges: &refs(&bridges),
                    epoch: round > 0,
                    ..ReplayOptions::default()
                };
                let mut replay = Replay::new(&from, &state, &options).unwrap();
                assert_eq!(replay.add(&from, &mut state, &stored).unwrap().rejected, []);
                mapping = Some(replay.mapping());
            }
            let text = state.child(ROOT, "text", Kind::Text).unwrap();
            state.text_insert(text, 0, &mut units("*")).unwrap();
            if others_add && mapping.is_some() && round < 2 {
                let mut other = loaded(&state.encode_snapshot(), 50 + round);
                let tags = other.child(ROOT, "labels", Kind::Set).unwrap();
                other.set_add(tags, &integer(1)).unwrap();
                state.apply(&other.take_update().unwrap(), LATE).unwrap();
            }
            if round == 2 {
                break;
            }
            let agent = 100 + round;
            bridges.push((agent, state.encode_snapshot()));
            state = loaded(&state.trim(agent).unwrap(), 11 + round);
        }
        let mapping = mapping.unwrap();
        let options = ReplayOptions {
            mapping: Some(&mapping),
            bridges: &refs(&bridges),
            epoch: true,
            clock: None,
        };
        let mut replay = Replay::new(&from, &state, &options).unwrap();
        assert_eq!(replay.add(&from, &mut state, &unstored).unwrap().rejected, []);
        let text = state.child(ROOT, "text", Kind::Text).unwrap();
        let shown = state.text_string(text).unwrap();
        assert!(shown.contains("abc-def") && shown.len() == 10, "{shown}");
        let map = state.child(ROOT, "fresh", Kind::Map).unwrap();
        assert!(
            matches!(state.map_get(map, "in"), Ok(Some(joinery_types::Entry::Plain(value))) if value == integer(7))
        );
        // What somebody else has added meanwhile stays.
        let tags = state.child(ROOT, "labels", Kind::Set).unwrap();
        assert_eq!(state.set_has(tags, &integer(1)).unwrap(), others_add);
    }
}

pub fn refs(bridges: &[(u64, Vec<u8>)]) -> Vec<Bridge<'_>> {
    let bridges = bridges.iter();
    bridges
        .map(|(agent, snapshot)| Bridge {
            agent: *agent,
            snapshot,
        })
        .collect()
}
