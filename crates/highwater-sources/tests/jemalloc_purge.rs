//! What a program has freed and jemalloc holds goes back to the system when it is told to purge.

use std::hint::black_box;
use std::sync::Arc;

use highwater_model::SinceStart;
use highwater_sources::jemalloc::{Jemalloc, Purge};
use highwater_sources::{Options, Regions, Sources};

/// Without a background thread, which would give pages back by itself.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[test]
fn a_purge_gives_freed_pages_back_to_the_system() {
    let mib = |mib: u64| mib << 20;
    let mut sources = Sources::open(Options::default(), Arc::new(Regions::new()));
    // Of a size that is freed at once, and below the one from which on jemalloc gives pages back by itself.
    drop(black_box((0..1024).map(|_| vec![1_u8; 64 << 10]).collect::<Vec<_>>()));
    let before = sources.sample(SinceStart::from_secs(1));
    assert!(before.allocator.unwrap().dirty.unwrap().get() > mib(48), "{before:?}");

    assert_eq!(Purge::resolve().unwrap().run(), Ok(()));

    let after = sources.sample(SinceStart::from_secs(2));
    let held = after.allocator.unwrap();
    assert!(held.dirty.unwrap().get() + held.muzzy.unwrap().get() < mib(1), "{after:?}");
    if let (Some(before), Some(after)) = (before.process.rss, after.process.rss) {
        assert!(before.saturating_sub(after).get() > mib(48), "from {before} to {after}");
    }
}
