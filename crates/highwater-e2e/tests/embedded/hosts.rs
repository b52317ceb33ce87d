//! In hosts that are built in other ways: with all of OpenTelemetry, with a C library of their own, with panics that
//! abort, with a jemalloc that nobody uses.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use highwater_e2e::folder::Folder;
use highwater_e2e::peers::Lone;
use highwater_e2e::process::{Process, Program};
use highwater_e2e::{binary, wait};

const BEGUN: &str = "highwater.memory.episode.begun";
const ENDED: &str = "highwater.memory.episode.ended";

#[test]
fn beside_every_exporter_of_opentelemetry_and_an_older_version_all_three_signals_arrive() {
    let mut collector = Lone::started();
    let mut host = started(Program::at(&binary::host("unified")), &collector);
    arrive(&collector, BEGUN);
    wait::until("the collector has metrics", || collector.points().first().map(|_| ()));
    end(&mut host);
    assert_eq!(host.output(), "delivered: true\n");
    collector.stop();
    arrive(&collector, ENDED);
    assert!(collector.spans().iter().any(|span| span.field("name") == "memory episode"));
}

#[test]
fn beside_a_log_that_hangs_on_a_word_of_opentelemetrys_own_events_and_spans_arrive() {
    arrive_beside_a_log_that_hangs("http/protobuf", Lone::http);
}

#[test]
fn beside_a_log_that_hangs_on_a_word_of_http2s_own_events_and_spans_arrive() {
    arrive_beside_a_log_that_hangs("grpc", Lone::grpc);
}

#[track_caller]
fn arrive_beside_a_log_that_hangs(protocol: &str, endpoint: fn(&Lone) -> String) {
    let mut collector = Lone::started();
    let host = Program::at(&binary::host("unified")).arg("hanging").with_input();
    let variables =
        [("OTEL_EXPORTER_OTLP_PROTOCOL", protocol), ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint(&collector))];
    let mut host = host.variables(&variables).start();
    arrive(&collector, BEGUN);
    wait::until("the log hangs", || host.output().contains("highwater hangs").then_some(()));
    end(&mut host);
    assert!(host.output().ends_with("delivered: false\n"), "the log has not heard of it: {}", host.output());
    collector.stop();
    arrive(&collector, ENDED);
    assert!(collector.spans().iter().any(|span| span.field("name") == "memory episode"));
}

#[test]
fn a_statically_linked_host_delivers() {
    let mut collector = Lone::started();
    let mut host = started(Program::at(&binary::static_host("plain")), &collector);
    arrive(&collector, BEGUN);
    let mappings = std::fs::read_to_string(format!("/proc/{}/maps", host.id())).unwrap();
    assert!(mappings.contains("plain") && !mappings.contains(".so"), "{mappings}");
    end(&mut host);
    assert_eq!(host.output(), "delivered: true\n");
    collector.stop();
    arrive(&collector, ENDED);
}

#[test]
fn where_panics_abort_a_callback_that_panics_ends_the_host_as_any_panic_does() {
    let host = Program::at(&binary::static_host("plain")).arg("panicking").with_input();
    let mut host = host.variable("OTEL_SDK_DISABLED", "true").start();
    assert_eq!(host.wait().signal(), Some(6), "{}", host.error());
    assert!(host.error().contains("the host's fault"), "{}", host.error());
}

#[test]
fn a_jemalloc_that_is_linked_but_not_installed_is_said_once_and_its_numbers_are_absent() {
    let mut collector = Lone::started();
    // The subject has the feature, and the system's allocator.
    let subject = Program::at(&binary::example("driven")).variables(&[("HIGHWATER_METRICS", "all")]);
    let mut subject = started(subject, &collector);
    wait::until("the collector has metrics", || collector.points().first().map(|_| ()));
    end(&mut subject);
    let error = subject.error();
    assert_eq!(error.matches("`highwater::jemalloc!();` in the binary's main.rs installs it").count(), 1, "{error}");
    collector.stop();
    let names: BTreeSet<_> = collector.points().iter().map(|point| point.metric().to_owned()).collect();
    assert!(names.contains("process.memory.usage"), "{names:?}");
    let of_jemalloc = |name: &&String| name.contains("jemalloc") || name.contains("unattributed");
    assert_eq!(names.iter().find(of_jemalloc), None, "{names:?}");
}

#[test]
fn nothing_waits_for_entropy_from_the_start_to_the_end_of_an_episode() {
    let folder = Folder::temporary();
    let refusing = folder.path().join("entropy.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/embedded/entropy.c");
    let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&refusing).arg(source).status().unwrap();
    assert!(status.success(), "a C compiler builds what stands before the C library");

    let mut collector = Lone::started();
    let host = Program::at(&binary::example("driven")).variable("LD_PRELOAD", &refusing);
    let mut host = started(host.variables(&[("HIGHWATER_LIMIT", "1MiB")]), &collector);
    arrive(&collector, BEGUN);
    end(&mut host);
    let error = host.error();
    let asked =
        error.lines().last().and_then(|line| line.strip_prefix("asked ")?.split(' ').next()?.parse::<u32>().ok());
    assert!(asked > Some(0), "it stood before the C library: {error}");
    collector.stop();
    arrive(&collector, ENDED);
}

#[track_caller]
fn started(host: Program, collector: &Lone) -> Process {
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.http()), ("OTEL_METRIC_EXPORT_INTERVAL", "200")];
    host.variables(&variables).with_input().start()
}

#[track_caller]
fn arrive(collector: &Lone, event: &str) {
    let arrived = || collector.records().iter().any(|record| record.name() == event).then_some(());
    wait::until(&format!("the collector has {event}"), arrived);
}

#[track_caller]
fn end(host: &mut Process) {
    host.close_input();
    host.wait_for_success();
}
