//! What is taken down at a local edit. Each hook is called only where something records, so that an edit without any costs a branch.

use super::copy::{Copied, Copying, Named, TooLarge, Val};
use super::rename::{Renames, Table};
use super::step::{Cut, CutElement, Edit, Entry, Marked, Seat};
use super::MAX_UNDO_BYTES;
use crate::container::{Body, Key};
use crate::document::Document;
use crate::sequence::Gap;
use crate::slot::{Slot, SlotValue};
use crate::tree::Place;
use joinery_history::Dot;
use std::collections::VecDeque;
use std::rc::Rc;

/// How many edits of the step under way are looked back at for a write to the same slot.
const LOOK_BACK: usize = 16;

/// What a slot held before it is written.
pub(crate) struct SlotNote {
    was: Dot,
    before: Result<(Val, Copied), TooLarge>,
    /// The stacks whose step under way has written there last, and where in it.
    fusing: Vec<(u32, usize)>,
    /// The others.
    others: Vec<u32>,
}

/// Where a tree's node hung before it is moved.
pub(crate) struct PlaceNote {
    was: Dot,
    parent: Dot,
    index: Rc<str>,
    hidden: Option<Table>,
}

impl Document {
    /// Takes an edit down for every stack that wants it.
    #[inline(never)]
    pub(super) fn undo_record(&mut self, entry: Entry) {
        let takers = self.undo_takers(entry.container);
        self.undo_record_for(&takers, &entry);
    }

    fn undo_takers(&mut self, container: u32) -> Vec<u32> {
        if !self.undo.is_on() {
            return Vec::new();
        }
        self.undo.takers(&self.containers, container)
    }

    fn undo_record_for(&mut self, takers: &[u32], entry: &Entry) {
        let is_active = self.undo.active.is_some();
        for &taker in takers {
            if let Ok(stack) = self.undo.stack_mut(taker) {
                if !is_active {
                    stack.clear(super::UndoSide::Redo);
                }
                stack.push(entry.clone());
            }
        }
    }

    fn undo_lose(&mut self, takers: &[u32]) {
        for &taker in takers {
            if let Ok(stack) = self.undo.stack_mut(taker) {
                stack.lose();
            }
        }
    }

    /// What steps name, for a copy of a container.
    pub(super) fn undo_named(&self) -> Named {
        let undo = &self.undo;
        let mut named = Named::default();
        named.add(&undo.reverting, &undo.renames);
        for (stack, at) in undo.stacks.iter().zip(0..) {
            let Some(stack) = stack else { continue };
            for step in stack.undo.iter().chain(&stack.redo) {
                named.add(&step.entries, &undo.renames);
            }
            // What is taken down while a step is taken back has the new names already.
            let told = Renames::default();
            let renames = if undo.active == Some(at) { &told } else { &undo.renames };
            stack.open.iter().for_each(|step| named.add(&step.entries, renames));
        }
        named
    }

