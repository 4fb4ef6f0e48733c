//! Replay: brings one replica's unsynced operations into a newer state of the document, as new operations of another agent.
//!
//! `from` is the replica as its author had it, with the operations in it; `into` is the server's state with an agent of its
//! own. Each operation of each envelope is translated: containers by what created them, units of texts and lists by their
//! neighbours in `from` (`places.rs`), slots with their stamps (`slots.rs`), and so on; then it is written as a local edit.
//! What became of what is kept in a [`Mapping`], so that a later replay goes on where this one ended.
//!
//! What rests on an operation that did not come through (it is about a container or an element that this one made) doesn't
//! come through either; what only follows it does. Across a trim, names go through the final snapshots of the epochs between
//! (`passage.rs`).
//!
//! What it is not: a merge. Two replicas that replay the same envelopes make them twice.

mod elements;
mod mapping;
mod mark_order;
mod marks;
mod moves;
mod nodes;
mod passage;
mod places;
mod slots;

pub use mapping::{Mapping, Name, Ranges, Reason, Said, MAX_MAPPED_RANGES, NOTHING};
pub use passage::{Bridge, MAX_BRIDGES};
pub use slots::ClockRule;

use crate::container::{Key, KeyRef, Kind, ROOT};
use crate::document::{Document, MAX_KEY_BYTES};
use crate::error::Error;
use crate::operation::{read_payload, Action, Operation, ValueRef, UNKNOWN_AGENT};
use joinery_codec::{decode_utf8_to_units, Reader};
use joinery_history::{Dot, EnvelopeHeader, KIND_PLAIN, MAX_SEQ};
use joinery_tables::OrderedMap;
use passage::Passage;
use slots::Slots;
use std::rc::Rc;

/// How a replay is to be done.
#[derive(Debug, Default)]
pub struct Options<'a> {
    /// The mapping of an earlier replay into the same document, in its present epoch or in one that the bridges lead from.
    pub mapping: Option<&'a [u8]>,
    /// The epochs that were trimmed since `from`'s, oldest first.
    pub bridges: &'a [Bridge<'a>],
    /// How stamps are put right; none keeps them.
    pub clock: Option<ClockRule>,
    /// `into` is in another epoch: a write to a key that `from`'s synced state had and `into` lacks is rejected.
    pub epoch: bool,
}

/// Operations of one agent, `from < seq <= to`, that did not come through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected {
    /// The seq before the first.
    pub from: u32,
    /// The seq of the last.
    pub to: u32,
    /// Why.
    pub reason: Reason,
}

/// What became of one envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How many of its operations are in the new state, or have nothing left to do there.
    pub applied: u32,
    /// The others.
    pub rejected: Vec<Rejected>,
}

/// A name for "none": the generation of a container that was created where nothing had been.
const NONE: Name = (0, 0);

/// A container's key by the names that its author used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum OldKey {
    Name(Rc<str>),
    Element(Name),
}

/// A container's id as its author named it, below a parent in `into`.
type OldId = (u32, OldKey, Kind, Name);

/// A set in `into`, and a packed value.
type SetValue = (u32, Box<[u8]>);

/// A container that an envelope names.
struct Named {
    /// Where it is in `from`, unless it is gone there.
    from: Option<u32>,
    /// Where it is in `into`, or why it isn't.
    into: Result<u32, Reason>,
}

/// The replica it is replayed from, the one it is replayed into, and the envelope at hand.
struct Scene<'a> {
    from: &'a Document,
    into: &'a mut Document,
    /// The envelope's agent.
    agent: u64,
    refused: bool,
    named: Vec<Named>,
    at: usize,
}

/// A replay under way. See the top of this file.
#[derive(Debug)]
pub struct Replay {
    mapping: Mapping,
    /// What `into` (or the first bridge) had seen at the start: those operations have the same names there.
    base: Ranges,
    passage: Option<Passage>,
    /// Containers whose names alone don't tell where they are.
    containers: OrderedMap<OldId, Known>,
    epoch: bool,
    /// There were trims before the first bridge: what `from` knows by its names there is found nowhere.
    gap: bool,
    /// An earlier replay has made adds that `adds` doesn't know.
    goes_on: bool,
    slots: Slots,
    /// Per set and value: the adds that were replayed and not removed since, with their new seqs.
    adds: OrderedMap<SetValue, Vec<(Name, u32)>>,
    /// Where units hung that did not come through on the left of something, and on the right: what the first of a row hung on.
    lost_units: [Ranges; 2],
    /// Sequences of `from`, and containers of `into`, where many units stand beside each other that are still to come.
    orders: OrderedMap<(u32, u32), places::Order>,
}

