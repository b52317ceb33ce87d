//! The program as somebody runs it: standard output, standard error, the code that it ends with.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

fn highwater() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.arg("replay").stdin(Stdio::null());
    command
}

/// A folder with a trace in it.
struct Bench(TempDir);

impl Bench {
    fn with(trace: impl AsRef<[u8]>) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::write(bench.path("trace.csv"), trace).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn replay(&self, arguments: &[&str]) -> Output {
        highwater().current_dir(self.0.path()).args(arguments).output().unwrap()
    }
}

/// A minute at a tenth of the limit, one above its line of 95 %, three at a tenth.
fn episode() -> String {
    let used = |second: u64| if (60..120).contains(&second) { 970 } else { 100 };
    (0..300).fold("seconds,used,limit,rss\n".to_owned(), |text, second| {
        text + &format!("{second}.25,{},1000,{}\n", used(second), used(second) + 7)
    })
}

#[track_caller]
fn events(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn told(output: &Output) -> Vec<String> {
    let line = |event: &Value| {
        let text = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", event["seconds"], text("event"), text("reason"), text("level"))
    };
    events(output).iter().map(line).collect()
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn an_episode_is_told_as_one_line_an_event_in_a_fixed_order() {
    let output = Bench::with(episode()).replay(&["trace.csv"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    assert_eq!(
        told(&output),
        [
            "60.25 highwater.memory.episode.begun held critical",
            "150.25 highwater.memory.episode.changed recovered high",
            "180.25 highwater.memory.episode.ended recovered normal",
        ]
    );
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(
        text.lines().next().unwrap(),
        r#"{"seconds":60.25,"event":"highwater.memory.episode.begun","reason":"held","episode":1,"level":"critical","previous_level":"normal","cause":"unknown","memory.limit":1000,"limit.source":"config","memory.used":970,"memory.utilization":0.97,"memory.external":0,"process.memory.usage":977}"#
    );
    let ended = &events(&output)[2];
    assert_eq!(
        (&ended["episode"], &ended["peak.used"], &ended["ended_by"]),
        (&1.into(), &970.into(), &"recovered".into())
    );
    assert_eq!(ended["duration"], 60.0);
}

#[test]
fn a_summary_stands_on_standard_error() {
    let output = Bench::with(episode()).replay(&["trace.csv"]);
    let lines: Vec<_> =
        error(&output).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines[0], "samples 300");
    assert!(
        lines[1].starts_with("span 4m 59s, replayed at ") && lines[1].ends_with(" samples per second"),
        "{lines:?}"
    );
    assert_eq!(
        lines[2..],
        [
            "episodes 1",
            "growth alarms 0",
            "highest use 970B, 97 % of 1000B at 60.25 s",
            "time normal 2m 59s, elevated 0s, high 30s, critical 1m 30s",
        ]
    );
}

#[test]
fn an_episode_that_is_open_at_the_end_stays_open() {
    let output = Bench::with("seconds,used,limit\n0,970,1000\n").replay(&["trace.csv"]);
    assert_eq!(told(&output), ["0.0 highwater.memory.episode.begun held critical"]);
    assert!(error(&output).contains("1, the last one open at the end"), "{}", error(&output));
}

#[test]
fn limit_levels_and_holds_of_the_command_line_are_judged() {
    let bench = Bench::with(episode());
    assert_eq!(told(&bench.replay(&["trace.csv", "--limit", "1MiB"])), [""; 0]);
    let levels =
        ["trace.csv", "--level", "critical=98%", "--level", "high=92%", "--hold", "high=5s", "--hold", "leave=0s"];
    let output = bench.replay(&levels);
    assert_eq!(
        told(&output),
        ["65.25 highwater.memory.episode.begun held high", "120.25 highwater.memory.episode.ended recovered normal",]
    );
    let without = Bench::with("seconds,used\n0,970\n1,970\n");
    let output = without.replay(&["trace.csv"]);
    assert!(error(&output).contains("no sample has a limit: levels in percent are off; --limit sets one"));
    assert_eq!(told(&without.replay(&["trace.csv", "--limit", "1000"])).len(), 1);
    let none = Bench::with("seconds,used,limit\n0,970,0\n1,970,0\n");
    let output = none.replay(&["trace.csv"]);
    assert_eq!(told(&output), [""; 0]);
    assert!(error(&output).starts_with(
        "trace.csv:2: column limit: 0 is taken for no limit\n\
         no sample has a limit: levels in percent are off; --limit sets one\n"
    ));
}

/// An hour that begins flat and ends near the limit.
#[test]
fn windows_of_growth_of_the_command_line_are_judged() {
    let rows = (0..720).map(|row| (row * 5, 300 + 0.max(row - 180)));
    let text =
        rows.fold("seconds,used,limit\n".to_owned(), |text, (second, used)| text + &format!("{second},{used},900\n"));
    let bench = Bench::with(text);
    let grown = |arguments: &[&str]| {
        let events = events(&bench.replay(&[&["trace.csv"], arguments].concat()));
        let mut growth = events.into_iter().filter(|event| event["event"] == "highwater.memory.growth.detected");
        growth.next().and_then(|event| event["seconds"].as_f64())
    };
    let short = ["--growth", "slow=30m", "--growth", "fast=8m", "--growth", "ramp=3m", "--growth", "warm-up=5m"];
    let (by_short, by_default) = (grown(&short).unwrap(), grown(&[]));
    assert!(by_default.is_none_or(|at| at > by_short), "{by_short} s, by default {by_default:?} s");
    assert_eq!(grown(&[&short[..6], &["--growth", "warm-up=1h"]].concat()), None);
}

#[test]
fn a_dash_is_standard_input_and_several_traces_are_one_run() {
    let bench = Bench::with("");
    let text = episode();
    let (first, second) = text.split_at(text.find("\n90.25").unwrap() + 1);
    fs::write(bench.path("trace.csv.1"), first).unwrap();
    fs::write(bench.path("trace.csv"), format!("seconds,used,limit,rss\n{second}")).unwrap();
    let whole = Bench::with(&text).replay(&["trace.csv"]).stdout;
    assert_eq!(bench.replay(&["trace.csv.1", "trace.csv"]).stdout, whole);
    let piped = highwater().arg("-").stdin(File::open(Bench::with(&text).path("trace.csv")).unwrap()).output().unwrap();
    assert_eq!(piped.stdout, whole);
    let swapped = bench.replay(&["trace.csv", "trace.csv.1"]);
    assert_eq!(swapped.status.code(), Some(2));
    assert!(
        error(&swapped).contains("trace.csv.1:2: column seconds: \"0.25\" lies before \"299.25\""),
        "{}",
        error(&swapped)
    );
}

#[test]
fn what_is_wrong_with_a_trace_is_one_line_and_the_code_2() {
    let rows: String = (0..15).map(|second| format!("{second},1\n")).collect();
    for (trace, says) in [
        (
            format!("seconds,used\n{rows}15,12x\n"),
            "trace.csv:17: column used: \"12x\" is not a number of bytes: write a whole number, or leave it empty\n",
        ),
        (
            "time,used\n".to_owned(),
            "trace.csv:1: column seconds is missing from the header \"time,used\": the first line must name the columns, such as seconds,used,limit\n",
        ),
        (
            String::new(),
            "trace.csv: nothing is in it: the first line must name the columns, such as seconds,used,limit\n",
        ),
    ] {
        let output = Bench::with(trace).replay(&["trace.csv"]);
        assert_eq!((output.status.code(), error(&output).as_str()), (Some(2), says));
    }
    let output = Bench::with("").replay(&["nowhere.csv"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(error(&output).starts_with("nowhere.csv: cannot be opened: No such file"), "{}", error(&output));
}

#[test]
fn what_is_ignored_is_said_and_the_replay_goes_on() {
    let output = Bench::with(format!("{}400.0,1", episode().replace("rss", "host"))).replay(&["trace.csv"]);
    assert_eq!(output.status.code(), Some(0));
    let error = error(&output);
    let lines: Vec<_> = error.lines().take(2).collect();
    assert_eq!(
        lines,
        ["trace.csv: columns that are ignored: \"host\"", "trace.csv:302: the last line is torn, and left out"]
    );
    assert_eq!(told(&output).len(), 3);
}

#[test]
fn an_option_that_cannot_be_used_is_named_with_its_value_and_the_code_2() {
    for (arguments, says) in [
        (&["--limit", "much"][..], &["--limit", "much", "512MiB"][..]),
        (&["--level", "high=much"], &["--level", "high=much", "85%"]),
        (&["--hold", "high=5"], &["--hold", "high=5", "30s"]),
        (&["--level", "high=93%"], &["--level", "93%", "at least 5 points below"]),
        (&["--growth", "fast=5"], &["--growth", "fast=5", "30m"]),
        (&["--growth", "ramp=2h"], &["--growth", "ramp (2h)", "shorter than fast (1h)"]),
        (&["--levels", "high=93%"], &["--levels"]),
    ] {
        let output = Bench::with(episode()).replay(&[&["trace.csv"], arguments].concat());
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
        assert!(says.iter().all(|part| error(&output).contains(part)), "{}", error(&output));
    }
}

#[test]
fn a_picture_is_drawn_where_one_is_asked_for() {
    let bench = Bench::with(episode());
    let output = bench.replay(&["trace.csv", "--plot", "out.svg"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let drawn = fs::read_to_string(bench.path("out.svg")).unwrap();
    let document = roxmltree::Document::parse(&drawn).unwrap();
    let title = document.descendants().find(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "title"))).unwrap();
    assert_eq!(title.text(), Some("trace.csv: 4m 59s of memory, 1 episode, at most 970B, 97 % of 1000B used"));
    let output = bench.replay(&["trace.csv", "--plot", "nowhere/out.svg"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains("nowhere/out.svg: cannot be written: No such file"), "{}", error(&output));
}

/// Seconds that are an episode each, for ever.
fn flapping() -> Command {
    let mut command = highwater();
    command.args(["-", "--hold", "elevated=0s", "--hold", "critical=0s", "--hold", "leave=0s"]);
    command
}

fn start(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn where_nobody_reads_any_more_it_ends_quietly() {
    let mut replay = start(flapping());
    drop(replay.stdout.take());
    let mut input = replay.stdin.take().unwrap();
    let mut rows = "seconds,used,limit\n".to_owned();
    for second in 0.. {
        rows += &format!("{second},{},1000\n", if second % 2 == 0 { 999 } else { 0 });
        if input.write_all(rows.as_bytes()).is_err() {
            break;
        }
        rows.clear();
    }
    let output = replay.wait_with_output().unwrap();
    assert_eq!((output.status.code(), error(&output).as_str()), (Some(0), ""));
}

#[test]
fn each_event_is_there_before_the_next_row_is() {
    let mut replay = start(flapping());
    let mut input = replay.stdin.take().unwrap();
    input.write_all(b"seconds,used,limit\n0,999,1000\n").unwrap();
    let mut output = replay.stdout.take().unwrap();
    let mut begun = [0];
    output.read_exact(&mut begun).unwrap();
    assert_eq!(begun, *b"{");
    drop(input);
    assert!(replay.wait().unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_is_full_is_said_with_the_code_1() {
    let bench = Bench::with(episode());
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = highwater().arg(bench.path("trace.csv")).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).starts_with("standard output: cannot be written: No space left"), "{}", error(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_trace() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = highwater();
    command.args(["-", "--plot"]).arg(folder.path().join("out.svg"));
    let mut replay = start(command);
    let mut input = replay.stdin.take().unwrap();
    input.write_all(b"seconds,used,limit\n").unwrap();
    let mut write = |seconds: std::ops::Range<u64>| {
        for second in seconds.step_by(1000) {
            let rows: String = (second..second + 1000).map(|s| format!("{s},{},1000\n", 500 + s % 97)).collect();
            input.write_all(rows.as_bytes()).unwrap();
        }
    };
    // What was written is read but for what a pipe holds.
    write(0..50_000);
    let before = resident(&replay);
    write(50_000..400_000);
    let after = resident(&replay);
    assert!(after < before + (1 << 20), "{before} bytes after 50,000 rows, {after} after 400,000");
    drop(input);
    assert!(replay.wait_with_output().unwrap().status.success());
}

#[cfg(target_os = "linux")]
fn resident(process: &Child) -> u64 {
    let status = fs::read_to_string(Path::new("/proc").join(process.id().to_string()).join("status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}
