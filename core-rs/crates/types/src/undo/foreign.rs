//! What others have put into containers and below nodes: whatever of it is seen, no undo takes away; and of what no undo has brought
//! back or into sight, no redo.

use crate::container::{Body, Key, Kind};
use crate::document::Document;
use crate::slot::SlotValue;
use crate::tree::Tree;
use joinery_history::Dot;

/// Hears of so many operations from one on; false: that is enough.
type Tell<'t> = dyn FnMut(Dot, u32) -> bool + 't;

impl Document {
    /// Has somebody else something in one of these containers that a reader sees?
    pub(super) fn has_foreign(&self, containers: &[u32]) -> bool {
        !self.each_foreign(containers.to_vec(), &mut |_, _| false)
    }

    /// Tells every operation of which a reader sees something in these containers or below, and that isn't to be taken away now, until
    /// `tell` says that it is enough (false).
    #[inline(never)]
    pub(super) fn each_foreign(&self, mut open: Vec<u32>, tell: &mut Tell) -> bool {
        let mut see_all = |first: Dot, len: u32| self.undo.may_take(first, len) || tell(first, len);
        while let Some(at) = open.pop() {
            let Ok(container) = self.containers.live(at) else {
                continue;
            };
            let mut see = |dot: Dot| see_all(dot, 1);
            match &container.body {
                Body::Map(map) => {
                    for (_, slot) in map.present().filter(|(_, slot)| self.entry(slot).is_some()) {
                        if !see(slot.dot) {
                            return false;
                        }
                        if let SlotValue::Child(child) = slot.value {
                            open.push(child);
                        }
                    }
                }
                Body::List(list) => {
                    for (unit, slot) in list.visible_units() {
                        let slot = list.slot(slot);
                        if !see(list.element_at(unit)) || !see(slot.dot) {
                            return false;
                        }
                        if let SlotValue::Child(child) = slot.value {
                            open.push(child);
                        }
                    }
                }
                Body::Text(text) => {
                    for (run, _) in text.sequence.runs().filter(|(run, _)| run.visible() > 0) {
                        if !see_all(run.dot, run.len) {
                            return false;
                        }
                    }
                }
                Body::Counter(counter) => {
                    // Of a sum that came back its container's write tells whose it was.
                    let (parent, key) = (container.parent, &container.key);
                    let write = self.slot_at(parent, key).map(|slot| slot.dot);
                    let pairs = counter.pairs().filter(|(_, pair)| pair.seq > 0);
                    for dot in pairs.map(|(agent, pair)| Dot { agent, seq: pair.seq }).chain(write) {
                        if !see(dot) {
                            return false;
                        }
                    }
                }
                Body::Set(set) => {
                    for &add in set.members().flat_map(|(_, member)| &member.adds) {
                        if !see(add) {
                            return false;
                        }
                    }
                }
                Body::Tree(tree) => {
                    if !self.nodes_below(at, tree, Dot::NONE, &mut see, &mut open) {
                        return false;
                    }
                }
                Body::Graph(graph) => {
                    let edges = graph.shown_edges(&self.agents).into_iter().map(|(edge, ..)| edge);
                    for id in graph.shown_nodes(&self.agents).into_iter().chain(edges) {
                        if !see(id) {
                            return false;
                        }
                        open.extend(self.data_of(at, id));
                    }
                }
            }
        }
        true
    }

    /// The same of what hangs below a tree's node, at the node or behind its edges in a graph, and of its own map.
    #[inline(never)]
    pub(super) fn each_foreign_at(&self, container: u32, id: Dot, tell: &mut Tell) -> bool {
        let mut open: Vec<u32> = self.data_of(container, id).into_iter().collect();
        let mut see = |dot: Dot| self.undo.may_take(dot, 1) || tell(dot, 1);
        match self.containers.live(container).map(|container| &container.body) {
            Ok(Body::Tree(tree)) if !self.nodes_below(container, tree, id, &mut see, &mut open) => return false,
            Ok(Body::Graph(graph)) => {
                let edges = graph.shown_edges(&self.agents).into_iter();
                for (edge, ..) in edges.filter(|&(_, from, to)| from == id || to == id) {
                    if !see(edge) {
                        return false;
                    }
                    open.extend(self.data_of(container, edge));
                }
            }
            _ => {}
        }
        self.each_foreign(open, tell)
    }

    fn nodes_below(
        &self,
        container: u32,
        tree: &Tree,
        node: Dot,
        see: &mut dyn FnMut(Dot) -> bool,
        data: &mut Vec<u32>,
    ) -> bool {
        let reading = tree.read(&self.agents);
        let mut open = reading.children(node);
        while let Some(node) = open.pop() {
            let edge = tree.node(node).map_or(node, |node| node.top().dot);
            if !see(node) || !see(edge) {
                return false;
            }
            data.extend(self.data_of(container, node));
            open.extend(reading.children(node));
        }
        true
    }

    fn data_of(&self, container: u32, id: Dot) -> Option<u32> {
        self.containers.find(container, &Key::Element(id), Kind::Map, Dot::NONE)
    }
}
