//! A black box through real ends: kill -9, the OOM killer, an exit, a panic; on disks that are full, read-only, or meddled with.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use highwater_e2e::cgroup::Cgroup;
use highwater_e2e::disk::Disk;
use highwater_e2e::folder::Folder;
use highwater_e2e::peers::{Lone, Peers, Record};
use highwater_e2e::process::{Process, Program};
use highwater_e2e::wait::Stopwatch;
use highwater_e2e::{MIB, binary, not_shown, wait};
use serde_json::Value;

const ENDED: &str = "highwater.previous_run.ended";

/// The program that does what it is told, with a box at `path`.
fn boxed(path: &Path, cgroup: Option<&Cgroup>) -> Program {
    let program = Program::within(cgroup, &binary::example("driven")).with_input();
    program.variable("HIGHWATER_BLACK_BOX", path).variables(&[
        ("OTEL_SERVICE_NAME", "boxed"),
        ("HIGHWATER_HOLD_ELEVATED", "0s"),
        ("HIGHWATER_HOLD_HIGH", "0s"),
    ])
}

/// The same, with a limit, and sending nothing.
fn silent(path: &Path) -> Program {
    boxed(path, None).variables(&[("OTEL_SDK_DISABLED", "true"), ("HIGHWATER_LIMIT", "128MiB")])
}

#[track_caller]
fn says(process: &Process, text: &str) {
    wait::until_ok(&format!("it says {text:?}"), || {
        let error = process.error();
        if error.contains(text) { Ok(()) } else { Err(error) }
    });
}

/// What the command line makes of a box.
fn read(path: &Path) -> Result<Value, String> {
    let process =
        Program::at(&binary::of_named("highwater-cli", "highwater")).arg("black-box").arg(path).arg("--json").run();
    serde_json::from_str(&process.output()).map_err(|_| process.error())
}

/// Waits until the box holds what is wanted.
#[track_caller]
fn holds(path: &Path, what: impl Fn(&Value) -> bool) -> Value {
    wait::until_ok("the box holds it", || match read(path) {
        Ok(left) if what(&left) => Ok(left),
        other => Err(format!("{other:?}")),
    })
}

fn has_samples(at_least: usize) -> impl Fn(&Value) -> bool {
    move |left| left["samples"].as_array().is_some_and(|samples| samples.len() >= at_least)
}

#[track_caller]
fn kill(mut process: Process) {
    process.signal("KILL");
    process.wait();
}

