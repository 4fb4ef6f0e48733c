//! Replay and trim, under random edits. Where a replay and a join must agree they are held against each other; where something
//! was refused, against a model that knows nothing of ids in trees.

use crate::differences::check as check_differences;
use crate::edits::{edit, Scope, EVERY_SCOPE, KINDS};
use crate::exchange::World;
use crate::mutation::damaged;
use crate::nodes::{shape, Shape};
use crate::peer::{integer, shown, take_all, Peer, LATE};
use crate::random::{for_seeds, for_these, rounds, Random};
use crate::refusal::refs;
use joinery_oracle::Kind as OracleKind;
use joinery_types::{Applied, Bridge, ClockRule, Document, Kind, Replay, ReplayOptions};

/// A base that the server has, replicas that wrote on it offline, and what they wrote, causes first.
struct Offline {
    base: Document,
    from: Document,
    envelopes: Vec<Vec<u8>>,
}

pub fn loaded(snapshot: &[u8], agent: u64) -> Document {
    let mut document = Document::default();
    document.set_agent(agent);
    assert_ne!(document.apply(snapshot, LATE).unwrap(), Applied::Waiting);
    document
}

/// Some tabs of one user, who hear of each other now and then.
fn offline(random: &mut Random, scope: Scope, tabs: usize) -> Offline {
    let mut world = World::new(random);
    for _ in 0..random.below(40) {
        world.step(random, scope);
    }
    world.settle(random);
    let base = loaded(&world.peers[0].document.encode_snapshot(), 100);
    let snapshot = base.encode_snapshot();
    let mut authors: Vec<Peer> = (0..tabs).map(|_| Peer::new(random.next())).collect();
    if !world.log.entries.is_empty() {
        authors.iter_mut().for_each(|author| {
            author.receive(&world.log, &snapshot, LATE);
        });
    }
    let mut envelopes: Vec<Vec<u8>> = Vec::new();
    for _ in 0..1 + random.below(40) {
        let at = random.below(tabs);
        if random.once_in(4) {
            for envelope in &envelopes {
                authors[at].receive(&world.log, envelope, LATE);
            }
        }
        edit(&mut authors[at], &mut world.log, random, scope);
        if random.below(3) > 0 {
            envelopes.extend(take_all(&mut authors[at].document));
        }
    }
    // What wasn't taken rests on envelopes that the tab has seen, and those were taken.
    for author in &mut authors {
        envelopes.extend(take_all(&mut author.document));
    }
    let mut from = base.clone();
    for envelope in &envelopes {
        assert_eq!(from.apply(envelope, LATE).unwrap(), Applied::Joined);
    }
    Offline { base, from, envelopes }
}

/// A clock that was right, or one that is put right by so much that what it wrote is before or after all that was there.
fn clock(random: &mut Random) -> Option<ClockRule> {
    random.once_in(2).then(|| ClockRule {
        server_time_ms: random.below(12) as u64,
        correction_ms: random.below(25) as i64 - 12,
    })
}

fn replayed(offline: &Offline, into: &mut Document, options: &ReplayOptions<'_>) -> Replay {
    let mut replay = Replay::new(&offline.from, into, options).unwrap();
    for envelope in &offline.envelopes {
        replay.add(&offline.from, into, envelope).unwrap();
    }
    replay
}

/// What a replica that had `before` shows when it has joined all that `into` wrote, whatever the stamps.
fn told(before: &Document, into: &mut Document) -> Shape {
    let mut reader = before.clone();
    for envelope in take_all(into) {
        assert_eq!(reader.apply(&envelope, u64::MAX).unwrap(), Applied::Joined);
    }
    assert_eq!(shown(&reader), shown(into));
    check_differences(into, &[before.version_bytes()]);
    let mut again = Document::default();
    again.apply(&into.encode_snapshot(), u64::MAX).unwrap();
    assert!(again.encode_snapshot() == into.encode_snapshot());
    shape(into, false)
}

