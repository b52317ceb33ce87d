//! A run that is over, and how it ended: its box, held against what the kernel says now.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use highwater_model::{Bytes, Confidence, Evidence, Machine, Sample, Verdict};
use highwater_sources::{boot_id, boot_time, machine_id, process_start_time};

use super::format::Moment;
use super::reader::BlackBox;
use crate::clock::Clock;
use crate::event::Attribute;
use crate::identity::fingerprint;
#[cfg(feature = "otlp")]
use crate::signal::Signal;
use crate::signal::Signals;

/// A run that is over.
#[derive(Clone, Debug)]
pub struct PreviousRun {
    black_box: BlackBox,
    verdict: Verdict,
    confidence: Confidence,
    kills: Option<u64>,
    receipt: Arc<Receipt>,
}

/// Whether the event of a run has arrived: as a log record, and as a span where an episode was open.
#[derive(Debug, Default)]
pub(crate) struct Receipt(Mutex<Arrival>);

#[derive(Debug, Default)]
#[cfg_attr(not(feature = "otlp"), allow(dead_code, reason = "to a host it goes as a whole"))]
struct Arrival {
    is_delivered: bool,
    /// It will not arrive any more in this run.
    is_lost: bool,
    /// How many parts are on their way, where it goes in parts.
    awaited: usize,
    /// Those that have arrived.
    taken: Signals<bool>,
}

impl Receipt {
    pub(crate) fn deliver(&self) {
        self.arrival().is_delivered = true;
    }

    /// It will not arrive any more in this run, whatever else of it does.
    pub(crate) fn lose(&self) {
        self.arrival().is_lost = true;
    }

    pub(crate) fn is_delivered(&self) -> bool {
        self.arrival().is_delivered
    }

    pub(crate) fn is_awaited(&self) -> bool {
        let arrival = self.arrival();
        !arrival.is_delivered && !arrival.is_lost
    }

    fn arrival(&self) -> MutexGuard<'_, Arrival> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "otlp")]
impl Receipt {
    /// It goes in so many parts now, and is delivered when the last of them is.
    pub(crate) fn expect(&self, parts: usize) {
        let mut arrival = self.arrival();
        (arrival.awaited, arrival.is_lost) = (parts, false);
        arrival.is_delivered |= parts == 0;
    }

    /// A part has arrived.
    pub(crate) fn take(&self, signal: Signal) {
        let mut arrival = self.arrival();
        arrival.awaited = arrival.awaited.saturating_sub(1);
        *arrival.taken.of_mut(signal) = true;
        arrival.is_delivered |= arrival.awaited == 0;
    }

    /// Whether that part has arrived, now or when it was told before.
    pub(crate) fn is_taken(&self, signal: Signal) -> bool {
        *self.arrival().taken.of(signal)
    }
}

/// What this machine says, where a run is judged.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) boot_id: Option<String>,
    /// A fingerprint of the machine's id, which is nobody else's to know.
    pub(crate) machine: Option<u64>,
    boot_time: Option<SystemTime>,
    /// When this process started.
    pub(crate) started: Option<SystemTime>,
    pub(crate) now: SystemTime,
    /// The kernel's count of kills here, and of what.
    kills: Option<(u64, u64)>,
}

impl Surroundings {
    pub(crate) fn of(sample: &Sample) -> Self {
        let root = Path::new("/");
        let kills = sample.cgroup.and_then(|cgroup| Some((cgroup.kills_of, cgroup.events.oom_kills?)));
        Self {
            boot_id: boot_id(root),
            machine: machine_id(root).map(|id| fingerprint(&[b"highwater", id.as_bytes()])),
            boot_time: boot_time(root),
            started: process_start_time(root),
            now: Clock::date(),
            kills,
        }
    }
}

