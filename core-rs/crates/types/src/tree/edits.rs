//! What a tree's owner does with it, by index among the siblings that it shows.

use super::reading::{Place, Reading};
use super::{Edge, Tree};
use crate::container::{Key, Kind};
use crate::document::Document;
use crate::error::Error;
use crate::fractional_index::{fractional_index, FractionalIndexError};
use crate::outbox::Who;
use crate::sequence::Removal;
use crate::undo::PlaceNote;
use joinery_history::{Agents, Dot, Stamp};
use std::rc::Rc;

/// How many bits of jitter an index gets: of so many the caller has to draw them. Two who put something at one place at once then
/// take the same index once in 65,536 times.
pub const TREE_JITTER_BITS: u32 = 16;

/// As an index: behind the last child.
pub const LAST_CHILD: u32 = u32::MAX;

/// Indices for a node and for siblings that have to make room.
struct Room {
    index: Rc<str>,
    others: Vec<(Dot, Rc<str>)>,
}

impl Document {
    /// A new node below `parent` ([`Dot::NONE`]: at the top), before the child that is the `index`-th now ([`LAST_CHILD`]: behind
    /// all). The lowest
    /// [`TREE_JITTER_BITS`] bits of `jitter` are random.
    pub fn tree_create(&mut self, tree: u32, parent: Dot, index: u32, jitter: u32, now_ms: u64) -> Result<Dot, Error> {
        let agents = &self.agents;
        let reading = self.containers.tree_mut(tree)?.settle(agents);
        check_shown(reading, parent)?;
        let index = index_of(reading, parent, index, None);
        let Room { index, others } = room(reading, agents, parent, (index, None), jitter)?;
        self.change_nodes(tree, &hung(parent, others, (Dot::NONE, index)), now_ms)
    }

    /// Hangs a node below `parent`, before the child that is the `index`-th there without it ([`LAST_CHILD`]: behind all), and nothing
    /// else moves. False, and nothing is written, where it hangs there already. A node that is hidden below a deleted one is shown
    /// again by that.
    pub fn tree_move(
        &mut self,
        tree: u32,
        node: Dot,
        parent: Dot,
        index: u32,
        jitter: u32,
        now_ms: u64,
    ) -> Result<bool, Error> {
        let agents = &self.agents;
        let reading = self.containers.tree_mut(tree)?.settle(agents);
        let place = reading.place(node).ok_or(Error::NoSuchNode)?;
        check_shown(reading, parent)?;
        if reading.is_below(parent, node) {
            return Err(Error::MoveIntoItself);
        }
        let index = index_of(reading, parent, index, Some(node));
        let Room { index: to, others } = room(reading, agents, parent, (index, Some(node)), jitter)?;
        if place.parent == parent && !reading.is_mended(node) && stands_at(reading, agents, node, index) {
            return Ok(false);
        }
        self.change_nodes(tree, &hung(parent, others, (node, to)), now_ms)?;
        Ok(true)
    }

    /// Deletes a node, for good; what is shown below it is hidden, and nothing else moves. False, and nothing is written, where it
    /// was deleted before.
    pub fn tree_delete(&mut self, tree: u32, node: Dot, now_ms: u64) -> Result<bool, Error> {
        let state = self.containers.tree(tree)?;
        if !state.knows(node) {
            return Err(Error::NoSuchNode);
        }
        if state.node(node).is_none() {
            return Ok(false);
        }
        self.change_nodes(tree, &[(node, None)], now_ms)?;
        Ok(true)
    }

    /// The nodes below one, or at the top ([`Dot::NONE`]), in their order. Of a node that isn't shown: none.
    pub fn tree_children(&mut self, tree: u32, parent: Dot) -> Result<Vec<Dot>, Error> {
        let reading = self.settled(tree)?;
        if !reading.is_shown(parent) {
            return Ok(Vec::new());
        }
        Ok(reading.children(parent))
    }

    /// The node above one ([`Dot::NONE`]: it is at the top); none where it isn't shown.
    pub fn tree_parent(&mut self, tree: u32, node: Dot) -> Result<Option<Dot>, Error> {
        let reading = self.settled(tree)?;
        Ok(reading
            .place(node)
            .filter(|_| reading.is_shown(node))
            .map(|place| place.parent))
    }

