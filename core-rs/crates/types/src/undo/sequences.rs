//! Taking back edits of texts and lists.

use super::copy::{Copied, Val};
use super::revert::Back;
use super::step::{Cut, CutElement, Marked, Seat};
use crate::document::{Document, MAX_ELEMENTS_PER_OPERATION, MAX_UNITS_PER_DELETION, MAX_UNITS_PER_OPERATION};
use crate::error::Error;
use crate::marks::is_off;
use crate::sequence::{Gap, Sequence};
use crate::slot::{Packed, SlotValue};
use joinery_codec::well_formed_units;
use joinery_history::Dot;
use std::rc::Rc;

/// What a key says, and whether somebody else has said it.
type Said<'m> = (&'m [u8], bool);

/// Characters that are inserted in one go: the first one's old name, the unit behind which, what, and whether the unit is the last
/// one's own place.
struct Piece {
    old: Dot,
    left: Option<Dot>,
    units: Vec<u16>,
    is_own: bool,
}

impl Document {
    /// Units that came go, if they are visible.
    pub(super) fn revert_inserted(&mut self, at: u32, ranges: &[(Dot, u32)]) -> Result<(), Error> {
        if let Ok(text) = self.containers.text(at) {
            let (visible, units) = visible_units(&text.sequence, ranges);
            if !units.is_empty() {
                self.undo_cut_text(at, &visible, &units);
                self.undo_delete(at, &visible)?;
            }
            return Ok(());
        }
        let list = self.containers.list(at)?;
        let mut elements = Vec::new();
        for &(first, len) in ranges {
            let end = first.plus(len);
            let mut from = first;
            while from < end {
                let Some((found, n, is_living)) = list.at_or_after(from).filter(|(found, ..)| *found < end) else {
                    break;
                };
                let n = n.min(end.seq - found.seq);
                if is_living {
                    elements.extend((0..n).map(|i| found.plus(i)));
                }
                from = found.plus(n);
            }
        }
        let goes = |element: &Dot| {
            let Some(slot) = list.slot_of(*element) else {
                return false;
            };
            let is_foreign = match slot.value {
                SlotValue::Child(child) => self.has_foreign(&[child]),
                _ => false,
            };
            !is_foreign && self.undo.may_take(slot.dot, 1)
        };
        elements.retain(goes);
        if elements.is_empty() {
            return Ok(());
        }
        self.undo_cut_elements(at, &elements);
        let mut ranges: Vec<(Dot, u32)> = Vec::new();
        for element in elements {
            match ranges.last_mut() {
                Some(last) if last.0.agent == element.agent && last.0.seq + last.1 == element.seq => last.1 += 1,
                _ => ranges.push((element, 1)),
            }
        }
        self.undo_delete(at, &ranges)
    }

