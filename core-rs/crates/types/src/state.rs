//! Writes states: a whole one (a snapshot), or what has changed since a version. Agents by number, keys in order, content apart:
//! equal states give equal bytes. The reader is `join.rs`.
//!
//! ```text
//! snapshot   "JNRY"  format (2)  body length (4, LE)  CRC-32 of the body (4, LE)  body
//! update     0x22  body
//! body       agents · version · since, or none · frontier · highest stamp · containers · sections
//! sequence   runs, and removals of units that the receiver has (`state/runs.rs`)
//! slot       agent's number + 1 · seq and stamp, from those of the slot before · value
//!            or 0 · value: the first one of its element
//! ```

mod nodes;
pub mod runs;

use crate::container::{Body, Container, Key, ROOT};
use crate::document::Document;
use crate::error::Error;
use crate::list::List;
use crate::map::Map;
use crate::marks::{Function, Mark, Numbers};
use crate::sequence::{Gap, Run, Sequence};
use crate::set::Set;
use crate::slot::{Slot, SlotValue};
use crate::text::Text;
use joinery_codec::{crc32, encode_units_as_wtf8, Writer};
use joinery_history::{Dot, Stamp, Version};
use runs::{Expected, RunWriter};
use std::rc::Rc;

/// A snapshot's first bytes.
pub const MAGIC: &[u8; 4] = b"JNRY";
/// The snapshot format that this core writes, and the only one that it reads. (1 knew no moves and no marks; 2 told a sequence's
/// runs in run-length columns.)
pub const SNAPSHOT_FORMAT: u8 = 3;
/// Bytes before a snapshot's body.
pub const SNAPSHOT_HEADER_BYTES: usize = 13;
/// An exported update's first byte.
pub const UPDATE_FORMAT: u8 = 0x22;

/// A container's flags in the table, beside its kind in the low three bits.
pub mod flag {
    /// It hangs in a list element or at a node, not at a map's key.
    pub const IN_ELEMENT: u8 = 0x08;
    /// It has a generation.
    pub const GENERATION: u8 = 0x10;
    /// It was ended.
    pub const ENDED: u8 = 0x20;
    /// It has a section.
    pub const SECTION: u8 = 0x40;
    /// It is a list, and its section tells of elements that were moved.
    pub const MOVED: u8 = 0x80;
    /// It is a text, and marks follow its section.
    pub const MARKS: u8 = 0x80;
}

/// Beside which unit a mark's boundary is, in the low two bits of its number.
pub mod gap {
    /// None: it is the text's start.
    pub const START: u64 = 0;
    /// Before the unit that follows.
    pub const BEFORE: u64 = 1;
    /// Behind it.
    pub const AFTER: u64 = 2;
}

impl Document {
    /// The whole state, as it is stored.
    pub fn encode_snapshot(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(SNAPSHOT_FORMAT);
        // Length and checksum are known when the body is there.
        out.resize(SNAPSHOT_HEADER_BYTES, 0);
        Encoder::new(self, None).body(&mut out);
        let (header, body) = out.split_at_mut(SNAPSHOT_HEADER_BYTES);
        header[5..9].copy_from_slice(&(body.len() as u32).to_le_bytes());
        header[9..].copy_from_slice(&crc32(body).to_le_bytes());
        out
    }

    /// What has changed since a version (its bytes; none for everything). Only a replica that has reached that version can
    /// join it.
    pub fn export_update(&self, since: Option<&[u8]>) -> Result<Vec<u8>, Error> {
        let mut version = Version::default();
        if let Some(bytes) = since {
            for (id, seq) in Version::decode(bytes).map_err(Error::InvalidVersion)? {
                // What this replica has never heard of can't be what the receiver lacks.
                if let Some(agent) = self.agents.find(id) {
                    version.raise(agent, seq.min(self.version.get(agent)));
                }
            }
        }
        let mut out = vec![UPDATE_FORMAT];
        Encoder::new(self, Some(version)).body(&mut out);
        Ok(out)
    }
}

/// A moved element whose unit is told of.
struct Moved {
    /// The how-manieth it is of the visible units told of.
    index: u32,
    element: Dot,
    stamp: Stamp,
}

struct Encoder<'d> {
    document: &'d Document,
    since: Option<Version>,
    /// How many operations were known when the first one came that the receiver lacks: what changed no later than that holds
    /// nothing for it. None where that can't be told, or nobody asks.
    after: Option<u64>,
    /// Agents by ascending id, and per agent of the document its place in that order.
    agents: Vec<u32>,
    numbers: Vec<u32>,
}

