//! What has happened to a tree, as patches that are done one after the other: nodes are created and moved from the top down, then
//! others are deleted. A node that is created comes with all that is new below it; what was shown elsewhere is moved below it then.

use super::pack::{Patches, Path, Value};
use crate::container::{Key, Kind};
use crate::document::Document;
use crate::dots::DotMap;
use crate::plain::MAX_PLAIN_NODES_DEEP;
use crate::tree::{Place, Reading};
use joinery_codec::Writer;
use joinery_history::{Agents, Dot};
use std::rc::Rc;

/// Nodes that hang elsewhere than before, each with where it hung.
pub struct TreeChange<'d> {
    pub reading: &'d Reading,
    pub changed: &'d DotMap<Option<Place>>,
    pub agents: &'d Agents,
    /// Does what has changed reach so deep that a plain value doesn't show it? Then all nodes count as gone and as new.
    pub is_whole: bool,
}

/// What nodes are ordered by: how deep they are, the node above, their index there, themselves.
type Order = (usize, (u64, u32), (Rc<str>, u64, u32));

impl<'d> TreeChange<'d> {
    pub fn new(
        reading: &'d Reading,
        changed: &'d DotMap<Option<Place>>,
        agents: &'d Agents,
        nodes_above: u32,
    ) -> TreeChange<'d> {
        let mut change = TreeChange {
            reading,
            changed,
            agents,
            is_whole: false,
        };
        change.is_whole = !changed.is_empty() && change.is_deep(nodes_above);
        change
    }

    fn name(&self, node: Dot) -> (u64, u32) {
        if node.is_some() {
            (self.agents.id(node.agent), node.seq)
        } else {
            (0, 0)
        }
    }

    fn old_place(&self, node: Dot) -> Option<&Place> {
        match self.changed.get(&node) {
            Some(place) => place.as_ref(),
            None => self.reading.place(node),
        }
    }

    /// Was it shown before? (The top always is.)
    #[inline(never)]
    pub fn was_shown(&self, node: Dot) -> bool {
        let mut at = node;
        while at.is_some() {
            match self.old_place(at) {
                Some(place) => at = place.parent,
                None => return false,
            }
        }
        true
    }

    pub fn is_shown(&self, node: Dot) -> bool {
        self.reading.is_shown(node)
    }

    /// Does a reader see it as before, though maybe elsewhere?
    pub fn stays(&self, node: Dot) -> bool {
        !self.is_whole && self.is_shown(node) && (self.changed.is_empty() || self.was_shown(node))
    }

    /// Does what hangs elsewhere than before reach so deep, now or before, that a plain value leaves out what is below it? What is
    /// deep besides stays as it is, shown or not.
    fn is_deep(&self, nodes_above: u32) -> bool {
        let nodes = self.reading.len() + self.changed.len();
        let most = MAX_PLAIN_NODES_DEEP.saturating_sub(nodes_above) as usize;
        if nodes < most {
            return false;
        }
        let old = |node: Dot| self.old_place(node).map(|place| place.parent);
        let new = |node: Dot| self.reading.place(node).map(|place| place.parent);
        let reaching = self.reaching();
        is_deeper(&reaching, &old, most) || is_deeper(&reaching, &new, most)
    }

    /// What hangs elsewhere than before, and what hangs below it. What hung below it before does so now, or has changed itself.
    fn reaching(&self) -> Vec<Dot> {
        let mut reaching: Vec<Dot> = self.changed.keys().copied().collect();
        let mut at = 0;
        while let Some(&node) = reaching.get(at) {
            let mut children = self.reading.children(node);
            children.retain(|child| !self.changed.contains_key(child));
            reaching.append(&mut children);
            at += 1;
        }
        reaching
    }

    /// What hung on a node before, in its order.
    #[inline(never)]
    fn old_children(&self, parent: Dot) -> Vec<Dot> {
        let mut children = self.reading.children(parent);
        children.retain(|child| !self.changed.contains_key(child));
        let hung = |place: &Option<Place>| place.as_ref().is_some_and(|place| place.parent == parent);
        let gone = self.changed.iter().filter(|(_, place)| hung(place));
        children.extend(gone.map(|(&node, _)| node));
        children.sort_by_cached_key(|&child| {
            let index = self.old_place(child).map(|place| place.index.clone());
            (index, self.name(child))
        });
        children
    }

    /// How deep a shown node is.
    fn order(&self, node: Dot, place: &Place) -> Order {
        let (agent, seq) = self.name(node);
        let depth = self.reading.upwards(node).count();
        (depth, self.name(place.parent), (place.index.clone(), agent, seq))
    }

    pub fn tell(&self, document: &Document, tree: u32, path: &Path, patches: &mut Patches) {
        if self.is_whole {
            self.tell_all(document, tree, path, patches);
            return;
        }
        let mut telling = Telling {
            change: self,
            children: DotMap::default(),
            found: (Dot::NONE, 0),
        };
        let mut placed: Vec<(Order, Dot, bool)> = Vec::new();
        let mut gone: Vec<Dot> = Vec::new();
        for (&node, old) in self.changed {
            let was_shown = old.is_some() && self.was_shown(node);
            match self.reading.place(node).filter(|_| self.is_shown(node)) {
                Some(place) if was_shown || self.was_shown(place.parent) => {
                    placed.push((self.order(node, place), node, was_shown));
                }
                // Below one that is new: it comes with that.
                Some(_) => {}
                None if was_shown => gone.push(node),
                None => {}
            }
        }
        placed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (_, node, was_shown) in placed {
            telling.place(document, (tree, path), node, was_shown, patches);
        }
        gone.sort_unstable_by_key(|&node| self.name(node));
        for node in gone {
            // What hung on one that is gone as well goes with it.
            let above = self.old_place(node).map_or(Dot::NONE, |place| place.parent);
            if self.is_shown(above) {
                let id = document.node_name(self.agents, node);
                patches.push(Kind::Tree, "delete", &path.below(Value::Text(&id), true), &[]);
            }
        }
    }

    /// Everything goes, and comes anew.
    fn tell_all(&self, document: &Document, tree: u32, path: &Path, patches: &mut Patches) {
        for node in self.old_children(Dot::NONE) {
            let id = document.node_name(self.agents, node);
            patches.push(Kind::Tree, "delete", &path.below(Value::Text(&id), true), &[]);
        }
        for (index, node) in self.reading.children(Dot::NONE).into_iter().enumerate() {
            self.tell_created(document, (tree, path), node, Dot::NONE, index, patches);
        }
    }

    #[inline(never)]
    fn tell_created(
        &self,
        document: &Document,
        (tree, path): (u32, &Path),
        node: Dot,
        parent: Dot,
        index: usize,
        patches: &mut Patches,
    ) {
        let mut value = Vec::new();
        self.node_value(document, (tree, path.nodes), node, &mut value);
        let parent = self.packed_id(document, parent);
        let id = document.node_name(self.agents, node);
        let members = [
            ("index", Value::Number(index as i64)),
            ("parent", Value::Packed(&parent)),
            ("value", Value::Packed(&value)),
        ];
        patches.push(Kind::Tree, "create", &path.below(Value::Text(&id), true), &members);
    }

    /// Is a child of a node that is created created with it? (What was shown elsewhere is moved there.)
    fn comes_along(&self, child: Dot) -> bool {
        !self.changed.contains_key(&child) || !self.was_shown(child)
    }

    /// The id, or null for the top.
    #[inline(never)]
    fn packed_id(&self, document: &Document, node: Dot) -> Vec<u8> {
        let mut packed = Vec::new();
        if node.is_some() {
            Value::Text(&document.node_name(self.agents, node)).write(&mut packed);
        } else {
            packed.push(0);
        }
        packed
    }

    /// A node that wasn't shown, with those below it that weren't either, as a plain value.
    fn node_value(&self, document: &Document, (tree, above): (u32, u32), node: Dot, out: &mut Vec<u8>) {
        enum Part {
            Head(Dot, u32),
            Tail(Dot),
        }
        let mut open = vec![Part::Head(node, above + 1)];
        while let Some(part) = open.pop() {
            match part {
                Part::Head(node, level) => {
                    out.extend([8, 3]);
                    out.blob(b"children");
                    let mut children = Vec::new();
                    if level < MAX_PLAIN_NODES_DEEP {
                        children = self.reading.children(node);
                    }
                    if !self.is_whole {
                        children.retain(|&child| self.comes_along(child));
                    }
                    out.push(7);
                    out.varint(children.len() as u64);
                    open.push(Part::Tail(node));
                    open.extend(children.into_iter().rev().map(|child| Part::Head(child, level + 1)));
                }
                Part::Tail(node) => {
                    out.blob(b"data");
                    document.data_value(tree, node, out);
                    out.blob(b"id");
                    Value::Text(&document.node_name(self.agents, node)).write(out);
                }
            }
        }
    }
}

