//! Jaeger: traces in by OTLP, out by its query API.

use serde_json::Value;

use crate::process::Process;
use crate::{binary, http, wait};

/// A Jaeger that keeps traces in memory.
#[derive(Debug)]
pub struct Jaeger {
    _process: Process,
    receiver: String,
    query: String,
}

/// A trace, as far as its spans have arrived.
#[derive(Clone, Debug)]
pub struct Trace(Vec<Span>);

/// A span.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The id of its parent; `None` of a root.
    pub parent: Option<String>,
    /// Microseconds since 1970.
    pub start: u64,
    /// Microseconds.
    pub duration: u64,
    /// The names of its span events, in order.
    pub events: Vec<String>,
    tags: Value,
}

impl Jaeger {
    pub(super) fn start() -> Self {
        let ready = "Everything is ready. Begin running and processing data.";
        let (process, [grpc, _, query, ..]) = super::start("jaeger", ready, |program, ports: [u16; 5]| {
            let [grpc, http, query_http, query_grpc, health] = ports.map(|port| format!("127.0.0.1:{port}"));
            program
                .arg("--config")
                .arg(binary::repository().join("otel-collector/jaeger-2.0.yaml"))
                .variable("OTEL_TRACES_SAMPLER", "always_off")
                .variable("JAEGER_OTLP_GRPC", grpc)
                .variable("JAEGER_OTLP_HTTP", http)
                .variable("JAEGER_QUERY_HTTP", query_http)
                .variable("JAEGER_QUERY_GRPC", query_grpc)
                .variable("JAEGER_HEALTH", health)
        });
        Self { _process: process, receiver: format!("127.0.0.1:{grpc}"), query: format!("http://127.0.0.1:{query}") }
    }

    pub(super) fn receiver(&self) -> &str {
        &self.receiver
    }

    /// The trace `id`, as it stands; an error that says so where nothing of it has arrived.
    pub fn trace(&self, id: &str) -> Result<Trace, String> {
        let answer = http::get(&format!("{}/api/traces/{id}", self.query))?;
        if answer.status != 200 {
            return Err(format!("{answer:?}"));
        }
        let answer = answer.json();
        let spans = answer["data"][0]["spans"].as_array().ok_or_else(|| answer.to_string())?;
        Ok(Trace(spans.iter().map(|span| Span::read(span, id)).collect()))
    }

    /// How many traces of `service` have a span called `operation`.
    pub fn count(&self, service: &str, operation: &str) -> Result<usize, String> {
        let (service, operation) = (http::encode(service), http::encode(operation));
        let answer = http::get(&format!("{}/api/traces?service={service}&operation={operation}", self.query))?.json();
        Ok(answer["data"].as_array().map_or(0, Vec::len))
    }

    /// Waits until the trace `id` has a span called `name`.
    #[track_caller]
    pub fn wait_for_span(&self, id: &str, name: &str) -> Trace {
        wait::until_ok(&format!("Jaeger has {name:?} of trace {id}"), || {
            let trace = self.trace(id)?;
            if trace.named(name).is_empty() { Err(format!("{trace:?}")) } else { Ok(trace) }
        })
    }
}

impl Trace {
    /// All its spans, by their start.
    pub fn spans(&self) -> Vec<&Span> {
        let mut spans: Vec<_> = self.0.iter().collect();
        spans.sort_by_key(|span| span.start);
        spans
    }

    /// The spans of a name, by their start.
    pub fn named(&self, name: &str) -> Vec<&Span> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }

    /// The one span of a name.
    #[track_caller]
    pub fn the(&self, name: &str) -> &Span {
        let spans = self.named(name);
        assert_eq!(spans.len(), 1, "spans called {name:?} in {self:?}");
        spans[0]
    }
}

impl Span {
    fn read(span: &Value, trace: &str) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let parent = |reference: &Value| {
            assert_eq!((&reference["refType"], &reference["traceID"]), (&"CHILD_OF".into(), &trace.into()), "{span}");
            text(&reference["spanID"])
        };
        let event = |log: &Value| {
            let fields = log["fields"].as_array().unwrap();
            fields.iter().find(|field| field["key"] == "event").map_or_else(String::new, |field| text(&field["value"]))
        };
        Self {
            name: text(&span["operationName"]),
            id: text(&span["spanID"]),
            parent: span["references"].as_array().and_then(|references| references.first()).map(parent),
            start: span["startTime"].as_u64().unwrap(),
            duration: span["duration"].as_u64().unwrap(),
            events: span["logs"].as_array().into_iter().flatten().map(event).collect(),
            tags: span["tags"].clone(),
        }
    }

    /// When it ended: microseconds since 1970.
    pub fn end(&self) -> u64 {
        self.start + self.duration
    }

    /// An attribute; `Null` where it is absent.
    pub fn tag(&self, name: &str) -> &Value {
        let tags = self.tags.as_array().unwrap();
        tags.iter().find(|tag| tag["key"] == name).map_or(&Value::Null, |tag| &tag["value"])
    }

    /// An attribute that is a number.
    #[track_caller]
    pub fn number(&self, name: &str) -> f64 {
        self.tag(name).as_f64().unwrap_or_else(|| panic!("{name} is no number in {self:?}"))
    }
}
