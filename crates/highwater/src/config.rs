//! What the agent is told before it starts, from the environment and from code.
//!
//! Code wins over the environment, as in OpenTelemetry's own SDKs. A value that cannot be used is an error with its key,
//! its value and the remedy: the builder returns it, [`crate::start`] says it once and goes on with that key's default.
//!
//! | module | idea |
//! |---|---|
//! | `environment` | the table of all variables, and of those that have no effect here |
//! | `otlp` | what exporters are told, for all signals and for one, and the routes that come of it |
//! | `route` | the way of one signal, settled |
//! | `endpoint`, `headers` | an address; what is sent with each request, and never shown |
//! | `page` | what the live page is told |
//! | `pem` | files with certificates and keys (feature `tls`) |
//! | `text` | what texts mean: durations, pairs |

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use highwater_model::{Bytes, Holds, Level, Levels, Pace, Percent, Threshold, Windows};

use crate::signal::{Signal, Signals};
use crate::telemetry::Selection;

use endpoint::Endpoint;
use headers::Headers;
use otlp::Exports;

pub(crate) use environment::*;
pub use page::{Page, PageAddress, PageToken, hosts as page_hosts, url as page_url};
pub use route::Protocol;
#[cfg(feature = "otlp")]
pub(crate) use route::Tls;
pub(crate) use route::{Exporter, Route};

mod endpoint;
mod environment;
mod headers;
mod otlp;
mod page;
#[cfg_attr(not(feature = "tls"), path = "config/pem_disabled.rs")]
pub(crate) mod pem;
mod route;
mod text;

/// All settings, each with its default.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// No threads, nothing sent: readings on demand only.
    pub(crate) disabled: bool,
    /// Nothing sent; sampling, judgement and callbacks go on.
    pub(crate) sdk_disabled: bool,
    pub(crate) limit: Option<Bytes>,
    /// Where elevated, high and critical begin.
    pub(crate) thresholds: [Threshold; 3],
    pub(crate) holds: Holds,
    /// How far back growth is looked for.
    pub(crate) growth: Windows,
    pub(crate) metrics: Selection,
    pub(crate) events: EventsTo,
    /// Whether the span of an episode repeats its events.
    pub(crate) span_events: bool,
    /// Between two lines that say how the memory stands.
    pub(crate) report: Option<Duration>,
    /// Where samples are recorded.
    pub(crate) record: Option<PathBuf>,
    /// The size of a file of the recording.
    pub(crate) record_size: Bytes,
    /// Where heap profiles are written.
    pub(crate) profile_folder: Option<PathBuf>,
    /// How much that folder may hold.
    pub(crate) profile_size: Bytes,
    /// Whether one is taken at the end.
    pub(crate) profile_at_exit: bool,
    /// What asks for one.
    pub(crate) profile_signal: Option<CaptureSignal>,
    /// Where the black box is: a file, or a folder with one for each process.
    pub(crate) black_box: Option<PathBuf>,
    /// The level from which on jemalloc is told to give freed pages back.
    pub(crate) purge: Option<Level>,
    /// What the live page is told, where the program has it.
    pub(crate) page: Page,
    /// What the exporters are told, not yet held against one another.
    exports: Exports,
    /// The way of each signal, as of the last [`Config::settle`].
    pub(crate) routes: Signals<Route>,
    /// Whether episodes send spans at all.
    pub(crate) sampled: bool,
    pub(crate) interval: Duration,
    /// For one export of metrics.
    export_timeout: Duration,
    pub(crate) temporality: Temporality,
    pub(crate) service_name: Option<String>,
    /// In the order of `OTEL_RESOURCE_ATTRIBUTES`, percent-decoded.
    pub(crate) resource: Vec<(String, String)>,
}

impl Default for Config {
    fn default() -> Self {
        let exports = Exports::default();
        let (routes, _) = exports.routes();
        Self {
            disabled: false,
            sdk_disabled: false,
            limit: None,
            thresholds: Levels::default().thresholds(),
            holds: Holds::default(),
            growth: Windows::default(),
            metrics: Selection::default(),
            events: EventsTo { otlp: true, log: true },
            span_events: true,
            report: None,
            record: None,
            record_size: Bytes::mib(16),
            profile_folder: None,
            profile_size: Bytes::mib(128),
            profile_at_exit: false,
            profile_signal: None,
            black_box: None,
            purge: None,
            page: Page::default(),
            exports,
            routes,
            sampled: true,
            // OpenTelemetry's 60 s would let a newcomer think that nothing works.
            interval: Duration::from_secs(10),
            export_timeout: environment::EXPORT,
            temporality: Temporality::Cumulative,
            service_name: None,
            resource: Vec::new(),
        }
    }
}

/// Where events go, beside callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventsTo {
    /// To a collector, as log records.
    pub(crate) otlp: bool,
    /// To the service's own log.
    pub(crate) log: bool,
}

