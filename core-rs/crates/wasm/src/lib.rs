//! The one door into WebAssembly: it converts and never decides. Numbers, packed bytes and UTF-16 units cross; no JSON, no
//! serde, and for a keystroke no allocation.
//!
//! How a call passes data: the caller asks for room ([`Core::input`], [`Core::units`]), writes into linear memory, calls, and
//! reads an answer that is longer than a number from [`Core::output_pointer`] and [`Core::output_length`]. Views of linear
//! memory are void after any call (memory may have grown).
//!
//! Numbers below zero: [`ABSENT`], [`FAILED`] (then [`Core::error_code`] and [`Core::error_message`] tell why), [`PLAIN`]
//! (a packed value is in the output).

use joinery_codec::{skip_value, write_texts, Reader};
use joinery_types::{fractional_index, Applied, Document, Entry, Error, Expand, Kind, Stick};
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::wasm_bindgen;

// Implementing an allocator is unsafe by its nature; nothing else here is.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)]
mod memory;
mod nodes;
mod replaying;
mod undo;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: memory::Memory = memory::Memory::new();

/// There is nothing there.
const ABSENT: i32 = -1;
/// The call was refused and changed nothing.
const FAILED: i32 = -2;
/// A packed value is in the output.
const PLAIN: i32 = -3;
/// Buffers that grew beyond this are given back after the call that needed them.
const KEPT_BYTES: usize = 1 << 20;

/// How long an update is at most that passes through the room.
const ROOM_BYTES: usize = 1024;

thread_local! {
    /// Bytes at an address that never changes: what is read or written there needs no call that tells where it is.
    static ROOM: RefCell<[u8; ROOM_BYTES]> = const { RefCell::new([0; ROOM_BYTES]) };
}

/// Where the room for short updates is. It has 1,024 bytes, for all replicas.
#[wasm_bindgen]
pub fn room() -> u32 {
    ROOM.with(|room| room.as_ptr() as usize as u32)
}

/// A replica behind numbers and bytes.
#[wasm_bindgen]
#[derive(Default)]
pub struct Core {
    document: Document,
    input: Vec<u8>,
    units: Vec<u16>,
    output: Vec<u8>,
    error: Option<Error>,
}

