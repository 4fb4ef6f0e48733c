//! In which order a replica came to know operations: whose turn it was since when. It finds out behind which point everything lies
//! that a version lacks, so that who exports the difference needn't look at what hasn't changed since.
//!
//! What it is not: part of the state. Two replicas with equal states know another order each, a loaded one knows none, and only the
//! last turns are kept. Where it can't tell, it says so.

use crate::{AgentIndex, Version};
use std::collections::VecDeque;

/// So many turns are kept: of two who type at once and hear of each keystroke, the last thousand keystrokes.
const MAX_TURNS: usize = 1024;

/// From here on, operations of one agent came, until the next turn.
#[derive(Debug, Clone)]
struct Turn {
    agent: AgentIndex,
    /// That agent's last operation before.
    seq: u32,
    /// How many operations, of all agents, were known before.
    known: u64,
}

/// See the top of this file.
#[derive(Debug, Default, Clone)]
pub struct Arrivals {
    turns: VecDeque<Turn>,
    /// How many operations were known behind the last turn.
    end: u64,
}

impl Arrivals {
    /// Notes that the operations of `agent` behind `seq` came, `count` of them, while `known` were known.
    #[inline]
    pub fn note(&mut self, agent: AgentIndex, seq: u32, count: u32, known: u64) {
        if count == 0 {
            return;
        }
        let goes_on = self.end == known && self.turns.back().is_some_and(|turn| turn.agent == agent);
        if !goes_on {
            self.begin(Turn { agent, seq, known });
        }
        self.end = known + u64::from(count);
    }

    #[inline(never)]
    fn begin(&mut self, turn: Turn) {
        // What came without being noted here leaves a gap; nothing before it can be told any more.
        if self.end != turn.known {
            self.turns.clear();
        }
        if self.turns.len() == MAX_TURNS {
            self.turns.pop_front();
        }
        self.turns.push_back(turn);
    }

    /// How many operations were known when the first one came that `theirs` lacks of `own`; all of `theirs` is in `own`. None
    /// where that is too long ago to be told.
    pub fn before_missing(&self, own: &Version, theirs: &Version) -> Option<u64> {
        if self.end != own.total() {
            return None;
        }
        let (mut end, mut first) = (self.end, self.end);
        let mut missing = own.total() - theirs.total();
        for turn in self.turns.iter().rev() {
            if missing == 0 {
                break;
            }
            let count = end - turn.known;
            let last = u64::from(turn.seq) + count;
            // Of a turn, the last ones are missing.
            let of_these = last.saturating_sub(u64::from(theirs.get(turn.agent))).min(count);
            if of_these > 0 {
                first = end - of_these;
                missing -= of_these;
            }
            end = turn.known;
        }
        (missing == 0).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dot;

    /// What came, one by one; a version that has some of each agent's; and the first that it lacks.
    fn check(came: &[AgentIndex], theirs: &Version, got: Option<u64>, is_kept: bool) {
        let mut counts = [0; 4];
        let first = came.iter().position(|&agent| {
            counts[agent as usize] += 1;
            let seq = counts[agent as usize];
            !theirs.covers(Dot { agent, seq })
        });
        let first = first.unwrap_or(came.len()) as u64;
        if is_kept {
            assert_eq!(got, Some(first));
        } else {
            assert!(got.is_none_or(|got| got == first), "{got:?} {first}");
        }
    }

    #[test]
    fn the_first_that_is_missing_is_found() {
        let mut state = 1u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for case in 0..200 {
            let (mut arrivals, mut own, mut came) = (Arrivals::default(), Version::default(), Vec::new());
            let turns = if case % 20 == 0 { 2 * MAX_TURNS as u32 } else { 12 };
            for turn in 0..turns {
                let (agent, count) = (random(4), 1 + random(3));
                let seq = own.get(agent);
                arrivals.note(agent, seq, count, own.total());
                own.raise(agent, seq + count);
                came.extend((0..count).map(|_| agent));
                if turn % 16 < 12 && turn + 30 < turns {
                    continue;
                }
                let mut theirs = Version::default();
                for agent in 0..4 {
                    let back = random(5) * random(4);
                    theirs.raise(agent, own.get(agent).saturating_sub(back));
                }
                let is_kept = turns < MAX_TURNS as u32;
                check(&came, &theirs, arrivals.before_missing(&own, &theirs), is_kept);
            }
            assert!(arrivals.turns.len() <= MAX_TURNS);
        }
    }

    #[test]
    fn nothing_is_told_across_a_gap() {
        let (mut arrivals, mut own) = (Arrivals::default(), Version::default());
        let nothing = Version::default();
        assert_eq!(arrivals.before_missing(&own, &nothing), Some(0));
        arrivals.note(0, 0, 5, 0);
        own.raise(0, 5);
        assert_eq!(arrivals.before_missing(&own, &nothing), Some(0));
        own.raise(1, 3);
        assert_eq!(arrivals.before_missing(&own, &nothing), None);
        arrivals.note(0, 5, 2, own.total());
        own.raise(0, 7);
        assert_eq!(arrivals.before_missing(&own, &nothing), None);
        let mut theirs = own.clone();
        assert_eq!(arrivals.before_missing(&own, &theirs), Some(10));
        theirs = nothing;
        theirs.raise(0, 6);
        theirs.raise(1, 3);
        assert_eq!(arrivals.before_missing(&own, &theirs), Some(9));
    }
}
