//! When a heap profile is taken, and why not.
//!
//! A profile is worth most where memory is short, and that is where it could do harm: its own memory comes out of what is
//! left, its file out of a disk that may be full, its time out of a process that may be stalled. So a capture is *wanted*
//! where an episode tells something new - once for each level, and at a peak that is 10 % of the limit above the last
//! capture - and *allowed* within a budget, where there is room, and where the memory is this process's own.
//!
//! The first capture of an episode is the one that a fast death leaves: none is saved for later.

use core::time::Duration;

use crate::{Bytes, Change, Level, Reason, Sample, SinceStart, Transition};

/// Which captures were taken, and what was seen that decides about the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Captures {
    /// The last that counted, oldest first; in seconds since the start, those of earlier runs before 0.
    counted: [Option<i64>; Self::MOST_A_DAY],
    /// When the last that counts was allowed, and the last that was asked for.
    last: [Option<SinceStart>; 2],
    /// A level that is to be captured as soon as that is allowed, when it was refused, and what was used then.
    pending: Option<(Level, SinceStart, Option<Bytes>)>,
    /// Levels of the episode of which there is a capture: elevated, high, critical.
    levels: [bool; 3],
    /// The use at the last capture of the episode.
    captured: Option<Bytes>,
    /// When the calm was captured.
    calm: Option<SinceStart>,
    stall: Stall,
}

/// What asks for a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trigger {
    /// A level was entered.
    Level(Level),
    /// A new peak within an episode.
    Peak,
    /// The program, or a signal.
    Request,
    /// The end of the agent.
    Exit,
}

/// Why a capture was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Enough were taken within the hour or the day.
    Budget,
    /// What is left below the limit is needed more.
    Headroom,
    /// The disk has no room, or the file could not be written.
    Disk,
    /// The processes of the cgroup stand still for want of memory.
    Stall,
    /// The memory is another process's: a profile of this one would show nothing.
    OtherProcess,
    /// There are no heap profiles here, or the allocator gave none.
    Unavailable,
    /// Another one is being taken, or was only just.
    Busy,
}

impl Captures {
    /// Within any hour.
    pub const MOST_AN_HOUR: usize = 4;
    /// Within any day.
    pub const MOST_A_DAY: usize = 20;
    /// From one to the next.
    pub const APART: Duration = Duration::from_secs(2);
    /// The calm is captured anew when the program has warmed up, and then so seldom that slow growth shows, too.
    pub const WARM: Duration = Duration::from_secs(30 * 60);
    /// From one capture of the calm to the next.
    pub const CALM: Duration = Duration::from_secs(24 * 60 * 60);
    /// What a capture may need beside the dump itself: to read it takes 2.7 MiB at the most that was seen, and 3.5
    /// where it is sent by OpenTelemetry as well, of a bound of 4.
    pub const LEAST_HEADROOM: Bytes = Bytes::mib(4);

    const HOUR: i64 = 60 * 60;
    const DAY: i64 = 24 * Self::HOUR;

    /// Counts a capture of an earlier run of the service, so long before this one began: a crash loop has one budget. One
    /// that is remembered by two, a file and a black box, counts once.
    pub fn remember(&mut self, before: Duration) {
        let at = i64::try_from(before.as_secs()).map_or(i64::MIN, i64::wrapping_neg);
        if self.counted.iter().flatten().all(|then| then.abs_diff(at) >= Self::APART.as_secs()) {
            self.count(at);
        }
    }

    /// Takes a sample into account.
    pub fn observe(&mut self, sample: &Sample) {
        self.stall.observe(sample);
    }

