//! Undo stacks as bytes, to be gone on with in another replica of the same document: agents by their ids, containers by what created
//! them. Equal stacks have equal bytes.
//!
//! ```text
//! format  agents (ids)  own agents  containers  scopes  own operations that a trim named  operations that bring back others'
//! steps to undo  steps to redo
//! scope = container  keys
//! container = 0 (it is gone: only steps name it)  |  1 (the root)  |  2 parent key kind generation
//! step = meta  entries;  entry = container  kind of edit  its fields
//! ```
//!
//! The reader is `decoding.rs`. What names a container that isn't there gets a number that no container has: nothing can be done with
//! it, unless a step that comes first brings that container back.

use super::copy::{Content, Copied, Val};
use super::rename::Table;
use super::step::{Edit, Seat, Step, THEIRS};
use crate::container::{Key, ROOT};
use crate::document::Document;
use crate::error::Error;
use crate::sequence::Gap;
use joinery_codec::{write_zigzag, Writer};
use joinery_history::Dot;
use std::collections::HashMap;

/// The first byte of a stack.
pub(super) const FORMAT: u8 = 4;

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
        let mine = self.undo.mine.iter().filter(|&&agent| self.version.get(agent) > 0);
        let mut mine: Vec<u64> = mine.map(|&agent| self.agents.id(agent)).collect();
        mine.sort_unstable();
        out.out.varint(stack.scopes.len() as u64);
        for scope in &stack.scopes {
            out.container(scope.container);
            out.out.varint(scope.keys.len() as u64);
            scope.keys.iter().for_each(|key| out.out.blob(key.as_bytes()));
        }
        out.names(&self.undo.named);
        out.names(&self.undo.brought);
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
        // What was carried across a trim may have no name.
        if !dot.is_some() || dot.agent >= THEIRS.agent {
            self.out.varint(u64::from(dot.agent == THEIRS.agent));
            return;
        }
        let next = self.agents.len() as u64 + 2;
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

    /// Agents' numbers differ from replica to replica.
    fn names(&mut self, names: &Table) {
        let mut ranges: Vec<(Dot, u32)> = names.stretches().collect();
        ranges.sort_unstable_by_key(|(first, _)| (self.document.agents.id(first.agent), first.seq));
        self.ranges(&ranges);
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
            Edit::Inserted(ranges) => {
                self.out.push(0);
                self.ranges(ranges);
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
            } => {
                self.out.push(3);
                self.copies(copies);
                self.key(key);
                self.dots(&[*mine, *was]);
                self.value(before);
            }
            Edit::Counted(amount) => {
                self.out.push(4);
                write_zigzag(&mut self.out, *amount);
            }
            Edit::Added(value) => {
                self.out.push(5);
                self.out.blob(value);
            }
            Edit::Taken(value, theirs) => {
                self.out.push(6);
                self.out.blob(value);
                self.out.push(u8::from(*theirs));
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
                for ((start, end), before, theirs) in pieces {
                    self.gap(*start);
                    self.gap(*end);
                    self.out.blob(before);
                    self.out.push(u8::from(*theirs));
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
                self.out.push(u8::from(hidden.is_some()));
                hidden.iter().for_each(|known| self.names(known));
            }
            Edit::Created { id, known } => {
                self.out.push(10);
                self.dot(*id);
                self.names(known);
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
                        let flags = u8::from(mark.from_start) | u8::from(mark.grows) << 1 | u8::from(mark.theirs) << 2;
                        self.out.push(flags);
                    }
                }
                Content::Counter(sum, theirs) => {
                    write_zigzag(&mut self.out, *sum);
                    self.out.push(u8::from(*theirs));
                }
                Content::Set(values) => {
                    self.out.varint(values.len() as u64);
                    for (value, theirs) in values {
                        self.out.blob(value);
                        self.out.push(u8::from(*theirs));
                    }
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
