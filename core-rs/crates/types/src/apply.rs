//! Joining envelopes. First everything an envelope says is checked against the document; only then is anything changed. So a
//! rejected envelope leaves the document exactly as it was.

use crate::container::{Body, Key, KeyRef, Keyed, Kind, ROOT};
use crate::counter::MAX_AMOUNT;
use crate::cut::TEXT;
use crate::document::{Document, MAX_DEPTH, MAX_KEY_BYTES};
use crate::error::Error;
use crate::join;
use crate::operation::{read_payload_into, Action, Operation, PayloadNotes, ValueRef};
use crate::pending::Awaited;
use crate::sequence::{Anchor, Removal, Side};
use crate::set::Removed;
use crate::slot::{Slot, SlotValue};
use crate::tree::Edge;
use joinery_codec::{decode_utf8_to_units, Reader};
use joinery_history::{Agents, Clock, Dependency, Dot, EnvelopeHeader, Stamp, KIND_PLAIN};
use std::fmt;

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is part of the document now.
    Joined,
    /// It was before.
    Duplicate,
    /// It waits in the pending area for what it rests on, or for its time.
    Waiting,
}

/// The same, with what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Joined,
    Duplicate,
    Waiting(Awaited),
}

/// How many operations and containers are kept room for from one envelope to the next.
const KEPT: usize = 64;
/// The same for the characters of an insert.
const KEPT_UNITS: usize = 1024;

/// What joining an envelope takes, of no meaning between two of them.
#[derive(Default)]
pub(crate) struct Scratch {
    operations: Vec<Operation<'static>>,
    notes: PayloadNotes,
    named: Vec<Named>,
    /// The characters of an insert.
    units: Vec<u16>,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch")
    }
}

/// A copy of a document joins nothing yet.
impl Clone for Scratch {
    fn clone(&self) -> Self {
        Scratch::default()
    }
}

impl Document {
    /// Joins an envelope, an exported update or a snapshot. On an error nothing has changed.
    pub fn apply(&mut self, bytes: &[u8], now_ms: u64) -> Result<Applied, Error> {
        Ok(match self.apply_now(bytes, now_ms)? {
            Outcome::Waiting(awaited) => {
                self.pending.push(bytes, awaited)?;
                Applied::Waiting
            }
            Outcome::Joined => {
                self.retry_pending(now_ms);
                Applied::Joined
            }
            Outcome::Duplicate => Applied::Duplicate,
        })
    }

    /// Tries again what waits: for what has come since, or for what the time allows now.
    pub fn retry_pending(&mut self, now_ms: u64) {
        while self.pending.len() > 0 {
            let mut waiting = self.pending.take();
            let before = waiting.len();
            waiting.retain_mut(|waiting| {
                if self.still_waits(waiting.awaited, now_ms) {
                    return true;
                }
                match self.apply_now(&waiting.update, now_ms) {
                    Ok(Outcome::Waiting(awaited)) => {
                        waiting.awaited = awaited;
                        true
                    }
                    // What turns out to contradict the document is dropped: it was never counted as seen, so it can come
                    // again.
                    _ => false,
                }
            });
            let joined = waiting.len() < before;
            self.pending.put_back(waiting);
            if !joined {
                return;
            }
        }
    }

    fn still_waits(&self, awaited: Awaited, now_ms: u64) -> bool {
        match awaited {
            Awaited::Operation(agent, seq) => !self.has_seen(agent, seq),
            Awaited::Time(stamp) => Clock::is_ahead(stamp, now_ms),
        }
    }

    fn has_seen(&self, agent: u64, seq: u32) -> bool {
        let agent = self.agents.find(agent);
        seq == 0 || agent.is_some_and(|agent| self.version.get(agent) >= seq)
    }

