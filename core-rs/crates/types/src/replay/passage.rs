//! The way across trims: what operations and containers of `from`'s epoch are called in `into`'s, found by trimming the final
//! snapshot of each epoch between once more. A trim is deterministic, so this gives the names that it gave then.

use super::slots::Slots;
use super::{dot, name, name_or_none, seen_by, Known, Mapping, Name, OldId, OldKey, Ranges, Said, NOTHING};
use crate::apply::Applied;
use crate::container::Key;
use crate::document::Document;
use crate::error::Error;
use crate::slot::SlotValue;
use crate::state::MAGIC;
use crate::trim::GONE;
use crate::ROOT;
use joinery_codec::DecodeError;
use joinery_history::Stamp;
use joinery_tables::OrderedMap;
use std::rc::Rc;

/// How many trims a replay crosses at most.
pub const MAX_BRIDGES: usize = 64;

/// The last snapshot of an epoch, and the agent of the trim that ended it.
#[derive(Debug, Clone, Copy)]
pub struct Bridge<'a> {
    /// The trim's agent.
    pub agent: u64,
    /// The snapshot before it.
    pub snapshot: &'a [u8],
}

/// See the top of this file.
#[derive(Debug)]
pub(super) struct Passage {
    /// What the first epoch's last state had seen.
    pub base: Ranges,
    /// The trims' agents.
    pub trims: Vec<u64>,
    /// Units, slots and adds, of the first epoch and of those between: an earlier replay may have made them in any.
    pub names: Ranges,
    /// Elements of lists whose names are no places in `into`.
    away: Ranges,
    /// Those that a trim found moved, by their names in `into`: since which stamp (in the place of an agent), and which move.
    moved: [Ranges; 2],
    /// The adds in `into`, each with those it stands for, ascending.
    adds: Vec<(Name, Name)>,
}

