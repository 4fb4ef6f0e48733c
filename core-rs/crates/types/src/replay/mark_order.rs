//! Which stamp a replayed mark gets. Marks with one key in one text are one chain, as their author has them: by stamp, agent and
//! seq. The whole chain is kept, not only the order of those that meet: of three marks the middle one may meet both others, which
//! don't meet, and has to find room between them. So what it has to be above and below is asked per key, and not per range.
//!
//! Where no stamp is left between two for one that belongs there, it gets the lower one's: of two marks of one agent with one stamp
//! the later one wins. So it is of marks alone: a slot's register has no seq in it.

use super::slots::{holds, Slots, ROOM};
use super::{name, Name, Replay, Scene};
use crate::marks::Mark;
use crate::sequence::Gap;
use crate::text::Text;
use joinery_history::{Dot, Stamp};
use joinery_tables::{OrderedMap, OrderedSet};
use std::rc::Rc;

/// A mark's place in its author's chain.
type Rank = (Stamp, Name);

/// The marks with one key in one text of `into`.
#[derive(Debug, Default)]
pub(super) struct MarkOrder {
    /// Those that replays have made, this one and earlier ones, with the stamps they got and their agents in `into`.
    made: OrderedMap<Rank, (Stamp, u64)>,
    /// Those that no replay has made and that were there at the start, ascending, by the names of those who made them.
    others: Vec<Rank>,
    /// The stamps of those among them that the author's document shows, ascending, each with its agent in `into`.
    shown: Vec<(Stamp, u64)>,
    /// The stamps of what earlier replays made and the author's document shows nowhere, ascending: it may be below everything.
    covered: Vec<Stamp>,
    /// What earlier replays made of writes that the author's document has lost, with their stamps in `into`.
    lost: Vec<Rank>,
}

/// No stamp is put right to one below this, and what comes later has room there.
const LOWEST: Stamp = 1 << 16;

/// A text from its start to its end.
const EVERYWHERE: (Gap, Gap) = (Gap::Start, Gap::End);

/// The marks of a key that win somewhere in a range.
pub(super) fn marks_within<'t>(text: &'t Text, key: &str, range: (Gap, Gap)) -> impl Iterator<Item = &'t Mark> {
    let function = text.marks.as_ref().and_then(|marks| marks.function(key));
    let within = function.map(|function| function.within(&text.sequence, range));
    within.into_iter().flatten().flatten().map(|mark| &**mark)
}

impl MarkOrder {
    /// Notes the stamp that a mark got.
    pub(super) fn note(&mut self, rank: Rank, got: Stamp, agent: u64) {
        self.made.insert(rank, (got, agent));
    }
}

impl Replay {
    /// Reads what is known of a key's marks, before the first of this replay is made.
    pub(super) fn learn_marks(&mut self, scene: &Scene<'_>, at: &(u32, Rc<str>)) {
        if self.slots.clock.is_none() || self.slots.marks.contains_key(at) {
            return;
        }
        let from = scene.named[scene.at].from;
        let from = from.and_then(|text| scene.from.containers.text(text).ok());
        let shown = from.into_iter().flat_map(|text| marks_within(text, &at.1, EVERYWHERE));
        let shown: OrderedMap<Name, Stamp> = shown.map(|mark| (name(scene.from, mark.dot), mark.stamp)).collect();
        let here = scene.into.containers.text(at.0).ok();
        let mut order = MarkOrder::default();
        let mut known = OrderedSet::new();
        for mark in here.into_iter().flat_map(|text| marks_within(text, &at.1, EVERYWHERE)) {
            let &Mark { dot, stamp, .. } = mark;
            if !known.insert(dot) {
                continue;
            }
            match self.slots.origin(name(scene.into, dot)) {
                (origin, false) => {
                    order.others.push((stamp, origin));
                    if shown.contains_key(&origin) {
                        order.shown.push((stamp, scene.into.agents.id(dot.agent)));
                    }
                }
                (origin, true) => match shown.get(&origin) {
                    Some(&theirs) => order.note((theirs, origin), stamp, scene.into.agents.id(dot.agent)),
                    None if holds(scene.from, origin) => order.covered.push(stamp),
                    None => order.lost.push((stamp, origin)),
                },
            }
        }
        order.others.sort_unstable();
        order.shown.sort_unstable();
        order.covered.sort_unstable();
        self.slots.marks.insert(at.clone(), order);
    }
}

