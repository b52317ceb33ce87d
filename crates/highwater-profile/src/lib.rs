//! Heap profiles: jemalloc's own text read and named, pprof's format read and written.
//!
//! A profile is taken when memory is short, by the process that is short of it. So what is read here is read in a stream,
//! and what is kept has a bound: reading, naming, comparing and writing a dump of any size takes [`MOST_HELD`] at most.
//! There is no clock, no thread, no environment and no allocator in this crate; the only files that it opens are the mapped
//! ones, where it is given an `Opener`.
//!
//! ```
//! use std::io::Cursor;
//! use highwater_profile::{Analysis, NoFiles};
//!
//! let dump = "heap_v2/524288\n@ 0x5581 0x5612\n  t*: 2: 1048576 [0: 0]\n";
//! let analysis = Analysis::of(Cursor::new(dump), &mut NoFiles)?;
//! assert_eq!((analysis.stacks(), analysis.bytes() > 1_048_576), (1, true));
//! for site in analysis.sites(10, None) {
//!     println!("{} bytes in {:?}", site.bytes, site.function);
//! }
//! # Ok::<(), highwater_profile::Error>(())
//! ```
//!
//! # Layout
//!
//! | module | idea |
//! |---|---|
//! | [`analysis`] | a dump as a whole: which functions hold how much |
//! | [`site`] | where memory was asked for, and what was held from there earlier |
//! | [`pprof`] | the format that the tools read |
//! | `otlp` | a request of OpenTelemetry's profiles signal (feature `unstable-otlp`) |
//! | `symbolize` | inlined functions and lines, from DWARF, for tools (feature `symbolize`) |
//! | [`open`] | the files that are mapped, opened by whoever knows where they are |
//! | `dump` | jemalloc's text |
//! | `lines` | lines of any length through a fixed buffer |
//! | [`maps`] | a line of `/proc/self/maps` |
//! | `elf` | build id and symbol table, by `pread` |
//! | `names` | symbols as people write them |
//! | `frames` | whose function it is |
//! | [`error`] | why a profile cannot be read |
//!
//! # What it costs
//!
//! Measured on two AMD EPYC processors of a busy virtual machine (load 8, Linux 6.18, Rust 1.95, release), with stacks of 30
//! frames whose addresses are spread evenly, which packs worse than a program's. Held is the most that was allocated at once
//! (`tests/bounded.rs`).
//!
//! | dump | read, named, summed up | written as pprof | packed |
//! |---|---|---|---|
//! | 52 stacks, 29 KB | 0.4 ms | 0.8 ms | 18 KB |
//! | 2,205 stacks, 1.1 MB | 11 ms | 26 ms | 405 KB |
//! | 17,489 stacks, 8.7 MB | 69 ms | 71 ms | 854 KB |
//!
//! Held: 2.7 MB, with 65,536 addresses, in 20,000 stacks of 40 frames or in 130,000 of one; 3.5 MB while a request for
//! OpenTelemetry is made of them, too.
//!
//! # Bounds
//!
//! | what | at most | what is beyond |
//! |---|---|---|
//! | distinct addresses | [`MOST_ADDRESSES`] | takes no part in the search for a site; a stack of nothing else is in [`Analysis::rest`] |
//! | frames of a stack | 1,024 | is cut at the outer end |
//! | a name | [`LONGEST_NAME`] bytes | is cut |
//! | all names | 768 KiB | has module and offset only |
//! | mappings with code | [`MOST_MAPPINGS`] | has no module |
//! | sites | [`MOST_SITES`] | the smaller half is in [`Analysis::rest`] |
//! | sites of a baseline | 4,096 | is taken to have held as much as the smallest |
//! | a request for OpenTelemetry | 1 MiB | the stacks that hold least are one sample without a stack |
//! | a line | 32 KiB | is counted in [`Analysis::skipped`] |
//!
//! [`MOST_ADDRESSES`]: analysis::MOST_ADDRESSES
//! [`MOST_MAPPINGS`]: analysis::MOST_MAPPINGS
//! [`MOST_SITES`]: analysis::MOST_SITES
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test"))]

pub mod analysis;
mod dump;
mod elf;
pub mod error;
mod frames;
mod lines;
pub mod maps;
mod names;
pub mod open;
#[cfg(feature = "unstable-otlp")]
pub mod otlp;
pub mod pprof;
pub mod site;
#[cfg(feature = "symbolize")]
pub mod symbolize;

pub use analysis::Analysis;
pub use error::Error;
pub use maps::Mapping;
pub use names::LONGEST_NAME;
#[cfg(unix)]
pub use open::Opener;
pub use open::{NoFiles, Open, ReadAt};
pub use site::{Baseline, Site};

/// The most that reading, naming, comparing and writing one dump takes: 4 MiB.
pub const MOST_HELD: usize = 4 << 20;