impl PreviousRun {
    pub(crate) fn of(black_box: BlackBox, around: &Surroundings) -> Self {
        // Two starts of one machine can have cgroups with the same inode.
        let machine = machine(&black_box, around);
        let kills = black_box.kills().zip(around.kills).filter(|_| machine == Machine::Same);
        let kills = kills.filter(|(then, now)| then.0 == now.0).and_then(|(then, now)| now.1.checked_sub(then.1));
        let mut evidence = Evidence::default();
        evidence.closed = black_box.is_closed();
        evidence.exited = black_box.exited().is_some();
        evidence.panicked = panicked(&black_box);
        (evidence.machine, evidence.kills) = (machine, kills);
        evidence.others_hold_most = black_box.others_hold_most();
        evidence.used = black_box.samples().last().and_then(|sample| sample.used);
        (evidence.limit, evidence.slope) = (black_box.limit(), black_box.last_slope());
        evidence.next = next(&black_box);
        let (verdict, confidence) = evidence.verdict();
        Self { black_box, verdict, confidence, kills, receipt: Arc::default() }
    }

    /// The run of a box, as far as it can be judged by somebody who was not in its cgroup.
    pub fn judged(black_box: BlackBox) -> Self {
        Self::of(black_box, &Surroundings::of(&Sample::default()))
    }

    /// What it left behind.
    pub fn black_box(&self) -> &BlackBox {
        &self.black_box
    }

    /// How it ended.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// How sure that is.
    pub fn confidence(&self) -> Confidence {
        self.confidence
    }

    /// How many processes of its cgroup the kernel killed since its last sample; `None` where that cannot be compared.
    pub fn kills(&self) -> Option<u64> {
        self.kills
    }

    pub(crate) fn receipt(&self) -> &Arc<Receipt> {
        &self.receipt
    }

    /// The same run, told before: what has arrived of it need not be told again.
    #[cfg(feature = "otlp")]
    pub(super) fn told_before(self, receipt: Arc<Receipt>) -> Self {
        Self { receipt, ..self }
    }

    /// The attributes that only this event has.
    pub(crate) fn attributes(&self, give: &mut dyn FnMut(&'static str, Attribute)) {
        let text = |text: &str| Attribute::Text(text.to_owned().into());
        let left = &self.black_box;
        give("highwater.exit.verdict", text(self.verdict.as_str()));
        give("highwater.exit.confidence", text(self.confidence.as_str()));
        if let Some(trace) = left.trace() {
            give("highwater.previous_episode.id", text(&trace.to_string()));
        }
        give("highwater.level", text(left.level().as_str()));
        if let Some(episode) = left.episode() {
            give("highwater.peak.used", Attribute::Int(episode.peak.get()));
        }
        if let Some(slope) = left.last_slope() {
            give("highwater.growth.slope", Attribute::Double(slope));
        }
        if let Some(kills) = self.kills {
            give("highwater.count", Attribute::Int(kills));
        }
        let samples = left.outline().into_iter().map(|(before, sample)| {
            let bytes = |name, amount: Option<Bytes>| amount.map(|amount| (name, Attribute::Int(amount.get())));
            let known = [
                Some(("seconds", Attribute::Double(before.as_secs_f64()))),
                bytes("used", sample.used),
                bytes("rss", sample.rss),
                bytes("allocated", sample.allocated),
            ];
            known.into_iter().flatten().collect()
        });
        give("highwater.samples", Attribute::Maps(samples.collect()));
        if !left.sites().is_empty() {
            let sites = left.sites().iter().map(|site| site.attributes()).collect();
            give("highwater.capture.sites", Attribute::Maps(sites));
        }
        if let Some(instance) = left.attribute("service.instance.id") {
            give("service.instance.id", text(instance));
        }
        give("process.pid", Attribute::Int(left.process().into()));
        if let Some(started) = left.started() {
            give("process.creation.time", text(&humantime::format_rfc3339_millis(started).to_string()));
        }
    }
}

impl PartialEq for PreviousRun {
    fn eq(&self, other: &Self) -> bool {
        (&self.black_box, self.verdict, self.confidence, self.kills)
            == (&other.black_box, other.verdict, other.confidence, other.kills)
    }
}

/// "the previous run was killed for memory (certain): 95MiB used, 99 % of 96MiB, rising by 12MiB a second; it held most by ..".
impl fmt::Display for PreviousRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = &self.black_box;
        let what = match self.verdict {
            Verdict::OomKilled => "was killed for memory",
            Verdict::Killed => "was killed",
            Verdict::Crashed => "panicked",
            Verdict::Rebooted => "ended with the machine",
            Verdict::ShutDown if left.is_closed() => "was shut down",
            Verdict::ShutDown => "left past the agent",
            _ => "ended, it is not known how",
        };
        write!(f, "the previous run {what} ({})", self.confidence)?;
        if let Some(panic) = left.panic().filter(|_| self.verdict == Verdict::Crashed) {
            write!(f, " at {}", panic.place)?;
        }
        if let Some(at) = left.last_seen() {
            write!(f, ", last seen {}", humantime::format_rfc3339_seconds(at))?;
        }
        if let Some(last) = left.samples().last()
            && let Some(used) = last.used
        {
            write!(f, ": {used}")?;
            if let Some(limit) = last.limit {
                write!(f, " of {limit}")?;
            }
            f.write_str(" used")?;
        }
        if let Some(slope) = left.last_slope().filter(|slope| *slope >= 1024.0) {
            write!(f, ", rising by {} a second", Bytes::new(slope as u64))?;
        }
        if let Some(kills) = self.kills.filter(|kills| *kills > 0) {
            write!(f, "; the kernel killed {kills} of its cgroup's processes for memory since then")?;
        }
        match left.sites().first() {
            Some(site) => write!(f, "; what held most: {site}"),
            None => Ok(()),
        }
    }
}