/// What is known of a container by its author's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Its creation did not come through.
    Lost,
    /// It was ended or deleted before a trim.
    Gone,
    /// Across a trim: its number in `into`.
    At(u32),
}

/// What a document has seen.
#[inline(never)]
fn seen_by(document: &Document) -> Ranges {
    let mut seen = Ranges::default();
    for last in document.version.iter() {
        seen.add((document.agents.id(last.agent), 1), last.seq, NOTHING);
    }
    seen
}

/// Whether a document has seen anything of this: every replica of one epoch has, unless it has nothing but its own writes.
fn meets(document: &Document, seen: &Ranges) -> bool {
    let mut agents = document.version.iter().map(|last| document.agents.id(last.agent));
    agents.any(|agent| seen.get((agent, 1)).is_some())
}

impl Replay {
    /// Begins. `from` and `into` stay the caller's; both have to be the same ones at each call.
    pub fn new(from: &Document, into: &Document, options: &Options<'_>) -> Result<Replay, Error> {
        let mut mapping = options.mapping.map_or(Ok(Mapping::default()), Mapping::decode)?;
        let mut slots = Slots::new(options.clock, &mapping.made);
        let mut containers = OrderedMap::new();
        let passage = Passage::new((from, into), options.bridges, &mut containers, &mut slots)?;
        if let Some(passage) = &passage {
            passage.cross(&mut mapping);
        }
        let base = passage
            .as_ref()
            .map_or_else(|| seen_by(into), |passage| passage.base.clone());
        let gap = passage.is_some() && !meets(from, &base);
        Ok(Replay {
            mapping,
            base,
            passage,
            containers,
            epoch: options.epoch,
            gap,
            goes_on: options.mapping.is_some(),
            slots,
            adds: OrderedMap::new(),
            lost_units: Default::default(),
            orders: OrderedMap::new(),
        })
    }

    /// Puts the stamps of what comes next right in another way: of a replay that was begun with a rule.
    pub fn correct(&mut self, clock: ClockRule) {
        self.slots.correct(clock);
    }

    /// Makes an envelope's operations anew in `into`. On an error nothing has changed.
    pub fn add(&mut self, from: &Document, into: &mut Document, envelope: &[u8]) -> Result<Outcome, Error> {
        self.take(from, into, envelope, false)
    }

    /// Takes note that an envelope was refused. On an error nothing has changed.
    pub fn refuse(&mut self, from: &Document, into: &mut Document, envelope: &[u8]) -> Result<Outcome, Error> {
        self.take(from, into, envelope, true)
    }

    /// The last new operation that one became.
    pub fn translate(&self, agent: u64, seq: u32) -> Option<Name> {
        self.mapping.made.get((agent, seq))
    }

    /// The mapping's bytes.
    pub fn mapping(&self) -> Vec<u8> {
        self.mapping.encode()
    }

