//! Marks: a gap stays beside its unit. Where that is missing in `into`, the range ends at the nearest unit that is there on the
//! side on which the gap lies: before the next one, or behind the last one. So what was typed at a mark's end is still in it,
//! or not, as its author saw it.

use super::mark_order::marks_within;
use super::{name, Name, Reason, Replay, Scene};
use crate::marks::is_off;
use crate::sequence::Gap;
use joinery_history::{Dot, Stamp};
use std::rc::Rc;

impl Replay {
    pub(super) fn mark(
        &mut self,
        scene: &mut Scene<'_>,
        text: u32,
        old: Name,
        range: (Gap, Gap),
        (key, value): (&str, &[u8]),
        stamp: Stamp,
    ) -> Result<(), Reason> {
        let new = match self.range(scene, text, range) {
            Ok(new) => new,
            // What is gone needs nothing taken off any more.
            Err(_) if is_off(value) => return Ok(()),
            Err(reason) => return Err(reason),
        };
        let state = scene.into.containers.text(text).map_err(|_| Reason::ParentMissing)?;
        let index = |gap: Gap| state.sequence.index_of_gap(gap);
        if index(new.0) >= index(new.1) {
            // Nothing that it was about is seen. Was it never made, or deleted before a trim?
            let units = [self.first_unit(scene, range.0), range.1.unit()];
            let is_lost = |unit: Dot| self.mapping.lost.get(name(scene.from, unit)).is_some();
            if units.into_iter().flatten().any(is_lost) {
                return if is_off(value) {
                    Ok(())
                } else {
                    Err(Reason::RestsOnRefused)
                };
            }
            if new != self.same_names(scene, range) {
                return Ok(());
            }
        }
        let at = (text, Rc::from(key));
        self.learn_marks(scene, &at);
        let here = scene.into.containers.text(text).map_err(|_| Reason::ParentMissing)?;
        let met: Vec<(Dot, Stamp)> = marks_within(here, key, new)
            .map(|mark| (mark.dot, mark.stamp))
            .collect();
        let got = self.slots.mark_stamp(scene, &at, &met, (stamp, old));
        let got = got.ok_or(Reason::ParentMissing)?;
        let made = scene.into.next_dot(1).map_err(|_| Reason::ParentMissing)?;
        // Stamps rise within an envelope.
        if scene.into.outbox.last_stamp().is_some_and(|last| last >= got) {
            scene.into.close_envelope();
        }
        scene.into.put_mark(text, new, key, value, (made, got));
        self.stamped(scene, (stamp, old.0), got);
        let order = self.slots.marks.get_or_default(at);
        order.note((stamp, old), got, name(scene.into, made).0);
        self.made(scene, old, Ok(()))
    }

    /// The unit that a range begins with.
    fn first_unit(&self, scene: &Scene<'_>, start: Gap) -> Option<Dot> {
        start.unit().or_else(|| {
            let text = scene.from.containers.text(scene.named[scene.at].from?).ok()?;
            text.sequence.runs().next().map(|(run, _)| run.dot)
        })
    }

    /// The range by what its units are called in `into`, wherever they are.
    fn same_names(&self, scene: &Scene<'_>, (start, end): (Gap, Gap)) -> (Gap, Gap) {
        let same = |gap: Gap| {
            let unit = |unit| self.unit_image(scene, name(scene.from, unit));
            match gap {
                Gap::Before(old) => unit(old).map_or(gap, Gap::Before),
                Gap::After(old) => unit(old).map_or(gap, Gap::After),
                edge => edge,
            }
        };
        (same(start), same(end))
    }

    fn range(&mut self, scene: &Scene<'_>, text: u32, (start, end): (Gap, Gap)) -> Result<(Gap, Gap), Reason> {
        Ok((self.gap(scene, text, start)?, self.gap(scene, text, end)?))
    }

    fn gap(&mut self, scene: &Scene<'_>, text: u32, gap: Gap) -> Result<Gap, Reason> {
        let Some(unit) = gap.unit() else { return Ok(gap) };
        let old = name(scene.from, unit);
        let found = self.unit_in(scene, text, old);
        match (found, gap) {
            (Some(found), Gap::Before(_)) => Ok(Gap::Before(found)),
            (Some(found), _) => Ok(Gap::After(found)),
            (None, Gap::Before(_)) => {
                let next = self.neighbour(scene, text, unit, true)?;
                Ok(next.map_or(Gap::End, Gap::Before))
            }
            (None, _) => {
                let last = self.neighbour(scene, text, unit, false)?;
                Ok(last.map_or(Gap::Start, Gap::After))
            }
        }
    }

    /// The nearest unit in `into` on one side of a unit of `from`.
    fn neighbour(&mut self, scene: &Scene<'_>, text: u32, unit: Dot, on_right: bool) -> Result<Option<Dot>, Reason> {
        let old = name(scene.from, unit);
        let missing = match self.mapping.lost.get(old) {
            Some(_) => Reason::RestsOnRefused,
            None => Reason::ParentMissing,
        };
        let from = scene.named[scene.at].from.ok_or(missing)?;
        let order = self.order_of(scene, from, text);
        // It may have let go of the text, or never have had the unit.
        let mut rank = order.rank(old).ok_or(missing)?;
        loop {
            let order = self.order_of(scene, from, text);
            let found = if on_right { order.next(rank) } else { order.last(rank) };
            let Some((at, name)) = found else { return Ok(None) };
            if let Some(found) = self.unit_in(scene, text, name) {
                return Ok(Some(found));
            }
            rank = at;
        }
    }
}
