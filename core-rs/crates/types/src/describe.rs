//! What an envelope does, in an app's words: which keys, elements and characters, and with what values. For rules about who
//! may write what, before the envelope joins.
//!
//! It changes nothing and merges nothing: indices are told by what the replica shows now, and by what the envelope itself
//! inserted before; whether a write wins is another matter.

use crate::container::{Key, Kind, ROOT};
use crate::counter::MAX_AMOUNT;
use crate::document::Document;
use crate::error::Error;
use crate::operation::{read_payload, Action, KeyRef, Operation, ValueRef};
use crate::sequence::{Anchor, Side};
use joinery_codec::{write_zigzag, Reader, Writer};
use joinery_history::{Dot, EnvelopeHeader, KIND_PLAIN};
use std::rc::Rc;

/// How long a description gets at most: each operation tells its whole path, so a short envelope could ask for a long one.
pub const MAX_DESCRIPTION_BYTES: usize = 16 << 20;

impl Document {
    /// Appends what an envelope does, as a packed array of objects with `container` (the kind of what is written in), `kind`
    /// (of the change), `path` (keys and indices; −1 where an element is not to be found) and, but for deletions, `value`.
    ///
    /// | container | kind | path ends with | value |
    /// |---|---|---|---|
    /// | map, list | `set` | key or index | the plain value |
    /// | map, list | `create` | key or index | the kind of the container, by name |
    /// | map | `delete` | key | |
    /// | text | `insert` | index | the characters |
    /// | list | `insert` | index | an array of the values |
    /// | text, list | `remove` | index | how many |
    /// | counter | `increment` | the counter | the difference |
    /// | set | `add`, `remove` | the set | the value |
    pub fn describe(&self, envelope: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.describe_part(envelope, 0, u32::MAX, out)
    }

    /// The same of the operations with `from < seq <= to` alone: of a stretch (characters, elements, units deleted one by one)
    /// that part. Indices are told as if all of the envelope were.
    pub fn describe_part(&self, envelope: &[u8], from: u32, to: u32, out: &mut Vec<u8>) -> Result<(), Error> {
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
            from,
            to,
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
    /// What is told: above this seq, and up to the other.
    from: u32,
    to: u32,
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
}

impl Describing<'_> {
    fn operation(&mut self, operation: &Operation<'_>) -> Result<(), Error> {
        let at = self.at;
        let (start, end) = self.part(operation);
        match &operation.action {
            Action::Name {
                parent,
                key,
                kind,
                generation,
            } => {
                let named = self.name(*parent as usize, *key, *kind, *generation)?;
                self.named.push(named);
                self.at = self.named.len() - 1;
            }
            Action::Select(number) => self.at = *number as usize,
            Action::InsertText { anchor, text } => {
                let index = self.inserted(*anchor, operation);
                if start < end {
                    let mut value = vec![5];
                    value.blob(units(text, start, end));
                    self.change("insert", &Last::Index(i64::from(index) + i64::from(start)), &value)?;
                }
            }
            Action::InsertElements { anchor, values } => {
                let first = self.inserted(*anchor, operation);
                for (value, i) in values.iter().zip(0..end).skip(start as usize) {
                    let index = Last::Index(i64::from(first) + i64::from(i));
                    match value {
                        ValueRef::Child(kind, _) => self.create(*kind, &index)?,
                        ValueRef::Plain(bytes) => self.change("insert", &index, &[&[7, 1], *bytes].concat())?,
                        ValueRef::Deleted => {}
                    }
                }
            }
            _ if start >= end => {}
            Action::DeleteRange { first, len, step } => {
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
            Action::DeleteRanges(ranges) => {
                for &(first, len) in ranges {
                    self.removed(first, len)?;
                }
            }
            Action::Write { key, value, .. } => {
                let last = match key {
                    KeyRef::Name(name) => Last::Key(name),
                    KeyRef::Element(element) => Last::Index(self.index(at, *element)),
                };
                match value {
                    ValueRef::Deleted => self.change("delete", &last, &[])?,
                    ValueRef::Plain(bytes) => self.change("set", &last, bytes)?,
                    ValueRef::Child(kind, _) => self.create(*kind, &last)?,
                }
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
        }
        Ok(())
    }

    /// Which part of a stretch is told: the first of its units, and the one behind the last.
    fn part(&self, operation: &Operation<'_>) -> (u32, u32) {
        let until = |seq: u32| seq.saturating_add(1).saturating_sub(operation.seq).min(operation.len);
        (until(self.from), until(self.to))
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
            KeyRef::Element(element) => {
                number(&mut step, self.index(parent, element));
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

    fn removed(&mut self, first: Dot, len: u32) -> Result<(), Error> {
        let index = Last::Index(self.index(self.at, first));
        let mut value = Vec::new();
        number(&mut value, i64::from(len));
        self.change("remove", &index, &value)
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

    fn shows(&self, unit: Dot) -> bool {
        let named = &self.named[self.at];
        let all = &self.document.containers;
        let in_document = || match named.kind {
            Kind::Text => all.text(named.container?).ok()?.sequence.unit(unit).map(|_| ()),
            _ => all.list(named.container?).ok()?.sequence.unit(unit).map(|_| ()),
        };
        self.new_index(named, unit).is_some() || in_document().is_some()
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

/// The characters of which a UTF-16 unit is in this range of units.
fn units(text: &[u8], start: u32, end: u32) -> &[u8] {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let (mut unit, mut first, mut last) = (0, text.len(), text.len());
    for (at, character) in text.char_indices() {
        if unit >= end {
            last = at;
            break;
        }
        unit += character.len_utf16() as u32;
        if unit > start {
            first = first.min(at);
        }
    }
    &text.as_bytes()[first..last]
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
