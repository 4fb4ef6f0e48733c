//! The frontier: the dots of a version that nothing else in it was written on. Naming them names the whole version, so an
//! envelope that states its frontier states everything it rests on in one or two dots, however many agents there were.

use crate::{Dot, Version};

/// The newest dots of a version, none of which another was written on.
#[derive(Debug, Default, Clone)]
pub struct Frontier {
    dots: Vec<Dot>,
}

impl Frontier {
    /// The dots, in no particular order.
    pub fn dots(&self) -> &[Dot] {
        &self.dots
    }

    /// The replica itself writes `dot`, on everything it has seen. The other agents' dots that stood in the frontier, which
    /// the write rests on, are appended to `rests_on`.
    pub fn write(&mut self, dot: Dot, rests_on: &mut Vec<Dot>) {
        if let [only] = self.dots.as_mut_slice() {
            if only.agent == dot.agent {
                only.seq = dot.seq;
                return;
            }
        }
        rests_on.extend(self.dots.iter().filter(|have| have.agent != dot.agent));
        self.dots.clear();
        self.dots.push(dot);
    }

    /// A new dot came that was written on `rests_on` (and on its agent's own earlier dots).
    pub fn advance(&mut self, dot: Dot, rests_on: &[Dot]) {
        self.dots.retain(|have| {
            have.agent != dot.agent
                && !rests_on
                    .iter()
                    .any(|dep| dep.agent == have.agent && dep.seq >= have.seq)
        });
        self.dots.push(dot);
    }

    /// Joins the frontier of another version. A dot that the other side has seen and no longer lists was built on there.
    pub fn join(&mut self, own: &Version, theirs: &[Dot], their_version: &Version) {
        let mine = std::mem::take(&mut self.dots);
        for &dot in &mine {
            if theirs.contains(&dot) || !their_version.covers(dot) {
                self.dots.push(dot);
            }
        }
        for &dot in theirs {
            if !own.covers(dot) {
                self.dots.push(dot);
            }
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
        mine.join(&own, &[dot(2, 4)], &theirs);
        assert_eq!(mine.dots(), [dot(1, 1), dot(2, 4)]);
        mine.advance(dot(1, 2), &[dot(2, 4)]);
        assert_eq!(mine.dots(), [dot(1, 2)]);
    }
}
