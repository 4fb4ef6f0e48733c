//! What somebody changes in a tree moves nothing that is shown but what the change names. A move hangs a node elsewhere, and may give
//! its new siblings other indices; a deletion hides a node and what is shown below it, and an undo brings them back.
//!
//! More would move where nodes were moved into each other. One of such a circle is shown by another edge than its highest, above the
//! others. Once one of these is deleted or moved away there is no circle, and that highest edge leads elsewhere. A circle that is shown
//! below a deleted node comes up elsewhere, for none is ever shown there; and one goes elsewhere when a higher edge than the one it is
//! shown by leads to the top. So those are hung, before, where they are shown, by their highest edges. Which these are is tried on
//! what was read.

use super::{Edge, Node, Place, Tree};
use crate::document::Document;
use crate::error::Error;
use joinery_history::{Agents, Dot, Stamp};

/// Nodes with where they are going to hang, not below themselves; none: deleted. One that isn't there comes as a new one, and so does
/// [`Dot::NONE`].
pub(crate) type Change = [(Dot, Option<Place>)];

impl Tree {
    /// The nodes that are to be written down before a change, each with where it hangs now, by id: those that would hang elsewhere
    /// after it, and with a move those above the old place and the new one that are shown by another edge than their highest. (What
    /// the author of a move sees is to be so for everybody.)
    fn moved_beside(&mut self, agents: &Agents, change: &Change) -> Vec<(Dot, Place)> {
        let reading = self.settle(agents);
        if reading.all_mended().next().is_none() {
            return Vec::new();
        }
        let moves = change
            .iter()
            .filter_map(|(node, to)| Some([reading.place(*node)?.parent, to.as_ref()?.parent]));
        let mut parents: Vec<Dot> = moves.flatten().collect();
        parents.sort_unstable();
        parents.dedup();
        let above = parents.into_iter().flat_map(|parent| reading.mended_above(parent));
        let mut written: Vec<Dot> = above.map(|(at, _)| at).collect();
        let named = names(change);
        let sort = |written: &mut Vec<Dot>| {
            written.retain(|at| named.binary_search(at).is_err());
            written.sort_unstable_by_key(|at| (agents.id(at.agent), at.seq));
            written.dedup();
        };
        sort(&mut written);
        let moved = self.moved_but(agents, change, &written);
        if !moved.is_empty() {
            written.extend(moved);
            sort(&mut written);
            if !self.moved_but(agents, change, &written).is_empty() {
                // An edge to what is written down leads to the top from the start, and may win now. Without circles none does.
                written.extend(self.reading.all_mended());
                sort(&mut written);
            }
        }
        let written = written.into_iter();
        written
            .filter_map(|at| Some((at, self.reading.place(at)?.clone())))
            .collect()
    }

    /// What would hang elsewhere where these are written down already, but what the change names. Only what is shown by another edge
    /// than its highest is told: all else that would move is in a circle with it, or was.
    fn moved_but(&mut self, agents: &Agents, change: &Change, written: &[Dot]) -> Vec<Dot> {
        let places = written.iter().filter_map(|&at| Some((at, self.reading.place(at)?)));
        let mut instead: Vec<(Dot, Option<Node>)> = places
            .map(|(at, place)| (at, Some(self.hung(agents, at, place))))
            .collect();
        let change_of = change.iter().filter(|(node, _)| node.is_some());
        instead.extend(change_of.map(|(at, to)| (*at, to.as_ref().map(|to| self.hung(agents, *at, to)))));
        let moved = self.reading.try_out(&mut self.nodes, agents, instead).into_keys();
        let named = names(change);
        moved
            .filter(|at| self.reading.is_mended(*at) && named.binary_search(at).is_err())
            .collect()
    }

    /// A node as it is once it was moved there.
    fn hung(&self, agents: &Agents, node: Dot, place: &Place) -> Node {
        let edge = Edge {
            parent: place.parent,
            index: place.index.clone(),
            stamp: Stamp::MAX,
            dot: Dot::NONE,
        };
        match self.nodes.get(&node) {
            Some(have) => {
                let mut node = have.clone();
                node.join(agents, edge);
                node
            }
            None => Node::new(edge),
        }
    }
}

/// What a change names, in order.
fn names(change: &Change) -> Vec<Dot> {
    let mut names: Vec<Dot> = change.iter().map(|(node, _)| *node).collect();
    names.sort_unstable();
    names
}

