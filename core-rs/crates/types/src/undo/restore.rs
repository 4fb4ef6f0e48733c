//! Making the content of a copied container anew, in a fresh one. What it writes is not taken down edit by edit: whoever made the
//! container takes the whole of it back.

use super::copy::{Content, Copied, CopiedItem, CopiedMark, CopiedNode, CopiedRun, Item, Part, Val};
use crate::container::{Key, Kind};
use crate::document::{Document, Write};
use crate::error::Error;
use crate::sequence::Gap;
use crate::slot::{Packed, SlotValue};
use joinery_codec::well_formed_units;
use joinery_history::Dot;

/// What is still to be filled: parts, and containers.
type Open = Vec<(u32, u32)>;

impl Document {
    /// Fills a container with a part of a copy, and those below it. What a limit of the document doesn't take is left out.
    pub(super) fn undo_fill(&mut self, copies: &Copied, part: u32, container: u32, now_ms: u64) {
        let on = self.undo.pause();
        let mut open: Open = vec![(part, container)];
        while let Some((part, container)) = open.pop() {
            let part = copies.parts.get(part as usize);
            let is_kind = |part: &&Part| {
                let found = self.containers.live(container);
                found.is_ok_and(|found| found.body.kind() == part.content.kind())
            };
            let Some(part) = part.filter(is_kind) else {
                continue;
            };
            self.undo.renames.containers.insert(part.of, container);
            // What a limit refuses ends this container's content here.
            let _ = self.undo_fill_one((copies, &part.content), container, &mut open, now_ms);
        }
        self.undo.resume(on);
    }

    /// A fresh element with this content behind a unit; its id.
    pub(super) fn undo_element(
        &mut self,
        list: u32,
        left: Option<Dot>,
        (copies, value): (&Copied, &Val),
        open: &mut Open,
    ) -> Result<Dot, Error> {
        let dot = self.next_dot(1)?;
        let part = match value {
            Val::Child(part) => copies
                .parts
                .get(*part as usize)
                .map(|found| (*part, found.content.kind())),
            _ => None,
        };
        let (value, kind) = match (value, part) {
            (_, Some((part, kind))) => {
                self.check_depth(list)?;
                let child = self
                    .containers
                    .find_or_create(list, &Key::Element(dot), kind, Dot::NONE);
                open.push((part, child));
                (SlotValue::Child(child), Some(kind))
            }
            (Val::Plain(bytes), _) => (SlotValue::Plain((**bytes).into()), None),
            _ => (SlotValue::Plain(Packed::NULL), None),
        };
        let sequence = &self.containers.list(list)?.sequence;
        let place = left.and_then(|left| sequence.place_of(left));
        self.insert_elements_behind(list, place, &[value], kind)?;
        Ok(dot)
    }

    fn undo_fill_one(
        &mut self,
        (copies, content): (&Copied, &Content),
        container: u32,
        open: &mut Open,
        now_ms: u64,
    ) -> Result<(), Error> {
        match content {
            Content::Map { entries, deleted } => {
                for &dot in deleted {
                    self.undo.renames.writes.add(dot, 1, Dot::NONE);
                }
                for (name, dot, value) in entries {
                    let key = Key::Name(name.clone());
                    let write = match value {
                        Val::Nothing => continue,
                        Val::Plain(bytes) => Write::Plain(bytes),
                        Val::Child(part) => match copies.parts.get(*part as usize) {
                            Some(part) => Write::Child(part.content.kind(), Dot::NONE),
                            None => continue,
                        },
                    };
                    let child = self.write_slot(container, &key, write, now_ms)?;
                    let new = self.last_dot().unwrap_or(Dot::NONE);
                    self.stands_for_write(*dot, new);
                    if let Val::Child(part) = value {
                        open.push((*part, child));
                    }
                }
            }
            Content::List(items) => self.undo_fill_list(copies, items, container, open)?,
            Content::Text { runs, units, marks } => {
                self.undo_fill_text((runs, units, marks), container, now_ms)?;
            }
            Content::Counter(sum, theirs) => {
                let (parent, key) = self.place_of(container);
                let write = self.slot_at(parent, key).map(|slot| slot.dot);
                if let Some(write) = write.filter(|_| *theirs) {
                    self.undo.turn(write, 1);
                }
                if *sum != 0 {
                    self.counter_add(container, *sum)?;
                }
            }
            Content::Set(values) => {
                for (value, theirs) in values {
                    self.add_again(container, value, *theirs)?;
                }
            }
            Content::Tree(nodes) => self.undo_fill_tree(nodes, container, open, now_ms)?,
            Content::Graph(items) => self.undo_fill_graph(items, container, open)?,
        }
        Ok(())
    }

