//! One episode, through all levels and back.

use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

use highwater_e2e::peers::{Record, Span, Trace};
use highwater_e2e::wait;
use serde_json::Value;

use super::{Line, MIB, SERVICE};

const BEGUN: &str = "highwater.memory.episode.begun";
const CHANGED: &str = "highwater.memory.episode.changed";
const ENDED: &str = "highwater.memory.episode.ended";

#[test]
fn an_episode_is_seen_in_prometheus_jaeger_and_the_collectors_file() {
    let test = "an_episode_is_seen_in_prometheus_jaeger_and_the_collectors_file";
    let Some(line) = Line::start(test, 256 * MIB, &[("HIGHWATER_METRICS", "all")]) else { return };
    let from = now();
    line.demo.get("/buffer");
    line.fill(78);
    let id = line.demo.wait_for_level("elevated");
    line.is_visible_while_it_goes_on(&id);
    line.fill(88);
    assert_eq!(line.demo.wait_for_level("high"), id);
    line.fill(96);
    assert_eq!(line.demo.wait_for_level("critical"), id);
    line.numbers_arrive();
    line.demo.get("/release");
    line.demo.wait_for_level("normal");

    let trace = line.peers.jaeger.wait_for_span(&id, "memory episode");
    let root = trace.the("memory episode");
    a_root_says_what_the_episode_was(root, line.limit);
    children_fill_the_root(&trace);

    let records = wait::until_ok("the collector's file has the end", || {
        let (records, _) = line.records_of_memory_and_of_captures();
        if records.iter().any(|record| record.name() == ENDED) { Ok(records) } else { Err(format!("{records:?}")) }
    });
    records_tell_the_episode(&records, &id, root, (from, now()));
    assert_eq!(names(&records), root.events, "the span has the same events");
    line.events_are_counted(&records);
    line.captures_name_the_function_that_allocated(&trace);
}

impl Line {
    fn is_visible_while_it_goes_on(&self, id: &str) {
        let trace = self.peers.jaeger.wait_for_span(id, "memory episode begun");
        assert!(trace.named("memory episode").is_empty(), "the root comes at the end: {trace:?}");
        wait::until("the collector's file has the beginning", || {
            self.records().iter().any(|record| record.name() == BEGUN).then_some(())
        });
    }

