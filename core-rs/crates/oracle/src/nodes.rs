//! Trees and graphs, from scratch: every move in the order of its stamp, circles looked for node by node, one mended at a time.

use crate::log::{Action, ContainerId, Dot, Entry, Kind, Log, Place, Version};
use crate::read::{Value, View};
use std::collections::{BTreeMap, BTreeSet};

/// What decides between moves, with where it leads: the stamp, the move's name, then the index and the parent (none: the top).
type Move = (u64, Dot, String, Option<Dot>);

/// A node (none: a new one), and where it is hung: the node above (none: the top) and its index there.
pub type Hung = (Option<Dot>, (Option<Dot>, String));

/// Where each living node of a tree hangs: the node above (none: the top) and its index there.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Hanging {
    /// By node.
    pub places: BTreeMap<Dot, (Option<Dot>, String)>,
    /// Those that don't hang where they were moved last, for that made a circle.
    pub mended: BTreeSet<Dot>,
}

impl Hanging {
    /// The nodes right below one, or at the top, in order.
    pub fn children(&self, parent: Option<Dot>) -> Vec<Dot> {
        let mut found: Vec<(&String, Dot)> = Vec::new();
        for (&node, (above, index)) in &self.places {
            if *above == parent {
                found.push((index, node));
            }
        }
        found.sort();
        found.into_iter().map(|(_, node)| node).collect()
    }

    /// The nodes that are shown, parents before children.
    pub fn downwards(&self) -> Vec<Dot> {
        let mut open = self.children(None);
        open.reverse();
        let mut found = Vec::new();
        while let Some(node) = open.pop() {
            found.push(node);
            open.extend(self.children(Some(node)).into_iter().rev());
        }
        found
    }

    /// Is the top above it?
    pub fn is_shown(&self, node: Dot) -> bool {
        let mut at = node;
        for _ in 0..=self.places.len() {
            match self.places.get(&at) {
                None => return false,
                Some((None, _)) => return true,
                Some((Some(above), _)) => at = *above,
            }
        }
        false
    }

    /// Does the way up lead back?
    fn is_in_circle(&self, node: Dot) -> bool {
        let mut at = node;
        for _ in 0..self.places.len() {
            match self.places.get(&at) {
                Some((Some(above), _)) => at = *above,
                _ => return false,
            }
            if at == node {
                return true;
            }
        }
        false
    }
}

fn text(id: Dot) -> Value {
    let name = format!("{:x}:{}", id.agent, id.seq);
    Value::Text(name.encode_utf16().collect())
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Map(
        members
            .into_iter()
            .map(|(key, value)| (key.to_string(), value))
            .collect(),
    )
}

impl<'a> View<'a> {
    fn deleted(&self, container: &ContainerId) -> BTreeSet<Dot> {
        let mut deleted = BTreeSet::new();
        for entry in self.about(container) {
            if let Action::Delete(ids) = &entry.action {
                deleted.extend(ids.iter().copied());
            }
        }
        deleted
    }

    /// Where the nodes of a tree hang, shown or hidden below a deleted one.
    pub fn hanging(&self, tree: &ContainerId) -> Hanging {
        let deleted = self.deleted(tree);
        // Of each node's moves to one parent the last.
        let mut moves: BTreeMap<Dot, BTreeMap<Option<Dot>, Move>> = BTreeMap::new();
        let mut entries: Vec<&Entry> = self.about(tree).to_vec();
        entries.sort_by_key(|entry| match entry.action {
            Action::HangNode { stamp, .. } => (stamp, entry.dot),
            _ => (0, entry.dot),
        });
        for entry in entries {
            if let Action::HangNode {
                node,
                parent,
                index,
                stamp,
            } = &entry.action
            {
                let node = node.unwrap_or(entry.dot);
                let made = (*stamp, entry.dot, index.clone(), *parent);
                moves.entry(node).or_default().insert(*parent, made);
            }
        }
        moves.retain(|node, _| !deleted.contains(node));
        let mut hanging = Hanging::default();
        for (&node, moves) in &moves {
            if let Some((_, _, index, parent)) = moves.values().max() {
                hanging.places.insert(node, (*parent, index.clone()));
            }
        }
        loop {
            let circling: Vec<Dot> = hanging
                .places
                .keys()
                .copied()
                .filter(|&n| hanging.is_in_circle(n))
                .collect();
            let Some(&lowest) = circling.first() else {
                return hanging;
            };
            let mut best: Option<(Move, Dot)> = None;
            for &node in &circling {
                for made in moves[&node].values() {
                    let leads_up = made.3.is_none_or(|parent| hanging.is_shown(parent));
                    if leads_up && best.as_ref().is_none_or(|best| (made, node) > (&best.0, best.1)) {
                        best = Some((made.clone(), node));
                    }
                }
            }
            let (node, place) = match best {
                Some(((_, _, index, parent), node)) => (node, (parent, index)),
                None => (lowest, (None, hanging.places[&lowest].1.clone())),
            };
            hanging.places.insert(node, place);
            hanging.mended.insert(node);
        }
    }

