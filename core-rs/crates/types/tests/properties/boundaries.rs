//! At the edges: −1, 0 and +1 of every limit, halves of pairs, nothing at all, and a great deal.

use crate::peer::{integer, plain, take_all, units, varint, Handle, Peer, LATE};
use crate::random::Random;
use joinery_codec::MAX_VALUE_BYTES;
use joinery_history::{EnvelopeHeader, MAX_AHEAD_MS, MAX_ENVELOPE_BYTES};
use joinery_oracle::{Kind as OracleKind, Log};
use joinery_types::{
    Applied, Document, Entry, Error, Kind, MAX_DEPTH, MAX_KEY_BYTES, MAX_PENDING, MAX_PENDING_BYTES, ROOT,
};
use std::time::Instant;

fn author(agent: u64) -> Document {
    let mut document = Document::default();
    document.set_agent(agent);
    document
}

fn text_of(document: &mut Document) -> u32 {
    document.ensure_child(ROOT, "t", Kind::Text, 1).unwrap()
}

fn read_text(document: &Document) -> Vec<u16> {
    let text = document.child(ROOT, "t", Kind::Text).unwrap();
    document.text_chunks(text).unwrap().flatten().copied().collect()
}

/// Every envelope fits, and together they build the same document elsewhere.
fn arrives(document: &mut Document) -> usize {
    let mut reader = Document::default();
    let mut longest = 0;
    for envelope in take_all(document) {
        longest = longest.max(envelope.len());
        assert_eq!(
            reader.apply(&envelope, LATE),
            Ok(Applied::Joined),
            "{} bytes",
            envelope.len()
        );
    }
    assert!(plain(&reader) == plain(document));
    assert!(reader.encode_snapshot() == document.encode_snapshot());
    assert!(longest <= MAX_ENVELOPE_BYTES);
    longest
}

