//! Runs: what a sequence is made of. A run is a stretch of units (characters, list elements) that one agent inserted one
//! after the other and that still stand next to each other, all of them live or all of them removed.

use super::Anchor;
use joinery_history::Dot;

/// On which side of its parent a unit hangs in the Fugue tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Before the parent.
    Left,
    /// After the parent.
    Right,
}

/// Who removed the units of a run. The first unit was removed by `dot`, the k-th by the dot `k × step` later: 0 where one
/// operation removed the whole stretch, +1 and −1 for the delete and the backspace key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// The removal's own dot at the run's first unit; [`Dot::NONE`] for live units.
    pub dot: Dot,
    /// How the dot's seq changes from unit to unit. (Above 1: [`Removal::ELSEWHERE`], [`Removal::SUPERSEDED`].)
    pub step: i8,
}

impl Removal {
    /// Not removed.
    pub const NONE: Removal = Removal {
        dot: Dot::NONE,
        step: 0,
    };

    /// Of list elements that were moved: what was inserted here stands at another unit. Nobody removed it, so it has no dot.
    pub const ELSEWHERE: Removal = Removal {
        dot: Dot::NONE,
        step: 2,
    };

    /// Of units that a move made: nothing stands here any more, for good. It follows from other moves and removals, so it has
    /// no dot either.
    pub const SUPERSEDED: Removal = Removal {
        dot: Dot::NONE,
        step: 3,
    };

    /// True for units that nobody sees.
    pub fn is_some(self) -> bool {
        self.step > 1 || self.dot.is_some()
    }

    /// True for units that an operation removed.
    pub fn has_dot(self) -> bool {
        self.dot.is_some()
    }

    /// The removal as it reads from the `n`-th unit on.
    pub fn skip(self, n: u32) -> Removal {
        if !self.has_dot() {
            return self;
        }
        Removal {
            dot: self.at(n),
            step: self.step,
        }
    }

    /// The dot that removed the `n`-th unit.
    pub fn at(self, n: u32) -> Dot {
        let seq = i64::from(self.dot.seq) + i64::from(self.step) * i64::from(n);
        Dot {
            agent: self.dot.agent,
            seq: seq as u32,
        }
    }

    /// For how many units, from the first on, it stays the same which of the two removals is the lower one.
    pub fn alike(self, other: Removal) -> u32 {
        let step = i64::from(self.step) - i64::from(other.step);
        if self.dot.agent != other.dot.agent || step == 0 {
            return u32::MAX;
        }
        // The distance changes by `step` from unit to unit, so it changes sign once at most.
        let distance = i64::from(self.dot.seq) - i64::from(other.dot.seq);
        let units = match (distance < 0, step < 0) {
            (true, false) => (-distance - 1) / step + 1,
            (false, true) => distance / -step + 1,
            _ => return u32::MAX,
        };
        u32::try_from(units).unwrap_or(u32::MAX)
    }

    /// The step under which a stretch of `len` units removed by `self` goes on with `next_len` units removed by `next`.
    pub fn continues(self, len: u32, next: Removal, next_len: u32) -> Option<i8> {
        if !self.has_dot() || !next.has_dot() {
            return (self == next).then_some(self.step);
        }
        if self.dot.agent != next.dot.agent {
            return None;
        }
        let last = self.at(len - 1).seq;
        let step = i64::from(next.dot.seq) - i64::from(last);
        let step = i8::try_from(step).ok().filter(|step| (-1..=1).contains(step))?;
        ((len == 1 || self.step == step) && (next_len == 1 || next.step == step)).then_some(step)
    }
}

/// What hangs on the ends of a run, beside its own units; nothing can hang in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hanging {
    /// Something hangs on the left of the first unit.
    pub left: bool,
    /// Something hangs on the right of the last unit that isn't the dot after it.
    pub right: bool,
    /// The dot after the last unit hangs on its right but stands in another run: the stretch was cut. Such a child has no
    /// entry in the table of children.
    pub next: bool,
}

