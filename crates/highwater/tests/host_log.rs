//! A host's log that hangs, panics or calls the agent back: that costs the words in the log, and nothing else.
//!
//! Each in a process of its own, since a process has one log.
#![cfg(all(feature = "otlp", feature = "tracing"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code, outside of test functions")]

use std::fmt::Debug;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use highwater::{Agent, Bytes, Level, Threshold};
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

mod common;

const PATIENCE: Duration = Duration::from_secs(60);

/// A log that does `0` with the text of each line of the agent's.
struct Log<F>(F);

/// For the compiler to see that the text may be of any lifetime.
fn log<F: Fn(&str) + Send + Sync + 'static>(line: F) {
    tracing::subscriber::set_global_default(Log(line)).unwrap();
}

impl<F: Fn(&str) + 'static> Subscriber for Log<F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "highwater"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| {
            if field.name() == "message" {
                text = format!("{value:?}");
            }
        });
        (self.0)(&text);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// An agent that is over its level from the first sample on, and what its collector receives.
fn raised() -> (Agent, Receiver<common::Received>) {
    let (endpoint, received) = common::sink(|| ());
    let agent = Agent::builder()
        .endpoint(&endpoint)
        .level(Level::Elevated, Threshold::Amount(Bytes::kib(1)))
        .hold(Level::Elevated, Duration::ZERO);
    (agent.start().unwrap(), received)
}

/// Waits for an event at the collector.
#[track_caller]
fn arrives(received: &Receiver<common::Received>) {
    loop {
        let request = received.recv_timeout(PATIENCE).expect("an event arrives");
        assert!(!request.body.is_empty());
        if request.path == "/v1/logs" {
            return;
        }
    }
}

#[track_caller]
fn in_a_process_of_its_own(child: &str) {
    let executable = std::env::current_exe().unwrap();
    let status = Command::new(executable).args(["--exact", child, "--ignored"]).status().unwrap();
    assert!(status.success(), "{child}: {status}");
}

#[test]
fn beside_a_log_that_hangs_events_are_sent_and_shutdown_keeps_its_deadline() {
    in_a_process_of_its_own("hangs");
}

#[test]
#[ignore = "another test starts it, in a process of its own"]
fn hangs() {
    let (entered, hanging) = channel();
    log(move |_| {
        let _ = entered.send(());
        loop {
            std::thread::park();
        }
    });
    let (agent, received) = raised();
    hanging.recv_timeout(PATIENCE).unwrap();
    arrives(&received);
    assert_eq!(agent.status().level, Level::Elevated);
    assert!(!agent.shutdown(Duration::from_millis(50)), "what hangs is not waited for");
    // The end of the episode.
    arrives(&received);
}

#[test]
fn a_log_that_panics_silences_neither_callbacks_nor_what_is_sent() {
    in_a_process_of_its_own("panics");
}

#[test]
#[ignore = "another test starts it, in a process of its own"]
fn panics() {
    log(|_| panic!("the host's fault"));
    let (agent, received) = raised();
    let (told, heard) = channel();
    agent.on_event(move |event| told.send(event.name()).unwrap_or_default());
    arrives(&received);
    assert!(agent.shutdown(PATIENCE));
    // Whether the beginning is heard depends on when the callback was added.
    assert_eq!(heard.iter().last(), Some("highwater.memory.episode.ended"));
}

#[test]
fn a_callback_that_panics_is_said_once() {
    in_a_process_of_its_own("callback_panics");
}

#[test]
#[ignore = "another test starts it, in a process of its own"]
fn callback_panics() {
    let (said, words) = channel();
    log(move |text| drop(said.send(text.to_owned())));
    let (agent, _received) = raised();
    agent.on_event(|_| panic!("the host's fault"));
    agent.shutdown(PATIENCE);
    let said = |line: &String| line == "a callback panicked, and is not called again";
    assert_eq!(words.try_iter().filter(said).count(), 1);
}

#[test]
fn a_log_may_call_the_agent_back() {
    in_a_process_of_its_own("calls_back");
}

#[test]
#[ignore = "another test starts it, in a process of its own"]
fn calls_back() {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    let (called, returned) = channel();
    log(move |_| {
        if let Some(agent) = AGENT.get() {
            let read = (agent.status().sample.is_some(), agent.region("log").usage(), agent.sample().used.is_some());
            let _ = called.send((read, agent.shutdown(PATIENCE * 60)));
        }
    });
    let (agent, received) = raised();
    let agent = AGENT.get_or_init(|| agent);
    arrives(&received);
    assert!(agent.shutdown(PATIENCE));
    let ((sampled, usage, _), delivered) = returned.try_iter().last().expect("the log has heard of the end");
    assert_eq!((sampled, usage), (true, Bytes::ZERO));
    assert!(!delivered, "a shutdown from the log does not wait for itself");
}
