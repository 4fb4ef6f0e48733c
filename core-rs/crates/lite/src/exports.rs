//! The module's exports: numbers in, a number out, so that there is no glue to generate. Named as those of `crates/wasm`; the first
//! number is the replica's.
//!
//! The caller asks for room ([`input`]), writes into linear memory, calls, and reads an answer that is longer than a number from
//! [`output_pointer`] and [`output_length`]. Views of linear memory are void after any call.

// An exported name is global, which the lint calls unsafe; nothing here is otherwise.
#![allow(unsafe_code)]

use crate::door::{apply as join, insert, key, key_in, kind as kind_of, show, show_keys, Action, Answer, Door, ABSENT};
use joinery_types::Error;
use std::cell::RefCell;

thread_local! {
    // WebAssembly has one thread here.
    static DOOR: RefCell<Door> = const { RefCell::new(Door::new()) };
}

fn call(replica: u32, action: &mut Action<'_>) -> i32 {
    DOOR.with_borrow_mut(|door| door.call(replica, action))
}

/// An answer that is a number.
fn number(done: Result<u32, Error>) -> Answer {
    done.map(|number| number as i32)
}

/// An answer that says no more than that it is done.
fn nothing(done: Result<(), Error>) -> Answer {
    done.map(|()| 0)
}

/// An empty replica without an agent; its number.
#[no_mangle]
pub extern "C" fn create() -> u32 {
    DOOR.with_borrow_mut(Door::create)
}

/// Gives a replica's memory back.
#[no_mangle]
pub extern "C" fn release(replica: u32) {
    DOOR.with_borrow_mut(|door| door.release(replica));
}

/// Room for `length` bytes of input; its address.
#[no_mangle]
pub extern "C" fn input(_: u32, length: usize) -> usize {
    DOOR.with_borrow_mut(|door| door.room(length))
}

/// Where the last answer starts.
#[no_mangle]
pub extern "C" fn output_pointer(_: u32) -> usize {
    DOOR.with_borrow(|door| door.output.as_ptr() as usize)
}

/// How many bytes it has.
#[no_mangle]
pub extern "C" fn output_length(_: u32) -> usize {
    DOOR.with_borrow(|door| door.output.len())
}

/// Puts why the last call was refused into the output: the code, a line feed, the message.
#[no_mangle]
pub extern "C" fn explain(_: u32) {
    DOOR.with_borrow_mut(Door::explain);
}

/// Gives a replica its agent. Once, before its first write.
#[no_mangle]
pub extern "C" fn set_agent(replica: u32, agent: u64) {
    call(replica, &mut |document, _, _| {
        document.set_agent(agent);
        Ok(0)
    });
}

/// The seq of the last operation written here; 0 before the first.
#[no_mangle]
pub extern "C" fn own_seq(replica: u32) -> i32 {
    call(replica, &mut |document, _, _| Ok(document.own_seq() as i32))
}

/// Grows with every change.
#[no_mangle]
pub extern "C" fn revision(replica: u32) -> i32 {
    call(replica, &mut |document, _, _| Ok(document.revision() as i32))
}

/// Grows with every change of this container's own state.
#[no_mangle]
pub extern "C" fn container_revision(replica: u32, container: u32) -> i32 {
    call(replica, &mut |document, _, _| {
        let container = document.containers().live(container);
        Ok(container.map_or(0, |container| container.revision as i32))
    })
}

/// A container's kind; absent once it is gone.
#[no_mangle]
pub extern "C" fn kind(replica: u32, container: u32) -> i32 {
    call(replica, &mut |document, _, _| {
        let container = document.containers().live(container);
        Ok(container.map_or(ABSENT, |container| container.body.kind() as i32))
    })
}

/// The container of this kind that a reader sees at a map's key.
#[no_mangle]
pub extern "C" fn child(replica: u32, parent: u32, kind: u32) -> i32 {
    call(replica, &mut |document, input, _| {
        let child = document.child(parent, key(input)?, kind_of(kind)?);
        Ok(child.map_or(ABSENT, |child| child as i32))
    })
}

