//! The agent: what a service holds.

use std::fmt;
use std::mem;
use std::sync::mpsc::{RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};
use std::time::Duration;

use highwater_model::{Refusal, Sample, SinceStart};
use highwater_sources::{Options, PerProcess, Region, Sources, Stop};

use crate::builder::Builder;
use crate::capture::{Capture, CaptureError, Reply};
use crate::config::{self, Config};
use crate::delivery::DeliveryReport;
use crate::event::Event;
use crate::finished::Finished;
use crate::observer::{About, Observer};
use crate::outlet::Subscriptions;
use crate::pressure::Pressure;
use crate::prometheus::Exposition;
use crate::shared::Shared;
use crate::status::Status;
use crate::watch::REFRESH;

/// The agent of this process. Clones are handles of the same agent; when the last is dropped, it shuts down and waits up
/// to one second for what is still to be delivered.
///
/// # After a fork
///
/// A child has none of its parent's threads: what it inherits is an agent that does not run there. It knows nothing
/// ([`status`](Self::status)), reads the child itself ([`sample`](Self::sample)), hears no events, and has nothing to
/// deliver: [`shutdown`](Self::shutdown) and drop return at once. Its page for Prometheus is empty. None of this waits for
/// a lock, which a thread of the parent may have held at the fork, and nothing is sent twice. [`crate::start`] in the child
/// starts an agent of the child's own, with a `service.instance.id` of its own unless the environment names one for all. So
/// a server that forks its workers calls it in each of them. A region counts on in both, as its memory is mapped in both.
#[derive(Clone)]
#[must_use = "the agent stops when its last handle is dropped: keep it in a variable of main"]
pub struct Agent(Arc<Inner>);

/// All that the handles share.
struct Inner {
    shared: Arc<Shared>,
    options: Options,
    about: Arc<About>,
    subscriptions: Subscriptions,
    /// Opened by the first reading on demand: the watch thread has its own.
    on_demand: PerProcess<Mutex<OnDemand>>,
    threads: Mutex<Option<Threads>>,
    /// `HIGHWATER_DISABLED`: it never has threads, and is the agent of this process all the same.
    disabled: bool,
}

/// The sources of readings on demand.
struct OnDemand {
    sources: Sources,
    /// When limits and cgroups were last looked at.
    refreshed: SinceStart,
}

/// The agent's threads.
#[derive(Debug)]
pub(crate) struct Threads {
    /// Dropping it stops the watch thread, and with that all others. `None` once the agent was shut down.
    pub(crate) stop: Option<Stop>,
    pub(crate) finished: Finished,
    /// Those that run callbacks and actions: a shutdown from there cannot wait for itself.
    pub(crate) of_host: Vec<ThreadId>,
    /// Where heap profiles are asked for, where there are any.
    pub(crate) ask: Option<SyncSender<Reply>>,
}

/// The agent of this process, for as long as it runs.
static RUNNING: PerProcess<Mutex<Weak<Inner>>> = PerProcess::new();

impl Agent {
    /// A builder with the settings of the environment.
    pub fn builder() -> Builder {
        Builder::from_environment()
    }

    /// Reads all sources now, on the calling thread: about 20 microseconds with one jemalloc arena, 60 with eight.
    ///
    /// It does not judge and does not publish. Two callers take turns. Where the last call is ten seconds ago or more, limits
    /// and cgroups are looked at anew, for about 20 microseconds more.
    pub fn sample(&self) -> Sample {
        let now = self.0.shared.clock.now();
        let open = || Sources::open(self.0.options.clone(), Arc::clone(&self.0.shared.regions));
        let on_demand = self.0.on_demand.get_or_make(|| Mutex::new(OnDemand { sources: open(), refreshed: now }));
        let mut on_demand = on_demand.lock().unwrap_or_else(PoisonError::into_inner);
        let OnDemand { sources, refreshed } = &mut *on_demand;
        if now.since(*refreshed) >= REFRESH {
            sources.refresh();
            *refreshed = now;
        }
        sources.sample(now)
    }

    /// How things stand as of the last sample that was judged. One lock for the time of a copy.
    pub fn status(&self) -> Status {
        Status::of(&self.0.shared, &self.0.about)
    }

