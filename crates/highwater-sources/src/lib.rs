//! The readings of Highwater: jemalloc, `/proc`, cgroups and the program's own regions, as one [`Sample`].
//!
//! [`Sources::open`] never fails and nothing here panics: a source that cannot be read blanks its own fields, and
//! [`Sources::availability`] says why. A steady-state reading allocates nothing and takes no lock that the program could
//! hold. There is no clock and no thread in this crate: the moment of a reading is an argument.
//!
//! | module | idea |
//! |---|---|
//! | [`sources`] | all sources at three speeds: glance, sample, refresh |
//! | [`availability`] | what can be read, and why something cannot |
//! | [`regions`] | memory that the program accounts for itself |
//! | [`jemalloc`] | the allocator's numbers, and whether they are the program's |
//! | [`resource`] | who this process is: start time and container |
//!
//! [`Sample`]: highwater_model::Sample

pub mod availability;
mod cgroup;
mod file;
pub mod jemalloc;
mod parse;
mod platform;
mod process;
pub mod regions;
pub mod resource;
pub mod sources;

pub use availability::{Availability, Reason, Source};
pub use jemalloc::AllocatorKind;
pub use regions::{Region, Regions};
pub use resource::{container_id, process_start_time};
pub use sources::{Options, Sources};
