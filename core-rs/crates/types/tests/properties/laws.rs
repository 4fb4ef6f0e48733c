//! The laws of a join, on states as bytes: commutative, associative, idempotent.

use crate::edits::{Scope, EVERY_SCOPE};
use crate::exchange::World;
use crate::peer::LATE;
use crate::random::{for_seeds, Random};
use joinery_types::{Applied, Document};

/// `one` joined with what `two` has, as a snapshot or as an update of what `one` lacks.
fn join(one: &Document, two: &Document, random: &mut Random) -> Document {
    let mut joined = one.clone();
    let state = match random.below(3) {
        0 => two.encode_snapshot(),
        1 => two.export_update(None).unwrap(),
        _ => two.export_update(Some(&one.version_bytes())).unwrap(),
    };
    assert_ne!(joined.apply(&state, LATE).unwrap(), Applied::Waiting);
    joined
}

fn three_documents(random: &mut Random, scope: Scope) -> [Document; 3] {
    let mut world = World::new(random);
    for _ in 0..10 + random.below(60) {
        world.step(random, scope);
    }
    // Without what waits: it would join in one order and not yet in the other.
    [0, 1, 2].map(|i| {
        let from = &world.peers[i % world.peers.len()].document;
        let mut document = Document::default();
        document.apply(&from.encode_snapshot(), LATE).unwrap();
        document
    })
}

#[test]
fn a_join_of_states_is_commutative_associative_and_idempotent() {
    for scope in EVERY_SCOPE {
        for_seeds(if scope == Scope::Mixed { 600 } else { 150 }, |random| {
            let [a, b, c] = three_documents(random, scope);
            let ab = join(&a, &b, random);
            let ba = join(&b, &a, random);
            assert!(ab.encode_snapshot() == ba.encode_snapshot(), "not commutative");
            let ab_c = join(&ab, &c, random);
            let bc = join(&b, &c, random);
            let a_bc = join(&a, &bc, random);
            assert!(ab_c.encode_snapshot() == a_bc.encode_snapshot(), "not associative");
            for again in [&a, &b, &c, &ab, &bc] {
                let mut same = ab_c.clone();
                let applied = same.apply(&again.encode_snapshot(), LATE).unwrap();
                assert_eq!(applied, Applied::Duplicate);
                assert_eq!(same.revision(), ab_c.revision());
                assert!(same.encode_snapshot() == ab_c.encode_snapshot(), "not idempotent");
            }
        });
    }
}

#[test]
fn concurrent_envelopes_commute() {
    for scope in EVERY_SCOPE {
        for_seeds(100, |random| {
            let mut world = World::new(random);
            for _ in 0..random.below(30) {
                world.step(random, scope);
            }
            // From one common state everybody goes on alone; then each order must give the same.
            world.settle(random);
            let base = world.peers[0].document.clone();
            let mut envelopes = Vec::new();
            for peer in world.peers.iter_mut().take(3) {
                for _ in 0..1 + random.below(4) {
                    crate::edits::edit(peer, &mut world.log, random, scope);
                }
                envelopes.extend(crate::peer::take_all(&mut peer.document));
            }
            let mut expected = None;
            for _ in 0..4 {
                random.shuffle(&mut envelopes);
                let mut document = base.clone();
                for envelope in &envelopes {
                    assert_ne!(document.apply(envelope, LATE).unwrap(), Applied::Waiting);
                }
                let snapshot = document.encode_snapshot();
                assert!(*expected.get_or_insert(snapshot.clone()) == snapshot, "not commutative");
            }
        });
    }
}
