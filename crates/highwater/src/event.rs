//! Tell: what happened, as everybody hears it - callbacks, the service's log, OpenTelemetry.
//!
//! An [`Event`] carries its evidence with it: the sample that was judged, the reason, the part that grew. Whoever tells it
//! takes name, severity, sentence and attributes from here, so that all of them say the same.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use highwater_model::{Bytes, Cause, Change, Episode, Level, Reason, Sample, Stay, Transition};
use highwater_sources::Source;

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
pub(crate) enum Attribute {
    Int(u64),
    /// Of two amounts.
    Difference(i64),
    Double(f64),
    Text(Cow<'static, str>),
}

impl Event {
    pub(crate) fn new(at: SystemTime, what: What, sample: Sample, episode: Option<Arc<EpisodeHandle>>) -> Self {
        Self { at, uid: uuid(), what, sample, episode }
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

    /// The name of the event, as it is sent.
    pub fn name(&self) -> &'static str {
        match &self.what {
            What::Memory(transition) => match transition.change {
                Change::Begun(_) => "highwater.memory.episode.begun",
                Change::Changed(..) => "highwater.memory.episode.changed",
                Change::Ended(..) => "highwater.memory.episode.ended",
                _ => "highwater.memory.oom_kill",
            },
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
                Change::Begun(_) | Change::Changed(..) => Severity::Warn,
                Change::Ended(..) => Severity::Info,
                _ => Severity::Error,
            },
            What::SourceUnavailable { .. } => Severity::Warn,
            What::SourceRecovered { .. } => Severity::Info,
        }
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn priority(&self) -> Priority {
        match (&self.what, self.severity()) {
            (What::SourceUnavailable { .. } | What::SourceRecovered { .. }, _) => Priority::Low,
            (_, Severity::Error) => Priority::High,
            _ => Priority::Normal,
        }
    }

    /// The level from this event on; `None` of an event that is not about memory.
    pub fn level(&self) -> Option<Level> {
        match &self.what {
            What::Memory(transition) => Some(transition.level),
            _ => None,
        }
    }

    /// The level before.
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
            _ => None,
        }
    }

    /// Gives each attribute of the event, under its name.
    pub(crate) fn attributes(&self, give: &mut dyn FnMut(&'static str, Attribute)) {
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
            What::Memory(transition) => {
                if let Some(id) = self.episode_id() {
                    give("highwater.episode.id", Attribute::Text(id.to_string().into()));
                }
                if let Some(level) = self.level() {
                    give("highwater.level", text(level.as_str()));
                }
                if let Some(level) = self.previous_level() {
                    give("highwater.previous_level", text(level.as_str()));
                }
                give("highwater.reason", text(transition.reason.as_str()));
                give("highwater.cause", text(transition.cause.as_str()));
                match transition.change {
                    Change::Ended(episode, _) => {
                        give("highwater.ended_by", text(transition.reason.as_str()));
                        episode_attributes(&episode, give);
                    }
                    Change::OomKill(count) => give("highwater.count", Attribute::Int(count)),
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

/// Peak, duration and the time at each level.
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
}

/// The event as one plain sentence.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transition = match &self.what {
            What::SourceUnavailable { source, why } => {
                return write!(f, "cannot read {}: {why}; its numbers are absent", source.as_str());
            }
            What::SourceRecovered { source } => return write!(f, "{} can be read again", source.as_str()),
            What::Memory(transition) => transition,
        };
        match transition.change {
            Change::Begun(episode) => write!(f, "memory is {}: {}", episode.level, Use(&self.sample))?,
            Change::Changed(episode, Stay { level, .. }) => {
                write!(f, "memory went from {level} to {}: {}", episode.level, Use(&self.sample))?;
            }
            Change::Ended(episode, _) => {
                let (seconds, peak) = (Duration::from_secs(episode.duration().as_secs()), episode.peak.used);
                let seconds = humantime::format_duration(seconds);
                let verb = if transition.reason == Reason::Shutdown { "was still raised" } else { "is normal again" };
                return write!(f, "memory {verb} after {seconds}: {}, at the peak {peak}", Use(&self.sample));
            }
            Change::OomKill(count) => {
                write!(f, "the kernel killed {count} of the cgroup's processes for memory: {}", Use(&self.sample))?;
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
