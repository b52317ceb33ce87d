//! The one list of metrics: name, kind, unit, meaning and how each is read from a snapshot.
//!
//! The instruments, the evidence in events and the reference page of the docs are all made from [`METRICS`]. To add a
//! metric is to add a row. Nothing here knows OpenTelemetry's types.

use std::time::Duration;

use highwater_model::{Bytes, Cgroup, Forecast, Refusal, Sample};
use highwater_sources::Regions;

use crate::delivery::Delivery;
use crate::latest::Snapshot;
use crate::pressure::Sheds;

mod selection;

pub(crate) use selection::Selection;

/// The name of the instrumentation scope.
#[cfg(feature = "opentelemetry")]
pub(crate) const SCOPE: &str = "highwater";

/// The semantic conventions that the names are read against. The Rust constants of OpenTelemetry lag behind them.
#[cfg(feature = "opentelemetry")]
pub(crate) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// What sends all this, among the attributes of the resource.
pub(crate) const DISTRO: [(&str, &str); 2] =
    [("telemetry.distro.name", "highwater"), ("telemetry.distro.version", env!("CARGO_PKG_VERSION"))];

/// One metric.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    pub(crate) set: Set,
    pub(crate) read: Read,
}

/// What a metric is to OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A byte amount that adds up: an observable up-down counter, as in the semantic conventions.
    Amount,
    /// A value that does not add up.
    Gauge,
    /// A running count.
    Counter,
}

/// Which set a metric belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// Is it near the end, how fast, which part: on by default.
    Core,
    /// What an engineer looks at next.
    All,
    /// Only where something was registered that it counts.
    WhenUsed,
}

/// How a metric is read; a metric without a value observes nothing.
#[derive(Debug)]
pub(crate) enum Read {
    /// One amount of memory of a sample: also evidence in the events.
    Sample(fn(&Sample) -> Option<Value>),
    /// One moment of the forecast.
    Forecast(fn(&Forecast) -> Duration),
    /// Values with at most one attribute each.
    Points(fn(&Reading<'_>, Observe<'_>)),
}

/// Takes one value.
pub(crate) type Observe<'a> = &'a mut dyn FnMut(Point<'_>);

/// All that can be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) regions: &'a Regions,
    pub(crate) delivery: &'a Delivery,
    pub(crate) sheds: &'a Sheds,
    /// Whether the process's container has an id.
    pub(crate) in_container: bool,
}

/// A number as OpenTelemetry takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Whole(u64),
    Real(f64),
}

/// One value with its attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point<'a> {
    pub(crate) value: Value,
    pub(crate) attribute: Option<(&'static str, &'a str)>,
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes.get())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<Duration> for Value {
    fn from(duration: Duration) -> Self {
        Self::Real(duration.as_secs_f64())
    }
}

impl Metric {
    /// Gives each value of the metric to `observe`.
    pub(crate) fn observe(&self, reading: &Reading<'_>, observe: Observe<'_>) {
        match self.read {
            Read::Sample(value) => {
                if let Some(value) = value(&reading.snapshot.sample) {
                    observe(Point { value, attribute: None });
                }
            }
            Read::Forecast(value) => plain(observe, reading.snapshot.time_to_limit.as_ref().map(value)),
            Read::Points(points) => points(reading, observe),
        }
    }
}

/// The evidence of an event: what the sample says under the names of the metrics of the core set.
pub(crate) fn evidence(sample: &Sample) -> impl Iterator<Item = (&'static str, Value)> {
    METRICS.iter().filter(|metric| metric.set == Set::Core).filter_map(|metric| match metric.read {
        Read::Sample(value) => Some((metric.name, value(sample)?)),
        Read::Forecast(_) | Read::Points(_) => None,
    })
}

const fn bytes(name: &'static str, set: Set, description: &'static str, value: fn(&Sample) -> Option<Value>) -> Metric {
    Metric { name, kind: Kind::Amount, unit: "By", description, set, read: Read::Sample(value) }
}

