//! What an envelope does, in an app's words: which keys, elements and characters, and with what values. For rules about who
//! may write what, before the envelope joins.
//!
//! It changes nothing and merges nothing: indices are told by what the replica shows now, and by what the envelope itself
//! inserted before; whether a write wins is another matter.

use crate::container::{Key, KeyRef, Kind, ROOT};
use crate::counter::MAX_AMOUNT;
use crate::document::Document;
use crate::error::Error;
use crate::node_id;
use crate::operation::{read_payload, Action, Operation, ValueRef};
use crate::replay::MAX_MAPPED_RANGES;
use crate::sequence::{Anchor, Gap, Side};
use joinery_codec::{write_zigzag, Reader, Writer};
use joinery_history::{Dot, EnvelopeHeader, KIND_PLAIN};
use std::rc::Rc;

/// How long a description gets at most: each operation tells its whole path, so a short envelope could ask for a long one.
pub const MAX_DESCRIPTION_BYTES: usize = 16 << 20;

/// Of how many parts a description tells at most: as many as a replay has ranges to reject.
pub const MAX_DESCRIBED_PARTS: usize = MAX_MAPPED_RANGES;

impl Document {
    /// Appends what an envelope does, as a packed array of objects with `container` (the kind of what is written in), `kind`
    /// (of the change), `path` (keys and indices; −1 where an element, or a text, is not to be found) and, but for deletions, `value`.
    ///
    /// | container | kind | path ends with | value |
    /// |---|---|---|---|
    /// | map, list | `set` | key or index | the plain value |
    /// | map, list | `create` | key or index | the kind of the container, by name |
    /// | map | `delete` | key | |
    /// | text | `insert` | index | the characters |
    /// | list | `insert` | index | an array of the values |
    /// | list | `move` | index | to which index, in the list without it |
    /// | text, list | `remove` | index | how many |
    /// | text | `mark` | index | an object: `grows` (takes in what is typed at its end), `key`, `length`, `value` (null: taken off) |
    /// | counter | `increment` | the counter | the difference |
    /// | set | `add`, `remove` | the set | the value |
    /// | tree | `create`, `move` | the node | an object: `index` (fractional) and `parent` (null: the top) |
    /// | graph | `create` | the node or edge | null, or an object: `from` and `to` |
    /// | tree, graph | `delete` | the node or edge | |
    ///
    /// Nodes and edges are told by their ids; of those by an agent that nobody has heard of, −1.
    pub fn describe(&self, envelope: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.describe_parts(envelope, &[(0, u32::MAX)], out)
    }

    /// The same of the operations with `from < seq <= to` of one of the parts alone, which ascend and don't overlap: of a
    /// stretch (characters, elements, units deleted one by one) that part. Indices are told as if all of the envelope were.
    /// The envelope is passed over once, however many parts there are.
    pub fn describe_parts(&self, envelope: &[u8], parts: &[(u32, u32)], out: &mut Vec<u8>) -> Result<(), Error> {
        if parts.len() > MAX_DESCRIBED_PARTS {
            return Err(Error::LimitExceeded("a description tells at most 2^20 parts"));
        }
        let ascend = parts.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        if !ascend || parts.iter().any(|(from, to)| from >= to) {
            return Err(Error::Contradiction("parts that are empty, overlap or don't ascend"));
        }
        let mut reader = Reader::new(envelope);
        let header = EnvelopeHeader::decode(&mut reader).map_err(Error::InvalidUpdate)?;
        if header.kind != KIND_PLAIN {
            return Err(Error::InvalidUpdate(reader.error("a plain envelope", "a sealed one")));
        }
        let own = self.agents.find(header.agent).unwrap_or(self.agents.len() as u32);
        let operations = read_payload(reader, &header, &self.agents, own).map_err(Error::InvalidUpdate)?;
        let mut describing = Describing {
            document: self,
            own,
            agent: header.agent,
            parts,
            named: vec![Named {
                container: Some(ROOT),
                kind: Kind::Map,
                parent: 0,
                step: Vec::new(),
                steps: 0,
                new: Vec::new(),
            }],
            at: 0,
            changes: Vec::new(),
            count: 0,
        };
        for operation in &operations {
            describing.operation(operation)?;
        }
        out.push(7);
        out.varint(describing.count);
        out.extend_from_slice(&describing.changes);
        Ok(())
    }
}

