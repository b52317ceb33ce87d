//! jemalloc linked into a program that allocates elsewhere: its numbers would be plausible and false.

use std::sync::Arc;

use highwater_model::SinceStart;
use highwater_sources::jemalloc::Purge;
use highwater_sources::{AllocatorKind, Availability, Options, Regions, Source, Sources};

#[test]
fn numbers_of_an_allocator_that_is_not_the_programs_are_absent() {
    let mut sources = Sources::open(Options::default(), Arc::new(Regions::new()));
    assert_eq!(sources.allocator(), AllocatorKind::JemallocNotInstalled);
    assert_eq!(sources.availability()[0], (Source::Jemalloc, Availability::Absent));
    assert_eq!(sources.sample(SinceStart::from_secs(1)).allocator, None);
}

#[test]
fn there_is_nothing_to_purge_in_an_allocator_that_is_not_the_programs() {
    assert!(Purge::resolve().is_none());
}