impl Document {
    /// Changes a tree, and before that writes down what would move beside it. The last one's id. Nothing has changed where it fails.
    pub(crate) fn change_nodes(&mut self, tree: u32, change: &Change, now_ms: u64) -> Result<Dot, Error> {
        let beside = self.containers.tree_mut(tree)?.moved_beside(&self.agents, change);
        self.next_dot(beside.len() + change.len())?;
        let hung = change.iter().filter(|(_, to)| to.is_some()).count();
        let mut stamps = self.stamps_for(beside.len() + hung, now_ms)?.into_iter();
        let beside: Vec<_> = beside.into_iter().map(|(node, place)| (node, Some(place))).collect();
        let all = || beside.iter().chain(change);
        // Where everything hangs is noted before the first write, for between two of them something else may be shown.
        let mut notes = Vec::new();
        let is_on = self.undo.is_on();
        for (node, to) in all().filter(|_| is_on) {
            notes.push(match to {
                Some(_) => self.undo_hanging(tree, *node),
                None => {
                    self.undo_cut_node(tree, *node);
                    None
                }
            });
        }
        let mut notes = notes.into_iter();
        let mut last = Dot::NONE;
        for (node, to) in all() {
            let note = notes.next().flatten();
            let is_there = self.containers.has_element(tree, *node);
            last = *node;
            if let Some(to) = to {
                let stamp = stamps.next().unwrap_or_default();
                last = self.write_edge(tree, is_there.then_some(*node), to, stamp, note)?;
            } else if is_there {
                self.write_deletion(tree, *node)?;
            }
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reading;
    use super::*;

    /// A generator of trees that are full of circles, by one agent.
    struct Scene {
        agents: Agents,
        own: u32,
        seed: u64,
    }

    impl Scene {
        fn new(seed: u64) -> Scene {
            let mut agents = Agents::default();
            let own = agents.intern(7);
            Scene { agents, own, seed }
        }

        fn random(&mut self, below: u32) -> u32 {
            self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.seed >> 33) as u32 % below
        }

        fn dot(&self, seq: u32) -> Dot {
            Dot { agent: self.own, seq }
        }

        /// One of so many nodes.
        fn node(&mut self, size: u32) -> Dot {
            let seq = 1 + self.random(size);
            self.dot(seq)
        }

        /// A tree of so many nodes.
        fn tree(&mut self, size: u32) -> Tree {
            let mut tree = Tree::default();
            for seq in 0..4 * size {
                let parent = if self.random(6) == 0 {
                    Dot::NONE
                } else {
                    self.node(size)
                };
                let edge = Edge {
                    parent,
                    index: "a".into(),
                    stamp: u64::from(self.random(4 * size)),
                    dot: self.dot(1000 + seq),
                };
                let node = self.node(size);
                tree.join(&self.agents, node, edge);
            }
            tree
        }

        /// One of the nodes that are shown, or the top.
        fn parent(&mut self, tree: &mut Tree, is_allowed: impl Fn(&Reading, Dot) -> bool) -> Dot {
            let reading = tree.settle(&self.agents);
            let shown = reading
                .nodes()
                .filter(|&at| reading.is_shown(at) && is_allowed(reading, at));
            let mut parents: Vec<Dot> = shown.collect();
            parents.push(Dot::NONE);
            parents.sort_unstable_by_key(|at| at.seq);
            let at = self.random(parents.len() as u32);
            parents[at as usize]
        }

        /// The tree once these are hung there.
        fn written(&self, tree: &Tree, places: &[(Dot, Place)]) -> Tree {
            let mut written = tree.clone();
            for ((at, place), seq) in places.iter().zip(0u32..) {
                let edge = Edge {
                    parent: place.parent,
                    index: place.index.clone(),
                    stamp: 10_000,
                    dot: self.dot(3000 + seq),
                };
                written.join(&self.agents, *at, edge);
            }
            written
        }

        /// Where all nodes hang but these.
        fn places_but(&self, tree: &mut Tree, but: &[Dot]) -> Vec<(Dot, Place)> {
            let reading = tree.settle(&self.agents);
            let others = reading.nodes().filter(|at| !but.contains(at));
            let mut places: Vec<_> = others.filter_map(|at| Some((at, reading.place(at)?.clone()))).collect();
            places.sort_unstable_by_key(|(at, _)| at.seq);
            places
        }
    }

    /// With all that is to be written down before it, a node's deletion moves nothing; and where it would move nothing anyway, nothing
    /// is written down.
    #[test]
    fn what_is_written_down_before_a_deletion_is_all_that_would_move() {
        let mut scene = Scene::new(1);
        // How often something had to be written down, and how often more than what the first trial found.
        let (mut some, mut all) = (0, 0);
        for round in 0..20_000 {
            let size = [4, 6, 9, 14][round % 4];
            let mut tree = scene.tree(size);
            let other = scene.node(size);
            tree.remove(&scene.agents, other, scene.dot(2000));
            let node = scene.node(size);
            let before = scene.places_but(&mut tree, &[node]);
            let first = tree.moved_but(&scene.agents, &[(node, None)], &[]);
            let moved = tree.moved_beside(&scene.agents, &[(node, None)]);
            assert_eq!(
                scene.places_but(&mut tree, &[node]),
                before,
                "a trial leaves nothing behind"
            );
            some += usize::from(!moved.is_empty());
            if moved.len() > first.len() {
                all += 1;
                assert_eq!(moved.len(), tree.reading.all_mended().filter(|&at| at != node).count());
            }
            let moves_nothing = |written: &[(Dot, Place)]| {
                let mut deleted = scene.written(&tree, written);
                deleted.remove(&scene.agents, node, scene.dot(4000));
                scene.places_but(&mut deleted, &[node]) == before
            };
            assert!(moves_nothing(&moved), "round {round}");
            assert!(moved.is_empty() || !moves_nothing(&[]), "round {round}");
        }
        assert!(some > 2000 && all > 50, "{some} with something, {all} with everything");
    }

    /// The same of a node that comes back with all that hangs below it.
    #[test]
    fn what_is_written_down_before_a_node_comes_back_is_all_that_would_move() {
        let mut scene = Scene::new(2);
        let (mut some, mut all) = (0, 0);
        for round in 0..20_000 {
            let size = [4, 6, 9, 14][round % 4];
            let mut tree = scene.tree(size);
            let node = scene.node(size);
            tree.remove(&scene.agents, node, scene.dot(2000));
            let other = scene.node(size);
            tree.remove(&scene.agents, other, scene.dot(2001));
            let place = Place {
                parent: scene.parent(&mut tree, |_, _| true),
                index: "b".into(),
            };
            let before = scene.places_but(&mut tree, &[node]);
            let change = [(node, Some(place.clone()))];
            let first = tree.moved_but(&scene.agents, &change, &[]);
            let moved = tree.moved_beside(&scene.agents, &change);
            some += usize::from(!moved.is_empty());
            all += usize::from(moved.len() > first.len());
            let moves_nothing = |written: &[(Dot, Place)]| {
                let mut back = scene.written(&tree, written);
                let state = back.hung(&scene.agents, node, &place);
                back.nodes.insert(node, state);
                back.forget();
                scene.places_but(&mut back, &[node]) == before
            };
            assert!(moves_nothing(&moved), "round {round}");
            assert!(moved.is_empty() || !moves_nothing(&[]), "round {round}");
        }
        assert!(some > 2000 && all > 50, "{some} with something, {all} with everything");
    }

    /// The same of a move and of a creation, for which some of the new siblings get other indices. What is above the old places and the
    /// new ones is written down at any rate.
    #[test]
    fn what_is_written_down_before_a_move_is_all_that_would_move_and_what_is_above() {
        let mut scene = Scene::new(3);
        let (mut some, mut all) = ([0, 0], 0);
        for round in 0..60_000 {
            let size = [4, 6, 9, 14][round % 4];
            let mut tree = scene.tree(size);
            let other = scene.node(size);
            tree.remove(&scene.agents, other, scene.dot(2000));
            let is_new = scene.random(2) == 0;
            let node = if is_new { scene.dot(5000) } else { scene.node(size) };
            if !is_new && tree.node(node).is_none() {
                continue;
            }
            let parent = scene.parent(&mut tree, |reading, at| !reading.is_below(at, node));
            let reading = tree.settle(&scene.agents);
            let mut named: Vec<Dot> = reading.children(parent);
            named.retain(|&at| at != node && scene.random(3) == 0);
            named.push(node);
            let place = Place {
                parent,
                index: "b".into(),
            };
            let hung: Vec<(Dot, Place)> = named.iter().map(|&at| (at, place.clone())).collect();
            let mut change: Vec<_> = hung.iter().map(|(at, to)| (*at, Some(to.clone()))).collect();
            if is_new {
                change[hung.len() - 1].0 = Dot::NONE;
            }
            let from = named.iter().filter_map(|&at| Some(reading.place(at)?.parent));
            let ways = from.flat_map(|from| reading.mended_above(from).chain(reading.mended_above(parent)));
            let mut above: Vec<Dot> = ways.map(|(at, _)| at).filter(|at| !named.contains(at)).collect();
            above.sort_unstable_by_key(|at| at.seq);
            above.dedup();
            let before = scene.places_but(&mut tree, &named);
            let first = tree.moved_but(&scene.agents, &change, &above);
            let moved = tree.moved_beside(&scene.agents, &change);
            let (only_above, more): (Vec<_>, Vec<_>) = moved.iter().cloned().partition(|(at, _)| above.contains(at));
            assert_eq!(only_above.len(), above.len());
            some[usize::from(is_new)] += usize::from(!more.is_empty());
            all += usize::from(more.len() > first.len());
            let moves_nothing = |written: &[(Dot, Place)]| {
                let mut after = scene.written(&tree, &[written, &hung].concat());
                scene.places_but(&mut after, &named) == before
                    && named.iter().all(|&at| after.reading.place(at) == Some(&place))
            };
            assert!(moves_nothing(&moved), "round {round}");
            assert!(more.is_empty() || !moves_nothing(&only_above), "round {round}");
        }
        let [moves, creations] = some;
        assert!(
            moves > 500 && creations > 10 && all > 0,
            "{moves} moves and {creations} creations with more, {all} with everything"
        );
    }
}
