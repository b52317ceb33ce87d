//! Capture: which places of the program hold the memory, asked of jemalloc where an episode makes it worth knowing.
//!
//! The watch thread decides, by the model's rules, and goes on. *highwater-capture*, which exists only where jemalloc samples
//! the program, has the profile written into memory, sums it up, and writes the file where there is a folder for it. What
//! came of it goes back to the watch thread, which tells it: the sites stand in the event itself, so that nobody has to
//! fetch a file from a process that may be gone. What is held in the calm is captured too, at the start, when
//! the program is warm, and once a day, and told nobody: it is what later captures are compared with.
//!
//! | module | idea |
//! |---|---|
//! | `taker` | one profile: dump, names, sites (feature `heap-profile`) |
//! | `filing` | its file, on a thread of its own: a disk may hang |
//! | `folder` | the files: their names, how many, how large |
//! | `desk` | those who ask: the program, a signal |

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use highwater_model::{Bytes, Captures, Level, Refusal, Sample, SinceStart, Transition, Trigger};
use highwater_sources::{Options, Sources, jemalloc};

use crate::clock::Clock;
use crate::config::Config;
use crate::event::Attribute;
use crate::finished::Running;
use crate::identity::EpisodeHandle;
use crate::otel::Profiles;
use crate::shared::Shared;
use crate::site::Site;
use crate::stack;

use desk::Desk;
pub(crate) use desk::Reply;
use taker::Taker;

mod desk;
#[cfg(all(feature = "heap-profile", unix))]
mod filing;
#[cfg(all(feature = "heap-profile", unix))]
mod folder;
#[cfg_attr(not(all(feature = "heap-profile", unix)), path = "capture/taker_disabled.rs")]
mod taker;

/// How many orders wait: one. What comes while a capture is taken and another waits is refused.
const ORDERS: usize = 1;
/// How many outcomes wait for the watch thread: those of all orders.
const OUTCOMES: usize = ORDERS + 2;
/// For the capture at the end.
const EXIT: Duration = Duration::from_secs(5);
/// For the folder's first word: what earlier runs took counts.
const FIRST: Duration = Duration::from_millis(500);

/// A heap profile that was taken.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Capture {
    /// What asked for it.
    pub trigger: Trigger,
    /// The level at that moment.
    pub level: Level,
    /// The places that hold most, the largest first: ten, and up to three more that grew more than one of these.
    pub sites: Vec<Site>,
    /// What all places hold together: an estimate from samples.
    pub bytes: Bytes,
    /// Of so many stacks.
    pub stacks: u64,
    /// The profile as a file in pprof's format, where there is a folder for it.
    pub file: Option<PathBuf>,
    /// The size of that file.
    pub size: Option<Bytes>,
    /// How long it took.
    pub duration: Duration,
    /// The resident set size before and after.
    pub rss: Option<[Bytes; 2]>,
    pub(crate) from: SinceStart,
    pub(crate) to: SinceStart,
}

impl Capture {
    /// Gives each attribute of its event and of its span, under its name.
    pub(crate) fn attributes(&self, give: &mut dyn FnMut(&'static str, Attribute)) {
        if let Some(file) = &self.file {
            give("highwater.capture.file", Attribute::Text(file.display().to_string().into()));
        }
        if let Some(size) = self.size {
            give("highwater.capture.size", Attribute::Int(size.get()));
        }
        give("highwater.reason", Attribute::Text(self.trigger.as_str().into()));
        give("highwater.capture.duration", Attribute::Double(self.duration.as_secs_f64()));
        if !self.sites.is_empty() {
            give("highwater.capture.sites", Attribute::Maps(self.sites.iter().map(Site::attributes).collect()));
        }
        if let Some([before, after]) = self.rss {
            let signed = |bytes: Bytes| i64::try_from(bytes.get()).unwrap_or(i64::MAX);
            give("highwater.rss_delta", Attribute::Difference(signed(after).saturating_sub(signed(before))));
        }
    }
}

/// Why there is no heap profile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaptureError {
    /// It was refused, or failed.
    Refused {
        /// The reason, of a closed list.
        reason: Refusal,
        /// The same in words.
        why: String,
    },
    /// It was not there within the deadline. It may still be taken, and is told then.
    Late,
    /// The agent has ended, or does not run.
    Ended,
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { why, .. } => write!(f, "no heap profile: {why}"),
            Self::Late => f.write_str("no heap profile within the deadline"),
            Self::Ended => f.write_str("no heap profile: the agent does not run"),
        }
    }
}