#[test]
fn a_replay_into_the_state_it_was_written_on_shows_what_a_join_shows() {
    for scope in EVERY_SCOPE {
        for_seeds(if scope == Scope::Mixed { 600 } else { 150 }, |random| {
            let tabs = 1 + random.below(3);
            let offline = offline(random, scope, tabs);
            let mut into = loaded(&offline.base.encode_snapshot(), random.next());
            // What several tabs wrote beside each other may fall in another order where the clock is put right.
            let options = ReplayOptions {
                clock: clock(random).filter(|_| tabs == 1),
                ..ReplayOptions::default()
            };
            replayed(&offline, &mut into, &options);
            let (told, expected) = (told(&offline.base, &mut into), shape(&offline.from, false));
            assert_eq!(told.0, expected.0);
            // Marks of several tabs with one stamp become one agent's, and there may be no stamp left between two others.
            assert!(tabs > 1 || told.1 == expected.1, "{told:?} {expected:?}");
            if tabs == 1 {
                assert_eq!(shape(&into, true), shape(&offline.from, true));
            }
        });
    }
}

/// Keys that are written, or a text that is typed and marked in. Clocks that were off by this and that, replays that another process
/// goes on with, and a server that takes a part of what a replay has made and refuses the rest, which is then replayed once more.
#[test]
fn what_won_for_its_author_wins_however_often_it_is_put_right() {
    for_seeds(400, put_right_thrice);
}

/// What an earlier replay made comes in another order than that of its stamps: what the last one got is no reason to put the next
/// one above what its author's document shows. And two marks of one agent with one stamp stay in their order.
#[test]
fn what_lost_for_its_author_loses_though_its_agents_last_write_was_put_higher() {
    for_these([12824, 14280, 17956, 20505], put_right_thrice);
}

fn put_right_thrice(random: &mut Random) {
    let right = ClockRule {
        server_time_ms: 1 << 40,
        correction_ms: 0,
    };
    let wrong = |random: &mut Random| ClockRule {
        server_time_ms: 6 + random.below(6) as u64,
        correction_ms: random.below(25) as i64 - 12,
    };
    let tabs = 1 + random.below(3);
    let kind = *random.pick(&[OracleKind::Map, OracleKind::Text]);
    let mut offline = offline(random, Scope::Only(kind), tabs);
    let expected = shown(&offline.from);
    for round in 0..3 {
        // What was put right is right.
        let rule = |random: &mut Random| if round == 0 { wrong(random) } else { right };
        let mut into = loaded(&offline.base.encode_snapshot(), random.next());
        let mut made = Vec::new();
        let mut mapping = Vec::new();
        let (first, second) = offline.envelopes.split_at(random.below(offline.envelopes.len() + 1));
        for part in [first, second] {
            let options = ReplayOptions {
                clock: Some(rule(random)),
                mapping: (!mapping.is_empty()).then_some(&mapping),
                ..ReplayOptions::default()
            };
            let mut replay = Replay::new(&offline.from, &into, &options).unwrap();
            for envelope in part {
                if random.once_in(3) {
                    replay.correct(rule(random));
                }
                replay.add(&offline.from, &mut into, envelope).unwrap();
            }
            mapping = replay.mapping();
            made.extend(take_all(&mut into));
            into = loaded(&into.encode_snapshot(), random.next());
        }
        assert_eq!(shown(&into), expected, "{kind:?} by {tabs} tabs in round {round}");
        let mut base = offline.base.clone();
        let taken = random.below(made.len() + 1);
        for envelope in &made[..taken] {
            assert_eq!(base.apply(envelope, u64::MAX).unwrap(), Applied::Joined);
        }
        offline = Offline {
            base,
            from: into,
            envelopes: made.split_off(taken),
        };
    }
}

/// Sequences are left out: which of two texts typed at one place comes first is decided by agents' ids, and those change.
#[test]
fn a_replay_beside_writes_of_others_wins_and_loses_as_a_join() {
    for kind in [OracleKind::Map, OracleKind::Counter, OracleKind::Set] {
        for_seeds(200, |random| {
            let scope = Scope::Only(kind);
            let offline = offline(random, scope, 1);
            // Another user's edits on the same base, with stamps that tie with the author's.
            let mut server = loaded(&offline.base.encode_snapshot(), random.next());
            for _ in 0..random.below(10) {
                others_edit(&mut server, random, kind);
            }
            take_all(&mut server);
            let mut into = loaded(&server.encode_snapshot(), random.next());
            let before = into.clone();
            replayed(&offline, &mut into, &ReplayOptions::default());
            let mut joined = server;
            for envelope in &offline.envelopes {
                assert_eq!(joined.apply(envelope, LATE).unwrap(), Applied::Joined);
            }
            assert_eq!(told(&before, &mut into), shape(&joined, false));
        });
    }
}

