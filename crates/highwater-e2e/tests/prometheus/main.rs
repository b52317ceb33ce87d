//! Prometheus and what is made for it: what it scrapes is what it receives, its rules, and Grafana's dashboard, which is held
//! against it here, since Grafana itself does not run on a bare machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

mod dashboard;
mod names;
mod rules;
mod scene;
mod scraped;
