//! How linear memory grows: by a share of itself, not by the page. Each growth makes a new `ArrayBuffer` of the whole memory, and
//! by its size engines count what is due to the garbage collector: a large document, read page by page, would pay for a
//! collection with each of its pages. The pages ahead are touched by nobody before they are needed.
//!
//! What it is not: an allocator of its own. The standard one does everything but say how far memory grows.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};

/// Memory grows by an eighth of itself.
const SHARE: usize = 8;
/// A small one grows as it needs.
const LEAST: usize = 1 << 20;
const PAGE: usize = 1 << 16;

/// See the top of this file.
pub struct Memory {
    /// Up to here memory was there when this was last looked at.
    end: AtomicUsize,
}

impl Memory {
    /// Nothing known yet.
    pub const fn new() -> Memory {
        Memory {
            end: AtomicUsize::new(0),
        }
    }

    /// Behind an allocation: where memory has grown for it, it grows some more. Given back at once, that is what the allocator
    /// takes next.
    fn look_at(&self, block: *mut u8, size: usize) {
        if (block as usize).saturating_add(size) <= self.end.load(Ordering::Relaxed) {
            return;
        }
        let reserve = (core::arch::wasm32::memory_size(0) * PAGE / SHARE).max(1);
        if reserve * SHARE > LEAST {
            if let Ok(ahead) = Layout::from_size_align(reserve, 16) {
                // SAFETY: the size is not zero, and what is given back is what was taken, by the same layout. None is no harm.
                unsafe {
                    let block = System.alloc(ahead);
                    if !block.is_null() {
                        System.dealloc(block, ahead);
                    }
                }
            }
        }
        self.end
            .store(core::arch::wasm32::memory_size(0) * PAGE, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator as it came, and every block comes from there.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = System.alloc(layout);
        self.look_at(block, layout.size());
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = System.alloc_zeroed(layout);
        self.look_at(block, layout.size());
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        System.dealloc(block, layout);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let block = System.realloc(block, layout, size);
        self.look_at(block, size);
        block
    }
}
