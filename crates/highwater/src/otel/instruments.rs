//! The metrics of the one list, as observable instruments.
//!
//! A callback only reads a snapshot, through a `Weak`: it cannot block, cannot panic, and says nothing once the agent is
//! gone. OpenTelemetry cannot take a callback back. It calls them in the order of their registration, and has no callback
//! for all: the first takes the latest snapshot, and the others read that one, so that an export is of one sample.

use std::sync::{Arc, PoisonError, Weak};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use super::int;
use crate::shared::Shared;
use crate::telemetry::{Kind, Metric, Selection, Value};

/// Registers the selected metrics on `meter`. They live as long as its provider does.
pub(crate) fn register(meter: &Meter, selection: &Selection, shared: &Arc<Shared>) {
    for (index, metric) in selection.metrics().enumerate() {
        let shared = Source { shared: Arc::downgrade(shared), is_first: index == 0 };
        match metric.kind {
            Kind::Amount => drop(
                meter
                    .i64_observable_up_down_counter(metric.name)
                    .with_unit(metric.unit)
                    .with_description(metric.description)
                    .with_callback(move |observer| observe(&shared, metric, observer, whole))
                    .build(),
            ),
            Kind::Gauge if is_whole(metric) => drop(
                meter
                    .i64_observable_gauge(metric.name)
                    .with_unit(metric.unit)
                    .with_description(metric.description)
                    .with_callback(move |observer| observe(&shared, metric, observer, whole))
                    .build(),
            ),
            Kind::Gauge => drop(
                meter
                    .f64_observable_gauge(metric.name)
                    .with_unit(metric.unit)
                    .with_description(metric.description)
                    .with_callback(move |observer| observe(&shared, metric, observer, real))
                    .build(),
            ),
            Kind::Counter if is_whole(metric) => drop(
                meter
                    .u64_observable_counter(metric.name)
                    .with_unit(metric.unit)
                    .with_description(metric.description)
                    .with_callback(move |observer| {
                        observe(&shared, metric, observer, |value| whole(value).unsigned_abs());
                    })
                    .build(),
            ),
            Kind::Counter => drop(
                meter
                    .f64_observable_counter(metric.name)
                    .with_unit(metric.unit)
                    .with_description(metric.description)
                    .with_callback(move |observer| observe(&shared, metric, observer, real))
                    .build(),
            ),
        }
    }
}

/// What one callback reads from.
struct Source {
    shared: Weak<Shared>,
    is_first: bool,
}

fn observe<T>(source: &Source, metric: &Metric, observer: &dyn AsyncInstrument<T>, number: fn(Value) -> T) {
    // A child that was forked may still be asked by its copy of a host's provider: these are the parent's numbers.
    let Some(shared) = source.shared.upgrade().filter(|shared| shared.process.is_current()) else { return };
    let mut exported = shared.exported.lock().unwrap_or_else(PoisonError::into_inner);
    if source.is_first {
        *exported = shared.latest.at(shared.clock.now());
    }
    let Some(snapshot) = exported.as_ref() else { return };
    metric.observe(&shared.reading(snapshot), &mut |point| match point.attribute {
        None => observer.observe(number(point.value), &[]),
        Some((key, value)) => observer.observe(number(point.value), &[KeyValue::new(key, value.to_owned())]),
    });
}

/// Ratios and durations are real numbers, all else is counted.
fn is_whole(metric: &Metric) -> bool {
    !matches!(metric.unit, "1" | "s" | "By/s")
}

fn whole(value: Value) -> i64 {
    match value {
        Value::Whole(whole) => int(whole),
        // Only where a row of the list has the wrong unit; its test fails then.
        Value::Real(real) => real as i64,
    }
}

fn real(value: Value) -> f64 {
    match value {
        Value::Whole(whole) => whole as f64,
        Value::Real(real) => real,
    }
}
