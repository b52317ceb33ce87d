//! What an agent prints in place of sending it (`OTEL_*_EXPORTER=console`): where no collector can be, or it would be a
//! detour. The lines are made from the very requests that a collector would get.

use std::time::{Duration, SystemTime};

use crate::process::Process;
use crate::wait;

/// The variables that make an agent print all that it would send, all of its metrics five times a second.
pub const VARIABLES: &[(&str, &str)] = &[
    ("OTEL_METRICS_EXPORTER", "console"),
    ("OTEL_LOGS_EXPORTER", "console"),
    ("OTEL_TRACES_EXPORTER", "console"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
    ("HIGHWATER_METRICS", "all"),
];

/// An event or a span, as it was printed.
#[derive(Clone, Debug)]
pub struct Printed {
    line: String,
}

impl Printed {
    /// Its name.
    pub fn name(&self) -> &str {
        let rest = self.line.split_once(' ').unwrap().1;
        match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().unwrap(),
            None => rest.split(' ').next().unwrap(),
        }
    }

    /// An attribute, without the quotes of a text; empty where it is absent.
    pub fn attribute(&self, name: &str) -> &str {
        let Some((_, rest)) = self.line.split_once(&format!(" {name}=")) else { return "" };
        match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().unwrap(),
            None => rest.split(' ').next().unwrap(),
        }
    }

    /// An attribute that is a number.
    #[track_caller]
    pub fn number(&self, name: &str) -> f64 {
        self.attribute(name).parse().unwrap_or_else(|_| panic!("{name} is no number in {}", self.line))
    }

    /// The moments that it names, in milliseconds since 1970: one of an event, two of a span.
    pub fn moments(&self) -> Vec<i64> {
        self.line.split(' ').filter_map(milliseconds).collect()
    }
}

/// The events that `process` told so far.
pub fn events(process: &Process) -> Vec<Printed> {
    printed(process, "event ")
}

/// The spans that `process` told so far.
pub fn spans(process: &Process) -> Vec<Printed> {
    printed(process, "span ")
}

/// Waits for an event.
#[track_caller]
pub fn wait_for_event(process: &Process, name: &str) -> Printed {
    wait::until_ok(&format!("{name} is told"), || {
        let events = events(process);
        events.iter().find(|event| event.name() == name).cloned().ok_or_else(|| said(process))
    })
}

/// The last export of all metrics, one a line; nothing before there were two.
pub fn metrics(process: &Process) -> String {
    // Each export has this one, whatever else cannot be read.
    const ALWAYS: &str = "metric highwater.watch.rounds ";
    let output = process.output();
    let Some((before, _)) = output.rsplit_once(ALWAYS) else { return String::new() };
    before.rsplit_once(ALWAYS).map_or_else(String::new, |(_, last)| last.to_owned())
}

/// The metric `name` in [`metrics`], where it is there.
pub fn metric(process: &Process, name: &str) -> Option<f64> {
    let metrics = metrics(process);
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("metric {name} ")))?;
    line.split(' ').next()?.parse().ok()
}

/// Waits until the metric `name` is as it should be.
#[track_caller]
pub fn wait_for_metric(process: &Process, name: &str, is_good: impl Fn(f64) -> bool) {
    wait::until_ok(&format!("{name} is as expected"), || match metric(process, name) {
        Some(value) if is_good(value) => Ok(()),
        other => Err(format!("{other:?}; {}", said(process))),
    });
}

/// Waits until so many more exports were printed.
#[track_caller]
pub fn wait_for_exports(process: &Process, more: usize) {
    let count = || process.output().matches("metric highwater.watch.rounds ").count();
    let enough = count() + more;
    wait::until("metrics are printed", || (count() >= enough).then_some(()));
}

/// All that was said, without the metrics.
pub fn said(process: &Process) -> String {
    let output = process.output();
    let lines = output.lines().filter(|line| !line.starts_with("metric ")).map(|line| format!("{line}\n"));
    lines.collect::<String>() + &process.error()
}

fn printed(process: &Process, kind: &str) -> Vec<Printed> {
    let output = process.output();
    let whole = output.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter(|line| line.starts_with(kind)).map(|line| Printed { line: line.to_owned() }).collect()
}

/// `2026-11-24T01:02:03.004Z`.
fn milliseconds(word: &str) -> Option<i64> {
    let at = humantime::parse_rfc3339(word).ok()?;
    let ahead = |span: Duration| i64::try_from(span.as_millis()).ok();
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => ahead(since),
        Err(before) => ahead(before.duration()).map(|millis| -millis),
    }
}
