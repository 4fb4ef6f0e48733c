//! Bytes that are well formed and lie: states and envelopes written by hand, with claims that no replica would make. They
//! must be refused or taken at once, whatever they claim to hold.

use crate::differences::{check as check_differences, earlier};
use crate::mutation::snapshot_of;
use crate::peer::{integer, plain, take_all, units, varint, LATE};
use crate::random::Random;
use joinery_codec::{check_value, MAX_VALUE_DEPTH};
use joinery_history::{Dot, MAX_SEQ};
use joinery_types::{Applied, Document, Error, Kind, MAX_DEPTH, MAX_DESCRIBED_PARTS, MAX_KEY_BYTES, ROOT};

fn blob(out: &mut Vec<u8>, bytes: &[u8]) {
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// A dot as states write it: the agent's place in the state's list from 1, then the seq; agent 0 is no dot.
fn dot(out: &mut Vec<u8>, (agent, seq): (u64, u32)) {
    varint(out, agent);
    if agent > 0 {
        varint(out, u64::from(seq));
    }
}

/// A run: its agent's place from 1, first seq, length, how it hangs, and (agent, seq, step) of its removal ([`ELSEWHERE`] and
/// [`SUPERSEDED`] are of no agent).
#[derive(Clone, Copy)]
struct Run(u64, u32, u32, Place, Option<(u64, u32, i8)>);

const ELSEWHERE: Option<(u64, u32, i8)> = Some((0, 0, 2));
const SUPERSEDED: Option<(u64, u32, i8)> = Some((0, 0, 3));

/// How a run hangs, how many subtrees it takes on its left, and what its form needs beside.
#[derive(Clone, Copy)]
struct Place(u64, u64, Beside);

#[derive(Clone, Copy)]
enum Beside {
    Nothing,
    Below(u64),
    Dot(u64, u32),
}

const CONTINUES: Place = Place(0, 0, Beside::Nothing);
/// On the right of the run before.
const RIGHT: Place = Place(1, 0, Beside::Nothing);
/// On the left of a run that comes later.
const LEFT: Place = Place(2, 0, Beside::Nothing);
const START: Place = Place(3, 0, Beside::Nothing);
const CONTINUES_UNTOLD: Place = Place(4, 0, Beside::Nothing);
/// On the right of the state's first agent's second unit.
const ON_A_DOT: Place = Place(5, 0, Beside::Dot(1, 2));

/// At the start, or it would be if it didn't take that many.
fn takes(count: u64) -> Place {
    Place(3, count, Beside::Nothing)
}

/// On the right of the run that is so many below the one on top.
fn right_below(below: u64) -> Place {
    Place(7, 0, Beside::Below(below))
}

/// A removal of units that the receiver has: first unit, how many, by whom, step.
type Removal = ((u64, u32), u32, (u64, u32), i8);

/// The runs, every one with its form in full and its removal told; then the removals. `since` is per agent what the receiver has.
fn sequence(since: &[u32], runs: &[Run], removals: &[Removal]) -> Vec<u8> {
    let mut out = Vec::new();
    let agents = since.len();
    let mut next: Vec<i64> = [0].iter().chain(since).map(|&seq| i64::from(seq) + 1).collect();
    let mut removed = next.clone();
    let mut old = vec![1; agents + 1];
    // Whose the last one of each kind was.
    let mut agent_of = [1; 3];
    let mut seq = |out: &mut Vec<u8>, kind: usize, agent: u64, seq: u32, expected: &[i64]| {
        let code = zigzag(i64::from(seq) - expected[agent as usize]);
        let last = std::mem::replace(&mut agent_of[kind], agent);
        match agents {
            1 => varint(out, code),
            2 => varint(out, code << 1 | u64::from(agent != last)),
            _ => {
                varint(out, code << 1 | 1);
                varint(out, agent - 1);
            }
        }
    };
    const NEW: usize = 0;
    const OLD: usize = 1;
    const REMOVED: usize = 2;
    varint(&mut out, (runs.len() + removals.len()) as u64);
    let known = removals.iter().map(|&((agent, first), len, (by, by_seq), step)| {
        let removal = Some((by, by_seq, step));
        (true, Run(agent, first, len, START, removal))
    });
    for (is_known, run) in runs.iter().map(|&run| (false, run)).chain(known) {
        let Run(agent, first, len, Place(form, takes, beside), removal) = run;
        let code = match removal {
            None => 0,
            Some((0, _, step)) => step as u8 - 1,
            Some((.., step)) => 3 + [2, 0, 1][(step + 1) as usize],
        };
        out.push(if is_known { 7 } else { 3 } | code << 3);
        if !is_known {
            varint(&mut out, form | takes << 3);
            match beside {
                Beside::Nothing => {}
                Beside::Below(below) => varint(&mut out, below),
                Beside::Dot(agent, parent) => {
                    seq(&mut out, OLD, agent, parent, &old);
                    old[agent as usize] = i64::from(parent);
                }
            }
        }
        varint(&mut out, u64::from(len));
        let (kind, from) = match is_known {
            true => (OLD, &mut old),
            false => (NEW, &mut next),
        };
        if form > 0 {
            seq(&mut out, kind, agent, first, from);
        }
        from[agent as usize] = i64::from(first) + i64::from(len);
        if let Some((by, by_seq, step)) = removal.filter(|&(by, ..)| by > 0) {
            let last = i64::from(by_seq) + i64::from(step) * i64::from(len - 1);
            seq(&mut out, REMOVED, by, last.min(i64::from(by_seq)) as u32, &removed);
            removed[by as usize] = last.max(i64::from(by_seq));
        }
    }
    out
}

fn text_section(since: &[u32], runs: &[Run], removals: &[Removal], content: &str) -> Vec<u8> {
    let mut out = sequence(since, runs, removals);
    blob(&mut out, content.as_bytes());
    out
}

/// A state's first slot: (dot, stamp, tag and rest).
fn slot(out: &mut Vec<u8>, by: (u64, u32), stamp: u64, value: &[u8]) {
    varint(out, by.0);
    varint(out, zigzag(i64::from(by.1)));
    varint(out, zigzag(stamp as i64));
    out.extend_from_slice(value);
}

/// A container's entry in the table: parent, kind and flags, key, generation, end.
fn named(parent: u64, kind: Kind, key: &str) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, parent);
    out.push(kind as u8 | 0x40);
    blob(&mut out, key.as_bytes());
    out
}

/// A state as its parts.
#[derive(Default, Clone)]
struct State {
    /// Agents by ascending id, with how much of them is known.
    agents: Vec<(u64, u32)>,
    since: Option<Vec<u32>>,
    frontier: Vec<(u64, u32)>,
    highest: u64,
    containers: Vec<Vec<u8>>,
    root: Option<Vec<u8>>,
    sections: Vec<Vec<u8>>,
}

