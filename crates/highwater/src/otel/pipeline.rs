//! The agent's own providers, and their way to the collector.
//!
//! | module | idea |
//! |---|---|
//! | `encoded` | takes from an exporter what it has encoded |
//! | `outbox` | what waits to be sent: its bounds, its order, its pauses |
//! | `dispatch` | sends what the outbox holds, on the send thread |
//! | `courier` | carries one signal's requests, and reports what comes of them |
//! | `wire` | one request to the collector, and its answer |
//!
//! An event's log record and its spans are encoded where they are told, on the send thread, and sent at once, each by
//! itself; what cannot be sent waits in the outbox. Metrics are collected and sent on the SDK's own thread for that; the
//! next export has newer values, so that nothing of them waits. All bounds of the SDK are set: by default each instrument
//! alone would reserve 133 KB.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use highwater_model::{Change, SinceStart};
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig,
    WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLoggerProvider, SimpleLogProcessor};
use opentelemetry_sdk::metrics::{Instrument, PeriodicReader, SdkMeterProvider, Stream, Temporality};
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{IdGenerator, Sampler, SdkTracerProvider, SimpleSpanProcessor, SpanLimits};

use self::courier::Courier;
use self::dispatch::Dispatch;
use self::encoded::Encoded;
use self::outbox::{LONGEST_ASKED_REST, Parcel};
use self::wire::{Answer, Body};
use super::{Telling, instruments, spans};
use crate::act::Acted;
use crate::black_box::{PreviousRun, Receipt, Value};
use crate::builder::{Connect, Exits};
use crate::clock::Clock;
use crate::config::{self, Config, Exporter, Route};
use crate::delivery::DeliveryState;
use crate::delivery::Target;
use crate::event::{Event, Priority, What};
use crate::finished::Finished;
use crate::identity::random;
use crate::outlet::{Outlet, Queue};
use crate::shared::Shared;
use crate::signal::{Signal, Signals};
use crate::startup::Way;
use crate::telemetry::DISTRO;
use crate::voice;

mod courier;
mod dispatch;
mod encoded;
mod outbox;
mod wire;

#[cfg(fuzzing)]
pub(crate) use wire::heard;

/// The view that keeps the agent's instruments small: for hosts that pass a meter provider of the SDK's own.
///
/// Without it the SDK reserves room for 2,000 attribute sets an instrument, 4.4 MB for the core set. It matches the agent's
/// instruments only.
///
/// ```
/// let provider = opentelemetry_sdk::metrics::SdkMeterProvider::builder().with_view(highwater::view()).build();
/// ```
pub fn view() -> impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static {
    /// More than the largest set of attributes that an instrument of ours can have, 16 regions.
    const ATTRIBUTE_SETS: usize = 32;
    |instrument| {
        let ours = instrument.scope().name() == crate::telemetry::SCOPE;
        ours.then(|| Stream::builder().with_cardinality_limit(ATTRIBUTE_SETS).build().ok()).flatten()
    }
}

/// The resource of what is sent, as texts.
pub(crate) fn resource_of(config: &Config) -> Vec<(String, String)> {
    let resource = resource(super::resource::attributes(config));
    resource.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// Sends by the agent's own pipeline.
pub(super) fn exits(config: &Config, shared: &Arc<Shared>) -> Exits {
    let target = Target::Own(Way(config).to_string());
    let (config, shared) = (config.clone(), Arc::clone(shared));
    let connect: Connect = Box::new(move |words| Ok(Box::new(Pipeline::build(&config, &shared, words)?)));
    Exits { host: None, own: Some(connect), own_ids: true, target }
}

/// Sends the end of a run in the name of that run, now or not at all, but for what of it has arrived before. The error is
/// why not.
pub(crate) fn deliver(config: &Config, run: &Arc<PreviousRun>) -> Result<(), String> {
    let attributes = run.black_box().resource().iter().map(|(key, value)| match value {
        Value::Int(whole) => KeyValue::new(key.clone(), super::int(*whole)),
        Value::Text(text) => KeyValue::new(key.clone(), text.clone()),
    });
    let (shared, finished) = (Shared::new(), Finished::default());
    let words = Queue::spawn("highwater-tell", Vec::new(), finished.wait_for()).map_err(|error| error.to_string())?;
    let built = Pipeline::build_for(attributes.collect(), config, &shared, &words);
    let mut pipeline = built.map_err(|error| error.to_string())?;
    let event = Event::of_previous(Clock::date(), Arc::clone(run));
    pipeline.encode(&event);
    if pipeline.encodings.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
        return Err("the settings send no events by OTLP: see OTEL_LOGS_EXPORTER and HIGHWATER_EVENTS".to_owned());
    }
    pipeline.put(event.priority(), event.receipt());
    pipeline.finish();
    match shared.delivery.state() {
        _ if run.receipt().is_delivered() => Ok(()),
        DeliveryState::Failing { error } if run.receipt().is_taken(Signal::Logs) => {
            Err(format!("its log record has arrived, its span has not: {error}"))
        }
        DeliveryState::Failing { error } => Err(error),
        _ => Err("it was not sent".to_owned()),
    }
}