    fn apply_now(&mut self, bytes: &[u8], now_ms: u64) -> Result<Outcome, Error> {
        match bytes.first() {
            Some(first) if first >> 4 == 1 => self.apply_envelope(bytes, now_ms),
            _ => join::apply_state(self, bytes, now_ms),
        }
    }

    fn apply_envelope(&mut self, bytes: &[u8], now_ms: u64) -> Result<Outcome, Error> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut operations: Vec<Operation<'_>> = std::mem::take(&mut scratch.operations);
        let outcome = self.apply_operations(bytes, now_ms, &mut operations, &mut scratch);
        operations.clear();
        scratch.named.clear();
        if scratch.units.capacity() > KEPT_UNITS {
            scratch.units = Vec::new();
        }
        if operations
            .capacity()
            .max(scratch.named.capacity())
            .max(scratch.notes.room())
            <= KEPT
        {
            // Nothing is in it: collecting keeps the room and forgets what was borrowed.
            scratch.operations = operations.into_iter().map_while(|_| None).collect();
            self.scratch = scratch;
        }
        outcome
    }

    fn apply_operations<'b>(
        &mut self,
        bytes: &'b [u8],
        now_ms: u64,
        operations: &mut Vec<Operation<'b>>,
        scratch: &mut Scratch,
    ) -> Result<Outcome, Error> {
        let Scratch {
            notes, named, units, ..
        } = scratch;
        let mut reader = Reader::new(bytes);
        let header = EnvelopeHeader::decode(&mut reader).map_err(Error::InvalidUpdate)?;
        if header.kind != KIND_PLAIN {
            return Err(Error::InvalidUpdate(reader.error("a plain envelope", "a sealed one")));
        }
        let own = self.agents.find(header.agent).unwrap_or(self.agents.len() as u32);
        read_payload_into(reader, &header, (&self.agents, own), notes, operations).map_err(Error::of_update)?;
        let have = self.version.get(own);
        if header.to <= have {
            return Ok(Outcome::Duplicate);
        }
        let mut deps = Vec::with_capacity(header.deps.len());
        for &Dependency { agent, seq } in &header.deps {
            match self.agents.find(agent).map(|agent| Dot { agent, seq }) {
                Some(dep) if self.version.covers(dep) => deps.push(dep),
                _ => return Ok(Outcome::Waiting(Awaited::Operation(agent, seq))),
            }
        }
        if header.from > have {
            return Ok(Outcome::Waiting(Awaited::Operation(header.agent, header.from)));
        }
        if let Some(stamp) = header.stamp.filter(|&stamp| Clock::is_ahead(stamp, now_ms)) {
            return Ok(Outcome::Waiting(Awaited::Time(stamp)));
        }
        named.push(Named::new(Target::Live(ROOT), 0));
        Check {
            document: self,
            own,
            have,
            to: header.to,
            named,
            at: 0,
        }
        .run(operations)?;

        self.close_envelope();
        if own as usize == self.agents.len() {
            self.agents.intern(header.agent);
        }
        let (known, count) = (self.version.total(), header.to - have);
        self.arrivals.note(own, have, count, known);
        self.containers.date(known + u64::from(count));
        let mut applying = Applying {
            document: self,
            own,
            have,
            named,
            units,
            told: 1,
        };
        for operation in operations.drain(..) {
            applying.apply(operation);
        }
        self.version.raise(own, header.to);
        self.frontier.advance(
            Dot {
                agent: own,
                seq: header.to,
            },
            &deps,
        );
        self.clock.see(header.stamp.unwrap_or(0));
        self.revision += 1;
        Ok(Outcome::Joined)
    }

    /// The list elements' and texts' common end: what hangs in deleted elements is let go.
    pub(crate) fn remove_units(&mut self, container: u32, first: Dot, len: u32, removal: Removal) {
        let agents = &self.agents;
        if let Ok(text) = self.containers.text_mut(container) {
            text.sequence.remove(agents, first, len, removal, &mut |_| {});
        } else if let Ok(list) = self.containers.list_mut(container) {
            if list.remove(agents, first, len, removal) {
                self.containers.elements_deleted(container, first, len);
            }
        } else {
            for (i, node) in (0..len).map(|i| (i, first.plus(i))) {
                if let Ok(tree) = self.containers.tree_mut(container) {
                    tree.remove(agents, node, removal.at(i));
                } else if let Ok(graph) = self.containers.graph_mut(container) {
                    graph.remove(agents, node, removal.at(i));
                }
            }
            self.containers.elements_deleted(container, first, len);
        }
    }

    /// How many units from `first` on (at most `len`) are in the container's sequence, in one piece.
    pub(crate) fn stretch(&self, container: u32, first: Dot, len: u32) -> u32 {
        match self.containers.live(container).map(|container| &container.body) {
            Ok(Body::Text(text)) => text.sequence.stretch(first, len),
            Ok(Body::List(list)) => list.sequence.stretch(first, len),
            Ok(Body::Tree(tree)) => tree.stretch(first, len),
            Ok(Body::Graph(graph)) => graph.stretch(first, len),
            _ => 0,
        }
    }

    /// The same of what can be deleted and written to: a text's characters, a list's elements, but no unit that a move made.
    pub(crate) fn stretch_of_ids(&self, container: u32, first: Dot, len: u32) -> u32 {
        match self.containers.list(container) {
            Ok(list) => list.stretch(first, len),
            Err(_) => self.stretch(container, first, len),
        }
    }
}

