//! What is exported by version. A replica that has followed in which order operations came passes over what hasn't changed since;
//! one that has just loaded the same state knows no order, and looks at everything. Both give the same bytes.

use crate::edits::EVERY_SCOPE;
use crate::exchange::{write_much, World};
use crate::mutation::damaged;
use crate::peer::{take_all, LATE};
use crate::random::{for_seeds, Random};
use joinery_history::{Agents, Version};
use joinery_types::{Applied, Document, Kind, ROOT};
use std::cell::Cell;

/// Holds what a document exports by some versions against what a copy of it does that has only been loaded.
pub fn check(document: &Document, versions: &[Vec<u8>]) {
    let mut loaded = Document::default();
    loaded.apply(&document.encode_snapshot(), u64::MAX).unwrap();
    for version in versions {
        let got = document.export_update(Some(version)).unwrap();
        assert!(got == loaded.export_update(Some(version)).unwrap(), "{version:?}");
    }
}

/// A version that somebody may have: of this one, and of some agents less.
pub fn earlier(document: &Document, random: &mut Random) -> Vec<u8> {
    let (mut agents, mut version) = (Agents::default(), Version::default());
    let often = 1 + random.below(3);
    for (id, seq) in Version::decode(&document.version_bytes()).unwrap() {
        let less = if random.once_in(often) {
            let most = if random.once_in(2) { 4 } else { seq as usize };
            random.below(most + 1) as u32
        } else {
            0
        };
        version.raise(agents.intern(id), seq.saturating_sub(less));
    }
    version.encode(&agents)
}

#[test]
fn short_documents_are_told_as_if_all_was_looked_at() {
    for scope in EVERY_SCOPE {
        for_seeds(60, |random| {
            let mut world = World::new(random);
            for _ in 0..60 {
                world.step(random, scope);
                if random.once_in(5) {
                    let document = &random.pick(&world.peers).document;
                    let versions: Vec<Vec<u8>> = (0..4).map(|_| earlier(document, random)).collect();
                    check(document, &versions);
                }
            }
        });
    }
}

#[test]
fn long_documents_are_told_as_if_all_was_looked_at() {
    for_seeds(8, |random| {
        let mut documents: Vec<Document> = (0..3).map(|_| Document::default()).collect();
        documents[0].set_agent(random.next());
        let text = documents[0].ensure_child(ROOT, "t", Kind::Text, 1).unwrap();
        let list = documents[0].ensure_child(ROOT, "l", Kind::List, 1).unwrap();
        for _ in 0..300 {
            write_much(&mut documents[0], text, list, random);
        }
        let whole = documents[0].encode_snapshot();
        for document in &mut documents[1..] {
            document.apply(&whole, LATE).unwrap();
            document.set_agent(random.next());
        }
        let mut envelopes = Vec::new();
        for _ in 0..120 {
            let (at, from) = (random.below(3), random.below(3));
            match random.below(6) {
                0 | 1 => {
                    let text = documents[at].child(ROOT, "t", Kind::Text).unwrap();
                    let list = documents[at].child(ROOT, "l", Kind::List).unwrap();
                    for _ in 0..1 + random.below(4) {
                        write_much(&mut documents[at], text, list, random);
                    }
                }
                2 => envelopes.extend(take_all(&mut documents[at])),
                3 if !envelopes.is_empty() => {
                    let envelope: &Vec<u8> = random.pick(&envelopes);
                    documents[at].apply(envelope, LATE).unwrap();
                }
                _ => {
                    let since = documents[at].version_bytes();
                    let versions = [since.clone(), earlier(&documents[from], random)];
                    check(&documents[from], &versions);
                    let update = documents[from].export_update(Some(&since)).unwrap();
                    documents[at].apply(&update, LATE).unwrap();
                }
            }
        }
    });
}

/// Of a trimmed document nobody has seen how it came to be.
#[test]
fn trimmed_documents_are_told_as_if_all_was_looked_at() {
    for_seeds(20, |random| {
        let mut document = Document::default();
        document.set_agent(random.next());
        let text = document.ensure_child(ROOT, "t", Kind::Text, 1).unwrap();
        let list = document.ensure_child(ROOT, "l", Kind::List, 1).unwrap();
        for _ in 0..60 {
            write_much(&mut document, text, list, random);
        }
        let mut trimmed = Document::default();
        trimmed.apply(&document.trim(7).unwrap(), LATE).unwrap();
        trimmed.set_agent(random.next());
        let text = trimmed.child(ROOT, "t", Kind::Text).unwrap();
        let list = trimmed.child(ROOT, "l", Kind::List).unwrap();
        for _ in 0..20 {
            let versions = [trimmed.version_bytes(), earlier(&trimmed, random)];
            write_much(&mut trimmed, text, list, random);
            check(&trimmed, &versions);
        }
    });
}

/// Also what was damaged on its way and joins all the same.
#[test]
fn what_nobody_would_write_is_told_as_if_all_was_looked_at() {
    let joined = Cell::new(0);
    for scope in EVERY_SCOPE {
        for_seeds(20, |random| {
            let mut world = World::new(random);
            for _ in 0..40 {
                world.step(random, scope);
            }
            world.collect_all();
            for _ in 0..60 {
                let mut document = random.pick(&world.peers).document.clone();
                let bytes = if random.once_in(2) && !world.envelopes.is_empty() {
                    random.pick(&world.envelopes).clone()
                } else {
                    let since = document.version_bytes();
                    random.pick(&world.peers).document.export_update(Some(&since)).unwrap()
                };
                if document.apply(&damaged(&[bytes], random), LATE) == Ok(Applied::Joined) {
                    joined.set(joined.get() + 1);
                    let versions: Vec<Vec<u8>> = (0..4).map(|_| earlier(&document, random)).collect();
                    check(&document, &versions);
                }
            }
        });
    }
    assert!(joined.get() > 100, "{} joined", joined.get());
}
