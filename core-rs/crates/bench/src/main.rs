//! Prints how much memory a loaded text holds, as JSON: live bytes of the allocator after a snapshot of the trace's document was
//! loaded and its text read, and after an edit. Native: pointers are twice as long as in WebAssembly.

use joinery_bench::{trace, type_trace};
use joinery_types::{Document, Error, Kind, ROOT};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code)]
// SAFETY: passes everything on to the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        System.dealloc(pointer, layout);
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> Result<(), Error> {
    let snapshot = type_trace(&trace())?.0.encode_snapshot();
    let before = LIVE.load(Ordering::Relaxed);
    let mut document = Document::default();
    document.apply(&snapshot, u64::MAX)?;
    let Some(text) = document.child(ROOT, "text", Kind::Text) else {
        return Ok(());
    };
    let length = document.text_string(text)?.len();
    let loaded = LIVE.load(Ordering::Relaxed) - before;
    document.set_agent(1);
    document.text_insert(text, document.text_len(text)? / 2, &mut [120])?;
    let edited = LIVE.load(Ordering::Relaxed) - before;
    println!(r#"{{"text_bytes":{length},"loaded_live_bytes":{loaded},"edited_live_bytes":{edited}}}"#);
    Ok(())
}
