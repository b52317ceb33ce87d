//! An exporter that reports what becomes of each export: counted, and a change said once.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::client::Client;
use crate::event::Severity;
use crate::outlet::Queue;
use crate::shared::Shared;
use crate::signal::Signal;

/// Where the result of an export goes.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) signal: Signal,
    pub(super) endpoint: String,
    pub(super) shared: Arc<Shared>,
    pub(super) client: Arc<Client>,
    pub(super) words: Queue,
}

impl Report {
    /// Reports one export; where it failed, `items` of it are given up.
    fn export(&self, result: &OTelSdkResult, items: usize) {
        let Self { signal, endpoint, shared, client, words } = self;
        let delivery = &shared.delivery;
        let result =
            result.as_ref().copied().map_err(|error| client.take_trouble().unwrap_or_else(|| error.to_string()));
        let error = result.as_ref().err().cloned();
        if error.is_some() {
            delivery.drop_items(*signal, items as u64);
        }
        if delivery.exported(*signal, result) {
            let (severity, text) = match error {
                None => (Severity::Info, format!("OTLP to {endpoint} works again")),
                Some(error) => (
                    Severity::Warn,
                    format!(
                        "cannot send {} by OTLP to {endpoint}: {error}; the agent goes on and tries again \
                         (OTEL_EXPORTER_OTLP_ENDPOINT names the collector, OTEL_SDK_DISABLED=true sends nothing)",
                        signal.as_str(),
                    ),
                ),
            };
            words.say(severity, text);
        }
    }
}

/// An exporter of any signal, reporting.
pub(super) struct Reported<E> {
    exporter: E,
    report: Report,
}

impl<E> Reported<E> {
    pub(super) fn new(exporter: E, report: Report) -> Self {
        Self { exporter, report }
    }

    async fn reporting(&self, items: usize, export: impl Future<Output = OTelSdkResult> + Send) -> OTelSdkResult {
        let result = export.await;
        self.report.export(&result, items);
        result
    }
}

impl<E> fmt::Debug for Reported<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reported").field("report", &self.report).finish_non_exhaustive()
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Reported<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        // The next export carries the same sums and newer gauges: nothing is given up.
        self.reporting(0, self.exporter.export(metrics)).await
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

impl<E: LogExporter> LogExporter for Reported<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.reporting(batch.iter().count(), self.exporter.export(batch)).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: SpanExporter> SpanExporter for Reported<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.reporting(batch.len(), self.exporter.export(batch)).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