#[track_caller]
fn ends_well(mut process: Process) -> String {
    process.close_input();
    process.wait_for_success();
    process.error()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn the_next_start_tells_of_a_killed_run_and_ends_its_episode_in_the_old_trace() {
    let (folder, peers) = (Folder::temporary(), Peers::shared());
    let path = folder.path().join("memory.box");
    let start = || boxed(&path, None).variable("HIGHWATER_LIMIT", "128MiB").variables(&peers.variables()).start();
    let mut first = start();
    first.tell("take 100");
    let left = holds(&path, |left| left["episode"]["root"].is_string());
    assert_eq!((&left["in_use"], &left["verdict"]), (&true.into(), &Value::Null));
    let (trace, run) = (left["episode"]["trace"].as_str().unwrap(), left["run"].as_str().unwrap());
    let pid = first.id();
    peers.jaeger.wait_for_span(trace, "memory episode begun");
    kill(first);
    assert_eq!(read(&path).unwrap()["verdict"], "killed");

    let second = start();
    let record = wait::until("the collector's file has the event", || {
        peers.collector.records().into_iter().find(|record| record.attribute("log.record.uid") == run)
    });
    assert_eq!((record.name(), record.field("severityText")), (ENDED, &"ERROR".into()));
    assert_eq!(record.attribute("highwater.exit.verdict"), "killed");
    assert_eq!(record.attribute("highwater.previous_episode.id"), trace);
    assert_eq!(record.attribute("process.pid"), pid);
    assert_eq!(record.field("traceId"), trace);
    assert!(record.attribute("highwater.samples")["values"].as_array().is_some_and(|list| !list.is_empty()));
    assert!(record.body().starts_with("the previous run was killed ("), "{}", record.body());
    let traces = peers.jaeger.wait_for_span(trace, "memory episode killed");
    let killed = traces.the("memory episode killed");
    assert_eq!(killed.parent.as_deref(), left["episode"]["root"].as_str(), "a child of the root that is missing");
    assert_eq!((killed.tag("highwater.ended_by"), killed.tag("error")), (&"killed".into(), &true.into()));
    assert_eq!(record.field("spanId"), killed.id.as_str());
    // Once it has arrived nobody needs the old box.
    wait::until("only the new box is left", || (files(folder.path()) == [path.clone()]).then_some(()));
    ends_well(second);
    assert_eq!(read(&path).unwrap()["verdict"], "shut_down");
}

#[test]
fn a_box_is_kept_until_the_collector_has_it_and_told_under_one_id() {
    let folder = Folder::temporary();
    let path = folder.path().join("memory.box");
    let mut collector = Lone::stopped();
    let start = |endpoint: &str| {
        boxed(&path, None).variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("DEADLINE", "10")]).start()
    };
    let mut ids = Vec::new();
    for _ in 0..2 {
        let process = start(&collector.http());
        let left = holds(&path, has_samples(1));
        ids.push(left["run"].as_str().unwrap().to_owned());
        kill(process);
    }
    let beside = |number: u32| folder.path().join(format!("memory.box.{number}"));
    assert_eq!(read(&beside(1)).unwrap()["run"], ids[0].as_str());
    let third = start(&collector.http());
    says(&third, "the previous run was killed");
    ends_well(third);
    assert!(beside(1).exists() && beside(2).exists(), "nothing has arrived: {:?}", files(folder.path()));
    collector.start();
    let fourth = start(&collector.http());
    wait::until("both are told", || (files(folder.path()) == [path.clone()]).then_some(()));
    ends_well(fourth);
    collector.stop();
    let told: Vec<_> = collector.records().iter().filter(|record| record.name() == ENDED).map(uid).collect();
    assert!(ids.iter().all(|id| told.iter().filter(|told| *told == id).count() == 1), "{ids:?} {told:?}");
}

fn uid(record: &Record) -> String {
    record.attribute("log.record.uid").as_str().unwrap().to_owned()
}

#[test]
fn what_the_kernel_killed_for_memory_is_certain_where_the_cgroup_is_the_same() {
    let test = "what_the_kernel_killed_for_memory_is_certain_where_the_cgroup_is_the_same";
    let Some(cgroup) = Cgroup::limited(test, 96 * MIB) else { return };
    let folder = Folder::temporary();
    let path = folder.path().join("memory.box");
    let start = || boxed(&path, Some(&cgroup)).variable("OTEL_SDK_DISABLED", "true").start();
    let mut first = start();
    first.tell("take 84");
    holds(&path, |left| left["episode"].is_object());
    first.tell("take 64");
    assert!(!first.wait().success());
    let second = start();
    says(&second, "the previous run was killed for memory (certain)");
    ends_well(second);
}

#[test]
fn in_another_cgroup_the_numbers_of_the_box_tell_that_it_was_memory() {
    let test = "in_another_cgroup_the_numbers_of_the_box_tell_that_it_was_memory";
    let Some(cgroup) = Cgroup::limited(test, 96 * MIB) else { return };
    let folder = Folder::temporary();
    let path = folder.path().join("memory.box");
    let mut first = boxed(&path, Some(&cgroup)).variable("OTEL_SDK_DISABLED", "true").start();
    holds(&path, has_samples(2));
    first.tell("take 88");
    holds(&path, |left| left["level"] == "high" || left["level"] == "critical");
    first.tell("take 64");
    assert!(!first.wait().success());
    let second = silent(&path).start();
    says(&second, "the previous run was killed for memory (likely)");
    ends_well(second);
}

