//! The containers of one document: an arena in which each has a number for good, found by (parent, key, kind, generation).
//! The root is a map with the number 0.

use crate::counter::Counter;
use crate::created::{AtSlot, Created};
use crate::cut::{self, OfNodes, OfPatches, OfText};
use crate::graph::Graph;
use crate::list::List;
use crate::map::Map;
use crate::patches::{Before, Recorded, Recording};
use crate::set::Set;
use crate::slot::{Slot, SlotValue};
use crate::tags;
use crate::text::Text;
use crate::tree::Tree;
use crate::Error;
use joinery_codec::{DecodeError, Reader};
use joinery_history::{Agents, Dot};
use joinery_tables::OrderedSet;
use std::rc::Rc;

/// The root map's number.
pub const ROOT: u32 = 0;

/// What a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// [`Map`]
    Map = 0,
    /// [`List`]
    List = 1,
    /// [`Text`]
    Text = 2,
    /// [`Counter`]
    Counter = 3,
    /// [`Set`]
    Set = 4,
    /// [`Tree`]
    Tree = 5,
    /// [`Graph`]
    Graph = 6,
}

impl Kind {
    /// The kind behind a number, if there is such a one and the build has it.
    pub fn from_number(number: u8) -> Option<Kind> {
        Some(match number {
            0 => Kind::Map,
            1 => Kind::List,
            2 if cut::TEXT => Kind::Text,
            3 => Kind::Counter,
            4 => Kind::Set,
            5 if cut::NODES => Kind::Tree,
            6 if cut::NODES => Kind::Graph,
            _ => return None,
        })
    }

    /// The kind behind a number in bytes, of which `reader` has read so far.
    pub(crate) fn read(number: u8, reader: &Reader<'_>) -> Result<Kind, DecodeError> {
        Kind::from_number(number).ok_or_else(|| match number <= Kind::Graph as u8 {
            true => DecodeError::left_out(reader.offset(), "a kind of container"),
            false => reader.error("a kind of container", "an unknown one"),
        })
    }

    /// The kind's name in messages.
    pub fn name(self) -> &'static str {
        ["map", "list", "text", "counter", "set", "tree", "graph"][self as usize]
    }

    /// Does it have nodes, in each of which a map may hang?
    pub fn has_nodes(self) -> bool {
        cut::NODES && matches!(self, Kind::Tree | Kind::Graph)
    }
}

/// Where a container hangs in its parent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// At a map's key.
    Name(Rc<str>),
    /// In the list element, or at the node or edge, with this id.
    Element(Dot),
}

/// The same, for as long as it is borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyRef<'a> {
    /// At a map's key.
    Name(&'a str),
    /// In the list element, or at the node or edge, with this id.
    Element(Dot),
}

/// What is a key: one to keep, or one that is only looked up and needs no allocation for that.
pub trait Keyed {
    /// To look it up.
    fn key(&self) -> KeyRef<'_>;
    /// To keep it.
    fn to_key(&self) -> Key;
}

impl Keyed for Key {
    fn key(&self) -> KeyRef<'_> {
        match self {
            Key::Name(name) => KeyRef::Name(name),
            Key::Element(element) => KeyRef::Element(*element),
        }
    }

    fn to_key(&self) -> Key {
        self.clone()
    }
}

impl Keyed for KeyRef<'_> {
    fn key(&self) -> KeyRef<'_> {
        *self
    }

    fn to_key(&self) -> Key {
        match self {
            KeyRef::Name(name) => Key::Name(Rc::from(*name)),
            KeyRef::Element(element) => Key::Element(*element),
        }
    }
}

/// A container's state by kind.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Body {
    Map(Map),
    List(List),
    Text(OfText<Text>),
    Counter(Counter),
    Set(Set),
    Tree(OfNodes<Tree>),
    Graph(OfNodes<Graph>),
}

