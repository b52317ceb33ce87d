//! What a heap profile costs a process that holds 1 GiB: its time, its memory, and what other threads wait meanwhile.
//!
//! `cargo bench -p highwater-e2e --bench capture`
//!
//! 1 GiB is held in objects of 256 bytes, each allocated from one of a million stacks, so that nearly each sample has a
//! stack of its own: with one sample in 2 MiB, the default, there are some 500, with one in 64 KiB some 16,000. Then the
//! agent is asked for captures, while another thread allocates and frees a hundred objects at a time, one after another.
//! Captures and the calm between them take turns, so that what the machine does otherwise falls on both; each turn of the
//! other thread counts for what it ran beside. Medians of the captures.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a program that measures"
)]

use std::env;
use std::fs;
use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use highwater::CaptureError;
use highwater::model::Refusal;

highwater::jemalloc!();

/// One sample in so many bytes, as a power of two.
const SAMPLES: [&str; 3] = ["21", "19", "16"];
const SIZE: usize = 256;
const OBJECTS: usize = (1 << 30) / SIZE;
/// Two functions call one another in one of so many orders.
const DEPTH: u32 = 20;
const CAPTURES: usize = 5;
/// The agent takes no two captures within 2 s.
const CALM: Duration = Duration::from_millis(2_500);

fn main() {
    if env::var_os("CAPTURING").is_some() {
        return capturing();
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    println!("load {}", load.trim());
    println!(
        "| one sample in | stacks | time | resident before and after | at most meanwhile | 100 allocations, calm: median, p99, p99.9, longest | beside a capture |"
    );
    println!("|---|---|---|---|---|---|---|");
    for power in SAMPLES {
        let mut itself = Command::new(env::current_exe().unwrap());
        let conf = format!("lg_prof_sample:{power}");
        itself.env_clear().env("CAPTURING", power).env("OTEL_SDK_DISABLED", "true").env("_RJEM_MALLOC_CONF", conf);
        assert!(itself.status().unwrap().success());
    }
}

/// The process that is measured: its settings are of its start.
fn capturing() {
    let agent = highwater::start();
    let held: Vec<_> = (0..OBJECTS).map(|object| one(scattered(object), DEPTH)).collect();
    let (under_way, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let (captures, mut turns) = thread::scope(|scope| {
        let turns = scope.spawn(|| {
            let mut turns = [Vec::new(), Vec::new()];
            while !done.load(Relaxed) {
                let (start, before) = (Instant::now(), under_way.load(Relaxed));
                drop(black_box([(); 100].map(|()| Vec::<u8>::with_capacity(SIZE))));
                let took = start.elapsed();
                turns[usize::from(before || under_way.load(Relaxed))].push(took);
            }
            turns
        });
        let captures: Vec<_> = (0..CAPTURES)
            .map(|_| {
                thread::sleep(CALM);
                loop {
                    reset_peak();
                    let before = status("VmRSS:");
                    under_way.store(true, Relaxed);
                    let captured = agent.capture(Duration::from_secs(60));
                    under_way.store(false, Relaxed);
                    match captured {
                        Ok(capture) => break (capture, status("VmHWM:").saturating_sub(before)),
                        // By its last sample, which may be a second old, the one before was only just.
                        Err(CaptureError::Refused { reason: Refusal::Busy, .. }) => thread::sleep(CALM),
                        Err(error) => panic!("{error}"),
                    }
                }
            })
            .collect();
        done.store(true, Relaxed);
        (captures, turns.join().unwrap())
    });
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let rss = |index: usize| median(captures.iter().map(|(one, _)| one.rss.unwrap()[index].get() as f64).collect());
    let time = median(captures.iter().map(|(one, _)| one.duration.as_secs_f64() * 1e3).collect());
    let peak = median(captures.iter().map(|(_, peak)| *peak as f64 / 1024.0).collect());
    let mib = (1 << 20) as f64;
    let mut in_words = |index: usize| {
        turns[index].sort_unstable();
        let at = |share: f64| turns[index][((turns[index].len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        format!("{:.1}, {:.1}, {:.0}, {:.0} us of {}", at(0.5), at(0.99), at(0.999), at(1.0), turns[index].len())
    };
    println!(
        "| {} KiB | {} | {time:.0} ms | {:.0} MiB {:+.1} | {peak:+.1} MiB | {} | {} |",
        (1_u64 << env::var("CAPTURING").unwrap().parse::<u32>().unwrap()) >> 10,
        captures[0].0.stacks,
        rss(0) / mib,
        (rss(1) - rss(0)) / mib,
        in_words(0),
        in_words(1),
    );
    drop(black_box(held));
}

/// Spread over all orders of calls: objects that follow one another come from different ones.
fn scattered(object: usize) -> usize {
    object.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}

#[inline(never)]
fn one(path: usize, depth: u32) -> Vec<u8> {
    let held = if depth == 0 { vec![1; SIZE] } else { next(path, depth) };
    black_box(held)
}

#[inline(never)]
fn other(path: usize, depth: u32) -> Vec<u8> {
    let held = if depth == 0 { vec![1; SIZE] } else { next(path, depth) };
    black_box(held)
}

#[inline(always)]
fn next(path: usize, depth: u32) -> Vec<u8> {
    if path & 1 == 0 { one(path >> 1, depth - 1) } else { other(path >> 1, depth - 1) }
}

/// The highest resident set size begins anew: proc(5), clear_refs.
fn reset_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// A line of the kernel's, in KiB.
fn status(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