fn others_edit(document: &mut Document, random: &mut Random, kind: OracleKind) {
    let now = random.below(6) as u64;
    let value = integer(random.below(4) as i64 - 2);
    let key = *random.pick(&["a", "b", "é"]);
    let mut it = |kind| document.ensure_child(0, "it", kind, now).unwrap();
    match kind {
        OracleKind::Map if random.once_in(3) => drop(document.map_delete(0, key, now).unwrap()),
        OracleKind::Map => document.map_set(0, key, &value, now).unwrap(),
        OracleKind::Counter => {
            let counter = it(Kind::Counter);
            document.counter_add(counter, random.below(9) as i64 - 4).unwrap();
        }
        _ => {
            let set = it(Kind::Set);
            if random.once_in(3) {
                document.set_delete(set, &value).unwrap();
            } else {
                document.set_add(set, &value).unwrap();
            }
        }
    }
}

#[test]
fn a_replay_is_done_once_however_often_it_is_asked_for() {
    for_seeds(200, |random| {
        let offline = offline(random, Scope::Mixed, 1);
        let mut into = loaded(&offline.base.encode_snapshot(), random.next());
        let cut = random.below(offline.envelopes.len() + 1);
        let (first, second) = offline.envelopes.split_at(cut);
        let mut replay = Replay::new(&offline.from, &into, &ReplayOptions::default()).unwrap();
        for envelope in first {
            replay.add(&offline.from, &mut into, envelope).unwrap();
        }
        // Another process goes on, perhaps on the state as it was stored.
        let mapping = replay.mapping();
        let options = ReplayOptions {
            mapping: Some(&mapping),
            ..ReplayOptions::default()
        };
        take_all(&mut into);
        if random.once_in(2) {
            into = loaded(&into.encode_snapshot(), random.next());
        }
        let mut replay = Replay::new(&offline.from, &into, &options).unwrap();
        assert_eq!(replay.mapping(), mapping);
        let before = into.revision();
        for envelope in first {
            replay.add(&offline.from, &mut into, envelope).unwrap();
        }
        assert_eq!(into.revision(), before);
        assert_eq!(replay.mapping(), mapping);
        for envelope in second {
            replay.add(&offline.from, &mut into, envelope).unwrap();
        }
        assert_eq!(shape(&into, true), shape(&offline.from, true));
        let before = into.revision();
        for envelope in &offline.envelopes {
            replay.add(&offline.from, &mut into, envelope).unwrap();
        }
        assert_eq!(into.revision(), before, "something was made twice");
    });
}

#[test]
fn what_the_server_has_is_not_made_again() {
    for_seeds(100, |random| {
        let offline = offline(random, Scope::Mixed, 2);
        let mut into = offline.base.clone();
        let had = random.below(offline.envelopes.len() + 1);
        for envelope in &offline.envelopes[..had] {
            into.apply(envelope, LATE).unwrap();
        }
        let mut into = loaded(&into.encode_snapshot(), random.next());
        replayed(&offline, &mut into, &ReplayOptions::default());
        assert_eq!(shape(&into, false), shape(&offline.from, false));
    });
}

#[test]
fn a_trim_shows_the_same_and_is_the_same_wherever_it_is_made() {
    for scope in EVERY_SCOPE {
        for_seeds(100, |random| {
            let mut world = World::new(random);
            for _ in 0..random.below(80) {
                world.step(random, scope);
            }
            world.settle(random);
            let agent = random.next();
            let trimmed = world.peers[0].document.trim(agent).unwrap();
            for peer in &world.peers {
                assert!(
                    peer.document.trim(agent).unwrap() == trimmed,
                    "equal states, other bytes"
                );
            }
            let mut document = loaded(&trimmed, agent ^ 1);
            assert_eq!(shape(&document, true), shape(&world.peers[0].document, true));
            assert!(document.encode_snapshot() == trimmed);
            // It takes edits, and a second trim.
            let again = document.trim(agent.wrapping_add(1)).unwrap();
            assert_eq!(shape(&loaded(&again, 5), true), shape(&document, true));
            assert_eq!(again.len(), trimmed.len());
            let text = document.ensure_child(0, "it's new", Kind::Text, 1 << 30).unwrap();
            document.text_insert(text, 0, &mut [b'x'.into()]).unwrap();
            let mut reader = loaded(&trimmed, 6);
            for envelope in take_all(&mut document) {
                assert_eq!(reader.apply(&envelope, LATE).unwrap(), Applied::Joined);
            }
            assert_eq!(shown(&reader), shown(&document));
        });
    }
}

