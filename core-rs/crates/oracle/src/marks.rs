//! Marks on a text: a plain list of all that were ever made. What a character shows is looked up among them, each time.

use crate::fugue::Order;
use crate::log::{Action, ContainerId, Dot, Log, Place, Version};
use crate::read::{Seen, View};
use crate::Kind;
use std::collections::BTreeMap;

/// Where a mark begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Where the text begins.
    Start,
    /// Before a character.
    Before(Dot),
    /// Behind one.
    After(Dot),
    /// Where the text ends.
    End,
}

/// Keys with packed values.
pub type Attributes = BTreeMap<String, Vec<u8>>;

/// A step of a delta. What is inserted has these attributes and no others.
#[derive(Debug, Clone)]
pub enum DeltaStep {
    /// Characters (whole pairs).
    Insert(Vec<u16>, Attributes),
    /// An object on one character.
    Embed(Vec<u8>, Attributes),
    /// So many characters get attributes; null takes one off.
    Retain(usize, Attributes),
    /// So many characters go.
    Delete(usize),
}

/// The character that an object stands on, and the key of the mark that holds it.
pub const EMBED: char = '\u{fffc}';

const OFF: [u8; 1] = [0];

/// The place of a gap among all gaps and characters: the k-th character is at 2k + 1, what lies before it at 2k.
fn place(all: &[Dot], gap: Gap) -> usize {
    let at = |dot: Dot| {
        all.iter()
            .position(|&other| other == dot)
            .map_or(2 * all.len(), |at| 2 * at)
    };
    match gap {
        Gap::Start => 0,
        Gap::Before(dot) => at(dot) + 1,
        Gap::After(dot) => at(dot) + 2,
        Gap::End => 2 * all.len() + 1,
    }
}

/// Per key: the stamp, the dot and the value that win.
type Winners = BTreeMap<String, (u64, Dot, Vec<u8>)>;

impl View<'_> {
    /// The marks that win at each place: between characters (even) and on them (odd).
    fn winners(&self, text: &ContainerId, all: &[Dot]) -> Vec<Winners> {
        let mut winners = vec![Winners::new(); 2 * all.len() + 1];
        for entry in self.about(text) {
            let Action::Mark {
                start,
                end,
                key,
                value,
                stamp,
            } = &entry.action
            else {
                continue;
            };
            let from = place(all, *start);
            let to = place(all, *end);
            for here in winners.iter_mut().take(to).skip(from) {
                let new = (*stamp, entry.dot, value.clone());
                let have = here.entry(key.clone()).or_insert_with(|| new.clone());
                if (new.0, new.1) > (have.0, have.1) {
                    *have = new;
                }
            }
        }
        winners
    }

    fn has_marks(&self, text: &ContainerId) -> bool {
        let mut entries = self.about(text).iter();
        entries.any(|entry| matches!(entry.action, Action::Mark { .. }))
    }

    /// A text's characters, each with its attributes.
    pub fn rich(&self, text: &ContainerId) -> Vec<(u16, Attributes)> {
        let order = self.order(text);
        let (all, visible) = (order.all(), order.visible());
        let winners = self.winners(text, &all);
        let attributes = |dot: Dot| shown(&winners[place(&all, Gap::Before(dot))]);
        let units = self.text(text);
        visible
            .iter()
            .zip(units)
            .map(|(&dot, unit)| (unit, attributes(dot)))
            .collect()
    }

    /// Every text that a reader sees, parents before children, by keys and indices; a tree's nodes as they stand, a graph's by id.
    pub fn texts(&self) -> Vec<ContainerId> {
        let mut texts = Vec::new();
        let mut open = vec![ContainerId::ROOT];
        while let Some(at) = open.pop() {
            let below: Vec<Seen> = match at.kind() {
                Kind::Map => self.keys(&at).iter().map(|key| self.get(&at, key)).collect(),
                Kind::List => self.elements(&at),
                Kind::Tree => data(&at, self.hanging(&at).downwards()),
                Kind::Graph => {
                    let edges = self.graph_edges(&at).into_iter().map(|edge| edge.0);
                    data(&at, self.graph_nodes(&at).into_iter().chain(edges).collect())
                }
                _ => Vec::new(),
            };
            open.extend(below.into_iter().rev().filter_map(|seen| match seen {
                Seen::Child(child) => Some(child),
                _ => None,
            }));
            if at.kind() == Kind::Text {
                texts.push(at);
            }
        }
        texts
    }

    /// Behind which character a new one goes that is typed at `index`: behind the one before it, or, if a mark ends right
    /// behind a deleted one before the next, behind the last of those.
    pub(crate) fn left_of(&self, text: &ContainerId, order: &Order, index: usize) -> Option<Dot> {
        let visible = order.visible();
        let left = index.checked_sub(1).map(|before| visible[before]);
        if !self.has_marks(text) {
            return left;
        }
        let all = order.all();
        let winners = self.winners(text, &all);
        let first = left.map_or(0, |left| place(&all, Gap::After(left)) / 2);
        let deleted = all[first..].iter().take_while(|dot| !visible.contains(dot));
        let is_end = |dot: Dot| {
            let at = place(&all, Gap::Before(dot));
            let (on, behind) = (&winners[at], &winners[at + 1]);
            on.iter()
                .any(|(key, mark)| mark.2 != OFF && behind.get(key).map(|mark| mark.1) != Some(mark.1))
        };
        deleted.copied().filter(|&dot| is_end(dot)).last().or(left)
    }
}