/// Is one of the nodes that are shown more than so many deep?
fn is_deeper(nodes: &[Dot], parent: &dyn Fn(Dot) -> Option<Dot>, most: usize) -> bool {
    // How deep each is; 0 where it isn't shown.
    let mut depths: DotMap<usize> = DotMap::default();
    let mut way = Vec::new();
    for &node in nodes {
        let mut at = node;
        let mut depth = loop {
            if !at.is_some() {
                break 0;
            }
            if let Some(&known) = depths.get(&at) {
                if known == 0 {
                    depths.extend(way.drain(..).map(|node| (node, 0)));
                }
                break known;
            }
            match parent(at) {
                Some(above) => {
                    way.push(at);
                    at = above;
                }
                None => {
                    depths.extend(way.drain(..).map(|node| (node, 0)));
                    break 0;
                }
            }
        };
        for node in way.drain(..).rev() {
            depth += 1;
            depths.insert(node, depth);
        }
        if depth > most {
            return true;
        }
    }
    false
}

/// A tree on its way from what was shown to what is.
struct Telling<'c, 'd> {
    change: &'c TreeChange<'d>,
    /// What hangs on nodes now, where that isn't as before.
    children: DotMap<Vec<Dot>>,
    /// Where what was put last stands: what comes next on the same node is behind it.
    found: (Dot, usize),
}

