//! The start: which limit there is, and the one line that says what the agent found.

use std::fmt;
use std::time::Duration;

use highwater_model::{Bytes, Level, Levels, Limit, LimitSource, Sample};
use highwater_sources::{AllocatorKind, Availability, Reason, Source};

use crate::event::Severity;
use crate::outlet::Queue;

/// Where what is told goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "which of them can come about depends on the features")]
pub(crate) enum Target {
    /// The agent's own pipeline.
    Otlp { endpoint: String, interval: Duration },
    /// A host's own providers.
    Host,
    /// `OTEL_SDK_DISABLED`.
    Disabled,
    /// No OpenTelemetry is built in.
    None,
}

/// Says what the agent found: one line, and one more where jemalloc is linked in vain.
pub(crate) fn say(
    words: &Queue,
    sample: &Sample,
    availability: [(Source, Availability); Source::COUNT],
    allocator: AllocatorKind,
    levels: &Levels,
    target: &Target,
) {
    let unread = availability.into_iter().find_map(|(source, availability)| match availability {
        Availability::Unavailable(why) if source == Source::Cgroup => Some(why),
        _ => None,
    });
    words.say(Severity::Info, StartupLine { sample, unread, allocator, levels, target }.to_string());
    if allocator == AllocatorKind::JemallocNotInstalled {
        let text = "jemalloc is linked, but the program allocates elsewhere: its numbers would be false and are absent; \
                    `highwater::jemalloc!();` in the binary's main.rs installs it";
        words.say(Severity::Warn, text.to_owned());
    }
}

/// What somebody should know of the limit in force: said when it is first seen, and again when it changes.
#[derive(Debug)]
pub(crate) struct Findings {
    levels: Levels,
    configured: Option<Bytes>,
    last: Option<Limit>,
}

impl Findings {
    pub(crate) fn new(levels: Levels, configured: Option<Bytes>) -> Self {
        Self { levels, configured, last: None }
    }

    /// What is to be said of the limit of this sample; `None` where it is the same as before.
    pub(crate) fn of(&mut self, sample: &Sample) -> Option<Vec<String>> {
        let limit = sample.limit.filter(|limit| self.last != Some(*limit))?;
        self.last = Some(limit);
        let mut words = Vec::new();
        if let Some(own) = self.configured
            && limit.source != LimitSource::Config
            && limit.bytes <= own
        {
            words.push(format!("the configured limit of {own} is idle: the cgroup's of {} is smaller", limit.bytes));
        }
        let lines = self.levels.lines(Some(limit.bytes));
        for ((level, line), threshold) in Level::RAISED.into_iter().zip(lines).zip(self.levels.thresholds()) {
            if line.is_none() {
                let bytes = limit.bytes;
                words.push(format!("level {level} ({threshold}) makes no sense under the limit of {bytes} and is off"));
            }
        }
        Some(words)
    }
}

struct StartupLine<'a> {
    sample: &'a Sample,
    /// Why the cgroups cannot be read.
    unread: Option<Reason>,
    allocator: AllocatorKind,
    levels: &'a Levels,
    target: &'a Target,
}

impl fmt::Display for StartupLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: limit ", env!("CARGO_PKG_VERSION"))?;
        match (self.sample.limit, self.unread) {
            (Some(limit), _) => write!(f, "{} ({})", limit.bytes, limit.source.as_str())?,
            (None, Some(why)) => write!(f, "unknown (cgroup: {why})")?,
            (None, None) => f.write_str("none (HIGHWATER_LIMIT sets one; levels in percent are off)")?,
        }
        match self.allocator {
            AllocatorKind::Jemalloc => f.write_str(", allocator jemalloc")?,
            AllocatorKind::JemallocMixed => f.write_str(", allocator jemalloc for some sizes only")?,
            _ => f.write_str(", allocator not jemalloc (its numbers are absent)")?,
        }
        let [elevated, high, critical] = self.levels.thresholds();
        write!(f, ", levels {elevated} {high} {critical}, ")?;
        match self.target {
            Target::Otlp { endpoint, interval } => {
                write!(f, "OTLP to {endpoint} every {}", humantime::format_duration(*interval))
            }
            Target::Host => f.write_str("telemetry by the host's own providers"),
            Target::Disabled => f.write_str("OTLP off (OTEL_SDK_DISABLED)"),
            Target::None => f.write_str("OTLP not built in"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(limit: Option<Limit>, allocator: AllocatorKind, target: &Target) -> String {
        let sample = Sample { limit, ..Sample::default() };
        StartupLine { sample: &sample, unread: None, allocator, levels: &Levels::default(), target }.to_string()
    }

    #[test]
    fn the_startup_line_says_limit_allocator_levels_and_target() {
        let limit = Limit { bytes: Bytes::mib(512), source: LimitSource::Cgroup, scope: 1 };
        let target = Target::Otlp { endpoint: "http://localhost:4318".to_owned(), interval: Duration::from_secs(10) };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            line(Some(limit), AllocatorKind::Jemalloc, &target),
            format!(
                "{version}: limit 512MiB (cgroup), allocator jemalloc, levels 75% 85% 95%, \
                 OTLP to http://localhost:4318 every 10s"
            )
        );
        assert_eq!(
            line(None, AllocatorKind::Other, &Target::Host),
            format!(
                "{version}: limit none (HIGHWATER_LIMIT sets one; levels in percent are off), \
                 allocator not jemalloc (its numbers are absent), levels 75% 85% 95%, \
                 telemetry by the host's own providers"
            )
        );
    }

    #[test]
    fn what_a_limit_makes_of_the_settings_is_said_when_it_changes() {
        let under = |mib, source| Sample {
            limit: Some(Limit { bytes: Bytes::mib(mib), source, scope: 1 }),
            ..Sample::default()
        };
        let [elevated, high, _] = Levels::default().thresholds();
        let levels = Levels::try_new(elevated, high, "limit-1GiB".parse().unwrap()).unwrap();
        let mut findings = Findings::new(levels, Some(Bytes::gib(8)));
        assert_eq!(findings.of(&Sample::default()), None);
        assert_eq!(findings.of(&under(8192, LimitSource::Config)), Some(Vec::new()));
        let words = findings.of(&under(512, LimitSource::Cgroup)).unwrap();
        assert_eq!(
            words,
            [
                "the configured limit of 8GiB is idle: the cgroup's of 512MiB is smaller",
                "level critical (limit-1GiB) makes no sense under the limit of 512MiB and is off",
            ]
        );
        assert_eq!(findings.of(&under(512, LimitSource::Cgroup)), None);
    }
}
