//! What must not raise a level, and what another process does.

use std::path::Path;

use highwater_e2e::demo::Demo;
use highwater_e2e::folder::Folder;
use highwater_e2e::process::Program;
use highwater_e2e::wait;

use super::{Line, MIB};

/// Every sample counts: no hold hides a wrong one.
const AT_ONCE: &[(&str, &str)] = &[
    ("HIGHWATER_HOLD_ELEVATED", "0s"),
    ("HIGHWATER_HOLD_HIGH", "0s"),
    ("HIGHWATER_HOLD_CRITICAL", "0s"),
    ("HIGHWATER_METRICS", "all"),
];

#[test]
fn a_file_of_twice_the_limit_raises_no_level() {
    let Some(line) = Line::start("a_file_of_twice_the_limit_raises_no_level", 128 * MIB, AT_ONCE) else { return };
    let folder = Folder::below(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let file = folder.path().join("file");
    let file = file.to_str().unwrap();
    // Written in the cgroup too: what is cached already would be charged to whoever wrote it.
    let write = format!("head -c {} /dev/zero >'{file}' && sync '{file}'", 2 * line.limit);
    Program::within(Some(&line.cgroup), Path::new("/bin/sh")).args(["-c", &write]).start().wait_for_success();
    // Again and again, so that the cgroup is at its limit throughout, and pages become active.
    let _reader = Program::within(Some(&line.cgroup), Path::new("/bin/cat")).args([file; 1_000]).unheard().start();
    let full = line.limit / 100 * 90;
    wait::until("page cache fills the cgroup", || (line.cgroup.usage() > full).then_some(()));

    // Judged several times meanwhile.
    let rounds = line.series("highwater_watch_rounds_total");
    let prometheus = &line.peers.prometheus;
    let before = prometheus.wait_for(&rounds, |rounds| rounds > 0.0);
    prometheus.wait_for(&rounds, |rounds| rounds >= before + 5.0);
    prometheus.wait_for(&line.series("container_memory_usage_bytes"), |usage| usage > full as f64);

    let highest = format!("max_over_time({}[5m])", line.series("highwater_memory_used_bytes"));
    let highest = prometheus.value(&highest).unwrap();
    assert!(highest < 0.5 * line.limit as f64, "page cache is not used memory: {highest}");
    assert_eq!(prometheus.value(&line.series("highwater_episodes_total")), Ok(0.0));
    assert_eq!(line.demo.status()["level"], "normal");
    assert!(line.records().is_empty(), "{:?}", line.records());
    assert!(!line.demo.process().error().contains("memory "), "{}", line.demo.process().error());
}

#[test]
fn another_process_of_the_cgroup_is_named_as_the_cause() {
    let test = "another_process_of_the_cgroup_is_named_as_the_cause";
    let Some(line) = Line::start(test, 192 * MIB, AT_ONCE) else { return };
    let sibling = Demo::start(Some(&line.cgroup), &[("OTEL_SDK_DISABLED", "true")]);
    sibling.allocate_until_used(line.limit / 100 * 90);
    line.demo.wait_for_level("high");
    let cause = wait::until("the collector's file has the event", || {
        let records = line.records();
        let begun = records.iter().find(|record| record.name() == "highwater.memory.episode.begun")?;
        Some((begun.attribute("highwater.cause"), begun.body().to_owned()))
    });
    assert_eq!(cause.0, "other_process");
    assert!(cause.1.ends_with("other processes of the cgroup hold most of it"), "{}", cause.1);
    drop(sibling);
    line.demo.wait_for_level("normal");
}
