//! Undo stacks as bytes, to be gone on with in another replica of the same document: agents by their ids, containers by what created
//! them. Equal stacks have equal bytes.
//!
//! ```text
//! format  agents (ids)  own agents  containers  scopes  steps to undo  steps to redo
//! container = 0 (it is gone: only steps name it)  |  1 parent key kind generation
//! step = meta  entries;  entry = container  kind of edit  its fields
//! ```
//!
//! Who reads them takes any bytes. What names a container that isn't here gets a number that no container has: nothing can be done
//! with it, unless a step that comes first brings that container back.

use super::copy::{Content, Copied, CopiedItem, CopiedMark, CopiedNode, Item, Part, Val};
use super::step::{Cut, CutElement, Edit, Entry, Seat, Step};
use super::{Stack, UndoScope, MAX_UNDO_BYTES, MAX_UNDO_META_BYTES, MAX_UNDO_SCOPES, MAX_UNDO_STEPS};
use crate::container::{Key, Kind, ROOT};
use crate::document::{Document, MAX_DEPTH, MAX_KEY_BYTES};
use crate::error::Error;
use crate::fractional_index::FractionalIndexError;
use crate::operation::check_plain;
use crate::sequence::Gap;
use joinery_codec::{check_value, write_zigzag, DecodeError, Reader, Writer};
use joinery_history::{Dot, MAX_SEQ};
use std::collections::HashMap;
use std::rc::Rc;

const FORMAT: u8 = 1;

impl Document {
    /// A stack's bytes, the step under way included. They are for this document, wherever it is loaded, within this epoch.
    pub fn undo_encode(&self, stack: u32) -> Result<Vec<u8>, Error> {
        let stack = self.undo.stack(stack)?;
        let mut out = Encoding {
            document: self,
            agents: Vec::new(),
            agent_numbers: HashMap::new(),
            containers: Vec::new(),
            container_numbers: HashMap::new(),
            out: Vec::new(),
        };
        let mine = self.undo.mine.iter().chain(&self.own);
        let mine = mine.filter(|&&agent| self.version.get(agent) > 0);
        let mut mine: Vec<u64> = mine.map(|&agent| self.agents.id(agent)).collect();
        mine.sort_unstable();
        mine.dedup();
        out.out.varint(stack.scopes.len() as u64);
        for scope in &stack.scopes {
            out.container(scope.container);
            out.out.varint(scope.keys.len() as u64);
            scope.keys.iter().for_each(|key| out.out.blob(key.as_bytes()));
        }
        let undo: Vec<&Step> = stack.undo.iter().chain(super::open_step(stack)).collect();
        out.steps(&undo);
        out.steps(&stack.redo.iter().collect::<Vec<_>>());
        let steps = std::mem::take(&mut out.out);
        let containers = out.table();
        let mut bytes = vec![FORMAT];
        bytes.varint(out.agents.len() as u64);
        out.agents.iter().for_each(|&id| bytes.u64_le(id));
        bytes.varint(mine.len() as u64);
        mine.iter().for_each(|&id| bytes.u64_le(id));
        bytes.extend_from_slice(&containers);
        bytes.extend_from_slice(&steps);
        Ok(bytes)
    }

    /// A stack from bytes that [`Document::undo_encode`] gave; its number. It goes on recording. On an error nothing has changed.
    pub fn undo_decode(&mut self, bytes: &[u8]) -> Result<u32, Error> {
        let mut decoding = Decoding {
            reader: Reader::new(bytes),
            document: self,
            agents: Vec::new(),
            containers: Vec::new(),
        };
        let (mine, mut stack) = decoding.stack().map_err(Error::InvalidUndo)?;
        let mine: Vec<u32> = mine.into_iter().filter_map(|id| self.agents.find(id)).collect();
        stack.bytes = stack.steps_mut().map(|step| step.weight).sum();
        stack.bound();
        let number = self.undo.add(stack)?;
        for agent in mine {
            if !self.undo.is_mine(agent) {
                self.undo.mine.push(agent);
            }
        }
        Ok(number)
    }
}

