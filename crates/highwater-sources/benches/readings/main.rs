//! What a reading costs beside the raw reads that it cannot do without.
//!
//! `cargo bench -p highwater-sources --features jemalloc`
//!
//! The raw reads are `pread` of the same kernel files from kept descriptors, and `mallctl` of the same keys, without any
//! parsing. Both sides alternate in batches within one run, so that a busy machine slows both; medians of the batches are
//! compared. As root, with a memory hierarchy that can be written, the program first enters a cgroup of its own with a
//! limit, so that the limited path is measured.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark that cannot be set up stops, and it needs a clock"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use highwater_model::{Bytes, SinceStart};
use highwater_sources::{Options, Sources};

use self::group::Group;
use self::raw::Raw;

mod group;
mod raw;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: highwater_sources::jemalloc::Jemalloc = highwater_sources::jemalloc::Jemalloc;

/// How often both sides are timed.
const ROUNDS: usize = 1_000;

/// The share that parsing and deciding may add to the raw reads.
const GOAL: f64 = 1.3;

fn main() {
    let group = Group::enter();
    header(group.as_ref());
    let (at, own) = (SinceStart::from_secs(1), Path::new("/proc/self"));
    let mut sources = Sources::open(Options::default(), Arc::default());
    let mut with_limit = Sources::open(Options { limit: Some(Bytes::gib(1)), ..Options::default() }, Arc::default());
    sources.sample(at);
    with_limit.sample(at);
    for (source, availability) in sources.availability() {
        println!("{:<10} {availability:?}", source.as_str());
    }
    println!(
        "allocator  {:?}\n\n{:<32} {:>11} {:>11} {:>6}",
        sources.allocator(),
        "median of",
        "raw",
        "reading",
        "ratio"
    );

    let usage = group.as_ref().map(Group::usage);
    let mut raw = Raw::open(&[usage.clone().unwrap_or_else(|| own.join("statm"))]);
    compare("glance", 64, || raw.read(), || sources.glance(at));

    let mut raw = Raw::open(&usage.into_iter().chain([own.join("statm")]).collect::<Vec<_>>());
    compare("glance, a limit configured too", 64, || raw.read(), || with_limit.glance(at));

    let mut files: Vec<_> = ["statm", "status", "stat"].map(|name| own.join(name)).to_vec();
    files.extend(group.iter().flat_map(Group::files));
    let mut raw = Raw::open(&files).with_size_of(&own.join("fd")).with_allocator();
    compare("sample", 8, || raw.read(), || sources.sample(at));

    let refresh = median((0..ROUNDS).map(|_| batch(8, &mut || sources.refresh())).collect());
    println!("{:<32} {:>11} {refresh:>8.2} us", "refresh, nothing changed", "");
}

fn header(group: Option<&Group>) {
    let line = |path: &str, key: &str| {
        let content = std::fs::read_to_string(path).unwrap_or_default();
        let line = content.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.rsplit_once(": ").map_or(line, |(_, value)| value).to_owned()
    };
    let rustc = std::process::Command::new("rustc").arg("-V").output().map(|output| output.stdout).unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    println!("machine    {}, {processors} processors", line("/proc/cpuinfo", "model name"));
    println!("system     {}", line("/proc/version", "Linux"));
    println!("toolchain  {}", String::from_utf8_lossy(&rustc).trim());
    println!("command    cargo bench -p highwater-sources --features jemalloc");
    println!("load       {}", line("/proc/loadavg", ""));
    println!("cgroup     {}", group.map_or_else(|| "as it is: none can be made".to_owned(), Group::to_string));
}

/// Times both sides in turn, and prints the medians and their ratio.
fn compare<T>(name: &str, size: u32, mut raw: impl FnMut(), mut reading: impl FnMut() -> T) {
    let (mut raws, mut readings) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        raws.push(batch(size, &mut raw));
        readings.push(batch(size, &mut reading));
    }
    let (raw, reading) = (median(raws), median(readings));
    let ratio = reading / raw;
    let verdict = if ratio <= GOAL { "" } else { "  above the goal of 1.3" };
    println!("{name:<32} {raw:>8.2} us {reading:>8.2} us {ratio:>6.2}{verdict}");
}

/// Microseconds for one call, over a batch.
fn batch<T>(size: u32, work: &mut impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    for _ in 0..size {
        black_box(work());
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(size)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}
