//! Before nodes of a tree go out of sight or come back: what would move beside them is written down where it is shown. A deletion hides
//! a node and what is shown below it, and an undo brings them back; nothing else that is shown moves.
//!
//! It would where nodes were moved into each other. One of such a circle is shown by another edge than its highest, above the others. Once
//! one of these is deleted there is no circle, and that highest edge leads below the deleted node. A circle that is shown below a
//! deleted node comes up elsewhere, for none is ever shown there; and it goes elsewhere when a higher edge than the one it is shown by
//! leads to the top again. So those are hung, before, where they are shown, by their highest edges. Which these are is tried on what
//! was read.

use super::{Edge, Node, Place, Tree};
use crate::document::Document;
use crate::error::Error;
use joinery_history::{Agents, Dot};

/// Nodes with where they are going to hang; none: deleted.
type Change = [(Dot, Option<Place>)];

impl Tree {
    /// The nodes that would hang elsewhere after a change that makes no circle, each with where it hangs now, by id.
    fn moved_beside(&mut self, agents: &Agents, change: &Change) -> Vec<(Dot, Place)> {
        self.settle(agents);
        if self.reading.all_mended().next().is_none() {
            return Vec::new();
        }
        let mut moved = self.moved_but(agents, change, &[]);
        if !moved.is_empty() && !self.moved_but(agents, change, &moved).is_empty() {
            // An edge to what is written down leads to the top from the start, and may win now. Without circles none does.
            let others = self.reading.all_mended();
            moved = others
                .filter(|at| change.iter().all(|(changed, _)| changed != at))
                .collect();
        }
        moved.sort_unstable_by_key(|at| (agents.id(at.agent), at.seq));
        let places = moved.into_iter();
        places
            .filter_map(|at| Some((at, self.reading.place(at)?.clone())))
            .collect()
    }

    /// The same where some are written down already. Only what is shown by another edge than its highest is named: all else that would
    /// move is in a circle with it, or was.
    fn moved_but(&mut self, agents: &Agents, change: &Change, written: &[Dot]) -> Vec<Dot> {
        let written = written.iter().map(|&at| (at, self.reading.place(at).map(hung)));
        let mut instead: Vec<(Dot, Option<Node>)> = written.collect();
        instead.extend(change.iter().map(|(at, place)| (*at, place.as_ref().map(hung))));
        let moved = self.reading.try_out(&mut self.nodes, agents, instead).into_keys();
        moved
            .filter(|&at| self.reading.is_mended(at) && change.iter().all(|&(changed, _)| changed != at))
            .collect()
    }
}

/// A node as if its highest edge led there, for a trial: nothing looks at its other edges then, nor at what decides between them.
fn hung(place: &Place) -> Node {
    let edge = Edge {
        parent: place.parent,
        index: place.index.clone(),
        stamp: 0,
        dot: Dot::NONE,
    };
    Node::new(edge)
}

