//! Writes states: a whole one (a snapshot), or what has changed since a version. Columns, agents by number, keys in order:
//! equal states give equal bytes. The reader is `join.rs`.
//!
//! ```text
//! snapshot   "JNRY"  format (2)  body length (4, LE)  CRC-32 of the body (4, LE)  body
//! update     0x21  body
//! body       agents · version · since, or none · frontier · highest stamp · containers · sections
//! ```

mod nodes;

use crate::container::{Body, Container, Key, ROOT};
use crate::document::Document;
use crate::error::Error;
use crate::list::List;
use crate::map::Map;
use crate::marks::{Function, Mark, Numbers};
use crate::sequence::{Gap, Run, Sequence, Side};
use crate::set::Set;
use crate::slot::{Slot, SlotValue};
use crate::text::Text;
use joinery_codec::{crc32, encode_units_as_wtf8, RleWriter, Writer};
use joinery_history::{Dot, Stamp, Version};
use std::rc::Rc;

/// A snapshot's first bytes.
pub const MAGIC: &[u8; 4] = b"JNRY";
/// The snapshot format that this core writes, and the only one that it reads. (1 knew no moves and no marks.)
pub const SNAPSHOT_FORMAT: u8 = 2;
/// Bytes before a snapshot's body.
pub const SNAPSHOT_HEADER_BYTES: usize = 13;
/// An exported update's first byte.
pub const UPDATE_FORMAT: u8 = 0x21;

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

/// How a run's first unit hangs, in the anchor column.
pub mod anchor {
    /// It continues its agent's unit before.
    pub const CONTINUES: u64 = 0;
    /// It hangs on the right of the start.
    pub const START: u64 = 1;
    /// It hangs on a dot that is told in full, on its right.
    pub const DOT_RIGHT: u64 = 2;
    /// The same on its left.
    pub const DOT_LEFT: u64 = 3;
    /// From here: it hangs on a run so many places away: 4 + 2 × zigzag + (1 for left).
    pub const RUN: u64 = 4;
}

impl Document {
    /// The whole state, as it is stored.
    pub fn encode_snapshot(&self) -> Vec<u8> {
        let body = Encoder::new(self, None).body();
        let mut out = Vec::with_capacity(body.len() + SNAPSHOT_HEADER_BYTES);
        out.extend_from_slice(MAGIC);
        out.push(SNAPSHOT_FORMAT);
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        out.extend_from_slice(&crc32(&body).to_le_bytes());
        out.extend_from_slice(&body);
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
        out.extend_from_slice(&Encoder::new(self, Some(version)).body());
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
    /// Agents by ascending id, and per agent of the document its place in that order.
    agents: Vec<u32>,
    numbers: Vec<u32>,
}

impl<'d> Encoder<'d> {
    fn new(document: &'d Document, since: Option<Version>) -> Self {
        let mut agents: Vec<u32> = document.version.iter().map(|dot| dot.agent).collect();
        agents.sort_unstable_by_key(|&agent| document.agents.id(agent));
        let mut numbers = vec![u32::MAX; document.agents.len()];
        for (number, &agent) in agents.iter().enumerate() {
            numbers[agent as usize] = number as u32;
        }
        Encoder {
            document,
            since,
            agents,
            numbers,
        }
    }

    fn is_new(&self, dot: Dot) -> bool {
        self.since.as_ref().is_none_or(|since| !since.covers(dot))
    }

    fn number(&self, dot: Dot) -> u64 {
        u64::from(self.numbers[dot.agent as usize])
    }

    fn dot(&self, out: &mut Vec<u8>, dot: Dot) {
        if dot.is_some() {
            out.varint(self.number(dot) + 1);
            out.varint(u64::from(dot.seq));
        } else {
            out.varint(0);
        }
    }