    /// The map of a tree's node, or of a graph's node or edge, that wasn't deleted.
    pub fn node_data(&mut self, container: u32, node: Dot) -> Result<u32, Error> {
        if !self.containers.live(container)?.body.kind().has_nodes() {
            return Err(Error::WrongType {
                expected: "tree or graph",
                found: self.container(container).body.kind().name(),
            });
        }
        if !self.containers.has_element(container, node) {
            return Err(Error::NoSuchNode);
        }
        self.check_depth(container)?;
        let key = Key::Element(node);
        Ok(self.containers.find_or_create(container, &key, Kind::Map, Dot::NONE))
    }

    /// Deletes a node or an edge of a tree or a graph, if it is there.
    pub(crate) fn delete_node(&mut self, container: u32, node: Dot) -> Result<bool, Error> {
        if !self.containers.has_element(container, node) {
            return Ok(false);
        }
        self.delete_node_again(container, node).map(|()| true)
    }

    /// Deletes a node or an edge, whether or not it is deleted already.
    pub(crate) fn delete_node_again(&mut self, container: u32, node: Dot) -> Result<(), Error> {
        self.next_dot(1)?;
        if self.undo.is_on() {
            self.undo_cut_node(container, node);
        }
        self.write_deletion(container, node)
    }

    /// What is there to take it back was noted.
    pub(super) fn write_deletion(&mut self, container: u32, node: Dot) -> Result<(), Error> {
        let dot = self.next_dot(1)?;
        self.book(container, dot, 1, 0);
        self.remove_units(container, node, 1, Removal { dot, step: 0 });
        let who = Who {
            own: dot.agent,
            agents: &self.agents,
        };
        self.outbox.delete_node(who, dot, node);
        Ok(())
    }

    /// Writes an edge: of a new node where none is given. The node's id.
    pub(crate) fn put_node(
        &mut self,
        tree: u32,
        node: Option<Dot>,
        parent: Dot,
        index: &Rc<str>,
        stamp: Stamp,
    ) -> Result<Dot, Error> {
        self.next_dot(1)?;
        self.containers.tree(tree)?;
        let note = node.filter(|_| self.undo.is_on());
        let note = note.and_then(|node| self.undo_hanging(tree, node));
        let place = Place {
            parent,
            index: index.clone(),
        };
        self.write_edge(tree, node, &place, stamp, note)
    }

    /// The same where it was noted where the node hung; without a note its move is not taken down.
    pub(super) fn write_edge(
        &mut self,
        tree: u32,
        node: Option<Dot>,
        place: &Place,
        stamp: Stamp,
        note: Option<PlaceNote>,
    ) -> Result<Dot, Error> {
        let dot = self.next_dot(1)?;
        let Place { parent, index } = place;
        self.book(tree, dot, 1, index.len());
        let edge = Edge {
            parent: *parent,
            index: index.clone(),
            stamp,
            dot,
        };
        let hung = node.unwrap_or(dot);
        self.containers.tree_mut(tree)?.join(&self.agents, hung, edge);
        let who = Who {
            own: dot.agent,
            agents: &self.agents,
        };
        self.outbox.hang_node(who, (dot, stamp), node, *parent, index);
        if self.undo.is_on() && (node.is_none() || note.is_some()) {
            self.undo_hung(tree, hung, dot, note);
        }
        Ok(hung)
    }

    #[inline(never)]
    fn settled(&mut self, tree: u32) -> Result<&Reading, Error> {
        Ok(self.containers.tree_mut(tree)?.settle(&self.agents))
    }

    /// Stamps for so many writes; none is used up where there aren't as many, or no dots.
    #[inline(never)]
    pub(super) fn stamps_for(&mut self, count: usize, now_ms: u64) -> Result<Vec<Stamp>, Error> {
        self.next_dot(count)?;
        let mut clock = self.clock.clone();
        let stamps: Result<Vec<Stamp>, _> = (0..count).map(|_| clock.tick(now_ms)).collect();
        let stamps = stamps.map_err(|_| Error::LimitExceeded("no stamp is left above the highest one seen"))?;
        self.clock = clock;
        stamps.iter().for_each(|&stamp| self.stamps.tick(stamp));
        Ok(stamps)
    }
}

/// Siblings with new indices, and a node, as a change.
fn hung(parent: Dot, others: Vec<(Dot, Rc<str>)>, node: (Dot, Rc<str>)) -> Vec<(Dot, Option<Place>)> {
    let all = others.into_iter().chain([node]);
    all.map(|(node, index)| (node, Some(Place { parent, index }))).collect()
}