impl Telling<'_, '_> {
    #[inline(never)]
    fn children_of(&mut self, parent: Dot) -> &mut Vec<Dot> {
        let change = self.change;
        self.children.entry(parent).or_insert_with(|| {
            if change.was_shown(parent) {
                return change.old_children(parent);
            }
            let mut children = change.reading.children(parent);
            children.retain(|&child| change.comes_along(child));
            children
        })
    }

    /// Puts a node right behind what is before it at the end.
    #[inline(never)]
    fn place(
        &mut self,
        document: &Document,
        (tree, path): (u32, &Path),
        node: Dot,
        was_shown: bool,
        patches: &mut Patches,
    ) {
        let change = self.change;
        let Some(place) = change.reading.place(node) else {
            return;
        };
        let parent = place.parent;
        let sibling = (place.index.clone(), change.name(node).0, node);
        let before = change.reading.before(parent, &sibling).map(|before| before.2);
        let hint = if self.found.0 == parent { self.found.1 } else { 0 };
        let siblings = self.children_of(parent);
        let mut index = 0;
        if let Some(before) = before {
            let is_it = |&other: &Dot| other == before;
            let found = siblings.iter().skip(hint).position(is_it).map(|at| hint + at);
            index = 1 + found.or_else(|| siblings.iter().position(is_it)).unwrap_or(0);
        }
        if was_shown {
            let old_parent = change.old_place(node).map_or(Dot::NONE, |place| place.parent);
            let old_siblings = self.children_of(old_parent);
            let at = old_siblings.iter().position(|&other| other == node).unwrap_or(0);
            if old_parent == parent && at == index {
                self.found = (parent, index);
                return;
            }
            old_siblings.remove(at);
            if old_parent == parent && at < index {
                index -= 1;
            }
            let id = document.node_name(change.agents, node);
            let above = change.packed_id(document, parent);
            let members = [
                ("index", Value::Number(index as i64)),
                ("parent", Value::Packed(&above)),
            ];
            patches.push(Kind::Tree, "move", &path.below(Value::Text(&id), true), &members);
        } else {
            change.tell_created(document, (tree, path), node, parent, index, patches);
        }
        self.children_of(parent).insert(index, node);
        self.found = (parent, index);
    }
}

impl Document {
    /// The text of an id by these agents, which may be more than the document's own.
    pub(super) fn node_name(&self, agents: &Agents, node: Dot) -> String {
        crate::node_id::format(agents.id(node.agent), node.seq)
    }

    /// Appends the map of a node or an edge, as a plain value.
    pub(super) fn data_value(&self, container: u32, id: Dot, out: &mut Vec<u8>) {
        let found = self.containers.find(container, &Key::Element(id), Kind::Map, Dot::NONE);
        match found.map(|map| self.to_plain(map, out)) {
            Some(Ok(())) => {}
            _ => out.extend([8, 0]),
        }
    }
}
