//! jemalloc as the program's allocator, with the settings that the binary exports.
#![allow(unsafe_code, reason = "the symbol of the settings is exported by name")]

use std::hint::black_box;
use std::sync::Arc;

use highwater_model::{Bytes, SinceStart};
use highwater_sources::jemalloc::{self, CONF, Conf, Jemalloc};
use highwater_sources::{AllocatorKind, Availability, Options, Regions, Source, Sources};

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// What jemalloc reads before `main`.
// SAFETY: jemalloc declares this symbol as a `const char *`, and nothing else has its name.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: Conf = Conf::new(CONF);

fn open() -> Sources {
    Sources::open(Options::default(), Arc::new(Regions::new()))
}

#[test]
fn the_probe_finds_jemalloc() {
    let sources = open();
    assert_eq!(sources.allocator(), AllocatorKind::Jemalloc);
    assert_eq!(sources.availability()[0], (Source::Jemalloc, Availability::Available));
}

#[test]
fn what_the_program_allocates_is_in_the_next_sample() {
    const SIZE: u64 = 64 << 20;
    let mut sources = open();
    let before = sources.sample(SinceStart::from_secs(1)).allocator.unwrap();
    let block = black_box(vec![1_u8; usize::try_from(SIZE).unwrap()]);
    let held = sources.sample(SinceStart::from_secs(2)).allocator.unwrap();
    drop(black_box(block));
    let after = sources.sample(SinceStart::from_secs(3)).allocator.unwrap();

    // Other tests run beside this one, and hold and release far less.
    let grown = held.allocated.saturating_sub(before.allocated).get();
    assert!(grown.abs_diff(SIZE) < 4 << 20, "{grown}");
    assert!(after.allocated < held.allocated);
    assert!(held.allocated <= held.active && held.active <= held.resident && held.resident <= held.mapped, "{held:?}");
    assert!(held.metadata > Bytes::ZERO);
    assert!(held.dirty.is_some() && held.muzzy.is_some());
    assert!(held.allocations > before.allocations && after.deallocations > held.deallocations);
}

#[test]
fn the_exported_settings_are_in_force() {
    let settings = jemalloc::settings();
    assert_eq!(settings.background_thread, Some(true));
    assert_eq!(settings.cache_oblivious, Some(false));
    // A jemalloc that is built without them has no such setting.
    assert_eq!(settings.profiling, cfg!(feature = "heap-profile").then_some(true));
}