impl Passage {
    /// Tells `containers` where those of the first epoch's last state are in `into`, and `slots` which keys were removed in one
    /// of the epochs by someone whom `from` hadn't heard, and what the writes were called that are left.
    pub(super) fn new(
        (from, into): (&Document, &Document),
        bridges: &[Bridge<'_>],
        containers: &mut OrderedMap<OldId, Known>,
        slots: &mut Slots,
    ) -> Result<Option<Passage>, Error> {
        if bridges.len() > MAX_BRIDGES {
            return Err(Error::LimitExceeded("a replay crosses at most 64 trims"));
        }
        // What the states so far have become: names, adds, and the first state's containers in the one that was reached.
        let mut first: Option<Document> = None;
        let mut names = Ranges::default();
        let mut adds: Vec<(Name, Name)> = Vec::new();
        let mut away = Ranges::default();
        let mut moved: [Ranges; 2] = Default::default();
        let mut numbers: Vec<u32> = Vec::new();
        let mut removed: Vec<(u32, Rc<str>)> = Vec::new();
        let mut reached: Option<Document> = None;
        for bridge in bridges {
            let state = load(bridge.snapshot)?;
            let next = state.trimmed(bridge.agent)?;
            let next_adds = adds_of(&state, &next.names);
            let mut written = compose(&next.written, &slots.written);
            for (new, len, between) in next.written.iter() {
                written.add(new, len, between);
            }
            slots.written = written;
            spread(&next.away, &names, &mut away);
            let [stamps, units] = next.moved;
            moved = [
                moved_on(&moved[0], &next.names, stamps),
                moved_on(&moved[1], &next.names, units),
            ];
            match &reached {
                None => {
                    numbers = (0..state.containers.len()).collect();
                    (names, adds) = (next.names, next_adds);
                }
                Some(reached) => {
                    follow(&mut numbers, &numbers_in(reached, &state));
                    names = compose(&names, &next.names);
                    for (between, len, new) in next.names.iter() {
                        names.add(between, len, new);
                    }
                    adds = compose_adds(&adds, next_adds);
                }
            }
            let unless = reached.is_none().then_some(from);
            let mut back = vec![GONE; state.containers.len() as usize];
            for (old, &number) in numbers.iter().enumerate().filter(|&(_, &number)| number != GONE) {
                back[number as usize] = old as u32;
            }
            let keys = removed_keys(&state, unless, &slots.remade).into_iter();
            removed.extend(
                keys.map(|(map, key)| (back[map as usize], key))
                    .filter(|&(map, _)| map != GONE),
            );
            follow(&mut numbers, &next.containers);
            reached = Some(next.document);
            first.get_or_insert(state);
        }
        let (Some(first), Some(reached)) = (first, reached) else {
            return Ok(None);
        };
        follow(&mut numbers, &numbers_in(&reached, into));
        for (map, key) in removed {
            let map = numbers[map as usize];
            if map != GONE {
                slots.notes.get_or_default((map, Key::Name(key))).removed = true;
            }
        }
        name_containers(&first, &numbers, containers);
        Ok(Some(Passage {
            base: seen_by(&first),
            trims: bridges.iter().map(|bridge| bridge.agent).collect(),
            names,
            away,
            moved,
            adds,
        }))
    }

    /// What earlier replays made in an epoch between has another name in `into`.
    pub(super) fn cross(&self, mapping: &mut Mapping) {
        spread(&self.away, &mapping.made, &mut mapping.away);
        let twice = self.adds.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        let shared: Vec<Name> = twice.map(|pair| pair[0].0).collect();
        let mut made = Ranges::default();
        for (old, len, said) in mapping.made.iter() {
            for (skip, n, new) in self.names.within(said.name, len) {
                let mut at = 0;
                while at < n {
                    let next = shared.get(shared.partition_point(|&add| add < (new.0, new.1 + at)));
                    let stop = next.filter(|add| add.0 == new.0).map_or(n, |add| n.min(add.1 - new.1));
                    let (old, new) = ((old.0, old.1 + skip + at), (new.0, new.1 + at));
                    made.add(old, stop - at, Said::running(new));
                    // An add of others too: whoever takes the one away must not take theirs.
                    at = stop + 1;
                }
            }
            made.add(old, len, said);
        }
        mapping.made = made;
        let mut generations = Ranges::default();
        for (old, len, said) in mapping.generations.iter() {
            let new = self.names.get(said.name).unwrap_or(said.name);
            generations.add(old, len, Said::still(new));
        }
        mapping.generations = generations;
    }

    /// Since which stamp, and by which move, an element in `into` stood where a trim found it.
    pub(super) fn moved_before(&self, element: Name) -> Option<(Stamp, Name)> {
        let [stamps, units] = &self.moved;
        Some((stamps.get(element)?.0, units.get(element)?))
    }

    /// The adds that one in `into` stands for.
    pub(super) fn adds_behind(&self, new: Name) -> &[(Name, Name)] {
        let from = self.adds.partition_point(|&(add, _)| add < new);
        let to = self.adds.partition_point(|&(add, _)| add <= new);
        &self.adds[from..to]
    }
}

/// Numbers lead to numbers.
fn follow(numbers: &mut [u32], next: &[u32]) {
    for number in numbers {
        *number = next.get(*number as usize).copied().unwrap_or(GONE);
    }
}

fn load(snapshot: &[u8]) -> Result<Document, Error> {
    if !snapshot.starts_with(MAGIC) {
        return Err(Error::InvalidSnapshot(DecodeError::new(0, "a snapshot", "other bytes")));
    }
    let mut document = Document::default();
    match document.apply(snapshot, u64::MAX)? {
        Applied::Waiting => Err(Error::Contradiction("a snapshot that rests on something")),
        Applied::Joined | Applied::Duplicate => Ok(document),
    }
}

/// Adds to `away` what a trim put there, and what is called so by other names.
#[inline(never)]
fn spread(put: &Ranges, names: &Ranges, away: &mut Ranges) {
    for (old, len, said) in names.iter() {
        for (skip, n, _) in put.within(said.name, len) {
            away.add((old.0, old.1 + skip), n, NOTHING);
        }
    }
    for (old, len, said) in put.iter() {
        away.add(old, len, said);
    }
}

/// Takes what earlier trims found moved across one more, which may have found it moved again.
#[inline(never)]
fn moved_on(moved: &Ranges, names: &Ranges, again: Ranges) -> Ranges {
    let mut all = again;
    for (element, len, said) in moved.iter() {
        for (_, n, new) in names.within(element, len) {
            all.add(new, n, said);
        }
    }
    all
}

/// What `first` and then `second` make of names.
fn compose(first: &Ranges, second: &Ranges) -> Ranges {
    let mut composed = Ranges::default();
    for (old, len, between) in first.iter() {
        for (skip, n, new) in second.within(between.name, len) {
            composed.add((old.0, old.1 + skip), n, Said::running(new));
        }
    }
    composed
}

/// Which adds each trimmed add stands for, ascending.
fn adds_of(old: &Document, names: &Ranges) -> Vec<(Name, Name)> {
    let mut adds = Vec::new();
    for number in 0..old.containers.len() {
        let Ok(set) = old.containers.set(number) else { continue };
        for (_, member) in set.members() {
            for &add in &member.adds {
                let add = name(old, add);
                if let Some(new) = names.get(add) {
                    adds.push((new, add));
                }
            }
        }
    }
    adds.sort_unstable();
    adds
}

fn compose_adds(first: &[(Name, Name)], second: Vec<(Name, Name)>) -> Vec<(Name, Name)> {
    let mut composed = Vec::new();
    for (new, between) in second {
        let from = first.partition_point(|&(add, _)| add < between);
        let olds = first[from..].iter().take_while(|&&(add, _)| add == between);
        let before = composed.len();
        composed.extend(olds.map(|&(_, old)| (new, old)));
        if composed.len() == before {
            // What came in a later epoch no author of the first one has seen: it stands for itself.
            composed.push((new, between));
        }
    }
    composed
}

/// Where the live containers of `a` are in `b`, a later state of the same epoch.
fn numbers_in(a: &Document, b: &Document) -> Vec<u32> {
    let mut numbers = vec![GONE; a.containers.len() as usize];
    numbers[ROOT as usize] = ROOT;
    // A parent's number is below its children's.
    for number in 1..a.containers.len() {
        let container = a.container(number);
        let parent = numbers[container.parent as usize];
        if container.gone || parent == GONE {
            continue;
        }
        let find = || {
            let key = match &container.key {
                Key::Name(key) => Key::Name(key.clone()),
                Key::Element(element) => Key::Element(dot(b, name(a, *element))?),
            };
            let generation = match name_or_none(a, container.generation) {
                super::NONE => joinery_history::Dot::NONE,
                generation => dot(b, generation)?,
            };
            b.containers.find(parent, &key, container.body.kind(), generation)
        };
        if let Some(found) = find().filter(|&found| !b.container(found).gone) {
            numbers[number as usize] = found;
        }
    }
    numbers
}

/// Keys of live maps that show nothing, and not because of what an earlier replay made. With `unless`: whose last write that
/// replica hasn't heard of.
fn removed_keys(state: &Document, unless: Option<&Document>, remade: &Ranges) -> Vec<(u32, Rc<str>)> {
    let mut removed = Vec::new();
    for number in 0..state.containers.len() {
        let Ok(map) = state.containers.map(number) else {
            continue;
        };
        for (key, slot) in map.slots() {
            let by = match slot.value {
                SlotValue::Child(child) => state.container(child).ended,
                _ => slot.dot,
            };
            if !by.is_some() || state.entry(slot).is_some() {
                continue;
            }
            let by = name(state, by);
            let heard = unless.is_some_and(|replica| dot(replica, by).is_some());
            if !heard && remade.get(by).is_none() {
                removed.push((number, key.clone()));
            }
        }
    }
    removed
}

/// Tells where the containers of the first state are, by the ids that its authors used.
fn name_containers(old: &Document, numbers: &[u32], containers: &mut OrderedMap<OldId, Known>) {
    for (number, &new) in numbers.iter().enumerate().skip(1) {
        let container = old.container(number as u32);
        let parent = numbers[container.parent as usize];
        if parent == GONE {
            continue;
        }
        let key = match &container.key {
            Key::Name(key) => OldKey::Name(key.clone()),
            Key::Element(element) => OldKey::Element(name(old, *element)),
        };
        let id = (
            parent,
            key,
            container.body.kind(),
            name_or_none(old, container.generation),
        );
        containers.insert(id, if new == GONE { Known::Gone } else { Known::At(new) });
    }
}