/// The same, created if there is none.
#[no_mangle]
pub extern "C" fn ensure_child(replica: u32, parent: u32, kind: u32, now_ms: f64) -> i32 {
    call(replica, &mut |document, input, _| {
        number(document.ensure_child(parent, key(input)?, kind_of(kind)?, now_ms as u64))
    })
}

/// A fresh one; ends what was there.
#[no_mangle]
pub extern "C" fn create_child(replica: u32, parent: u32, kind: u32, now_ms: f64) -> i32 {
    call(replica, &mut |document, input, _| {
        number(document.create_child(parent, key(input)?, kind_of(kind)?, now_ms as u64))
    })
}

/// Writes the value behind the first `key_length` bytes of the input; 1 if containers may be seen otherwise than before.
#[no_mangle]
pub extern "C" fn map_set(replica: u32, map: u32, key_length: usize, now_ms: f64) -> i32 {
    call(replica, &mut |document, input, _| {
        let structure = document.containers().structure();
        let (key, value) = key_in(input, key_length)?;
        document.map_set(map, key, value, now_ms as u64)?;
        Ok(i32::from(document.containers().structure() != structure))
    })
}

/// Deletes a key; 1 if there was something.
#[no_mangle]
pub extern "C" fn map_delete(replica: u32, map: u32, now_ms: f64) -> i32 {
    call(replica, &mut |document, input, _| {
        document.map_delete(map, key(input)?, now_ms as u64).map(i32::from)
    })
}

/// What a reader sees at a key.
#[no_mangle]
pub extern "C" fn map_get(replica: u32, map: u32) -> i32 {
    call(replica, &mut |document, input, output| {
        Ok(show(document.map_get(map, key(input)?)?, output))
    })
}

/// Puts the keys into the output, as a packed array of strings.
#[no_mangle]
pub extern "C" fn map_keys(replica: u32, map: u32) -> i32 {
    call(replica, &mut |document, _, output| show_keys(document, map, output))
}

/// Inserts the values in the input, one behind the other.
#[no_mangle]
pub extern "C" fn list_insert(replica: u32, list: u32, index: u32) -> i32 {
    call(replica, &mut |document, input, _| insert(document, list, index, input))
}

/// Inserts a fresh container; its number.
#[no_mangle]
pub extern "C" fn list_insert_child(replica: u32, list: u32, index: u32, kind: u32) -> i32 {
    call(replica, &mut |document, _, _| {
        number(document.list_insert_child(list, index, kind_of(kind)?))
    })
}

/// Writes the value in the input into an element.
#[no_mangle]
pub extern "C" fn list_set(replica: u32, list: u32, index: u32, now_ms: f64) -> i32 {
    call(replica, &mut |document, input, _| {
        nothing(document.list_set(list, index, input, now_ms as u64))
    })
}

/// Puts a fresh container into an element; its number.
#[no_mangle]
pub extern "C" fn list_set_child(replica: u32, list: u32, index: u32, kind: u32, now_ms: f64) -> i32 {
    call(replica, &mut |document, _, _| {
        number(document.list_set_child(list, index, kind_of(kind)?, now_ms as u64))
    })
}

/// Moves an element, to an index in the list without it.
#[no_mangle]
pub extern "C" fn list_move(replica: u32, list: u32, from: u32, to: u32, now_ms: f64) -> i32 {
    call(replica, &mut |document, _, _| {
        nothing(document.list_move(list, from, to, now_ms as u64))
    })
}

/// Deletes elements.
#[no_mangle]
pub extern "C" fn list_delete(replica: u32, list: u32, index: u32, length: u32) -> i32 {
    call(replica, &mut |document, _, _| {
        nothing(document.list_delete(list, index, length))
    })
}

/// How many elements there are.
#[no_mangle]
pub extern "C" fn list_length(replica: u32, list: u32) -> i32 {
    call(replica, &mut |document, _, _| number(document.list_len(list)))
}

