//! A global allocator that counts the allocations of each thread, and the readings that must not make any.
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::fs;
use std::hint::black_box;
use std::sync::Arc;

use highwater_model::{Bytes, SinceStart};
use highwater_sources::{Options, Regions, Sources};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts, and leaves the work to `A`. Per thread, since the test harness allocates on threads of its own.
pub(crate) struct Counting<A>(pub(crate) A);

// SAFETY: GlobalAlloc: all calls go to the allocator inside with the arguments that came.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { self.0.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { self.0.realloc(block, layout, size) }
    }
}

fn count() {
    // A thread that ends has no counter any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get().saturating_add(1)));
}

fn allocations_of<T>(work: impl FnOnce() -> T) -> u64 {
    let before = ALLOCATIONS.get();
    black_box(work());
    ALLOCATIONS.get().saturating_sub(before)
}

fn assert_no_allocation(what: &str, options: Options) {
    let regions = Arc::new(Regions::new());
    let region = regions.region("staging");
    let mut sources = Sources::open(options, Arc::clone(&regions));
    sources.sample(SinceStart::from_secs(0));
    for (reading, count) in [
        ("glance", allocations_of(|| sources.glance(SinceStart::from_secs(1)))),
        ("sample", allocations_of(|| sources.sample(SinceStart::from_secs(2)))),
        ("refresh", allocations_of(|| sources.refresh())),
        ("sample after refresh", allocations_of(|| sources.sample(SinceStart::from_secs(3)))),
        ("availability", allocations_of(|| (sources.availability(), sources.allocator()))),
        (
            "regions",
            allocations_of(|| {
                region.add(Bytes::mib(1));
                region.remove(Bytes::mib(1));
                assert_eq!(regions.iter().map(|(name, _)| name.len()).sum::<usize>(), 7);
                assert_eq!(regions.total(), Bytes::ZERO);
            }),
        ),
    ] {
        assert_eq!(count, 0, "allocations of {reading} in {what}");
    }
}

pub(crate) fn readings_of_this_system_allocate_nothing() {
    assert!(allocations_of(|| Box::new(1_u64)) > 0, "the allocator counts");
    assert_no_allocation("this system", Options::default());
    assert_no_allocation("this system with a limit", Options { limit: Some(Bytes::gib(1)), ..Options::default() });
}

pub(crate) fn readings_of_nothing_allocate_nothing() {
    let tree = tempfile::tempdir().expect("a temporary folder");
    assert_no_allocation("an empty tree", Options { root: tree.path().to_path_buf(), ..Options::default() });
}

pub(crate) fn readings_of_nested_limits_allocate_nothing() {
    let tree = tempfile::tempdir().expect("a temporary folder");
    let write = |path: &str, content: &str| {
        let path = tree.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, content).expect("a file");
    };
    write("proc/self/cgroup", "0::/pod/app\n");
    write("proc/self/mountinfo", "31 1 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
    write("proc/self/statm", "1000 500 200 1 0 1 0\n");
    write("proc/self/status", "RssAnon:\t 100 kB\nRssShmem:\t 0 kB\n");
    write("proc/meminfo", "MemTotal: 16777216 kB\n");
    for folder in ["cg/pod/app", "cg/pod"] {
        write(&format!("{folder}/cgroup.events"), "populated 1\n");
        write(&format!("{folder}/memory.max"), "1073741824\n");
        write(&format!("{folder}/memory.high"), "536870912\n");
        write(&format!("{folder}/memory.current"), "104857600\n");
        write(&format!("{folder}/memory.stat"), "anon 1048576\ninactive_file 4096\nactive_file 4096\n");
        write(&format!("{folder}/memory.events"), "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
        write(&format!("{folder}/memory.pressure"), "some total=1\nfull total=1\n");
    }
    assert_no_allocation(
        "nested limits",
        Options { root: tree.path().to_path_buf(), limit: Some(Bytes::gib(1)), ..Options::default() },
    );
}
