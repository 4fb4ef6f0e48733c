//! Writes to map keys and list elements: which stamp they get, which containers they end, and when the key is gone.
//!
//! A stamp is kept, so a write wins and loses as it would have. Only where its author's clock was wrong is it put right: never
//! above the server's time but for what it takes to stay in order and above what its author had overwritten.

use super::mark_order::MarkOrder;
use super::{name, name_or_none, old_key, Known, Name, Ranges, Reason, Replay, Said, Scene, NONE, NOTHING};
use crate::container::{Key, KeyRef, Kind};
use crate::document::{Document, Write};
use crate::operation::ValueRef;
use crate::slot::{Slot, SlotValue};
use joinery_history::{Dot, EnvelopeHeader, Stamp};
use joinery_tables::OrderedMap;
use std::rc::Rc;

/// How the stamps of a clock that was wrong are put right.
#[derive(Debug, Clone, Copy)]
pub struct ClockRule {
    /// The server's time, in milliseconds since 1970: no stamp gets above it without need.
    pub server_time_ms: u64,
    /// How far the clock was ahead, in milliseconds: taken off each stamp.
    pub correction_ms: i64,
}

/// Of two writes to a slot the lower one stays below by so much where it would have come above: there is room between them
/// for those that are replayed later.
pub(super) const ROOM: Stamp = 1 << 8;

/// What is known of a slot.
#[derive(Debug, Default)]
pub(super) struct Note {
    /// The writes that were replayed there.
    pub written: Written,
    /// Of a list's element or a tree's node: its moves.
    pub moved: Written,
    /// The author deleted the key knowingly, and may write it again.
    cleared: bool,
    /// The key was removed before a trim by someone whom the author hadn't heard.
    pub removed: bool,
}

/// Writes that were replayed, by their author's stamp and agent, ascending, and the stamps they got.
pub(super) type Written = Vec<((Stamp, u64), Stamp)>;

/// The stamps of what was replayed to the same place: of the next below, by its author's stamp and agent, and of the next above.
pub(super) type Beside = (Option<Stamp>, Option<Stamp>);

/// Beside what of those a write goes.
pub(super) fn beside(written: &[((Stamp, u64), Stamp)], by: (Stamp, u64)) -> Beside {
    let above = written.partition_point(|&(other, _)| other < by);
    let got = |at: usize| written.get(at).map(|&(_, got)| got);
    (above.checked_sub(1).and_then(got), got(above))
}

/// Notes one more.
pub(super) fn note_write(written: &mut Written, by: (Stamp, u64), got: Stamp) {
    let above = written.partition_point(|&(other, _)| other < by);
    written.insert(above, (by, got));
}

/// What a write meets in `into`: the one that won there so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    stamp: Stamp,
    /// What it was called where it was made.
    origin: Name,
    /// An earlier replay has made it of that.
    is_remade: bool,
    /// Its agent in `into`; none where this replay has made it.
    theirs: Option<u64>,
    is_new: bool,
}

impl Held {
    pub(super) fn here(into: &Document, by: Dot, stamp: Stamp, slots: &Slots) -> Held {
        let here = name(into, by);
        let is_new = Some(by.agent) == into.own;
        Held {
            theirs: (!is_new).then(|| into.agents.id(by.agent)),
            is_new,
            ..Held::elsewhere(slots.made_as(here), stamp, slots)
        }
    }

    /// One that a trim has put away.
    pub(super) fn elsewhere(made: Name, stamp: Stamp, slots: &Slots) -> Held {
        let remade = slots.remade.get(made);
        Held {
            stamp,
            origin: remade.unwrap_or(made),
            is_remade: remade.is_some(),
            theirs: None,
            is_new: false,
        }
    }
}

/// What stamps and slots need to remember.
#[derive(Debug)]
pub(super) struct Slots {
    pub clock: Option<ClockRule>,
    pub notes: OrderedMap<(u32, Key), Note>,
    /// By text and key.
    pub marks: OrderedMap<(u32, Rc<str>), MarkOrder>,
    /// The highest write of the agent, where there is a clock to put right, and the stamp it got: one an agent of the author.
    /// What an earlier replay made is an agent's in another order than that of its stamps.
    last: Vec<(u64, Stamp, Stamp)>,
    /// For each of those agents: what it says it was written on.
    seen: Vec<Ranges>,
    /// The envelope at hand could not join `from`: something that it rests on is lost.
    pub lacking: bool,
    /// What trims have renamed of the writes in `into`'s slots: what those were called where they were made.
    pub written: Ranges,
    /// What earlier replays made: what its author called it.
    pub remade: Ranges,
}

