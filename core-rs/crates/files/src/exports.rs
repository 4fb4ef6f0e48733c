//! The module's exports: numbers in, a number out, so that there is no glue to generate. It converts and never decides.
//!
//! The caller writes into the staging buffer, calls, and reads a short answer from the output, a long one from the staging
//! buffer. Both stay where they are; a view of linear memory is void only after a call that creates. Numbers below zero mean
//! that the call was refused; [`explain`] says why.

// An exported name is global, which the lint calls unsafe; nothing here is otherwise.
#![allow(unsafe_code)]

use crate::{Door, Error};
use std::cell::RefCell;

thread_local! {
    // WebAssembly has one thread here.
    static DOOR: RefCell<Door> = const { RefCell::new(Door::new()) };
}

const REFUSED: i32 = -1;

fn call(action: impl FnOnce(&mut Door) -> Result<u32, Error>) -> i32 {
    DOOR.with_borrow_mut(|door| match action(door) {
        Ok(answer) => answer as i32,
        Err(error) => {
            door.error = Some(error);
            REFUSED
        }
    })
}

/// Makes the buffers, once, before anything else; the address of the staging buffer.
#[no_mangle]
pub extern "C" fn open() -> usize {
    DOOR.with_borrow_mut(|door| {
        door.open();
        door.staging.as_ptr() as usize
    })
}

/// The address of the output.
#[no_mangle]
pub extern "C" fn output() -> usize {
    DOOR.with_borrow(|door| door.output.as_ptr() as usize)
}

/// See [`Door::hash`].
#[no_mangle]
pub extern "C" fn hash(length: usize) -> i32 {
    call(|door| door.hash(length).map(|()| 0))
}

/// See [`Door::create_hasher`].
#[no_mangle]
pub extern "C" fn create_hasher() -> i32 {
    call(|door| door.create_hasher())
}

/// See [`Door::create_keyed_hasher`].
#[no_mangle]
pub extern "C" fn create_keyed_hasher() -> i32 {
    call(|door| door.create_keyed_hasher())
}

/// See [`Door::create_deriving_hasher`].
#[no_mangle]
pub extern "C" fn create_deriving_hasher(length: usize) -> i32 {
    call(|door| door.create_deriving_hasher(length))
}

/// See [`Door::update`].
#[no_mangle]
pub extern "C" fn update(handle: u32, length: usize) -> i32 {
    call(|door| door.update(handle, length).map(|()| 0))
}

/// See [`Door::digest`].
#[no_mangle]
pub extern "C" fn digest(handle: u32, length: usize) -> i32 {
    call(|door| door.digest(handle, length).map(|()| 0))
}

/// See [`Door::reset`].
#[no_mangle]
pub extern "C" fn reset(handle: u32) -> i32 {
    call(|door| door.reset(handle).map(|()| 0))
}

/// See [`Door::create_chunker`].
#[no_mangle]
pub extern "C" fn create_chunker(min: u32, average: u32, max: u32, keyed: u32, hashes: u32) -> i32 {
    call(|door| door.create_chunker([min, average, max], keyed != 0, hashes != 0))
}

/// See [`Door::advance`].
#[no_mangle]
pub extern "C" fn advance(handle: u32, start: usize, end: usize) -> i32 {
    call(|door| door.advance(handle, start, end))
}

/// See [`Door::finish`].
#[no_mangle]
pub extern "C" fn finish(handle: u32) -> i32 {
    call(|door| door.finish(handle).map(|()| 0))
}

/// See [`Door::free`].
#[no_mangle]
pub extern "C" fn release(handle: u32) -> i32 {
    call(|door| door.free(handle).map(|()| 0))
}

/// See [`Door::explain`].
#[no_mangle]
pub extern "C" fn explain() -> i32 {
    call(|door| Ok(door.explain() as u32))
}
