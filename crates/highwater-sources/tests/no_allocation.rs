//! A steady-state reading allocates nothing: with the system's allocator, which also is one that jemalloc is not.
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]

#[path = "counting/allocator.rs"]
mod allocator;

#[global_allocator]
static ALLOCATOR: allocator::Counting<std::alloc::System> = allocator::Counting(std::alloc::System);

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
