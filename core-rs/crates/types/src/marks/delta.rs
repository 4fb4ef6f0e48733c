//! Rich text as a delta, the form of Quill: an array of `{insert, attributes?}`, `{retain, attributes?}` and `{delete}`, as
//! packed values. A text reads as inserts alone; an embedded object is an insert that is an object.
//!
//! A delta that is applied is read and checked whole before anything changes. Its inserts have the attributes that it says and
//! no others: what the place would pass on to them and they don't say is taken off.

use super::edit::{check_mark, reserved, Expand};
use super::{Mark, EMBED_KEY, EMBED_UNIT};
use crate::document::Document;
use crate::error::Error;
use crate::sequence::Gap;
use crate::text::Text;
use joinery_codec::{skip_value, write_zigzag, DecodeError, Reader, Writer};
use joinery_history::{Stamp, MAX_SEQ};
use std::rc::Rc;

/// Keys and packed values.
type Attributes<'a> = Vec<(&'a str, &'a [u8])>;

/// Keys, ascending, and packed values of what is said of a stretch of text.
type Said<'t> = Vec<(&'t str, &'t [u8])>;

enum Step<'a> {
    Insert(&'a str, Attributes<'a>),
    /// A packed object.
    Embed(&'a [u8], Attributes<'a>),
    Retain(u32, Attributes<'a>),
    Delete(u32),
}

impl Document {
    /// Appends a text as a delta, a packed array of inserts. Neighbours with equal attributes are one.
    pub fn text_delta(&self, text: u32, out: &mut Vec<u8>) -> Result<(), Error> {
        let text = self.containers.text(text)?;
        let mut delta = Delta::default();
        let units: Vec<u16> = text.sequence.chunks().flatten().copied().collect();
        text.stretches(&units, &mut |units, marks| delta.insert(units, marks));
        delta.finish(out);
        Ok(())
    }

