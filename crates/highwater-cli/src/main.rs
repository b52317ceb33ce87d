//! `highwater`: what the agent would have said of a recorded run, and what it left behind of one that is over.
//!
//! The judgement is the agent's own, from the same crate, and so is what an event says: this program reads, prints and
//! draws.
//!
//! | module | idea |
//! |---|---|
//! | `options` | the command line |
//! | `trace` | rows of a CSV, whatever is in it |
//! | `black_box` | what a black box holds |
//! | `reap` | telling of the boxes in a folder (feature `reap`) |
//! | `replay` | the loop: read, judge, tell |
//! | `line` | an event as one line of JSON |
//! | `summary` | what there was in all |
//! | `plot` | the trace as a picture |
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test"))]

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use options::{Command, Options};

mod black_box;
mod line;
mod options;
mod plot;
#[cfg(feature = "reap")]
mod reap;
mod replay;
mod summary;
mod trace;

fn main() -> ExitCode {
    match Options::parse().command {
        Command::Replay(options) => match replay::run(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                say(&failure.to_string());
                ExitCode::from(failure.code())
            }
        },
        #[cfg(feature = "reap")]
        Command::Reap(options) => reap::run(&options),
        Command::BlackBox(options) => match black_box::run(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                say(&why);
                ExitCode::FAILURE
            }
        },
    }
}

/// Says one line on standard error. Where that is closed nobody listens, which is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
