use std::io::Read;
use std::sync::mpsc::{Receiver, sync_channel};

use tempfile::TempDir;

use super::*;

/// A line of 32 bytes.
const LINE: &str = "1.000,1000,,,,,,,,,,,,,,,,00001\n";

struct Bench {
    folder: TempDir,
    file: RecordFile,
    words: Receiver<Word>,
    now: SinceStart,
}

impl Bench {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap(), "memory.csv")
    }

    fn at(folder: TempDir, name: &str) -> Self {
        let (teller, words) = sync_channel(8);
        let file = RecordFile::new(folder.path().join(name), Bytes::kib(1), teller);
        Self { folder, file, words, now: SinceStart::default() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("memory.csv")
    }

    /// Appends a line so many seconds after the last.
    fn append(&mut self, after: u64) {
        self.now = self.now.after(Duration::from_secs(after));
        self.file.append(LINE, self.now);
    }

    fn said(&self) -> Vec<String> {
        self.words.try_iter().map(|(_, text)| text).collect()
    }

    /// How many whole lines stand in a file, below a header.
    fn rows(&self, name: &str) -> usize {
        let text = fs::read_to_string(self.folder.path().join(name)).unwrap();
        assert!(text.starts_with(&format!("{Header}\n")) && text.ends_with('\n'), "{text}");
        text.lines().skip(1).inspect(|line| assert_eq!(format!("{line}\n"), LINE)).count()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }
}

#[test]
fn nothing_is_on_the_disk_before_the_first_row() {
    let bench = Bench::new();
    assert_eq!(bench.names(), [""; 0]);
}

#[test]
fn two_files_hold_the_latest_rows_and_neither_exceeds_its_size() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        bench.append(1);
        let size = fs::metadata(bench.path()).unwrap().len();
        assert!(size <= 1024, "{size}");
    }
    assert_eq!(bench.names(), ["memory.csv", "memory.csv.1"]);
    let a_file = (1024 - Header.to_string().len() - 1) / LINE.len();
    assert_eq!(bench.rows("memory.csv.1"), a_file);
    assert_eq!(bench.rows("memory.csv"), 100 % a_file);
    assert_eq!(bench.said(), [""; 0]);
}

#[test]
fn a_recording_of_an_earlier_run_becomes_the_previous_one() {
    let mut bench = Bench::new();
    fs::write(bench.path(), "of an earlier run").unwrap();
    bench.append(0);
    assert_eq!(bench.rows("memory.csv"), 1);
    assert_eq!(fs::read_to_string(bench.folder.path().join("memory.csv.1")).unwrap(), "of an earlier run");
}

#[test]
fn a_file_that_is_removed_replaced_or_cut_is_begun_anew_and_said_once() {
    let removed: fn(&Path) = |path| fs::remove_file(path).unwrap();
    let replaced: fn(&Path) = |path| {
        fs::write(path.with_extension("new"), "").unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    };
    let emptied: fn(&Path) = |path| fs::write(path, "").unwrap();
    let cut: fn(&Path) = |path| OpenOptions::new().write(true).open(path).unwrap().set_len(40).unwrap();
    for somebody in [removed, replaced, emptied, cut] {
        let mut bench = Bench::new();
        bench.append(1);
        bench.append(1);
        somebody(&bench.path());
        bench.append(1);
        bench.append(1);
        assert_eq!(bench.rows("memory.csv"), 2);
        let said = bench.said();
        assert!(said.len() == 1 && said[0].contains("was removed, replaced or cut"), "{said:?}");
    }
}

#[test]
fn a_folder_that_is_gone_is_said_once_and_recorded_in_once_it_is_back() {
    let mut bench = Bench::at(tempfile::tempdir().unwrap(), "folder/memory.csv");
    // Tried after 1, 11 and 21 seconds.
    for _ in 0..25 {
        bench.append(1);
    }
    let said = bench.said();
    assert!(said.len() == 1 && said[0].contains("No such file or directory"), "{said:?}");
    fs::create_dir(bench.folder.path().join("folder")).unwrap();
    bench.append(5);
    assert_eq!(bench.said(), [""; 0], "it is not tried again before its time");
    bench.append(1);
    bench.append(1);
    assert_eq!(bench.said().len(), 1, "it goes on");
    assert_eq!(bench.rows("folder/memory.csv"), 2);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_said_and_left_alone() {
    let bench = |path: &str| {
        let mut bench = Bench::at(tempfile::tempdir().unwrap(), path);
        bench.append(0);
        bench.append(20);
        let said = bench.said();
        assert!(said.len() == 1 && said[0].contains("it is no file"), "{path}: {said:?}");
        bench
    };
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Nobody reads it: to open it for writing would never end.
    bench(fifo.to_str().unwrap());
    bench("/dev/full");
    bench(folder.path().to_str().unwrap());
    assert!(fifo.exists());
}

#[test]
fn a_line_that_could_not_be_written_leaves_no_part_of_it_and_the_next_ones_follow() {
    let mut bench = Bench::new();
    bench.append(1);
    // What a disk does that is full in the middle of a line, and that cannot be cut either.
    fs::OpenOptions::new().append(true).open(bench.path()).unwrap().write_all(b"1.0").unwrap();
    bench.file.open.as_mut().unwrap().torn = true;
    bench.append(1);
    assert_eq!(bench.rows("memory.csv"), 2);
    // A descriptor that nothing can be written to.
    let unwritable = File::open(bench.path()).unwrap();
    let written = std::mem::replace(&mut bench.file.open.as_mut().unwrap().file, unwritable);
    for _ in 0..5 {
        bench.append(1);
    }
    assert_eq!(bench.said().len(), 1);
    bench.file.open.as_mut().unwrap().file = written;
    bench.append(10);
    assert_eq!(bench.rows("memory.csv"), 3);
    let said = bench.said();
    assert!(said.len() == 1 && said[0].contains("goes on"), "{said:?}");
}

#[test]
fn where_the_previous_file_cannot_be_replaced_the_size_is_kept() {
    let mut bench = Bench::new();
    fs::create_dir_all(bench.folder.path().join("memory.csv.1/not-empty")).unwrap();
    for _ in 0..100 {
        bench.append(10);
    }
    assert!(fs::metadata(bench.path()).unwrap().len() <= 1024);
    let mut text = String::new();
    File::open(bench.path()).unwrap().read_to_string(&mut text).unwrap();
    assert!(text.ends_with(LINE));
    assert_eq!(bench.said().len(), 1);
}
