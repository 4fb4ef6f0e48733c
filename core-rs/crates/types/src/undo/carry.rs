//! Taking a stack along when its replica is replaced by another one into which its own operations were replayed: after a refusal, a
//! wrong clock, or in another epoch. Names go through the replay; an edit whose names are not found again goes from its step, and a
//! step without edits goes from the stack.
//!
//! A trim gives everything to its own agent. What it has named is this author's if all that it names so was: an element with another's
//! value, a node that another has moved and a set's value that another has added too stay as they are. So do a counter's container,
//! what an earlier replay had made in an epoch between, and what goes back to a place that the trim has forgotten.

use super::copy::{Content, Copied};
use super::rename::Table;
use super::step::{Cut, Edit, Entry, Seat, Step, THEIRS};
use super::{Stack, Undo, UndoScope};
use crate::container::{Key, ROOT};
use crate::document::Document;
use crate::error::Error;
use crate::replay::Replay;
use crate::sequence::{Gap, Sequence};
use joinery_history::Dot;
use std::collections::HashMap;

/// Numbers of containers that are not found again go downwards from here.
const LOST: u32 = u32::MAX - (1 << 24);
/// How many units to the left a place is looked for whose own unit is not there any more.
const WALK: usize = 4096;

struct Carry<'a> {
    replay: &'a Replay,
    from: &'a Document,
    into: &'a mut Document,
    containers: HashMap<u32, u32>,
}

impl Document {
    /// Takes a stack of `from` along into this replica, which `replay` has brought the operations of `from` into; its number here.
    pub fn undo_carry(&mut self, replay: &Replay, from: &Document, stack: u32) -> Result<u32, Error> {
        let old = from.undo.stack(stack)?;
        let mut carry = Carry {
            replay,
            from,
            into: self,
            containers: HashMap::from([(ROOT, ROOT)]),
        };
        let scopes = old.scopes.iter().map(|scope| UndoScope {
            container: carry.container(scope.container),
            keys: scope.keys.clone(),
        });
        let mut new = Stack {
            scopes: scopes.collect(),
            ..Stack::default()
        };
        let undo = old.undo.iter().chain(super::open_step(old));
        new.undo = undo.filter_map(|step| carry.step(step)).collect();
        new.redo = old.redo.iter().filter_map(|step| carry.step(step)).collect();
        new.bytes = new.steps_mut().map(|step| step.weight).sum();
        // What a trim has given another agent is told by the trim's names.
        let is_here = replay.trims().is_empty();
        let [named, brought] = [&from.undo.named, &from.undo.brought].map(|whose| carry.known(whose));
        let [mut told, again, own] = match is_here {
            true => [Table::default(), Table::default(), named],
            false => trimmed_of(replay, from, self),
        };
        let number = self.undo.add(new)?;
        for &agent in &from.undo.mine {
            let here = self.agents.find(from.agents.id(agent));
            here.into_iter().for_each(|agent| self.undo.add_mine(agent));
        }
        let undo: &mut Undo = &mut self.undo;
        let mine = &undo.mine;
        let brought = brought.stretches();
        undo.brought
            .note_all(brought.filter(|(first, _)| is_here || mine.contains(&first.agent)));
        for (names, whose) in [(again, &mut undo.brought), (own, &mut undo.named)] {
            for (first, len) in names.stretches() {
                whose.note_all(told.missing(first, len));
                told.note(first, len);
            }
        }
        Ok(number)
    }
}

/// What trims have named: of others, of what the author had brought back of theirs, and of himself. Some is in more than one.
fn trimmed_of(replay: &Replay, from: &Document, into: &Document) -> [Table; 3] {
    let mut names: [Table; 3] = Default::default();
    for (old, len, said) in replay.trimmed_names() {
        let Some(agent) = into.agents.find(said.name.0) else {
            continue;
        };
        let old = Dot {
            agent: from.agents.find(old.0).unwrap_or(THEIRS.agent),
            seq: old.1,
        };
        let is_own = from.undo.mine.contains(&old.agent);
        for (at, n, brought) in from.undo.brought.pieces(old, len) {
            for (further, n, named) in from.undo.named.pieces(old.plus(at), n) {
                let which = match brought {
                    Some(_) => 1,
                    None => 2 * usize::from(is_own || named.is_some()),
                };
                let seq = said.skip(at + further).name.1;
                names[which].note(Dot { agent, seq }, n);
            }
        }
    }
    names
}

