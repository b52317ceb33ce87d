//! In a process that is short of something, or full of it: the host goes on, and what is missing is said or absent.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use highwater_e2e::folder::Folder;
use highwater_e2e::peers::Lone;
use highwater_e2e::process::{Process, Program};
use highwater_e2e::wait::Stopwatch;
use highwater_e2e::{binary, wait};

/// The subject below the limit that the shell's `ulimit` sets.
fn below(limit: &str, arguments: &[&str]) -> Program {
    let shell = Program::at(Path::new("/bin/sh")).args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\"")]);
    shell.arg(binary::example("strained")).args(arguments.iter().copied())
}

#[test]
fn without_room_for_the_stack_of_a_thread_the_host_goes_on_and_it_is_said() {
    let program = below("-v 4194304", &["nothing"]).variable("RUST_MIN_STACK", (1_u64 << 40).to_string());
    assert!(!runs(program), "there is no such stack");
}

#[test]
fn at_whichever_thread_the_system_gives_no_more_the_host_goes_on_and_it_is_said() {
    const NAME: &str = "at_whichever_thread_the_system_gives_no_more_the_host_goes_on_and_it_is_said";
    let Some(group) = Tasks::new(NAME) else { return };
    let runs: Vec<_> = (1..=8)
        .map(|most| {
            group.limit(most);
            runs(group.subject())
        })
        .collect();
    assert!(!runs[0] && runs[7], "with no thread the agent does not run, with all it does: {runs:?}");
    assert!(runs.is_sorted(), "{runs:?}");
}

#[test]
fn where_the_system_gives_no_thread_to_record_or_to_act_the_agent_runs_without_and_says_so() {
    const NAME: &str = "where_the_system_gives_no_thread_to_record_or_to_act_the_agent_runs_without_and_says_so";
    let Some(group) = Tasks::new(NAME) else { return };
    let folder = Folder::temporary();
    let said: Vec<_> = (1..=8)
        .map(|most| {
            group.limit(most);
            let record = folder.path().join(format!("{most}.csv"));
            let program = group.subject().variable("HIGHWATER_RECORD", record.display().to_string());
            let error = what_is_said(program.variable("HIGHWATER_PURGE", "high"));
            let lacks =
                |lost: &str| error.lines().any(|line| line.contains("cannot start a thread") && line.ends_with(lost));
            let said =
                (error.contains(DOES_NOT_RUN), lacks("; nothing is recorded"), lacks("; no action runs, and no purge"));
            assert_eq!(record.exists(), !said.0 && !said.1, "{error}");
            said
        })
        .collect();
    assert_eq!(said[0], (true, false, false), "the agent itself needs threads: {said:?}");
    assert!(said.contains(&(false, true, true)) && said.contains(&(false, false, true)), "{said:?}");
    assert_eq!(said[7], (false, false, false), "there is one for each: {said:?}");
}

const DOES_NOT_RUN: &str = "the agent does not run, readings on demand do: cannot start a thread";

/// Whether the agent runs in this program.
#[track_caller]
fn runs(program: Program) -> bool {
    !what_is_said(program).contains(DOES_NOT_RUN)
}

