//! Failures of gRPC: with the real collector, and with a server that plays what it cannot be made to show.

use std::time::Duration;

use highwater_e2e::peers::Lone;
use highwater_e2e::sick::{Ailment, BlackHole, GrpcAilment, Request, SickGrpc};
use highwater_e2e::wait;

use super::{BEGUN, ENDED, Subject};

const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
const EXHAUSTED: u16 = 8;
const UNIMPLEMENTED: u16 = 12;
const UNAVAILABLE: u16 = 14;

/// The requests with the event, as soon as there are so many.
#[track_caller]
fn requests(collector: &SickGrpc, event: &str, count: usize) -> Vec<Request> {
    wait::until_ok(&format!("{count} requests with {event}"), || {
        let requests = collector.requests("logs", event);
        if requests.len() >= count { Ok(requests) } else { Err(format!("{}", requests.len())) }
    })
}

/// Waits until the record has come.
#[track_caller]
fn arrives(collector: &Lone, event: &str) {
    wait::until(&format!("{event} arrives"), || collector.records().iter().any(|r| r.name() == event).then_some(()));
}

#[test]
fn by_grpc_an_event_finds_the_connection_of_the_metrics_warm() {
    let collector = SickGrpc::with(GrpcAilment::None);
    let hour = ("OTEL_METRIC_EXPORT_INTERVAL", "3600000");
    let mut subject = Subject::start(&collector.endpoint(), &[GRPC, hour]);
    let first = wait::until("the first metrics come", || collector.requests("metrics", "").pop());
    subject.raise();
    assert_eq!(requests(&collector, BEGUN, 1)[0].from, first.from);
    assert!(subject.end().0);
}

#[test]
fn what_is_told_while_the_collector_is_away_arrives_by_grpc_when_it_is_there() {
    let mut collector = Lone::stopped();
    let mut subject = Subject::start(&collector.grpc(), &[GRPC]);
    subject.raise();
    subject.says("cannot send", 1);
    collector.start();
    arrives(&collector, BEGUN);
    subject.says("works again", 1);
    collector.stop();
    subject.calm(1);
    subject.says("cannot send", 2);
    collector.start();
    arrives(&collector, ENDED);
    subject.says("works again", 2);
    assert!(subject.end().0);
    let of = |event| collector.records().iter().filter(|record| record.name() == event).count();
    assert_eq!((of(BEGUN), of(ENDED)), (1, 1));
    assert_eq!(subject.changes(), (2, 2));
}

#[test]
fn a_collector_that_hangs_by_grpc_costs_the_event_nothing_but_time() {
    let collector = SickGrpc::with(GrpcAilment::Hangs);
    let mut subject = Subject::start(&collector.endpoint(), &[GRPC, ("OTEL_EXPORTER_OTLP_TIMEOUT", "500")]);
    subject.raise();
    let hung = requests(&collector, BEGUN, 2);
    assert_ne!(hung[0].from, hung[1].from, "a connection on which nobody answered is not used again");
    collector.becomes(GrpcAilment::None);
    subject.says("works again", 1);
    assert_eq!(requests(&collector, BEGUN, 3).last().unwrap().ailment, Ailment::None);
    assert_eq!(subject.changes(), (1, 1));
    assert!(subject.end().0);
}

#[test]
fn shutdown_keeps_its_deadline_while_the_collector_hangs_by_grpc() {
    let collector = SickGrpc::with(GrpcAilment::Hangs);
    let minute = ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000");
    let mut subject = Subject::start(&collector.endpoint(), &[GRPC, minute, ("DEADLINE", "1")]);
    subject.raise();
    requests(&collector, BEGUN, 1);
    let (delivered, took) = subject.end();
    assert!(!delivered);
    assert!((1_000..20_000).contains(&took), "{took} ms, of which the deadline is one second");
}

#[test]
fn by_grpc_too_a_black_hole_costs_no_more_than_the_time_to_connect() {
    let hole = BlackHole::open();
    let minute = ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000");
    let mut subject = Subject::start(&hole.endpoint(), &[GRPC, minute, ("DEADLINE", "1")]);
    subject.raise();
    subject.says("no connection within 2s", 1);
    assert_eq!(subject.changes(), (1, 0));
    let (_, took) = subject.end();
    assert!(took < 20_000, "{took} ms, of which the deadline is one second");
}

#[test]
fn a_collector_that_is_exhausted_and_says_when_is_left_alone_until_then() {
    for code in [EXHAUSTED, UNAVAILABLE] {
        let collector = SickGrpc::with(GrpcAilment::Answers(code, Some(3)));
        let mut subject = Subject::start(&collector.endpoint(), &[GRPC]);
        subject.raise();
        let refused = requests(&collector, BEGUN, 1);
        subject.says("as wanted", 1);
        collector.becomes(GrpcAilment::None);
        let again = requests(&collector, BEGUN, 2);
        let waited = again[1].at - refused[0].at;
        assert!(waited >= Duration::from_secs(3), "it asked for three seconds and had {waited:?}");
        subject.says("works again", 1);
        assert_eq!(subject.changes(), (1, 1));
        assert!(subject.end().0);
        assert_eq!(collector.requests("logs", BEGUN).len(), 2, "it arrived, and is not sent again");
    }
}

#[test]
fn what_the_collector_refuses_by_grpc_is_not_sent_again() {
    for code in [EXHAUSTED, UNIMPLEMENTED] {
        let collector = SickGrpc::with(GrpcAilment::Answers(code, None));
        let mut subject = Subject::start(&collector.endpoint(), &[GRPC]);
        subject.raise();
        subject.says("as wanted; what it refuses is not sent again", 1);
        requests(&collector, BEGUN, 1);
        collector.becomes(GrpcAilment::None);
        subject.calm(1);
        requests(&collector, ENDED, 1);
        assert!(subject.end().0);
        assert_eq!(collector.requests("logs", BEGUN).len(), 1);
        assert!(!collector.requests("metrics", "highwater.export.dropped").is_empty());
    }
}

#[test]
fn a_request_that_is_reset_by_grpc_is_sent_again() {
    let collector = SickGrpc::with(GrpcAilment::Resets);
    let mut subject = Subject::start(&collector.endpoint(), &[GRPC]);
    subject.raise();
    subject.says("cannot send", 1);
    requests(&collector, BEGUN, 1);
    collector.becomes(GrpcAilment::None);
    subject.says("works again", 1);
    assert_eq!(requests(&collector, BEGUN, 2).last().unwrap().ailment, Ailment::None);
    assert_eq!(subject.changes(), (1, 1));
    assert!(subject.end().0);
}

#[test]
fn a_protocol_at_the_port_of_the_other_is_one_line_that_names_the_port() {
    let collector = Lone::started();
    let grpc_to_http = (collector.http(), GRPC, "4317");
    let http_to_grpc = (collector.grpc(), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"), "4318");
    for (endpoint, protocol, remedy) in [grpc_to_http, http_to_grpc] {
        let mut subject = Subject::start(&endpoint, &[protocol, ("DEADLINE", "1")]);
        subject.raise();
        subject.says("cannot send", 1);
        subject.calm(1);
        assert_eq!(subject.changes(), (1, 0));
        assert!(subject.process.error().contains(remedy), "{}", subject.process.error());
        let (_, took) = subject.end();
        assert!(took < 20_000, "{took} ms, of which the deadline is one second");
    }
    assert_eq!(collector.records().len(), 0);
}
