//! Where the units of texts and lists go: right behind the nearest unit on their left in `from` that is in `into`. So what
//! was written in a row stays in a row, and several runs keep the order that their author saw, whatever is missing between.

use super::{dot, name, Name, Ranges, Reason, Replay, Said, Scene, NONE};
use crate::document::{Document, MAX_UNITS_PER_DELETION, MAX_UNITS_PER_OPERATION};
use crate::outbox::Who;
use crate::sequence::{Anchor, Place, Removal, Side};
use crate::Error;
use joinery_codec::well_formed_units;
use joinery_history::Dot;

impl Document {
    /// The last dot that the own agent wrote.
    #[inline(never)]
    pub(crate) fn last_dot(&self) -> Option<Dot> {
        let agent = self.own?;
        let seq = self.version.get(agent);
        (seq > 0).then_some(Dot { agent, seq })
    }

    /// The stretch of units right before one, in a text or list.
    #[inline(never)]
    fn before(&self, container: u32, unit: Dot) -> Option<(Dot, u32)> {
        match (self.containers.text(container), self.containers.list(container)) {
            (Ok(text), _) => text.sequence.before(unit),
            (_, Ok(list)) => list.sequence.before(unit),
            _ => None,
        }
    }

    fn last_unit(&self, container: u32) -> Option<Dot> {
        let last = match (self.containers.text(container), self.containers.list(container)) {
            (Ok(text), _) => text.sequence.runs().last().map(|(run, _)| run),
            (_, Ok(list)) => list.sequence.runs().last().map(|(run, _)| run),
            _ => None,
        };
        last.map(|run| run.tail())
    }

    /// Every run of a text or list in its order: the first unit, and how many.
    #[inline(never)]
    fn runs_of(&self, container: u32) -> Vec<(Dot, u32)> {
        match (self.containers.text(container), self.containers.list(container)) {
            (Ok(text), _) => text.sequence.runs().map(|(run, _)| (run.dot, run.len)).collect(),
            (_, Ok(list)) => list.sequence.runs().map(|(run, _)| (run.dot, run.len)).collect(),
            _ => Vec::new(),
        }
    }

    /// The agent's lowest unit from one on, how many stand there with it, and whether they can be deleted.
    #[inline(never)]
    fn at_or_after(&self, container: u32, unit: Dot) -> Option<(Dot, u32, bool)> {
        match (self.containers.text(container), self.containers.list(container)) {
            (Ok(text), _) => {
                let (first, len, _) = text.sequence.at_or_after(unit)?;
                Some((first, len, true))
            }
            (_, Ok(list)) => list.at_or_after(unit),
            _ => None,
        }
    }

    /// A place in a list's sequence.
    pub(super) fn element_place(&self, list: u32, element: Option<Dot>) -> Option<Place> {
        self.containers.list(list).ok()?.sequence.place_of(element?)
    }

    /// Inserts characters right behind one, visible or not, or at the start.
    #[inline(never)]
    pub(crate) fn text_insert_behind(&mut self, text: u32, left: Option<Dot>, units: &[u16]) -> Result<(), Error> {
        let mut dot = self.next_dot(units.len())?;
        self.containers.text_mut(text)?.note(units);
        let (mut behind, mut left_over) = (left, units);
        while !left_over.is_empty() {
            let mut take = left_over.len().min(MAX_UNITS_PER_OPERATION);
            // An operation's text is UTF-8, so a pair isn't cut.
            if take < left_over.len() && left_over[take - 1] & 0xfc00 == 0xd800 {
                take -= 1;
            }
            let (now, later) = left_over.split_at(take);
            self.book(text, dot, take as u32, take * 3);
            let sequence = &mut self.containers.text_mut(text)?.sequence;
            let place = behind.and_then(|behind| sequence.place_of(behind));
            let anchor = sequence.insert_behind(&self.agents, place, dot, now);
            let who = Who {
                own: dot.agent,
                agents: &self.agents,
            };
            self.outbox.insert_text(who, dot, anchor, now);
            behind = Some(dot.plus(take as u32 - 1));
            dot.seq += take as u32;
            left_over = later;
        }
        Ok(())
    }

    /// One operation deletes these units, by id.
    #[inline(never)]
    pub(crate) fn delete_units(&mut self, container: u32, ranges: &[(Dot, u32)]) -> Result<(), Error> {
        let dot = self.next_dot(1)?;
        self.book(container, dot, 1, ranges.len() * 12);
        for &(first, len) in ranges {
            self.remove_units(container, first, len, Removal { dot, step: 0 });
        }
        let who = Who {
            own: dot.agent,
            agents: &self.agents,
        };
        self.outbox.delete(who, dot, ranges);
        Ok(())
    }
}

