//! What a purge costs, for each GiB that the program has freed and jemalloc still holds.
//!
//! `cargo bench -p highwater-sources --features jemalloc --bench purge`
//!
//! One GiB is allocated in objects of one size, touched and freed, and then purged: the time of that, how much of it the
//! calling thread worked, and what the system got back; medians. Then the same beside another thread that takes samples, as
//! the agent does, or allocates: what its turns take meanwhile, and what they take while nothing is purged.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark that cannot be set up stops, and it needs a clock"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use highwater_model::SinceStart;
use highwater_sources::jemalloc::{Jemalloc, Purge};
use highwater_sources::{Options, Sources};

/// Without a background thread, which would purge as well.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

const GIB: usize = 1 << 30;
const ROUNDS: usize = 7;

fn main() {
    header();
    println!("\n{:<10} {:>12} {:>16} {:>10}", "objects", "time", "processor time", "returned");
    for size in [512, 8 << 10, 64 << 10] {
        let rounds: Vec<_> = (0..ROUNDS).map(|_| round(size, |_| ())).collect();
        let median = |of: fn(&Round) -> Duration| median(rounds.iter().map(of).collect()).as_secs_f64() * 1e3;
        let returned = rounds.iter().map(|round| round.returned).min().unwrap() >> 20;
        println!(
            "{size:<10} {:>9.1} ms {:>13.1} ms {returned:>6} MiB",
            median(|r| r.time),
            median(|r| r.processor_time)
        );
    }
    println!("\n{:<32} {:>12} {:>12} {:>12} {:>12}", "another thread's", "median", "meanwhile", "99.9 %", "meanwhile");
    let mut sources = Sources::open(Options::default(), Arc::default());
    beside("sample", move || {
        black_box(sources.sample(SinceStart::default()));
    });
    beside("100 allocations of 256 bytes", || drop(black_box([(); 100].map(|()| Vec::<u8>::with_capacity(256)))));
}

/// One purge.
struct Round {
    time: Duration,
    processor_time: Duration,
    /// By how many bytes the resident set shrank.
    returned: u64,
}

/// Frees one GiB, calls `purging` with true, purges, and calls it with false.
fn round(size: usize, purging: impl Fn(bool)) -> Round {
    drop(black_box((0..GIB / size).map(|_| vec![1_u8; size]).collect::<Vec<_>>()));
    let resident = || Sources::open(Options::default(), Arc::default()).sample(SinceStart::default()).process.rss;
    let (purge, before) = (Purge::resolve().unwrap(), resident().unwrap());
    purging(true);
    let (start, spent) = (Instant::now(), processor_time());
    purge.run().unwrap();
    let (time, processor_time) = (start.elapsed(), processor_time() - spent);
    purging(false);
    Round { time, processor_time, returned: before.saturating_sub(resident().unwrap()).get() }
}

/// Times `work` on another thread, while nothing is purged and meanwhile.
fn beside(name: &str, mut work: impl FnMut() + Send) {
    let (purging, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut turns = thread::scope(|scope| {
        let turns = scope.spawn(|| {
            let mut turns = [Vec::new(), Vec::new()];
            while !done.load(Relaxed) {
                let (start, index) = (Instant::now(), usize::from(purging.load(Relaxed)));
                work();
                turns[index].push(start.elapsed());
            }
            turns
        });
        for _ in 0..ROUNDS {
            thread::sleep(Duration::from_millis(200));
            round(8 << 10, |is| purging.store(is, Relaxed));
        }
        done.store(true, Relaxed);
        turns.join().unwrap()
    });
    let mut at = |index: usize, per_mille: usize| {
        turns[index].sort_unstable();
        turns[index][turns[index].len() * per_mille / 1000].as_secs_f64() * 1e6
    };
    let (calm, busy) = ([at(0, 500), at(0, 999)], [at(1, 500), at(1, 999)]);
    println!("{name:<32} {:>9.1} us {:>9.1} us {:>9.1} us {:>9.1} us", calm[0], busy[0], calm[1], busy[1]);
}

/// Of this thread, as the kernel counts it.
fn processor_time() -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(counted.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or_default())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn header() {
    let line = |path: &str, key: &str| {
        let content = std::fs::read_to_string(path).unwrap_or_default();
        let line = content.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.rsplit_once(": ").map_or(line, |(_, value)| value).to_owned()
    };
    let rustc = std::process::Command::new("rustc").arg("-V").output().map(|output| output.stdout).unwrap_or_default();
    let processors = thread::available_parallelism().map_or(0, usize::from);
    println!("machine    {}, {processors} processors", line("/proc/cpuinfo", "model name"));
    println!("system     {}", line("/proc/version", "Linux"));
    println!("toolchain  {}", String::from_utf8_lossy(&rustc).trim());
    println!("command    cargo bench -p highwater-sources --features jemalloc --bench purge");
    println!("load       {}", line("/proc/loadavg", ""));
}
