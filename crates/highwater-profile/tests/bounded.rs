//! Whatever a dump holds, reading and writing it takes no more than is promised.
#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "test code, outside of test functions")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

#[cfg(feature = "unstable-otlp")]
use highwater_profile::otlp::{About, MOST};
use highwater_profile::{Analysis, MOST_HELD, Opener};

static HELD: AtomicUsize = AtomicUsize::new(0);
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: as the system's, which it calls with what it was given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        HIGHEST.fetch_max(held, Ordering::Relaxed);
        // SAFETY: of the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: of the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// 130,000 distinct addresses all over this very program, in many stacks of 40 frames and in more of one.
#[test]
fn a_dump_of_many_addresses_takes_no_more_than_is_promised() {
    takes_no_more_than_is_promised(20_000, 40);
    takes_no_more_than_is_promised(130_000, 1);
}

fn takes_no_more_than_is_promised(stacks: u64, frames: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heap");
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let program = maps.lines().find(|line| line.contains("r-xp") && line.contains("bounded")).unwrap();
    let start = u64::from_str_radix(program.split('-').next().unwrap(), 16).unwrap();
    let mut out = BufWriter::new(File::create(&path).unwrap());
    writeln!(out, "heap_v2/524288").unwrap();
    for stack in 0..stacks {
        write!(out, "@").unwrap();
        for frame in 0..frames {
            write!(out, " {:#x}", start + (stack * frames + frame) * 48_271 % 130_003 * 8).unwrap();
        }
        writeln!(out, "\n  t*: 1: 524288 [0: 0]\n  t0: 1: 524288 [0: 0]").unwrap();
    }
    write!(out, "\nMAPPED_LIBRARIES:\n{maps}").unwrap();
    out.flush().unwrap();
    drop((out, maps));

    let before = HELD.load(Ordering::Relaxed);
    HIGHEST.store(before, Ordering::Relaxed);
    let highest = || HIGHEST.load(Ordering::Relaxed) - before;
    let mut analysis = Analysis::of(File::open(&path).unwrap(), &mut Opener::new("/proc/self/exe")).unwrap();
    let read = highest();
    assert_eq!(analysis.stacks(), stacks);
    assert!(analysis.sites(100, None).iter().any(|site| site.function.is_some()));
    let baseline = analysis.baseline();
    assert!(analysis.grown(3, &baseline).is_empty());
    let written = analysis.write_pprof(io::sink(), SystemTime::UNIX_EPOCH).unwrap();
    #[cfg(feature = "unstable-otlp")]
    {
        let ids = [[1; 16], [2; 16]];
        let about = About { resource: b"", scope: b"", time: SystemTime::UNIX_EPOCH, trace: Some([7; 16]), ids };
        let request = analysis.write_otlp(&about).unwrap().into_bytes();
        println!("{} bytes for OpenTelemetry", request.len());
        assert!(request.len() <= MOST, "{} bytes", request.len());
    }
    println!("{read} bytes to read, {} in all, {written} written", highest());
    assert!(highest() <= MOST_HELD, "{} bytes", highest());
}