/// A container that the envelope names.
struct Named {
    /// Where it is in the document, if it is there.
    container: Option<u32>,
    kind: Kind,
    /// The one that it is in: a number below its own, but for the root's.
    parent: usize,
    /// The last step of its path, a packed key or index. An envelope may name a container at the end of a long path a hundred
    /// thousand times: none has a copy of the whole.
    step: Vec<u8>,
    /// How many steps its path has.
    steps: u64,
    /// The units that the envelope inserts in it: first seq, how many, at which index.
    new: Vec<(u32, u32, u32)>,
}

struct Describing<'d> {
    document: &'d Document,
    own: u32,
    /// The envelope's agent, which the document may not have heard of.
    agent: u64,
    /// What is still to be told: above the one seq, and up to the other.
    parts: &'d [(u32, u32)],
    named: Vec<Named>,
    at: usize,
    changes: Vec<u8>,
    count: u64,
}

/// What a path ends with, below the container.
enum Last<'a> {
    Nothing,
    Key(&'a str),
    Index(i64),
    Node(Dot),
}

impl<'d> Describing<'d> {
    fn operation(&mut self, operation: &Operation<'_>) -> Result<(), Error> {
        let at = operation.at;
        self.at = at;
        let parts = self.parts_of(operation);
        match &operation.action {
            Action::Name {
                parent,
                key,
                kind,
                generation,
            } => {
                let named = self.name(*parent as usize, *key, *kind, *generation)?;
                self.named.push(named);
            }
            Action::Find { tag, unit } => self.named.push(self.text_of(*tag, *unit)),
            Action::InsertText { anchor, text } => {
                let index = self.inserted(*anchor, operation);
                let mut text = Units::new(text);
                for (start, end) in parts {
                    let mut value = vec![5];
                    value.blob(text.range(start, end));
                    self.change("insert", &Last::Index(i64::from(index) + i64::from(start)), &value)?;
                }
            }
            Action::InsertElements { anchor, values } => {
                let first = self.inserted(*anchor, operation);
                for i in parts.flat_map(|(start, end)| start..end) {
                    let index = Last::Index(i64::from(first) + i64::from(i));
                    match values[i as usize] {
                        ValueRef::Child(kind, _) => self.create(kind, &index)?,
                        ValueRef::Plain(bytes) => self.change("insert", &index, &[&[7, 1], bytes].concat())?,
                        ValueRef::Deleted => {}
                    }
                }
            }
            Action::DeleteRange { first, .. } if self.named[at].kind.has_nodes() => {
                if parts.len() > 0 {
                    self.change("delete", &Last::Node(*first), &[])?;
                }
            }
            Action::DeleteRange { first, len, step } => {
                for (start, end) in parts {
                    let (skipped, told) = match step {
                        0 => (0, *len),
                        1 => (start, end - start),
                        _ => (len - end, end - start),
                    };
                    let first = Dot {
                        seq: first.seq + skipped,
                        ..*first
                    };
                    self.removed(first, told)?;
                }
            }
            Action::Move { anchor, .. } if parts.len() == 0 => drop(self.inserted(*anchor, operation)),
            _ if parts.len() == 0 => {}
            Action::Move { anchor, element, .. } => self.moved(*anchor, *element, operation)?,
            Action::DeleteRanges(ranges) => {
                for &(first, len) in ranges {
                    self.removed(first, len)?;
                }
            }
            Action::Write { key, value, .. } => {
                let last = match key {
                    KeyRef::Name(name) => Last::Key(name),
                    KeyRef::Element(element) => Last::Index(self.element_index(at, *element)),
                };
                match value {
                    ValueRef::Deleted => self.change("delete", &last, &[])?,
                    ValueRef::Plain(bytes) => self.change("set", &last, bytes)?,
                    ValueRef::Child(kind, _) => self.create(*kind, &last)?,
                }
            }
            Action::CreateNode { parent, index, .. } => {
                let node = Dot {
                    agent: self.own,
                    seq: operation.seq,
                };
                self.hang("create", node, *parent, index)?;
            }
            Action::MoveNode {
                node, parent, index, ..
            } => self.hang("move", *node, *parent, index)?,
            Action::AddNode => self.add_to_graph(operation.seq, &[0])?,
            Action::AddEdge { from, to } => {
                let mut value = vec![8, 2];
                value.blob(b"from");
                self.node(&mut value, *from);
                value.blob(b"to");
                self.node(&mut value, *to);
                self.add_to_graph(operation.seq, &value)?;
            }
            Action::Count(amount) => {
                // Nor would it be taken: told as a packed number it would be another one.
                if amount.unsigned_abs() > MAX_AMOUNT {
                    return Err(Error::LimitExceeded(
                        "one agent adds, and takes away, at most 2^53 − 1 in all",
                    ));
                }
                let mut value = Vec::new();
                number(&mut value, *amount);
                self.change("increment", &Last::Nothing, &value)?;
            }
            Action::Add(value) => self.change("add", &Last::Nothing, value)?,
            Action::Remove(value, _) => self.change("remove", &Last::Nothing, value)?,
            Action::Mark {
                start, end, key, value, ..
            } => self.marked((*start, *end), key, value)?,
        }
        Ok(())
    }