    fn undo_fill_list(
        &mut self,
        copies: &Copied,
        items: &[Item],
        container: u32,
        open: &mut Open,
    ) -> Result<(), Error> {
        let mut last = None;
        let mut ghosts = Vec::new();
        for item in items {
            let value = item.value.as_ref().unwrap_or(&Val::Nothing);
            let new = self.undo_element(container, last, (copies, value), open)?;
            self.undo.renames.places.add(item.unit, 1, new);
            if item.value.is_some() {
                self.stands_for_both((item.element, item.write), new);
            } else {
                ghosts.push((new, 1));
            }
            last = Some(new);
        }
        self.undo_delete(container, &ghosts)
    }

    fn undo_fill_text(
        &mut self,
        (runs, units, marks): (&[CopiedRun], &[u16], &[CopiedMark]),
        container: u32,
        now_ms: u64,
    ) -> Result<(), Error> {
        if units.is_empty() {
            return Ok(());
        }
        let first = self.next_dot(units.len())?;
        let mut units = units.to_vec();
        well_formed_units(&mut units);
        self.text_insert_behind(container, None, &units)?;
        let mut ghosts = Vec::new();
        let mut at = 0;
        for &(old, len, is_live) in runs {
            let new = first.plus(at);
            self.undo.renames.places.add(old, len, new);
            if is_live {
                self.stands_for_units(old, len, new);
            } else {
                ghosts.push((new, len));
            }
            at += len;
        }
        for mark in marks.iter().filter(|mark| mark.from < mark.to) {
            let start = if mark.from_start {
                Gap::Start
            } else {
                Gap::Before(first.plus(mark.from))
            };
            let end = match (mark.grows, mark.to == at) {
                (true, true) => Gap::End,
                (true, false) => Gap::Before(first.plus(mark.to)),
                (false, _) => Gap::After(first.plus(mark.to - 1)),
            };
            let marked = ((start, end), mark.value.clone(), mark.theirs);
            self.mark_again(container, &mark.key, marked, now_ms)?;
        }
        self.undo_delete(container, &ghosts)
    }

    fn undo_fill_tree(
        &mut self,
        nodes: &[CopiedNode],
        container: u32,
        open: &mut Open,
        now_ms: u64,
    ) -> Result<(), Error> {
        let mut made: Vec<Dot> = Vec::with_capacity(nodes.len());
        for copied in nodes {
            let above = copied.parent.and_then(|parent| made.get(parent as usize).copied());
            let stamp = self.tick(now_ms)?;
            let new = self.put_node(container, None, above.unwrap_or(Dot::NONE), &copied.index, stamp)?;
            made.push(new);
            self.stands_for_both((copied.node, copied.edge), new);
            self.undo_data(container, new, copied.data, open)?;
        }
        for (copied, &new) in nodes.iter().zip(&made) {
            if copied.is_ghost {
                self.delete_node(container, new)?;
            }
        }
        Ok(())
    }

    fn undo_fill_graph(&mut self, items: &[CopiedItem], container: u32, open: &mut Open) -> Result<(), Error> {
        let mut made: Vec<Dot> = Vec::with_capacity(items.len());
        for item in items {
            let ends = match item.ends {
                None => None,
                Some((from, to)) => match (made.get(from as usize), made.get(to as usize)) {
                    (Some(&from), Some(&to)) => Some((from, to)),
                    _ => break,
                },
            };
            let new = self.put_in_graph(container, ends)?;
            made.push(new);
            self.stands_for_units(item.id, 1, new);
            self.undo_data(container, new, item.data, open)?;
        }
        for (item, &new) in items.iter().zip(&made) {
            if item.is_ghost {
                self.delete_node(container, new)?;
            }
        }
        Ok(())
    }

    /// A fresh node's map, to be filled.
    fn undo_data(&mut self, container: u32, id: Dot, data: Option<u32>, open: &mut Open) -> Result<(), Error> {
        if let Some(part) = data {
            let map = self.node_data(container, id)?;
            open.push((part, map));
        }
        Ok(())
    }

    /// The kind of a part, where there is one.
    pub(super) fn undo_kind(copies: &Copied, part: u32) -> Option<Kind> {
        copies.parts.get(part as usize).map(|part| part.content.kind())
    }
}
