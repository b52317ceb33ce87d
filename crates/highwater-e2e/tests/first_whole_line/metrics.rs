//! The series that Prometheus has of one process: no more and no fewer than the list, per hierarchy of cgroups.

use std::collections::BTreeSet;

use highwater_e2e::cgroup::Version;
use highwater_e2e::wait;

use super::{Line, MIB};

/// Name, and the values of the one label that tells the series of that name apart.
type Metric = (&'static str, &'static str, &'static [&'static str]);

const LEVELS: &[&str] = &["elevated", "high", "critical"];
const SIGNALS: &[&str] = &["logs", "metrics", "traces"];

/// The core set, and what the demo registers.
const CORE: &[Metric] = &[
    ("highwater_memory_used_bytes", "", &[]),
    ("highwater_memory_limit_bytes", "highwater_limit_source", &["cgroup"]),
    ("highwater_memory_utilization_ratio", "", &[]),
    ("highwater_memory_peak_bytes", "", &[]),
    ("highwater_memory_external_bytes", "", &[]),
    ("highwater_memory_level", "", &[]),
    ("highwater_episodes_total", "", &[]),
    ("highwater_level_entries_total", "highwater_level", LEVELS),
    ("highwater_cgroup_oom_kills_total", "", &[]),
    ("highwater_export_failures_total", "highwater_signal", SIGNALS),
    ("highwater_export_dropped_total", "highwater_signal", SIGNALS),
    ("highwater_region_usage_bytes", "highwater_region_name", &["buffers"]),
    ("process_memory_usage_bytes", "", &[]),
    ("jemalloc_memory_allocated_bytes", "", &[]),
    ("jemalloc_memory_resident_bytes", "", &[]),
    ("jemalloc_memory_active_bytes", "", &[]),
];

/// Known only where jemalloc counts no more than the kernel holds, which no test can bring about.
const SOMETIMES: &str = "highwater_memory_unattributed_bytes";

/// What `all` adds, whatever the hierarchy and the kernel.
const ALL: &[Metric] = &[
    ("jemalloc_memory_mapped_bytes", "", &[]),
    ("jemalloc_memory_retained_bytes", "", &[]),
    ("jemalloc_memory_metadata_bytes", "", &[]),
    ("jemalloc_memory_dirty_bytes", "", &[]),
    ("jemalloc_memory_muzzy_bytes", "", &[]),
    ("jemalloc_memory_fragmentation_ratio", "", &[]),
    ("jemalloc_memory_not_resident_bytes", "", &[]),
    ("jemalloc_allocations_total", "", &[]),
    ("jemalloc_deallocations_total", "", &[]),
    ("process_memory_virtual_bytes", "", &[]),
    ("process_paging_faults_total", "system_paging_fault_type", &["major", "minor"]),
    ("process_thread_count", "", &[]),
    ("highwater_process_memory_usage_bytes", "highwater_memory_kind", &["anon", "file", "shmem", "swap"]),
    ("highwater_process_memory_peak_bytes", "", &[]),
    ("container_memory_usage_bytes", "", &[]),
    ("container_memory_working_set_bytes", "", &[]),
    ("highwater_memory_available_bytes", "", &[]),
    ("highwater_captures_total", "highwater_capture_outcome", &["written", "refused", "failed"]),
    (
        "highwater_capture_refusals_total",
        "highwater_refusal_reason",
        &["budget", "headroom", "disk", "stall", "other_process", "unavailable", "busy"],
    ),
    ("highwater_watch_time_seconds_total", "highwater_stage", &["read", "judge", "tell"]),
    ("highwater_watch_rounds_total", "", &[]),
];

/// What `all` adds on v1, whose kernel tells neither slab nor sockets apart.
const ALL_V1: &[Metric] = &[
    (
        "highwater_cgroup_memory_usage_bytes",
        "highwater_memory_kind",
        &["anon", "file_active", "file_inactive", "shmem", "kernel"],
    ),
    ("highwater_cgroup_events_total", "container_memory_event_type", &["max"]),
];