impl Slots {
    /// Goes on where earlier replays have `made` this.
    pub(super) fn new(clock: Option<ClockRule>, made: &Ranges) -> Slots {
        let mut remade = Ranges::default();
        for (old, len, new) in made.iter() {
            remade.add(new.name, len, Said::running(old));
        }
        Slots {
            clock,
            notes: OrderedMap::new(),
            marks: OrderedMap::new(),
            last: Vec::new(),
            seen: Vec::new(),
            lacking: false,
            written: Ranges::default(),
            remade,
        }
    }

    /// What a write in `into` was called where it was made.
    fn made_as(&self, here: Name) -> Name {
        self.written.get(here).unwrap_or(here)
    }

    /// What a write in `into` was called by its author, and whether an earlier replay has made it of that.
    pub(super) fn origin(&self, here: Name) -> (Name, bool) {
        let made = self.made_as(here);
        let remade = self.remade.get(made);
        (remade.unwrap_or(made), remade.is_some())
    }

    /// What comes next was written by a clock that was off by something else.
    pub(super) fn correct(&mut self, clock: ClockRule) {
        self.clock = Some(clock);
    }

    /// Takes note of what an envelope says it was written on.
    pub(super) fn follows(&mut self, from: &Document, header: &EnvelopeHeader) {
        if self.clock.is_none() {
            return;
        }
        self.lacking = !holds(from, (header.agent, header.to));
        let at = self.number(header.agent).unwrap_or_else(|| {
            self.last.push((header.agent, 0, 0));
            self.seen.push(Ranges::default());
            self.seen.len() - 1
        });
        for dep in &header.deps {
            self.seen[at].add((dep.agent, 1), dep.seq, NOTHING);
        }
    }

    /// One user has few agents.
    fn number(&self, agent: u64) -> Option<usize> {
        self.last.iter().position(|&(known, ..)| known == agent)
    }

    /// The stamp that a write gets, its author's and name given; none where no stamp is left. Beside what it goes of what was
    /// replayed to the same place before; `held`: what won there so far; `shown`: what its author's document shows there,
    /// ascending. Of marks, of which any number may meet, see `mark_order.rs`.
    pub(super) fn stamp(
        &self,
        scene: &Scene<'_>,
        (below, above): Beside,
        held: &[Held],
        shown: &[Name],
        old: (Stamp, Name),
    ) -> Option<Stamp> {
        let into = &*scene.into;
        let agent = old.1 .0;
        let mut wanted = old.0;
        let mut most = Stamp::MAX;
        if self.clock.is_some() {
            wanted = self.put_right(old.0)?;
            let right = wanted;
            if let Some(got) = self.last_got(agent, old.0) {
                wanted = wanted.max(got.checked_add(1)?);
            }
            // What this replay has made there itself is in its note.
            let is_noted = below.or(above).is_some();
            for held in held.iter().filter(|held| !held.is_new || !is_noted) {
                match self.beats(scene, held, shown, (old, right)) {
                    Some(true) => wanted = wanted.max(held.stamp.checked_add(1)?),
                    Some(false) => most = most.min(held.stamp.checked_sub(1)?),
                    None => {}
                }
            }
        }
        if let Some(got) = above {
            most = most.min(got.checked_sub(1)?);
        }
        if wanted > most {
            wanted = most.saturating_sub(ROOM);
        }
        // A tie with another agent's write is decided as it would have been, though the agent is another now.
        let ties = held.iter().filter(|held| held.stamp == wanted);
        let turned = |theirs: u64| match (agent > theirs, into.agent() > Some(theirs)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        };
        // Below one of them it is below what it has to be below, and that counts more.
        match ties.filter_map(|held| held.theirs).filter_map(turned).min() {
            Some(true) => wanted = wanted.checked_add(1)?,
            Some(false) => {
                wanted = wanted.checked_sub(1)?;
                most = most.min(wanted);
            }
            None => {}
        }
        if let Some(got) = below {
            wanted = wanted.max(got.checked_add(1)?);
        }
        let free = into.stamps.free_from(wanted).filter(|&free| free <= most);
        free.or_else(|| into.stamps.free_up_to(most.min(Stamp::MAX - 1)))
    }

    /// A stamp as a right clock would have given it.
    pub(super) fn put_right(&self, stamp: Stamp) -> Option<Stamp> {
        let Some(clock) = self.clock else { return Some(stamp) };
        let corrected = i128::from(stamp) - (i128::from(clock.correction_ms) << 16);
        let server = i128::from(clock.server_time_ms.min((1 << 48) - 1)) << 16;
        u64::try_from(corrected.min(server).max(1)).ok()
    }

