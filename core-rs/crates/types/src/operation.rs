//! Reads an envelope's payload: the mirror of `outbox.rs`. Total, and it touches no document: what the operations refer to
//! is checked afterwards, still before anything is changed, by `apply.rs`.

use crate::container::{KeyRef, Kind};
use crate::cut::{NODES, TEXT};
use crate::fractional_index::{fractional_index, FractionalIndexError};
use crate::outbox::op;
use crate::sequence::{Anchor, Gap, Side};
use joinery_codec::{check_value, skip_value, DecodeError, Reader, MAX_VALUE_BYTES};
use joinery_history::{Agents, Dot, EnvelopeHeader, Stamp, MAX_SEQ};

/// A written value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// Nothing.
    Deleted,
    /// Packed.
    Plain(&'a [u8]),
    /// A container of this kind and generation.
    Child(Kind, Dot),
}

/// One operation, or a stretch of like ones, with its first dot.
#[derive(Debug, Clone, PartialEq)]
pub enum Action<'a> {
    /// Names a container: the number it gets is the count of those named before.
    Name {
        parent: u32,
        key: KeyRef<'a>,
        kind: Kind,
        generation: Dot,
    },
    /// Names the text that has a unit: all that an envelope says of a container where its first operation is about a unit.
    Find { tag: u8, unit: Dot },
    /// Inserts characters: UTF-8, and how many UTF-16 units that is.
    InsertText { anchor: Anchor, text: &'a [u8] },
    /// Inserts elements.
    InsertElements { anchor: Anchor, values: Vec<ValueRef<'a>> },
    /// Moves an element of the list: where its new unit hangs.
    Move { anchor: Anchor, element: Dot, stamp: Stamp },
    /// Deletes a range of units. With a step, unit k is deleted by the k-th dot (from the back where it is negative).
    DeleteRange { first: Dot, len: u32, step: i8 },
    /// Deletes ranges at once.
    DeleteRanges(Vec<(Dot, u32)>),
    /// Writes a slot of the map or list.
    Write {
        key: KeyRef<'a>,
        stamp: Stamp,
        value: ValueRef<'a>,
        ends: Vec<(Kind, Dot)>,
    },
    /// Creates a tree's node.
    CreateNode { parent: Dot, index: &'a str, stamp: Stamp },
    /// Moves a tree's node.
    MoveNode {
        node: Dot,
        parent: Dot,
        index: &'a str,
        stamp: Stamp,
    },
    /// Adds a node to the graph.
    AddNode,
    /// Adds an edge to the graph.
    AddEdge { from: Dot, to: Dot },
    /// Adds to the counter.
    Count(i64),
    /// Adds a value to the set.
    Add(&'a [u8]),
    /// Removes a value from the set: each of these adds and its agent's earlier ones.
    Remove(&'a [u8], Vec<Dot>),
    /// Marks what is between two gaps of the text; null takes the key off.
    Mark {
        start: Gap,
        end: Gap,
        key: &'a str,
        value: &'a [u8],
        stamp: Stamp,
    },
}

/// An action, its first seq and how many seqs it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation<'a> {
    /// The first seq.
    pub seq: u32,
    /// How many; 0 for [`Action::Name`] and [`Action::Find`].
    pub len: u32,
    /// The container it is done in, by number (0 is the root); of [`Action::Name`] and [`Action::Find`] the one that it names.
    pub at: usize,
    /// What is done.
    pub action: Action<'a>,
}

/// An agent that the document has never heard of: no dot of it can be here.
pub const UNKNOWN_AGENT: u32 = u32::MAX - 1;

/// What is noted while a payload is read, kept from one to the next so that a short one needs no allocation.
#[derive(Default)]
pub struct PayloadNotes {
    agents: Vec<u32>,
    containers: Vec<Kind>,
}

impl PayloadNotes {
    /// For how many agents, and containers, there is room.
    pub fn room(&self) -> usize {
        self.agents.capacity().max(self.containers.capacity())
    }
}

struct PayloadReader<'a, 'd> {
    reader: Reader<'a>,
    stamps: Reader<'a>,
    last_stamp: Option<Stamp>,
    header: &'d EnvelopeHeader,
    agents: &'d Agents,
    own: u32,
    notes: &'d mut PayloadNotes,
    selected: usize,
    seq: u32,
    tail: Dot,
}

/// Reads the payload behind a header. `own` is the number that the header's agent has (or will have) in the document.
pub fn read_payload<'a>(
    reader: Reader<'a>,
    header: &EnvelopeHeader,
    agents: &Agents,
    own: u32,
) -> Result<Vec<Operation<'a>>, DecodeError> {
    let mut operations = Vec::new();
    read_payload_into(
        reader,
        header,
        (agents, own),
        &mut PayloadNotes::default(),
        &mut operations,
    )?;
    Ok(operations)
}

/// The same, into a list that is empty at first.
pub fn read_payload_into<'a>(
    reader: Reader<'a>,
    header: &EnvelopeHeader,
    (agents, own): (&Agents, u32),
    notes: &mut PayloadNotes,
    operations: &mut Vec<Operation<'a>>,
) -> Result<(), DecodeError> {
    let mut reader = reader;
    let stamps = if header.stamp.is_some() {
        reader.blob("the stamps")?
    } else {
        &[]
    };
    notes.agents.clear();
    notes.containers.clear();
    notes.containers.push(Kind::Map);
    let mut payload = PayloadReader {
        reader,
        stamps: Reader::new(stamps),
        last_stamp: None,
        header,
        agents,
        own,
        notes,
        selected: 0,
        seq: header.from + 1,
        tail: Dot::NONE,
    };
    while !payload.reader.is_empty() {
        let seq = payload.seq;
        let first = payload.reader.u8("an operation")?;
        if first & 0x0f == op::SELECT {
            payload.select()?;
            continue;
        }
        let finds = operations.is_empty() && matches!(first & 0x0f, op::INSERT | op::DELETE);
        let tag = if finds {
            // Such an envelope is about a text.
            Kind::read(Kind::Text as u8, &payload.reader)?;
            payload.notes.containers.push(Kind::Text);
            payload.selected = 1;
            payload.reader.u8("a text's tag")?
        } else {
            0
        };
        let (len, action) = payload.action(first)?;
        let next = seq.checked_add(len).filter(|&next| next - 1 <= header.to);
        payload.seq = next.ok_or_else(|| payload.error("as many operations as the header states", "more"))?;
        let at = payload.selected;
        if finds {
            let unit = match action {
                Action::InsertText { anchor, .. } => anchor.parent,
                Action::DeleteRange { first, .. } => first,
                _ => Dot::NONE,
            };
            if !unit.is_some() {
                return Err(payload.error("an operation about one unit, or the name of a container", "neither"));
            }
            let action = Action::Find { tag, unit };
            operations.push(Operation {
                seq,
                len: 0,
                at,
                action,
            });
        }
        operations.push(Operation { seq, len, at, action });
    }
    if payload.seq != header.to + 1 {
        return Err(payload.error("as many operations as the header states", "fewer"));
    }
    if payload.last_stamp != header.stamp || !payload.stamps.is_empty() {
        return Err(payload.error("the stamps that the header states", "others"));
    }
    Ok(())
}

