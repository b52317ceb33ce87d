//! The builder: settings from code over those of the environment, and the start.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use highwater_model::{Bytes, Holds, Judge, Level, Threshold, TrailingPeak};

use crate::agent::{Agent, Threads};
use crate::config::{Config, ConfigError};
use crate::event::{Event, Severity};
use crate::latest::Snapshot;
use crate::otel;
use crate::outlet::{Callbacks, Log, Outlet, Queue, Subscriptions};
use crate::shared::Shared;
use crate::startup;
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
        let (config, errors) = Config::from_environment();
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
        self.config.limit = Some(limit);
        self
    }

    /// A limit for where there is no other, neither configured nor of a cgroup.
    pub fn fallback_limit(mut self, limit: Bytes) -> Self {
        self.fallback_limit = Some(limit);
        self
    }

    /// Where a level begins (`HIGHWATER_LEVEL_ELEVATED`, `_HIGH`, `_CRITICAL`); by default at 75 %, 85 % and 95 % of the
    /// limit. Normal has no beginning.
    pub fn level(mut self, level: Level, begins: Threshold) -> Self {
        self.config.set_threshold(level, begins);
        self
    }

    /// How long a level must be exceeded before it is entered, and left before it is over (`HIGHWATER_HOLD_*`).
    pub fn holds(mut self, holds: Holds) -> Self {
        self.config.holds = holds;
        self
    }

    /// Which metrics are sent (`HIGHWATER_METRICS`): `core` or `all`, then `,+name` and `,-name`. A text that names no
    /// metric is an error of [`start`](Self::start).
    pub fn metrics(mut self, selection: &str) -> Self {
        let read = self.config.set_metrics(selection);
        self.check("metrics", selection, read)
    }

    /// The collector's OTLP/HTTP address (`OTEL_EXPORTER_OTLP_ENDPOINT`), such as `http://localhost:4318`. One that is none
    /// is an error of [`start`](Self::start).
    pub fn endpoint(mut self, endpoint: &str) -> Self {
        let read = self.config.set_endpoint(endpoint);
        self.check("endpoint", endpoint, read)
    }

    /// The time between two exports of metrics (`OTEL_METRIC_EXPORT_INTERVAL`), 100 ms to 1 h; 10 s by default.
    pub fn interval(mut self, interval: Duration) -> Self {
        let read = self.config.set_interval(interval);
        self.check("interval", &humantime::format_duration(interval).to_string(), read)
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
        self.errors.extend(self.config.levels().err());
        if !self.errors.is_empty() {
            return Err(StartError::Config(self.errors));
        }
        Agent::start_first(|| self.launch()).unwrap_or(Err(StartError::AlreadyRunning))
    }

    /// Starts the agent whatever comes: a setting that cannot be used is said once, and its default is taken.
    pub(crate) fn start_anyway(mut self) -> Agent {
        for error in std::mem::take(&mut self.errors) {
            voice::say(Severity::Warn, &format!("{error}; the default is taken"));
        }
        match Agent::start_first(|| self.launch()) {
            Ok(Ok(agent)) | Err(agent) => agent,
            Ok(Err(error)) => {
                voice::say(Severity::Error, &format!("the agent does not run, readings on demand do: {error}"));
                Agent::inert(&Shared::new(), Config::default().limit, Subscriptions::default())
            }
        }
    }

    /// Keeps what is wrong with a setting for `start` to return.
    fn check(mut self, key: &'static str, value: &str, read: Result<(), String>) -> Self {
        self.errors.extend(read.err().map(|remedy| ConfigError { key, value: value.to_owned(), remedy }));
        self
    }

    /// Opens the sources, then the threads from the wire inwards: each thread has somewhere to hand over when it starts.
    fn launch(self) -> Result<Agent, StartError> {
        let Self { config, fallback_limit, subscriptions, host, .. } = self;
        let shared = Shared::new();
        if config.disabled {
            return Ok(Agent::inert(&shared, config.limit, subscriptions));
        }
        let levels = config.levels().map_err(|error| StartError::Config(vec![error]))?;
        let (options, sources, first) = startup::open_sources(config.limit, fallback_limit, &shared);

        // Nothing is ever sent by it: it ends when both threads that tell have dropped their ends.
        let (finished, done) = sync_channel::<()>(0);
        let exits = otel::exits(host, &config, &shared);
        let log: Box<dyn Outlet> = Box::new(Log);
        let callbacks: Box<dyn Outlet> = Box::new(Callbacks::new(subscriptions.clone()));
        let hosts = exits.host.into_iter().chain([log, callbacks]).collect();
        let tell = Queue::spawn("highwater-tell", hosts, finished.clone()).map_err(StartError::Thread)?;
        let send = match exits.own {
            Some(connect) => {
                let pipeline = connect(&tell).map_err(StartError::Pipeline)?;
                Some(Queue::spawn("highwater-send", vec![pipeline], finished).map_err(StartError::Thread)?)
            }
            None => None,
        };
        let allocator = sources.allocator();
        startup::say(&tell, &options, &first, allocator, &levels, &exits.target);

        let (stop, stopped) = sync_channel(0);
        let watch = Watch {
            availability: sources.availability(),
            sources,
            judge: Judge::new(levels, config.holds),
            peak: TrailingPeak::new(config.interval),
            shared: Arc::clone(&shared),
            outlets: Outlets { send, tell, own_ids: exits.own_ids },
            snapshot: Snapshot::default(),
            stop: stopped,
        };
        let thread = thread::Builder::new().name("highwater-watch".to_owned());
        thread.spawn(move || watch.run()).map_err(StartError::Thread)?;
        Ok(Agent::running_with(shared, options, allocator, subscriptions, Threads { stop, done }))
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