/// What `all` adds on v2.
const ALL_V2: &[Metric] = &[
    (
        "highwater_cgroup_memory_usage_bytes",
        "highwater_memory_kind",
        &["anon", "file_active", "file_inactive", "shmem", "kernel", "slab_reclaimable", "sock"],
    ),
    ("highwater_cgroup_events_total", "container_memory_event_type", &["low", "high", "max", "oom"]),
];

/// What `all` adds where the kernel counts descriptors: since Linux 6.2.
const ALL_DESCRIPTORS: &[Metric] = &[("process_unix_file_descriptor_count", "", &[])];

/// What `all` adds where the kernel measures pressure.
const ALL_PRESSURE: &[Metric] =
    &[("highwater_pressure_some_time_seconds_total", "", &[]), ("highwater_pressure_full_time_seconds_total", "", &[])];

/// Labels that every series has: who sends it, and by what.
const COMMON: [&str; 9] = [
    "__name__",
    "job",
    "instance",
    "service_name",
    "service_instance_id",
    "otel_scope_name",
    "otel_scope_version",
    "otel_scope_schema_url",
    "container_id",
];

#[test]
fn prometheus_has_the_core_set_and_nothing_else() {
    let Some(line) = Line::start("prometheus_has_the_core_set_and_nothing_else", 128 * MIB, &[]) else { return };
    line.wait_for_exactly(&[CORE]);
    assert!(line.count() <= 30, "the core set has at most 30 series, not {}", line.count());
}

impl Line {
    /// Waits until Prometheus has all series of `lists`; then it has no others.
    #[track_caller]
    pub(super) fn wait_for_exactly(&self, lists: &[&[Metric]]) {
        let expected: BTreeSet<String> = lists.iter().flat_map(|list| list.iter()).flat_map(spell).collect();
        let what = "Prometheus has all series of the list";
        let found = wait::until_ok(what, || {
            let found = self.found()?;
            let missing: Vec<_> = expected.difference(&found).collect();
            if missing.is_empty() { Ok(found) } else { Err(format!("{missing:?} are missing")) }
        });
        let more: Vec<_> = found.difference(&expected).filter(|series| *series != SOMETIMES).collect();
        assert!(more.is_empty(), "not in the list: {more:?}");
    }

    /// Waits until Prometheus has the whole set `all`; then it has nothing else.
    #[track_caller]
    pub(super) fn wait_for_all(&self) {
        let of_version = match self.cgroup.version() {
            Version::V1 => ALL_V1,
            Version::V2 => ALL_V2,
        };
        let pressure = if self.cgroup.has_pressure() { ALL_PRESSURE } else { &[] };
        let counts_descriptors = std::fs::metadata("/proc/self/fd").is_ok_and(|folder| folder.len() > 0);
        let descriptors = if counts_descriptors { ALL_DESCRIPTORS } else { &[] };
        self.wait_for_exactly(&[CORE, ALL, of_version, pressure, descriptors]);
        assert!(self.count() <= 80, "the set `all` has at most 80 series, not {}", self.count());
    }

    fn count(&self) -> usize {
        self.found().unwrap().iter().filter(|series| !series.starts_with("highwater_region_usage_bytes")).count()
    }

    /// The series of this demo as they stand in Prometheus, spelled like those of the lists. What the collector counts of
    /// its events is the collector's.
    fn found(&self) -> Result<BTreeSet<String>, String> {
        let ours = r#"{__name__=~"(highwater|jemalloc|process|container)_.+",__name__!~"highwater_collector_.+"}"#;
        let series = self.peers.prometheus.query(&self.series(ours))?;
        let own = |series: &highwater_e2e::peers::Series| {
            let own = series.labels().filter(|label| !COMMON.contains(label));
            let own: Vec<_> = own.map(|label| format!("{{{label}={}}}", series.label(label))).collect();
            format!("{}{}", series.name(), own.concat())
        };
        Ok(series.iter().map(own).collect())
    }
}

fn spell((name, label, values): &Metric) -> Vec<String> {
    match values {
        [] => vec![(*name).to_owned()],
        values => values.iter().map(|value| format!("{name}{{{label}={value}}}")).collect(),
    }
}