#[test]
fn a_replay_across_trims_shows_what_a_join_before_them_shows() {
    for scope in EVERY_SCOPE {
        for_seeds(if scope == Scope::Mixed { 500 } else { 100 }, |random| {
            let offline = offline(random, scope, 1);
            let mut snapshots = vec![offline.base.encode_snapshot()];
            let agents: Vec<u64> = (0..1 + random.below(3)).map(|_| random.next()).collect();
            for &agent in &agents {
                let last = loaded(snapshots.last().unwrap(), 1);
                snapshots.push(last.trim(agent).unwrap());
            }
            let bridges: Vec<Bridge<'_>> = agents
                .iter()
                .zip(&snapshots)
                .map(|(&agent, snapshot)| Bridge { agent, snapshot })
                .collect();
            let into = loaded(snapshots.last().unwrap(), random.next());
            let options = ReplayOptions {
                bridges: &bridges,
                epoch: true,
                clock: clock(random),
                ..ReplayOptions::default()
            };
            let mut written = into.clone();
            replayed(&offline, &mut written, &options);
            assert_eq!(told(&into, &mut written), shape(&offline.from, false));
            assert_eq!(shape(&written, true), shape(&offline.from, true));
        });
    }
}

/// Another process goes on with the mapping, on the state of a later epoch; the first one had begun in any of them.
#[test]
fn a_replay_that_goes_on_after_trims_shows_what_a_join_before_them_shows() {
    for kind in KINDS {
        for_seeds(150, |random| {
            let offline = offline(random, Scope::Only(kind), 1);
            let (first, second) = offline.envelopes.split_at(random.below(offline.envelopes.len() + 1));
            let clock = clock(random);
            let trims = random.below(4);
            let begun_in = random.below(trims + 1);
            let mut bridges: Vec<(u64, Vec<u8>)> = Vec::new();
            let mut into = loaded(&offline.base.encode_snapshot(), random.next());
            let mut mapping = Vec::new();
            for epoch in 0..=trims {
                if epoch > 0 {
                    let agent = random.next();
                    bridges.push((agent, into.encode_snapshot()));
                    into = loaded(&into.trim(agent).unwrap(), random.next());
                }
                if epoch == begun_in {
                    let options = ReplayOptions {
                        bridges: &refs(&bridges),
                        clock,
                        epoch: epoch > 0,
                        mapping: None,
                    };
                    let mut replay = Replay::new(&offline.from, &into, &options).unwrap();
                    for envelope in first {
                        assert_eq!(replay.add(&offline.from, &mut into, envelope).unwrap().rejected, []);
                    }
                    mapping = replay.mapping();
                    take_all(&mut into);
                    into = loaded(&into.encode_snapshot(), random.next());
                }
            }
            let options = ReplayOptions {
                bridges: &refs(&bridges),
                clock,
                epoch: trims > 0,
                mapping: Some(&mapping),
            };
            let before = into.clone();
            let mut replay = Replay::new(&offline.from, &into, &options).unwrap();
            for envelope in second {
                assert_eq!(replay.add(&offline.from, &mut into, envelope).unwrap().rejected, []);
            }
            assert_eq!(told(&before, &mut into), shape(&offline.from, false));
            assert_eq!(shape(&into, true), shape(&offline.from, true));
        });
    }
}

/// Types these letters at random places, and deletes here and there.
fn type_at_random(document: &mut Document, random: &mut Random, letters: &str, deletes: usize) {
    let text = document.ensure_child(0, "body", Kind::Text, 1).unwrap();
    for letter in letters.encode_utf16() {
        let len = document.text_len(text).unwrap();
        if random.below(10) < deletes && len > 0 {
            let from = random.below(len as usize) as u32;
            document
                .text_delete(text, from, 1 + random.below((len - from).min(4) as usize) as u32)
                .unwrap();
        }
        let index = random.below(document.text_len(text).unwrap() as usize + 1) as u32;
        document.text_insert(text, index, &mut [letter]).unwrap();
    }
}