impl<'d> Encoder<'d> {
    fn new(document: &'d Document, since: Option<Version>) -> Self {
        // Of ten thousand agents each look from within a sort is one into memory that is far away.
        let mut ids: Vec<(u64, u32)> = document
            .version
            .iter()
            .map(|dot| (document.agents.id(dot.agent), dot.agent))
            .collect();
        ids.sort_unstable();
        let agents: Vec<u32> = ids.into_iter().map(|(_, agent)| agent).collect();
        let mut numbers = vec![u32::MAX; document.agents.len()];
        for (number, &agent) in agents.iter().enumerate() {
            numbers[agent as usize] = number as u32;
        }
        let after = since
            .as_ref()
            .and_then(|since| document.arrivals.before_missing(&document.version, since));
        Encoder {
            document,
            since,
            after,
            agents,
            numbers,
        }
    }

    /// May something in it be new to the receiver?
    fn may_tell(&self, container: &Container) -> bool {
        !container.gone && self.after.is_none_or(|after| container.changed > after)
    }

    fn is_new(&self, dot: Dot) -> bool {
        self.since.as_ref().is_none_or(|since| !since.covers(dot))
    }

    fn number(&self, dot: Dot) -> u64 {
        u64::from(self.numbers[dot.agent as usize])
    }

    /// Where a dot stands in the state's order; none, as the top of a tree has it, comes first.
    fn order(&self, dot: Dot) -> u64 {
        if dot.is_some() {
            (self.number(dot) + 1) << 32 | u64::from(dot.seq)
        } else {
            0
        }
    }

    fn dot(&self, out: &mut Vec<u8>, dot: Dot) {
        if dot.is_some() {
            out.varint(self.number(dot) + 1);
            out.varint(u64::from(dot.seq));
        } else {
            out.varint(0);
        }
    }

    fn body(&self, out: &mut Vec<u8>) {
        let document = self.document;
        out.varint(self.agents.len() as u64);
        for &agent in &self.agents {
            out.u64_le(document.agents.id(agent));
        }
        for &agent in &self.agents {
            out.varint(u64::from(document.version.get(agent)));
        }
        out.push(u8::from(self.since.is_some()));
        if let Some(since) = &self.since {
            for &agent in &self.agents {
                out.varint(u64::from(document.version.get(agent) - since.get(agent)));
            }
        }
        let mut frontier: Vec<(u64, Dot)> = document.frontier.dots().map(|dot| (self.order(dot), dot)).collect();
        frontier.sort_unstable_by_key(|&(order, _)| order);
        out.varint(frontier.len() as u64);
        for (_, dot) in frontier {
            out.varint(self.number(dot));
            out.varint(u64::from(document.version.get(dot.agent) - dot.seq));
        }
        out.varint(document.clock.highest());
        self.containers(out);
    }

    fn sort_key(&self, container: &Container) -> (u8, String, u64, u32, u8, u64, u32) {
        let dot = |dot: Dot| {
            if dot.is_some() {
                (self.number(dot) + 1, dot.seq)
            } else {
                (0, 0)
            }
        };
        let generation = dot(container.generation);
        let kind = container.body.kind() as u8;
        match &container.key {
            Key::Name(name) => (0, name.to_string(), 0, 0, kind, generation.0, generation.1),
            Key::Element(element) => {
                let element = dot(*element);
                (1, String::new(), element.0, element.1, kind, generation.0, generation.1)
            }
        }
    }

