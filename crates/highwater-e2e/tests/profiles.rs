//! Heap profiles by OTLP, with the real collector: one that takes them, and one that does not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use highwater_e2e::binary;
use highwater_e2e::disk::Disk;
use highwater_e2e::peers::{Lone, Record};
use highwater_e2e::process::{Process, Program};
use highwater_e2e::wait;
use serde_json::Value;

/// A program that crosses a level soon, under this name.
fn hoarding(endpoint: &str, instance: &str, variables: &[(&str, &str)]) -> Process {
    Program::at(&binary::example_with("unstable-profiles", "hoarding"))
        .with_input()
        .variables(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_RESOURCE_ATTRIBUTES", &format!("service.instance.id={instance}")),
            ("HIGHWATER_LIMIT", "128MiB"),
            ("HIGHWATER_HOLD_ELEVATED", "0s"),
            ("HIGHWATER_HOLD_HIGH", "0s"),
        ])
        .variables(variables)
        .start()
}

/// Waits for the record of a capture of this program's.
#[track_caller]
fn captured(collector: &Lone, instance: &str) -> Record {
    wait::until(&format!("{instance} tells of a capture"), || {
        let of_capture =
            |record: &Record| record.name() == "highwater.capture.written" && record.instance() == instance;
        collector.records().into_iter().find(of_capture)
    })
}

/// The texts and numbers of a list.
fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn a_profile_arrives_by_either_protocol_and_leads_to_the_span_of_its_episode() {
    let collector = Lone::started_with_profiles();
    for (instance, endpoint, protocol, compression) in [
        ("by-http", collector.http(), "http/protobuf", "none"),
        ("compressed", collector.http(), "http/protobuf", "gzip"),
        ("by-grpc", collector.grpc(), "grpc", "none"),
    ] {
        let variables = [("OTEL_EXPORTER_OTLP_PROTOCOL", protocol), ("OTEL_EXPORTER_OTLP_COMPRESSION", compression)];
        let mut subject = hoarding(&endpoint, instance, &variables);
        let capture = captured(&collector, instance);
        let request = wait::until(&format!("the profile of {instance} arrives"), || {
            collector.profiles().into_iter().find(|request| request.to_string().contains(&format!("\"{instance}\"")))
        });
        let dictionary = &request["dictionary"];
        let has = |text: &str| list(dictionary, "stringTable").iter().any(|known| known == text);
        assert!(has("hoarding::hoard") && has("inuse_space") && has("inuse_objects"), "{dictionary}");

        let link = &list(dictionary, "linkTable")[1];
        assert_eq!(&link["traceId"], capture.field("traceId"), "{link}");
        let begun = wait::until("its episode's first span arrives", || {
            let begun = |span: &Record| span.instance() == instance && span.field("name") == "memory episode begun";
            collector.spans().into_iter().find(begun)
        });
        assert_eq!((&link["traceId"], &link["spanId"]), (begun.field("traceId"), begun.field("parentSpanId")));

        let profiles = list(&request["resourceProfiles"][0]["scopeProfiles"][0], "profiles");
        let sum = |profile: &Value| -> u64 {
            let values = list(profile, "samples").iter().flat_map(|sample| list(sample, "values"));
            values
                .map(|value| value.as_str().map_or_else(|| value.as_u64().unwrap(), |text| text.parse().unwrap()))
                .sum()
        };
        let sums: Vec<_> = profiles.iter().map(sum).collect();
        assert!(sums[0] > 50 << 20 && sums[1] > 25, "{sums:?}");
        let linked = |profile: &Value| list(profile, "samples").iter().all(|sample| sample["linkIndex"] == 1);
        assert!(profiles.iter().all(linked), "{profiles:?}");

        subject.close_input();
        subject.wait_for_success();
        assert!(!subject.error().contains("cannot send"), "{}", subject.error());
    }
}

#[test]
fn a_collector_that_takes_no_profiles_is_told_of_once_and_gets_everything_else() {
    let collector = Lone::started();
    for (instance, endpoint, protocol, refusal) in
        [("by-http", collector.http(), "http/protobuf", "404"), ("by-grpc", collector.grpc(), "grpc", "profiles")]
    {
        let signal = ("HIGHWATER_PROFILE_SIGNAL", "SIGUSR2");
        let mut subject = hoarding(&endpoint, instance, &[("OTEL_EXPORTER_OTLP_PROTOCOL", protocol), signal]);
        captured(&collector, instance);
        let said = |subject: &Process| subject.error().matches("cannot send profiles").count();
        wait::until_ok("it is said", || if said(&subject) > 0 { Ok(()) } else { Err(subject.error()) });
        assert!(subject.error().contains(refusal), "{}", subject.error());
        assert!(subject.error().contains("--feature-gates=service.profilesSupport"), "{}", subject.error());
        // Another, as soon as there may be one.
        wait::until("another is taken", || {
            subject.signal("USR2");
            let of_capture =
                |record: &Record| record.name() == "highwater.capture.written" && record.instance() == instance;
            (collector.records().into_iter().filter(of_capture).count() > 1).then_some(())
        });
        subject.close_input();
        subject.wait_for_success();
        assert_eq!((said(&subject), subject.error().matches("cannot send").count()), (1, 1), "{}", subject.error());
        let of_it = |record: &Record, name: &str| record.name() == name && record.instance() == instance;
        wait::until("the end of the episode arrives", || {
            let ended = collector.records().iter().any(|record| of_it(record, "highwater.memory.episode.ended"));
            let root = |span: &Record| span.instance() == instance && span.field("name") == "memory episode";
            (ended && collector.spans().iter().any(root)).then_some(())
        });
    }
}

#[test]
fn a_folder_on_a_disk_that_hangs_costs_the_files_and_neither_the_start_nor_what_the_profile_says() {
    let test = "a_folder_on_a_disk_that_hangs_costs_the_files_and_neither_the_start_nor_what_the_profile_says";
    let Some(disk) = Disk::of_blocks(test) else { return };
    let collector = Lone::started();
    let folder = disk.path("profiles");
    let frozen = disk.freeze();
    let mut subject = hoarding(&collector.http(), "hung", &[("HIGHWATER_PROFILE_DIR", folder.to_str().unwrap())]);
    let frozen = frozen;
    let capture = captured(&collector, "hung");
    assert!(capture.attribute("highwater.capture.sites").to_string().contains("hoarding::hoard"));
    assert!(capture.attribute("highwater.capture.file").is_null(), "{capture:?}");
    let said = || subject.error().contains("no file of the heap profile: it cannot be written to ");
    wait::until_ok("the missing file is said", || if said() { Ok(()) } else { Err(subject.error()) });
    drop(frozen);
    subject.close_input();
    subject.wait_for_success();
    // What waited is written after all.
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}
