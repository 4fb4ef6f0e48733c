//! Patches: what a change has changed for a reader, path by path. While somebody wants to hear of changes (the recording is on),
//! the lowest points that change something note it ([`recording`], and beside each state): which visible units came and went, which
//! slots, values, nodes were touched, and what was seen there before. Taking the patches puts that together.
//!
//! - Patches are done one after the other. Those of a container come before those of what is in it, so a path is as a reader sees it
//!   when all above it is done: in the indices of the new state.
//! - What is new comes with its whole plain value, and nothing is told of what is in it. What is gone or hidden isn't told of at all.
//! - What a reader sees as before (a write that lost, a value that was written again) is no patch.
//!
//! | container | kind | path ends with | beside it |
//! |---|---|---|---|
//! | map | `set` | key | `value` |
//! | map | `delete` | key | |
//! | list | `remove` | index | `count` |
//! | list | `move` | index | `to`: an index in the list without it |
//! | list | `insert` | index | `values` |
//! | list | `set` | index | `value` |
//! | text | `edit` | the text | `delta`, in the form of Quill |
//! | counter | `increment` | the counter | `by`, `value` |
//! | set | `change` | the set | `added`, `deleted`: values, in the order in which sets show them |
//! | tree | `create` | the node | `index`, `parent` (null: the top), `value`: the node with what is new below it |
//! | tree | `move` | the node | `index` (among the children without it), `parent` |
//! | tree, graph | `delete` | the node or edge | |
//! | graph | `create` | the node or edge | `value` |
//!
//! A `set`, and `insert`, of something that is a container says `type`, `types`: its kind, of a plain value null.
//!
//! Deviation: as plain values end [`crate::MAX_PLAIN_NODES_DEEP`] tree nodes down, a tree is told as a whole when what hangs elsewhere
//! than before reaches deeper. Where trees hang in the nodes of others and reach that depth together, that isn't looked for.

mod graphs;
mod hunks;
mod lists;
mod pack;
mod recording;
mod trees;

pub use hunks::{Finished, Hunks, MAX_HUNKS};
pub use recording::{Before, Recorded, Recording};

use crate::container::{Body, Key, Kind, ROOT};
use crate::cut;
use crate::document::{Document, Entry};
use crate::dots::DotMap;
use crate::graph::OldItems;
use crate::marks::OldMark;
use crate::plain::MAX_PLAIN_NODES_DEEP;
use crate::slot::Slot;
use crate::tree::Place;
use graphs::GraphChange;
use joinery_codec::{compare_values, write_zigzag, Writer};
use joinery_history::Dot;
use joinery_tables::OrderedMap;
use lists::Step;
use pack::{Patches, Path, Value};
use std::rc::Rc;
use trees::TreeChange;

/// What was noted of one container.
enum Changed {
    Map,
    List(Finished<u32>),
    Text(Box<Hunks<u16>>, Vec<OldMark>),
    Counter(i128),
    Set(OrderedMap<Box<[u8]>, bool>),
    Tree(DotMap<Option<Place>>),
    Graph(OldItems),
}

impl Document {
    /// From now on changes are noted, to be told by [`Document::take_patches`]; or no more. Off at first: then it costs nothing.
    pub fn record_patches(&mut self, is_on: bool) {
        if is_on == self.containers.recording.is_some() {
            return;
        }
        if !is_on {
            self.take_changed();
        }
        self.containers.recording = is_on.then(|| cut::patches(Box::default)).flatten();
    }

    /// Are changes noted?
    pub fn records_patches(&self) -> bool {
        self.containers.recording.is_some()
    }

    /// Appends what has changed since the recording began, or since the last take: a packed array of patches (see the top of
    /// `patches/mod.rs`). Returns how many there are.
    ///
    /// ```
    /// # use joinery_types::{Document, Kind, ROOT};
    /// let mut document = Document::default();
    /// document.set_agent(1);
    /// let text = document.ensure_child(ROOT, "body", Kind::Text, 0).unwrap();
    /// document.record_patches(true);
    /// document.text_insert(text, 0, &mut "hello".encode_utf16().collect::<Vec<_>>()).unwrap();
    /// document.text_delete(text, 1, 4).unwrap();
    /// // One patch: "h" was inserted into the text at ["body"].
    /// assert_eq!(document.take_patches(&mut Vec::new()), 1);
    /// assert_eq!(document.take_patches(&mut Vec::new()), 0);
    /// ```
    pub fn take_patches(&mut self, out: &mut Vec<u8>) -> u64 {
        let (slots, changed) = self.take_changed();
        let mut telling = Telling {
            document: self,
            slots,
            changed,
            paths: OrderedMap::new(),
            patches: Patches::default(),
        };
        telling.run();
        telling.patches.finish(out)
    }