/// A container that an envelope names, as far as it is known before anything is applied.
struct Named {
    target: Target,
    depth: u32,
    /// The writer's own units that this envelope inserts: (seq, how many), ascending.
    new: Vec<(u32, u32)>,
    /// Those of them that moves make.
    moves: Vec<u32>,
    /// What this envelope adds to a counter, and takes away.
    up: u64,
    down: u64,
    /// A unit by which it was found, so that it is in it.
    found_by: Dot,
}

#[derive(Clone, Copy, PartialEq)]
enum Target {
    Live(u32),
    /// This envelope creates it.
    New,
    /// It was ended or deleted: whatever the envelope does there has no effect.
    Gone,
}

impl Named {
    fn new(target: Target, depth: u32) -> Named {
        Named {
            target,
            depth,
            new: Vec::new(),
            moves: Vec::new(),
            up: 0,
            down: 0,
            found_by: Dot::NONE,
        }
    }

    /// How many of the units from `seq` on this envelope has inserted.
    fn stretch(&self, seq: u32, len: u32) -> u32 {
        let at = self.new.partition_point(|&(start, _)| start <= seq);
        match at.checked_sub(1).map(|at| self.new[at]) {
            Some((start, n)) if seq - start < n => len.min(n - (seq - start)),
            _ => 0,
        }
    }
}

struct Check<'d> {
    document: &'d Document,
    own: u32,
    have: u32,
    to: u32,
    named: &'d mut Vec<Named>,
    at: usize,
}

