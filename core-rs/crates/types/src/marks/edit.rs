//! Marking a text, by its owner: which gaps a range of indices means, what is written at all, and the bounds.

use super::{is_off, Mark, Marks, EMBED_KEY, MAX_MARK_KEYS};
use crate::document::{Document, MAX_KEY_BYTES};
use crate::error::Error;
use crate::operation::check_plain;
use crate::outbox::Who;
use crate::sequence::{Gap, Place};
use crate::text::Text;
use joinery_codec::DecodeError;
use joinery_history::{Dot, Stamp};
use std::rc::Rc;

/// Does a mark take in what is typed at its end?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expand {
    /// Yes, as bold does: it ends right before the next character. One that begins where the text begins takes in what is
    /// typed there too, for there is nothing on the left that it could go on from.
    After,
    /// No, as a link and a comment: it ends right behind its last character.
    None,
}

impl Text {
    /// The gaps that the visible units from `start` to `end` (not with it) are marked between. There is one at least.
    fn gaps(&mut self, start: u32, end: u32, expand: Expand) -> Option<(Gap, Gap)> {
        let from = match expand {
            Expand::After if start == 0 => Gap::Start,
            _ => Gap::Before(self.sequence.dot_at(start)?),
        };
        let to = match expand {
            Expand::After => self.sequence.dot_at(end).map_or(Gap::End, Gap::Before),
            Expand::None => Gap::After(self.sequence.dot_at(end.checked_sub(1)?)?),
        };
        Some((from, to))
    }

    /// Joins a mark.
    pub fn join_mark(&mut self, key: &str, range: (Gap, Gap), mark: &Rc<Mark>) {
        if self.sequence.changes.is_some() {
            self.record_mark(key, range);
        }
        let marks = self.marks.get_or_insert_default();
        marks.join(&self.sequence, key, range, mark);
    }

    /// The place behind which a unit inserted at `index` stands; none for the start.
    pub fn behind_index(&mut self, index: u32) -> Option<Place> {
        let left = self.sequence.behind_index(index);
        if self.marks.is_none() || !self.sequence.is_removed_behind(left) {
            return left;
        }
        let right = self.sequence.dot_at(index);
        let marks = self.marks.as_deref()?;
        marks.behind(&self.sequence, left, right)
    }

    /// Is this all that the key says between two gaps?
    fn says(&self, key: &str, range: (Gap, Gap), value: &[u8]) -> bool {
        let wanted = Some(value).filter(|value| !is_off(value));
        let function = self.marks.as_ref().and_then(|marks| marks.function(key));
        match function {
            Some(function) => function
                .within(&self.sequence, range)
                .all(|mark| mark.and_then(|mark| mark.shown()) == wanted),
            None => wanted.is_none(),
        }
    }

    /// Would a mark with one of these keys be one too many?
    #[inline(never)]
    pub(super) fn check_mark_keys(&self, keys: &[&str]) -> Result<(), Error> {
        let marks = self.marks.as_deref();
        let mut new: Vec<&str> = Vec::new();
        for &key in keys {
            let function = marks.and_then(|marks| marks.function(key));
            let shows = function.is_some_and(|function| function.shows());
            // Past the bound it doesn't matter how many more there are.
            if !shows && new.len() <= MAX_MARK_KEYS && !new.contains(&key) {
                new.push(key);
            }
        }
        // Those that are left on removed units alone are looked for only where it matters.
        let is_full = |have: usize| have + new.len() > MAX_MARK_KEYS;
        let full = is_full(marks.map_or(0, Marks::shown_keys))
            && is_full(marks.map_or(0, |marks| marks.visible_keys(&self.sequence)));
        if !new.is_empty() && full {
            return Err(Error::LimitExceeded("a text has marks with at most 1000 keys"));
        }
        Ok(())
    }
}

impl Document {
    /// Marks the UTF-16 units from `start` to `end` (not with it): `key` is `value` there, a packed plain value; null takes the
    /// key off. Half a pair takes the whole pair. False, and nothing is written, where it is so already.
    #[allow(clippy::too_many_arguments)]
    pub fn text_mark(
        &mut self,
        text: u32,
        (start, end): (u32, u32),
        key: &str,
        value: &[u8],
        expand: Expand,
        now_ms: u64,
    ) -> Result<bool, Error> {
        check_mark(key, value)?;
        if key == EMBED_KEY {
            return Err(reserved());
        }
        self.mark(text, (start, end), key, value, expand, now_ms)
    }

    /// The keys of a text's marks, in ascending byte order; also of those that show nowhere any more.
    pub fn text_mark_keys(&self, text: u32) -> Result<impl Iterator<Item = &Rc<str>>, Error> {
        let marks = self.containers.text(text)?.marks.iter();
        let keys = marks.flat_map(|marks| marks.functions()).map(|(key, _)| key);
        Ok(keys.filter(|key| &***key != EMBED_KEY))
    }

    /// The same with any key that was checked.
    pub(super) fn mark(
        &mut self,
        text: u32,
        (start, end): (u32, u32),
        key: &str,
        value: &[u8],
        expand: Expand,
        now_ms: u64,
    ) -> Result<bool, Error> {
        let dot = self.next_dot(1)?;
        let state = self.containers.text_mut(text)?;
        let Some(len) = end.checked_sub(start) else {
            return Err(Error::IndexOutOfRange { index: start, len: end });
        };
        let (start, len) = state.prepare_delete(start, len)?;
        let range = (len > 0).then(|| state.gaps(start, start + len, expand)).flatten();
        let Some(range) = range.filter(|&range| !state.says(key, range, value)) else {
            return Ok(false);
        };
        if !is_off(value) {
            state.check_mark_keys(&[key])?;
        }
        let stamp = self.tick(now_ms)?;
        self.put_mark(text, range, key, value, (dot, stamp));
        Ok(true)
    }

    /// Writes a mark with this dot and stamp. The text is there, and so are the gaps.
    pub(crate) fn put_mark(
        &mut self,
        text: u32,
        range: (Gap, Gap),
        key: &str,
        value: &[u8],
        (dot, stamp): (Dot, Stamp),
    ) {
        if self.undo.is_on() {
            self.undo_marking(text, range, key, value);
        }
        self.book(text, dot, 1, key.len() + value.len());
        let who = Who {
            own: dot.agent,
            agents: &self.agents,
        };
        self.outbox.mark(who, (dot, stamp), range, key, value);
        self.join_mark(text, key, range, (dot, stamp), value);
    }

    /// Joins a mark, unless its text is gone.
    pub(crate) fn join_mark(
        &mut self,
        text: u32,
        key: &str,
        range: (Gap, Gap),
        (dot, stamp): (Dot, Stamp),
        value: &[u8],
    ) {
        if let Ok(text) = self.containers.text_mut(text) {
            let mark = Mark {
                dot,
                agent: self.agents.id(dot.agent),
                stamp,
                value: value.into(),
            };
            text.join_mark(key, range, &Rc::new(mark));
        }
    }
}

/// Checks a key and a value that an app hands in.
pub(super) fn check_mark(key: &str, value: &[u8]) -> Result<(), Error> {
    if key.len() > MAX_KEY_BYTES {
        return Err(Error::LimitExceeded("a key has at most 1024 bytes of UTF-8"));
    }
    check_plain(value).map_err(Error::InvalidValue)
}

pub(super) fn reserved() -> Error {
    Error::InvalidValue(DecodeError::new(
        0,
        "an attribute's key",
        "U+FFFC, which is kept for embedded objects",
    ))
}