fn check_shown(reading: &Reading, node: Dot) -> Result<(), Error> {
    if reading.is_shown(node) {
        Ok(())
    } else {
        Err(Error::NoSuchNode)
    }
}

/// Is a node the `index`-th of its siblings?
fn stands_at(reading: &Reading, agents: &Agents, node: Dot, index: u32) -> bool {
    let Some(place) = reading.place(node) else { return false };
    let sibling = (place.index.clone(), agents.id(node.agent), node);
    let wanted = index.checked_sub(1);
    let wanted = wanted.and_then(|before| reading.nth(agents, place.parent, before as usize, Some(node)));
    reading.before(place.parent, &sibling) == wanted
}

/// How many children there are, a node not counted.
fn count_without(reading: &Reading, parent: Dot, node: Option<Dot>) -> u32 {
    let is_here = node.is_some_and(|node| reading.place(node).is_some_and(|place| place.parent == parent));
    (reading.count(parent) - usize::from(is_here)) as u32
}

fn index_of(reading: &Reading, parent: Dot, index: u32, node: Option<Dot>) -> u32 {
    if index == LAST_CHILD {
        count_without(reading, parent, node)
    } else {
        index
    }
}

/// Finds the index with which a node becomes the `index`-th child, itself not counted; where there is none between its neighbours,
/// what follows makes room.
#[inline(never)]
fn room(
    reading: &Reading,
    agents: &Agents,
    parent: Dot,
    (index, node): (u32, Option<Dot>),
    jitter: u32,
) -> Result<Room, Error> {
    let len = count_without(reading, parent, node);
    if index > len {
        return Err(Error::IndexOutOfRange { index, len });
    }
    let low = index.checked_sub(1);
    let low = low.and_then(|before| reading.nth(agents, parent, before as usize, node));
    let mut high = None;
    // Those that stand behind the lower neighbour by their ids alone.
    let mut alike: Vec<Dot> = Vec::new();
    match low {
        None => high = reading.nth(agents, parent, 0, node),
        Some(low) => {
            for next in reading.behind(parent, low).into_iter().flatten() {
                if Some(next.2) == node {
                    continue;
                }
                if next.0 != low.0 {
                    high = Some(next);
                    break;
                }
                alike.push(next.2);
            }
        }
    }
    let (low, high) = (low.map(|low| &*low.0), high.map(|high| &*high.0));
    let index_here = || -> Result<Room, FractionalIndexError> {
        let index = fractional_index(low, high, jitter, TREE_JITTER_BITS)?;
        let others = spread(Some(&index), high, alike.len())?;
        Ok(Room {
            index: index.into(),
            others: alike.iter().copied().zip(others).collect(),
        })
    };
    match index_here() {
        Ok(room) => Ok(room),
        Err(FractionalIndexError::Exhausted) => all_anew(reading, parent, index, node),
        Err(error) => Err(Error::NoFractionalIndex(error)),
    }
}

/// Short indices for all children.
fn all_anew(reading: &Reading, parent: Dot, index: u32, node: Option<Dot>) -> Result<Room, Error> {
    let mut others = reading.children(parent);
    others.retain(|&sibling| Some(sibling) != node);
    let mut indices = spread(None, None, others.len() + 1).map_err(Error::NoFractionalIndex)?;
    let own = indices.remove(index as usize);
    Ok(Room {
        index: own,
        others: others.into_iter().zip(indices).collect(),
    })
}

/// So many indices between two, ascending, as short as halving makes them.
#[inline(never)]
fn spread(low: Option<&str>, high: Option<&str>, count: usize) -> Result<Vec<Rc<str>>, FractionalIndexError> {
    let mut indices: Vec<Rc<str>> = vec![Rc::from(""); count];
    let mut open = vec![(0, count)];
    while let Some((from, to)) = open.pop() {
        if from == to {
            continue;
        }
        let middle = from + (to - from) / 2;
        let below = if from == 0 { low } else { Some(&*indices[from - 1]) };
        let above = if to == count { high } else { Some(&*indices[to]) };
        indices[middle] = fractional_index(below, above, 0, 0)?.into();
        open.extend([(from, middle), (middle + 1, to)]);
    }
    Ok(indices)
}

/// Kept beside the state: a tree says of itself which nodes are there.
impl Tree {
    /// How many of the ids from `first` on are nodes of this tree, deleted or not.
    pub fn stretch(&self, first: Dot, len: u32) -> u32 {
        (0..len).find(|&i| !self.knows(first.plus(i))).unwrap_or(len)
    }
}
