//! The pure judgement of Highwater.
//!
//! A [`Sample`] of a process's memory goes in, [`Transitions`] come out, each with its reason and its numbers. Nothing here
//! knows a clock, a file, a thread or an environment variable: time is a field of the sample, so that the same samples give
//! the same judgement in the agent, in a test and in a replay.
//!
//! | module | idea |
//! |---|---|
//! | [`units`] | bytes, shares and moments as types |
//! | [`sample`] | one reading of all sources |
//! | [`limit`] | which limit binds |
//! | [`level`] | normal, elevated, high, critical, and the lines between them |
//! | [`judge`] | holds, hysteresis and the episode: the state machine |
//! | [`cause`] | which part of the memory grew |
//! | [`capture`] | when a heap profile is taken, and why not |
//! | [`growth`] | growth that goes on: told before a line is crossed |
//! | [`forecast`] | when the limit is reached, as a range |
//! | [`peak`] | the highest use of the last minute |
//! | [`recording`] | samples as rows of a CSV |
//! | [`schedule`] | when to look next |
//! | [`verdict`] | how a run ended, from what it left behind |
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test"))]

#[cfg(test)]
extern crate std;

pub mod capture;
pub mod cause;
pub mod forecast;
pub mod growth;
pub mod judge;
pub mod level;
pub mod limit;
pub mod peak;
pub mod recording;
mod rise;
pub mod sample;
pub mod schedule;
pub mod units;
pub mod verdict;

pub use capture::{Captures, Refusal, Trigger};
pub use cause::Cause;
pub use forecast::Forecast;
pub use growth::{Growth, Pace, Windows};
pub use judge::{Change, Counts, Episode, Holds, Judge, Peak, Reason, Rules, Stay, Transition, Transitions};
pub use level::{Level, Levels, LevelsError, LevelsFault, Line, ParseThresholdError, Threshold};
pub use limit::{Candidate, Limit, LimitSource};
pub use peak::TrailingPeak;
pub use sample::{Allocator, Cgroup, CgroupEvents, Glance, Pressure, Process, Sample};
pub use schedule::Schedule;
pub use units::{Bytes, ParseBytesError, Percent, SinceStart};
pub use verdict::{Confidence, Evidence, Machine, Verdict};
