//! A purge on pressure: what the program has freed goes back to the system, and the episode's trace shows it.
#![cfg(feature = "otlp")]
#![allow(clippy::disallowed_methods, reason = "the test's own deadlines")]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use highwater::__private::Jemalloc;
use highwater::{Agent, Bytes, Level, Threshold};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

/// Without a background thread, which would give pages back by itself.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

const PATIENCE: Duration = Duration::from_secs(60);
const MIB: i64 = 1 << 20;

#[test]
fn a_purge_at_a_level_gives_freed_memory_back_and_is_a_span_of_the_episode() {
    drop(black_box((0..2048).map(|_| vec![1_u8; 64 << 10]).collect::<Vec<_>>()));
    let used = Agent::builder().set("HIGHWATER_DISABLED", "true").start().unwrap().sample().used.unwrap();
    assert!(used > Bytes::mib(100), "{used}: freed, and held by jemalloc");

    let spans = InMemorySpanExporter::default();
    let tracers = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let agent = Agent::builder()
        .tracer_provider(&tracers)
        .level(Level::Elevated, Threshold::Amount(used.saturating_sub(Bytes::mib(64))))
        .hold(Level::Elevated, Duration::ZERO)
        .hold_leave(Duration::ZERO)
        .purge(Level::Elevated)
        .start()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    let finished = |name: &str| spans.get_finished_spans().unwrap().into_iter().find(|span| span.name == name);
    let (purge, root) = loop {
        if let (Some(purge), Some(root)) = (finished("purge"), finished("memory episode")) {
            break (purge, root);
        }
        assert!(Instant::now() < deadline, "no span of the purge, or it did not end the episode: {spans:?}");
        std::thread::yield_now();
    };
    assert_eq!(purge.parent_span_id, root.span_context.span_id());
    let attribute = |name: &str| {
        let found = purge.attributes.iter().find(|attribute| attribute.key.as_str() == name);
        match found.unwrap_or_else(|| panic!("{name} of {purge:?}")).value {
            opentelemetry::Value::I64(number) => number,
            ref other => panic!("{name} is {other:?}"),
        }
    };
    assert!(attribute("highwater.before") - attribute("highwater.after") > 100 * MIB, "{purge:?}");
    assert!(attribute("highwater.rss_delta") < -100 * MIB, "{purge:?}");
    assert!(agent.shutdown(PATIENCE));
}
