//! See README
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test"))]
#![cfg_attr(
    not(feature = "opentelemetry"),
    allow(dead_code, reason = "what is sent has no taker without OpenTelemetry")
)]

mod agent;
mod builder;
mod clock;
mod config;
mod delivery;
mod event;
mod identity;
mod latest;
#[cfg(feature = "opentelemetry")]
mod otel;
#[cfg(not(feature = "opentelemetry"))]
#[path = "otel_disabled.rs"]
mod otel;
mod outlet;
mod shared;
mod startup;
mod status;
mod telemetry;
#[cfg(test)]
mod tests;
mod voice;
mod watch;

pub use agent::Agent;
pub use builder::{Builder, StartError};
pub use config::ConfigError;
pub use delivery::DeliveryState;
pub use event::{Event, Severity, What};
pub use highwater_model as model;
pub use highwater_model::{Bytes, Holds, Level, Sample, Threshold};
pub use highwater_sources as sources;
pub use highwater_sources::Region;
pub use identity::EpisodeId;
#[cfg(feature = "opentelemetry")]
pub use otel::resource;
#[cfg(feature = "otlp")]
pub use otel::view;
pub use status::{OpenEpisode, Status};

/// Installs jemalloc as the program's allocator, with settings fit for observation. In the binary, at the top level.
///
/// `background_thread:true` returns freed memory to the system although the program is idle; `cache_oblivious:false` makes
/// the allocator's `resident` mean what the kernel holds, within 0.4 %, and saves up to a fifth of the memory of 16 KiB
/// objects. `_RJEM_MALLOC_CONF` in the environment overrides both. Not needed where another line installs jemalloc: the
/// agent finds out at its start whether jemalloc serves the program.
#[cfg(feature = "jemalloc")]
#[macro_export]
macro_rules! jemalloc {
    () => {
        const _: () = {
            #[global_allocator]
            static ALLOCATOR: $crate::sources::jemalloc::Jemalloc = $crate::sources::jemalloc::Jemalloc;

            // jemalloc reads its settings from this symbol before `main`; only a binary's own symbol is sure to be linked.
            #[unsafe(export_name = "_rjem_malloc_conf")]
            static CONF: $crate::sources::jemalloc::Conf =
                $crate::sources::jemalloc::Conf::new($crate::sources::jemalloc::CONF);
        };
    };
}

/// Starts
pub fn start() -> Agent {
    Builder::from_environment().start_anyway()
}
