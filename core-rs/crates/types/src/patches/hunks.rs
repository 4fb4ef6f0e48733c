//! What of a sequence's visible units came and went between two moments, as hunks: so many units are kept, then so many new ones
//! stand, then so many old ones are gone. It is told in the indices of each moment and put together as it comes, so that at the end
//! it leads from the first moment to the last one.
//!
//! ```text
//! abcdef, "xy" typed behind b, then "yc" deleted:   ab x def    [keep 2, new 1, gone 1]
//! ```
//!
//! Between two hunks at least one unit is kept.

/// From where the hunk before ended: units that are kept, units that are new, and old ones in their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hunk {
    /// Units that were there and still are.
    pub keep: u32,
    /// Units that are there and weren't.
    pub new: u32,
    /// Units that were there and aren't any more.
    pub gone: u32,
}

/// Of how many hunks a sequence's changes are put together; of one that is changed at more places between two takes, all units count
/// as gone and as new.
pub const MAX_HUNKS: usize = 4096;

/// See the top of this file.
#[derive(Debug, Clone)]
pub struct Hunks<U> {
    old_len: u32,
    hunks: Vec<Hunk>,
    /// The units that are gone, in their old order; none where nobody needs them.
    gone: Option<Vec<U>>,
    is_whole: bool,
}

/// The changes of a sequence, done with.
#[derive(Debug, Clone, Default)]
pub struct Finished<U> {
    /// The hunks; what is behind the last one is kept.
    pub hunks: Vec<Hunk>,
    /// The units that are gone, in their old order, as far as they are known.
    pub gone: Vec<U>,
    /// Were there too many changes to tell?
    pub is_whole: bool,
}

impl<U: Copy> Hunks<U> {
    /// Nothing has changed in a sequence with so many visible units.
    pub fn new(old_len: u32, keeps_gone: bool) -> Self {
        Hunks {
            old_len,
            hunks: Vec::new(),
            gone: keeps_gone.then(Vec::new),
            is_whole: false,
        }
    }

    /// From now on it is told only that everything has changed.
    pub fn give_up(&mut self) {
        self.is_whole = true;
        self.hunks = Vec::new();
        self.gone = None;
    }

    /// Is that so?
    pub fn is_given_up(&self) -> bool {
        self.is_whole
    }

    fn bound(&mut self) {
        if self.hunks.len() > MAX_HUNKS {
            self.give_up();
        }
    }

    /// `n` units became visible, the first of them at `index`.
    #[inline(never)]
    pub fn insert(&mut self, index: u32, n: u32) {
        if self.is_whole || n == 0 {
            return;
        }
        let mut start = 0;
        for at in 0..self.hunks.len() {
            let hunk = &mut self.hunks[at];
            let kept = start + hunk.keep;
            if index < kept {
                let keep = index - start;
                hunk.keep -= keep;
                self.hunks.insert(at, Hunk { keep, new: n, gone: 0 });
                return self.bound();
            }
            if index <= kept + hunk.new {
                hunk.new += n;
                return;
            }
            start = kept + hunk.new;
        }
        let keep = index - start;
        self.hunks.push(Hunk { keep, new: n, gone: 0 });
        self.bound();
    }

    /// The visible units from `index` on, these ones, are there no more.
    #[inline(never)]
    pub fn delete(&mut self, index: u32, units: &[U]) {
        let mut left = units;
        while !left.is_empty() && !self.is_whole {
            let taken = self.delete_piece(index, left);
            left = &left[taken..];
        }
        self.bound();
    }

    /// Takes as many of the units as stand in one piece; how many.
    #[inline(never)]
    fn delete_piece(&mut self, index: u32, units: &[U]) -> usize {
        let mut start = 0;
        let mut gone_before = 0;
        for at in 0..self.hunks.len() {
            let Hunk { keep, new, gone } = self.hunks[at];
            let kept = start + keep;
            if index < kept {
                let offset = index - start;
                let take = (units.len() as u32).min(keep - offset);
                self.note_gone(gone_before, &units[..take as usize]);
                self.take_kept(at, offset, take);
                return take as usize;
            }
            if index < kept + new {
                let take = (units.len() as u32).min(kept + new - index);
                self.hunks[at].new -= take;
                if self.hunks[at].new == 0 && gone == 0 {
                    let keep = self.hunks.remove(at).keep;
                    if let Some(next) = self.hunks.get_mut(at) {
                        next.keep += keep;
                    }
                }
                return take as usize;
            }
            start = kept + new;
            gone_before += gone as usize;
        }
        self.note_gone(gone_before, units);
        let (keep, gone) = (index - start, units.len() as u32);
        match self.hunks.last_mut().filter(|_| keep == 0) {
            Some(last) => last.gone += gone,
            None => self.hunks.push(Hunk { keep, new: 0, gone }),
        }
        units.len()
    }

