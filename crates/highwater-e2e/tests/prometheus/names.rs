//! The names that an expression asks for, as Prometheus reads it, and those that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use highwater_e2e::peers::Prometheus;
use highwater_e2e::{binary, http};
use serde_json::Value;

/// What the collector tells of itself, as far as anything here asks for it. A count begins with the first that it counts.
const COLLECTOR: [&str; 14] = [
    "otelcol_exporter_enqueue_failed_log_records_total",
    "otelcol_exporter_enqueue_failed_metric_points_total",
    "otelcol_exporter_enqueue_failed_spans_total",
    "otelcol_exporter_queue_capacity",
    "otelcol_exporter_queue_size",
    "otelcol_exporter_send_failed_log_records_total",
    "otelcol_exporter_send_failed_metric_points_total",
    "otelcol_exporter_send_failed_spans_total",
    "otelcol_receiver_accepted_log_records_total",
    "otelcol_receiver_accepted_metric_points_total",
    "otelcol_receiver_accepted_spans_total",
    "otelcol_receiver_refused_log_records_total",
    "otelcol_receiver_refused_metric_points_total",
    "otelcol_receiver_refused_spans_total",
];

/// What Prometheus makes itself.
const PROMETHEUS: [&str; 2] = ["target_info", "ALERTS"];

/// The agent's metrics by their name in Prometheus, each with its set: the columns of the reference page.
pub(crate) fn of_the_agent() -> BTreeMap<String, String> {
    let page = fs::read_to_string(binary::repository().join("docs/telemetry.md")).unwrap();
    let cells =
        |row: &str| row.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`']).to_owned()).collect::<Vec<_>>();
    let rows = page.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.take_while(|cells| cells.len() == 8).map(|cells| (cells[1].clone(), cells[6].clone())).collect()
}

/// Whether there is such a metric: of the agent, the collector or Prometheus, or recorded by one of `rules`.
pub(crate) fn exists(name: &str, recorded: &BTreeSet<String>) -> bool {
    COLLECTOR.contains(&name)
        || PROMETHEUS.contains(&name)
        || recorded.contains(name)
        || of_the_agent().contains_key(name)
}

/// The metrics that `expression` asks for.
#[track_caller]
pub(crate) fn asked(prometheus: &Prometheus, expression: &str) -> BTreeSet<String> {
    let tree = prometheus.api(&format!("parse_query?query={}", http::encode(expression)));
    let mut names = BTreeSet::new();
    collect(&tree.unwrap_or_else(|error| panic!("{expression}: {error}")), &mut names);
    names
}

fn collect(node: &Value, names: &mut BTreeSet<String>) {
    if matches!(node["type"].as_str(), Some("vectorSelector" | "matrixSelector")) {
        names.insert(node["name"].as_str().unwrap().to_owned());
    }
    match node {
        Value::Object(fields) => fields.values().for_each(|field| collect(field, names)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        _ => {}
    }
}
