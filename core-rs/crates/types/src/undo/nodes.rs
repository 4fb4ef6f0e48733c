//! Taking back edits of trees and graphs.

use super::copy::{Copied, Copying};
use super::rename::Table;
use super::revert::Back;
use super::step::{Edit, GraphEdge};
use super::MAX_UNDO_BYTES;
use crate::document::Document;
use crate::error::Error;
use crate::tree::Place;
use joinery_history::Dot;
use std::rc::Rc;

impl Document {
    /// A tree's node goes back to where it hung, if it is still shown by the edge `mine`.
    pub(super) fn revert_hung(
        &mut self,
        tree: u32,
        (node, mine): (Dot, Dot),
        was: Dot,
        (parent, index, hidden): (Dot, Rc<str>, Option<Table>),
        back: &mut Back,
    ) -> Result<(), Error> {
        let agents = &self.agents;
        let state = self.containers.tree_mut(tree)?;
        if state.node(node).is_none_or(|state| state.top().dot != mine) {
            return Ok(());
        }
        let is_known = state.knows(parent);
        let reading = state.settle(agents);
        let place = reading.place(node).filter(|_| !reading.is_mended(node));
        let Some(place) = place else {
            return Ok(());
        };
        if (place.parent, &place.index) == (parent, &index) {
            // It was written down where it hung: what it hung by is called so from now on. (A trim has given both one name.)
            if was != mine {
                self.stands_for_write(was, mine);
            }
            return Ok(());
        }
        // A node that nobody has made can't be named, shown or not.
        let hidden = hidden.filter(|_| is_known);
        let (was_shown, is_shown) = (reading.is_shown(node), reading.is_shown(parent));
        if reading.is_below(parent, node) || !(hidden.is_some() || is_shown) {
            return Ok(());
        }
        if hidden.is_some_and(|known| was_shown && !is_shown && !self.may_hide(tree, node, &known)) {
            return Ok(());
        }
        self.change_nodes(tree, &[(node, Some(Place { parent, index }))], back.now_ms)?;
        self.stands_for_write(was, self.last_dot().unwrap_or(Dot::NONE));
        if is_shown && !was_shown {
            self.note_known(tree, node);
        }
        Ok(())
    }

    /// A node or an edge that was made goes, if others have put nothing there.
    pub(super) fn revert_created(&mut self, at: u32, id: Dot, known: &Table, now_ms: u64) -> Result<(), Error> {
        if self.may_hide(at, id, known) {
            if self.containers.tree(at).is_ok() {
                self.change_nodes(at, &[(id, None)], now_ms)?;
            } else {
                self.delete_node(at, id)?;
            }
        }
        Ok(())
    }

    /// May a node go out of sight, or an edge, with what is in and on it, beside what is known?
    fn may_hide(&self, container: u32, id: Dot, known: &Table) -> bool {
        let mut is_known = |first, len| known.has_all(first, len);
        (self.undo.may_take(id, 1) || is_known(id, 1)) && self.each_foreign_at(container, id, &mut is_known)
    }

    /// A tree's node comes back, and what hangs below the deleted one is hung below it: also what others have put there since.
    pub(super) fn revert_cut_node(
        &mut self,
        tree: u32,
        (node, edge): (Dot, Dot),
        (parent, index): (Dot, Rc<str>),
        data: &Copied,
        back: &mut Back,
    ) -> Result<(), Error> {
        let reading = self.containers.tree_mut(tree)?.settle(&self.agents);
        // One that the step itself has made is needed as long as something hangs on it.
        if !reading.is_shown(parent) || back.made.has(node) && reading.count(node) == 0 {
            return Ok(());
        }
        // A trim has forgotten a deleted node, and what was hidden below it.
        let is_known = self.containers.tree(tree)?.knows(node);
        // As if the deleted one came back itself: what is hidden below it hangs on that yet.
        let new = self.change_nodes(tree, &[(node, Some(Place { parent, index }))], back.now_ms)?;
        self.stands_for_both((node, edge), new);
        self.undo_node_data(tree, new, data, back)?;
        if is_known {
            let on = self.undo.pause();
            let hung = self.hang_children(tree, node, new, back);
            self.undo.resume(on);
            hung?;
        }
        self.note_known(tree, new);
        Ok(())
    }