    /// What was noted, and nothing is from then on. Trees on the ways to what has changed are brought up to date.
    fn take_changed(&mut self) -> (OrderedMap<(u32, Key), Before>, OrderedMap<u32, Changed>) {
        let Some(mut recording) = self.containers.recording.take() else {
            return Default::default();
        };
        let Recording {
            touched,
            slots,
            counters,
            ..
        } = std::mem::take::<Recording>(&mut recording);
        let mut changed = OrderedMap::new();
        let maps = slots.keys().map(|&(container, _)| container);
        for number in touched.into_iter().chain(maps) {
            if let Some(taken) = self.take_container(number, &counters) {
                changed.get_or_insert_with(number, || taken);
            }
        }
        for &number in changed.keys() {
            self.settle_trees_above(number);
        }
        self.containers.recording = Some(recording);
        (slots, changed)
    }

    /// What was noted of one container; none where it is gone.
    fn take_container(&mut self, number: u32, counters: &OrderedMap<u32, i128>) -> Option<Changed> {
        let agents = &self.agents;
        Some(match self.containers.body_mut(number)? {
            Body::Map(_) => Changed::Map,
            Body::List(list) => {
                let changes = list.sequence.changes.take()?;
                list.release_slots();
                Changed::List(cut::own_patches(changes).finish(list.sequence.len()))
            }
            Body::Text(text) => {
                let changes = text.sequence.changes.take()?;
                Changed::Text(cut::own_patches(changes), std::mem::take(&mut text.old_marks))
            }
            Body::Counter(_) => Changed::Counter(*counters.get(&number)?),
            Body::Set(set) => Changed::Set(cut::own_patches(set.changes.take()?)),
            Body::Tree(tree) => Changed::Tree(tree.take_changes(agents)),
            Body::Graph(graph) => Changed::Graph(*graph.changes.take()?),
        })
    }

    fn settle_trees_above(&mut self, number: u32) {
        let mut at = number;
        loop {
            if let Some(Body::Tree(tree)) = self.containers.body_mut(at) {
                tree.settle(&self.agents);
            }
            if at == ROOT {
                return;
            }
            at = self.container(at).parent;
        }
    }
}

struct Telling<'d> {
    document: &'d Document,
    slots: OrderedMap<(u32, Key), Before>,
    changed: OrderedMap<u32, Changed>,
    /// Of containers that a reader sees as before: where they are.
    paths: OrderedMap<u32, Option<Rc<Path>>>,
    patches: Patches,
}

impl<'d> Telling<'d> {
    fn run(&mut self) {
        let changed: Vec<u32> = self.changed.keys().copied().collect();
        let mut told: Vec<(u32, u32, Rc<Path>)> = Vec::new();
        for number in changed {
            if let Some(path) = self.path(number) {
                told.push((path.count, number, path));
            }
        }
        told.sort_unstable_by_key(|&(depth, number, _)| (depth, number));
        for (_, number, path) in told {
            self.tell(number, &path);
        }
    }

    /// Where a container is, if a reader saw it before and sees it now.
    fn path(&mut self, number: u32) -> Option<Rc<Path>> {
        let mut way = Vec::new();
        let mut at = number;
        let mut found = loop {
            if at == ROOT {
                break Some(Rc::new(Path::default()));
            }
            if let Some(known) = self.paths.get(&at) {
                break known.clone();
            }
            way.push(at);
            at = self.document.container(at).parent;
        };
        for at in way.into_iter().rev() {
            found = found.and_then(|above| self.below(&above, at)).map(Rc::new);
            self.paths.insert(at, found.clone());
        }
        found
    }

    fn below(&self, above: &Path, child: u32) -> Option<Path> {
        let document = self.document;
        let (parent, key) = document.place_of(child);
        let changed = self.changed.get(&parent);
        let is_seen = |slot: &Slot| matches!(document.entry(slot), Some(Entry::Child(seen, _)) if seen == child);
        let was_seen = match self.slots.get(&(parent, key.clone())) {
            Some(before) => *before == Before::Child(child),
            None => true,
        };
        match (&document.containers().live(parent).ok()?.body, key) {
            (Body::Map(map), Key::Name(name)) => {
                let is_here = was_seen && is_seen(map.slot(name)?);
                is_here.then(|| above.below(Value::Text(name), false))
            }
            (Body::List(list), &Key::Element(element)) => {
                let is_here = was_seen && is_seen(list.slot_of(element)?);
                let unit = list.standing(element).filter(|_| is_here)?.unit;
                let index = list.sequence.index_of(unit)?;
                if let Some(Changed::List(finished)) = changed {
                    let is_new = finished.new_at(index).is_some();
                    let slot = list.sequence.unit(unit)?;
                    if is_new && !finished.gone.contains(&slot) {
                        return None;
                    }
                }
                Some(above.below(Value::Number(i64::from(index)), false))
            }
            (Body::Tree(tree), &Key::Element(node)) => {
                let nothing = DotMap::default();
                let moved = match changed {
                    Some(Changed::Tree(moved)) => moved,
                    _ => &nothing,
                };
                let reading = tree.read(&document.agents);
                let nodes = above.nodes + reading.upwards(node).count() as u32;
                let is_here = is_data(document, child) && nodes <= MAX_PLAIN_NODES_DEEP;
                let change = TreeChange::new(&reading, moved, &document.agents, above.nodes);
                let is_here = is_here && change.stays(node);
                let id = document.node_id(node);
                is_here.then(|| Path {
                    nodes,
                    ..above.below(Value::Text(&id), true)
                })
            }
            (Body::Graph(graph), &Key::Element(id)) => {
                let nothing = DotMap::default();
                let change = GraphChange {
                    graph,
                    changed: match changed {
                        Some(Changed::Graph(changed)) => changed,
                        _ => &nothing,
                    },
                    agents: &document.agents,
                };
                let is_here = is_data(document, child) && change.stays(id);
                is_here.then(|| above.below(Value::Text(&document.node_id(id)), false))
            }
            _ => None,
        }
    }

