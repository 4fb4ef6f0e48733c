//! Trimming: the same content with fresh ids and no record of what was removed. The new state is as if one agent, that of the
//! trim, had written everything at once; stamps stay, so that what was written before still loses and wins as it did.
//!
//! It decides nothing about epochs. Nothing joins across a trim: see `replay`.

mod nodes;

use crate::container::{Body, Key, ROOT};
use crate::counter::MAX_AMOUNT;
use crate::cut;
use crate::document::Document;
use crate::error::Error;
use crate::list::List;
use crate::marks::{Mark, Marks, Numbers, VisibleGap};
use crate::replay::{Ranges, Said, NOTHING};
use crate::sequence::{Anchor, Builder, Gap, Removal, Run, Sequence};
use crate::slot::{Packed, Slot, SlotValue};
use crate::text::Text;
use joinery_history::{Dot, Frontier, MAX_SEQ};
use std::rc::Rc;

/// The number of a container that is not there.
pub(crate) const GONE: u32 = u32::MAX;

/// A trimmed document, and what became of the old one.
pub(crate) struct Trimmed {
    /// The new state.
    pub document: Document,
    /// Units, slots and adds that are kept: what they are called now.
    pub names: Ranges,
    /// What the writes that stand in slots were called before. (An element's new name stands for its unit too, in `names`.)
    pub written: Ranges,
    /// Elements that stood elsewhere than where they were inserted: their old names are no places in the new state.
    pub away: Ranges,
    /// The same by their new names: since which stamp (in the place of an agent), and which move, they stood there.
    pub moved: [Ranges; 2],
    /// The containers' new numbers; [`GONE`] for those that are not kept.
    pub containers: Vec<u32>,
}

impl Document {
    /// A snapshot with the same visible content, fresh ids (all of `agent`, in document order) and no removal records. Equal
    /// states and agents give equal bytes.
    pub fn trim(&self, agent: u64) -> Result<Vec<u8>, Error> {
        self.trimmed(agent).map(|trimmed| trimmed.document.encode_snapshot())
    }

    pub(crate) fn trimmed(&self, agent: u64) -> Result<Trimmed, Error> {
        let mut document = Document::default();
        let own = document.agents.intern(agent);
        let mut trim = Trim {
            old: self,
            agent,
            next: Dot { agent: own, seq: 1 },
            new: Trimmed {
                document,
                names: Ranges::default(),
                written: Ranges::default(),
                away: Ranges::default(),
                moved: Default::default(),
                containers: vec![GONE; self.containers.len() as usize],
            },
        };
        // Depth first, in document order; a stack of its own, so nesting costs no call depth.
        trim.new.containers[ROOT as usize] = ROOT;
        let mut stack = vec![(ROOT, ROOT)];
        while let Some((from, to)) = stack.pop() {
            let below = trim.container(from, to)?;
            stack.extend(below.into_iter().rev());
        }
        let last = trim.next.seq - 1;
        let mut new = trim.new;
        new.document.version.raise(own, last);
        if last > 0 {
            new.document.frontier = Frontier::from_iter([Dot { agent: own, seq: last }]);
            new.document.clock.see(self.clock.highest());
        }
        Ok(new)
    }
}

struct Trim<'d> {
    old: &'d Document,
    agent: u64,
    next: Dot,
    new: Trimmed,
}