/// What the exporters of log records and spans have encoded of one event.
type Encodings = Arc<Mutex<Vec<(Signal, Body)>>>;

/// The agent's own providers, and what they have to send.
#[derive(Debug)]
struct Pipeline {
    telling: Telling,
    ids: EpisodeIds,
    encodings: Encodings,
    dispatch: Dispatch,
    shared: Arc<Shared>,
    /// Whether profiles are compressed.
    gzip: bool,
    meters: Option<SdkMeterProvider>,
}

impl Pipeline {
    /// Builds the providers. Nothing is sent before the first sample. `words` is where a change of the connection is said.
    fn build(config: &Config, shared: &Arc<Shared>, words: &Queue) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Self::build_for(super::resource::attributes(config), config, shared, words)
    }

    /// The same, for what was told by whoever has these attributes.
    fn build_for(
        attributes: Vec<KeyValue>,
        config: &Config,
        shared: &Arc<Shared>,
        words: &Queue,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let resource = resource(attributes);
        let wires = wire::open(&config.routes)?;
        let courier = |signal, wire| {
            let (route, shared, words) = (config.routes.of(signal), Arc::clone(shared), words.clone());
            Arc::new(Courier { signal, url: route.url.clone(), timeout: route.timeout, wire, shared, words })
        };
        let couriers = Signals {
            metrics: courier(Signal::Metrics, wires.metrics),
            logs: courier(Signal::Logs, wires.logs),
            traces: courier(Signal::Traces, wires.traces),
            profiles: courier(Signal::Profiles, wires.profiles),
        };
        let encodings = Encodings::default();
        let ids = EpisodeIds::default();

        let mut telling = Telling::default();
        if config.routes.logs.exporter != Exporter::None {
            telling.set_logger(&loggers(resource.clone(), &config.routes.logs, &encodings)?);
        }
        if config.routes.traces.exporter != Exporter::None {
            telling.set_tracer(&tracers(resource.clone(), &config.routes.traces, &encodings, &ids)?);
        }
        telling.keep_to(config);
        let meters = match config.routes.metrics.exporter {
            Exporter::None => None,
            Exporter::Otlp | Exporter::Console => Some(meters(resource, config, Arc::clone(&couriers.metrics))?),
        };
        if let Some(meters) = &meters {
            instruments::register(&super::meter(meters), &config.metrics, shared);
        }
        Ok(Self {
            telling,
            ids,
            encodings,
            dispatch: Dispatch::new(couriers, shared.clock),
            shared: Arc::clone(shared),
            gzip: config.routes.profiles.gzip,
            meters,
        })
    }
}

impl Pipeline {
    /// Makes the record and the spans of an event.
    fn encode(&mut self, event: &Event) {
        if let What::PreviousRun(run) = event.what() {
            self.ids.next_span(spans::of_run(run.black_box(), spans::KILLED));
        }
        self.telling.tell(event);
        self.ids.forget_span();
    }

    /// Puts what was encoded last into the outbox.
    fn put(&mut self, priority: Priority, receipt: Option<&Arc<Receipt>>) {
        let mut encoded = std::mem::take(&mut *self.encodings.lock().unwrap_or_else(PoisonError::into_inner));
        let told = self.shared.clock.now();
        if let Some(receipt) = receipt {
            // The record and the span: neither says what the other does, and a collector may take one alone.
            encoded.retain(|(signal, _)| !receipt.is_taken(*signal));
            receipt.expect(encoded.len());
        }
        for (signal, body) in encoded {
            let (receipt, is_kept) = (receipt.cloned(), receipt.is_some());
            self.dispatch.put(Parcel { signal, priority, told, body, receipt, is_kept });
        }
    }

    /// Puts the profile into the outbox that was taken since the last event, if one was. Told of it is already.
    fn put_profile(&mut self) {
        let Some(profile) = self.shared.take_profile() else { return };
        let body = Body { bytes: profile.into_bytes().into(), encoding: None };
        let body = if self.gzip { body.compressed() } else { body };
        let (told, priority) = (self.shared.clock.now(), Priority::Low);
        let signal = Signal::Profiles;
        self.dispatch.put(Parcel { signal, priority, told, body, receipt: None, is_kept: false });
    }
}

/// Who these attributes are, and what they send with.
pub(super) fn resource(attributes: Vec<KeyValue>) -> Resource {
    Resource::builder_empty()
        .with_attributes(attributes)
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(DISTRO.map(|(key, value)| KeyValue::new(key, value)))
        .build()
}

fn loggers(resource: Resource, route: &Route, encodings: &Encodings) -> Result<SdkLoggerProvider, ExporterBuildError> {
    let exporter = encoder(LogExporter::builder().with_http(), route, keep(encodings, Signal::Logs)).build()?;
    let processor = SimpleLogProcessor::new(exporter);
    Ok(SdkLoggerProvider::builder().with_resource(resource).with_log_processor(processor).build())
}