impl State {
    fn body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        varint(&mut out, self.agents.len() as u64);
        self.agents.iter().for_each(|(id, _)| out.extend(id.to_le_bytes()));
        self.agents
            .iter()
            .for_each(|(_, seq)| varint(&mut out, u64::from(*seq)));
        out.push(u8::from(self.since.is_some()));
        self.since
            .iter()
            .flatten()
            .zip(&self.agents)
            .for_each(|(seq, (_, last))| varint(&mut out, u64::from(last - seq)));
        varint(&mut out, self.frontier.len() as u64);
        for &(agent, seq) in &self.frontier {
            varint(&mut out, agent - 1);
            varint(&mut out, u64::from(self.agents[agent as usize - 1].1 - seq));
        }
        varint(&mut out, self.highest);
        varint(&mut out, self.containers.len() as u64);
        out.push(u8::from(self.root.is_some()));
        self.containers.iter().for_each(|container| out.extend(container));
        self.root
            .iter()
            .chain(&self.sections)
            .for_each(|section| out.extend(section));
        out
    }

    fn snapshot(&self) -> Vec<u8> {
        snapshot_of(&self.body())
    }

    fn update(&self) -> Vec<u8> {
        [vec![0x22], self.body()].concat()
    }

    /// A text at the root's key `t`, written by the first agent's first operation.
    fn with_text(agents: &[(u64, u32)], runs: &[Run], content: &str) -> State {
        let mut root = vec![1];
        blob(&mut root, b"t");
        slot(&mut root, (1, 1), 1 << 16, &[0x12, 0]);
        State {
            agents: agents.to_vec(),
            frontier: (1..).zip(agents).map(|(place, &(_, seq))| (place, seq)).collect(),
            highest: 1 << 16,
            containers: vec![named(0, Kind::Text, "t")],
            root: Some(root),
            sections: vec![text_section(&vec![0; agents.len()], runs, &[], content)],
            ..State::default()
        }
    }
}

fn taken(state: &[u8]) -> Document {
    let mut document = Document::default();
    assert_eq!(document.apply(state, LATE), Ok(Applied::Joined));
    document
}

/// Refused, with nothing changed.
pub fn refused(document: &Document, bytes: &[u8]) -> Error {
    let mut victim = document.clone();
    let error = victim.apply(bytes, LATE).expect_err("a lie was taken");
    assert_eq!(victim.pending_count(), document.pending_count());
    assert_eq!(victim.revision(), document.revision());
    assert!(victim.encode_snapshot() == document.encode_snapshot());
    error
}

fn rebuilds(document: &Document) {
    let snapshot = document.encode_snapshot();
    let fresh = taken(&snapshot);
    assert!(fresh.encode_snapshot() == snapshot);
    assert_eq!(plain(&fresh), plain(document));
    let random = &mut Random(1);
    let versions: Vec<Vec<u8>> = (0..8).map(|_| earlier(document, random)).collect();
    check_differences(document, &versions);
}

/// An envelope with one transaction of `count` operations.
pub fn envelope(agent: u64, from: u32, count: u32, stamp: Option<u64>, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x10 | u8::from(count > 1) << 1 | u8::from(stamp.is_some()) << 3];
    out.extend(agent.to_le_bytes());
    varint(&mut out, u64::from(from));
    if count > 1 {
        varint(&mut out, u64::from(count));
    }
    if let Some(stamp) = stamp {
        varint(&mut out, stamp);
        // One stamp, the highest.
        blob(&mut out, &[0]);
    }
    out.extend_from_slice(payload);
    out
}

/// Names the text `t` of the root.
const NAME_TEXT: [u8; 3] = [0x21, 1, b't'];

/// Nearly as many units as one agent can insert.
const MANY: u32 = 4_000_000_000;

#[test]
fn a_well_formed_state_is_taken() {
    let state = State::with_text(
        &[(1, 5)],
        &[Run(1, 2, 2, START, None), Run(1, 4, 1, RIGHT, None)],
        "abc",
    );
    // A run that goes on is said to continue; told another way it is the same.
    let document = taken(&state.snapshot());
    assert_eq!(plain(&document), [&[8, 1, 1, b't', 5, 3][..], b"abc"].concat());
    rebuilds(&document);
    let continued = State::with_text(
        &[(1, 5)],
        &[Run(1, 2, 2, START, None), Run(1, 4, 1, CONTINUES, None)],
        "abc",
    );
    assert!(taken(&continued.update()).encode_snapshot() == document.encode_snapshot());
}

#[test]
fn four_billion_removed_units_cost_nothing() {
    // Removed one by one, by the delete key; then all at once; then from the back.
    let agents = [(1, MAX_SEQ), (2, MAX_SEQ - 9)];
    let runs = [Run(1, 2, MANY, START, Some((2, 1, 1)))];
    let document = taken(&State::with_text(&agents, &runs, "").snapshot());
    rebuilds(&document);
    for (by, step) in [(1, 0), (MANY, -1), (7, 1)] {
        let mut update = State::with_text(&[(1, MAX_SEQ), (2, MAX_SEQ - 8)], &[], "");
        update.since = Some(vec![MAX_SEQ, MAX_SEQ - 9]);
        update.sections = vec![text_section(
            &[MAX_SEQ, MAX_SEQ - 9],
            &[],
            &[((1, 2), MANY, (2, by), step)],
            "",
        )];
        let mut document = document.clone();
        assert_eq!(document.apply(&update.update(), LATE), Ok(Applied::Joined));
        rebuilds(&document);
        // And once more, in an envelope: `(1, 2)` to the end, by one operation.
        let mut payload = [&NAME_TEXT[..], &[0x83, 2]].concat();
        payload.extend(1u64.to_le_bytes());
        varint(&mut payload, 2);
        varint(&mut payload, u64::from(MANY));
        let envelope = envelope(2, MAX_SEQ - 8, 1, None, &payload);
        assert_eq!(document.apply(&envelope, LATE), Ok(Applied::Joined));
        rebuilds(&document);
    }
}

#[test]
fn four_billion_removed_elements_around_a_living_one_cost_nothing() {
    let mut root = vec![1];
    blob(&mut root, b"t");
    slot(&mut root, (1, 1), 1 << 16, &[0x11, 0]);
    let mut in_element = Vec::new();
    varint(&mut in_element, 1);
    in_element.push(Kind::Counter as u8 | 0x40 | 0x08);
    dot(&mut in_element, (1, 2));
    let mut list = sequence(
        &[0, 0],
        &[Run(1, 2, 1, START, None), Run(1, 3, MANY, CONTINUES, Some((2, 1, 0)))],
        &[],
    );
    // The element's own.
    list.extend([0, 0x13, 0]);
    varint(&mut list, 0);
    let state = State {
        agents: vec![(1, MAX_SEQ), (2, 1)],
        frontier: vec![(1, MAX_SEQ), (2, 1)],
        highest: 1 << 16,
        containers: vec![named(0, Kind::List, "t"), in_element],
        root: Some(root),
        sections: vec![list, vec![1, 0, 2, 5, 0]],
        ..State::default()
    };
    let mut document = taken(&state.snapshot());
    assert_eq!(plain(&document), [8, 1, 1, b't', 7, 1, 3, 10]);
    let mut payload = vec![0x11, 1, b't', 0x83, 2];
    payload.extend(1u64.to_le_bytes());
    varint(&mut payload, 2);
    varint(&mut payload, u64::from(MANY) + 1);
    assert_eq!(
        document.apply(&envelope(2, 1, 1, None, &payload), LATE),
        Ok(Applied::Joined)
    );
    assert_eq!(plain(&document), [8, 1, 1, b't', 7, 0]);
    rebuilds(&document);
}

