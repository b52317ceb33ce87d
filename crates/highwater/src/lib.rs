//! An embeddable memory-observability agent for Rust services, over OpenTelemetry.
//!
//! Two lines in the binary, and OpenTelemetry shows where the memory of the process is, tells when it crosses a line and
//! why, and shows the episode as a trace:
//!
//! ```no_run
//! # #[cfg(feature = "jemalloc")]
//! highwater::jemalloc!(); // feature `jemalloc`: the allocator, with settings fit for observation
//!
//! fn main() {
//!     let _highwater = highwater::start(); // the environment decides; it never fails the host
//!     // ... the service ...
//! }
//! ```
//!
//! # The interface is a ladder
//!
//! | step | for |
//! |---|---|
//! | [`start`] | a service that is configured by its environment |
//! | [`Agent::builder`] | settings in code: [`limit`](Builder::limit), [`level`](Builder::level), [`hold`](Builder::hold), [`metrics`](Builder::metrics), ... |
//! | `meter_provider`, `logger_provider`, `tracer_provider` | a service that has OpenTelemetry providers of its own |
//! | [`Agent::sample`], [`Agent::status`] | a health endpoint |
//! | [`Agent::render_prometheus`] | a service that Prometheus scrapes |
//! | [`Agent::region`] | memory outside the allocator that the program accounts for |
//! | [`Agent::capture`] | a heap profile now |
//! | [`Agent::pressure`] | code that asks or waits for a level: request paths, caches, [load shedding](https://docs.rs/highwater-middleware) |
//! | [`Builder::action`], [`Builder::purge`] | what is to be done from a level on |
//! | [`Agent::on_event`] | a program that hears what happens |
//! | [`Agent::observer`] | who looks on and must not keep the agent running: admin endpoints, the [live page](https://docs.rs/highwater-page) |
//! | [`Agent::delivery`] | whether telemetry arrives, and what was lost |
//! | [`Agent::shutdown`] | an orderly end, with a deadline |
//!
//! # How it works
//!
//! Three threads, none of an async runtime, joined by bounded queues. *highwater-watch* reads, has it judged
//! ([`model`]), publishes the latest sample, and hands events over; it waits for nobody. *highwater-send* tells the
//! collector: events as log records, episodes as spans, on the wire at once. *highwater-tell* runs what is the host's:
//! callbacks, the log, a host's own providers, and the waking of those who wait for a level. Metrics are collected by the
//! SDK's own thread, from the latest sample. Where there is an action or a purge, *highwater-act* runs it; with
//! [`record`](Builder::record) *highwater-write* writes each sample to a file, with [`black_box`](Builder::black_box)
//! *highwater-box* into one that the next start reads. Where jemalloc samples the program, *highwater-capture* takes heap
//! profiles, and with [`profile_folder`](Builder::profile_folder) *highwater-files* writes them. With OTLP by gRPC
//! *highwater-grpc* has the connection.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `otlp` | on | a pipeline of the agent's own: OTLP by HTTP/protobuf over a blocking client |
//! | `opentelemetry` | on, in `otlp` | a host's own providers |
//! | `tracing` | on | the agent's words in the service's own log, target `highwater`; without a subscriber on standard error |
//! | `jemalloc` | off | the allocator's numbers, and [`jemalloc!`](macro@jemalloc); builds jemalloc |
//! | `heap-profile` | off | the places that hold the memory in the event of an episode, and heap profiles as files; with jemalloc |
//! | `unstable-profiles` | off | heap profiles by OTLP, too: a signal in development, which a minor release may change; with `heap-profile` |
//! | `grpc` | off | OTLP by gRPC: HTTP/2 over a connection that all signals share, on a thread and a small runtime of its own |
//! | `tls` | off | `https` for both protocols, with the system's authorities or your own, and a certificate of the agent's |
//! | `gzip` | off | requests compressed |
//!
//! Without any, the agent samples, judges and calls back.
//!
//! # Platform
//!
//! Linux gives all numbers: `/proc`, cgroups v1, v2 and hybrid. What another system cannot read is absent there.
//!
//! # Environment
//!
//! | variables | for |
//! |---|---|
//! | `HIGHWATER_LIMIT`, `_LEVEL_*`, `_HOLD_*`, `_GROWTH_*` | judgement |
//! | `HIGHWATER_METRICS`, `_EVENTS`, `_SPAN_EVENTS`, `_REPORT` | what is told, and where |
//! | `HIGHWATER_RECORD`, `_RECORD_SIZE` | a file with every sample, for `highwater replay` |
//! | `HIGHWATER_PROFILE_*` | heap profiles as files, and what asks for one |
//! | `HIGHWATER_BLACK_BOX` | a file that survives the process, with its last minutes |
//! | `HIGHWATER_PURGE` | what is done |
//! | `HIGHWATER_PAGE`, `_PAGE_*`, `HIGHWATER_JAEGER_URL` | the live page, where the program has it |
//! | `OTEL_EXPORTER_OTLP_*`, for all signals and for one | the way to the collector |
//! | `OTEL_METRICS_EXPORTER`, `OTEL_LOGS_EXPORTER`, `OTEL_TRACES_EXPORTER`, `OTEL_TRACES_SAMPLER`, `OTEL_METRIC_EXPORT_*` | what is sent |
//! | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | who sends it |
//! | `HIGHWATER_DISABLED`, `OTEL_SDK_DISABLED` | nothing but readings; nothing sent |
//!
//! Each has a row in `docs/configuration.md`, and so has each other variable of OpenTelemetry's, with the reason why it has
//! no effect here. Each can be set in code by its name, by [`Builder::set`].
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test"))]
#![cfg_attr(
    not(feature = "opentelemetry"),
    allow(dead_code, reason = "what is sent has no taker without OpenTelemetry")
)]

