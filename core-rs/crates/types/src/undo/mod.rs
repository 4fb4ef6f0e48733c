//! Undo and redo of what this replica has written: each local edit is taken down with what it takes to take it back; taking it back
//! writes ordinary operations, which are taken down as well, for redo. Others' edits are never taken back.
//!
//! It is known in the field as selective, local undo; the rule for slots is that of Stewen and Kleppmann, "Undo and Redo Support for
//! Replicated Registers" (2024), but that a slot which somebody else has written since stays as it is. What comes back has new
//! dots, as in Yjs; the steps that name the old ones are renamed at once (`rename.rs`), so undo and redo can go to and fro.
//!
//! | file | what it has |
//! |---|---|
//! | `step.rs` | steps and edits |
//! | `record.rs` | what is taken down at a local edit |
//! | `copy.rs`, `restore.rs` | containers that have ended, and how they are made anew |
//! | `revert.rs`, `sequences.rs`, `nodes.rs` | how an edit is taken back |
//! | `foreign.rs` | what others have put where an undo would take it away |
//! | `encoding.rs`, `decoding.rs` | stacks as bytes |
//! | `carry.rs` | stacks across a replay |
//!
//! What it is not: a history. What isn't in a step is not known, and nothing of it is in the document's own state.

mod carry;
mod copy;
mod decoding;
mod encoding;
mod foreign;
mod nodes;
mod record;
mod rename;
mod restore;
mod revert;
mod sequences;
mod step;

use crate::container::{Containers, Key, ROOT};
use crate::document::{Document, MAX_DEPTH, MAX_KEY_BYTES};
use crate::error::Error;
use joinery_codec::check_value;
use joinery_history::Dot;
pub(crate) use record::PlaceNote;
use rename::{Renames, Table};
use std::collections::VecDeque;
use std::rc::Rc;
use step::{Entry, Step};

/// How many steps a stack has at most, on either side; the oldest go first.
pub const MAX_UNDO_STEPS: usize = 1000;
/// How many bytes the steps of a stack take at most, by a rough count; the oldest go first. A step that is longer can't be undone.
pub const MAX_UNDO_BYTES: usize = 16 << 20;
/// How many stacks a document has at most.
pub const MAX_UNDO_STACKS: usize = 64;
/// How many containers a stack may be limited to.
pub const MAX_UNDO_SCOPES: usize = 64;
/// How long a step's label may be, in bytes.
pub const MAX_UNDO_META_BYTES: usize = 4096;

/// Of how many stretches of operations it is known that they bring back somebody else's. Beyond it an agent's last one is drawn out:
/// what it then has too much is taken for others', and stays.
const MAX_BROUGHT: usize = 1 << 16;

/// Which of a stack's two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoSide {
    /// What can be undone.
    Undo,
    /// What can be redone.
    Redo,
}

/// What a stack is limited to: what is at a path of keys, from a container on, whoever has put it there; without keys the container
/// itself. All that is below belongs to it; the write that puts something at its last key doesn't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoScope {
    /// Where the path begins.
    pub container: u32,
    /// The keys from there on.
    pub keys: Vec<Rc<str>>,
}

impl UndoScope {
    /// Is the container that this way from the root leads to within it?
    fn has(&self, way: &[(u32, Option<&Rc<str>>)]) -> bool {
        let Some(at) = way.iter().position(|&(container, _)| container == self.container) else {
            return false;
        };
        let below = &way[at + 1..];
        let mut keys = self.keys.iter().zip(below);
        self.keys.len() <= below.len() && keys.all(|(key, (_, found))| *found == Some(key))
    }
}

/// One stack.
#[derive(Debug, Clone, Default)]
struct Stack {
    /// Only what is written in one of these, or below; everything where there are none.
    scopes: Vec<UndoScope>,
    undo: VecDeque<Step>,
    redo: VecDeque<Step>,
    /// The step under way; none right behind a boundary.
    open: Option<Step>,
    /// The step under way is too long: the rest of it isn't taken down.
    is_lost: bool,
    /// Of the steps on both sides and the one under way.
    bytes: usize,
    /// The container that was looked up last, and whether it is in scope.
    last: Option<(u32, bool)>,
}

impl Stack {
    fn steps_mut(&mut self) -> impl Iterator<Item = &mut Step> {
        self.undo.iter_mut().chain(&mut self.redo)
    }

    fn side(&mut self, side: UndoSide) -> &mut VecDeque<Step> {
        match side {
            UndoSide::Undo => &mut self.undo,
            UndoSide::Redo => &mut self.redo,
        }
    }

    /// Takes an edit down.
    fn push(&mut self, mut entry: Entry) {
        if self.is_lost {
            return;
        }
        let step = self.open.get_or_insert_default();
        let fused = step.entries.last_mut().and_then(|last| last.fuse(&mut entry));
        let grown = fused.unwrap_or_else(|| {
            let weight = entry.weight();
            step.entries.push(entry);
            weight
        });
        step.weight += grown;
        self.bytes += grown;
        self.bound();
    }

