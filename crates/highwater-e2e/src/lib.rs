//! Starts real processes, puts them under real limits, and reads back what arrived at the real backends.
//!
//! The tests in `tests/` are each named by the fact they prove; this is what they share:
//!
//! | module | idea |
//! |---|---|
//! | [`browser`] | a real browser, for what only a user sees |
//! | [`binary`] | building the programs under test, each as a user builds it |
//! | [`process`] | a program that runs: its output is kept, it ends with the test |
//! | [`cgroup`] | a memory limit of the real kernel |
//! | [`guest`] | what only a machine that is all the test's can show |
//! | [`console`] | what an agent prints in place of sending it |
//! | [`demo`] | the demo service, driven over HTTP |
//! | [`peers`] | the real collector, Jaeger and Prometheus |
//! | [`authority`] | certificates, good and bad |
//! | [`subject`] | a program with the agent that does what it is told |
//! | [`sick`] | a collector that is sick, for what the real one cannot be made to show |
//! | [`http`], [`pattern`], [`wait`], [`folder`], [`ports`], [`environment`] | what these need |
//!
//! Nothing here sleeps for a fixed time: whatever takes its time is asked again and again until a deadline. No port is
//! fixed. What a machine cannot show - no cgroup can be made - a test says by name in one line.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the whole crate is test code, which fails by panicking"
)]

use std::io::{self, Write};

pub mod authority;
pub mod binary;
pub mod browser;
pub mod cgroup;
pub mod console;
pub mod demo;
pub mod disk;
pub mod environment;
pub mod folder;
pub mod guest;
pub mod http;
pub mod pattern;
pub mod peers;
pub mod ports;
pub mod process;
pub mod sick;
pub mod subject;
pub mod wait;

/// Says, by the name of the test, that this machine cannot show what the test is for: it passes and proves nothing.
///
/// Past the capture of the test harness, so that it is seen.
pub fn not_shown(test: &str, why: &str) {
    let _ = io::stderr().write_all(format!("not shown here: {test}: {why}\n").as_bytes());
}

/// A mebibyte.
pub const MIB: u64 = 1 << 20;