    fn body(&self) -> Vec<u8> {
        let document = self.document;
        let mut out = Vec::new();
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
                out.varint(u64::from(since.get(agent)));
            }
        }
        let mut frontier: Vec<Dot> = document.frontier.dots().collect();
        frontier.sort_unstable_by_key(|&dot| (self.number(dot), dot.seq));
        out.varint(frontier.len() as u64);
        for dot in frontier {
            self.dot(&mut out, dot);
        }
        out.varint(document.clock.highest());
        self.containers(&mut out);
        out
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
        let sections = order.iter().zip(&moved);
        let sections: Vec<Option<Vec<u8>>> = sections.map(|(&c, moved)| self.section(all.get(c), moved)).collect();
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

    fn section(&self, container: &Container, moved: &[Moved]) -> Option<Vec<u8>> {
        if container.gone {
            return None;
        }
        let mut out = Vec::new();
        let told = match &container.body {
            Body::Map(map) => self.map(&mut out, map),
            Body::Text(text) => {
                let told = self.text(&mut out, &text.sequence);
                self.tells_marks(container).then(|| self.marks(&mut out, text));
                told || self.tells_marks(container)
            }
            Body::List(list) => self.list(&mut out, list, moved),
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

    fn map(&self, out: &mut Vec<u8>, map: &Map) -> bool {
        let entries: Vec<_> = map.slots().filter(|(_, slot)| self.is_new(slot.dot)).collect();
        out.varint(entries.len() as u64);
        for (key, slot) in &entries {
            out.blob(key.as_bytes());
            self.slot(out, slot);
        }
        !entries.is_empty()
    }

    fn slot(&self, out: &mut Vec<u8>, slot: &Slot) {
        self.dot(out, slot.dot);
        out.varint(slot.stamp);
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

    fn text(&self, out: &mut Vec<u8>, sequence: &Sequence<u16>) -> bool {
        let mut units = Vec::new();
        let told = self.sequence(out, sequence, &mut |content| units.extend_from_slice(content));
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
        !container.gone && functions.any(|(_, function)| self.tells(function))
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
        if container.gone || list.moves.is_none() {
            return Vec::new();
        }
        let mut moved = Vec::new();
        let new = list.visible_units().filter(|&(unit, _)| self.is_new(unit));
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

    fn list(&self, out: &mut Vec<u8>, list: &List, moved: &[Moved]) -> bool {
        let told = self.sequence(out, &list.sequence, &mut |_| {});
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
        for (unit, slot) in list.visible_units() {
            let element = list.element_at(unit);
            if self.is_new(unit) && self.is_new(element) {
                self.slot(out, list.slot(slot));
            } else if self.is_new(list.slot(slot).dot) {
                changed.push((element, slot));
            }
        }
        out.varint(changed.len() as u64);
        for &(element, unit) in &changed {
            self.dot(out, element);
            self.slot(out, list.slot(unit));
        }
        told || !changed.is_empty()
    }

    /// The columns of a sequence: new runs in reading order, then removals of units that the receiver has.
    fn sequence<U: Copy>(&self, out: &mut Vec<u8>, sequence: &Sequence<U>, content: &mut dyn FnMut(&[U])) -> bool {
        let mut runs = Runs::default();
        let mut removals: Vec<Run> = Vec::new();
        for (run, units) in sequence.runs() {
            let old = match &self.since {
                Some(since) => (since.get(run.dot.agent) + 1).saturating_sub(run.dot.seq).min(run.len),
                None => 0,
            };
            let mut new = run;
            if old > 0 {
                let mut seen = run;
                if old < run.len {
                    new = seen.split(old);
                }
                let by = seen.removal;
                if by.has_dot() && (self.is_new(by.at(0)) || self.is_new(by.at(old - 1))) {
                    removals.push(seen);
                }
            }
            if old < run.len {
                content(if new.removal.is_some() {
                    &[]
                } else {
                    &units[old as usize..]
                });
                runs.push(new);
            }
        }
        self.columns(out, &runs.runs);
        out.varint(removals.len() as u64);
        for run in &removals {
            self.dot(out, run.dot);
            out.varint(u64::from(run.len));
            self.dot(out, run.removal.dot);
            out.push((run.removal.step + 1) as u8);
        }
        !runs.runs.is_empty() || !removals.is_empty()
    }

    fn columns(&self, out: &mut Vec<u8>, runs: &[Run]) {
        let mut by_dot: Vec<u32> = (0..runs.len() as u32).collect();
        by_dot.sort_unstable_by_key(|&i| runs[i as usize].dot);
        let find = |dot: Dot| -> Option<usize> {
            let at = by_dot
                .partition_point(|&i| runs[i as usize].dot <= dot)
                .checked_sub(1)?;
            let run = &runs[by_dot[at] as usize];
            (run.dot.agent == dot.agent && dot.seq - run.dot.seq < run.len).then_some(by_dot[at] as usize)
        };
        let mut agents = RleWriter::default();
        let mut seqs = RleWriter::default();
        let mut anchors = RleWriter::default();
        let mut steps = RleWriter::default();
        let mut removers = RleWriter::default();
        let mut removal_seqs = RleWriter::default();
        let mut dots = Vec::new();
        let mut lens = Vec::new();
        let mut expected = 1i64;
        for (i, run) in runs.iter().enumerate() {
            lens.varint(u64::from(run.len));
            agents.push(self.number(run.dot));
            seqs.push(zigzag(i64::from(run.dot.seq) - expected));
            expected = i64::from(run.tail().seq) + 1;
            anchors.push(if run.is_continuation() {
                anchor::CONTINUES
            } else if !run.parent.is_some() {
                anchor::START
            } else if let Some(above) = find(run.parent) {
                let left = u64::from(run.side == Side::Left);
                anchor::RUN + (zigzag(above as i64 - i as i64) << 1 | left)
            } else {
                self.dot(&mut dots, run.parent);
                if run.side == Side::Left {
                    anchor::DOT_LEFT
                } else {
                    anchor::DOT_RIGHT
                }
            });
            let removal = run.removal;
            // A lone unit has no direction, whatever run it was cut from.
            let step = if run.len == 1 && removal.has_dot() {
                0
            } else {
                removal.step
            };
            steps.push(if removal.is_some() { (step + 2) as u64 } else { 0 });
            if removal.has_dot() {
                removers.push(self.number(removal.dot));
                // Most of what is deleted was typed shortly before by the same hand.
                removal_seqs.push(zigzag(i64::from(removal.dot.seq) - i64::from(run.tail().seq)));
            }
        }
        out.varint(runs.len() as u64);
        out.extend_from_slice(&lens);
        for column in [agents, seqs, anchors, steps, removers, removal_seqs] {
            out.blob(&column.finish());
        }
        out.blob(&dots);
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

/// Joins the fragments that a replica happens to have into the longest runs, so that equal states give equal bytes.
#[derive(Default)]
struct Runs {
    runs: Vec<Run>,
    /// May the last run be gone on with?
    open: bool,
}

impl Runs {
    fn push(&mut self, run: Run) {
        let mut run = run;
        let tail_open = run.is_open();
        if let Some(last) = self.runs.last_mut() {
            let goes_on = self.open && run.is_continuation() && run.parent == last.tail();
            // The stretch may go on for the whole run, or for its first unit only.
            for take in [run.len, 1] {
                let Some(step) = last.removal.continues(last.len, run.removal, take).filter(|_| goes_on) else {
                    continue;
                };
                last.removal.step = step;
                last.len += take;
                if take == run.len {
                    self.open = tail_open;
                    return;
                }
                run = run.split(take);
                break;
            }
        }
        self.runs.push(run);
        self.open = tail_open;
    }
}

/// Kept for readers of columns: the mirror of [`zigzag`].
pub fn unzigzag(raw: u64) -> i64 {
    ((raw >> 1) as i64) ^ -((raw & 1) as i64)
}