struct Encoding<'d> {
    document: &'d Document,
    agents: Vec<u64>,
    agent_numbers: HashMap<u32, u64>,
    /// In the order in which they were named; each behind its parent.
    containers: Vec<u32>,
    container_numbers: HashMap<u32, u64>,
    out: Vec<u8>,
}

impl Encoding<'_> {
    fn dot(&mut self, dot: Dot) {
        if !dot.is_some() {
            self.out.varint(0);
            return;
        }
        let next = self.agents.len() as u64 + 1;
        let number = *self.agent_numbers.entry(dot.agent).or_insert(next);
        if number == next {
            self.agents.push(self.document.agents.id(dot.agent));
        }
        self.out.varint(number);
        self.out.varint(u64::from(dot.seq));
    }

    fn container(&mut self, container: u32) {
        let mut above = Vec::new();
        let mut at = container;
        while !self.container_numbers.contains_key(&at) {
            above.push(at);
            match self.document.containers.live(at) {
                Ok(found) if at != ROOT => at = found.parent,
                _ => break,
            }
        }
        for at in above.into_iter().rev() {
            self.container_numbers.insert(at, self.containers.len() as u64);
            self.containers.push(at);
        }
        self.out.varint(self.container_numbers[&container]);
    }

    /// The table of containers; it may name further agents.
    fn table(&mut self) -> Vec<u8> {
        self.out.varint(self.containers.len() as u64);
        for at in self.containers.clone() {
            let Ok(container) = self.document.containers.live(at) else {
                self.out.push(0);
                continue;
            };
            if at == ROOT {
                self.out.push(1);
                continue;
            }
            self.out.push(2);
            self.out.varint(self.container_numbers[&container.parent]);
            self.key(&container.key);
            self.out.push(container.body.kind() as u8);
            self.dot(container.generation);
        }
        std::mem::take(&mut self.out)
    }

    fn key(&mut self, key: &Key) {
        match key {
            Key::Name(name) => {
                self.out.push(0);
                self.out.blob(name.as_bytes());
            }
            Key::Element(element) => {
                self.out.push(1);
                self.dot(*element);
            }
        }
    }

    fn dots(&mut self, dots: &[Dot]) {
        self.out.varint(dots.len() as u64);
        dots.iter().for_each(|&dot| self.dot(dot));
    }

    fn ranges(&mut self, ranges: &[(Dot, u32)]) {
        self.out.varint(ranges.len() as u64);
        for &(first, len) in ranges {
            self.dot(first);
            self.out.varint(u64::from(len));
        }
    }

    fn seat(&mut self, seat: Seat) {
        let (kind, unit) = match seat {
            Seat::On(unit) => (0, unit),
            Seat::Behind(unit) => (1, unit),
        };
        self.out.push(kind);
        self.dot(unit);
    }

    fn gap(&mut self, gap: Gap) {
        let (kind, unit) = match gap {
            Gap::Start => (0, None),
            Gap::Before(unit) => (1, Some(unit)),
            Gap::After(unit) => (2, Some(unit)),
            Gap::End => (3, None),
        };
        self.out.push(kind);
        unit.into_iter().for_each(|unit| self.dot(unit));
    }

    fn units(&mut self, units: impl ExactSizeIterator<Item = u16>) {
        self.out.varint(units.len() as u64);
        units.for_each(|unit| self.out.varint(u64::from(unit)));
    }

    fn value(&mut self, value: &Val) {
        match value {
            Val::Nothing => self.out.push(0),
            Val::Plain(bytes) => {
                self.out.push(1);
                self.out.blob(bytes);
            }
            Val::Child(part) => {
                self.out.push(2);
                self.out.varint(u64::from(*part));
            }
        }
    }

    fn option(&mut self, number: Option<u32>) {
        self.out.varint(number.map_or(0, |number| u64::from(number) + 1));
    }

    fn steps(&mut self, steps: &[&Step]) {
        self.out.varint(steps.len() as u64);
        for step in steps {
            self.out.blob(&step.meta);
            self.out.varint(step.entries.len() as u64);
            for entry in &step.entries {
                self.container(entry.container);
                self.edit(&entry.edit);
            }
        }
    }

    fn edit(&mut self, edit: &Edit) {
        match edit {
            Edit::Inserted { ranges, kept } => {
                self.out.push(0);
                self.ranges(ranges);
                self.dots(kept);
            }
            Edit::CutText(cuts) => {
                self.out.push(1);
                self.out.varint(cuts.len() as u64);
                for cut in cuts {
                    self.dot(cut.first);
                    self.seat(cut.seat);
                    self.units(cut.units.iter().copied());
                }
            }
            Edit::CutElements(cuts, copies) => {
                self.out.push(2);
                self.copies(copies);
                self.out.varint(cuts.len() as u64);
                for cut in cuts {
                    self.dot(cut.element);
                    self.seat(cut.seat);
                    self.dot(cut.write);
                    self.value(&cut.value);
                }
            }
            Edit::Wrote {
                key,
                mine,
                was,
                before,
                copies,
                kept,
            } => {
                self.out.push(3);
                self.copies(copies);
                self.key(key);
                self.dots(&[*mine, *was]);
                self.value(before);
                self.out.push(u8::from(*kept));
            }
            Edit::Counted(amount) => {
                self.out.push(4);
                write_zigzag(&mut self.out, *amount);
            }
            Edit::Added(value) => {
                self.out.push(5);
                self.out.blob(value);
            }
            Edit::Taken(value) => {
                self.out.push(6);
                self.out.blob(value);
            }
            Edit::Moved { element, mine, was } => {
                self.out.push(7);
                self.dots(&[*element, *mine, *was]);
            }
            Edit::Marked { key, value, pieces } => {
                self.out.push(8);
                self.out.blob(key.as_bytes());
                self.out.blob(value);
                self.out.varint(pieces.len() as u64);
                for ((start, end), before) in pieces {
                    self.gap(*start);
                    self.gap(*end);
                    self.out.blob(before);
                }
            }
            Edit::Hung {
                node,
                mine,
                was,
                parent,
                index,
                hidden,
            } => {
                self.out.push(9);
                self.dots(&[*node, *mine, *was, *parent]);
                self.out.blob(index.as_bytes());
                self.out.push(u8::from(*hidden));
            }
            Edit::Created { id, known, kept } => {
                self.out.push(10);
                self.dot(*id);
                self.dots(known);
                self.out.push(u8::from(*kept));
            }
            Edit::CutNode {
                node,
                edge,
                parent,
                index,
                data,
            } => {
                self.out.push(11);
                self.dots(&[*node, *edge, *parent]);
                self.out.blob(index.as_bytes());
                self.copies(data);
            }
            Edit::CutItem { id, ends, edges, data } => {
                self.out.push(12);
                let (from, to) = ends.unwrap_or((Dot::NONE, Dot::NONE));
                self.dots(&[*id, from, to]);
                self.out.varint(edges.len() as u64);
                edges.iter().for_each(|&(edge, from, to)| self.dots(&[edge, from, to]));
                self.copies(data);
            }
        }
    }

    fn copies(&mut self, copies: &Copied) {
        self.out.varint(copies.parts.len() as u64);
        self.out.push(u8::from(copies.is_shared));
        for part in &copies.parts {
            self.container(part.of);
            self.out.push(part.content.kind() as u8);
            match &part.content {
                Content::Map { entries, deleted } => {
                    self.out.varint(entries.len() as u64);
                    for (key, dot, value) in entries {
                        self.out.blob(key.as_bytes());
                        self.dot(*dot);
                        self.value(value);
                    }
                    self.dots(deleted);
                }
                Content::List(items) => {
                    self.out.varint(items.len() as u64);
                    for item in items {
                        self.dots(&[item.element, item.unit, item.write]);
                        self.out.push(u8::from(item.value.is_some()));
                        item.value.iter().for_each(|value| self.value(value));
                    }
                }
                Content::Text { runs, units, marks } => {
                    self.out.varint(runs.len() as u64);
                    for &(first, len, is_live) in runs {
                        self.dot(first);
                        self.out.varint(u64::from(len) << 1 | u64::from(is_live));
                    }
                    self.units(units.iter().copied());
                    self.out.varint(marks.len() as u64);
                    for mark in marks {
                        self.out.varint(u64::from(mark.from));
                        self.out.varint(u64::from(mark.to));
                        self.out.blob(mark.key.as_bytes());
                        self.out.blob(&mark.value);
                        self.out.push(u8::from(mark.from_start) | u8::from(mark.grows) << 1);
                    }
                }
                Content::Counter(sum) => write_zigzag(&mut self.out, *sum),
                Content::Set(values) => {
                    self.out.varint(values.len() as u64);
                    values.iter().for_each(|value| self.out.blob(value));
                }
                Content::Tree(nodes) => {
                    self.out.varint(nodes.len() as u64);
                    for node in nodes {
                        self.dots(&[node.node, node.edge]);
                        self.option(node.parent);
                        self.out.blob(node.index.as_bytes());
                        self.option(node.data);
                        self.out.push(u8::from(node.is_ghost));
                    }
                }
                Content::Graph(items) => {
                    self.out.varint(items.len() as u64);
                    for item in items {
                        self.dot(item.id);
                        self.option(item.ends.map(|(from, _)| from));
                        self.option(item.ends.map(|(_, to)| to));
                        self.option(item.data);
                        self.out.push(u8::from(item.is_ghost));
                    }
                }
            }
        }
    }
}

