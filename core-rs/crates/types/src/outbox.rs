//! The outbox: this replica's own transactions since the last take, written as an envelope's payload while they happen.
//!
//! A keystroke appends a few bytes and allocates nothing. What goes on where the last operation stopped (typing, deleting
//! key by key) is held back one step and grows that operation instead. The reader of these bytes is `operation.rs`.

use crate::container::{Container, Key, KeyRef, Kind, ROOT};
use crate::cut::TEXT;
use crate::sequence::{Anchor, Gap, Side};
use crate::slot::SlotValue;
use joinery_codec::{encode_units_as_wtf8, write_varint, write_zigzag, Writer};
use joinery_history::{Agents, Dependency, Dot, EnvelopeHeader, Stamp, KIND_PLAIN};
use std::collections::VecDeque;

/// Operation numbers: the low four bits of an operation's first byte. The high four are flags.
pub mod op {
    /// Go on in a container named before: its number.
    pub const SELECT: u8 = 0;
    /// Go on in a container not named before. Flags: bits 4–6 the kind, bit 7 a detail byte follows.
    pub const NAME: u8 = 1;
    /// Insert units. As an envelope's first operation, with a parent and behind a tag: in the text with the tag that has the parent.
    /// Flags: bits 4–5 the parent ([`START`]…), bit 6 on its left. In a tree: create a node, bits 4–5 as well; in a
    /// graph: a node, or an edge ([`ENDS`]).
    pub const INSERT: u8 = 2;
    /// Delete units by id. As an envelope's first operation, in one range and behind a tag: in the text with the tag that has its first
    /// unit. Flags: bits 4–5 how ([`RANGE`]…). In a tree or a graph: one node or edge, no flags.
    pub const DELETE: u8 = 3;
    /// Write a map's key. Flags: bits 4–5 the value ([`DELETED`]…), bit 6 children are ended, bit 7 a generation.
    pub const WRITE_KEY: u8 = 4;
    /// Write a list element's value. Flags as above. In a tree: move a node, bits 4–5 its parent.
    pub const WRITE_ELEMENT: u8 = 5;
    /// Add to a counter.
    pub const COUNT: u8 = 6;
    /// Add a value to a set.
    pub const ADD: u8 = 7;
    /// Remove a value from a set.
    pub const REMOVE: u8 = 8;
    /// Move a list element: the flags and the place of an insert, then the element. It takes a stamp.
    pub const MOVE: u8 = 9;
    /// Mark a range of a text. Flags: bits 4–5 where it begins, bits 6–7 where it ends ([`EDGE`]…).
    pub const MARK: u8 = 10;

    /// Parent: the start of the sequence.
    pub const START: u8 = 0;
    /// Parent: the last unit inserted in this container by this envelope.
    pub const CHAIN: u8 = 1;
    /// Parent: one of the writer's own units.
    pub const OWN: u8 = 2;
    /// Parent: any unit.
    pub const ANY: u8 = 3;

    /// Flag of a graph's [`INSERT`]: an edge, whose ends follow.
    pub const ENDS: u8 = 0x40;

    /// One operation deletes one range.
    pub const RANGE: u8 = 0;
    /// One operation a unit, forwards: the delete key.
    pub const FORWARDS: u8 = 1;
    /// One operation a unit, backwards: the backspace key.
    pub const BACKWARDS: u8 = 2;
    /// One operation deletes several ranges.
    pub const RANGES: u8 = 3;

    /// A range begins at the text's start, or ends at its end.
    pub const EDGE: u8 = 0;
    /// It does right before a unit.
    pub const BEFORE: u8 = 1;
    /// It does right behind a unit.
    pub const AFTER: u8 = 2;

    /// Value: the key is deleted.
    pub const DELETED: u8 = 0;
    /// Value: plain.
    pub const PLAIN: u8 = 1;
    /// Value: a container.
    pub const CHILD: u8 = 2;

    /// Detail of [`NAME`]: it hangs in a list element.
    pub const IN_ELEMENT: u8 = 1;
    /// Detail of [`NAME`]: its parent isn't the root; the parent's number follows.
    pub const NESTED: u8 = 2;
    /// Detail of [`NAME`]: it has a generation.
    pub const GENERATION: u8 = 4;
}

/// Payload bytes after which an envelope is closed, so that what a take gives stays far below an envelope's limit.
const CLOSE_AT_BYTES: usize = 192 * 1024;

/// Who writes, and the table that turns agents' numbers into ids.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The writer's number.
    pub own: u32,
    /// The document's agents.
    pub agents: &'a Agents,
}

