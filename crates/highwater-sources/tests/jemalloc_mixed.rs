//! A program that sends large blocks to the system and the rest to jemalloc.
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;

use highwater_model::SinceStart;
use highwater_sources::jemalloc::Jemalloc;
use highwater_sources::{AllocatorKind, Options, Regions, Sources};

struct Mixed;

impl Mixed {
    fn of(layout: Layout) -> &'static dyn GlobalAlloc {
        if layout.size() >= 1 << 20 { &System } else { &Jemalloc }
    }
}

// SAFETY: GlobalAlloc: a block goes back where it came from, since its layout decides.
unsafe impl GlobalAlloc for Mixed {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised.
        unsafe { Self::of(layout).alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { Self::of(layout).dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Mixed = Mixed;

#[test]
fn a_part_that_goes_elsewhere_is_noticed() {
    let mut sources = Sources::open(Options::default(), Arc::new(Regions::new()));
    assert_eq!(sources.allocator(), AllocatorKind::JemallocMixed);
    assert!(sources.sample(SinceStart::from_secs(1)).allocator.is_some(), "true of its part");
}