impl Trim<'_> {
    /// The next `n` dots.
    #[inline(never)]
    fn take(&mut self, n: u32) -> Result<Dot, Error> {
        let dot = self.next;
        let next = dot.seq.checked_add(n).filter(|&next| next <= MAX_SEQ);
        self.next.seq = next.ok_or(Error::LimitExceeded("a document has at most 2^32 − 2 operations"))?;
        Ok(dot)
    }

    #[inline(never)]
    fn name(&mut self, old: Dot, len: u32, new: Dot) {
        let old = (self.old.agents.id(old.agent), old.seq);
        self.new.names.add(old, len, Said::running((self.agent, new.seq)));
    }

    /// The same of a write with a stamp.
    #[inline(never)]
    fn rename(&mut self, old: Dot, new: Dot) {
        self.name(old, 1, new);
        let old = (self.old.agents.id(old.agent), old.seq);
        self.new.written.add((self.agent, new.seq), 1, Said::running(old));
    }

    /// Copies one container's content; the containers below it, which are still empty, in order.
    fn container(&mut self, from: u32, to: u32) -> Result<Vec<(u32, u32)>, Error> {
        let old = self.old;
        let mut below = Vec::new();
        match &old.container(from).body {
            Body::Map(map) => {
                for (name, slot) in map.present() {
                    // A key whose child was ended reads as absent, and is.
                    if old.entry(slot).is_none() {
                        continue;
                    }
                    let dot = self.take(1)?;
                    let key = Key::Name(name.clone());
                    let slot = self.slot(slot, to, &key, dot, &mut below);
                    let document = &mut self.new.document;
                    let map = document.containers.map_mut(to)?;
                    map.join(&document.agents, name, &key, slot);
                }
            }
            Body::Text(text) => {
                let first = self.next;
                let units = text.sequence.chunks().flatten().copied().collect();
                let sequence = self.sequence(&text.sequence, units)?;
                let marks = self.marks(text, first, &sequence)?;
                let mut text = Text::new(sequence);
                text.marks = marks;
                if let Some(text) = cut::text(|| text) {
                    self.new.document.containers.set_body(to, Body::Text(text));
                }
            }
            Body::List(list) => {
                let first = self.next;
                let units = (0..list.sequence.len()).collect();
                let sequence = self.sequence(&list.sequence, units)?;
                let mut slots = Vec::new();
                for ((unit, slot), i) in list.visible_units().zip(0..) {
                    let (slot, element) = (list.slot(slot), first.plus(i));
                    self.moved(list, unit, element);
                    slots.push(self.slot(slot, to, &Key::Element(element), element, &mut below));
                }
                let list = Body::List(List::new(sequence, slots));
                self.new.document.containers.set_body(to, list);
            }
            Body::Counter(counter) => {
                let value = counter.value();
                if value.unsigned_abs() > u128::from(MAX_AMOUNT) {
                    return Err(Error::LimitExceeded(
                        "a counter beyond 2^53 − 1 is kept as several agents' parts and can't be trimmed",
                    ));
                }
                if value != 0 {
                    let dot = self.take(1)?;
                    self.new.document.containers.counter_mut(to)?.add(dot, value as i64);
                }
            }
            Body::Set(set) => {
                for value in set.values() {
                    let dot = self.take(1)?;
                    for &add in set.member(value).map_or(&[][..], |member| &member.adds) {
                        self.name(add, 1, dot);
                    }
                    self.new.document.containers.set_mut(to)?.add(value, dot);
                }
            }
            Body::Tree(tree) => self.tree(tree, (from, to), &mut below)?,
            Body::Graph(graph) => self.graph(graph, (from, to), &mut below)?,
        }
        Ok(below)
    }

    /// A moved element has its place's new name, as has the unit where it stands.
    #[inline(never)]
    fn moved(&mut self, list: &List, unit: Dot, new: Dot) {
        let old = list.element_at(unit);
        let Some(at) = list.moved_to(old) else { return };
        self.name(old, 1, new);
        let agents = &self.old.agents;
        self.new.away.add((agents.id(old.agent), old.seq), 1, NOTHING);
        let [stamps, units] = &mut self.new.moved;
        stamps.add((self.agent, new.seq), 1, Said::still((at.stamp, 0)));
        let unit = (agents.id(unit.agent), unit.seq);
        units.add((self.agent, new.seq), 1, Said::still(unit));
    }

    /// A slot as it is in the new state; a child in it is created there.
    fn slot(&mut self, slot: &Slot, parent: u32, key: &Key, dot: Dot, below: &mut Vec<(u32, u32)>) -> Slot {
        self.rename(slot.dot, dot);
        let value = match &slot.value {
            SlotValue::Child(child) if !self.old.container(*child).gone => {
                let kind = self.old.container(*child).body.kind();
                let document = &mut self.new.document;
                let new = document.containers.find_or_create(parent, key, kind, Dot::NONE);
                self.new.containers[*child as usize] = new;
                below.push((*child, new));
                SlotValue::Child(new)
            }
            SlotValue::Plain(bytes) => SlotValue::Plain(bytes.clone()),
            // An element whose container was ended reads as null.
            _ => SlotValue::Plain(Packed::NULL),
        };
        Slot {
            dot,
            stamp: slot.stamp,
            value,
        }
    }

    /// A text's marks over its new units. What is left where nothing is visible goes; where two visible units meet that didn't,
    /// what is typed there is marked as it would have been.
    fn marks(&mut self, old: &Text, first: Dot, units: &Sequence<u16>) -> Result<Option<Box<Marks>>, Error> {
        let mut marks: Option<Box<Marks>> = None;
        for (key, stretches) in old.visible_marks() {
            let is_shown = |(_, mark): &(_, Option<Rc<Mark>>)| mark.as_ref().is_some_and(|mark| mark.shown().is_some());
            if !stretches.iter().any(is_shown) {
                continue;
            }
            let mut numbers = Numbers::default();
            let mut renamed: Vec<Rc<Mark>> = Vec::new();
            let gap = |at: VisibleGap| match at {
                VisibleGap::Before(index) => Gap::Before(first.plus(index)),
                VisibleGap::Behind(0) => Gap::Start,
                VisibleGap::Behind(index) => Gap::After(first.plus(index - 1)),
            };
            for (i, (at, mark)) in stretches.iter().enumerate() {
                let Some(mark) = mark else { continue };
                let number = numbers.of(mark) as usize;
                if number > renamed.len() {
                    let dot = self.take(1)?;
                    self.rename(mark.dot, dot);
                    renamed.push(Rc::new(Mark {
                        dot,
                        agent: self.new.document.agents.id(dot.agent),
                        ..Mark::clone(mark)
                    }));
                }
                let end = stretches.get(i + 1).map_or(Gap::End, |&(end, _)| gap(end));
                marks
                    .get_or_insert_default()
                    .join(units, key, (gap(*at), end), &renamed[number - 1]);
            }
        }
        Ok(marks)
    }

    /// A sequence with the visible units in one run.
    fn sequence<U: Copy, V: Copy>(&mut self, old: &Sequence<U>, units: Vec<V>) -> Result<Sequence<V>, Error> {
        if units.is_empty() {
            return Ok(Sequence::default());
        }
        let len = old.len();
        let dot = self.take(len)?;
        let mut done = 0;
        for (run, _) in old.runs().filter(|(run, _)| run.visible() > 0) {
            self.name(run.dot, run.len, dot.plus(done));
            done += run.len;
        }
        let run = Run::new(dot, len, Anchor::START, Removal::NONE);
        let mut taken = 0;
        let mut runs = Builder::default();
        runs.push(run);
        let sequence = runs.finish(&mut |len, content| {
            content.extend_from_slice(&units[taken..taken + len]);
            taken += len;
        });
        sequence.ok_or(Error::Contradiction("a sequence with the same ids twice"))
    }
}
