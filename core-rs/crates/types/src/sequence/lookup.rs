//! Where units are, by their ids: for each agent stretches of seqs, and a number for each. What a number means is the user's
//! affair: the leaf of a tree, a container of a document.

use joinery_history::Dot;
use joinery_tables::OrderedMap;

/// See the top of this file.
#[derive(Debug, Default, Clone)]
pub struct Lookup {
    agents: Vec<Stretches>,
}

#[derive(Debug, Default, Clone)]
struct Stretches {
    /// From this seq on, that number. Gaps (operations elsewhere) have any.
    numbers: OrderedMap<u32, u32>,
    /// Every seq with a number is lower.
    end: u32,
}

impl Lookup {
    /// The number of a unit; any, or none, for what isn't one.
    pub fn get(&self, dot: Dot) -> Option<u32> {
        let (_, &number) = self.agents.get(dot.agent as usize)?.numbers.at_or_before(&dot.seq)?;
        Some(number)
    }

    /// The numbers of the agent's units from `dot` on, each perhaps several times.
    pub fn from(&self, dot: Dot) -> impl Iterator<Item = u32> + '_ {
        let numbers = self.agents.get(dot.agent as usize).map(|agent| &agent.numbers);
        let before = numbers.and_then(|numbers| numbers.at_or_before(&dot.seq));
        let later = numbers.map(|numbers| numbers.range_from(&dot.seq.saturating_add(1)));
        (before.into_iter().chain(later.into_iter().flatten())).map(|(_, &number)| number)
    }

    /// Gives an agent's units their numbers, in one go: from which seq on which one, and the seq that is above all.
    pub fn fill(&mut self, agent: u32, numbers: &[(u32, u32)], end: u32) {
        let agent = agent as usize;
        if agent >= self.agents.len() {
            self.agents.resize_with(agent + 1, Stretches::default);
        }
        self.agents[agent] = Stretches {
            numbers: OrderedMap::from_ascending(numbers),
            end,
        };
    }

    /// Gives a number to `len` units from `dot` on.
    pub fn assign(&mut self, dot: Dot, len: u32, number: u32) {
        let agent = dot.agent as usize;
        if agent >= self.agents.len() {
            self.agents.resize_with(agent + 1, Stretches::default);
        }
        let Stretches { numbers, end: known } = &mut self.agents[agent];
        let (start, end) = (dot.seq, dot.seq + len);
        if start >= *known {
            // Newer than all others: no stretch is to be cut short.
            *known = end;
            if numbers.last_key_value().is_none_or(|(_, &last)| last != number) {
                numbers.insert_last(start, number);
            }
            return;
        }
        *known = end.max(*known);
        if numbers.set_stretch(start, end, number) {
            return;
        }
        let after = numbers.at_or_before(&end).map(|(_, &after)| after);
        let inside: Vec<u32> = (numbers.range_from(&start).map(|(&seq, _)| seq))
            .take_while(|&seq| seq < end)
            .collect();
        for seq in inside {
            numbers.remove(&seq);
        }
        let before = numbers.before(&start).map(|(_, &before)| before);
        if before != Some(number) {
            numbers.insert(start, number);
        }
        if let Some(after) = after.filter(|&after| after != number && end < *known) {
            numbers.get_or_insert_with(end, || after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_has_the_number_it_got_last() {
        let mut state = 7u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        let mut lookup = Lookup::default();
        let mut model = [None; 400];
        for _ in 0..2_000 {
            let (start, len, number) = (1 + random(380), 1 + random(18), random(5));
            let dot = Dot { agent: 1, seq: start };
            lookup.assign(dot, len, number);
            model[start as usize..(start + len) as usize].fill(Some(number));
            for (seq, number) in model.iter().enumerate().filter(|(_, number)| number.is_some()) {
                let dot = Dot {
                    agent: 1,
                    seq: seq as u32,
                };
                assert_eq!(lookup.get(dot), *number);
                assert!(lookup.from(dot).next() == *number);
            }
        }
        assert_eq!(lookup.get(Dot { agent: 0, seq: 5 }), None);
    }
}