    fn take(&mut self, from: &Document, into: &mut Document, bytes: &[u8], refused: bool) -> Result<Outcome, Error> {
        let own = into.own.ok_or(Error::NoAgent)?;
        let mut reader = Reader::new(bytes);
        let header = EnvelopeHeader::decode(&mut reader).map_err(Error::InvalidUpdate)?;
        if header.kind != KIND_PLAIN {
            return Err(Error::InvalidUpdate(reader.error("a plain envelope", "a sealed one")));
        }
        // Where a record of its agent was lost, `from` could not join it: then it is placed by what it names itself.
        let mut heard;
        let from = match from.agents.find(header.agent) {
            Some(_) => from,
            None => {
                heard = from.clone();
                heard.agents.intern(header.agent);
                &heard
            }
        };
        let agent = from.agents.find(header.agent).ok_or(Error::NoAgent)?;
        let operations = read_payload(reader, &header, &from.agents, agent).map_err(Error::InvalidUpdate)?;
        operations.iter().try_for_each(check)?;
        if self.mapping.len() >= MAX_MAPPED_RANGES {
            return Err(Error::LimitExceeded("a replay's mapping names at most 2^20 ranges"));
        }
        // Each operation becomes one, or a few: adds that a removal must spare, long deletions in pieces.
        let most = 2 * u64::from(header.to - header.from) + bytes.len() as u64;
        if most > u64::from(MAX_SEQ - into.version.get(own)) {
            return Err(Error::LimitExceeded(
                "an agent writes at most 2^32 − 2 operations; open the document anew",
            ));
        }

        // One envelope becomes one (or several), so that a later refusal hits no more than it has to.
        into.close_envelope();
        self.slots.follows(from, &header);
        let root = Named {
            from: Some(ROOT),
            into: Ok(ROOT),
        };
        let mut scene = Scene {
            from,
            into,
            agent: header.agent,
            refused,
            named: vec![root],
            at: 0,
        };
        // It is no edit of its author's in that replica.
        let recording = scene.into.undo.pause();
        for operation in &operations {
            self.operation(&mut scene, operation);
        }
        scene.into.undo.resume(recording);
        let (first, count) = ((header.agent, header.from + 1), header.to - header.from);
        self.mapping.done.add(first, count, NOTHING);
        into.close_envelope();
        Ok(self.outcome(first, count))
    }

    fn outcome(&self, first: Name, count: u32) -> Outcome {
        let mut rejected: Vec<Rejected> = Vec::new();
        let mut applied = count;
        for (skip, n, reason) in self.mapping.reasons(first, count) {
            applied -= n;
            let from = first.1 - 1 + skip;
            match rejected.last_mut() {
                Some(last) if last.to == from && last.reason == reason => last.to += n,
                _ => rejected.push(Rejected {
                    from,
                    to: from + n,
                    reason,
                }),
            }
        }
        Outcome { applied, rejected }
    }

    /// How many of `len` operations from `first` on were given to a replay before, or are in `into` as they are.
    #[inline(never)]
    fn known(&self, first: Name, len: u32) -> u32 {
        let found = self.base.find(first).or_else(|| self.mapping.done.find(first));
        found.map_or(0, |(_, left)| left.min(len))
    }

    fn operation(&mut self, scene: &mut Scene<'_>, operation: &Operation<'_>) {
        let Operation { seq, len, at, action } = operation;
        scene.at = *at;
        if let Action::Name {
            parent,
            key,
            kind,
            generation,
        } = action
        {
            let named = self.name(scene, *parent as usize, *key, *kind, *generation);
            scene.named.push(named);
            return;
        }
        if let Action::Find { tag, unit } = action {
            let named = self.find_text(scene, *tag, *unit);
            scene.named.push(named);
            return;
        }
        let first = (scene.agent, *seq);
        let skip = self.known(first, *len);
        if skip == *len {
            return;
        }
        let rest = (first.0, first.1 + skip);
        let reason = if scene.refused {
            Some(Reason::Refused)
        } else {
            let live = scene.named[scene.at]
                .into
                .and_then(|container| match scene.into.containers.live(container) {
                    Ok(_) => Ok(container),
                    Err(_) => Err(Reason::ParentMissing),
                });
            live.err()
        };
        let takes_away = matches!(
            action,
            Action::DeleteRange { .. } | Action::DeleteRanges(_) | Action::Remove(..) | Action::Mark { value: [0], .. }
        );
        match reason {
            // What is gone needs no deletion any more; what only can't be found may still be there.
            Some(Reason::ParentMissing) if takes_away && !self.gap => {}
            Some(reason) => self.lose(scene, rest, len - skip, action, skip, reason),
            None => {
                let done = self.act(scene, first, *len, skip, action);
                if let Err(reason) = done {
                    self.lose(scene, rest, len - skip, action, skip, reason);
                }
            }
        }
    }

