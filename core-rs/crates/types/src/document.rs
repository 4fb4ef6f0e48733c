//! One document: containers, version, clock, outbox and pending area, and the edits that its owner makes.
//!
//! Joining what comes from elsewhere is in `apply.rs` (envelopes) and `join.rs` (states). No clock, no entropy, no I/O:
//! time comes in as `now_ms` (milliseconds since 1970), the agent as 64 random bits.

use crate::apply::{join_slot, Scratch};
use crate::container::{Container, Containers, Key, KeyRef, Keyed, Kind, ROOT};
use crate::cut::{OfUndo, UNDO};
use crate::error::Error;
use crate::operation::check_plain;
use crate::outbox::{Outbox, Who};
use crate::pending::Pending;
use crate::sequence::Place;
use crate::set::Removed;
use crate::slot::{Slot, SlotValue};
use crate::stamps::Stamps;
use crate::undo::Undo;
use joinery_codec::encode_units_as_wtf8;
use joinery_history::{Agents, Arrivals, Clock, Dot, Frontier, Stamp, Version, MAX_SEQ};
use std::rc::Rc;

/// The longest key, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;
/// The deepest nesting of containers.
pub const MAX_DEPTH: u32 = 128;
/// How many characters one operation inserts at most; a longer insert becomes several, so that envelopes stay short.
pub(crate) const MAX_UNITS_PER_OPERATION: usize = 16 * 1024;
/// How many units one operation deletes at most: each may be a range of its own.
pub(crate) const MAX_UNITS_PER_DELETION: u32 = 16 * 1024;
/// How many elements one operation inserts at most.
pub(crate) const MAX_ELEMENTS_PER_OPERATION: usize = 1024;

/// A slot as a reader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A packed plain value.
    Plain(&'a [u8]),
    /// A container.
    Child(u32, Kind),
}

/// A replica of one document. See the top of this file.
///
/// ```
/// # use joinery_types::{Document, Kind, ROOT};
/// let (mut a, mut b) = (Document::default(), Document::default());
/// a.set_agent(1);
/// let text = a.ensure_child(ROOT, "body", Kind::Text, 0).unwrap();
/// a.text_insert(text, 0, &mut "hello".encode_utf16().collect::<Vec<_>>()).unwrap();
/// b.apply(&a.take_update().unwrap(), 0).unwrap();
/// let body = b.child(ROOT, "body", Kind::Text).unwrap();
/// assert_eq!(b.text_string(body).unwrap(), "hello");
/// ```
#[derive(Debug, Default, Clone)]
pub struct Document {
    pub(crate) agents: Agents,
    pub(crate) version: Version,
    pub(crate) arrivals: Arrivals,
    pub(crate) frontier: Frontier,
    pub(crate) clock: Clock,
    pub(crate) containers: Containers,
    pub(crate) pending: Pending,
    pub(crate) scratch: Scratch,
    pub(crate) revision: u64,
    pub(crate) own: Option<u32>,
    pub(crate) outbox: Outbox,
    pub(crate) stamps: Stamps,
    pub(crate) undo: OfUndo<Undo>,
}

impl Document {
    /// Gives the replica its agent: 64 random bits that nobody has used. Only before its first write.
    pub fn set_agent(&mut self, id: u64) {
        let own = self.agents.intern(id);
        self.own = Some(own);
        if UNDO {
            self.undo.add_mine(own);
        }
    }

    /// The replica's agent, once it has one.
    pub fn agent(&self) -> Option<u64> {
        self.own.map(|own| self.agents.id(own))
    }

    /// The seq of the last operation written here; 0 before the first.
    pub fn own_seq(&self) -> u32 {
        self.own.map_or(0, |own| self.version.get(own))
    }

    /// Grows with every change, from here or elsewhere.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Containers, to read.
    pub fn containers(&self) -> &Containers {
        &self.containers
    }

    /// How many updates wait for what they rest on.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// This replica's own transactions since the last take: one envelope; call until there is none.
    pub fn take_update(&mut self) -> Option<Vec<u8>> {
        let mut update = Vec::new();
        self.take_update_into(&mut update).then_some(update)
    }

    /// The same in place of what is in `out`, whose room is used again; false where there is none.
    pub fn take_update_into(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(own) = self.own else { return false };
        let who = Who {
            own,
            agents: &self.agents,
        };
        self.outbox.take(who, out)
    }