    /// What is told of an operation: of each part the first unit, and the one behind the last.
    fn parts_of(&mut self, operation: &Operation<'_>) -> impl ExactSizeIterator<Item = (u32, u32)> + 'd {
        let &Operation { seq, len, .. } = operation;
        let passed = self.parts.partition_point(|&(_, to)| to < seq);
        self.parts = &self.parts[passed..];
        let begun = self.parts.partition_point(|&(from, _)| from + 1 < seq + len);
        let until = move |last: u32| last.saturating_add(1).saturating_sub(seq).min(len);
        let told = &self.parts[..if len > 0 { begun } else { 0 }];
        told.iter().map(move |&(from, to)| (until(from), until(to)))
    }

    fn name(&self, parent: usize, key: KeyRef<'_>, kind: Kind, generation: Dot) -> Result<Named, Error> {
        let above = &self.named[parent];
        if above.steps >= u64::from(crate::MAX_DEPTH) {
            return Err(Error::LimitExceeded("containers nest at most 128 deep"));
        }
        let mut step = Vec::new();
        let key = match key {
            KeyRef::Name(name) => {
                string(&mut step, name);
                Key::Name(Rc::from(name))
            }
            KeyRef::Element(element) if above.kind.has_nodes() => {
                self.node(&mut step, element);
                Key::Element(element)
            }
            KeyRef::Element(element) => {
                number(&mut step, self.element_index(parent, element));
                Key::Element(element)
            }
        };
        let all = &self.document.containers;
        Ok(Named {
            container: above
                .container
                .and_then(|parent| all.find(parent, &key, kind, generation)),
            kind,
            parent,
            step,
            steps: above.steps + 1,
            new: Vec::new(),
        })
    }

    /// The text that has a unit, with all steps of its path.
    fn text_of(&self, tag: u8, unit: Dot) -> Named {
        let all = &self.document.containers;
        let container = all.text_meant(tag, unit);
        let way = all.way_to(container.unwrap_or(ROOT));
        let mut step = Vec::new();
        let steps = way.len().max(1) as u64;
        for container in way {
            match &container.key {
                Key::Name(name) => string(&mut step, name),
                Key::Element(element) => match all.list(container.parent) {
                    Ok(list) => {
                        let unit = list.moved_to(*element).map_or(*element, |at| at.unit);
                        number(&mut step, list.sequence.index_of(unit).map_or(-1, i64::from));
                    }
                    Err(_) => self.node(&mut step, *element),
                },
            }
        }
        if container.is_none() {
            number(&mut step, -1);
        }
        Named {
            container,
            kind: Kind::Text,
            parent: 0,
            step,
            steps,
            new: Vec::new(),
        }
    }

    /// The index at which an insert stands; its units are known from now on.
    fn inserted(&mut self, anchor: Anchor, operation: &Operation<'_>) -> u32 {
        let index = match (anchor.parent.is_some(), anchor.side) {
            (false, _) => 0,
            (true, Side::Left) => self.index(self.at, anchor.parent),
            (true, Side::Right) => self.index(self.at, anchor.parent) + i64::from(self.shows(anchor.parent)),
        };
        let index = u32::try_from(index).unwrap_or(0);
        self.named[self.at].new.push((operation.seq, operation.len, index));
        index
    }

    fn moved(&mut self, anchor: Anchor, element: Dot, operation: &Operation<'_>) -> Result<(), Error> {
        let from = self.element_index(self.at, element);
        let before = i64::from(self.inserted(anchor, operation));
        let mut to = Vec::new();
        number(&mut to, before - i64::from((0..before).contains(&from)));
        self.change("move", &Last::Index(from), &to)
    }

    fn removed(&mut self, first: Dot, len: u32) -> Result<(), Error> {
        let index = Last::Index(self.element_index(self.at, first));
        let mut value = Vec::new();
        number(&mut value, i64::from(len));
        self.change("remove", &index, &value)
    }

    fn marked(&mut self, (start, end): (Gap, Gap), key: &str, value: &[u8]) -> Result<(), Error> {
        let grows = !matches!(end, Gap::After(_));
        let (start, end) = (self.index_of_gap(start), self.index_of_gap(end));
        let mut packed = vec![8, 4];
        packed.blob(b"grows");
        packed.push(1 + u8::from(grows));
        packed.blob(b"key");
        string(&mut packed, key);
        packed.blob(b"length");
        number(&mut packed, if start < 0 { 0 } else { (end - start).max(0) });
        packed.blob(b"value");
        packed.extend_from_slice(value);
        self.change("mark", &Last::Index(start), &packed)
    }

    fn index_of_gap(&self, gap: Gap) -> i64 {
        match gap {
            Gap::Start => 0,
            Gap::Before(unit) => self.index(self.at, unit),
            Gap::After(unit) => self.index(self.at, unit) + i64::from(self.shows(unit)),
            Gap::End => {
                let named = &self.named[self.at];
                let text = named
                    .container
                    .and_then(|text| self.document.containers.text(text).ok());
                let new = named.new.iter().map(|&(_, len, _)| i64::from(len));
                text.map_or(0, |text| i64::from(text.len())) + new.sum::<i64>()
            }
        }
    }

    /// How far into what the envelope has inserted a unit is.
    fn new_index(&self, named: &Named, unit: Dot) -> Option<u32> {
        let at = named
            .new
            .partition_point(|&(first, ..)| first <= unit.seq)
            .checked_sub(1)?;
        let (first, len, index) = named.new[at];
        (unit.agent == self.own && unit.seq - first < len).then(|| index.saturating_add(unit.seq - first))
    }

    /// The index of a unit in the container with this number; −1 where it isn't.
    fn index(&self, number: usize, unit: Dot) -> i64 {
        let named = &self.named[number];
        let all = &self.document.containers;
        let found = self.new_index(named, unit).or_else(|| match named.kind {
            Kind::Text => all.text(named.container?).ok()?.sequence.index_of(unit),
            Kind::List => all.list(named.container?).ok()?.sequence.index_of(unit),
            _ => None,
        });
        found.map_or(-1, i64::from)
    }

    /// The same of an element or a character, wherever it stands.
    fn element_index(&self, number: usize, id: Dot) -> i64 {
        let list = self.named[number]
            .container
            .map(|list| self.document.containers.list(list));
        let at = list.and_then(|list| list.ok()?.moved_to(id));
        self.index(number, at.map_or(id, |at| at.unit))
    }

    fn shows(&self, unit: Dot) -> bool {
        let named = &self.named[self.at];
        let all = &self.document.containers;
        let in_document = || match named.kind {
            Kind::Text => all.text(named.container?).ok()?.sequence.unit(unit).map(|_| ()),
            _ => all.list(named.container?).ok()?.sequence.unit(unit).map(|_| ()),
        };
        self.new_index(named, unit).is_some() || in_document().is_some()
    }

    /// A node's or an edge's id as a packed string.
    fn node(&self, out: &mut Vec<u8>, node: Dot) {
        let agents = &self.document.agents;
        if node.agent == self.own {
            string(out, &node_id::format(self.agent, node.seq));
        } else if (node.agent as usize) < agents.len() {
            string(out, &node_id::format(agents.id(node.agent), node.seq));
        } else {
            number(out, -1);
        }
    }

    fn hang(&mut self, kind: &str, node: Dot, parent: Dot, index: &str) -> Result<(), Error> {
        let mut value = vec![8, 2];
        value.blob(b"index");
        string(&mut value, index);
        value.blob(b"parent");
        if parent.is_some() {
            self.node(&mut value, parent);
        } else {
            value.push(0);
        }
        self.change(kind, &Last::Node(node), &value)
    }

    fn add_to_graph(&mut self, seq: u32, value: &[u8]) -> Result<(), Error> {
        let id = Dot { agent: self.own, seq };
        self.change("create", &Last::Node(id), value)
    }

    fn create(&mut self, kind: Kind, last: &Last<'_>) -> Result<(), Error> {
        let mut value = Vec::new();
        string(&mut value, kind.name());
        self.change("create", last, &value)
    }

    /// Tells one change. The bound is looked at with each: one operation may be a hundred thousand of them.
    #[inline(never)]
    fn change(&mut self, kind: &str, last: &Last<'_>, value: &[u8]) -> Result<(), Error> {
        let mut steps = Vec::new();
        let mut at = self.at;
        while at > 0 {
            steps.push(&self.named[at].step[..]);
            at = self.named[at].parent;
        }
        let mut node = Vec::new();
        if let Last::Node(last) = last {
            self.node(&mut node, *last);
        }
        let named = &self.named[self.at];
        let out = &mut self.changes;
        // Keys ascend, as in every packed object.
        out.push(8);
        out.varint(if kind == "delete" { 3 } else { 4 });
        out.blob(b"container");
        string(out, named.kind.name());
        out.blob(b"kind");
        string(out, kind);
        out.blob(b"path");
        out.push(7);
        out.varint(named.steps + u64::from(!matches!(last, Last::Nothing)));
        steps.iter().rev().for_each(|step| out.extend_from_slice(step));
        match last {
            Last::Nothing => {}
            Last::Key(key) => string(out, key),
            Last::Index(index) => number(out, *index),
            Last::Node(_) => out.extend_from_slice(&node),
        }
        if kind != "delete" {
            out.blob(b"value");
            out.extend_from_slice(value);
        }
        self.count += 1;
        if out.len() > MAX_DESCRIPTION_BYTES {
            return Err(Error::LimitExceeded("a description has at most 16 MiB"));
        }
        Ok(())
    }
}

/// Goes through a text once, for ranges of UTF-16 units that ascend.
#[derive(Clone, Copy)]
struct Units<'a> {
    text: &'a str,
    /// Where it is: at the beginning of a character, by bytes and by units.
    byte: usize,
    unit: u32,
}

impl<'a> Units<'a> {
    fn new(text: &'a [u8]) -> Units<'a> {
        Units {
            text: std::str::from_utf8(text).unwrap_or_default(),
            byte: 0,
            unit: 0,
        }
    }

    /// The characters of which a unit is in this range: two that meet within a character have it both.
    fn range(&mut self, start: u32, end: u32) -> &'a [u8] {
        self.pass(|_, behind| behind <= start);
        let mut last = *self;
        last.pass(|unit, _| unit < end);
        &self.text.as_bytes()[self.byte..last.byte]
    }

    /// Goes on while this says so of a character's first unit and the one behind it.
    fn pass(&mut self, while_in: impl Fn(u32, u32) -> bool) {
        for character in self.text[self.byte..].chars() {
            let behind = self.unit + character.len_utf16() as u32;
            if !while_in(self.unit, behind) {
                break;
            }
            (self.byte, self.unit) = (self.byte + character.len_utf8(), behind);
        }
    }
}

#[inline(never)]
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(5);
    out.blob(text.as_bytes());
}

#[inline(never)]
fn number(out: &mut Vec<u8>, n: i64) {
    out.push(3);
    write_zigzag(out, n);
}
