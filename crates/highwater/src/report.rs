//! The report: one line at a time that says how the memory stands, for a service without any backend.
//!
//! It is said on the thread for what is the host's, from the latest sample that was judged: whatever the service's log
//! does with it, reading and judging go on. A line that is late is not made up for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use highwater_model::SinceStart;

use crate::event::{Event, Severity};
use crate::latest::Snapshot;
use crate::outlet::Outlet;
use crate::shared::Shared;
use crate::voice;

/// Says a line every so often.
#[derive(Debug)]
pub(crate) struct Report {
    every: Duration,
    next: SinceStart,
    shared: Arc<Shared>,
}

impl Report {
    pub(crate) fn new(every: Duration, shared: &Arc<Shared>) -> Self {
        Self { every, next: shared.clock.now().after(every), shared: Arc::clone(shared) }
    }
}

impl Outlet for Report {
    fn tell(&mut self, _: &Event) {}

    fn work(&mut self) -> Option<Duration> {
        let now = self.shared.clock.now();
        if now >= self.next {
            // Without a fresh sample there is nothing to say.
            if let Some(snapshot) = self.shared.latest.at(now) {
                voice::say(Severity::Info, &Line(&snapshot).to_string());
            }
            let regular = self.next.after(self.every);
            self.next = if regular > now { regular } else { now.after(self.every) };
        }
        Some(self.next.since(now))
    }
}

/// "memory is normal: heapUsed 12.0MiB, heapTotal 34.5MiB, external 0B, rss 41.2MiB, used 37.9MiB, 7 % of 512MiB": the
/// four numbers under the names that Node.js has for them, then what is judged.
struct Line<'a>(&'a Snapshot);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { sample, level, .. } = self.0;
        let numbers = [
            ("heapUsed", sample.allocator.map(|allocator| allocator.allocated)),
            ("heapTotal", sample.allocator.map(|allocator| allocator.resident)),
            ("external", Some(sample.external)),
            ("rss", sample.process.rss),
            ("used", sample.used),
        ];
        let known = numbers.into_iter().filter_map(|(name, bytes)| Some((name, bytes?)));
        for (index, (name, bytes)) in known.enumerate() {
            match index {
                0 => write!(f, "memory is {level}: {name} {bytes}")?,
                _ => write!(f, ", {name} {bytes}")?,
            }
        }
        match (sample.utilization(), sample.limit) {
            (Some(utilization), Some(limit)) => write!(f, ", {:.0} % of {}", utilization * 100.0, limit.bytes),
            _ => Ok(()),
        }
    }
}