    fn numbers_arrive(&self) {
        self.wait_for_all();
        let prometheus = &self.peers.prometheus;
        let resident = self.demo.process().resident() as f64;
        let within = |share: f64, of: f64| move |value: f64| (value - of).abs() <= share * of;
        prometheus.wait_for(&self.series("process_memory_usage_bytes"), within(0.02, resident));
        assert!(within(0.02, resident)(self.demo.process().resident() as f64), "the demo was to stand still");

        let limit = self.limit as f64;
        prometheus
            .wait_for(&self.series(r#"highwater_memory_limit_bytes{highwater_limit_source="cgroup"}"#), |value| {
                value == limit
            });
        prometheus.wait_for(&self.series("highwater_memory_level"), |value| value == 3.0);
        prometheus.wait_for(&self.series("highwater_memory_external_bytes"), |value| value == MIB as f64);
        prometheus.wait_for(&self.series("highwater_memory_utilization_ratio"), |value| (0.95..0.98).contains(&value));
        prometheus.wait_for(&self.series("highwater_episodes_total"), |value| value == 1.0);
        for level in ["elevated", "high", "critical"] {
            let entries = format!(r#"highwater_level_entries_total{{highwater_level="{level}"}}"#);
            prometheus.wait_for(&self.series(&entries), |value| value == 1.0);
        }
        // All gauges of one export are of one sample.
        let rest = format!(
            "{} - on(instance) {} - on(instance) {}",
            self.series(r#"highwater_memory_limit_bytes{highwater_limit_source="cgroup"}"#),
            self.series("highwater_memory_used_bytes"),
            self.series("highwater_memory_available_bytes"),
        );
        prometheus.wait_for(&rest, |value| value == 0.0);
        for counter in ["highwater_export_failures_total", "highwater_export_dropped_total"] {
            prometheus.wait_for(&format!("sum({})", self.series(counter)), |value| value == 0.0);
        }

        let target = prometheus.query(&self.series("target_info")).unwrap();
        let label = |name: &str| target[0].label(name).to_owned();
        assert_eq!(target.len(), 1, "{target:?}");
        assert_eq!((label("job"), label("service_name")), (SERVICE.to_owned(), SERVICE.to_owned()));
        assert_eq!(label("service_instance_id"), self.instance);
        assert_eq!(label("process_pid"), self.demo.process().id().to_string());
        assert_eq!(label("process_executable_name"), "demo");
        assert_eq!(label("telemetry_distro_name"), "highwater");
        assert!(!label("process_creation_time").is_empty(), "{target:?}");
    }

    fn records_of_memory_and_of_captures(&self) -> (Vec<Record>, Vec<Record>) {
        self.records().into_iter().partition(|record| record.name().starts_with("highwater.memory."))
    }

    fn captures_name_the_function_that_allocated(&self, trace: &Trace) {
        let (_, captures) = self.records_of_memory_and_of_captures();
        let written: Vec<_> = captures.iter().filter(|record| record.name() == "highwater.capture.written").collect();
        assert!(!written.is_empty(), "{captures:?}");
        // A later one may come when the memory is given back.
        if let Some(record) = written.first() {
            assert_eq!(record.field("traceId"), &text(record, "highwater.episode.id"));
            let sites = record.attribute("highwater.capture.sites").to_string();
            assert!(sites.contains("demo::hoard::Hoard::allocate"), "{sites}");
            assert!(record.body().contains("by demo::hoard::Hoard::allocate"), "{}", record.body());
        }
        let spans = trace.named("heap profile");
        assert_eq!(spans.len(), written.len(), "{trace:?}");
        let sites: String = spans.iter().map(|span| span.tag("highwater.capture.sites").to_string()).collect();
        assert!(sites.contains("demo::hoard::Hoard::allocate"), "{sites}");
        for span in spans {
            assert!(span.tag("highwater.rss_delta").is_number() && span.duration > 0, "{span:?}");
        }
        let captures =
            |outcome| self.series(&format!(r#"highwater_captures_total{{highwater_capture_outcome="{outcome}"}}"#));
        self.peers.prometheus.wait_for(&captures("written"), |value| value == written.len() as f64);
        self.peers.prometheus.wait_for(&captures("failed"), |value| value == 0.0);
    }

    /// The collector's count connector makes a metric of the events.
    fn events_are_counted(&self, records: &[Record]) {
        for name in [BEGUN, CHANGED, ENDED] {
            let arrived = records.iter().filter(|record| record.name() == name).count() as f64;
            let counter = self.series(&format!(r#"highwater_collector_events_total{{event_name="{name}"}}"#));
            self.peers.prometheus.wait_for(&counter, |counted| counted == arrived);
        }
        wait::until("the collector's console has the events", || {
            let console = self.peers.collector.console();
            console.contains(&format!("event.name={ENDED}")).then_some(())
        });
    }
}

fn a_root_says_what_the_episode_was(root: &Span, limit: u64) {
    assert_eq!(root.parent, None);
    assert_eq!(root.tag("span.kind"), "internal");
    assert_eq!(root.tag("highwater.ended_by"), "recovered");
    assert_eq!(root.tag("otel.status_code"), &Value::Null, "an episode that is over is no error");
    assert_eq!(root.number("highwater.memory.limit"), limit as f64);
    assert_eq!(root.tag("highwater.limit.source"), "cgroup");

    let peak = root.number("highwater.peak.used");
    assert!((0.95..0.98).contains(&(peak / limit as f64)), "the peak, {peak}");
    assert!((root.number("highwater.peak.utilization") - peak / limit as f64).abs() < 1e-9);

    let seconds = root.duration as f64 / 1e6;
    assert!((root.number("highwater.duration") - seconds).abs() < 1e-3, "{root:?}");
    let levels = ["elevated", "high", "critical"].map(|level| root.number(&format!("highwater.time_at.{level}")));
    assert!(levels.iter().all(|time| *time > 0.0), "time at each level: {levels:?}");
    assert!((levels.iter().sum::<f64>() - seconds).abs() < 1e-3, "{levels:?} are not {seconds}");
}

fn children_fill_the_root(trace: &Trace) {
    let root = trace.the("memory episode");
    for child in trace.spans().into_iter().filter(|span| span.id != root.id) {
        assert_eq!(child.parent.as_ref(), Some(&root.id), "{child:?}");
    }
    // Jaeger rounds to microseconds, start and duration each.
    let meet = |one: u64, other: u64| assert!(one.abs_diff(other) <= 2, "a gap or an overlap: {trace:?}");
    meet(trace.the("memory episode begun").start, root.start);

    let is_stay = |span: &Span| ["memory elevated", "memory high", "memory critical"].contains(&span.name.as_str());
    let mut stays = trace.spans();
    stays.retain(|span| is_stay(span));
    assert_eq!(trace.spans().len(), stays.len() + 2 + trace.named("heap profile").len(), "{trace:?}");
    let names: Vec<_> = stays.iter().map(|stay| stay.name.as_str()).collect();
    assert_eq!(names[..3], ["memory elevated", "memory high", "memory critical"]);
    meet(stays[0].start, root.start);
    meet(stays[stays.len() - 1].end(), root.end());
    stays.windows(2).for_each(|pair| meet(pair[0].end(), pair[1].start));
    for stay in &stays {
        assert_eq!(stay.tag("highwater.level"), stay.name.strip_prefix("memory ").unwrap());
    }
}

fn records_tell_the_episode(records: &[Record], id: &str, root: &Span, (from, to): (u64, u64)) {
    let steps: Vec<_> =
        records.iter().map(|r| (text(r, "highwater.previous_level"), text(r, "highwater.level"))).collect();
    let step = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(steps[..3], [step("normal", "elevated"), step("elevated", "high"), step("high", "critical")]);
    assert!(steps.windows(2).all(|pair| pair[0].1 == pair[1].0), "{steps:?}");
    assert_eq!(steps[steps.len() - 1].1, "normal");

    let mut expected = vec![CHANGED; records.len()];
    expected[0] = BEGUN;
    expected[records.len() - 1] = ENDED;
    assert_eq!(names(records), expected);

    let mut uids = HashSet::new();
    let mut last = from;
    for (record, (before, level)) in records.iter().zip(&steps) {
        let (number, name) = match (rank(before) < rank(level), level.as_str()) {
            (true, "critical") => (17, "ERROR"),
            (true, _) => (13, "WARN"),
            (false, _) => (9, "INFO"),
        };
        assert_eq!((record.field("severityNumber"), record.field("severityText")), (&number.into(), &name.into()));
        assert_eq!((record.field("traceId"), record.field("spanId")), (&id.into(), &root.id.as_str().into()));
        assert_eq!(text(record, "highwater.episode.id"), id);
        assert!(uids.insert(text(record, "log.record.uid")), "each record has its own id");
        assert!((last..=to).contains(&record.time()), "{record:?}");
        last = record.time();
        let body = record.body();
        assert!(body.starts_with("memory ") && !body.contains('\n'), "{body}");
        // The evidence: the sample under the names of its metrics.
        let number = |name: &str| record.attribute(name).as_f64().unwrap_or_else(|| panic!("{name} in {record:?}"));
        assert_eq!(number("highwater.memory.limit"), root.number("highwater.memory.limit"));
        assert_eq!(text(record, "highwater.limit.source"), "cgroup");
        assert!(number("process.memory.usage") > 0.0 && number("jemalloc.memory.allocated") > 0.0);
        let share = number("highwater.memory.used") / number("highwater.memory.limit");
        assert!((number("highwater.memory.utilization") - share).abs() < 1e-9);
        assert!(record.attribute("event.name").is_null(), "what the collector adds for its console stays there");
    }
    for risen in &records[..3] {
        // How fast the demo fills is the machine's affair.
        assert!(["held", "steep"].contains(&text(risen, "highwater.reason").as_str()), "{risen:?}");
        assert_eq!(text(risen, "highwater.cause"), "heap");
    }
    let end = &records[records.len() - 1];
    assert_eq!(text(end, "highwater.reason"), "recovered");
    assert_eq!(text(end, "highwater.ended_by"), "recovered");
    for name in ["peak.used", "peak.utilization", "duration", "time_at.elevated", "time_at.high", "time_at.critical"] {
        let name = format!("highwater.{name}");
        let (told, shown) = (end.attribute(&name).as_f64(), root.number(&name));
        assert!(told.is_some_and(|told| (told - shown).abs() < 1e-6), "{name}: {told:?} and {shown}");
    }
}

fn names(records: &[Record]) -> Vec<&str> {
    records.iter().map(Record::name).collect()
}

fn text(record: &Record, attribute: &str) -> String {
    record.attribute(attribute).as_str().unwrap_or_else(|| panic!("{attribute} is no text in {record:?}")).to_owned()
}

fn rank(level: &str) -> usize {
    ["normal", "elevated", "high", "critical"].iter().position(|each| *each == level).unwrap()
}

/// Nanoseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "what is sent carries wall-clock time")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}