#[wasm_bindgen]
impl Core {
    /// An empty replica without an agent.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Core {
        Core::default()
    }

    /// Room for `length` bytes of input; its address.
    pub fn input(&mut self, length: u32) -> u32 {
        self.input.resize(length as usize, 0);
        self.input.as_ptr() as usize as u32
    }

    /// Room for `length` UTF-16 units; its address (even).
    pub fn units(&mut self, length: u32) -> u32 {
        self.units.resize(length as usize, 0);
        self.units.as_ptr() as usize as u32
    }

    /// Where the last answer starts.
    pub fn output_pointer(&self) -> u32 {
        self.output.as_ptr() as usize as u32
    }

    /// How many bytes it has.
    pub fn output_length(&self) -> u32 {
        self.output.len() as u32
    }

    /// The stable code of the last refusal.
    pub fn error_code(&self) -> String {
        self.error
            .as_ref()
            .map_or(String::new(), |error| error.code().to_owned())
    }

    /// What was expected, what came, what to do.
    pub fn error_message(&self) -> String {
        self.error.as_ref().map_or(String::new(), Error::message)
    }

    /// Gives the replica its agent. Once, before its first write.
    pub fn set_agent(&mut self, agent: u64) {
        self.document.set_agent(agent);
    }

    /// The seq of the last operation written here; 0 before the first.
    pub fn own_seq(&self) -> u32 {
        self.document.own_seq()
    }

    /// Grows with every change.
    pub fn revision(&self) -> f64 {
        self.document.revision() as f64
    }

    /// Grows with every change of this container's own state.
    pub fn container_revision(&self, container: u32) -> u32 {
        if container < self.document.containers().len() {
            self.document.containers().get(container).revision
        } else {
            0
        }
    }

    /// A container's kind; absent once it is gone.
    pub fn kind(&self, container: u32) -> i32 {
        self.document
            .containers()
            .live(container)
            .map_or(ABSENT, |c| c.body.kind() as i32)
    }

    // ---- children: the key is the input ---------------------------------------------------------------------------

    /// The container of this kind that a reader sees at a map's key.
    pub fn child(&mut self, parent: u32, kind: u8) -> i32 {
        let Ok((key, kind)) = self.key_and_kind(kind) else {
            return ABSENT;
        };
        self.document
            .child(parent, &key, kind)
            .map_or(ABSENT, |child| child as i32)
    }

    /// The same, created if there is none.
    pub fn ensure_child(&mut self, parent: u32, kind: u8, now_ms: f64) -> i32 {
        let done = self.key_and_kind(kind);
        let done = done.and_then(|(key, kind)| self.document.ensure_child(parent, &key, kind, now_ms as u64));
        self.number(done)
    }

    /// A fresh one; ends what was there.
    pub fn create_child(&mut self, parent: u32, kind: u8, now_ms: f64) -> i32 {
        let done = self.key_and_kind(kind);
        let done = done.and_then(|(key, kind)| self.document.create_child(parent, &key, kind, now_ms as u64));
        self.number(done)
    }

    // ---- text ----------------------------------------------------------------------------------------------------

    /// Inserts the units that were written into [`Core::units`].
    pub fn text_insert(&mut self, text: u32, index: u32) -> i32 {
        let done = self.document.text_insert(text, index, &mut self.units);
        self.units.clear();
        give_back(&mut self.units);
        self.nothing(done)
    }

    /// Inserts one unit: the keystroke.
    pub fn text_insert_unit(&mut self, text: u32, index: u32, unit: u16) -> i32 {
        let done = self.document.text_insert(text, index, &mut [unit]);
        self.nothing(done)
    }

    /// Deletes units.
    pub fn text_delete(&mut self, text: u32, index: u32, length: u32) -> i32 {
        let done = self.document.text_delete(text, index, length);
        self.nothing(done)
    }

    /// Length in units.
    pub fn text_length(&mut self, text: u32) -> i32 {
        let done = self.document.text_len(text);
        self.number(done)
    }

    /// Puts the text into the output. 1 if all of it is ASCII and has one byte a unit, which engines decode several times faster;
    /// else it has two, little endian.
    pub fn text_read(&mut self, text: u32) -> i32 {
        self.output.clear();
        give_back(&mut self.output);
        let done = self.document.text_chunks(text).map(|chunks| {
            let units = self.document.text_len(text).unwrap_or(0) as usize;
            self.output.reserve_exact(units);
            chunks.into_iter().all(|chunk| narrow(chunk, &mut self.output))
        });
        if let Ok(false) = done {
            self.read_wide(text);
        }
        self.boolean(done)
    }

    /// Marks the units from `start` to `end` with the key that is the first `key_length` bytes of the input, and the value behind
    /// it (null takes the key off). `grows`: what is typed at its end is marked too. 1 if that changes anything.
    pub fn text_mark(&mut self, text: u32, start: u32, end: u32, key_length: u32, grows: bool, now_ms: f64) -> i32 {
        let done = self.key(key_length).and_then(|key| {
            let value = &self.input[key_length as usize..];
            let range = (start, end);
            self.document
                .text_mark(text, range, &key, value, expand(grows), now_ms as u64)
        });
        self.boolean(done)
    }

    /// Puts the text with its marks into the output, as a packed delta: an array of inserts.
    pub fn text_delta(&mut self, text: u32) -> i32 {
        self.output.clear();
        give_back(&mut self.output);
        let done = self.document.text_delta(text, &mut self.output);
        self.nothing(done)
    }

    /// Puts the keys of the text's marks into the output, as a packed array of strings.
    pub fn text_mark_keys(&mut self, text: u32) -> i32 {
        let done = self.document.text_mark_keys(text);
        let done = done.map(|keys| show_keys(keys, &mut self.output));
        self.nothing(done)
    }

    /// Applies the packed delta behind the first `keys_length` bytes of the input. Those are the keys whose marks don't grow: of
    /// each the length, and the UTF-8.
    pub fn text_apply_delta(&mut self, text: u32, keys_length: u32, now_ms: f64) -> i32 {
        let done = match self.input.split_at_checked(keys_length as usize) {
            Some((keys, delta)) => fixed_keys(keys).and_then(|keys| {
                let grows = |key: &str| expand(!keys.contains(&key));
                self.document.text_apply_delta(text, delta, &grows, now_ms as u64)
            }),
            None => Err(Error::LimitExceeded("the keys are within the input")),
        };
        self.input.clear();
        give_back(&mut self.input);
        self.nothing(done)
    }

    // ---- maps: the input is the key, then the value ----------------------------------------------------------------

    /// Writes the value behind the first `key_length` bytes of the input; 1 if containers may be seen otherwise than before.
    pub fn map_set(&mut self, map: u32, key_length: u32, now_ms: f64) -> i32 {
        let structure = self.document.containers().structure();
        let done = key_in(&self.input, key_length).and_then(|key| {
            self.document
                .map_set(map, &key, &self.input[key_length as usize..], now_ms as u64)
        });
        let is_other = self.document.containers().structure() != structure;
        self.boolean(done.map(|()| is_other))
    }

    /// Deletes a key; 1 if there was something.
    pub fn map_delete(&mut self, map: u32, now_ms: f64) -> i32 {
        let done = self
            .whole_key()
            .and_then(|key| self.document.map_delete(map, &key, now_ms as u64));
        self.boolean(done)
    }

    /// What a reader sees at a key.
    pub fn map_get(&mut self, map: u32) -> i32 {
        let key = match self.whole_key() {
            Ok(key) => key,
            Err(error) => return self.fail(error),
        };
        match self.document.map_get(map, &key) {
            Ok(entry) => show(entry, &mut self.output),
            Err(error) => self.fail(error),
        }
    }

    /// Puts the keys into the output, as a packed array of strings.
    pub fn map_keys(&mut self, map: u32) -> i32 {
        let done = self.document.map_keys(map);
        let done = done.map(|keys| show_keys(keys, &mut self.output));
        self.nothing(done)
    }

    // ---- lists ---------------------------------------------------------------------------------------------------

    /// Inserts the values in the input, one behind the other.
    pub fn list_insert(&mut self, list: u32, index: u32) -> i32 {
        let mut reader = Reader::new(&self.input);
        let mut values = Vec::new();
        while !reader.is_empty() {
            match skip_value(&mut reader) {
                Ok(value) => values.push(value),
                Err(error) => {
                    self.error = Some(Error::InvalidValue(error));
                    return FAILED;
                }
            }
        }
        let done = self.document.list_insert(list, index, &values);
        self.nothing(done)
    }

    /// Inserts a fresh container; its number.
    pub fn list_insert_child(&mut self, list: u32, index: u32, kind: u8) -> i32 {
        let done = kind_of(kind).and_then(|kind| self.document.list_insert_child(list, index, kind));
        self.number(done)
    }

    /// Writes the value in the input into an element.
    pub fn list_set(&mut self, list: u32, index: u32, now_ms: f64) -> i32 {
        let done = self.document.list_set(list, index, &self.input, now_ms as u64);
        self.nothing(done)
    }

    /// Puts a fresh container into an element; its number.
    pub fn list_set_child(&mut self, list: u32, index: u32, kind: u8, now_ms: f64) -> i32 {
        let done = kind_of(kind).and_then(|kind| self.document.list_set_child(list, index, kind, now_ms as u64));
        self.number(done)
    }

    /// Moves an element, to an index in the list without it.
    pub fn list_move(&mut self, list: u32, from: u32, to: u32, now_ms: f64) -> i32 {
        let done = self.document.list_move(list, from, to, now_ms as u64);
        self.nothing(done)
    }

    /// Deletes elements.
    pub fn list_delete(&mut self, list: u32, index: u32, length: u32) -> i32 {
        let done = self.document.list_delete(list, index, length);
        self.nothing(done)
    }

    /// How many elements there are.
    pub fn list_length(&mut self, list: u32) -> i32 {
        let done = self.document.list_len(list);
        self.number(done)
    }

    /// What a reader sees in an element.
    pub fn list_get(&mut self, list: u32, index: u32) -> i32 {
        match self.document.list_get(list, index) {
            Ok(entry) => show(entry, &mut self.output),
            Err(error) => {
                self.error = Some(error);
                FAILED
            }
        }
    }

    // ---- counters and sets ---------------------------------------------------------------------------------------

    /// Adds a whole number, below 2^53 in magnitude.
    pub fn counter_add(&mut self, counter: u32, amount: f64) -> i32 {
        let done = self.document.counter_add(counter, amount as i64);
        self.nothing(done)
    }

    /// The value; NaN when it failed.
    pub fn counter_value(&mut self, counter: u32) -> f64 {
        match self.document.counter_value(counter) {
            Ok(value) => value as f64,
            Err(error) => {
                self.error = Some(error);
                f64::NAN
            }
        }
    }

    /// Adds the value in the input.
    pub fn set_add(&mut self, set: u32) -> i32 {
        let done = self.document.set_add(set, &self.input);
        self.nothing(done)
    }

    /// Removes the value in the input; 1 if it was in.
    pub fn set_delete(&mut self, set: u32) -> i32 {
        let done = self.document.set_delete(set, &self.input);
        self.boolean(done)
    }

    /// 1 if the value in the input is in.
    pub fn set_has(&mut self, set: u32) -> i32 {
        let done = self.document.set_has(set, &self.input);
        self.boolean(done)
    }

    // ---- positions in texts and lists -------------------------------------------------------------------------------

    /// Puts into the output the position at an index, that sticks to what is behind it or to what is before it.
    pub fn position_at(&mut self, container: u32, index: u32, sticks_right: bool) -> i32 {
        let stick = if sticks_right { Stick::Right } else { Stick::Left };
        let done = self.document.position_at(container, index, stick);
        let done = done.map(|position| self.output = position);
        self.nothing(done)
    }

    /// The index at which the position in the input is now; absent where its unit isn't here.
    pub fn index_at(&mut self, container: u32) -> i32 {
        let done = self.document.index_at(container, &self.input);
        self.answer(done, |index| index.map_or(ABSENT, |index| index as i32))
    }

    // ---- of no document ------------------------------------------------------------------------------------------

    /// Puts into the output an index between two: the first `low_length` bytes of the input and the others; empty: none.
    pub fn fractional_index(&mut self, low_length: u32, jitter: u32, jitter_bits: u32) -> i32 {
        let done = self.key(low_length).and_then(|low| {
            let high = String::from_utf8_lossy(&self.input[low_length as usize..]);
            let [low, high] = [low.as_str(), high.as_ref()].map(|index| (!index.is_empty()).then_some(index));
            fractional_index(low, high, jitter, jitter_bits).map_err(Error::NoFractionalIndex)
        });
        let done = done.map(|index| self.output = index.into_bytes());
        self.nothing(done)
    }

    // ---- the whole -----------------------------------------------------------------------------------------------

    /// Puts a container's content into the output, as a packed value.
    pub fn to_plain(&mut self, container: u32) -> i32 {
        self.output.clear();
        give_back(&mut self.output);
        let done = self.document.to_plain(container, &mut self.output);
        self.nothing(done)
    }

    /// Puts the next envelope of own transactions into the output, and into the room where it is short enough. Its length; absent
    /// when there is none.
    pub fn take_update(&mut self) -> i32 {
        give_back(&mut self.output);
        if !self.document.take_update_into(&mut self.output) {
            return ABSENT;
        }
        ROOM.with_borrow_mut(|room| {
            if let Some(room) = room.get_mut(..self.output.len()) {
                room.copy_from_slice(&self.output);
            }
        });
        self.output.len() as i32
    }

    /// Joins the update in the input: 0 it joined, 1 it was known, 2 it waits; 4 more if containers may be seen otherwise than before.
    pub fn apply(&mut self, now_ms: f64) -> i32 {
        let structure = self.document.containers().structure();
        let done = self.document.apply(&self.input, now_ms as u64);
        self.input.clear();
        give_back(&mut self.input);
        self.applied(structure, done)
    }

    /// The same of the update in the first `length` bytes of the room.
    pub fn apply_short(&mut self, length: u32, now_ms: f64) -> i32 {
        let structure = self.document.containers().structure();
        let done = ROOM.with_borrow(|room| match room.get(..length as usize) {
            Some(update) => self.document.apply(update, now_ms as u64),
            None => Err(Error::LimitExceeded("a short update is within the room")),
        });
        self.applied(structure, done)
    }

    /// Joins the updates in the input, one after the other: of each its length (a varint) and its bytes. Stops at the first that is
    /// refused.
    pub fn apply_all(&mut self, now_ms: f64) -> i32 {
        let mut updates = Reader::new(&self.input);
        let mut done = Ok(());
        while done.is_ok() && !updates.is_empty() {
            let update = updates.blob("an update").map_err(Error::InvalidUpdate);
            done = update.and_then(|update| self.document.apply(update, now_ms as u64).map(|_| ()));
        }
        self.input.clear();
        give_back(&mut self.input);
        self.nothing(done)
    }

    /// From now on changes are noted, to be told as patches; or no more.
    pub fn record_patches(&mut self, is_on: bool) {
        self.document.record_patches(is_on);
    }

    /// Puts what has changed since the last time into the output, as a packed array of patches; how many there are.
    pub fn take_patches(&mut self) -> u32 {
        self.output.clear();
        give_back(&mut self.output);
        self.document.take_patches(&mut self.output) as u32
    }

    /// Tries again what waits.
    pub fn retry_pending(&mut self, now_ms: f64) {
        self.document.retry_pending(now_ms as u64);
    }

    /// How many updates wait.
    pub fn pending_count(&self) -> u32 {
        self.document.pending_count() as u32
    }

    /// Puts into the output what has changed since the version in the input (empty: everything).
    pub fn export_update(&mut self) -> i32 {
        let since = (!self.input.is_empty()).then_some(self.input.as_slice());
        let done = self.document.export_update(since).map(|update| self.output = update);
        self.nothing(done)
    }

    /// Puts the version into the output.
    pub fn version(&mut self) {
        self.output = self.document.version_bytes();
    }

    /// 1 if this replica has seen everything that the version in the input has.
    pub fn covers(&mut self) -> i32 {
        let done = self.document.covers(&self.input);
        self.boolean(done)
    }

    /// Puts the whole state into the output.
    pub fn encode_snapshot(&mut self) {
        self.output = self.document.encode_snapshot();
    }

    /// Puts a snapshot with the same content, fresh ids and no removal records into the output.
    pub fn trim(&mut self, agent: u64) -> i32 {
        let done = self.document.trim(agent).map(|snapshot| self.output = snapshot);
        self.nothing(done)
    }

    /// Puts into the output, as a packed value, what an envelope does by its operations with `from < seq <= to` of one of the
    /// parts. The input: per part both in words of 4 bytes, LE, in ascending order; then the envelope.
    pub fn describe(&mut self, parts: u32) -> i32 {
        self.output.clear();
        give_back(&mut self.output);
        let words = (parts as usize)
            .checked_mul(8)
            .and_then(|len| self.input.split_at_checked(len));
        let done = match words {
            Some((words, envelope)) => {
                let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
                let parts: Vec<(u32, u32)> = words
                    .chunks_exact(8)
                    .map(|part| (word(&part[..4]), word(&part[4..])))
                    .collect();
                self.document.describe_parts(envelope, &parts, &mut self.output)
            }
            None => Err(Error::LimitExceeded("the parts are within the input")),
        };
        self.input.clear();
        give_back(&mut self.input);
        self.nothing(done)
    }
}