struct Decoding<'b> {
    reader: Reader<'b>,
    document: &'b Document,
    /// None: one of whom this document hasn't heard.
    agents: Vec<Option<u32>>,
    containers: Vec<u32>,
}

type Read<T> = Result<T, DecodeError>;

/// The highest number of a container that isn't here; the others follow downwards.
const NOWHERE: u32 = u32::MAX - 1;

impl<'b> Decoding<'b> {
    /// The author's agents, and the stack.
    fn stack(&mut self) -> Read<(Vec<u64>, Stack)> {
        if self.reader.u8("an undo stack")? != FORMAT {
            return Err(self.reader.error("an undo stack of format 1", "another format"));
        }
        let mut read = || -> Read<Vec<u64>> {
            let n = self.reader.count("a count of agents")?;
            (0..n).map(|_| self.reader.u64_le("an agent")).collect()
        };
        let (ids, mine) = (read()?, read()?);
        let document = self.document;
        self.agents = ids.into_iter().map(|id| document.agents.find(id)).collect();
        let n = self.reader.count("a count of containers")?;
        let mut depths: Vec<u32> = Vec::new();
        for i in 0..n {
            let gone = NOWHERE - i as u32;
            let (found, depth) = match self.reader.u8("a container")? {
                0 => (gone, 0),
                1 => (ROOT, 0),
                2 => {
                    let parent = self.reader.varint("a container above")? as usize;
                    let above = self.containers.get(parent).copied().zip(depths.get(parent));
                    let Some((parent, &depth)) = above.filter(|(_, &depth)| depth < MAX_DEPTH) else {
                        return Err(self
                            .reader
                            .error("a container above it, named before", "another number"));
                    };
                    let key = self.key()?;
                    let kind = self.kind()?;
                    let generation = self.dot()?;
                    let found = document.containers.find(parent, &key, kind, generation);
                    let found = found.filter(|&found| document.containers.live(found).is_ok());
                    (found.unwrap_or(gone), depth + 1)
                }
                _ => return Err(self.reader.error("a container", "another tag")),
            };
            self.containers.push(found);
            depths.push(depth);
        }
        let n = self.reader.count("a count of scopes")?;
        if n > MAX_UNDO_SCOPES {
            return Err(self.reader.error("at most 64 scopes", "more"));
        }
        let mut scopes = Vec::new();
        for _ in 0..n {
            let container = self.container()?;
            let keys = self.many("a count of keys", Self::name)?;
            if keys.len() > MAX_DEPTH as usize {
                return Err(self.reader.error("at most 128 keys", "more"));
            }
            scopes.push(UndoScope { container, keys });
        }
        let undo = self.steps()?;
        let redo = self.steps()?;
        self.reader.finish()?;
        let stack = Stack {
            scopes,
            undo: undo.into(),
            redo: redo.into(),
            ..Stack::default()
        };
        Ok((mine, stack))
    }