    /// Applies a delta, a packed array. `expand` says of each key whether its marks grow. On an error nothing has changed.
    pub fn text_apply_delta(
        &mut self,
        text: u32,
        delta: &[u8],
        expand: &dyn Fn(&str) -> Expand,
        now_ms: u64,
    ) -> Result<(), Error> {
        let steps = read(delta)?;
        self.check_delta(text, &steps)?;
        let mut at = 0;
        for step in steps {
            match step {
                Step::Retain(n, attributes) => {
                    for (key, value) in attributes {
                        self.mark(text, (at, at + n), key, value, expand(key), now_ms)?;
                    }
                    at += n;
                }
                Step::Delete(n) => self.text_delete(text, at, n)?,
                Step::Insert(content, attributes) => {
                    let mut units: Vec<u16> = content.encode_utf16().collect();
                    self.text_insert(text, at, &mut units)?;
                    let end = at + units.len() as u32;
                    self.set_attributes(text, (at, end), &attributes, expand, now_ms)?;
                    at = end;
                }
                Step::Embed(object, mut attributes) => {
                    self.text_insert(text, at, &mut [EMBED_UNIT])?;
                    attributes.push((EMBED_KEY, object));
                    self.set_attributes(text, (at, at + 1), &attributes, expand, now_ms)?;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// Gives units that were just inserted these attributes and no others.
    fn set_attributes(
        &mut self,
        text: u32,
        range: (u32, u32),
        attributes: &Attributes<'_>,
        expand: &dyn Fn(&str) -> Expand,
        now_ms: u64,
    ) -> Result<(), Error> {
        if range.0 == range.1 {
            return Ok(());
        }
        let expand = |key: &str| if key == EMBED_KEY { Expand::None } else { expand(key) };
        for key in self.containers.text_mut(text)?.keys_at(range.0) {
            if !attributes.iter().any(|&(wanted, _)| *wanted == *key) {
                self.mark(text, range, &key, &[0], expand(&key), now_ms)?;
            }
        }
        for &(key, value) in attributes {
            self.mark(text, range, key, value, expand(key), now_ms)?;
        }
        Ok(())
    }

    /// Can all of this be done here?
    fn check_delta(&mut self, text: u32, steps: &[Step<'_>]) -> Result<(), Error> {
        let state = self.containers.text_mut(text)?;
        let len = state.len();
        let mut at = 0u32;
        // Operations at most: a unit each, and a mark for each attribute that is said or would be passed on.
        let mut most = 0u64;
        let mut marks = 0u64;
        for step in steps {
            let (passed, attributes) = match step {
                Step::Retain(n, attributes) => (*n, attributes.len()),
                Step::Delete(n) => (*n, 0),
                Step::Insert(content, attributes) => {
                    most += content.len() as u64;
                    (0, attributes.len() + state.mark_keys() + steps.len())
                }
                Step::Embed(_, attributes) => {
                    most += 1;
                    (0, attributes.len() + 1 + state.mark_keys() + steps.len())
                }
            };
            marks += attributes as u64;
            most += u64::from(passed);
            let end = at.checked_add(passed).filter(|&end| end <= len);
            at = end.ok_or(Error::IndexOutOfRange {
                index: at.saturating_add(passed),
                len,
            })?;
            if state.pair_start(at) != at {
                return Err(Error::InvalidValue(DecodeError::new(
                    0,
                    "steps that end between characters",
                    "one that ends inside a surrogate pair",
                )));
            }
        }
        let mut keys: Vec<&str> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(_, said) | Step::Retain(_, said) => keys.extend(shown_keys(said)),
                Step::Embed(_, said) => keys.extend(shown_keys(said).chain([EMBED_KEY])),
                Step::Delete(_) => {}
            }
        }
        state.check_mark_keys(&keys)?;
        let dot = self.next_dot(1)?;
        if most + marks > u64::from(MAX_SEQ - dot.seq) {
            return Err(Error::LimitExceeded(
                "an agent writes at most 2^32 − 2 operations; open the document anew",
            ));
        }
        if marks >= Stamp::MAX - 1 - self.clock.highest() {
            return Err(Error::LimitExceeded("no stamp is left above the highest one seen"));
        }
        Ok(())
    }
}

impl Text {
    fn mark_keys(&self) -> usize {
        self.marks.as_ref().map_or(0, |marks| marks.functions().count())
    }

    /// The keys that say something of the visible unit at `index`.
    fn keys_at(&mut self, index: u32) -> Vec<Rc<str>> {
        let Some(unit) = self.sequence.dot_at(index) else {
            return Vec::new();
        };
        let functions = self.marks.iter().flat_map(|marks| marks.functions());
        let says = functions.filter(|(_, function)| {
            let mark = function.at(&self.sequence, Gap::Before(unit));
            mark.is_some_and(|mark| mark.shown().is_some())
        });
        says.map(|(key, _)| key.clone()).collect()
    }

    /// Tells `units`, which are the visible ones, by stretches of which the same marks say something.
    fn stretches<'t>(&'t self, units: &[u16], tell: &mut dyn FnMut(&[u16], &Said<'t>)) {
        let mut changes: Vec<(usize, &str, Option<&Mark>)> = Vec::new();
        for (key, function) in self.marks.iter().flat_map(|marks| marks.functions()) {
            for (gap, mark) in function.boundaries() {
                let mut index = self.sequence.index_of_gap(gap) as usize;
                // Only a hostile peer marks half a pair.
                if index > 0 && index < units.len() && is_pair(units[index - 1], units[index]) {
                    index -= 1;
                }
                changes.push((index, key, mark.map(|mark| &**mark)));
            }
        }
        tell_stretches(units, &changes, tell);
    }

    /// The same of the units between two indices alone. It costs a look-up for each key.
    pub(super) fn stretches_of<'t>(&'t self, (from, to): (u32, u32), tell: &mut dyn FnMut(&[u16], &Said<'t>)) {
        let mut units = Vec::new();
        self.sequence.read(from, to - from, &mut units);
        let ends = (
            self.sequence.dot_of_index(from),
            self.sequence.dot_of_index(to.max(1) - 1),
        );
        let (Some(first), Some(last)) = ends else {
            return;
        };
        let mut changes: Vec<(usize, &str, Option<&Mark>)> = Vec::new();
        for (key, function) in self.marks.iter().flat_map(|marks| marks.functions()) {
            for ((start, _), mark) in function.stretches(&self.sequence, (Gap::Before(first), Gap::After(last))) {
                let index = self.index_of_end(start).clamp(from, to) - from;
                changes.push((index as usize, key, mark.map(|mark| &**mark)));
            }
        }
        tell_stretches(&units, &changes, tell);
    }

    /// The index at which a mark begins or ends that does so at this gap.
    pub(super) fn index_of_end(&self, gap: Gap) -> u32 {
        let index = self.sequence.index_of_gap(gap);
        if index == 0 || index == self.len() {
            return index;
        }
        let mut beside = Vec::new();
        self.sequence.read(index - 1, 2, &mut beside);
        index - u32::from(matches!(beside[..], [high, low] if is_pair(high, low)))
    }
}

/// Tells `units` by stretches of which the same marks say something; from each index on a key's mark is another one.
fn tell_stretches<'t>(
    units: &[u16],
    changes: &[(usize, &'t str, Option<&'t Mark>)],
    tell: &mut dyn FnMut(&[u16], &Said<'t>),
) {
    // Where one key changes several times between two visible units, the last one counts: by index, then as they came.
    let places = changes.iter().zip(0u64..);
    let mut order: Vec<u64> = places.map(|(&(index, ..), at)| (index as u64) << 32 | at).collect();
    order.sort_unstable();
    let mut marks = Said::new();
    let mut told = 0;
    for at in order {
        let (index, key, mark) = changes[at as u32 as usize];
        if index > told {
            tell(&units[told..index], &marks);
            told = index;
        }
        let found = marks.binary_search_by(|&(said, _)| said.cmp(key));
        match (found, mark.and_then(Mark::shown)) {
            (Ok(at), Some(value)) => marks[at].1 = value,
            (Ok(at), None) => drop(marks.remove(at)),
            (Err(at), Some(value)) => marks.insert(at, (key, value)),
            (Err(_), None) => {}
        }
    }
    if told < units.len() {
        tell(&units[told..], &marks);
    }
}

fn shown_keys<'a>(attributes: &'a Attributes<'_>) -> impl Iterator<Item = &'a str> {
    let shown = attributes.iter().filter(|(_, value)| !super::is_off(value));
    shown.map(|&(key, _)| key)
}

fn is_pair(high: u16, low: u16) -> bool {
    high & 0xfc00 == 0xd800 && low & 0xfc00 == 0xdc00
}

/// The steps so far, and the one that may still grow.
#[derive(Default)]
pub(super) struct Delta {
    steps: Vec<u8>,
    count: u64,
    units: Vec<u16>,
    /// Packed, as a member of the open insert; empty where there are none.
    attributes: Vec<u8>,
    /// Units to be kept, and the attributes that they get: a packed object without its tag; empty where there are none.
    retained: (u32, Vec<u8>),
}

impl Delta {
    /// Does it change nothing?
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.units.is_empty() && self.retained.1.is_empty()
    }

    /// Appends it as a packed array. Units at its end that are kept as they are go without saying.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.flush();
        if !self.retained.1.is_empty() {
            self.flush_retained();
        }
        out.push(7);
        out.varint(self.count);
        out.extend_from_slice(&self.steps);
    }

    /// Keeps units, and gives them attributes: the members of a packed object, with their count.
    pub fn retain(&mut self, len: u32, attributes: &[u8]) {
        if len == 0 {
            return;
        }
        self.flush();
        if self.retained.1 != attributes {
            self.flush_retained();
            self.retained.1 = attributes.to_vec();
        }
        self.retained.0 += len;
    }

    fn flush_retained(&mut self) {
        let (len, attributes) = std::mem::take(&mut self.retained);
        if len > 0 {
            self.step(b"retain", len, &attributes);
        }
    }

    /// Takes units out.
    pub fn delete(&mut self, len: u32) {
        if len > 0 {
            self.flush();
            self.flush_retained();
            self.step(b"delete", len, &[]);
        }
    }

    fn step(&mut self, member: &[u8], len: u32, attributes: &[u8]) {
        self.steps.extend([8, 1 + u8::from(!attributes.is_empty())]);
        if !attributes.is_empty() {
            self.steps.blob(b"attributes");
            self.steps.push(8);
            self.steps.extend_from_slice(attributes);
        }
        self.steps.blob(member);
        self.steps.push(3);
        write_zigzag(&mut self.steps, i64::from(len));
        self.count += 1;
    }

    /// Puts units in, of which these marks say something.
    pub fn insert(&mut self, units: &[u16], marks: &Said<'_>) {
        self.flush_retained();
        let mut object = None;
        let mut attributes = Vec::new();
        let mut count = 0u64;
        for &(key, value) in marks {
            if key == EMBED_KEY {
                object = Some(value).filter(|value| value.first() == Some(&8));
                continue;
            }
            count += 1;
            attributes.blob(key.as_bytes());
            attributes.extend_from_slice(value);
        }
        if count > 0 {
            let members = std::mem::take(&mut attributes);
            attributes.blob(b"attributes");
            attributes.push(8);
            attributes.varint(count);
            attributes.extend_from_slice(&members);
        }
        if attributes != self.attributes {
            self.flush();
            self.attributes = attributes;
        }
        let Some(object) = object else {
            self.units.extend_from_slice(units);
            return;
        };
        for &unit in units {
            if unit == EMBED_UNIT {
                self.flush();
                self.push_insert(object);
            } else {
                self.units.push(unit);
            }
        }
    }

    fn flush(&mut self) {
        if !self.units.is_empty() {
            let content = String::from_utf16_lossy(&self.units);
            self.units.clear();
            let mut packed = vec![5];
            packed.blob(content.as_bytes());
            self.push_insert(&packed);
        }
    }

    fn push_insert(&mut self, content: &[u8]) {
        self.steps.push(8);
        self.steps.varint(if self.attributes.is_empty() { 1 } else { 2 });
        self.steps.extend_from_slice(&self.attributes);
        self.steps.blob(b"insert");
        self.steps.extend_from_slice(content);
        self.count += 1;
    }
}

fn read(delta: &[u8]) -> Result<Vec<Step<'_>>, Error> {
    let mut reader = Reader::new(delta);
    let steps = steps(&mut reader).map_err(Error::InvalidValue)?;
    for step in &steps {
        if let Step::Insert(_, attributes) | Step::Embed(_, attributes) | Step::Retain(_, attributes) = step {
            for &(key, value) in attributes {
                check_mark(key, value)?;
                if key == EMBED_KEY {
                    return Err(reserved());
                }
            }
        }
    }
    Ok(steps)
}

