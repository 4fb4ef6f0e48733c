//! An allocator that is little code. A block has a size that is a power of two; one that is given back is taken by the next
//! allocation of that size, the last one first. Linear memory grows by an eighth of itself, for each growth costs the engine a
//! garbage collection.
//!
//! What it is not: thrifty. Half of a block may be unused, and blocks are never put together or cut. The standard allocator is better
//! at both, and larger than what a list needs to merge.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::null_mut;

/// The smallest block, by its power of two: it has to hold a pointer, and what is aligned to 16 bytes starts right in any.
const LEAST: u32 = 4;
/// How many sizes there are.
const SIZES: usize = 32;
const PAGE: usize = 1 << 16;
/// Memory grows by so many pages at least.
const PAGES_LEAST: usize = 4;

struct State {
    /// By size, the last block that was given back; each holds the address of the one before.
    free: [*mut u8; SIZES],
    /// What was taken from linear memory and not yet given to anybody.
    next: usize,
    end: usize,
}

/// See the top of this file.
pub struct Memory(UnsafeCell<State>);

// SAFETY: WebAssembly has one thread here.
unsafe impl Sync for Memory {}

impl Memory {
    /// Nothing taken yet.
    pub const fn new() -> Memory {
        Memory(UnsafeCell::new(State {
            free: [null_mut(); SIZES],
            next: 0,
            end: 0,
        }))
    }
}

/// A block's size for a layout, by its power of two. No type here is aligned to more than its block.
fn power(layout: Layout) -> u32 {
    let size = layout.size().max(layout.align()).max(1 << LEAST);
    usize::BITS - (size - 1).leading_zeros()
}

impl State {
    /// Takes a block of a size from linear memory.
    fn take(&mut self, size: usize) -> *mut u8 {
        // Aligned to its size, as far as any layout asks for that.
        let align = size.min(16);
        let start = (self.next + align - 1) & !(align - 1);
        if size > self.end.wrapping_sub(start) || start > self.end {
            let have = core::arch::wasm32::memory_size(0);
            let pages = size.div_ceil(PAGE).max(have / 8).max(PAGES_LEAST);
            if core::arch::wasm32::memory_grow(0, pages) == usize::MAX {
                return null_mut();
            }
            // What is left of the pages before goes on in these, unless somebody else has taken some in between.
            if self.end != have * PAGE {
                self.next = have * PAGE;
            }
            self.end = (have + pages) * PAGE;
            return self.take(size);
        }
        self.next = start + size;
        start as *mut u8
    }
}

// SAFETY: a block is in one list, or given to one caller, and is at least as long as the layout says. Layouts aligned to more than 16
// bytes are refused.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let power = power(layout);
        if layout.align() > 16 || power as usize >= SIZES {
            return null_mut();
        }
        let state = &mut *self.0.get();
        let first = &mut state.free[power as usize];
        let block = *first;
        if block.is_null() {
            return state.take(1 << power);
        }
        *first = *(block as *mut *mut u8);
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let first = &mut (*self.0.get()).free[power(layout) as usize & (SIZES - 1)];
        *(block as *mut *mut u8) = *first;
        *first = block;
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let new = Layout::from_size_align_unchecked(size, layout.align());
        if power(new) == power(layout) {
            return block;
        }
        let moved = self.alloc(new);
        if !moved.is_null() {
            core::ptr::copy_nonoverlapping(block, moved, size.min(layout.size()));
            self.dealloc(block, layout);
        }
        moved
    }
}