    /// The table of containers, parents first, then the sections of those that have something to tell.
    fn containers(&self, out: &mut Vec<u8>) {
        let all = &self.document.containers;
        let mut order = vec![ROOT];
        let mut parents = vec![0usize];
        let mut at = 0;
        while at < order.len() {
            let mut children: Vec<u32> = all.children(order[at]).collect();
            children.sort_by_cached_key(|&child| self.sort_key(all.get(child)));
            parents.extend(std::iter::repeat_n(at, children.len()));
            order.extend(children);
            at += 1;
        }
        let moved: Vec<Vec<Moved>> = order.iter().map(|&c| self.moved(all.get(c))).collect();
        let first = self.agents.first().copied().unwrap_or(0);
        let nothing = Version::default();
        let since = self.since.as_ref().unwrap_or(&nothing);
        let mut expected = Expected::new(self.document.agents.len(), first, since);
        let sections = order.iter().zip(&moved);
        let sections = sections.map(|(&c, moved)| self.section(&mut expected, all.get(c), moved));
        let sections: Vec<Option<Vec<u8>>> = sections.collect();
        let mut told: Vec<bool> = vec![true; order.len()];
        for at in (1..order.len()).rev() {
            let ended = all.get(order[at]).ended;
            // An empty one needs no telling where its slot names it. A hidden one does: a write whose author has seen it
            // ends it.
            let is_hidden = !ended.is_some() && !self.is_named(order[at]);
            let own = sections[at].is_some() || is_hidden || (ended.is_some() && self.is_new(ended));
            told[at] = own || told_below(&parents, &told, at);
        }
        let mut numbers = vec![0u64; order.len()];
        let mut next = 0;
        for at in 0..order.len() {
            if told[at] {
                numbers[at] = next;
                next += 1;
            }
        }
        out.varint(next - 1);
        out.push(u8::from(sections[0].is_some()));
        for at in (1..order.len()).filter(|&at| told[at]) {
            let container = all.get(order[at]);
            out.varint(numbers[parents[at]]);
            let set = |is: bool, bit: u8| if is { bit } else { 0 };
            out.push(
                container.body.kind() as u8
                    | set(matches!(container.key, Key::Element(_)), flag::IN_ELEMENT)
                    | set(container.generation.is_some(), flag::GENERATION)
                    | set(container.ended.is_some(), flag::ENDED)
                    | set(sections[at].is_some(), flag::SECTION)
                    | set(!moved[at].is_empty(), flag::MOVED)
                    | set(self.tells_marks(container), flag::MARKS),
            );
            match &container.key {
                Key::Name(name) => out.blob(name.as_bytes()),
                Key::Element(element) => self.dot(out, *element),
            }
            if container.generation.is_some() {
                self.dot(out, container.generation);
            }
            if container.ended.is_some() {
                self.dot(out, container.ended);
            }
        }
        out.reserve_exact(sections.iter().flatten().map(Vec::len).sum());
        for section in sections.into_iter().flatten() {
            out.extend_from_slice(&section);
        }
    }

    /// Does the slot that this container hangs in name it?
    fn is_named(&self, number: u32) -> bool {
        let all = &self.document.containers;
        let container = all.get(number);
        // A node's map is the only one that hangs there.
        if all.get(container.parent).body.kind().has_nodes() {
            return true;
        }
        let slot = match &container.key {
            Key::Name(name) => all.map(container.parent).ok().and_then(|map| map.slot(name)),
            Key::Element(element) => all.list(container.parent).ok().and_then(|list| list.slot_of(*element)),
        };
        slot.is_some_and(|slot| slot.value == SlotValue::Child(number))
    }

    fn section(&self, expected: &mut Expected, container: &Container, moved: &[Moved]) -> Option<Vec<u8>> {
        if !self.may_tell(container) {
            return None;
        }
        let mut out = Vec::new();
        let told = match &container.body {
            Body::Map(map) => self.map(&mut out, expected, map),
            Body::Text(text) => {
                let told = self.text(&mut out, expected, &text.sequence);
                self.tells_marks(container).then(|| self.marks(&mut out, text));
                told || self.tells_marks(container)
            }
            Body::List(list) => self.list(&mut out, expected, list, moved),
            Body::Counter(counter) => {
                let pairs: Vec<_> = counter
                    .pairs()
                    .filter(|&(agent, pair)| self.is_new(Dot { agent, seq: pair.seq }))
                    .map(|(agent, pair)| (self.numbers[agent as usize], pair))
                    .collect();
                let mut pairs = pairs;
                pairs.sort_unstable_by_key(|&(number, _)| number);
                out.varint(pairs.len() as u64);
                for (number, pair) in &pairs {
                    out.varint(u64::from(*number));
                    out.varint(u64::from(pair.seq));
                    out.varint(pair.up);
                    out.varint(pair.down);
                }
                !pairs.is_empty()
            }
            Body::Set(set) => self.set(&mut out, set),
            Body::Tree(tree) => self.tree(&mut out, tree),
            Body::Graph(graph) => self.graph(&mut out, graph),
        };
        told.then_some(out)
    }

    fn map(&self, out: &mut Vec<u8>, expected: &mut Expected, map: &Map) -> bool {
        let entries: Vec<_> = map.slots().filter(|(_, slot)| self.is_new(slot.dot)).collect();
        out.varint(entries.len() as u64);
        for (key, slot) in &entries {
            out.blob(key.as_bytes());
            self.slot(out, expected, slot);
        }
        !entries.is_empty()
    }

    fn slot(&self, out: &mut Vec<u8>, expected: &mut Expected, slot: &Slot) {
        let (seq, stamp) = std::mem::replace(&mut expected.slot, (slot.dot.seq, slot.stamp));
        out.varint(self.number(slot.dot) + 1);
        out.varint(zigzag(i64::from(slot.dot.seq) - i64::from(seq)));
        out.varint(zigzag(slot.stamp.wrapping_sub(stamp) as i64));
        self.slot_value(out, slot);
    }