    fn data(&self, container: &ContainerId, id: Dot) -> Value {
        self.read(&container.child(Place::Element(id), Kind::Map, None))
    }

    /// A tree's nodes below one, with all below them.
    pub(crate) fn tree(&self, tree: &ContainerId, hanging: &Hanging, parent: Option<Dot>) -> Value {
        let nodes = hanging.children(parent).into_iter().map(|node| {
            object([
                ("children", self.tree(tree, hanging, Some(node))),
                ("data", self.data(tree, node)),
                ("id", text(node)),
            ])
        });
        Value::List(nodes.collect())
    }

    /// A graph's nodes.
    pub fn graph_nodes(&self, graph: &ContainerId) -> Vec<Dot> {
        let deleted = self.deleted(graph);
        let nodes = self.about(graph).iter().filter_map(|entry| match entry.action {
            Action::AddNode if !deleted.contains(&entry.dot) => Some(entry.dot),
            _ => None,
        });
        nodes.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// A graph's edges, with where they lead from and to.
    pub fn graph_edges(&self, graph: &ContainerId) -> Vec<(Dot, Dot, Dot)> {
        let (nodes, deleted) = (self.graph_nodes(graph), self.deleted(graph));
        let edges = self.about(graph).iter().filter_map(|entry| match entry.action {
            Action::AddEdge { from, to } => Some((entry.dot, from, to)),
            _ => None,
        });
        let shown =
            |(edge, from, to): &(Dot, Dot, Dot)| !deleted.contains(edge) && nodes.contains(from) && nodes.contains(to);
        edges.filter(shown).collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(crate) fn graph(&self, graph: &ContainerId) -> Value {
        let nodes = self.graph_nodes(graph).into_iter();
        let nodes = nodes.map(|node| object([("data", self.data(graph, node)), ("id", text(node))]));
        let edges = self.graph_edges(graph).into_iter().map(|(edge, from, to)| {
            object([
                ("data", self.data(graph, edge)),
                ("from", text(from)),
                ("id", text(edge)),
                ("to", text(to)),
            ])
        });
        object([
            ("edges", Value::List(edges.collect())),
            ("nodes", Value::List(nodes.collect())),
        ])
    }
}

/// Which index a move gets is told: one between two others is anybody's choice.
impl Log {
    /// Moves a tree's node, or creates one where none is given, and nothing else; its id.
    pub fn hang_node(
        &mut self,
        (agent, now_ms): (u64, u64),
        version: &mut Version,
        tree: &ContainerId,
        node: Option<Dot>,
        (parent, index): (Option<Dot>, &str),
    ) -> Dot {
        let stamp = self.stamp(version, now_ms);
        let action = Action::HangNode {
            node,
            parent,
            index: index.to_string(),
            stamp,
        };
        let dot = self.append(agent, version, tree, action);
        node.unwrap_or(dot)
    }

    /// Hangs a tree's nodes elsewhere (none: a new one), and before that what would move beside them where it hangs. Which indices they
    /// get is told. All that was hung, in that order.
    pub fn tree_move(
        &mut self,
        who: (u64, u64),
        version: &mut Version,
        tree: &ContainerId,
        moves: &[Hung],
    ) -> Vec<Hung> {
        let before = self.view(version).hanging(tree);
        let named: BTreeSet<Dot> = moves.iter().filter_map(|(node, _)| *node).collect();
        // Those above the old places and the new ones that don't hang where they were moved last.
        let mut above = BTreeSet::new();
        for (node, (to, _)) in moves {
            let Some((from, _)) = node.and_then(|node| before.places.get(&node)) else {
                continue;
            };
            for mut parent in [*from, *to] {
                while let Some(at) = parent.filter(|at| before.places.contains_key(at)) {
                    above.insert(at);
                    parent = before.places[&at].0;
                }
            }
        }
        above.retain(|at| before.mended.contains(at));
        let hang = |log: &mut Log, version: &mut Version, (node, (parent, index)): &Hung| {
            let node = log.hang_node(who, version, tree, *node, (*parent, index));
            (Some(node), (*parent, index.clone()))
        };
        let beside = self.moved_beside(version, tree, (named, above), hang, |log, version| {
            moves.iter().for_each(|one| drop(hang(log, version, one)));
        });
        let all = beside.iter().chain(moves);
        all.map(|one| hang(self, version, one)).collect()
    }

    /// Deletes a tree's node, and before that hangs what would move beside it where it hangs.
    pub fn tree_delete(&mut self, who: (u64, u64), version: &mut Version, tree: &ContainerId, node: Dot) {
        let hang = |log: &mut Log, version: &mut Version, (node, (parent, index)): &Hung| {
            log.hang_node(who, version, tree, *node, (*parent, index));
        };
        let sets = (BTreeSet::from([node]), BTreeSet::new());
        let beside = self.moved_beside(version, tree, sets, hang, |log, version| {
            log.delete_node(who.0, version, tree, node);
        });
        beside.iter().for_each(|one| hang(self, version, one));
        self.delete_node(who.0, version, tree, node);
    }

    /// What would hang elsewhere after a change but what the change names, and `above` at any rate. If still more would move once
    /// these were hung where they hang: everything that doesn't hang where it was moved last.
    fn moved_beside<T>(
        &self,
        version: &Version,
        tree: &ContainerId,
        (named, above): (BTreeSet<Dot>, BTreeSet<Dot>),
        hang: impl Fn(&mut Log, &mut Version, &Hung) -> T,
        change: impl Fn(&mut Log, &mut Version),
    ) -> Vec<Hung> {
        let before = self.view(version).hanging(tree);
        let others: BTreeSet<Dot> = before.mended.difference(&named).copied().collect();
        let hangs = |at: &Dot| (Some(*at), before.places[at].clone());
        let moved = |hung: &BTreeSet<Dot>| -> BTreeSet<Dot> {
            let (mut log, mut version) = (self.clone(), version.clone());
            hung.iter()
                .for_each(|at| drop(hang(&mut log, &mut version, &hangs(at))));
            change(&mut log, &mut version);
            let after = log.view(&version).hanging(tree);
            let moved = others.iter().filter(|at| after.places.get(at) != before.places.get(at));
            moved.copied().collect()
        };
        let mut hung: BTreeSet<Dot> = above.difference(&named).copied().collect();
        hung.extend(moved(&hung));
        if !moved(&hung).is_empty() {
            hung = others;
        }
        hung.iter().map(hangs).collect()
    }

    /// Deletes a node or an edge, and nothing else.
    pub fn delete_node(&mut self, agent: u64, version: &mut Version, container: &ContainerId, node: Dot) {
        self.append(agent, version, container, Action::Delete(vec![node]));
    }

    /// A new node in a graph.
    pub fn graph_add_node(&mut self, agent: u64, version: &mut Version, graph: &ContainerId) -> Dot {
        self.append(agent, version, graph, Action::AddNode)
    }

    /// A new edge in a graph.
    pub fn graph_add_edge(
        &mut self,
        agent: u64,
        version: &mut Version,
        graph: &ContainerId,
        (from, to): (Dot, Dot),
    ) -> Dot {
        self.append(agent, version, graph, Action::AddEdge { from, to })
    }
}
