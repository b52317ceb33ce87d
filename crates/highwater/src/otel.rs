//! OpenTelemetry: the only module that knows its types, since each of its minor releases changes them.
//!
//! | module | idea |
//! |---|---|
//! | `instruments` | the metrics of the one list, as observable instruments |
//! | `records` | events as log records |
//! | `spans` | an episode as the spans of one trace |
//! | `resource` | who sends all this |
//! | `profiles` | a heap profile as a request (feature `unstable-profiles`) |
//! | `pipeline` | the agent's own providers and their way to the collector (feature `otlp`) |
//!
//! The same instruments, records and spans go to the agent's own providers, on its send thread, or to those of a host, on
//! the thread for what is the host's.

use std::sync::Arc;

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::{InstrumentationScope, logs, trace};

use crate::act::Acted;
use crate::black_box;
use crate::builder::{Builder, Exits};
use crate::config::Config;
use crate::delivery::Target;
use crate::event::Event;
use crate::outlet::Outlet;
use crate::shared::Shared;
use crate::telemetry::{SCHEMA_URL, SCOPE};

mod instruments;
#[cfg(feature = "otlp")]
mod pipeline;
#[cfg(not(feature = "otlp"))]
#[path = "otel/pipeline_disabled.rs"]
mod pipeline;
#[cfg_attr(not(all(feature = "unstable-profiles", unix)), path = "otel/profiles_disabled.rs")]
mod profiles;
mod records;
mod resource;
mod spans;

#[cfg(fuzzing)]
pub(crate) use pipeline::heard;

#[cfg(feature = "otlp")]
pub(crate) use pipeline::deliver;
pub(crate) use pipeline::resource_of;
#[cfg(feature = "otlp")]
pub use pipeline::view;
pub(crate) use profiles::{Profile, Profiles};
pub use resource::resource;

/// What leads to the root span of an episode.
pub(crate) use opentelemetry::trace::SpanContext as Root;

pub(crate) fn span_id(root: &Root) -> [u8; 8] {
    root.span_id().to_bytes()
}

/// Who runs, for the black box.
pub(crate) fn described(config: &Config) -> Vec<(String, black_box::Value)> {
    let value = |value: opentelemetry::Value| match value {
        opentelemetry::Value::I64(whole) => black_box::Value::Int(u64::try_from(whole).unwrap_or_default()),
        other => black_box::Value::Text(other.to_string()),
    };
    resource::attributes(config).into_iter().map(|pair| (pair.key.to_string(), value(pair.value))).collect()
}

use records::{LoggerRecords, Records};
use spans::{EpisodeSpans, Spans};

/// What a host passed of its own pipeline. Where it passed anything, the agent has no pipeline of its own.
#[derive(Debug, Default)]
pub(crate) struct Host {
    meter: Option<Meter>,
    telling: Telling,
    passed: bool,
}

/// The providers of a host, in place of the agent's own pipeline: pass those of the signals that are to be sent.
///
/// The agent sets no globals and shuts no provider of a host's down. What only its own pipeline can promise - sent at once,
/// at least once, never sampled away, small - is then up to these providers. For a meter provider of the SDK's own,
/// [`crate::view`] keeps the instruments small.
impl Builder {
    /// Gauges and counters go to this provider.
    pub fn meter_provider<P: MeterProvider>(mut self, provider: &P) -> Self {
        self.host.meter = Some(meter(provider));
        self.host.passed = true;
        self
    }

    /// Events go to this provider as log records.
    pub fn logger_provider<P>(mut self, provider: &P) -> Self
    where
        P: logs::LoggerProvider,
        P::Logger: Send + 'static,
    {
        self.host.telling.set_logger(provider);
        self.host.passed = true;
        self
    }

    /// Episodes go to this provider as spans. Its tracer then chooses the ids of episodes.
    pub fn tracer_provider<P>(mut self, provider: &P) -> Self
    where
        P: trace::TracerProvider,
        P::Tracer: Send + 'static,
        <P::Tracer as trace::Tracer>::Span: Send + 'static,
    {
        self.host.telling.set_tracer(provider);
        self.host.passed = true;
        self
    }
}

/// Whether the agent sends by a pipeline of its own.
pub(crate) fn sends(host: &Host, config: &Config) -> bool {
    cfg!(feature = "otlp") && !host.passed && !config.sdk_disabled
}

/// Decides how what is told leaves the process, and registers the instruments on a host's meter.
pub(crate) fn exits(host: Host, config: &Config, shared: &Arc<Shared>) -> Exits {
    if config.sdk_disabled {
        return Exits { host: None, own: None, own_ids: true, target: Target::Disabled };
    }
    if !host.passed {
        return pipeline::exits(config, shared);
    }
    if let Some(meter) = &host.meter {
        instruments::register(meter, &config.metrics, shared);
    }
    let mut telling = host.telling;
    telling.keep_to(config);
    let own_ids = telling.spans.is_none();
    Exits { host: Some(Box::new(telling)), own: None, own_ids, target: Target::Host }
}

/// Where log records and spans are made. What is absent is not made.
#[derive(Default)]
struct Telling {
    records: Option<Box<dyn Records>>,
    spans: Option<Box<dyn Spans>>,
}

impl Telling {
    /// Leaves out what nobody wants.
    fn keep_to(&mut self, config: &Config) {
        if !config.events.otlp {
            self.records = None;
        }
        if let Some(spans) = self.spans.as_mut().filter(|_| !config.span_events) {
            spans.leave_out_events();
        }
    }

    fn set_logger<P>(&mut self, provider: &P)
    where
        P: logs::LoggerProvider,
        P::Logger: Send + 'static,
    {
        self.records = Some(Box::new(LoggerRecords(provider.logger_with_scope(scope()))));
    }

    fn set_tracer<P>(&mut self, provider: &P)
    where
        P: trace::TracerProvider,
        P::Tracer: Send + 'static,
        <P::Tracer as trace::Tracer>::Span: Send + 'static,
    {
        self.spans = Some(Box::new(EpisodeSpans::new(provider.tracer_with_scope(scope()))));
    }
}

impl Outlet for Telling {
    fn tell(&mut self, event: &Event) {
        // The span first, since the record carries its ids; what it exports last, since the record is what is urgent.
        let context = self.spans.as_mut().and_then(|spans| spans.enter(event));
        if let Some(records) = &mut self.records {
            records.emit(event, context.as_ref());
        }
        if let Some(spans) = &mut self.spans {
            spans.leave(event);
        }
    }

    fn acted(&mut self, acted: &Acted) {
        if let Some(spans) = &mut self.spans {
            spans.acted(acted);
        }
    }
}

fn meter<P: MeterProvider>(provider: &P) -> Meter {
    provider.meter_with_scope(scope())
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION")).with_schema_url(SCHEMA_URL).build()
}

impl std::fmt::Debug for Telling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telling")
            .field("records", &self.records.is_some())
            .field("spans", &self.spans.is_some())
            .finish()
    }
}

/// An attribute's integer: OpenTelemetry has no unsigned ones. 2^63 bytes are more than there is memory.
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
