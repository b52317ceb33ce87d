//! How things stand, as one object: the verdict first, then what it is made from.

use std::time::{Duration, SystemTime};

use highwater::black_box::Value;
use highwater::model::LimitSource;
use highwater::{AllocatorKind, Bytes, DeliveryReport, DeliveryState, Level, Observer, Sample, Status, Target};

use crate::history::History;
use crate::json::Json;
use crate::verdict::{Facts, verdict};

/// Over which a verdict looks back.
const LATELY: Duration = Duration::from_secs(10);

/// What else is shown, and does not change while the page runs.
#[derive(Debug)]
pub(crate) struct Fixed {
    service: Vec<(&'static str, Shown)>,
    jaeger: Option<String>,
}

#[derive(Debug)]
enum Shown {
    Text(String),
    Number(u64),
    At(SystemTime),
}

impl Fixed {
    /// Of the resource only what says who runs: what else a service puts into it may not be for every reader.
    pub(crate) fn of(observer: &Observer, jaeger: Option<String>) -> Self {
        let shown = [
            ("service.name", "name"),
            ("service.version", "version"),
            ("service.instance.id", "instance"),
            ("process.executable.name", "executable"),
            ("process.creation.time", "started"),
        ];
        let service = shown.into_iter().filter_map(|(key, name)| {
            let (_, value) = observer.resource().iter().find(|(known, _)| known == key)?;
            let shown = match value {
                Value::Text(text) if name == "started" => Shown::At(humantime::parse_rfc3339(text).ok()?),
                Value::Text(text) => Shown::Text(text.clone()),
                _ => return None,
            };
            Some((name, shown))
        });
        // Known without a resource, too.
        let pid = ("pid", Shown::Number(std::process::id().into()));
        Self { service: service.chain([pid]).collect(), jaeger }
    }
}

/// What the page itself costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) bytes: usize,
    pub(crate) readers: usize,
}

/// The state as JSON.
pub(crate) fn encoded(
    fixed: &Fixed,
    is_running: bool,
    status: &Status,
    delivery: &DeliveryReport,
    history: &History,
    load: Load,
    now: SystemTime,
) -> String {
    Json::of(|json| {
        json.object_field("service", |json| {
            for (name, shown) in &fixed.service {
                match shown {
                    Shown::Text(text) => json.field(name, &**text),
                    Shown::Number(number) => json.field(name, *number),
                    Shown::At(at) => json.field(name, *at),
                }
            }
        });
        json.field("agent", highwater::__page::VERSION);
        json.field("time", now);
        let verdict = verdict(&facts(is_running, status, history));
        json.object_field("verdict", |json| {
            json.field("kind", verdict.kind.as_str());
            json.field("tone", verdict.tone.as_str());
            json.field("title", &*verdict.title);
            json.field("reason", &*verdict.reason);
            json.field("next", &*verdict.next);
        });
        if let Some(sample) = &status.sample {
            json.object_field("sample", |json| self::sample(json, sample));
            if let Some(limit) = sample.limit {
                json.object_field("limit", |json| {
                    json.field("bytes", limit.bytes);
                    json.field("source", limit.source.as_str());
                });
            }
        }
        json.array_field("levels", |json| levels(json, status));
        json.field("level", status.level.as_str());
        json.known("peak", status.peak);
        json.known("growth", status.growth);
        json.field("growing", status.is_growing);
        json.field("warm_up", status.warm_up_left);
        if let Some(forecast) = status.time_to_limit {
            json.object_field("forecast", |json| {
                json.field("earliest", forecast.earliest);
                json.field("likely", forecast.likely);
                json.field("latest", forecast.latest);
            });
        }
        if let Some(episode) = status.episode {
            json.object_field("episode", |json| {
                json.known("id", episode.id.map(|id| id.to_string()).as_deref());
                json.field("began", episode.began);
            });
        }
        json.field("episodes", status.episodes);
        json.object_field("delivery", |json| self::delivery(json, delivery));
        json.object_field("cost", |json| cost(json, status, load));
        json.field("allocator", allocator(status.allocator));
        json.field("heap_profiles", status.heap_profiles);
        json.object_field("links", |json| json.known("jaeger", fixed.jaeger.as_deref()));
    })
}

fn facts(is_running: bool, status: &Status, history: &History) -> Facts {
    let sample = status.sample.unwrap_or_default();
    let of_cgroup = sample.limit.is_some_and(|limit| limit.source != LimitSource::Config);
    let cgroup = sample.cgroup.filter(|_| of_cgroup);
    let held = sample.allocator.map(|allocator| {
        let ceiling = allocator.ceiling();
        // An upper bound, which may count what was never touched: no more than the kernel has.
        sample.process.anon.map_or(ceiling, |anon| ceiling.min(anon))
    });
    Facts {
        is_running,
        age: status.age,
        used: sample.used,
        used_lately: history.highest_used(LATELY),
        limit: sample.limit.map(|limit| limit.bytes),
        available: sample.available(),
        level: status.level,
        levels: status.levels,
        growth: status.growth,
        is_growing: status.is_growing,
        forecast: status.time_to_limit,
        warm_up_left: status.warm_up_left,
        allocated: sample.allocator.map(|allocator| allocator.allocated),
        held,
        usage: cgroup.and_then(|cgroup| cgroup.usage),
        cache: cgroup.and_then(|cgroup| Some(cgroup.file_active?.saturating_add(cgroup.file_inactive?))),
        stalled: history.stalls(LATELY),
        others_hold_most: sample.others_hold_most(),
        heap_profiles: status.heap_profiles,
    }
}

