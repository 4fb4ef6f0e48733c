//! Undo stacks behind numbers and bytes.

use crate::{Core, ABSENT};
use joinery_codec::{DecodeError, Reader};
use joinery_types::{Error, UndoScope, UndoSide};
use wasm_bindgen::prelude::wasm_bindgen;

fn side(redo: bool) -> UndoSide {
    if redo {
        UndoSide::Redo
    } else {
        UndoSide::Undo
    }
}

#[wasm_bindgen]
impl Core {
    /// Begins to record, on a stack of its own; its number. The input: per scope its container, how many keys (varints), and of each
    /// key the length and the UTF-8; empty: everything.
    pub fn undo_start(&mut self) -> i32 {
        let done = scopes(&self.input).map_err(Error::InvalidUndo);
        let done = done.and_then(|scopes| self.document.undo_start(&scopes));
        self.number(done)
    }

    /// Ends a stack.
    pub fn undo_stop(&mut self, stack: u32) -> i32 {
        let done = self.document.undo_stop(stack);
        self.nothing(done)
    }

    /// Ends the step under way, with the packed value in the input as its label (empty: what it has); 1 if there is one.
    pub fn undo_boundary(&mut self, stack: u32) -> i32 {
        let done = self.document.undo_boundary(stack, &self.input);
        self.boolean(done)
    }

    /// Takes the newest step back; 1 if anything was left of it, or of one before.
    pub fn undo(&mut self, stack: u32, now_ms: f64) -> i32 {
        let done = self.document.undo(stack, now_ms as u64);
        self.boolean(done)
    }

    /// Does again what was undone last.
    pub fn redo(&mut self, stack: u32, now_ms: f64) -> i32 {
        let done = self.document.redo(stack, now_ms as u64);
        self.boolean(done)
    }

    /// How many steps there are on a side.
    pub fn undo_depth(&mut self, stack: u32, redo: bool) -> i32 {
        let done = self.document.undo_depth(stack, side(redo));
        self.number(done.map(|depth| depth as u32))
    }

    /// Puts the label of the next step of a side into the output; absent where there is none.
    pub fn undo_meta(&mut self, stack: u32, redo: bool) -> i32 {
        let done = self.document.undo_meta(stack, side(redo)).map(|meta| {
            self.output.clear();
            self.output.extend_from_slice(meta);
        });
        match done {
            Ok(()) if self.output.is_empty() => ABSENT,
            done => self.nothing(done),
        }
    }

    /// Puts the packed value in the input at the next step of a side; 1 if there is one.
    pub fn undo_set_meta(&mut self, stack: u32, redo: bool) -> i32 {
        let done = self.document.undo_set_meta(stack, side(redo), &self.input);
        self.boolean(done)
    }

    /// Lets go of all steps.
    pub fn undo_clear(&mut self, stack: u32) -> i32 {
        let done = self.document.undo_clear(stack);
        self.nothing(done)
    }

    /// Records nothing, in no stack, until told otherwise.
    pub fn undo_pause(&mut self, paused: bool) {
        self.document.undo_pause(paused);
    }

    /// Puts a stack into the output.
    pub fn undo_encode(&mut self, stack: u32) -> i32 {
        let done = self.document.undo_encode(stack).map(|bytes| self.output = bytes);
        self.nothing(done)
    }

    /// The number of the stack in the input, from now on this replica's.
    pub fn undo_decode(&mut self) -> i32 {
        let done = self.document.undo_decode(&self.input);
        self.input.clear();
        crate::give_back(&mut self.input);
        self.number(done)
    }
}

fn scopes(input: &[u8]) -> Result<Vec<UndoScope>, DecodeError> {
    let mut reader = Reader::new(input);
    let mut scopes = Vec::new();
    while !reader.is_empty() {
        let container = reader.u32("a container")?;
        let n = reader.count("a count of keys")?;
        let keys = (0..n).map(|_| reader.str("a key").map(Into::into));
        let keys = keys.collect::<Result<_, _>>()?;
        scopes.push(UndoScope { container, keys });
    }
    Ok(scopes)
}