/// A signal that a host leaves to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CaptureSignal {
    User1,
    User2,
}

/// Since when counters count, as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temporality {
    Cumulative,
    Delta,
    LowMemory,
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The environment variable, or the method of the builder.
    pub key: &'static str,
    /// The value as it was given, without what could be a secret: of a header its name alone.
    pub value: String,
    /// What is wrong, and what would be right.
    pub remedy: String,
}

impl ConfigError {
    fn of(key: &'static str, value: &str, remedy: String) -> Self {
        let value = match key {
            _ if key.ends_with("_HEADERS") => Headers::discreet(value),
            _ if key.ends_with("_ENDPOINT") || key == JAEGER_URL => Endpoint::discreet(value),
            PAGE_TOKEN => "***".to_owned(),
            _ => value.to_owned(),
        };
        Self { key, value, remedy }
    }

    /// What becomes of it where the agent starts all the same.
    pub(crate) fn consequence(&self) -> &'static str {
        // Something else must not be trusted in its place, nor the agent be silent about who it is.
        let is_file = self.key.ends_with("CERTIFICATE") || self.key.ends_with("CLIENT_KEY");
        match self.key {
            _ if is_file => "nothing is sent that way until it can be used",
            PAGE_TOKEN => "there is no page until it can be used",
            _ => "the default is taken",
        }
    }

    /// Whether only the agent's own way to the collector needs the setting.
    pub(crate) fn is_of_pipeline(&self) -> bool {
        self.key.starts_with("OTEL_") && !matches!(self.key, SDK_DISABLED | SERVICE_NAME | RESOURCE_ATTRIBUTES)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}: {}", self.key, self.value, self.remedy)
    }
}

impl std::error::Error for ConfigError {}

/// The names of all variables that have an effect.
pub(crate) fn variables() -> impl Iterator<Item = &'static str> {
    let of_exporters = otlp::SETTINGS.iter().flat_map(|setting| setting.names);
    ENVIRONMENT.iter().map(|variable| variable.name).chain(of_exporters)
}

impl Config {
    /// Reads the environment through `get`. What cannot be used is returned beside the settings, which keep their
    /// defaults there. An empty variable is as good as none, as OpenTelemetry has it.
    ///
    /// Each setting by itself: [`Self::settle`] holds them against one another.
    pub(crate) fn read(get: impl Fn(&str) -> Option<OsString>) -> (Self, Vec<ConfigError>) {
        let mut config = Self::default();
        let mut errors = Vec::new();
        for name in variables() {
            let Some(value) = get(name) else { continue };
            let read = match value.to_str().map(str::trim) {
                Some("") => Ok(()),
                Some(text) => config.set(name, text),
                None => {
                    let remedy = "not Unicode: write it in UTF-8".to_owned();
                    if name == PAGE_TOKEN {
                        config.page.token = Some(Err(remedy.clone()));
                    }
                    Err(ConfigError::of(name, &value.to_string_lossy(), remedy))
                }
            };
            errors.extend(read.err());
        }
        (config, errors)
    }

    /// Reads the environment of the process.
    #[expect(clippy::disallowed_methods, reason = "this is the environment's room")]
    pub(crate) fn from_environment() -> (Self, Vec<ConfigError>) {
        Self::read(|name| std::env::var_os(name))
    }

    /// Takes what the variable `name` would say. One that does not exist is an error, too.
    pub(crate) fn set(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        if let Some(variable) = ENVIRONMENT.iter().find(|variable| variable.name == name) {
            return (variable.read)(self, text).map_err(|remedy| ConfigError::of(variable.name, text, remedy));
        }
        let Some((setting, export)) = self.exports.named(name) else {
            let remedy = "not a variable of the agent's: docs/configuration.md lists them".to_owned();
            return Err(ConfigError { key: "set", value: name.to_owned(), remedy });
        };
        let key = setting.names.into_iter().find(|known| *known == name).unwrap_or_default();
        (setting.read)(export, text).map_err(|remedy| ConfigError::of(key, text, remedy))
    }

