//! The log: what was done, by whom, when, and on what. Edits are turned into entries here, from the author's own view.

use crate::fugue::Side;
use crate::marks::Gap;
use crate::read::{Seen, View};
use std::collections::BTreeMap;

/// One operation's name: the `seq`-th of its agent, from 1. Ordered by agent, then seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// Who.
    pub agent: u64,
    /// The how-manieth.
    pub seq: u32,
}

/// What somebody has seen: per agent the highest seq.
pub type Version = BTreeMap<u64, u32>;

/// What a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Keys to values.
    Map,
    /// Elements in order.
    List,
    /// Characters in order.
    Text,
    /// A sum.
    Counter,
    /// Values without order.
    Set,
    /// Nodes below each other.
    Tree,
    /// Nodes and edges between them.
    Graph,
}

/// Where in its parent a container hangs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// At a map's key.
    Key(String),
    /// In a list's element, at a node or at an edge.
    Element(Dot),
}

/// One step down from a container to a child of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// Where the child hangs.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
    /// The write that its creator found there.
    pub generation: Option<Dot>,
}

/// A container's id: the way down to it from the root, which is the empty way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ContainerId(pub Vec<Step>);

impl ContainerId {
    /// The root map.
    pub const ROOT: ContainerId = ContainerId(Vec::new());

    /// The id of a child.
    pub fn child(&self, place: Place, kind: Kind, generation: Option<Dot>) -> ContainerId {
        let mut steps = self.0.clone();
        steps.push(Step {
            place,
            kind,
            generation,
        });
        ContainerId(steps)
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.0.last().map_or(Kind::Map, |step| step.kind)
    }
}

/// What a write put at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Nothing: a deletion.
    Nothing,
    /// A plain value.
    Plain(Vec<u8>),
    /// A container.
    Child(ContainerId),
}

/// What an operation does to its container.
#[derive(Debug, Clone)]
pub enum Action {
    /// A character appears.
    InsertCharacter {
        /// What it hangs on; none is the start.
        parent: Option<Dot>,
        /// On which side.
        side: Side,
        /// The UTF-16 unit.
        unit: u16,
    },
    /// An element appears.
    InsertElement {
        /// What it hangs on; none is the start.
        parent: Option<Dot>,
        /// On which side.
        side: Side,
        /// Its first value.
        value: Written,
    },
    /// An element stands elsewhere, if no later move of it says otherwise.
    MoveElement {
        /// What its new unit hangs on; none is the start.
        parent: Option<Dot>,
        /// On which side.
        side: Side,
        /// Which element.
        element: Dot,
        /// When.
        stamp: u64,
    },
    /// Characters, elements, nodes or edges go, for good.
    Delete(Vec<Dot>),
    /// A key or an element gets a value. Every child at that place that the author had seen ends, but the one written.
    Write {
        /// Which key or element.
        place: Place,
        /// When.
        stamp: u64,
        /// What.
        value: Written,
    },
    /// A tree's node is moved, or created where none is named.
    HangNode {
        /// Which.
        node: Option<Dot>,
        /// Below what; none is the top.
        parent: Option<Dot>,
        /// Where among its siblings.
        index: String,
        /// When.
        stamp: u64,
    },
    /// A graph's node appears.
    AddNode,
    /// A graph's edge appears.
    AddEdge {
        /// From where.
        from: Dot,
        /// To where.
        to: Dot,
    },
    /// A counter changes by so much.
    Count(i64),
    /// A value enters a set.
    Add(Vec<u8>),
    /// A value leaves a set: every add of it that the author had seen is taken back.
    Remove(Vec<u8>),
    /// What lies between two gaps of a text gets an attribute; null takes it off.
    Mark {
        /// Where it begins.
        start: Gap,
        /// Where it ends.
        end: Gap,
        /// The attribute's key.
        key: String,
        /// Its packed value.
        value: Vec<u8>,
        /// When.
        stamp: u64,
    },
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub dot: Dot,
    /// What its author had seen before it.
    pub context: Version,
    /// The container it is about.
    pub container: ContainerId,
    /// What it does.
    pub action: Action,
}

/// Everything that anybody did, in no particular order. An author is an agent with what it has seen, which an edit raises.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// The operations.
    pub entries: Vec<Entry>,
}

/// Does `version` include `dot`?
pub fn covers(version: &Version, dot: Dot) -> bool {
    version.get(&dot.agent).is_some_and(|&seq| dot.seq <= seq)
}

/// Raises `version` to everything that `other` includes too.
pub fn join(version: &mut Version, other: &Version) {
    for (&agent, &seq) in other {
        let have = version.entry(agent).or_insert(0);
        *have = seq.max(*have);
    }
}