/// The operation that may still grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    None,
    Insert {
        anchor: Anchor,
        dot: Dot,
    },
    /// `len` units from `first` on; the unit at `first` was removed by `by`, the next ones each `step` later.
    Delete {
        first: Dot,
        len: u32,
        by: Dot,
        step: i8,
    },
}

/// See the top of this file.
#[derive(Debug, Clone)]
pub struct Outbox {
    closed: VecDeque<Vec<u8>>,
    from: u32,
    to: u32,
    ops: Vec<u8>,
    stamps: Vec<Stamp>,
    /// Other agents' dots that the operations here were written on; filled by the document.
    pub deps: Vec<Dot>,
    /// Agents named in the payload, beside the writer, in the order in which they first came.
    agents: Vec<u32>,
    /// Containers named in the payload; the root has the number 0 from the start.
    containers: Vec<u32>,
    selected: u32,
    /// The tag of a text that has no name in the payload: it comes behind the first byte of the first operation.
    tag: Option<u8>,
    /// The last unit inserted in the selected container.
    tail: Dot,
    open: Open,
    /// The characters of an open insert; kept between inserts so that typing allocates nothing.
    units: Vec<u16>,
}

impl Default for Outbox {
    fn default() -> Self {
        Outbox {
            closed: VecDeque::new(),
            from: 0,
            to: 0,
            ops: Vec::new(),
            stamps: Vec::new(),
            deps: Vec::new(),
            agents: Vec::new(),
            containers: vec![ROOT],
            selected: ROOT,
            tag: None,
            tail: Dot::NONE,
            open: Open::None,
            units: Vec::new(),
        }
    }
}

impl Outbox {
    /// Closes the envelope under way when it has grown long enough, or would with so much more content. Called before each
    /// operation.
    pub fn close_if_long(&mut self, who: Who<'_>, content: usize) {
        if self.ops.len() + self.units.len() * 3 + content >= CLOSE_AT_BYTES {
            self.close_open(who);
        }
    }

    /// The last stamp in the envelope under way: stamps rise within one.
    pub fn last_stamp(&self) -> Option<Stamp> {
        self.stamps.last().copied()
    }

    /// Closes the envelope under way, if there is one.
    pub fn close_open(&mut self, who: Who<'_>) {
        if self.to > self.from {
            let mut closed = Vec::with_capacity(self.ops.len() + self.units.len() + 24);
            self.encode(who, &mut closed);
            self.closed.push_back(closed);
        }
    }

    /// Puts the oldest envelope not yet taken in place of what is in `out`; false where there is none.
    pub fn take(&mut self, who: Who<'_>, out: &mut Vec<u8>) -> bool {
        out.clear();
        if let Some(oldest) = self.closed.pop_front() {
            *out = oldest;
        } else if self.to > self.from {
            self.encode(who, out);
        }
        !out.is_empty()
    }

    /// Appends the envelope under way to `out`, and begins another.
    fn encode(&mut self, who: Who<'_>, out: &mut Vec<u8>) {
        self.flush(who);
        self.deps
            .sort_unstable_by_key(|dot| (who.agents.id(dot.agent), std::cmp::Reverse(dot.seq)));
        self.deps.dedup_by_key(|dot| dot.agent);
        let deps = self
            .deps
            .drain(..)
            .map(|dot| Dependency {
                agent: who.agents.id(dot.agent),
                seq: dot.seq,
            })
            .collect();
        let header = EnvelopeHeader {
            kind: KIND_PLAIN,
            agent: who.agents.id(who.own),
            from: self.from,
            to: self.to,
            deps,
            stamp: self.stamps.last().copied(),
        };
        header.encode(out);
        if let (Some(&first), Some(&last)) = (self.stamps.first(), self.stamps.last()) {
            let mut column = Vec::new();
            column.varint(last - first);
            for pair in self.stamps.windows(2) {
                column.varint(pair[1] - pair[0]);
            }
            out.blob(&column);
        }
        out.extend_from_slice(&self.ops);
        self.ops.clear();
        self.stamps.clear();
        self.agents.clear();
        self.containers.truncate(1);
        self.selected = ROOT;
        self.tail = Dot::NONE;
        self.from = self.to;
    }

    /// Starts an operation with the dots `dot` … `dot + len − 1`.
    fn begin(&mut self, dot: Dot, len: u32) {
        if self.to == self.from {
            self.from = dot.seq - 1;
        }
        self.to = dot.seq + len - 1;
    }