    /// What was written can't be taken back: it is too much.
    fn lose(&mut self) {
        self.bytes = 0;
        (self.undo, self.redo) = Default::default();
        self.open = Some(Step::default());
        self.is_lost = true;
    }

    fn bound(&mut self) {
        while self.bytes > MAX_UNDO_BYTES {
            match self.undo.pop_front().or_else(|| self.redo.pop_front()) {
                Some(step) => self.bytes -= step.weight.min(self.bytes),
                None => return self.lose(),
            }
        }
    }

    /// Ends the step under way.
    fn close(&mut self, side: UndoSide) {
        let step = self.open.take();
        if !std::mem::take(&mut self.is_lost) {
            if let Some(step) = step.filter(|step| !step.entries.is_empty()) {
                self.put(side, step);
            }
        }
    }

    fn put(&mut self, side: UndoSide, step: Step) {
        let steps = self.side(side);
        steps.push_back(step);
        if steps.len() > MAX_UNDO_STEPS {
            let oldest = steps.pop_front();
            self.bytes -= oldest.map_or(0, |step| step.weight).min(self.bytes);
        }
    }

    fn clear(&mut self, side: UndoSide) {
        let gone: usize = self.side(side).drain(..).map(|step| step.weight).sum();
        self.bytes -= gone.min(self.bytes);
    }
}

/// A document's undo stacks. A document without any has an empty one of these.
#[derive(Debug, Clone, Default)]
pub(crate) struct Undo {
    stacks: Vec<Option<Stack>>,
    /// How many there are, unless nothing is to be taken down: what each local edit looks at.
    on: u32,
    /// The stack that takes something back, and alone takes down what that writes.
    active: Option<u32>,
    /// The agents that this replica has written as, and those of stacks that were loaded.
    mine: Vec<u32>,
    /// Operations of this author's under the name that a trim gave them.
    named: Table,
    /// Operations that bring back what is somebody else's: of this author's agents, or of a trim that has named such.
    brought: Table,
    /// What is being taken back is an undo.
    is_redo: bool,
    /// What is left of the step that is being taken back.
    reverting: Vec<Entry>,
    /// What it has brought back so far, by its new names.
    renames: Renames,
}

impl Undo {
    /// Is a local edit to be taken down at all?
    #[inline]
    pub fn is_on(&self) -> bool {
        crate::cut::UNDO && self.on > 0
    }

    /// This replica has written as this agent.
    pub fn add_mine(&mut self, agent: u32) {
        if !self.mine.contains(&agent) {
            self.mine.push(agent);
        }
    }

    /// Is it of an agent of this author's, and which of an agent's operations are not as that says?
    fn whose(&self, dot: Dot) -> (bool, &Table) {
        match self.mine.contains(&dot.agent) {
            true => (true, &self.brought),
            false => (false, &self.named),
        }
    }

    fn is_mine(&self, dot: Dot) -> bool {
        let (own, otherwise) = self.whose(dot);
        own != otherwise.has(dot)
    }

    /// May all of these be taken away? An undo takes its author's; a redo also what an undo has brought back, of whomever it was.
    fn may_take(&self, first: Dot, len: u32) -> bool {
        let (own, otherwise) = self.whose(first);
        let mut pieces = otherwise.pieces(first, len).into_iter();
        pieces.all(|(at, n, found)| {
            own != found.is_some() || self.is_redo && (own || self.brought.has_all(first.plus(at), n))
        })
    }

    /// Operations of this author's bring back somebody else's.
    fn turn(&mut self, new: Dot, len: u32) {
        let last = self
            .brought
            .last_before(new)
            .filter(|_| self.brought.len() >= MAX_BROUGHT);
        let first = last.filter(|last| last.agent == new.agent).unwrap_or(new);
        self.brought.note(first, new.seq - first.seq + len);
    }

    /// Operations of this author's bring back what was these: whosever that was, it is still.
    fn turn_as(&mut self, old: Dot, len: u32, new: Dot) {
        if old.agent == Dot::NONE.agent {
            return;
        }
        let (own, otherwise) = self.whose(old);
        for (at, n, found) in otherwise.pieces(old, len) {
            if own == found.is_some() {
                self.turn(new.plus(at), n);
            }
        }
    }

    /// Takes nothing down until what this gives is handed back to [`Undo::resume`].
    pub fn pause(&mut self) -> u32 {
        std::mem::take(&mut self.on)
    }

    pub fn resume(&mut self, on: u32) {
        self.on = on;
    }

    fn stack(&self, stack: u32) -> Result<&Stack, Error> {
        let found = self.stacks.get(stack as usize).and_then(Option::as_ref);
        found.ok_or(Error::NoSuchUndoStack)
    }