fn sample(json: &mut Json, sample: &Sample) {
    let (allocator, process, cgroup) = (sample.allocator, sample.process, sample.cgroup);
    let amounts: [(&str, Option<Bytes>); 15] = [
        ("used", sample.used),
        ("limit", sample.limit.map(|limit| limit.bytes)),
        ("rss", process.rss),
        ("allocated", allocator.map(|allocator| allocator.allocated)),
        ("resident", allocator.map(|allocator| allocator.resident)),
        ("active", allocator.map(|allocator| allocator.active)),
        ("external", Some(sample.external)),
        ("unattributed", sample.unattributed()),
        ("available", sample.available()),
        ("working_set", cgroup.and_then(|cgroup| cgroup.working_set())),
        ("container_usage", cgroup.and_then(|cgroup| cgroup.usage)),
        ("anon", process.anon),
        ("file", process.file),
        ("shmem", process.shmem),
        ("swap", process.swap),
    ];
    amounts.into_iter().for_each(|(name, amount)| json.known(name, amount));
    json.known("fragmentation", allocator.and_then(|allocator| allocator.fragmentation()));
}

fn levels(json: &mut Json, status: &Status) {
    let limit = status.sample.and_then(|sample| sample.limit).map(|limit| limit.bytes);
    let lines = status.levels.lines(limit);
    for ((level, setting), line) in Level::RAISED.into_iter().zip(status.levels.thresholds()).zip(lines) {
        json.object(|json| {
            json.field("level", level.as_str());
            json.field("setting", &*setting.to_string());
            json.known("bytes", line.map(|line| line.enter));
        });
    }
}

fn delivery(json: &mut Json, delivery: &DeliveryReport) {
    let sends = matches!(delivery.target, Target::Own(_));
    json.field("target", &*delivery.target.to_string());
    let state = match (&delivery.target, &delivery.state) {
        (Target::Own(_), DeliveryState::Delivering) => "delivering",
        (Target::Own(_), DeliveryState::Failing { .. }) => "failing",
        (Target::Own(_), _) => "idle",
        (Target::Host, _) => "host",
        _ => "off",
    };
    json.field("state", state);
    json.known("error", delivery.last_error.as_deref());
    json.known("last_success", delivery.last_success);
    json.known("last_failure", delivery.last_failure);
    // Of what others send, or nobody, nothing is counted: that is unknown, and not none.
    let counted = [("failures", &delivery.failures), ("dropped", &delivery.dropped)];
    for (name, counts) in counted.into_iter().filter(|_| sends) {
        json.object_field(name, |json| {
            json.field("metrics", counts.metrics);
            json.field("logs", counts.logs);
            json.field("traces", counts.traces);
            json.known("profiles", Some(counts.profiles).filter(|profiles| *profiles > 0));
        });
    }
    let hint = match (&delivery.target, &delivery.state) {
        (Target::Own(_), DeliveryState::Failing { .. }) => {
            Some("OTEL_EXPORTER_OTLP_ENDPOINT names the collector; OTEL_SDK_DISABLED=true sends nothing.")
        }
        (Target::Own(_), _) => None,
        (Target::Host, _) => Some("The service's own OpenTelemetry providers send it: whether it arrives, they know."),
        (Target::Disabled, _) => {
            Some("Unset OTEL_SDK_DISABLED, and name the collector by OTEL_EXPORTER_OTLP_ENDPOINT.")
        }
        (Target::NotRunning, _) => {
            Some("Unset HIGHWATER_DISABLED; where it is not set, the service's log says why the agent could not start.")
        }
        _ => Some("Turn on highwater's cargo feature `otlp`, or pass OpenTelemetry providers of your own."),
    };
    json.known("hint", hint);
}

fn cost(json: &mut Json, status: &Status, load: Load) {
    let (total, rounds) = (status.cost.total(), status.cost.rounds);
    let uptime = status.sample.map(|sample| sample.at.elapsed().as_secs_f64()).filter(|uptime| *uptime > 0.0);
    json.known("share", uptime.map(|uptime| total.as_secs_f64() / uptime));
    json.field("samples", rounds);
    json.known("sample_seconds", (rounds > 0).then(|| total.as_secs_f64() / rounds as f64));
    json.field("page_bytes", load.bytes as u64);
    json.field("clients", load.readers as u64);
}

const fn allocator(kind: AllocatorKind) -> &'static str {
    match kind {
        AllocatorKind::Jemalloc => "jemalloc",
        AllocatorKind::JemallocMixed => "jemalloc_mixed",
        AllocatorKind::JemallocNotInstalled => "jemalloc_not_installed",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper;

    #[test]
    fn failures_are_counted_of_what_the_agent_sends_itself_alone() {
        let mut report = keeper::tests::observer().delivery();
        report.dropped.logs = 2;
        let mut shown = |target, profiles| {
            (report.target, report.dropped.profiles) = (target, profiles);
            let json = Json::of(|json| delivery(json, &report));
            serde_json::from_str::<serde_json::Value>(&json).unwrap()
        };
        let own = Target::Own("OTLP to http://localhost:4318 every 10s".to_owned());
        let without = shown(own.clone(), 0);
        assert_eq!(without["dropped"], serde_json::json!({ "metrics": 0, "logs": 2, "traces": 0 }));
        assert_eq!(without["failures"]["metrics"], 0);
        assert_eq!(shown(own, 3)["dropped"]["profiles"], 3);
        for (target, state) in [
            (Target::Host, "host"),
            (Target::Disabled, "off"),
            (Target::NotBuiltIn, "off"),
            (Target::NotRunning, "off"),
        ] {
            let json = shown(target, 0);
            assert_eq!(json["state"], state, "what the service sends is not off");
            assert!(json.get("failures").is_none() && json.get("dropped").is_none(), "{json}");
        }
    }
}
