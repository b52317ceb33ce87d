//! What it costs to look often: glances, and the waits between them, as the share of a processor that the thread takes.
//!
//! `cargo bench -p highwater-sources --bench polling`: for each pace as many seconds as it takes, read from the kernel's own
//! account of the thread (`/proc/thread-self/schedstat`); the budget is what the schedule keeps.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a benchmark that cannot be set up stops")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use highwater_model::{Schedule, SinceStart};
use highwater_sources::{Options, Sources, waiter};

/// Of each pace.
const WAITS: u32 = 400;

fn main() {
    let mut sources = Sources::open(Options::default(), Arc::default());
    let (mut waiter, _stop) = waiter();
    waiter.listen_to(&sources.signs());
    println!("{:<12} {:>16} {:>18} {:>10}", "a glance in", "processor time", "share of a core", "budget");
    for (pace, budget) in [(Schedule::CALM, 0.1), (Duration::from_millis(20), 1.0), (Schedule::SHORTEST, 1.0)] {
        let before = processor_time();
        for _ in 0..WAITS {
            black_box(sources.glance(SinceStart::default()));
            waiter.wait(pace);
        }
        let each = (processor_time() - before) / WAITS;
        let share = each.as_secs_f64() / pace.as_secs_f64() * 100.0;
        println!("{pace:<12?} {:>13.1} us {share:>16.3} % {budget:>8.1} %", each.as_secs_f64() * 1e6);
    }
}

/// How long this thread has run.
fn processor_time() -> Duration {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(account.split_whitespace().next().unwrap().parse().unwrap())
}
