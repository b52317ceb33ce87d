use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use highwater_model::{
    Allocator, CgroupEvents, Judge, Level, Limit, LimitSource, Pressure, Process, Rules, SinceStart,
};

use super::*;
use crate::capture::CaptureCounts;
use crate::prometheus;

/// A snapshot in which everything is known.
pub(crate) fn full() -> Snapshot {
    let some = |n| Some(Bytes::mib(n));
    let sample = Sample {
        used: some(100),
        limit: Some(Limit { bytes: Bytes::mib(512), source: LimitSource::Cgroup, scope: 1 }),
        allocator: Some(Allocator {
            dirty: some(1),
            muzzy: some(1),
            allocations: Some(1),
            deallocations: Some(1),
            active: Bytes::mib(2),
            ..Allocator::default()
        }),
        process: Process {
            rss: some(100),
            address_space: some(100),
            anon: some(100),
            file: some(100),
            shmem: some(100),
            swap: some(100),
            peak: some(100),
            threads: Some(1),
            descriptors: Some(1),
            minor_faults: Some(1),
            major_faults: Some(1),
        },
        cgroup: Some(Cgroup {
            kills_of: 1,
            id: 1,
            limited: true,
            usage: some(100),
            anon: some(100),
            file_active: some(1),
            file_inactive: some(1),
            shmem: some(1),
            kernel: some(1),
            slab_reclaimable: some(1),
            sock: some(1),
            events: CgroupEvents { low: Some(0), high: Some(0), max: Some(0), oom: Some(0), oom_kills: Some(0) },
            pressure: Pressure { some: Some(Duration::ZERO), full: Some(Duration::ZERO) },
        }),
        ..Sample::default()
    };
    let captures = Some(CaptureCounts::default());
    let (peak, slope, time_to_limit) = (some(100), Some(1.0), Some(forecast()));
    Snapshot { sample, peak, slope, time_to_limit, captures, ..Snapshot::default() }
}

/// Of a process that grows by 1 MiB a minute.
fn forecast() -> Forecast {
    let mut judge = Judge::new(Rules::default());
    for minute in 0..400 {
        let limit = Limit { bytes: Bytes::gib(1), source: LimitSource::Cgroup, scope: 1 };
        let used = Some(Bytes::mib(100 + minute));
        judge.judge(&Sample { at: SinceStart::from_secs(minute * 60), used, limit: Some(limit), ..Sample::default() });
    }
    judge.time_to_limit().unwrap()
}

/// How many series each metric has in a snapshot.
fn series(snapshot: &Snapshot, regions: &Regions) -> Vec<(&'static Metric, usize)> {
    let delivery = Delivery::default();
    let reading = Reading { snapshot, regions, delivery: &delivery, sheds: &Sheds::default(), in_container: false };
    let count = |metric: &'static Metric| {
        let mut count = 0;
        metric.observe(&reading, &mut |_| count += 1);
        (metric, count)
    };
    METRICS.iter().map(count).collect()
}

#[test]
fn the_core_set_has_at_most_30_series_and_all_at_most_80() {
    let series = series(&full(), &Regions::new());
    let of = |core: bool| -> usize {
        series.iter().filter(|(metric, _)| !core || metric.set == Set::Core).map(|(_, count)| count).sum()
    };
    assert!(of(true) <= 30, "{}", of(true));
    assert!(of(false) <= 80, "{}", of(false));
}

#[test]
fn every_metric_has_a_value_where_everything_is_known() {
    for (metric, count) in series(&full(), &Regions::new()) {
        assert_eq!(count > 0, metric.set != Set::WhenUsed, "{}", metric.name);
    }
}

#[test]
fn nothing_is_observed_of_what_is_unknown() {
    let known: Vec<_> = series(&Snapshot::default(), &Regions::new())
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(metric, _)| metric.name)
        .collect();
    // Counts of our own begin at zero; the regions of a program that registered none add up to zero.
    assert_eq!(
        known,
        [
            "highwater.memory.external",
            "highwater.memory.level",
            "highwater.episodes",
            "highwater.level.entries",
            "highwater.export.failures",
            "highwater.export.dropped",
            "highwater.watch.time",
            "highwater.watch.rounds",
        ]
    );
}

