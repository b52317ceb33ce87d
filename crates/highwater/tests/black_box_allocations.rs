//! With a black box, a sample costs no allocation: neither of the watch thread nor of the box's.
#![allow(unsafe_code, reason = "a counting allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use highwater::{Agent, Bytes};

struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Whether what this thread allocates is not the agent's.
    static EXEMPT: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: each call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !EXEMPT.try_with(Cell::get).unwrap_or(true) {
            COUNT.fetch_add(1, Relaxed);
        }
        // SAFETY: the caller's contract is ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is ours.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn samples_that_go_into_a_box_allocate_nothing() {
    EXEMPT.set(true);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.box");
    let builder = Agent::builder().set("OTEL_SDK_DISABLED", "true").events("none").limit(Bytes::gib(64));
    let agent = builder.black_box(&path).start().unwrap();
    let at = || agent.status().sample.map_or(Duration::ZERO, |sample| sample.at.elapsed());
    let wait = |until: Duration| {
        while at() < until {
            thread::park_timeout(Duration::from_millis(20));
        }
    };
    // Past the first sample, the first write into each ring, and a look at the limits, which opens files.
    wait(Duration::from_secs(11));
    let before = COUNT.load(Relaxed);
    wait(at() + Duration::from_secs(6));
    let count = COUNT.load(Relaxed) - before;
    assert!(agent.shutdown(Duration::from_secs(60)));
    let samples = highwater::black_box::BlackBox::read(&path).unwrap().samples().len();
    assert!(samples > 12, "{samples}");
    assert_eq!(count, 0, "allocations in six seconds");
}