    /// Ends the envelope under way before something from elsewhere joins. An envelope that went on after that could rest on
    /// one that rests on its own first half (which an exported state may have carried out), and neither could ever join.
    pub(crate) fn close_envelope(&mut self) {
        if let Some(own) = self.own {
            self.outbox.close_open(Who {
                own,
                agents: &self.agents,
            });
        }
    }

    /// The version's bytes.
    pub fn version_bytes(&self) -> Vec<u8> {
        self.version.encode(&self.agents)
    }

    /// Has this replica seen everything that the version in `bytes` has?
    pub fn covers(&self, bytes: &[u8]) -> Result<bool, Error> {
        let entries = Version::decode(bytes).map_err(Error::InvalidVersion)?;
        Ok(entries
            .iter()
            .all(|&(id, seq)| self.agents.find(id).is_some_and(|agent| self.version.get(agent) >= seq)))
    }

    // ---- writing -------------------------------------------------------------------------------------------------

    /// The dots of the next operation, `len` of them: what is written until the next call is dated as theirs. Nothing has changed
    /// when this fails.
    pub(crate) fn next_dot(&mut self, len: usize) -> Result<Dot, Error> {
        let own = self.own.ok_or(Error::NoAgent)?;
        let seq = self.version.get(own);
        if len as u64 > u64::from(MAX_SEQ - seq) {
            return Err(Error::LimitExceeded(
                "an agent writes at most 2^32 − 2 operations; open the document anew",
            ));
        }
        self.containers.date(self.version.total() + len as u64);
        Ok(Dot {
            agent: own,
            seq: seq + 1,
        })
    }

    /// Books an operation that is going to happen: version, frontier, outbox. `content` is how many bytes it carries.
    pub(crate) fn book(&mut self, container: u32, dot: Dot, len: u32, content: usize) {
        self.book_in(container, dot, (len, content), false);
    }

    /// The same. `tells_text`: it is about units of a text, one of which it names, so that the text needs no name.
    fn book_in(&mut self, container: u32, dot: Dot, (len, content): (u32, usize), tells_text: bool) {
        let last = dot.plus(len - 1);
        let who = Who {
            own: dot.agent,
            agents: &self.agents,
        };
        self.outbox.close_if_long(who, content);
        self.arrivals.note(dot.agent, dot.seq - 1, len, self.version.total());
        self.version.raise(last.agent, last.seq);
        debug_assert!(self.containers.time() >= self.version.total());
        self.frontier.write(last, &mut self.outbox.deps);
        let containers = &self.containers;
        self.outbox.select(who, container, &|c| containers.get(c), tells_text);
        self.containers.touch(container);
        self.revision += 1;
    }

    pub(crate) fn tick(&mut self, now_ms: u64) -> Result<Stamp, Error> {
        let stamp = self
            .clock
            .tick(now_ms)
            .map_err(|_| Error::LimitExceeded("no stamp is left above the highest one seen"))?;
        self.stamps.tick(stamp);
        Ok(stamp)
    }

    // ---- children ------------------------------------------------------------------------------------------------

    /// The container that a reader sees at a map's key, if it is one of this kind.
    pub fn child(&self, parent: u32, key: &str, kind: Kind) -> Option<u32> {
        let slot = self.containers.map(parent).ok()?.slot(key)?;
        match self.entry(slot)? {
            Entry::Child(child, found) if found == kind => Some(child),
            _ => None,
        }
    }

    /// The container at a map's key, created there (by a write) if there is none of this kind.
    pub fn ensure_child(&mut self, parent: u32, key: &str, kind: Kind, now_ms: u64) -> Result<u32, Error> {
        match self.child(parent, key, kind) {
            Some(child) => Ok(child),
            None => self.create_child(parent, key, kind, now_ms),
        }
    }

    /// A fresh container at a map's key; ends what was there.
    pub fn create_child(&mut self, parent: u32, key: &str, kind: Kind, now_ms: u64) -> Result<u32, Error> {
        let found = self
            .containers
            .map(parent)?
            .slot(key)
            .map_or(Dot::NONE, |slot| slot.dot);
        self.write_key(parent, key, Write::Child(kind, found), now_ms)
    }

    // ---- maps ----------------------------------------------------------------------------------------------------