fn tracers(
    resource: Resource,
    route: &Route,
    encodings: &Encodings,
    ids: &EpisodeIds,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = encoder(SpanExporter::builder().with_http(), route, keep(encodings, Signal::Traces)).build()?;
    let tracers = SdkTracerProvider::builder()
        .with_resource(resource)
        // An episode must not be sampled away.
        .with_sampler(Sampler::AlwaysOn)
        // Nor cut short: a host's OTEL_SPAN_* limits are not meant for it.
        .with_span_limits(SpanLimits::default())
        .with_id_generator(ids.clone())
        .with_span_processor(SimpleSpanProcessor::new(exporter))
        .build();
    Ok(tracers)
}

fn meters(resource: Resource, config: &Config, courier: Arc<Courier>) -> Result<SdkMeterProvider, ExporterBuildError> {
    let rests_until = Mutex::new(SinceStart::default());
    let send = move |body: Body| {
        let mut rests_until = rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        let clock = courier.shared.clock;
        if clock.now() < *rests_until {
            return;
        }
        if let Answer::Later { after: Some(asked), .. } = voice::in_silence(|| courier.carry(&body, Duration::MAX)) {
            *rests_until = clock.now().after(asked.min(LONGEST_ASKED_REST));
        }
    };
    let temporality = match config.temporality {
        config::Temporality::Cumulative => Temporality::Cumulative,
        config::Temporality::Delta => Temporality::Delta,
        config::Temporality::LowMemory => Temporality::LowMemory,
    };
    let exporter = MetricExporter::builder().with_http().with_temporality(temporality);
    let exporter = encoder(exporter, &config.routes.metrics, send).build()?;
    let reader = PeriodicReader::builder(exporter).with_interval(config.interval).build();
    Ok(SdkMeterProvider::builder().with_resource(resource).with_view(view()).with_reader(reader).build())
}

/// Makes of an exporter what encodes and no more. All is given, since the environment and other crates of the host's can
/// change what is not; the address is of no account.
fn encoder<B>(exporter: B, route: &Route, take: impl Fn(Body) + Send + Sync + 'static) -> B
where
    B: WithExportConfig + WithHttpConfig,
{
    let gzip = route.gzip;
    let take = move |body: Body| take(if gzip { body.compressed() } else { body });
    exporter
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint("http://localhost")
        .with_retry_policy(RetryPolicy::disabled())
        .with_http_client(Encoded(take))
}

/// Keeps what is encoded until the event is told as a whole.
fn keep(encodings: &Encodings, signal: Signal) -> impl Fn(Body) + Send + Sync + use<> {
    let encodings = Arc::clone(encodings);
    move |body| encodings.lock().unwrap_or_else(PoisonError::into_inner).push((signal, body))
}

impl Outlet for Pipeline {
    fn tell(&mut self, event: &Event) {
        if let What::Memory(transition) = event.what()
            && let Change::Begun(_) = transition.change
            && let Some(id) = event.episode_id()
        {
            self.ids.next_trace(TraceId::from_bytes(id.to_bytes()));
        }
        self.encode(event);
        self.put(event.priority(), event.receipt());
        self.put_profile();
    }

    fn acted(&mut self, acted: &Acted) {
        self.telling.acted(acted);
        self.put(Priority::Normal, None);
    }

    fn work(&mut self) -> Option<Duration> {
        self.dispatch.work()
    }

    /// Exports the gauges now, not an interval later. On a thread of its own for that once, since the flush has no timeout
    /// and an event must not wait behind it.
    fn first_sample(&mut self) {
        let Some(meters) = self.meters.clone() else { return };
        let flush = move || drop(meters.force_flush());
        // Where no thread can be had, the first export comes an interval later.
        let _ = thread::Builder::new().name("highwater-first".to_owned()).spawn(flush);
    }

    fn finish(&mut self) {
        self.dispatch.finish();
        if let Some(meters) = &self.meters {
            let _ = meters.shutdown_with_timeout(CLOSE);
        }
    }
}

/// For the last export of the metrics, on the send thread: whoever waits for the shutdown has a deadline of their own.
const CLOSE: Duration = Duration::from_secs(5);

/// Random ids, but for the trace of an episode, whose id was chosen when it began, and for the span that tells of a run that
/// is over, which may be told twice.
#[derive(Clone, Debug, Default)]
struct EpisodeIds(Arc<Mutex<(Option<TraceId>, Option<SpanId>)>>);

impl EpisodeIds {
    fn next_trace(&self, id: TraceId) {
        self.chosen().0 = Some(id);
    }

    fn next_span(&self, id: SpanId) {
        self.chosen().1 = Some(id);
    }

    fn forget_span(&self) {
        self.chosen().1 = None;
    }

    fn chosen(&self) -> MutexGuard<'_, (Option<TraceId>, Option<SpanId>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdGenerator for EpisodeIds {
    fn new_trace_id(&self) -> TraceId {
        let chosen = self.chosen().0.take();
        chosen.unwrap_or_else(|| TraceId::from(random() | 1))
    }

    /// Not the SDK's: its random numbers can wait for entropy.
    fn new_span_id(&self) -> SpanId {
        let chosen = self.chosen().1.take();
        chosen.unwrap_or_else(|| SpanId::from(random() as u64 | 1))
    }
}

#[cfg(test)]
mod tests;