    /// Whether what was decided is worth a capture. To be asked once a transition.
    pub fn wanted(&mut self, transition: &Transition, sample: &Sample) -> Option<Trigger> {
        match transition.change {
            // The second half of a split is the same climb.
            Change::Begun(episode) if transition.reason != Reason::Split => {
                (self.levels, self.captured, self.pending) = ([false; 3], None, None);
                Some(Trigger::Level(episode.level))
            }
            Change::Changed(episode, stay) if episode.level > stay.level => {
                (!self.has(episode.level)).then_some(Trigger::Level(episode.level))
            }
            Change::Again(_) if transition.reason == Reason::Peak => {
                let (used, captured) = (sample.used?, self.captured?);
                let whole = sample.limit.map_or(captured, |limit| limit.bytes);
                let risen = used.checked_sub(captured)?.ratio_of(whole)?;
                (risen >= 0.1).then_some(Trigger::Peak)
            }
            _ => None,
        }
    }

    /// A level whose capture was refused, and which is not left: every [`APART`](Self::APART) it is worth another try.
    /// Where less is used than then, what was to be seen is gone.
    pub fn wanted_still(&mut self, sample: &Sample, level: Level) -> Option<Trigger> {
        let (pending, refused, used) = self.pending?;
        if level < pending {
            self.pending = None;
            return None;
        }
        let is_due = sample.at.since(refused) >= Self::APART && sample.used >= used;
        is_due.then_some(Trigger::Level(pending))
    }

    /// Whether the calm should be captured, to compare with later: at the start, when the program is warm, and where it is
    /// old.
    pub fn wants_calm(&self, at: SinceStart) -> bool {
        self.calm.is_none_or(|calm| {
            let is_of_start = calm.elapsed() < Self::WARM;
            at.since(calm) >= Self::CALM || (is_of_start && at.elapsed() >= Self::WARM)
        })
    }

    /// Decides about the calm: it needs room, and counts for nothing, so that an episode right after it has a capture.
    pub fn decide_calm(&mut self, sample: &Sample, dump: Bytes) -> Result<(), Refusal> {
        self.has_room(sample, dump)?;
        self.calm = Some(sample.at);
        Ok(())
    }

    /// Decides about a capture whose dump will be about as large as `dump`, and counts it where it is allowed.
    ///
    /// What the program asks for, and what is taken at the end, is not counted, and takes nothing from what is: who asks
    /// knows why.
    pub fn decide(&mut self, trigger: Trigger, sample: &Sample, dump: Bytes) -> Result<(), Refusal> {
        let decided = self.allows(trigger, sample, dump);
        let [counted, asked] = &mut self.last;
        match (decided, trigger) {
            (Ok(()), Trigger::Level(_) | Trigger::Peak) => {
                *counted = Some(sample.at);
                self.captured = sample.used;
                self.pending = None;
                self.count(seconds(sample.at));
            }
            (Ok(()), _) => *asked = Some(sample.at),
            (Err(_), Trigger::Level(level)) => self.pending = Some((level, sample.at, sample.used)),
            (Err(_), _) => {}
        }
        if let (Ok(()), Trigger::Level(level)) = (decided, trigger)
            && let Some(captured) = self.level_mut(level)
        {
            *captured = true;
        }
        decided
    }

    /// Puts a capture off that cannot be taken now, as one that is [`Busy`](Refusal::Busy): a level is worth another try.
    pub fn put_off(&mut self, trigger: Trigger, sample: &Sample) -> Refusal {
        if let Trigger::Level(level) = trigger {
            self.pending = Some((level, sample.at, sample.used));
        }
        Refusal::Busy
    }

    fn allows(&self, trigger: Trigger, sample: &Sample, dump: Bytes) -> Result<(), Refusal> {
        let [counted, asked] = self.last;
        let last = match trigger {
            Trigger::Exit => None,
            Trigger::Request => counted.max(asked),
            Trigger::Level(_) | Trigger::Peak => counted,
        };
        if last.is_some_and(|last| sample.at.since(last) < Self::APART) {
            return Err(Refusal::Busy);
        }
        if trigger.is_counted() && sample.others_hold_most() {
            return Err(Refusal::OtherProcess);
        }
        if trigger.is_counted() && self.is_spent(seconds(sample.at)) {
            return Err(Refusal::Budget);
        }
        self.has_room(sample, dump)
    }