    /// The same for what these slots show, which is plain in most.
    fn undo_named_in<'s>(&self, mut slots: impl Iterator<Item = &'s Slot>) -> Named {
        if slots.any(|slot| matches!(slot.value, SlotValue::Child(_))) {
            self.undo_named()
        } else {
            Named::default()
        }
    }

    /// Units came into a text or a list.
    #[inline(never)]
    pub(crate) fn undo_inserted(&mut self, container: u32, first: Dot, len: u32) {
        // A character at the end of what was typed last, on the only stack: nothing is allocated.
        if self.undo.active.is_none() && len > 0 {
            if let [Some(stack)] = &mut self.undo.stacks[..] {
                if stack.last == Some((container, true)) && !stack.is_lost && stack.redo.is_empty() {
                    let last = stack.open.as_mut().and_then(|step| step.entries.last_mut());
                    if let Some(Entry {
                        container: of,
                        edit: Edit::Inserted(ranges),
                    }) = last
                    {
                        if let Some(range) = ranges.last_mut().filter(|_| *of == container) {
                            if range.0.agent == first.agent && range.0.seq + range.1 == first.seq {
                                range.1 += len;
                                return;
                            }
                        }
                    }
                }
            }
        }
        if len > 0 {
            let edit = Edit::Inserted(vec![(first, len)]);
            self.undo_record(Entry { container, edit });
        }
    }

    /// Characters went from a text: these ranges, with these units.
    #[inline(never)]
    pub(crate) fn undo_cut_text(&mut self, container: u32, ranges: &[(Dot, u32)], units: &[u16]) {
        let mut units = units.iter().copied();
        let cuts = ranges.iter().map(|&(first, len)| Cut {
            first,
            seat: Seat::On(first),
            units: units.by_ref().take(len as usize).collect::<VecDeque<u16>>(),
        });
        let edit = Edit::CutText(cuts.collect());
        self.undo_record(Entry { container, edit });
    }

    /// Elements of a list are going to be deleted; these are there.
    #[inline(never)]
    pub(crate) fn undo_cut_elements(&mut self, container: u32, elements: &[Dot]) {
        let takers = self.undo_takers(container);
        if takers.is_empty() || elements.is_empty() {
            return;
        }
        let Ok(list) = self.containers.list(container) else {
            return;
        };
        let named = self.undo_named_in(elements.iter().filter_map(|&element| list.slot_of(element)));
        let mut copying = Copying::new(self, &named, MAX_UNDO_BYTES);
        let mut cuts = Vec::with_capacity(elements.len());
        for &element in elements {
            if let (Some(at), Some(slot)) = (list.standing(element), list.slot_of(element)) {
                cuts.push(CutElement {
                    element,
                    seat: Seat::On(at.unit),
                    write: slot.dot,
                    value: copying.value(slot),
                });
            }
        }
        match copying.finish() {
            Ok(copies) => {
                let edit = Edit::CutElements(cuts, copies);
                self.undo_record_for(&takers, &Entry { container, edit });
            }
            Err(TooLarge) => self.undo_lose(&takers),
        }
    }

    /// The elements at some indices.
    #[inline(never)]
    pub(crate) fn undo_elements(&mut self, list: u32, index: u32, len: u32) -> Vec<Dot> {
        let Ok(list) = self.containers.list_mut(list) else {
            return Vec::new();
        };
        let units: Vec<Dot> = (index..index + len).filter_map(|at| list.sequence.dot_at(at)).collect();
        units.into_iter().map(|unit| list.element_at(unit)).collect()
    }

    /// A slot is going to be written.
    #[inline(never)]
    pub(crate) fn undo_before_write(&mut self, container: u32, key: &Key) -> Option<SlotNote> {
        let takers = self.undo_takers(container);
        if takers.is_empty() {
            return None;
        }
        let was = self.slot_at(container, key).map_or(Dot::NONE, |slot| slot.dot);
        let (mut fusing, mut others) = (Vec::new(), Vec::new());
        for taker in takers {
            let stack = self.undo.stack(taker).ok()?;
            let entries = stack.open.iter().flat_map(|step| step.entries.iter().enumerate());
            let found = entries.rev().take(LOOK_BACK).find(|(_, entry)| {
                let Edit::Wrote { key: at, mine, .. } = &entry.edit else {
                    return false;
                };
                entry.container == container && at == key && *mine == was
            });
            match found {
                Some((at, _)) => fusing.push((taker, at)),
                None => others.push(taker),
            }
        }
        let before = if others.is_empty() {
            Ok((Val::Nothing, Copied::default()))
        } else {
            let slot = self.slot_at(container, key);
            let named = self.undo_named_in(slot.into_iter());
            let mut copying = Copying::new(self, &named, MAX_UNDO_BYTES);
            let value = match slot {
                Some(slot) => copying.value(slot),
                None => Val::Nothing,
            };
            copying.finish().map(|copies| (value, copies))
        };
        Some(SlotNote {
            was,
            before,
            fusing,
            others,
        })
    }

    /// It was written.
    #[inline(never)]
    pub(crate) fn undo_wrote(&mut self, container: u32, key: &Key, mine: Dot, note: SlotNote) {
        let is_active = self.undo.active.is_some();
        for (taker, at) in note.fusing {
            let Ok(stack) = self.undo.stack_mut(taker) else {
                continue;
            };
            if !is_active {
                stack.clear(super::UndoSide::Redo);
            }
            let entry = stack.open.as_mut().and_then(|step| step.entries.get_mut(at));
            if let Some(Entry {
                edit: Edit::Wrote { mine: last, .. },
                ..
            }) = entry
            {
                *last = mine;
            }
        }
        match note.before {
            Ok((before, copies)) => {
                let edit = Edit::Wrote {
                    key: key.clone(),
                    mine,
                    was: note.was,
                    before,
                    copies,
                };
                self.undo_record_for(&note.others, &Entry { container, edit });
            }
            Err(TooLarge) => self.undo_lose(&note.others),
        }
    }

    /// An element was moved from where it stood at `was`.
    #[inline(never)]
    pub(crate) fn undo_moved(&mut self, container: u32, element: Dot, mine: Dot, was: Dot) {
        let edit = Edit::Moved { element, mine, was };
        self.undo_record(Entry { container, edit });
    }

    /// A counter was changed.
    #[inline(never)]
    pub(crate) fn undo_counted(&mut self, container: u32, amount: i64) {
        let edit = Edit::Counted(amount);
        self.undo_record(Entry { container, edit });
    }

    /// The adds of a value that a set has, for [`Document::undo_set`]; nothing is looked up where nothing is taken down.
    pub(crate) fn undo_adds(&self, container: u32, value: &[u8]) -> Vec<Dot> {
        let set = self.containers.set(container).ok().filter(|_| self.undo.is_on());
        let member = set.and_then(|set| set.member(value));
        member.map_or(Vec::new(), |member| member.adds.clone())
    }

    /// A value came into a set, or went from it, where these adds of it had stood.
    #[inline(never)]
    pub(crate) fn undo_set(&mut self, container: u32, value: &[u8], had: &[Dot]) {
        let edit = match (had, self.set_has(container, value)) {
            ([], Ok(true)) => Edit::Added(value.into()),
            ([_, ..], Ok(false)) => Edit::Taken(value.into(), had.iter().any(|&add| self.is_foreign(add))),
            _ => return,
        };
        self.undo_record(Entry { container, edit });
    }

    /// A text is going to be marked.
    #[inline(never)]
    pub(crate) fn undo_marking(&mut self, container: u32, range: (Gap, Gap), key: &str, value: &[u8]) {
        let Ok(text) = self.containers.text(container) else {
            return;
        };
        let function = text.marks.as_ref().and_then(|marks| marks.function(key));
        let stretches = function.map_or(vec![(range, None)], |function| {
            function.stretches(&text.sequence, range)
        });
        let pieces = stretches.into_iter().map(|(range, mark)| {
            let shown = mark.and_then(|mark| Some((mark.shown()?, self.is_foreign(mark.dot))));
            let (before, theirs) = shown.unwrap_or((&[0][..], false));
            (range, Box::from(before), theirs)
        });
        let pieces: Vec<Marked> = pieces.filter(|(_, before, _)| **before != *value).collect();
        let edit = Edit::Marked {
            key: key.into(),
            value: value.into(),
            pieces,
        };
        self.undo_record(Entry { container, edit });
    }

    /// A tree's node is going to be moved.
    #[inline(never)]
    pub(crate) fn undo_hanging(&mut self, tree: u32, node: Dot) -> Option<PlaceNote> {
        let state = self.containers.tree_mut(tree).ok()?;
        let reading = state.settle(&self.agents);
        let hidden = (!reading.is_shown(node)).then(Table::default);
        let Place { parent, index } = reading.place(node)?.clone();
        Some(PlaceNote {
            was: state.node(node)?.edge_to(parent),
            parent,
            index,
            hidden,
        })
    }

    /// It was moved, from `note`; a node without one was made.
    #[inline(never)]
    pub(crate) fn undo_hung(&mut self, container: u32, node: Dot, mine: Dot, note: Option<PlaceNote>) {
        let edit = match note {
            None => created(node),
            Some(PlaceNote {
                was,
                parent,
                index,
                hidden,
            }) => Edit::Hung {
                node,
                mine,
                was,
                parent,
                index,
                hidden,
            },
        };
        self.undo_record(Entry { container, edit });
    }

    /// A graph's node or edge was made.
    #[inline(never)]
    pub(crate) fn undo_created(&mut self, container: u32, id: Dot) {
        self.undo_record(Entry {
            container,
            edit: created(id),
        });
    }

    /// A node or an edge is going to be deleted. What isn't shown needs no way back.
    #[inline(never)]
    pub(crate) fn undo_cut_node(&mut self, container: u32, id: Dot) {
        let takers = self.undo_takers(container);
        if takers.is_empty() {
            return;
        }
        let named = self.undo_named();
        let mut copying = Copying::new(self, &named, MAX_UNDO_BYTES);
        copying.data(container, id);
        let data = match copying.finish() {
            Ok(data) => data,
            Err(TooLarge) => return self.undo_lose(&takers),
        };
        let edit = match &self.container(container).body {
            Body::Tree(tree) => {
                let reading = tree.read(&self.agents);
                let (Some(place), Some(state)) = (reading.place(id), tree.node(id)) else {
                    return;
                };
                if !reading.is_shown(id) {
                    return;
                }
                Edit::CutNode {
                    node: id,
                    edge: state.edge_to(place.parent),
                    parent: place.parent,
                    index: place.index.clone(),
                    data,
                }
            }
            Body::Graph(graph) => {
                let Some(ends) = graph.ends(id) else { return };
                let shown = graph.shown_edges(&self.agents);
                let is_edge = ends.0.is_some();
                if is_edge && shown.iter().all(|&(edge, ..)| edge != id) {
                    return;
                }
                Edit::CutItem {
                    id,
                    ends: is_edge.then_some(ends),
                    edges: shown
                        .into_iter()
                        .filter(|&(_, from, to)| from == id || to == id)
                        .collect(),
                    data,
                }
            }
            _ => return,
        };
        self.undo_record_for(&takers, &Entry { container, edit });
    }
}

fn created(id: Dot) -> Edit {
    Edit::Created {
        id,
        known: Table::default(),
    }
}
