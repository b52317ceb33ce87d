//! The demo for two hours under a load that changes, beside a collector that is stopped and started: is its memory flat, are
//! its descriptors and threads, and did every event arrive?
//!
//! `make soak`, or `HIGHWATER_SOAK=120s make soak` for a shorter look. It prints a table and ends with status 1 where
//! something is not as it should be. The load is random, from a seed that it prints (`HIGHWATER_SOAK_SEED` repeats one).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a program that measures"
)]

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use highwater_e2e::MIB;
use highwater_e2e::cgroup::Cgroup;
use highwater_e2e::demo::Demo;
use highwater_e2e::peers::Lone;
use highwater_e2e::wait::{self, Stopwatch};

const LIMIT: u64 = 256 * MIB;
/// The longest time without a collector: of what is told in it nothing may be lost, neither for its age nor for want of room.
const LONGEST_OUTAGE: u64 = 8 * 60;
/// What heap and resident set may differ by, from the first quarter's median to the last's.
const FLAT: u64 = 2 * MIB;
/// For what the collector has received to stand in its files.
const GRACE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let time = variable("HIGHWATER_SOAK").map_or(Duration::from_secs(2 * 3600), |text| {
        Duration::from_secs(text.trim_end_matches('s').parse().unwrap_or_else(|_| panic!("{text:?} is not like 7200s")))
    });
    let seed =
        variable("HIGHWATER_SOAK_SEED").map_or_else(|| RandomState::new().hash_one(0), |text| text.parse().unwrap());
    println!("seed {seed}, {} s", time.as_secs());

    let cgroup = Cgroup::limited("soak", LIMIT);
    let mut collector = Lone::started();
    let endpoint = collector.http();
    let mut demo = Demo::start(
        cgroup.as_ref(),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("HIGHWATER_LIMIT", "256MiB"),
            ("HIGHWATER_HOLD_ELEVATED", "2s"),
            ("HIGHWATER_HOLD_HIGH", "1s"),
            ("HIGHWATER_HOLD_LEAVE", "5s"),
        ],
    );
    let clock = Stopwatch::start();
    let over = AtomicBool::new(false);
    let (outages, calm) = thread::scope(|scope| {
        let outages = scope.spawn(|| stop_and_start(&mut collector, &over, Random(seed)));
        let calm = load(&demo, clock, time, Random(seed ^ 1));
        over.store(true, Ordering::Relaxed);
        (outages.join().unwrap(), calm)
    });

    let cost = agent_cpu(demo.process().id());
    let elapsed = clock.elapsed();
    demo.process().signal("TERM");
    demo.process_mut().wait_for_success();
    let told = Told::in_log(&demo.process().error());
    let (good, arrived) = arrived(&collector, &told);
    println!("time                       {} s, {} calm points", elapsed.as_secs(), calm.len());
    println!(
        "outages of the collector   {} ({} s in all, the longest {} s)",
        outages.len(),
        sum(&outages),
        max(&outages)
    );
    println!("{arrived}");
    println!("the agent's threads        {:.3} % of a core", 100.0 * cost.as_secs_f64() / elapsed.as_secs_f64());
    let words = demo.process().error();
    let (lost, back) = (words.matches("cannot send").count(), words.matches("works again").count());
    println!("words of the connection    {lost} lost, {back} back");
    let flat = is_flat(&calm);
    if good && flat { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How things stand when the demo is at rest.
#[derive(Clone, Copy, Debug)]
struct Calm {
    heap_used: u64,
    resident: u64,
    descriptors: u64,
    threads: u64,
}

/// Takes memory to a random level, holds it for a while, and gives it back: again and again.
fn load(demo: &Demo, clock: Stopwatch, time: Duration, mut random: Random) -> Vec<Calm> {
    let mut calm = Vec::new();
    while clock.elapsed() < time {
        let percent = [60, 78, 88, 96][random.below(4) as usize];
        // The demo refuses what would bring it over its limit.
        while demo.status()["used"].as_u64().unwrap() < LIMIT / 100 * percent && demo.get("/allocate").status == 200 {
            demo.get("/buffer");
        }
        rest(Duration::from_secs(4 + random.below(20)), || drop(demo.get("/status")));
        demo.get("/release");
        let _ = demo.wait_for_level("normal");
        // What jemalloc keeps of freed pages it gives back within ten seconds.
        rest(Duration::from_secs(15 + random.below(20)), || drop(demo.get("/status")));
        let id = demo.process().id();
        let status = demo.status();
        calm.push(Calm {
            heap_used: status["heapUsed"].as_u64().unwrap(),
            resident: demo.process().resident(),
            descriptors: entries(&format!("/proc/{id}/fd")),
            threads: entries(&format!("/proc/{id}/task")),
        });
        eprintln!("{:>5} s {:?}", clock.elapsed().as_secs(), calm[calm.len() - 1]);
    }
    calm
}

/// Stops the collector for a while and starts it again. Returns how long it was away each time, in seconds.
fn stop_and_start(collector: &mut Lone, over: &AtomicBool, mut random: Random) -> Vec<u64> {
    let mut outages = Vec::new();
    let over = || over.load(Ordering::Relaxed);
    while !over() {
        rest_unless(Duration::from_secs(30 + random.below(240)), over);
        if over() {
            break;
        }
        collector.stop();
        // Short ones as well as long ones.
        let longest = [30, 120, LONGEST_OUTAGE][random.below(3) as usize];
        let clock = Stopwatch::start();
        rest_unless(Duration::from_secs(5 + random.below(longest - 5)), over);
        collector.start();
        outages.push(clock.elapsed().as_secs());
        eprintln!("outage of {} s", outages[outages.len() - 1]);
    }
    outages
}

/// The events of the demo's own log, by kind.
#[derive(Debug)]
struct Told {
    begun: usize,
    changed: usize,
    ended: usize,
}

impl Told {
    fn in_log(log: &str) -> Self {
        let count = |text: &str| log.lines().filter(|line| line.contains(text)).count();
        Self {
            begun: count("memory is ") - count("memory is normal again"),
            changed: count("memory went from "),
            ended: count("memory is normal again") + count("memory was still raised"),
        }
    }
}

/// Waits for what was told, and says what arrived. The episode's spans are one at the beginning, one a stay, one the root.
fn arrived(collector: &Lone, told: &Told) -> (bool, String) {
    let events = told.begun + told.changed + told.ended;
    let due = BTreeMap::from([
        ("highwater.memory.episode.begun", told.begun),
        ("highwater.memory.episode.changed", told.changed),
        ("highwater.memory.episode.ended", told.ended),
    ]);
    let spans_due = told.begun + told.changed + told.ended + told.ended;
    let (mut unique, mut spans) = (BTreeMap::new(), BTreeMap::new());
    let (mut requests_of_logs, mut requests_of_spans) = (0, 0);
    let clock = Stopwatch::start();
    let complete = wait::until("the last request is written", || {
        let records = collector.records();
        unique = records.iter().map(|r| (r.attribute("log.record.uid").to_string(), r.name().to_owned())).collect();
        requests_of_logs = records.len();
        let all = collector.spans();
        spans = all.iter().map(|span| (span.field("spanId").to_string(), ())).collect();
        requests_of_spans = all.len();
        let complete = unique.len() >= events && spans.len() >= spans_due;
        (complete || clock.elapsed() > GRACE).then_some(complete)
    });
    let of = |name: &str| unique.values().filter(|event| *event == name).count();
    let each = due.iter().all(|(name, due)| of(name) == *due);
    let mut dropped = BTreeMap::new();
    for point in collector.points().iter().filter(|point| point.metric() == "highwater.export.dropped") {
        dropped.insert(point.attribute("highwater.signal").to_string(), point.value());
    }
    let text = format!(
        "events told / arrived      {events} / {} ({} twice)\nspans due / arrived        {spans_due} / {} ({} twice)\n\
         counted as dropped         {dropped:?}",
        unique.len(),
        requests_of_logs - unique.len(),
        spans.len(),
        requests_of_spans - spans.len(),
    );
    (complete && each && dropped.values().all(|count| *count == 0.0), text)
}

/// Prints first quarter against last, and whether they are alike.
fn is_flat(calm: &[Calm]) -> bool {
    let quarter = (calm.len() / 4).max(1);
    let (first, last) = (&calm[..quarter], &calm[calm.len() - quarter..]);
    let mut flat = true;
    let mut row = |name: &str, of: fn(&Calm) -> u64, unit: u64, allowed: u64| {
        let median = |part: &[Calm]| {
            let mut values: Vec<_> = part.iter().map(of).collect();
            values.sort_unstable();
            values[values.len() / 2]
        };
        let (before, after) = (median(first), median(last));
        flat &= after <= before + allowed;
        println!("{name:<26} {} -> {} (median of the first and the last quarter)", before / unit, after / unit);
    };
    row("heap used at rest, KiB", |calm| calm.heap_used, 1024, FLAT);
    row("resident at rest, KiB", |calm| calm.resident, 1024, FLAT);
    row("descriptors at rest", |calm| calm.descriptors, 1, 0);
    row("threads at rest", |calm| calm.threads, 1, 0);
    flat
}

/// The time that the agent's threads have run.
fn agent_cpu(id: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap().flatten();
    let ours = tasks.filter(|task| {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        name.starts_with("highwater") || name.starts_with("OpenTelemetry")
    });
    let nanoseconds = ours.map(|task| {
        let statistics = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        statistics.split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
    });
    Duration::from_nanos(nanoseconds.sum())
}

fn entries(folder: &str) -> u64 {
    fs::read_dir(folder).unwrap().count() as u64
}

/// Passes the time, asking a few times a second.
fn rest(time: Duration, ask: impl Fn()) {
    let clock = Stopwatch::start();
    while clock.elapsed() < time {
        ask();
        thread::sleep(Duration::from_millis(200));
    }
}

fn rest_unless(time: Duration, over: impl Fn() -> bool) {
    let clock = Stopwatch::start();
    while clock.elapsed() < time && !over() {
        thread::sleep(Duration::from_millis(200));
    }
}

fn sum(seconds: &[u64]) -> u64 {
    seconds.iter().sum()
}

fn max(seconds: &[u64]) -> u64 {
    seconds.iter().copied().max().unwrap_or(0)
}

fn variable(name: &str) -> Option<String> {
    highwater_e2e::environment::variable(name)
}

/// Random enough for a load, and the same for the same seed.
struct Random(u64);

impl Random {
    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