    fn slot_value(&self, out: &mut Vec<u8>, slot: &Slot) {
        match &slot.value {
            // Tags above those of plain values.
            SlotValue::Deleted => out.push(0x20),
            SlotValue::Plain(bytes) => out.extend_from_slice(bytes),
            SlotValue::Child(child) => {
                // Parent and key are the slot's own.
                let child = self.document.containers.get(*child);
                out.push(0x10 + child.body.kind() as u8);
                self.dot(out, child.generation);
            }
        }
    }

    fn set(&self, out: &mut Vec<u8>, set: &Set) -> bool {
        let mut members = 0u64;
        let mut entries = Vec::new();
        for (value, member) in set.members() {
            let mut adds: Vec<Dot> = member.adds.iter().copied().filter(|&add| self.is_new(add)).collect();
            let mut removed: Vec<_> = member.removed.iter().filter(|r| self.is_new(r.by)).collect();
            if adds.is_empty() && removed.is_empty() {
                continue;
            }
            adds.sort_unstable_by_key(|&add| self.number(add));
            removed.sort_unstable_by_key(|r| self.number(r.upto));
            members += 1;
            entries.extend_from_slice(value);
            entries.varint(adds.len() as u64);
            adds.iter().for_each(|&add| self.dot(&mut entries, add));
            entries.varint(removed.len() as u64);
            for r in removed {
                self.dot(&mut entries, r.upto);
                self.dot(&mut entries, r.by);
            }
        }
        out.varint(members);
        out.extend_from_slice(&entries);
        members > 0
    }

    fn text(&self, out: &mut Vec<u8>, expected: &mut Expected, sequence: &Sequence<u16>) -> bool {
        let len = if self.since.is_none() { sequence.len() } else { 0 };
        let mut units = Vec::with_capacity(len as usize);
        let told = self.sequence(out, expected, sequence, &mut |content| units.extend_from_slice(content));
        let mut bytes = Vec::with_capacity(units.len());
        encode_units_as_wtf8(&units, &mut bytes);
        out.blob(&bytes);
        told
    }

    /// Has a text marks that the receiver lacks?
    fn tells_marks(&self, container: &Container) -> bool {
        let Body::Text(text) = &container.body else {
            return false;
        };
        let mut functions = text.marks.iter().flat_map(|marks| marks.functions());
        self.may_tell(container) && functions.any(|(_, function)| self.tells(function))
    }

    fn tells(&self, function: &Function) -> bool {
        function.boundaries().any(|(_, mark)| self.new_mark(mark).is_some())
    }