/// Private conversions.
impl Core {
    fn key(&self, length: u32) -> Result<String, Error> {
        key_in(&self.input, length).map(Cow::into_owned)
    }

    fn whole_key(&self) -> Result<String, Error> {
        self.key(self.input.len() as u32)
    }

    fn key_and_kind(&self, kind: u8) -> Result<(String, Kind), Error> {
        Ok((self.whole_key()?, kind_of(kind)?))
    }

    fn applied(&mut self, structure: u32, done: Result<Applied, Error>) -> i32 {
        let is_other = self.document.containers().structure() != structure;
        self.answer(done, |applied| {
            i32::from(is_other) << 2
                | match applied {
                    Applied::Joined => 0,
                    Applied::Duplicate => 1,
                    Applied::Waiting => 2,
                }
        })
    }

    fn fail(&mut self, error: Error) -> i32 {
        self.error = Some(error);
        FAILED
    }

    fn answer<T>(&mut self, done: Result<T, Error>, code: impl Fn(T) -> i32) -> i32 {
        match done {
            Ok(value) => code(value),
            Err(error) => self.fail(error),
        }
    }

    #[inline(never)]
    fn read_wide(&mut self, text: u32) {
        self.output.clear();
        let units = self.document.text_len(text).unwrap_or(0) as usize;
        self.output.reserve_exact(2 * units);
        for chunk in self.document.text_chunks(text).into_iter().flatten() {
            let from = self.output.len();
            self.output.resize(from + 2 * chunk.len(), 0);
            // As a loop over slices of one length it is compiled to a copy.
            for (bytes, unit) in self.output[from..].chunks_exact_mut(2).zip(chunk) {
                bytes.copy_from_slice(&unit.to_le_bytes());
            }
        }
    }