#[test]
fn halves_of_pairs_never_part() {
    // (what is there, the edit, what is read): an index inside a pair is the pair's start, half a pair is the whole pair.
    enum Edit {
        Insert(usize, &'static [u16]),
        Delete(usize, usize),
    }
    use Edit::{Delete, Insert};
    const X: &[u16] = &[b'x' as u16];
    const HIGH: &[u16] = &[0xd83d];
    const LOW: &[u16] = &[0xde00];
    let cases: [(&str, Edit, &str); 22] = [
        ("a😀b", Insert(1, X), "ax😀b"),
        ("a😀b", Insert(2, X), "ax😀b"),
        ("a😀b", Insert(3, X), "a😀xb"),
        ("😀", Insert(1, X), "x😀"),
        ("😀😀", Insert(1, X), "x😀😀"),
        ("😀😀", Insert(2, X), "😀x😀"),
        ("😀😀", Insert(3, X), "😀x😀"),
        ("", Insert(0, HIGH), "\u{fffd}"),
        ("", Insert(0, LOW), "\u{fffd}"),
        ("a", Insert(1, &[0xde00, 0xd83d]), "a\u{fffd}\u{fffd}"),
        ("😀", Insert(1, HIGH), "\u{fffd}😀"),
        ("a😀b", Delete(1, 1), "ab"),
        ("a😀b", Delete(2, 1), "ab"),
        ("a😀b", Delete(1, 2), "ab"),
        ("a😀b", Delete(0, 2), "b"),
        ("a😀b", Delete(2, 2), "a"),
        ("a😀b", Delete(2, 0), "a😀b"),
        ("😀😀", Delete(1, 1), "😀"),
        ("😀😀", Delete(1, 2), ""),
        ("😀😀", Delete(2, 1), "😀"),
        ("😀😀", Delete(3, 1), "😀"),
        ("😀", Delete(0, 1), ""),
    ];
    for (before, edit, after) in cases {
        let mut log = Log::default();
        let mut peer = Peer::new(1);
        let text = peer.ensure(&mut log, &Handle::root(), "t", OracleKind::Text, 1);
        peer.text_insert(&mut log, &text, 0, &units(before));
        match edit {
            Insert(at, what) => peer.text_insert(&mut log, &text, at, what),
            Delete(at, len) => peer.text_delete(&mut log, &text, at, len),
        }
        peer.check(&log);
        assert_eq!(peer.document.text_string(text.number).unwrap(), after);
        arrives(&mut peer.document);
    }
}

#[test]
fn two_halves_inserted_one_after_the_other_are_no_pair() {
    let mut document = author(1);
    let text = text_of(&mut document);
    document.text_insert(text, 0, &mut [0xd83d]).unwrap();
    document.text_insert(text, 1, &mut [0xde00]).unwrap();
    assert_eq!(document.text_string(text).unwrap(), "\u{fffd}\u{fffd}");
    arrives(&mut document);
}

#[test]
fn a_pair_deleted_while_others_type_beside_it_goes_whole() {
    let mut base = author(1);
    let text = text_of(&mut base);
    base.text_insert(text, 0, &mut units("a😀b")).unwrap();
    let snapshot = base.encode_snapshot();
    for index in 1..=3 {
        for (from, len) in [(1, 1), (2, 1), (1, 2), (0, 2), (2, 2), (0, 4)] {
            let (mut one, mut two) = (author(5), author(3));
            one.apply(&snapshot, LATE).unwrap();
            two.apply(&snapshot, LATE).unwrap();
            let (in_one, in_two) = (text_of(&mut one), text_of(&mut two));
            one.text_delete(in_one, from, len).unwrap();
            two.text_insert(in_two, index, &mut units("👍")).unwrap();
            let (from_one, from_two) = (one.take_update().unwrap(), two.take_update().unwrap());
            one.apply(&from_two, LATE).unwrap();
            two.apply(&from_one, LATE).unwrap();
            assert_eq!(read_text(&one), read_text(&two));
            let read = String::from_utf16(&read_text(&one)).expect("whole pairs");
            assert!(read.contains('👍') && !read.contains('😀'));
        }
    }
}

#[test]
fn indices_are_checked_at_the_end_and_one_behind() {
    let mut document = author(1);
    let text = text_of(&mut document);
    let list = document.ensure_child(ROOT, "l", Kind::List, 1).unwrap();
    for len in 0..3u32 {
        let value = integer(7);
        let out = |result: Result<(), Error>| match result {
            Err(Error::IndexOutOfRange { len: have, .. }) => assert_eq!(have, len),
            other => panic!("{other:?}"),
        };
        let revision = document.revision();
        for index in [len + 1, len + 2, u32::MAX] {
            out(document.text_insert(text, index, &mut units("x")));
            out(document.text_insert(text, index, &mut []));
            out(document.text_delete(text, index, 0));
            out(document.text_delete(text, index, u32::MAX));
            out(document.list_insert(list, index, &[&value]));
            out(document.list_insert_child(list, index, Kind::Map).map(drop));
            out(document.list_delete(list, index, 0));
        }
        out(document.list_set(list, len, &value, 1));
        out(document.list_set_child(list, len, Kind::Map, 1).map(drop));
        out(document.text_delete(text, len, 1));
        out(document.text_delete(text, 0, len + 1));
        out(document.list_delete(list, 0, len + 1));
        out(document.list_delete(list, len, u32::MAX));
        assert_eq!(document.list_get(list, len), Ok(None));
        assert_eq!(document.revision(), revision);
        document.text_insert(text, len, &mut units("x")).unwrap();
        document.list_insert(list, len, &[&value]).unwrap();
        assert_eq!(document.list_get(list, len), Ok(Some(Entry::Plain(&value))));
    }
    document.text_delete(text, 3, 0).unwrap();
    document.text_delete(text, 2, 1).unwrap();
    document.list_delete(list, 0, 3).unwrap();
    assert_eq!((document.text_len(text), document.list_len(list)), (Ok(2), Ok(0)));
    arrives(&mut document);
}

#[test]
fn doing_nothing_writes_nothing() {
    let mut document = author(1);
    let text = text_of(&mut document);
    let list = document.ensure_child(ROOT, "l", Kind::List, 1).unwrap();
    let counter = document.ensure_child(ROOT, "c", Kind::Counter, 1).unwrap();
    let set = document.ensure_child(ROOT, "s", Kind::Set, 1).unwrap();
    arrives(&mut document);
    let before = document.encode_snapshot();
    document.text_insert(text, 0, &mut []).unwrap();
    document.text_delete(text, 0, 0).unwrap();
    document.list_insert(list, 0, &[]).unwrap();
    document.list_delete(list, 0, 0).unwrap();
    document.counter_add(counter, 0).unwrap();
    assert_eq!(document.set_delete(set, &integer(1)), Ok(false));
    assert_eq!(document.map_delete(ROOT, "nobody wrote this", 9), Ok(false));
    assert_eq!(document.ensure_child(ROOT, "t", Kind::Text, 9), Ok(text));
    assert!(document.encode_snapshot() == before);
    assert_eq!(document.take_update(), None);
}

#[test]
fn a_replica_without_an_agent_only_reads() {
    let mut document = Document::default();
    assert_eq!(document.map_set(ROOT, "k", &[0], 1), Err(Error::NoAgent));
    assert_eq!(document.ensure_child(ROOT, "k", Kind::Map, 1), Err(Error::NoAgent));
    assert_eq!(document.take_update(), None);
    assert_eq!(document.revision(), 0);
}

#[test]
fn operations_on_another_kind_or_on_what_is_gone_are_typed_errors() {
    let mut document = author(1);
    let text = text_of(&mut document);
    let list = document.ensure_child(ROOT, "l", Kind::List, 1).unwrap();
    let before = document.encode_snapshot();
    let value = integer(1);
    let wrong = [
        document.map_set(text, "k", &value, 1).unwrap_err(),
        document.text_insert(list, 0, &mut units("x")).unwrap_err(),
        document.list_insert(text, 0, &[&value]).unwrap_err(),
        document.counter_add(text, 1).unwrap_err(),
        document.counter_add(text, 0).unwrap_err(),
        document.set_add(list, &value).unwrap_err(),
        document.set_delete(list, &value).unwrap_err(),
        document.text_insert(ROOT, 0, &mut units("x")).unwrap_err(),
    ];
    assert!(wrong.iter().all(|error| error.code() == "wrong-type"), "{wrong:?}");
    assert!(document.encode_snapshot() == before);
    document.map_delete(ROOT, "t", 1).unwrap();
    let before = document.encode_snapshot();
    let gone = [
        document.text_insert(text, 0, &mut units("x")).unwrap_err(),
        document.text_len(text).unwrap_err(),
        document.text_len(4_000_000).unwrap_err(),
        document.map_set(u32::MAX, "k", &value, 1).unwrap_err(),
    ];
    assert!(gone.iter().all(|error| error.code() == "container-gone"), "{gone:?}");
    assert!(document.encode_snapshot() == before);
}

/// Bytes as a packed value that is `len` long in all.
fn value_of(len: usize) -> Vec<u8> {
    let mut body = len - 2;
    loop {
        let mut value = vec![6];
        varint(&mut value, body as u64);
        if value.len() + body == len {
            value.resize(len, 0xab);
            return value;
        }
        body -= 1;
    }
}

#[test]
fn the_longest_value_arrives_and_a_longer_one_is_refused() {
    let most = value_of(MAX_VALUE_BYTES);
    let over = value_of(MAX_VALUE_BYTES + 1);
    let mut document = author(1);
    let list = document.ensure_child(ROOT, "l", Kind::List, 1).unwrap();
    let set = document.ensure_child(ROOT, "s", Kind::Set, 1).unwrap();
    for error in [
        document.map_set(ROOT, "k", &over, 1).err(),
        document.list_insert(list, 0, &[&over]).err(),
        document.set_add(set, &over).err(),
    ] {
        assert_eq!(error.unwrap().code(), "invalid-value");
    }
    // Behind an envelope that is nearly full, and several at once.
    let text = text_of(&mut document);
    for _ in 0..11 {
        document.text_insert(text, 0, &mut units(&"x".repeat(16_000))).unwrap();
    }
    document.map_set(ROOT, "k", &most, 1).unwrap();
    document.list_insert(list, 0, &[&most, &[0], &most]).unwrap();
    document.list_set(list, 1, &most, 1).unwrap();
    document.set_add(set, &most).unwrap();
    document.set_delete(set, &most).unwrap();
    arrives(&mut document);
}

#[test]
fn the_longest_value_under_the_longest_names_fits_an_envelope() {
    let key = "k".repeat(MAX_KEY_BYTES);
    let mut document = author(1);
    let mut at = ROOT;
    let mut maps = Vec::new();
    for _ in 0..MAX_DEPTH - 1 {
        at = document.create_child(at, &key, Kind::Map, 1).unwrap();
        maps.push(at);
    }
    arrives(&mut document.clone());
    take_all(&mut document);
    // A new envelope names every container on the way down again.
    let mut reader = Document::default();
    reader.apply(&document.encode_snapshot(), LATE).unwrap();
    document.map_set(at, &key, &value_of(MAX_VALUE_BYTES), 1).unwrap();
    for envelope in take_all(&mut document) {
        assert_eq!(reader.apply(&envelope, LATE), Ok(Applied::Joined));
    }
    assert!(plain(&reader) == plain(&document));
}

#[test]
fn a_deletion_of_very_many_pieces_fits_its_envelopes() {
    // Typed in random places, a text has about as many runs as characters; so has the list of what a deletion removes.
    let mut random = Random(5);
    let mut document = author(1);
    let text = text_of(&mut document);
    let list = document.ensure_child(ROOT, "l", Kind::List, 1).unwrap();
    let values: Vec<Vec<u8>> = (0..3).map(integer).collect();
    for len in 0..240_000 {
        document
            .text_insert(text, random.below(len + 1) as u32, &mut units("x"))
            .unwrap();
        if len % 3 == 0 {
            let at = random.below(len / 3 + 1) as u32;
            document.list_insert(list, at, &[&values[len % 2]]).unwrap();
        }
    }
    take_all(&mut document);
    let mut reader = Document::default();
    reader.apply(&document.encode_snapshot(), LATE).unwrap();
    document.text_delete(text, 1, 239_998).unwrap();
    document.list_delete(list, 1, 79_998).unwrap();
    for envelope in take_all(&mut document) {
        assert!(envelope.len() <= MAX_ENVELOPE_BYTES, "{} bytes", envelope.len());
        assert_eq!(reader.apply(&envelope, LATE), Ok(Applied::Joined));
    }
    assert_eq!(
        plain(&reader).len(),
        [&[8, 2, 1, b'l', 7, 2, 3, 0, 3, 0, 1, b't', 5, 2][..], b"xx"]
            .concat()
            .len()
    );
    assert!(reader.encode_snapshot() == document.encode_snapshot());
}

#[test]
fn long_inserts_are_cut_and_pairs_are_not() {
    const CUT: usize = 16 * 1024;
    for len in [CUT - 1, CUT, CUT + 1, 2 * CUT, 100_000] {
        for pair_at in [None, Some(CUT - 2), Some(CUT - 1), Some(CUT)] {
            let mut what = vec![b'x' as u16; len];
            if let Some(at) = pair_at.filter(|at| at + 2 <= len) {
                what[at] = 0xd83d;
                what[at + 1] = 0xde00;
            }
            let mut document = author(1);
            let text = text_of(&mut document);
            document.text_insert(text, 0, &mut units("<>")).unwrap();
            document.text_insert(text, 1, &mut what.clone()).unwrap();
            let expected = [units("<"), what, units(">")].concat();
            assert!(read_text(&document) == expected);
            arrives(&mut document.clone());
            // And out again.
            document.text_delete(text, 1, len as u32).unwrap();
            assert_eq!(read_text(&document), units("<>"));
            arrives(&mut document);
        }
    }
    for len in [1023, 1024, 1025, 5000] {
        let mut document = author(1);
        let list = document.ensure_child(ROOT, "l", Kind::List, 1).unwrap();
        let values: Vec<Vec<u8>> = (0..len).map(integer).collect();
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        document.list_insert(list, 0, &[&integer(-1), &integer(-2)]).unwrap();
        document.list_insert(list, 1, &values).unwrap();
        for (index, value) in [(0, -1), (1, 0), (len, len - 1), (len + 1, -2)] {
            let value = integer(value);
            assert_eq!(document.list_get(list, index as u32), Ok(Some(Entry::Plain(&value))));
        }
        arrives(&mut document);
    }
}

#[test]
fn a_hundred_thousand_characters_with_edits_in_the_middle() {
    let mut random = Random(11);
    let mut document = author(1);
    let text = text_of(&mut document);
    let mut model: Vec<u16> = (0..100_000u32).map(|i| b'a' as u16 + (i % 26) as u16).collect();
    document.text_insert(text, 0, &mut model.clone()).unwrap();
    let mut reader = Document::default();
    for round in 0..4000 {
        let at = 40_000 + random.below(20_000);
        if random.once_in(3) {
            let len = random.below(40);
            document.text_delete(text, at as u32, len as u32).unwrap();
            model.drain(at..at + len);
        } else {
            let what: Vec<u16> = (0..random.below(20)).map(|_| random.below(900) as u16 + 32).collect();
            document.text_insert(text, at as u32, &mut what.clone()).unwrap();
            model.splice(at..at, what);
        }
        if round % 1000 == 0 {
            assert!(read_text(&document) == model);
        }
        for envelope in take_all(&mut document) {
            reader.apply(&envelope, LATE).unwrap();
        }
    }
    assert!(read_text(&document) == model && read_text(&reader) == model);
    let mut loaded = Document::default();
    loaded.apply(&document.encode_snapshot(), LATE).unwrap();
    assert!(read_text(&loaded) == model);
    assert!(loaded.encode_snapshot() == reader.encode_snapshot());
    // What was loaded goes on like what was written.
    loaded.set_agent(2);
    let text = text_of(&mut loaded);
    for _ in 0..1000 {
        let at = random.below(model.len());
        loaded.text_insert(text, at as u32, &mut units("!")).unwrap();
        model.insert(at, b'!'.into());
    }
    assert!(read_text(&loaded) == model);
    for envelope in take_all(&mut loaded) {
        reader.apply(&envelope, LATE).unwrap();
    }
    assert!(read_text(&reader) == model);
}

#[test]
fn a_text_typed_backwards() {
    let mut document = author(1);
    let text = text_of(&mut document);
    let mut expected = Vec::new();
    for i in 0..20_000u32 {
        let unit = b'a' as u16 + (i % 26) as u16;
        document.text_insert(text, 0, &mut [unit]).unwrap();
        expected.push(unit);
    }
    expected.reverse();
    assert!(read_text(&document) == expected);
    let snapshot = document.encode_snapshot();
    let mut loaded = Document::default();
    loaded.apply(&snapshot, LATE).unwrap();
    assert!(read_text(&loaded) == expected);
    // Somebody else typed at the same place, and comes before or behind all of it.
    for agent in [0, 2] {
        let mut other = author(agent);
        let text = text_of(&mut other);
        other.text_insert(text, 0, &mut units("other")).unwrap();
        let envelope = other.take_update().unwrap();
        loaded.apply(&envelope, LATE).unwrap();
        let read = String::from_utf16(&read_text(&loaded)).unwrap();
        assert!(if agent == 0 {
            read.starts_with("other")
        } else {
            read.ends_with("other")
        });
    }
    arrives(&mut document);
}

/// How long `n` authors' inserts at one place take to join, in order of their ids, backwards and shuffled.
fn join_many_siblings(n: u64) -> f64 {
    let mut base = author(u64::MAX);
    text_of(&mut base);
    let snapshot = base.encode_snapshot();
    let envelopes: Vec<Vec<u8>> = (1..=n)
        .map(|agent| {
            let mut one = author(agent * 7);
            one.apply(&snapshot, LATE).unwrap();
            let text = text_of(&mut one);
            one.text_insert(text, 0, &mut units("ab")).unwrap();
            one.take_update().unwrap()
        })
        .collect();
    let mut shuffled = envelopes.clone();
    Random(1).shuffle(&mut shuffled);
    let backwards: Vec<Vec<u8>> = envelopes.iter().rev().cloned().collect();
    let start = Instant::now();
    let mut snapshots = Vec::new();
    for order in [&envelopes, &backwards, &shuffled] {
        let mut document = Document::default();
        document.apply(&snapshot, LATE).unwrap();
        for envelope in order {
            assert_eq!(document.apply(envelope, LATE), Ok(Applied::Joined));
        }
        assert!(read_text(&document) == units(&"ab".repeat(n as usize)));
        snapshots.push(document.encode_snapshot());
    }
    let took = start.elapsed().as_secs_f64();
    assert!(snapshots.windows(2).all(|pair| pair[0] == pair[1]));
    let mut loaded = Document::default();
    loaded.apply(&snapshots[0], LATE).unwrap();
    assert!(loaded.encode_snapshot() == snapshots[0]);
    took
}

#[test]
fn twenty_thousand_insert_at_one_place() {
    let half = join_many_siblings(10_000);
    let whole = join_many_siblings(20_000);
    println!(
        "inserts at one place: 10,000 in {half:.3} s, 20,000 in {whole:.3} s, {:.2} times",
        whole / half
    );
}

#[test]
fn the_pending_area_has_a_bound_and_empties_itself() {
    let mut source = author(1);
    let text = text_of(&mut source);
    let mut envelopes = Vec::new();
    for i in 0..MAX_PENDING as u32 + 2 {
        source.text_insert(text, i, &mut units("x")).unwrap();
        envelopes.extend(source.take_update());
    }
    let mut document = Document::default();
    // Newest first: the order in which each pass could join one only.
    for envelope in envelopes[1..=MAX_PENDING].iter().rev() {
        assert_eq!(document.apply(envelope, LATE), Ok(Applied::Waiting));
    }
    assert_eq!(document.pending_count(), MAX_PENDING);
    assert_eq!(
        document.apply(&envelopes[1], LATE),
        Ok(Applied::Waiting),
        "a duplicate takes no room"
    );
    assert_eq!(
        document.apply(&envelopes[MAX_PENDING + 1], LATE),
        Err(Error::PendingFull)
    );
    assert_eq!(document.pending_count(), MAX_PENDING);
    assert_eq!(document.version_bytes(), [0]);
    assert_eq!(document.apply(&envelopes[0], LATE), Ok(Applied::Joined));
    assert_eq!(document.pending_count(), 0);
    assert_eq!(document.apply(&envelopes[MAX_PENDING + 1], LATE), Ok(Applied::Joined));
    assert!(document.encode_snapshot() == source.encode_snapshot());
}

#[test]
fn the_pending_area_has_a_bound_in_bytes() {
    let mut source = author(1);
    let mut envelopes = Vec::new();
    for i in 0..40 {
        source.map_set(ROOT, &format!("k{i}"), &value_of(600_000), 1).unwrap();
        envelopes.extend(take_all(&mut source));
    }
    let mut document = Document::default();
    let mut bytes = 0;
    for envelope in &envelopes[1..] {
        let applied = document.apply(envelope, LATE);
        if bytes + envelope.len() <= MAX_PENDING_BYTES {
            assert_eq!(applied, Ok(Applied::Waiting));
            bytes += envelope.len();
        } else {
            assert_eq!(applied, Err(Error::PendingFull));
        }
    }
    assert!(bytes > MAX_PENDING_BYTES - 700_000);
    for envelope in &envelopes {
        assert!(document.apply(envelope, LATE).is_ok());
    }
    assert_eq!(document.pending_count(), 0);
    assert!(document.encode_snapshot() == source.encode_snapshot());
}

#[test]
fn what_is_ahead_of_the_time_waits_until_it_has_come() {
    let now = 1_000_000;
    let ahead = now + MAX_AHEAD_MS + 1;
    let mut fast = author(1);
    fast.map_set(ROOT, "k", &integer(1), ahead).unwrap();
    let mut envelopes = take_all(&mut fast);
    // What rests on it waits too, from the same agent and from another.
    let counter = fast.ensure_child(ROOT, "c", Kind::Counter, 0).unwrap();
    fast.counter_add(counter, 3).unwrap();
    envelopes.extend(take_all(&mut fast));
    let mut other = author(2);
    for envelope in &envelopes {
        other.apply(envelope, ahead).unwrap();
    }
    let counter = other.child(ROOT, "c", Kind::Counter).unwrap();
    other.counter_add(counter, 4).unwrap();
    envelopes.extend(take_all(&mut other));
    let states = [other.encode_snapshot(), other.export_update(None).unwrap()];
    for updates in [&envelopes[..], &states[..1], &states[1..]] {
        let mut document = author(3);
        for update in updates {
            let header = EnvelopeHeader::decode(&mut joinery_codec::Reader::new(update));
            let applied = document.apply(update, now).unwrap();
            assert_eq!(applied, Applied::Waiting, "{header:?}");
        }
        // Its own clock isn't carried away by what waits.
        document.map_set(ROOT, "k", &integer(2), now).unwrap();
        document.retry_pending(now);
        document.retry_pending(ahead - MAX_AHEAD_MS - 1);
        assert_eq!(document.pending_count(), updates.len());
        assert_eq!(plain(&document), [8, 1, 1, b'k', 3, 4]);
        document.retry_pending(ahead - MAX_AHEAD_MS);
        assert_eq!(document.pending_count(), 0);
        assert_eq!(plain(&document), [8, 2, 1, b'c', 3, 14, 1, b'k', 3, 2]);
        // A write after that is above what it shows.
        document.map_set(ROOT, "k", &integer(9), now).unwrap();
        let mut reader = other.clone();
        for envelope in take_all(&mut document) {
            assert_eq!(reader.apply(&envelope, ahead), Ok(Applied::Joined));
        }
        assert!(plain(&reader) == plain(&document));
    }
    // Without a word about the time, the next thing that joins takes it along.
    let mut document = Document::default();
    document.apply(&envelopes[0], now).unwrap();
    let mut third = author(4);
    third.map_set(ROOT, "z", &integer(0), 1).unwrap();
    document.apply(&third.take_update().unwrap(), ahead).unwrap();
    assert_eq!(document.pending_count(), 0);
}