    fn act(
        &mut self,
        scene: &mut Scene<'_>,
        first: Name,
        len: u32,
        skip: u32,
        action: &Action<'_>,
    ) -> Result<(), Reason> {
        let container = scene.named[scene.at].into?;
        match action {
            Action::InsertText { anchor, text } => {
                let mut units = Vec::new();
                decode_utf8_to_units(text, &mut units).map_err(|_| Reason::ParentMissing)?;
                self.insert_text(scene, container, first, skip, *anchor, &units)
            }
            Action::InsertElements { anchor, values } => {
                self.insert_elements(scene, container, first, skip, *anchor, values)
            }
            Action::Move { anchor, element, stamp } => {
                self.move_element(scene, container, first, *element, *anchor, *stamp)
            }
            Action::DeleteRange {
                first: unit,
                len: n,
                step,
            } if !scene.into.container(container).body.kind().has_nodes() => {
                self.delete(scene, container, first, len, &[(*unit, *n)], *step)
            }
            Action::DeleteRange { first: node, .. } => self.delete_node(scene, container, first, *node),
            Action::DeleteRanges(ranges) => self.delete(scene, container, first, len, ranges, 0),
            Action::Write {
                key,
                stamp,
                value,
                ends,
            } => self.write(scene, container, first, *key, *stamp, *value, ends),
            Action::CreateNode { parent, index, stamp } => {
                self.hang_node(scene, container, first, None, (*parent, index, *stamp))
            }
            Action::MoveNode {
                node,
                parent,
                index,
                stamp,
            } => self.hang_node(scene, container, first, Some(*node), (*parent, index, *stamp)),
            Action::AddNode => self.add_to_graph(scene, container, first, None),
            Action::AddEdge { from, to } => self.add_to_graph(scene, container, first, Some((*from, *to))),
            Action::Count(0) => Ok(()),
            Action::Count(amount) => {
                let done = scene.into.counter_add(container, *amount);
                self.made(scene, first, done)
            }
            Action::Add(value) => {
                let done = scene.into.set_add(container, value);
                self.made(scene, first, done)?;
                if let Some(last) = scene.into.last_dot() {
                    let adds = self.adds.get_or_default((container, Box::from(*value)));
                    adds.push((first, last.seq));
                }
                Ok(())
            }
            Action::Remove(value, adds) => self.remove_value(scene, container, first, value, adds),
            Action::Mark {
                start,
                end,
                key,
                value,
                stamp,
            } => self.mark(scene, container, first, (*start, *end), (key, value), *stamp),
            Action::Name { .. } | Action::Find { .. } => Ok(()),
        }
    }

    /// Notes the operation that was just written as what `old` became.
    #[inline(never)]
    fn made(&mut self, scene: &Scene<'_>, old: Name, done: Result<(), Error>) -> Result<(), Reason> {
        // A limit of the new state, a kind that doesn't fit: it has no place there.
        done.map_err(|_| Reason::ParentMissing)?;
        if let Some(last) = scene.into.last_dot() {
            self.mapping.made.add(old, 1, Said::running(name(scene.into, last)));
        }
        Ok(())
    }

    /// Notes that operations did not come through, and what they would have made.
    fn lose(&mut self, scene: &Scene<'_>, first: Name, len: u32, action: &Action<'_>, skip: u32, reason: Reason) {
        self.mapping.lose(first, len, reason);
        let named = &scene.named[scene.at];
        match action {
            Action::InsertText { anchor, .. } | Action::InsertElements { anchor, .. } | Action::Move { anchor, .. } => {
                let hung_on = if skip > 0 {
                    Some((first.0, first.1 - 1))
                } else {
                    anchor.parent.is_some().then(|| name(scene.from, anchor.parent))
                };
                self.lose_units(first, len, hung_on, anchor.side);
            }
            Action::Write {
                key,
                value: ValueRef::Child(kind, generation),
                ..
            } => {
                if let Ok(container) = named.into {
                    let key = old_key(scene.from, *key);
                    let id = (container, key, *kind, name_or_none(scene.from, *generation));
                    self.containers.get_or_insert_with(id, || Known::Lost);
                }
            }
            _ => {}
        }
    }

    /// The container that an envelope names.
    fn name(&self, scene: &mut Scene<'_>, parent: usize, key: KeyRef<'_>, kind: Kind, generation: Dot) -> Named {
        let above = &scene.named[parent];
        let from_key = match key {
            KeyRef::Name(name) => Key::Name(Rc::from(name)),
            KeyRef::Element(element) => Key::Element(element),
        };
        let from = above
            .from
            .and_then(|parent| scene.from.containers.find(parent, &from_key, kind, generation));
        let into = above.into.map_err(|reason| match reason {
            Reason::Refused => Reason::RestsOnRefused,
            other => other,
        });
        let into = into.and_then(|parent| self.below(scene.from, scene.into, parent, (key, kind, generation)));
        Named { from, into }
    }

