//! Gaps: the places beside units, where the ranges of marks begin and end. Each unit, removed ones included, has a gap before
//! it and one behind it; what is inserted between two neighbours stands between the gap behind the one and the gap before the
//! other. So a gap never moves, and the order of two of them never changes.

use super::tree::Place;
use super::Sequence;
use joinery_history::Dot;
use std::cmp::Ordering;

/// A place beside a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Before whatever is there, or ever will be.
    Start,
    /// Right before a unit.
    Before(Dot),
    /// Right behind a unit.
    After(Dot),
    /// Behind whatever is there, or ever will be.
    End,
}

impl Gap {
    /// The unit that it is named by.
    pub fn unit(self) -> Option<Dot> {
        match self {
            Gap::Start | Gap::End => None,
            Gap::Before(unit) | Gap::After(unit) => Some(unit),
        }
    }
}

/// Where a gap is now, to be compared with others.
#[derive(Debug, Clone, Copy)]
pub enum Spot {
    /// [`Gap::Start`]
    Start,
    /// Beside the unit at this place; behind it or not.
    Beside(Place, bool),
    /// [`Gap::End`], and whatever isn't there.
    End,
}

impl<U: Copy> Sequence<U> {
    /// Where a gap is. A unit that isn't here counts as the end.
    pub fn spot(&self, gap: Gap) -> Spot {
        let beside = |unit, behind| {
            let place = self.tree.locate(unit);
            place.map_or(Spot::End, |place| Spot::Beside(place, behind))
        };
        match gap {
            Gap::Start => Spot::Start,
            Gap::Before(unit) => beside(unit, false),
            Gap::After(unit) => beside(unit, true),
            Gap::End => Spot::End,
        }
    }

    /// The order of two gaps.
    pub fn compare(&self, a: Spot, b: Spot) -> Ordering {
        match (a, b) {
            (Spot::Beside(a, a_behind), Spot::Beside(b, b_behind)) => {
                self.tree.compare(a, b).then_with(|| a_behind.cmp(&b_behind))
            }
            (Spot::Start, Spot::Start) | (Spot::End, Spot::End) => Ordering::Equal,
            (Spot::Start, _) | (_, Spot::End) => Ordering::Less,
            _ => Ordering::Greater,
        }
    }

    /// How many visible units stand before a gap.
    pub fn index_of_gap(&self, gap: Gap) -> u32 {
        match self.spot(gap) {
            Spot::Start => 0,
            Spot::End => self.len(),
            Spot::Beside(place, behind) => {
                let is_visible = !self.tree.run(place).removal.is_some();
                self.tree.index_of(place) + u32::from(behind && is_visible)
            }
        }
    }

    /// The dot of the unit at a place.
    pub fn dot_of(&self, place: Place) -> Dot {
        self.tree.run(place).dot.plus(place.offset)
    }

    /// Is what stands right behind a place (or at the start) a removed unit?
    pub fn is_removed_behind(&self, left: Option<Place>) -> bool {
        let next = match left {
            Some(left) if left.offset + 1 < self.tree.run(left).len => Some(left),
            Some(left) => self.tree.next_run(left),
            None => self.tree.first_run(),
        };
        next.is_some_and(|next| self.tree.run(next).removal.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::Removal;
    use joinery_history::Agents;

    /// Every gap of a sequence in its order, by the runs alone.
    fn gaps(sequence: &Sequence<u32>) -> Vec<(Gap, u32)> {
        let mut gaps = vec![(Gap::Start, 0)];
        let mut index = 0;
        for (run, _) in sequence.runs() {
            for unit in (0..run.len).map(|i| run.dot.plus(i)) {
                gaps.push((Gap::Before(unit), index));
                index += u32::from(!run.removal.is_some());
                gaps.push((Gap::After(unit), index));
            }
        }
        gaps.push((Gap::End, index));
        gaps
    }

    #[test]
    fn gaps_are_ordered_and_counted_over_many_leaves_and_removed_units() {
        let mut agents = Agents::default();
        let own = agents.intern(7);
        let mut sequence: Sequence<u32> = Sequence::default();
        let mut seq = 1;
        // Scattered inserts and removals: some hundred runs, in leaves on several levels.
        let mut state = 9u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for round in 0..1500 {
            let index = random(sequence.len() + 1);
            let dot = Dot { agent: own, seq };
            sequence.insert(&agents, index, dot, &[round, round]);
            seq += 2;
            if round % 3 == 0 {
                let by = Removal {
                    dot: Dot { agent: own, seq },
                    step: 0,
                };
                seq += 1;
                let unit = sequence.dot_at(random(sequence.len()));
                sequence.remove(&agents, unit.unwrap_or(Dot::NONE), 1, by, &mut |_| {});
            }
        }
        sequence.check(&agents);
        let gaps = gaps(&sequence);
        for &(gap, index) in &gaps {
            assert_eq!(sequence.index_of_gap(gap), index, "{gap:?}");
        }
        for i in (0..gaps.len()).step_by(7) {
            for j in (0..gaps.len()).step_by(11) {
                let (a, b) = (sequence.spot(gaps[i].0), sequence.spot(gaps[j].0));
                assert_eq!(sequence.compare(a, b), i.cmp(&j), "{:?} {:?}", gaps[i], gaps[j]);
            }
        }
        for pair in gaps.windows(2) {
            if let (Gap::After(left), Gap::Before(right)) = (pair[0].0, pair[1].0) {
                let is_removed = sequence.unit(right).is_none();
                assert_eq!(sequence.is_removed_behind(sequence.place_of(left)), is_removed);
            }
        }
    }
}