impl Document {
    /// Writes down what would move beside a change of a tree, which the caller goes on with. Nothing has changed where it fails.
    pub(crate) fn write_down_beside(&mut self, tree: u32, change: &Change, now_ms: u64) -> Result<(), Error> {
        let moved = self.containers.tree_mut(tree)?.moved_beside(&self.agents, change);
        self.next_dot(moved.len() + 1)?;
        let stamps = self.stamps_for(moved.len(), now_ms)?;
        for ((at, place), stamp) in moved.into_iter().zip(stamps) {
            self.put_node(tree, Some(at), place.parent, &place.index, stamp)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where all nodes hang but one.
    fn places_but(tree: &mut Tree, agents: &Agents, node: Dot) -> Vec<(Dot, Place)> {
        let reading = tree.settle(agents);
        let others = reading.nodes().filter(|&at| at != node);
        let mut places: Vec<_> = others.filter_map(|at| Some((at, reading.place(at)?.clone()))).collect();
        places.sort_unstable_by_key(|(at, _)| at.seq);
        places
    }

    /// With all that is to be written down before it, a node's deletion moves nothing; and where it would move nothing anyway, nothing
    /// is written down.
    #[test]
    fn what_is_written_down_before_a_deletion_is_all_that_would_move() {
        let mut agents = Agents::default();
        let own = agents.intern(7);
        let mut seed = 1u64;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as u32 % below
        };
        let dot = |seq| Dot { agent: own, seq };
        // How often something had to be written down, and how often more than what the first trial found.
        let (mut some, mut all) = (0, 0);
        for round in 0..20_000 {
            let size = [4, 6, 9, 14][round % 4];
            let mut tree = Tree::default();
            for seq in 0..4 * size {
                let parent = if random(6) == 0 {
                    Dot::NONE
                } else {
                    dot(1 + random(size))
                };
                let edge = Edge {
                    parent,
                    index: "a".into(),
                    stamp: u64::from(random(4 * size)),
                    dot: dot(1000 + seq),
                };
                tree.join(&agents, dot(1 + random(size)), edge);
            }
            tree.remove(&agents, dot(1 + random(size)), dot(2000));
            let node = dot(1 + random(size));
            let before = places_but(&mut tree, &agents, node);
            let first = tree.moved_but(&agents, &[(node, None)], &[]);
            let moved = tree.moved_beside(&agents, &[(node, None)]);
            assert_eq!(
                places_but(&mut tree, &agents, node),
                before,
                "a trial leaves nothing behind"
            );
            some += usize::from(!moved.is_empty());
            if moved.len() > first.len() {
                all += 1;
                assert_eq!(moved.len(), tree.reading.all_mended().filter(|&at| at != node).count());
            }
            let moves_nothing = |written: &[(Dot, Place)]| {
                let mut deleted = tree.clone();
                for ((at, place), seq) in written.iter().zip(0u32..) {
                    let edge = Edge {
                        parent: place.parent,
                        index: place.index.clone(),
                        stamp: 10_000,
                        dot: dot(3000 + seq),
                    };
                    deleted.join(&agents, *at, edge);
                }
                deleted.remove(&agents, node, dot(4000));
                places_but(&mut deleted, &agents, node) == before
            };
            assert!(moves_nothing(&moved), "round {round}");
            assert!(moved.is_empty() || !moves_nothing(&[]), "round {round}");
        }
        assert!(some > 2000 && all > 50, "{some} with something, {all} with everything");
    }

    /// The same of a node that comes back with all that hangs below it.
    #[test]
    fn what_is_written_down_before_a_node_comes_back_is_all_that_would_move() {
        let mut agents = Agents::default();
        let own = agents.intern(7);
        let mut seed = 2u64;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as u32 % below
        };
        let dot = |seq| Dot { agent: own, seq };
        let (mut some, mut all) = (0, 0);
        for round in 0..20_000 {
            let size = [4, 6, 9, 14][round % 4];
            let mut tree = Tree::default();
            for seq in 0..4 * size {
                let parent = if random(6) == 0 {
                    Dot::NONE
                } else {
                    dot(1 + random(size))
                };
                let edge = Edge {
                    parent,
                    index: "a".into(),
                    stamp: u64::from(random(4 * size)),
                    dot: dot(1000 + seq),
                };
                tree.join(&agents, dot(1 + random(size)), edge);
            }
            let node = dot(1 + random(size));
            tree.remove(&agents, node, dot(2000));
            tree.remove(&agents, dot(1 + random(size)), dot(2001));
            let reading = tree.settle(&agents);
            let mut parents: Vec<Dot> = reading.nodes().filter(|&at| reading.is_shown(at)).collect();
            parents.push(Dot::NONE);
            parents.sort_unstable_by_key(|at| at.seq);
            let place = Place {
                parent: parents[random(parents.len() as u32) as usize],
                index: "b".into(),
            };
            let before = places_but(&mut tree, &agents, node);
            let change = [(node, Some(place.clone()))];
            let first = tree.moved_but(&agents, &change, &[]);
            let moved = tree.moved_beside(&agents, &change);
            some += usize::from(!moved.is_empty());
            all += usize::from(moved.len() > first.len());
            let moves_nothing = |written: &[(Dot, Place)]| {
                let mut back = tree.clone();
                for ((at, place), seq) in written.iter().zip(0u32..) {
                    let edge = Edge {
                        parent: place.parent,
                        index: place.index.clone(),
                        stamp: 10_000,
                        dot: dot(3000 + seq),
                    };
                    back.join(&agents, *at, edge);
                }
                back.nodes.insert(node, hung(&place));
                back.forget();
                places_but(&mut back, &agents, node) == before
            };
            assert!(moves_nothing(&moved), "round {round}");
            assert!(moved.is_empty() || !moves_nothing(&[]), "round {round}");
        }
        assert!(some > 2000 && all > 50, "{some} with something, {all} with everything");
    }
}