fn steps<'a>(reader: &mut Reader<'a>) -> Result<Vec<Step<'a>>, DecodeError> {
    if reader.u8("a delta")? != 7 {
        return Err(reader.error("an array", "another value"));
    }
    let n = reader.count("a count of steps")?;
    let steps = (0..n).map(|_| step(reader)).collect::<Result<_, _>>()?;
    reader.finish()?;
    Ok(steps)
}

/// One object; its keys ascend.
fn step<'a>(reader: &mut Reader<'a>) -> Result<Step<'a>, DecodeError> {
    if reader.u8("a step")? != 8 {
        return Err(reader.error("an object", "another value"));
    }
    let members = reader.count("a count of members")?;
    let mut key = if members > 0 { reader.str("a key")? } else { "" };
    let mut attributes = None;
    if key == "attributes" && members == 2 {
        attributes = Some(read_attributes(reader)?);
        key = reader.str("a key")?;
    } else if members != 1 {
        return Err(reader.error("insert, retain or delete, and attributes", "other members"));
    }
    match key {
        "insert" => {
            let attributes = attributes.unwrap_or_default();
            let mut ahead = reader.clone();
            if ahead.u8("what is inserted")? == 5 {
                *reader = ahead;
                return Ok(Step::Insert(reader.str("text")?, attributes));
            }
            let object = skip_value(reader)?;
            if object.first() != Some(&8) {
                return Err(reader.error("text or an object", "another value"));
            }
            Ok(Step::Embed(object, attributes))
        }
        "retain" => Ok(Step::Retain(length(reader)?, attributes.unwrap_or_default())),
        "delete" if attributes.is_none() => Ok(Step::Delete(length(reader)?)),
        _ => Err(reader.error("insert, retain or delete", "another member")),
    }
}

fn read_attributes<'a>(reader: &mut Reader<'a>) -> Result<Attributes<'a>, DecodeError> {
    if reader.u8("attributes")? != 8 {
        return Err(reader.error("an object", "another value"));
    }
    let n = reader.count("a count of attributes")?;
    let mut attributes: Attributes<'a> = Vec::new();
    for _ in 0..n {
        let key = reader.str("a key")?;
        if attributes.last().is_some_and(|&(last, _)| last >= key) {
            return Err(reader.error("keys in ascending order", "another order"));
        }
        attributes.push((key, skip_value(reader)?));
    }
    Ok(attributes)
}

fn length(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    if reader.u8("a length")? != 3 {
        return Err(reader.error("a whole number", "another value"));
    }
    let n = reader.zigzag("a length")?;
    u32::try_from(n).map_err(|_| reader.error("a length", "another number"))
}
