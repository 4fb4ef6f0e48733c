//! Relative positions: places in a text or list that stay where they are meant while others edit around them. One names the unit
//! that it sticks to, so it holds for every replica of the same epoch that has the unit, and costs the document nothing.
//!
//! The bytes: what it sticks to ([`START`], [`END`], or a unit and its side); then the unit's agent (8 bytes, LE) and seq (varint). A
//! position in a list follows the element that it sticks to; at one that was moved ([`MOVED`]) it names the element, and then the unit.

use crate::container::{Body, Container};
use crate::document::Document;
use crate::error::Error;
use joinery_codec::{DecodeError, Reader, Writer};
use joinery_history::Dot;

const START: u8 = 0;
const END: u8 = 1;
const BEHIND: u8 = 2;
const BEFORE: u8 = 3;
/// Beside a side.
const MOVED: u8 = 4;

/// On which side of a position that is which stands there for good: what is inserted at the position comes on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stick {
    /// It stays behind what is before it.
    Left,
    /// It stays before what is behind it.
    Right,
}

impl Document {
    /// The position at an index of a text or list, 0 to its length, as at most 14 bytes (27 beside a list element that was moved).
    ///
    /// ```
    /// # use joinery_types::{Document, Kind, Stick, ROOT};
    /// let mut document = Document::default();
    /// document.set_agent(1);
    /// let text = document.ensure_child(ROOT, "body", Kind::Text, 0).unwrap();
    /// document.text_insert(text, 0, &mut [0x61, 0x62]).unwrap();
    /// let position = document.position_at(text, 1, Stick::Left).unwrap();
    /// document.text_insert(text, 0, &mut [0x63]).unwrap();
    /// assert_eq!(document.index_at(text, &position), Ok(Some(2)));
    /// ```
    pub fn position_at(&mut self, container: u32, index: u32, stick: Stick) -> Result<Vec<u8>, Error> {
        let len = self.sequence_len(container)?;
        if index > len {
            return Err(Error::IndexOutOfRange { index, len });
        }
        let (unit, end, side) = match stick {
            Stick::Left => (index.checked_sub(1), START, BEHIND),
            Stick::Right => (Some(index).filter(|&index| index < len), END, BEFORE),
        };
        let unit = match unit {
            Some(unit) => self.sequence_dot(container, unit)?,
            None => None,
        };
        let mut out = Vec::with_capacity(14);
        let Some(unit) = unit else {
            out.push(end);
            return Ok(out);
        };
        let list = self.containers.list(container);
        let element = list.map_or(unit, |list| list.element_at(unit));
        let (moved, named) = if element == unit {
            (0, &[unit][..])
        } else {
            (MOVED, &[element, unit][..])
        };
        out.push(side | moved);
        for dot in named {
            out.u64_le(self.agents.id(dot.agent));
            out.varint(u64::from(dot.seq));
        }
        Ok(out)
    }

    /// The index at which a position is now. Where what it sticks to was removed, the index at which that stood (of an
    /// element that was moved since: at which it stood when the position was taken). None where
    /// the unit isn't here: not yet, or not in this epoch.
    pub fn index_at(&self, container: u32, position: &[u8]) -> Result<Option<u32>, Error> {
        let len = self.sequence_len(container)?;
        let mut reader = Reader::new(position);
        let kind = reader.u8("a position").map_err(Error::InvalidPosition)?;
        let (side, is_moved) = (kind & !MOVED, kind & MOVED != 0);
        let names = match (side, is_moved) {
            (START | END, false) => 0,
            (BEHIND | BEFORE, _) => 1 + u8::from(is_moved),
            _ => return Err(Error::InvalidPosition(reader.error("a position", "other bytes"))),
        };
        let named = (0..names)
            .map(|_| read_unit(&mut reader))
            .collect::<Result<Vec<_>, _>>();
        let named = named.map_err(Error::InvalidPosition)?;
        reader.finish().map_err(Error::InvalidPosition)?;
        let dot = |&(id, seq): &(u64, u32)| self.agents.find(id).map(|agent| Dot { agent, seq });
        let (Some(element), Some(unit)) = (named.first(), named.last()) else {
            return Ok(Some(if side == START { 0 } else { len }));
        };
        let (Some(element), Some(unit)) = (dot(element), dot(unit)) else {
            return Ok(None);
        };
        let list = self.containers.list(container).ok();
        let standing = list.and_then(|list| list.standing(element));
        let found = self.sequence_index(container, standing.map_or(unit, |at| at.unit))?;
        Ok(found.map(|(index, is_visible)| index + u32::from(side == BEHIND && is_visible)))
    }

    fn sequence_len(&self, container: u32) -> Result<u32, Error> {
        match &self.containers.live(container)?.body {
            Body::Text(text) => Ok(text.len()),
            Body::List(list) => Ok(list.sequence.len()),
            _ => Err(not_ordered(self.containers.get(container))),
        }
    }

    fn sequence_dot(&mut self, container: u32, index: u32) -> Result<Option<Dot>, Error> {
        match self.containers.live(container)?.body.kind() {
            crate::Kind::Text => Ok(self.containers.text_mut(container)?.sequence.dot_at(index)),
            _ => Ok(self.containers.list_mut(container)?.sequence.dot_at(index)),
        }
    }

    /// Where a unit stands, or stood, and whether it is visible.
    fn sequence_index(&self, container: u32, dot: Dot) -> Result<Option<(u32, bool)>, Error> {
        let found = match &self.containers.live(container)?.body {
            Body::Text(text) => (text.sequence.index_of(dot), text.sequence.unit(dot).is_some()),
            Body::List(list) => (list.sequence.index_of(dot), list.sequence.unit(dot).is_some()),
            _ => return Err(not_ordered(self.containers.get(container))),
        };
        Ok(found.0.map(|index| (index, found.1)))
    }
}

fn read_unit(reader: &mut Reader<'_>) -> Result<(u64, u32), DecodeError> {
    let id = reader.u64_le("an agent")?;
    let seq = reader.u32("a seq")?;
    if seq == 0 {
        return Err(reader.error("a seq from 1", "0"));
    }
    Ok((id, seq))
}

fn not_ordered(container: &Container) -> Error {
    Error::WrongType {
        expected: "text or list",
        found: container.body.kind().name(),
    }
}