/// Which units of a sequence in `from` are in `into`, by their order in `from`, which doesn't change.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// A unit's name in `from` → its rank among all that `from` has there, from 1 on (as a seq of agent 0).
    ranks: Ranges,
    /// The ranks of those that are in `into` → their names in `from`.
    present: Ranges,
}

impl Order {
    /// A unit's rank.
    pub(super) fn rank(&self, unit: Name) -> Option<u32> {
        self.ranks.get(unit).map(|rank| rank.1)
    }

    /// The last unit that is in `into` below a rank: its rank and its name in `from`.
    pub(super) fn last(&self, rank: u32) -> Option<(u32, Name)> {
        let rank = self.present.highest(0, 1, rank.checked_sub(1)?)?;
        Some((rank, self.present.get((0, rank))?))
    }

    /// The first above one.
    pub(super) fn next(&self, rank: u32) -> Option<(u32, Name)> {
        let rank = self.present.lowest(0, rank.checked_add(1)?)?;
        Some((rank, self.present.get((0, rank))?))
    }
}

/// So far it is looked for the nearest unit by walking; then the whole sequence is put in order. Otherwise ten thousand units
/// that are still to come, left of each other, would each be passed ten thousand times.
const WALK: u32 = 64;

impl Replay {
    pub(super) fn insert_text(
        &mut self,
        scene: &mut Scene<'_>,
        text: u32,
        first: Name,
        skip: u32,
        anchor: Anchor,
        units: &[u16],
    ) -> Result<(), Reason> {
        let cut = |at: u32| units[at as usize - 1] & 0xfc00 != 0xd800 || units[at as usize] & 0xfc00 != 0xdc00;
        for (from, to) in pieces(scene, first, skip, units.len() as u32, &cut) {
            let at = (first.0, first.1 + from);
            let left = self.place(scene, text, at, from, anchor);
            let new = scene.into.next_dot(1).map_err(|_| Reason::ParentMissing)?;
            // A damaged mapping may know half a pair already.
            let mut piece = units[from as usize..to as usize].to_vec();
            well_formed_units(&mut piece);
            let done = scene.into.text_insert_behind(text, left, &piece);
            done.map_err(|_| Reason::ParentMissing)?;
            self.made_units(scene, text, at, to - from, name(scene.into, new));
        }
        Ok(())
    }

    /// These units of `from` are in `into` now.
    pub(super) fn made_units(&mut self, scene: &Scene<'_>, container: u32, old: Name, len: u32, new: Name) {
        self.mapping.made.add(old, len, Said::running(new));
        let Some(from) = scene.named[scene.at].from else { return };
        if let Some(order) = self.orders.get_mut(&(from, container)) {
            for (skip, n, rank) in order.ranks.within(old, len) {
                order.present.add(rank, n, Said::running((old.0, old.1 + skip)));
            }
        }
    }

    /// Puts a sequence of `from` in order, by what of it is in a container of `into`.
    #[inline(never)]
    fn order(&self, scene: &Scene<'_>, from: u32, container: u32) -> Order {
        let mut order = Order::default();
        let mut rank = 1;
        for (unit, len) in scene.from.runs_of(from) {
            let first = name(scene.from, unit);
            order.ranks.add(first, len, Said::running((0, rank)));
            for (skip, n, new) in self.images(first, len) {
                let Some(start) = dot(scene.into, new) else { continue };
                let mut done = 0;
                while done < n {
                    let here = scene.into.stretch(container, start.plus(done), n - done);
                    if here > 0 {
                        let old = (first.0, first.1 + skip + done);
                        for (i, n) in self.places(old, here) {
                            let old = (old.0, old.1 + i);
                            order.present.add((0, rank + skip + done + i), n, Said::running(old));
                        }
                    }
                    // To the next one that is there, if what isn't there lies between.
                    done += here.max(1);
                }
            }
            rank += len;
        }
        order
    }

    /// What `len` units from `first` on are called in `into`, if they are there: how far in, how many, and what.
    fn images(&self, first: Name, len: u32) -> Vec<(u32, u32, Name)> {
        let mut stretches = self.mapping.made.within(first, len);
        match &self.passage {
            Some(passage) => stretches.extend(passage.names.within(first, len)),
            None => {
                let same = self.base_of(first.0).saturating_sub(first.1 - 1).min(len);
                if same > 0 {
                    stretches.push((0, same, first));
                }
            }
        }
        stretches
    }

