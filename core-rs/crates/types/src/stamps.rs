//! Which stamps a replica's own agent has used. A clock that only rises needs no such record; replay writes below the clock,
//! and an agent must not use a stamp twice, or two of its writes to one slot would tie.

use joinery_history::Stamp;
use joinery_tables::OrderedSet;

/// The stamps of one agent.
#[derive(Debug, Default, Clone)]
pub struct Stamps {
    /// The lowest and the highest that its clock gave: what lies between counts as used.
    ticks: Option<(Stamp, Stamp)>,
    /// Those that replay chose.
    chosen: OrderedSet<Stamp>,
}

impl Stamps {
    /// The clock gave this one, above all before.
    pub fn tick(&mut self, stamp: Stamp) {
        let first = self.ticks.map_or(stamp, |(first, _)| first);
        self.ticks = Some((first, stamp));
    }

    /// Notes one that replay chose.
    #[inline(never)]
    pub fn choose(&mut self, stamp: Stamp) {
        self.chosen.insert(stamp);
    }

    /// The lowest free stamp from `wanted` on, below the top.
    pub fn free_from(&self, wanted: Stamp) -> Option<Stamp> {
        let mut at = self.above_ticks(wanted.max(1))?;
        while self.chosen.contains(&at) {
            at = self.above_ticks(at.checked_add(1)?)?;
        }
        Some(at).filter(|&at| at < Stamp::MAX)
    }

    /// The highest free stamp up to `wanted`, above 0.
    pub fn free_up_to(&self, wanted: Stamp) -> Option<Stamp> {
        let mut at = self.below_ticks(wanted)?;
        while self.chosen.contains(&at) {
            at = self.below_ticks(at.checked_sub(1)?)?;
        }
        Some(at).filter(|&at| at > 0)
    }

    fn above_ticks(&self, at: Stamp) -> Option<Stamp> {
        match self.ticks {
            Some((first, last)) if first <= at && at <= last => last.checked_add(1),
            _ => Some(at),
        }
    }

    fn below_ticks(&self, at: Stamp) -> Option<Stamp> {
        match self.ticks {
            Some((first, last)) if first <= at && at <= last => first.checked_sub(1),
            _ => Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_free_stamp_is_found_on_both_sides() {
        let mut stamps = Stamps::default();
        [5, 6, 9, 21, 30].into_iter().for_each(|stamp| stamps.choose(stamp));
        [10, 15, 20].into_iter().for_each(|stamp| stamps.tick(stamp));
        let used = |stamp: Stamp| [5, 6, 9, 21, 30].contains(&stamp) || (10..=20).contains(&stamp);
        for wanted in 1..40 {
            assert_eq!(
                stamps.free_from(wanted),
                (wanted..).find(|&s| !used(s)),
                "from {wanted}"
            );
            let below = (1..=wanted).rev().find(|&s| !used(s));
            assert_eq!(stamps.free_up_to(wanted), below, "up to {wanted}");
        }
        assert_eq!(stamps.free_from(Stamp::MAX - 1), Some(Stamp::MAX - 1));
        stamps.choose(Stamp::MAX - 1);
        assert_eq!(stamps.free_from(Stamp::MAX - 1), None);
        stamps.choose(1);
        assert_eq!(stamps.free_up_to(1), None);
    }
}