fn only(text: &str, letters: impl Fn(char) -> bool) -> String {
    text.chars().filter(|&letter| letters(letter)).collect()
}

#[test]
fn across_trims_what_was_typed_is_kept_in_its_order_among_what_others_typed() {
    for_seeds(400, |random| {
        let mut server = Document::default();
        server.set_agent(random.next());
        type_at_random(&mut server, random, "abcdefghijklmnopqrst", 2);
        take_all(&mut server);
        let mut from = loaded(&server.encode_snapshot(), random.next());
        type_at_random(&mut from, random, "ABCDEFGHIJKLMNOPQRST", 3);
        let envelopes = take_all(&mut from);
        // The server goes on, is trimmed, goes on, is trimmed again, and goes on.
        let mut bridges = Vec::new();
        for letters in ["012", "345"] {
            type_at_random(&mut server, random, letters, 5);
            take_all(&mut server);
            bridges.push((random.next(), server.encode_snapshot()));
            let (agent, _) = bridges.last().unwrap();
            server = loaded(&server.trim(*agent).unwrap(), random.next());
        }
        type_at_random(&mut server, random, "678", 5);
        take_all(&mut server);
        let bridges: Vec<Bridge<'_>> = bridges
            .iter()
            .map(|&(agent, ref snapshot)| Bridge { agent, snapshot })
            .collect();
        let options = ReplayOptions {
            bridges: &bridges,
            epoch: true,
            ..ReplayOptions::default()
        };
        let text = |document: &Document| {
            let body = document.child(0, "body", Kind::Text).unwrap();
            document.text_string(body).unwrap()
        };
        let before = text(&server);
        let mut into = loaded(&server.encode_snapshot(), random.next());
        let mut replay = Replay::new(&from, &into, &options).unwrap();
        for envelope in &envelopes {
            let outcome = replay.add(&from, &mut into, envelope).unwrap();
            assert_eq!(outcome.rejected, []);
        }
        told(&server, &mut into);
        let after = text(&into);
        let mine = |letter: char| letter.is_ascii_uppercase();
        assert_eq!(only(&after, mine), only(&text(&from), mine));
        // Of the others' letters those are gone that the author deleted, and no digit, for none was ever seen.
        let digit = |letter: char| letter.is_ascii_digit();
        assert_eq!(only(&after, digit), only(&before, digit));
        let both = |letter: char| letter.is_ascii_lowercase() && text(&from).contains(letter);
        assert_eq!(only(&after, |letter| letter.is_ascii_lowercase()), only(&before, both));
    });
}

#[test]
fn damaged_envelopes_mappings_and_bridges_change_nothing_or_leave_a_sound_document() {
    let mut random = Random(9);
    for _ in 0..24 * rounds() {
        let offline = offline(&mut random, Scope::Mixed, 2);
        if offline.envelopes.is_empty() {
            continue;
        }
        let snapshot = offline.base.encode_snapshot();
        let fresh = loaded(&snapshot, 4);
        let mut whole = fresh.clone();
        let mapping = replayed(&offline, &mut whole, &ReplayOptions::default()).mapping();
        let agent = random.next();
        let trimmed = loaded(&offline.base.trim(agent).unwrap(), 4);
        let fresh_insides = format!("{fresh:?}");
        for _ in 0..300 {
            let bad = damaged(&offline.envelopes, &mut random);
            let bad_mapping = damaged(std::slice::from_ref(&mapping), &mut random);
            let bad_snapshot = damaged(std::slice::from_ref(&snapshot), &mut random);
            let bridges = [Bridge {
                agent,
                snapshot: if random.once_in(2) { &bad_snapshot } else { &snapshot },
            }];
            let across = random.once_in(2);
            let options = ReplayOptions {
                mapping: random.once_in(2).then_some(&bad_mapping),
                bridges: if across { &bridges } else { &[] },
                epoch: across,
                clock: clock(&mut random),
            };
            let mut into = if across { trimmed.clone() } else { fresh.clone() };
            let codes = ["invalid-update", "invalid-snapshot", "limit-exceeded"];
            let mut description = Vec::new();
            match fresh.describe(&bad, &mut description) {
                Ok(()) => joinery_codec::check_value(&description).unwrap(),
                Err(error) => {
                    assert!(codes.contains(&error.code()), "{error}");
                    assert!(description.is_empty());
                }
            }
            let mut replay = match Replay::new(&offline.from, &into, &options) {
                Ok(replay) => replay,
                Err(error) => {
                    assert!(codes.contains(&error.code()), "{error}");
                    continue;
                }
            };
            let before = (into.encode_snapshot(), replay.mapping());
            let copy = into.clone();
            let done = if random.once_in(3) {
                replay.refuse(&offline.from, &mut into, &bad)
            } else {
                replay.add(&offline.from, &mut into, &bad)
            };
            if let Err(error) = done {
                assert!(codes.contains(&error.code()), "{error}");
                assert!((into.encode_snapshot(), replay.mapping()) == before);
                continue;
            }
            for envelope in &offline.envelopes {
                replay.add(&offline.from, &mut into, envelope).unwrap();
            }
            told(&copy, &mut into);
        }
        assert!(
            format!("{fresh:?}") == fresh_insides,
            "a description changed the document"
        );
    }
}

