//! The table of children: which units hang on a unit beside its continuation. It is made when an insert first finds that
//! its place may already be taken, which never happens in a text that one person writes.

use super::run::{Run, Side};
use super::Anchor;
use joinery_history::{Agents, Dot};
use joinery_tables::{Hashed, HashedList, OrderedSet};

/// A sibling's rank: ids of agents are the same everywhere, their numbers in a table are not.
type Rank = (u64, u32);

#[derive(Debug, Clone)]
enum Siblings {
    One(Dot),
    /// A hundred thousand may insert at one place, so an ordered set, not a list.
    Many(Box<OrderedSet<Rank>>),
}

impl Hashed for Anchor {
    fn hash(&self) -> u32 {
        self.parent.hash() ^ self.side as u32
    }
}

/// The explicit children of every unit that has some.
#[derive(Debug, Default, Clone)]
pub struct Children {
    table: HashedList<Anchor, Siblings>,
}

/// The order of siblings: by agent id, then by seq.
pub fn rank(agents: &Agents, dot: Dot) -> Rank {
    (agents.id(dot.agent), dot.seq)
}

impl Children {
    /// The children that these runs' first units are.
    pub fn of(agents: &Agents, runs: impl Iterator<Item = Run>) -> Self {
        let mut children = Children::default();
        for run in runs.filter(|run| !run.is_continuation()) {
            children.add(agents, run.parent, run.side, run.dot);
        }
        children
    }

    /// Adds a child.
    pub fn add(&mut self, agents: &Agents, parent: Dot, side: Side, child: Dot) {
        let anchor = Anchor { parent, side };
        match self.table.get_mut(&anchor) {
            None => {
                self.table.push(anchor, Siblings::One(child));
            }
            Some(Siblings::One(only)) if *only == child => {}
            Some(siblings) => match siblings {
                Siblings::One(only) => {
                    let both = [rank(agents, *only), rank(agents, child)];
                    *siblings = Siblings::Many(Box::new(OrderedSet::from(both)));
                }
                Siblings::Many(set) => {
                    set.insert(rank(agents, child));
                }
            },
        }
    }

    /// The lowest child above `floor` (the lowest of all where there is no floor).
    pub fn lowest_above(&self, agents: &Agents, parent: Dot, side: Side, floor: Option<Dot>) -> Option<Dot> {
        let floor = floor.map(|dot| rank(agents, dot));
        match self.table.get(&Anchor { parent, side })? {
            Siblings::One(only) => floor.is_none_or(|floor| rank(agents, *only) > floor).then_some(*only),
            Siblings::Many(set) => {
                let lowest = match floor {
                    None => set.first(),
                    Some(floor) => set.range_from(&floor).find(|&&rank| rank > floor),
                };
                lowest.and_then(|rank| dot_of(agents, *rank))
            }
        }
    }

    /// The highest child below `ceiling` (the highest of all where there is no ceiling).
    pub fn highest_below(&self, agents: &Agents, parent: Dot, side: Side, ceiling: Option<Dot>) -> Option<Dot> {
        let ceiling = ceiling.map(|dot| rank(agents, dot));
        match self.table.get(&Anchor { parent, side })? {
            Siblings::One(only) => ceiling
                .is_none_or(|ceiling| rank(agents, *only) < ceiling)
                .then_some(*only),
            Siblings::Many(set) => {
                let highest = match ceiling {
                    None => set.last(),
                    Some(ceiling) => set.before(&ceiling),
                };
                highest.and_then(|rank| dot_of(agents, *rank))
            }
        }
    }
}

fn dot_of(agents: &Agents, (id, seq): Rank) -> Option<Dot> {
    agents.find(id).map(|agent| Dot { agent, seq })
}
