//! Tell: what happened, as everybody hears it - callbacks, the service's log, OpenTelemetry.
//!
//! An [`Event`] carries its evidence with it: the sample that was judged, the reason, the part that grew. Whoever tells it
//! takes name, severity, sentence and attributes from here, so that all of them say the same.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use highwater_model::{
    Bytes, Cause, Change, Episode, Forecast, Growth, Level, Reason, Sample, Stay, Transition, Verdict,
};
use highwater_sources::Source;

use crate::black_box::{PreviousRun, Receipt};
use crate::capture::{Capture, CaptureRefused};
use crate::identity::{EpisodeHandle, EpisodeId, uuid};
use crate::telemetry::{self, Value};

/// Something that happened to the memory of this process, or to the agent's view of it.
#[derive(Clone, Debug)]
pub struct Event {
    at: SystemTime,
    uid: String,
    what: What,
    sample: Sample,
    episode: Option<Arc<EpisodeHandle>>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// The judge decided something.
    Memory(Transition),
    /// A heap profile was taken.
    CaptureWritten(Arc<Capture>),
    /// A heap profile was not taken, or could not be written.
    CaptureRefused(Arc<CaptureRefused>),
    /// An earlier run ended without having said so: its black box was found.
    PreviousRun(Arc<PreviousRun>),
    /// A source of numbers failed; its numbers are absent from now on.
    SourceUnavailable {
        /// Which one.
        source: Source,
        /// Why, as far as it is known.
        why: highwater_sources::Reason,
    },
    /// A source that had failed gives numbers again.
    SourceRecovered {
        /// Which one.
        source: Source,
    },
}

/// How grave an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// Good to know.
    Info,
    /// Worth a look.
    Warn,
    /// Worth getting up for.
    Error,
}