impl Carry<'_> {
    fn container(&mut self, old: u32) -> u32 {
        let mut way = Vec::new();
        let mut at = old;
        while !self.containers.contains_key(&at) {
            way.push(at);
            match self.from.containers.live(at) {
                Ok(found) => at = found.parent,
                Err(_) => break,
            }
        }
        for old in way.into_iter().rev() {
            let lost = LOST - self.containers.len() as u32;
            let parent = self
                .from
                .containers
                .live(old)
                .ok()
                .map(|found| self.containers[&found.parent]);
            let found = parent.and_then(|parent| self.replay.container_in(self.from, self.into, parent, old));
            self.containers.insert(old, found.unwrap_or(lost));
        }
        self.containers[&old]
    }

    fn dot(&self, old: Dot) -> Option<Dot> {
        if !old.is_some() {
            return Some(old);
        }
        if old.agent >= THEIRS.agent {
            return None;
        }
        self.replay.dot_in(self.from, self.into, old)
    }

    /// Whose it was is known also where it has no name any more.
    fn or_none(&self, old: Dot) -> Dot {
        let lost = if self.from.is_foreign(old) { THEIRS } else { Dot::NONE };
        self.dot(old).unwrap_or(lost)
    }

    /// Does somebody else's write stand where this edit had written? A trim gives both one name.
    fn is_overwritten(&self, container: u32, edit: &Edit) -> bool {
        let containers = &self.from.containers;
        let (stands, mine) = match edit {
            Edit::Wrote { key, mine, .. } => (self.from.slot_at(container, key).map(|slot| slot.dot), mine),
            Edit::Moved { element, mine, .. } => {
                let list = containers.list(container).ok();
                (list.and_then(|list| list.standing(*element)).map(|at| at.unit), mine)
            }
            Edit::Hung { node, mine, .. } => {
                let tree = containers.tree(container).ok();
                (tree.and_then(|tree| tree.node(*node)).map(|node| node.top().dot), mine)
            }
            _ => return false,
        };
        stands.is_some_and(|dot| dot != *mine && self.from.is_foreign(dot))
    }

    fn dots<const N: usize>(&self, old: [Dot; N]) -> Option<[Dot; N]> {
        let mut new = old;
        for dot in &mut new {
            *dot = self.dot(*dot)?;
        }
        Some(new)
    }

    fn key(&self, key: &Key) -> Option<Key> {
        match key {
            Key::Element(element) => self.dot(*element).map(Key::Element),
            name => Some(name.clone()),
        }
    }

    fn gap(&self, gap: Gap) -> Option<Gap> {
        match gap {
            Gap::Before(unit) => self.dot(unit).map(Gap::Before),
            Gap::After(unit) => self.dot(unit).map(Gap::After),
            edge => Some(edge),
        }
    }

    /// The place of a unit: itself, where it is there; else the next one on its left that is.
    fn seat<U: Copy>(&self, sequence: Option<&Sequence<U>>, seat: Seat) -> Option<Seat> {
        let unit = match seat {
            Seat::On(unit) => match self.dot(unit) {
                Some(new) => return Some(Seat::On(new)),
                None => unit,
            },
            Seat::Behind(unit) => match self.dot(unit) {
                Some(new) => return Some(Seat::Behind(new)),
                None => unit,
            },
        };
        let sequence = sequence.filter(|sequence| sequence.contains(unit))?;
        let mut at = unit;
        let mut looked_at = 0;
        while let Some((first, len)) = sequence.before(at) {
            for i in (0..len).rev() {
                if let Some(new) = self.dot(first.plus(i)) {
                    return Some(Seat::Behind(new));
                }
                looked_at += 1;
                if looked_at == WALK {
                    return None;
                }
            }
            at = first;
        }
        Some(Seat::Behind(Dot::NONE))
    }

    fn step(&mut self, step: &Step) -> Option<Step> {
        let entries = step.entries.iter().filter_map(|entry| self.entry(entry));
        let mut step = Step {
            entries: entries.collect(),
            meta: step.meta.clone(),
            weight: 0,
        };
        step.weigh();
        (!step.entries.is_empty()).then_some(step)
    }

    fn ranges(&self, ranges: &[(Dot, u32)]) -> Vec<(Dot, u32)> {
        let mut new: Vec<(Dot, u32)> = Vec::new();
        for unit in ranges
            .iter()
            .flat_map(|&(first, len)| (0..len).map(move |i| first.plus(i)))
        {
            let Some(unit) = self.dot(unit) else { continue };
            match new.last_mut() {
                Some(last) if last.0.agent == unit.agent && last.0.seq + last.1 == unit.seq => last.1 += 1,
                _ => new.push((unit, 1)),
            }
        }
        new
    }

    fn known(&self, known: &Table) -> Table {
        Table::of(self.ranges(&known.stretches().collect::<Vec<_>>()))
    }

    fn cuts(&self, container: u32, cuts: &[Cut]) -> Vec<Cut> {
        let text = self.from.containers.text(container).ok();
        let sequence = text.map(|text| &text.sequence);
        let mut new: Vec<Cut> = Vec::new();
        for cut in cuts {
            for (&unit, i) in cut.units.iter().zip(0..) {
                let old = match cut.seat {
                    Seat::On(first) => Seat::On(first.plus(i)),
                    behind => behind,
                };
                let Some(seat) = self.seat(sequence, old) else { continue };
                let first = self.or_none(cut.first.plus(i));
                let goes_on = new.last_mut().filter(|last| {
                    let n = last.units.len() as u32;
                    match (last.seat, seat) {
                        (Seat::On(a), Seat::On(b)) => {
                            a.plus(n) == b && last.first.is_some() && first.is_some() && last.first.plus(n) == first
                        }
                        (Seat::Behind(a), Seat::Behind(b)) => {
                            a == b && first.agent >= THEIRS.agent && last.first == first
                        }
                        _ => false,
                    }
                });
                match goes_on {
                    Some(last) => last.units.push_back(unit),
                    None => new.push(Cut {
                        first,
                        seat,
                        units: [unit].into(),
                    }),
                }
            }
        }
        new
    }

    fn entry(&mut self, entry: &Entry) -> Option<Entry> {
        if self.is_overwritten(entry.container, &entry.edit) {
            return None;
        }
        let container = self.container(entry.container);
        let edit = match &entry.edit {
            Edit::Inserted(ranges) => Edit::Inserted(Some(self.ranges(ranges)).filter(|ranges| !ranges.is_empty())?),
            Edit::CutText(cuts) => {
                let cuts = self.cuts(entry.container, cuts);
                Edit::CutText(Some(cuts).filter(|cuts| !cuts.is_empty())?)
            }
            Edit::CutElements(cuts, copies) => {
                let list = self.from.containers.list(entry.container).ok();
                let sequence = list.map(|list| &list.sequence);
                let cuts = cuts.iter().filter_map(|cut| {
                    let mut new = cut.clone();
                    new.seat = self.seat(sequence, cut.seat)?;
                    (new.element, new.write) = (self.or_none(cut.element), self.or_none(cut.write));
                    Some(new)
                });
                let cuts: Vec<_> = cuts.collect();
                let cuts = Some(cuts).filter(|cuts| !cuts.is_empty())?;
                Edit::CutElements(cuts, self.copies(copies))
            }
            Edit::Wrote {
                key,
                mine,
                was,
                before,
                copies,
            } => Edit::Wrote {
                key: self.key(key)?,
                mine: self.dot(*mine)?,
                was: self.or_none(*was),
                before: before.clone(),
                copies: self.copies(copies),
            },
            Edit::Moved { element, mine, was } => {
                let [element, mine, was] = self.dots([*element, *mine, *was])?;
                Edit::Moved { element, mine, was }
            }
            Edit::Marked { key, value, pieces } => {
                let pieces = pieces.iter().filter_map(|((start, end), before, theirs)| {
                    Some(((self.gap(*start)?, self.gap(*end)?), before.clone(), *theirs))
                });
                let pieces: Vec<_> = pieces.collect();
                Edit::Marked {
                    key: key.clone(),
                    value: value.clone(),
                    pieces: Some(pieces).filter(|pieces| !pieces.is_empty())?,
                }
            }
            Edit::Hung {
                node,
                mine,
                was,
                parent,
                index,
                hidden,
            } => {
                let [node, mine, parent] = self.dots([*node, *mine, *parent])?;
                Edit::Hung {
                    node,
                    mine,
                    was: self.or_none(*was),
                    parent,
                    index: index.clone(),
                    hidden: hidden.as_ref().map(|known| self.known(known)),
                }
            }
            Edit::Created { id, known } => Edit::Created {
                id: self.dot(*id)?,
                known: self.known(known),
            },
            Edit::CutNode {
                node,
                edge,
                parent,
                index,
                data,
            } => Edit::CutNode {
                node: self.or_none(*node),
                edge: self.or_none(*edge),
                parent: self.dot(*parent)?,
                index: index.clone(),
                data: self.copies(data),
            },
            Edit::CutItem { id, ends, edges, data } => Edit::CutItem {
                id: self.or_none(*id),
                ends: match ends {
                    Some((from, to)) => Some((self.dot(*from)?, self.dot(*to)?)),
                    None => None,
                },
                edges: (edges.iter())
                    .filter_map(|&(edge, from, to)| Some((self.dot(edge)?, self.or_none(from), self.or_none(to))))
                    .collect(),
                data: self.copies(data),
            },
            plain @ (Edit::Counted(_) | Edit::Added(_) | Edit::Taken(..)) => plain.clone(),
        };
        Some(Entry { container, edit })
    }

    /// What a copy names is there for the steps that name it too.
    fn copies(&mut self, copies: &Copied) -> Copied {
        let mut copies = copies.clone();
        for part in &mut copies.parts {
            part.of = self.container(part.of);
            match &mut part.content {
                Content::Map { entries, deleted } => {
                    entries.iter_mut().for_each(|(_, dot, _)| *dot = self.or_none(*dot));
                    deleted.retain_mut(|dot| {
                        *dot = self.or_none(*dot);
                        dot.is_some()
                    });
                }
                Content::List(items) => {
                    for item in items {
                        for dot in [&mut item.element, &mut item.unit, &mut item.write] {
                            *dot = self.or_none(*dot);
                        }
                    }
                }
                Content::Text { runs, .. } => {
                    let old = std::mem::take(runs);
                    for (first, len, is_live) in old {
                        for unit in (0..len).map(|i| self.or_none(first.plus(i))) {
                            match runs.last_mut() {
                                Some((first, n, live))
                                    if *live == is_live
                                        && unit.is_some()
                                        && first.is_some()
                                        && first.plus(*n) == unit =>
                                {
                                    *n += 1;
                                }
                                _ => runs.push((unit, 1, is_live)),
                            }
                        }
                    }
                }
                Content::Tree(nodes) => {
                    for node in nodes {
                        (node.node, node.edge) = (self.or_none(node.node), self.or_none(node.edge));
                    }
                }
                Content::Graph(items) => items.iter_mut().for_each(|item| item.id = self.or_none(item.id)),
                Content::Counter(..) | Content::Set(_) => {}
            }
        }
        copies
    }
}
