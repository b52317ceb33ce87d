//! The builder: settings from code over those of the environment, and the start.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use highwater_model::{Bytes, Judge, Level, Threshold, TrailingPeak};
use highwater_sources::{Availability, Options, Source, Sources};

use crate::agent::{Agent, Threads};
use crate::config::{self, Config, ConfigError};
use crate::event::{Event, Severity};
use crate::finished::Finished;
use crate::latest::Snapshot;
use crate::otel;
use crate::outlet::{Callbacks, Log, Outlet, Queue, Subscriptions};
use crate::shared::Shared;
use crate::startup::{self, Findings};
use crate::voice;
use crate::watch::{Outlets, Watch};

/// Settings for an agent that is not started yet. What is not set here is taken from the environment, else the default.
#[must_use = "a builder does nothing before `start`"]
#[derive(Debug)]
pub struct Builder {
    config: Config,
    errors: Vec<ConfigError>,
    fallback_limit: Option<Bytes>,
    subscriptions: Subscriptions,
    /// What a host passed of its own OpenTelemetry pipeline.
    pub(crate) host: otel::Host,
}

impl Builder {
    pub(crate) fn from_environment() -> Self {
        Self::new(Config::from_environment())
    }

    fn new((config, errors): (Config, Vec<ConfigError>)) -> Self {
        Self {
            config,
            errors,
            fallback_limit: None,
            subscriptions: Subscriptions::default(),
            host: otel::Host::default(),
        }
    }

    /// A limit of your own (`HIGHWATER_LIMIT`). It competes with the cgroup's: the one with less headroom binds.
    pub fn limit(mut self, limit: Bytes) -> Self {
        let set = self.config.set_limit(limit);
        self.over(config::LIMIT, limit, set)
    }

    /// A limit for where there is no other, neither configured nor of a cgroup.
    pub fn fallback_limit(mut self, limit: Bytes) -> Self {
        self.fallback_limit = Some(limit);
        self
    }

    /// Where a level begins (`HIGHWATER_LEVEL_ELEVATED`, `_HIGH`, `_CRITICAL`); by default at 75 %, 85 % and 95 % of the
    /// limit.
    pub fn level(mut self, level: Level, begins: Threshold) -> Self {
        let set = self.config.set_threshold(level, begins);
        self.over(config::level_variable(level), begins, set)
    }

    /// How long a level must be exceeded before it is entered (`HIGHWATER_HOLD_ELEVATED`, `_HIGH`, `_CRITICAL`); by default
    /// 30 s, 10 s and not at all.
    pub fn hold(mut self, level: Level, hold: Duration) -> Self {
        let set = self.config.set_hold(level, hold);
        self.over(config::hold_variable(level), humantime::format_duration(hold), set)
    }

    /// How long use must stay below a level before it is left (`HIGHWATER_HOLD_LEAVE`), for all three; by default 60 s, of
    /// critical 30 s.
    pub fn hold_leave(mut self, hold: Duration) -> Self {
        self.config.set_hold_leave(hold);
        self.over(config::HOLD_LEAVE, humantime::format_duration(hold), Ok(()))
    }

    /// Which metrics are sent (`HIGHWATER_METRICS`): `core` or `all`, then `,+name` and `,-name`. A text that names no
    /// metric is an error of [`start`](Self::start).
    pub fn metrics(mut self, selection: &str) -> Self {
        let set = self.config.set_metrics(selection);
        self.over(config::METRICS, selection, set)
    }

    /// The collector's OTLP/HTTP address (`OTEL_EXPORTER_OTLP_ENDPOINT`), such as `http://localhost:4318`. One that is none
    /// is an error of [`start`](Self::start).
    pub fn endpoint(mut self, endpoint: &str) -> Self {
        let set = self.config.set_endpoint(endpoint);
        self.over(config::ENDPOINT, endpoint, set)
    }

    /// The time between two exports of metrics (`OTEL_METRIC_EXPORT_INTERVAL`), 100 ms to 1 h; 10 s by default.
    pub fn interval(mut self, interval: Duration) -> Self {
        let set = self.config.set_interval(interval);
        self.over(config::EXPORT_INTERVAL, humantime::format_duration(interval), set)
    }