/// What gives way where not all can be kept, from the least on.
#[cfg(feature = "otlp")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    /// Says again, or on the side, what is known otherwise.
    Low,
    Normal,
    /// Goes before all others.
    High,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Attribute {
    /// A whole number: bytes, or a count.
    Int(u64),
    /// The difference of two amounts.
    Difference(i64),
    /// Another number: seconds, or a ratio.
    Double(f64),
    /// One of a closed list of words, or a text.
    Text(Cow<'static, str>),
    /// A list of things, each with its own named values.
    Maps(Vec<Vec<(&'static str, Attribute)>>),
}

impl Event {
    pub(crate) fn new(at: SystemTime, what: What, sample: Sample, episode: Option<Arc<EpisodeHandle>>) -> Self {
        Self { at, uid: uuid(), what, sample, episode }
    }

    /// The event of the end of an earlier run, under the id that the run was given at its start: whoever tells it again tells
    /// the same.
    pub(crate) fn of_previous(at: SystemTime, run: Arc<PreviousRun>) -> Self {
        let (uid, sample) = (run.black_box().run().to_owned(), run.black_box().last_sample());
        Self { at, uid, what: What::PreviousRun(run), sample, episode: None }
    }

    /// The event of what a judge decided about `sample`, without an agent: for a replay.
    ///
    /// Its date is the judge's time counted from 1970, and its episode has a [number](Self::episode_number) and no id.
    ///
    /// ```
    /// use highwater::model::{Judge, Limit, LimitSource, Rules, Sample};
    /// use highwater::{Bytes, Event};
    ///
    /// let limit = Some(Limit { bytes: Bytes::mib(512), source: LimitSource::Config, scope: 0 });
    /// let sample = Sample { used: Some(Bytes::mib(500)), limit, ..Sample::default() };
    /// let mut judge = Judge::new(Rules::default());
    /// for transition in judge.judge(&sample).iter() {
    ///     let event = Event::judged(*transition, sample);
    ///     assert_eq!(event.name(), "highwater.memory.episode.begun");
    ///     event.attributes(&mut |name, value| println!("{name}: {value:?}"));
    /// }
    /// ```
    pub fn judged(transition: Transition, sample: Sample) -> Self {
        let at = SystemTime::UNIX_EPOCH.checked_add(transition.at.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH);
        Self::new(at, What::Memory(transition), sample, None)
    }

    /// When it was decided.
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// A unique id of this event: it is delivered at least once, and whoever receives it twice can tell.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// What happened, with the judge's numbers.
    pub fn what(&self) -> &What {
        &self.what
    }

    /// The sample that was judged.
    pub fn sample(&self) -> &Sample {
        &self.sample
    }

    /// The episode that the event belongs to. Of a host's own tracer, once that has made the episode's span.
    pub fn episode_id(&self) -> Option<EpisodeId> {
        self.episode.as_ref()?.id.get().copied()
    }

    /// The number of the episode that begins, changes or ends: 1 for the first of the process.
    pub fn episode_number(&self) -> Option<u64> {
        match &self.what {
            What::Memory(transition) => match transition.change {
                Change::Begun(episode) | Change::Changed(episode, _) | Change::Ended(episode, _) => {
                    Some(episode.number)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The name of the event, as it is sent.
    pub fn name(&self) -> &'static str {
        match &self.what {
            What::Memory(transition) => match transition.change {
                Change::Begun(_) => "highwater.memory.episode.begun",
                Change::Changed(..) | Change::Again(_) => "highwater.memory.episode.changed",
                Change::Ended(..) => "highwater.memory.episode.ended",
                Change::Growth(_) => "highwater.memory.growth.detected",
                _ => "highwater.memory.oom_kill",
            },
            What::CaptureWritten(_) => "highwater.capture.written",
            What::CaptureRefused(_) => "highwater.capture.refused",
            What::PreviousRun(_) => "highwater.previous_run.ended",
            What::SourceUnavailable { .. } => "highwater.source.unavailable",
            What::SourceRecovered { .. } => "highwater.source.recovered",
        }
    }

    /// How grave it is.
    pub fn severity(&self) -> Severity {
        match &self.what {
            What::Memory(transition) => match transition.change {
                Change::Begun(Episode { level: Level::Critical, .. })
                | Change::Changed(Episode { level: Level::Critical, .. }, _) => Severity::Error,
                Change::Changed(episode, stay) if episode.level < stay.level => Severity::Info,
                Change::Begun(_) | Change::Changed(..) | Change::Growth(_) => Severity::Warn,
                Change::Again(_) => match transition.level {
                    Level::Normal => Severity::Info,
                    Level::Elevated | Level::High => Severity::Warn,
                    Level::Critical => Severity::Error,
                },
                Change::Ended(..) => Severity::Info,
                _ => Severity::Error,
            },
            What::CaptureWritten(_) => Severity::Info,
            What::CaptureRefused(_) => Severity::Warn,
            What::PreviousRun(run) => match run.verdict() {
                Verdict::OomKilled | Verdict::Killed | Verdict::Crashed => Severity::Error,
                Verdict::Rebooted => Severity::Warn,
                _ => Severity::Info,
            },
            What::SourceUnavailable { .. } => Severity::Warn,
            What::SourceRecovered { .. } => Severity::Info,
        }
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn priority(&self) -> Priority {
        match (&self.what, self.severity()) {
            (What::SourceUnavailable { .. } | What::SourceRecovered { .. } | What::CaptureRefused(_), _) => {
                Priority::Low
            }
            (What::Memory(transition), _) if transition.reason == Reason::Heartbeat => Priority::Low,
            (_, Severity::Error) => Priority::High,
            _ => Priority::Normal,
        }
    }

    /// The level from this event on; `None` of an event that is not about memory.
    pub fn level(&self) -> Option<Level> {
        match &self.what {
            What::Memory(transition) => Some(transition.level),
            What::CaptureWritten(capture) => Some(capture.level),
            What::CaptureRefused(refused) => Some(refused.level),
            What::PreviousRun(run) => Some(run.black_box().level()),
            _ => None,
        }
    }

    /// The level before, where it was told that it changed.
    pub fn previous_level(&self) -> Option<Level> {
        match &self.what {
            What::Memory(transition) => match transition.change {
                Change::Begun(_) => Some(Level::Normal),
                Change::Changed(_, stay) | Change::Ended(_, stay) => Some(stay.level),
                _ => None,
            },
            _ => None,
        }
    }

    /// Why it happened, where the judge decided it.
    pub fn reason(&self) -> Option<Reason> {
        match &self.what {
            What::Memory(transition) => Some(transition.reason),
            _ => None,
        }
    }

    /// Which part of the memory grew, where the judge decided it.
    pub fn cause(&self) -> Option<Cause> {
        match &self.what {
            What::Memory(transition) => Some(transition.cause),
            What::PreviousRun(run) => run.black_box().episode().map(|episode| episode.cause),
            _ => None,
        }
    }

    /// Gives each attribute of the event, under its name, as it is sent: what is unknown is left out.
    pub fn attributes(&self, give: &mut dyn FnMut(&'static str, Attribute)) {
        let text = |text: &'static str| Attribute::Text(Cow::Borrowed(text));
        match &self.what {
            What::SourceUnavailable { source, why } => {
                give("highwater.source", text(source.as_str()));
                give("highwater.why", Attribute::Text(why.to_string().into()));
                return;
            }
            What::SourceRecovered { source } => {
                give("highwater.source", text(source.as_str()));
                return;
            }
            What::CaptureWritten(capture) => {
                self.place(give);
                capture.attributes(give);
            }
            What::CaptureRefused(refused) => {
                self.place(give);
                give("highwater.reason", text(refused.trigger.as_str()));
                give("highwater.refusal.reason", text(refused.reason.as_str()));
                give("highwater.why", Attribute::Text(refused.why.clone().into()));
            }
            What::PreviousRun(run) => {
                run.attributes(give);
                if let Some(cause) = self.cause() {
                    give("highwater.cause", text(cause.as_str()));
                }
            }
            What::Memory(transition) => {
                self.place(give);
                if let Some(level) = self.previous_level() {
                    give("highwater.previous_level", text(level.as_str()));
                }
                give("highwater.reason", text(transition.reason.as_str()));
                give("highwater.cause", text(transition.cause.as_str()));
                match transition.change {
                    Change::Begun(_) => {
                        if let Some(id) = self.episode.as_ref().and_then(|episode| episode.previous()) {
                            give("highwater.previous_episode.id", Attribute::Text(id.to_string().into()));
                        }
                    }
                    Change::Again(episode) => episode_attributes(&episode, give),
                    Change::Ended(episode, _) => {
                        give("highwater.ended_by", text(transition.reason.as_str()));
                        episode_attributes(&episode, give);
                    }
                    Change::OomKill(count) => give("highwater.count", Attribute::Int(count)),
                    Change::Growth(growth) => growth_attributes(&growth, give),
                    _ => {}
                }
            }
        }
        if let Some(limit) = self.sample.limit {
            give("highwater.memory.limit", Attribute::Int(limit.bytes.get()));
            give("highwater.limit.source", text(limit.source.as_str()));
        }
        for (name, value) in telemetry::evidence(&self.sample) {
            give(name, value.into());
        }
    }

    /// Gives the episode and the level.
    fn place(&self, give: &mut dyn FnMut(&'static str, Attribute)) {
        if let Some(id) = self.episode_id() {
            give("highwater.episode.id", Attribute::Text(id.to_string().into()));
        }
        if let Some(level) = self.level() {
            give("highwater.level", Attribute::Text(level.as_str().into()));
        }
    }

    /// Where it is said that the event has arrived, where somebody waits for that.
    pub(crate) fn receipt(&self) -> Option<&Arc<Receipt>> {
        match &self.what {
            What::PreviousRun(run) => Some(run.receipt()),
            _ => None,
        }
    }

    #[cfg(feature = "opentelemetry")]
    pub(crate) fn episode(&self) -> Option<&Arc<EpisodeHandle>> {
        self.episode.as_ref()
    }

    /// The wall-clock time of a moment of the event's episode.
    #[cfg(feature = "opentelemetry")]
    pub(crate) fn wall(&self, moment: highwater_model::SinceStart) -> SystemTime {
        self.episode.as_ref().map_or(self.at, |episode| episode.wall(moment))
    }
}

/// Peak, duration, the time at each level, and how many entries were counted and not told.
pub(crate) fn episode_attributes(episode: &Episode, give: &mut dyn FnMut(&'static str, Attribute)) {
    give("highwater.peak.used", Attribute::Int(episode.peak.used.get()));
    if let Some(utilization) = episode.peak.utilization {
        give("highwater.peak.utilization", Attribute::Double(utilization));
    }
    give("highwater.duration", Attribute::Double(episode.duration().as_secs_f64()));
    let names = ["highwater.time_at.elevated", "highwater.time_at.high", "highwater.time_at.critical"];
    for (name, time) in names.into_iter().zip(episode.time_at) {
        give(name, Attribute::Double(time.as_secs_f64()));
    }
    if episode.merged > 0 {
        give("highwater.count", Attribute::Int(episode.merged));
    }
}

/// How fast memory grows, over what time, and when the limit is reached.
fn growth_attributes(growth: &Growth, give: &mut dyn FnMut(&'static str, Attribute)) {
    give("highwater.growth.slope", Attribute::Double(growth.slope));
    give("highwater.growth.window", Attribute::Double(growth.span.as_secs_f64()));
    if let Some(Forecast { earliest, likely, latest, .. }) = growth.time_to_limit {
        give("highwater.time_to_limit.earliest", Attribute::Double(earliest.as_secs_f64()));
        give("highwater.time_to_limit.likely", Attribute::Double(likely.as_secs_f64()));
        give("highwater.time_to_limit.latest", Attribute::Double(latest.as_secs_f64()));
    }
}

/// The event as one plain sentence.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transition = match &self.what {
            What::SourceUnavailable { source, why } => {
                return write!(f, "cannot read {}: {why}; its numbers are absent", source.as_str());
            }
            What::SourceRecovered { source } => return write!(f, "{} can be read again", source.as_str()),
            What::CaptureWritten(capture) => return capture.fmt(f),
            What::CaptureRefused(refused) => return refused.fmt(f),
            What::PreviousRun(run) => return run.fmt(f),
            What::Memory(transition) => transition,
        };
        match transition.change {
            Change::Begun(episode) => {
                let level = episode.level;
                match transition.reason {
                    Reason::Split => write!(f, "memory is still {level}, which goes on as another episode")?,
                    Reason::Flapping => write!(f, "memory is {level} {TOO_OFTEN}")?,
                    _ => write!(f, "memory is {level}")?,
                }
                write!(f, ": {}", Use(&self.sample))?;
            }
            Change::Changed(episode, Stay { level, .. }) => {
                write!(f, "memory went from {level} to {}", episode.level)?;
                if transition.reason == Reason::Flapping {
                    write!(f, " {TOO_OFTEN}")?;
                }
                write!(f, ": {}", Use(&self.sample))?;
            }
            Change::Again(episode) => {
                let (level, time) = (transition.level, Whole(episode.duration()));
                match transition.reason {
                    Reason::Peak => write!(f, "memory is {level} and at a new peak after {time}")?,
                    _ if level == Level::Normal => write!(f, "memory is normal for now after {time}")?,
                    _ => write!(f, "memory is still {level} after {time}")?,
                }
                write!(f, "{}: {}", Merged(&episode), Use(&self.sample))?;
            }
            Change::Ended(episode, _) => {
                let verb = match transition.reason {
                    Reason::Shutdown | Reason::Split => "was still raised",
                    _ => "is normal again",
                };
                let (time, peak) = (Whole(episode.duration()), episode.peak.used);
                let (merged, used) = (Merged(&episode), Use(&self.sample));
                return write!(f, "memory {verb} after {time}{merged}: {used}, at the peak {peak}");
            }
            Change::OomKill(count) => {
                write!(f, "the kernel killed {count} of the cgroup's processes for memory: {}", Use(&self.sample))?;
            }
            Change::Growth(growth) => {
                let (an_hour, span) = (Bytes::new((growth.slope * 3600.0) as u64), Whole(growth.span));
                write!(f, "memory grows by {an_hour} an hour, for {span} now: {}", Use(&self.sample))?;
                if let Some(Forecast { earliest, latest, .. }) = growth.time_to_limit {
                    write!(f, "; the limit is reached in {} to {}", Whole(earliest), Whole(latest))?;
                }
                return match transition.cause {
                    Cause::Unknown => Ok(()),
                    Cause::OtherProcess => f.write_str("; what grows is another process of the cgroup"),
                    cause => write!(f, "; what grows is {}", cause.as_str()),
                };
            }
            _ => write!(f, "{}", Use(&self.sample))?,
        }
        match transition.cause {
            Cause::Unknown => Ok(()),
            Cause::OtherProcess => f.write_str("; other processes of the cgroup hold most of it"),
            cause => write!(f, "; what grew most is {}", cause.as_str()),
        }
    }
}

/// What is said of a level that flaps.
const TOO_OFTEN: &str = "again, too often to tell: from now on it is counted";

/// "1m 5s".
struct Whole(Duration);

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(Duration::from_secs(self.0.as_secs())).fmt(f)
    }
}

/// ", raised 4 times more than was told", or nothing.
struct Merged<'a>(&'a Episode);

impl fmt::Display for Merged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.merged {
            0 => Ok(()),
            count => write!(f, ", raised {count} times more than was told"),
        }
    }
}

/// "437MiB used, 85 % of 512MiB".
struct Use<'a>(&'a Sample);

impl fmt::Display for Use<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} used", self.0.used.unwrap_or(Bytes::ZERO))?;
        if let (Some(utilization), Some(limit)) = (self.0.utilization(), self.0.limit) {
            write!(f, ", {:.0} % of {}", utilization * 100.0, limit.bytes)?;
        }
        Ok(())
    }
}

impl From<Value> for Attribute {
    fn from(value: Value) -> Self {
        match value {
            Value::Whole(whole) => Self::Int(whole),
            Value::Real(real) => Self::Double(real),
        }
    }
}

impl Severity {
    /// The name of the severity in OpenTelemetry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

#[cfg(test)]
mod tests;