const fn time_to_limit(name: &'static str, description: &'static str, value: fn(&Forecast) -> Duration) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: "s", description, set: Set::Core, read: Read::Forecast(value) }
}

/// Gives one value with a fixed attribute, where it is known.
fn kind(observe: Observe<'_>, key: &'static str, name: &'static str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        observe(Point { value: value.into(), attribute: Some((key, name)) });
    }
}

/// Gives one value without an attribute, where it is known.
fn plain(observe: Observe<'_>, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        observe(Point { value: value.into(), attribute: None });
    }
}

const LEVEL: &str = "highwater.level";
const MEMORY_KIND: &str = "highwater.memory.kind";
const SIGNAL: &str = "highwater.signal";
const FAULT: &str = "system.paging.fault.type";
const CGROUP_EVENT: &str = "container.memory.event.type";
const STAGE: &str = "highwater.stage";
const OUTCOME: &str = "highwater.capture.outcome";
const REFUSAL: &str = "highwater.refusal.reason";

/// The cgroup of a container: one with a limit, or of a process whose container has an id. A laptop's login slice is none.
fn container(reading: &Reading<'_>) -> Option<Cgroup> {
    reading.snapshot.sample.cgroup.filter(|cgroup| cgroup.limited || reading.in_container)
}

/// All metrics, in the order of the reference page.
pub(crate) static METRICS: &[Metric] = &[
    bytes("highwater.memory.used", Set::Core, "Memory that the kernel could not take back", |s| Some(s.used?.into())),
    Metric {
        name: "highwater.memory.limit",
        kind: Kind::Amount,
        unit: "By",
        description: "The limit that binds; absent without one",
        set: Set::Core,
        read: Read::Points(|reading, observe| {
            let limit = reading.snapshot.sample.limit;
            if let Some(limit) = limit {
                kind(observe, "highwater.limit.source", limit.source.as_str(), Some(limit.bytes));
            }
        }),
    },
    Metric {
        name: "highwater.memory.utilization",
        kind: Kind::Gauge,
        unit: "1",
        description: "Used as a ratio of the limit; absent without one",
        set: Set::Core,
        read: Read::Sample(|s| Some(s.utilization()?.into())),
    },
    Metric {
        name: "highwater.memory.peak",
        kind: Kind::Gauge,
        unit: "By",
        description: "The highest use in the trailing 60 s, or export interval where that is longer",
        set: Set::Core,
        read: Read::Points(|reading, observe| plain(observe, reading.snapshot.peak)),
    },
    bytes("highwater.memory.external", Set::Core, "Regions outside the allocator that the program registered", |s| {
        Some(s.external.into())
    }),
    bytes(
        "highwater.memory.unattributed",
        Set::Core,
        "Anonymous memory that nobody accounts for: a lower bound, absent where the allocator counts more than the kernel",
        |s| Some(s.unattributed()?.into()),
    ),
    Metric {
        name: "highwater.memory.growth",
        kind: Kind::Gauge,
        unit: "By/s",
        description: "By how much use rises or falls: the median slope over the fast window",
        set: Set::Core,
        read: Read::Points(|reading, observe| plain(observe, reading.snapshot.slope)),
    },
    time_to_limit(
        "highwater.memory.time_to_limit.likely",
        "When use most likely reaches the limit, as it grows now; absent where that is not certain",
        |forecast| forecast.likely,
    ),
    time_to_limit("highwater.memory.time_to_limit.earliest", "The same, not before", |forecast| forecast.earliest),
    time_to_limit("highwater.memory.time_to_limit.latest", "The same, by then", |forecast| forecast.latest),
    Metric {
        name: "highwater.memory.level",
        kind: Kind::Gauge,
        unit: "{level}",
        description: "0 normal, 1 elevated, 2 high, 3 critical",
        set: Set::Core,
        read: Read::Points(|reading, observe| plain(observe, Some(u64::from(reading.snapshot.level.number())))),
    },
    Metric {
        name: "highwater.episodes",
        kind: Kind::Counter,
        unit: "{episode}",
        description: "Episodes begun",
        set: Set::Core,
        read: Read::Points(|reading, observe| plain(observe, Some(reading.snapshot.counts.episodes))),
    },
    Metric {
        name: "highwater.level.entries",
        kind: Kind::Counter,
        unit: "{entry}",
        description: "Upward crossings that held, by the level entered",
        set: Set::Core,
        read: Read::Points(|reading, observe| {
            for (level, entries) in highwater_model::Level::RAISED.into_iter().zip(reading.snapshot.counts.entries) {
                kind(observe, LEVEL, level.as_str(), Some(entries));
            }
        }),
    },
    Metric {
        name: "highwater.cgroup.oom_kills",
        kind: Kind::Counter,
        unit: "{kill}",
        description: "Processes of the cgroup that the kernel killed for memory",
        set: Set::Core,
        read: Read::Points(|reading, observe| {
            plain(observe, reading.snapshot.sample.cgroup.and_then(|cgroup| cgroup.events.oom_kills));
        }),
    },
    Metric {
        name: "highwater.export.failures",
        kind: Kind::Counter,
        unit: "{failure}",
        description: "Exports that failed",
        set: Set::Core,
        read: Read::Points(|reading, observe| {
            for signal in reading.delivery.signals() {
                kind(observe, SIGNAL, signal.as_str(), Some(reading.delivery.failures(signal)));
            }
        }),
    },
    Metric {
        name: "highwater.export.dropped",
        kind: Kind::Counter,
        unit: "{item}",
        description: "Data points, records and spans that were given up",
        set: Set::Core,
        read: Read::Points(|reading, observe| {
            for signal in reading.delivery.signals() {
                kind(observe, SIGNAL, signal.as_str(), Some(reading.delivery.dropped(signal)));
            }
        }),
    },
    bytes("process.memory.usage", Set::Core, "Resident set size", |s| Some(s.process.rss?.into())),
    bytes("jemalloc.memory.allocated", Set::Core, "Memory that the program holds from its allocator", |s| {
        Some(s.allocator?.allocated.into())
    }),
    bytes("jemalloc.memory.resident", Set::Core, "Memory that the allocator holds: an upper bound", |s| {
        Some(s.allocator?.resident.into())
    }),
    bytes("jemalloc.memory.active", Set::Core, "Pages of the allocator that hold an allocation", |s| {
        Some(s.allocator?.active.into())
    }),
    bytes("jemalloc.memory.mapped", Set::All, "Extents that the allocator has mapped", |s| {
        Some(s.allocator?.mapped.into())
    }),
    bytes("jemalloc.memory.retained", Set::All, "Address space kept by the allocator, not in memory", |s| {
        Some(s.allocator?.retained.into())
    }),
    bytes("jemalloc.memory.metadata", Set::All, "The allocator's own bookkeeping", |s| {
        Some(s.allocator?.metadata.into())
    }),
    bytes("jemalloc.memory.dirty", Set::All, "Freed pages not given back yet", |s| Some(s.allocator?.dirty?.into())),
    bytes("jemalloc.memory.muzzy", Set::All, "Freed pages that the kernel may take back", |s| {
        Some(s.allocator?.muzzy?.into())
    }),
    Metric {
        name: "jemalloc.memory.fragmentation",
        kind: Kind::Gauge,
        unit: "1",
        description: "The share of the active pages that holds no allocation",
        set: Set::All,
        read: Read::Sample(|s| Some(s.allocator?.fragmentation()?.into())),
    },
    bytes(
        "jemalloc.memory.not_resident",
        Set::All,
        "What the allocator counts beyond the kernel: a lower bound",
        |s| Some(s.not_resident()?.into()),
    ),
    counter("jemalloc.allocations", "{allocation}", "Allocations since the start", |s| {
        Some(s.allocator?.allocations?.into())
    }),
    counter("jemalloc.deallocations", "{allocation}", "Deallocations since the start", |s| {
        Some(s.allocator?.deallocations?.into())
    }),
    bytes("process.memory.virtual", Set::All, "Address space", |s| Some(s.process.address_space?.into())),
    Metric {
        name: "process.paging.faults",
        kind: Kind::Counter,
        unit: "{fault}",
        description: "Page faults",
        set: Set::All,
        read: Read::Points(|reading, observe| {
            let process = reading.snapshot.sample.process;
            kind(observe, FAULT, "minor", process.minor_faults);
            kind(observe, FAULT, "major", process.major_faults);
        }),
    },
    Metric {
        name: "process.thread.count",
        kind: Kind::Amount,
        unit: "{thread}",
        description: "Threads",
        set: Set::All,
        read: Read::Sample(|s| Some(s.process.threads?.into())),
    },
    Metric {
        name: "process.unix.file_descriptor.count",
        kind: Kind::Amount,
        unit: "{file_descriptor}",
        description: "Open file descriptors",
        set: Set::All,
        read: Read::Sample(|s| Some(s.process.descriptors?.into())),
    },
    Metric {
        name: "highwater.process.memory.usage",
        kind: Kind::Amount,
        unit: "By",
        description: "Memory of the process by kind; the kinds add up",
        set: Set::All,
        read: Read::Points(|reading, observe| {
            let process = reading.snapshot.sample.process;
            kind(observe, MEMORY_KIND, "anon", process.anon);
            kind(observe, MEMORY_KIND, "file", process.file);
            kind(observe, MEMORY_KIND, "shmem", process.shmem);
            kind(observe, MEMORY_KIND, "swap", process.swap);
        }),
    },
    Metric {
        name: "highwater.process.memory.peak",
        kind: Kind::Gauge,
        unit: "By",
        description: "The highest resident set size so far",
        set: Set::All,
        read: Read::Sample(|s| Some(s.process.peak?.into())),
    },
    Metric {
        name: "highwater.region.usage",
        kind: Kind::Amount,
        unit: "By",
        description: "The program's own accounting, by region",
        set: Set::WhenUsed,
        read: Read::Points(|reading, observe| {
            for (name, usage) in reading.regions.iter() {
                observe(Point { value: usage.into(), attribute: Some(("highwater.region.name", name)) });
            }
        }),
    },
    Metric {
        name: "container.memory.usage",
        kind: Kind::Amount,
        unit: "By",
        description: "All memory charged to the limiting cgroup",
        set: Set::All,
        read: Read::Points(|reading, observe| plain(observe, container(reading).and_then(|cgroup| cgroup.usage))),
    },
    Metric {
        name: "container.memory.working_set",
        kind: Kind::Amount,
        unit: "By",
        description: "Usage without inactive page cache",
        set: Set::All,
        read: Read::Points(|reading, observe| plain(observe, container(reading).and_then(|c| c.working_set()))),
    },
    bytes("highwater.memory.available", Set::All, "What is left below the limit", |s| Some(s.available()?.into())),
    Metric {
        name: "highwater.cgroup.memory.usage",
        kind: Kind::Amount,
        unit: "By",
        description: "Memory of the cgroup by kind; the kinds are disjoint",
        set: Set::All,
        read: Read::Points(|reading, observe| {
            let Some(cgroup) = reading.snapshot.sample.cgroup else { return };
            kind(observe, MEMORY_KIND, "anon", cgroup.anon);
            kind(observe, MEMORY_KIND, "file_active", cgroup.file_active);
            kind(observe, MEMORY_KIND, "file_inactive", cgroup.file_inactive);
            kind(observe, MEMORY_KIND, "shmem", cgroup.shmem);
            kind(observe, MEMORY_KIND, "kernel", cgroup.kernel);
            kind(observe, MEMORY_KIND, "slab_reclaimable", cgroup.slab_reclaimable);
            kind(observe, MEMORY_KIND, "sock", cgroup.sock);
        }),
    },
    Metric {
        name: "highwater.cgroup.events",
        kind: Kind::Counter,
        unit: "{event}",
        description: "How often something happened at the cgroup's limits",
        set: Set::All,
        read: Read::Points(|reading, observe| {
            let Some(cgroup) = reading.snapshot.sample.cgroup else { return };
            kind(observe, CGROUP_EVENT, "low", cgroup.events.low);
            kind(observe, CGROUP_EVENT, "high", cgroup.events.high);
            kind(observe, CGROUP_EVENT, "max", cgroup.events.max);
            kind(observe, CGROUP_EVENT, "oom", cgroup.events.oom);
        }),
    },
    Metric {
        name: "highwater.pressure.some.time",
        kind: Kind::Counter,
        unit: "s",
        description: "Time for which a task of the cgroup was stalled on memory",
        set: Set::All,
        read: Read::Sample(|s| Some(s.cgroup?.pressure.some?.into())),
    },
    Metric {
        name: "highwater.pressure.full.time",
        kind: Kind::Counter,
        unit: "s",
        description: "Time for which all tasks of the cgroup were stalled on memory",
        set: Set::All,
        read: Read::Sample(|s| Some(s.cgroup?.pressure.full?.into())),
    },
    Metric {
        name: "highwater.captures",
        kind: Kind::Counter,
        unit: "{capture}",
        description: "Heap profiles, by what became of them; absent where there are none",
        set: Set::All,
        read: Read::Points(|reading, observe| {
            let Some(captures) = reading.snapshot.captures else { return };
            kind(observe, OUTCOME, "written", Some(captures.written));
            kind(observe, OUTCOME, "refused", Some(captures.refused));
            kind(observe, OUTCOME, "failed", Some(captures.failed));
        }),
    },
    Metric {
        name: "highwater.capture.refusals",
        kind: Kind::Counter,
        unit: "{refusal}",
        description: "Heap profiles that were refused or failed, and files of them that could not be written, by the reason",
        set: Set::All,
        read: Read::Points(|reading, observe| {
            let Some(captures) = reading.snapshot.captures else { return };
            for (reason, count) in Refusal::ALL.into_iter().zip(captures.reasons) {
                kind(observe, REFUSAL, reason.as_str(), Some(count));
            }
        }),
    },
    Metric {
        name: "highwater.shed.requests",
        kind: Kind::Counter,
        unit: "{request}",
        description: "Requests that were turned away under memory pressure, by the level at which they were",
        set: Set::WhenUsed,
        read: Read::Points(|reading, observe| {
            for (level, count) in reading.sheds.counts() {
                kind(observe, LEVEL, level.as_str(), Some(count));
            }
        }),
    },
    Metric {
        name: "highwater.watch.time",
        kind: Kind::Counter,
        unit: "s",
        description: "The agent's own cost: time of its watch thread, by stage",
        set: Set::All,
        read: Read::Points(|reading, observe| {
            let cost = reading.snapshot.cost;
            kind(observe, STAGE, "read", Some(cost.read));
            kind(observe, STAGE, "judge", Some(cost.judge));
            kind(observe, STAGE, "tell", Some(cost.tell));
        }),
    },
    Metric {
        name: "highwater.watch.rounds",
        kind: Kind::Counter,
        unit: "{round}",
        description: "Samples taken and judged",
        set: Set::All,
        read: Read::Points(|reading, observe| plain(observe, Some(reading.snapshot.cost.rounds))),
    },
];

const fn counter(
    name: &'static str,
    unit: &'static str,
    description: &'static str,
    value: fn(&Sample) -> Option<Value>,
) -> Metric {
    Metric { name, kind: Kind::Counter, unit, description, set: Set::All, read: Read::Sample(value) }
}

#[cfg(test)]
pub(crate) mod tests;