    /// The name of the service (`OTEL_SERVICE_NAME`).
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.config.service_name = Some(name.into());
        self
    }

    /// Calls `callback` with each event; see [`Agent::on_event`].
    pub fn on_event(self, callback: impl FnMut(&Event) + Send + 'static) -> Self {
        self.subscriptions.add(Box::new(callback));
        self
    }

    /// Starts the agent.
    ///
    /// # Errors
    ///
    /// Where a setting of the environment or of code cannot be used, an agent runs already in this process, a thread cannot
    /// be had, or the pipeline to the collector cannot be built. Nothing runs then.
    pub fn start(mut self) -> Result<Agent, StartError> {
        let errors = self.take_errors();
        if !errors.is_empty() {
            return Err(StartError::Config(errors));
        }
        Agent::start_first(|| self.launch(false)).unwrap_or(Err(StartError::AlreadyRunning))
    }

    /// Starts the agent whatever comes: what cannot be used is said once, and its default is taken.
    pub(crate) fn start_anyway(mut self) -> Agent {
        if let Some(running) = Agent::running() {
            return running;
        }
        for error in self.take_errors() {
            voice::say(Severity::Warn, &format!("{error}; the default is taken"));
        }
        let limit = self.config.limit;
        match Agent::start_first(|| self.launch(true)) {
            Ok(Ok(agent)) | Err(agent) => agent,
            Ok(Err(error)) => {
                voice::say(Severity::Error, &format!("the agent does not run, readings on demand do: {error}"));
                Agent::inert(Shared::new(), Options { limit, ..Options::default() })
            }
        }
    }

    /// The errors that matter: none where the agent is disabled, those of the way to the collector where it has one. Levels
    /// that cannot stand together are set back.
    fn take_errors(&mut self) -> Vec<ConfigError> {
        let mut errors = std::mem::take(&mut self.errors);
        if let Err(error) = self.config.levels() {
            errors.retain(|known| known.key != error.key);
            errors.push(error);
            self.config.thresholds = Config::default().thresholds;
        }
        let sends = otel::sends(&self.host, &self.config);
        errors.retain(|error| !self.config.disabled && (sends || !error.is_of_pipeline()));
        errors
    }

    /// Takes a setting from code over that of the environment under `key`, whose error then does not matter.
    fn over(mut self, key: &'static str, value: impl ToString, set: Result<(), String>) -> Self {
        self.errors.retain(|error| error.key != key);
        self.errors.extend(set.err().map(|remedy| ConfigError { key, value: value.to_string(), remedy }));
        self
    }

    /// Opens the sources, then the threads from the wire inwards: each thread has somewhere to hand over when it starts.
    /// Where `anyway`, a pipeline that cannot be built costs what it would send, and nothing else.
    fn launch(self, anyway: bool) -> Result<Agent, StartError> {
        let Self { config, fallback_limit, subscriptions, host, .. } = self;
        let shared = Shared::new();
        let options = Options { limit: config.limit, fallback: fallback_limit, ..Options::default() };
        if config.disabled {
            return Ok(Agent::disabled(shared, options));
        }
        let mut sources = Sources::open(options.clone(), Arc::clone(&shared.regions));
        let first = sources.sample(shared.clock.now());
        let levels = config.levels().map_err(|error| StartError::Config(vec![error]))?;

        let finished = Finished::default();
        let exits = otel::exits(host, &config, &shared);
        let of_host = exits.host.is_some();
        let log: Box<dyn Outlet> = Box::new(Log);
        let callbacks: Box<dyn Outlet> = Box::new(Callbacks::new(subscriptions.clone()));
        let hosts = exits.host.into_iter().chain([log, callbacks]).collect();
        let tell = Queue::spawn("highwater-tell", hosts, finished.wait_for()).map_err(StartError::Thread)?;
        let teller = tell.thread();
        let pipeline = match exits.own.map(|connect| connect(&tell)).transpose() {
            Err(error) if anyway => {
                tell.say(Severity::Error, format!("{}; nothing is sent", StartError::Pipeline(error)));
                None
            }
            built => built.map_err(StartError::Pipeline)?,
        };
        let spawn = |pipeline| Queue::spawn("highwater-send", vec![pipeline], finished.wait_for());
        let send = pipeline.map(spawn).transpose().map_err(StartError::Thread)?;
        let allocator = sources.allocator();
        startup::say(&tell, &first, sources.availability(), allocator, &levels, &exits.target);

        let (stop, stopped) = sync_channel(0);
        let watch = Watch {
            // What cannot be read at the start is told with the first sample.
            availability: Source::ALL.map(|source| (source, Availability::Absent)),
            sources,
            judge: Judge::new(levels, config.holds),
            peak: TrailingPeak::new(config.interval),
            shared: Arc::clone(&shared),
            outlets: Outlets { send, tell, of_host, own_ids: exits.own_ids },
            snapshot: Snapshot::default(),
            findings: Findings::new(levels, options.limit),
            stop: stopped,
        };
        let thread = thread::Builder::new().name("highwater-watch".to_owned());
        thread.spawn(move || watch.run()).map_err(StartError::Thread)?;
        Ok(Agent::running_with(
            shared,
            options,
            allocator,
            subscriptions,
            Threads { stop: Some(stop), finished, teller },
        ))
    }
}

