//! Standard output in place of a collector: for a look while developing (`OTEL_*_EXPORTER=console`).
//!
//! One line for each data point, event and span, from the very request that a collector would get. The exporters of
//! OpenTelemetry's own crate for this print by `println!`, which panics where standard output was closed, as by `| head`;
//! this one is refused there, and that is said.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::{DecodeError, Message};

use super::{Answer, Body, Wire};
use crate::signal::Signal;

#[derive(Debug)]
pub(super) struct Console {
    signal: Signal,
    /// Whether it was said who sends this: once, since it stays the same.
    introduced: AtomicBool,
}

impl Console {
    pub(super) const fn of(signal: Signal) -> Self {
        Self { signal, introduced: AtomicBool::new(false) }
    }

    fn text(&self, request: &[u8]) -> Result<String, DecodeError> {
        let mut text = String::new();
        match self.signal {
            Signal::Metrics => {
                for part in ExportMetricsServiceRequest::decode(request)?.resource_metrics {
                    self.introduce(&mut text, part.resource);
                    let metrics = part.scope_metrics.iter().flat_map(|scope| &scope.metrics);
                    metrics.for_each(|metric| add_metric(&mut text, metric));
                }
            }
            Signal::Logs => {
                for part in ExportLogsServiceRequest::decode(request)?.resource_logs {
                    self.introduce(&mut text, part.resource);
                    let records = part.scope_logs.iter().flat_map(|scope| &scope.log_records);
                    records.for_each(|record| add_event(&mut text, record));
                }
            }
            Signal::Traces => {
                for part in ExportTraceServiceRequest::decode(request)?.resource_spans {
                    self.introduce(&mut text, part.resource);
                    let spans = part.scope_spans.iter().flat_map(|scope| &scope.spans);
                    spans.for_each(|span| add_span(&mut text, span));
                }
            }
            // None is sent here.
            Signal::Profiles => {}
        }
        Ok(text)
    }

    fn introduce(&self, text: &mut String, resource: Option<Resource>) {
        if let Some(mut resource) = resource.filter(|_| !self.introduced.swap(true, Ordering::Relaxed)) {
            // As they come, they are in no order.
            resource.attributes.sort_by(|one, other| one.key.cmp(&other.key));
            add(text, format_args!("resource of the {}{}", self.signal.as_str(), Attributes(&resource.attributes)));
        }
    }
}

impl Wire for Console {
    fn send(&self, body: &Body, _at_most: Duration) -> Answer {
        let print = |text: String| {
            let mut output = io::stdout().lock();
            output.write_all(text.as_bytes())?;
            output.flush()
        };
        let printed = self.text(&body.bytes).map_err(io::Error::other).and_then(print);
        printed.map_or_else(|error| Answer::Refused { why: error.to_string() }, |()| Answer::Taken)
    }
}

fn add_metric(text: &mut String, metric: &Metric) {
    let points: &[NumberDataPoint] = match &metric.data {
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        Some(Data::Sum(sum)) => &sum.data_points,
        // The agent has no others.
        _ => &[],
    };
    for point in points {
        let value = match point.value {
            Some(number_data_point::Value::AsInt(whole)) => whole.to_string(),
            Some(number_data_point::Value::AsDouble(real)) => real.to_string(),
            None => continue,
        };
        add(text, format_args!("metric {} {value} {}{}", metric.name, metric.unit, Attributes(&point.attributes)));
    }
}

fn add_event(text: &mut String, record: &LogRecord) {
    let LogRecord { severity_text, event_name, .. } = record;
    let body = Text(record.body.as_ref());
    let at = Moment(record.time_unix_nano);
    add(text, format_args!("event {event_name} {at} {severity_text} {body}{}", Attributes(&record.attributes)));
}

fn add_span(text: &mut String, span: &Span) {
    let (began, ended) = (Moment(span.start_time_unix_nano), Moment(span.end_time_unix_nano));
    let (trace, parent) = (Hex(&span.trace_id), Hex(&span.parent_span_id));
    let ids = format!("trace={trace} span={} parent={parent}", Hex(&span.span_id));
    add(text, format_args!("span {:?} {began} to {ended} {ids}{}", span.name, Attributes(&span.attributes)));
}

fn add(text: &mut String, line: fmt::Arguments<'_>) {
    // A string has room for everything.
    let _ = writeln!(text, "{line}");
}

/// " name=value" of each.
struct Attributes<'a>(&'a [KeyValue]);

impl fmt::Display for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|attribute| write!(f, " {}={}", attribute.key, Text(attribute.value.as_ref())))
    }
}

struct Text<'a>(Option<&'a AnyValue>);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => write!(f, "{text:?}"),
            Some(Value::BoolValue(value)) => value.fmt(f),
            Some(Value::IntValue(whole)) => whole.fmt(f),
            Some(Value::DoubleValue(real)) => real.fmt(f),
            other => write!(f, "{other:?}"),
        }
    }
}

struct Moment(u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(self.0)) {
            Some(at) => humantime::format_rfc3339_millis(at).fmt(f),
            None => Ok(()),
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