    fn new_mark<'m>(&self, mark: Option<&'m Rc<Mark>>) -> Option<&'m Mark> {
        mark.map(|mark| &**mark).filter(|mark| self.is_new(mark.dot))
    }

    /// Per key the marks, and the boundaries from which on they win; or (the number 0) none does that the receiver lacks.
    fn marks(&self, out: &mut Vec<u8>, text: &Text) {
        let functions = text.marks.iter().flat_map(|marks| marks.functions());
        let told: Vec<_> = functions.filter(|(_, function)| self.tells(function)).collect();
        out.varint(told.len() as u64);
        for (key, function) in told {
            out.blob(key.as_bytes());
            let mut numbers = Numbers::default();
            let mut marks = Vec::new();
            let mut boundaries = Vec::new();
            let (mut count, mut last, mut last_seq) = (0u64, 0, 0);
            for (gap, mark) in function.boundaries() {
                let mut number = 0;
                if let Some(mark) = self.new_mark(mark) {
                    let before = numbers.count();
                    number = numbers.of(mark);
                    if number > before {
                        self.dot(&mut marks, mark.dot);
                        marks.varint(mark.stamp);
                        marks.extend_from_slice(&mark.value);
                    }
                }
                if number == last {
                    continue;
                }
                (count, last) = (count + 1, number);
                let side = match gap {
                    Gap::Start | Gap::End => gap::START,
                    Gap::Before(_) => gap::BEFORE,
                    Gap::After(_) => gap::AFTER,
                };
                boundaries.varint(number << 2 | side);
                if let Some(unit) = gap.unit() {
                    boundaries.varint(self.number(unit));
                    boundaries.varint(zigzag(i64::from(unit.seq) - last_seq));
                    last_seq = i64::from(unit.seq);
                }
            }
            out.varint(numbers.count());
            out.extend_from_slice(&marks);
            out.varint(count);
            out.extend_from_slice(&boundaries);
        }
    }

    /// The moved elements of a list whose units are new, in reading order.
    fn moved(&self, container: &Container) -> Vec<Moved> {
        let Body::List(list) = &container.body else {
            return Vec::new();
        };
        if !self.may_tell(container) || list.moves.is_none() {
            return Vec::new();
        }
        let mut moved = Vec::new();
        let units = list.units_changed(self.after);
        let new = units.filter(|&(unit, _)| self.is_new(unit));
        for ((unit, _), index) in new.zip(0..) {
            let element = list.element_at(unit);
            if let Some(at) = list.moved_to(element) {
                moved.push(Moved {
                    index,
                    element,
                    stamp: at.stamp,
                });
            }
        }
        moved
    }

    fn list(&self, out: &mut Vec<u8>, expected: &mut Expected, list: &List, moved: &[Moved]) -> bool {
        let told = self.sequence(out, expected, &list.sequence, &mut |_| {});
        if !moved.is_empty() {
            out.varint(moved.len() as u64);
        }
        let mut next = 0;
        for at in moved {
            out.varint(u64::from(at.index - next));
            self.dot(out, at.element);
            out.varint(at.stamp);
            next = at.index + 1;
        }
        // New elements, and then elements that the receiver has with values that it hasn't.
        let mut changed = Vec::new();
        for (unit, slot) in list.units_changed(self.after) {
            let element = list.element_at(unit);
            if self.is_new(unit) && self.is_new(element) {
                let slot = list.slot(slot);
                if (slot.dot, slot.stamp) == (element, 0) {
                    out.varint(0);
                    self.slot_value(out, slot);
                } else {
                    self.slot(out, expected, slot);
                }
            } else if self.is_new(list.slot(slot).dot) {
                changed.push((element, slot));
            }
        }
        out.varint(changed.len() as u64);
        for &(element, unit) in &changed {
            self.dot(out, element);
            self.slot(out, expected, list.slot(unit));
        }
        told || !changed.is_empty()
    }

    /// A sequence in reading order: what is new of it, and removals of units that the receiver has.
    fn sequence<U: Copy>(
        &self,
        out: &mut Vec<u8>,
        expected: &mut Expected,
        sequence: &Sequence<U>,
        content: &mut dyn FnMut(&[U]),
    ) -> bool {
        let mut told = RunWriter::new(self, expected);
        for (runs, mut units) in sequence.pieces(self.after) {
            if self.since.is_none() {
                content(units);
                runs.iter().for_each(|&run| told.push(run));
                continue;
            }
            for &run in runs {
                let (these, rest) = units.split_at(run.visible() as usize);
                units = rest;
                let known = self.known(&run);
                let (mut seen, mut new) = (run, None);
                if known == 0 {
                    new = Some(run);
                } else if known < run.len {
                    new = Some(seen.split(known));
                }
                if let Some(removed) = self.removed_since(seen).filter(|_| known > 0) {
                    told.push_known(removed);
                }
                if let Some(new) = new {
                    content(these.get(known as usize..).unwrap_or(&[]));
                    told.push(new);
                }
            }
        }
        told.finish(out)
    }

    /// How many of a run's units, from the first on, the receiver has.
    fn known(&self, run: &Run) -> u32 {
        self.since.as_ref().map_or(0, |since| {
            (since.get(run.dot.agent) + 1).saturating_sub(run.dot.seq).min(run.len)
        })
    }

    /// Those of a run's units that were removed by operations which the receiver lacks.
    fn removed_since(&self, mut run: Run) -> Option<Run> {
        let by = run.removal;
        if !by.has_dot() {
            return None;
        }
        match (self.is_new(by.dot), self.is_new(by.at(run.len - 1))) {
            (true, true) => Some(run),
            (false, false) => None,
            // Who removes one after the other goes this way or that: the last ones are new, or the first.
            (is_first_new, _) => {
                let since = self.since.as_ref().map_or(0, |since| since.get(by.dot.agent));
                if is_first_new {
                    run.split(by.dot.seq - since);
                    Some(run)
                } else {
                    Some(run.split(since + 1 - by.dot.seq))
                }
            }
        }
    }
}

fn told_below(parents: &[usize], told: &[bool], at: usize) -> bool {
    // Children stand behind their parent, so their marks are final.
    let from = parents.partition_point(|&parent| parent < at).max(at + 1);
    let to = parents.partition_point(|&parent| parent <= at);
    told.get(from..to).is_some_and(|children| children.contains(&true))
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The mirror of [`zigzag`], for readers.
pub fn unzigzag(raw: u64) -> i64 {
    ((raw >> 1) as i64) ^ -((raw & 1) as i64)
}
