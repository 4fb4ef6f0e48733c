//! Moves of list elements: the element by its name, the place by its neighbour (`places.rs`), the stamp kept as that of a write is
//! (`slots.rs`). A move of an element that is gone is rejected.
//!
//! A trim gives moved elements fresh units where they stand, so of two names that were the same before it, one stays an element's
//! and is no place any more (`Ranges` called `away`); and it keeps no stamps of moves. Which stood in the last state before it
//! is asked of that state: what it shows because of a later move, a replayed earlier one doesn't undo.

use super::slots::{beside, note_write, Held};
use super::{dot, name, Name, Reason, Replay, Scene};
use crate::container::{Key, KeyRef};
use crate::sequence::Anchor;
use joinery_history::{Dot, Stamp};

impl Replay {
    pub(super) fn move_element(
        &mut self,
        scene: &mut Scene<'_>,
        list: u32,
        old: Name,
        element: Dot,
        anchor: Anchor,
        stamp: Stamp,
    ) -> Result<(), Reason> {
        let shown = moved_for_author(scene, element);
        let key = self.key(scene.into, scene.from, list, KeyRef::Element(element))?;
        let Key::Element(element) = key else {
            return Err(Reason::ParentMissing);
        };
        let at_key = (list, key);
        let state = scene.into.containers.list(list).map_err(|_| Reason::ParentMissing)?;
        let at = state.moved_to(element);
        let trimmed = self.passage.as_ref().filter(|_| at.is_none());
        let before_trim = trimmed.and_then(|passage| passage.moved_before(name(scene.into, element)));
        let held = match (at, before_trim) {
            (Some(at), _) => Some(Held::here(scene.into, at.unit, at.stamp, &self.slots)),
            (None, Some((stamp, unit))) => Some(Held::elsewhere(unit, stamp, &self.slots)),
            (None, None) => None,
        };
        let by = (stamp, old.0);
        let moved = self.slots.notes.get(&at_key).map_or(&[][..], |note| &note.moved);
        let got = self
            .slots
            .stamp(
                scene,
                beside(moved, by),
                held.as_slice(),
                shown.as_slice(),
                (stamp, old),
            )
            .ok_or(Reason::ParentMissing)?;
        // It would have lost, and there is no register to lose to.
        if before_trim.is_some_and(|(theirs, unit)| (got, old.0) < (theirs, unit.0)) {
            return Ok(());
        }
        let left = self.place(scene, list, old, 0, anchor);
        let new = scene.into.next_dot(1).map_err(|_| Reason::ParentMissing)?;
        // Stamps rise within an envelope.
        if scene.into.outbox.last_stamp().is_some_and(|last| last >= got) {
            scene.into.close_envelope();
        }
        let place = scene.into.element_place(list, left);
        let done = scene.into.move_element(list, element, place, (new, got));
        done.map_err(|_| Reason::ParentMissing)?;
        self.made_units(scene, list, old, 1, name(scene.into, new));
        self.stamped(scene, by, got);
        note_write(&mut self.slots.notes.get_or_default(at_key).moved, by, got);
        Ok(())
    }

    /// Is this the name of an element that stands elsewhere since a trim, and so of no place?
    pub(super) fn is_away(&self, old: Name) -> bool {
        self.mapping.away.get(old).is_some()
    }

    /// The parts of `len` names from `first` on that are places: how far in, and how many.
    pub(super) fn places(&self, first: Name, len: u32) -> Vec<(u32, u32)> {
        let away = self.mapping.away.within(first, len);
        let mut places = Vec::new();
        let mut from = 0;
        for (skip, n, _) in away {
            if skip > from {
                places.push((from, skip - from));
            }
            from = skip + n;
        }
        if len > from {
            places.push((from, len - from));
        }
        places
    }

    /// A unit's dot in `into`, as far as it tells a place.
    pub(super) fn unit_image(&self, scene: &Scene<'_>, old: Name) -> Option<Dot> {
        let new = self.image(old).filter(|_| !self.is_away(old))?;
        dot(scene.into, new)
    }
}

/// The move by which an element stands where its author's document shows it.
fn moved_for_author(scene: &Scene<'_>, element: Dot) -> Option<Name> {
    let list = scene.from.containers.list(scene.named[scene.at].from?).ok()?;
    Some(name(scene.from, list.moved_to(element)?.unit))
}