    /// What the agent's highest write so far got, if that is below this stamp.
    pub(super) fn last_got(&self, agent: u64, stamp: Stamp) -> Option<Stamp> {
        let &(_, last, got) = &self.last[self.number(agent)?];
        (last < stamp).then_some(got)
    }

    /// Had its author, by all that is known, this write that no replay has made?
    pub(super) fn had(&self, from: &Document, agent: u64, write: Name) -> bool {
        self.lacking || self.has_seen(agent, write) || holds(from, write)
    }

    /// Did the write win over what is there now, for its author? None where that isn't known. `right`: its stamp, put right.
    fn beats(
        &self,
        scene: &Scene<'_>,
        held: &Held,
        shown: &[Name],
        (old, right): ((Stamp, Name), Stamp),
    ) -> Option<bool> {
        if held.is_new {
            return Some(true);
        }
        let write = held.origin;
        let seen = self.has_seen(old.1 .0, write);
        let has = holds(scene.from, write);
        let is_lower = held.stamp < old.0;
        // What an earlier replay has put right had another stamp. Below anything else that its author's document shows it stays
        // where its own stamp is below: also where what its agent wrote before was put above that.
        let is_above = held.is_remade || held.stamp > old.0.max(right);
        if is_above && !self.lacking && shown.binary_search(&write).is_ok() {
            return Some(false);
        }
        let beats = if held.is_remade {
            seen || (is_lower && self.lacking) || (has && (is_lower || shown == [old.1]))
        } else {
            // Its author had it with this one.
            is_lower && self.had(scene.from, old.1 .0, write)
        };
        beats.then_some(true)
    }

    /// Notes the stamp that a write of this stamp and agent got.
    fn wrote(&mut self, by: (Stamp, u64), got: Stamp) {
        if let Some(at) = self.number(by.1) {
            let last = &mut self.last[at];
            if by.0 > last.1 {
                *last = (by.1, by.0, got);
            }
        }
    }

    /// Had the agent seen this write? Known of what its envelopes name.
    pub(super) fn has_seen(&self, agent: u64, write: Name) -> bool {
        let named = self.number(agent).and_then(|at| self.seen[at].get(write));
        agent == write.0 || named.is_some()
    }
}

/// Is this write in the author's document? Its author may have seen what only a synced envelope of its own names, which is gone;
/// whatever it had seen is there, with a stamp below its own. What came there after the write that is replayed counts too then:
/// a wrong clock is known before anything is joined, but for one that jumps while connected.
/// Of an author whose document is damaged nothing of this is known: then it counts as seen, and what is shown stays in order.
pub(super) fn holds(from: &Document, (writer, seq): Name) -> bool {
    let writer = from.agents.find(writer);
    writer.is_some_and(|writer| from.version.get(writer) >= seq)
}

fn slot<'d>(into: &'d Document, (container, key): &(u32, Key)) -> Option<&'d Slot> {
    match key {
        Key::Name(name) => into.containers.map(*container).ok()?.slot(name),
        Key::Element(element) => into.containers.list(*container).ok()?.slot_of(*element),
    }
}

/// The write that a key or an element shows in the author's document.
fn shown_to_author(scene: &Scene<'_>, key: KeyRef<'_>) -> Option<Name> {
    let key = match key {
        KeyRef::Name(name) => Key::Name(name.into()),
        KeyRef::Element(element) => Key::Element(element),
    };
    let found = slot(scene.from, &(scene.named[scene.at].from?, key))?;
    Some(name(scene.from, found.dot))
}

