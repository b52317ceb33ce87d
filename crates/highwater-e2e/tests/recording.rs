//! A recording on a real disk: full, read-only, shared, killed, forked away from. The host goes on, and it is said.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use highwater_e2e::disk::Disk;
use highwater_e2e::folder::Folder;
use highwater_e2e::process::{Process, Program};
use highwater_e2e::{binary, wait};

/// On a disk of its own.
const FILE: &str = "memory.csv";

/// The program that does what it is told, with an agent that records at `path` and sends nothing.
fn recording(path: &Path) -> Program {
    let program = Program::at(&binary::example("driven")).with_input().variable("HIGHWATER_RECORD", path);
    program.variables(&[("OTEL_SDK_DISABLED", "true"), ("HIGHWATER_RECORD_SIZE", "64KiB")])
}

#[track_caller]
fn says(process: &Process, text: &str) {
    wait::until_ok(&format!("it says {text:?}"), || {
        let error = process.error();
        if error.contains(text) { Ok(()) } else { Err(error) }
    });
}

/// Waits until the recording has so many rows, all of them whole.
#[track_caller]
fn has_rows(path: &Path, at_least: usize) {
    wait::until_ok("there are rows", || {
        let rows = rows(path);
        if rows.len() >= at_least { Ok(()) } else { Err(rows.join("\n")) }
    });
}

/// The rows of a recording that is whole.
#[track_caller]
fn rows(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let columns = |line: &str| line.matches(',').count();
    let header = text.lines().next().unwrap_or_default();
    assert!(text.is_empty() || header.starts_with("seconds,used,limit,"), "{text}");
    let rows: Vec<_> = text.lines().skip(1).map(str::to_owned).collect();
    assert!(rows.iter().all(|row| columns(row) == columns(header)), "{text}");
    rows
}

#[track_caller]
fn ends_well(mut process: Process) -> String {
    process.close_input();
    process.wait_for_success();
    assert!(process.output().contains("delivered true"), "{}", process.output());
    process.error()
}

#[test]
fn on_a_full_disk_no_part_of_a_row_is_left_and_the_recording_goes_on_once_there_is_room() {
    let test = "on_a_full_disk_no_part_of_a_row_is_left_and_the_recording_goes_on_once_there_is_room";
    let Some(disk) = Disk::in_memory(test, 16) else { return };
    let process = recording(&disk.path(FILE)).start();
    has_rows(&disk.path(FILE), 2);
    let ballast = disk.path(FILE).with_extension("ballast");
    // All that is left, but for the rest of the recording's own page.
    let _ = fs::write(&ballast, vec![0; 64 << 10]);
    says(&process, "No space left on device");
    let rows_before = rows(&disk.path(FILE)).len();
    fs::remove_file(&ballast).unwrap();
    says(&process, "the recording goes on");
    has_rows(&disk.path(FILE), rows_before + 2);
    let error = ends_well(process);
    assert_eq!(error.matches("nothing is recorded").count(), 1, "{error}");
}

#[test]
fn in_a_folder_that_is_read_only_nothing_is_recorded_until_it_is_not() {
    let test = "in_a_folder_that_is_read_only_nothing_is_recorded_until_it_is_not";
    let Some(disk) = Disk::in_memory(test, 16) else { return };
    disk.set_read_only(true);
    let process = recording(&disk.path(FILE)).start();
    says(&process, "Read-only file system");
    disk.set_read_only(false);
    says(&process, "the recording goes on");
    has_rows(&disk.path(FILE), 1);
    let error = ends_well(process);
    assert_eq!(error.matches("nothing is recorded").count(), 1, "{error}");
}

#[test]
fn a_disk_that_hangs_delays_neither_judgement_nor_telling_nor_shutdown_beyond_its_deadline() {
    let test = "a_disk_that_hangs_delays_neither_judgement_nor_telling_nor_shutdown_beyond_its_deadline";
    let Some(disk) = Disk::of_blocks(test) else { return };
    let variables = [("HIGHWATER_LIMIT", "128MiB"), ("HIGHWATER_HOLD_ELEVATED", "0s"), ("DEADLINE", "1")];
    let mut process = recording(&disk.path(FILE)).variables(&variables).start();
    has_rows(&disk.path(FILE), 1);
    let frozen = disk.freeze();
    process.tell("take 100");
    says(&process, "memory is elevated");
    process.close_input();
    // Its end, too, waits for the disk: what a process was writing is the kernel's to finish.
    wait::until_ok("the shutdown is over", || {
        let output = process.output();
        if output.contains("delivered false") { Ok(()) } else { Err(output) }
    });
    assert!(process.error().contains("memory was still raised"), "{}", process.error());
    drop(frozen);
    process.wait_for_success();
    rows(&disk.path(FILE));
}

#[test]
fn of_two_processes_on_one_path_the_second_says_so_and_waits_for_the_end_of_the_first() {
    let folder = Folder::temporary();
    let path = folder.path().join("memory.csv");
    let first = recording(&path).start();
    has_rows(&path, 1);
    let second = recording(&path).start();
    says(&second, "another process records there");
    let before = rows(&path).len();
    has_rows(&path, before + 2);
    ends_well(first);
    let of_first = rows(&path);
    says(&second, "the recording goes on");
    assert_eq!(rows(&folder.path().join("memory.csv.1")), of_first, "an earlier run's is kept");
    has_rows(&path, 1);
    let error = ends_well(second);
    assert_eq!(error.matches("nothing is recorded").count(), 1, "{error}");
}

#[test]
fn a_fifo_that_nobody_reads_holds_up_neither_the_host_nor_its_end() {
    let folder = Folder::temporary();
    let path = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let process = recording(&path).start();
    says(&process, "it is no file");
    ends_well(process);
}

#[test]
fn what_a_kill_leaves_behind_can_be_replayed() {
    let folder = Folder::temporary();
    let path = folder.path().join("memory.csv");
    let mut process = recording(&path).start();
    has_rows(&path, 2);
    process.signal("KILL");
    process.wait();
    let rows = rows(&path);
    assert!(rows[0].starts_with("0.000,") && rows.len() >= 2, "{rows:?}");
}

#[test]
fn forked_workers_do_not_write_into_their_parents_recording() {
    let folder = Folder::temporary();
    let path = folder.path().join("memory.csv");
    let program = Program::at(&binary::example("forking")).arg("workers").with_input();
    let program = program.variable("HIGHWATER_RECORD", &path).variable("OTEL_SDK_DISABLED", "true");
    let mut process = program.start();
    // Each worker starts an agent of its own, under the same variables.
    wait::until_ok("both workers say that the file is not theirs", || {
        let error = process.error();
        if error.matches("another process records there").count() == 2 { Ok(()) } else { Err(error) }
    });
    let before = rows(&path).len();
    has_rows(&path, before + 2);
    let moments: Vec<f64> = rows(&path).iter().map(|row| row.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(moments.is_sorted(), "{moments:?}");
    assert!(!folder.path().join("memory.csv.1").exists());
    process.close_input();
    process.wait_for_success();
}