    fn steps(&mut self) -> Read<Vec<Step>> {
        let n = self.reader.count("a count of steps")?;
        if n > MAX_UNDO_STEPS + 1 {
            return Err(self.reader.error("at most 1000 steps", "more"));
        }
        let mut steps = Vec::new();
        let mut weight = 0;
        for _ in 0..n {
            let meta = self.reader.blob("a label")?;
            if meta.len() > MAX_UNDO_META_BYTES {
                return Err(self.reader.error("a label of at most 4096 bytes", "a longer one"));
            }
            if !meta.is_empty() {
                check_value(meta)?;
            }
            let entries = self.many("a count of edits", |read| {
                let container = read.container()?;
                let edit = read.edit()?;
                Ok(Entry { container, edit })
            })?;
            let mut step = Step {
                entries,
                meta: meta.into(),
                weight: 0,
            };
            step.weigh();
            weight += step.weight;
            if weight > 2 * MAX_UNDO_BYTES {
                return Err(self.reader.error("steps of at most 16 MiB", "longer ones"));
            }
            steps.push(step);
        }
        Ok(steps)
    }

    /// So many as the count before them says. Each takes a byte at least, so the input bounds them.
    fn many<T>(&mut self, what: &'static str, mut one: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let n = self.reader.count(what)?;
        let mut all = Vec::new();
        for _ in 0..n {
            all.push(one(self)?);
        }
        Ok(all)
    }