impl Replay {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn write(
        &mut self,
        scene: &mut Scene<'_>,
        container: u32,
        old: Name,
        key: KeyRef<'_>,
        stamp: Stamp,
        value: ValueRef<'_>,
        ends: &[(Kind, Dot)],
    ) -> Result<(), Reason> {
        let new_key = self.key(scene.into, scene.from, container, key)?;
        let at = (container, new_key.clone());
        let found = slot(scene.into, &at);
        if value == ValueRef::Deleted && found.is_none() {
            self.slots.notes.get_or_default(at).cleared = true;
            return Ok(());
        }
        let shows = found.is_some_and(|slot| scene.into.entry(slot).is_some());
        if self.epoch && !shows && self.is_removed(scene, &at, key, ends) {
            return Err(Reason::KeyRemoved);
        }
        let by = (stamp, old.0);
        let held = found.map(|slot| Held::here(scene.into, slot.dot, slot.stamp, &self.slots));
        let written = self.slots.notes.get(&at).map_or(&[][..], |note| &note.written);
        let shown = shown_to_author(scene, key);
        let stamp = self
            .slots
            .stamp(
                scene,
                beside(written, by),
                held.as_slice(),
                shown.as_slice(),
                (stamp, old),
            )
            .ok_or(Reason::ParentMissing)?;
        let write = match value {
            ValueRef::Deleted => Write::Deleted,
            ValueRef::Plain(bytes) => Write::Plain(bytes),
            ValueRef::Child(kind, generation) => {
                if scene.into.check_depth(container).is_err() {
                    return Err(Reason::ParentMissing);
                }
                Write::Child(kind, self.new_generation(scene, &at, key, kind, generation))
            }
        };
        let seen: Vec<u32> = ends
            .iter()
            .filter_map(|&(kind, generation)| {
                let id = (
                    container,
                    old_key(scene.from, key),
                    kind,
                    name_or_none(scene.from, generation),
                );
                self.find(scene.into, &id, &new_key).ok()
            })
            .collect();
        let new = scene.into.next_dot(1).map_err(|_| Reason::ParentMissing)?;
        // Stamps rise within an envelope.
        if scene.into.outbox.last_stamp().is_some_and(|last| last >= stamp) {
            scene.into.close_envelope();
        }
        let done = scene.into.put_slot(container, &new_key, write, (new, stamp), &seen);
        let child = done.map_err(|_| Reason::ParentMissing)?;
        self.mapping.made.add(old, 1, Said::running(name(scene.into, new)));
        if let ValueRef::Child(kind, generation) = value {
            let generation = name_or_none(scene.from, generation);
            let id = (container, old_key(scene.from, key), kind, generation);
            // What was lost or gone is there now.
            if let Some(known) = self.containers.get_mut(&id) {
                *known = Known::At(child);
            }
        }
        self.stamped(scene, by, stamp);
        note_write(&mut self.slots.notes.get_or_default(at).written, by, stamp);
        Ok(())
    }

    /// Takes note of the stamp that a write of this stamp and agent got.
    pub(super) fn stamped(&mut self, scene: &mut Scene<'_>, by: (Stamp, u64), got: Stamp) {
        scene.into.stamps.choose(got);
        scene.into.clock.see(got);
        self.slots.wrote(by, got);
    }

    /// The generation under which a container is created: what its author found at the key. Where that was lost or
    /// overwritten, what is found there now; and later operations are told.
    fn new_generation(
        &mut self,
        scene: &Scene<'_>,
        at: &(u32, Key),
        key: KeyRef<'_>,
        kind: Kind,
        generation: Dot,
    ) -> Dot {
        let old = name_or_none(scene.from, generation);
        let here = slot(scene.into, at).map_or(Dot::NONE, |slot| slot.dot);
        let id = (at.0, old_key(scene.from, key), kind, old);
        match (self.containers.get(&id), self.generation(scene.into, old)) {
            // A container that was ended before a trim: it does not come back under its own id.
            (Some(Known::Gone), _) => here,
            (Some(Known::At(child)), _) => scene.into.container(*child).generation,
            (_, Some(known)) => known,
            (_, None) => {
                let new = name_or_none(scene.into, here);
                self.mapping.generations.add(old, 1, Said::still(new));
                here
            }
        }
    }

    /// Was this key removed before the epoch began, by someone whom the author hadn't heard?
    fn is_removed(&self, scene: &Scene<'_>, at: &(u32, Key), key: KeyRef<'_>, ends: &[(Kind, Dot)]) -> bool {
        let note = self.slots.notes.get(at);
        if note.is_some_and(|note| !note.written.is_empty() || note.cleared) {
            return false;
        }
        let KeyRef::Name(key) = key else { return false };
        if self.passage.is_some() {
            return note.is_some_and(|note| note.removed);
        }
        // Without the old epoch's state only a synced container that the write ends tells that the key was there.
        let synced = |&(kind, generation): &(Kind, Dot)| {
            let old = name_or_none(scene.from, generation);
            let id = (at.0, super::OldKey::Name(key.into()), kind, old);
            let was_made = self.mapping.made.get(old).is_some() || self.mapping.lost.get(old).is_some();
            old != NONE && !was_made && !self.containers.contains_key(&id) && old.0 != scene.agent
        };
        slot(scene.into, at).is_none_or(|slot| slot.value == SlotValue::Deleted) && ends.iter().any(synced)
    }
}