    /// Of what a hunk keeps, `take` units from `offset` on are gone.
    #[inline(never)]
    fn take_kept(&mut self, at: usize, offset: u32, take: u32) {
        let hunk = &mut self.hunks[at];
        if offset + take < hunk.keep {
            hunk.keep -= offset + take;
            match at.checked_sub(1).filter(|_| offset == 0) {
                Some(before) => self.hunks[before].gone += take,
                None => {
                    let split = Hunk {
                        keep: offset,
                        new: 0,
                        gone: take,
                    };
                    self.hunks.insert(at, split);
                }
            }
            return;
        }
        hunk.keep = offset;
        hunk.gone += take;
        if offset == 0 && at > 0 {
            // Nothing is kept between this hunk and the one before.
            let Hunk { new, gone, .. } = self.hunks.remove(at);
            let before = &mut self.hunks[at - 1];
            before.new += new;
            before.gone += gone;
        }
    }

    #[inline(never)]
    fn note_gone(&mut self, at: usize, units: &[U]) {
        if let Some(gone) = &mut self.gone {
            gone.splice(at..at, units.iter().copied());
        }
    }

    /// Visible units stand for others from now on: they count as gone and as new.
    pub fn replace(&mut self, index: u32, units: &[U]) {
        self.delete(index, units);
        self.insert(index, units.len() as u32);
    }

    /// The changes of a sequence that has so many visible units now.
    #[inline(never)]
    pub fn finish(self, len: u32) -> Finished<U> {
        let mut hunks = self.hunks;
        if self.is_whole {
            let (new, gone) = (len, self.old_len);
            hunks = vec![Hunk { keep: 0, new, gone }];
        }
        hunks.retain(|hunk| hunk.new + hunk.gone > 0);
        Finished {
            hunks,
            gone: self.gone.unwrap_or_default(),
            is_whole: self.is_whole,
        }
    }
}

impl<U> Finished<U> {
    /// Where new units stand: the first index, and the one behind the last.
    pub fn new_ranges(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut at = 0;
        self.hunks.iter().map(move |hunk| {
            let start = at + hunk.keep;
            at = start + hunk.new;
            (start, at)
        })
    }

    /// How many new units stand before the one at `index`, if that is new.
    pub fn new_at(&self, index: u32) -> Option<u32> {
        let mut before = 0;
        for (start, end) in self.new_ranges() {
            if index < start {
                return None;
            }
            if index < end {
                return Some(before + (index - start));
            }
            before += end - start;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Held against a plain list of units, each of which knows whether it was there.
    #[test]
    fn hunks_lead_from_the_first_moment_to_the_last() {
        let mut state = 5u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for _ in 0..400 {
            let old: Vec<u32> = (0..random(30) as u32).collect();
            let mut now = old.clone();
            let mut next = 1000;
            let mut hunks = Hunks::new(old.len() as u32, true);
            for _ in 0..random(40) {
                let index = random(now.len() + 1);
                if random(2) == 0 {
                    let n = 1 + random(4);
                    let new: Vec<u32> = (next..).take(n).collect();
                    next += n as u32;
                    hunks.insert(index as u32, n as u32);
                    now.splice(index..index, new);
                } else {
                    let n = random((now.len() - index).min(6) + 1);
                    let units: Vec<u32> = now.drain(index..index + n).collect();
                    hunks.delete(index as u32, &units);
                }
            }
            let Finished { hunks, gone, .. } = hunks.finish(now.len() as u32);
            let (mut from, mut to, mut gone) = (&old[..], &now[..], &gone[..]);
            for (at, hunk) in hunks.iter().enumerate() {
                assert!(at == 0 || hunk.keep > 0, "{hunks:?}");
                let keep = hunk.keep as usize;
                assert_eq!(from[..keep], to[..keep]);
                assert!(to[keep..keep + hunk.new as usize].iter().all(|&unit| unit >= 1000));
                assert_eq!(from[keep..keep + hunk.gone as usize], gone[..hunk.gone as usize]);
                gone = &gone[hunk.gone as usize..];
                from = &from[keep + hunk.gone as usize..];
                to = &to[keep + hunk.new as usize..];
            }
            assert_eq!(from, to);
            assert!(gone.is_empty());
        }
    }

    #[test]
    fn too_many_places_are_told_as_one() {
        let len = 3 * MAX_HUNKS as u32;
        let mut hunks: Hunks<u32> = Hunks::new(len, true);
        for at in 0..=MAX_HUNKS as u32 {
            hunks.delete(2 * at, &[at]);
        }
        let finished = hunks.finish(7);
        let whole = Hunk {
            keep: 0,
            new: 7,
            gone: len,
        };
        assert!(finished.is_whole);
        assert_eq!(finished.hunks, vec![whole]);
    }
}
