//! Reads the body of a state into a plain description: the mirror of `state.rs`. Total, bounded by the input's length, and
//! it changes no document; whether the description fits the document is for `join.rs` to check.

mod nodes;
mod runs;

pub use nodes::{GraphState, TreeState};
pub use runs::Told;

use crate::container::{Key, Kind};
use crate::counter::{Pair, MAX_AMOUNT};
use crate::cut::{self, OfNodes, OfText, NODES, TEXT};
use crate::document::{Document, MAX_KEY_BYTES};
use crate::marks::Mark;
use crate::sequence::{Gap, Removal};
use crate::set::Removed;
use crate::slot::Packed;
use crate::state::runs::Expected;
use crate::state::{flag, gap, unzigzag};
use joinery_codec::{decode_wtf8_to_units, skip_value, DecodeError, Reader};
use joinery_history::{Agents, Dot, Frontier, Stamp, Version, MAX_SEQ};
use joinery_tables::OrderedSet;
use runs::ReadRuns;
use std::rc::Rc;

/// Which container of the document a container of the state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Live(u32),
    /// One that doesn't exist yet.
    New,
    /// One that was ended or deleted: what the state says of it has no effect.
    Gone,
}

/// A slot's winning write.
#[derive(Debug)]
pub struct SlotState {
    pub dot: Dot,
    pub stamp: Stamp,
    pub value: SlotStateValue,
}

/// What it put there.
#[derive(Debug)]
pub enum SlotStateValue {
    Deleted,
    Plain(Packed),
    Child(Kind, Dot),
}

/// Units that were removed: the first id, how many, by whom.
pub type RemovedUnits = (Dot, u32, Removal);

/// A visible unit that a move made, and the element that stands there.
#[derive(Debug)]
pub struct MovedState {
    pub unit: Dot,
    pub element: Dot,
    pub stamp: Stamp,
    /// The how-manieth it is of the section's visible units.
    pub index: usize,
}

/// A key's marks in a text: from each gap on, up to the next, this mark; or none.
#[derive(Debug)]
pub struct KeyMarks {
    pub key: Rc<str>,
    pub boundaries: Vec<(Gap, Option<Rc<Mark>>)>,
}

/// A set's value, its adds and what was removed of them.
pub type MemberState = (Box<[u8]>, Vec<Dot>, Vec<Removed>);

/// A container's part of the state.
#[derive(Debug)]
#[cfg_attr(not(feature = "text"), allow(clippy::large_enum_variant))]
pub enum Section {
    None,
    Map(Vec<(Rc<str>, SlotState)>),
    Text(OfText<TextState>),
    List {
        /// Units are numbers of slots.
        told: Told<u32>,
        /// One for each visible unit; none where an element stands that was told of before.
        slots: Vec<Option<SlotState>>,
        removals: Vec<RemovedUnits>,
        changed: Vec<(Dot, SlotState)>,
        /// In reading order.
        moved: Vec<MovedState>,
    },
    Counter(Vec<(u32, Pair)>),
    Set(Vec<MemberState>),
    Tree(OfNodes<TreeState>),
    Graph(OfNodes<GraphState>),
}

/// A text's part of the state.
#[derive(Debug)]
pub struct TextState {
    pub told: Told<u16>,
    pub removals: Vec<RemovedUnits>,
}

/// A container as the state names it.
#[derive(Debug)]
pub struct ContainerState {
    /// Position in the state's list; containers stand behind their parents.
    pub parent: usize,
    pub key: Key,
    pub kind: Kind,
    pub generation: Dot,
    pub ended: Dot,
    pub flags: u8,
    pub section: Section,
    /// Only of texts.
    pub marks: Vec<KeyMarks>,
}

/// A state, with agents numbered as the document numbers them (those new to it behind its own).
#[derive(Debug)]
pub struct State {
    pub agents: Agents,
    pub version: Version,
    pub since: Version,
    pub frontier: Frontier,
    pub highest: Stamp,
    /// The first is the root.
    pub containers: Vec<ContainerState>,
}

struct StateReader<'a> {
    reader: Reader<'a>,
    agents: Agents,
    /// The document's number for each of the state's agents.
    numbers: Vec<u32>,
    version: Version,
    since: Version,
    highest: Stamp,
    expected: Expected,
}