    /// Writes a packed value to a map's key; ends what was there.
    pub fn map_set(&mut self, map: u32, key: &str, value: &[u8], now_ms: u64) -> Result<(), Error> {
        check_plain(value).map_err(Error::InvalidValue)?;
        self.write_key(map, key, Write::Plain(value), now_ms).map(|_| ())
    }

    /// Deletes a map's key; ends what was there. A key that nobody wrote stays unwritten.
    pub fn map_delete(&mut self, map: u32, key: &str, now_ms: u64) -> Result<bool, Error> {
        let slot = self.containers.map(map)?.slot(key);
        if slot.is_none_or(|slot| slot.value == SlotValue::Deleted) {
            return Ok(false);
        }
        self.write_key(map, key, Write::Deleted, now_ms).map(|_| true)
    }

    /// What a reader sees at a map's key.
    pub fn map_get(&self, map: u32, key: &str) -> Result<Option<Entry<'_>>, Error> {
        Ok(self.containers.map(map)?.slot(key).and_then(|slot| self.entry(slot)))
    }

    /// The keys at which a reader sees something, in ascending byte order.
    pub fn map_keys(&self, map: u32) -> Result<impl Iterator<Item = &Rc<str>>, Error> {
        let entries = self.containers.map(map)?.present();
        Ok(entries
            .filter(|(_, slot)| self.entry(slot).is_some())
            .map(|(key, _)| key))
    }

    /// What a reader sees in a slot: nothing where the winner's child was ended.
    pub(crate) fn entry<'a>(&self, slot: &'a Slot) -> Option<Entry<'a>> {
        match &slot.value {
            SlotValue::Deleted => None,
            SlotValue::Plain(bytes) => Some(Entry::Plain(bytes)),
            SlotValue::Child(child) => {
                let container = self.containers.live(*child).ok()?;
                Some(Entry::Child(*child, container.body.kind()))
            }
        }
    }

    fn write_key(&mut self, map: u32, key: &str, write: Write<'_>, now_ms: u64) -> Result<u32, Error> {
        self.containers.map(map)?;
        if key.len() > MAX_KEY_BYTES {
            return Err(Error::LimitExceeded("a key has at most 1024 bytes of UTF-8"));
        }
        self.write_slot(map, &KeyRef::Name(key), write, now_ms)
    }

    /// One write to a slot: the new winner, and the end of every child that is seen there but the one it names.
    pub(crate) fn write_slot(
        &mut self,
        parent: u32,
        key: &dyn Keyed,
        write: Write<'_>,
        now_ms: u64,
    ) -> Result<u32, Error> {
        let dot = self.next_dot(1)?;
        if matches!(write, Write::Child(..)) {
            self.check_depth(parent)?;
        }
        let stamp = self.tick(now_ms)?;
        let seen = self.containers.open_at(parent, key);
        if self.undo.is_on() {
            let key = &key.to_key();
            let note = self.undo_before_write(parent, key);
            let child = self.put_slot(parent, key, write, (dot, stamp), &seen)?;
            if let Some(note) = note {
                self.undo_wrote(parent, key, dot, note);
            }
            return Ok(child);
        }
        self.put_slot(parent, key, write, (dot, stamp), &seen)
    }

    /// Writes a slot with this dot and stamp, and ends these containers there (but the one it names).
    pub(crate) fn put_slot(
        &mut self,
        parent: u32,
        key: &dyn Keyed,
        write: Write<'_>,
        (dot, stamp): (Dot, Stamp),
        seen: &[u32],
    ) -> Result<u32, Error> {
        let content = if let Write::Plain(bytes) = write {
            bytes.len()
        } else {
            0
        };
        self.book(parent, dot, 1, content);
        let (value, named) = match write {
            Write::Deleted => (SlotValue::Deleted, None),
            Write::Plain(bytes) => (SlotValue::Plain(bytes.into()), None),
            Write::Child(kind, generation) => {
                let child = self.containers.find_or_create(parent, key, kind, generation);
                (SlotValue::Child(child), Some((kind, generation)))
            }
        };
        let child = if let SlotValue::Child(child) = value {
            child
        } else {
            ROOT
        };
        let mut ends = Vec::new();
        for &other in seen.iter().filter(|&&other| other != child) {
            let container = self.containers.get(other);
            ends.push((container.body.kind(), container.generation));
            self.containers.end(&self.agents, other, dot);
        }
        let who = Who {
            own: dot.agent,
            agents: &self.agents,
        };
        self.outbox
            .write_slot(who, (dot, stamp), key.key(), (&value, named), &ends);
        join_slot(self, parent, key, Slot { dot, stamp, value });
        Ok(child)
    }

    /// Containers may nest only so deep, so that no reader needs more.
    pub(crate) fn check_depth(&self, parent: u32) -> Result<(), Error> {
        let (mut at, mut depth) = (parent, 1);
        while at != ROOT {
            at = self.containers.get(at).parent;
            depth += 1;
        }
        if depth >= MAX_DEPTH {
            return Err(Error::LimitExceeded("containers nest at most 128 deep"));
        }
        Ok(())
    }

    // ---- text ----------------------------------------------------------------------------------------------------

    /// Inserts UTF-16 units before `index`. Lone surrogates become U+FFFD (in `units` too); an index inside a pair means
    /// the pair's start.
    pub fn text_insert(&mut self, text: u32, index: u32, units: &mut [u16]) -> Result<(), Error> {
        let dot = self.next_dot(units.len())?;
        let mut index = self.containers.text_mut(text)?.prepare_insert(index, units)?;
        let mut dot = dot;
        let mut left: &[u16] = units;
        while !left.is_empty() {
            let mut take = left.len().min(MAX_UNITS_PER_OPERATION);
            // An operation's text is UTF-8, so a pair isn't cut.
            if take < left.len() && left[take - 1] & 0xfc00 == 0xd800 {
                take -= 1;
            }
            let (now, later) = left.split_at(take);
            let anchor = self.containers.text_mut(text)?.insert(&self.agents, index, dot, now);
            self.book_in(text, dot, (take as u32, take * 3), anchor.parent.is_some());
            self.outbox.insert_text(
                Who {
                    own: dot.agent,
                    agents: &self.agents,
                },
                dot,
                anchor,
                now,
            );
            if self.undo.is_on() {
                self.undo_inserted(text, dot, take as u32);
            }
            index += take as u32;
            dot.seq += take as u32;
            left = later;
        }
        Ok(())
    }

    /// Deletes `len` UTF-16 units from `index` on; half a pair takes the whole pair.
    pub fn text_delete(&mut self, text: u32, index: u32, len: u32) -> Result<(), Error> {
        let (index, mut left) = self.containers.text_mut(text)?.prepare_delete(index, len)?;
        let mut dot = self.next_dot(left.div_ceil(MAX_UNITS_PER_DELETION) as usize)?;
        while left > 0 {
            let mut take = left;
            if left > MAX_UNITS_PER_DELETION {
                // A pair isn't cut.
                let cut = self
                    .containers
                    .text_mut(text)?
                    .prepare_delete(index, MAX_UNITS_PER_DELETION);
                take = cut?.1;
            }
            let mut ranges = Ranges::default();
            let mut cut = self.undo.is_on().then(Vec::new);
            let sequence = &mut self.containers.text_mut(text)?.sequence;
            let removed = &mut |first, n| ranges.push(first, n);
            sequence.delete(index, take, dot, removed, &mut |unit| {
                if let Some(cut) = &mut cut {
                    cut.push(unit);
                }
            });
            self.book_in(text, dot, (1, 0), ranges.as_slice().len() == 1);
            if let Some(units) = cut {
                self.undo_cut_text(text, ranges.as_slice(), &units);
            }
            self.outbox.delete(
                Who {
                    own: dot.agent,
                    agents: &self.agents,
                },
                dot,
                ranges.as_slice(),
            );
            dot.seq += 1;
            left -= take;
        }
        Ok(())
    }

    /// A text's length in UTF-16 units.
    pub fn text_len(&self, text: u32) -> Result<u32, Error> {
        Ok(self.containers.text(text)?.len())
    }

    /// A text, leaf by leaf, in UTF-16 units.
    pub fn text_chunks(&self, text: u32) -> Result<impl Iterator<Item = &[u16]>, Error> {
        Ok(self.containers.text(text)?.sequence.chunks())
    }

    /// A text as UTF-8; a lone surrogate (only a hostile peer can leave one) reads as U+FFFD.
    pub fn text_string(&self, text: u32) -> Result<String, Error> {
        Ok(String::from_utf16_lossy(&self.text_units(text)?))
    }

    /// Appends a text as WTF-8.
    pub(crate) fn text_bytes(&self, text: u32, out: &mut Vec<u8>) {
        if let Ok(units) = self.text_units(text) {
            encode_units_as_wtf8(&units, out);
        }
    }

    /// A text's units put together: a leaf may end inside a pair.
    fn text_units(&self, text: u32) -> Result<Vec<u16>, Error> {
        let mut units = Vec::with_capacity(self.text_len(text)? as usize);
        self.text_chunks(text)?.for_each(|chunk| units.extend_from_slice(chunk));
        Ok(units)
    }

    // ---- lists ---------------------------------------------------------------------------------------------------

    /// Inserts packed values before `index`.
    pub fn list_insert(&mut self, list: u32, index: u32, values: &[&[u8]]) -> Result<(), Error> {
        for value in values {
            check_plain(value).map_err(Error::InvalidValue)?;
        }
        self.list_check(list, index, 0)?;
        self.next_dot(values.len())?;
        let mut index = index;
        let mut from = 0;
        while from < values.len() {
            let mut bytes = 0;
            let mut to = from;
            while to < values.len() && to - from < MAX_ELEMENTS_PER_OPERATION && bytes < MAX_UNITS_PER_OPERATION {
                bytes += values[to].len();
                to += 1;
            }
            let slots: Vec<SlotValue> = values[from..to].iter().map(|&v| SlotValue::Plain(v.into())).collect();
            self.insert_elements(list, index, slots, None)?;
            index += (to - from) as u32;
            from = to;
        }
        Ok(())
    }

    /// Inserts a fresh container before `index`; its number.
    pub fn list_insert_child(&mut self, list: u32, index: u32, kind: Kind) -> Result<u32, Error> {
        self.list_check(list, index, 0)?;
        self.check_depth(list)?;
        let element = self.next_dot(1)?;
        let child = self
            .containers
            .find_or_create(list, &Key::Element(element), kind, Dot::NONE);
        self.insert_elements(list, index, vec![SlotValue::Child(child)], Some(kind))?;
        Ok(child)
    }

    fn insert_elements(&mut self, list: u32, at: u32, values: Vec<SlotValue>, kind: Option<Kind>) -> Result<(), Error> {
        let left = self.containers.list_mut(list)?.sequence.behind_index(at);
        self.insert_elements_behind(list, left, &values, kind)
    }

    /// Inserts elements behind a place that the list's sequence gave.
    pub(crate) fn insert_elements_behind(
        &mut self,
        list: u32,
        left: Option<Place>,
        values: &[SlotValue],
        kind: Option<Kind>,
    ) -> Result<(), Error> {
        let dot = self.next_dot(values.len())?;
        let content = values.iter().map(|value| match value {
            SlotValue::Plain(bytes) => bytes.len(),
            _ => 1,
        });
        self.book(list, dot, values.len() as u32, content.sum());
        let state = self.containers.list_mut(list)?;
        let mut units = Vec::with_capacity(values.len());
        for (i, value) in values.iter().enumerate() {
            units.push(state.add_slot(Slot {
                dot: dot.plus(i as u32),
                stamp: 0,
                value: value.clone(),
            }));
        }
        let anchor = state.sequence.insert_behind(&self.agents, left, dot, &units);
        let who = Who {
            own: dot.agent,
            agents: &self.agents,
        };
        self.outbox.insert_elements(who, dot, anchor, values, kind);
        if self.undo.is_on() {
            self.undo_inserted(list, dot, values.len() as u32);
        }
        Ok(())
    }

    /// Writes a packed value into the element at `index`; ends what was there.
    pub fn list_set(&mut self, list: u32, index: u32, value: &[u8], now_ms: u64) -> Result<(), Error> {
        check_plain(value).map_err(Error::InvalidValue)?;
        let element = self.element_at(list, index)?;
        self.write_slot(list, &KeyRef::Element(element), Write::Plain(value), now_ms)
            .map(|_| ())
    }

    /// Puts a fresh container into the element at `index`; ends what was there.
    pub fn list_set_child(&mut self, list: u32, index: u32, kind: Kind, now_ms: u64) -> Result<u32, Error> {
        let element = self.element_at(list, index)?;
        let found = self
            .containers
            .list(list)?
            .slot_of(element)
            .map_or(Dot::NONE, |slot| slot.dot);
        self.write_slot(list, &KeyRef::Element(element), Write::Child(kind, found), now_ms)
    }

    /// Deletes `len` elements from `index` on, for good.
    pub fn list_delete(&mut self, list: u32, index: u32, len: u32) -> Result<(), Error> {
        self.list_check(list, index, len)?;
        let mut dot = self.next_dot(len.div_ceil(MAX_UNITS_PER_DELETION) as usize)?;
        let mut left = len;
        while left > 0 {
            let take = left.min(MAX_UNITS_PER_DELETION);
            if self.undo.is_on() {
                let elements = self.undo_elements(list, index, take);
                self.undo_cut_elements(list, &elements);
            }
            self.book(list, dot, 1, 0);
            let mut ranges = Ranges::default();
            let state = self.containers.list_mut(list)?;
            state.delete(&self.agents, index, take, dot, &mut |first, n| ranges.push(first, n));
            for &(first, n) in ranges.as_slice() {
                self.containers.elements_deleted(list, first, n);
            }
            self.outbox.delete(
                Who {
                    own: dot.agent,
                    agents: &self.agents,
                },
                dot,
                ranges.as_slice(),
            );
            dot.seq += 1;
            left -= take;
        }
        Ok(())
    }

    /// How many elements there are.
    pub fn list_len(&self, list: u32) -> Result<u32, Error> {
        Ok(self.containers.list(list)?.sequence.len())
    }

    /// What a reader sees in the element at `index` (nothing: its container was ended by a concurrent write that lost).
    pub fn list_get(&mut self, list: u32, index: u32) -> Result<Option<Entry<'_>>, Error> {
        let unit = self.containers.list_mut(list)?.sequence.get(index);
        let Some(unit) = unit else { return Ok(None) };
        let slot = self.containers.list(list)?.slot(unit);
        Ok(self.entry(slot))
    }

    fn element_at(&mut self, list: u32, index: u32) -> Result<Dot, Error> {
        let state = self.containers.list_mut(list)?;
        let len = state.sequence.len();
        let unit = state.sequence.dot_at(index);
        unit.map(|unit| state.element_at(unit))
            .ok_or(Error::IndexOutOfRange { index, len })
    }

    /// Moves the element at `from`, so that it is at `to` in the list without it (as `splice` would put it back in). To where it
    /// is already: nothing is written.
    pub fn list_move(&mut self, list: u32, from: u32, to: u32, now_ms: u64) -> Result<(), Error> {
        let element = self.element_at(list, from)?;
        self.element_at(list, to)?;
        let dot = self.next_dot(1)?;
        if from == to {
            return Ok(());
        }
        let stamp = self.tick(now_ms)?;
        let behind = if to > from { to + 1 } else { to };
        let left = self.containers.list_mut(list)?.sequence.behind_index(behind);
        self.move_element(list, element, left, (dot, stamp))
    }

    /// Moves an element behind a place that the list's sequence gave, with this dot and stamp.
    pub(crate) fn move_element(
        &mut self,
        list: u32,
        element: Dot,
        left: Option<Place>,
        (dot, stamp): (Dot, Stamp),
    ) -> Result<(), Error> {
        self.book(list, dot, 1, 0);
        let is_on = self.undo.is_on();
        let state = self.containers.list_mut(list)?;
        let was = if is_on { state.standing(element) } else { None };
        let anchor = state.move_behind(&self.agents, element, left, (dot, stamp));
        let who = Who {
            own: dot.agent,
            agents: &self.agents,
        };
        self.outbox.move_element(who, (dot, stamp), anchor, element);
        if let Some(was) = was {
            self.undo_moved(list, element, dot, was.unit);
        }
        Ok(())
    }

    fn list_check(&self, list: u32, index: u32, len: u32) -> Result<(), Error> {
        let have = self.list_len(list)?;
        match index.checked_add(len) {
            Some(end) if end <= have => Ok(()),
            _ => Err(Error::IndexOutOfRange {
                index: index.saturating_add(len),
                len: have,
            }),
        }
    }

    // ---- counters and sets ---------------------------------------------------------------------------------------

    /// Adds to a counter; a negative amount takes away.
    pub fn counter_add(&mut self, counter: u32, amount: i64) -> Result<(), Error> {
        let dot = self.next_dot(1)?;
        if amount == 0 {
            return self.containers.counter(counter).map(|_| ());
        }
        if !self.containers.counter_mut(counter)?.add(dot, amount) {
            return Err(Error::LimitExceeded(
                "one agent adds, and takes away, at most 2^53 − 1 in all",
            ));
        }
        self.book(counter, dot, 1, 0);
        self.outbox.count(
            Who {
                own: dot.agent,
                agents: &self.agents,
            },
            dot,
            amount,
        );
        if self.undo.is_on() {
            self.undo_counted(counter, amount);
        }
        Ok(())
    }

    /// A counter's value.
    pub fn counter_value(&self, counter: u32) -> Result<i128, Error> {
        Ok(self.containers.counter(counter)?.value())
    }

    /// Adds a packed value to a set.
    pub fn set_add(&mut self, set: u32, value: &[u8]) -> Result<(), Error> {
        check_plain(value).map_err(Error::InvalidValue)?;
        let dot = self.next_dot(1)?;
        let had = self.undo_adds(set, value);
        self.containers.set_mut(set)?.add(value, dot);
        self.book(set, dot, 1, value.len());
        self.outbox.add(
            Who {
                own: dot.agent,
                agents: &self.agents,
            },
            dot,
            value,
        );
        if self.undo.is_on() {
            self.undo_set(set, value, &had);
        }
        Ok(())
    }

    /// Removes a value from a set. False, and nothing is written, where it isn't in.
    pub fn set_delete(&mut self, set: u32, value: &[u8]) -> Result<bool, Error> {
        check_plain(value).map_err(Error::InvalidValue)?;
        let state = self.containers.set(set)?;
        let adds = state.member(value).map_or(Vec::new(), |member| member.adds.clone());
        if adds.is_empty() {
            return Ok(false);
        }
        self.set_remove(set, value, adds).map(|_| true)
    }

    /// Removes these adds of a value, and each one's agent's earlier ones.
    pub(crate) fn set_remove(&mut self, set: u32, value: &[u8], mut adds: Vec<Dot>) -> Result<Dot, Error> {
        let dot = self.next_dot(1)?;
        let had = self.undo_adds(set, value);
        let state = self.containers.set_mut(set)?;
        adds.sort_unstable_by_key(|add| self.agents.id(add.agent));
        for &upto in &adds {
            state.remove(&self.agents, value, Removed { upto, by: dot });
        }
        self.book(set, dot, 1, value.len());
        self.outbox.remove(
            Who {
                own: dot.agent,
                agents: &self.agents,
            },
            dot,
            value,
            &adds,
        );
        if self.undo.is_on() {
            self.undo_set(set, value, &had);
        }
        Ok(dot)
    }

    /// Is the value in the set?
    pub fn set_has(&self, set: u32, value: &[u8]) -> Result<bool, Error> {
        Ok(self.containers.set(set)?.has(value))
    }

    pub(crate) fn container(&self, container: u32) -> &Container {
        self.containers.get(container)
    }
}

/// What a local write puts into a slot.
pub(crate) enum Write<'a> {
    Deleted,
    Plain(&'a [u8]),
    Child(Kind, Dot),
}

/// Ranges of ids, joined where they go on. One range, the usual case, needs no allocation.
#[derive(Default)]
struct Ranges {
    one: Option<(Dot, u32)>,
    many: Vec<(Dot, u32)>,
}

impl Ranges {
    fn push(&mut self, first: Dot, len: u32) {
        let last = if self.many.is_empty() {
            self.one.as_mut()
        } else {
            self.many.last_mut()
        };
        if let Some(last) = last.filter(|last| last.0.agent == first.agent && last.0.seq + last.1 == first.seq) {
            last.1 += len;
            return;
        }
        if let (true, Some(one)) = (self.many.is_empty(), self.one) {
            self.many.push(one);
        }
        if self.one.is_some() {
            self.many.push((first, len));
        } else {
            self.one = Some((first, len));
        }
    }

    fn as_slice(&self) -> &[(Dot, u32)] {
        if self.many.is_empty() {
            self.one.as_slice()
        } else {
            &self.many
        }
    }
}