    fn hang_children(&mut self, tree: u32, from: Dot, to: Dot, back: &mut Back) -> Result<(), Error> {
        let state = self.containers.tree_mut(tree)?;
        let reading = state.settle(&self.agents);
        let places = reading.children(from).into_iter();
        let places = places.filter_map(|child| Some((child, reading.place(child)?.index.clone())));
        let children: Vec<(Dot, Rc<str>)> = places.collect();
        for (child, index) in children {
            let state = self.containers.tree(tree)?;
            let edge = state.node(child).map_or(Dot::NONE, |node| node.edge_to(from));
            let stamp = self.tick(back.now_ms)?;
            self.put_node(tree, Some(child), to, &index, stamp)?;
            self.stands_for_write(edge, self.last_dot().unwrap_or(Dot::NONE));
        }
        Ok(())
    }

    /// A redo may take away again what has come into sight with a node, and not what others put there later. An undo takes away
    /// what its author has made alone.
    fn note_known(&mut self, container: u32, id: Dot) {
        if self.undo.is_redo {
            return;
        }
        let mut seen = Table::default();
        let mut see = |first: Dot, len| {
            if !self.undo.mine.contains(&first.agent) {
                seen.note(first, len);
            }
            true
        };
        see(id, 1);
        self.each_foreign_at(container, id, &mut see);
        let active = self.undo.active.and_then(|active| self.undo.stack_mut(active).ok());
        let Some(step) = active.and_then(|stack| stack.open.as_mut()) else {
            return;
        };
        for entry in step.entries.iter_mut().rev() {
            let (node, known) = match &mut entry.edit {
                Edit::Created { id, known } => (id, known),
                Edit::Hung {
                    node,
                    hidden: Some(known),
                    ..
                } => (node, known),
                _ => continue,
            };
            if *node == id {
                *known = seen;
                return;
            }
        }
    }

    /// A graph's node or edge comes back; a node with its edges, as far as their other ends are there.
    pub(super) fn revert_cut_item(
        &mut self,
        graph: u32,
        id: Dot,
        (ends, edges): (Option<(Dot, Dot)>, Vec<GraphEdge>),
        data: &Copied,
        back: &mut Back,
    ) -> Result<(), Error> {
        let state = self.containers.graph(graph)?;
        if back.made.has(id) {
            return Ok(());
        }
        if let Some((from, to)) = ends {
            if state.has_node(from) && state.has_node(to) {
                self.revert_item(graph, id, ends, data, back)?;
            }
            return Ok(());
        }
        let mut edges = edges;
        for edge in state.edges().filter(|&(_, from, to)| from == id || to == id) {
            if edges.iter().all(|&(known, ..)| known != edge.0) {
                edges.push(edge);
            }
        }
        edges.sort_unstable_by_key(|(edge, ..)| (self.agents.id(edge.agent), edge.seq));
        let new = self.revert_item(graph, id, None, data, back)?;
        for (edge, from, to) in edges {
            let [from, to] = [from, to].map(|end| if end == id { new } else { end });
            let state = self.containers.graph(graph)?;
            if !state.lives(edge) {
                continue;
            }
            let named = self.undo_named();
            let ends = [from, to];
            let is_shown = ends.iter().all(|&end| state.has_node(end));
            // One whose other end was deleted before stays hidden, until a step brings that back.
            let is_there = |&end| state.has_node(end) || state.knows(end) && named.has(graph, end);
            if !ends.iter().all(is_there) {
                continue;
            }
            // It is hidden, not gone: what others have written to it since comes along.
            let mut copying = Copying::new(self, &named, MAX_UNDO_BYTES);
            copying.data(graph, edge);
            let data = copying.finish().unwrap_or_default();
            let on = self.undo.pause();
            self.undo.resume(if is_shown { on } else { 0 });
            let made = self.revert_item(graph, edge, Some((from, to)), &data, back);
            self.undo.resume(on);
            made?;
        }
        Ok(())
    }

    fn revert_item(
        &mut self,
        graph: u32,
        id: Dot,
        ends: Option<(Dot, Dot)>,
        data: &Copied,
        back: &mut Back,
    ) -> Result<Dot, Error> {
        let new = self.put_in_graph(graph, ends)?;
        self.stands_for_units(id, 1, new);
        self.undo_node_data(graph, new, data, back)?;
        Ok(new)
    }

    fn undo_node_data(&mut self, container: u32, new: Dot, data: &Copied, back: &mut Back) -> Result<(), Error> {
        if data.is_empty() {
            return Ok(());
        }
        let map = self.node_data(container, new)?;
        self.undo_fill(data, 0, map, back.now_ms);
        Ok(())
    }
}