#[test]
fn a_count_that_the_bytes_cannot_hold_is_refused() {
    let good = State::with_text(&[(1, 5)], &[Run(1, 2, 3, START, None)], "abc");
    let document = taken(&good.snapshot());
    // A text of four billion visible characters in no bytes; a run that takes 2^59 others; a count of 2^60 runs.
    let state = State::with_text(&[(1, MAX_SEQ), (2, 1)], &[Run(1, 9, MANY, START, None)], "");
    refused(&document, &state.update());
    refused(&Document::default(), &state.snapshot());
    for section in [
        [&[1, 3][..], &[255, 255, 255, 255, 255, 255, 255, 255, 127, 1], &[0; 8]].concat(),
        [255, 255, 255, 255, 255, 255, 255, 255, 15].to_vec(),
    ] {
        let mut state = State::with_text(&[(1, 6)], &[], "");
        state.sections = vec![section];
        refused(&document, &state.update());
        refused(&Document::default(), &state.snapshot());
    }
    // An envelope that claims four billion operations: deletions of what isn't there.
    for how in [0x83, 0x93, 0xa3] {
        let mut payload = [&NAME_TEXT[..], &[how, 2]].concat();
        payload.extend(1u64.to_le_bytes());
        varint(&mut payload, 3);
        varint(&mut payload, u64::from(MANY));
        let count = if how == 0x83 { 1 } else { MANY };
        refused(&document, &envelope(9, 0, count, None, &payload));
    }
}

#[test]
fn a_sequence_that_no_merge_gives_is_refused() {
    let good = State::with_text(&[(1, 5)], &[Run(1, 2, 3, START, None)], "abc");
    let document = taken(&good.snapshot());
    let first = Run(1, 2, 1, START, None);
    let by_other = |seq, place| Run(2, seq, 1, place, None);
    let lies: [(&str, Vec<Run>, &str); 18] = [
        (
            "the same ids twice",
            vec![Run(1, 2, 2, START, None), Run(1, 3, 2, START, None)],
            "abcd",
        ),
        (
            "runs in a circle",
            vec![
                Run(1, 2, 1, Place(5, 0, Beside::Dot(2, 2)), None),
                by_other(2, ON_A_DOT),
            ],
            "ab",
        ),
        ("a run on itself", vec![Run(1, 2, 1, ON_A_DOT, None)], "a"),
        ("a continuation of nothing", vec![by_other(2, CONTINUES)], "a"),
        (
            "a continuation of what isn't told",
            vec![by_other(2, CONTINUES_UNTOLD)],
            "a",
        ),
        ("a continuation of no unit", vec![by_other(1, CONTINUES_UNTOLD)], "a"),
        ("a run on nothing", vec![by_other(2, RIGHT)], "a"),
        ("a run that is never taken", vec![first, by_other(2, LEFT)], "ab"),
        ("what waits cut off by a root", vec![by_other(2, LEFT), first], "ab"),
        ("a subtree that isn't there", vec![Run(1, 2, 1, takes(1), None)], "a"),
        ("very many subtrees", vec![Run(1, 2, 1, takes(1 << 60), None)], "a"),
        (
            "on the right of one below what waits",
            vec![first, by_other(1, LEFT), by_other(2, right_below(1))],
            "abc",
        ),
        (
            "on the right of one below all",
            vec![first, by_other(2, right_below(9))],
            "ab",
        ),
        (
            "the start's children in another order",
            vec![by_other(2, START), first],
            "ab",
        ),
        (
            "right children in another order",
            vec![first, by_other(2, RIGHT), by_other(1, right_below(1))],
            "abc",
        ),
        (
            "left children in another order",
            vec![by_other(2, LEFT), by_other(1, LEFT), Run(1, 2, 1, takes(2), None)],
            "abc",
        ),
        ("more text than units", vec![Run(1, 2, 1, START, None)], "ab"),
        (
            "units beyond the version",
            vec![Run(1, 2, 10, START, None)],
            "abcdefghij",
        ),
    ];
    for (what, runs, content) in lies {
        let state = State::with_text(&[(1, 5), (2, 3)], &runs, content);
        let error = refused(&Document::default(), &state.snapshot());
        assert!(matches!(error.code(), "invalid-snapshot" | "invalid-update"), "{what}");
        // Who has the first agent's units may take what hangs on one of them.
        if !what.contains("isn't told") {
            refused(&document, &state.update());
        }
    }
    for (removal, what) in [
        (Some((2, 4, 0)), "by an operation that isn't there"),
        (Some((2, 3, 1)), "by one, and then by one that isn't there"),
        (Some((2, 1, -1)), "by one, and then by the one before the first"),
    ] {
        let state = State::with_text(&[(1, 5), (2, 3)], &[Run(1, 2, 3, START, removal)], "");
        let error = refused(&Document::default(), &state.snapshot());
        assert_eq!(error.code(), "invalid-snapshot", "{what}");
    }
}

#[test]
fn a_removal_of_known_units_that_says_nothing_or_names_others_is_refused() {
    let document = taken(&State::with_text(&[(1, 5)], &[Run(1, 2, 3, START, None)], "abc").snapshot());
    let update = |section: Vec<u8>| {
        let mut update = State::with_text(&[(1, 6)], &[], "");
        update.since = Some(vec![5]);
        update.sections = vec![section];
        update.update()
    };
    let known = |first, len, by, step| text_section(&[5], &[], &[((1, first), len, (1, by), step)], "");
    let mut knowing = document.clone();
    assert_eq!(knowing.apply(&update(known(2, 3, 6, 0)), LATE), Ok(Applied::Joined));
    rebuilds(&knowing);
    let lies = [
        ("units that aren't there", known(4, 2, 6, 0)),
        ("units beyond the version", known(4, 5, 6, 0)),
        ("no unit", vec![1, 7 | 3 << 3, 0, 2, 0, 0]),
        ("by an operation that isn't there", known(2, 1, 7, 0)),
        ("by one, and then by one that isn't there", known(2, 2, 6, 1)),
        // One entry, whose head has no removal; that was moved elsewhere; in a way that there isn't.
        ("not removed", vec![1, 7, 1, 2, 0]),
        ("moved elsewhere", vec![1, 7 | 1 << 3, 1, 2, 0]),
        ("removed in another way", vec![1, 7 | 31 << 3, 1, 2, 0]),
    ];
    for (what, section) in lies {
        let error = refused(&document, &update(section));
        assert_eq!(error.code(), "invalid-update", "{what}");
    }
}

