//! An episode that is open when the process is asked to end.

use std::time::Duration;

use highwater_e2e::wait;

use super::{Line, MIB};

#[test]
fn sigterm_ends_an_open_episode_and_delivers_it() {
    ends("sigterm_ends_an_open_episode_and_delivers_it", "TERM");
}

#[test]
fn ctrl_c_ends_an_open_episode_and_delivers_it() {
    ends("ctrl_c_ends_an_open_episode_and_delivers_it", "INT");
}

fn ends(test: &str, signal: &str) {
    let Some(mut line) = Line::start(test, 64 * MIB, &[]) else { return };
    line.fill(88);
    let id = line.demo.wait_for_level("high");
    let demo = line.demo.process_mut();
    demo.signal(signal);
    let took = demo.wait_for_success();
    assert!(took < Duration::from_secs(5), "{took:?}");

    let trace = line.peers.jaeger.wait_for_span(&id, "memory episode");
    let root = trace.the("memory episode");
    assert_eq!(root.tag("highwater.ended_by"), "shutdown");
    assert_eq!((root.tag("otel.status_code"), root.tag("error")), (&"ERROR".into(), &true.into()));
    assert_eq!(root.tag("highwater.previous_level"), "high");
    let stay = trace.the("memory high");
    assert!(stay.end().abs_diff(root.end()) <= 2, "the last stay ends with the episode: {trace:?}");

    let end = wait::until("the collector's file has the end", || {
        line.records().into_iter().find(|record| record.name() == "highwater.memory.episode.ended")
    });
    assert_eq!(end.attribute("highwater.reason"), "shutdown");
    assert_eq!(end.attribute("highwater.ended_by"), "shutdown");
    assert_eq!((end.field("traceId"), end.field("spanId")), (&id.as_str().into(), &root.id.as_str().into()));
}
