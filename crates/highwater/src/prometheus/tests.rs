use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use highwater_model::{Bytes, SinceStart};
use proptest::prelude::*;

use super::*;
use crate::identity::ProcessId;
use crate::latest::Snapshot;
use crate::telemetry::tests::full;
use crate::telemetry::{METRICS, Metric, Set};

const FORMATS: [Exposition; 2] = [Exposition::Text, Exposition::OpenMetrics];

/// What `shared` renders of `selection` at `second`, for a service called `cart`.
fn rendered(shared: &Shared, selection: &str, second: u64, format: Exposition) -> String {
    let resource = vec![("service.name".to_owned(), "cart".to_owned())];
    let exposed = Exposed::new(selection.parse().unwrap(), resource);
    exposed.render(shared, SinceStart::from_secs(second), format)
}

fn with(snapshot: &Snapshot) -> Arc<Shared> {
    let shared = Shared::new();
    shared.latest.publish(snapshot);
    shared
}

#[test]
fn the_text_format_reads_like_this() {
    let shared = with(&full());
    shared.regions.region("gpu").add(Bytes::mib(3));
    let selection = "core,-*,+highwater.memory.utilization,+highwater.memory.growth,+highwater.episodes,\
                     +highwater.region.usage,+highwater.watch.time";
    let text = rendered(&shared, selection, 1, Exposition::Text);
    let expected = r#"# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_name="cart"} 1
# HELP highwater_memory_utilization_ratio Used as a ratio of the limit; absent without one
# TYPE highwater_memory_utilization_ratio gauge
highwater_memory_utilization_ratio 0.1953125
# HELP highwater_memory_growth_bytes_per_second By how much use rises or falls: the median slope over the fast window
# TYPE highwater_memory_growth_bytes_per_second gauge
highwater_memory_growth_bytes_per_second 1
# HELP highwater_episodes_total Episodes begun
# TYPE highwater_episodes_total counter
highwater_episodes_total 0
# HELP highwater_region_usage_bytes The program's own accounting, by region
# TYPE highwater_region_usage_bytes gauge
highwater_region_usage_bytes{highwater_region_name="gpu"} 3145728
# HELP highwater_watch_time_seconds_total The agent's own cost: time of its watch thread, by stage
# TYPE highwater_watch_time_seconds_total counter
highwater_watch_time_seconds_total{highwater_stage="read"} 0
highwater_watch_time_seconds_total{highwater_stage="judge"} 0
highwater_watch_time_seconds_total{highwater_stage="tell"} 0
"#;
    assert_eq!(text, expected);
}

#[test]
fn openmetrics_says_units_keeps_total_to_the_samples_and_ends_with_its_mark() {
    let selection = "core,-*,+highwater.memory.growth,+highwater.watch.rounds";
    let text = rendered(&with(&full()), selection, 1, Exposition::OpenMetrics);
    let expected = r#"# HELP target Target metadata
# TYPE target info
target_info{service_name="cart"} 1
# HELP highwater_memory_growth_bytes_per_second By how much use rises or falls: the median slope over the fast window
# TYPE highwater_memory_growth_bytes_per_second gauge
# UNIT highwater_memory_growth_bytes_per_second bytes_per_second
highwater_memory_growth_bytes_per_second 1
# HELP highwater_watch_rounds Samples taken and judged
# TYPE highwater_watch_rounds counter
highwater_watch_rounds_total 0
# EOF
"#;
    assert_eq!(text, expected);
}

#[test]
fn the_selected_metrics_are_there_and_no_others() {
    let shared = with(&full());
    shared.regions.region("gpu");
    shared.pressure.sheds().begin();
    for format in FORMATS {
        let names = |selection: &str| -> BTreeSet<String> {
            let text = rendered(&shared, selection, 1, format);
            check(&text, format).unwrap().into_keys().map(|series| series.name).collect()
        };
        let of = |selected: fn(&&Metric) -> bool| -> BTreeSet<String> {
            METRICS.iter().filter(selected).map(names::series).chain(["target_info".to_owned()]).collect()
        };
        assert_eq!(names("all"), of(|_| true));
        assert_eq!(names("core"), of(|metric| metric.set != Set::All));
    }
}

