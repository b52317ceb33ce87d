//! Each way to the collector, on the way of success: gRPC, TLS and gzip, with the real collector.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use highwater_e2e::authority::Authority;
use highwater_e2e::peers::Lone;
use highwater_e2e::sick::{Ailment, GrpcAilment, Sick, SickGrpc};
use highwater_e2e::subject::{BEGUN, ENDED, Subject};
use highwater_e2e::wait;

const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const GZIP: (&str, &str) = ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");

/// An episode with its records, spans and metrics arrives at `endpoint`, which is the collector's.
#[track_caller]
fn everything_arrives(collector: &Lone, endpoint: &str, variables: &[(&str, &str)]) {
    let mut subject = Subject::start(endpoint, variables);
    subject.raise();
    subject.calm(1);
    let ours = |instance: String| instance == subject.instance;
    wait::until(&format!("the episode's records arrive: {variables:?}"), || {
        let records = collector.records();
        let has = |event| records.iter().any(|record| record.name() == event && ours(record.instance()));
        (has(BEGUN) && has(ENDED)).then_some(())
    });
    wait::until(&format!("its spans arrive: {variables:?}"), || {
        collector.spans().iter().any(|span| ours(span.instance())).then_some(())
    });
    wait::until(&format!("its metrics arrive: {variables:?}"), || {
        collector.points().iter().any(|point| ours(point.instance())).then_some(())
    });
    assert_eq!(subject.changes(), (0, 0), "{}", subject.process.error());
    assert!(subject.end().0);
}

/// Both protocols, each with its address.
fn ways(collector: &Lone) -> [(&'static str, String); 2] {
    [("http/protobuf", collector.http()), ("grpc", collector.grpc())]
}

#[test]
fn each_signal_arrives_by_grpc() {
    let collector = Lone::started();
    everything_arrives(&collector, &collector.grpc(), &[(PROTOCOL, "grpc")]);
    let by_name = collector.grpc().replace("127.0.0.1", "localhost");
    everything_arrives(&collector, &by_name, &[(PROTOCOL, "grpc")]);
}

#[test]
fn signals_go_each_by_its_own_protocol() {
    let collector = Lone::started();
    let grpc = collector.grpc();
    let logs = [("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &grpc)];
    everything_arrives(&collector, &collector.http(), &logs);
}

#[test]
fn each_signal_arrives_compressed_by_either_protocol() {
    let collector = Lone::started();
    for (protocol, endpoint) in ways(&collector) {
        everything_arrives(&collector, &endpoint, &[(PROTOCOL, protocol), GZIP]);
    }
}

#[test]
fn what_is_compressed_says_so_and_headers_go_along() {
    let header = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t0ken");
    let http = Sick::with(Ailment::None);
    let subject = Subject::start(&http.endpoint(), &[GZIP, header]);
    let request = wait::until("metrics come by HTTP", || http.requests("/v1/metrics", "").pop());
    assert!(request.headers.contains("content-encoding: gzip"), "{}", request.headers);
    assert!(request.headers.contains("authorization: bearer t0ken"), "{}", request.headers);
    assert_eq!(request.body[..2], [0x1f, 0x8b]);
    drop(subject);

    let grpc = SickGrpc::with(GrpcAilment::None);
    let _subject = Subject::start(&grpc.endpoint(), &[(PROTOCOL, "grpc"), GZIP, header]);
    let request = wait::until("metrics come by gRPC", || grpc.requests("metrics", "").pop());
    assert!(request.headers.contains("grpc-encoding: gzip"), "{}", request.headers);
    assert!(request.headers.contains("authorization: Bearer t0ken"), "{}", request.headers);
    assert_eq!(request.body[..1], [1]);
    assert_eq!(request.body[5..7], [0x1f, 0x8b]);
}

#[test]
fn an_authority_of_one_s_own_is_trusted_by_either_protocol() {
    let authority = Authority::new();
    let mut collector = Lone::stopped();
    collector.start_with(&authority.certify("127.0.0.1").of_receiver());
    let trust = authority.certificate();
    let trust = ("OTEL_EXPORTER_OTLP_CERTIFICATE", trust.to_str().unwrap());
    for (protocol, endpoint) in ways(&collector) {
        let endpoint = endpoint.replace("http:", "https:");
        everything_arrives(&collector, &endpoint, &[(PROTOCOL, protocol), trust]);
    }
}

#[test]
fn both_sides_show_a_certificate_by_either_protocol() {
    let [authority, of_clients] = [Authority::new(), Authority::new()];
    let mut collector = Lone::stopped();
    collector.start_with(&authority.certify("localhost").of_receiver_for(&of_clients.certificate()));
    let client = of_clients.certify("a-service");
    let trust = authority.certificate();
    let files = [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", trust.to_str().unwrap()),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", client.certificate.to_str().unwrap()),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", client.key.to_str().unwrap()),
    ];
    for (protocol, endpoint) in ways(&collector) {
        let endpoint = endpoint.replace("http://127.0.0.1", "https://localhost");
        everything_arrives(&collector, &endpoint, &[&[(PROTOCOL, protocol)], &files[..]].concat());
    }
}