/// What a reader sees in an element.
#[no_mangle]
pub extern "C" fn list_get(replica: u32, list: u32, index: u32) -> i32 {
    call(replica, &mut |document, _, output| {
        Ok(show(document.list_get(list, index)?, output))
    })
}

/// Adds a whole number, below 2^53 in magnitude.
#[no_mangle]
pub extern "C" fn counter_add(replica: u32, counter: u32, amount: f64) -> i32 {
    call(replica, &mut |document, _, _| {
        nothing(document.counter_add(counter, amount as i64))
    })
}

/// The value; NaN when it failed.
#[no_mangle]
pub extern "C" fn counter_value(replica: u32, counter: u32) -> f64 {
    let mut value = f64::NAN;
    call(replica, &mut |document, _, _| {
        value = document.counter_value(counter)? as f64;
        Ok(0)
    });
    value
}

/// Adds the value in the input.
#[no_mangle]
pub extern "C" fn set_add(replica: u32, set: u32) -> i32 {
    call(replica, &mut |document, input, _| nothing(document.set_add(set, input)))
}

/// Removes the value in the input; 1 if it was in.
#[no_mangle]
pub extern "C" fn set_delete(replica: u32, set: u32) -> i32 {
    call(replica, &mut |document, input, _| {
        document.set_delete(set, input).map(i32::from)
    })
}

/// 1 if the value in the input is in.
#[no_mangle]
pub extern "C" fn set_has(replica: u32, set: u32) -> i32 {
    call(replica, &mut |document, input, _| {
        document.set_has(set, input).map(i32::from)
    })
}

/// Puts a container's content into the output, as a packed value.
#[no_mangle]
pub extern "C" fn to_plain(replica: u32, container: u32) -> i32 {
    call(replica, &mut |document, _, output| {
        output.clear();
        nothing(document.to_plain(container, output))
    })
}

/// Puts the next envelope of own transactions into the output. Its length; absent when there is none.
#[no_mangle]
pub extern "C" fn take_update(replica: u32) -> i32 {
    call(replica, &mut |document, _, output| {
        Ok(match document.take_update_into(output) {
            true => output.len() as i32,
            false => ABSENT,
        })
    })
}

/// Joins the update in the input: 0 it joined, 1 it was known, 2 it waits; 4 more if containers may be seen otherwise than before.
#[no_mangle]
pub extern "C" fn apply(replica: u32, now_ms: f64) -> i32 {
    call(replica, &mut |document, input, _| join(document, input, now_ms))
}

/// Tries again what waits.
#[no_mangle]
pub extern "C" fn retry_pending(replica: u32, now_ms: f64) {
    call(replica, &mut |document, _, _| {
        document.retry_pending(now_ms as u64);
        Ok(0)
    });
}

/// How many updates wait.
#[no_mangle]
pub extern "C" fn pending_count(replica: u32) -> i32 {
    call(replica, &mut |document, _, _| Ok(document.pending_count() as i32))
}

/// Puts into the output what has changed since the version in the input (empty: everything).
#[no_mangle]
pub extern "C" fn export_update(replica: u32) -> i32 {
    call(replica, &mut |document, input, output| {
        *output = document.export_update((!input.is_empty()).then_some(input))?;
        Ok(0)
    })
}

/// Puts the version into the output.
#[no_mangle]
pub extern "C" fn version(replica: u32) -> i32 {
    call(replica, &mut |document, _, output| {
        *output = document.version_bytes();
        Ok(0)
    })
}

/// 1 if this replica has seen everything that the version in the input has.
#[no_mangle]
pub extern "C" fn covers(replica: u32) -> i32 {
    call(replica, &mut |document, input, _| document.covers(input).map(i32::from))
}

/// Puts the whole state into the output.
#[no_mangle]
pub extern "C" fn encode_snapshot(replica: u32) -> i32 {
    call(replica, &mut |document, _, output| {
        *output = document.encode_snapshot();
        Ok(0)
    })
}