    /// The text that has a unit.
    #[inline(never)]
    fn find_text(&self, scene: &mut Scene<'_>, tag: u8, unit: Dot) -> Named {
        let all = &scene.from.containers;
        let from = all.text_meant(tag, unit);
        let way = all.way_to(from.unwrap_or(ROOT));
        let into = way.iter().try_fold(ROOT, |parent, container| {
            let key = match &container.key {
                Key::Name(name) => KeyRef::Name(name),
                Key::Element(element) => KeyRef::Element(*element),
            };
            let id = (key, container.body.kind(), container.generation);
            self.below(scene.from, scene.into, parent, id)
        });
        Named {
            from,
            into: from.ok_or(Reason::ParentMissing).and(into),
        }
    }

    /// The container below `parent` in `into` that `from` calls so.
    fn below(
        &self,
        from: &Document,
        into: &mut Document,
        parent: u32,
        (key, kind, generation): (KeyRef<'_>, Kind, Dot),
    ) -> Result<u32, Reason> {
        let new = self.key(into, from, parent, key)?;
        let above = into.containers.live(parent);
        if above.is_ok_and(|above| above.body.kind().has_nodes()) {
            let found = into.containers.named(parent, &new, kind, generation);
            return found.ok_or(Reason::ParentMissing);
        }
        let id = (parent, old_key(from, key), kind, name_or_none(from, generation));
        self.find(into, &id, &new)
    }

    /// A key in `into`.
    #[inline(never)]
    fn key(&self, into: &Document, from: &Document, parent: u32, key: KeyRef<'_>) -> Result<Key, Reason> {
        match key {
            KeyRef::Name(name) => Ok(Key::Name(Rc::from(name))),
            KeyRef::Element(element) => {
                let old = name(from, element);
                let found = self.image(old).and_then(|new| dot(into, new));
                into.containers.live(parent).map_err(|_| Reason::ParentMissing)?;
                match found.filter(|&element| into.containers.has_element(parent, element)) {
                    Some(element) => Ok(Key::Element(element)),
                    None if self.mapping.lost.get(old).is_some() => Err(Reason::RestsOnRefused),
                    None => Err(Reason::ParentMissing),
                }
            }
        }
    }

    /// The container in `into` that its author knew by this id.
    #[inline(never)]
    fn find(&self, into: &Document, id: &OldId, key: &Key) -> Result<u32, Reason> {
        let live = |container: u32| match into.containers.live(container) {
            Ok(_) => Ok(container),
            Err(_) => Err(Reason::ParentMissing),
        };
        let known = self.containers.get(id);
        match known {
            Some(Known::At(container)) => return live(*container),
            Some(Known::Gone) => return Err(Reason::ParentMissing),
            _ => {}
        }
        let (parent, _, kind, generation) = id;
        let found = self
            .generation(into, *generation)
            .and_then(|generation| into.containers.find(*parent, key, *kind, generation));
        match found {
            Some(found) => live(found),
            None if known.is_some() => Err(Reason::RestsOnRefused),
            None => Err(Reason::ParentMissing),
        }
    }

    /// What an operation is called in `into`.
    #[inline(never)]
    fn image(&self, old: Name) -> Option<Name> {
        self.mapping.made.get(old).or_else(|| match &self.passage {
            Some(passage) => passage.names.get(old),
            None => (old.1 <= self.base_of(old.0)).then_some(old),
        })
    }

    /// What an operation of `from` is called in `into`, where it is there.
    pub(crate) fn dot_in(&self, from: &Document, into: &Document, old: Dot) -> Option<Dot> {
        dot(into, self.image(name(from, old))?)
    }

    /// The agents of the trims between.
    pub(crate) fn trims(&self) -> &[u64] {
        self.passage.as_ref().map_or(&[], |passage| &passage.trims)
    }

    /// What trims have renamed of what others than trims had written, and what it is called in `into`.
    pub(crate) fn trimmed_names(&self) -> impl Iterator<Item = (Name, u32, Said)> + '_ {
        let names = self.passage.iter().flat_map(|passage| passage.names.iter());
        names.filter(|(old, ..)| !self.trims().contains(&old.0))
    }

