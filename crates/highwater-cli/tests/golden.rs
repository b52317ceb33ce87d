//! Recordings of real programs, and what the judge tells of them: `golden/README.md` says where each comes from.
//!
//! Beside each trace lies what is told of it, one line an event, by the agent's own windows of growth and by windows that
//! fit an hour; and the growth that would be told where the limit were tighter, since nothing is growth far below it. A change of judgement shows there before anybody meets it; with `HIGHWATER_BLESS=1` in the environment the
//! files are written. What holds whatever the files say: of a healthy program no growth is told by the windows that fit,
//! and of a leaking one it is told before nine tenths of the limit are used.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// By what is judged: a title, and the options.
const SETTINGS: [(&str, &[&str]); 2] = [("the agent's own windows", &[]), ("windows that fit an hour", &FITTING)];

/// A slow window of half the trace, the others in proportion.
const FITTING: [&str; 8] =
    ["--growth", "slow=30m", "--growth", "fast=8m", "--growth", "ramp=3m", "--growth", "warm-up=5m"];

/// Traces of which the claims do not hold. It is said of each in `golden/README.md` what happens and why.
const EXCEPTIONS: [&str; 0] = [];

/// Before this share of the limit a leak is told.
const IN_TIME: f64 = 0.9;

/// What lies in `golden/FOLDER`: the traces, in the order of their names.
fn traces(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(folder);
    let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let mut traces: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "csv")).collect();
    traces.sort();
    assert!(!traces.is_empty(), "nothing in {}", folder.display());
    traces
}

fn all() -> Vec<PathBuf> {
    [traces("healthy"), traces("leaking")].concat()
}

fn name(trace: &Path) -> &str {
    trace.file_stem().unwrap().to_str().unwrap()
}

#[track_caller]
fn events(trace: &Path, options: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_highwater")).arg("replay").args(options).arg(trace).output().unwrap();
    assert!(output.status.success(), "{}: {}", trace.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The growth that the windows that fit an hour tell.
fn growth(trace: &Path, options: &[&str]) -> Vec<Value> {
    let mut events = events(trace, &[&FITTING, options].concat());
    events.retain(|event| event["event"] == "highwater.memory.growth.detected");
    events
}

fn number(event: &Value, name: &str) -> Option<f64> {
    event[name].as_f64()
}

/// One event: when, which, why, the level, what grew, and the numbers that matter, rounded.
fn line(event: &Value) -> String {
    let text = |name: &str| event[name].as_str().unwrap_or("-");
    let mebibytes = |name: &str| number(event, name).map(|bytes| bytes / f64::from(1 << 20));
    let minutes = |name: &str| number(event, name).map(|seconds| seconds / 60.0);
    let percent = |name: &str| number(event, name).map(|share| share * 100.0);
    let mut line = format!(
        "{:>5.0} s  {:<16} {:<10} {:<9} {:<10}",
        number(event, "seconds").unwrap(),
        text("event").strip_prefix("highwater.memory.").unwrap_or(text("event")),
        text("reason"),
        text("level"),
        text("cause"),
    );
    let mut say = |words: String| line.push_str(&format!(" {words}"));
    if let (Some(used), Some(share)) = (mebibytes("memory.used"), percent("memory.utilization")) {
        say(format!("used {used:.0} MiB, {share:.0} %"));
    }
    if let (Some(peak), Some(duration)) = (percent("peak.utilization"), minutes("duration")) {
        say(format!("- peak {peak:.0} %, {duration:.0} min"));
    }
    if let (Some(slope), Some(window)) = (mebibytes("growth.slope"), minutes("growth.window")) {
        say(format!("- {:.0} MiB/h over {window:.0} min", slope * 3600.0));
    }
    let to_limit = ["earliest", "likely", "latest"].map(|which| minutes(&format!("time_to_limit.{which}")));
    if let [Some(earliest), Some(likely), Some(latest)] = to_limit {
        say(format!("- limit in {likely:.0} ({earliest:.0} to {latest:.0}) min"));
    }
    line
}

/// What is told of one trace, by each of the settings; and the growth that would be told under tighter limits.
fn told(trace: &Path) -> String {
    let mut text = String::new();
    for (title, options) in SETTINGS {
        let lines: Vec<String> = events(trace, options).iter().map(line).collect();
        let lines = if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") };
        text += &format!("# {title}\n{lines}\n\n");
    }
    text += "# growth, by windows that fit an hour, under a limit of which the trace reaches at most\n";
    let highest = highest(trace);
    for percent in [75, 80, 85, 90, 95] {
        let limit = (highest * 100 / percent).to_string();
        let growth: Vec<String> = growth(trace, &["--limit", &limit]).iter().map(line).collect();
        text += &format!("{percent} %: {}\n", growth.first().map_or("nothing", String::as_str));
    }
    text
}

/// The highest use of a trace.
fn highest(trace: &Path) -> u64 {
    let text = fs::read_to_string(trace).unwrap();
    let used = text.lines().skip(1).filter_map(|row| row.split(',').nth(1)?.parse().ok());
    used.max().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "set by hand, and no setting of the program's")]
fn is_blessed() -> bool {
    std::env::var_os("HIGHWATER_BLESS").is_some()
}

#[test]
fn what_is_told_of_each_trace_is_what_lies_beside_it() {
    let mut changed = Vec::new();
    for trace in all() {
        let (path, told) = (trace.with_extension("told"), told(&trace));
        if is_blessed() {
            fs::write(&path, told).unwrap();
            continue;
        }
        let known = fs::read_to_string(&path).unwrap_or_default();
        if known != told {
            changed.push(format!("{}\n--- known\n{known}--- told\n{told}", path.display()));
        }
    }
    assert!(
        changed.is_empty(),
        "other things are told than are known; where that is meant: HIGHWATER_BLESS=1\n{}",
        changed.join("\n")
    );
}

#[test]
fn of_a_healthy_program_no_growth_is_told() {
    let told = traces("healthy").into_iter().filter(|trace| !growth(trace, &[]).is_empty());
    assert_eq!(told.map(|trace| name(&trace).to_owned()).collect::<Vec<_>>(), exceptions("healthy"));
}

#[test]
fn of_a_leaking_program_growth_is_told_before_nine_tenths_of_its_limit_are_used() {
    let share = |event: &Value| number(event, "memory.utilization").unwrap();
    let is_late = |trace: &PathBuf| growth(trace, &[]).first().is_none_or(|event| share(event) >= IN_TIME);
    let late = traces("leaking").into_iter().filter(is_late);
    assert_eq!(late.map(|trace| name(&trace).to_owned()).collect::<Vec<_>>(), exceptions("leaking"));
}

/// Those that lie in one folder: an exception that has become none fails the test, too.
fn exceptions(folder: &str) -> Vec<String> {
    let names = traces(folder).iter().map(|trace| name(trace).to_owned()).collect::<Vec<_>>();
    names.into_iter().filter(|name| EXCEPTIONS.contains(&name.as_str())).collect()
}

#[test]
fn each_trace_is_small_and_is_described() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/README.md")).unwrap();
    for trace in all() {
        let size = fs::metadata(&trace).unwrap().len();
        assert!(size <= 110_000, "{} has {size} bytes", trace.display());
        assert!(readme.contains(&format!("`{}`", name(&trace))), "{} is not in golden/README.md", trace.display());
    }
}
