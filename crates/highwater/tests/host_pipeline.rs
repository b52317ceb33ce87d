//! A host's own providers: what arrives there, by exact name, through the SDK's in-memory exporters.
#![cfg(feature = "otlp")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use highwater::{Agent, Bytes, Level, Threshold};
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_host_with_its_own_providers_receives_metrics_records_and_spans_of_one_trace() {
    let _alone = alone();
    let metrics = InMemoryMetricExporter::default();
    let meters = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(metrics.clone()).with_interval(Duration::from_secs(3600)).build())
        .with_view(highwater::view())
        .build();
    let records = InMemoryLogExporter::default();
    let loggers = SdkLoggerProvider::builder().with_simple_exporter(records.clone()).build();
    let spans = InMemorySpanExporter::default();
    let tracers = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();

    let (told, heard) = channel();
    let agent = Agent::builder()
        .metrics("all")
        .limit(Bytes::gib(1))
        .level(Level::Elevated, Threshold::Amount(Bytes::kib(1)))
        .hold(Level::Elevated, Duration::ZERO)
        .meter_provider(&meters)
        .logger_provider(&loggers)
        .tracer_provider(&tracers)
        .on_event(move |event| drop(told.send(event.clone())))
        .start()
        .unwrap();
    agent.region("gpu-staging").add(Bytes::mib(5));
    let begun = heard.recv_timeout(PATIENCE).unwrap();
    let id = begun.episode_id().unwrap();

    meters.force_flush().unwrap();
    let names: BTreeSet<_> = metrics
        .get_finished_metrics()
        .unwrap()
        .iter()
        .flat_map(|resource| resource.scope_metrics())
        .inspect(|scope| assert_eq!(scope.scope().name(), "highwater"))
        .flat_map(|scope| scope.metrics())
        .map(|metric| metric.name().to_owned())
        .collect();
    for name in ["highwater.memory.used", "highwater.memory.limit", "process.memory.usage", "highwater.region.usage"] {
        assert!(names.contains(name), "{name} in {names:?}");
    }

    let open: Vec<_> = spans.get_finished_spans().unwrap().into_iter().map(|span| span.name).collect();
    assert_eq!(open, ["memory episode begun"], "visible while the episode is open");
    agent.shutdown(PATIENCE);

    let spans = spans.get_finished_spans().unwrap();
    let names: BTreeMap<_, _> = spans.iter().map(|span| (span.name.to_string(), span)).collect();
    assert_eq!(names.keys().collect::<Vec<_>>(), ["memory elevated", "memory episode", "memory episode begun"]);
    let root = names["memory episode"];
    assert_eq!(root.span_context.trace_id().to_bytes(), id.to_bytes(), "the episode's id is its trace's");
    for child in ["memory elevated", "memory episode begun"] {
        assert_eq!(names[child].parent_span_id, root.span_context.span_id());
        assert_eq!(names[child].span_context.trace_id(), root.span_context.trace_id());
    }
    let told: Vec<_> = root.events.iter().map(|event| event.name.to_string()).collect();
    assert_eq!(told, ["highwater.memory.episode.begun", "highwater.memory.episode.ended"]);

    let records = records.get_emitted_logs().unwrap();
    let names: Vec<_> = records.iter().map(|record| record.record.event_name().unwrap()).collect();
    assert_eq!(names, ["highwater.memory.episode.begun", "highwater.memory.episode.ended"]);
    for record in &records {
        let context = record.record.trace_context().unwrap();
        assert_eq!(context.trace_id, root.span_context.trace_id());
        assert_eq!(context.span_id, root.span_context.span_id());
        assert!(record.record.timestamp().is_some());
    }
}

#[test]
fn a_host_s_providers_get_only_what_is_wanted() {
    let _alone = alone();
    let records = InMemoryLogExporter::default();
    let loggers = SdkLoggerProvider::builder().with_simple_exporter(records.clone()).build();
    let spans = InMemorySpanExporter::default();
    let tracers = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let agent = Agent::builder()
        .events("tracing")
        .span_events(false)
        .level(Level::Elevated, Threshold::Amount(Bytes::kib(1)))
        .hold(Level::Elevated, Duration::ZERO)
        .logger_provider(&loggers)
        .tracer_provider(&tracers)
        .start()
        .unwrap();
    agent.shutdown(PATIENCE);
    let spans = spans.get_finished_spans().unwrap();
    let root = spans.iter().find(|span| span.name == "memory episode").unwrap();
    assert!(root.events.is_empty(), "{root:?}");
    assert!(records.get_emitted_logs().unwrap().is_empty());
}

/// Tests of one binary share a process, and a process has one agent.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