    fn nothing(&mut self, done: Result<(), Error>) -> i32 {
        self.answer(done, |()| 0)
    }

    fn number(&mut self, done: Result<u32, Error>) -> i32 {
        self.answer(done, |number| number as i32)
    }

    fn boolean(&mut self, done: Result<bool, Error>) -> i32 {
        self.answer(done, i32::from)
    }
}

/// Appends a byte for each unit, four at a time; true if all are ASCII.
fn narrow(units: &[u16], out: &mut Vec<u8>) -> bool {
    let from = out.len();
    out.resize(from + units.len(), 0);
    let (mut bytes, mut fours) = (out[from..].chunks_exact_mut(4), units.chunks_exact(4));
    let mut all = 0;
    for (bytes, units) in bytes.by_ref().zip(fours.by_ref()) {
        let word = (units.iter().rev()).fold(0, |word, &unit| word << 16 | u64::from(unit));
        all |= word;
        // 00aa00bb00cc00dd, then aabbccdd.
        let pairs = (word | word >> 8) & 0x0000_ffff_0000_ffff;
        bytes.copy_from_slice(&((pairs | pairs >> 16) as u32).to_le_bytes());
    }
    for (byte, &unit) in bytes.into_remainder().iter_mut().zip(fours.remainder()) {
        *byte = unit as u8;
        all |= u64::from(unit);
    }
    all & 0xff80_ff80_ff80_ff80 == 0
}