impl std::error::Error for CaptureError {}

/// "heap profile in 8ms: 312MiB in 312 objects by demo::hoard::Hoard::allocate, 98 % of 318MiB; /profiles/..pb.gz".
impl fmt::Display for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = Duration::from_millis(u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX).max(1));
        write!(f, "heap profile in {}: ", humantime::format_duration(millis))?;
        match self.sites.first() {
            Some(first) => {
                let share = first.bytes.ratio_of(self.bytes).unwrap_or_default() * 100.0;
                write!(f, "{first}, {share:.0} % of {}", self.bytes)?;
            }
            None => f.write_str("nothing was sampled")?,
        }
        self.file.as_ref().map_or(Ok(()), |file| write!(f, "; {}", file.display()))
    }
}

/// A heap profile that was not taken, or whose file could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaptureRefused {
    /// What asked for it.
    pub trigger: Trigger,
    /// The level at that moment.
    pub level: Level,
    /// Why, of a closed list.
    pub reason: Refusal,
    /// The same in words.
    pub why: String,
    /// Whether it was taken, and told, all the same: only its file is missing.
    pub is_taken: bool,
}

impl fmt::Display for CaptureRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = if self.is_taken { "no file of the heap profile" } else { "no heap profile" };
        write!(f, "{missing}: {}", self.why)
    }
}

/// What became of captures so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CaptureCounts {
    pub(crate) written: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    /// In the order of [`Refusal::ALL`], those that failed included, and files that could not be written.
    pub(crate) reasons: [u64; Refusal::ALL.len()],
}

impl CaptureCounts {
    fn refuse(&mut self, reason: Refusal) {
        let counted = Refusal::ALL.into_iter().zip(&mut self.reasons).find(|(known, _)| *known == reason);
        if let Some((_, count)) = counted {
            *count = count.saturating_add(1);
        }
    }
}

/// What is to be told of captures.
#[derive(Debug)]
pub(crate) enum Told {
    Written(Arc<Capture>, Option<Arc<EpisodeHandle>>),
    Refused(Arc<CaptureRefused>, Option<Arc<EpisodeHandle>>),
    Said(String),
}

/// What was found in the folder of profiles.
#[derive(Debug)]
struct Opened {
    /// What would keep a file from being written.
    trouble: Option<String>,
    /// When captures were taken that files tell of.
    earlier: Vec<SystemTime>,
}

/// One capture that is to be taken.
#[derive(Debug)]
#[cfg_attr(
    not(all(feature = "heap-profile", unix)),
    allow(dead_code, reason = "only what takes a profile reads all of it")
)]
struct Order {
    /// `None`: the calm, for comparison.
    trigger: Option<Trigger>,
    level: Level,
    used: Option<Bytes>,
    episode: Option<Arc<EpisodeHandle>>,
    reply: Option<Reply>,
}

/// What came of it.
#[derive(Debug)]
struct Outcome {
    order: Order,
    result: Result<Capture, (Refusal, String)>,
    /// Why there is no file, where there should be one.
    trouble: Option<String>,
    /// The size of the dump.
    dump: Option<Bytes>,
}

