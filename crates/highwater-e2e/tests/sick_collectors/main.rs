//! Collectors that are away, hang, refuse or answer nonsense: what was told is not lost, the host does not notice, and each
//! change is said in one line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use highwater_e2e::subject::{BEGUN, ENDED, Subject};

mod away;
mod grpc;
mod sick;
mod tls;