impl Body {
    fn new(kind: Kind) -> Body {
        let body = match kind {
            Kind::Map => None,
            Kind::List => Some(Body::List(List::default())),
            Kind::Text => cut::text(Text::default).map(Body::Text),
            Kind::Counter => Some(Body::Counter(Counter::default())),
            Kind::Set => Some(Body::Set(Set::default())),
            Kind::Tree => cut::nodes(Tree::default).map(Body::Tree),
            Kind::Graph => cut::nodes(Graph::default).map(Body::Graph),
        };
        // Of a kind that the build leaves out none is ever made.
        body.unwrap_or_else(|| Body::Map(Map::default()))
    }

    /// The body's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Body::Map(_) => Kind::Map,
            Body::List(_) => Kind::List,
            Body::Text(_) => Kind::Text,
            Body::Counter(_) => Kind::Counter,
            Body::Set(_) => Kind::Set,
            Body::Tree(_) => Kind::Tree,
            Body::Graph(_) => Kind::Graph,
        }
    }
}

/// One container.
#[derive(Debug, Clone)]
pub struct Container {
    /// The container it hangs in (the root hangs in itself).
    pub parent: u32,
    /// Where in it.
    pub key: Key,
    /// The dot of the write that its creator found at the key, or none: two who create `body` offline create the same.
    pub generation: Dot,
    /// The write that ended it, for good; [`Dot::NONE`] while it lives.
    pub ended: Dot,
    /// True once it or something above it was ended or deleted: its content is let go.
    pub gone: bool,
    /// Its state.
    pub body: Body,
    /// Grows whenever its own state changes, so that readers can keep what they read.
    pub revision: u32,
    /// The [`Containers::date`] of the last such change: none of the operations that came later has made anything in it what it is.
    pub changed: u64,
    children: Vec<u32>,
    /// True once the element it hangs in was deleted: not even its end is worth telling any more.
    unreachable: bool,
    /// What its tag is taken from.
    pub(crate) hash: u32,
}

impl Container {
    /// What tells it from others at the same slot.
    pub fn id(&self) -> (Kind, Dot) {
        (self.body.kind(), self.generation)
    }
}

/// All containers of a document.
#[derive(Debug, Clone)]
pub struct Containers {
    arena: Vec<Container>,
    /// The texts, by their hashes.
    pub(crate) texts: OrderedSet<(u32, u32)>,
    created: Created,
    structure: u32,
    /// See [`Containers::date`].
    time: u64,
    /// What is noted of changes, while somebody wants to hear of them.
    pub(crate) recording: Option<OfPatches<Box<Recording>>>,
}

impl Default for Containers {
    fn default() -> Self {
        let root = Container {
            parent: ROOT,
            key: Key::Element(Dot::NONE),
            generation: Dot::NONE,
            ended: Dot::NONE,
            gone: false,
            body: Body::new(Kind::Map),
            revision: 0,
            changed: 0,
            children: Vec::new(),
            unreachable: false,
            hash: 0,
        };
        Containers {
            arena: vec![root],
            texts: OrderedSet::new(),
            created: Created::default(),
            structure: 0,
            time: 0,
            recording: None,
        }
    }
}

