//! What the agent holds on the host's heap, and how much it sends: counted, not estimated.
#![cfg(feature = "otlp")]
#![allow(unsafe_code, reason = "a counting allocator")]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use highwater::{Agent, Bytes, Level, Threshold};

mod common;

struct Counting;

static HELD: AtomicI64 = AtomicI64::new(0);

thread_local! {
    /// Whether what this thread allocates is not the agent's.
    static EXEMPT: Cell<bool> = const { Cell::new(false) };
}

fn count(bytes: usize, sign: i64) {
    if !EXEMPT.get() {
        HELD.fetch_add(sign * bytes as i64, Relaxed);
    }
}

// SAFETY: each call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's contract is ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller's contract is ours.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// After a hundred exports of metrics, with an episode open, so that all three signals were sent.
#[test]
fn the_agent_holds_at_most_512_kib_and_an_export_of_the_core_set_is_at_most_6_kb() {
    let (endpoint, received) = common::sink(|| EXEMPT.set(true));
    let before = HELD.load(Relaxed);
    let agent = Agent::builder()
        .endpoint(&endpoint)
        .interval(Duration::from_millis(100))
        .limit(Bytes::gib(4))
        .level(Level::Elevated, Threshold::Amount(Bytes::kib(1)))
        .hold(Level::Elevated, Duration::ZERO)
        .start()
        .unwrap();

    let (mut exports, mut largest, mut logs, mut traces) = (0, 0, 0, 0);
    while exports < 100 {
        let request = received.recv_timeout(Duration::from_secs(60)).unwrap();
        let size = request.body.len();
        EXEMPT.set(true);
        drop(request.body);
        EXEMPT.set(false);
        match request.path.as_str() {
            "/v1/metrics" => {
                exports += 1;
                largest = largest.max(size);
            }
            "/v1/logs" => logs += 1,
            "/v1/traces" => traces += 1,
            path => panic!("{path}"),
        }
    }
    let held = HELD.load(Relaxed) - before;
    assert!(logs > 0 && traces > 0, "{logs} requests of logs and {traces} of traces");
    println!("held after 100 exports: {} KiB; largest export: {largest} bytes", held / 1024);
    assert!(held <= 512 * 1024, "{held} bytes are held");
    assert!(largest <= 6_000, "an export has {largest} bytes");
    drop(agent);
}
