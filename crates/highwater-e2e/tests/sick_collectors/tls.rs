//! Failures of TLS, each by both protocols and with the real collector: one line says it, nothing is lost, and nothing goes
//! in the clear.

use std::fs;
use std::path::Path;

use highwater_e2e::authority::Authority;
use highwater_e2e::peers::Lone;
use highwater_e2e::wait;

use super::{BEGUN, Subject};

const TRUST: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";

const PROTOCOLS: [&str; 2] = ["http/protobuf", "grpc"];

/// A collector with these settings, what the subject says of it, and the delivery once `mend` has made it right.
#[track_caller]
fn fails_and_then_works(protocol: &str, settings: &str, trust: &Path, says: &str, mend: impl FnOnce(&mut Lone)) {
    let mut collector = Lone::stopped();
    collector.start_with(settings);
    let endpoint = if protocol == "grpc" { collector.grpc() } else { collector.http() };
    let variables = [("OTEL_EXPORTER_OTLP_PROTOCOL", protocol), (TRUST, trust.to_str().unwrap())];
    let mut subject = Subject::start(&endpoint.replace("http:", "https:"), &variables);
    subject.raise();
    subject.says("cannot send", 1);
    let error = subject.process.error();
    assert!(error.contains(says), "by {protocol} it should say {says:?}: {error}");
    mend(&mut collector);
    subject.says("works again", 1);
    wait::until(&format!("{BEGUN} arrives by {protocol}"), || {
        collector.records().iter().any(|record| record.name() == BEGUN).then_some(())
    });
    assert_eq!(subject.changes(), (1, 1));
    assert!(subject.end().0);
}

/// Makes it right by another certificate of the collector's.
fn restarted_with(settings: &str) -> impl FnOnce(&mut Lone) {
    move |collector| {
        collector.stop();
        collector.start_with(settings);
    }
}

#[test]
fn a_collector_that_another_authority_vouches_for_gets_nothing() {
    let [trusted, other] = [Authority::new(), Authority::new()];
    let [good, bad] = [&trusted, &other].map(|authority| authority.certify("127.0.0.1").of_receiver());
    for protocol in PROTOCOLS {
        let says = "invalid peer certificate";
        fails_and_then_works(protocol, &bad, &trusted.certificate(), says, restarted_with(&good));
    }
}

#[test]
fn a_certificate_that_is_out_of_date_is_not_accepted() {
    let authority = Authority::new();
    let old = authority.certify_until_2020("127.0.0.1").of_receiver();
    let good = authority.certify("127.0.0.1").of_receiver();
    for protocol in PROTOCOLS {
        fails_and_then_works(protocol, &old, &authority.certificate(), "expired", restarted_with(&good));
    }
}

#[test]
fn a_certificate_for_another_host_is_not_accepted() {
    let authority = Authority::new();
    let elsewhere = authority.certify("elsewhere.example").of_receiver();
    let good = authority.certify("127.0.0.1").of_receiver();
    for protocol in PROTOCOLS {
        let says = "not valid for name";
        fails_and_then_works(protocol, &elsewhere, &authority.certificate(), says, restarted_with(&good));
    }
}

#[test]
fn a_collector_that_wants_a_client_s_certificate_says_so() {
    let authority = Authority::new();
    let collector = authority.certify("127.0.0.1");
    let demanding = collector.of_receiver_for(&authority.certificate());
    let good = collector.of_receiver();
    for protocol in PROTOCOLS {
        let says = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE names one";
        fails_and_then_works(protocol, &demanding, &authority.certificate(), says, restarted_with(&good));
    }
}

#[test]
fn a_collector_that_does_not_speak_tls_gets_nothing_in_the_clear() {
    let authority = Authority::new();
    let good = authority.certify("127.0.0.1").of_receiver();
    for protocol in PROTOCOLS {
        fails_and_then_works(protocol, "", &authority.certificate(), "corrupt message", restarted_with(&good));
    }
}

#[test]
fn a_certificate_that_is_renewed_needs_no_restart() {
    for protocol in PROTOCOLS {
        let [before, after] = [Authority::new(), Authority::new()];
        let settings = after.certify("127.0.0.1").of_receiver();
        let trust = before.certificate();
        fails_and_then_works(protocol, &settings, &trust, "invalid peer certificate", |_| {
            fs::copy(after.certificate(), &trust).unwrap();
        });
    }
}

#[test]
fn nothing_is_sent_until_the_file_that_says_whom_to_trust_is_there() {
    for protocol in PROTOCOLS {
        let authority = Authority::new();
        let settings = authority.certify("127.0.0.1").of_receiver();
        let trust = authority.certificate().with_file_name("later.pem");
        fails_and_then_works(protocol, &settings, &trust, "nothing is sent that way until it can be used", |_| {
            fs::copy(authority.certificate(), &trust).unwrap();
        });
    }
}
