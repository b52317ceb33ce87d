//! The race to the limit: what a process that the kernel kills has told before, and what its black box tells after.
//!
//! `make race`. A program that allocates and touches memory at a given rate runs in a memory cgroup of the real kernel
//! until it is killed, with a black box and a folder for profiles, beside the real collector on the same processors. Then it is
//! started again. For each rate and limit:
//! in how many of the runs the event of the episode, and a heap profile with the guilty function, had reached the collector
//! before the kill, and in how many the next start told of the kill. Each row is printed as soon as it stands; what a run
//! lost, and why as far as the agent has said it, goes to standard error.
//!
//! `RACE_CELLS="1000@512 max@64"` runs these alone, in their order, each MiB a second, or `max`, into so many MiB; any will
//! do. `RACE_RUNS=5` runs each so often.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a program that measures"
)]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use highwater_e2e::cgroup::Cgroup;
use highwater_e2e::folder::Folder;
use highwater_e2e::peers::{Lone, Record};
use highwater_e2e::process::Program;
use highwater_e2e::{MIB, binary, environment, wait};

/// MiB a second, and the limits in MiB: a process that has less than 40 MiB to itself cannot be raced with. What matters
/// most comes first.
const RATES: [&str; 4] = ["1000", "100", "max", "10"];
const LIMITS: [u64; 5] = [512, 64, 128, 256, 1024];
/// Fewer where a run takes so long, in seconds.
const RUNS: usize = 20;
const LONG: u64 = 60;

fn main() {
    let cells: Vec<(String, u64)> = match environment::variable("RACE_CELLS") {
        Some(chosen) => chosen
            .split_whitespace()
            .map(|cell| cell.split_once('@').unwrap_or_else(|| panic!("RACE_CELLS: {cell:?} is no RATE@LIMIT")))
            .map(|(rate, limit)| (rate.to_owned(), limit.parse().unwrap_or_else(|_| panic!("{limit:?} is no MiB"))))
            .collect(),
        None => {
            let mut all: Vec<_> = LIMITS.iter().flat_map(|limit| RATES.map(|rate| (rate.to_owned(), *limit))).collect();
            all.sort_by_key(|(rate, limit)| seconds(rate, *limit) > LONG);
            all
        }
    };
    let chosen = environment::variable("RACE_RUNS")
        .map(|runs| runs.parse().unwrap_or_else(|_| panic!("RACE_RUNS={runs:?} is no number")));
    let racer = binary::example("racer");
    let collector = Lone::started();
    println!(
        "| MiB/s | limit | runs | event before the kill | profile naming the guilty function before the kill | told after it | naming the function | seconds to the kill, median | load |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (rate, limit) in &cells {
        let runs = chosen.unwrap_or(if seconds(rate, *limit) > LONG { 3 } else { RUNS });
        let mut all: Vec<_> = (0..runs).map(|run| race(&racer, &collector, rate, *limit, run)).collect();
        let count = |of: fn(&Ended) -> bool| all.iter().filter(|ended| of(ended)).count();
        let counts = [count(|e| e.event), count(|e| e.profile), count(|e| e.told), count(|e| e.named)];
        all.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        let median = all[all.len() / 2].seconds;
        let [event, profile, told, named] = counts;
        let load = std::fs::read_to_string("/proc/loadavg").unwrap();
        let load = load.split(' ').next().unwrap();
        println!("| {rate} | {limit} MiB | {runs} | {event} | {profile} | {told} | {named} | {median:.2} | {load} |");
    }
}

/// How long a run takes, as far as that is known.
fn seconds(rate: &str, limit: u64) -> u64 {
    rate.parse().map_or(0, |rate: u64| limit / rate)
}

/// How one run ended.
struct Ended {
    event: bool,
    profile: bool,
    told: bool,
    named: bool,
    seconds: f64,
}

fn race(racer: &Path, collector: &Lone, rate: &str, limit: u64, run: usize) -> Ended {
    let cgroup = Cgroup::limited("race", limit * MIB).unwrap_or_else(|| panic!("no cgroup, no race"));
    let folder = Folder::temporary();
    let instance = |what: &str| format!("race-{}-{rate}-{limit}-{run}-{what}", std::process::id());
    let start = |what: &str, mode: &str| {
        let resource = format!("service.instance.id={}", instance(what));
        Program::within(Some(&cgroup), racer)
            .with_input()
            .arg(mode)
            .variable("HIGHWATER_BLACK_BOX", folder.path().join("memory.box"))
            .variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http())
            .variables(&[("OTEL_SERVICE_NAME", "race"), ("OTEL_RESOURCE_ATTRIBUTES", &resource)])
            .variable("HIGHWATER_PROFILE_DIR", folder.path().join("profiles"))
            .start()
    };
    let mut first = start("first", rate);
    wait::until("the racer is ready", || first.output().contains("ready").then_some(()));
    let begun = Instant::now();
    first.tell("go");
    // As long as it takes.
    let status = loop {
        match first.ended() {
            Some(status) => break status,
            None => thread::sleep(Duration::from_millis(1)),
        }
    };
    let (seconds, killed) = (begun.elapsed().as_secs_f64(), SystemTime::now());
    assert_eq!(status.signal(), Some(9), "it was to be killed: {}", first.error());
    // A second life tells of the first; what it sends arrives after all that the first has sent.
    let mut second = start("second", "stand");
    let of = |instance: String| {
        collector.records().into_iter().filter(move |record| record.instance() == instance).collect::<Vec<_>>()
    };
    let told = wait::until("the next start is heard of", || {
        of(instance("second")).into_iter().find(|record| record.name() == "highwater.previous_run.ended")
    });
    second.close_input();
    second.wait_for_success();
    let of_first = of(instance("first"));
    let named = |record: &Record| record.attribute("highwater.capture.sites").to_string().contains("racer::guilty");
    let ended = Ended {
        event: of_first.iter().any(|record| record.name() == "highwater.memory.episode.begun"),
        profile: of_first.iter().any(|record| record.name() == "highwater.capture.written" && named(record)),
        told: told.attribute("highwater.exit.verdict") == "oom_killed",
        named: named(&told),
        seconds,
    };
    if !(ended.event && ended.profile && ended.told && ended.named) {
        let killed = killed.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let line = |record: &Record| format!("{:+.3} s {}", record.time() as f64 / 1e9 - killed, record.body());
        let said: Vec<_> = of_first.iter().chain([&told]).map(line).collect();
        eprintln!("{rate}@{limit} #{run}, killed after {seconds:.3} s:\n    {}", said.join("\n    "));
    }
    ended
}