/// Every form of a run, with siblings on each side.
#[test]
fn runs_hang_in_every_way() {
    let runs = [
        Run(1, 9, 1, LEFT, None),
        Run(2, 4, 1, LEFT, None),
        // Takes both.
        Run(1, 2, 2, takes(2), Some((2, 1, 1))),
        Run(1, 4, 1, CONTINUES, None),
        Run(1, 8, 1, LEFT, None),
        // Takes it, and hangs on the run before it.
        Run(2, 5, 1, Place(7, 1, Beside::Below(0)), None),
        Run(2, 6, 1, right_below(1), None),
        Run(2, 3, 1, START, Some((1, 7, 0))),
    ];
    let state = State::with_text(&[(1, 9), (2, 9)], &runs, "abcdef");
    let document = taken(&state.snapshot());
    assert_eq!(plain(&document), [&[8, 1, 1, b't', 5, 6][..], b"abcdef"].concat());
    rebuilds(&document);
    // What hangs on a unit that is told may name it all the same.
    let runs = [Run(1, 2, 3, START, None), Run(2, 2, 1, ON_A_DOT, None)];
    let document = taken(&State::with_text(&[(1, 5), (2, 3)], &runs, "abcd").snapshot());
    assert_eq!(plain(&document), [&[8, 1, 1, b't', 5, 4][..], b"abcd"].concat());
    rebuilds(&document);
}

#[test]
fn a_container_told_twice_is_refused() {
    let mut state = State::with_text(&[(1, 5)], &[Run(1, 2, 3, START, None)], "abc");
    state.containers.push(named(0, Kind::Text, "t"));
    state
        .sections
        .push(text_section(&[0], &[Run(1, 2, 3, START, None)], &[], "xyz"));
    refused(&Document::default(), &state.snapshot());
    refused(
        &taken(&State::with_text(&[(1, 1)], &[], "").snapshot()),
        &state.update(),
    );
}

#[test]
fn an_update_that_claims_to_cover_what_it_lacks_leaves_no_gap_to_write_into() {
    // The version says five operations, the text has none of them; then their author's envelope comes, partly covered.
    let state = State::with_text(&[(1, 5)], &[], "");
    let document = taken(&state.update());
    let mut author = Document::default();
    author.set_agent(1);
    let text = author.ensure_child(ROOT, "t", Kind::Text, 1).unwrap();
    author.text_insert(text, 0, &mut units("abcdefgh")).unwrap();
    let envelope = take_all(&mut author).remove(0);
    refused(&document, &envelope);
}

#[test]
fn keys_and_nesting_have_a_limit_in_every_form() {
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    let mut document = Document::default();
    document.set_agent(1);
    assert_eq!(
        document.map_set(ROOT, &long, &[0], 1).unwrap_err().code(),
        "limit-exceeded"
    );
    document.map_set(ROOT, &long[1..], &[0], 1).unwrap();
    rebuilds(&document);
    let mut root = vec![1];
    blob(&mut root, long.as_bytes());
    slot(&mut root, (1, 1), 1 << 16, &[0]);
    let state = State {
        agents: vec![(1, 1)],
        frontier: vec![(1, 1)],
        highest: 1 << 16,
        root: Some(root),
        ..State::default()
    };
    refused(&Document::default(), &state.snapshot());
    let mut payload = vec![0x14];
    blob(&mut payload, long.as_bytes());
    payload.push(0);
    refused(&Document::default(), &envelope(1, 0, 1, Some(1), &payload));

    let mut document = Document::default();
    document.set_agent(1);
    let mut at = ROOT;
    let depth = loop {
        match document.create_child(at, "k", Kind::Map, 1) {
            Ok(child) => at = child,
            Err(error) => {
                assert_eq!(error.code(), "limit-exceeded");
                break document.containers().len() - 1;
            }
        }
    };
    // The root is the first level.
    assert_eq!(depth, MAX_DEPTH - 1);
    document.map_set(at, "deepest", &integer(1), 1).unwrap();
    rebuilds(&document);
    let mut reader = Document::default();
    for update in take_all(&mut document) {
        assert_eq!(reader.apply(&update, LATE), Ok(Applied::Joined));
    }
    assert_eq!(plain(&reader), plain(&document));
    for depth in [MAX_DEPTH + 1, 100_000] {
        let mut payload = Vec::new();
        for level in 0..depth {
            payload.push(0x81);
            payload.push(2);
            varint(&mut payload, u64::from(level));
            payload.extend([1, b'k']);
        }
        payload.extend([0x04, 1, b'k']);
        let error = refused(&document, &envelope(3, 0, 1, Some(1), &payload));
        assert!(matches!(error.code(), "limit-exceeded" | "invalid-update"), "{error}");
        let mut state = State::with_text(&[(1, 5)], &[], "");
        state.containers = (0..u64::from(depth))
            .map(|parent| named(parent, Kind::Map, "k"))
            .collect();
        state.sections = state.containers.iter().map(|_| vec![0]).collect();
        assert_eq!(refused(&Document::default(), &state.update()).code(), "limit-exceeded");
    }
    assert!(check_value(&[[7, 1].repeat(MAX_VALUE_DEPTH + 1), vec![0]].concat()).is_err());
}

#[test]
fn stamps_at_the_top_are_refused_or_leave_no_room() {
    let write = |stamp: u64| envelope(3, 0, 1, Some(stamp), &[0x14, 1, b'k', 0]);
    // Far ahead of the time: it waits.
    let mut document = Document::default();
    assert_eq!(document.apply(&write(u64::MAX - 1), LATE), Ok(Applied::Waiting));
    // A replica whose clock is at the end of time takes it, and can't write any more.
    let mut document = Document::default();
    document.set_agent(1);
    assert!(document.apply(&write(u64::MAX), u64::MAX).is_err());
    assert_eq!(document.apply(&write(u64::MAX - 1), u64::MAX), Ok(Applied::Joined));
    let before = document.encode_snapshot();
    assert_eq!(
        document.map_set(ROOT, "k", &[1], u64::MAX).unwrap_err().code(),
        "limit-exceeded"
    );
    assert!(document.encode_snapshot() == before);
    let mut fresh = Document::default();
    assert_eq!(fresh.apply(&before, u64::MAX), Ok(Applied::Joined));
    assert!(fresh.encode_snapshot() == before);
    let zero = envelope(3, 0, 1, Some(0), &[0x14, 1, b'k', 0]);
    assert!(Document::default().apply(&zero, LATE).is_err());
}

#[test]
fn an_agent_at_its_last_operation_writes_no_more() {
    for left in 0..4u32 {
        let agents = [(1, MAX_SEQ - left)];
        let state = State::with_text(&agents, &[Run(1, 2, 3, START, None)], "abc");
        let mut document = taken(&state.snapshot());
        document.set_agent(1);
        let text = document.child(ROOT, "t", Kind::Text).unwrap();
        let mut too_many = units(&"x".repeat(left as usize + 1));
        let before = document.encode_snapshot();
        let error = document.text_insert(text, 1, &mut too_many).unwrap_err();
        assert_eq!(error.code(), "limit-exceeded");
        assert!(document.encode_snapshot() == before);
        let mut fits = units(&"x".repeat(left as usize));
        document.text_insert(text, 1, &mut fits).unwrap();
        for error in [
            document.text_delete(text, 0, 1).err(),
            document.map_set(ROOT, "k", &[0], 1).err(),
            document.list_insert_child(text, 0, Kind::Map).err(),
        ] {
            assert!(matches!(error.unwrap().code(), "limit-exceeded" | "wrong-type"));
        }
        rebuilds(&document);
        let mut reader = taken(&state.snapshot());
        for update in take_all(&mut document) {
            assert_eq!(reader.apply(&update, LATE), Ok(Applied::Joined));
        }
        assert_eq!(plain(&reader), plain(&document));
    }
    // A header beyond the last seq.
    refused(
        &Document::default(),
        &envelope(1, MAX_SEQ, 1, Some(1), &[0x14, 1, b'k', 0]),
    );
    refused(&Document::default(), &envelope(1, 5, u32::MAX - 2, None, &[]));
}

