//! Moving list elements: where an element stands, what a move leaves alone, and what of it crosses a trim. (That all of it
//! merges is held against the oracle, with all other edits.)

use crate::peer::{integer, plain, take_all, LATE};
use crate::random::for_seeds;
use crate::refusal::refs;
use crate::replay::loaded;
use joinery_types::{Applied, ClockRule, Document, Entry, Kind, Replay, ReplayOptions, ROOT};

fn list_of(document: &Document) -> u32 {
    document.child(ROOT, "l", Kind::List).unwrap()
}

/// A list of the whole numbers from 0 on.
fn counting(n: i64) -> Document {
    let mut document = Document::default();
    document.set_agent(1);
    let list = document.ensure_child(ROOT, "l", Kind::List, 1).unwrap();
    let values: Vec<Vec<u8>> = (0..n).map(integer).collect();
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    document.list_insert(list, 0, &values).unwrap();
    take_all(&mut document);
    document
}

fn read(document: &mut Document) -> Vec<i64> {
    let list = list_of(document);
    (0..document.list_len(list).unwrap())
        .map(|index| match document.list_get(list, index).unwrap() {
            Some(Entry::Plain([3, raw])) => i64::from(raw >> 1) ^ -i64::from(raw & 1),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn send(from: &mut Document, to: &mut Document) {
    for envelope in take_all(from) {
        assert_eq!(to.apply(&envelope, LATE), Ok(Applied::Joined));
    }
}

#[test]
fn an_element_goes_where_splice_would_put_it() {
    for (from, to) in (0..5).flat_map(|from| (0..5).map(move |to| (from, to))) {
        let mut document = counting(5);
        let list = list_of(&document);
        document.list_move(list, from, to, 5).unwrap();
        let mut expected: Vec<i64> = (0..5).collect();
        let element = expected.remove(from as usize);
        expected.insert(to as usize, element);
        assert_eq!(read(&mut document), expected, "{from} to {to}");
        assert_eq!(take_all(&mut document).len(), usize::from(from != to));
    }
}

#[test]
fn indices_are_checked_and_nothing_has_changed() {
    let mut document = counting(3);
    let list = list_of(&document);
    let before = document.encode_snapshot();
    for (from, to) in [(3, 0), (0, 3), (u32::MAX, 0), (0, u32::MAX), (3, 3)] {
        let error = document.list_move(list, from, to, 5).unwrap_err();
        assert_eq!(error.code(), "index-out-of-range");
    }
    let text = document.ensure_child(ROOT, "t", Kind::Text, 1).unwrap();
    assert_eq!(document.list_move(text, 0, 0, 5).unwrap_err().code(), "wrong-type");
    document.list_move(list, 1, 1, 5).unwrap();
    assert_eq!(take_all(&mut document).len(), 1, "the text's creation");
    let mut empty = Document::default();
    empty.apply(&before, LATE).unwrap();
    assert_eq!(empty.list_move(list, 0, 1, 5).unwrap_err().code(), "no-agent");
}

/// What is moved costs its entry, and each unit that it left behind about as much as a removed one; a trim lets go of both.
#[test]
fn a_list_pays_for_its_moved_elements_only() {
    let mut document = counting(200);
    let list = list_of(&document);
    let never = document.encode_snapshot().len();
    document.list_move(list, 3, 150, 5).unwrap();
    let once = document.encode_snapshot().len();
    assert!(once > never && once < never + 60, "{never} {once}");
    for round in 0..1000 {
        document.list_move(list, 150 - round % 2, 149 + round % 2, 5).unwrap();
    }
    let often = document.encode_snapshot().len();
    assert!(often < once + 3 * 1000 + 60, "{once} {often}");
    let trimmed = document.trim(9).unwrap();
    assert!(trimmed.len() <= never + 12, "{never} {}", trimmed.len());
    assert_eq!(plain(&loaded(&trimmed, 4)), plain(&document));
}

#[test]
fn what_is_in_an_element_goes_with_it() {
    let mut one = counting(3);
    let list = list_of(&one);
    let map = one.list_set_child(list, 0, Kind::Map, 5).unwrap();
    one.map_set(map, "k", &integer(1), 6).unwrap();
    let mut two = loaded(&one.encode_snapshot(), 2);
    take_all(&mut one);
    one.list_move(list, 0, 2, 7).unwrap();
    let in_two = match two.list_get(list_of(&two), 0) {
        Ok(Some(Entry::Child(child, Kind::Map))) => child,
        other => panic!("{other:?}"),
    };
    two.map_set(in_two, "k", &integer(2), 8).unwrap();
    send(&mut one, &mut two);
    send(&mut two, &mut one);
    assert_eq!(plain(&one), plain(&two));
    // The number stays the container's, and it is written to where it stands.
    two.map_set(in_two, "l", &integer(3), 9).unwrap();
    assert!(matches!(two.list_get(list, 2), Ok(Some(Entry::Child(child, _))) if child == in_two));
    // Whoever loads it finds it there, and deletes it there.
    let mut third = loaded(&two.encode_snapshot(), 3);
    assert_eq!(plain(&third), plain(&two));
    third.list_delete(list_of(&third), 2, 1).unwrap();
    send(&mut third, &mut two);
    assert!(two
        .map_set(in_two, "k", &integer(4), 9)
        .is_err_and(|e| e.code() == "container-gone"));
}

#[test]
fn a_range_is_deleted_as_it_is_seen() {
    for_seeds(60, |random| {
        let mut document = counting(12);
        let list = list_of(&document);
        for _ in 0..random.below(10) {
            let (from, to) = (random.below(12) as u32, random.below(12) as u32);
            document.list_move(list, from, to, 5).unwrap();
        }
        let mut reader = loaded(&document.encode_snapshot(), 2);
        take_all(&mut document);
        let mut expected = read(&mut document);
        let from = random.below(12);
        let n = 1 + random.below(12 - from);
        expected.drain(from..from + n);
        document.list_delete(list, from as u32, n as u32).unwrap();
        send(&mut document, &mut reader);
        assert_eq!(read(&mut document), expected);
        assert_eq!(read(&mut reader), expected);
        assert!(reader.encode_snapshot() == document.encode_snapshot());
    });
}

/// Trims the server so often, each time with an agent of its own.
fn trimmed(server: Document, times: u64) -> (Document, Vec<(u64, Vec<u8>)>) {
    let mut server = server;
    let mut bridges = Vec::new();
    for agent in 50..50 + times {
        bridges.push((agent, server.encode_snapshot()));
        server = loaded(&server.trim(agent).unwrap(), agent + 10);
    }
    (server, bridges)
}

/// Replays what one author wrote on the server's state.
fn replayed(from: &mut Document, into: &Document, bridges: &[(u64, Vec<u8>)], clock: Option<ClockRule>) -> Document {
    let mut into = loaded(&into.encode_snapshot(), 90);
    let options = ReplayOptions {
        bridges: &refs(bridges),
        epoch: !bridges.is_empty(),
        clock,
        mapping: None,
    };
    let envelopes = take_all(from);
    let mut replay = Replay::new(from, &into, &options).unwrap();
    for envelope in envelopes {
        assert_eq!(replay.add(from, &mut into, &envelope).unwrap().rejected, []);
    }
    into
}

#[test]
fn across_trims_the_later_move_stands() {
    for (trims, mine, theirs) in (0..3).flat_map(|trims| [(trims, 100, 200), (trims, 200, 100)]) {
        let mut server = counting(4);
        let mut from = loaded(&server.encode_snapshot(), 2);
        let list = list_of(&from);
        from.list_move(list, 1, 3, mine).unwrap();
        server.list_move(list_of(&server), 1, 0, theirs).unwrap();
        let (server, bridges) = trimmed(server, trims);
        let mut into = replayed(&mut from, &server, &bridges, None);
        let expected = if mine > theirs { [0, 2, 3, 1] } else { [1, 0, 2, 3] };
        assert_eq!(read(&mut into), expected, "{trims} trims, {mine} and {theirs}");
    }
}

/// An author whose clock is a day ahead: what it had seen it has overwritten, what came later by the right time stands.
#[test]
fn a_clock_is_put_right_for_moves_as_for_writes() {
    const DAY: u64 = 86_400_000;
    const NOON: u64 = 1_000_000_000_000;
    for trims in 0..3 {
        let mut server = counting(4);
        let list = list_of(&server);
        server.list_move(list, 1, 0, NOON - 1000).unwrap();
        let mut from = loaded(&server.encode_snapshot(), 2);
        from.list_move(list, 0, 3, NOON + DAY).unwrap();
        from.list_move(list, 0, 2, NOON + DAY).unwrap();
        assert_eq!(read(&mut from), [2, 3, 0, 1]);
        // Meanwhile, unheard of, with a clock that is right.
        server.list_move(list, 1, 0, NOON + 1000).unwrap();
        let (server, bridges) = trimmed(server, trims);
        let clock = ClockRule {
            server_time_ms: NOON + 500,
            correction_ms: DAY as i64,
        };
        let mut into = replayed(&mut from, &server, &bridges, Some(clock));
        assert_eq!(read(&mut into), [0, 2, 3, 1], "{trims} trims");
    }
}

#[test]
fn what_was_inserted_behind_an_element_stays_when_that_was_moved_away() {
    for trims in 0..3 {
        let mut server = counting(4);
        let mut from = loaded(&server.encode_snapshot(), 2);
        let list = list_of(&from);
        from.list_insert(list, 2, &[&integer(9)]).unwrap();
        server.list_move(list_of(&server), 1, 3, 5).unwrap();
        let (server, bridges) = trimmed(server, trims);
        let mut into = replayed(&mut from, &server, &bridges, None);
        assert_eq!(read(&mut into), [0, 9, 2, 3, 1], "{trims} trims");
    }
}

/// The same where the element was the author's own: made again in an epoch before, moved by another, and then trimmed.
#[test]
fn what_was_inserted_behind_an_own_element_stays_when_that_was_moved_away() {
    for trims in 0..4 {
        let mut server = counting(2);
        let mut from = loaded(&server.encode_snapshot(), 2);
        let list = list_of(&from);
        from.list_insert(list, 1, &[&integer(7), &integer(8)]).unwrap();
        let stored = from.take_update().unwrap();
        from.list_insert(list, 2, &[&integer(9)]).unwrap();
        let unstored = from.take_update().unwrap();
        assert_eq!(read(&mut from), [0, 7, 9, 8, 1]);
        server = loaded(&server.encode_snapshot(), 3);
        let mut replay = Replay::new(&from, &server, &ReplayOptions::default()).unwrap();
        replay.add(&from, &mut server, &stored).unwrap();
        let mut mapping = replay.mapping();
        server.list_move(list_of(&server), 1, 3, 5).unwrap();
        let (mut server, bridges) = trimmed(server, trims);
        // Somebody goes on with the mapping in each epoch, and writes nothing.
        for at in 1..=bridges.len() {
            let options = ReplayOptions {
                bridges: &refs(&bridges[..at]),
                epoch: true,
                mapping: Some(&mapping),
                clock: None,
            };
            let state = bridges
                .get(at)
                .map_or_else(|| server.encode_snapshot(), |next| next.1.clone());
            mapping = Replay::new(&from, &loaded(&state, 80), &options).unwrap().mapping();
        }
        let options = ReplayOptions {
            bridges: &refs(&bridges),
            epoch: trims > 0,
            mapping: Some(&mapping),
            clock: None,
        };
        let mut replay = Replay::new(&from, &server, &options).unwrap();
        assert_eq!(replay.add(&from, &mut server, &unstored).unwrap().rejected, []);
        assert_eq!(read(&mut server), [0, 9, 8, 1, 7], "{trims} trims");
    }
}

#[test]
fn a_move_of_what_is_gone_is_rejected() {
    for trims in 0..2 {
        let mut server = counting(3);
        let mut from = loaded(&server.encode_snapshot(), 2);
        let list = list_of(&from);
        from.list_move(list, 1, 0, 5).unwrap();
        let envelope = from.take_update().unwrap();
        from.list_insert(list, 1, &[&integer(9)]).unwrap();
        let behind = from.take_update().unwrap();
        server.list_delete(list, 1, 1).unwrap();
        let (server, bridges) = trimmed(server, trims);
        let mut into = loaded(&server.encode_snapshot(), 90);
        let options = ReplayOptions {
            bridges: &refs(&bridges),
            epoch: trims > 0,
            ..ReplayOptions::default()
        };
        let mut replay = Replay::new(&from, &into, &options).unwrap();
        let outcome = replay.add(&from, &mut into, &envelope).unwrap();
        assert_eq!(outcome.applied, 0);
        assert_eq!(outcome.rejected[0].reason, joinery_types::Reason::ParentMissing);
        // What hung on it stands where it was.
        assert_eq!(replay.add(&from, &mut into, &behind).unwrap().rejected, []);
        assert_eq!(read(&mut into), [9, 0, 2]);
    }
}

#[test]
fn a_move_is_described_by_where_from_and_where_to() {
    for (from, to) in [(1, 3), (3, 1), (0, 3), (3, 0)] {
        let mut document = counting(4);
        let list = list_of(&document);
        let before = document.clone();
        document.list_move(list, from, to, 5).unwrap();
        let mut description = Vec::new();
        before
            .describe(&document.take_update().unwrap(), &mut description)
            .unwrap();
        let number = |n: u32| [3, 2 * n as u8];
        let mut expected = vec![7, 1, 8, 4];
        for (key, value) in [
            ("container", [&[5, 4][..], b"list"].concat()),
            ("kind", [&[5, 4][..], b"move"].concat()),
            ("path", [&[7, 2, 5, 1, b'l'][..], &number(from)].concat()),
            ("value", number(to).to_vec()),
        ] {
            expected.push(key.len() as u8);
            expected.extend(key.as_bytes());
            expected.extend(value);
        }
        assert_eq!(description, expected);
    }
}