mod act;
mod agent;
pub mod black_box;
mod builder;
mod capture;
mod clock;
mod config;
mod delivery;
mod event;
mod finished;
#[cfg(all(fuzzing, feature = "otlp"))]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod latest;
mod observer;
#[cfg(feature = "opentelemetry")]
mod otel;
#[cfg(not(feature = "opentelemetry"))]
#[path = "otel_disabled.rs"]
mod otel;
mod outlet;
mod pressure;
mod prometheus;
mod record;
mod report;
mod shared;
mod signal;
mod site;
mod stack;
mod startup;
mod status;
mod telemetry;
#[cfg(test)]
mod tests;
mod voice;
mod watch;

pub use act::Action;
pub use agent::Agent;
pub use black_box::PreviousRun;
pub use builder::{Builder, StartError};
pub use capture::{Capture, CaptureError, CaptureRefused};
pub use config::{ConfigError, Protocol};
pub use delivery::{DeliveryReport, DeliveryState, Target};
pub use event::{Attribute, Event, Severity, What};
pub use highwater_model as model;
pub use highwater_model::{Bytes, Level, Pace, Refusal, Sample, Threshold, Trigger};
pub use highwater_sources::{AllocatorKind, Reason as SourceReason, Region, Source};
pub use identity::EpisodeId;
pub use observer::Observer;
#[cfg(feature = "opentelemetry")]
pub use otel::resource;
#[cfg(feature = "otlp")]
pub use otel::view;
pub use pressure::{Changed, Ended, Pressure, PressureReading, ShedCounter};
pub use prometheus::Exposition;
pub use signal::Signals;
pub use site::Site;
pub use status::{Cost, OpenEpisode, Status};

/// What the live page needs, and nobody else.
#[doc(hidden)]
pub mod __page {
    pub const VERSION: &str = env!("CARGO_PKG_VERSION");
    pub use crate::config::{Page, PageAddress, PageToken, page_hosts, page_url};
    pub use crate::voice::has_log;
}

/// What the macro needs, and nobody else.
#[cfg(feature = "jemalloc")]
#[doc(hidden)]
pub mod __private {
    pub use highwater_sources::jemalloc::{CONF, Conf, Jemalloc};
}

/// Installs jemalloc as the program's allocator, with settings fit for observation. In the binary, at the top level.
///
/// `background_thread:true` returns freed memory to the system although the program is idle; `cache_oblivious:false` brings
/// the allocator's `resident` near to what the kernel holds (of 1 GiB within 0.4 %, where it was up to 25 % above; a few MiB
/// and what is reserved but not touched stay), and saves up to a fifth of the memory of 16 KiB objects. With
/// feature `heap-profile` also `prof:true,lg_prof_sample:21`: one allocation in 2 MiB is sampled, from the first byte on.
/// `_RJEM_MALLOC_CONF` in the environment overrides all of them. Not needed where another line installs jemalloc: the agent
/// finds out at its start whether jemalloc serves the program.
#[cfg(feature = "jemalloc")]
#[macro_export]
macro_rules! jemalloc {
    () => {
        const _: () = {
            #[global_allocator]
            static ALLOCATOR: $crate::__private::Jemalloc = $crate::__private::Jemalloc;

            // jemalloc reads its settings before `main`, with its prefix or, as the host builds it, without; only symbols of
            // the binary itself are sure to be linked.
            #[unsafe(export_name = "_rjem_malloc_conf")]
            static PREFIXED: $crate::__private::Conf = $crate::__private::Conf::new($crate::__private::CONF);
            #[unsafe(export_name = "malloc_conf")]
            static UNPREFIXED: $crate::__private::Conf = $crate::__private::Conf::new($crate::__private::CONF);
        };
    };
}

/// The README's examples, compiled.
#[cfg(all(doctest, feature = "jemalloc", feature = "otlp"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// Says what is missing: the macro exists with feature `jemalloc` only.
#[cfg(not(feature = "jemalloc"))]
#[macro_export]
macro_rules! jemalloc {
    () => {
        compile_error!(
            "highwater::jemalloc!() needs the feature: highwater = { version = \"..\", features = [\"jemalloc\"] }"
        );
    };
}

/// Starts the agent of this process, or gives a handle of the one that runs.
///
/// The environment decides; code decides through [`Agent::builder`]. It never fails the host: a setting that cannot be used
/// is said once, on the log or standard error, and its default taken; an agent that cannot run at all says so and gives
/// readings on demand. Keep what it returns until the end of `main`.
pub fn start() -> Agent {
    Builder::from_environment().start_anyway()
}