/// How what is told leaves the process.
pub(crate) struct Exits {
    /// A host's own providers, for the thread of what is the host's.
    pub(crate) host: Option<Box<dyn Outlet>>,
    /// The agent's own pipeline, for the send thread; it says its troubles through the queue.
    pub(crate) own: Option<Connect>,
    /// Whether the id of an episode is the agent's to choose, or a host's tracer's.
    pub(crate) own_ids: bool,
    pub(crate) target: startup::Target,
}

pub(crate) type Connect = Box<dyn FnOnce(&Queue) -> Result<Box<dyn Outlet>, Box<dyn Error + Send + Sync>>>;

/// Why an agent was not started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// Settings that cannot be used, each with its key, its value and the remedy.
    Config(Vec<ConfigError>),
    /// An agent runs in this process already: [`crate::start`] gives a handle of it.
    AlreadyRunning,
    /// A thread could not be had.
    Thread(io::Error),
    /// The pipeline to the collector could not be built.
    Pipeline(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(errors) => {
                for (index, error) in errors.iter().enumerate() {
                    write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            Self::AlreadyRunning => {
                f.write_str("an agent runs in this process already: highwater::start() gives a handle of it")
            }
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
            Self::Pipeline(error) => write!(f, "cannot build the pipeline to the collector: {error}"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Config(_) | Self::AlreadyRunning => None,
            Self::Thread(error) => Some(error),
            Self::Pipeline(error) => Some(error.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn from(environment: &[(&str, &str)]) -> Builder {
        let get = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        Builder::new(Config::read(get))
    }

    fn keys(mut builder: Builder) -> Vec<&'static str> {
        builder.take_errors().iter().map(|error| error.key).collect()
    }

    const WRONG: [(&str, &str); 4] = [
        ("HIGHWATER_LIMIT", "much"),
        ("HIGHWATER_LEVEL_HIGH", "93%"),
        ("HIGHWATER_HOLD_HIGH", "soon"),
        ("HIGHWATER_METRICS", "most"),
    ];

    #[test]
    fn what_is_wrong_in_the_environment_is_an_error() {
        let all = ["HIGHWATER_LIMIT", "HIGHWATER_HOLD_HIGH", "HIGHWATER_METRICS", "HIGHWATER_LEVEL_HIGH"];
        assert_eq!(keys(from(&WRONG)), all);
    }

    #[test]
    fn code_wins_over_what_the_environment_has_wrong() {
        let builder = from(&WRONG)
            .limit(Bytes::mib(64))
            .level(Level::High, Threshold::Amount(Bytes::mib(32)))
            .hold(Level::High, Duration::ZERO)
            .metrics("all");
        assert_eq!(keys(builder), [""; 0]);
    }

    #[test]
    fn nothing_is_wrong_for_a_disabled_agent() {
        let disabled = [WRONG[0], ("HIGHWATER_DISABLED", "true")];
        assert_eq!(keys(from(&disabled)), [""; 0]);
    }

    #[cfg(feature = "otlp")]
    #[test]
    fn only_the_agent_s_own_pipeline_needs_an_endpoint() {
        let tls = [("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318")];
        assert_eq!(keys(from(&tls)), ["OTEL_EXPORTER_OTLP_ENDPOINT"]);
        let provider = opentelemetry_sdk::metrics::SdkMeterProvider::builder().build();
        assert_eq!(keys(from(&tls).meter_provider(&provider)), [""; 0]);
        assert_eq!(keys(from(&tls).endpoint("http://localhost:4318")), [""; 0]);
        assert_eq!(keys(from(&[tls[0], ("OTEL_SDK_DISABLED", "true")])), [""; 0]);
    }

    #[test]
    fn what_is_wrong_in_code_is_an_error_under_the_same_keys() {
        let builder = from(&[])
            .limit(Bytes::ZERO)
            .level(Level::Normal, Threshold::Amount(Bytes::mib(1)))
            .metrics("most")
            .endpoint("collector:4318")
            .interval(Duration::ZERO);
        let expected = ["HIGHWATER_LIMIT", "HIGHWATER_LEVEL_ELEVATED", "HIGHWATER_METRICS"];
        let keys = keys(builder);
        assert_eq!(keys.get(..3), Some(&expected[..]));
        assert_eq!(keys.len(), if cfg!(feature = "otlp") { 5 } else { 3 });
    }
}