#[test]
fn a_registered_region_is_a_series_under_its_name() {
    let regions = Arc::new(Regions::new());
    regions.region("gpu-staging").add(Bytes::mib(3));
    let (metric, count) =
        series(&Snapshot::default(), &regions).into_iter().find(|(m, _)| m.name == "highwater.region.usage").unwrap();
    assert_eq!((metric.set, count), (Set::WhenUsed, 1));
}

#[test]
fn requests_that_are_turned_away_are_counted_from_0_on_where_something_sheds() {
    let shed = |sheds: &Sheds| {
        let (snapshot, regions, delivery) = (Snapshot::default(), Regions::new(), Delivery::default());
        let reading =
            Reading { snapshot: &snapshot, regions: &regions, delivery: &delivery, sheds, in_container: false };
        let metric = METRICS.iter().find(|metric| metric.name == "highwater.shed.requests").unwrap();
        let mut points = Vec::new();
        metric.observe(&reading, &mut |point| points.push((point.attribute.unwrap().1.to_owned(), point.value)));
        points
    };
    let sheds = Sheds::default();
    assert_eq!(shed(&sheds), []);
    sheds.begin();
    let counts = |high: u64| {
        [("elevated", 0), ("high", high), ("critical", 0)].map(|(level, n)| (level.to_owned(), Value::Whole(n)))
    };
    assert_eq!(shed(&sheds), counts(0));
    for level in [Level::High, Level::Normal, Level::High] {
        sheds.count(level);
    }
    assert_eq!(shed(&sheds), counts(2), "at normal nothing is shed");
}

#[test]
fn values_fit_the_unit_that_decides_their_type() {
    let snapshot = full();
    let (regions, delivery, sheds) = (Regions::new(), Delivery::default(), Sheds::default());
    let reading =
        Reading { snapshot: &snapshot, regions: &regions, delivery: &delivery, sheds: &sheds, in_container: false };
    for metric in METRICS {
        metric.observe(&reading, &mut |point| {
            let real = matches!(metric.unit, "1" | "s" | "By/s");
            assert_eq!(matches!(point.value, Value::Real(_)), real, "{}", metric.name);
        });
        assert!(metric.kind != Kind::Amount || !matches!(metric.unit, "1" | "s"), "{}", metric.name);
    }
}

#[test]
fn names_are_unique_and_in_our_own_or_a_standard_namespace() {
    let names: HashSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len());
    for name in names {
        let space = name.split('.').next().unwrap();
        assert!(["highwater", "jemalloc", "process", "container"].contains(&space), "{name}");
    }
}

#[test]
fn the_evidence_of_an_event_is_the_core_of_its_sample() {
    let names: Vec<_> = evidence(&full().sample).map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "highwater.memory.used",
            "highwater.memory.utilization",
            "highwater.memory.external",
            "highwater.memory.unattributed",
            "process.memory.usage",
            "jemalloc.memory.allocated",
            "jemalloc.memory.resident",
            "jemalloc.memory.active",
        ]
    );
}

