//! From the kernel to the real backends: the demo under a real limit, and what arrives of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use highwater_e2e::MIB;
use highwater_e2e::cgroup::Cgroup;
use highwater_e2e::demo::Demo;
use highwater_e2e::peers::{Peers, Record};

mod episode;
mod growth;
mod metrics;
mod quiet;
mod shutdown;

const SERVICE: &str = "whole-line";

/// A demo under a limit, and the peers that it sends to.
struct Line {
    // Dropped in this order: the cgroup can be removed when the demo has ended.
    demo: Demo,
    cgroup: Cgroup,
    peers: Arc<Peers>,
    /// The demo's `service.instance.id`: what is its own among all that the peers hold.
    instance: String,
    limit: u64,
}

impl Line {
    /// Starts a demo that enters and leaves levels sooner than by default. `None` where there is no cgroup to be had.
    #[track_caller]
    fn start(test: &str, limit: u64, variables: &[(&str, &str)]) -> Option<Self> {
        let cgroup = Cgroup::limited(test, limit)?;
        let peers = Peers::shared();
        let (demo, instance) = start_demo(&cgroup, &peers, variables);
        Some(Self { demo, cgroup, peers, instance, limit })
    }

    /// Allocates up to `percent` of the limit.
    #[track_caller]
    fn fill(&self, percent: u64) {
        self.demo.allocate_until_used(self.limit / 100 * percent);
    }

    /// The series of the demo's that `selector` names: `highwater_memory_used_bytes`, `{__name__=~"a.*"}`.
    fn series(&self, selector: &str) -> String {
        match selector.strip_suffix('}') {
            Some(labels) => format!("{labels},instance=\"{}\"}}", self.instance),
            None => format!("{selector}{{instance=\"{}\"}}", self.instance),
        }
    }

    fn records(&self) -> Vec<Record> {
        self.peers.collector.records_of(&self.instance)
    }
}

fn start_demo(cgroup: &Cgroup, peers: &Peers, variables: &[(&str, &str)]) -> (Demo, String) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let instance = format!("demo-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let resource = format!("service.instance.id={instance}");
    let mut all = vec![
        ("OTEL_SERVICE_NAME", SERVICE),
        ("OTEL_RESOURCE_ATTRIBUTES", resource.as_str()),
        ("HIGHWATER_HOLD_ELEVATED", "300ms"),
        ("HIGHWATER_HOLD_HIGH", "200ms"),
        ("HIGHWATER_HOLD_CRITICAL", "0s"),
        ("HIGHWATER_HOLD_LEAVE", "500ms"),
    ];
    all.extend(peers.variables());
    // The last of two values of the same variable counts.
    all.extend(variables);
    (Demo::start(Some(cgroup), &all), instance)
}