impl Log {
    /// What a reader who has seen `version` can know.
    pub fn view(&self, version: &Version) -> View<'_> {
        View::new(self.entries.iter().filter(|entry| covers(version, entry.dot)))
    }

    /// Has whoever saw `version` also seen everything that was seen by the authors of what it includes?
    pub fn is_causal(&self, version: &Version) -> bool {
        self.entries
            .iter()
            .filter(|entry| covers(version, entry.dot))
            .all(|entry| {
                entry
                    .context
                    .iter()
                    .all(|(&agent, &seq)| covers(version, Dot { agent, seq }))
            })
    }

    pub(crate) fn append(&mut self, agent: u64, version: &mut Version, container: &ContainerId, action: Action) -> Dot {
        let context = version.clone();
        let seq = version.entry(agent).or_insert(0);
        *seq += 1;
        let dot = Dot { agent, seq: *seq };
        self.entries.push(Entry {
            dot,
            context,
            container: container.clone(),
            action,
        });
        dot
    }

    /// A stamp above all that the author has seen and not below its time.
    pub(crate) fn stamp(&self, version: &Version, now_ms: u64) -> u64 {
        let seen = self.entries.iter().filter(|entry| covers(version, entry.dot));
        let highest = seen.filter_map(|entry| match entry.action {
            Action::Write { stamp, .. }
            | Action::MoveElement { stamp, .. }
            | Action::Mark { stamp, .. }
            | Action::HangNode { stamp, .. } => Some(stamp),
            _ => None,
        });
        (highest.max().unwrap_or(0) + 1).max(now_ms << 16)
    }

    /// Inserts characters before the visible one at `index`. An index inside a pair is the pair's start; half pairs become
    /// U+FFFD.
    pub fn text_insert(&mut self, agent: u64, version: &mut Version, text: &ContainerId, index: usize, units: &[u16]) {
        let well_formed: Vec<u16> = String::from_utf16_lossy(units).encode_utf16().collect();
        let mut index = index;
        if inside_pair(&self.view(version).text(text), index) {
            index -= 1;
        }
        for unit in well_formed {
            let view = self.view(version);
            let order = view.order(text);
            let (parent, side) = order.anchor_behind(view.left_of(text, &order, index));
            self.append(agent, version, text, Action::InsertCharacter { parent, side, unit });
            index += 1;
        }
    }

    /// Deletes characters; half a pair takes the other half with it.
    pub fn text_delete(&mut self, agent: u64, version: &mut Version, text: &ContainerId, index: usize, len: usize) {
        if len == 0 {
            return;
        }
        let view = self.view(version);
        let units = view.text(text);
        let mut from = index;
        let mut to = index + len;
        if inside_pair(&units, from) {
            from -= 1;
        }
        if inside_pair(&units, to) {
            to += 1;
        }
        let dots = view.order(text).visible()[from..to].to_vec();
        self.append(agent, version, text, Action::Delete(dots));
    }

    /// Inserts elements with plain values before the visible one at `index`.
    pub fn list_insert(
        &mut self,
        agent: u64,
        version: &mut Version,
        list: &ContainerId,
        index: usize,
        values: &[&[u8]],
    ) {
        for (i, value) in values.iter().enumerate() {
            let (parent, side) = self.view(version).order(list).anchor_before(index + i);
            let value = Written::Plain(value.to_vec());
            self.append(agent, version, list, Action::InsertElement { parent, side, value });
        }
    }

    /// Inserts one element with a fresh container.
    pub fn list_insert_child(
        &mut self,
        agent: u64,
        version: &mut Version,
        list: &ContainerId,
        index: usize,
        kind: Kind,
    ) -> ContainerId {
        let (parent, side) = self.view(version).order(list).anchor_before(index);
        let seq = version.get(&agent).copied().unwrap_or(0) + 1;
        let child = list.child(Place::Element(Dot { agent, seq }), kind, None);
        let value = Written::Child(child.clone());
        self.append(agent, version, list, Action::InsertElement { parent, side, value });
        child
    }

    /// Deletes elements.
    pub fn list_delete(&mut self, agent: u64, version: &mut Version, list: &ContainerId, index: usize, len: usize) {
        if len > 0 {
            let dots = self.view(version).order(list).visible_elements()[index..index + len].to_vec();
            self.append(agent, version, list, Action::Delete(dots));
        }
    }

    /// Moves an element, so that it is at `to` in the list without it.
    pub fn list_move(
        &mut self,
        (agent, now_ms): (u64, u64),
        version: &mut Version,
        list: &ContainerId,
        from: usize,
        to: usize,
    ) {
        if from == to {
            return;
        }
        let order = self.view(version).order(list);
        let element = order.visible_elements()[from];
        let (parent, side) = order.anchor_before(if to > from { to + 1 } else { to });
        let stamp = self.stamp(version, now_ms);
        let action = Action::MoveElement {
            parent,
            side,
            element,
            stamp,
        };
        self.append(agent, version, list, action);
    }

    /// The place of the visible element at `index`.
    fn element(&self, version: &Version, list: &ContainerId, index: usize) -> Place {
        Place::Element(self.view(version).order(list).visible_elements()[index])
    }

    /// Writes a plain value into an element.
    pub fn list_set(
        &mut self,
        (agent, now_ms): (u64, u64),
        version: &mut Version,
        list: &ContainerId,
        index: usize,
        value: &[u8],
    ) {
        let place = self.element(version, list, index);
        self.write(agent, version, list, place, Written::Plain(value.to_vec()), now_ms);
    }

    /// Puts a fresh container into an element.
    pub fn list_set_child(
        &mut self,
        (agent, now_ms): (u64, u64),
        version: &mut Version,
        list: &ContainerId,
        index: usize,
        kind: Kind,
    ) -> ContainerId {
        let place = self.element(version, list, index);
        self.create(agent, version, list, place, kind, now_ms)
    }

    /// Writes a plain value to a key.
    pub fn map_set(
        &mut self,
        (agent, now_ms): (u64, u64),
        version: &mut Version,
        map: &ContainerId,
        key: &str,
        value: &[u8],
    ) {
        let place = Place::Key(key.to_string());
        self.write(agent, version, map, place, Written::Plain(value.to_vec()), now_ms);
    }

    /// Deletes a key. Where nothing is written, or the last word is a deletion, nothing is done.
    pub fn map_delete(
        &mut self,
        (agent, now_ms): (u64, u64),
        version: &mut Version,
        map: &ContainerId,
        key: &str,
    ) -> bool {
        let place = Place::Key(key.to_string());
        let there = match self.view(version).winner(map, &place) {
            None => false,
            Some(winner) => winner.value != Written::Nothing,
        };
        if there {
            self.write(agent, version, map, place, Written::Nothing, now_ms);
        }
        there
    }

    /// The container of this kind at a key, created there if a reader sees none.
    pub fn ensure_child(
        &mut self,
        (agent, now_ms): (u64, u64),
        version: &mut Version,
        map: &ContainerId,
        key: &str,
        kind: Kind,
    ) -> ContainerId {
        match self.view(version).get(map, key) {
            Seen::Child(child) if child.kind() == kind => child,
            _ => self.create_child((agent, now_ms), version, map, key, kind),
        }
    }

    /// A fresh container at a key.
    pub fn create_child(
        &mut self,
        (agent, now_ms): (u64, u64),
        version: &mut Version,
        map: &ContainerId,
        key: &str,
        kind: Kind,
    ) -> ContainerId {
        self.create(agent, version, map, Place::Key(key.to_string()), kind, now_ms)
    }

    fn create(
        &mut self,
        agent: u64,
        version: &mut Version,
        parent: &ContainerId,
        place: Place,
        kind: Kind,
        now_ms: u64,
    ) -> ContainerId {
        let found = self.view(version).winner(parent, &place).map(|winner| winner.dot);
        let child = parent.child(place.clone(), kind, found);
        self.write(agent, version, parent, place, Written::Child(child.clone()), now_ms);
        child
    }

    fn write(
        &mut self,
        agent: u64,
        version: &mut Version,
        container: &ContainerId,
        place: Place,
        value: Written,
        now_ms: u64,
    ) {
        let stamp = self.stamp(version, now_ms);
        self.append(agent, version, container, Action::Write { place, stamp, value });
    }

    /// Changes a counter. Nothing is done by nothing.
    pub fn counter_add(&mut self, agent: u64, version: &mut Version, counter: &ContainerId, amount: i64) {
        if amount != 0 {
            self.append(agent, version, counter, Action::Count(amount));
        }
    }

    /// Adds a value to a set.
    pub fn set_add(&mut self, agent: u64, version: &mut Version, set: &ContainerId, value: &[u8]) {
        self.append(agent, version, set, Action::Add(value.to_vec()));
    }

    /// Removes a value from a set, where it is in.
    pub fn set_delete(&mut self, agent: u64, version: &mut Version, set: &ContainerId, value: &[u8]) -> bool {
        let there = self.view(version).set(set).contains(value);
        if there {
            self.append(agent, version, set, Action::Remove(value.to_vec()));
        }
        there
    }
}

/// Is there the second half of a pair at `index`, behind the first half?
pub(crate) fn inside_pair(units: &[u16], index: usize) -> bool {
    index > 0
        && index < units.len()
        && (0xd800..0xdc00).contains(&units[index - 1])
        && (0xdc00..0xe000).contains(&units[index])
}
