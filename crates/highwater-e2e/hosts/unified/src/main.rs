//! A host that has all of OpenTelemetry, and no runtime.
//!
//! Its own telemetry goes by an older version. With `hanging` its log never returns from a line, and OpenTelemetry's SDK
//! writes to it by the feature `internal-logs`, whatever thread it is on.

use std::io;
use std::thread;
use std::time::Duration;

use highwater::{Agent, Bytes, Level, Threshold};
use opentelemetry_older::metrics::MeterProvider;
use opentelemetry_sdk_older::metrics::SdkMeterProvider;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// A log that never returns.
struct Hanging;

impl Subscriber for Hanging {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        println!("{} hangs", event.metadata().target());
        loop {
            thread::park();
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn main() {
    let older = SdkMeterProvider::builder().build();
    older.meter("host").u64_counter("requests").build().add(1, &[]);
    if std::env::args().nth(1).as_deref() == Some("hanging") {
        tracing::subscriber::set_global_default(Hanging).unwrap();
    }

    let agent = Agent::builder()
        .level(Level::Elevated, Threshold::Amount(Bytes::kib(1)))
        .hold(Level::Elevated, Duration::ZERO)
        .start()
        .unwrap();
    io::stdin().read_line(&mut String::new()).unwrap();
    let delivered = agent.shutdown(Duration::from_secs(2));
    println!("delivered: {delivered}");
    // The older version would have a word in the log, from here.
    std::process::exit(0);
}
