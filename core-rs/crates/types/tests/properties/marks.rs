//! Marks: the vectors of `tests/vectors/marks.json`, bounds, deltas, forged ranges, replays that miss what they name. (Random
//! exchanges are with the others: every text that random edits write has marks.)

use crate::deletion::meet_all;
use crate::forged::{envelope, refused};
use crate::mutation::snapshot_of;
use crate::peer::{expand, integer, pack_delta, rich, shown, take_all, units, LATE};
use crate::random::Random;
use crate::replay::loaded;
use joinery_oracle::{Attributes, DeltaStep};
use joinery_types::{
    Applied, Document, Error, Expand, Kind, Reason, Replay, ReplayOptions, MAX_KEY_BYTES, MAX_MARK_KEYS, ROOT,
};

const TRUE: &[u8] = &[2];
const OFF: &[u8] = &[0];

type Range = (u32, u32);
/// Text, and the keys that are true of it.
type Stretches<'a> = &'a [(&'a str, &'a [&'a str])];

fn author(agent: u64, content: &str) -> (Document, u32) {
    let mut document = Document::default();
    document.set_agent(agent);
    let text = document.ensure_child(ROOT, "t", Kind::Text, 1).unwrap();
    document.text_insert(text, 0, &mut units(content)).unwrap();
    (document, text)
}

fn mark(document: &mut Document, text: u32, range: Range, key: &str, value: &[u8]) -> bool {
    document.text_mark(text, range, key, value, expand(key), 1).unwrap()
}

fn delta(document: &Document) -> Vec<u8> {
    rich(document).pop().unwrap()
}

/// A delta of inserts: text and its attributes, all of them true.
fn inserts(stretches: Stretches<'_>) -> Vec<u8> {
    let steps: Vec<DeltaStep> = stretches
        .iter()
        .map(|(text, keys)| DeltaStep::Insert(units(text), attributes(keys)))
        .collect();
    pack_delta(&steps)
}

fn attributes(keys: &[&str]) -> Attributes {
    keys.iter().map(|key| (key.to_string(), TRUE.to_vec())).collect()
}

#[test]
fn marks_meet_what_happens_at_the_same_time_as_the_vectors_say() {
    assert!(meet_all("marks.json") >= 22);
}

#[test]
fn what_is_so_already_is_not_written() {
    let (mut document, text) = author(1, "abcdef");
    assert!(!mark(&mut document, text, (1, 3), "bold", OFF));
    assert!(!mark(&mut document, text, (3, 3), "bold", TRUE));
    assert!(mark(&mut document, text, (1, 5), "bold", TRUE));
    let before = document.own_seq();
    assert!(!mark(&mut document, text, (1, 5), "bold", TRUE));
    assert!(!mark(&mut document, text, (2, 4), "bold", TRUE));
    assert_eq!(document.own_seq(), before);
    assert!(mark(&mut document, text, (2, 6), "bold", TRUE));
    assert_eq!(delta(&document), inserts(&[("a", &[]), ("bcdef", &["bold"])]));
}

#[test]
fn a_mark_made_four_thousand_times_costs_as_much_as_once() {
    let (mut document, text) = author(1, "abcdef");
    let lengths: Vec<usize> = [1, 4000]
        .into_iter()
        .map(|times| {
            for _ in 0..times {
                assert!(mark(&mut document, text, (1, 5), "bold", TRUE));
                assert!(mark(&mut document, text, (1, 5), "bold", OFF));
            }
            take_all(&mut document);
            document.encode_snapshot().len()
        })
        .collect();
    // Seqs and stamps are longer numbers by then.
    assert!(lengths[1] <= lengths[0] + 6, "{lengths:?}");
}

#[test]
fn what_others_lack_of_the_marks_is_told_and_no_more() {
    let (mut document, text) = author(1, &"word ".repeat(2000));
    for word in 0..2000 {
        mark(
            &mut document,
            text,
            (word * 5, word * 5 + 4),
            "link",
            &integer(i64::from(word)),
        );
    }
    let whole = document.export_update(None).unwrap();
    let mut reader = loaded(&document.encode_snapshot(), 2);
    let since = reader.version_bytes();
    mark(&mut document, text, (5000, 5004), "link", TRUE);
    let update = document.export_update(Some(&since)).unwrap();
    assert!(
        update.len() < 100 && whole.len() > 20_000,
        "{} {}",
        update.len(),
        whole.len()
    );
    assert_eq!(reader.apply(&update, LATE), Ok(Applied::Joined));
    assert_eq!(shown(&reader), shown(&document));
    assert!(reader.encode_snapshot() == document.encode_snapshot());
}

#[test]
fn the_thousandth_key_is_taken_and_the_next_one_refused() {
    let (mut document, text) = author(1, "abcd");
    let key = |n: usize| format!("comment:{n}");
    for n in 0..MAX_MARK_KEYS {
        assert!(mark(&mut document, text, (0, 2), &key(n), TRUE));
    }
    let mut one_more = document.clone();
    let refused = |document: &mut Document| {
        let before = document.revision();
        let error = document.text_mark(text, (1, 3), "bold", TRUE, Expand::After, 1);
        assert_eq!(error.unwrap_err().code(), "limit-exceeded");
        let step = DeltaStep::Insert(units("x"), attributes(&["bold"]));
        let error = document.text_apply_delta(text, &pack_delta(&[step]), &expand, 1);
        assert_eq!(error.unwrap_err().code(), "limit-exceeded");
        assert_eq!(document.revision(), before);
    };
    refused(&mut document);
    assert!(mark(&mut document, text, (2, 3), &key(7), TRUE));
    // A key that shows nowhere any more, taken off or with its characters, makes room.
    assert!(mark(&mut document, text, (0, 3), &key(7), OFF));
    assert!(mark(&mut document, text, (2, 4), "bold", TRUE));
    refused(&mut one_more);
    one_more.text_delete(text, 0, 2).unwrap();
    assert!(mark(&mut one_more, text, (0, 2), "bold", TRUE));
    // Nobody else's are refused: replicas would differ.
    let mut other = loaded(&document.encode_snapshot(), 2);
    for envelope in take_all(&mut one_more) {
        other.apply(&envelope, LATE).unwrap();
    }
    let (mut third, text) = author(3, "x");
    for n in 0..MAX_MARK_KEYS {
        mark(&mut third, text, (0, 1), &format!("own {n}"), TRUE);
    }
    for envelope in take_all(&mut third) {
        assert_eq!(other.apply(&envelope, LATE), Ok(Applied::Joined));
    }
}

#[test]
fn keys_values_and_ranges_have_bounds() {
    let (mut document, text) = author(1, "abcd");
    take_all(&mut document);
    let before = document.revision();
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    let too_long = [&[5, 0x80, 0x80, 0x30][..], &vec![b'x'; 768 << 10]].concat();
    let cases: [(Range, &str, &[u8], &str); 6] = [
        ((0, 2), &long, TRUE, "limit-exceeded"),
        ((0, 2), "bold", &too_long, "invalid-value"),
        ((0, 2), "bold", &[9], "invalid-value"),
        ((0, 2), "\u{fffc}", TRUE, "invalid-value"),
        ((0, 5), "bold", TRUE, "index-out-of-range"),
        ((3, 2), "bold", TRUE, "index-out-of-range"),
    ];
    for (range, key, value, code) in cases {
        let error = document
            .text_mark(text, range, key, value, Expand::After, 1)
            .unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(document.revision(), before);
    }
    assert!(mark(&mut document, text, (0, 4), &long[1..], TRUE));
    assert_eq!(
        document
            .text_mark(ROOT, (0, 0), "bold", TRUE, Expand::After, 1)
            .unwrap_err()
            .code(),
        "wrong-type"
    );
}

#[test]
fn a_delta_is_refused_whole() {
    let (mut document, text) = author(1, "ab😀cd");
    take_all(&mut document);
    let before = document.revision();
    let good = DeltaStep::Insert(units("X"), attributes(&["bold"]));
    let with = |step: DeltaStep| pack_delta(&[good.clone(), step]);
    let no = Attributes::new;
    let unpacked: [&[u8]; 9] = [
        &[8, 0],
        &[7, 1, 5, 0],
        &[7, 1, 8, 0],
        &[7, 2, 8, 1, 6, b'i', b'n', b's', b'e', b'r', b't', 5, 0],
        // {insert: 1}, {delete: −1}, {attributes: {}}, {delete: 1, insert: "a"}, {insert: "a"} and more.
        &[7, 1, 8, 1, 6, b'i', b'n', b's', b'e', b'r', b't', 3, 2],
        &[7, 1, 8, 1, 6, b'd', b'e', b'l', b'e', b't', b'e', 3, 1],
        &[
            7, 1, 8, 1, 10, b'a', b't', b't', b'r', b'i', b'b', b'u', b't', b'e', b's', 8, 0,
        ],
        &[
            7, 1, 8, 2, 6, b'd', b'e', b'l', b'e', b't', b'e', 3, 2, 6, b'i', b'n', b's', b'e', b'r', b't', 5, 0,
        ],
        &[7, 1, 8, 1, 6, b'i', b'n', b's', b'e', b'r', b't', 5, 1, b'a', 0],
    ];
    let refused = [
        (with(DeltaStep::Delete(7)), "index-out-of-range"),
        (with(DeltaStep::Retain(7, no())), "index-out-of-range"),
        (with(DeltaStep::Retain(3, no())), "invalid-value"),
        (with(DeltaStep::Retain(2, attributes(&["\u{fffc}"]))), "invalid-value"),
        (
            with(DeltaStep::Retain(2, attributes(&[&"k".repeat(1025)]))),
            "limit-exceeded",
        ),
    ];
    let unpacked = unpacked.iter().map(|delta| (delta.to_vec(), "invalid-value"));
    for (delta, code) in refused.into_iter().chain(unpacked) {
        let error = document.text_apply_delta(text, &delta, &expand, 1).unwrap_err();
        assert_eq!(error.code(), code, "{delta:?}");
        assert_eq!(document.revision(), before);
    }
    let whole = DeltaStep::Retain(6, attributes(&["bold"]));
    document.text_apply_delta(text, &with(whole), &expand, 1).unwrap();
    assert_eq!(delta(&document), inserts(&[("Xab😀cd", &["bold"])]));
}

#[test]
fn a_text_made_from_a_delta_reads_as_that_delta() {
    let object = vec![8, 1, 5, b'i', b'm', b'a', b'g', b'e', 5, 1, b'u'];
    let steps = [
        DeltaStep::Insert(units("plain "), Attributes::new()),
        DeltaStep::Insert(units("bold"), attributes(&["bold"])),
        DeltaStep::Insert(units(" link"), attributes(&["bold", "link"])),
        DeltaStep::Embed(object.clone(), Attributes::new()),
        DeltaStep::Embed(object, attributes(&["bold"])),
        DeltaStep::Insert(units("\u{fffc} is a character\n"), Attributes::new()),
    ];
    let (mut document, text) = author(1, "");
    let packed = pack_delta(&steps);
    document.text_apply_delta(text, &packed, &expand, 1).unwrap();
    assert_eq!(delta(&document), packed);
    // A second one in front of it inherits nothing, and a deletion of an object takes the object.
    document.text_apply_delta(text, &packed, &expand, 1).unwrap();
    document.text_delete(text, 15, 2).unwrap();
    let mut both = steps.to_vec();
    both.drain(3..5);
    let joined = DeltaStep::Insert(units("\u{fffc} is a character\nplain "), Attributes::new());
    both.splice(3..4, [joined]);
    both.extend_from_slice(&steps[1..]);
    assert_eq!(delta(&document), pack_delta(&both));
    let reader = loaded(&document.encode_snapshot(), 2);
    assert_eq!(delta(&reader), delta(&document));
}

/// `MARK`, its sides, and units by agent (1 is the writer) and seq.
fn mark_bytes(start: u8, end: u8, units: &[(u8, u8)], key: &str, value: &[u8]) -> Vec<u8> {
    let mut out = vec![0x21, 1, b't', 10 | start << 4 | end << 6];
    units.iter().for_each(|&(agent, seq)| out.extend([agent, seq]));
    out.push(key.len() as u8);
    out.extend(key.as_bytes());
    out.extend(value);
    out
}

#[test]
fn a_range_of_units_that_are_not_there_is_refused_and_one_that_ends_before_it_begins_is_empty() {
    let (mut document, _) = author(1, "abcd");
    let by = |seq: u32, payload: &[u8]| envelope(1, seq, 1, Some(9 << 16), payload);
    let own = document.own_seq();
    take_all(&mut document);
    for payload in [
        mark_bytes(1, 2, &[(1, 2), (1, 99)], "k", TRUE),
        // The text's creation is no unit of it.
        mark_bytes(1, 2, &[(1, 1), (1, 3)], "k", TRUE),
        mark_bytes(3, 0, &[], "k", TRUE),
        mark_bytes(0, 3, &[], "k", TRUE),
        mark_bytes(1, 0, &[(0, 2)], "k", TRUE),
        mark_bytes(0, 0, &[], "k", &[9]),
    ] {
        refused(&document, &by(own, &payload));
    }
    let before = shown(&document);
    for (n, payload) in [
        mark_bytes(2, 1, &[(1, 3), (1, 3)], "k", TRUE),
        mark_bytes(1, 2, &[(1, 4), (1, 2)], "k", TRUE),
        mark_bytes(2, 1, &[(1, 2), (1, 3)], "k", TRUE),
    ]
    .iter()
    .enumerate()
    {
        let mut document = document.clone();
        assert_eq!(document.apply(&by(own, payload), LATE), Ok(Applied::Joined), "{n}");
        assert_eq!(shown(&document), before);
        let mut fresh = loaded(&document.encode_snapshot(), 2);
        assert_eq!(shown(&fresh), before);
        // Between two neighbours there is nothing yet, but what is typed there is marked.
        let text = fresh.child(ROOT, "t", Kind::Text).unwrap();
        fresh.text_insert(text, 1, &mut units("x")).unwrap();
        let marked: Stretches<'_> = if n == 2 {
            &[("a", &[]), ("x", &["k"]), ("bcd", &[])]
        } else {
            &[("axbcd", &[])]
        };
        assert_eq!(delta(&fresh), inserts(marked));
    }
}

#[test]
fn marks_on_an_empty_text_outlive_the_state_that_fills_it() {
    let mut document = Document::default();
    document.set_agent(1);
    document.ensure_child(ROOT, "t", Kind::Text, 1).unwrap();
    take_all(&mut document);
    let empty = document.encode_snapshot();
    let whole = envelope(2, 0, 1, Some(9 << 16), &mark_bytes(0, 0, &[], "k", TRUE));
    document.apply(&whole, LATE).unwrap();
    let mut other = loaded(&empty, 3);
    let text = other.child(ROOT, "t", Kind::Text).unwrap();
    other.text_insert(text, 0, &mut units("ab")).unwrap();
    document.apply(&other.encode_snapshot(), LATE).unwrap();
    assert_eq!(delta(&document), inserts(&[("ab", &["k"])]));
    other.apply(&document.encode_snapshot(), LATE).unwrap();
    assert!(other.encode_snapshot() == document.encode_snapshot());
}

/// Where the marks of a state begin: behind the last of its texts' characters.
#[test]
fn a_state_whose_marks_lie_is_refused_or_taken_as_far_as_it_makes_sense() {
    let (mut document, text) = author(1, "abcdef");
    mark(&mut document, text, (1, 3), "link", TRUE);
    mark(&mut document, text, (4, 5), "link", TRUE);
    take_all(&mut document);
    let body = document.encode_snapshot()[crate::mutation::SNAPSHOT_HEADER..].to_vec();
    // link · 2 marks (dot, stamp, value) · 4 boundaries: number and side, agent, distance.
    let boundaries = &body[body.len() - 13..];
    assert_eq!(boundaries, [4, 5, 0, 6, 2, 0, 2, 9, 0, 4, 2, 0, 0]);
    let with = |at: usize, byte: u8| {
        let mut body = body.clone();
        let from = body.len() - 13;
        body[from + at] = byte;
        snapshot_of(&body)
    };
    let nobody = Document::default();
    // A third mark, a fourth side, an agent that isn't, a unit that isn't: the text's creation, and one before all.
    for (at, byte) in [(1, 13), (1, 7), (2, 1), (3, 2), (3, 1)] {
        refused(&nobody, &with(at, byte));
    }
    // Boundaries that don't ascend: the mark is where it says.
    let mut reader = Document::default();
    assert_eq!(reader.apply(&with(9, 3), LATE), Ok(Applied::Joined));
    let fresh = loaded(&reader.encode_snapshot(), 2);
    assert_eq!(shown(&fresh), shown(&reader));
    assert!(fresh.encode_snapshot() == reader.encode_snapshot());
}

#[test]
fn a_mark_is_described_by_indices() {
    let (mut document, text) = author(1, "abcdef");
    let reader = loaded(&document.encode_snapshot(), 2);
    take_all(&mut document);
    mark(&mut document, text, (1, 3), "link", &[5, 1, b'u']);
    document.text_insert(text, 6, &mut units("gh")).unwrap();
    mark(&mut document, text, (6, 8), "bold", TRUE);
    let mut out = Vec::new();
    reader.describe(&document.take_update().unwrap(), &mut out).unwrap();
    joinery_codec::check_value(&out).unwrap();
    let told = |index: u8, grows: bool, key: &str, length: u8, value: &[u8]| {
        let mut out = b"\x04path\x07\x02\x05\x01t\x03".to_vec();
        out.extend([index * 2]);
        out.extend(b"\x05value\x08\x04\x05grows");
        out.push(1 + u8::from(grows));
        out.extend(b"\x03key\x05");
        out.push(key.len() as u8);
        out.extend(key.as_bytes());
        out.extend(b"\x06length\x03");
        out.push(length * 2);
        out.extend(b"\x05value");
        out.extend(value);
        out
    };
    let has = |part: &[u8]| out.windows(part.len()).any(|window| window == part);
    assert!(has(b"\x04kind\x05\x04mark"));
    assert!(has(&told(1, false, "link", 2, &[5, 1, b'u'])), "{out:?}");
    assert!(has(&told(6, true, "bold", 2, TRUE)), "{out:?}");
}

/// Replays `marks`, written on "abcdef" when `lost` was refused or trimmed away.
fn replayed(into: &mut Document, from: &Document, envelopes: &[Vec<u8>], refuse: usize) -> Vec<Reason> {
    let mut replay = Replay::new(from, into, &ReplayOptions::default()).unwrap();
    let mut reasons = Vec::new();
    for (n, envelope) in envelopes.iter().enumerate() {
        let outcome = if n < refuse {
            replay.refuse(from, into, envelope).unwrap()
        } else {
            replay.add(from, into, envelope).unwrap()
        };
        reasons.extend(
            outcome
                .rejected
                .iter()
                .skip(usize::from(n < refuse))
                .map(|part| part.reason),
        );
    }
    reasons
}

#[test]
fn a_mark_about_refused_text_is_rejected_and_one_about_more_keeps_its_ends() {
    // What is typed at the index is refused; then a range around, beside or within it is marked.
    let cases: [(u32, Range, &str, Stretches<'_>, bool); 6] = [
        (3, (3, 5), "link", &[("abcdef", &[])], true),
        (3, (3, 5), "bold", &[("abcdef", &[])], true),
        (0, (0, 2), "bold", &[("abcdef", &[])], true),
        (3, (1, 4), "link", &[("a", &[]), ("bc", &["link"]), ("def", &[])], false),
        (3, (4, 7), "bold", &[("abc", &[]), ("de", &["bold"]), ("f", &[])], false),
        (3, (1, 3), "bold", &[("a", &[]), ("bc", &["bold"]), ("def", &[])], false),
    ];
    for (index, range, key, expected, is_rejected) in cases {
        let (mut base, _) = author(1, "abcdef");
        take_all(&mut base);
        let mut from = loaded(&base.encode_snapshot(), 2);
        let text = from.child(ROOT, "t", Kind::Text).unwrap();
        from.text_insert(text, index, &mut units("XY")).unwrap();
        let mut envelopes = take_all(&mut from);
        mark(&mut from, text, range, key, TRUE);
        envelopes.extend(take_all(&mut from));
        let mut into = loaded(&base.encode_snapshot(), 3);
        let reasons = replayed(&mut into, &from, &envelopes, 1);
        let rejected: &[Reason] = if is_rejected { &[Reason::RestsOnRefused] } else { &[] };
        assert_eq!(reasons, rejected, "{range:?} {key}");
        assert_eq!(delta(&into), inserts(expected), "{range:?} {key}");
    }
}

/// Two tabs of one user mark at the same time with one stamp; then all of it is one agent's.
#[test]
fn marks_of_two_tabs_win_over_each_other_as_before_the_replay() {
    for order in [[0, 1], [1, 0]] {
        let (mut base, _) = author(1, "abcdef");
        take_all(&mut base);
        let tabs = [(20, (0, 4), "u"), (10, (2, 6), "v")].map(|(agent, range, link)| {
            let mut tab = loaded(&base.encode_snapshot(), agent);
            let text = tab.child(ROOT, "t", Kind::Text).unwrap();
            mark(&mut tab, text, range, "link", &[&[5, 1], link.as_bytes()].concat());
            tab.take_update().unwrap()
        });
        let envelopes = order.map(|at| tabs[at].clone());
        let mut from = loaded(&base.encode_snapshot(), 2);
        for envelope in &envelopes {
            assert_eq!(from.apply(envelope, LATE), Ok(Applied::Joined));
        }
        let mut into = loaded(&base.encode_snapshot(), 3);
        assert_eq!(replayed(&mut into, &from, &envelopes, 0), []);
        assert_eq!(shown(&into), shown(&from));
        let text = into.child(ROOT, "t", Kind::Text).unwrap();
        assert!(
            !mark(&mut into, text, (0, 4), "link", &[5, 1, b'u']),
            "the higher agent won"
        );
    }
}

#[test]
fn a_mark_crosses_a_trim_that_took_its_ends() {
    let (mut server, text) = author(1, "abcdef");
    take_all(&mut server);
    let mut from = loaded(&server.encode_snapshot(), 2);
    let theirs = from.child(ROOT, "t", Kind::Text).unwrap();
    mark(&mut from, theirs, (1, 3), "link", TRUE);
    mark(&mut from, theirs, (2, 4), "bold", TRUE);
    mark(&mut from, theirs, (2, 3), "comment:1", TRUE);
    let envelopes = take_all(&mut from);
    // The link's last character, the bold's first one, and all of the comment's.
    server.text_delete(text, 2, 1).unwrap();
    // Behind the bold's end.
    server.text_delete(text, 3, 1).unwrap();
    take_all(&mut server);
    let snapshot = server.encode_snapshot();
    let mut into = loaded(&server.trim(9).unwrap(), 3);
    let bridges = [joinery_types::Bridge {
        agent: 9,
        snapshot: &snapshot,
    }];
    let options = ReplayOptions {
        bridges: &bridges,
        epoch: true,
        ..ReplayOptions::default()
    };
    let mut replay = Replay::new(&from, &into, &options).unwrap();
    for envelope in &envelopes {
        assert_eq!(replay.add(&from, &mut into, envelope).unwrap().rejected, []);
    }
    assert_eq!(
        delta(&into),
        inserts(&[("a", &[]), ("b", &["link"]), ("d", &["bold"]), ("f", &[])])
    );
    // The ends are what they were: the link doesn't grow, the bold does.
    let text = into.child(ROOT, "t", Kind::Text).unwrap();
    into.text_insert(text, 3, &mut units("X")).unwrap();
    into.text_insert(text, 2, &mut units("Y")).unwrap();
    assert_eq!(
        delta(&into),
        inserts(&[("a", &[]), ("b", &["link"]), ("Y", &[]), ("dX", &["bold"]), ("f", &[])])
    );
    assert!(matches!(
        into.text_mark(text, (0, 9), "bold", TRUE, Expand::After, 1),
        Err(Error::IndexOutOfRange { .. })
    ));
}

#[test]
fn a_trim_forgets_keys_that_show_nowhere_and_keeps_what_is_off_beside_what_is_on() {
    let (mut document, text) = author(1, "abcdef");
    mark(&mut document, text, (0, 3), "comment:1", TRUE);
    mark(&mut document, text, (0, 3), "comment:1", OFF);
    let plain = loaded(&document.trim(9).unwrap(), 2).encode_snapshot().len();
    let (bare, _) = author(1, "abcdef");
    assert_eq!(plain, loaded(&bare.trim(9).unwrap(), 2).encode_snapshot().len());
    mark(&mut document, text, (0, 6), "bold", TRUE);
    mark(&mut document, text, (2, 4), "bold", OFF);
    let trimmed = loaded(&document.trim(9).unwrap(), 2);
    assert_eq!(shown(&trimmed), shown(&document));
}

/// In any order, each mark costs what it touches: told one by one, and as a state.
#[test]
fn thirty_thousand_marks_in_any_order_cost_what_they_weigh() {
    const WORDS: u32 = 30_000;
    let (mut document, text) = author(1, &"word ".repeat(WORDS as usize));
    let mut order: Vec<u32> = (0..WORDS).collect();
    Random(1).shuffle(&mut order);
    for word in order {
        mark(&mut document, text, (word * 5, word * 5 + 4), "link", TRUE);
    }
    let mut reader = Document::default();
    for envelope in take_all(&mut document) {
        assert_eq!(reader.apply(&envelope, LATE), Ok(Applied::Joined));
    }
    let loaded = loaded(&document.encode_snapshot(), 2);
    let pair: Stretches<'_> = &[("word", &["link"]), (" ", &[])];
    let expected = inserts(&pair.repeat(WORDS as usize));
    for document in [&document, &reader, &loaded] {
        assert!(delta(document) == expected);
        assert!(document.encode_snapshot() == reader.encode_snapshot());
    }
    // One over all of them leaves nothing of them.
    mark(&mut document, text, (0, WORDS * 5), "link", OFF);
    let (bare, _) = author(1, &"word ".repeat(WORDS as usize));
    assert!(document.encode_snapshot().len() < bare.encode_snapshot().len() + 40);
}