impl State {
    /// Reads a body for joining with `document`.
    pub fn read(body: &[u8], document: &Document) -> Result<State, DecodeError> {
        let mut reader = Reader::new(body);
        let mut agents = document.agents.clone();
        let n = reader.count("a count of agents")?;
        let mut numbers = Vec::new();
        let mut last = None;
        for _ in 0..n {
            let id = reader.u64_le("an agent")?;
            if last.is_some_and(|last| last >= id) {
                return Err(reader.error("agents in ascending order", "another order"));
            }
            last = Some(id);
            numbers.push(agents.intern(id));
        }
        let mut version = Version::default();
        for &agent in &numbers {
            let seq = reader.u32("a seq")?;
            if seq == 0 || seq > MAX_SEQ {
                return Err(reader.error("a seq from 1 to 2^32 − 2", "another number"));
            }
            version.raise(agent, seq);
        }
        let mut since = Version::default();
        match reader.u8("whether a version follows")? {
            0 => {}
            1 => {
                for &agent in &numbers {
                    let lacks = reader.u32("a count of operations")?;
                    let seq = version.get(agent).checked_sub(lacks);
                    since.raise(
                        agent,
                        seq.ok_or_else(|| reader.error("a start from 0 on", "a lower one"))?,
                    );
                }
            }
            _ => return Err(reader.error("0 or 1", "another number")),
        }
        let first = numbers.first().copied().unwrap_or(0);
        let expected = Expected::new(agents.len(), first, &since);
        let mut state = StateReader {
            reader,
            agents,
            numbers,
            version,
            since,
            highest: 0,
            expected,
        };
        let n = state.reader.count("a count of dots")?;
        let mut frontier: Vec<Dot> = Vec::new();
        let mut listed = OrderedSet::new();
        for _ in 0..n {
            let number = state.reader.varint("an agent's number")?;
            let agent = state.agent(number)?;
            let behind = state.reader.u32("a distance")?;
            let seq = state.version.get(agent).saturating_sub(behind);
            let dot = state.covered(Dot { agent, seq })?;
            if !listed.insert(dot.agent) {
                return Err(state.reader.error("one dot an agent", "two"));
            }
            frontier.push(dot);
        }
        state.highest = state.reader.varint("a stamp")?;
        if state.highest == u64::MAX {
            return Err(state.reader.error("a stamp below 2^64 − 1", "a higher one"));
        }
        let containers = state.containers()?;
        state.reader.finish()?;
        let StateReader {
            agents,
            version,
            since,
            highest,
            ..
        } = state;
        Ok(State {
            agents,
            version,
            since,
            frontier: frontier.into_iter().collect(),
            highest,
            containers,
        })
    }
}

impl<'a> StateReader<'a> {
    fn error(&self, expected: &'static str, found: &'static str) -> DecodeError {
        self.reader.error(expected, found)
    }

    fn agent(&self, number: u64) -> Result<u32, DecodeError> {
        let agent = usize::try_from(number).ok().and_then(|at| self.numbers.get(at));
        agent
            .copied()
            .ok_or_else(|| self.error("an agent of the state", "another number"))
    }

    /// A dot that the state's version covers, or none.
    fn dot(&mut self) -> Result<Dot, DecodeError> {
        let number = self.reader.varint("an agent's number")?;
        if number == 0 {
            return Ok(Dot::NONE);
        }
        let dot = Dot {
            agent: self.agent(number - 1)?,
            seq: self.reader.u32("a seq")?,
        };
        self.covered(dot)
    }

    fn covered(&self, dot: Dot) -> Result<Dot, DecodeError> {
        if dot.is_some() && self.version.covers(dot) {
            Ok(dot)
        } else {
            Err(self.error("a dot that the state's version covers", "another one"))
        }
    }

    fn some_dot(&mut self) -> Result<Dot, DecodeError> {
        let dot = self.dot()?;
        if dot.is_some() {
            Ok(dot)
        } else {
            Err(self.error("a dot", "none"))
        }
    }