/// What the agent says in this program, which goes on in any case, and is told if the agent does not run.
#[track_caller]
fn what_is_said(program: Program) -> String {
    let program = program.with_input().variables(&[
        // jemalloc's own threads are not what is missing.
        ("_RJEM_MALLOC_CONF", "background_thread:false"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
    ]);
    let mut program = program.start();
    wait::until("the host goes on", || program.output().contains("went on").then_some(()));
    program.close_input();
    let took = program.wait_for_success();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(program.output(), "went on, resident memory is known: true\n");
    let error = program.error();
    let refused = error.matches(DOES_NOT_RUN).count();
    assert!(refused <= 1 && (refused == 1 || error.contains("OTLP to http://127.0.0.1:9 every 10s")), "{error}");
    error
}

/// A cgroup that limits how many threads there are in it.
struct Tasks(PathBuf);

impl Tasks {
    /// `None` where this machine or this user has none to give; the test then proves nothing, and that is said.
    fn new(test: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let bases = mounts.lines().filter(|line| line.contains(" - cgroup")).filter_map(|line| line.split(' ').nth(4));
        let made = bases.map(|base| {
            let group = Self(Path::new(base).join(format!("highwater-{}-{test}", std::process::id())));
            fs::create_dir(&group.0).is_ok().then_some(group).filter(|group| group.0.join("pids.max").exists())
        });
        let group = made.into_iter().flatten().next();
        if group.is_none() {
            highwater_e2e::not_shown(test, "no cgroup can be made that limits threads");
        }
        group
    }

    /// The subject in this cgroup.
    fn subject(&self) -> Program {
        let shell = Program::at(Path::new("/bin/sh")).args(["-c", r#"echo $$ >"$0" && exec "$@""#]);
        shell.arg(self.0.join("cgroup.procs")).arg(binary::example("strained")).arg("nothing")
    }

    fn limit(&self, most: u32) {
        fs::write(self.0.join("pids.max"), most.to_string()).unwrap();
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        // The kernel lets a process go a little after it has ended.
        let removed = || (fs::remove_dir(&self.0).is_ok() || !self.0.exists()).then_some(());
        if !std::thread::panicking() {
            wait::until("the cgroup is empty", removed);
        }
    }
}

#[test]
fn without_a_descriptor_left_at_the_start_numbers_and_delivery_come_once_there_are_some() {
    let collector = Lone::started();
    let mut program = short_of_descriptors("before", &collector);
    assert_eq!(program.output(), "with all taken, resident memory is known: false\n", "unknown is absent");
    assert!(collector.points().is_empty(), "nothing can be sent");
    program.tell("");
    arrives(&collector, "process.memory.usage");
    let error = program.error();
    assert_eq!(error.matches("cannot send").count(), 1, "{error}");
    ends_well(program);
}

#[test]
fn without_a_descriptor_left_later_on_the_agent_reads_on_from_those_that_it_keeps() {
    let collector = Lone::started();
    let mut program = short_of_descriptors("after", &collector);
    assert_eq!(program.output(), "with all taken, resident memory is known: true\n");
    program.tell("");
    arrives(&collector, "process.memory.usage");
    ends_well(program);
}

#[track_caller]
fn short_of_descriptors(when: &str, collector: &Lone) -> Process {
    let program = below("-n 48", &["descriptors", when]).with_input();
    let program = program
        .variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.http()), ("OTEL_METRIC_EXPORT_INTERVAL", "200")])
        .start();
    wait::until("it has a sample with all taken", || program.output().ends_with('\n').then_some(()));
    program
}

#[track_caller]
fn arrives(collector: &Lone, metric: &str) {
    let arrived = || collector.points().iter().any(|point| point.metric() == metric).then_some(());
    wait::until(&format!("the collector has {metric}"), arrived);
}

#[track_caller]
fn ends_well(mut program: Process) {
    program.tell("");
    program.close_input();
    program.wait_for_success();
    assert!(program.output().ends_with("given back\ndelivery: delivering\n"), "{}", program.output());
}

#[test]
fn among_ten_thousand_threads_the_agent_stays_within_a_hundredth_of_a_core() {
    stays_cheap("10000", "background_thread:true");
}

#[test]
fn over_128_arenas_the_agent_stays_within_a_hundredth_of_a_core() {
    stays_cheap("256", "background_thread:true,narenas:128");
}

#[track_caller]
fn stays_cheap(threads: &str, jemalloc: &str) {
    let subject = Program::at(&binary::example("strained")).args(["threads", threads]).with_input();
    let mut subject = subject.variables(&[("_RJEM_MALLOC_CONF", jemalloc), ("OTEL_SDK_DISABLED", "true")]).start();
    wait::until("the agent runs", || subject.output().contains("ready").then_some(()));
    // After its start, which costs more.
    wait::until("the first samples are taken", || (watching(&subject) > Duration::ZERO).then_some(()));
    let (before, clock) = (watching(&subject), Stopwatch::start());
    wait::until("time passes", || (clock.elapsed() > Duration::from_secs(10)).then_some(()));
    let (spent, elapsed) = (watching(&subject) - before, clock.elapsed());
    println!("{threads} threads, {jemalloc}: {spent:?} of {elapsed:?}");
    assert!(spent * 100 < elapsed, "{spent:?} of {elapsed:?}");
    subject.tell("");
    subject.wait_for_success();
    let counted = subject.output().lines().last().and_then(|line| line.strip_suffix(" threads")?.parse::<u64>().ok());
    assert!(counted > threads.parse().ok(), "{}", subject.output());
}

/// The processor time of the watch thread.
fn watching(process: &Process) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.id())).unwrap().flatten();
    let time = tasks.filter_map(|task| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        // The kernel keeps 15 bytes of a name.
        let time = fs::read_to_string(task.path().join("schedstat")).ok().filter(|_| name == "highwater-watch\n")?;
        time.split(' ').next()?.parse().ok()
    });
    time.map(Duration::from_nanos).sum()
}