#[test]
fn counters_stop_at_two_to_the_53() {
    const MOST: i64 = (1 << 53) - 1;
    let mut document = Document::default();
    document.set_agent(1);
    let counter = document.ensure_child(ROOT, "c", Kind::Counter, 1).unwrap();
    document.counter_add(counter, MOST).unwrap();
    for amount in [1, MOST, i64::MAX] {
        assert_eq!(
            document.counter_add(counter, amount).unwrap_err().code(),
            "limit-exceeded"
        );
    }
    document.counter_add(counter, -MOST).unwrap();
    assert_eq!(
        document.counter_add(counter, i64::MIN).unwrap_err().code(),
        "limit-exceeded"
    );
    assert_eq!(document.counter_value(counter), Ok(0));
    rebuilds(&document);
    // Two agents can pass it together: then it reads as the nearest double.
    let mut other = Document::default();
    other.set_agent(2);
    let counter = other.ensure_child(ROOT, "c", Kind::Counter, 1).unwrap();
    other.counter_add(counter, MOST).unwrap();
    let mut third = other.clone();
    for update in take_all(&mut document) {
        third.apply(&update, LATE).unwrap();
    }
    assert_eq!(third.counter_value(counter), Ok(i128::from(MOST)));
    // An envelope can't go where the API doesn't: one agent's two additions in one transaction.
    let add = |amount: i64| {
        let mut out = vec![0x06];
        varint(&mut out, zigzag(amount));
        out
    };
    for (first, second) in [(MOST, 1), (-MOST, -1), (i64::MAX, 0), (i64::MIN, 0), (MOST - 5, 6)] {
        let payload = [vec![0x31, 1, b'c'], add(first), add(second)].concat();
        assert_eq!(
            refused(&other, &envelope(5, 0, 2, None, &payload)).code(),
            "limit-exceeded"
        );
        // What is described is told in numbers that can be told.
        let mut description = Vec::new();
        let described = other.describe(&envelope(5, 0, 2, None, &payload), &mut description);
        match first.unsigned_abs() > MOST.unsigned_abs() {
            true => assert_eq!(described.unwrap_err().code(), "limit-exceeded"),
            false => check_value(&description).unwrap(),
        }
        // Nor does naming the counter twice help.
        let payload = [vec![0x31, 1, b'c'], add(first), vec![0x31, 1, b'c'], add(second)].concat();
        let mut victim = other.clone();
        if victim.apply(&envelope(5, 0, 2, None, &payload), LATE).is_ok() {
            rebuilds(&victim);
            assert!(victim.counter_value(counter).unwrap() <= i128::from(MOST) * 2);
        }
    }
}

#[test]
fn a_hundred_thousand_containers_at_one_key_cost_what_they_weigh() {
    const COUNT: u32 = 150_000;
    let mut document = Document::default();
    let mut payload = NAME_TEXT.to_vec();
    payload.push(0x02);
    blob(&mut payload, &vec![b'x'; COUNT as usize]);
    assert_eq!(
        document.apply(&envelope(1, 0, COUNT, None, &payload), LATE),
        Ok(Applied::Joined)
    );
    // One write ends a child for each operation so far, none of which was a child.
    let mut payload = vec![0x54, 1, b'k', 0];
    varint(&mut payload, u64::from(COUNT));
    for seq in 1..=COUNT {
        payload.extend([0, 1]);
        varint(&mut payload, u64::from(seq));
    }
    assert_eq!(
        document.apply(&envelope(1, COUNT, 1, Some(1), &payload), LATE),
        Ok(Applied::Joined)
    );
    rebuilds(&document);
}

/// An operation that inserts one character: how it hangs on what comes `back` operations before it.
fn insert_one(out: &mut Vec<u8>, left: bool, back: u32) {
    out.push(0x22 | u8::from(left) << 6);
    varint(out, u64::from(back));
    out.extend([1, b'x']);
}

#[test]
fn long_ways_down_the_tree_are_not_walked_again_and_again() {
    const LONG: u32 = 30_000;
    // A first character; on its left, and on its right, a long way down; then very many siblings of the way's first step,
    // with ids before it or behind it.
    for (left, steps_left) in [(true, true), (false, true), (true, false), (false, false)] {
        for agents in [(5, 9), (9, 5)] {
            let mut payload = NAME_TEXT.to_vec();
            payload.extend([0x02, 1, b'x']);
            insert_one(&mut payload, left, 1);
            for step in 0..LONG {
                // The other side every second time, or the steps would be a run.
                insert_one(&mut payload, steps_left || step % 2 == 1, 1);
            }
            let way = envelope(agents.0, 0, LONG + 2, None, &payload);
            let mut payload = NAME_TEXT.to_vec();
            for _ in 0..LONG {
                payload.push(0x32 | u8::from(left) << 6);
                payload.push(2);
                if payload.len() < 8 {
                    payload.extend(agents.0.to_le_bytes());
                }
                payload.extend([1, 1, b'y']);
            }
            let siblings = envelope(agents.1, 0, LONG, None, &payload);
            let mut document = Document::default();
            assert_eq!(document.apply(&way, LATE), Ok(Applied::Joined));
            assert_eq!(document.apply(&siblings, LATE), Ok(Applied::Joined));
            rebuilds(&document);
        }
    }
}

/// Whatever an envelope names and inserts below a long key: the key is told once for each change, or not at all, but never kept
/// for each. (A copy for each would be thirty gigabytes here.)
#[test]
fn a_description_costs_no_more_than_it_may_be_long() {
    const MANY_NAMES: u32 = 100_000;
    let document = Document::default();
    let long = "k".repeat(300_000);
    let describe = |payload: &[u8], count: u32, stamp: Option<u64>| {
        let mut out = Vec::new();
        let done = document.describe(&envelope(1, 0, count, stamp, payload), &mut out);
        done.map(|()| out.len())
    };

    let mut payload = vec![0x01];
    blob(&mut payload, long.as_bytes());
    for _ in 0..MANY_NAMES {
        // A map in the first one.
        payload.extend([0x81, 2, 1, 1, b'm']);
    }
    payload.extend([0x04, 1, b'd']);
    let length = describe(&payload, 1, Some(1)).unwrap();
    assert!((long.len()..long.len() + 100).contains(&length), "{length}");

    let mut payload = vec![0x11];
    blob(&mut payload, long.as_bytes());
    payload.push(0x02);
    varint(&mut payload, u64::from(MANY_NAMES));
    payload.resize(payload.len() + MANY_NAMES as usize, 0);
    let error = describe(&payload, MANY_NAMES, None).unwrap_err();
    assert_eq!(error.code(), "limit-exceeded");
}