#[test]
fn what_is_unknown_or_stale_is_absent() {
    let shared = with(&Snapshot::default());
    let unknown = rendered(&shared, "all", 1, Exposition::Text);
    assert!(unknown.contains("\nhighwater_memory_level 0\n"));
    for absent in ["highwater_memory_used", "highwater_memory_limit", "process_memory", "jemalloc", "NaN"] {
        assert!(!unknown.contains(absent), "{absent} in {unknown}");
    }
    let stale = rendered(&shared, "all", 30, Exposition::Text);
    let target = "# HELP target_info Target metadata\n# TYPE target_info gauge\ntarget_info{service_name=\"cart\"} 1\n";
    assert_eq!(stale, target);
    assert_eq!(rendered(&Shared::new(), "all", 1, Exposition::Text), target, "before the first sample");
}

#[test]
fn a_child_that_was_forked_tells_nothing_of_its_parent() {
    let shared = Shared::new();
    shared.latest.publish(&full());
    let mut child = Arc::into_inner(shared).unwrap();
    child.process = ProcessId::another();
    assert_eq!(rendered(&child, "all", 1, Exposition::Text), "");
    assert_eq!(rendered(&child, "all", 1, Exposition::OpenMetrics), "# EOF\n");
}

#[test]
fn numbers_that_are_none_are_spelled_as_prometheus_reads_them() {
    for (slope, expected) in
        [(f64::INFINITY, "+Inf"), (f64::NEG_INFINITY, "-Inf"), (f64::NAN, "NaN"), (-1e-9, "-0.000000001")]
    {
        let snapshot = Snapshot { slope: Some(slope), ..Snapshot::default() };
        let text = rendered(&with(&snapshot), "core", 1, Exposition::Text);
        assert!(text.contains(&format!("\nhighwater_memory_growth_bytes_per_second {expected}\n")), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_rendered_is_read_back_as_it_was(
        regions in proptest::collection::vec((any::<String>(), any::<u64>()), 0..18),
        resource in proptest::collection::vec((any::<String>(), any::<String>()), 0..8),
        used in any::<Option<u64>>(),
        slope in any::<Option<f64>>(),
        read in any::<Duration>(),
    ) {
        let mut snapshot = Snapshot { slope, ..full() };
        (snapshot.sample.used, snapshot.cost.read) = (used.map(Bytes::new), read);
        let shared = with(&snapshot);
        regions.iter().for_each(|(name, usage)| shared.regions.region(name).set(Bytes::new(*usage)));
        let exposed = Exposed::new("all".parse().unwrap(), resource);
        for format in FORMATS {
            let text = exposed.render(&shared, SinceStart::from_secs(1), format);
            let series = check(&text, format);
            prop_assert!(series.is_ok(), "{series:?} of {text}");
            let series = series.unwrap();
            let value = |name: &str, labels: &[(&str, &str)]| {
                let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
                series.get(&Series { name: name.to_owned(), labels }).copied()
            };
            let same = |a: Option<f64>, b: Option<f64>| a == b || (a.unwrap_or(0.0).is_nan() && b.unwrap_or(0.0).is_nan());
            prop_assert!(same(value("highwater_memory_used_bytes", &[]), used.map(|used| used as f64)));
            prop_assert!(same(value("highwater_memory_growth_bytes_per_second", &[]), slope));
            let time = value("highwater_watch_time_seconds_total", &[("highwater_stage", "read")]);
            prop_assert_eq!(time, Some(read.as_secs_f64()));
            for (name, usage) in shared.regions.iter() {
                let region = value("highwater_region_usage_bytes", &[("highwater_region_name", name)]);
                prop_assert_eq!(region, Some(usage.get() as f64));
            }
            let target = series.keys().filter(|series| series.name == "target_info");
            let labels: Vec<_> = target.flat_map(|series| series.labels.clone()).collect();
            prop_assert_eq!(labels, exposed.target.clone());
        }
    }
}

/// A series as it was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    name: String,
    labels: Vec<(String, String)>,
}

/// Reads a page by the rules of its format, of which it knows what a page of ours needs. The error is what breaks them.
fn check(text: &str, format: Exposition) -> Result<BTreeMap<Series, f64>, String> {
    let open_metrics = format == Exposition::OpenMetrics;
    let lines = match text.strip_suffix("# EOF\n") {
        Some(lines) if open_metrics => lines,
        None if !open_metrics => text,
        _ => return Err("it has the end of the other format".to_owned()),
    };
    let (mut series, mut seen) = (BTreeMap::new(), HashSet::new());
    // The family that was begun, its type, and what may still be said of it.
    let (mut family, mut kind, mut expected) = (String::new(), String::new(), Vec::new());
    let mut rest = lines;
    while !rest.is_empty() {
        let (line, next) = rest.split_once('\n').ok_or("a line does not end")?;
        rest = next;
        let Some(comment) = line.strip_prefix("# ") else {
            let (read, value) = sample(line)?;
            let suffix = match (kind.as_str(), open_metrics) {
                ("counter", true) => "_total",
                ("info", true) => "_info",
                ("gauge", _) | ("counter", false) => "",
                _ => return Err(format!("{kind} is no type of ours: {line}")),
            };
            if read.name != format!("{family}{suffix}") || (kind == "counter" && !read.name.ends_with("_total")) {
                return Err(format!("{} is not of the {kind} {family}", read.name));
            }
            expected.clear();
            if series.insert(read, value).is_some() {
                return Err(format!("a series comes twice: {line}"));
            }
            continue;
        };
        let [word, name, said] = comment.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            return Err(format!("not all is said: {line}"));
        };
        if word == "HELP" {
            if !seen.insert(name.to_owned()) {
                return Err(format!("{name} comes twice"));
            }
            family = name.to_owned();
            unescaped(said, open_metrics)?;
            expected = vec!["TYPE"];
        } else if name != family || !expected.contains(&word) {
            return Err(format!("not here: {line}"));
        } else if word == "TYPE" {
            kind = said.to_owned();
            expected = if open_metrics { vec!["UNIT"] } else { Vec::new() };
        } else {
            if !name.ends_with(&format!("_{said}")) {
                return Err(format!("the name does not end with the unit: {line}"));
            }
            expected.clear();
        }
    }
    Ok(series)
}