    /// Forgets what single signals were told under the general variable `name`; returns the names of what it is about.
    pub(crate) fn forget_signals(&mut self, name: &str) -> Vec<&'static str> {
        let Some(setting) = otlp::SETTINGS.iter().find(|setting| setting.names.first() == Some(&name)) else {
            return variables().filter(|known| *known == name).collect();
        };
        Signal::ALL.into_iter().for_each(|signal| (setting.forget)(self.exports.own.of_mut(signal)));
        setting.names.to_vec()
    }

    /// Holds the settings against one another, and makes the routes. What does not fit is an error, and set back.
    pub(crate) fn settle(&mut self) -> Vec<ConfigError> {
        let mut errors = self.settle_levels();
        errors.extend(self.settle_windows());
        let (routes, unfit) = self.exports.routes();
        errors.extend(unfit);
        self.routes = routes;
        let metrics = &mut self.routes.metrics;
        metrics.timeout = metrics.timeout.min(self.export_timeout);
        if !self.events.otlp {
            self.routes.logs.exporter = Exporter::None;
        }
        if !self.sampled {
            self.routes.traces.exporter = Exporter::None;
        }
        // A profile is linked to a span: where those go nowhere, it has nothing to be looked up by. On standard output
        // nobody could read it.
        if self.routes.traces.exporter != Exporter::Otlp {
            self.routes.profiles.exporter = Exporter::None;
        }
        errors
    }

    fn settle_levels(&mut self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let defaults = Levels::default().thresholds();
        if let Some(limit) = self.limit {
            for ((level, begins), default) in Level::RAISED.into_iter().zip(&mut self.thresholds).zip(defaults) {
                let senseless = match *begins {
                    Threshold::Amount(amount) => amount > limit,
                    Threshold::BelowLimit(distance) => distance >= limit,
                    Threshold::Share(_) => false,
                };
                if senseless {
                    let remedy = format!(
                        "makes no sense under the limit of {limit} ({LIMIT}): write a share of it, such as {default}"
                    );
                    errors.push(ConfigError { key: level_variable(level), value: begins.to_string(), remedy });
                    *begins = default;
                }
            }
        }
        // At most all three are set back, and the defaults fit together.
        for _ in Level::RAISED {
            let Err(error) = self.levels() else { break };
            // The fault is that of the one that was given; where both were, of the lower one.
            let is_default = |(level, begins): (Level, Threshold)| {
                Level::RAISED.into_iter().zip(defaults).any(|default| default == (level, begins))
            };
            let (level, begins) = if is_default(error.lower) { error.upper } else { error.lower };
            errors.push(ConfigError {
                key: level_variable(level),
                value: begins.to_string(),
                remedy: error.to_string(),
            });
            for ((known, threshold), default) in Level::RAISED.into_iter().zip(&mut self.thresholds).zip(defaults) {
                if known == level {
                    *threshold = default;
                }
            }
        }
        errors
    }

    /// Windows out of order: all are set back, since none of them is the wrong one.
    fn settle_windows(&mut self) -> Option<ConfigError> {
        let Windows { slow, fast, ramp, .. } = self.growth;
        let (pace, longer) = match () {
            () if ramp >= fast => (Pace::Ramp, Pace::Fast),
            () if fast >= slow => (Pace::Fast, Pace::Slow),
            () => return None,
        };
        let (key, than) = (growth_variable(pace), growth_variable(longer));
        let value = humantime::format_duration(self.growth.of(pace)).to_string();
        let remedy = format!(
            "must be shorter than {than}, which is {}: all three windows are set back",
            humantime::format_duration(self.growth.of(longer))
        );
        let warm_up = std::mem::take(&mut self.growth).warm_up;
        self.growth.warm_up = warm_up;
        Some(ConfigError { key, value, remedy })
    }

    /// The three levels, held against one another.
    pub(crate) fn levels(&self) -> Result<Levels, highwater_model::LevelsError> {
        let [elevated, high, critical] = self.thresholds;
        Levels::try_new(elevated, high, critical)
    }

    pub(crate) fn set_interval(&mut self, interval: Duration) -> Result<(), String> {
        if !(Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&interval) {
            return Err("not an interval from 100 ms to 1 h: write milliseconds, such as 10000".to_owned());
        }
        self.interval = interval;
        Ok(())
    }

    pub(crate) fn set_report(&mut self, every: Duration) -> Result<(), String> {
        if every < Duration::from_millis(100) {
            return Err("a line more often than every 100 ms is not for reading: write 5s, or off".to_owned());
        }
        self.report = Some(text::up_to_a_day(every)?);
        Ok(())
    }

    pub(crate) fn set_record_size(&mut self, size: Bytes) -> Result<(), String> {
        if size < Bytes::kib(64) {
            return Err("too small for a recording: write at least 64KiB".to_owned());
        }
        self.record_size = size;
        Ok(())
    }

    pub(crate) fn set_profile_size(&mut self, size: Bytes) -> Result<(), String> {
        if size < Bytes::mib(1) {
            return Err("too small for heap profiles: write at least 1MiB".to_owned());
        }
        profiles()?;
        self.profile_size = size;
        Ok(())
    }

    pub(crate) fn set_limit(&mut self, limit: Bytes) -> Result<(), String> {
        if limit == Bytes::ZERO {
            return Err("a limit of nothing cannot be kept: write an amount such as 512MiB".to_owned());
        }
        self.limit = Some(limit);
        Ok(())
    }

    /// Sets where one level begins.
    pub(crate) fn set_threshold(&mut self, level: Level, threshold: Threshold) -> Result<(), String> {
        if matches!(threshold, Threshold::Amount(Bytes::ZERO) | Threshold::Share(Percent::ZERO)) {
            return Err("a level of nothing is always exceeded: write a share of the limit, such as 75%".to_owned());
        }
        let raised = Level::RAISED.into_iter().zip(&mut self.thresholds).find(|(raised, _)| *raised == level);
        let (_, begins) = raised.ok_or_else(|| NORMAL.to_owned())?;
        *begins = threshold;
        Ok(())
    }

    /// Sets how long one level must be exceeded before it is entered.
    pub(crate) fn set_hold(&mut self, level: Level, hold: Duration) -> Result<(), String> {
        let hold = text::up_to_a_day(hold)?;
        match level {
            Level::Normal => return Err(NORMAL.to_owned()),
            Level::Elevated => self.holds.elevated = hold,
            Level::High => self.holds.high = hold,
            Level::Critical => self.holds.critical = hold,
        }
        Ok(())
    }

    /// Sets how long use must stay below any level before it is left.
    pub(crate) fn set_hold_leave(&mut self, hold: Duration) -> Result<(), String> {
        let hold = text::up_to_a_day(hold)?;
        (self.holds.leave, self.holds.leave_critical) = (hold, hold);
        Ok(())
    }

    /// Sets how far back one window looks for growth.
    pub(crate) fn set_growth(&mut self, pace: Pace, window: Duration) -> Result<(), String> {
        const SHORTEST: Duration = Duration::from_secs(24);
        if window < SHORTEST {
            return Err("shorter than 24 s: a window has 24 slices, and a slice a sample".to_owned());
        }
        let window = text::up_to_a_day(window)?;
        match pace {
            Pace::Slow => self.growth.slow = window,
            Pace::Fast => self.growth.fast = window,
            Pace::Ramp => self.growth.ramp = window,
        }
        Ok(())
    }

    /// Sets for how long after the start nothing counts as growth.
    pub(crate) fn set_warm_up(&mut self, warm_up: Duration) -> Result<(), String> {
        self.growth.warm_up = text::up_to_a_day(warm_up)?;
        Ok(())
    }

    /// Adds a header to each request, over one of the same name.
    pub(crate) fn set_header(&mut self, name: &str, value: &str) -> Result<(), String> {
        self.exports.headers.set(name, value)
    }

    pub(crate) fn set_certificate(&mut self, file: &Path) {
        self.exports.general.certificate = Some(file.to_owned());
    }

    pub(crate) fn set_client_certificate(&mut self, file: &Path, key: &Path) {
        self.exports.general.client_certificate = Some(file.to_owned());
        self.exports.general.client_key = Some(key.to_owned());
    }
}

