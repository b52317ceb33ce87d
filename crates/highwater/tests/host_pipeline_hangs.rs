//! A host's own provider that hangs: it holds up what is the host's, and nothing of the agent's own.
#![cfg(feature = "otlp")]
#![allow(clippy::unwrap_used, reason = "test code, outside of test functions")]
#![allow(clippy::disallowed_methods, reason = "the test's own deadlines")]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test")]

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use highwater::{Agent, Bytes, Level, Threshold};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter, SdkLoggerProvider};

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Hanging(Mutex<Sender<()>>);

impl LogExporter for Hanging {
    async fn export(&self, _: LogBatch<'_>) -> OTelSdkResult {
        let _ = self.0.lock().unwrap().send(());
        loop {
            std::thread::park();
        }
    }
}

#[test]
fn a_hosts_provider_that_hangs_delays_neither_judgement_nor_shutdown_beyond_its_deadline() {
    let (entered, hanging) = channel();
    let loggers = SdkLoggerProvider::builder().with_simple_exporter(Hanging(Mutex::new(entered))).build();
    let agent = Agent::builder()
        .level(Level::Elevated, Threshold::Amount(Bytes::kib(1)))
        .hold(Level::Elevated, Duration::ZERO)
        .logger_provider(&loggers)
        .start()
        .unwrap();
    hanging.recv_timeout(PATIENCE).unwrap();
    let judged = agent.status().sample.unwrap().at;
    let deadline = Instant::now() + PATIENCE;
    while agent.status().sample.unwrap().at == judged {
        assert!(Instant::now() < deadline, "no sample was judged beside a provider that hangs");
        std::thread::yield_now();
    }
    assert!(!agent.shutdown(Duration::from_millis(50)), "what hangs is not waited for");
}
