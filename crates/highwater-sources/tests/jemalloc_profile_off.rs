//! A jemalloc that could take heap profiles and was not told to: later it is too late.

use highwater_sources::jemalloc::{self, Jemalloc, Profiler};

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[test]
fn there_are_no_profiles_of_a_program_that_was_not_sampled_from_its_start_on() {
    assert_eq!(jemalloc::settings().profiling, Some(false));
    assert!(Profiler::resolve().is_none());
}
