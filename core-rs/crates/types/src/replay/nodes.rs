//! Nodes of trees, nodes and edges of graphs. They carry ids that later operations name; moves carry stamps, which are kept.
//!
//! What hangs on a deleted node is written all the same, hidden: its author may have moved it out later. What a trim has taken away
//! is not there to hang anything on.

use super::slots::{beside, note_write, Held};
use super::{dot, name, Name, Reason, Replay, Scene};
use crate::container::Key;
use crate::document::Document;
use joinery_history::{Dot, Stamp};
use std::rc::Rc;

impl Replay {
    /// What a node or an edge is in `into`, deleted or not.
    #[inline(never)]
    fn node_here(&self, scene: &Scene<'_>, container: u32, node: Dot) -> Result<Dot, Reason> {
        let old = name(scene.from, node);
        let here = self.image(old).and_then(|new| dot(scene.into, new));
        match here.filter(|&here| scene.into.stretch(container, here, 1) == 1) {
            Some(here) => Ok(here),
            None if self.mapping.lost.get(old).is_some() => Err(Reason::RestsOnRefused),
            None => Err(Reason::ParentMissing),
        }
    }

    /// The same of one that lives.
    fn living(&self, scene: &Scene<'_>, container: u32, node: Dot) -> Result<Dot, Reason> {
        let here = self.node_here(scene, container, node)?;
        if scene.into.containers.has_element(container, here) {
            Ok(here)
        } else {
            Err(Reason::ParentMissing)
        }
    }

    /// Moves a node, or creates one where none is given.
    #[inline(never)]
    pub(super) fn hang_node(
        &mut self,
        scene: &mut Scene<'_>,
        tree: u32,
        old: Name,
        node: Option<Dot>,
        (parent, index, stamp): (Dot, &str, Stamp),
    ) -> Result<(), Reason> {
        let shown = node.and_then(|node| hung_for_author(scene, node));
        let node = match node {
            Some(node) => Some(self.living(scene, tree, node)?),
            None => None,
        };
        let parent = if parent.is_some() {
            self.node_here(scene, tree, parent)?
        } else {
            Dot::NONE
        };
        let by = (stamp, old.0);
        let held = node.and_then(|node| highest_edge(scene.into, tree, node));
        let held = held.map(|(edge, stamp)| Held::here(scene.into, edge, stamp, &self.slots));
        let note = node.and_then(|node| self.slots.notes.get(&(tree, Key::Element(node))));
        let got = self
            .slots
            .stamp(
                scene,
                beside(note.map_or(&[], |note| &note.moved), by),
                held.as_slice(),
                shown.as_slice(),
                (stamp, old),
            )
            .ok_or(Reason::ParentMissing)?;
        // Stamps rise within an envelope.
        if scene.into.outbox.last_stamp().is_some_and(|last| last >= got) {
            scene.into.close_envelope();
        }
        let index: Rc<str> = Rc::from(index);
        let done = scene.into.put_node(tree, node, parent, &index, got);
        let node = *done.as_ref().map_err(|_| Reason::ParentMissing)?;
        self.made(scene, old, done.map(drop))?;
        self.stamped(scene, by, got);
        let note = self.slots.notes.get_or_default((tree, Key::Element(node)));
        note_write(&mut note.moved, by, got);
        Ok(())
    }

    #[inline(never)]
    pub(super) fn add_to_graph(
        &mut self,
        scene: &mut Scene<'_>,
        graph: u32,
        old: Name,
        ends: Option<(Dot, Dot)>,
    ) -> Result<(), Reason> {
        let ends = match ends {
            // An edge of a deleted node is never shown.
            Some((from, to)) => Some((self.living(scene, graph, from)?, self.living(scene, graph, to)?)),
            None => None,
        };
        let done = scene.into.put_in_graph(graph, ends);
        self.made(scene, old, done.map(drop))
    }

    /// Deletes a node or an edge, once more where it is deleted: what did that may yet be refused. What is not there is gone.
    pub(super) fn delete_node(
        &mut self,
        scene: &mut Scene<'_>,
        container: u32,
        old: Name,
        node: Dot,
    ) -> Result<(), Reason> {
        let node = match self.node_here(scene, container, node) {
            Ok(node) => node,
            Err(reason) if self.gap && self.image(name(scene.from, node)).is_none() => return Err(reason),
            Err(_) => return Ok(()),
        };
        let done = scene.into.delete_node_again(container, node);
        self.made(scene, old, done)
    }
}

/// What says where a node hangs, if its parents are as its author knew them: its highest edge, with its stamp.
fn highest_edge(document: &Document, tree: u32, node: Dot) -> Option<(Dot, Stamp)> {
    let top = document.containers.tree(tree).ok()?.node(node)?.top();
    Some((top.dot, top.stamp))
}

/// The move by which a node hangs where its author's document has it.
fn hung_for_author(scene: &Scene<'_>, node: Dot) -> Option<Name> {
    let (edge, _) = highest_edge(scene.from, scene.named[scene.at].from?, node)?;
    Some(name(scene.from, edge))
}
