//! A steady-state reading allocates nothing: with jemalloc, whose numbers are then read too.
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]

use highwater_sources::jemalloc::Jemalloc;

#[path = "counting/allocator.rs"]
mod allocator;

#[global_allocator]
static ALLOCATOR: allocator::Counting<Jemalloc> = allocator::Counting(Jemalloc);

#[test]
fn readings_of_this_system_allocate_nothing() {
    allocator::readings_of_this_system_allocate_nothing();
}

#[test]
fn readings_of_nested_limits_allocate_nothing() {
    allocator::readings_of_nested_limits_allocate_nothing();
}

#[test]
fn readings_of_nothing_allocate_nothing() {
    allocator::readings_of_nothing_allocate_nothing();
}