    fn dot(&mut self) -> Read<Dot> {
        let number = self.reader.varint("an agent")?;
        let Some(at) = number.checked_sub(1) else {
            return Ok(Dot::NONE);
        };
        let agent = self.agents.get(at as usize).copied();
        let agent = agent.ok_or_else(|| self.reader.error("an agent of the table", "another number"))?;
        let seq = self.reader.u32("a seq")?;
        let dot = agent.map(|agent| Dot { agent, seq });
        // So what an undo makes never has a name that a step has already.
        let dot = dot.filter(|&dot| dot.is_some() && self.document.version.covers(dot));
        dot.ok_or_else(|| self.reader.error("an operation that this document has", "another one"))
    }

    /// A dot, and that so many may follow it.
    fn range(&mut self, first: Dot, len: usize) -> Read<()> {
        let last = u64::from(first.seq) + len as u64;
        if first.is_some() && len > 0 && last <= u64::from(MAX_SEQ) {
            return Ok(());
        }
        Err(self.reader.error("a range of operations", "another range"))
    }

    fn some(&mut self) -> Read<Dot> {
        let dot = self.dot()?;
        if dot.is_some() {
            return Ok(dot);
        }
        Err(self.reader.error("an operation", "none"))
    }

    fn dots(&mut self) -> Read<Vec<Dot>> {
        self.many("a count of operations", Self::dot)
    }

    fn named<const N: usize>(&mut self) -> Read<[Dot; N]> {
        let dots = self.dots()?;
        dots.try_into().map_err(|_| {
            self.reader
                .error("as many operations as the edit names", "another count")
        })
    }

