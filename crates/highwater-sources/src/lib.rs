//! The readings of Highwater: jemalloc, `/proc`, cgroups and the program's own regions, as one [`Sample`].
//!
//! [`Sources::open`] never fails and nothing here panics: a source that cannot be read blanks its own fields, and
//! [`Sources::availability`] says why. A steady-state reading allocates nothing and takes no lock that the program could
//! hold. There is no clock and no thread in this crate: the moment of a reading is an argument, and so is the time to wait.
//!
//! ```
//! use std::sync::Arc;
//! use highwater_model::SinceStart;
//! use highwater_sources::{Options, Regions, Sources};
//!
//! let regions = Arc::new(Regions::new());
//! let staging = regions.region("staging");
//! let mut sources = Sources::open(Options::default(), regions);
//! let sample = sources.sample(SinceStart::from_secs(1));
//! println!("{:?} used of {:?}, {:?} resident", sample.used, sample.limit, sample.process.rss);
//! ```
//!
//! # Layout
//!
//! | module | idea |
//! |---|---|
//! | [`sources`] | all sources at three speeds: glance, sample, refresh |
//! | [`availability`] | what can be read, and why something cannot |
//! | [`regions`] | memory that the program accounts for itself |
//! | [`jemalloc`] | the allocator's numbers, and whether they are the program's |
//! | [`resource`] | who this process is: start time and container |
//! | [`waiter`](mod@waiter) | to wait, until the kernel says that memory is short |
//! | [`per_process`] | a value for each process, also after a fork |
//! | `process` | `/proc/self` |
//! | `cgroup` | where the cgroups are, their limits, and what is used of them |
//! | `file` | files that stay open, and the one buffer that they are read into |
//! | `parse` | what the files mean: functions on bytes, without I/O |
//! | [`platform`] | what differs between systems |
//!
//! # What a reading costs
//!
//! Measured with jemalloc and one limited cgroup v1 on a busy virtual machine (two AMD EPYC processors, Linux 6.18,
//! Rust 1.95): `cargo bench -p highwater-sources --features jemalloc`. *Raw* are the same system and `mallctl` calls
//! without any parsing.
//!
//! | speed | reads | raw | reading |
//! |---|---|---|---|
//! | [`glance`](Sources::glance), 100 ms and shorter | usage of each limited cgroup, or `statm` | 0.52 us | 0.56 us |
//! | [`sample`](Sources::sample), 1 s | jemalloc's epoch and statistics, `statm`, `status`, `stat`, `fd`, `memory.stat` and what happened at the limits | 27.2 us | 28.9 us |
//! | [`refresh`](Sources::refresh), 10 s | `/proc/self/cgroup`, `meminfo`, the limits of all ancestors | | 18.2 us |
//!
//! jemalloc's epoch adds 6 to 7 us for each arena in use: time a sample, and stretch the interval where it is dear. Never
//! read here are `smaps` and `smaps_rollup`, which stall each `mmap` of the program for the whole walk.
//!
//! Kept descriptors: six of the process, two for each cgroup directory (of at most 32), three or four more for each directory
//! with a limit; three of a waiter.
//!
//! # Platforms
//!
//! Numbers come from Linux; jemalloc's from wherever it builds. Elsewhere the kernel's files do not exist, and what they
//! would say is absent.
//!
//! [`Sample`]: highwater_model::Sample

pub mod availability;
mod cgroup;
mod file;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod jemalloc;
mod parse;
pub mod per_process;
pub mod platform;
mod process;
pub mod regions;
pub mod resource;
pub mod sources;
pub mod waiter;

pub use availability::{Availability, Reason, Source};
pub use jemalloc::AllocatorKind;
pub use per_process::PerProcess;
pub use regions::{Region, Regions};
pub use resource::{boot_id, boot_time, container_id, machine_id, process_start_time, start_time_of};
pub use sources::{Options, Sources};
pub use waiter::{Signs, Stop, Waiter, Woken, waiter};