    /// The container in `into`, below `parent` there, that is this one of `from`.
    pub(crate) fn container_in(
        &self,
        from: &Document,
        into: &mut Document,
        parent: u32,
        container: u32,
    ) -> Option<u32> {
        let old = from.container(container);
        let key = match &old.key {
            Key::Name(name) => KeyRef::Name(name),
            Key::Element(element) => KeyRef::Element(*element),
        };
        self.below(from, into, parent, (key, old.body.kind(), old.generation))
            .ok()
    }

    /// What a generation is called in `into`.
    #[inline(never)]
    fn generation(&self, into: &Document, old: Name) -> Option<Dot> {
        if old == NONE {
            return Some(Dot::NONE);
        }
        let new = self.image(old).or_else(|| self.mapping.generations.get(old))?;
        if new.1 == 0 {
            return Some(Dot::NONE);
        }
        dot(into, new)
    }

    /// The agent's last seq whose name is the same in `into`.
    #[inline(never)]
    fn base_of(&self, agent: u64) -> u32 {
        self.base.find((agent, 1)).map_or(0, |(_, left)| left)
    }
}

#[inline(never)]
fn name(document: &Document, dot: Dot) -> Name {
    (document.agents.id(dot.agent), dot.seq)
}

#[inline(never)]
fn name_or_none(document: &Document, dot: Dot) -> Name {
    if dot.is_some() {
        name(document, dot)
    } else {
        NONE
    }
}

/// A name's dot, where the document has seen it: a damaged mapping may name what nobody has done yet.
#[inline(never)]
fn dot(document: &Document, name: Name) -> Option<Dot> {
    let agent = document.agents.find(name.0)?;
    Some(Dot { agent, seq: name.1 }).filter(|&dot| document.version.covers(dot))
}

#[inline(never)]
fn old_key(from: &Document, key: KeyRef<'_>) -> OldKey {
    match key {
        KeyRef::Name(name) => OldKey::Name(Rc::from(name)),
        KeyRef::Element(element) => OldKey::Element(name(from, element)),
    }
}

/// Refuses keys that are too long and agents that nobody has heard of, before anything is looked up.
fn check(operation: &Operation<'_>) -> Result<(), Error> {
    let heard_of = |dot: Dot| {
        if dot.is_some() && dot.agent == UNKNOWN_AGENT {
            return Err(Error::Contradiction("an operation that nobody has done is named"));
        }
        Ok(())
    };
    let key = |key: &KeyRef<'_>| match key {
        KeyRef::Name(name) if name.len() > MAX_KEY_BYTES => {
            Err(Error::LimitExceeded("a key has at most 1024 bytes of UTF-8"))
        }
        KeyRef::Name(_) => Ok(()),
        KeyRef::Element(element) => heard_of(*element),
    };
    match &operation.action {
        Action::Name {
            key: at, generation, ..
        } => key(at).and(heard_of(*generation)),
        Action::Find { unit, .. } => heard_of(*unit),
        Action::InsertText { anchor, .. } | Action::InsertElements { anchor, .. } => heard_of(anchor.parent),
        Action::Move { anchor, element, .. } => heard_of(anchor.parent).and(heard_of(*element)),
        Action::DeleteRange { first, .. } => heard_of(*first),
        Action::DeleteRanges(ranges) => ranges.iter().try_for_each(|&(first, _)| heard_of(first)),
        Action::Write {
            key: at, value, ends, ..
        } => {
            key(at)?;
            if let ValueRef::Child(_, generation) = value {
                heard_of(*generation)?;
            }
            ends.iter().try_for_each(|&(_, generation)| heard_of(generation))
        }
        Action::Remove(_, adds) => adds.iter().try_for_each(|&add| heard_of(add)),
        Action::Mark {
            start, end, key: at, ..
        } => {
            let units = [start.unit(), end.unit()];
            key(&KeyRef::Name(at)).and(units.into_iter().flatten().try_for_each(heard_of))
        }
        Action::CreateNode { parent, .. } => heard_of(*parent),
        Action::MoveNode { node, parent, .. } => heard_of(*node).and(heard_of(*parent)),
        Action::AddEdge { from, to } => heard_of(*from).and(heard_of(*to)),
        Action::Count(_) | Action::Add(_) | Action::AddNode => Ok(()),
    }
}