#[test]
fn an_orderly_end_is_not_told() {
    let folder = Folder::temporary();
    let path = folder.path().join("memory.box");
    let first = silent(&path).start();
    holds(&path, has_samples(1));
    ends_well(first);
    let second = silent(&path).start();
    holds(&path, |left| left["in_use"] == true && !left["samples"].as_array().unwrap().is_empty());
    let error = ends_well(second);
    assert!(!error.contains("previous run"), "{error}");
    assert_eq!(files(folder.path()), [path]);
}

#[test]
fn a_panic_is_told_by_its_place_and_an_exit_where_an_episode_was_open() {
    let folder = Folder::temporary();
    let path = folder.path().join("memory.box");
    let mut first = silent(&path).start();
    holds(&path, has_samples(1));
    first.tell("jump");
    assert_eq!(first.wait().code(), Some(101));
    let mut second = silent(&path).start();
    says(&second, "the previous run panicked (likely) at ");
    assert!(second.error().contains("examples/driven.rs:"), "{}", second.error());
    second.tell("take 100");
    holds(&path, |left| left["in_use"] == true && left["episode"].is_object());
    second.tell("exit");
    assert_eq!(second.wait().code(), Some(3));
    assert!(read(&path).unwrap()["exited"].is_string());
    let third = silent(&path).start();
    says(&third, "the previous run left past the agent (likely)");
    ends_well(third);
}

#[test]
fn of_two_processes_at_one_path_the_second_has_no_box_until_the_first_is_over() {
    let folder = Folder::temporary();
    let path = folder.path().join("memory.box");
    let first = silent(&path).start();
    let run = holds(&path, has_samples(1))["run"].clone();
    let second = silent(&path).start();
    says(&second, "another process has its box there");
    assert_eq!(read(&path).unwrap()["run"], run);
    kill(first);
    says(&second, "the black box goes on");
    says(&second, "the previous run was killed");
    ends_well(second);
}

#[test]
fn in_a_folder_each_process_has_a_box_and_a_start_tells_only_of_its_own_service() {
    let folder = Folder::temporary();
    let path = PathBuf::from(format!("{}/", folder.path().display()));
    let other = silent(&path).variable("OTEL_SERVICE_NAME", "other").start();
    let [first, second] = [(); 2].map(|()| silent(&path).start());
    let boxes =
        || files(folder.path()).into_iter().filter(|file| read(file).is_ok_and(|left| has_samples(1)(&left))).count();
    wait::until("each has its box", || (boxes() == 3).then_some(()));
    kill(other);
    kill(first);
    let third = silent(&path).start();
    says(&third, "the previous run was killed");
    wait::until("the told one is gone", || (boxes() == 3).then_some(()));
    let error = ends_well(third);
    assert_eq!(error.matches("the previous run").count(), 1, "{error}");
    ends_well(second);
}

#[test]
fn services_that_start_at_the_same_time_in_one_folder_each_tell_of_their_own() {
    let folder = Folder::temporary();
    let path = PathBuf::from(format!("{}/", folder.path().display()));
    let start = || ["one", "other"].map(|name| silent(&path).variable("OTEL_SERVICE_NAME", name).start());
    let has_boxes = || {
        wait::until("each has its box", || {
            let boxes = files(folder.path()).into_iter().filter_map(|file| read(&file).ok());
            (boxes.filter(|left| left["in_use"] == true && has_samples(1)(left)).count() == 2).then_some(())
        });
    };
    let mut running = start();
    for _ in 0..5 {
        has_boxes();
        running.into_iter().for_each(kill);
        running = start();
        running.iter().for_each(|process| says(process, "the previous run was killed"));
    }
    running.into_iter().for_each(|process| drop(ends_well(process)));
}