    fn container(&mut self) -> Read<u32> {
        let number = self.reader.varint("a container")? as usize;
        let found = self.containers.get(number).copied();
        found.ok_or_else(|| self.reader.error("a container of the table", "another number"))
    }

    fn kind(&mut self) -> Read<Kind> {
        let number = self.reader.u8("a kind")?;
        Kind::from_number(number).ok_or_else(|| self.reader.error("a kind", "another number"))
    }

    fn name(&mut self) -> Read<Rc<str>> {
        let name = self.reader.str("a key")?;
        if name.len() > MAX_KEY_BYTES {
            return Err(self.reader.error("a key of at most 1024 bytes", "a longer one"));
        }
        Ok(name.into())
    }

    fn key(&mut self) -> Read<Key> {
        match self.flag("a key's kind")? {
            false => self.name().map(Key::Name),
            true => self.some().map(Key::Element),
        }
    }

    fn flag(&mut self, what: &'static str) -> Read<bool> {
        match self.reader.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.reader.error(what, "another number")),
        }
    }

    fn plain(&mut self) -> Read<Box<[u8]>> {
        let value = self.reader.blob("a value")?;
        check_plain(value)?;
        Ok(value.into())
    }

    fn value(&mut self, parts: usize) -> Read<Val> {
        match self.reader.u8("what a slot held")? {
            0 => Ok(Val::Nothing),
            1 => self.plain().map(Val::Plain),
            2 => {
                let part = self.reader.u32("a part")?;
                if part as usize >= parts {
                    return Err(self.reader.error("a part of the copy", "another number"));
                }
                Ok(Val::Child(part))
            }
            _ => Err(self.reader.error("what a slot held", "another tag")),
        }
    }

    fn option(&mut self, below: usize) -> Read<Option<u32>> {
        let number = self.reader.u32("a number or none")?;
        match number.checked_sub(1) {
            Some(number) if number as usize >= below => Err(self.reader.error("a number of the copy", "another one")),
            number => Ok(number),
        }
    }

    fn seat(&mut self) -> Read<Seat> {
        match self.flag("where it stood")? {
            false => self.some().map(Seat::On),
            true => self.dot().map(Seat::Behind),
        }
    }

    fn gap(&mut self) -> Read<Gap> {
        match self.reader.u8("a gap")? {
            0 => Ok(Gap::Start),
            1 => self.some().map(Gap::Before),
            2 => self.some().map(Gap::After),
            3 => Ok(Gap::End),
            _ => Err(self.reader.error("a gap", "another number")),
        }
    }

    fn units<T: FromIterator<u16>>(&mut self) -> Read<T> {
        let n = self.reader.count("a count of units")?;
        let unit = |_| {
            let unit = self.reader.varint("a unit")?;
            u16::try_from(unit).map_err(|_| self.reader.error("a unit of 16 bits", "a larger number"))
        };
        (0..n).map(unit).collect()
    }

    fn edit(&mut self) -> Read<Edit> {
        Ok(match self.reader.u8("an edit")? {
            0 => Edit::Inserted {
                ranges: self.many("a count of ranges", |read| {
                    let first = read.some()?;
                    let len = read.reader.u32("a length")?;
                    read.range(first, len as usize)?;
                    Ok((first, len))
                })?,
                kept: self.dots()?,
            },
            1 => Edit::CutText(self.many("a count of cuts", |read| {
                let first = read.some()?;
                let seat = read.seat()?;
                let units: std::collections::VecDeque<u16> = read.units()?;
                read.range(first, units.len())?;
                if let Seat::On(unit) = seat {
                    read.range(unit, units.len())?;
                }
                Ok(Cut { first, seat, units })
            })?),
            2 => {
                let copies = self.copies()?;
                let parts = copies.parts.len();
                let cuts = self.many("a count of elements", |read| {
                    Ok(CutElement {
                        element: read.some()?,
                        seat: read.seat()?,
                        write: read.dot()?,
                        value: read.value(parts)?,
                    })
                })?;
                let tops = cuts.iter().filter_map(|cut| child(&cut.value));
                self.named_once(&copies, tops)?;
                Edit::CutElements(cuts, copies)
            }
            3 => {
                let copies = self.copies()?;
                let key = self.key()?;
                let [mine, was] = self.named()?;
                let before = self.value(copies.parts.len())?;
                self.named_once(&copies, child(&before).into_iter())?;
                Edit::Wrote {
                    key,
                    mine,
                    was,
                    before,
                    copies,
                    kept: self.flag("whether it stays")?,
                }
            }
            4 => Edit::Counted(self.reader.zigzag("an amount")?),
            5 => Edit::Added(self.plain()?),
            6 => Edit::Taken(self.plain()?),
            7 => {
                let [element, mine, was] = self.named()?;
                Edit::Moved { element, mine, was }
            }
            8 => Edit::Marked {
                key: self.name()?,
                value: self.plain()?,
                pieces: self.many("a count of ranges", |read| {
                    Ok(((read.gap()?, read.gap()?), read.plain()?))
                })?,
            },
            9 => {
                let [node, mine, was, parent] = self.named()?;
                Edit::Hung {
                    node,
                    mine,
                    was,
                    parent,
                    index: self.index()?,
                    hidden: self.flag("whether it was hidden")?,
                }
            }
            10 => Edit::Created {
                id: self.some()?,
                known: self.dots()?,
                kept: self.flag("whether it stays")?,
            },
            11 => {
                let [node, edge, parent] = self.named()?;
                Edit::CutNode {
                    node,
                    edge,
                    parent,
                    index: self.index()?,
                    data: self.data()?,
                }
            }
            12 => {
                let [id, from, to] = self.named()?;
                Edit::CutItem {
                    id,
                    ends: from.is_some().then_some((from, to)),
                    edges: self.many("a count of edges", |read| {
                        let [edge, from, to] = read.named()?;
                        Ok((edge, from, to))
                    })?,
                    data: self.data()?,
                }
            }
            _ => return Err(self.reader.error("an edit", "another tag")),
        })
    }

    fn index(&mut self) -> Read<Rc<str>> {
        let index = self.reader.str("a fractional index")?;
        if crate::fractional_index(Some(index), None, 0, 0) == Err(FractionalIndexError::Invalid) {
            return Err(self.reader.error("a fractional index", "another string"));
        }
        Ok(index.into())
    }

    fn copies(&mut self) -> Read<Copied> {
        let parts = self.reader.count("a count of parts")?;
        let start = self.reader.offset();
        let is_shared = self.flag("whether it is shared")?;
        let mut copies = Copied::default();
        for _ in 0..parts {
            let of = self.container()?;
            let kind = self.kind()?;
            let content = self.content(kind, parts)?;
            copies.parts.push(Part { of, content });
        }
        copies.is_shared = is_shared;
        copies.bytes = (self.reader.offset() - start) * 2 + parts * 64;
        Ok(copies)
    }

    /// The map of a node or an edge.
    fn data(&mut self) -> Read<Copied> {
        let copies = self.copies()?;
        let is_map = copies.parts.first().is_none_or(|part| part.content.kind() == Kind::Map);
        if !is_map {
            return Err(self.reader.error("a map", "another container"));
        }
        self.named_once(&copies, (!copies.is_empty()).then_some(0).into_iter())?;
        Ok(copies)
    }

    /// Each part is named once at most, and behind the part that names it: or making them anew would have no end.
    fn named_once(&mut self, copies: &Copied, tops: impl Iterator<Item = u32>) -> Read<()> {
        let mut named = vec![false; copies.parts.len()];
        let within = (copies.parts.iter().zip(0..)).flat_map(|(part, at)| {
            let below = below(&part.content).into_iter();
            below.map(move |named| (named, named > at))
        });
        for (part, is_behind) in tops.map(|top| (top, true)).chain(within) {
            if !is_behind || std::mem::replace(&mut named[part as usize], true) {
                return Err(self.reader.error("parts that are named once, in their order", "others"));
            }
        }
        Ok(())
    }

    fn content(&mut self, kind: Kind, parts: usize) -> Read<Content> {
        Ok(match kind {
            Kind::Map => Content::Map {
                entries: self.many("a count of keys", |read| {
                    Ok((read.name()?, read.dot()?, read.value(parts)?))
                })?,
                deleted: self.dots()?,
            },
            Kind::List => Content::List(self.many("a count of elements", |read| {
                let [element, unit, write] = read.named()?;
                let value = match read.flag("whether it is there")? {
                    true => Some(read.value(parts)?),
                    false => None,
                };
                Ok(Item {
                    element,
                    unit,
                    write,
                    value,
                })
            })?),
            Kind::Text => {
                let runs = self.many("a count of runs", |read| {
                    let first = read.some()?;
                    let len = read.reader.varint("a length")?;
                    let n = u32::try_from(len >> 1).map_err(|_| read.reader.error("a length", "a longer one"))?;
                    read.range(first, n as usize)?;
                    Ok((first, n, len & 1 == 1))
                })?;
                let units: Vec<u16> = self.units()?;
                let total: u64 = runs.iter().map(|&(_, len, _)| u64::from(len)).sum();
                if total != units.len() as u64 {
                    return Err(self.reader.error("as many units as the runs have", "another count"));
                }
                let marks = self.many("a count of marks", |read| {
                    let (from, to) = (read.reader.u32("an index")?, read.reader.u32("an index")?);
                    if from > to || u64::from(to) > total {
                        return Err(read.reader.error("a range of the text", "another range"));
                    }
                    let (key, value) = (read.name()?, read.plain()?);
                    let flags = read.reader.u8("how it grows")?;
                    Ok(CopiedMark {
                        from,
                        to,
                        key,
                        value,
                        from_start: flags & 1 != 0,
                        grows: flags & 2 != 0,
                    })
                })?;
                Content::Text { runs, units, marks }
            }
            Kind::Counter => Content::Counter(self.reader.zigzag("a sum")?),
            Kind::Set => Content::Set(self.many("a count of values", Self::plain)?),
            Kind::Tree => {
                let mut number = 0;
                Content::Tree(self.many("a count of nodes", |read| {
                    let [node, edge] = read.named()?;
                    let parent = read.option(number)?;
                    number += 1;
                    Ok(CopiedNode {
                        node,
                        edge,
                        parent,
                        index: read.index()?,
                        data: read.option(parts)?,
                        is_ghost: read.flag("whether it is there")?,
                    })
                })?)
            }
            Kind::Graph => {
                let mut number = 0;
                Content::Graph(self.many("a count of nodes and edges", |read| {
                    let id = read.some()?;
                    let ends = read.option(number)?.zip(read.option(number)?);
                    number += 1;
                    Ok(CopiedItem {
                        id,
                        ends,
                        data: read.option(parts)?,
                        is_ghost: read.flag("whether it is there")?,
                    })
                })?)
            }
        })
    }
}

fn child(value: &Val) -> Option<u32> {
    match value {
        Val::Child(part) => Some(*part),
        _ => None,
    }
}

/// The parts that one names.
fn below(content: &Content) -> Vec<u32> {
    match content {
        Content::Map { entries, .. } => entries.iter().filter_map(|(.., value)| child(value)).collect(),
        Content::List(items) => items.iter().filter_map(|item| child(item.value.as_ref()?)).collect(),
        Content::Tree(nodes) => nodes.iter().filter_map(|node| node.data).collect(),
        Content::Graph(items) => items.iter().filter_map(|item| item.data).collect(),
        _ => Vec::new(),
    }
}
