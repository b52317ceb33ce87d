//! The demo held down until the kernel kills it: what happened is told all the same.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use highwater_e2e::cgroup::Cgroup;
use highwater_e2e::demo::Demo;
use highwater_e2e::folder::Folder;
use highwater_e2e::peers::{Peers, Record};
use highwater_e2e::process::Program;
use highwater_e2e::{MIB, binary, http, wait};

const FUNCTION: &str = "demo::hoard::Hoard::allocate";

/// Runs the demo under 96 MiB, with `/allocate` held down, until it is killed. Returns its `service.instance.id`.
fn kill_the_demo(test: &str, cgroup: &Cgroup, folder: &Path, peers: &Peers) -> String {
    let instance = format!("{test}-{}", std::process::id());
    let mut demo = start(&instance, cgroup, folder, peers);
    wait::steadily(std::time::Duration::from_millis(2), 10_000, || {
        let _ = http::get(&demo.url("/allocate"));
        demo.process_mut().ended().is_some()
    });
    let ended = demo.process_mut().wait();
    assert_eq!(ended.signal(), Some(9), "{}", demo.process().error());
    instance
}

fn start(instance: &str, cgroup: &Cgroup, folder: &Path, peers: &Peers) -> Demo {
    let (boxes, profiles) = (folder.join("boxes/"), folder.join("profiles"));
    fs::create_dir_all(&boxes).unwrap();
    let resource = format!("service.instance.id={instance}");
    let mut variables = vec![
        ("OTEL_SERVICE_NAME", "killed-demo"),
        ("OTEL_RESOURCE_ATTRIBUTES", resource.as_str()),
        ("DEMO_ALLOW_OOM", "1"),
        ("HIGHWATER_HOLD_ELEVATED", "0s"),
        ("HIGHWATER_BLACK_BOX", boxes.to_str().unwrap()),
        ("HIGHWATER_PROFILE_DIR", profiles.to_str().unwrap()),
    ];
    variables.extend(peers.variables());
    Demo::start(Some(cgroup), &variables)
}

/// The record of the end of `instance`, as soon as the collector has it.
#[track_caller]
fn end_of(instance: &str, peers: &Peers) -> Record {
    wait::until("the collector hears of the end", || {
        let ended = |record: &Record| {
            let of = record.attribute("service.instance.id");
            record.name() == "highwater.previous_run.ended" && (of == instance || record.instance() == instance)
        };
        peers.collector.records().into_iter().find(ended)
    })
}

fn tells_it_all(record: &Record, peers: &Peers) {
    assert_eq!(record.attribute("highwater.exit.verdict"), "oom_killed");
    let sites = record.attribute("highwater.capture.sites").to_string();
    assert!(sites.contains(FUNCTION), "{sites}");
    assert!(record.body().contains(FUNCTION), "{}", record.body());
    let trace = record.attribute("highwater.previous_episode.id");
    let trace = peers.jaeger.wait_for_span(trace.as_str().unwrap(), "memory episode killed");
    let killed = trace.the("memory episode killed");
    assert_eq!(killed.tag("highwater.ended_by"), "killed");
    assert!(killed.tag("highwater.capture.sites").to_string().contains(FUNCTION), "{killed:?}");
    assert!(!trace.named("memory episode begun").is_empty() && trace.named("memory episode").is_empty(), "{trace:?}");
}

/// The line about the run that is over names it, too.
#[track_caller]
fn names_the_function(error: &str) {
    let line = error.lines().find(|line| line.contains("the previous run was killed for memory"));
    assert!(line.is_some_and(|line| line.contains(FUNCTION)), "{error}");
}

#[test]
fn the_next_start_of_a_demo_that_was_killed_names_the_function_that_allocated() {
    let test = "the_next_start_of_a_demo_that_was_killed_names_the_function_that_allocated";
    let Some(cgroup) = Cgroup::limited(test, 96 * MIB) else { return };
    let (folder, peers) = (Folder::temporary(), Peers::shared());
    let instance = kill_the_demo("next", &cgroup, folder.path(), &peers);
    let again = start("again", &cgroup, folder.path(), &peers);
    tells_it_all(&end_of(&instance, &peers), &peers);
    again.wait_for_word("highwater: the previous run was killed for memory (certain)");
    names_the_function(&again.process().error());

    let profile = fs::read_dir(folder.path().join("profiles")).unwrap().next().unwrap().unwrap().path();
    let mut pprof = Command::new("go");
    let output = pprof.args(["tool", "pprof", "-top"]).arg(profile).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.lines().skip(5).take(3).any(|line| line.ends_with(FUNCTION)), "{text}");
}

#[test]
fn a_reaper_tells_of_a_demo_that_is_not_started_again() {
    let test = "a_reaper_tells_of_a_demo_that_is_not_started_again";
    let Some(cgroup) = Cgroup::limited(test, 96 * MIB) else { return };
    let (folder, peers) = (Folder::temporary(), Peers::shared());
    let instance = kill_the_demo("reaped", &cgroup, folder.path(), &peers);
    let highwater = binary::of_named("highwater-cli", "highwater");
    let reaper = Program::at(&highwater).arg("reap").arg(folder.path().join("boxes"));
    let mut reaper = reaper.arg("--otlp").arg(peers.collector.endpoint()).start();
    reaper.wait_for_success();
    names_the_function(&reaper.error());
    let record = end_of(&instance, &peers);
    assert_eq!(record.instance(), instance, "in the name of the run that is over");
    tells_it_all(&record, &peers);
}