/// The maps of nodes and edges.
fn data(container: &ContainerId, ids: Vec<Dot>) -> Vec<Seen> {
    let map = |id| Seen::Child(container.child(Place::Element(id), Kind::Map, None));
    ids.into_iter().map(map).collect()
}

fn shown(winners: &Winners) -> Attributes {
    let shown = winners.iter().filter(|(_, mark)| mark.2 != OFF);
    shown.map(|(key, mark)| (key.clone(), mark.2.clone())).collect()
}

impl Log {
    /// Marks characters; half a pair is marked with the other half. False, and nothing is entered, where it is so already.
    #[allow(clippy::too_many_arguments)]
    pub fn text_mark(
        &mut self,
        (agent, now_ms): (u64, u64),
        version: &mut Version,
        text: &ContainerId,
        (from, to): (usize, usize),
        key: &str,
        value: &[u8],
        grows: bool,
    ) -> bool {
        if from == to {
            return false;
        }
        let view = self.view(version);
        let units = view.text(text);
        let from = from - usize::from(crate::log::inside_pair(&units, from));
        let to = to + usize::from(crate::log::inside_pair(&units, to));
        let order = view.order(text);
        let (all, visible) = (order.all(), order.visible());
        let start = match (grows, from) {
            (true, 0) => Gap::Start,
            _ => Gap::Before(visible[from]),
        };
        let end = match visible.get(to) {
            _ if !grows => Gap::After(visible[to - 1]),
            Some(&next) => Gap::Before(next),
            None => Gap::End,
        };
        let winners = view.winners(text, &all);
        let wanted = Some(value.to_vec()).filter(|value| *value != OFF);
        let range = place(&all, start)..place(&all, end);
        if winners[range]
            .iter()
            .all(|here| shown(here).get(key) == wanted.as_ref())
        {
            return false;
        }
        let stamp = self.stamp(version, now_ms);
        let (key, value) = (key.to_string(), value.to_vec());
        let action = Action::Mark {
            start,
            end,
            key,
            value,
            stamp,
        };
        self.append(agent, version, text, action);
        true
    }

    /// Applies a delta, step by step. `grows` says of each key whether its marks grow.
    pub fn text_apply_delta(
        &mut self,
        by: (u64, u64),
        version: &mut Version,
        text: &ContainerId,
        steps: &[DeltaStep],
        grows: &dyn Fn(&str) -> bool,
    ) {
        let mut at = 0;
        let embed = EMBED.to_string();
        for step in steps {
            let (units, wanted) = match step {
                DeltaStep::Delete(n) => {
                    self.text_delete(by.0, version, text, at, *n);
                    continue;
                }
                DeltaStep::Retain(n, attributes) => {
                    for (key, value) in attributes {
                        self.text_mark(by, version, text, (at, at + n), key, value, grows(key));
                    }
                    at += n;
                    continue;
                }
                DeltaStep::Insert(units, attributes) => (units.clone(), attributes.clone()),
                DeltaStep::Embed(object, attributes) => {
                    let mut wanted = attributes.clone();
                    wanted.insert(embed.clone(), object.clone());
                    (vec![EMBED as u16], wanted)
                }
            };
            if units.is_empty() {
                continue;
            }
            self.text_insert(by.0, version, text, at, &units);
            let range = (at, at + units.len());
            at = range.1;
            let inherited = self.view(version).rich(text)[range.0].1.clone();
            let off = inherited.keys().filter(|key| !wanted.contains_key(*key));
            let off: Vec<(String, Vec<u8>)> = off.map(|key| (key.clone(), OFF.to_vec())).collect();
            for (key, value) in off.into_iter().chain(wanted) {
                let grows = key != embed && grows(&key);
                self.text_mark(by, version, text, range, &key, &value, grows);
            }
        }
    }
}