/// Every other unit of long stretches is told in one pass: over a text too, of which each part is a piece.
#[test]
fn a_description_of_as_many_parts_as_units_passes_over_them_once() {
    const UNITS: u32 = 200_000;
    let document = Document::default();
    let parts: Vec<(u32, u32)> = (0..UNITS).step_by(2).map(|at| (at, at + 1)).collect();
    let describe = |payload: &[u8], count: u32| {
        let mut out = Vec::new();
        let done = document.describe_parts(&envelope(1, 0, count, None, payload), &parts, &mut out);
        done.map(|()| out)
    };
    let mut text = NAME_TEXT.to_vec();
    text.push(0x02);
    // Two units each: a part has the first of them, and tells the character.
    blob(&mut text, "\u{1F30D}".repeat(UNITS as usize / 2).as_bytes());
    let told = describe(&text, UNITS).unwrap();
    assert_eq!(
        told.windows(4).filter(|at| *at == "\u{1F30D}".as_bytes()).count(),
        parts.len()
    );
    // One deletion of more units than there are bytes in all the world's descriptions.
    for step in [1, 2] {
        let mut deletion = NAME_TEXT.to_vec();
        deletion.extend([0x83 | step << 4, 2]);
        deletion.extend(7u64.to_le_bytes());
        deletion.push(1);
        varint(&mut deletion, u64::from(UNITS));
        let told = describe(&deletion, UNITS).unwrap();
        assert_eq!(told.windows(6).filter(|at| at == b"remove").count(), parts.len());
        let error = |parts: &[(u32, u32)]| {
            let mut long = deletion.clone();
            long.truncate(NAME_TEXT.len() + 11);
            varint(&mut long, u64::from(u32::MAX - 2));
            let envelope = envelope(1, 0, u32::MAX - 2, None, &long);
            let mut out = Vec::new();
            document.describe_parts(&envelope, parts, &mut out).unwrap_err()
        };
        let many: Vec<(u32, u32)> = (0..MAX_DESCRIBED_PARTS as u32)
            .map(|at| (at * 4000, at * 4000 + 1))
            .collect();
        assert_eq!(error(&many).code(), "limit-exceeded");
    }
}

/// A list at the root's key `t`: its runs, the elements that stand at visible units (index, element, stamp), and the slots.
fn list_state(agents: &[(u64, u32)], runs: &[Run], moved: &[(u64, (u64, u32), u64)], slots: usize) -> State {
    let mut state = State::with_text(agents, &[], "");
    let mut root = vec![1];
    blob(&mut root, b"t");
    slot(&mut root, (1, 1), 1 << 16, &[0x11, 0]);
    let mut named = named(0, Kind::List, "t");
    let mut section = sequence(&vec![0; agents.len()], runs, &[]);
    if !moved.is_empty() {
        named[1] |= 0x80;
        varint(&mut section, moved.len() as u64);
    }
    for &(index, element, stamp) in moved {
        varint(&mut section, index);
        dot(&mut section, element);
        varint(&mut section, stamp);
    }
    for i in 0..slots {
        // Its element's own.
        section.push(0);
        section.extend(integer(i as i64));
    }
    varint(&mut section, 0);
    state.root = Some(root);
    state.containers = vec![named];
    state.sections = vec![section];
    state
}

type Id = (u64, u32);
/// Parent, own dot, stamp from the one before, index.
type TreeEdge<'a> = (Id, Id, i64, &'a str);

