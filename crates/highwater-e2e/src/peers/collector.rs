//! The OpenTelemetry Collector, with the repository's own `config.yaml`.

use std::fs;

use serde_json::Value;

use super::{Jaeger, Prometheus};
use crate::binary;
use crate::folder::Folder;
use crate::process::Process;

/// A collector that receives by OTLP/HTTP.
#[derive(Debug)]
pub struct Collector {
    process: Process,
    endpoint: String,
    folder: Folder,
}

/// A log record as the collector wrote it to its file, and the resource that sent it.
#[derive(Clone, Debug)]
pub struct Record {
    record: Value,
    resource: Value,
}

impl Collector {
    pub(super) fn start(jaeger: &Jaeger, prometheus: &Prometheus) -> Self {
        let folder = Folder::temporary();
        let ready = "Everything is ready. Begin running and processing data.";
        let (process, [_, http, _]) = super::start("otelcol", ready, |program, [grpc, http, health]| {
            program
                .arg("--config")
                .arg(binary::repository().join("otel-collector/config.yaml"))
                .variable("COLLECTOR_OTLP_GRPC", format!("127.0.0.1:{grpc}"))
                .variable("COLLECTOR_OTLP_HTTP", format!("127.0.0.1:{http}"))
                .variable("COLLECTOR_HEALTH", format!("127.0.0.1:{health}"))
                .variable("COLLECTOR_EVENTS_FILE", folder.path().join("events.jsonl"))
                .variable("COLLECTOR_METRICS_LEVEL", "none")
                .variable("JAEGER_OTLP_GRPC", jaeger.receiver())
                .variable("PROMETHEUS_OTLP_HTTP", prometheus.receiver())
        });
        Self { process, endpoint: format!("http://127.0.0.1:{http}"), folder }
    }

    /// Where it receives.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The log records in its file that come from the instance `id`, in the order in which they came.
    pub fn records_of(&self, id: &str) -> Vec<Record> {
        self.records().into_iter().filter(|record| attribute(&record.resource, "service.instance.id") == id).collect()
    }

    /// All log records in its file.
    pub fn records(&self) -> Vec<Record> {
        let file = fs::read_to_string(self.folder.path().join("events.jsonl")).unwrap_or_default();
        // The last line may be half written.
        let requests = file.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let mut records = Vec::new();
        for request in requests.map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            for resource in array(&request["resourceLogs"]) {
                for record in array(&resource["scopeLogs"]).iter().flat_map(|scope| array(&scope["logRecords"])) {
                    records.push(Record { record: record.clone(), resource: resource["resource"].clone() });
                }
            }
        }
        records
    }

    /// What it has printed, the events line by line among it.
    pub fn console(&self) -> String {
        self.process.output()
    }
}

impl Record {
    /// A field of the record: `eventName`, `severityNumber`, `traceId`.
    pub fn field(&self, name: &str) -> &Value {
        &self.record[name]
    }

    /// The name of the event.
    pub fn name(&self) -> &str {
        self.record["eventName"].as_str().unwrap_or_default()
    }

    /// The sentence.
    pub fn body(&self) -> &str {
        self.record["body"]["stringValue"].as_str().unwrap_or_default()
    }

    /// An attribute; `Null` where it is absent.
    pub fn attribute(&self, name: &str) -> Value {
        attribute(&self.record, name)
    }

    /// Nanoseconds since 1970 at which it happened.
    pub fn time(&self) -> u64 {
        self.record["timeUnixNano"].as_str().unwrap().parse().unwrap()
    }
}

/// The value of the attribute `name`, without its type. OTLP writes an integer as a string in JSON; here it is a number.
fn attribute(of: &Value, name: &str) -> Value {
    let Some(pair) = array(&of["attributes"]).iter().find(|pair| pair["key"] == name) else { return Value::Null };
    let (kind, value) = pair["value"].as_object().unwrap().iter().next().unwrap();
    match (kind.as_str(), value) {
        ("intValue", Value::String(digits)) => digits.parse::<i64>().unwrap().into(),
        _ => value.clone(),
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
