//! The text: UTF-16 characters with ids in Fugue order; deleted by id, for good.
//!
//! Pairs of surrogates are two ids that no well-behaved replica parts: an index between them means the pair's start.

use crate::marks::{Marks, OldMark};
use crate::sequence::{Anchor, Sequence};
use crate::Error;
use joinery_codec::well_formed_units;
use joinery_history::{Agents, Dot};

/// A text's live state.
#[derive(Debug, Default, Clone)]
pub struct Text {
    /// The characters.
    pub sequence: Sequence<u16>,
    /// What is said of ranges of them; none in a text that was never marked.
    pub marks: Option<Box<Marks>>,
    /// True once a surrogate came in; before that no index can be inside a pair and none is looked for.
    wide: bool,
    /// Where marks came while changes are noted, and what was there before.
    pub(crate) old_marks: Vec<OldMark>,
}

impl Text {
    /// A text over characters that were read from a state.
    pub fn new(sequence: Sequence<u16>) -> Self {
        let wide = sequence
            .chunks()
            .any(|chunk| chunk.iter().any(|unit| unit & 0xf800 == 0xd800));
        Text {
            sequence,
            marks: None,
            wide,
            old_marks: Vec::new(),
        }
    }

    /// Takes note of characters that came from elsewhere.
    pub fn note(&mut self, units: &[u16]) {
        self.wide = self.wide || units.iter().any(|unit| unit & 0xf800 == 0xd800);
    }

    /// Length in UTF-16 units.
    pub fn len(&self) -> u32 {
        self.sequence.len()
    }

    /// Replaces lone surrogates in what a user inserts, and moves an index inside a pair to the pair's start.
    pub fn prepare_insert(&mut self, index: u32, units: &mut [u16]) -> Result<u32, Error> {
        if index > self.len() {
            return Err(Error::IndexOutOfRange { index, len: self.len() });
        }
        let wide = units.iter().any(|unit| unit & 0xf800 == 0xd800) && well_formed_units(units);
        let index = self.pair_start(index);
        self.wide |= wide;
        Ok(index)
    }

    /// The range to delete: grown to whole pairs at both ends.
    pub fn prepare_delete(&mut self, index: u32, len: u32) -> Result<(u32, u32), Error> {
        let end = index.checked_add(len).filter(|&end| end <= self.len());
        let end = end.ok_or(Error::IndexOutOfRange {
            index: index.saturating_add(len),
            len: self.len(),
        })?;
        if len == 0 {
            return Ok((index, 0));
        }
        let start = self.pair_start(index);
        let end = if self.pair_start(end) < end { end + 1 } else { end };
        Ok((start, end - start))
    }

    /// `index`, or the index before it where `index` is inside a pair.
    pub fn pair_start(&mut self, index: u32) -> u32 {
        if !self.wide || index == 0 {
            return index;
        }
        let low = self.sequence.get(index).is_some_and(|unit| unit & 0xfc00 == 0xdc00);
        if low && self.sequence.get(index - 1).is_some_and(|unit| unit & 0xfc00 == 0xd800) {
            index - 1
        } else {
            index
        }
    }

    /// Inserts at an index that [`Text::prepare_insert`] gave.
    pub fn insert(&mut self, agents: &Agents, index: u32, dot: Dot, units: &[u16]) -> Anchor {
        let left = self.behind_index(index);
        self.sequence.insert_behind(agents, left, dot, units)
    }
}
