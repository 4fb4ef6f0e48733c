//! However edits are grouped into envelopes, and wherever an exported update or a snapshot cuts them, the same comes out.

use crate::edits::{edit, EVERY_SCOPE};
use crate::peer::{encode_version, take_all, Peer, LATE};
use crate::random::for_seeds;
use joinery_oracle::{Log, Version};

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