    fn stack_mut(&mut self, stack: u32) -> Result<&mut Stack, Error> {
        let found = self.stacks.get_mut(stack as usize).and_then(Option::as_mut);
        found.ok_or(Error::NoSuchUndoStack)
    }

    fn add(&mut self, stack: Stack) -> Result<u32, Error> {
        let free = self.stacks.iter().position(Option::is_none);
        let at = free.unwrap_or(self.stacks.len());
        if at >= MAX_UNDO_STACKS {
            return Err(Error::LimitExceeded("a document has at most 64 undo stacks"));
        }
        if free.is_none() {
            self.stacks.push(None);
        }
        self.stacks[at] = Some(stack);
        self.on += 1;
        Ok(at as u32)
    }

    /// The stacks that take a container's edits down.
    fn takers(&mut self, containers: &Containers, container: u32) -> Vec<u32> {
        if let Some(active) = self.active {
            return vec![active];
        }
        let mut takers = Vec::new();
        for (at, stack) in self.stacks.iter_mut().enumerate() {
            let Some(stack) = stack else { continue };
            let known = stack.last.filter(|&(of, _)| of == container);
            let is_in = known.map_or_else(|| is_in_scope(containers, &stack.scopes, container), |(_, is_in)| is_in);
            stack.last = Some((container, is_in));
            if is_in {
                takers.push(at as u32);
            }
        }
        takers
    }

    /// Tells all steps new names. The one that takes a step back has them already.
    fn rename(&mut self, renames: &Renames) {
        if renames.is_empty() {
            return;
        }
        let active = self.active;
        for (at, stack) in self.stacks.iter_mut().enumerate() {
            let Some(stack) = stack else { continue };
            for scope in &mut stack.scopes {
                scope.container = renames.container(scope.container);
            }
            stack.last = None;
            let open = stack.open.as_mut().filter(|_| active != Some(at as u32));
            let steps = stack.undo.iter_mut().chain(&mut stack.redo).chain(open);
            steps.for_each(|step| renames.step(step));
            let steps = stack.undo.iter().chain(&stack.redo).chain(&stack.open);
            stack.bytes = steps.map(|step| step.weight).sum();
        }
    }
}

fn is_in_scope(containers: &Containers, scopes: &[UndoScope], container: u32) -> bool {
    if scopes.is_empty() {
        return true;
    }
    let mut way = Vec::new();
    let mut at = container;
    loop {
        let found = containers.get(at);
        let name = match &found.key {
            Key::Name(name) => Some(name),
            Key::Element(_) => None,
        };
        way.push((at, name));
        if at == ROOT {
            break;
        }
        at = found.parent;
    }
    way.reverse();
    scopes.iter().any(|scope| scope.has(&way))
}

impl Document {
    /// Begins to take local edits down, on a stack of its own; its number. `scopes`: only those within one of these; without
    /// any, all of them.
    ///
    /// ```
    /// # use joinery_types::{Document, Kind, UndoScope, UndoSide, ROOT};
    /// let mut document = Document::default();
    /// document.set_agent(1);
    /// let text = document.ensure_child(ROOT, "body", Kind::Text, 0).unwrap();
    /// let body = UndoScope { container: ROOT, keys: vec!["body".into()] };
    /// let stack = document.undo_start(&[body]).unwrap();
    /// document.text_insert(text, 0, &mut [0x61, 0x62]).unwrap();
    /// document.undo_boundary(stack, &[]).unwrap();
    /// document.text_delete(text, 0, 1).unwrap();
    /// assert!(document.undo(stack, 0).unwrap());
    /// assert_eq!(document.text_string(text).unwrap(), "ab");
    /// assert!(document.redo(stack, 0).unwrap());
    /// assert_eq!(document.text_string(text).unwrap(), "b");
    /// assert_eq!(document.undo_depth(stack, UndoSide::Undo), Ok(2));
    /// ```
    pub fn undo_start(&mut self, scopes: &[UndoScope]) -> Result<u32, Error> {
        if scopes.len() > MAX_UNDO_SCOPES {
            return Err(Error::LimitExceeded(
                "an undo stack is limited to at most 64 containers",
            ));
        }
        for scope in scopes {
            self.containers.live(scope.container)?;
            if scope.keys.len() > MAX_DEPTH as usize || scope.keys.iter().any(|key| key.len() > MAX_KEY_BYTES) {
                return Err(Error::LimitExceeded(
                    "containers nest at most 128 deep, at keys of at most 1024 bytes",
                ));
            }
        }
        self.undo.add(Stack {
            scopes: scopes.to_vec(),
            ..Stack::default()
        })
    }