/// Another start of a machine is not yet this machine's: a volume moves with its pod, and the machine that it comes to may
/// have started since.
fn machine(black_box: &BlackBox, around: &Surroundings) -> Machine {
    match (black_box.boot_id(), &around.boot_id) {
        (Some(then), Some(now)) if then == now => Machine::Same,
        (Some(_), Some(_)) => {
            let is_this = black_box.machine().is_some() && black_box.machine() == around.machine;
            let has_started = black_box.last_seen().zip(around.boot_time).is_some_and(|(seen, boot)| boot >= seen);
            if is_this && has_started { Machine::Rebooted } else { Machine::Another }
        }
        _ => Machine::Unknown,
    }
}

/// Whether a panic was the last that it did, as far as its samples and marks show.
fn panicked(black_box: &BlackBox) -> bool {
    /// From a panic of the main thread to the end that the run says itself: destructors run meanwhile.
    const UNWOUND: Duration = Duration::from_secs(3);
    /// For the hook to print a backtrace, before the process is aborted. Under pressure many samples come in this time.
    const PRINTED: Duration = Duration::from_millis(500);
    let Some(panic) = black_box.panic() else { return false };
    let ended = black_box.is_closed() || black_box.exited().is_some();
    // Of a thread that panicked, a run that ends in order has not died.
    if black_box.is_closed() && !panic.in_main {
        return false;
    }
    let Some(at) = panic.at else { return true };
    let since = |sample: &Moment| sample.at.and_then(|sampled| sampled.duration_since(at).ok());
    let mut after = black_box.samples().iter().rev().map_while(since).filter(|since| !since.is_zero());
    let Some(last) = after.next() else { return true };
    // One that was due may come before the end. Of a run that goes on there are more.
    let is_survived = last >= PRINTED && after.next().is_some();
    if ended && panic.in_main { last < UNWOUND } else { !is_survived }
}

/// How long after the last sample the next one was due: as long as the one before, and a little more.
fn next(black_box: &BlackBox) -> Duration {
    let [.., before, last] = black_box.samples() else { return Duration::from_secs(1) };
    let apart = last.elapsed.saturating_sub(before.elapsed);
    apart.saturating_mul(2).clamp(Duration::from_secs(1), Duration::from_secs(10))
}

