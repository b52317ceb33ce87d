//! `highwater`: what the agent would have said of a recorded run, who holds what in a heap profile, and what a run that is
//! over has left behind.
//!
//! The judgement is the agent's own, from the same crate, and so is what an event says; profiles are read by the crate that
//! writes them: this program reads, prints and draws.
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
//! | `profile` | the largest sites of a heap profile, and the profile in other formats |
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
mod profile;
#[cfg(feature = "reap")]
mod reap;
mod replay;
mod summary;
mod trace;

fn main() -> ExitCode {
    let failed = match Options::parse().command {
        Command::Replay(options) => replay::run(&options).err().map(|failure| (failure.to_string(), failure.code())),
        Command::Profile(options) => profile::run(&options).err().map(|failure| (failure.to_string(), failure.code())),
        Command::BlackBox(options) => black_box::run(&options).err().map(|why| (why, 1)),
        #[cfg(feature = "reap")]
        Command::Reap(options) => return reap::run(&options),
    };
    match failed {
        None => ExitCode::SUCCESS,
        Some((text, code)) => {
            say(&text);
            ExitCode::from(code)
        }
    }
}

/// Says one line on standard error. Where that is closed nobody listens, which is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