/// One line with a value.
fn sample(line: &str) -> Result<(Series, f64), String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    let mut labels: Vec<(String, String)> = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, value) = rest.split_once("=\"").ok_or_else(|| format!("no label: {rest}"))?;
            is_name(label, false)?;
            if labels.iter().any(|(other, _)| other == label) {
                return Err(format!("{label} comes twice in {line}"));
            }
            let mut escaped = false;
            let quote = value.find(|c| {
                let is_end = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                is_end
            });
            let (value, after) = value.split_at(quote.ok_or("a value does not end")?);
            labels.push((label.to_owned(), unescaped(value, true)?));
            rest = after.strip_prefix('"').unwrap();
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').ok_or("the labels do not end")?;
    }
    is_name(name, true)?;
    let value = rest.strip_prefix(' ').ok_or_else(|| format!("no value: {line}"))?;
    let value: f64 = value.parse().map_err(|_| format!("no number: {line}"))?;
    Ok((Series { name: name.to_owned(), labels }, value))
}

fn is_name(name: &str, colon: bool) -> Result<(), String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colon && c == ':');
    let is_name =
        name.chars().all(is_part) && name.starts_with(|c: char| !c.is_ascii_digit()) && !name.starts_with("__");
    is_name.then_some(()).ok_or_else(|| format!("{name:?} is no name"))
}

fn unescaped(text: &str, quotes: bool) -> Result<String, String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('\\')) => '\\',
            ('\\', Some('n')) => '\n',
            ('\\', Some('"')) if quotes => '"',
            ('\\', escaped) => return Err(format!("{escaped:?} cannot be escaped")),
            ('"', _) if quotes => return Err(format!("a quote is not escaped in {text:?}")),
            (c, _) => c,
        });
    }
    Ok(plain)
}