#[test]
fn a_box_that_is_cut_or_removed_while_it_is_written_begins_anew() {
    let folder = Folder::temporary();
    let path = folder.path().join("memory.box");
    let process = silent(&path).start();
    let run = holds(&path, has_samples(1))["run"].clone();
    fs::File::options().write(true).open(&path).unwrap().set_len(100).unwrap();
    says(&process, "it begins anew");
    let left = holds(&path, has_samples(1));
    assert_eq!((&left["run"], &left["in_use"]), (&run, &true.into()));
    fs::remove_file(&path).unwrap();
    wait::until("it says so again", || (process.error().matches("it begins anew").count() == 2).then_some(()));
    holds(&path, has_samples(1));
    ends_well(process);
}

#[test]
fn what_is_no_box_is_left_alone_and_a_box_of_another_version_gives_way() {
    let folder = Folder::temporary();
    let path = folder.path().join("memory.box");
    fs::write(&path, "precious").unwrap();
    let process = silent(&path).start();
    says(&process, "what stands there is no black box");
    ends_well(process);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::write(&path, b"hwbox\r\n\0\x63\0\0\0").unwrap();
    let process = silent(&path).start();
    says(&process, "cannot be read, and gives way");
    holds(&path, has_samples(1));
    ends_well(process);
}

#[test]
fn on_a_full_or_read_only_disk_the_host_goes_on_and_so_does_the_box_once_there_is_room() {
    let test = "on_a_full_or_read_only_disk_the_host_goes_on_and_so_does_the_box_once_there_is_room";
    let Some(disk) = Disk::in_memory(test, 128) else { return };
    let (path, ballast) = (disk.path("memory.box"), disk.path("ballast"));
    let _ = fs::write(&ballast, vec![0; 100 << 10]);
    let process = silent(&path).start();
    says(&process, "No space left on device");
    fs::remove_file(&ballast).unwrap();
    says(&process, "the black box goes on");
    holds(&path, has_samples(1));
    // It has its room: what fills the disk later does not touch it.
    let _ = fs::write(&ballast, vec![0; 200 << 10]);
    let before = read(&path).unwrap()["samples"].as_array().unwrap().len();
    holds(&path, has_samples(before + 2));
    ends_well(process);
    let _ = fs::remove_file(&ballast);
    disk.set_read_only(true);
    let process = silent(&path).start();
    says(&process, "Read-only file system");
    ends_well(process);
}

/// Whether a thread of that name waits so that no signal wakes it.
fn waits_for_a_disk(process: u32, name: &str) -> bool {
    fs::read_dir(format!("/proc/{process}/task")).unwrap().any(|task| {
        let stat = fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default();
        stat.contains(&format!("({name}) D "))
    })
}

#[test]
fn a_disk_that_hangs_holds_up_neither_what_is_told_nor_a_panic_that_is_caught_nor_the_end() {
    let test = "a_disk_that_hangs_holds_up_neither_what_is_told_nor_a_panic_that_is_caught_nor_the_end";
    let Some(disk) = Disk::of_blocks(test) else { return };
    let path = disk.path("memory.box");
    let mut process = silent(&path).variables(&[("DEADLINE", "1")]).start();
    holds(&path, has_samples(1));
    let frozen = disk.freeze();
    process.tell("take 100");
    says(&process, "memory is elevated");
    let mut clock = Stopwatch::start();
    wait::until("the box's thread waits for the disk, and has for half a second", || {
        if !waits_for_a_disk(process.id(), "highwater-box") {
            clock = Stopwatch::start();
        }
        (clock.elapsed() > Duration::from_millis(500)).then_some(())
    });
    process.tell("stumble");
    wait::until("it has stumbled and goes on", || process.output().contains("stumbled").then_some(()));
    process.close_input();
    wait::until("the shutdown is over", || process.output().contains("delivered false").then_some(()));
    drop(frozen);
    process.wait_for_success();
    assert!(read(&path).unwrap()["panicked"].is_null());
}

