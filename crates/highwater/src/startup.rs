//! The start: which limit there is, and the one line that says what the agent found.

use std::fmt;

use highwater_model::{Bytes, Level, Levels, Limit, LimitSource, Rules, Sample};
use highwater_sources::{AllocatorKind, Availability, Reason, Source, jemalloc};

use crate::config::{Config, Exporter, Protocol, level_variable};
use crate::delivery::Target;
use crate::event::Severity;
use crate::outlet::Queue;
use crate::signal::Signal;

/// Said where a purge is asked for in vain.
pub(crate) const NOTHING_TO_PURGE: &str = "HIGHWATER_PURGE has no effect: jemalloc does not serve the program; \
     `highwater::jemalloc!();` in the binary's main.rs, with feature `jemalloc`, installs it";

/// Said where what jemalloc counts as resident can be a quarter more than the kernel holds.
const OBLIVIOUS: &str = "jemalloc runs with cache_oblivious:true: what it holds can be told a quarter too high; \
     `highwater::jemalloc!();` in place of the line that installs it turns that off, and so does \
     _RJEM_MALLOC_CONF=cache_oblivious:false in the environment";

/// Says what the agent found: one line, which it returns, and one more where jemalloc is linked in vain, or set so that its
/// numbers are worth less.
pub(crate) fn say(
    words: &Queue,
    sample: &Sample,
    availability: [(Source, Availability); Source::COUNT],
    allocator: AllocatorKind,
    rules: &Rules,
    target: &Target,
) -> String {
    let unread = availability.into_iter().find_map(|(source, availability)| match availability {
        Availability::Unavailable(why) if source == Source::Cgroup => Some(why),
        _ => None,
    });
    let line = StartupLine { sample, unread, allocator, rules, target }.to_string();
    words.say(Severity::Info, line.clone());
    if allocator == AllocatorKind::JemallocNotInstalled {
        let text = "jemalloc is linked, but the program allocates elsewhere: its numbers would be false and are absent; \
                    `highwater::jemalloc!();` in the binary's main.rs installs it";
        words.say(Severity::Warn, text.to_owned());
    } else if jemalloc::settings().cache_oblivious == Some(true) {
        words.say(Severity::Info, OBLIVIOUS.to_owned());
    }
    line
}

/// How many limits are remembered: more than bind in turn.
const REMEMBERED: usize = 4;

/// What somebody should know of the limit in force: said when it is first seen, and again once others came in between.
/// Where two bind in turn, each of them is said once.
#[derive(Debug)]
pub(crate) struct Findings {
    levels: Levels,
    configured: Option<Bytes>,
    /// Scope and amount of the limits that were said, the one in force first.
    said: [Option<(u64, Bytes)>; REMEMBERED],
}

impl Findings {
    pub(crate) fn new(levels: Levels, configured: Option<Bytes>) -> Self {
        Self { levels, configured, said: [None; REMEMBERED] }
    }

    /// What is to be said of the limit of this sample; `None` where it was said.
    pub(crate) fn of(&mut self, sample: &Sample) -> Option<Vec<String>> {
        let limit = sample.limit.filter(|limit| !self.was_said(*limit))?;
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
                let key = level_variable(level);
                words.push(format!(
                    "level {level} ({threshold}) makes no sense under the limit of {bytes} and is off ({key} sets another)"
                ));
            }
        }
        Some(words)
    }

    /// Whether this limit is one of those that were said; it is one of them from now on, in place of the one that was in
    /// force the longest ago.
    fn was_said(&mut self, limit: Limit) -> bool {
        let limit = Some((limit.scope, limit.bytes));
        let place = self.said.iter().position(|said| *said == limit);
        if let Some(later) = self.said.get_mut(..=place.unwrap_or(REMEMBERED - 1)) {
            later.rotate_right(1);
        }
        let [first, ..] = &mut self.said;
        *first = limit;
        place.is_some()
    }
}

struct StartupLine<'a> {
    sample: &'a Sample,
    /// Why the cgroups cannot be read.
    unread: Option<Reason>,
    allocator: AllocatorKind,
    rules: &'a Rules,
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
        let [elevated, high, critical] = self.rules.levels.thresholds();
        let warm_up = humantime::format_duration(self.rules.growth.warm_up);
        write!(f, ", levels {elevated} {high} {critical}, growth after {warm_up}, ")?;
        self.target.fmt(f)
    }
}