macro_rules! typed {
    ($(#[$attribute:meta])? $get:ident, $get_mut:ident, $variant:ident, $body:ty $(, $dated:ident)?) => {
        /// The state of a container of this kind.
        $(#[$attribute])?
        pub fn $get(&self, container: u32) -> Result<&$body, Error> {
            match &self.live(container)?.body {
                Body::$variant(body) => Ok(body),
                other => Err(Error::WrongType {
                    expected: Kind::$variant.name(),
                    found: other.kind().name(),
                }),
            }
        }
        /// The state of a container of this kind, to change.
        $(#[$attribute])?
        pub fn $get_mut(&mut self, container: u32) -> Result<&mut $body, Error> {
            let number = container;
            let container = self
                .arena
                .get_mut(container as usize)
                .ok_or(Error::ContainerGone)?;
            if container.gone {
                return Err(Error::ContainerGone);
            }
            match &mut container.body {
                Body::$variant(body) => {
                    $(body.$dated.date(self.time);)?
                    if let Some(recording) = &mut self.recording {
                        body.record(number, recording);
                    }
                    Ok(body)
                }
                other => Err(Error::WrongType {
                    expected: Kind::$variant.name(),
                    found: other.kind().name(),
                }),
            }
        }
    };
}

// Of a part that is left out these always fail, and who calls them has to see it.
impl Containers {
    typed!(map, map_mut, Map, Map);
    typed!(list, list_mut, List, List, sequence);
    typed!(
        #[cfg_attr(not(feature = "text"), inline(always))]
        text,
        text_mut,
        Text,
        Text,
        sequence
    );
    typed!(counter, counter_mut, Counter, Counter);
    typed!(set, set_mut, Set, Set);
    typed!(
        #[cfg_attr(not(feature = "nodes"), inline(always))]
        tree,
        tree_mut,
        Tree,
        Tree
    );
    typed!(
        #[cfg_attr(not(feature = "nodes"), inline(always))]
        graph,
        graph_mut,
        Graph,
        Graph
    );

    /// A container's state, to change what is noted beside it; none where it is gone.
    pub(crate) fn body_mut(&mut self, container: u32) -> Option<&mut Body> {
        let container = self.arena.get_mut(container as usize);
        container
            .filter(|container| !container.gone)
            .map(|container| &mut container.body)
    }

    /// How many there ever were.
    pub fn len(&self) -> u32 {
        self.arena.len() as u32
    }

    /// A container by number.
    pub fn get(&self, container: u32) -> &Container {
        &self.arena[container as usize]
    }

    /// The containers on the way to one, the outermost first: the root isn't among them.
    pub fn way_to(&self, container: u32) -> Vec<&Container> {
        let mut way = Vec::new();
        let mut at = container;
        while at != ROOT {
            let container = self.get(at);
            way.push(container);
            at = container.parent;
        }
        way.reverse();
        way
    }

    /// A container whose content is still kept.
    pub fn live(&self, container: u32) -> Result<&Container, Error> {
        self.arena
            .get(container as usize)
            .filter(|container| !container.gone)
            .ok_or(Error::ContainerGone)
    }

    /// Is this an element, a node or an edge of the container that wasn't deleted?
    #[inline(never)]
    pub fn has_element(&self, container: u32, element: Dot) -> bool {
        match &self.get(container).body {
            Body::List(list) => list.slot_of(element).is_some(),
            Body::Tree(tree) => tree.node(element).is_some(),
            Body::Graph(graph) => graph.lives(element),
            _ => false,
        }
    }

    /// Is this an element, a node or an edge of the container that was deleted?
    #[inline(never)]
    pub fn is_deleted(&self, container: u32, element: Dot) -> bool {
        match &self.get(container).body {
            Body::List(list) => list.sequence.contains(element) && list.slot_of(element).is_none(),
            Body::Tree(tree) => tree.removed().contains(element),
            Body::Graph(graph) => graph.removed().contains(element),
            _ => false,
        }
    }

    /// The containers that hang in this one, ended ones included.
    pub fn children(&self, container: u32) -> impl Iterator<Item = u32> + '_ {
        self.get(container).children.iter().copied().filter(|&child| {
            let child = self.get(child);
            !child.unreachable && (!child.gone || child.ended.is_some())
        })
    }

    /// Sets the time: how many operations the replica knows once what comes next is done. What changes then is marked with it, so
    /// that who exports what is newer passes over the rest.
    #[inline]
    pub fn date(&mut self, time: u64) {
        self.time = time;
    }

    /// The time.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Notes that a container's state changed.
    pub fn touch(&mut self, container: u32) {
        let container = &mut self.arena[container as usize];
        container.revision = container.revision.wrapping_add(1);
        container.changed = self.time;
    }

    /// Changes whenever a container has come or gone, or another one may be seen somewhere.
    pub fn structure(&self) -> u32 {
        self.structure
    }

    /// Notes that a slot that shows a container, or did, was written.
    pub(crate) fn reshaped(&mut self) {
        self.structure = self.structure.wrapping_add(1);
    }

    /// Every container that was created at a slot and not ended.
    pub fn open_at(&self, parent: u32, key: &dyn Keyed) -> Vec<u32> {
        match self.at_slot(parent, key) {
            None => Vec::new(),
            Some(AtSlot::One(one)) if self.get(*one).ended.is_some() => Vec::new(),
            Some(AtSlot::One(one)) => vec![*one],
            Some(AtSlot::Many { all, open }) => open.iter().filter_map(|id| all.get(id).copied()).collect(),
        }
    }

    fn at_slot(&self, parent: u32, key: &dyn Keyed) -> Option<&AtSlot> {
        // Most maps hold values alone.
        let above = self.arena.get(parent as usize)?;
        if above.children.is_empty() {
            return None;
        }
        self.created.get(parent, key.key())
    }

    /// The container with this id.
    pub fn find(&self, parent: u32, key: &dyn Keyed, kind: Kind, generation: Dot) -> Option<u32> {
        if let (KeyRef::Name(name), Body::Map(map)) = (key.key(), &self.arena.get(parent as usize)?.body) {
            // Nearly always the one that is seen, which the map finds sooner.
            match map.slot(name).map(|slot| &slot.value) {
                Some(&SlotValue::Child(seen)) if self.get(seen).id() == (kind, generation) => return Some(seen),
                _ => {}
            }
        }
        match self.at_slot(parent, key)? {
            AtSlot::One(one) => (self.get(*one).id() == (kind, generation)).then_some(*one),
            AtSlot::Many { all, .. } => all.get(&(kind, generation)).copied(),
        }
    }

    /// The same, if it isn't gone. The map of a node or an edge needs no write to be there: it is made here, where it is named.
    pub fn named(&mut self, parent: u32, key: &Key, kind: Kind, generation: Dot) -> Option<u32> {
        let above = self.live(parent).ok()?.body.kind();
        let is_data = above.has_nodes() && kind == Kind::Map && !generation.is_some();
        match key {
            Key::Element(id) if is_data && self.has_element(parent, *id) => {
                Some(self.find_or_create(parent, key, kind, generation))
            }
            _ => self
                .find(parent, key, kind, generation)
                .filter(|&found| self.live(found).is_ok()),
        }
    }

    /// The container with this id, made now if there is none.
    pub fn find_or_create(&mut self, parent: u32, key: &dyn Keyed, kind: Kind, generation: Dot) -> u32 {
        if let Some(found) = self.find(parent, key, kind, generation) {
            return found;
        }
        let number = self.len();
        self.reshaped();
        let key = key.to_key();
        let above = self.get(parent);
        let gone = above.gone;
        let hash = tags::hash_of(above, &key, kind, generation);
        if cut::TEXT && kind == Kind::Text {
            self.texts.insert((hash, number));
        }
        self.arena.push(Container {
            parent,
            key: key.clone(),
            generation,
            ended: Dot::NONE,
            gone,
            body: Body::new(kind),
            revision: 0,
            changed: 0,
            children: Vec::new(),
            unreachable: false,
            hash,
        });
        self.arena[parent as usize].children.push(number);
        let Containers { arena, created, .. } = self;
        match created.get_mut(parent, key.key()) {
            None => created.insert(parent, key, AtSlot::One(number)),
            Some(at_slot) => at_slot.add(arena, (kind, generation), number),
        }
        number
    }

    /// Puts a state that was built elsewhere into a container that was empty.
    pub fn set_body(&mut self, container: u32, body: Body) {
        self.arena[container as usize].body = body;
        if let Ok(text) = self.text_mut(container) {
            text.sequence.touch_all();
        } else if let Ok(list) = self.list_mut(container) {
            list.sequence.touch_all();
        }
        if self.recording.is_some() {
            self.record_filled(container);
        }
    }

    /// Notes that all of a sequence is new.
    #[inline(never)]
    fn record_filled(&mut self, container: u32) {
        if let Ok(text) = self.text_mut(container) {
            text.sequence.record_filled(false);
        } else if let Ok(list) = self.list_mut(container) {
            list.sequence.record_filled(true);
        }
    }

    /// Notes what is seen in a slot of a map or a list, before that changes. A deleted element has none.
    #[inline(never)]
    pub(crate) fn record_slot(&mut self, container: u32, key: &Key) {
        let Containers { arena, recording, .. } = self;
        let (Some(recording), Some(parent)) = (recording, arena.get(container as usize)) else {
            return;
        };
        let seen = |slot: Option<&Slot>| match slot.map(|slot| &slot.value) {
            Some(SlotValue::Plain(bytes)) => Before::Plain((**bytes).into()),
            Some(&SlotValue::Child(child)) if !arena[child as usize].gone => Before::Child(child),
            _ => Before::Nothing,
        };
        match (&parent.body, key) {
            _ if parent.gone => {}
            (Body::Map(map), Key::Name(name)) => recording.note_slot(container, key, &|| Some(seen(map.slot(name)))),
            (Body::List(list), &Key::Element(element)) => {
                recording.note_slot(container, key, &|| Some(seen(Some(list.slot_of(element)?))));
            }
            _ => {}
        }
    }

    /// Ends a container for good; ended twice, the lower dot stays.
    pub fn end(&mut self, agents: &Agents, container: u32, by: Dot) {
        if self.recording.is_some() {
            let Container { parent, key, .. } = self.get(container);
            let (parent, key) = (*parent, key.clone());
            self.record_slot(parent, &key);
        }
        let ended = &mut self.arena[container as usize].ended;
        let rank = |dot: Dot| (agents.id(dot.agent), dot.seq);
        if !ended.is_some() || rank(by) < rank(*ended) {
            *ended = by;
        }
        let Containers { arena, created, .. } = self;
        let ended = &arena[container as usize];
        if let Some(AtSlot::Many { open, .. }) = created.get_mut(ended.parent, ended.key.key()) {
            open.remove(&ended.id());
        }
        self.let_go(container);
    }

    /// Elements were deleted, `len` ids from `first` on: nothing that hangs in them can be reached again.
    pub fn elements_deleted(&mut self, list: u32, first: Dot, len: u32) {
        let children = &self.get(list).children;
        // A range may name four billion ids; there are never more containers than bytes that came in.
        let elements: Vec<Dot> = if children.len() < len as usize {
            let within = |element: &Dot| {
                element.agent == first.agent && element.seq >= first.seq && element.seq - first.seq < len
            };
            let elements = children.iter().filter_map(|&child| match self.get(child).key {
                Key::Element(element) => Some(element),
                Key::Name(_) => None,
            });
            elements.filter(within).collect()
        } else {
            (0..len).map(|i| first.plus(i)).collect()
        };
        for element in elements {
            let Some(at_slot) = self.created.remove(list, KeyRef::Element(element)) else {
                continue;
            };
            for container in at_slot.iter() {
                self.arena[container as usize].unreachable = true;
                self.let_go(container);
            }
        }
    }

    /// Lets go of the content of a container and of all below it.
    fn let_go(&mut self, container: u32) {
        self.reshaped();
        let mut open = vec![container];
        while let Some(at) = open.pop() {
            let container = &mut self.arena[at as usize];
            if container.gone {
                continue;
            }
            container.gone = true;
            container.revision = container.revision.wrapping_add(1);
            container.body = Body::new(container.body.kind());
            for child in std::mem::take(&mut container.children) {
                self.created.remove(at, self.arena[child as usize].key.key());
                open.push(child);
            }
        }
    }
}