    fn containers(&mut self) -> Result<Vec<ContainerState>, DecodeError> {
        let n = self.reader.count("a count of containers")?;
        let root_section = match self.reader.u8("whether the root has a section")? {
            0 => 0,
            1 => flag::SECTION,
            _ => return Err(self.error("0 or 1", "another number")),
        };
        let mut containers = vec![ContainerState {
            parent: 0,
            key: Key::Element(Dot::NONE),
            kind: Kind::Map,
            generation: Dot::NONE,
            ended: Dot::NONE,
            flags: root_section,
            section: Section::None,
            marks: Vec::new(),
        }];
        let mut ids = OrderedSet::new();
        for at in 1..=n {
            let parent = self.reader.varint("a container's number")? as usize;
            let flags = self.reader.u8("a container")?;
            let kind = Kind::read(flags & 7, &self.reader)?;
            let has = |bit: u8| flags & bit != 0;
            // The highest bit says of each kind something else, and only of its section.
            let is_odd = has(flag::MOVED) && !(matches!(kind, Kind::List | Kind::Text) && has(flag::SECTION));
            if parent >= at || is_odd || (has(flag::ENDED) && has(flag::SECTION)) {
                return Err(self.error("a container behind its parent", "another one"));
            }
            let in_element = flags & flag::IN_ELEMENT != 0;
            let expected = if in_element { Kind::List } else { Kind::Map };
            let in_node = in_element && containers[parent].kind.has_nodes();
            if containers[parent].kind != expected && !in_node {
                return Err(self.error("a parent of the key's kind", "another one"));
            }
            if in_node && (kind != Kind::Map || flags & (flag::GENERATION | flag::ENDED) != 0) {
                return Err(self.error("a node's map", "another container"));
            }
            let key = if in_element {
                Key::Element(self.some_dot()?)
            } else {
                Key::Name(Rc::from(self.reader.str("a key")?))
            };
            let generation = if flags & flag::GENERATION != 0 {
                self.some_dot()?
            } else {
                Dot::NONE
            };
            let ended = if flags & flag::ENDED != 0 {
                self.some_dot()?
            } else {
                Dot::NONE
            };
            // Of two with one id each would pass its checks, and then meet the other.
            if !ids.insert((parent, key.clone(), kind, generation)) {
                return Err(self.error("each container once", "one of them again"));
            }
            containers.push(ContainerState {
                parent,
                key,
                kind,
                generation,
                ended,
                flags,
                section: Section::None,
                marks: Vec::new(),
            });
        }
        for container in &mut containers {
            if container.flags & flag::SECTION != 0 {
                container.section = self.section(container.kind, container.flags)?;
            }
            // The same bit says something else of a list.
            if TEXT && container.kind == Kind::Text && container.flags & flag::MARKS != 0 {
                container.marks = self.marks()?;
            }
        }
        Ok(containers)
    }

    fn section(&mut self, kind: Kind, flags: u8) -> Result<Section, DecodeError> {
        Ok(match kind {
            Kind::Map => {
                let n = self.reader.count("a count of keys")?;
                let mut entries: Vec<(Rc<str>, SlotState)> = Vec::new();
                for _ in 0..n {
                    let key = self.reader.str("a key")?;
                    if key.len() > MAX_KEY_BYTES {
                        return Err(self.error("a key of at most 1024 bytes", "a longer one"));
                    }
                    if entries.last().is_some_and(|(last, _)| &**last >= key) {
                        return Err(self.error("keys in ascending order", "another order"));
                    }
                    entries.push((Rc::from(key), self.slot(Dot::NONE)?));
                }
                Section::Map(entries)
            }
            Kind::Text if TEXT => {
                let read = self.sequence(kind)?;
                self.text(read)?
            }
            Kind::List => {
                let mut read = self.sequence(kind)?;
                if read.visible > self.reader.remaining() as u64 {
                    return Err(self.error("as many elements as the runs have", "fewer"));
                }
                let moved = if flags & flag::MOVED != 0 {
                    self.moved(&read)?
                } else {
                    Vec::new()
                };
                let slots = self.slots(&read, &moved)?;
                let n = self.reader.count("a count of elements")?;
                let mut changed = Vec::new();
                for _ in 0..n {
                    changed.push((self.some_dot()?, self.slot(Dot::NONE)?));
                }
                let removals = std::mem::take(&mut read.removals);
                let mut next = 0;
                let told = self.told(read, &mut |n, units| {
                    units.extend(next..next + n as u32);
                    next += n as u32;
                })?;
                Section::List {
                    told,
                    slots,
                    removals,
                    changed,
                    moved,
                }
            }
            Kind::Counter => {
                let n = self.reader.count("a count of pairs")?;
                let mut pairs = Vec::new();
                for _ in 0..n {
                    let number = self.reader.varint("an agent's number")?;
                    let dot = Dot {
                        agent: self.agent(number)?,
                        seq: self.reader.u32("a seq")?,
                    };
                    let seq = self.covered(dot)?.seq;
                    let pair = Pair {
                        seq,
                        up: self.reader.varint("a sum")?,
                        down: self.reader.varint("a sum")?,
                    };
                    if pair.up > MAX_AMOUNT || pair.down > MAX_AMOUNT {
                        return Err(self.error("sums below 2^53", "higher ones"));
                    }
                    pairs.push((dot.agent, pair));
                }
                Section::Counter(pairs)
            }
            Kind::Set => {
                let n = self.reader.count("a count of values")?;
                let mut members = Vec::new();
                for _ in 0..n {
                    let value = skip_value(&mut self.reader)?;
                    let adds = self.reader.count("a count of adds")?;
                    let adds = (0..adds).map(|_| self.some_dot()).collect::<Result<_, _>>()?;
                    let removed = self.reader.count("a count of removals")?;
                    let removed = (0..removed)
                        .map(|_| {
                            Ok(Removed {
                                upto: self.some_dot()?,
                                by: self.some_dot()?,
                            })
                        })
                        .collect::<Result<_, DecodeError>>()?;
                    members.push((value.into(), adds, removed));
                }
                Section::Set(members)
            }
            Kind::Tree if NODES => self.tree()?,
            Kind::Graph if NODES => self.graph()?,
            // Such a kind was refused in the table of containers.
            Kind::Text | Kind::Tree | Kind::Graph => Section::None,
        })
    }

