//! The real collector, away for a while.

use std::time::{SystemTime, UNIX_EPOCH};

use highwater_e2e::peers::{Lone, Record};
use highwater_e2e::wait;

use super::{BEGUN, ENDED, Subject};

#[test]
fn what_is_told_before_the_collector_starts_arrives_when_it_does() {
    let mut collector = Lone::stopped();
    let mut subject = Subject::start(&collector.http(), &[]);
    subject.raise();
    subject.says("cannot send", 1);
    subject.calm(1);
    let started = now();
    collector.start();
    arrived_once(&collector, &subject, &[BEGUN, ENDED]);
    let times: Vec<_> = records(&collector, &subject).iter().map(Record::time).collect();
    assert!(times.iter().all(|time| *time < started), "each has the time at which it was told: {times:?}, {started}");
    subject.says("works again", 1);
    assert_eq!(subject.changes(), (1, 1), "one line a change of state");
    assert!(subject.end().0);
    nothing_was_dropped(&collector, &subject);
}

#[test]
fn what_is_told_while_the_collector_restarts_arrives_when_it_is_back() {
    let mut collector = Lone::started();
    let mut subject = Subject::start(&collector.http(), &[]);
    subject.raise();
    arrived_once(&collector, &subject, &[BEGUN]);
    for round in 1..=3 {
        collector.stop();
        subject.calm(round);
        subject.says("cannot send", round);
        subject.process.tell("take 100");
        subject.says("memory is ", 2 * round + 1);
        collector.start();
        subject.says("works again", round);
    }
    let told = [BEGUN, ENDED, BEGUN, ENDED, BEGUN, ENDED, BEGUN];
    arrived_once(&collector, &subject, &told);
    assert_eq!(subject.changes(), (3, 3));
    assert!(subject.end().0);
    arrived_once(&collector, &subject, &[&told[..], &[ENDED]].concat());
    nothing_was_dropped(&collector, &subject);
}

#[test]
fn an_exit_without_a_collector_waits_for_nothing_and_says_what_is_lost() {
    let collector = Lone::stopped();
    let mut subject = Subject::start(&collector.http(), &[]);
    subject.raise();
    subject.says("cannot send", 1);
    subject.end();
    let error = subject.process.error();
    // The beginning and the end, and the spans of the beginning, of the stay and of the whole.
    assert!(error.contains("5 log records, spans and profiles could not be sent before the end"), "{error}");
}

/// Waits until the collector has the events `told`, in their order of time, and checks that it has no others and none twice;
/// and that each episode that is over has its spans.
#[track_caller]
fn arrived_once(collector: &Lone, subject: &Subject, told: &[&str]) {
    let records = wait::until_ok(&format!("the collector has {told:?}"), || {
        let mut records = records(collector, subject);
        records.sort_by_key(Record::time);
        if records.len() >= told.len() { Ok(records) } else { Err(format!("{records:?}")) }
    });
    assert_eq!(records.iter().map(Record::name).collect::<Vec<_>>(), told);
    let mut uids: Vec<_> = records.iter().map(|record| record.attribute("log.record.uid").to_string()).collect();
    uids.sort();
    uids.dedup();
    assert_eq!(uids.len(), told.len(), "each event has an id of its own");

    let roots = told.iter().filter(|name| **name == ENDED).count();
    wait::until_ok("the collector has the root of each episode that is over", || {
        let spans = collector.spans();
        let ours = spans.iter().filter(|span| span.instance() == subject.instance);
        let arrived = ours.filter(|span| span.field("name") == "memory episode").count();
        if arrived == roots { Ok(()) } else { Err(format!("{spans:?}")) }
    });
}

/// Nanoseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "what is sent carries wall-clock time")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

fn records(collector: &Lone, subject: &Subject) -> Vec<Record> {
    let mut records = collector.records();
    records.retain(|record| record.instance() == subject.instance);
    records
}

/// As the agent itself counts, in its last export.
#[track_caller]
fn nothing_was_dropped(collector: &Lone, subject: &Subject) {
    let points = collector.points();
    let dropped: Vec<_> = points
        .iter()
        .filter(|point| point.instance() == subject.instance && point.metric() == "highwater.export.dropped")
        .map(|point| point.value())
        .collect();
    assert!(!dropped.is_empty() && dropped.iter().all(|count| *count == 0.0), "{dropped:?}");
}