impl Check<'_> {
    fn run(mut self, operations: &[Operation<'_>]) -> Result<(), Error> {
        operations.iter().try_for_each(|operation| self.check(operation))
    }

    fn check(&mut self, operation: &Operation<'_>) -> Result<(), Error> {
        let Operation { seq, len, at, action } = operation;
        self.at = *at;
        let covered = *len > 0 && seq + (len - 1) <= self.have;
        match action {
            Action::Name {
                parent,
                key,
                kind,
                generation,
            } => {
                let named = self.name(*parent as usize, *key, *kind, *generation)?;
                self.named.push(named);
            }
            &Action::Find { tag, unit } if TEXT => {
                self.known(unit)?;
                let home = self.document.containers.text_with(tag, unit);
                self.named.push(Named {
                    found_by: unit,
                    ..Named::new(home.map_or(Target::Gone, Target::Live), 0)
                });
            }
            Action::Find { .. } => {}
            Action::InsertText { anchor, .. } | Action::InsertElements { anchor, .. } => {
                // What the version covers must be here already; the rest hangs on its last unit.
                let skip = self.have.saturating_sub(seq - 1).min(*len);
                if skip < *len {
                    self.units(
                        later(
                            *anchor,
                            Dot {
                                agent: self.own,
                                seq: seq + skip,
                            },
                            skip,
                        )
                        .parent,
                        1,
                    )?;
                    if let Action::InsertElements { values, .. } = action {
                        let nested = values.iter().any(|value| matches!(value, ValueRef::Child(..)));
                        self.depth(nested)?;
                    }
                    self.named[self.at].new.push((seq + skip, len - skip));
                }
            }
            _ if covered => {}
            Action::Move { anchor, element, .. } => {
                self.units(anchor.parent, 1)?;
                self.ids(*element, 1)?;
                let named = &mut self.named[self.at];
                named.new.push((*seq, 1));
                named.moves.push(*seq);
            }
            Action::DeleteRange { first, len, .. } => self.ids(*first, *len)?,
            Action::DeleteRanges(ranges) => {
                for &(first, len) in ranges {
                    self.ids(first, len)?;
                }
            }
            Action::Write { key, value, ends, .. } => {
                match key {
                    KeyRef::Name(name) => check_key(name)?,
                    KeyRef::Element(element) => self.ids(*element, 1)?,
                }
                if let ValueRef::Child(_, generation) = value {
                    self.known(*generation)?;
                }
                self.depth(matches!(value, ValueRef::Child(..)))?;
                ends.iter().try_for_each(|(_, generation)| self.known(*generation))?;
            }
            Action::CreateNode { parent, .. } => {
                self.units(*parent, 1)?;
                self.named[self.at].new.push((*seq, 1));
            }
            Action::MoveNode { node, parent, .. } => {
                self.units(*node, 1)?;
                self.units(*parent, 1)?;
            }
            Action::AddNode => self.named[self.at].new.push((*seq, 1)),
            Action::AddEdge { from, to } => {
                self.units(*from, 1)?;
                self.units(*to, 1)?;
                self.named[self.at].new.push((*seq, 1));
            }
            Action::Count(amount) => self.count(*amount)?,
            Action::Add(_) => {}
            Action::Remove(_, adds) => {
                let earlier = |add: &Dot| add.agent != self.own || add.seq < *seq;
                if !adds.iter().all(earlier) {
                    return Err(Error::Contradiction("a removal from a set that names a later add"));
                }
                adds.iter().try_for_each(|add| self.known(*add))?;
            }
            Action::Mark { start, end, key, .. } => {
                check_key(key)?;
                for unit in [start.unit(), end.unit()].into_iter().flatten() {
                    self.units(unit, 1)?;
                }
            }
        }
        Ok(())
    }

    fn name(&self, parent: usize, key: KeyRef<'_>, kind: Kind, generation: Dot) -> Result<Named, Error> {
        self.known(generation)?;
        let above = &self.named[parent];
        let depth = above.depth + 1;
        if depth > MAX_DEPTH {
            return Err(Error::LimitExceeded("containers nest at most 128 deep"));
        }
        match key {
            KeyRef::Name(name) => check_key(name)?,
            KeyRef::Element(element) => self.ids_in(parent, element, 1)?,
        }
        let target = match above.target {
            Target::Gone => Target::Gone,
            Target::New => Target::New,
            Target::Live(parent) => {
                let document = self.document;
                let deleted = match key {
                    KeyRef::Element(element) => document.containers.is_deleted(parent, element),
                    KeyRef::Name(_) => false,
                };
                match document.containers.find(parent, &key, kind, generation) {
                    _ if deleted => Target::Gone,
                    Some(found) if document.container(found).gone => Target::Gone,
                    Some(found) => Target::Live(found),
                    None => Target::New,
                }
            }
        };
        Ok(Named::new(target, depth))
    }

    /// A dot that the writer can have seen.
    fn known(&self, dot: Dot) -> Result<(), Error> {
        let own = dot.agent == self.own && dot.seq <= self.to;
        if !dot.is_some() || own || self.document.version.covers(dot) {
            Ok(())
        } else {
            Err(Error::Contradiction("an operation that nobody has done is named"))
        }
    }

    /// Are these units in the container, from before or from this envelope?
    fn units(&self, first: Dot, len: u32) -> Result<(), Error> {
        self.units_in(self.at, first, len, &|container, dot, len| {
            self.document.stretch(container, dot, len)
        })
    }

    /// Are these characters or elements in it?
    fn ids(&self, first: Dot, len: u32) -> Result<(), Error> {
        self.ids_in(self.at, first, len)
    }

    fn ids_in(&self, number: usize, first: Dot, len: u32) -> Result<(), Error> {
        let moves = &self.named[number].moves;
        let next = moves[moves.partition_point(|&seq| seq < first.seq)..].first();
        if first.agent == self.own && next.is_some_and(|seq| seq - first.seq < len) {
            return Err(Error::Contradiction("a unit that a move made is taken for an element"));
        }
        self.units_in(number, first, len, &|container, dot, len| {
            self.document.stretch_of_ids(container, dot, len)
        })
    }

    fn units_in(
        &self,
        number: usize,
        first: Dot,
        len: u32,
        stretch: &dyn Fn(u32, Dot, u32) -> u32,
    ) -> Result<(), Error> {
        let named = &self.named[number];
        let is_found = first == named.found_by && len == 1;
        if named.target == Target::Gone || !first.is_some() || is_found {
            return Ok(());
        }
        let mut done = 0;
        while done < len {
            let dot = first.plus(done);
            let mut n = if dot.agent == self.own {
                named.stretch(dot.seq, len - done)
            } else {
                0
            };
            if let (0, Target::Live(container)) = (n, named.target) {
                n = stretch(container, dot, len - done);
            }
            if n == 0 {
                return Err(Error::Contradiction("a unit that is not in its sequence is named"));
            }
            done += n;
        }
        Ok(())
    }

    fn depth(&self, nested: bool) -> Result<(), Error> {
        if nested && self.named[self.at].depth + 1 > MAX_DEPTH {
            return Err(Error::LimitExceeded("containers nest at most 128 deep"));
        }
        Ok(())
    }

    fn count(&mut self, amount: i64) -> Result<(), Error> {
        let named = &mut self.named[self.at];
        let before = match named.target {
            Target::Live(container) => self.document.containers.counter(container)?.pair(self.own),
            _ => Default::default(),
        };
        let half = if amount < 0 { &mut named.down } else { &mut named.up };
        *half = half.saturating_add(amount.unsigned_abs());
        if before.up.saturating_add(named.up) > MAX_AMOUNT || before.down.saturating_add(named.down) > MAX_AMOUNT {
            return Err(Error::LimitExceeded(
                "one agent adds, and takes away, at most 2^53 − 1 in all",
            ));
        }
        Ok(())
    }
}