    /// How long before `at` each capture was taken that counts, as far as it still matters.
    pub fn counted(&self, at: SinceStart) -> impl Iterator<Item = Duration> {
        let now = seconds(at);
        let ages = self.counted.into_iter().flatten().map(move |then| now.saturating_sub(then));
        ages.filter(|age| *age < Self::DAY).map(|age| Duration::from_secs(u64::try_from(age).unwrap_or_default()))
    }

    fn has_room(&self, sample: &Sample, dump: Bytes) -> Result<(), Refusal> {
        let need = Self::LEAST_HEADROOM.saturating_add(dump).saturating_add(dump);
        if sample.available().is_some_and(|available| available < need) {
            return Err(Refusal::Headroom);
        }
        if self.stall.is_stalled(sample) { Err(Refusal::Stall) } else { Ok(()) }
    }

    fn is_spent(&self, now: i64) -> bool {
        let within = |time| self.counted.iter().flatten().filter(|then| now.saturating_sub(**then) < time).count();
        within(Self::HOUR) >= Self::MOST_AN_HOUR || within(Self::DAY) >= Self::MOST_A_DAY
    }

    /// Counts one, in place of the oldest.
    fn count(&mut self, at: i64) {
        if let Some(oldest) = self.counted.iter_mut().min_by_key(|then| then.unwrap_or(i64::MIN)) {
            *oldest = (*oldest).max(Some(at));
        }
    }

    fn has(&mut self, level: Level) -> bool {
        self.level_mut(level).is_some_and(|captured| *captured)
    }

    fn level_mut(&mut self, level: Level) -> Option<&mut bool> {
        let mut levels = Level::RAISED.into_iter().zip(&mut self.levels);
        levels.find(|(raised, _)| *raised == level).map(|(_, captured)| captured)
    }
}

fn seconds(at: SinceStart) -> i64 {
    i64::try_from(at.elapsed().as_secs()).unwrap_or(i64::MAX)
}

/// The time for which all tasks of the cgroup stood still, as of two moments at least ten seconds apart.
#[derive(Clone, Copy, Debug, Default)]
struct Stall {
    earlier: Option<(SinceStart, Duration)>,
    later: Option<(SinceStart, Duration)>,
}

impl Stall {
    const WINDOW: Duration = Duration::from_secs(10);

    fn observe(&mut self, sample: &Sample) {
        let Some(full) = sample.cgroup.and_then(|cgroup| cgroup.pressure.full) else {
            *self = Self::default();
            return;
        };
        if self.later.is_none_or(|(at, _)| sample.at.since(at) >= Self::WINDOW) {
            (self.earlier, self.later) = (self.later, Some((sample.at, full)));
        }
    }

    /// More than a fifth of the last ten to twenty seconds.
    fn is_stalled(&self, sample: &Sample) -> bool {
        let since = self.earlier.or(self.later).filter(|(at, _)| sample.at.since(*at) >= Self::WINDOW);
        let now = sample.cgroup.and_then(|cgroup| cgroup.pressure.full);
        since.zip(now).is_some_and(|((at, then), now)| now.saturating_sub(then).saturating_mul(5) > sample.at.since(at))
    }
}

impl Trigger {
    /// Whether it counts for the budget: what the agent takes by itself does.
    pub const fn is_counted(self) -> bool {
        matches!(self, Self::Level(_) | Self::Peak)
    }

    /// The value of `highwater.reason` of a capture.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Level(_) => "level",
            Self::Peak => "peak",
            Self::Request => "request",
            Self::Exit => "shutdown",
        }
    }
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Budget, Self::Headroom, Self::Disk, Self::Stall, Self::OtherProcess, Self::Unavailable, Self::Busy];

    /// The value of `highwater.refusal.reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Headroom => "headroom",
            Self::Disk => "disk",
            Self::Stall => "stall",
            Self::OtherProcess => "other_process",
            Self::Unavailable => "unavailable",
            Self::Busy => "busy",
        }
    }
}

#[cfg(test)]
mod tests;
