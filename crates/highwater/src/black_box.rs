//! The black box: a small file that survives the process, with the last minutes of its memory.
//!
//! A process that is killed tells nothing any more. What it wrote into a file before is the kernel's, and stays: through
//! SIGKILL and the OOM killer, not through a power cut, since nothing is forced to the disk. Off unless a path is given: a
//! library puts no file on a disk unasked.
//!
//! It has a thread of its own, *highwater-box*, since a disk may hang: the watch thread hands a sample over and goes on.
//! Where the queue is full the new sample is dropped, which is said once. At its start the thread looks for boxes of runs that
//! are over, and gives them to the watch thread, which tells them first. Such a box is removed once the collector has its
//! event.
//!
//! | module | idea |
//! |---|---|
//! | `format` | the bytes: blocks with checksums |
//! | `reader` | what a box says |
//! | `claim` | whose a file is: locks, names, what makes room |
//! | `writer` | writing, and what goes wrong with it |
//! | `previous` | a run that is over, and how it ended |
//! | `marks` | what a panic and an exit leave |
//! | `reaper` | telling from beside (feature `otlp`) |

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{self, Thread};
use std::time::{Duration, SystemTime};

use highwater_model::{Episode, Level, Limit, Sample, SinceStart};

use crate::clock::Clock;
use crate::event::Severity;
use crate::finished::Running;
use crate::identity::EpisodeHandle;
use crate::site::Site;
use crate::stack;

pub use format::{LastEpisode, LastPanic, Moment, Value};
pub use previous::PreviousRun;
pub use reader::{BlackBox, ReadError};
#[cfg(feature = "otlp")]
pub use reaper::{ReapError, Reaped, Reaper};

#[cfg(fuzzing)]
pub(crate) use format::laid_out;
#[cfg(any(fuzzing, test))]
pub(crate) use format::seal_all;
pub(crate) use marks::install as leave_marks;
pub(crate) use previous::{Receipt, Surroundings};
pub(crate) use writer::Run;

mod claim;
mod format;
mod marks;
mod previous;
mod reader;
#[cfg(feature = "otlp")]
mod reaper;
mod writer;

/// How many samples wait for the disk: of one that hangs, a minute.
const QUEUE: usize = 64;
/// How many words wait for the watch thread.
const WORDS: usize = 64;
/// How long the watch thread waits for all that is found at the start, so that it is told first.
const FIRST: Duration = Duration::from_millis(500);
/// Between two looks for samples in calm. To wake a thread costs the one that wakes it 10 us on a busy machine, and its turn now
/// and then: more than all the rest. So it is woken only where something happens.
const CALM: Duration = Duration::from_millis(200);
/// To ask again for the id of a root span, which another thread makes.
const SOON: Duration = Duration::from_millis(20);
/// How often it is asked for: a host's tracer may make none. From then on it goes with the next sample.
const ASKED: u32 = 50;

/// What the box's thread has to say.
#[derive(Debug)]
enum Word {
    Say(Severity, String),
    Found(Arc<PreviousRun>),
    /// Of a run that has nothing else to tell.
    Captures(Vec<SystemTime>),
    /// All that was found at the start was given.
    Ready,
}

/// What the box keeps of all that the watch thread knows after a sample. Each byte costs that thread: it goes into memory that
/// the other processor had last.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    at: SinceStart,
    /// Without its number and its date.
    moment: Moment,
    limit: Option<Limit>,
    /// Of what kills are counted, 0 where there is no cgroup.
    cgroup: u64,
    others_hold_most: bool,
    slope: Option<f64>,
    /// What its handle has by the time that it is written is not in it yet.
    episode: Option<(LastEpisode, Arc<EpisodeHandle>)>,
    sites: Option<Arc<[Site]>>,
    captured: Option<SystemTime>,
}

impl Entry {
    pub(crate) fn of(
        sample: &Sample,
        level: Level,
        slope: Option<f64>,
        episode: Option<(Episode, Arc<EpisodeHandle>)>,
    ) -> Self {
        let (allocator, cgroup) = (sample.allocator.as_ref(), sample.cgroup.as_ref());
        Self {
            at: sample.at,
            moment: Moment {
                number: 0,
                at: None,
                elapsed: sample.at.elapsed(),
                level,
                used: sample.used,
                limit: sample.limit.map(|limit| limit.bytes),
                rss: sample.process.rss,
                anon: sample.process.anon,
                allocated: allocator.map(|allocator| allocator.allocated),
                active: allocator.map(|allocator| allocator.active),
                resident: allocator.map(|allocator| allocator.resident),
                muzzy: allocator.and_then(|allocator| allocator.muzzy),
                external: Some(sample.external),
                cgroup_usage: cgroup.and_then(|cgroup| cgroup.usage),
                oom_kills: cgroup.and_then(|cgroup| cgroup.events.oom_kills),
            },
            limit: sample.limit,
            cgroup: cgroup.map_or(0, |cgroup| cgroup.kills_of),
            others_hold_most: sample.others_hold_most(),
            slope,
            episode: episode.map(|(episode, handle)| (LastEpisode::of(&episode, handle.began), handle)),
            sites: None,
            captured: None,
        }
    }
}

/// The way to the box's thread, and back.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// `None` from its end on.
    entries: Option<SyncSender<Entry>>,
    thread: Thread,
    words: Receiver<Word>,
    closing: Arc<AtomicBool>,
    sites: Option<Arc<[Site]>>,
    captured: Option<SystemTime>,
    captures: Vec<SystemTime>,
    /// Those of them that were found after the start.
    late: Vec<SystemTime>,
    clock: Clock,
    /// Whether it was said that samples are left out.
    lags: bool,
}

