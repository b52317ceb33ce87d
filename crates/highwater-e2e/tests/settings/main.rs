//! Settings of the environment, good and bad, as a real program has them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use highwater_e2e::process::{Process, Program};
use highwater_e2e::{binary, wait};

mod bad;
mod told;

/// So that an episode begins and ends at once.
const AT_ONCE: [(&str, &str); 4] = [
    ("HIGHWATER_LIMIT", "128MiB"),
    ("HIGHWATER_HOLD_ELEVATED", "0s"),
    ("HIGHWATER_HOLD_HIGH", "0s"),
    ("HIGHWATER_HOLD_LEAVE", "0s"),
];

/// A program with the agent, ready.
#[track_caller]
fn start(program: impl FnOnce(Program) -> Program) -> Process {
    let process = program(Program::at(&binary::example("driven")).with_input()).start();
    wait::until("the program is ready", || process.output().contains("ready").then_some(()));
    process
}

/// Ends it; what it printed is complete then.
#[track_caller]
fn end(mut process: Process) -> (String, String) {
    process.close_input();
    process.wait_for_success();
    (process.output(), process.error())
}

/// Waits until `printed` has `text` so often.
#[track_caller]
fn wait_for(text: &str, times: usize, printed: impl Fn() -> String) {
    wait::until_ok(&format!("{text:?} is printed {times} times"), || {
        let printed = printed();
        if printed.matches(text).count() >= times { Ok(()) } else { Err(printed) }
    });
}
