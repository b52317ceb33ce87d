//! Events as log records with an event name.

use opentelemetry::Key;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, Severity};
use opentelemetry::trace::SpanContext;

use super::int;
use crate::event::{self, Attribute, Event};

/// Makes a log record of each event. Boxed, so that the agent does not carry a host's types.
pub(super) trait Records: Send {
    fn emit(&mut self, event: &Event, context: Option<&SpanContext>);
}

pub(super) struct LoggerRecords<L>(pub(super) L);

impl<L: Logger + Send> Records for LoggerRecords<L> {
    fn emit(&mut self, event: &Event, context: Option<&SpanContext>) {
        let severity = match event.severity() {
            event::Severity::Info => Severity::Info,
            event::Severity::Warn => Severity::Warn,
            event::Severity::Error => Severity::Error,
        };
        let mut record = self.0.create_log_record();
        record.set_event_name(event.name());
        record.set_timestamp(event.at());
        record.set_severity_number(severity);
        record.set_severity_text(severity.name());
        record.set_body(event.to_string().into());
        record.add_attribute("log.record.uid", event.uid().to_owned());
        event.attributes(&mut |name, value| record.add_attribute(name, any_value(value)));
        if let Some(context) = context {
            record.set_trace_context(context.trace_id(), context.span_id(), Some(context.trace_flags()));
        }
        self.0.emit(record);
    }
}

fn any_value(attribute: Attribute) -> AnyValue {
    match attribute {
        Attribute::Int(whole) => AnyValue::Int(int(whole)),
        Attribute::Difference(whole) => AnyValue::Int(whole),
        Attribute::Double(real) => AnyValue::Double(real),
        Attribute::Text(text) => AnyValue::String(text.into()),
        Attribute::Maps(maps) => {
            let map = |values: Vec<(&'static str, Attribute)>| {
                let values = values.into_iter().map(|(name, value)| (Key::new(name), any_value(value)));
                AnyValue::Map(Box::new(values.collect()))
            };
            AnyValue::ListAny(Box::new(maps.into_iter().map(map).collect()))
        }
    }
}