impl<'a> PayloadReader<'a, '_> {
    fn error(&self, expected: &'static str, found: &'static str) -> DecodeError {
        self.reader.error(expected, found)
    }

    fn select(&mut self) -> Result<(), DecodeError> {
        let number = self.reader.u32("a container's number")? as usize;
        if number >= self.notes.containers.len() {
            return Err(self.error("a container named before", "another number"));
        }
        self.selected = number;
        self.tail = Dot::NONE;
        Ok(())
    }

    fn action(&mut self, first: u8) -> Result<(u32, Action<'a>), DecodeError> {
        let kind = self.notes.containers[self.selected];
        match (first & 0x0f, kind) {
            (op::NAME, _) => Ok((0, self.name(first)?)),
            (op::INSERT, Kind::Text | Kind::List) => self.insert(first, kind),
            (op::DELETE, Kind::Text | Kind::List) => self.delete(first),
            (op::MOVE, Kind::List) => {
                let anchor = self.anchor(first)?;
                self.tail = Dot {
                    agent: self.own,
                    seq: self.seq,
                };
                let (element, stamp) = (self.some_dot()?, self.stamp()?);
                Ok((1, Action::Move { anchor, element, stamp }))
            }
            (op::WRITE_KEY, Kind::Map) | (op::WRITE_ELEMENT, Kind::List) => Ok((1, self.write(first)?)),
            (op::INSERT, Kind::Tree) if NODES => Ok((1, self.create_node(first)?)),
            (op::WRITE_ELEMENT, Kind::Tree) if NODES => Ok((1, self.move_node(first)?)),
            (op::INSERT, Kind::Graph) if NODES => Ok((1, self.add_to_graph(first)?)),
            (op::DELETE, Kind::Tree | Kind::Graph) if NODES => Ok((1, self.delete_node(first)?)),
            (op::COUNT, Kind::Counter) => Ok((1, Action::Count(self.reader.zigzag("an amount")?))),
            (op::ADD, Kind::Set) => Ok((1, Action::Add(skip_value(&mut self.reader)?))),
            (op::REMOVE, Kind::Set) => {
                let value = skip_value(&mut self.reader)?;
                let n = self.reader.count("a count of adds")?;
                let adds = (0..n).map(|_| self.some_dot()).collect::<Result<_, _>>()?;
                Ok((1, Action::Remove(value, adds)))
            }
            (op::MARK, Kind::Text) if TEXT => Ok((1, self.mark(first)?)),
            _ => Err(self.error("an operation of this kind of container", "another operation")),
        }
    }

    /// A dot, or [`Dot::NONE`].
    fn dot(&mut self) -> Result<Dot, DecodeError> {
        let number = self.reader.u32("an agent's number")?;
        let agent = match number {
            0 => return Ok(Dot::NONE),
            1 => self.own,
            n => {
                let at = n as usize - 2;
                if at == self.notes.agents.len() {
                    let id = self.reader.u64_le("an agent")?;
                    self.notes.agents.push(self.agents.find(id).unwrap_or(UNKNOWN_AGENT));
                }
                *self
                    .notes
                    .agents
                    .get(at)
                    .ok_or_else(|| self.error("an agent named before", "another number"))?
            }
        };
        let seq = self.reader.u32("a seq")?;
        if seq == 0 || seq > MAX_SEQ || (agent == self.own && seq > self.header.to) {
            return Err(self.error("a seq that exists", "another number"));
        }
        Ok(Dot { agent, seq })
    }

    fn some_dot(&mut self) -> Result<Dot, DecodeError> {
        let dot = self.dot()?;
        if dot.is_some() {
            Ok(dot)
        } else {
            Err(self.error("a dot", "none"))
        }
    }

    fn kind(&mut self) -> Result<Kind, DecodeError> {
        let number = self.reader.u8("a kind")?;
        Kind::read(number, &self.reader)
    }

    fn name(&mut self, first: u8) -> Result<Action<'a>, DecodeError> {
        let kind = Kind::read(first >> 4 & 7, &self.reader)?;
        let detail = if first & 0x80 == 0 {
            0
        } else {
            self.reader.u8("a detail byte")?
        };
        if detail & !(op::IN_ELEMENT | op::NESTED | op::GENERATION) != 0 || (first & 0x80 != 0 && detail == 0) {
            return Err(self.error("known details", "others"));
        }
        let parent = if detail & op::NESTED == 0 {
            0
        } else {
            self.reader.u32("a container's number")?
        };
        let parent_kind = self.notes.containers.get(parent as usize).copied();
        let (key, expected_parent) = if detail & op::IN_ELEMENT == 0 {
            (KeyRef::Name(self.reader.str("a key")?), Kind::Map)
        } else {
            (KeyRef::Element(self.some_dot()?), Kind::List)
        };
        let in_node = detail & op::IN_ELEMENT != 0 && parent_kind.is_some_and(Kind::has_nodes);
        if parent_kind != Some(expected_parent) && !in_node {
            return Err(self.error("a parent of the key's kind, named before", "another"));
        }
        if in_node && (kind != Kind::Map || detail & op::GENERATION != 0) {
            return Err(self.error("a node's map", "another container"));
        }
        let generation = if detail & op::GENERATION == 0 {
            Dot::NONE
        } else {
            self.some_dot()?
        };
        self.notes.containers.push(kind);
        self.selected = self.notes.containers.len() - 1;
        self.tail = Dot::NONE;
        Ok(Action::Name {
            parent,
            key,
            kind,
            generation,
        })
    }

    /// Where the units hang that an operation makes.
    fn anchor(&mut self, first: u8) -> Result<Anchor, DecodeError> {
        let side = if first & 0x40 == 0 { Side::Right } else { Side::Left };
        let parent = match first >> 4 & 3 {
            op::START => Dot::NONE,
            op::CHAIN => self.tail,
            op::OWN => {
                let back = self.reader.u32("a distance")?;
                let seq = self.seq.checked_sub(back).filter(|&seq| seq > 0 && back > 0);
                let seq = seq.ok_or_else(|| self.error("an earlier unit", "another distance"))?;
                Dot { agent: self.own, seq }
            }
            _ => self.some_dot()?,
        };
        let at_start = first >> 4 & 3 == op::START;
        if parent.is_some() == at_start || (at_start && side == Side::Left) || first & 0x80 != 0 {
            return Err(self.error("a unit to hang on", "none"));
        }
        Ok(Anchor { parent, side })
    }

    fn insert(&mut self, first: u8, kind: Kind) -> Result<(u32, Action<'a>), DecodeError> {
        let anchor = self.anchor(first)?;
        let (len, action) = if TEXT && kind == Kind::Text {
            let text = self.reader.str("text")?;
            let units = if text.is_ascii() {
                text.len()
            } else {
                text.encode_utf16().count()
            };
            (
                units,
                Action::InsertText {
                    anchor,
                    text: text.as_bytes(),
                },
            )
        } else {
            let n = self.reader.count("a count of elements")?;
            let values = (0..n).map(|_| self.element()).collect::<Result<Vec<_>, _>>()?;
            (n, Action::InsertElements { anchor, values })
        };
        if len == 0 {
            return Err(self.error("something to insert", "nothing"));
        }
        // The header's range bounds it; the caller checks the sum.
        let len = u32::try_from(len).map_err(|_| self.error("fewer units", "too many"))?;
        let tail = self
            .seq
            .checked_add(len - 1)
            .ok_or_else(|| self.error("fewer units", "too many"))?;
        self.tail = Dot {
            agent: self.own,
            seq: tail,
        };
        Ok((len, action))
    }

    fn element(&mut self) -> Result<ValueRef<'a>, DecodeError> {
        let mut ahead = self.reader.clone();
        let tag = ahead.u8("an element")?;
        if tag & 0xf0 == 0x10 {
            self.reader = ahead;
            let kind = Kind::read(tag & 0x0f, &self.reader)?;
            return Ok(ValueRef::Child(kind, Dot::NONE));
        }
        Ok(ValueRef::Plain(skip_value(&mut self.reader)?))
    }

    fn delete(&mut self, first: u8) -> Result<(u32, Action<'a>), DecodeError> {
        let how = first >> 4 & 3;
        if how == op::RANGES {
            if first & 0xc0 != 0 {
                return Err(self.error("no flags", "flags"));
            }
            let n = self.reader.count("a count of ranges")?;
            let mut ranges = Vec::new();
            for _ in 0..n {
                let dot = self.some_dot()?;
                let len = self.reader.u32("a length")?;
                ranges.push((dot, self.range(dot, len)?));
            }
            return Ok((1, Action::DeleteRanges(ranges)));
        }
        let target = if first & 0x40 != 0 {
            let back = self.reader.u32("a distance")?;
            let seq = self.seq.checked_sub(back).filter(|&seq| seq > 0 && back > 0);
            Dot {
                agent: self.own,
                seq: seq.ok_or_else(|| self.error("an earlier unit", "another distance"))?,
            }
        } else {
            self.some_dot()?
        };
        let len = if first & 0x80 == 0 {
            1
        } else {
            self.reader.u32("a length")?
        };
        let len = self.range(target, len)?;
        if (len == 1) != (first & 0x80 == 0) {
            return Err(self.error("the shorter form", "the longer one"));
        }
        let step = [0, 1, -1][how as usize];
        let dots = if step == 0 { 1 } else { len };
        Ok((
            dots,
            Action::DeleteRange {
                first: target,
                len,
                step,
            },
        ))
    }

    fn range(&self, dot: Dot, len: u32) -> Result<u32, DecodeError> {
        let last = dot.seq.checked_add(len).map(|end| end - 1);
        if len == 0 || last.is_none_or(|last| last > MAX_SEQ) {
            return Err(self.error("a range of units", "another range"));
        }
        Ok(len)
    }

    fn write(&mut self, first: u8) -> Result<Action<'a>, DecodeError> {
        let key = if first & 0x0f == op::WRITE_KEY {
            KeyRef::Name(self.reader.str("a key")?)
        } else {
            KeyRef::Element(self.some_dot()?)
        };
        let has_generation = first & 0x80 != 0;
        let value = match first >> 4 & 3 {
            op::DELETED if !has_generation && matches!(key, KeyRef::Name(_)) => ValueRef::Deleted,
            op::PLAIN if !has_generation => ValueRef::Plain(skip_value(&mut self.reader)?),
            op::CHILD => {
                let kind = self.kind()?;
                ValueRef::Child(kind, if has_generation { self.some_dot()? } else { Dot::NONE })
            }
            _ => return Err(self.error("a kind of value", "an unknown one")),
        };
        let mut ends = Vec::new();
        if first & 0x40 != 0 {
            let n = self.reader.count("a count of ended containers")?;
            for _ in 0..n {
                ends.push((self.kind()?, self.dot()?));
            }
        }
        Ok(Action::Write {
            key,
            stamp: self.stamp()?,
            value,
            ends,
        })
    }

    fn mark(&mut self, first: u8) -> Result<Action<'a>, DecodeError> {
        let start = self.gap(first >> 4 & 3, Gap::Start)?;
        let end = self.gap(first >> 6, Gap::End)?;
        Ok(Action::Mark {
            start,
            end,
            key: self.reader.str("a key")?,
            value: skip_value(&mut self.reader)?,
            stamp: self.stamp()?,
        })
    }

    fn gap(&mut self, side: u8, edge: Gap) -> Result<Gap, DecodeError> {
        match side {
            op::EDGE => Ok(edge),
            op::BEFORE => Ok(Gap::Before(self.some_dot()?)),
            op::AFTER => Ok(Gap::After(self.some_dot()?)),
            _ => Err(self.error("a side of a unit", "another number")),
        }
    }

    /// The parent of a tree's node.
    fn parent(&mut self, first: u8) -> Result<Dot, DecodeError> {
        if first & 0xc0 != 0 {
            return Err(self.error("no flags", "flags"));
        }
        match first >> 4 & 3 {
            op::START => Ok(Dot::NONE),
            op::CHAIN if self.tail.is_some() => Ok(self.tail),
            op::ANY => self.some_dot(),
            _ => Err(self.error("a node to hang on", "none")),
        }
    }

    fn create_node(&mut self, first: u8) -> Result<Action<'a>, DecodeError> {
        let parent = self.parent(first)?;
        let index = read_index(&mut self.reader)?;
        self.tail = Dot {
            agent: self.own,
            seq: self.seq,
        };
        Ok(Action::CreateNode {
            parent,
            index,
            stamp: self.stamp()?,
        })
    }

    fn move_node(&mut self, first: u8) -> Result<Action<'a>, DecodeError> {
        if first >> 4 & 3 == op::CHAIN {
            return Err(self.error("a node to hang on", "none"));
        }
        let node = self.some_dot()?;
        Ok(Action::MoveNode {
            node,
            parent: self.parent(first)?,
            index: read_index(&mut self.reader)?,
            stamp: self.stamp()?,
        })
    }

    fn add_to_graph(&mut self, first: u8) -> Result<Action<'a>, DecodeError> {
        match first & 0xf0 {
            0 => Ok(Action::AddNode),
            op::ENDS => Ok(Action::AddEdge {
                from: self.some_dot()?,
                to: self.some_dot()?,
            }),
            _ => Err(self.error("no flags", "flags")),
        }
    }

    fn delete_node(&mut self, first: u8) -> Result<Action<'a>, DecodeError> {
        if first & 0xf0 != 0 {
            return Err(self.error("no flags", "flags"));
        }
        Ok(Action::DeleteRange {
            first: self.some_dot()?,
            len: 1,
            step: 0,
        })
    }

    /// The next stamp. The first is told from the header's (highest) one, each other from the one before.
    fn stamp(&mut self) -> Result<Stamp, DecodeError> {
        let Some(highest) = self.header.stamp else {
            return Err(self.error("a stamp in the header", "none"));
        };
        let step = self.stamps.varint("a stamp")?;
        let stamp = match self.last_stamp {
            None => highest.checked_sub(step),
            Some(last) => last.checked_add(step).filter(|_| step > 0),
        };
        let stamp = stamp
            .filter(|&stamp| stamp > 0)
            .ok_or_else(|| self.error("rising stamps", "another order"))?;
        self.last_stamp = Some(stamp);
        Ok(stamp)
    }
}

/// A fractional index.
#[inline(never)]
pub fn read_index<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let index = reader.str("a fractional index")?;
    match fractional_index(Some(index), None, 0, 0) {
        Err(FractionalIndexError::Invalid) => Err(reader.error("a fractional index", "another string")),
        _ => Ok(index),
    }
}

/// Checks a value that an app hands in.
pub fn check_plain(bytes: &[u8]) -> Result<(), DecodeError> {
    if bytes.len() > MAX_VALUE_BYTES {
        return Err(DecodeError::new(
            bytes.len(),
            "a value of at most 768 KiB",
            "a longer one",
        ));
    }
    check_value(bytes)
}