    fn tell(&mut self, number: u32, path: &Path) {
        let document = self.document;
        let patches = &mut self.patches;
        let Some(changed) = self.changed.get(&number) else {
            return;
        };
        match (&document.container(number).body, changed) {
            (Body::Map(map), _) => {
                for ((_, key), before) in slots_of(&self.slots, number) {
                    let Key::Name(name) = key else { continue };
                    let now = map.slot(name).and_then(|slot| document.entry(slot));
                    if is_alike(before, now) {
                        continue;
                    }
                    let path = path.below(Value::Text(name), false);
                    match now {
                        None => patches.push(Kind::Map, "delete", &path, &[]),
                        Some(entry) => tell_set(document, Kind::Map, &path, Some(entry), patches),
                    }
                }
            }
            (Body::List(list), Changed::List(finished)) => {
                let ranges = finished.new_ranges();
                let mut new = Vec::new();
                for (start, end) in ranges {
                    list.sequence.read(start, end - start, &mut new);
                }
                for step in lists::steps(finished, &new) {
                    tell_step(
                        document,
                        path,
                        step,
                        &mut |index| {
                            let mut unit = Vec::new();
                            list.sequence.read(index, 1, &mut unit);
                            unit.first().and_then(|&unit| document.entry(list.slot(unit)))
                        },
                        patches,
                    );
                }
                for ((_, key), before) in slots_of(&self.slots, number) {
                    let &Key::Element(element) = key else { continue };
                    let standing = list.standing(element);
                    let at = standing.and_then(|at| list.sequence.index_of(at.unit).zip(list.sequence.unit(at.unit)));
                    let Some((index, unit)) = at else { continue };
                    let now = document.entry(list.slot(unit));
                    let is_new = finished.new_at(index).is_some() && !finished.gone.contains(&unit);
                    if !is_new && !is_alike(before, now) {
                        let path = path.below(Value::Number(i64::from(index)), false);
                        tell_set(document, Kind::List, &path, now, patches);
                    }
                }
            }
            (Body::Text(text), Changed::Text(hunks, old_marks)) => {
                let mut delta = Vec::new();
                if text.changes_delta((**hunks).clone(), old_marks, &mut delta) {
                    patches.push(Kind::Text, "edit", path, &[("delta", Value::Packed(&delta))]);
                }
            }
            (Body::Counter(counter), Changed::Counter(before)) => tell_count(*before, counter.value(), path, patches),
            (Body::Set(set), Changed::Set(changes)) => {
                let mut added: Vec<&[u8]> = Vec::new();
                let mut deleted: Vec<&[u8]> = Vec::new();
                for (value, was_in) in changes {
                    match (*was_in, set.has(value)) {
                        (false, true) => added.push(value),
                        (true, false) => deleted.push(value),
                        _ => {}
                    }
                }
                tell_members(added, deleted, path, patches);
            }
            (Body::Tree(tree), Changed::Tree(changed)) => {
                let reading = tree.read(&document.agents);
                let change = TreeChange::new(&reading, changed, &document.agents, path.nodes);
                change.tell(document, number, path, patches);
            }
            (Body::Graph(graph), Changed::Graph(changed)) => {
                let agents = &document.agents;
                let change = GraphChange { graph, changed, agents };
                change.tell(document, number, path, patches);
            }
            _ => {}
        }
    }
}

/// The slots of a container that were noted.
fn slots_of(
    slots: &OrderedMap<(u32, Key), Before>,
    container: u32,
) -> impl Iterator<Item = (&(u32, Key), &Before)> + '_ {
    let from = (container, Key::Name("".into()));
    slots.range_from(&from).take_while(move |(slot, _)| slot.0 == container)
}