    fn dot(&mut self, who: Who<'_>, dot: Dot) {
        let agent = if !dot.is_some() {
            0
        } else if dot.agent == who.own {
            1
        } else if let Some(at) = self.agents.iter().position(|&agent| agent == dot.agent) {
            at + 2
        } else {
            // An agent's id follows its number where it is first used.
            self.agents.push(dot.agent);
            let number = self.agents.len() + 1;
            self.ops.varint(number as u64);
            self.ops.u64_le(who.agents.id(dot.agent));
            self.ops.varint(u64::from(dot.seq));
            return;
        };
        self.ops.varint(agent as u64);
        if dot.is_some() {
            self.ops.varint(u64::from(dot.seq));
        }
    }

    /// Makes `container` the one that the next operations are about. `tells_text`: it is a text, and the next one names a unit
    /// of it; if that one is the first of its envelope, nothing needs to be said of the container.
    pub fn select<'c>(&mut self, who: Who<'_>, container: u32, get: &dyn Fn(u32) -> &'c Container, tells_text: bool) {
        if self.selected == container {
            return;
        }
        self.flush(who);
        if tells_text && self.ops.is_empty() {
            self.tag = Some(get(container).tag());
            self.containers.push(container);
            self.selected = container;
            return;
        }
        // Parents are named before their children: walk up to the first known one, then down.
        let mut unnamed = Vec::new();
        let mut at = container;
        while !self.containers.contains(&at) {
            unnamed.push(at);
            at = get(at).parent;
        }
        if unnamed.is_empty() {
            let number = self
                .containers
                .iter()
                .position(|&known| known == container)
                .unwrap_or(0);
            self.ops.push(op::SELECT);
            self.ops.varint(number as u64);
        }
        for &at in unnamed.iter().rev() {
            let container = get(at);
            let in_element = matches!(container.key, Key::Element(_));
            let flag = |set: bool, bit: u8| if set { bit } else { 0 };
            let detail = flag(in_element, op::IN_ELEMENT)
                | flag(container.parent != ROOT, op::NESTED)
                | flag(container.generation.is_some(), op::GENERATION);
            let kind = container.body.kind() as u8;
            self.ops.push(op::NAME | kind << 4 | flag(detail != 0, 0x80));
            if detail != 0 {
                self.ops.push(detail);
            }
            if container.parent != ROOT {
                let number = self
                    .containers
                    .iter()
                    .position(|&known| known == container.parent)
                    .unwrap_or(0);
                self.ops.varint(number as u64);
            }
            match &container.key {
                Key::Name(name) => self.ops.blob(name.as_bytes()),
                Key::Element(dot) => self.dot(who, *dot),
            }
            if container.generation.is_some() {
                self.dot(who, container.generation);
            }
            self.containers.push(at);
        }
        self.selected = container;
        self.tail = Dot::NONE;
    }

    /// Characters were inserted.
    #[inline]
    pub fn insert_text(&mut self, who: Who<'_>, dot: Dot, anchor: Anchor, units: &[u16]) {
        let tail = dot.seq.wrapping_sub(1);
        let goes_on = anchor.side == Side::Right
            && anchor.parent.agent == who.own
            && anchor.parent.seq == tail
            && self.to == tail
            && matches!(self.open, Open::Insert { .. });
        if !goes_on {
            self.flush(who);
            self.open = Open::Insert { anchor, dot };
        }
        self.begin(dot, units.len() as u32);
        self.units.extend_from_slice(units);
    }

    /// List elements were inserted.
    pub fn insert_elements(
        &mut self,
        who: Who<'_>,
        dot: Dot,
        anchor: Anchor,
        values: &[SlotValue],
        kind: Option<Kind>,
    ) {
        self.flush(who);
        self.begin(dot, values.len() as u32);
        self.place(op::INSERT, who, dot, anchor);
        self.ops.varint(values.len() as u64);
        for value in values {
            match (value, kind) {
                (SlotValue::Plain(bytes), _) => self.ops.extend_from_slice(bytes),
                // Tags above those of values name the kind of a fresh container.
                (SlotValue::Child(_), Some(kind)) => self.ops.push(0x10 + kind as u8),
                _ => self.ops.push(0),
            }
        }
        self.tail = dot.plus(values.len() as u32 - 1);
    }

    /// A list element was moved: its new unit hangs at `anchor`.
    pub fn move_element(&mut self, who: Who<'_>, (dot, stamp): (Dot, Stamp), anchor: Anchor, element: Dot) {
        self.flush(who);
        self.begin(dot, 1);
        self.stamps.push(stamp);
        self.place(op::MOVE, who, dot, anchor);
        self.dot(who, element);
        self.tail = dot;
    }

    /// The first byte of an operation that makes units, and where they hang.
    fn place(&mut self, operation: u8, who: Who<'_>, dot: Dot, anchor: Anchor) {
        let Anchor { parent, side } = anchor;
        let left = if side == Side::Left { 0x40 } else { 0 };
        let how = if !parent.is_some() {
            op::START
        } else if parent == self.tail && side == Side::Right {
            op::CHAIN
        } else if parent.agent == who.own {
            op::OWN
        } else {
            op::ANY
        };
        self.ops.push(operation | how << 4 | left);
        self.ops.extend(self.tag.take());
        match how {
            op::OWN => self.ops.varint(u64::from(dot.seq - parent.seq)),
            op::ANY => self.dot(who, parent),
            _ => {}
        }
    }

    /// One operation `by` deleted these ranges.
    pub fn delete(&mut self, who: Who<'_>, by: Dot, ranges: &[(Dot, u32)]) {
        if let [(first, len)] = *ranges {
            if let (
                Open::Delete {
                    first: f,
                    len: l,
                    by: b,
                    step: s,
                },
                1,
            ) = (self.open, len)
            {
                let last_by = if s < 0 {
                    b.seq
                } else {
                    b.plus(if s == 0 { 0 } else { l - 1 }).seq
                };
                let next = last_by + 1 == by.seq && self.to + 1 == by.seq && first.agent == f.agent;
                // A lone unit has no direction yet; a range of one operation (step 0, longer) doesn't grow.
                let backwards = (s < 0 || l == 1) && first.seq + 1 == f.seq;
                let forwards = (s > 0 || l == 1) && first.seq == f.seq + l;
                if next && (backwards || forwards) {
                    self.begin(by, 1);
                    self.open = if backwards {
                        Open::Delete {
                            first,
                            len: l + 1,
                            by,
                            step: -1,
                        }
                    } else {
                        Open::Delete {
                            first: f,
                            len: l + 1,
                            by: b,
                            step: 1,
                        }
                    };
                    return;
                }
            }
            self.flush(who);
            self.begin(by, 1);
            self.open = Open::Delete {
                first,
                len,
                by,
                step: 0,
            };
            return;
        }
        self.flush(who);
        self.begin(by, 1);
        self.ops.push(op::DELETE | op::RANGES << 4);
        self.ops.varint(ranges.len() as u64);
        for &(dot, len) in ranges {
            self.dot(who, dot);
            self.ops.varint(u64::from(len));
        }
    }

    /// A slot was written. `ends` are the children that the write ends, by kind and generation.
    pub fn write_slot(
        &mut self,
        who: Who<'_>,
        (dot, stamp): (Dot, Stamp),
        key: KeyRef<'_>,
        value: (&SlotValue, Option<(Kind, Dot)>),
        ends: &[(Kind, Dot)],
    ) {
        self.flush(who);
        self.begin(dot, 1);
        self.stamps.push(stamp);
        let number = match key {
            KeyRef::Name(_) => op::WRITE_KEY,
            KeyRef::Element(_) => op::WRITE_ELEMENT,
        };
        let what = match value.0 {
            SlotValue::Deleted => op::DELETED,
            SlotValue::Plain(_) => op::PLAIN,
            SlotValue::Child(_) => op::CHILD,
        };
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let generation = value.1.is_some_and(|(_, generation)| generation.is_some());
        self.ops
            .push(number | what << 4 | flag(!ends.is_empty(), 0x40) | flag(generation, 0x80));
        match key {
            KeyRef::Name(name) => self.ops.blob(name.as_bytes()),
            KeyRef::Element(element) => self.dot(who, element),
        }
        if let SlotValue::Plain(bytes) = value.0 {
            self.ops.extend_from_slice(bytes);
        }
        if let Some((kind, generation)) = value.1 {
            self.ops.push(kind as u8);
            if generation.is_some() {
                self.dot(who, generation);
            }
        }
        if !ends.is_empty() {
            self.ops.varint(ends.len() as u64);
            for &(kind, generation) in ends {
                self.ops.push(kind as u8);
                self.dot(who, generation);
            }
        }
    }

    /// A tree's node was moved, or created where none is given.
    pub fn hang_node(&mut self, who: Who<'_>, (dot, stamp): (Dot, Stamp), node: Option<Dot>, parent: Dot, index: &str) {
        self.flush(who);
        self.begin(dot, 1);
        self.stamps.push(stamp);
        let how = if !parent.is_some() {
            op::START
        } else if node.is_none() && parent == self.tail {
            op::CHAIN
        } else {
            op::ANY
        };
        let number = if node.is_some() { op::WRITE_ELEMENT } else { op::INSERT };
        self.ops.push(number | how << 4);
        if let Some(node) = node {
            self.dot(who, node);
        }
        if how == op::ANY {
            self.dot(who, parent);
        }
        self.ops.blob(index.as_bytes());
        if node.is_none() {
            self.tail = dot;
        }
    }

    /// A node was added to a graph, or an edge between these ends.
    pub fn add_to_graph(&mut self, who: Who<'_>, dot: Dot, ends: Option<(Dot, Dot)>) {
        self.flush(who);
        self.begin(dot, 1);
        self.ops.push(op::INSERT | if ends.is_some() { op::ENDS } else { 0 });
        if let Some((from, to)) = ends {
            self.dot(who, from);
            self.dot(who, to);
        }
    }

    /// A node or an edge was deleted.
    pub fn delete_node(&mut self, who: Who<'_>, by: Dot, node: Dot) {
        self.flush(who);
        self.begin(by, 1);
        self.ops.push(op::DELETE);
        self.dot(who, node);
    }

    /// A counter was changed.
    pub fn count(&mut self, who: Who<'_>, dot: Dot, amount: i64) {
        self.flush(who);
        self.begin(dot, 1);
        self.ops.push(op::COUNT);
        write_zigzag(&mut self.ops, amount);
    }

    /// A value was added to a set.
    pub fn add(&mut self, who: Who<'_>, dot: Dot, value: &[u8]) {
        self.flush(who);
        self.begin(dot, 1);
        self.ops.push(op::ADD);
        self.ops.extend_from_slice(value);
    }

    /// A value was removed from a set: every add that was seen.
    pub fn remove(&mut self, who: Who<'_>, dot: Dot, value: &[u8], adds: &[Dot]) {
        self.flush(who);
        self.begin(dot, 1);
        self.ops.push(op::REMOVE);
        self.ops.extend_from_slice(value);
        self.ops.varint(adds.len() as u64);
        for &add in adds {
            self.dot(who, add);
        }
    }

    /// A range of a text was marked.
    pub fn mark(
        &mut self,
        who: Who<'_>,
        (dot, stamp): (Dot, Stamp),
        (start, end): (Gap, Gap),
        key: &str,
        value: &[u8],
    ) {
        self.flush(who);
        self.begin(dot, 1);
        self.stamps.push(stamp);
        let side = |gap: Gap| match gap {
            Gap::Start | Gap::End => op::EDGE,
            Gap::Before(_) => op::BEFORE,
            Gap::After(_) => op::AFTER,
        };
        self.ops.push(op::MARK | side(start) << 4 | side(end) << 6);
        for unit in [start.unit(), end.unit()].into_iter().flatten() {
            self.dot(who, unit);
        }
        self.ops.blob(key.as_bytes());
        self.ops.extend_from_slice(value);
    }

    /// Writes the operation that was held back.
    fn flush(&mut self, who: Who<'_>) {
        match std::mem::replace(&mut self.open, Open::None) {
            Open::None => {}
            Open::Insert { anchor, dot } if TEXT => {
                self.place(op::INSERT, who, dot, anchor);
                let units = std::mem::take(&mut self.units);
                if units.len() < 43 {
                    // At most 3 bytes a unit: the length fits one byte and can be set afterwards.
                    let at = self.ops.len();
                    self.ops.push(0);
                    encode_units_as_wtf8(&units, &mut self.ops);
                    self.ops[at] = (self.ops.len() - at - 1) as u8;
                } else {
                    let mut bytes = Vec::with_capacity(units.len() + units.len() / 8);
                    encode_units_as_wtf8(&units, &mut bytes);
                    self.ops.blob(&bytes);
                }
                self.tail = dot.plus(units.len() as u32 - 1);
                self.units = units;
                self.units.clear();
            }
            Open::Insert { .. } => {}
            Open::Delete { first, len, by, step } => {
                let how = match step {
                    0 => op::RANGE,
                    1 => op::FORWARDS,
                    _ => op::BACKWARDS,
                };
                // Flag 0x40: an own unit, as the distance from the operation's first dot; 0x80: more than one unit.
                let own_unit = first.agent == who.own;
                let flags = if own_unit { 0x40 } else { 0 } | if len > 1 { 0x80 } else { 0 };
                self.ops.push(op::DELETE | how << 4 | flags);
                self.ops.extend(self.tag.take());
                let first_by = if step < 0 { by.seq - (len - 1) } else { by.seq };
                if own_unit {
                    self.ops.varint(u64::from(first_by - first.seq));
                } else {
                    self.dot(who, first);
                }
                if len > 1 {
                    write_varint(&mut self.ops, u64::from(len));
                }
            }
        }
    }
}
