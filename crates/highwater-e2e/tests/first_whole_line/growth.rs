//! A leak is told before any level, with windows of a minute in place of hours; what comes and goes is not.

use std::path::Path;
use std::time::Duration;

use highwater_e2e::folder::Folder;
use highwater_e2e::process::Program;
use highwater_e2e::wait;

use super::{Line, MIB};

const GROWTH: &str = "highwater.memory.growth.detected";

/// A slice of the slow window is two and a half seconds.
const MINUTES: [(&str, &str); 4] = [
    ("HIGHWATER_GROWTH_SLOW", "1m"),
    ("HIGHWATER_GROWTH_FAST", "40s"),
    ("HIGHWATER_GROWTH_RAMP", "24s"),
    ("HIGHWATER_GROWTH_WARM_UP", "5s"),
];

/// With the count of the rounds.
const ALL: [(&str, &str); 1] = [("HIGHWATER_METRICS", "all")];

#[test]
fn a_leak_is_told_as_growth_then_as_levels_and_then_requests_are_shed() {
    let test = "a_leak_is_told_as_growth_then_as_levels_and_then_requests_are_shed";
    let settings = [("DEMO_SHED", "1"), ("HIGHWATER_LEVEL_ELEVATED", "82%"), ("HIGHWATER_LEVEL_HIGH", "89%")];
    let Some(line) = Line::start(test, 96 * MIB, &[&settings[..], &MINUTES, &ALL].concat()) else { return };
    // Flat, while it warms up.
    wait::until("the warm-up is over", || line.has_judged(8.0).then_some(()));
    let mut shed = None;
    wait::steadily(Duration::from_millis(700), 300, || {
        let answer = line.demo.get("/allocate");
        shed = (answer.status == 503).then_some(answer);
        shed.is_some()
    });
    assert!(shed.is_some_and(|answer| answer.retry_after.is_some()));

    let records = wait::until_ok("growth and the levels have arrived", || {
        let records = line.records();
        let high = |name: &str, level: &str| {
            records.iter().any(|record| record.name() == name && record.attribute("highwater.level") == level)
        };
        let levels =
            high("highwater.memory.episode.begun", "elevated") && high("highwater.memory.episode.changed", "high");
        if levels && high(GROWTH, "normal") { Ok(records) } else { Err(format!("{records:?}")) }
    });
    let told: Vec<&str> = records.iter().map(|record| record.name()).collect();
    assert_eq!(told.iter().filter(|name| **name == GROWTH).count(), 1, "{told:?}");
    assert_eq!(told[0], GROWTH, "{told:?}");
    let growth = &records[0];
    assert_eq!(growth.attribute("highwater.cause"), "heap");
    assert!(["slow", "fast", "ramp"].map(Into::into).contains(&growth.attribute("highwater.reason")), "{growth:?}");
    let number = |name: &str| growth.attribute(name).as_f64().unwrap();
    assert!(number("highwater.growth.slope") > 0.25 * MIB as f64, "{growth:?}");
    assert!((15.0..=60.0).contains(&number("highwater.growth.window")), "{growth:?}");
    let range = ["earliest", "likely", "latest"].map(|moment| number(&format!("highwater.time_to_limit.{moment}")));
    assert!(range[0] > 0.0 && range.is_sorted() && range[2] < 300.0, "{range:?}");

    let prometheus = &line.peers.prometheus;
    for (metric, least) in [("growth_bytes_per_second", 0.25 * MIB as f64), ("time_to_limit_likely_seconds", 1.0)] {
        let highest = format!("max_over_time({}[5m])", line.series(&format!("highwater_memory_{metric}")));
        prometheus.wait_for(&highest, |value| value >= least);
    }
}

#[test]
fn a_sawtooth_and_a_file_that_is_read_are_no_growth() {
    let test = "a_sawtooth_and_a_file_that_is_read_are_no_growth";
    let Some(line) = Line::start(test, 128 * MIB, &[&MINUTES[..], &ALL].concat()) else { return };
    let folder = Folder::below(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let file = folder.path().join("file");
    let file = file.to_str().unwrap();
    let write = format!("head -c {} /dev/zero >'{file}' && sync '{file}'", 2 * line.limit);
    Program::within(Some(&line.cgroup), Path::new("/bin/sh")).args(["-c", &write]).start().wait_for_success();
    let _reader = Program::within(Some(&line.cgroup), Path::new("/bin/cat")).args([file; 1_000]).unheard().start();
    // Teeth of a dozen seconds, up to where growth would be told, for longer than the longest window.
    wait::steadily(Duration::from_millis(150), 2_000, || {
        let used = line.demo.get("/allocate").json()["highwater"]["used"].as_u64().unwrap();
        if used > line.limit / 100 * 73 {
            line.demo.get("/release");
        }
        line.has_judged(90.0)
    });
    assert!(line.records().is_empty(), "{:?}", line.records());
    assert!(!line.demo.process().error().contains("memory grows"), "{}", line.demo.process().error());
}

impl Line {
    /// Whether so many samples were judged.
    fn has_judged(&self, rounds: f64) -> bool {
        self.peers.prometheus.value(&self.series("highwater_watch_rounds_total")).is_ok_and(|judged| judged >= rounds)
    }
}