    /// Ends a stack: nothing is taken down for it any more, and its steps are let go.
    pub fn undo_stop(&mut self, stack: u32) -> Result<(), Error> {
        self.undo.stack(stack)?;
        self.undo.stacks[stack as usize] = None;
        self.undo.on = self.undo.on.saturating_sub(1);
        Ok(())
    }

    /// Ends the step under way: what is written next is another one. `meta`, a packed value, stays with the step that ends; without
    /// it the step keeps what it has. False, and nothing is kept, where there is none under way.
    pub fn undo_boundary(&mut self, stack: u32, meta: &[u8]) -> Result<bool, Error> {
        check_meta(meta)?;
        let stack = self.undo.stack_mut(stack)?;
        let has_step = stack.open.as_ref().is_some_and(|step| !step.entries.is_empty());
        if has_step && !meta.is_empty() {
            set_meta(stack, UndoSide::Undo, meta);
        }
        stack.close(UndoSide::Undo);
        Ok(has_step)
    }

    /// Puts a packed value (a label, a selection) at the next step that this side would give. False where there is none.
    pub fn undo_set_meta(&mut self, stack: u32, side: UndoSide, meta: &[u8]) -> Result<bool, Error> {
        check_meta(meta)?;
        Ok(set_meta(self.undo.stack_mut(stack)?, side, meta))
    }

    /// The packed value of the next step that this side would give; empty: none.
    pub fn undo_meta(&self, stack: u32, side: UndoSide) -> Result<&[u8], Error> {
        let stack = self.undo.stack(stack)?;
        let step = match side {
            UndoSide::Undo => open_step(stack).or(stack.undo.back()),
            UndoSide::Redo => stack.redo.back(),
        };
        Ok(step.map_or(&[], |step| &step.meta))
    }

    /// How many steps there are on a side. (Some may have nothing left to take back.)
    pub fn undo_depth(&self, stack: u32, side: UndoSide) -> Result<usize, Error> {
        let stack = self.undo.stack(stack)?;
        Ok(match side {
            UndoSide::Undo => stack.undo.len() + usize::from(open_step(stack).is_some()),
            UndoSide::Redo => stack.redo.len(),
        })
    }

    /// About how many bytes a stack's steps take.
    pub fn undo_bytes(&self, stack: u32) -> Result<usize, Error> {
        Ok(self.undo.stack(stack)?.bytes)
    }

    /// Lets go of all steps of a stack. Recording goes on.
    pub fn undo_clear(&mut self, stack: u32) -> Result<(), Error> {
        let stack = self.undo.stack_mut(stack)?;
        *stack = Stack {
            scopes: std::mem::take(&mut stack.scopes),
            ..Stack::default()
        };
        Ok(())
    }

    /// Takes nothing down, in no stack, until it is told otherwise.
    pub fn undo_pause(&mut self, paused: bool) {
        let stacks = self.undo.stacks.iter().flatten().count() as u32;
        self.undo.on = if paused { 0 } else { stacks };
    }
}

fn open_step(stack: &Stack) -> Option<&Step> {
    stack.open.as_ref().filter(|step| !step.entries.is_empty())
}

fn set_meta(stack: &mut Stack, side: UndoSide, meta: &[u8]) -> bool {
    let open = stack.open.as_mut().filter(|step| !step.entries.is_empty());
    let step = match (side, open) {
        (UndoSide::Undo, Some(open)) => Some(open),
        (UndoSide::Undo, None) => stack.undo.back_mut(),
        (UndoSide::Redo, _) => stack.redo.back_mut(),
    };
    let Some(step) = step else { return false };
    stack.bytes = (stack.bytes + meta.len()).saturating_sub(step.meta.len());
    step.weight = (step.weight + meta.len()).saturating_sub(step.meta.len());
    step.meta = meta.into();
    true
}

fn check_meta(meta: &[u8]) -> Result<(), Error> {
    if meta.len() > MAX_UNDO_META_BYTES {
        return Err(Error::LimitExceeded("a step's label has at most 4096 bytes"));
    }
    if meta.is_empty() {
        return Ok(());
    }
    check_value(meta).map_err(Error::InvalidValue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_to_be_told_apart_counts_as_others() {
        let mut undo = Undo::default();
        undo.add_mine(0);
        let dot = |seq| Dot { agent: 0, seq };
        for i in 0..MAX_BROUGHT as u32 {
            undo.turn(dot(1 + 2 * i), 1);
        }
        let last = 2 * MAX_BROUGHT as u32;
        assert!(undo.is_mine(dot(last)) && undo.is_mine(dot(last + 9)));
        undo.turn(dot(last + 9), 2);
        assert_eq!(undo.brought.len(), MAX_BROUGHT);
        assert!((last..last + 11).all(|seq| !undo.is_mine(dot(seq))));
        assert!(undo.is_mine(dot(last + 11)) && undo.is_mine(dot(2)));
    }
}
