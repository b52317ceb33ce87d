//! Whether the program's allocations are jemalloc's: allocate, and see whether its counter of this thread moves.
//!
//! The counter is the thread's own, so that no other thread can move it. Several sizes, since a program may send some to
//! one allocator and some to another. Costs 0.7 us, once: the allocator of a program does not change.
#![allow(unsafe_code, reason = "GlobalAlloc's functions and a counter that jemalloc gives as a pointer")]

use std::alloc::{Layout, alloc, dealloc};
use std::hint::black_box;

use super::mallctl::Key;
use crate::jemalloc::AllocatorKind;

/// Thread cache, slab, extent, and a size that some programs send elsewhere. No larger: what the probe frees stays in
/// jemalloc's dirty pages, and so in `resident`, until it is used again or decays.
const SIZES: [usize; 4] = [64, 4 << 10, 256 << 10, 1 << 20];

pub(super) fn kind() -> AllocatorKind {
    let Some(counter) = Key::<usize>::resolve(c"thread.allocatedp").and_then(|key| key.read().ok()) else {
        return AllocatorKind::JemallocNotInstalled;
    };
    let counter = counter as *const u64;
    if counter.is_null() {
        return AllocatorKind::JemallocNotInstalled;
    }
    let counted = SIZES.iter().filter(|size| moves(counter, **size)).count();
    match counted {
        0 => AllocatorKind::JemallocNotInstalled,
        all if all == SIZES.len() => AllocatorKind::Jemalloc,
        _ => AllocatorKind::JemallocMixed,
    }
}

/// Whether an allocation of `size` bytes moves the counter by at least as much.
fn moves(counter: *const u64, size: usize) -> bool {
    let Ok(layout) = Layout::from_size_align(size, 16) else { return false };
    // SAFETY: jemalloc(3), thread.allocatedp: the pointer leads to this thread's counter for as long as the thread runs.
    // Volatile, since the compiler may take for granted that allocating changes no memory that it can see.
    let before = unsafe { counter.read_volatile() };
    // SAFETY: the layout's size is not zero; the block is given back with the same layout, or was null.
    unsafe {
        let block = black_box(alloc(layout));
        if block.is_null() {
            return false;
        }
        dealloc(block, layout);
    }
    // SAFETY: as above; this is still the same thread.
    let after = unsafe { counter.read_volatile() };
    after.wrapping_sub(before) >= size as u64
}
