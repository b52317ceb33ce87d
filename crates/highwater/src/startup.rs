//! The start: which limit there is, and the one line that says what the agent found.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use highwater_model::{Bytes, Level, Levels, LimitSource, Sample};
use highwater_sources::{AllocatorKind, Options, Sources};

use crate::event::Severity;
use crate::outlet::Queue;
use crate::shared::Shared;

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

/// Opens the sources under the configured limit or, where neither it nor a cgroup gives one, under the fallback.
pub(crate) fn open_sources(
    limit: Option<Bytes>,
    fallback: Option<Bytes>,
    shared: &Arc<Shared>,
) -> (Options, Sources, Sample) {
    let open = |limit| {
        let options = Options { limit, ..Options::default() };
        let mut sources = Sources::open(options.clone(), Arc::clone(&shared.regions));
        let sample = sources.sample(shared.clock.now());
        (options, sources, sample)
    };
    let opened = open(limit);
    match fallback {
        Some(fallback) if opened.2.limit.is_none() => open(Some(fallback)),
        _ => opened,
    }
}

/// Says what the agent found: one line, and one more for each finding that somebody should act on.
pub(crate) fn say(
    words: &Queue,
    options: &Options,
    sample: &Sample,
    allocator: AllocatorKind,
    levels: &Levels,
    target: &Target,
) {
    let line = StartupLine { sample, allocator, levels, target };
    words.say(Severity::Info, line.to_string());
    if allocator == AllocatorKind::JemallocNotInstalled {
        let text = "jemalloc is linked, but the program allocates elsewhere: its numbers would be false and are absent; \
                    `highwater::jemalloc!();` in the binary's main.rs installs it";
        words.say(Severity::Warn, text.to_owned());
    }
    if let (Some(own), Some(binding)) = (options.limit, sample.limit)
        && binding.source != LimitSource::Config
        && binding.bytes <= own
    {
        let text = format!("the configured limit of {own} is idle: the cgroup's of {} is smaller", binding.bytes);
        words.say(Severity::Warn, text);
    }
    let lines = levels.lines(sample.limit.map(|limit| limit.bytes));
    for ((level, line), threshold) in Level::RAISED.into_iter().zip(lines).zip(levels.thresholds()) {
        if sample.limit.is_some() && line.is_none() {
            words
                .say(Severity::Warn, format!("level {level} ({threshold}) makes no sense under this limit and is off"));
        }
    }
}

struct StartupLine<'a> {
    sample: &'a Sample,
    allocator: AllocatorKind,
    levels: &'a Levels,
    target: &'a Target,
}

impl fmt::Display for StartupLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: limit ", env!("CARGO_PKG_VERSION"))?;
        match self.sample.limit {
            Some(limit) => write!(f, "{} ({})", limit.bytes, limit.source.as_str())?,
            None => f.write_str("none (HIGHWATER_LIMIT sets one; levels in percent are off)")?,
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
    use highwater_model::Limit;

    use super::*;

    fn line(limit: Option<Limit>, allocator: AllocatorKind, target: &Target) -> String {
        let sample = Sample { limit, ..Sample::default() };
        StartupLine { sample: &sample, allocator, levels: &Levels::default(), target }.to_string()
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
}