    /// What became of what the agent sent. One lock for the time of a copy.
    pub fn delivery(&self) -> DeliveryReport {
        self.observer().delivery()
    }

    /// A handle for who looks on, which does not keep the agent running.
    pub fn observer(&self) -> Observer {
        let Inner { shared, about, subscriptions, .. } = &*self.0;
        Observer { shared: Arc::clone(shared), about: Arc::clone(about), subscriptions: subscriptions.clone() }
    }

    /// The region called `name`, to account for memory outside the allocator: mappings, staging buffers, C libraries.
    ///
    /// The same name gives the same region. The first 16 names become series of `highwater.region.usage`; all count in
    /// `highwater.memory.external`. A region's operations are single atomics.
    ///
    /// ```
    /// # use highwater::{Agent, Bytes};
    /// # fn example(agent: &Agent) {
    /// let staging = agent.region("gpu-staging");
    /// staging.add(Bytes::mib(64));
    /// # }
    /// ```
    pub fn region(&self, name: &str) -> Region {
        self.0.shared.regions.region(name)
    }

    /// The metrics that are exported (`HIGHWATER_METRICS`) as a page for Prometheus to scrape, of the last sample that was
    /// judged; it reads nothing anew. Whether they also go out by OTLP makes no difference.
    ///
    /// Names, labels and types are those that Prometheus gives to them where they come by OTLP; `target_info` has the
    /// resource. Numbers that are unknown are absent; where no sample is younger than 30 seconds, all are. One lock for the
    /// time of a copy, as in [`status`](Self::status), and the text.
    ///
    /// ```
    /// use highwater::{Agent, Exposition};
    ///
    /// /// What `GET /metrics` answers: the content type and the body.
    /// fn metrics(agent: &Agent, accept: &str) -> (&'static str, String) {
    ///     let format = Exposition::from_accept(accept);
    ///     (format.content_type(), agent.render_prometheus(format))
    /// }
    /// ```
    pub fn render_prometheus(&self, format: Exposition) -> String {
        self.observer().render_prometheus(format)
    }

    /// Calls `callback` with each event from now on, on the agent's own thread for that.
    ///
    /// A callback may take its time: it delays other callbacks and the service's log, never sampling, judgement or what the
    /// agent sends itself. One that panics is not called again. One that holds a handle of the agent keeps it running until
    /// [`shutdown`](Self::shutdown), which drops all callbacks.
    pub fn on_event(&self, callback: impl FnMut(&Event) + Send + 'static) {
        if self.0.shared.process.is_current() {
            drop(self.0.subscriptions.add(callback));
        }
    }

    /// How near its limit the process is, for code that acts on it: load shedding, caches, batch sizes. A handle that is
    /// cheap to ask and can be kept anywhere; it does not keep the agent running.
    pub fn pressure(&self) -> Pressure {
        Pressure::of(&self.0.shared.pressure)
    }

    /// Takes a heap profile now, with feature `heap-profile`, and waits for it up to `deadline`.
    ///
    /// On the agent's own thread for that: some 10 ms where a service has a few thousand stacks, of which others that
    /// allocate wait for the part that jemalloc takes. It is told as an event, too, and written as a file where there is a
    /// [folder](Builder::profile_folder); it takes nothing from what episodes may take.
    ///
    /// # Errors
    ///
    /// Where there are no heap profiles here, or too little is left below the limit to take one; within 2 s of another;
    /// after the deadline; and where no agent runs.
    pub fn capture(&self, deadline: Duration) -> Result<Arc<Capture>, CaptureError> {
        if !self.0.shared.process.is_current() {
            return Err(CaptureError::Ended);
        }
        let (reply, answer) = Reply::expected();
        {
            let threads = self.0.threads.lock().unwrap_or_else(PoisonError::into_inner);
            let running = threads.as_ref().filter(|threads| threads.stop.is_some()).ok_or(CaptureError::Ended)?;
            let refused = |reason, why: String| CaptureError::Refused { reason, why };
            let unavailable = || match config::missing_for_profiles() {
                // Nothing is said of that at the start: a service need not want any.
                Some(missing) => format!("it {missing}"),
                None => "none can be taken here, as was said at the start".to_owned(),
            };
            let ask = running.ask.as_ref().ok_or_else(|| refused(Refusal::Unavailable, unavailable()))?;
            ask.try_send(reply).map_err(|_| refused(Refusal::Busy, "too many wait for one".to_owned()))?;
        }
        answer.recv_timeout(deadline).map_err(|error| match error {
            RecvTimeoutError::Timeout => CaptureError::Late,
            RecvTimeoutError::Disconnected => CaptureError::Ended,
        })?
    }