    pub(super) fn delete(
        &mut self,
        scene: &mut Scene<'_>,
        container: u32,
        first: Name,
        len: u32,
        ranges: &[(Dot, u32)],
        step: i8,
    ) -> Result<(), Reason> {
        let mut found: Vec<(u32, Dot, u32)> = Vec::new();
        let units = disjoint(scene.from, ranges);
        if self.gap && units.iter().any(|(unit, n, _)| !self.is_known(unit, n)) {
            return Err(Reason::ParentMissing);
        }
        for (unit, n, _) in units.iter() {
            self.here(scene, container, unit, n, &mut found);
        }
        if step != 0 {
            // One operation a unit, and each may have been done before.
            let units = found
                .iter()
                .flat_map(|&(skip, unit, n)| (0..n).map(move |i| (skip + i, unit.plus(i))));
            let mut units: Vec<(u32, Dot)> = units.collect();
            if step < 0 {
                units.iter_mut().for_each(|(skip, _)| *skip = len - 1 - *skip);
                units.reverse();
            }
            for (skip, unit) in units {
                let old = (first.0, first.1 + skip);
                if self.known(old, 1) == 0 {
                    let done = scene.into.delete_units(container, &[(unit, 1)]);
                    self.made(scene, old, done)?;
                }
            }
            return Ok(());
        }
        let mut batch: Vec<(Dot, u32)> = Vec::new();
        let mut room = MAX_UNITS_PER_DELETION;
        let mut last = None;
        for (_, mut unit, mut n) in found {
            while n > 0 {
                let take = n.min(room);
                batch.push((unit, take));
                (unit, n, room) = (unit.plus(take), n - take, room - take);
                if room == 0 {
                    last = Some(scene.into.delete_units(container, &batch));
                    batch.clear();
                    room = MAX_UNITS_PER_DELETION;
                }
            }
        }
        if !batch.is_empty() {
            last = Some(scene.into.delete_units(container, &batch));
        }
        last.map_or(Ok(()), |done| self.made(scene, first, done))
    }

    /// Whether it is known what became of each of `len` units from `first` on.
    fn is_known(&self, first: Name, len: u32) -> bool {
        let known: u32 = self.images(first, len).iter().map(|&(_, n, _)| n).sum();
        let lost: u32 = self.mapping.lost.within(first, len).iter().map(|&(_, n, _)| n).sum();
        known + lost >= len
    }

    /// What `len` units from `first` on are in `into`: how far in, from where, how many. Also those that are deleted there: by
    /// something that may yet be refused, or that a restored backup lacks.
    fn here(&self, scene: &Scene<'_>, container: u32, first: Name, len: u32, found: &mut Vec<(u32, Dot, u32)>) {
        for (skip, n, new) in self.images(first, len) {
            let Some(start) = dot(scene.into, new) else { continue };
            let end = start.seq.saturating_add(n);
            let mut at = start;
            while at.seq < end {
                let Some((unit, left, is_content)) = scene.into.at_or_after(container, at) else {
                    break;
                };
                if unit.seq >= end {
                    break;
                }
                let take = left.min(end - unit.seq);
                if is_content {
                    found.push((skip + (unit.seq - start.seq), unit, take));
                }
                at = unit.plus(take);
            }
        }
    }

    /// The unit in `into` behind which `unit` (the `nth` of its insert) goes; none for the start.
    pub(super) fn place(
        &mut self,
        scene: &Scene<'_>,
        container: u32,
        unit: Name,
        nth: u32,
        anchor: Anchor,
    ) -> Option<Dot> {
        let here = scene.named[scene.at].from.zip(dot(scene.from, unit));
        let here = here.filter(|&(container, unit)| scene.from.stretch(container, unit, 1) == 1);
        let Some((old, mut at)) = here else {
            return self.place_by_anchor(scene, container, unit, nth, anchor);
        };
        for _ in 0..WALK {
            let (first, len) = scene.from.before(old, at)?;
            let (agent, seq) = name(scene.from, first);
            if let Some(found) = self.last_image(scene, container, agent, seq, seq + (len - 1)) {
                return Some(found);
            }
            at = first;
        }
        let mut rank = self.order_of(scene, old, container).rank(name(scene.from, at))?;
        loop {
            let left;
            (rank, left) = self.order_of(scene, old, container).last(rank)?;
            if let Some(found) = self.unit_in(scene, container, left) {
                return Some(found);
            }
        }
    }