#[test]
fn the_reference_page_of_the_telemetry_is_up_to_date() {
    let delivery = Delivery::default();
    let mut page = String::from(
        "# Metrics\n\n\
         <!-- Made from METRICS in crates/highwater/src/telemetry.rs; a test holds it up to date. -->\n\n\
         What is unknown is not sent: a series that is absent means that its source is. `core` is sent by default;\n\
         `HIGHWATER_METRICS=all` adds the rest, `core,+NAME` one of them, `all,-NAME.*` takes some away.\n\
         Series are counted where everything is known; a region adds one.\n\n\
         In Prometheus they have the same names whether they come by OTLP or are scraped (`Agent::render_prometheus`), beside\n\
         `target_info` with the resource.\n\n\
         | name | in Prometheus | kind | unit | attribute | meaning | set | series |\n|---|---|---|---|---|---|---|---|\n",
    );
    let snapshot = full();
    let regions = Arc::new(Regions::new());
    regions.region("NAME").add(Bytes::ZERO);
    let sheds = Sheds::default();
    sheds.begin();
    let reading =
        Reading { snapshot: &snapshot, regions: &regions, delivery: &delivery, sheds: &sheds, in_container: false };
    for metric in METRICS {
        let kind = match metric.kind {
            Kind::Amount => "up-down counter",
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        let set = match metric.set {
            Set::Core => "core",
            Set::All => "all",
            Set::WhenUsed => "when used",
        };
        let (mut key, mut values, mut count) = ("-", Vec::new(), 0);
        metric.observe(&reading, &mut |point| {
            count += 1;
            if let Some((name, value)) = point.attribute {
                key = name;
                values.push(value.to_owned());
            }
        });
        let attribute = match (metric.name, key) {
            (_, "-") => "-".to_owned(),
            ("highwater.memory.limit", key) => format!("`{key}` = config, cgroup, cgroup_high"),
            ("highwater.export.failures" | "highwater.export.dropped", key) => {
                format!("`{key}` = {}; profiles where they are sent", values.join(", "))
            }
            (_, key) => format!("`{key}` = {}", values.join(", ")),
        };
        let Metric { name, unit, description, .. } = metric;
        let series = prometheus::names::series(metric);
        writeln!(page, "| `{name}` | `{series}` | {kind} | {unit} | {attribute} | {description} | {set} | {count} |")
            .unwrap();
    }
    page.push_str(EVENTS_AND_SPANS);
    crate::tests::is_page(Path::new("telemetry.md"), &page);
}

const EVENTS_AND_SPANS: &str = "
# Events

Log records with an event name, sent at once. Each has a timestamp, a plain sentence as its body, and `log.record.uid`: it is
delivered at least once, and whoever receives it twice can tell. While an episode is open they carry the ids of its trace and
of its root span.

| event name | severity | when |
|---|---|---|
| `highwater.memory.episode.begun` | WARN, ERROR at critical | normal is left, or a split episode goes on as another |
| `highwater.memory.episode.changed` | WARN up, ERROR to critical, INFO down | the level rises or falls inside an episode |
| | WARN, ERROR at critical, INFO at normal | a new peak, 5 % of the limit above the last one told, at most once a minute; a heartbeat, 15 minutes after what was told last |
| `highwater.memory.episode.ended` | INFO | normal is reached again, the episode is split after an hour, or the agent shuts down |
| `highwater.memory.growth.detected` | WARN | memory grows steadily and does not come down: once more as much as in the window seen, and the limit is reached; again only where it had stopped |
| `highwater.memory.oom_kill` | ERROR | the kernel killed processes of the cgroup; those within a minute are told together; those that still wait when the agent ends are in `highwater.cgroup.oom_kills` alone |
| `highwater.capture.written` | INFO | a heap profile was taken: of a level that was entered, once an episode, and of a peak 10 % of the limit above the last one taken; at the end; on request. With feature `heap-profile` |
| `highwater.capture.refused` | WARN | one was not taken, or its file could not be written |
| `highwater.previous_run.ended` | ERROR where it was killed or panicked, WARN where the machine restarted, else INFO | at the next start, first of all: an earlier run left its black box open. Its id is the run's, so that whoever tells it again tells the same |
| `highwater.source.unavailable` | WARN | a source cannot be read any more; its numbers are absent |
| `highwater.source.recovered` | INFO | it can be read again |

Memory events carry the sample that was judged, under the names of the metrics above (`highwater.memory.used`, `.limit`,
`.utilization`, `.external`, `.unattributed`, `process.memory.usage`, `jemalloc.memory.allocated`, `.resident`, `.active`), and:

| attribute | values |
|---|---|
| `highwater.episode.id` | the trace id in hex |
| `highwater.previous_episode.id` | the same, of the first half of a split; the open one of an earlier run |
| `highwater.level`, `highwater.previous_level` | normal, elevated, high, critical: now, and as it was told before |
| `highwater.reason` | held, steep, kernel, peak, heartbeat, recovered, limit_changed, split, flapping, shutdown; of growth, the window that saw it: slow, fast, ramp; of a capture, what asked for it: level, peak, request, shutdown |
| `highwater.cause` | heap, allocator, external, unattributed, shmem, kernel, other_process, file, unknown |
| `highwater.limit.source` | config, cgroup, cgroup_high |
| `highwater.ended_by` | recovered, limit_changed, split, shutdown; of `memory episode killed`: killed, shutdown |
| `highwater.peak.used`, `highwater.peak.utilization` | By, 1: of an ended episode, and where it is told again |
| `highwater.duration`, `highwater.time_at.elevated`, `.high`, `.critical` | s: of an ended episode, and where it is told again |
| `highwater.growth.slope`, `highwater.growth.window` | By/s, s: of growth, and the time over which it was seen |
| `highwater.time_to_limit.earliest`, `.likely`, `.latest` | s: of growth under a limit |
| `highwater.capture.sites` | the ten places that hold most, and up to three more that grew more: a list of maps with `function`, `module`, `build_id`, `offset`, `bytes`, `objects`, and `grown`, By since the calm |
| `highwater.capture.file`, `highwater.capture.size` | the profile in pprof's format, By: where there is a folder for it |
| `highwater.capture.duration`, `highwater.rss_delta` | s; By, by how much the resident set changed meanwhile |
| `highwater.refusal.reason` | budget, headroom, disk, stall, other_process, unavailable, busy |
| `highwater.count` | how many were killed; how many entries of a level were counted and not told |
| `highwater.exit.verdict`, `highwater.exit.confidence` | oom_killed, killed, crashed, rebooted, shut_down, unknown; certain, likely, guess: of an earlier run |
| `highwater.samples` | maps of `seconds` before the end, `used`, `rss`, `allocated`: at most 20 of the last samples of an earlier run |
| `service.instance.id`, `process.pid`, `process.creation.time` | those of an earlier run |
| `highwater.source`, `highwater.why` | jemalloc, proc, cgroup, pressure; text, also of a refusal |

What happens too often *flaps*: the sixth episode of an hour, or the sixth entry of one level, has the reason `flapping`. From
then on entries are counted and not told, and a return to normal does not end the episode; a level higher than the one told
last is told, and so are peaks and heartbeats. It is over an hour after the last entry. The metrics always show the level as it
is, and count each entry. However memory is used, no more than 190 memory events come within an hour.

# Spans

One trace an episode; its id is the episode's. Always sampled, unless `OTEL_TRACES_SAMPLER=always_off`. Moments are those of the crossings, not of the decisions, which come a hold
later.

| span | what | exported |
|---|---|---|
| `memory episode` | the root: from the crossing of its first level to the moment from which normal held; peak, duration and time at each level as attributes, the events as span events, unless `HIGHWATER_SPAN_EVENTS=off` | at its end |
| `memory episode begun` | a child from the crossing to the decision: makes an open episode visible | at once |
| `memory elevated`, `memory high`, `memory critical` | a child for each stay at a level, as it was told: while it flaps, one stay | when the level is left |
| `heap profile` | a child: a heap profile was taken; its attributes are those of the event, each site one text | the same as its event |
| `memory episode killed` | a child that the next start sends into the trace of a run that was killed, from the crossing to the last sample, with the verdict; the root stays missing, since its process is gone | at the next start |
| `purge` | a child: jemalloc was told to give freed pages back | when it is done, also after the episode |
| `action NAME` | a child: an action of the host's, by its name | the same |

Spans of actions carry `highwater.level`, at which they ran, `highwater.before` and `highwater.after`, what was used (By; the
latter only where the same limit binds still), and `highwater.rss_delta`, by how much the resident set changed (By, below zero
where it shrank).

After an hour an episode is split: the root ends as ended by `split`, and the root of a new trace begins, with a link to it.

# Resource

`service.name`, `service.instance.id` (given, else `namespace.pod.container` where `OTEL_RESOURCE_ATTRIBUTES` names them as
`k8s.*`, else a random UUID), `process.pid`, `process.creation.time`, `process.executable.name`, `container.id` where there is
one, all of `OTEL_RESOURCE_ATTRIBUTES`, `telemetry.distro.name = highwater`. Never the command line.
";
