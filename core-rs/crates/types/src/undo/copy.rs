//! Copies of containers: a container that is overwritten or deleted has ended for good, so whoever takes that back makes a new one
//! with the same content. A copy has its parts side by side, not within each other, so nothing here goes down by recursion.
//!
//! Beside what is visible it has *ghosts*: removed units and deleted nodes that steps name as places or parents, or below which a
//! named node is hidden. They are made with the copy and removed again at once, so that what stood beside them finds its place.

use super::rename::{Renames, Table};
use super::step::{Edit, Entry, Seat};
use crate::container::{Body, Key, Kind};
use crate::document::Document;
use crate::list::List;
use crate::sequence::Gap;
use crate::slot::{Slot, SlotValue};
use crate::text::Text;
use crate::tree::Tree;
use joinery_history::Dot;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// What a slot showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Val {
    /// Nothing.
    Nothing,
    /// A packed plain value.
    Plain(Box<[u8]>),
    /// A container: its part of the copy.
    Child(u32),
}

impl Val {
    pub fn bytes(&self) -> usize {
        match self {
            Val::Plain(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

/// A list's element; a ghost has nothing.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its id; of a ghost its unit.
    pub element: Dot,
    /// The unit where it stands.
    pub unit: Dot,
    /// The write that it shows.
    pub write: Dot,
    /// What it shows; none: a ghost.
    pub value: Option<Val>,
}

/// Characters of a copied text: the first one's id, how many, and whether they are there (`false`: ghosts).
pub type CopiedRun = (Dot, u32, bool);

/// A mark over the units of a copied text, from one up to another.
#[derive(Debug, Clone)]
pub struct CopiedMark {
    pub from: u32,
    pub to: u32,
    pub key: Rc<str>,
    pub value: Box<[u8]>,
    /// It takes in what is typed at the text's start.
    pub from_start: bool,
    /// It takes in what is typed at its end.
    pub grows: bool,
    /// It is somebody else's.
    pub theirs: bool,
}

/// A node of a tree.
#[derive(Debug, Clone)]
pub struct CopiedNode {
    pub node: Dot,
    /// The node above: its number here; none at the top, and for ghosts.
    pub parent: Option<u32>,
    pub index: Rc<str>,
    /// The edge by which it is shown.
    pub edge: Dot,
    pub data: Option<u32>,
    pub is_ghost: bool,
}

/// A node or an edge of a graph.
#[derive(Debug, Clone)]
pub struct CopiedItem {
    pub id: Dot,
    /// Of an edge, the numbers of the nodes here.
    pub ends: Option<(u32, u32)>,
    pub data: Option<u32>,
    pub is_ghost: bool,
}

/// A container's content.
#[derive(Debug, Clone)]
pub enum Content {
    Map {
        entries: Vec<(Rc<str>, Dot, Val)>,
        /// Own writes that show nothing.
        deleted: Vec<Dot>,
    },
    List(Vec<Item>),
    Text {
        /// Ids in order; `false`: ghosts, whose characters are of no matter.
        runs: Vec<CopiedRun>,
        units: Vec<u16>,
        marks: Vec<CopiedMark>,
    },
    /// The sum, and whether somebody else has a share in it.
    Counter(i64, bool),
    /// Values, and whether somebody else has added them.
    Set(Vec<(Box<[u8]>, bool)>),
    Tree(Vec<CopiedNode>),
    Graph(Vec<CopiedItem>),
}

impl Content {
    pub fn kind(&self) -> Kind {
        match self {
            Content::Map { .. } => Kind::Map,
            Content::List(_) => Kind::List,
            Content::Text { .. } => Kind::Text,
            Content::Counter(..) => Kind::Counter,
            Content::Set(_) => Kind::Set,
            Content::Tree(_) => Kind::Tree,
            Content::Graph(_) => Kind::Graph,
        }
    }
}

/// One container.
#[derive(Debug, Clone)]
pub struct Part {
    /// The number of the container that it is a copy of.
    pub of: u32,
    pub content: Content,
}

/// See the top of this file.
#[derive(Debug, Clone, Default)]
pub struct Copied {
    pub parts: Vec<Part>,
    /// About how many bytes it takes.
    pub bytes: usize,
}

impl Copied {
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// The copy would be too large.
#[derive(Debug)]
pub struct TooLarge;

/// What steps name of containers, and may be gone there: by container.
#[derive(Debug, Default)]
pub struct Named(HashMap<u32, Table>);

impl Named {
    /// What entries name that haven't been told these new names yet.
    pub fn add(&mut self, entries: &[Entry], renames: &Renames) {
        for entry in entries {
            let table = self.0.entry(renames.container(entry.container)).or_default();
            let mut add = |first: Dot, len: u32| table.note(first, len);
            let mut add_places = |first: Dot, len: u32| {
                for (first, len) in renames.places.ranges(&[(first, len)]) {
                    add(first, len);
                }
            };
            match &entry.edit {
                Edit::CutText(cuts) => cuts.iter().for_each(|cut| match cut.seat {
                    Seat::On(first) => add_places(first, cut.units.len() as u32),
                    Seat::Behind(unit) => add_places(unit, 1),
                }),
                Edit::CutElements(cuts, _) => cuts.iter().for_each(|cut| match cut.seat {
                    Seat::On(unit) | Seat::Behind(unit) => add_places(unit, 1),
                }),
                Edit::Moved { was, .. } => add_places(*was, 1),
                Edit::Marked { pieces, .. } => pieces.iter().for_each(|((start, end), ..)| {
                    let units = [start, end].map(|&gap| renames.gap(gap).unit());
                    units.into_iter().flatten().for_each(|unit| add(unit, 1));
                }),
                Edit::CutNode { node, .. } => add(renames.units.get(*node), 1),
                Edit::Hung { node, parent, .. } => {
                    let nodes = [node, parent].map(|&node| renames.units.get(node));
                    nodes.into_iter().for_each(|node| add(node, 1));
                }
                Edit::CutItem { id, .. } => add(renames.units.get(*id), 1),
                _ => {}
            }
        }
    }

    /// Those among `len` units from `first` on.
    fn within(&self, container: u32, first: Dot, len: u32) -> Vec<(Dot, u32)> {
        let Some(table) = self.0.get(&container) else {
            return Vec::new();
        };
        let pieces = table.pieces(first, len).into_iter();
        pieces
            .filter(|(.., named)| named.is_some())
            .map(|(at, n, _)| (first.plus(at), n))
            .collect()
    }

    /// Is it named?
    pub fn has(&self, container: u32, name: Dot) -> bool {
        self.0.get(&container).is_some_and(|table| table.has(name))
    }

    fn all(&self, container: u32) -> Vec<Dot> {
        let table = self.0.get(&container).into_iter();
        table.flat_map(|table| table.names()).collect()
    }
}

/// A copy under way.
pub struct Copying<'d> {
    document: &'d Document,
    named: &'d Named,
    limit: usize,
    open: Vec<u32>,
    done: Copied,
}

impl<'d> Copying<'d> {
    pub fn new(document: &'d Document, named: &'d Named, limit: usize) -> Self {
        Copying {
            document,
            named,
            limit,
            open: Vec::new(),
            done: Copied::default(),
        }
    }

    /// What a slot shows, to be copied with all below it.
    pub fn value(&mut self, slot: &Slot) -> Val {
        match &slot.value {
            SlotValue::Plain(bytes) => Val::Plain((**bytes).into()),
            SlotValue::Child(child) if self.document.containers.live(*child).is_ok() => Val::Child(self.child(*child)),
            _ => Val::Nothing,
        }
    }

    /// A container, to be copied with all below it; its part.
    pub fn child(&mut self, container: u32) -> u32 {
        self.open.push(container);
        self.open.len() as u32 - 1
    }

    /// The map of a node or an edge, if it was ever named.
    pub fn data(&mut self, container: u32, id: Dot) -> Option<u32> {
        let found = self
            .document
            .containers
            .find(container, &Key::Element(id), Kind::Map, Dot::NONE);
        found.map(|found| self.child(found))
    }

    /// Copies everything that was named so far, and what is below it.
    pub fn finish(mut self) -> Result<Copied, TooLarge> {
        while let Some(&container) = self.open.get(self.done.parts.len()) {
            let content = self.content(container);
            self.done.parts.push(Part { of: container, content });
            if self.done.bytes > self.limit {
                return Err(TooLarge);
            }
        }
        Ok(self.done)
    }

    /// Counts bytes; false where it is too much already.
    fn count(&mut self, bytes: usize) -> bool {
        self.done.bytes += bytes;
        self.done.bytes <= self.limit
    }

    fn content(&mut self, container: u32) -> Content {
        self.count(64);
        let document = self.document;
        match &document.container(container).body {
            Body::Map(map) => {
                let mut entries = Vec::new();
                let mut deleted = Vec::new();
                for (key, slot) in map.slots() {
                    if document.entry(slot).is_none() {
                        if document.undo.is_mine(slot.dot) {
                            deleted.push(slot.dot);
                        }
                        continue;
                    }
                    let value = self.value(slot);
                    if !self.count(48 + key.len() + value.bytes()) {
                        break;
                    }
                    entries.push((key.clone(), slot.dot, value));
                }
                Content::Map { entries, deleted }
            }
            Body::List(list) => Content::List(self.list(container, list)),
            Body::Text(text) => self.text(container, text),
            Body::Counter(counter) => {
                let most = i128::from(i64::MAX);
                let sum = counter.value().clamp(-most, most) as i64;
                let mut shares = counter.pairs().filter(|(_, pair)| pair.seq > 0);
                let theirs = shares.any(|(agent, pair)| document.is_foreign(Dot { agent, seq: pair.seq }));
                Content::Counter(sum, theirs)
            }
            Body::Set(set) => {
                let mut values = Vec::new();
                for value in set.values() {
                    if !self.count(24 + value.len()) {
                        break;
                    }
                    let mut adds = set.member(value).into_iter().flat_map(|member| &member.adds);
                    values.push((value.into(), adds.any(|&add| document.is_foreign(add))));
                }
                Content::Set(values)
            }
            Body::Tree(tree) => Content::Tree(self.tree(container, tree)),
            Body::Graph(graph) => {
                let mut items: Vec<CopiedItem> = Vec::new();
                let mut numbers: HashMap<Dot, u32> = HashMap::new();
                let shown = graph.shown_nodes(&document.agents);
                let ghosts = self.named.all(container);
                let ghosts = ghosts.into_iter().filter(|&id| graph.removed().contains(id));
                let nodes = shown
                    .into_iter()
                    .map(|id| (id, false))
                    .chain(ghosts.map(|id| (id, true)));
                for (id, is_ghost) in nodes {
                    if !self.count(48) {
                        break;
                    }
                    numbers.insert(id, items.len() as u32);
                    let data = if is_ghost { None } else { self.data(container, id) };
                    items.push(CopiedItem {
                        id,
                        ends: None,
                        data,
                        is_ghost,
                    });
                }
                let mut edges: Vec<_> = graph.edges().collect();
                edges.sort_unstable_by_key(|(edge, ..)| (document.agents.id(edge.agent), edge.seq));
                for (id, from, to) in edges {
                    let (Some(&from), Some(&to)) = (numbers.get(&from), numbers.get(&to)) else {
                        continue;
                    };
                    if !self.count(48) {
                        break;
                    }
                    let data = self.data(container, id);
                    items.push(CopiedItem {
                        id,
                        ends: Some((from, to)),
                        data,
                        is_ghost: false,
                    });
                }
                Content::Graph(items)
            }
        }
    }

    fn list(&mut self, container: u32, list: &List) -> Vec<Item> {
        let mut items = Vec::new();
        for (run, slots) in list.sequence.runs() {
            for (&slot, i) in slots.iter().zip(0..) {
                let unit = run.dot.plus(i);
                let slot = list.slot(slot);
                let value = self.value(slot);
                if !self.count(64 + value.bytes()) {
                    return items;
                }
                items.push(Item {
                    element: list.element_at(unit),
                    unit,
                    write: slot.dot,
                    value: Some(value),
                });
            }
            if run.visible() > 0 {
                continue;
            }
            for (first, n) in self.named.within(container, run.dot, run.len) {
                for unit in (0..n).map(|i| first.plus(i)) {
                    if !self.count(64) {
                        return items;
                    }
                    items.push(Item {
                        element: unit,
                        unit,
                        write: Dot::NONE,
                        value: None,
                    });
                }
            }
        }
        items
    }

    fn text(&mut self, container: u32, text: &Text) -> Content {
        let mut runs: Vec<(Dot, u32, bool)> = Vec::new();
        let mut units: Vec<u16> = Vec::new();
        for (run, content) in text.sequence.runs() {
            if run.visible() > 0 {
                if !self.count(16 + 2 * content.len()) {
                    break;
                }
                runs.push((run.dot, run.len, true));
                units.extend_from_slice(content);
                continue;
            }
            for (first, n) in self.named.within(container, run.dot, run.len) {
                if !self.count(16 + 2 * n as usize) {
                    break;
                }
                runs.push((first, n, false));
                units.extend(std::iter::repeat_n(u16::from(b' '), n as usize));
            }
        }
        let mut marks = Vec::new();
        let mut bytes = 0;
        for (key, function) in text.marks.iter().flat_map(|marks| marks.functions()) {
            let shown = |gap: Gap| {
                let mark = function.at(&text.sequence, gap);
                mark.and_then(|mark| Some((mark.shown()?, self.document.is_foreign(mark.dot))))
            };
            let mut open: Option<CopiedMark> = None;
            let mut at = 0;
            for &(first, len, _) in &runs {
                let whole = (Gap::Before(first), Gap::After(first.plus(len - 1)));
                let is_one = function.within(&text.sequence, whole).nth(1).is_none();
                let step = if is_one { len } else { 1 };
                for i in (0..len).step_by(step as usize) {
                    let value = shown(Gap::Before(first.plus(i)));
                    if open.as_ref().map(|mark| (&*mark.value, mark.theirs)) != value {
                        marks.extend(open.take());
                        bytes += 64 + value.map_or(0, |(value, _)| value.len());
                        open = value.map(|(value, theirs)| CopiedMark {
                            from: at + i,
                            to: at + i,
                            key: key.clone(),
                            value: value.into(),
                            from_start: at + i == 0 && shown(Gap::Start).is_some_and(|(start, _)| start == value),
                            grows: false,
                            theirs,
                        });
                    }
                    if let Some(mark) = &mut open {
                        mark.to = at + i + step;
                        let behind = shown(Gap::After(first.plus(i + step - 1)));
                        mark.grows = behind.is_some_and(|(behind, _)| *behind == *mark.value);
                    }
                }
                at += len;
            }
            marks.extend(open);
        }
        self.count(bytes);
        Content::Text { runs, units, marks }
    }

    /// Shown nodes before what hangs below them; then ghosts, with what is hidden below them.
    fn tree(&mut self, container: u32, tree: &Tree) -> Vec<CopiedNode> {
        let reading = tree.read(&self.document.agents);
        let mut nodes: Vec<CopiedNode> = Vec::new();
        let mut open: Vec<(Dot, Option<u32>)> = Vec::new();
        // A named node may be hidden below one that nobody names.
        let mut passed: BTreeSet<Dot> = BTreeSet::new();
        for named in self.named.all(container) {
            let way = reading.upwards(named).take_while(|&(node, _)| passed.insert(node));
            let ghost = way.last().map_or(named, |(_, place)| place.parent);
            if ghost.is_some() && tree.removed().contains(ghost) && passed.insert(ghost) && self.count(64) {
                nodes.push(CopiedNode {
                    node: ghost,
                    parent: None,
                    index: Rc::from("a0"),
                    edge: Dot::NONE,
                    data: None,
                    is_ghost: true,
                });
                let below = reading.children(ghost).into_iter();
                let number = nodes.len() as u32 - 1;
                open.extend(below.map(|node| (node, Some(number))));
            }
        }
        open.extend(reading.children(Dot::NONE).into_iter().map(|node| (node, None)));
        while let Some((node, parent)) = open.pop() {
            let (Some(place), Some(state)) = (reading.place(node), tree.node(node)) else {
                continue;
            };
            if !self.count(64 + place.index.len()) {
                break;
            }
            let data = self.data(container, node);
            let number = nodes.len() as u32;
            nodes.push(CopiedNode {
                node,
                parent,
                index: place.index.clone(),
                edge: if reading.is_mended(node) {
                    Dot::NONE
                } else {
                    state.top().dot
                },
                data,
                is_ghost: false,
            });
            let below = reading.children(node).into_iter();
            open.extend(below.map(|node| (node, Some(number))));
        }
        nodes
    }
}
