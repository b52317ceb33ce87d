//! The small embeddings: with no runtime, with each flavour of tokio's, beside another allocator, on a host's own pipeline.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::sync::atomic::{AtomicU32, Ordering};

mod examples;
mod forks;
mod hosts;
mod runtimes;
mod strains;

/// A `service.instance.id` of its own, and the variable that sets it.
fn instance() -> (String, String) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let id = format!("embedded-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let variable = format!("service.instance.id={id}");
    (id, variable)
}
