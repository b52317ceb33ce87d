//! The recording: each sample as one row of a file, which `highwater replay` judges again.
//!
//! Off unless a path is given: a library puts no file on a disk unasked. It has a thread of its own, which exists only
//! then, since a disk may hang: the watch thread hands a sample over and goes on. Where the queue is full the new sample is
//! dropped, which is said once: what stands before it tells the older part of the same story.
//!
//! A row of a sample goes to the file in one piece, at once: what a kill leaves behind is whole lines. No clock is asked:
//! samples come once a second, and bring their time.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use highwater_model::recording::Row;
use highwater_model::{Bytes, Sample};

use crate::event::Severity;
use crate::finished::Running;

use file::RecordFile;

mod file;

/// How many samples wait for the disk: of one that hangs, a minute.
const QUEUE: usize = 64;
/// How many words wait for the watch thread, which takes them once a second.
const WORDS: usize = 8;

/// What the thread that records has to say.
type Word = (Severity, String);

/// The way to the thread that records, and back.
///
/// Its words come back to the watch thread, which has them said: a queue of its own to those who tell would keep them from
/// ending for as long as its disk hangs.
#[derive(Debug)]
pub(crate) struct Recording {
    samples: SyncSender<Sample>,
    words: Receiver<Word>,
    /// Whether it was said that samples are left out.
    lags: bool,
}

impl Recording {
    /// Starts the thread. It writes what waits and ends once this is dropped, and drops `done` last.
    pub(crate) fn spawn(path: &Path, most: Bytes, done: Running) -> io::Result<Self> {
        let (samples, receiver) = sync_channel(QUEUE);
        let (teller, words) = sync_channel(WORDS);
        // A host may change its folder, as a daemon does: the file stays where it was meant.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut file = RecordFile::new(path, most, teller);
        thread::Builder::new().name("highwater-write".to_owned()).spawn(move || {
            run(&receiver, &mut file);
            drop(file);
            drop(done);
        })?;
        Ok(Self { samples, words, lags: false })
    }

    /// Hands a sample over, unless there is no room for it, and gives what is to be said. Never waits.
    pub(crate) fn record(&mut self, sample: &Sample, mut say: impl FnMut(Severity, String)) {
        self.words.try_iter().for_each(|(severity, text)| say(severity, text));
        let full = matches!(self.samples.try_send(*sample), Err(TrySendError::Full(_)));
        if full && !self.lags {
            self.lags = true;
            let text = format!("the recording lags: {QUEUE} samples wait for its disk, and new ones are left out");
            say(Severity::Warn, text);
        }
    }
}

fn run(receiver: &Receiver<Sample>, file: &mut RecordFile) {
    let mut first = None;
    let mut line = String::new();
    while let Ok(sample) = receiver.recv() {
        line.clear();
        // A string takes everything.
        let _ = writeln!(line, "{}", Row::of(&sample, *first.get_or_insert(sample.at)));
        file.append(&line, sample.at);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use highwater_model::SinceStart;

    use super::*;
    use crate::finished::Finished;

    fn sample(millis: u64) -> Sample {
        let at = SinceStart::new(Duration::from_millis(millis));
        Sample { at, used: Some(Bytes::new(millis)), ..Sample::default() }
    }

    #[test]
    fn a_disk_that_hangs_costs_the_samples_beyond_a_minute_and_one_word() {
        let (samples, disk) = sync_channel(QUEUE);
        let (_, words) = sync_channel(WORDS);
        let mut recording = Recording { samples, words, lags: false };
        let mut said = Vec::new();
        for second in 0..200 {
            recording.record(&sample(second * 1000), |severity, text| said.push((severity, text)));
        }
        let [(Severity::Warn, word)] = &said[..] else { panic!("{said:?}") };
        assert_eq!(word, "the recording lags: 64 samples wait for its disk, and new ones are left out");
        let kept: Vec<_> = disk.try_iter().map(|sample| sample.at.elapsed().as_secs()).collect();
        assert_eq!(kept, (0..64).collect::<Vec<_>>(), "the older part of the story is whole");
    }

    #[test]
    fn the_seconds_go_on_from_one_file_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.csv");
        let finished = Finished::default();
        let mut recording = Recording::spawn(&path, Bytes::kib(1), finished.wait_for()).unwrap();
        for second in 100..150 {
            recording.record(&sample(second * 1000), |_, text| panic!("{text}"));
        }
        drop(recording);
        assert!(finished.wait(Duration::from_secs(60)));
        let both =
            ["memory.csv.1", "memory.csv"].map(|name| std::fs::read_to_string(folder.path().join(name)).unwrap());
        let seconds: Vec<_> = both
            .iter()
            .flat_map(|text| text.lines().skip(1))
            .map(|line| line.split('.').next().unwrap().parse::<u64>().unwrap())
            .collect();
        assert_eq!(seconds, (50 - seconds.len() as u64..50).collect::<Vec<_>>(), "the latest, without a gap");
        assert!(seconds.len() > both[1].lines().count(), "of both files");
    }

    #[test]
    fn what_waits_is_written_before_the_end_with_seconds_from_the_first_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.csv");
        let finished = Finished::default();
        let mut recording = Recording::spawn(&path, Bytes::mib(1), finished.wait_for()).unwrap();
        for millis in [5_250, 6_251, 7_250] {
            recording.record(&sample(millis), |_, text| panic!("{text}"));
        }
        drop(recording);
        assert!(finished.wait(Duration::from_secs(60)));
        let text = std::fs::read_to_string(path).unwrap();
        let rows: Vec<_> = text.lines().skip(1).map(|line| line.split_once(",,").unwrap().0).collect();
        assert_eq!(rows, ["0.000,5250", "1.001,6251", "2.000,7250"]);
        assert!(text.ends_with('\n'));
    }
}
