//! However edits are grouped into envelopes, and wherever an exported update or a snapshot cuts them, the same comes out.

use crate::edits::{edit, EVERY_SCOPE};
use crate::peer::{encode_version, integer, shown, take_all, units, Peer, LATE};
use crate::random::for_seeds;
use joinery_oracle::{Log, Version};
use joinery_types::{Document, Kind, ROOT};

#[test]
fn any_grouping_of_the_same_edits_gives_the_same_document() {
    for scope in EVERY_SCOPE {
        for_seeds(200, |random| {
            // Twins: one agent, the same edits, taken at other moments. What they write is the same operations, so a
            // receiver may get any mixture of both groupings.
            let mut twins = [Peer::new(7), Peer::new(7)];
            let mut logs = [Log::default(), Log::default()];
            let mut other = Peer::new(5);
            let mut groupings = [Vec::new(), Vec::new()];
            let mut others = Vec::new();
            let mut states = Vec::new();
            let mut versions = vec![Version::new()];
            for _ in 0..5 + random.below(25) {
                let mut same = random.clone();
                random.next();
                if random.once_in(4) {
                    // The other one answers, on the first twin's state, and both twins hear of it at the same time.
                    let update = twins[0].document.export_update(Some(&encode_version(&other.version)));
                    other.receive(&logs[0], &update.unwrap(), LATE);
                    edit(&mut other, &mut logs[0], &mut same, scope);
                    logs[1] = logs[0].clone();
                    for envelope in take_all(&mut other.document) {
                        for (twin, log) in twins.iter_mut().zip(&logs) {
                            twin.receive(log, &envelope, LATE);
                        }
                        others.push(envelope);
                    }
                }
                for (twin, log) in twins.iter_mut().zip(&mut logs) {
                    edit(twin, log, &mut same.clone(), scope);
                }
                for (twin, grouping) in twins.iter_mut().zip(&mut groupings) {
                    if random.once_in(3) {
                        grouping.extend(take_all(&mut twin.document));
                    }
                }
                if random.once_in(3) {
                    let since = encode_version(random.pick(&versions));
                    states.push(twins[0].document.export_update(Some(&since)).unwrap());
                    versions.push(twins[0].version.clone());
                }
                if random.once_in(5) {
                    states.push(twins[1].document.encode_snapshot());
                }
            }
            for (twin, grouping) in twins.iter_mut().zip(&mut groupings) {
                grouping.extend(take_all(&mut twin.document));
            }
            let [first, second] = &groupings;
            let whole = twins[0].document.encode_snapshot();
            assert!(twins[1].document.encode_snapshot() == whole);
            let mixed: Vec<Vec<u8>> = first.iter().chain(second).chain(&states).cloned().collect();
            let ways = [first.clone(), second.clone(), mixed];
            for way in &ways {
                for _ in 0..2 {
                    let mut updates = way.clone();
                    updates.extend(others.iter().cloned());
                    random.shuffle(&mut updates);
                    let mut receiver = Peer::new(1);
                    for update in &updates {
                        receiver.receive(&logs[0], update, LATE);
                        receiver.check(&logs[0]);
                    }
                    assert_eq!(receiver.document.pending_count(), 0);
                    assert!(
                        receiver.document.encode_snapshot() == whole,
                        "another way, another document"
                    );
                }
            }
        });
    }
}

/// Six small edits that become one stretch, or none, in their envelope.
type Stretch = fn(&mut Document, step: u32);

const STRETCHES: [(&str, Stretch); 8] = [
    ("typing", |document, step| {
        let text = document.child(ROOT, "t", Kind::Text).unwrap();
        document.text_insert(text, 3 + step, &mut units("x")).unwrap();
    }),
    ("typing backwards", |document, _| {
        let text = document.child(ROOT, "t", Kind::Text).unwrap();
        document.text_insert(text, 3, &mut units("x")).unwrap();
    }),
    ("the delete key", |document, _| {
        let text = document.child(ROOT, "t", Kind::Text).unwrap();
        document.text_delete(text, 3, 1).unwrap();
    }),
    ("the backspace key", |document, step| {
        let text = document.child(ROOT, "t", Kind::Text).unwrap();
        document.text_delete(text, 12 - step, 1).unwrap();
    }),
    ("deleting pieces", |document, step| {
        let text = document.child(ROOT, "t", Kind::Text).unwrap();
        document.text_delete(text, 5 - step % 3, 1 + step % 2).unwrap();
    }),
    ("pushing elements", |document, step| {
        let list = document.child(ROOT, "l", Kind::List).unwrap();
        let value = integer(i64::from(step));
        document.list_insert(list, 2 + 2 * step, &[&value, &value]).unwrap();
    }),
    ("setting and deleting elements", |document, step| {
        let list = document.child(ROOT, "l", Kind::List).unwrap();
        document.list_set(list, 0, &integer(i64::from(step)), 1).unwrap();
        document.list_delete(list, 1, step % 2).unwrap();
        document.list_insert_child(list, 1, Kind::Map).unwrap();
    }),
    ("keys, counters and sets", |document, step| {
        document.map_set(ROOT, "k", &integer(i64::from(step)), 1).unwrap();
        let counter = document.ensure_child(ROOT, "c", Kind::Counter, 1).unwrap();
        document.counter_add(counter, 1 + i64::from(step)).unwrap();
        let set = document.create_child(ROOT, "s", Kind::Set, 1).unwrap();
        document.set_add(set, &integer(i64::from(step))).unwrap();
    }),
];

#[test]
fn a_state_may_cut_an_envelope_after_any_operation() {
    let mut base = Document::default();
    base.set_agent(3);
    let text = base.ensure_child(ROOT, "t", Kind::Text, 1).unwrap();
    base.text_insert(text, 0, &mut units("abcdefghijklmnop")).unwrap();
    let list = base.ensure_child(ROOT, "l", Kind::List, 1).unwrap();
    base.list_insert(list, 0, &[&integer(1), &integer(2), &integer(3)])
        .unwrap();
    // On one's own characters, and on somebody else's.
    for agent in [3, 4] {
        let mut base = base.clone();
        take_all(&mut base);
        base.set_agent(agent);
        for (name, edit) in STRETCHES {
            let mut author = base.clone();
            let mut states = Vec::new();
            for step in 0..6 {
                edit(&mut author, step);
                states.push(author.encode_snapshot());
                states.push(author.export_update(Some(&base.version_bytes())).unwrap());
            }
            let whole = author.encode_snapshot();
            let envelopes = take_all(&mut author);
            assert_eq!(envelopes.len(), 1);
            for (at, state) in states.iter().enumerate() {
                let mut receiver = base.clone();
                receiver.apply(state, LATE).unwrap();
                receiver.apply(&envelopes[0], LATE).unwrap();
                assert!(receiver.encode_snapshot() == whole, "{name}, agent {agent}, cut {at}");
                assert!(shown(&receiver) == shown(&author));
            }
        }
    }
}