    /// A text's marks. Whether the boundaries ascend isn't known yet, and doesn't matter: where one is before the one in
    /// front of it, there is nothing between.
    fn marks(&mut self) -> Result<Vec<KeyMarks>, DecodeError> {
        let n = self.reader.count("a count of keys")?;
        let mut keys: Vec<KeyMarks> = Vec::new();
        for _ in 0..n {
            let key = self.reader.str("a key")?;
            if key.len() > MAX_KEY_BYTES {
                return Err(self.error("a key of at most 1024 bytes", "a longer one"));
            }
            if keys.last().is_some_and(|last| &*last.key >= key) {
                return Err(self.error("keys in ascending order", "another order"));
            }
            let n = self.reader.count("a count of marks")?;
            let marks = (0..n).map(|_| self.mark()).collect::<Result<Vec<_>, _>>()?;
            let n = self.reader.count("a count of boundaries")?;
            let mut last_seq = 0;
            let mut boundaries = Vec::new();
            for _ in 0..n {
                let number = self.reader.varint("a mark's number")?;
                let gap = match number & 3 {
                    gap::START => Gap::Start,
                    gap::BEFORE => Gap::Before(self.unit(&mut last_seq)?),
                    gap::AFTER => Gap::After(self.unit(&mut last_seq)?),
                    _ => return Err(self.error("a side of a unit", "another number")),
                };
                let mark = match number >> 2 {
                    0 => None,
                    number => {
                        let at = usize::try_from(number - 1).ok();
                        let mark = at.and_then(|at| marks.get(at));
                        Some(
                            mark.ok_or_else(|| self.error("a mark of this key", "another number"))?
                                .clone(),
                        )
                    }
                };
                boundaries.push((gap, mark));
            }
            let key = Rc::from(key);
            keys.push(KeyMarks { key, boundaries });
        }
        Ok(keys)
    }

    fn mark(&mut self) -> Result<Rc<Mark>, DecodeError> {
        let dot = self.some_dot()?;
        let stamp = self.reader.varint("a stamp")?;
        if stamp > self.highest {
            return Err(self.error("a stamp up to the highest", "a higher one"));
        }
        let value = skip_value(&mut self.reader)?.into();
        let agent = self.agents.id(dot.agent);
        Ok(Rc::new(Mark {
            dot,
            agent,
            stamp,
            value,
        }))
    }

    /// A unit, told from the one before.
    fn unit(&mut self, last_seq: &mut i64) -> Result<Dot, DecodeError> {
        let number = self.reader.varint("an agent's number")?;
        let agent = self.agent(number)?;
        let seq = last_seq.checked_add(unzigzag(self.reader.varint("a seq")?));
        let seq = seq.and_then(|seq| u32::try_from(seq).ok()).unwrap_or(0);
        *last_seq = i64::from(seq);
        self.covered(Dot { agent, seq })
    }