/// The key that is the first `length` bytes of the input.
fn key_in(input: &[u8], length: u32) -> Result<Cow<'_, str>, Error> {
    let bytes = input.get(..length as usize);
    let bytes = bytes.ok_or(Error::LimitExceeded("a key is within the input"))?;
    Ok(String::from_utf8_lossy(bytes))
}

fn kind_of(number: u8) -> Result<Kind, Error> {
    Kind::from_number(number).ok_or(Error::LimitExceeded("kinds of containers are numbered 0 to 6"))
}

fn show_keys<'k>(keys: impl Iterator<Item = &'k Rc<str>>, output: &mut Vec<u8>) {
    output.clear();
    write_texts(keys, output);
}

fn expand(grows: bool) -> Expand {
    if grows {
        Expand::After
    } else {
        Expand::None
    }
}

fn fixed_keys(packed: &[u8]) -> Result<Vec<&str>, Error> {
    let mut reader = Reader::new(packed);
    let mut keys: Vec<&str> = Vec::new();
    while !reader.is_empty() {
        keys.push(reader.str("a key").map_err(Error::InvalidValue)?);
    }
    Ok(keys)
}

fn show(entry: Option<Entry<'_>>, output: &mut Vec<u8>) -> i32 {
    match entry {
        None => ABSENT,
        Some(Entry::Child(child, _)) => child as i32,
        Some(Entry::Plain(bytes)) => {
            output.clear();
            output.extend_from_slice(bytes);
            PLAIN
        }
    }
}

/// Linear memory never shrinks, so what one large call took must at least be there for the next.
fn give_back<T>(buffer: &mut Vec<T>) {
    if buffer.capacity() * std::mem::size_of::<T>() > KEPT_BYTES {
        *buffer = Vec::new();
    }
}
