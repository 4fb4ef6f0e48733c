//! What has happened to a graph: edges and nodes that are gone, then nodes and edges that came.

use super::pack::{Patches, Path, Value};
use crate::container::Kind;
use crate::document::Document;
use crate::graph::{Graph, OldItems};
use joinery_codec::Writer;
use joinery_history::{Agents, Dot};

/// Nodes and edges that came or were deleted, each with what it was before.
pub struct GraphChange<'d> {
    pub graph: &'d Graph,
    pub changed: &'d OldItems,
    pub agents: &'d Agents,
}

/// What it is between; of a node nothing.
type Ends = Option<(Dot, Dot)>;

impl GraphChange<'_> {
    fn old(&self, id: Dot) -> Option<(Dot, Dot)> {
        match self.changed.get(&id) {
            Some(before) => *before,
            None => self.graph.item(id).copied(),
        }
    }

    /// A node, or an edge between nodes.
    fn shown(&self, id: Dot, get: &dyn Fn(Dot) -> Option<(Dot, Dot)>) -> Option<Ends> {
        let (from, to) = get(id)?;
        if !from.is_some() {
            return Some(None);
        }
        let is_node = |id| get(id).is_some_and(|(from, _): (Dot, Dot)| !from.is_some());
        (is_node(from) && is_node(to)).then_some(Some((from, to)))
    }

    fn is(&self, id: Dot) -> Option<Ends> {
        self.shown(id, &|id| self.graph.item(id).copied())
    }

    fn was(&self, id: Dot) -> Option<Ends> {
        self.shown(id, &|id| self.old(id))
    }

    /// Does a reader see it as before?
    pub fn stays(&self, id: Dot) -> bool {
        self.is(id).is_some() && (self.changed.is_empty() || self.was(id).is_some())
    }

    pub fn tell(&self, document: &Document, graph: u32, path: &Path, patches: &mut Patches) {
        let mut ids: Vec<Dot> = self.changed.keys().copied().collect();
        let is_gone = |id: Dot| self.was(id) == Some(None) && self.is(id).is_none();
        if ids.iter().any(|&id| is_gone(id)) {
            // A node's edges go with it.
            let hidden = (self.graph.edges())
                .filter(|&(edge, from, to)| !self.changed.contains_key(&edge) && (is_gone(from) || is_gone(to)));
            ids.extend(hidden.map(|(edge, ..)| edge));
        }
        ids.sort_unstable_by_key(|id| (self.agents.id(id.agent), id.seq));
        let name = |id: Dot| document.node_name(self.agents, id);
        let gone = |ids: &mut dyn Iterator<Item = Dot>, patches: &mut Patches| {
            for id in ids {
                patches.push(Kind::Graph, "delete", &path.below(Value::Text(&name(id)), false), &[]);
            }
        };
        let are_gone = |is_edge: bool| {
            let was = move |id: &Dot| self.was(*id).is_some_and(|ends| ends.is_some() == is_edge);
            ids.iter().copied().filter(move |id| was(id) && self.is(*id).is_none())
        };
        gone(&mut are_gone(true), patches);
        gone(&mut are_gone(false), patches);
        for is_edge in [false, true] {
            for &id in &ids {
                let Some(ends) = self.is(id).filter(|ends| ends.is_some() == is_edge) else {
                    continue;
                };
                if self.was(id).is_some() {
                    continue;
                }
                let mut value = vec![8, if is_edge { 4 } else { 2 }];
                let member = |value: &mut Vec<u8>, key: &str, id: Dot| {
                    value.blob(key.as_bytes());
                    Value::Text(&name(id)).write(value);
                };
                value.blob(b"data");
                document.data_value(graph, id, &mut value);
                if let Some((from, _)) = ends {
                    member(&mut value, "from", from);
                }
                member(&mut value, "id", id);
                if let Some((_, to)) = ends {
                    member(&mut value, "to", to);
                }
                let members = [("value", Value::Packed(&value))];
                patches.push(
                    Kind::Graph,
                    "create",
                    &path.below(Value::Text(&name(id)), false),
                    &members,
                );
            }
        }
    }
}