    /// The order of a sequence of `from`, by what of it is in a container of `into`; made where there is none yet.
    pub(super) fn order_of(&mut self, scene: &Scene<'_>, from: u32, container: u32) -> &Order {
        let at = (from, container);
        let order = self
            .orders
            .remove(&at)
            .unwrap_or_else(|| self.order(scene, from, container));
        self.orders.get_or_insert_with(at, || order)
    }

    /// The last of an agent's units from `low` to `high` that is in `into`.
    fn last_image(&self, scene: &Scene<'_>, container: u32, agent: u64, low: u32, high: u32) -> Option<Dot> {
        let mut high = high;
        loop {
            let made = self.mapping.made.highest(agent, low, high);
            let same = match &self.passage {
                Some(passage) => passage.names.highest(agent, low, high),
                None => Some(high.min(self.base_of(agent))).filter(|&seq| seq >= low),
            };
            let last = made.max(same)?;
            if let Some(found) = self.unit_in(scene, container, (agent, last)) {
                return Some(found);
            }
            high = last.checked_sub(1).filter(|&high| high >= low)?;
        }
    }

    /// A unit's dot in `into`, if it is in that container there.
    pub(super) fn unit_in(&self, scene: &Scene<'_>, container: u32, old: Name) -> Option<Dot> {
        let new = self.unit_image(scene, old)?;
        (scene.into.stretch(container, new, 1) == 1).then_some(new)
    }

    /// The same where `from` doesn't have the unit (it has let go of the sequence, because the container was deleted later by an
    /// operation that may not come through; or a record before it was lost): by what the unit was hung on.
    fn place_by_anchor(&self, scene: &Scene<'_>, container: u32, unit: Name, nth: u32, anchor: Anchor) -> Option<Dot> {
        let (mut parent, mut side) = if nth > 0 {
            (Some((unit.0, unit.1 - 1)), Side::Right)
        } else {
            let parent = anchor.parent;
            (parent.is_some().then(|| name(scene.from, parent)), anchor.side)
        };
        // Each step leads to what was there before; a damaged envelope may say otherwise.
        let [left, right] = &self.lost_units;
        for _ in 0..=left.len() + right.len() {
            let old = parent?;
            if let Some(found) = self.unit_in(scene, container, old) {
                if side == Side::Right {
                    return Some(found);
                }
                return scene
                    .into
                    .before(container, found)
                    .map(|(first, len)| first.plus(len - 1));
            }
            let hung_on = match (left.get(old), right.get(old)) {
                (Some(name), _) => (name, Side::Left),
                (None, Some(name)) => (name, Side::Right),
                _ => break,
            };
            (parent, side) = (Some(hung_on.0).filter(|&name| name != NONE), hung_on.1);
        }
        // Nothing is known of what it hung on: at the end it disturbs least.
        scene.into.last_unit(container)
    }

    pub(super) fn lose_units(&mut self, first: Name, len: u32, hung_on: Option<Name>, side: Side) {
        let [left, right] = &mut self.lost_units;
        let lost = if side == Side::Left { left } else { right };
        lost.add(first, len, Said::still(hung_on.unwrap_or(NONE)));
    }
}

/// Cuts an insert where something else stands between its units in `from` (and `cut` allows it).
pub(super) fn pieces(
    scene: &Scene<'_>,
    first: Name,
    skip: u32,
    len: u32,
    cut: &dyn Fn(u32) -> bool,
) -> Vec<(u32, u32)> {
    let mut pieces = vec![(skip, len)];
    let Some((container, start)) = scene.named[scene.at].from.zip(dot(scene.from, first)) else {
        return pieces;
    };
    let mut at = skip;
    loop {
        let n = scene.from.stretch(container, start.plus(at), len - at);
        at += n;
        if n == 0 || at >= len {
            return pieces;
        }
        let follows = scene
            .from
            .before(container, start.plus(at))
            .is_none_or(|(first, n)| first.plus(n - 1) == start.plus(at - 1));
        if !follows && cut(at) {
            if let Some(last) = pieces.last_mut() {
                last.1 = at;
            }
            pieces.push((at, len));
        }
    }
}

/// The ranges by name, each unit once: a damaged envelope may name one a thousand times.
fn disjoint(from: &Document, ranges: &[(Dot, u32)]) -> Ranges {
    let mut disjoint = Ranges::default();
    for &(first, len) in ranges {
        disjoint.add(name(from, first), len, super::NOTHING);
    }
    disjoint
}