fn check_key(key: &str) -> Result<(), Error> {
    if key.len() > MAX_KEY_BYTES {
        return Err(Error::LimitExceeded("a key has at most 1024 bytes of UTF-8"));
    }
    Ok(())
}

/// The second half: everything was checked, nothing can fail. What is gone takes no operations.
struct Applying<'d> {
    document: &'d mut Document,
    own: u32,
    have: u32,
    named: &'d mut [Named],
    units: &'d mut Vec<u16>,
    /// How many containers were told of so far.
    told: usize,
}

impl Applying<'_> {
    fn apply(&mut self, operation: Operation<'_>) {
        let Operation { seq, len, at, action } = operation;
        // Units that came by an exported update are passed over; an envelope is never cut, but states may cut it.
        let skip = self.have.saturating_sub(seq - 1).min(len);
        if len > 0 && skip == len {
            return;
        }
        if let Action::Name {
            parent,
            key,
            kind,
            generation,
        } = action
        {
            if let (Target::New, Target::Live(parent)) =
                (self.named[self.told].target, self.named[parent as usize].target)
            {
                let found = self.find(parent, key, kind, generation);
                self.named[self.told].target = found.map_or(Target::Gone, Target::Live);
            }
            self.told += 1;
            return;
        }
        if let Action::Find { .. } = action {
            self.told += 1;
            return;
        }
        let Target::Live(container) = self.named[at].target else {
            return;
        };
        if self.document.container(container).gone {
            return;
        }
        let dot = Dot {
            agent: self.own,
            seq: seq + skip,
        };
        self.document.containers.touch(container);
        match action {
            Action::InsertText { anchor, text } if TEXT => {
                let document = &mut *self.document;
                self.units.clear();
                if let (Ok(()), Ok(state)) = (
                    decode_utf8_to_units(text, self.units),
                    document.containers.text_mut(container),
                ) {
                    let units = &self.units[skip as usize..];
                    state.note(units);
                    let anchor = later(anchor, dot, skip);
                    (state.sequence).integrate(&document.agents, dot, anchor, Removal::NONE, len - skip, units);
                }
            }
            Action::InsertElements { anchor, values } => {
                self.insert(container, dot, later(anchor, dot, skip), &values[skip as usize..])
            }
            Action::Move { anchor, element, stamp } => {
                let agents = &self.document.agents;
                if let Ok(list) = self.document.containers.list_mut(container) {
                    list.integrate_move(agents, element, anchor, (dot, stamp));
                }
            }
            Action::DeleteRange { first, len, step } => {
                let (first, len, by) = match step {
                    0 => (first, len, dot),
                    1 => (first.plus(skip), len - skip, dot),
                    // The last unit of the range was deleted by the first dot.
                    _ => (first, len - skip, dot.plus(len - skip - 1)),
                };
                self.document
                    .remove_units(container, first, len, Removal { dot: by, step });
            }
            Action::DeleteRanges(ranges) => {
                for (first, len) in ranges {
                    self.document
                        .remove_units(container, first, len, Removal { dot, step: 0 });
                }
            }
            Action::Write {
                key,
                stamp,
                value,
                ends,
            } => self.write(container, dot, key, stamp, value, &ends),
            Action::CreateNode { parent, index, stamp } => self.hang(container, dot, (dot, stamp), parent, index),
            Action::MoveNode {
                node,
                parent,
                index,
                stamp,
            } => self.hang(container, node, (dot, stamp), parent, index),
            Action::AddNode => {
                if let Ok(graph) = self.document.containers.graph_mut(container) {
                    graph.add(dot, None);
                }
            }
            Action::AddEdge { from, to } => {
                if let Ok(graph) = self.document.containers.graph_mut(container) {
                    graph.add(dot, Some((from, to)));
                }
            }
            Action::Count(amount) => {
                if let Ok(counter) = self.document.containers.counter_mut(container) {
                    counter.add(dot, amount);
                }
            }
            Action::Add(value) => {
                if let Ok(set) = self.document.containers.set_mut(container) {
                    set.add(value, dot);
                }
            }
            Action::Remove(value, adds) => {
                let agents = &self.document.agents;
                if let Ok(set) = self.document.containers.set_mut(container) {
                    for upto in adds {
                        set.remove(agents, value, Removed { upto, by: dot });
                    }
                }
            }
            Action::Mark {
                start,
                end,
                key,
                value,
                stamp,
            } => {
                self.document
                    .join_mark(container, key, (start, end), (dot, stamp), value);
            }
            Action::InsertText { .. } | Action::Name { .. } | Action::Find { .. } => {}
        }
    }

    fn find(&mut self, parent: u32, key: KeyRef<'_>, kind: Kind, generation: Dot) -> Option<u32> {
        // A deleted element holds nothing any more.
        let containers = &mut self.document.containers;
        let holds = match key {
            KeyRef::Name(_) => true,
            KeyRef::Element(element) => containers.has_element(parent, element),
        };
        (holds && !containers.get(parent).gone).then(|| containers.find_or_create(parent, &key, kind, generation))
    }

    fn hang(&mut self, tree: u32, node: Dot, (dot, stamp): (Dot, Stamp), parent: Dot, index: &str) {
        let agents = &self.document.agents;
        if let Ok(tree) = self.document.containers.tree_mut(tree) {
            let edge = Edge {
                parent,
                index: index.into(),
                stamp,
                dot,
            };
            tree.join(agents, node, edge);
        }
    }

    fn insert(&mut self, container: u32, dot: Dot, anchor: Anchor, values: &[ValueRef<'_>]) {
        let mut slots = Vec::with_capacity(values.len());
        for (i, value) in values.iter().enumerate() {
            let element = dot.plus(i as u32);
            let value = self.slot_value(container, &Key::Element(element), *value);
            slots.push(Slot {
                dot: element,
                stamp: 0,
                value,
            });
        }
        let agents = &self.document.agents;
        if let Ok(list) = self.document.containers.list_mut(container) {
            let units: Vec<u32> = slots.into_iter().map(|slot| list.add_slot(slot)).collect();
            list.sequence
                .integrate(agents, dot, anchor, Removal::NONE, units.len() as u32, &units);
        }
    }

    fn write(
        &mut self,
        container: u32,
        dot: Dot,
        key: KeyRef<'_>,
        stamp: u64,
        value: ValueRef<'_>,
        ends: &[(Kind, Dot)],
    ) {
        if let KeyRef::Element(element) = key {
            let list = self.document.containers.list(container);
            if !list.is_ok_and(|list| list.slot_of(element).is_some()) {
                return;
            }
        }
        let value = self.slot_value(container, &key, value);
        let document = &mut *self.document;
        for &(kind, generation) in ends {
            let ended = document.containers.find_or_create(container, &key, kind, generation);
            document.containers.end(&document.agents, ended, dot);
        }
        join_slot(document, container, &key, Slot { dot, stamp, value });
    }

    fn slot_value(&mut self, container: u32, key: &dyn Keyed, value: ValueRef<'_>) -> SlotValue {
        match value {
            ValueRef::Deleted => SlotValue::Deleted,
            ValueRef::Plain(bytes) => SlotValue::Plain(bytes.into()),
            ValueRef::Child(kind, generation) => SlotValue::Child(
                self.document
                    .containers
                    .find_or_create(container, key, kind, generation),
            ),
        }
    }
}

/// Joins a write to a map's key or a list's element.
pub(crate) fn join_slot(document: &mut Document, container: u32, key: &dyn Keyed, slot: Slot) {
    if document.containers.recording.is_some() {
        document.containers.record_slot(container, &key.to_key());
    }
    let agents: &Agents = &document.agents;
    let containers = &mut document.containers;
    let reshapes = match key.key() {
        KeyRef::Name(name) => containers
            .map_mut(container)
            .is_ok_and(|map| map.join(agents, name, key, slot)),
        KeyRef::Element(element) => containers
            .list_mut(container)
            .is_ok_and(|list| list.join(agents, element, slot)),
    };
    if reshapes {
        containers.reshaped();
    }
}

/// The anchor of what is left of an insert after `skip` units.
fn later(anchor: Anchor, dot: Dot, skip: u32) -> Anchor {
    if skip == 0 {
        return anchor;
    }
    Anchor {
        parent: Dot {
            agent: dot.agent,
            seq: dot.seq - 1,
        },
        side: Side::Right,
    }
}