#[test]
fn a_box_that_its_process_may_not_see_any_more_is_written_all_the_same() {
    let test = "a_box_that_its_process_may_not_see_any_more_is_written_all_the_same";
    // Root may see everything: it is run by another user, from where that one can read it.
    let setpriv = Path::new("/usr/bin/setpriv");
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !is_root || !setpriv.exists() {
        return not_shown(test, "this is not root, or there is no setpriv");
    }
    let folder = Folder::temporary();
    let (within, driven) = (folder.path().join("within"), folder.path().join("driven"));
    fs::create_dir(&within).unwrap();
    let example = binary::example("driven");
    fs::hard_link(&example, &driven).or_else(|_| fs::copy(&example, &driven).map(drop)).unwrap();
    for (path, mode) in [(folder.path(), 0o755), (&driven, 0o755), (&within, 0o777)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let path = within.join("memory.box");
    let start = || {
        let program =
            Program::at(setpriv).args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&driven);
        let program = program.with_input().variable("HIGHWATER_BLACK_BOX", &path);
        program.variables(&[("OTEL_SDK_DISABLED", "true"), ("HIGHWATER_LIMIT", "128MiB")]).start()
    };
    let mut process = start();
    wait::until("it has its box", || {
        // A copy is busy for as long as the child of another test's has it open that was just forked.
        if let Some(status) = process.ended() {
            println!("it ended, {status}, and is started again: {}", process.error());
            process = start();
        }
        path.exists().then_some(())
    });
    let before = holds(&path, has_samples(1))["samples"].as_array().unwrap().len();
    fs::set_permissions(&within, fs::Permissions::from_mode(0o700)).unwrap();
    let left = holds(&path, has_samples(before + 5));
    assert_eq!(left["in_use"], true, "{left}");
    let error = ends_well(process);
    assert!(!error.contains("begins anew") && !error.contains("no black box"), "{error}");
}

#[test]
fn forked_workers_do_not_write_into_their_parent_s_box_and_their_exit_does_not_close_it() {
    let folder = Folder::temporary();
    let path = folder.path().join("memory.box");
    let program = Program::at(&binary::example("forking")).arg("workers").with_input();
    let program = program.variable("HIGHWATER_BLACK_BOX", &path).variable("OTEL_SDK_DISABLED", "true");
    let mut process = program.start();
    wait::until_ok("both workers say that the box is not theirs", || {
        let error = process.error();
        if error.matches("another process has its box there").count() == 2 { Ok(()) } else { Err(error) }
    });
    let left = holds(&path, has_samples(2));
    assert_eq!((&left["process"], &left["exited"]), (&process.id().into(), &Value::Null));
    process.close_input();
    process.wait_for_success();
}

fn reap(folder: &Path, endpoint: &str) -> Process {
    reaper(folder, endpoint).run()
}

fn reaper(folder: &Path, endpoint: &str) -> Program {
    let reaper = Program::at(&binary::of_named("highwater-cli", "highwater")).arg("reap").arg(folder);
    reaper.args(["--otlp", endpoint])
}

#[test]
fn a_reaper_speaks_as_its_environment_says() {
    let collector = Lone::started();
    for (protocol, endpoint, compression) in [
        ("grpc", collector.grpc(), "none"),
        ("grpc", collector.grpc(), "gzip"),
        ("http/protobuf", collector.http(), "gzip"),
    ] {
        let folder = Folder::temporary();
        let path = folder.path().join("memory.box");
        let process = silent(&path).start();
        let run = holds(&path, has_samples(1))["run"].clone();
        kill(process);
        let variables = [("OTEL_EXPORTER_OTLP_PROTOCOL", protocol), ("OTEL_EXPORTER_OTLP_COMPRESSION", compression)];
        let mut reaped = reaper(folder.path(), &endpoint).variables(&variables).run();
        assert!(reaped.ended().unwrap().success(), "{protocol}, {compression}: {}", reaped.error());
        let record = wait::until("the end arrives", || {
            collector.records().into_iter().find(|record| record.attribute("log.record.uid") == run)
        });
        assert_eq!(record.name(), ENDED);
    }
}