impl Hanging {
    /// Notes a unit that hangs on `side`; `continues`: it is the dot after the run's last unit.
    pub fn note(&mut self, side: Side, continues: bool) {
        match side {
            Side::Left => self.left = true,
            Side::Right if continues => self.next = true,
            Side::Right => self.right = true,
        }
    }
}

/// A stretch of units. Its first unit hangs on `parent`; each other one hangs on the right of the unit before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first unit's dot; unit k has the dot k places later.
    pub dot: Dot,
    /// How many units, at least 1.
    pub len: u32,
    /// What the first unit hangs on; [`Dot::NONE`] is the start of the sequence.
    pub parent: Dot,
    /// On which side of it.
    pub side: Side,
    /// What hangs on its ends.
    pub hanging: Hanging,
    /// Who removed it, if anyone.
    pub removal: Removal,
}

impl Run {
    /// A run on whose ends nothing hangs so far.
    pub fn new(dot: Dot, len: u32, Anchor { parent, side }: Anchor, removal: Removal) -> Run {
        Run {
            dot,
            len,
            parent,
            side,
            hanging: Hanging::default(),
            removal,
        }
    }

    /// The last unit's dot.
    pub fn tail(&self) -> Dot {
        self.dot.plus(self.len - 1)
    }

    /// Does the first unit merely go on from its agent's unit before? (Then its place in the tree follows from its dot.)
    pub fn is_continuation(&self) -> bool {
        is_continuation(self.dot, self.parent, self.side)
    }

    /// May what stands behind it and continues it be joined with it? Not where something else hangs on the right of its last
    /// unit: a run's inner units have one child.
    pub fn is_open(&self) -> bool {
        !self.hanging.right
    }

    /// Is it one of its units?
    pub fn has(&self, dot: Dot) -> bool {
        self.dot.agent == dot.agent && self.dot.seq <= dot.seq && dot.seq - self.dot.seq < self.len
    }

    /// How many units a reader sees.
    pub fn visible(&self) -> u32 {
        if self.removal.is_some() {
            0
        } else {
            self.len
        }
    }

    /// Takes over the units of a run that goes on where it ends.
    pub fn append(&mut self, second: Run) {
        self.len += second.len;
        self.hanging = Hanging {
            left: self.hanging.left,
            ..second.hanging
        };
    }

    /// Cuts the run after `at` units; `self` keeps the first part.
    pub fn split(&mut self, at: u32) -> Run {
        let second = Run {
            dot: self.dot.plus(at),
            len: self.len - at,
            parent: self.dot.plus(at - 1),
            side: Side::Right,
            hanging: Hanging {
                left: false,
                ..self.hanging
            },
            removal: self.removal.skip(at),
        };
        self.len = at;
        self.hanging = Hanging {
            left: self.hanging.left,
            right: false,
            next: true,
        };
        second
    }
}

/// Is `dot` the next dot of the agent of `parent`, hanging on its right?
pub fn is_continuation(dot: Dot, parent: Dot, side: Side) -> bool {
    side == Side::Right && parent.agent == dot.agent && parent.seq + 1 == dot.seq && parent.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removals_are_alike_up_to_where_the_lower_one_changes() {
        let removal = |seq, step| Removal {
            dot: Dot { agent: 0, seq },
            step,
        };
        for (a, b) in (1..12).flat_map(|a| (1..12).map(move |b| (a, b))) {
            for (step, other) in (-1..=1).flat_map(|a| (-1..=1).map(move |b| (a, b))) {
                let (new, old) = (removal(a + 20, step), removal(b + 20, other));
                let is_lower = |n| new.at(n).seq < old.at(n).seq;
                let expected = (1..20).find(|&n| is_lower(n) != is_lower(0));
                let got = new.alike(old);
                assert_eq!(expected, (got < 20).then_some(got), "{new:?} {old:?}");
            }
        }
    }
}
