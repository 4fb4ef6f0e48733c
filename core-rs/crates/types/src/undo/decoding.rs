//! Undo stacks from bytes that `encoding.rs` wrote, or from any others: all are read and checked before anything changes. Every name
//! has to be an operation that the document has, so what an undo makes is never called as something that a step names already.

use super::copy::{Content, Copied, CopiedItem, CopiedMark, CopiedNode, Item, Part, Val};
use super::encoding::FORMAT;
use super::rename::Table;
use super::step::{Cut, CutElement, Edit, Entry, Seat, Step, THEIRS};
use super::{Stack, UndoScope, MAX_UNDO_BYTES, MAX_UNDO_META_BYTES, MAX_UNDO_SCOPES, MAX_UNDO_STEPS};
use crate::container::{Key, Kind, ROOT};
use crate::document::{Document, MAX_DEPTH, MAX_KEY_BYTES};
use crate::error::Error;
use crate::fractional_index::FractionalIndexError;
use crate::operation::check_plain;
use crate::sequence::Gap;
use joinery_codec::{check_value, DecodeError, Reader};
use joinery_history::{Dot, MAX_SEQ};
use std::rc::Rc;

impl Document {
    /// A stack from bytes that [`Document::undo_encode`] gave; its number. It goes on recording. On an error nothing has changed.
    pub fn undo_decode(&mut self, bytes: &[u8]) -> Result<u32, Error> {
        let mut decoding = Decoding {
            reader: Reader::new(bytes),
            document: self,
            agents: Vec::new(),
            containers: Vec::new(),
        };
        let (mine, [named, brought], mut stack) = decoding.stack().map_err(Error::InvalidUndo)?;
        let mine: Vec<u32> = mine.into_iter().filter_map(|id| self.agents.find(id)).collect();
        stack.bytes = stack.steps_mut().map(|step| step.weight).sum();
        stack.bound();
        let number = self.undo.add(stack)?;
        mine.into_iter().for_each(|agent| self.undo.add_mine(agent));
        self.undo.named.note_all(named);
        self.undo.brought.note_all(brought);
        Ok(number)
    }
}

struct Decoding<'b> {
    reader: Reader<'b>,
    document: &'b mut Document,
    /// None: one of whom this document hasn't heard.
    agents: Vec<Option<u32>>,
    containers: Vec<u32>,
}

type Read<T> = Result<T, DecodeError>;

/// The author's agents, his operations that a trim named, those that bring back others', and the stack.
type Found = (Vec<u64>, [Vec<(Dot, u32)>; 2], Stack);

/// The highest number of a container that isn't here; the others follow downwards.
const NOWHERE: u32 = u32::MAX - 1;

impl<'b> Decoding<'b> {
    fn stack(&mut self) -> Read<Found> {
        if self.reader.u8("an undo stack")? != FORMAT {
            return Err(self.reader.error("an undo stack of format 4", "another format"));
        }
        let mut read = || -> Read<Vec<u64>> {
            let n = self.reader.count("a count of agents")?;
            (0..n).map(|_| self.reader.u64_le("an agent")).collect()
        };
        let (ids, mine) = (read()?, read()?);
        let document = &*self.document;
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
                    let found = self.document.containers.named(parent, &key, kind, generation);
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
        let whose = [self.ranges()?, self.ranges()?];
        let undo = self.steps()?;
        let redo = self.steps()?;
        self.reader.finish()?;
        let stack = Stack {
            scopes,
            undo: undo.into(),
            redo: redo.into(),
            ..Stack::default()
        };
        Ok((mine, whose, stack))
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
        let Some(at) = number.checked_sub(2) else {
            return Ok(if number == 0 { Dot::NONE } else { THEIRS });
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
        if len > 0 && last <= u64::from(MAX_SEQ) {
            return Ok(());
        }
        Err(self.reader.error("a range of operations", "another range"))
    }

    fn ranges(&mut self) -> Read<Vec<(Dot, u32)>> {
        self.many("a count of ranges", |read| {
            let first = read.some()?;
            let len = read.reader.u32("a length")?;
            read.range(first, len as usize)?;
            Ok((first, len))
        })
    }

    fn some(&mut self) -> Read<Dot> {
        let dot = self.dot()?;
        if dot.agent < THEIRS.agent {
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
            true => match self.dot()? {
                THEIRS => Err(self.reader.error("a unit", "an operation without a name")),
                unit => Ok(Seat::Behind(unit)),
            },
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
            0 => Edit::Inserted(self.ranges()?),
            1 => Edit::CutText(self.many("a count of cuts", |read| {
                // None: its name was lost with an epoch.
                let first = read.dot()?;
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
                        element: read.dot()?,
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
                }
            }
            4 => Edit::Counted(self.reader.zigzag("an amount")?),
            5 => Edit::Added(self.plain()?),
            6 => Edit::Taken(self.plain()?, self.flag("whose it was")?),
            7 => {
                let [element, mine, was] = self.named()?;
                Edit::Moved { element, mine, was }
            }
            8 => Edit::Marked {
                key: self.name()?,
                value: self.plain()?,
                pieces: self.many("a count of ranges", |read| {
                    Ok(((read.gap()?, read.gap()?), read.plain()?, read.flag("whose it was")?))
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
                    hidden: match self.flag("whether it was hidden")? {
                        true => Some(self.ranges().map(Table::of)?),
                        false => None,
                    },
                }
            }
            10 => Edit::Created {
                id: self.some()?,
                known: self.ranges().map(Table::of)?,
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
        let mut copies = Copied::default();
        for _ in 0..parts {
            let of = self.container()?;
            let kind = self.kind()?;
            let content = self.content(kind, parts)?;
            copies.parts.push(Part { of, content });
        }
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
                    let first = read.dot()?;
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
                        theirs: flags & 4 != 0,
                    })
                })?;
                Content::Text { runs, units, marks }
            }
            Kind::Counter => Content::Counter(self.reader.zigzag("a sum")?, self.flag("whose it was")?),
            Kind::Set => Content::Set(self.many("a count of values", |read| {
                Ok((read.plain()?, read.flag("whose it was")?))
            })?),
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
                    let id = read.dot()?;
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
