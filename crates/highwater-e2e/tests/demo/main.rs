//! The demo alone: no collector, no container.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use highwater_e2e::demo::Demo;

mod console;
mod end;
mod interface;
mod page;
mod settings;
mod sheds;

/// Nothing is sent: what a test without a collector is not about.
const UNSENT: (&str, &str) = ("OTEL_SDK_DISABLED", "true");
/// A limit that a test reaches soon.
const SMALL: (&str, &str) = ("HIGHWATER_LIMIT", "128MiB");
/// A level is entered as soon as it is seen.
const AT_ONCE: [(&str, &str); 2] = [("HIGHWATER_HOLD_ELEVATED", "0s"), ("HIGHWATER_HOLD_HIGH", "0s")];

/// Asks for more until the demo refuses; returns what it says then.
#[track_caller]
fn fill(demo: &Demo, path: &str) -> highwater_e2e::http::Answer {
    loop {
        let answer = demo.get(path);
        if answer.status != 200 {
            return answer;
        }
    }
}
