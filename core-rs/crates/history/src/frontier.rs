//! The frontier: the dots of a version that nothing else in it was written on. Naming them names the whole version, so an
//! envelope that states its frontier states everything it rests on in one or two dots, however many agents there were.

use crate::{AgentIndex, Dot, Version};
use joinery_tables::OrderedMap;

/// The newest dots of a version, none of which another was written on: one an agent at most.
#[derive(Debug, Default, Clone)]
pub struct Frontier {
    /// Mostly there is but one: who types alone changes it with each key.
    first: Option<Dot>,
    /// The others, by agent, for ten thousand may write at once.
    others: OrderedMap<AgentIndex, u32>,
}

impl Frontier {
    /// The dots, in no order that means anything.
    pub fn dots(&self) -> impl Iterator<Item = Dot> + '_ {
        let others = self.others.iter().map(|(&agent, &seq)| Dot { agent, seq });
        self.first.into_iter().chain(others)
    }

    fn seq_of(&self, agent: AgentIndex) -> Option<u32> {
        match self.first {
            Some(first) if first.agent == agent => Some(first.seq),
            _ => self.others.get(&agent).copied(),
        }
    }

    fn take_out(&mut self, agent: AgentIndex) {
        if self.first.is_some_and(|first| first.agent == agent) {
            self.first = None;
        } else {
            self.others.remove(&agent);
        }
    }

    fn put(&mut self, dot: Dot) {
        match &mut self.first {
            Some(first) if first.agent == dot.agent => *first = dot,
            None if !self.others.contains_key(&dot.agent) => self.first = Some(dot),
            _ => {
                self.others.insert(dot.agent, dot.seq);
            }
        }
    }

    /// The replica itself writes `dot`, on everything it has seen. The other agents' dots that stood in the frontier, which
    /// the write rests on, are appended to `rests_on`.
    pub fn write(&mut self, dot: Dot, rests_on: &mut Vec<Dot>) {
        if !self.others.is_empty() || self.first.is_some_and(|first| first.agent != dot.agent) {
            rests_on.extend(self.dots().filter(|have| have.agent != dot.agent));
            self.others.clear();
        }
        self.first = Some(dot);
    }

    /// A new dot came that was written on `rests_on` (and on its agent's own earlier dots).
    pub fn advance(&mut self, dot: Dot, rests_on: &[Dot]) {
        for dep in rests_on {
            if self.seq_of(dep.agent).is_some_and(|seq| seq <= dep.seq) {
                self.take_out(dep.agent);
            }
        }
        self.put(dot);
    }

    /// Joins the frontier of another version. A dot that the other side has seen and no longer lists was built on there.
    pub fn join(&mut self, own: &Version, theirs: &Frontier, their_version: &Version) {
        let mine = std::mem::take(self);
        let kept = mine
            .dots()
            .filter(|&dot| theirs.seq_of(dot.agent) == Some(dot.seq) || !their_version.covers(dot));
        let new = theirs.dots().filter(|&dot| !own.covers(dot));
        *self = kept.chain(new).collect();
    }
}

impl FromIterator<Dot> for Frontier {
    fn from_iter<T: IntoIterator<Item = Dot>>(dots: T) -> Self {
        let mut frontier = Frontier::default();
        dots.into_iter().for_each(|dot| frontier.put(dot));
        frontier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(agent: u32, seq: u32) -> Dot {
        Dot { agent, seq }
    }

    #[test]
    fn a_join_keeps_what_nobody_built_on() {
        let mut mine = Frontier::default();
        mine.advance(dot(0, 1), &[]);
        mine.advance(dot(1, 1), &[]);
        let mut own = Version::default();
        own.raise(0, 1);
        own.raise(1, 1);
        let mut theirs = Version::default();
        theirs.raise(0, 1);
        theirs.raise(2, 4);
        mine.join(&own, &Frontier::from_iter([dot(2, 4)]), &theirs);
        assert_eq!(mine.dots().collect::<Vec<_>>(), [dot(1, 1), dot(2, 4)]);
        mine.advance(dot(1, 2), &[dot(2, 4)]);
        assert_eq!(mine.dots().collect::<Vec<_>>(), [dot(1, 2)]);
    }
}