#[test]
fn a_reaper_tells_each_dead_box_in_the_name_of_its_run_and_leaves_those_in_use_alone() {
    let folder = Folder::temporary();
    let path = PathBuf::from(format!("{}/", folder.path().display()));
    let mut collector = Lone::stopped();
    let start = |name: &str| silent(&path).variable("OTEL_SERVICE_NAME", name).start();
    let (dead, ended, alive) = (start("dead"), start("ended"), start("alive"));
    let named = |name: &str| {
        let name = format!("{name}-");
        files(folder.path()).into_iter().find(|file| file.file_name().unwrap().to_string_lossy().starts_with(&name))
    };
    let found = |name: &str| {
        wait::until(name, || named(name).filter(|file| read(file).is_ok_and(|left| has_samples(1)(&left))))
    };
    let [left, _, _] = ["dead", "ended", "alive"].map(|name| read(&found(name)).unwrap());
    kill(dead);
    ends_well(ended);
    let mut away = reap(folder.path(), &collector.http());
    assert_eq!(away.ended().unwrap().code(), Some(1), "{}", away.error());
    assert!(away.error().contains("is kept: ") && named("dead").is_some(), "{}", away.error());
    collector.start();
    let mut reaped = reap(folder.path(), &collector.http());
    assert_eq!(reaped.ended().unwrap().code(), Some(0), "{}", reaped.error());
    assert!(reaped.error().contains("dead, process"), "{}", reaped.error());
    assert_eq!((named("dead"), named("ended")), (None, None));
    assert!(named("alive").is_some());
    // Nothing is left to tell.
    assert_eq!(reap(folder.path(), &collector.http()).ended().unwrap().code(), Some(0));
    ends_well(alive);
    collector.stop();
    let records = collector.records();
    let [record] = &records[..] else { panic!("{records:?}") };
    assert_eq!((record.name(), uid(record).as_str()), (ENDED, left["run"].as_str().unwrap()));
    assert_eq!(record.instance(), left["resource"]["service.instance.id"].as_str().unwrap());
    for (folder, endpoint) in [(folder.path().join("none"), "http://localhost:4318"), (folder.path().into(), "ftp://a")]
    {
        assert_eq!(reap(&folder, endpoint).ended().unwrap().code(), Some(2));
    }
}

#[test]
fn of_a_reaper_and_starts_at_the_same_time_one_alone_tells_a_box() {
    let folder = Folder::temporary();
    let path = PathBuf::from(format!("{}/", folder.path().display()));
    let mut collector = Lone::started();
    let mut runs = Vec::new();
    for _ in 0..5 {
        let process = silent(&path).start();
        let left = wait::until("there is a box", || {
            files(folder.path()).iter().filter_map(|file| read(file).ok()).find(|left| left["in_use"] == true)
        });
        runs.push(left["run"].as_str().unwrap().to_owned());
        kill(process);
        let endpoint = collector.http();
        let start = || boxed(&path, None).variable("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint).start();
        let (second, mut reaper) = std::thread::scope(|scope| {
            let reaper = scope.spawn(|| reap(folder.path(), &endpoint));
            (start(), reaper.join().unwrap())
        });
        assert_eq!(reaper.ended().unwrap().code(), Some(0), "{}", reaper.error());
        ends_well(second);
        assert_eq!(reap(folder.path(), &endpoint).ended().unwrap().code(), Some(0));
        assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()));
    }
    collector.stop();
    let told: Vec<_> = collector.records().iter().filter(|record| record.name() == ENDED).map(uid).collect();
    for run in &runs {
        assert_eq!(told.iter().filter(|told| *told == run).count(), 1, "{run} in {told:?}");
    }
}