impl FromStr for EventsTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const REMEDY: &str = "not where events can go: write otlp, tracing, both with a comma between, or none";
        let mut to = Self { otlp: false, log: false };
        if text == "none" {
            return Ok(to);
        }
        for item in text.split(',').map(str::trim) {
            match item {
                "otlp" => to.otlp = true,
                "tracing" => to.log = true,
                _ => return Err(REMEDY.to_owned()),
            }
        }
        Ok(to)
    }
}

/// Whether there can be heap profiles at all.
pub(crate) fn profiles() -> Result<(), String> {
    missing_for_profiles().map_or(Ok(()), |missing| Err(format!("{missing}, or leave this out")))
}

/// What a build has too little for heap profiles, and what would give it.
pub(crate) fn missing_for_profiles() -> Option<&'static str> {
    (!cfg!(feature = "heap-profile")).then_some("needs highwater's cargo feature `heap-profile`: turn it on")
}

const NORMAL: &str = "normal is not entered but returned to: set elevated, high or critical";

pub(crate) const fn hold_variable(level: Level) -> &'static str {
    match level {
        Level::Normal | Level::Elevated => "HIGHWATER_HOLD_ELEVATED",
        Level::High => "HIGHWATER_HOLD_HIGH",
        Level::Critical => "HIGHWATER_HOLD_CRITICAL",
    }
}

pub(crate) const fn growth_variable(pace: Pace) -> &'static str {
    match pace {
        Pace::Slow => "HIGHWATER_GROWTH_SLOW",
        Pace::Fast => "HIGHWATER_GROWTH_FAST",
        Pace::Ramp => "HIGHWATER_GROWTH_RAMP",
    }
}

pub(crate) const fn level_variable(level: Level) -> &'static str {
    match level {
        Level::Normal | Level::Elevated => "HIGHWATER_LEVEL_ELEVATED",
        Level::High => "HIGHWATER_LEVEL_HIGH",
        Level::Critical => "HIGHWATER_LEVEL_CRITICAL",
    }
}

fn parse<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests;
