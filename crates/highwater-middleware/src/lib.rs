//! Load shedding by memory pressure, for tower and actix-web.
//!
//! Near its memory limit a service that takes all requests is killed, and with it those that it had begun. [`LoadShed`] turns
//! some away meanwhile, with status 503 and `Retry-After`, by the level at which the agent of [`highwater`] holds the
//! process to be: by default every second one at high and all at critical.
//!
//! ```
//! use std::time::Duration;
//!
//! use highwater::Level;
//! use highwater_middleware::{LoadShed, Share};
//!
//! let agent = highwater::start();
//! let shed = LoadShed::new(agent.pressure())
//!     .from_level(Level::High, Share::percent(50))
//!     .from_level(Level::Critical, Share::ALL)
//!     .exempt("/status")
//!     .exempt_below("/admin/")
//!     .retry_after(Duration::from_secs(30));
//! ```
//!
//! With tower, and what is built on it such as axum, it is a layer:
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! # fn app(shed: highwater_middleware::LoadShed) -> axum::Router {
//! use axum::Router;
//! use axum::routing::get;
//!
//! Router::new().route("/", get(|| async { "hello" })).layer(shed)
//! # }
//! ```
//!
//! With actix-web a middleware, of which the workers share one:
//!
#![cfg_attr(feature = "actix-web", doc = "```no_run")]
#![cfg_attr(not(feature = "actix-web"), doc = "```ignore")]
//! # fn serve(shed: highwater_middleware::LoadShed) -> std::io::Result<actix_web::dev::Server> {
//! use actix_web::{App, HttpServer, web};
//!
//! let app = move || App::new().wrap(shed.clone()).route("/", web::get().to(async || "hello"));
//! # Ok(HttpServer::new(app).bind(("127.0.0.1", 3000))?.run())
//! # }
//! ```
//!
//! For any other framework, [`LoadShed::admit`] decides, and the rest is an answer.
//!
//! # Features
//!
//! | feature | adds | crates |
//! |---|---|---|
//! | `tower` | [`tower`]: `LoadShed` is a `tower_layer::Layer` | `tower-layer`, `tower-service`, `http`, `pin-project-lite` |
//! | `actix-web` | [`actix`]: `LoadShed` is an `actix_web::dev::Transform` | `actix-web` without its default features, `pin-project-lite` |
//!
//! # Telemetry
//!
//! The agent exports how many requests were turned away, by level, as `highwater.shed.requests`: from 0 on, from the making
//! of a `LoadShed` on.
//!
//! # Cost
//!
//! An admitted request costs one atomic load. While a level is raised it costs a system call more, by which a forked child
//! finds that it is none of its parent's, and a look at the exempt paths. Nothing is allocated but the answer to a request
//! that is turned away. `cargo bench -p highwater-middleware` measures it; the figures stand in `docs/figures.md`.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test"))]

mod shed;

#[cfg(feature = "actix-web")]
pub mod actix;
#[cfg(feature = "tower")]
pub mod tower;

pub use shed::{LoadShed, Refused, Share};