/// The agent's own pipeline in words: "OTLP to http://localhost:4318 every 10s" where all signals go one way, else each by
/// itself.
#[allow(dead_code, reason = "without `otlp` the agent has no pipeline of its own")]
pub(crate) struct Way<'a>(pub(crate) &'a Config);

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { routes, interval, sampled, .. } = self.0;
        let every = humantime::format_duration(*interval);
        if let Some(base) = self.base() {
            return write!(f, "OTLP to {base} every {every}");
        }
        for (index, signal) in Signal::ALL.into_iter().enumerate() {
            let (comma, route) = (if index == 0 { "" } else { ", " }, routes.of(signal));
            match route.exporter {
                Exporter::None if signal == Signal::Traces && !sampled => {
                    write!(f, "{comma}no traces (OTEL_TRACES_SAMPLER)")?;
                    continue;
                }
                Exporter::None => {
                    write!(f, "{comma}no {}", signal.as_str())?;
                    continue;
                }
                Exporter::Otlp => write!(f, "{comma}{} by OTLP to {}", signal.as_str(), route.url)?,
                Exporter::Console => write!(f, "{comma}{} to standard output", signal.as_str())?,
            }
            if signal == Signal::Metrics {
                write!(f, " every {every}")?;
            }
        }
        Ok(())
    }
}

impl Way<'_> {
    /// The address that all signals go to.
    #[allow(dead_code, reason = "without `otlp` the agent has no pipeline of its own")]
    fn base(&self) -> Option<&str> {
        let mut bases = Signal::ALL.into_iter().map(|signal| {
            let route = self.0.routes.of(signal);
            let of_signal = || route.url.strip_suffix(signal.as_str())?.strip_suffix("/v1/");
            let base = match route.protocol {
                Protocol::Grpc => Some(route.url.as_str()),
                Protocol::HttpProtobuf => of_signal(),
            };
            base.filter(|_| route.exporter == Exporter::Otlp)
        });
        let first = bases.next()??;
        bases.all(|base| base == Some(first)).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(limit: Option<Limit>, allocator: AllocatorKind, target: &Target) -> String {
        let sample = Sample { limit, ..Sample::default() };
        StartupLine { sample: &sample, unread: None, allocator, rules: &Rules::default(), target }.to_string()
    }

    fn way(variables: &[(&str, &str)]) -> Target {
        let mut config = Config::default();
        for (name, value) in variables {
            config.set(name, value).unwrap();
        }
        assert_eq!(config.settle(), []);
        Target::Own(Way(&config).to_string())
    }

    #[test]
    fn signals_that_go_different_ways_are_said_one_by_one() {
        let said = |variables: &[_]| {
            let line = line(None, AllocatorKind::Other, &way(variables));
            line.split_once("growth after 30m, ").unwrap().1.to_owned()
        };
        let elsewhere = ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs/in");
        assert_eq!(
            said(&[elsewhere, ("OTEL_TRACES_SAMPLER", "always_off")]),
            "metrics by OTLP to http://localhost:4318/v1/metrics every 10s, logs by OTLP to http://logs/in, no traces \
             (OTEL_TRACES_SAMPLER)"
        );
        let exporters = ["OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER", "OTEL_TRACES_EXPORTER"];
        assert_eq!(said(&exporters.map(|name| (name, "none"))), "no metrics, no logs, no traces");
        assert_eq!(
            said(&exporters.map(|name| (name, "console"))),
            "metrics to standard output every 10s, logs to standard output, traces to standard output"
        );
    }

    #[test]
    fn the_startup_line_says_limit_allocator_levels_and_target() {
        let limit = Limit { bytes: Bytes::mib(512), source: LimitSource::Cgroup, scope: 1 };
        let target = way(&[]);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            line(Some(limit), AllocatorKind::Jemalloc, &target),
            format!(
                "{version}: limit 512MiB (cgroup), allocator jemalloc, levels 75% 85% 95%, growth after 30m, \
                 OTLP to http://localhost:4318 every 10s"
            )
        );
        assert_eq!(
            line(None, AllocatorKind::Other, &Target::Host),
            format!(
                "{version}: limit none (HIGHWATER_LIMIT sets one; levels in percent are off), \
                 allocator not jemalloc (its numbers are absent), levels 75% 85% 95%, growth after 30m, \
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
                "level critical (limit-1GiB) makes no sense under the limit of 512MiB and is off \
                 (HIGHWATER_LEVEL_CRITICAL sets another)",
            ]
        );
        assert_eq!(findings.of(&under(512, LimitSource::Cgroup)), None);
    }

    #[test]
    fn of_limits_that_bind_in_turn_each_is_said_once_and_again_after_four_others() {
        let levels = Levels::default();
        let mut findings = Findings::new(levels, Some(Bytes::gib(8)));
        let mut said = |mib, scope| {
            let limit = Limit { bytes: Bytes::mib(mib), source: LimitSource::Cgroup, scope };
            findings.of(&Sample { limit: Some(limit), ..Sample::default() }).map(|words| words.len())
        };
        assert_eq!([said(512, 1), said(1024, 2)], [Some(1), Some(1)]);
        for _ in 0..100 {
            assert_eq!([said(512, 1), said(1024, 2)], [None, None]);
        }
        assert_eq!([said(512, 2), said(1024, 1)], [Some(1), Some(1)], "the amount and what it is set on");
        assert_eq!([said(512, 1), said(1024, 2)], [None, None], "all four are remembered");
        assert_eq!([said(2048, 1), said(512, 2)], [Some(1), Some(1)], "it was in force the longest ago");
        assert_eq!([said(512, 1), said(1024, 2)], [None, None]);
    }
}