impl Slots {
    /// The stamp that a mark gets; none where none is left.
    pub(super) fn mark_stamp(
        &self,
        scene: &Scene<'_>,
        at: &(u32, Rc<str>),
        met: &[(Dot, Stamp)],
        rank: Rank,
    ) -> Option<Stamp> {
        let nothing = MarkOrder::default();
        let order = self.marks.get(at).unwrap_or(&nothing);
        let (old, (agent, _)) = rank;
        let into = &*scene.into;
        let mut wanted = self.put_right(old)?;
        let is_put_right = wanted != old;
        if is_put_right {
            // Whatever was off by more than its time leaves room below.
            wanted = wanted.max(LOWEST);
        }
        // It stays below what its own stamp is below, whatever its agent's last write got.
        let higher = order.shown.partition_point(|&(stamp, _)| stamp <= old.max(wanted));
        let highest = order.shown.get(higher).filter(|_| !self.lacking);
        let highest = highest.map(|&(stamp, theirs)| stamp - u64::from(into.agent() > Some(theirs)));
        let last = self.clock.and_then(|_| self.last_got(agent, old));
        if let Some(last) = last.filter(|&last| last >= wanted) {
            wanted = last.checked_add(ROOM)?;
        }
        let below = order.made.before(&rank).map(|(_, &made)| made);
        let above = order.made.range_from(&rank).next().map(|(_, &made)| made);
        let mut most = above.map_or(Some(Stamp::MAX - 1), |(got, _)| got.checked_sub(1))?;
        most = most.min(highest.unwrap_or(most));
        let covered = order.covered[..order.covered.partition_point(|&stamp| stamp < most)].last();
        let floor = self.overwritten(scene, order, rank).max(covered.copied().unwrap_or(0));
        let least = below.map_or(0, |(got, _)| got).max(floor).checked_add(1)?;
        if least > most {
            let agent = into.agent()?;
            let behind = below.filter(|&(got, theirs)| floor < got && got <= most && theirs <= agent);
            let before = above.filter(|&(got, theirs)| least <= got && theirs > agent);
            let equal = behind.or(before).map(|(got, _)| got);
            // That it stays below what its author had above it counts more.
            return equal.or_else(|| into.stamps.free_up_to(most));
        }
        let room = ROOM.min((most - least) / 2);
        if wanted < least {
            wanted = least + if is_put_right { room } else { 0 };
        } else if wanted > most {
            wanted = most - room;
        }
        // A tie with another agent's mark is decided as it would have been, though the agent is another now.
        let ties = met
            .iter()
            .filter(|&&(dot, stamp)| stamp == wanted && !self.origin(name(into, dot)).1);
        let turned = ties.filter_map(|&(dot, _)| {
            let theirs = name(into, dot);
            let won = rank.1 > theirs;
            (won != (into.agent() > Some(theirs.0))).then_some(won)
        });
        // Below one of them it is below what it has to be below, and that counts more.
        match turned.min() {
            Some(true) if wanted < most => wanted += 1,
            Some(false) if wanted > least => {
                wanted -= 1;
                most = wanted;
            }
            _ => {}
        }
        let free = into.stamps.free_from(wanted).filter(|&free| free <= most);
        let free = free.or_else(|| into.stamps.free_up_to(most).filter(|&free| free >= least));
        // All of them are used, for other keys: with marks that does no harm.
        free.or(Some(wanted))
    }

    /// The highest stamp of what the mark had overwritten, but for what replays have made and what is covered.
    fn overwritten(&self, scene: &Scene<'_>, order: &MarkOrder, (old, by): Rank) -> Stamp {
        if self.clock.is_none() {
            return 0;
        }
        let lower = order.others.partition_point(|&(stamp, _)| stamp < old);
        let mut others = order.others[..lower].iter().rev();
        let other = others.find(|&&(_, origin)| self.had(scene.from, by.0, origin));
        let lost = order.lost.iter().filter(|&&(stamp, origin)| {
            (self.lacking && stamp < old) || (self.has_seen(by.0, origin) && (origin.0 != by.0 || origin.1 < by.1))
        });
        lost.chain(other).map(|&(stamp, _)| stamp).max().unwrap_or(0)
    }
}
