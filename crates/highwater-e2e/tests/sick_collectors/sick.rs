//! A real socket that plays what the real collector cannot be made to show.

use std::time::Duration;

use highwater_e2e::sick::{Ailment, BlackHole, Request, Sick};
use highwater_e2e::wait;

use super::{BEGUN, ENDED, Subject};

const LOGS: &str = "/v1/logs";

/// The requests with the event, as soon as there are so many.
#[track_caller]
fn requests(collector: &Sick, event: &str, count: usize) -> Vec<Request> {
    wait::until_ok(&format!("{count} requests with {event}"), || {
        let requests = collector.requests(LOGS, event);
        if requests.len() >= count { Ok(requests) } else { Err(format!("{}", requests.len())) }
    })
}

#[test]
fn an_event_finds_the_connection_of_the_metrics_warm() {
    let collector = Sick::with(Ailment::None);
    let mut subject = Subject::start(&collector.endpoint(), &[("OTEL_METRIC_EXPORT_INTERVAL", "3600000")]);
    let first = wait::until("the first metrics come", || collector.requests("/v1/metrics", "").pop());
    subject.raise();
    assert_eq!(requests(&collector, BEGUN, 1)[0].from, first.from);
    assert!(subject.end().0);
}

#[test]
fn a_collector_that_hangs_costs_the_event_nothing_but_time() {
    let collector = Sick::with(Ailment::Hangs);
    let mut subject = Subject::start(&collector.endpoint(), &[("OTEL_EXPORTER_OTLP_TIMEOUT", "500")]);
    subject.raise();
    requests(&collector, BEGUN, 2);
    collector.becomes(Ailment::None);
    subject.says("works again", 1);
    assert_eq!(requests(&collector, BEGUN, 3).last().unwrap().ailment, Ailment::None);
    assert_eq!(subject.changes(), (1, 1));
    assert!(subject.end().0);
}

#[test]
fn shutdown_keeps_its_deadline_while_the_collector_hangs() {
    let collector = Sick::with(Ailment::Hangs);
    let minute = ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000");
    let mut subject = Subject::start(&collector.endpoint(), &[minute, ("DEADLINE", "1")]);
    subject.raise();
    requests(&collector, BEGUN, 1);
    let (delivered, took) = subject.end();
    assert!(!delivered);
    assert!((1_000..20_000).contains(&took), "{took} ms, of which the deadline is one second");
}

#[test]
fn a_black_hole_costs_no_more_than_the_time_to_connect() {
    let hole = BlackHole::open();
    let mut subject = Subject::start(&hole.endpoint(), &[("DEADLINE", "1")]);
    subject.raise();
    subject.says("cannot send", 1);
    subject.calm(1);
    assert_eq!(subject.changes(), (1, 0));
    let (_, took) = subject.end();
    assert!(took < 20_000, "{took} ms, of which the deadline is one second");
}

#[test]
fn a_slow_collector_gets_everything_and_delays_nobody() {
    let collector = Sick::with(Ailment::Slow(Duration::from_secs(2)));
    let mut subject = Subject::start(&collector.endpoint(), &[]);
    subject.raise();
    subject.calm(1);
    requests(&collector, ENDED, 1);
    assert!(subject.end().0);
    assert_eq!(collector.requests(LOGS, BEGUN).len(), 1);
    assert_eq!(collector.requests(LOGS, ENDED).len(), 1);
    assert_eq!(subject.changes(), (0, 0), "slow is not sick");
}

#[test]
fn a_collector_that_is_overloaded_is_left_alone_as_long_as_it_asks_for() {
    for status in [429, 503] {
        let collector = Sick::with(Ailment::Answers(status, Some("3")));
        let mut subject = Subject::start(&collector.endpoint(), &[]);
        subject.raise();
        let refused = requests(&collector, BEGUN, 1);
        subject.says(&format!("the collector answers {status}"), 1);
        collector.becomes(Ailment::None);
        let again = requests(&collector, BEGUN, 2);
        let waited = again[1].at - refused[0].at;
        assert!(waited >= Duration::from_secs(3), "it asked for three seconds and had {waited:?}");
        // No other request of that signal came between.
        let between = |request: &&Request| (refused[0].at..again[1].at).contains(&request.at);
        assert_eq!(collector.requests(LOGS, "").iter().filter(between).count(), 1);
        subject.says("works again", 1);
        assert_eq!(subject.changes(), (1, 1));
        assert!(subject.end().0);
        assert_eq!(collector.requests(LOGS, BEGUN).len(), 2, "it arrived, and is not sent again");
    }
}

#[test]
fn an_unavailable_collector_that_names_no_time_is_asked_again_soon() {
    let collector = Sick::with(Ailment::Answers(503, None));
    let mut subject = Subject::start(&collector.endpoint(), &[]);
    subject.raise();
    let times: Vec<_> = requests(&collector, BEGUN, 4).iter().map(|request| request.at).collect();
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // At least half of 0.5, 1 and 2 s; more on a busy machine.
    for (pause, least) in pauses.iter().zip([250, 500, 1_000]) {
        assert!(*pause >= Duration::from_millis(least), "{pauses:?}");
    }
    collector.becomes(Ailment::None);
    assert!(subject.end().0);
    assert_eq!(collector.requests(LOGS, BEGUN).iter().filter(|request| request.ailment == Ailment::None).count(), 1);
}

#[test]
fn what_the_collector_refuses_is_not_sent_again() {
    for (ailment, status) in
        [(Ailment::Answers(400, None), "400 Bad Request"), (Ailment::Lectures(404), "404 Not Found")]
    {
        let collector = Sick::with(ailment);
        let mut subject = Subject::start(&collector.endpoint(), &[]);
        subject.raise();
        subject.says(&format!("{status}; what it refuses is not sent again"), 1);
        requests(&collector, BEGUN, 1);
        collector.becomes(Ailment::None);
        subject.calm(1);
        requests(&collector, ENDED, 1);
        assert!(subject.end().0);
        assert_eq!(collector.requests(LOGS, BEGUN).len(), 1);
        // Its last export counts what was lost: the record of the beginning, and its span.
        assert!(!collector.requests("/v1/metrics", "highwater.export.dropped").is_empty());
    }
}

#[test]
fn a_connection_that_is_reset_in_the_middle_of_a_request_loses_nothing() {
    let collector = Sick::with(Ailment::Resets);
    let mut subject = Subject::start(&collector.endpoint(), &[]);
    subject.raise();
    subject.says("cannot send", 1);
    collector.becomes(Ailment::None);
    requests(&collector, BEGUN, 1);
    subject.says("works again", 1);
    assert_eq!(subject.changes(), (1, 1));
    assert!(subject.end().0);
}

#[test]
fn a_host_that_ends_leaves_no_sick_collector_behind_it_for_long() {
    for ailment in [Ailment::Answers(503, Some("300")), Ailment::Answers(400, None), Ailment::Resets] {
        let collector = Sick::with(ailment);
        let mut subject = Subject::start(&collector.endpoint(), &[]);
        subject.raise();
        subject.says("cannot send", 1);
        let (delivered, took) = subject.end();
        assert!(delivered, "all that can be done was done: {ailment:?}");
        assert!(took < 20_000, "{ailment:?}: {took} ms");
    }
}