#[cfg(test)]
mod tests {
    use super::super::format::{self, Header};
    use super::*;

    /// The box of a run that was last seen at this second, on this machine in this start of it.
    fn left(machine: Option<u64>, boot_id: &str, seen: u64) -> BlackBox {
        let began = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seen));
        let header = Header { machine, boot_id: boot_id.to_owned(), began, ..Header::default() };
        let mut bytes = vec![0; format::SIZE as usize];
        header.encode(&mut bytes[..format::HEADER.size]);
        BlackBox::parse(&bytes).unwrap()
    }

    #[test]
    fn a_panic_counts_where_no_more_than_the_sample_that_was_due_came_after_it() {
        /// A run that panicked at its 10,000th millisecond, with samples and an exit at these.
        fn panicked_at(samples: &[u64], in_main: bool, exit: Option<u64>) -> bool {
            let at = |milliseconds| SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
            let mut bytes = vec![0; format::SIZE as usize];
            let from = |place: format::Place| place.at as usize..place.at as usize + place.size;
            Header::default().encode(&mut bytes[from(format::HEADER)]);
            for (slot, milliseconds) in (0..).zip(samples) {
                let (elapsed, at) = (Duration::from_millis(*milliseconds), Some(at(*milliseconds)));
                let moment = Moment { number: slot + 1, at, elapsed, ..Moment::default() };
                moment.encode(&mut bytes[from(format::RINGS[0].place(slot))]);
            }
            format::encode_panic(at(10_000), "main.rs", 7, in_main, &mut bytes[from(format::PANIC)]);
            exit.into_iter().for_each(|exit| format::encode_exit(at(exit), &mut bytes[from(format::EXIT)]));
            panicked(&BlackBox::parse(&bytes).unwrap())
        }
        assert!(panicked_at(&[8_500, 9_500], false, None));
        assert!(panicked_at(&[9_500, 10_500], false, None), "one that was due comes while a backtrace is printed");
        assert!(panicked_at(&[9_980, 10_020, 10_060, 10_100], false, None), "under pressure many are due");
        assert!(!panicked_at(&[9_500, 10_500, 11_500], false, None), "it was caught, and the run killed 2.5 s later");
        assert!(!panicked_at(&[9_500, 10_500, 11_500], true, None));
        assert!(!panicked_at(&[9_500, 10_500, 11_500], false, Some(12_000)), "it was caught, and the run left");
        assert!(panicked_at(&[9_500, 10_500, 11_500], true, Some(12_000)), "destructors take their time");
        assert!(!panicked_at(&[9_500, 11_500, 13_500], true, Some(14_000)));
    }

    #[test]
    fn a_machine_has_started_since_only_where_it_is_known_to_be_the_same() {
        let around = |machine| Surroundings {
            boot_id: Some("now".to_owned()),
            machine,
            boot_time: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(100)),
            started: None,
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(200),
            kills: None,
        };
        for (then, boot_id, seen, now, is) in [
            (Some(1), "before", 50, Some(1), Machine::Rebooted),
            // A pod that moved with its volume, to a machine that started after its end, or before.
            (Some(1), "before", 50, Some(2), Machine::Another),
            (Some(1), "before", 150, Some(2), Machine::Another),
            // In a container that knows no machine.
            (None, "before", 50, None, Machine::Another),
            (Some(1), "before", 50, None, Machine::Another),
            // The clock was set back.
            (Some(1), "before", 150, Some(1), Machine::Another),
            (None, "now", 150, None, Machine::Same),
            (None, "", 50, Some(1), Machine::Unknown),
        ] {
            let left = left(then, boot_id, seen);
            assert_eq!(machine(&left, &around(now)), is, "{then:?} {boot_id} {seen} {now:?}");
            if is == Machine::Another {
                let run = PreviousRun::of(left, &around(now));
                assert_eq!((run.verdict(), run.confidence()), (Verdict::Unknown, Confidence::Guess));
            }
        }
    }
}
