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
//! | [`peak`] | the highest use of the last minute |
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod limit;
pub mod sample;
pub mod units;

pub use limit::{Candidate, Limit, LimitSource};
pub use sample::{Allocator, Cgroup, CgroupEvents, Glance, Pressure, Process, Sample};
pub use units::{Bytes, ParseBytesError, Percent, SinceStart};