    /// A text's section, behind its runs.
    fn text(&mut self, mut read: ReadRuns) -> Result<Section, DecodeError> {
        let at = self.reader.offset();
        let bytes = self.reader.blob("text")?;
        let mut units = Vec::new();
        let is_ascii = bytes.is_ascii();
        if !is_ascii {
            decode_wtf8_to_units(bytes, &mut units).map_err(|mut e| {
                e.offset += at;
                e
            })?;
        }
        let count = if is_ascii { bytes.len() } else { units.len() };
        if count as u64 != read.visible {
            return Err(self.error("as many characters as the runs have", "another number"));
        }
        let removals = std::mem::take(&mut read.removals);
        let mut next = 0;
        let told = self.told(read, &mut |n, content| {
            let these = next..next + n;
            next += n;
            match is_ascii {
                true => content.extend(bytes[these].iter().map(|&byte| u16::from(byte))),
                false => content.extend_from_slice(&units[these]),
            }
        })?;
        Ok(cut::text(|| TextState { told, removals }).map_or(Section::None, Section::Text))
    }

    /// A slot. `element` is the element whose first one it may be.
    fn slot(&mut self, element: Dot) -> Result<SlotState, DecodeError> {
        let number = self.reader.varint("an agent's number")?;
        if number == 0 && element.is_some() {
            return Ok(SlotState {
                dot: element,
                stamp: 0,
                value: self.slot_value()?,
            });
        }
        let agent = self.agent(number.checked_sub(1).ok_or_else(|| self.error("a dot", "none"))?)?;
        let seq = i64::from(self.expected.slot.0).checked_add(unzigzag(self.reader.varint("a seq")?));
        let seq = seq.and_then(|seq| u32::try_from(seq).ok()).unwrap_or(0);
        let dot = self.covered(Dot { agent, seq })?;
        let step = unzigzag(self.reader.varint("a stamp")?) as u64;
        let stamp = self.expected.slot.1.wrapping_add(step);
        if stamp > self.highest {
            return Err(self.error("a stamp up to the highest", "a higher one"));
        }
        self.expected.slot = (seq, stamp);
        let value = self.slot_value()?;
        Ok(SlotState { dot, stamp, value })
    }

    fn slot_value(&mut self) -> Result<SlotStateValue, DecodeError> {
        let mut ahead = self.reader.clone();
        let tag = ahead.u8("a value")?;
        let value = if tag == 0x20 {
            self.reader = ahead;
            SlotStateValue::Deleted
        } else if tag & 0xf0 == 0x10 {
            self.reader = ahead;
            let kind = Kind::read(tag & 0x0f, &self.reader)?;
            SlotStateValue::Child(kind, self.dot()?)
        } else {
            SlotStateValue::Plain(skip_value(&mut self.reader)?.into())
        };
        Ok(value)
    }

    /// The moved elements of a list whose units are told of.
    fn moved(&mut self, read: &ReadRuns) -> Result<Vec<MovedState>, DecodeError> {
        let n = self.reader.count("a count of moved elements")?;
        let mut moved = Vec::new();
        let mut next = 0;
        // Where the run at hand begins among the visible units.
        let mut shown = read.iter().filter(|run| run.visible() > 0);
        let (mut run, mut from) = (shown.next(), 0);
        for _ in 0..n {
            let index = self.reader.varint("a distance")?.checked_add(next);
            let index = index.filter(|&index| index < read.visible);
            let index = index.ok_or_else(|| self.error("a visible unit", "another one"))?;
            next = index + 1;
            while let Some(passed) = run.filter(|run| index - from >= u64::from(run.len)) {
                from += u64::from(passed.len);
                run = shown.next();
            }
            let unit = run.map(|run| run.dot.plus((index - from) as u32));
            let unit = unit.ok_or_else(|| self.error("a visible unit", "another one"))?;
            let element = self.some_dot()?;
            let stamp = self.reader.varint("a stamp")?;
            if stamp == 0 || stamp > self.highest {
                return Err(self.error("a stamp up to the highest", "another one"));
            }
            moved.push(MovedState {
                unit,
                element,
                stamp,
                index: index as usize,
            });
        }
        Ok(moved)
    }

    /// The slots of a list's visible units, without those of elements that were told of before.
    fn slots(&mut self, read: &ReadRuns, moved: &[MovedState]) -> Result<Vec<Option<SlotState>>, DecodeError> {
        let mut moved = moved.iter().peekable();
        let units = read.iter().flat_map(|run| (0..run.visible()).map(|i| run.dot.plus(i)));
        (units.enumerate())
            .map(|(index, unit)| {
                let element = moved.next_if(|at| at.index == index).map(|at| at.element);
                match element.filter(|&element| self.since.covers(element)) {
                    Some(_) => Ok(None),
                    None => self.slot(element.unwrap_or(unit)).map(Some),
                }
            })
            .collect()
    }
}
