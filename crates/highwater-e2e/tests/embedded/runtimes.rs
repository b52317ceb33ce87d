//! In any runtime, or none: what is told does not wait for a busy executor, and the agent can be dropped inside of it.

use highwater_e2e::peers::Peers;
use highwater_e2e::process::Program;
use highwater_e2e::{binary, wait};

use super::instance;

#[test]
fn an_episode_is_told_in_a_program_without_a_runtime() {
    is_told("none");
}

#[test]
fn an_episode_is_told_while_a_current_thread_runtime_is_stuck() {
    is_told("current-thread");
}

#[test]
fn an_episode_is_told_while_a_multi_thread_runtime_is_stuck() {
    is_told("multi-thread");
}

/// The subject takes memory over a level and then holds its executor's only thread until its input ends.
#[track_caller]
fn is_told(runtime: &str) {
    let peers = Peers::shared();
    let (id, resource) = instance();
    let program = Program::at(&binary::example("subject")).arg(runtime).with_input();
    let program = program.variables(&peers.variables()).variables(&[
        ("OTEL_RESOURCE_ATTRIBUTES", &resource),
        ("HIGHWATER_LIMIT", "64MiB"),
        ("HIGHWATER_HOLD_ELEVATED", "0s"),
        ("HIGHWATER_HOLD_HIGH", "0s"),
    ]);
    let mut subject = program.start();
    let arrives = |name: &str| {
        wait::until_ok(&format!("the collector has {name}"), || {
            let records = peers.collector.records_of(&id);
            let record = records.iter().find(|record| record.name() == name).cloned();
            record.ok_or_else(|| format!("{records:?}"))
        })
    };
    let begun = arrives("highwater.memory.episode.begun");
    let level = format!("highwater_memory_level{{instance=\"{id}\"}}");
    peers.prometheus.wait_for(&level, |level| level > 0.0);
    assert!(!subject.output().contains("went on"), "the executor was to be stuck");

    subject.close_input();
    subject.wait_for_success();
    assert_eq!(subject.output(), "stuck\nwent on\n");
    let ended = arrives("highwater.memory.episode.ended");
    assert_eq!(ended.attribute("highwater.ended_by"), "shutdown");
    let trace = begun.field("traceId").as_str().unwrap();
    assert_eq!(ended.field("traceId"), trace);
    peers.jaeger.wait_for_span(trace, "memory episode");
}
