//! Reading: the visible document of somebody who has seen a part of the log, from scratch.

use crate::fugue::Order;
use crate::log::{covers, Action, ContainerId, Dot, Entry, Kind, Place, Written};
use std::collections::{BTreeMap, BTreeSet};

/// A container's content, or a plain value, as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An element whose container was ended.
    Nothing,
    /// A plain value.
    Plain(Vec<u8>),
    /// A text's UTF-16 units.
    Text(Vec<u16>),
    /// A counter's sum.
    Counter(i128),
    /// A set's values.
    Set(BTreeSet<Vec<u8>>),
    /// A list's elements.
    List(Vec<Value>),
    /// A map's keys.
    Map(BTreeMap<String, Value>),
}

/// What is at a key or in an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Nothing,
    /// A plain value.
    Plain(Vec<u8>),
    /// A container.
    Child(ContainerId),
}

/// The write that won a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Winner {
    /// Its stamp; 0 for an element's first value.
    pub stamp: u64,
    /// Its dot.
    pub dot: Dot,
    /// What it wrote.
    pub value: Written,
}

/// A part of the log, sorted by container.
#[derive(Debug)]
pub struct View<'a> {
    entries: BTreeMap<&'a ContainerId, Vec<&'a Entry>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(seen: impl Iterator<Item = &'a Entry>) -> Self {
        let mut entries: BTreeMap<&ContainerId, Vec<&Entry>> = BTreeMap::new();
        for entry in seen {
            entries.entry(&entry.container).or_default().push(entry);
        }
        View { entries }
    }

    pub(crate) fn about(&self, container: &ContainerId) -> &[&'a Entry] {
        self.entries.get(container).map_or(&[], Vec::as_slice)
    }

    /// A list's or a text's tree.
    pub(crate) fn order(&self, sequence: &ContainerId) -> Order {
        let mut order = Order::default();
        // Per element the highest move.
        let mut moves: BTreeMap<Dot, (u64, Dot)> = BTreeMap::new();
        for entry in self.about(sequence) {
            match &entry.action {
                Action::InsertCharacter { parent, side, .. } | Action::InsertElement { parent, side, .. } => {
                    order.insert(entry.dot, *parent, *side);
                }
                Action::MoveElement {
                    parent,
                    side,
                    element,
                    stamp,
                } => {
                    order.move_to(entry.dot, *element, *parent, *side);
                    let highest = moves.entry(*element).or_insert((0, *element));
                    *highest = (*stamp, entry.dot).max(*highest);
                }
                Action::Delete(dots) => dots.iter().for_each(|&dot| order.delete(dot)),
                _ => {}
            }
        }
        for (element, (_, unit)) in moves {
            order.stand(element, unit);
        }
        order
    }

    /// Every write to a place, an element's first value included.
    fn writes(&self, container: &ContainerId, place: &Place) -> Vec<(Winner, &'a Entry)> {
        let mut writes = Vec::new();
        for &entry in self.about(container) {
            let (stamp, value) = match &entry.action {
                Action::Write {
                    place: at,
                    stamp,
                    value,
                } if at == place => (*stamp, value),
                Action::InsertElement { value, .. } if *place == Place::Element(entry.dot) => (0, value),
                _ => continue,
            };
            let (dot, value) = (entry.dot, value.clone());
            writes.push((Winner { stamp, dot, value }, entry));
        }
        writes
    }

    /// The write with the highest stamp; of equal ones the highest agent's.
    pub fn winner(&self, container: &ContainerId, place: &Place) -> Option<Winner> {
        let writes = self.writes(container, place);
        writes
            .into_iter()
            .map(|(write, _)| write)
            .max_by_key(|write| (write.stamp, write.dot))
    }

    /// Has any write ended this child: one whose author had seen it and that puts something else in its place?
    fn is_ended(&self, parent: &ContainerId, place: &Place, child: &ContainerId) -> bool {
        let writes = self.writes(parent, place);
        let named = Written::Child(child.clone());
        writes.iter().any(|(write, by)| {
            write.value != named
                && writes
                    .iter()
                    .any(|(naming, _)| naming.value == named && covers(&by.context, naming.dot))
        })
    }

    fn seen(&self, container: &ContainerId, place: &Place) -> Seen {
        match self.winner(container, place).map(|winner| winner.value) {
            None | Some(Written::Nothing) => Seen::Nothing,
            Some(Written::Plain(bytes)) => Seen::Plain(bytes),
            Some(Written::Child(child)) if self.is_ended(container, place, &child) => Seen::Nothing,
            Some(Written::Child(child)) => Seen::Child(child),
        }
    }

    /// The keys of a map that were ever written.
    pub(crate) fn keys(&self, map: &ContainerId) -> BTreeSet<String> {
        let keys = self.about(map).iter().filter_map(|entry| match &entry.action {
            Action::Write {
                place: Place::Key(key), ..
            } => Some(key.clone()),
            _ => None,
        });
        keys.collect()
    }

    /// What is at a map's key.
    pub fn get(&self, map: &ContainerId, key: &str) -> Seen {
        self.seen(map, &Place::Key(key.to_string()))
    }

    /// What is in each of a list's elements.
    pub fn elements(&self, list: &ContainerId) -> Vec<Seen> {
        let visible = self.order(list).visible_elements();
        visible
            .into_iter()
            .map(|dot| self.seen(list, &Place::Element(dot)))
            .collect()
    }

    /// A text's characters.
    pub fn text(&self, text: &ContainerId) -> Vec<u16> {
        let mut units = BTreeMap::new();
        for entry in self.about(text) {
            if let Action::InsertCharacter { unit, .. } = entry.action {
                units.insert(entry.dot, unit);
            }
        }
        self.order(text).visible().iter().map(|dot| units[dot]).collect()
    }

    /// A counter's sum.
    pub fn counter(&self, counter: &ContainerId) -> i128 {
        let amounts = self.about(counter).iter().map(|entry| match entry.action {
            Action::Count(amount) => i128::from(amount),
            _ => 0,
        });
        amounts.sum()
    }

    /// The values of a set: those with an add that no removal's author had seen.
    pub fn set(&self, set: &ContainerId) -> BTreeSet<Vec<u8>> {
        let entries = self.about(set);
        let is_removed = |add: Dot, value: &[u8]| {
            entries.iter().any(|entry| match &entry.action {
                Action::Remove(removed) => removed == value && covers(&entry.context, add),
                _ => false,
            })
        };
        let mut values = BTreeSet::new();
        for entry in entries {
            if let Action::Add(value) = &entry.action {
                if !is_removed(entry.dot, value) {
                    values.insert(value.clone());
                }
            }
        }
        values
    }

    fn value(&self, seen: Seen) -> Value {
        match seen {
            Seen::Nothing => Value::Nothing,
            Seen::Plain(bytes) => Value::Plain(bytes),
            Seen::Child(child) => self.read(&child),
        }
    }

    /// A container's whole content.
    pub fn read(&self, container: &ContainerId) -> Value {
        match container.kind() {
            Kind::Text => Value::Text(self.text(container)),
            Kind::Counter => Value::Counter(self.counter(container)),
            Kind::Set => Value::Set(self.set(container)),
            Kind::Tree => self.tree(container, &self.hanging(container), None),
            Kind::Graph => self.graph(container),
            Kind::List => Value::List(
                self.elements(container)
                    .into_iter()
                    .map(|seen| self.value(seen))
                    .collect(),
            ),
            Kind::Map => {
                let keys = self.keys(container);
                let present = keys.into_iter().filter_map(|key| match self.get(container, &key) {
                    Seen::Nothing => None,
                    seen => Some((key, self.value(seen))),
                });
                Value::Map(present.collect())
            }
        }
    }
}