impl Recorder {
    /// Starts the thread. It writes what waits and ends once this is dropped, and drops `done` last.
    pub(crate) fn spawn(path: &Path, run: Run, around: Surroundings, clock: Clock, done: Running) -> io::Result<Self> {
        let (entries, receiver) = sync_channel(QUEUE);
        let (words, heard) = sync_channel(WORDS);
        let closing = Arc::new(AtomicBool::new(false));
        let is_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir();
        // A host may change its folder, as a daemon does: the file stays where it was meant.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let closes = Arc::clone(&closing);
        let thread = thread::Builder::new().name("highwater-box".to_owned()).spawn(move || {
            stack::touch::<{ stack::SHALLOW }>();
            let mut writer = writer::Writer::new(path, is_folder, run, around, clock, words);
            write(&receiver, &mut writer);
            writer.end(closes.load(Ordering::Acquire));
            drop(writer);
            drop(done);
        })?;
        let (thread, entries) = (thread.thread().clone(), Some(entries));
        let (captures, late) = (Vec::new(), Vec::new());
        let (sites, captured, lags) = (None, None, false);
        Ok(Self { entries, thread, words: heard, closing, sites, captured, captures, late, clock, lags })
    }

    /// The runs that are over, as they were found at the start. It waits for them, and not long.
    pub(crate) fn found(&mut self, say: impl FnMut(Severity, String)) -> Vec<Arc<PreviousRun>> {
        let mut words = Vec::new();
        let end = self.clock.now().after(FIRST);
        while let Ok(word) = self.words.recv_timeout(end.since(self.clock.now())) {
            let last = matches!(word, Word::Ready);
            words.push(word);
            if last {
                break;
            }
        }
        let found = self.sort(words, say);
        // All that was found so far is among the captures that are asked for at the start.
        self.late.clear();
        found
    }

    fn sort(&mut self, words: Vec<Word>, mut say: impl FnMut(Severity, String)) -> Vec<Arc<PreviousRun>> {
        let mut found = Vec::new();
        for word in words {
            match word {
                Word::Say(severity, text) => say(severity, text),
                Word::Found(run) => {
                    self.learn(run.black_box().captures());
                    found.push(run);
                }
                Word::Captures(captures) => self.learn(captures),
                Word::Ready => {}
            }
        }
        self.captures.sort();
        found
    }

    /// A box knows those of the boxes before it: of one that several have, each counts once.
    fn learn(&mut self, captures: impl IntoIterator<Item = SystemTime>) {
        for at in captures {
            if !self.captures.contains(&at) {
                self.captures.push(at);
                self.late.push(at);
            }
        }
    }

    /// Hands over what is known after a sample, unless there is no room for it. Never waits. Returns what was found since.
    pub(crate) fn record(&mut self, mut entry: Entry, mut say: impl FnMut(Severity, String)) -> Vec<Arc<PreviousRun>> {
        (entry.sites, entry.captured) = (self.sites.take(), self.captured.take());
        let urgent = entry.moment.level != Level::Normal || entry.episode.is_some() || entry.captured.is_some();
        let Some(entries) = &self.entries else { return Vec::new() };
        let sent = entries.try_send(entry);
        if urgent {
            self.thread.unpark();
        }
        if let Err(TrySendError::Full(entry)) = sent {
            (self.sites, self.captured) = (entry.sites, entry.captured);
            if !self.lags {
                self.lags = true;
                let text = format!("the black box lags: {QUEUE} samples wait for its disk, and new ones are left out");
                say(Severity::Warn, text);
            }
        }
        let words: Vec<_> = self.words.try_iter().collect();
        if words.is_empty() { Vec::new() } else { self.sort(words, say) }
    }

    /// What holds most now: written with the next sample.
    pub(crate) fn note_sites(&mut self, sites: &[Site]) {
        self.sites = Some(sites.into());
    }

    /// Remembers that a heap profile was taken, for a budget that outlives the process.
    pub(crate) fn note_capture(&mut self, at: SystemTime) {
        self.captured = Some(at);
        self.captures.push(at);
    }

    /// When heap profiles were taken, of this run and of those that were found.
    pub(crate) fn captures(&self) -> &[SystemTime] {
        &self.captures
    }

    /// Those of runs whose boxes were found after the start, since this was asked last: a disk may be slow.
    pub(crate) fn new_captures(&mut self) -> Vec<SystemTime> {
        std::mem::take(&mut self.late)
    }

    /// The run ends in order.
    pub(crate) fn close(self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        drop(self.entries.take());
        self.thread.unpark();
    }
}

/// Writes what comes, until nothing will.
fn write(entries: &Receiver<Entry>, writer: &mut writer::Writer) {
    let mut patience = Patience::default();
    loop {
        match entries.try_recv() {
            Ok(entry) => {
                patience.see(entry.episode.as_ref().map(|(episode, _)| episode.number));
                writer.take(entry);
            }
            Err(TryRecvError::Empty) if writer.lacks_root() && patience.asks() => {
                thread::park_timeout(SOON);
                writer.look_again();
            }
            Err(TryRecvError::Empty) => thread::park_timeout(CALM),
            Err(TryRecvError::Disconnected) => return,
        }
    }
}

/// How often the root span of an episode is asked for yet: of each episode for a second in all, however many samples come
/// meanwhile.
#[derive(Debug, Default)]
struct Patience {
    episode: Option<u64>,
    left: u32,
}

impl Patience {
    fn see(&mut self, episode: Option<u64>) {
        if episode.is_some() && episode != self.episode {
            *self = Self { episode, left: ASKED };
        }
    }

    fn asks(&mut self) -> bool {
        let asks = self.left > 0;
        self.left = self.left.saturating_sub(1);
        asks
    }
}

#[cfg(test)]
pub(crate) mod tests;