    /// Deletes units by id, in as many operations as it takes.
    pub(super) fn undo_delete(&mut self, container: u32, ranges: &[(Dot, u32)]) -> Result<(), Error> {
        let mut open: Vec<(Dot, u32)> = Vec::new();
        let mut room = MAX_UNITS_PER_DELETION;
        for &(first, len) in ranges {
            let mut done = 0;
            while done < len {
                let n = room.min(len - done);
                open.push((first.plus(done), n));
                done += n;
                room -= n;
                if room == 0 {
                    self.delete_units(container, &open)?;
                    open.clear();
                    room = MAX_UNITS_PER_DELETION;
                }
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        self.delete_units(container, &open)
    }

    /// Characters that went come back.
    pub(super) fn revert_cut_text(&mut self, at: u32, cuts: Vec<Cut>, back: &mut Back) -> Result<(), Error> {
        let sequence = &self.containers.text(at)?.sequence;
        let pieces: Vec<Piece> = cuts.into_iter().flat_map(|cut| pieces(sequence, cut, back)).collect();
        // From the right to the left: so those behind one unit stand as they stood.
        for mut piece in pieces.into_iter().rev() {
            let len = piece.units.len() as u32;
            let new = self.next_dot(len as usize)?;
            well_formed_units(&mut piece.units);
            self.text_insert_behind(at, piece.left, &piece.units)?;
            self.undo_inserted(at, new, len);
            self.stands_for_units(piece.old, len, new);
            if let Some(last) = piece.left.filter(|_| piece.is_own) {
                let first = Dot {
                    agent: last.agent,
                    seq: last.seq + 1 - len,
                };
                if first != piece.old {
                    // Marks name the place.
                    self.undo.renames.units.add(first, len, new);
                }
                let on = self.undo.pause();
                let marked = self.marks_as_on(at, first, new, len, back.now_ms);
                self.undo.resume(on);
                marked?;
            }
        }
        Ok(())
    }

    /// Marks fresh characters as the removed ones, right before them, in whose place they stand.
    fn marks_as_on(&mut self, at: u32, old: Dot, new: Dot, len: u32, now_ms: u64) -> Result<(), Error> {
        let text = self.containers.text(at)?;
        let mut wanted: Vec<(Rc<str>, Marked)> = Vec::new();
        for (key, function) in text.marks.iter().flat_map(|marks| marks.functions()) {
            let shown = |unit: Dot, behind: bool| {
                let gap = if behind { Gap::After(unit) } else { Gap::Before(unit) };
                let mark = function.at(&text.sequence, gap);
                let shown = mark.and_then(|mark| Some((mark.shown()?, self.is_foreign(mark.dot))));
                shown.unwrap_or((&[0], false))
            };
            let is_one = |first: Dot| {
                let whole = (Gap::Before(first), Gap::After(first.plus(len - 1)));
                function.within(&text.sequence, whole).nth(1).is_none()
            };
            let step = if is_one(old) && is_one(new) { len } else { 1 };
            let mut open: Option<(u32, u32, Said<'_>)> = None;
            let mut stretches = Vec::new();
            for i in (0..len).step_by(step as usize) {
                let value = shown(old.plus(i), false);
                if value.0 == shown(new.plus(i), false).0 {
                    stretches.extend(open.take());
                    continue;
                }
                match &mut open {
                    Some((_, to, before)) if *before == value => *to = i + step,
                    _ => {
                        stretches.extend(open.take());
                        open = Some((i, i + step, value));
                    }
                }
            }
            stretches.extend(open);
            for (from, to, value) in stretches {
                let grows = shown(old.plus(to - 1), true).0 == value.0 && to < len;
                let end = if grows {
                    Gap::Before(new.plus(to))
                } else {
                    Gap::After(new.plus(to - 1))
                };
                wanted.push((
                    key.clone(),
                    ((Gap::Before(new.plus(from)), end), value.0.into(), value.1),
                ));
            }
        }
        for (key, mark) in wanted {
            self.mark_again(at, &key, mark, now_ms)?;
        }
        Ok(())
    }

    /// Writes a mark that was there.
    pub(super) fn mark_again(
        &mut self,
        at: u32,
        key: &str,
        (range, value, theirs): Marked,
        now_ms: u64,
    ) -> Result<(), Error> {
        let dot = self.next_dot(1)?;
        let stamp = self.tick(now_ms)?;
        self.put_mark(at, range, key, &value, (dot, stamp));
        if theirs {
            self.undo.turn(dot, 1);
        }
        Ok(())
    }

    /// Elements that went come back.
    pub(super) fn revert_cut_elements(
        &mut self,
        at: u32,
        cuts: Vec<CutElement>,
        copies: &Copied,
        back: &mut Back,
    ) -> Result<(), Error> {
        let mut cuts = cuts;
        cuts.retain(|cut| !back.made.has(cut.element));
        while let Some(last) = cuts.pop() {
            let list = self.containers.list(at)?;
            let (left, mut row) = match last.seat {
                Seat::Behind(unit) => (unit, vec![last]),
                Seat::On(unit) => {
                    // Plain values that stood side by side come back side by side.
                    let mut row = vec![last];
                    let mut first = unit;
                    let mut bytes = 0;
                    while let (Some(before), Some(next)) = (cuts.last(), row.last()) {
                        let Seat::On(seat) = before.seat else { break };
                        let stood = list.sequence.before(first).map(|(first, n)| first.plus(n - 1));
                        if stood != Some(seat) || !is_plain(&before.value) || !is_plain(&next.value) {
                            break;
                        }
                        bytes += before.value.bytes();
                        if row.len() >= MAX_ELEMENTS_PER_OPERATION || bytes >= MAX_UNITS_PER_OPERATION {
                            break;
                        }
                        first = seat;
                        row.extend(cuts.pop());
                    }
                    (unit, row)
                }
            };
            row.reverse();
            if left.is_some() && !list.sequence.contains(left) {
                continue;
            }
            let place = Some(left).filter(|left| left.is_some());
            let mut open = Vec::new();
            let new = self.next_dot(row.len())?;
            if let [Val::Child(_)] = row.iter().map(|cut| &cut.value).collect::<Vec<_>>()[..] {
                self.undo_element(at, place, (copies, &row[0].value), &mut open)?;
            } else {
                let values: Vec<SlotValue> = row.iter().map(|cut| slot_value(&cut.value)).collect();
                let place = place.and_then(|left| self.containers.list(at).ok()?.sequence.place_of(left));
                self.insert_elements_behind(at, place, &values, None)?;
            }
            for (cut, i) in row.iter().zip(0..) {
                let new = new.plus(i);
                self.stands_for_both((cut.element, cut.write), new);
                if let Seat::On(unit) = cut.seat {
                    self.undo.renames.places.add(unit, 1, new);
                }
            }
            for (part, child) in open {
                self.undo_fill(copies, part, child, back.now_ms);
            }
        }
        Ok(())
    }

    /// An element goes back to where it had stood.
    pub(super) fn revert_move(
        &mut self,
        at: u32,
        element: Dot,
        (mine, was): (Dot, Dot),
        back: &mut Back,
    ) -> Result<(), Error> {
        let list = self.containers.list(at)?;
        let stands = list.standing(element).is_some_and(|standing| standing.unit == mine);
        let Some(place) = list.sequence.place_of(was).filter(|_| stands) else {
            return Ok(());
        };
        let dot = self.next_dot(1)?;
        let stamp = self.tick(back.now_ms)?;
        self.move_element(at, element, Some(place), (dot, stamp))?;
        self.undo.renames.places.add(was, 1, dot);
        Ok(())
    }

    /// What still shows a mark of this author shows again what it had shown.
    pub(super) fn revert_marks(
        &mut self,
        at: u32,
        key: &str,
        value: &[u8],
        pieces: Vec<Marked>,
        now_ms: u64,
    ) -> Result<(), Error> {
        let text = self.containers.text(at)?;
        let function = text.marks.as_ref().and_then(|marks| marks.function(key));
        let mut wanted: Vec<Marked> = Vec::new();
        for (range, before, theirs) in pieces {
            let is_here = |gap: Gap| gap.unit().is_none_or(|unit| text.sequence.contains(unit));
            if !is_here(range.0) || !is_here(range.1) {
                continue;
            }
            let stretches = match function {
                Some(function) => function.stretches(&text.sequence, range),
                None => vec![(range, None)],
            };
            for (range, mark) in stretches {
                let is_mine = match mark {
                    Some(mark) => *mark.value == *value && self.undo.may_take(mark.dot, 1),
                    // A copy leaves out what takes off.
                    None => is_off(value),
                };
                if is_mine {
                    wanted.push((range, before.clone(), theirs));
                }
            }
        }
        for mark in wanted {
            self.mark_again(at, key, mark, now_ms)?;
        }
        Ok(())
    }
}

fn is_plain(value: &Val) -> bool {
    !matches!(value, Val::Child(_))
}

fn slot_value(value: &Val) -> SlotValue {
    match value {
        Val::Plain(bytes) => SlotValue::Plain((**bytes).into()),
        // An element whose container had ended reads as null.
        _ => SlotValue::Plain(Packed::NULL),
    }
}

/// The visible ones among units of one's own, and what they are.
fn visible_units(sequence: &Sequence<u16>, ranges: &[(Dot, u32)]) -> (Vec<(Dot, u32)>, Vec<u16>) {
    let (mut visible, mut units) = (Vec::new(), Vec::new());
    for &(first, len) in ranges {
        let end = first.plus(len);
        let mut from = first;
        while from < end {
            let Some((found, n, removal)) = sequence.at_or_after(from).filter(|(found, ..)| *found < end) else {
                break;
            };
            let n = n.min(end.seq - found.seq);
            if !removal.is_some() {
                visible.push((found, n));
                units.extend((0..n).filter_map(|i| sequence.unit(found.plus(i))));
            }
            from = found.plus(n);
        }
    }
    (visible, units)
}

/// What of a cut comes back, in pieces between which something else stands now.
fn pieces(sequence: &Sequence<u16>, cut: Cut, back: &Back) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut units = cut.units;
    for (at, len, made) in back.made.pieces(cut.first, units.len() as u32) {
        let mut left: Vec<u16> = units.drain(..len as usize).collect();
        if made.is_some() {
            continue;
        }
        let old = cut.first.plus(at);
        let seat = match cut.seat {
            Seat::On(first) => first.plus(at),
            Seat::Behind(unit) => {
                if !unit.is_some() || sequence.contains(unit) {
                    pieces.push(Piece {
                        old,
                        left: Some(unit).filter(|unit| unit.is_some()),
                        units: left,
                        is_own: false,
                    });
                }
                continue;
            }
        };
        let mut done = 0;
        while done < len {
            let from = done;
            loop {
                // What isn't here has no place.
                let n = sequence.stretch(seat.plus(done), len - done);
                done += n;
                if n == 0 || done >= len {
                    break;
                }
                let stood = sequence.before(seat.plus(done)).map(|(first, n)| first.plus(n - 1));
                if stood != Some(seat.plus(done - 1)) {
                    break;
                }
            }
            let later = left.split_off((done - from) as usize);
            if done > from {
                pieces.push(Piece {
                    old: old.plus(from),
                    left: Some(seat.plus(done - 1)),
                    units: left,
                    is_own: true,
                });
                left = later;
            } else {
                done += 1;
                left = later.into_iter().skip(1).collect();
            }
        }
    }
    pieces
}
