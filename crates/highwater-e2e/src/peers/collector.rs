//! The OpenTelemetry Collector, with the repository's own `config.yaml`.

use super::{Jaeger, Prometheus, Record};
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

impl Collector {
    /// Its own metrics are of that level.
    pub(super) fn start(jaeger: &Jaeger, prometheus: &Prometheus, metrics: &str) -> Self {
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
                .variable("COLLECTOR_METRICS_LEVEL", metrics)
                .variable("COLLECTOR_METRICS_INTERVAL", "500")
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
        self.records().into_iter().filter(|record| record.instance() == id).collect()
    }

    /// All log records in its file.
    pub fn records(&self) -> Vec<Record> {
        Record::all(&self.folder.path().join("events.jsonl"))
    }

    /// What it has printed, the events line by line among it.
    pub fn console(&self) -> String {
        self.process.output()
    }
}
