//! List elements and the values of sets. Both carry ids that later operations name: an element its own, an add its dot.

use super::{dot, name, places::pieces, Name, Reason, Replay, Scene};
use crate::container::Key;
use crate::document::{MAX_ELEMENTS_PER_OPERATION, MAX_UNITS_PER_OPERATION};
use crate::operation::ValueRef;
use crate::sequence::Anchor;
use crate::slot::{Packed, SlotValue};
use joinery_history::Dot;

impl Replay {
    pub(super) fn insert_elements(
        &mut self,
        scene: &mut Scene<'_>,
        list: u32,
        first: Name,
        skip: u32,
        anchor: Anchor,
        values: &[ValueRef<'_>],
    ) -> Result<(), Reason> {
        let nested = values.iter().any(|value| matches!(value, ValueRef::Child(..)));
        if nested && scene.into.check_depth(list).is_err() {
            return Err(Reason::ParentMissing);
        }
        for (from, to) in pieces(scene, first, skip, values.len() as u32, &|_| true) {
            let mut left = self.place(scene, list, (first.0, first.1 + from), from, anchor);
            let mut at = from as usize;
            while at < to as usize {
                let n = alike(&values[at..to as usize]);
                let old = (first.0, first.1 + at as u32);
                left = Some(self.insert_alike(scene, list, old, left, &values[at..at + n])?);
                at += n;
            }
        }
        Ok(())
    }

    /// Inserts one container, or some plain values; the last element.
    fn insert_alike(
        &mut self,
        scene: &mut Scene<'_>,
        list: u32,
        old: Name,
        left: Option<Dot>,
        values: &[ValueRef<'_>],
    ) -> Result<Dot, Reason> {
        let new = scene.into.next_dot(1).map_err(|_| Reason::ParentMissing)?;
        let mut kind = None;
        let slots: Vec<SlotValue> = values
            .iter()
            .map(|value| match value {
                ValueRef::Plain(bytes) => SlotValue::Plain((*bytes).into()),
                ValueRef::Child(child, _) => {
                    kind = Some(*child);
                    let containers = &mut scene.into.containers;
                    SlotValue::Child(containers.find_or_create(list, &Key::Element(new), *child, Dot::NONE))
                }
                ValueRef::Deleted => SlotValue::Plain(Packed::NULL),
            })
            .collect();
        let place = scene.into.element_place(list, left);
        let done = scene.into.insert_elements_behind(list, place, &slots, kind);
        done.map_err(|_| Reason::ParentMissing)?;
        let len = values.len() as u32;
        self.made_units(scene, list, old, len, name(scene.into, new));
        Ok(new.plus(len - 1))
    }

    /// Removes from a set the adds that its author had seen, and no other.
    pub(super) fn remove_value(
        &mut self,
        scene: &mut Scene<'_>,
        set: u32,
        old: Name,
        value: &[u8],
        adds: &[Dot],
    ) -> Result<(), Reason> {
        let named: Vec<Name> = adds.iter().map(|&add| name(scene.from, add)).collect();
        let seen = |add: &Name| named.iter().any(|upto| upto.0 == add.0 && upto.1 >= add.1);
        let mut targets: Vec<Dot> = Vec::new();
        let mut take = |target: Dot| match targets.iter_mut().find(|have| have.agent == target.agent) {
            Some(have) => have.seq = have.seq.max(target.seq),
            None => targets.push(target),
        };
        // Adds that were replayed, by this replay or by earlier ones.
        let made = named.iter().filter_map(|&add| self.mapping.made.get(add));
        made.filter_map(|new| dot(scene.into, new)).for_each(&mut take);
        // Adds that were synced and may be removed already, by something that may yet be refused.
        if self.passage.is_none() {
            let synced = named.iter().filter(|add| self.base_of(add.0) >= add.1);
            synced.filter_map(|&add| dot(scene.into, add)).for_each(&mut take);
        }
        let replayed = self.adds.get_or_default((set, Box::from(value)));
        let own = scene.into.own.map_or(u32::MAX, |own| own);
        for &(_, seq) in replayed.iter().filter(|(add, _)| seen(add)) {
            take(Dot { agent: own, seq });
        }
        // Adds that were synced.
        let state = scene.into.containers.set(set).map_err(|_| Reason::ParentMissing)?;
        let is_there = state.member(value).is_some();
        for &add in state.member(value).map_or(&[][..], |member| &member.adds) {
            let new = name(scene.into, add);
            let is_earlier = |upto: &Name| {
                let made = self.mapping.made.within((upto.0, 1), upto.1);
                made.iter()
                    .any(|&(_, n, start)| start.0 == new.0 && start.1 <= new.1 && new.1 - start.1 < n)
            };
            let is_seen = match &self.passage {
                // A trim made one add of several: it goes when all of them do.
                Some(passage) => {
                    let olds = passage.adds_behind(new);
                    let is_seen = |old: &Name| seen(&self.slots.remade.get(*old).unwrap_or(*old));
                    !olds.is_empty() && olds.iter().all(|(_, old)| is_seen(old))
                }
                None => new.1 <= self.base.find((new.0, 1)).map_or(0, |(_, left)| left) && seen(&new),
            };
            if is_seen || (self.goes_on && named.iter().any(is_earlier)) {
                take(add);
            }
        }
        if targets.is_empty() {
            // It is there, and perhaps by the adds that its author saw.
            return if self.gap && is_there {
                Err(Reason::ParentMissing)
            } else {
                Ok(())
            };
        }
        // All that is replayed is one agent's, and a removal takes every add of an agent up to a seq. What was added by others
        // than the remover saw is added again, to stay.
        let upto = targets
            .iter()
            .find(|target| target.agent == own)
            .map_or(0, |target| target.seq);
        replayed.retain(|(add, _)| !seen(add));
        if replayed.iter().any(|&(_, seq)| seq <= upto) {
            scene.into.set_add(set, value).map_err(|_| Reason::ParentMissing)?;
            if let Some(last) = scene.into.last_dot() {
                replayed.iter_mut().for_each(|(_, seq)| *seq = last.seq);
            }
        }
        let done = scene.into.set_remove(set, value, targets);
        self.made(scene, old, done.map(|_| ()))
    }
}

/// How many values from the first on one operation inserts: one container, or as many plain ones as it may.
fn alike(values: &[ValueRef<'_>]) -> usize {
    let mut bytes = 0;
    let mut n = 0;
    for value in values {
        match value {
            ValueRef::Child(..) => return n.max(1),
            ValueRef::Plain(plain) => bytes += plain.len(),
            ValueRef::Deleted => bytes += 1,
        }
        n += 1;
        if n == MAX_ELEMENTS_PER_OPERATION || bytes >= MAX_UNITS_PER_OPERATION {
            return n;
        }
    }
    n
}
