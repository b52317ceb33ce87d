//! The builder: settings from code over those of the environment, and the start.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use highwater_model::{Bytes, Judge, Level, Pace, Rules, Schedule, Threshold, TrailingPeak};
use highwater_sources::{Availability, Options, Source, Sources, waiter};

use crate::act::{self, Action, Planned, Purge};
use crate::agent::{Agent, Threads};
use crate::black_box::{self, Recorder, Run, Surroundings};
use crate::capture;
use crate::config::{self, Config, ConfigError, Protocol};
use crate::delivery::Target;
use crate::event::{Event, Severity};
use crate::finished::Finished;
use crate::identity::uuid;
use crate::latest::Snapshot;
use crate::observer::About;
use crate::otel;
use crate::outlet::{Callbacks, Handed, Log, Outlet, Queue, Silent, Subscriptions};
use crate::pressure::{Publisher, Wakes};
use crate::prometheus::Exposed;
use crate::record::Recording;
use crate::report::Report;
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
    actions: Vec<Planned>,
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
            actions: Vec::new(),
            host: otel::Host::default(),
        }
    }

    /// Sets what a variable of the environment would set, by its name: each has a row in `docs/configuration.md`. The other
    /// methods are for those that are set most.
    ///
    /// ```
    /// let builder = highwater::Agent::builder().set("OTEL_TRACES_EXPORTER", "none");
    /// ```
    ///
    /// What is set for all signals holds for each of them, whatever the environment says of one.
    pub fn set(mut self, variable: &str, value: &str) -> Self {
        let keys = self.config.forget_signals(variable);
        let set = self.config.set(variable, value.trim());
        self.over(&keys, set)
    }

    /// A limit of your own (`HIGHWATER_LIMIT`). It competes with the cgroup's: the one with less headroom binds.
    pub fn limit(mut self, limit: Bytes) -> Self {
        let set = self.config.set_limit(limit);
        self.over_one(config::LIMIT, limit, set)
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
        self.over_one(config::level_variable(level), begins, set)
    }

    /// How long a level must be exceeded before it is entered (`HIGHWATER_HOLD_ELEVATED`, `_HIGH`, `_CRITICAL`); by default
    /// 30 s, 10 s and not at all. Up to a day.
    pub fn hold(mut self, level: Level, hold: Duration) -> Self {
        let set = self.config.set_hold(level, hold);
        self.over_one(config::hold_variable(level), humantime::format_duration(hold), set)
    }

    /// How long use must stay below a level before it is left (`HIGHWATER_HOLD_LEAVE`), for all three; by default 60 s, of
    /// critical 30 s. Up to a day.
    pub fn hold_leave(mut self, hold: Duration) -> Self {
        let set = self.config.set_hold_leave(hold);
        self.over_one(config::HOLD_LEAVE, humantime::format_duration(hold), set)
    }

    /// How far back one window looks for growth (`HIGHWATER_GROWTH_SLOW`, `_FAST`, `_RAMP`), 24 s to a day; by default 6 h,
    /// 1 h and 20 min. Each must be shorter than the one before.
    pub fn growth_window(mut self, pace: Pace, window: Duration) -> Self {
        let set = self.config.set_growth(pace, window);
        self.over_one(config::growth_variable(pace), humantime::format_duration(window), set)
    }

    /// For how long after the start nothing counts as growth (`HIGHWATER_GROWTH_WARM_UP`), up to a day; by default 30 min.
    pub fn growth_warm_up(mut self, warm_up: Duration) -> Self {
        let set = self.config.set_warm_up(warm_up);
        self.over_one(config::WARM_UP, humantime::format_duration(warm_up), set)
    }

    /// Which metrics are sent (`HIGHWATER_METRICS`): `core` or `all`, then `,+name` and `,-name`. A text that names no
    /// metric is an error of [`start`](Self::start).
    pub fn metrics(self, selection: &str) -> Self {
        self.set(config::METRICS, selection)
    }

    /// Where events go (`HIGHWATER_EVENTS`), beside callbacks: `otlp`, `tracing`, both with a comma between, or `none`. By
    /// default both.
    pub fn events(self, to: &str) -> Self {
        self.set(config::EVENTS, to)
    }

    /// Whether the span of an episode repeats its events (`HIGHWATER_SPAN_EVENTS`); by default it does.
    pub fn span_events(self, on: bool) -> Self {
        self.set(config::SPAN_EVENTS, if on { "on" } else { "off" })
    }

    /// How often one line in the log says how the memory stands (`HIGHWATER_REPORT`), 100 ms to a day; by default never.
    pub fn report(mut self, every: Duration) -> Self {
        let set = self.config.set_report(every);
        self.over_one(config::REPORT, humantime::format_duration(every), set)
    }

    /// A file into which every sample is written as a row, for `highwater replay` (`HIGHWATER_RECORD`); by default none. At
    /// most two files of 16 MiB each, or of `HIGHWATER_RECORD_SIZE`: this one, and one with `.1` at its end.
    pub fn record(mut self, path: impl AsRef<Path>) -> Self {
        self.config.record = Some(path.as_ref().to_owned());
        self.over(&[config::RECORD], Ok(()))
    }

    /// A folder for heap profiles, in pprof's format (`HIGHWATER_PROFILE_DIR`), with feature `heap-profile`; by default none,
    /// and the places that hold most are told all the same. It is made where it is not there, and holds at most 128 MiB, or
    /// `HIGHWATER_PROFILE_SIZE`: of an episode the first profile, the last three and the largest. One for each instance: all
    /// that share one share its size, and the budget of captures, which is counted by the files.
    pub fn profile_folder(self, folder: impl AsRef<Path>) -> Self {
        let mut builder = self;
        builder.config.profile_folder = Some(folder.as_ref().to_owned());
        let set = config::profiles();
        builder.over_one(config::PROFILE_DIR, folder.as_ref().display(), set)
    }

    /// Whether one more heap profile is taken when the agent ends (`HIGHWATER_PROFILE_AT_EXIT`), as Node.js does with
    /// `--heap-prof`; by default not.
    pub fn profile_at_exit(self, on: bool) -> Self {
        self.set(config::PROFILE_AT_EXIT, if on { "true" } else { "false" })
    }

    /// A file that survives the process with its last minutes, so that the next start tells how it ended
    /// (`HIGHWATER_BLACK_BOX`); by default none. 76 KiB, on a volume that outlives the process. A path that ends with `/`, or a
    /// folder that exists, holds one for each process, and at most 32 of those that are over.
    pub fn black_box(mut self, path: impl AsRef<Path>) -> Self {
        self.config.black_box = Some(path.as_ref().to_owned());
        self.over(&[config::BLACK_BOX], Ok(()))
    }

    /// The collector's address (`OTEL_EXPORTER_OTLP_ENDPOINT`), such as `http://localhost:4318`. One that is none is an
    /// error of [`start`](Self::start).
    pub fn endpoint(self, endpoint: &str) -> Self {
        self.set(config::ENDPOINT, endpoint)
    }

    /// What OTLP goes by (`OTEL_EXPORTER_OTLP_PROTOCOL`); by default protobuf over HTTP.
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.set(config::PROTOCOL, protocol.as_str())
    }

    /// Adds a header to each request, beside those of `OTEL_EXPORTER_OTLP_HEADERS` and over one of the same name. Its value
    /// is never shown.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let set = self.config.set_header(name, value);
        let error = set.map_err(|remedy| ConfigError { key: config::HEADERS, value: format!("{name}=***"), remedy });
        self.errors.extend(error.err());
        self
    }

    /// How long a request may take (`OTEL_EXPORTER_OTLP_TIMEOUT`), up to 1 h; 10 s by default.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(config::TIMEOUT, &timeout.as_millis().max(1).to_string())
    }

    /// Whether requests are compressed (`OTEL_EXPORTER_OTLP_COMPRESSION`), which needs feature `gzip`; by default they are
    /// not.
    pub fn gzip(self, on: bool) -> Self {
        self.set(config::COMPRESSION, if on { "gzip" } else { "none" })
    }

    /// A file in PEM format with what is trusted in place of the usual roots (`OTEL_EXPORTER_OTLP_CERTIFICATE`).
    pub fn certificate(mut self, file: impl AsRef<Path>) -> Self {
        let keys = self.config.forget_signals(config::CERTIFICATE);
        self.config.set_certificate(file.as_ref());
        self.over(&keys, Ok(()))
    }

    /// Files in PEM format with the certificate that the agent shows to the collector, and its key
    /// (`OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`, `_CLIENT_KEY`).
    pub fn client_certificate(mut self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        let mut keys = self.config.forget_signals(config::CLIENT_CERTIFICATE);
        keys.extend(self.config.forget_signals(config::CLIENT_KEY));
        self.config.set_client_certificate(certificate.as_ref(), key.as_ref());
        self.over(&keys, Ok(()))
    }

    /// The time between two exports of metrics (`OTEL_METRIC_EXPORT_INTERVAL`), 100 ms to 1 h; 10 s by default.
    pub fn interval(mut self, interval: Duration) -> Self {
        let set = self.config.set_interval(interval);
        self.over_one(config::EXPORT_INTERVAL, humantime::format_duration(interval), set)
    }

    /// The name of the service (`OTEL_SERVICE_NAME`).
    pub fn service_name(self, name: impl AsRef<str>) -> Self {
        self.set(config::SERVICE_NAME, name.as_ref())
    }

    /// Runs `action` when `level` or one above it is entered, and again while it stays, never more often than every 10 s.
    ///
    /// On a thread of its own, `highwater-act`, one action after the other: those of the host in their order, the purge last;
    /// while the level stays, each when its pause is over. Before and after it the agent reads what is used. One that freed
    /// less than 5 % of that rests twice as long as the last time, up to 5 min, and 10 s again once it frees more; where
    /// another limit binds by then, what it freed is unknown, and it rests as long as the last time. Each run is a line in
    /// the log and a span of the episode's, `action NAME`. One that panics is not called again; one that hangs keeps other
    /// actions from running and nothing else. It is dropped when the agent ends.
    ///
    /// [`Level::Normal`] is an error of [`start`](Self::start): that is where there is nothing to act upon.
    pub fn action(mut self, level: Level, action: impl Action + 'static) -> Self {
        if level == Level::Normal {
            let remedy = "at normal there is nothing to act upon: name elevated, high or critical".to_owned();
            self.errors.push(ConfigError { key: "action", value: action.name().to_owned(), remedy });
        } else {
            self.actions.push(Planned::of_host(level, action));
        }
        self
    }

    /// Has jemalloc give all freed pages back to the system when `level` or one above it is entered, and again while it
    /// stays (`HIGHWATER_PURGE`), as [`action`](Self::action) has it; by default never.
    ///
    /// About 60 ms of the agent's own thread for each GiB that is freed and not given back yet; other threads allocate
    /// meanwhile as ever. Where jemalloc does not serve the program, that is said once and nothing is done.
    pub fn purge(self, level: Level) -> Self {
        self.set(config::PURGE, level.as_str())
    }

    /// Calls `callback` with each event; see [`Agent::on_event`].
    pub fn on_event(self, callback: impl FnMut(&Event) + Send + 'static) -> Self {
        self.subscriptions.add(callback);
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

    /// Starts the agent whatever comes: what cannot be used is said once, and its default is taken. Of a file that says whom to
    /// trust there is none.
    pub(crate) fn start_anyway(mut self) -> Agent {
        if let Some(running) = Agent::running() {
            return running;
        }
        for error in self.take_errors() {
            voice::say(Severity::Warn, &format!("{error}; {}", error.consequence()));
        }
        let config = self.config.clone();
        match Agent::start_first(|| self.launch(true)) {
            Ok(Ok(agent)) | Err(agent) => agent,
            Ok(Err(error)) => {
                voice::say(Severity::Error, &format!("the agent does not run, readings on demand do: {error}"));
                let options = Options { limit: config.limit, ..Options::default() };
                Agent::inert(Shared::new(), options, &config)
            }
        }
    }

    /// The errors that matter: none where the agent is disabled, those of the way to the collector where it has one. What
    /// does not fit together is set back.
    fn take_errors(&mut self) -> Vec<ConfigError> {
        let mut errors = std::mem::take(&mut self.errors);
        let unfit = self.config.settle();
        errors.retain(|error| !unfit.iter().any(|unfit| unfit.key == error.key));
        errors.extend(unfit);
        let sends = otel::sends(&self.host, &self.config);
        errors.retain(|error| !self.config.disabled && (sends || !error.is_of_pipeline()));
        errors
    }

    fn over_one(self, key: &'static str, value: impl ToString, set: Result<(), String>) -> Self {
        let set = set.map_err(|remedy| ConfigError { key, value: value.to_string(), remedy });
        self.over(&[key], set)
    }

    /// Takes a setting from code over those of the environment under `keys`, whose errors then do not matter.
    fn over(mut self, keys: &[&'static str], set: Result<(), ConfigError>) -> Self {
        self.errors.retain(|error| !keys.contains(&error.key));
        self.errors.extend(set.err());
        self
    }

    /// Opens the sources, then the threads from the wire inwards: each thread has somewhere to hand over when it starts.
    /// Where `anyway`, a pipeline that cannot be built costs what it would send, a thread that records or acts and cannot be
    /// had what it would do, and nothing else.
    fn launch(self, anyway: bool) -> Result<Agent, StartError> {
        let Self { config, fallback_limit, subscriptions, mut actions, host, .. } = self;
        let shared = Shared::new();
        let options = Options { limit: config.limit, fallback: fallback_limit, ..Options::default() };
        if config.disabled {
            return Ok(Agent::disabled(shared, options, &config));
        }
        if config.black_box.is_some() {
            // Before any thread of the agent's runs.
            black_box::leave_marks();
        }
        let mut sources = Sources::open(options.clone(), Arc::clone(&shared.regions));
        let first = sources.sample(shared.clock.now());
        // What cannot stand together has been set back.
        let levels = config.levels().unwrap_or_default();

        let finished = Finished::default();
        let exits = otel::exits(host, &config, &shared);
        let to_host = exits.host.is_some();
        let log = config.events.log.then(|| Box::new(Log) as Box<dyn Outlet>);
        let report = config.report.map(|every| Box::new(Report::new(every, &shared)) as Box<dyn Outlet>);
        let callbacks: Box<dyn Outlet> = Box::new(Callbacks::new(subscriptions.clone()));
        // First, since the others may hang.
        let wakes: Box<dyn Outlet> = Box::new(Wakes(Arc::clone(&shared.pressure)));
        // Where the agent sends itself, what it has sent is what counts.
        let handed = exits.own.is_none().then(|| Box::new(Handed) as Box<dyn Outlet>);
        let hosts = [wakes].into_iter().chain(exits.host).chain(log).chain(report).chain([callbacks]);
        let hosts = hosts.chain(handed).collect();
        let tell = Queue::spawn("highwater-tell", hosts, finished.wait_for()).map_err(StartError::Thread)?;
        let pipeline = match exits.own.map(|connect| voice::in_silence(|| connect(&tell))).transpose() {
            Err(error) if anyway => {
                tell.say(Severity::Error, format!("{}; nothing is sent", StartError::Pipeline(error)));
                None
            }
            built => built.map_err(StartError::Pipeline)?,
        };
        let spawn = |pipeline| Queue::spawn("highwater-send", vec![Box::new(Silent(pipeline))], finished.wait_for());
        let send = pipeline.map(spawn).transpose().map_err(StartError::Thread)?;
        // Before those that the agent can do without: where there are few threads, it gets the one that it needs.
        let (begin, begun) = sync_channel::<Watch>(0);
        let thread = thread::Builder::new().name("highwater-watch".to_owned());
        thread.spawn(move || begun.recv().map(Watch::run)).map_err(StartError::Thread)?;

        let spare = |error, lost| {
            let error = StartError::Thread(error);
            if !anyway {
                return Err(error);
            }
            tell.say(Severity::Error, format!("{error}; {lost}"));
            Ok(())
        };
        let record = |path: &PathBuf| Recording::spawn(path, config.record_size, finished.wait_for());
        let recording = config.record.as_ref().map(record).transpose();
        let recording = recording.or_else(|error| spare(error, "nothing is recorded").map(|()| None))?;
        let allocator = sources.allocator();
        let mut rules = Rules::default();
        (rules.levels, rules.holds, rules.growth) = (levels, config.holds, config.growth);
        let line = startup::say(&tell, &first, sources.availability(), allocator, &rules, &exits.target);

        let open = |path: &PathBuf| {
            let run = Run { id: uuid(), config: line, resource: otel::described(&config) };
            let around = Surroundings::of(&first);
            Recorder::spawn(path, run, around, shared.clock, finished.wait_for())
        };
        let black_box = config.black_box.as_ref().map(open).transpose();
        let black_box = black_box.or_else(|error| spare(error, "there is no black box").map(|()| None))?;

        match (config.purge, config.purge.and_then(|_| Purge::resolve())) {
            (Some(level), Some(purge)) => actions.push(Planned::purge(level, purge)),
            (Some(_), None) => tell.say(Severity::Warn, startup::NOTHING_TO_PURGE.to_owned()),
            (None, _) => {}
        }
        let mut of_host = vec![tell.thread()];
        let spawn = |actions| act::spawn(actions, &shared, options.clone(), finished.wait_for());
        let acting = (!actions.is_empty()).then(|| spawn(actions)).transpose();
        let acting = acting.or_else(|error| spare(error, "no action runs, and no purge").map(|()| None))?;
        let actor = acting.map(|(actor, thread)| {
            of_host.push(thread);
            actor
        });

        let profiles = send.as_ref().and_then(|_| otel::Profiles::of(&config));
        let sends_profiles = profiles.is_some();
        let capturing = match capture::open(&config, profiles) {
            Some(Ok(taker)) => {
                if sends_profiles {
                    shared.delivery.begin_profiles();
                }
                taker.findings().into_iter().for_each(|text| tell.say(Severity::Warn, text));
                let done = finished.wait_for();
                let spawned = capture::spawn(taker, &config, &shared, options.clone(), done).map(Some);
                spawned.or_else(|error| spare(error, "no heap profile is taken").map(|()| None))?
            }
            Some(Err(missing)) => {
                tell.say(Severity::Warn, missing);
                None
            }
            None => None,
        };
        let (capturer, ask) = capturing.unzip();
        let about = About {
            allocator,
            levels,
            target: exits.target,
            heap_profiles: ask.is_some(),
            resource: otel::described(&config),
            exposed: Exposed::new(config.metrics.clone(), otel::resource_of(&config)),
            page: config.page,
        };

        let (waiter, stop) = waiter();
        let watch = Watch {
            // What cannot be read at the start is told with the first sample.
            availability: Source::ALL.map(|source| (source, Availability::Absent)),
            sources,
            judge: Judge::new(rules),
            peak: TrailingPeak::new(config.interval),
            pressure: Publisher::new(&shared.pressure),
            actor,
            capturer,
            shared: Arc::clone(&shared),
            outlets: Outlets { send, tell, of_host: to_host, own_ids: exits.own_ids },
            recording,
            black_box,
            snapshot: Snapshot::default(),
            findings: Findings::new(levels, options.limit),
            schedule: Schedule::new(levels),
            waiter,
        };
        // It waits for this, and for nothing else.
        let _ = begin.send(watch);
        Ok(Agent::running_with(
            shared,
            options,
            about,
            subscriptions,
            Threads { stop: Some(stop), finished, of_host, ask },
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
    pub(crate) target: Target,
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
        let wrong = [("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector")];
        assert_eq!(keys(from(&wrong)), ["OTEL_EXPORTER_OTLP_ENDPOINT"]);
        let provider = opentelemetry_sdk::metrics::SdkMeterProvider::builder().build();
        assert_eq!(keys(from(&wrong).meter_provider(&provider)), [""; 0]);
        assert_eq!(keys(from(&wrong).endpoint("http://localhost:4318")), [""; 0]);
        assert_eq!(keys(from(&[wrong[0], ("OTEL_SDK_DISABLED", "true")])), [""; 0]);
    }

    #[test]
    fn what_code_says_of_all_signals_wins_over_what_the_environment_says_of_one() {
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs/"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "nonsense"),
            ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "1"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=environment,x-other=environment"),
        ];
        let builder =
            from(&environment).endpoint("http://code").timeout(Duration::from_secs(3)).header("X-Key", "code");
        let config = settled(builder);
        for (signal, route) in crate::signal::Signal::ALL.into_iter().zip(config.routes.iter()) {
            assert_eq!(route.url, format!("http://code/v1/{}", signal.as_str()));
            assert_eq!(route.timeout, Duration::from_secs(3));
            let headers: Vec<_> = route.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(headers, [("x-other", "environment"), ("x-key", "code")]);
        }
        let of_one = settled(from(&[]).endpoint("http://code").set("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs"));
        assert_eq!(of_one.routes.logs.url, "http://logs/", "what code says later of one signal holds");
    }

    #[test]
    fn each_method_sets_what_its_variable_sets() {
        let by_method = from(&[])
            .metrics("all")
            .events("otlp")
            .span_events(false)
            .report(Duration::from_secs(5))
            .record("/tmp/memory.csv")
            .black_box("/tmp/memory.box")
            .purge(Level::High)
            .endpoint("http://collector:4318")
            .protocol(Protocol::HttpProtobuf)
            .header("x-key", "value")
            .timeout(Duration::from_millis(2500))
            .gzip(false)
            .certificate("/roots.pem")
            .client_certificate("/certificate.pem", "/key.pem")
            .interval(Duration::from_secs(2))
            .hold_leave(Duration::from_secs(7))
            .limit(Bytes::gib(1))
            .service_name("cart");
        let variables = [
            ("HIGHWATER_METRICS", "all"),
            ("HIGHWATER_EVENTS", "otlp"),
            ("HIGHWATER_SPAN_EVENTS", "off"),
            ("HIGHWATER_REPORT", "5s"),
            ("HIGHWATER_RECORD", "/tmp/memory.csv"),
            ("HIGHWATER_BLACK_BOX", "/tmp/memory.box"),
            ("HIGHWATER_PURGE", "high"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/roots.pem"),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/certificate.pem"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key.pem"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "2000"),
            ("HIGHWATER_HOLD_LEAVE", "7s"),
            ("HIGHWATER_LIMIT", "1GiB"),
            ("OTEL_SERVICE_NAME", "cart"),
        ];
        let by_name = variables.into_iter().fold(from(&[]), |builder, (name, value)| builder.set(name, value));
        let (by_method, by_name) = (settled(by_method), settled(by_name.header("x-key", "value")));
        assert_eq!(by_method, by_name);
        assert_eq!(by_method, settled(from(&variables).header("x-key", "value")));
    }

    #[test]
    fn a_variable_that_does_not_exist_is_an_error() {
        let mut builder = from(&[]).set("HIGHWATER_LIMITS", "1GiB");
        let errors = builder.take_errors();
        assert_eq!(
            errors.iter().map(|error| (error.key, error.value.as_str())).collect::<Vec<_>>(),
            [("set", "HIGHWATER_LIMITS")]
        );
    }

    /// The settings of a builder of which nothing is wrong.
    fn settled(mut builder: Builder) -> Config {
        assert_eq!(builder.take_errors(), []);
        builder.config
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
