//! The agent's own providers, and their way to the collector: OTLP by HTTP/protobuf over one blocking client.
//!
//! Log records and spans are exported where they are made, on the send thread: nothing batches them, so that an event is
//! on the wire at once. Metrics are collected and exported on the SDK's own thread for that. No async runtime anywhere.
//! All bounds of the SDK are set: by default each instrument alone would reserve 133 KB.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLoggerProvider, SimpleLogProcessor};
use opentelemetry_sdk::metrics::{Instrument, PeriodicReader, SdkMeterProvider, Stream};
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{IdGenerator, Sampler, SdkTracerProvider, SimpleSpanProcessor, SpanLimits};

use highwater_model::Change;

use self::client::Client;
use self::report::{Report, Reported};
use super::{Telling, instruments};
use crate::builder::{Connect, Exits};
use crate::config::Config;
use crate::event::{Event, What};
use crate::identity::random;
use crate::outlet::{Outlet, Queue};
use crate::shared::Shared;
use crate::signal::Signal;
use crate::startup::Target;

mod client;
mod report;

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

/// Sends by the agent's own pipeline.
pub(super) fn exits(config: &Config, shared: &Arc<Shared>) -> Exits {
    let target = Target::Otlp { endpoint: config.endpoint.clone(), interval: config.interval };
    let (config, shared) = (config.clone(), Arc::clone(shared));
    let connect: Connect = Box::new(move |words| Ok(Box::new(Pipeline::build(&config, &shared, words)?)));
    Exits { host: None, own: Some(connect), own_ids: true, target }
}

/// The agent's own providers.
#[derive(Debug)]
struct Pipeline {
    telling: Telling,
    ids: EpisodeIds,
    meters: SdkMeterProvider,
    tracers: SdkTracerProvider,
    loggers: SdkLoggerProvider,
}

impl Pipeline {
    /// Builds the providers. Nothing is sent before the first sample. `words` is where a change of the connection is said.
    fn build(config: &Config, shared: &Arc<Shared>, words: &Queue) -> Result<Self, ExporterBuildError> {
        let client = Client::new();
        let resource = Resource::builder_empty()
            .with_attributes(super::resource::attributes(config))
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_attributes([
                KeyValue::new("telemetry.distro.name", "highwater"),
                KeyValue::new("telemetry.distro.version", env!("CARGO_PKG_VERSION")),
            ])
            .build();
        let report = |signal| Report {
            signal,
            endpoint: config.endpoint.clone(),
            shared: Arc::clone(shared),
            client: Arc::new(client.another()),
            words: words.clone(),
        };
        let (of_metrics, of_logs, of_traces) = (report(Signal::Metrics), report(Signal::Logs), report(Signal::Traces));
        let url = |path: &str| format!("{}{path}", config.endpoint);

        // The protocol and the client are given, since other crates of the host's can change their defaults.
        let metrics = MetricExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_shared_http_client(of_metrics.client.clone())
            .with_endpoint(url("/v1/metrics"))
            .build()?;
        let logs = LogExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_shared_http_client(of_logs.client.clone())
            .with_endpoint(url("/v1/logs"))
            .build()?;
        let spans = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_shared_http_client(of_traces.client.clone())
            .with_endpoint(url("/v1/traces"))
            .build()?;

        let reader = PeriodicReader::builder(Reported::new(metrics, of_metrics)).with_interval(config.interval).build();
        let meters =
            SdkMeterProvider::builder().with_resource(resource.clone()).with_view(view()).with_reader(reader).build();
        let ids = EpisodeIds::default();
        let tracers = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            // An episode must not be sampled away.
            .with_sampler(Sampler::AlwaysOn)
            // Nor cut short: a host's OTEL_SPAN_* limits are not meant for it.
            .with_span_limits(SpanLimits::default())
            .with_id_generator(ids.clone())
            .with_span_processor(SimpleSpanProcessor::new(Reported::new(spans, of_traces)))
            .build();
        let loggers = SdkLoggerProvider::builder()
            .with_resource(resource)
            .with_log_processor(SimpleLogProcessor::new(Reported::new(logs, of_logs)))
            .build();
        let mut telling = Telling::default();
        telling.set_logger(&loggers);
        telling.set_tracer(&tracers);
        instruments::register(&super::meter(&meters), &config.metrics, shared);
        Ok(Self { telling, ids, meters, tracers, loggers })
    }
}

impl Outlet for Pipeline {
    fn tell(&mut self, event: &Event) {
        if let What::Memory(transition) = event.what()
            && let Change::Begun(_) = transition.change
            && let Some(id) = event.episode_id()
        {
            self.ids.next_trace(TraceId::from_bytes(id.to_bytes()));
        }
        self.telling.tell(event);
    }

    /// Exports the gauges now, not an interval later. On a thread of its own for that once, since the flush has no timeout
    /// and an event must not wait behind it.
    fn first_sample(&mut self) {
        let meters = self.meters.clone();
        let flush = move || drop(meters.force_flush());
        // Where no thread can be had, the first export comes an interval later.
        let _ = thread::Builder::new().name("highwater-first".to_owned()).spawn(flush);
    }

    fn finish(&mut self) {
        // Spans and records are exported already; these close what is behind them.
        let _ = self.tracers.shutdown_with_timeout(CLOSE);
        let _ = self.loggers.shutdown_with_timeout(CLOSE);
        let _ = self.meters.shutdown_with_timeout(CLOSE);
    }
}

/// For the last export of the metrics, on the send thread: whoever waits for the shutdown has a deadline of their own.
const CLOSE: Duration = Duration::from_secs(5);

/// Random ids, but for the trace of an episode, whose id was chosen when it began.
#[derive(Clone, Debug, Default)]
struct EpisodeIds(Arc<Mutex<Option<TraceId>>>);

impl EpisodeIds {
    fn next_trace(&self, id: TraceId) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }
}

impl IdGenerator for EpisodeIds {
    fn new_trace_id(&self) -> TraceId {
        let chosen = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        chosen.unwrap_or_else(|| TraceId::from(random() | 1))
    }

    /// Not the SDK's: its random numbers can wait for entropy.
    fn new_span_id(&self) -> SpanId {
        SpanId::from(random() as u64 | 1)
    }
}
