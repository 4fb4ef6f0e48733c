//! The frontier: the dots of a version that nothing else in it was written on. Naming them names the whole version, so an
//! envelope that states its frontier states everything it rests on in one or two dots, however many agents there were.

use crate::{AgentIndex, Dot, Version};
use joinery_tables::OrderedMap;

/// The newest dots of a version, none of which another was written on: one an agent at most.
#[derive(Debug, Default, Clone)]
pub struct Frontier {
    /// By agent, for ten thousand may write at once.
    seqs: OrderedMap<AgentIndex, u32>,
}

impl Frontier {
    /// The dots, in no order that means anything.
    pub fn dots(&self) -> impl Iterator<Item = Dot> + '_ {
        self.seqs.iter().map(|(&agent, &seq)| Dot { agent, seq })
    }

    fn contains(&self, dot: Dot) -> bool {
        self.seqs.get(&dot.agent) == Some(&dot.seq)
    }

    /// The replica itself writes `dot`, on everything it has seen. The other agents' dots that stood in the frontier, which
    /// the write rests on, are appended to `rests_on`.
    pub fn write(&mut self, dot: Dot, rests_on: &mut Vec<Dot>) {
        if self.seqs.len() == 1 {
            if let Some(seq) = self.seqs.get_mut(&dot.agent) {
                *seq = dot.seq;
                return;
            }
        }
        rests_on.extend(self.dots().filter(|have| have.agent != dot.agent));
        self.seqs.clear();
        self.seqs.insert(dot.agent, dot.seq);
    }

    /// A new dot came that was written on `rests_on` (and on its agent's own earlier dots).
    pub fn advance(&mut self, dot: Dot, rests_on: &[Dot]) {
        for dep in rests_on {
            if self.seqs.get(&dep.agent).is_some_and(|&seq| seq <= dep.seq) {
                self.seqs.remove(&dep.agent);
            }
        }
        self.seqs.insert(dot.agent, dot.seq);
    }

    /// Joins the frontier of another version. A dot that the other side has seen and no longer lists was built on there.
    pub fn join(&mut self, own: &Version, theirs: &Frontier, their_version: &Version) {
        let mine = std::mem::take(self);
        let kept = mine
            .dots()
            .filter(|&dot| theirs.contains(dot) || !their_version.covers(dot));
        let new = theirs.dots().filter(|&dot| !own.covers(dot));
        self.seqs = kept.chain(new).map(|dot| (dot.agent, dot.seq)).collect();
    }
}

impl FromIterator<Dot> for Frontier {
    fn from_iter<T: IntoIterator<Item = Dot>>(dots: T) -> Self {
        Frontier {
            seqs: dots.into_iter().map(|dot| (dot.agent, dot.seq)).collect(),
        }
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