/// The watch thread's end: when it is dropped, the thread ends after the capture that is being taken.
#[derive(Debug)]
pub(crate) struct Capturer {
    orders: SyncSender<Order>,
    outcomes: Receiver<Outcome>,
    /// Until it has come.
    opened: Option<Receiver<Opened>>,
    desk: Desk,
    clock: Clock,
    captures: Captures,
    /// The size of the last dump.
    dump: Bytes,
    /// One in so many bytes is sampled.
    interval: Option<u64>,
    counts: CaptureCounts,
    /// Orders whose outcome has not come.
    under_way: usize,
    /// Whether one that counts was ordered since the last look.
    ordered: bool,
    at_exit: bool,
}

impl Capturer {
    /// Waits for what the folder has to say, and not long. Gives what is to be told of that.
    pub(crate) fn begin(&mut self) -> Vec<Told> {
        let opened = self.opened.as_ref().and_then(|opened| opened.recv_timeout(FIRST).ok());
        self.learn(opened).into_iter().collect()
    }

    fn learn(&mut self, opened: Option<Opened>) -> Option<Told> {
        let Opened { trouble, earlier } = opened?;
        self.opened = None;
        self.remember(&earlier);
        trouble.map(Told::Said)
    }

    /// Decides about a sample that was judged: what its transitions want, or the calm. Gives what is refused.
    pub(crate) fn follow<'a>(
        &mut self,
        sample: &Sample,
        transitions: impl Iterator<Item = &'a Transition>,
        level: Level,
        is_calm: bool,
        episode: Option<&Arc<EpisodeHandle>>,
    ) -> Vec<Told> {
        self.captures.observe(sample);
        let mut told = Vec::new();
        for transition in transitions {
            if let Some(trigger) = self.captures.wanted(transition, sample) {
                told.extend(self.order(trigger, transition.level, sample, episode, None));
            }
        }
        // What is refused again is neither told nor counted again.
        if let Some(trigger) = self.captures.wanted_still(sample, level) {
            let counts = self.counts;
            let _ = self.order(trigger, level, sample, episode, None);
            self.counts = counts;
        }
        // Not while another is under way: what was decided, and not taken then, would be missed.
        if is_calm
            && self.under_way == 0
            && self.captures.wants_calm(sample.at)
            && self.captures.decide_calm(sample, self.dump_of(sample)).is_ok()
        {
            let order = Order { trigger: None, level: Level::Normal, used: sample.used, episode: None, reply: None };
            self.under_way = self.under_way.saturating_add(usize::from(self.orders.try_send(order).is_ok()));
        }
        told
    }

    /// What came of captures since the last look, and of what was asked for.
    pub(crate) fn look(&mut self, sample: &Sample, level: Level, episode: Option<&Arc<EpisodeHandle>>) -> Vec<Told> {
        let opened = self.opened.as_ref().and_then(|opened| opened.try_recv().ok());
        let mut told: Vec<_> = self.learn(opened).into_iter().collect();
        while let Ok(outcome) = self.outcomes.try_recv() {
            told.extend(self.tell(outcome));
        }
        while let Some(reply) = self.desk.asked() {
            told.extend(self.order(Trigger::Request, level, sample, episode, reply));
        }
        told
    }

    /// Takes a last capture, where that was asked for, and waits for it, and not long.
    pub(crate) fn finish(&mut self, sample: &Sample, clock: Clock) -> Vec<Told> {
        if !self.at_exit {
            return Vec::new();
        }
        let end = clock.now().after(EXIT);
        // What is under way would be in its way.
        let mut told = self.wait(end, clock);
        told.extend(self.order(Trigger::Exit, Level::Normal, sample, None, None));
        told.extend(self.wait(end, clock));
        told
    }

    /// Waits until no capture is under way, and not beyond `end`.
    fn wait(&mut self, end: SinceStart, clock: Clock) -> Vec<Told> {
        let mut told = Vec::new();
        while self.under_way > 0
            && let Ok(outcome) = self.outcomes.recv_timeout(end.since(clock.now()))
        {
            told.extend(self.tell(outcome));
        }
        told
    }

    /// Whether a capture that counts was ordered since the last call: it is to be remembered now, since it may be what ends
    /// the process.
    pub(crate) fn take_ordered(&mut self) -> bool {
        std::mem::take(&mut self.ordered)
    }

    /// As large as the last dump, or as one of as many stacks as there are samples of what is allocated now.
    fn dump_of(&self, sample: &Sample) -> Bytes {
        /// Of a stack of some 50 frames.
        const STACK: u64 = 1 << 10;
        let samples = sample.allocator.and_then(|allocator| allocator.allocated.get().checked_div(self.interval?));
        self.dump.max(Bytes::new(samples.unwrap_or_default().saturating_mul(STACK)))
    }

    /// Counts captures of earlier runs, by how long before the start of this one they were, however late they are heard of.
    pub(crate) fn remember(&mut self, at: &[SystemTime]) {
        let start = self.clock.wall(SinceStart::default());
        at.iter().filter_map(|at| start.duration_since(*at).ok()).for_each(|ago| self.captures.remember(ago));
    }

    pub(crate) fn counts(&self) -> CaptureCounts {
        self.counts
    }

    /// Hands an order over, unless it is refused.
    fn order(
        &mut self,
        trigger: Trigger,
        level: Level,
        sample: &Sample,
        episode: Option<&Arc<EpisodeHandle>>,
        reply: Option<Reply>,
    ) -> Option<Told> {
        let order = Order { trigger: Some(trigger), level, used: sample.used, episode: episode.cloned(), reply };
        // Before it is decided: what is counted and not taken would be missed.
        let decided = if self.under_way > ORDERS {
            Err(self.captures.put_off(trigger, sample))
        } else {
            self.captures.decide(trigger, sample, self.dump_of(sample))
        };
        let (reason, order) = match decided {
            Err(reason) => (reason, order),
            Ok(()) => match self.orders.try_send(order) {
                Ok(()) => {
                    self.under_way = self.under_way.saturating_add(1);
                    self.ordered |= trigger.is_counted();
                    return None;
                }
                Err(TrySendError::Full(order)) => (Refusal::Busy, order),
                Err(TrySendError::Disconnected(order)) => (Refusal::Unavailable, order),
            },
        };
        self.counts.refused = self.counts.refused.saturating_add(1);
        // A program that asked has its answer, and may ask as often as it likes, as may who sends a signal; and a level is
        // tried again soon.
        let is_told = order.reply.is_none() && reason != Refusal::Busy;
        Some(self.refuse(order, trigger, reason, in_words(reason).to_owned())).filter(|_| is_told)
    }

    fn tell(&mut self, outcome: Outcome) -> Vec<Told> {
        let Outcome { order, result, trouble, dump } = outcome;
        self.under_way = self.under_way.saturating_sub(1);
        self.dump = dump.unwrap_or(self.dump);
        // Of the calm nobody hears.
        let Some(trigger) = order.trigger else { return Vec::new() };
        match result {
            Ok(capture) => {
                self.counts.written = self.counts.written.saturating_add(1);
                let capture = Arc::new(capture);
                if let Some(reply) = &order.reply {
                    reply.send(Ok(Arc::clone(&capture)));
                }
                let mut told = vec![Told::Written(capture, order.episode.clone())];
                if let Some(why) = trouble {
                    self.counts.refuse(Refusal::Disk);
                    let (level, reason) = (order.level, Refusal::Disk);
                    let unfiled = CaptureRefused { trigger, level, reason, why, is_taken: true };
                    told.push(Told::Refused(Arc::new(unfiled), order.episode));
                }
                told
            }
            Err((reason, why)) => {
                self.counts.failed = self.counts.failed.saturating_add(1);
                vec![self.refuse(order, trigger, reason, why)]
            }
        }
    }

    fn refuse(&mut self, order: Order, trigger: Trigger, reason: Refusal, why: String) -> Told {
        self.counts.refuse(reason);
        if let Some(reply) = &order.reply {
            reply.send(Err(CaptureError::Refused { reason, why: why.clone() }));
        }
        Told::Refused(
            Arc::new(CaptureRefused { trigger, level: order.level, reason, why, is_taken: false }),
            order.episode,
        )
    }
}

