//! The race to the limit: what a process that the kernel kills has told before, and what its black box tells after.
//!
//! `make race`. A program that allocates and touches memory at a given rate runs in a memory cgroup of the real kernel
//! until it is killed, beside the real collector, Jaeger and Prometheus on the same two processors. Then it is started
//! again. For each rate and limit: in how many of the runs the event of the episode, and a heap profile with the guilty
//! function, had reached the collector before the kill, and in how many the next start told of the kill.
//!
//! `RACE="1000@512 max@64"` runs some cells only, `RUNS=5` each of them so often.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a program that measures"
)]

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

use highwater_e2e::cgroup::Cgroup;
use highwater_e2e::folder::Folder;
use highwater_e2e::peers::{Peers, Record};
use highwater_e2e::process::Program;
use highwater_e2e::{MIB, binary, wait};

/// MiB a second, and the limits in MiB: a process that has less than 40 MiB to itself cannot be raced with.
const RATES: [&str; 5] = ["10", "100", "1000", "2000", "max"];
const LIMITS: [u64; 4] = [64, 128, 512, 1024];
/// Fewer where a run takes so long, in seconds.
const RUNS: usize = 20;
const LONG: u64 = 15;

fn main() {
    let racer = binary::example("racer");
    let peers = Peers::shared();
    let chosen = env::var("RACE").ok();
    let runs = env::var("RUNS").ok().map(|runs| runs.parse().unwrap());
    println!(
        "| MiB/s | limit | runs | event before the kill | profile naming the guilty function before the kill | told after it | naming the function | seconds to the kill, median |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for rate in RATES {
        for limit in LIMITS {
            let cell = format!("{rate}@{limit}");
            if chosen.as_ref().is_some_and(|chosen| !chosen.split_whitespace().any(|one| one == cell)) {
                continue;
            }
            let seconds = rate.parse().map_or(0, |rate: u64| limit / rate);
            let runs = runs.unwrap_or(if seconds > LONG { 3 } else { RUNS });
            let mut all: Vec<_> = (0..runs).map(|run| race(&racer, &peers, rate, limit, run)).collect();
            let count = |of: fn(&Ended) -> bool| all.iter().filter(|ended| of(ended)).count();
            let counts = [count(|e| e.event), count(|e| e.profile), count(|e| e.told), count(|e| e.named)];
            all.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
            let median = all[all.len() / 2].seconds;
            let [event, profile, told, named] = counts.map(|count| format!("{count} of {runs}"));
            println!("| {rate} | {limit} MiB | {runs} | {event} | {profile} | {told} | {named} | {median:.2} |");
        }
    }
}

/// How one run ended.
struct Ended {
    event: bool,
    profile: bool,
    told: bool,
    named: bool,
    seconds: f64,
}

fn race(racer: &std::path::Path, peers: &Peers, rate: &str, limit: u64, run: usize) -> Ended {
    let cgroup = Cgroup::limited("race", limit * MIB).unwrap_or_else(|| panic!("no cgroup, no race"));
    let folder = Folder::temporary();
    let instance = |what| format!("race-{}-{rate}-{limit}-{run}-{what}", std::process::id());
    let start = |what: &str, mode: &str| {
        let resource = format!("service.instance.id={}", instance(what.to_owned()));
        Program::within(Some(&cgroup), racer)
            .with_input()
            .arg(mode)
            .variable("HIGHWATER_BLACK_BOX", folder.path().join("memory.box"))
            .variables(&[("OTEL_SERVICE_NAME", "race"), ("OTEL_RESOURCE_ATTRIBUTES", &resource)])
            .variables(&peers.variables())
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
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(status.signal(), Some(9), "it was to be killed: {}", first.error());
    // A second life tells of the first; what it sends arrives after all that the first has sent.
    let mut second = start("second", "stand");
    let told = wait::until("the next start is heard of", || {
        let of_second = peers.collector.records_of(&instance("second".to_owned()));
        of_second.into_iter().find(|record| record.name() == "highwater.previous_run.ended")
    });
    second.close_input();
    second.wait_for_success();
    let of_first = peers.collector.records_of(&instance("first".to_owned()));
    let named = |record: &Record| record.attribute("highwater.capture.sites").to_string().contains("racer::guilty");
    Ended {
        event: of_first.iter().any(|record| record.name() == "highwater.memory.episode.begun"),
        profile: of_first.iter().any(|record| record.name() == "highwater.capture.written" && named(record)),
        told: told.attribute("highwater.exit.verdict") == "oom_killed",
        named: named(&told),
        seconds,
    }
}
