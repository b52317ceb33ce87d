//! Highwater on the OpenTelemetry providers that a service has already.
//!
//! The providers stay the service's own: it builds them, with the agent's resource so that the numbers of both join, and it
//! shuts them down. Here they print to standard output what another service would send. The program takes 48 MiB under a
//! limit of 64 MiB, so that an episode begins, and gives them back, so that it ends.
#![forbid(unsafe_code)]

use std::error::Error;
use std::sync::mpsc;
use std::time::Duration;

use highwater::model::Change;
use highwater::{Agent, Bytes, Level, Threshold, What};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

highwater::jemalloc!();

fn main() -> Result<(), Box<dyn Error>> {
    let resource = Resource::builder().with_attributes(highwater::resource()).build();
    let meters = SdkMeterProvider::builder()
        .with_resource(resource.clone())
        .with_view(highwater::view())
        .with_periodic_exporter(opentelemetry_stdout::MetricExporter::default())
        .build();
    let loggers = SdkLoggerProvider::builder()
        .with_resource(resource.clone())
        .with_simple_exporter(opentelemetry_stdout::LogExporter::default())
        .build();
    let tracers = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_simple_exporter(opentelemetry_stdout::SpanExporter::default())
        .build();

    // The holds are short only so that the example is.
    let (told, hear) = mpsc::channel();
    let short = Duration::from_millis(200);
    let agent = Agent::builder()
        .limit(Bytes::mib(64))
        .level(Level::Elevated, Threshold::Amount(Bytes::mib(32)))
        .hold(Level::Elevated, short)
        .hold_leave(short)
        .meter_provider(&meters)
        .logger_provider(&loggers)
        .tracer_provider(&tracers)
        .on_event(move |event| drop(told.send(event.clone())))
        .start()?;

    let mut held = Some(vec![1_u8; 48 << 20]);
    for event in hear {
        println!("heard: {event}");
        match event.what() {
            What::Memory(transition) if matches!(transition.change, Change::Begun(_)) => held = None,
            What::Memory(transition) if matches!(transition.change, Change::Ended(..)) => break,
            _ => {}
        }
    }
    drop(held);

    agent.shutdown(Duration::from_secs(2));
    tracers.shutdown()?;
    loggers.shutdown()?;
    meters.shutdown()?;
    Ok(())
}