/// Why, for a person.
fn in_words(reason: Refusal) -> &'static str {
    match reason {
        Refusal::Budget => "as many were taken as an hour or a day has",
        Refusal::Headroom => "what is left below the limit is needed more",
        Refusal::Disk => "the disk has no room",
        Refusal::Stall => "the processes of the cgroup stand still for want of memory",
        Refusal::OtherProcess => "other processes hold most of the memory",
        Refusal::Busy => "another one is being taken, or was only just",
        _ => "there are no heap profiles here",
    }
}

/// What takes heap profiles: `None` where nobody has asked for them, and in its place why there are none. With `profiles`
/// they are sent, too.
pub(crate) fn open(config: &Config, profiles: Option<Profiles>) -> Option<Result<Taker, String>> {
    Taker::open(config.profile_folder.clone(), config.profile_size, profiles)
}

/// Starts the thread that takes captures; it drops `done` last. Programs ask through the way that is returned.
pub(crate) fn spawn(
    mut taker: Taker,
    config: &Config,
    shared: &Arc<Shared>,
    options: Options,
    done: Running,
) -> io::Result<(Capturer, SyncSender<Reply>)> {
    let (orders, taken) = sync_channel::<Order>(ORDERS);
    let (tell, outcomes) = sync_channel(OUTCOMES);
    let (desk, ask) = Desk::open(config.profile_signal)?;
    let (opened, clock) = (taker.begin(done.another())?, shared.clock);
    let shared = Arc::clone(shared);
    thread::Builder::new().name("highwater-capture".to_owned()).spawn(move || {
        stack::touch::<{ stack::SHALLOW }>();
        // Opened beforehand: under pressure there may be no descriptor left.
        let mut sources = Sources::open(options, Arc::clone(&shared.regions));
        while let Ok(order) = taken.recv() {
            let mut take = || take(&mut taker, &mut sources, &shared, &order);
            let (result, trouble, dump) = catch_unwind(AssertUnwindSafe(&mut take)).unwrap_or_else(|_| {
                let why = "the profile could not be read: the reader panicked".to_owned();
                (Err((Refusal::Unavailable, why)), None, None)
            });
            // Where nobody listens any more, it stays untold.
            let _ = tell.try_send(Outcome { order, result, trouble, dump });
        }
        drop(done);
    })?;
    let capturer = Capturer {
        orders,
        outcomes,
        opened,
        desk,
        clock,
        captures: Captures::default(),
        dump: Bytes::ZERO,
        interval: jemalloc::settings().sample_interval,
        counts: CaptureCounts::default(),
        under_way: 0,
        ordered: false,
        at_exit: config.profile_at_exit,
    };
    Ok((capturer, ask))
}

/// The capture or why there is none, why it has no file, and the size of its dump.
type Came = (Result<Capture, (Refusal, String)>, Option<String>, Option<Bytes>);

/// One capture, measured.
fn take(taker: &mut Taker, sources: &mut Sources, shared: &Shared, order: &Order) -> Came {
    let from = shared.clock.now();
    let before = sources.sample(from).process.rss;
    let (mut taken, dump) = taker.take(order);
    let to = shared.clock.now();
    let after = sources.sample(to).process.rss;
    let trouble = taken.as_mut().ok().and_then(|taken| taken.trouble.take());
    if let Some(profile) = taken.as_mut().ok().and_then(|taken| taken.profile.take()) {
        shared.put_profile(profile);
    }
    let capture = taken.map(|taken| Capture {
        trigger: order.trigger.unwrap_or(Trigger::Request),
        level: order.level,
        sites: taken.sites,
        bytes: taken.bytes,
        stacks: taken.stacks,
        file: taken.file,
        size: taken.size,
        duration: to.since(from),
        rss: before.zip(after).map(|(before, after)| [before, after]),
        from,
        to,
    });
    (capture, trouble, dump)
}