/// More units than the search for a neighbour walks past stand side by side and are still to come: the order is its author's all
/// the same, without what was refused.
#[test]
fn units_far_from_the_next_one_that_came_through_keep_their_authors_order() {
    for_seeds(60, |random| {
        let mut base = Document::default();
        base.set_agent(7);
        let text = base.ensure_child(0, "t", Kind::Text, LATE).unwrap();
        let list = base.ensure_child(0, "l", Kind::List, LATE).unwrap();
        let mut units: Vec<u16> = (0..1 + random.below(200) as u16).map(|n| 0x3000 + n).collect();
        base.text_insert(text, 0, &mut units).unwrap();
        base.list_insert(list, 0, &[&integer(-1)]).unwrap();
        take_all(&mut base);
        let mut from = loaded(&base.encode_snapshot(), random.next());
        let at_key = |document: &Document, key, kind| document.child(0, key, kind).unwrap();
        let (text, list) = (at_key(&from, "t", Kind::Text), at_key(&from, "l", Kind::List));
        let mut envelopes = Vec::new();
        // Mostly in one direction, so that what comes later lies in a heap on one side.
        let place = random.below(3);
        for n in 0..300 {
            let (text_len, list_len) = (from.text_len(text).unwrap(), from.list_len(list).unwrap());
            let at = |len: u32, random: &mut Random| match place {
                _ if random.once_in(10) => random.below(len as usize + 1) as u32,
                0 => 0,
                1 => len,
                _ => len / 2,
            };
            let index = at(text_len, random);
            from.text_insert(text, index, &mut [0x4000 + n as u16]).unwrap();
            let mut made = take_all(&mut from);
            let index = at(list_len, random);
            from.list_insert(list, index, &[&integer(n)]).unwrap();
            made.extend(take_all(&mut from));
            envelopes.push((n, made));
        }
        let mut into = loaded(&base.encode_snapshot(), random.next());
        let before = into.clone();
        let mut replay = Replay::new(&from, &into, &ReplayOptions::default()).unwrap();
        let mut refused = Vec::new();
        for (n, made) in &envelopes {
            let is_refused = random.once_in(5);
            for envelope in made {
                if is_refused {
                    replay.refuse(&from, &mut into, envelope).unwrap();
                } else {
                    let outcome = replay.add(&from, &mut into, envelope).unwrap();
                    assert_eq!(outcome.rejected, []);
                }
            }
            if is_refused {
                refused.push(*n);
            }
        }
        let expected = from.text_string(text).unwrap();
        let came_through = |unit: &u16| !refused.iter().any(|n| *unit == 0x4000 + *n as u16);
        let expected: Vec<u16> = expected.encode_utf16().filter(came_through).collect();
        let text = at_key(&into, "t", Kind::Text);
        assert_eq!(into.text_string(text).unwrap(), String::from_utf16(&expected).unwrap());
        let values = |document: &mut Document| -> Vec<Vec<u8>> {
            let list = at_key(document, "l", Kind::List);
            (0..document.list_len(list).unwrap())
                .map(|index| match document.list_get(list, index).unwrap() {
                    Some(joinery_types::Entry::Plain(bytes)) => bytes.to_vec(),
                    _ => unreachable!("plain values only"),
                })
                .collect()
        };
        let mut expected = values(&mut from);
        expected.retain(|value| !refused.iter().any(|n| *value == integer(*n)));
        assert_eq!(values(&mut into), expected);
        told(&before, &mut into);
    });
}
