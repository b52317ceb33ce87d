//! A live page that says where a Rust service's memory is, for [`highwater`].
//!
//! One line more in `main`, and <http://127.0.0.1:7070> says in words how the memory stands: the verdict with its reason,
//! its numbers and one next step; below it the last six hours, which part of the memory is whose, and what happened.
//!
//! ```no_run
//! let agent = highwater::start();
//! let _page = highwater_page::start(&agent); // until the end of main
//! // ... the service ...
//! ```
//!
//! It listens on the loopback address; on any other it asks for a token. [`Page::builder`] has its settings in code,
//! [`Page::mounted`] makes it a part of a host's own app. `docs/page.md` of the repository says what it shows, who may see it,
//! and what it costs.
//!
//! # Features
//!
//! | feature | adds | crates |
//! |---|---|---|
//! | `tower` | [`Mounted`] is a `tower_service::Service`, for axum and hyper | `tower-service` |
//! | `actix-web` | [`Mounted`] is what `App::service` of actix-web takes | `actix-web` without its default features |
//!
//! # Cost
//!
//! One thread, `highwater-page`, with a runtime of its own on it, which wakes twice a second; about half a MiB for the
//! history. It takes no samples: what it shows is what the agent has. Each message is encoded once for all who look, and not
//! at all while nobody does. There are at most 64 connections, each bounded in size and time.
//!
//! # Environment
//!
//! `HIGHWATER_PAGE`, `HIGHWATER_PAGE_TOKEN`, `HIGHWATER_PAGE_HOSTS` and `HIGHWATER_JAEGER_URL`, read by the agent with its
//! other settings: `Agent::builder().set("HIGHWATER_PAGE", "off")` sets them in code as well.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test"))]

use highwater::{Agent, Severity};

#[cfg(feature = "actix-web")]
mod actix;
mod assets;
mod body;
mod clock;
mod gate;
mod history;
mod json;
mod keeper;
mod live;
mod mount;
mod mounted;
mod pace;
mod page;
mod parts;
mod process;
mod routes;
mod server;
mod snapshots;
mod state;
mod timed;
mod told;
#[cfg(feature = "tower")]
mod tower;
mod verdict;

pub use body::Body;
pub use mounted::Mounted;
pub use page::{Builder, DEFAULT_ADDRESS, Page, StartError};

/// Starts the page of an agent, by default at <http://127.0.0.1:7070>, and says its address in the service's log; with a token
/// that had to be made, on standard error.
///
/// The environment decides: `HIGHWATER_PAGE` names another address, or is `off`. It never fails the host: where the page
/// cannot be served, as on a port that is taken or with a token that cannot be used, that is said once, and the service goes
/// on without. Keep what it returns until the end of `main`.
pub fn start(agent: &Agent) -> Page {
    Page::builder(agent).start().unwrap_or_else(|error| {
        agent.observer().say(Severity::Warn, &format!("there is no page: {error}"));
        Page::off()
    })
}

/// The examples of the documentation, compiled.
#[cfg(all(doctest, feature = "tower", feature = "actix-web"))]
#[doc = include_str!("../../../docs/page.md")]
struct Documentation;