    /// Stops the agent: an open episode is ended as ended by shutdown, and what waits is delivered.
    ///
    /// Returns whether all of it was handed over within `deadline`; it never blocks longer. Later calls wait for the same,
    /// each with its own deadline. An action that runs is waited for, too. Readings on demand go on. Safe to call from
    /// async code, which it blocks no longer than `deadline`, and from a callback, where it does not wait, since it would
    /// wait for itself.
    pub fn shutdown(&self, deadline: Duration) -> bool {
        self.0.shut_down(deadline)
    }

    /// An agent that gives readings on demand and does nothing else.
    pub(crate) fn inert(shared: Arc<Shared>, options: Options, config: &Config) -> Self {
        Self(Arc::new(Inner::without_threads(shared, options, config, false)))
    }

    /// The same, as the agent of this process.
    pub(crate) fn disabled(shared: Arc<Shared>, options: Options, config: &Config) -> Self {
        Self(Arc::new(Inner::without_threads(shared, options, config, true)))
    }

    /// The agent whose threads these are.
    pub(crate) fn running_with(
        shared: Arc<Shared>,
        options: Options,
        about: About,
        subscriptions: Subscriptions,
        threads: Threads,
    ) -> Self {
        let (on_demand, threads) = (PerProcess::new(), Mutex::new(Some(threads)));
        let about = Arc::new(about);
        Self(Arc::new(Inner { shared, options, about, subscriptions, on_demand, threads, disabled: false }))
    }

    /// The agent that runs in this process.
    pub(crate) fn running() -> Option<Self> {
        let running = lock_running();
        running.upgrade().map(Self).filter(|agent| agent.0.runs())
    }

    /// Runs `start` unless an agent runs already, which is the error then.
    pub(crate) fn start_first<E>(start: impl FnOnce() -> Result<Self, E>) -> Result<Result<Self, E>, Self> {
        let mut running = lock_running();
        if let Some(agent) = running.upgrade().map(Self).filter(|agent| agent.0.runs()) {
            return Err(agent);
        }
        let started = start();
        if let Ok(agent) = &started {
            *running = Arc::downgrade(&agent.0);
        }
        Ok(started)
    }
}

impl Inner {
    fn without_threads(shared: Arc<Shared>, options: Options, config: &Config, disabled: bool) -> Self {
        let allocator = Sources::open(options.clone(), Arc::clone(&shared.regions)).allocator();
        // Nobody judges.
        shared.pressure.end();
        Self {
            shared,
            options,
            about: Arc::new(About::without_threads(config, allocator)),
            subscriptions: Subscriptions::closed(),
            on_demand: PerProcess::new(),
            threads: Mutex::new(None),
            disabled,
        }
    }

    fn runs(&self) -> bool {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        self.disabled || threads.as_ref().is_some_and(|threads| threads.stop.is_some())
    }

    fn shut_down(&self, deadline: Duration) -> bool {
        if !self.shared.process.is_current() {
            return true;
        }
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Threads { stop, finished, of_host, ask }) = &mut *threads else { return true };
        drop((stop.take(), ask.take()));
        let finished = finished.clone();
        let is_of_host = of_host.contains(&thread::current().id());
        drop(threads);
        // What waits for a level is woken by the thread that tells, where that does not hang; in any case at the end.
        self.shared.pressure.end();
        let deadline = if is_of_host { Duration::ZERO } else { deadline };
        let ended = finished.wait(deadline);
        self.shared.pressure.wake();
        ended
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shut_down(Duration::from_secs(1));
        if !self.shared.process.is_current() {
            // To drop a channel is to lock it, and a thread of the parent's may have held it at the fork.
            mem::forget(self.threads.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

fn lock_running() -> MutexGuard<'static, Weak<Inner>> {
    RUNNING.get_or_make(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("status", &self.status()).finish_non_exhaustive()
    }
}