/// Is it the map of a node or an edge?
fn is_data(document: &Document, container: u32) -> bool {
    let container = document.container(container);
    container.body.kind() == Kind::Map && container.generation == Dot::NONE
}

fn is_alike(before: &Before, now: Option<Entry<'_>>) -> bool {
    match (before, now) {
        (Before::Nothing, None) => true,
        (Before::Plain(before), Some(Entry::Plain(now))) => **before == *now,
        (Before::Child(before), Some(Entry::Child(now, _))) => *before == now,
        _ => false,
    }
}

/// Appends what a reader sees in a slot, as a plain value. (Of an element whose container was ended: null.)
#[inline(never)]
fn entry_value(document: &Document, entry: Option<Entry<'_>>, out: &mut Vec<u8>) {
    let written = match entry {
        Some(Entry::Plain(bytes)) => {
            out.extend_from_slice(bytes);
            Ok(())
        }
        Some(Entry::Child(child, _)) => document.to_plain(child, out),
        None => Err(crate::Error::ContainerGone),
    };
    if written.is_err() {
        out.push(0);
    }
}

/// The kind of container that is in a slot, by name.
fn entry_type(entry: Option<Entry<'_>>, out: &mut Vec<u8>) {
    match entry {
        Some(Entry::Child(_, kind)) => Value::Text(kind.name()).write(out),
        _ => out.push(0),
    }
}

#[inline(never)]
fn tell_set(document: &Document, container: Kind, path: &Path, entry: Option<Entry<'_>>, patches: &mut Patches) {
    let (mut value, mut kind) = (Vec::new(), Vec::new());
    entry_value(document, entry, &mut value);
    entry_type(entry, &mut kind);
    let members = [("type", Value::Packed(&kind)), ("value", Value::Packed(&value))];
    let told = if matches!(entry, Some(Entry::Child(..))) {
        &members[..]
    } else {
        &members[1..]
    };
    patches.push(container, "set", path, told);
}

/// One step of a list, whose elements `entry` tells by their last indices.
#[inline(never)]
fn tell_step<'d>(
    document: &Document,
    path: &Path,
    step: Step,
    entry: &mut dyn FnMut(u32) -> Option<Entry<'d>>,
    patches: &mut Patches,
) {
    match step {
        Step::Remove { index, count } => {
            let path = path.below(Value::Number(i64::from(index)), false);
            patches.push(
                Kind::List,
                "remove",
                &path,
                &[("count", Value::Number(i64::from(count)))],
            );
        }
        Step::Move { from, to } => {
            let path = path.below(Value::Number(i64::from(from)), false);
            patches.push(Kind::List, "move", &path, &[("to", Value::Number(i64::from(to)))]);
        }
        Step::Insert { index, count } => {
            let (mut values, mut types, mut is_nested) = (Vec::new(), Vec::new(), false);
            for entry in (index..index + count).map(entry) {
                entry_value(document, entry, &mut values);
                entry_type(entry, &mut types);
                is_nested |= matches!(entry, Some(Entry::Child(..)));
            }
            let path = path.below(Value::Number(i64::from(index)), false);
            let count = u64::from(count);
            let members = [
                ("types", Value::Values(count, &types)),
                ("values", Value::Values(count, &values)),
            ];
            let told = if is_nested { &members[..] } else { &members[1..] };
            patches.push(Kind::List, "insert", &path, told);
        }
    }
}

#[inline(never)]
fn tell_count(before: i128, now: i128, path: &Path, patches: &mut Patches) {
    if before == now {
        return;
    }
    let number = |value: i128| {
        let mut packed = Vec::new();
        match i64::try_from(value) {
            Ok(value) if value.unsigned_abs() < 1 << 53 => {
                packed.push(3);
                write_zigzag(&mut packed, value);
            }
            _ => {
                packed.push(4);
                packed.u64_le((value as f64).to_bits());
            }
        }
        packed
    };
    let (by, value) = (number(now - before), number(now));
    let members = [("by", Value::Packed(&by)), ("value", Value::Packed(&value))];
    patches.push(Kind::Counter, "increment", path, &members);
}

#[inline(never)]
fn tell_members(mut added: Vec<&[u8]>, mut deleted: Vec<&[u8]>, path: &Path, patches: &mut Patches) {
    if added.is_empty() && deleted.is_empty() {
        return;
    }
    added.sort_unstable_by(|a, b| compare_values(a, b));
    deleted.sort_unstable_by(|a, b| compare_values(a, b));
    let (count_added, count_deleted) = (added.len() as u64, deleted.len() as u64);
    let (added, deleted) = (added.concat(), deleted.concat());
    let members = [
        ("added", Value::Values(count_added, &added)),
        ("deleted", Value::Values(count_deleted, &deleted)),
    ];
    patches.push(Kind::Set, "change", path, &members);
}
