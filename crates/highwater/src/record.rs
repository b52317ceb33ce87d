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
use crate::outlet::Queue;

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
        let mut file = RecordFile::new(path, most, teller);
        thread::Builder::new().name("highwater-record".to_owned()).spawn(move || {
            run(&receiver, &mut file);
            drop(file);
            drop(done);
        })?;
        Ok(Self { samples, words, lags: false })
    }

    /// Hands a sample over, unless there is no room for it. Neither waits nor allocates.
    pub(crate) fn record(&mut self, sample: &Sample, tell: &Queue) {
        self.words.try_iter().for_each(|(severity, text)| tell.say(severity, text));
        if let Err(TrySendError::Full(_)) = self.samples.try_send(*sample)
            && !self.lags
        {
            self.lags = true;
            let text = format!("the recording lags: {QUEUE} samples wait for its disk, and new ones are left out");
            tell.say(Severity::Warn, text);
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
