//! The parts of a state that are trees and graphs. Joining them is taking maxima, so the check is that every id that is named is
//! there: in the document, or in the state itself.

use crate::document::Document;
use crate::error::Error;
use crate::sequence::Removal;
use crate::state_reader::{GraphState, State, Target, TreeState};
use joinery_history::Dot;

const UNKNOWN: Error = Error::Contradiction("a node or an edge that is not there is named");

/// Does the container here have this id, deleted or not?
fn knows(document: &Document, target: Target, id: Dot) -> bool {
    match target {
        Target::Live(container) => document.stretch(container, id, 1) == 1,
        _ => false,
    }
}

/// What this replica's version covers has to be here.
fn check_ids(document: &Document, target: Target, ids: impl Iterator<Item = Dot>) -> Result<(), Error> {
    for id in ids {
        if document.version.covers(id) && !knows(document, target, id) {
            return Err(UNKNOWN);
        }
    }
    Ok(())
}

#[inline(never)]
pub(super) fn check_tree(document: &Document, state: &State, target: Target, tree: &TreeState) -> Result<(), Error> {
    check_ids(document, target, tree.edges.iter().map(|&(id, _)| id))?;
    check_ids(document, target, tree.removed.iter().map(|&(id, _)| id))?;
    if tree.removed.iter().any(|&(id, _)| tree.lives(id)) {
        return Err(Error::Contradiction("a node that lives and was deleted"));
    }
    for (_, edge) in &tree.edges {
        let is_there = |parent| tree.tells(&state.agents, parent) || knows(document, target, parent);
        if edge.parent.is_some() && !is_there(edge.parent) {
            return Err(UNKNOWN);
        }
    }
    Ok(())
}

#[inline(never)]
pub(super) fn check_graph(document: &Document, state: &State, target: Target, graph: &GraphState) -> Result<(), Error> {
    check_ids(document, target, graph.nodes.iter().copied())?;
    check_ids(document, target, graph.edges.iter().map(|&(id, ..)| id))?;
    check_ids(document, target, graph.removed.iter().map(|&(id, _)| id))?;
    let mut ids = graph.removed.iter().map(|&(id, _)| id);
    let is_node = |edge: &(Dot, Dot, Dot)| graph.has_node(&state.agents, edge.0);
    if ids.any(|id| graph.lives(&state.agents, id)) || graph.edges.iter().any(is_node) {
        return Err(Error::Contradiction("a node or an edge that is two things"));
    }
    for end in graph.edges.iter().flat_map(|&(_, from, to)| [from, to]) {
        if !graph.tells(&state.agents, end) && !knows(document, target, end) {
            return Err(UNKNOWN);
        }
    }
    Ok(())
}

#[inline(never)]
pub(super) fn join_tree(document: &mut Document, number: u32, state: TreeState) {
    let agents = &document.agents;
    if let Ok(tree) = document.containers.tree_mut(number) {
        tree.reserve(state.len());
        for (node, edge) in state.edges {
            tree.join(agents, node, edge);
        }
        tree.forget();
    }
    join_removed(document, number, state.removed);
}

#[inline(never)]
pub(super) fn join_graph(document: &mut Document, number: u32, state: GraphState) {
    if let Ok(graph) = document.containers.graph_mut(number) {
        state.nodes.into_iter().for_each(|node| graph.add(node, None));
        for (edge, from, to) in state.edges {
            graph.add(edge, Some((from, to)));
        }
    }
    join_removed(document, number, state.removed);
}

fn join_removed(document: &mut Document, number: u32, removed: Vec<(Dot, Dot)>) {
    for (id, by) in removed {
        document.remove_units(number, id, 1, Removal { dot: by, step: 0 });
    }
}