/// A node's entry in a tree's section: id, then per edge parent, own dot, stamp from the one before, index.
fn tree_node(out: &mut Vec<u8>, id: (u64, u32), edges: &[TreeEdge<'_>]) {
    dot(out, id);
    varint(out, edges.len() as u64);
    for &(parent, own, step, index) in edges {
        dot(out, parent);
        dot(out, own);
        varint(out, zigzag(step));
        blob(out, index.as_bytes());
    }
}

const NO: Id = (0, 0);

/// A state with one container at the root's key `t`, written by the first agent's first operation.
fn with_section(kind: Kind, section: Vec<u8>) -> State {
    let mut state = State::with_text(&[(1, 9), (2, 9)], &[], "");
    let mut root = vec![1];
    blob(&mut root, b"t");
    slot(&mut root, (1, 1), 1 << 16, &[0x10 + kind as u8, 0]);
    state.root = Some(root);
    state.containers = vec![named(0, kind, "t")];
    state.sections = vec![section];
    state
}

/// Elements 2, 3 and 4 of agent 1, of which 3 was moved behind 4 by agent 2's first operation.
fn moved_list() -> State {
    let runs = [
        Run(1, 2, 1, START, None),
        Run(1, 3, 1, CONTINUES, ELSEWHERE),
        Run(1, 4, 1, CONTINUES, None),
        Run(2, 1, 1, RIGHT, None),
    ];
    list_state(&[(1, 4), (2, 1)], &runs, &[(2, (1, 3), 7)], 3)
}

#[test]
fn an_element_that_stands_nowhere_or_twice_is_refused() {
    let document = taken(&moved_list().snapshot());
    assert_eq!(plain(&document), [8, 1, 1, b't', 7, 3, 3, 0, 3, 2, 3, 4]);
    rebuilds(&document);
    let agents = [(1, 4), (2, 3)];
    let home = |removal| {
        vec![
            Run(1, 2, 1, START, None),
            Run(1, 3, 1, CONTINUES, removal),
            Run(1, 4, 1, CONTINUES, None),
            Run(2, 1, 1, RIGHT, None),
        ]
    };
    let two = |removal| [home(removal), vec![Run(2, 2, 1, CONTINUES, None)]].concat();
    type Lie = (&'static str, Vec<Run>, Vec<(u64, (u64, u32), u64)>, usize);
    let lies: [Lie; 11] = [
        ("nowhere", home(ELSEWHERE), vec![], 3),
        ("in two places", two(ELSEWHERE), vec![(2, (1, 3), 7), (0, (1, 3), 7)], 4),
        (
            "where it was inserted, and elsewhere",
            home(None),
            vec![(3, (1, 3), 7)],
            4,
        ),
        ("deleted, and elsewhere", home(Some((2, 2, 0))), vec![(2, (1, 3), 7)], 3),
        (
            "nothing stands there any more",
            home(SUPERSEDED),
            vec![(2, (1, 3), 7)],
            3,
        ),
        ("at its own unit", home(None), vec![(3, (2, 1), 7)], 4),
        ("one that isn't here", home(None), vec![(3, (2, 3), 7)], 4),
        ("at a unit that isn't here", home(ELSEWHERE), vec![(3, (1, 3), 7)], 3),
        ("since never", home(ELSEWHERE), vec![(2, (1, 3), 0)], 3),
        (
            "since a later time than there was",
            home(ELSEWHERE),
            vec![(2, (1, 3), 1 << 17)],
            3,
        ),
        ("too few slots", home(ELSEWHERE), vec![(2, (1, 3), 7)], 2),
    ];
    for (what, runs, moved, slots) in lies {
        let state = list_state(&agents, &runs, &moved, slots);
        for bytes in [state.snapshot(), state.update()] {
            let error = refused(&Document::default(), &bytes);
            assert!(matches!(error.code(), "invalid-snapshot" | "invalid-update"), "{what}");
            // Who has the units already may not see the lie, and stays sound.
            let mut knowing = document.clone();
            if knowing.apply(&bytes, LATE).is_ok() {
                rebuilds(&knowing);
            }
        }
    }
    // A text has no elements.
    for removal in [ELSEWHERE, SUPERSEDED] {
        let state = State::with_text(&[(1, 3)], &[Run(1, 2, 1, START, removal)], "");
        refused(&Document::default(), &state.snapshot());
    }
    let mut state = State::with_text(&[(1, 3)], &[Run(1, 2, 1, START, None)], "a");
    state.containers[0][1] |= 0x80;
    refused(&Document::default(), &state.snapshot());
}

#[test]
fn a_unit_that_a_move_made_is_no_element() {
    let mut document = taken(&moved_list().snapshot());
    // Moved once more, so that the first move's unit is empty: agent 2's second operation, before the element 2.
    let name_list = [0x11, 1, b't'];
    let again = [&name_list[..], &[0x79, 2], &1u64.to_le_bytes(), &[2, 2, 3]].concat();
    let again = envelope(2, 1, 1, Some(9), &again);
    assert_eq!(document.apply(&again, LATE), Ok(Applied::Joined));
    assert_eq!(plain(&document), [8, 1, 1, b't', 7, 3, 3, 4, 3, 0, 3, 2]);
    rebuilds(&document);
    let element = [&[2][..], &1u64.to_le_bytes(), &[3]].concat();
    for id in [&[1, 1][..], &[1, 2], &element] {
        // Deleted, in a range, written to, moved, and taken for the place of a list, in which something is inserted.
        let ways: [(&[u8], &[u8], Option<u64>); 5] = [
            (&[0x03], &[], None),
            (&[0x33, 1], &[1], None),
            (&[0x15], &[2], Some(10)),
            (&[0x09], &[], Some(10)),
            (&[0x91, 3, 1], &[0x02, 1, 2], None),
        ];
        for (before, behind, stamp) in ways {
            let payload = [&name_list[..], before, id, behind].concat();
            let bytes = envelope(2, 2, 1, stamp, &payload);
            if id == element {
                assert_eq!(document.clone().apply(&bytes, LATE), Ok(Applied::Joined), "{before:?}");
            } else {
                let error = refused(&document, &bytes);
                assert_eq!(error.code(), "invalid-update", "{before:?} of {id:?}");
            }
        }
    }
    // The same of a unit that the envelope itself makes.
    let fresh = [&name_list[..], &[0x09, 2], &1u64.to_le_bytes(), &[2], &[0x43, 1]].concat();
    let error = refused(&document, &envelope(2, 2, 2, Some(10), &fresh));
    assert_eq!(error.code(), "invalid-update");
    // An element that nobody inserted; an element beside the start's left.
    for lie in [
        &[0x09, 2, 1, 0, 0, 0, 0, 0, 0, 0, 9][..],
        &[0x49, 1, 2],
        &[0x89, 1, 2],
        &[0x09, 0],
    ] {
        let payload = [&name_list[..], lie].concat();
        assert_eq!(
            refused(&document, &envelope(2, 2, 1, Some(10), &payload)).code(),
            "invalid-update"
        );
    }
}

/// Ranges that are named over and over cost no more than their runs, however many moved elements are in them.
#[test]
fn a_hundred_thousand_moved_elements_named_again_and_again() {
    const MANY_MOVED: u32 = 100_000;
    let mut runs = vec![Run(1, 2, MANY_MOVED, START, ELSEWHERE)];
    runs.push(Run(2, 1, MANY_MOVED, RIGHT, None));
    let moved: Vec<_> = (0..MANY_MOVED).map(|i| (0, (1, i + 2), 7)).collect();
    let state = list_state(
        &[(1, MANY_MOVED + 1), (2, MANY_MOVED)],
        &runs,
        &moved,
        MANY_MOVED as usize,
    );
    let mut document = taken(&state.snapshot());
    rebuilds(&document);
    let mut payload = vec![0x11, 1, b't'];
    for i in 0..50_000u32 {
        payload.push(0x83);
        payload.push(2);
        if i == 0 {
            payload.extend(1u64.to_le_bytes());
        }
        varint(&mut payload, 2);
        varint(&mut payload, u64::from(MANY_MOVED));
    }
    let envelope = envelope(2, MANY_MOVED, 50_000, None, &payload);
    assert_eq!(document.apply(&envelope, LATE), Ok(Applied::Joined));
    assert_eq!(plain(&document), [8, 1, 1, b't', 7, 0]);
    rebuilds(&document);
}

/// Nodes in order, and none removed.
fn tree_section(nodes: &[Vec<u8>], removed: &[(Id, Id)]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, nodes.len() as u64);
    nodes.iter().for_each(|node| out.extend(node));
    varint(&mut out, removed.len() as u64);
    for &(id, by) in removed {
        dot(&mut out, id);
        dot(&mut out, by);
    }
    out
}

fn one_node(id: (u64, u32), edges: &[TreeEdge<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    tree_node(&mut out, id, edges);
    out
}

#[test]
fn a_tree_that_no_replica_writes_is_refused_or_read_all_the_same() {
    let a = |parent| one_node((1, 2), &[(parent, NO, 9, "a0")]);
    let b = |parent| one_node((2, 2), &[(parent, NO, 0, "a0")]);
    let taken_ones = [
        // Created below each other, and below themselves.
        (1, tree_section(&[a((2, 2)), b((1, 2))], &[])),
        (2, tree_section(&[a((1, 2)), b((2, 2))], &[])),
        (1, tree_section(&[a((2, 2)), b((2, 2))], &[])),
        (1, tree_section(&[a(NO)], &[((2, 2), (2, 3))])),
        // Created below a node that was removed.
        (0, tree_section(&[a((2, 2))], &[((2, 2), (2, 3))])),
    ];
    for (at_the_top, section) in taken_ones {
        let mut document = taken(&with_section(Kind::Tree, section).snapshot());
        rebuilds(&document);
        document.set_agent(5);
        let tree = document.child(ROOT, "t", Kind::Tree).unwrap();
        assert_eq!(document.tree_children(tree, Dot::NONE).unwrap().len(), at_the_top);
        document.tree_create(tree, Dot::NONE, at_the_top as u32, 0, 1).unwrap();
        rebuilds(&document);
    }
    let lies = [
        ("an edge to nothing", tree_section(&[a((2, 5))], &[])),
        ("no edge", tree_section(&[one_node((1, 2), &[])], &[])),
        ("two nodes with one id", tree_section(&[a(NO), a(NO)], &[])),
        ("another order", tree_section(&[b(NO), a(NO)], &[])),
        (
            "a node that lives and was removed",
            tree_section(&[a(NO)], &[((1, 2), (1, 3))]),
        ),
        (
            "two edges to one parent",
            tree_section(&[one_node((1, 2), &[(NO, NO, 9, "a0"), (NO, (1, 3), 1, "a1")])], &[]),
        ),
        (
            "a stamp of 0",
            tree_section(&[one_node((1, 2), &[(NO, NO, 0, "a0")])], &[]),
        ),
        (
            "a stamp above the highest",
            tree_section(&[one_node((1, 2), &[(NO, NO, 1 << 17, "a0")])], &[]),
        ),
        (
            "its own dot told",
            tree_section(&[one_node((1, 2), &[(NO, (1, 2), 9, "a0")])], &[]),
        ),
        ("no index", tree_section(&[one_node((1, 2), &[(NO, NO, 9, "")])], &[])),
        (
            "another index",
            tree_section(&[one_node((1, 2), &[(NO, NO, 9, "a00")])], &[]),
        ),
        (
            "an index that is too long",
            tree_section(&[one_node((1, 2), &[(NO, NO, 9, &"a1".repeat(513))])], &[]),
        ),
        (
            "a dot beyond the version",
            tree_section(&[one_node((1, 10), &[(NO, NO, 9, "a0")])], &[]),
        ),
        ("a count beyond the bytes", vec![200, 1]),
    ];
    for (what, section) in lies {
        let state = with_section(Kind::Tree, section);
        let error = refused(&Document::default(), &state.snapshot());
        assert!(matches!(error.code(), "invalid-snapshot" | "invalid-update"), "{what}");
    }
    // What the version covers is here already.
    let document = taken(&with_section(Kind::Tree, tree_section(&[a(NO)], &[])).snapshot());
    let mut more = with_section(Kind::Tree, tree_section(&[a(NO), b(NO)], &[]));
    more.agents = vec![(1, 10), (2, 9)];
    refused(&document, &more.update());
    more.sections = vec![tree_section(&[a(NO)], &[((2, 2), (2, 3))])];
    refused(&document, &more.update());
}

/// Between two siblings there is no index of 1,024 characters any more: then all of them get short ones.
#[test]
fn a_gap_is_never_full() {
    let tight = format!("a0{}1", "0".repeat(1021));
    let low = one_node((1, 2), &[(NO, NO, 9, "a0")]);
    let high = one_node((1, 3), &[(NO, NO, 1, &tight)]);
    let mut document = taken(&with_section(Kind::Tree, tree_section(&[low, high], &[])).snapshot());
    document.set_agent(5);
    let tree = document.child(ROOT, "t", Kind::Tree).unwrap();
    let mut expected = document.tree_children(tree, Dot::NONE).unwrap();
    let node = document.tree_create(tree, Dot::NONE, 1, 7, 1).unwrap();
    assert_eq!(document.own_seq(), 3, "no index was rewritten");
    expected.insert(1, node);
    assert_eq!(document.tree_children(tree, Dot::NONE), Ok(expected));
    assert!(document.encode_snapshot().len() < 200);
    rebuilds(&document);
}

#[test]
fn a_graph_that_no_replica_writes_is_refused() {
    type Edge = ((u64, u32), (u64, u32), (u64, u32));
    let section = |nodes: &[(u64, u32)], edges: &[Edge], removed: &[(u64, u32)]| {
        let mut out = Vec::new();
        varint(&mut out, nodes.len() as u64);
        nodes.iter().for_each(|&node| dot(&mut out, node));
        varint(&mut out, edges.len() as u64);
        for &(edge, from, to) in edges {
            [edge, from, to].iter().for_each(|&id| dot(&mut out, id));
        }
        varint(&mut out, removed.len() as u64);
        removed.iter().for_each(|&id| {
            dot(&mut out, id);
            dot(&mut out, (2, 9));
        });
        with_section(Kind::Graph, out)
    };
    // An edge may lead from an edge, as far as states go: it is never shown.
    let odd = section(
        &[(1, 2)],
        &[((1, 3), (1, 2), (1, 2)), ((1, 4), (1, 3), (1, 2))],
        &[(2, 2)],
    );
    let document = taken(&odd.snapshot());
    rebuilds(&document);
    let graph = document.child(ROOT, "t", Kind::Graph).unwrap();
    assert_eq!(document.graph_edges(graph).unwrap().len(), 1);
    for lie in [
        section(&[(1, 2)], &[((1, 3), (1, 2), (1, 5))], &[]),
        section(&[(1, 2)], &[((1, 2), (1, 2), (1, 2))], &[]),
        section(&[(1, 2)], &[], &[(1, 2)]),
        section(&[(1, 2), (1, 2)], &[], &[]),
        section(&[NO], &[], &[]),
    ] {
        refused(&Document::default(), &lie.snapshot());
    }
}

#[test]
fn at_a_node_nothing_hangs_but_its_map() {
    let node = one_node((1, 2), &[(NO, NO, 9, "a0")]);
    for (kind, flags, is_good) in [
        (Kind::Map, 0, true),
        (Kind::Text, 0, false),
        (Kind::Map, 0x10, false),
        (Kind::Map, 0x20, false),
    ] {
        let mut state = with_section(Kind::Tree, tree_section(std::slice::from_ref(&node), &[]));
        let mut entry = vec![1, kind as u8 | 0x08 | flags];
        dot(&mut entry, (1, 2));
        if flags != 0 {
            dot(&mut entry, (1, 3));
        }
        state.containers.push(entry);
        match is_good {
            true => rebuilds(&taken(&state.snapshot())),
            false => drop(refused(&Document::default(), &state.snapshot())),
        }
    }
    // The same in envelopes: the tree `t`, a node in it, and in the node something else.
    let tree = [0x51, 1, b't', 0x02, 2, b'a', b'0'];
    for (name, is_good) in [(0x81, true), (0xa1, false)] {
        let payload = [
            &tree[..],
            &[name, 3, 1, 1, 1],
            &[0x06, 2][..if is_good { 0 } else { 2 }],
        ]
        .concat();
        let envelope = envelope(1, 0, 1, Some(1), &payload);
        match Document::default().apply(&envelope, LATE) {
            Ok(applied) => assert!(is_good && applied == Applied::Joined),
            Err(error) => assert!(!is_good, "{error}"),
        }
    }
    for (what, operation) in [
        ("a node below nothing", vec![0x32, 1, 9, 2, b'a', b'0']),
        ("flags", vec![0x42, 2, b'a', b'0']),
        ("a move of nothing", vec![0x05, 1, 9, 2, b'a', b'0']),
        ("no index", vec![0x02, 2, b'a', b' ']),
        ("a chain from nothing", vec![0x12, 2, b'a', b'0']),
        ("a deletion with flags", vec![0x83, 1, 1, 2]),
        ("an operation of a list", vec![0x04, 1, b'k', 0]),
    ] {
        let payload = [&[0x51, 1, b't'][..], &operation].concat();
        let error = refused(&Document::default(), &envelope(1, 0, 1, Some(1), &payload));
        assert_eq!(error.code(), "invalid-update", "{what}");
    }
}
