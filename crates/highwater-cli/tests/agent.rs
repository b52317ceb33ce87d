//! From end to end: what an agent records of its own process is replayed to what it told.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::hint::black_box;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use highwater::{Agent, Bytes, Event, Level, Threshold};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn what_an_agent_records_is_replayed_to_what_it_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.csv");
    let (sender, events) = channel::<Event>();
    // Below the limit of any machine's cgroup, so that its own binds.
    let agent = Agent::builder()
        .limit(Bytes::mib(128))
        .level(Level::Elevated, Threshold::Amount(Bytes::mib(64)))
        .hold(Level::Elevated, Duration::ZERO)
        .hold_leave(Duration::from_secs(1))
        .record(&path)
        .on_event(move |event| drop(sender.send(event.clone())))
        .start()
        .unwrap();
    let held = black_box(vec![1_u8; 80 << 20]);
    let begun = events.recv_timeout(PATIENCE).unwrap();
    drop(held);
    let ended = events.recv_timeout(PATIENCE).unwrap();
    assert!(agent.shutdown(PATIENCE));

    let output = Command::new(env!("CARGO_BIN_EXE_highwater"))
        .args(["replay", "--level", "elevated=64MiB", "--hold", "elevated=0s", "--hold", "leave=1s"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let replayed: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(replayed.len(), 2, "{replayed:#?}");
    for (live, replayed) in [begun, ended].iter().zip(&replayed) {
        let text = |name: &str| replayed.get(name).and_then(Value::as_str).map(str::to_owned);
        assert_eq!(text("event").as_deref(), Some(live.name()));
        assert_eq!(text("reason").as_deref(), live.reason().map(|reason| reason.as_str()));
        assert_eq!(text("level").as_deref(), live.level().map(Level::as_str));
        assert_eq!(text("cause").as_deref(), live.cause().map(|cause| cause.as_str()));
        let number = |name: &str| replayed.get(name).and_then(Value::as_u64);
        assert_eq!(number("memory.used"), live.sample().used.map(Bytes::get));
        assert_eq!(number("memory.limit"), Some(128 << 20));
        assert_eq!(number("process.memory.usage"), live.sample().process.rss.map(Bytes::get));
        assert_eq!(number("episode"), Some(1));
    }
}
