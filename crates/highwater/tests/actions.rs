//! What a program does about pressure: when it runs, what is told of it, and what it cannot hold up.
#![cfg(feature = "otlp")]
#![allow(clippy::disallowed_methods, reason = "the test's own deadlines")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test")]

use std::error::Error;
use std::hint::black_box;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use highwater::{Action, Agent, Builder, Bytes, Ended, Event, Level, PressureReading, Threshold};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};

const PATIENCE: Duration = Duration::from_secs(60);

/// Tests of one binary share a process, and a process has one agent.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An action that is a function.
struct Does<F>(&'static str, F);

impl<F: FnMut(&PressureReading) + Send> Action for Does<F> {
    fn name(&self) -> &'static str {
        self.0
    }

    fn act(&mut self, reading: &PressureReading) -> Result<(), Box<dyn Error + Send + Sync>> {
        (self.1)(reading);
        Ok(())
    }
}

fn does<F: FnMut(&PressureReading) + Send>(name: &'static str, action: F) -> Does<F> {
    Does(name, action)
}

/// An agent that enters and leaves `elevated` at once, `below` what is used now.
fn at_once(below: Bytes) -> Builder {
    let used = Agent::builder().set("HIGHWATER_DISABLED", "true").start().unwrap().sample().used.unwrap();
    Agent::builder()
        .level(Level::Elevated, Threshold::Amount(used.saturating_sub(below)))
        .hold(Level::Elevated, Duration::ZERO)
        .hold_leave(Duration::ZERO)
}

/// An agent that is over its level from the first sample on.
fn raised() -> Builder {
    Agent::builder()
        .endpoint("http://127.0.0.1:9")
        .level(Level::Elevated, Threshold::Amount(Bytes::kib(1)))
        .hold(Level::Elevated, Duration::ZERO)
}

fn listening(builder: Builder) -> (Builder, Receiver<Event>) {
    let (sender, receiver) = channel();
    (builder.on_event(move |event| drop(sender.send(event.clone()))), receiver)
}

fn attribute(span: &SpanData, name: &str) -> i64 {
    let value = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    match &value.unwrap_or_else(|| panic!("{name} of {span:?}")).value {
        opentelemetry::Value::I64(number) => *number,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn an_action_is_measured_and_told_as_a_span_of_its_episode_although_that_has_ended_meanwhile() {
    const MIB: i64 = 1 << 20;
    let _alone = alone();
    let spans = InMemorySpanExporter::default();
    let tracers = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let mut held = black_box(vec![1_u8; 128 << 20]);
    let (to_action, ended) = channel::<()>();
    let (builder, events) = listening(at_once(Bytes::mib(64)).tracer_provider(&tracers));
    let agent = builder
        .action(
            Level::Elevated,
            does("drop cache", move |reading| {
                assert_eq!(reading.level, Level::Elevated);
                drop(std::mem::take(&mut held));
                // The episode ends before the action does.
                ended.recv_timeout(PATIENCE).unwrap();
            }),
        )
        .start()
        .unwrap();

    let begun = events.recv_timeout(PATIENCE).unwrap();
    let last = events.recv_timeout(PATIENCE).unwrap();
    assert_eq!((begun.name(), last.name()), ("highwater.memory.episode.begun", "highwater.memory.episode.ended"));
    to_action.send(()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let action = loop {
        let spans = spans.get_finished_spans().unwrap();
        if let Some(action) = spans.into_iter().find(|span| span.name == "action drop cache") {
            break action;
        }
        assert!(Instant::now() < deadline, "no span of the action");
        std::thread::yield_now();
    };
    agent.shutdown(PATIENCE);

    let spans = spans.get_finished_spans().unwrap();
    let root = spans.iter().find(|span| span.name == "memory episode").unwrap();
    assert_eq!(action.parent_span_id, root.span_context.span_id());
    assert_eq!(action.span_context.trace_id().to_bytes(), begun.episode_id().unwrap().to_bytes());
    assert!(action.start_time >= root.start_time && action.end_time >= root.end_time, "{action:?} of {root:?}");
    let freed = attribute(&action, "highwater.before") - attribute(&action, "highwater.after");
    assert!((100 * MIB..150 * MIB).contains(&freed), "{action:?}");
    let resident = -attribute(&action, "highwater.rss_delta");
    assert!((100 * MIB..150 * MIB).contains(&resident), "{action:?}");
}

#[test]
fn an_action_that_hangs_silences_nothing_and_shutdown_keeps_its_deadline() {
    let _alone = alone();
    let (entered, inside) = channel();
    let (release, released) = channel::<()>();
    let (builder, events) = listening(raised());
    let hangs = does("hang", move |_| {
        let _ = entered.send(());
        let _ = released.recv();
    });
    let agent = builder.action(Level::Elevated, hangs).start().unwrap();
    inside.recv_timeout(PATIENCE).unwrap();
    assert_eq!(events.recv_timeout(PATIENCE).unwrap().name(), "highwater.memory.episode.begun");
    let judged = agent.status().sample.unwrap().at;
    let deadline = Instant::now() + PATIENCE;
    while agent.status().sample.unwrap().at == judged {
        assert!(Instant::now() < deadline, "no sample was judged beside a hung action");
        std::thread::yield_now();
    }
    let clock = Instant::now();
    assert!(!agent.shutdown(Duration::from_millis(500)), "the hung action is not waited for");
    assert!(clock.elapsed() < PATIENCE, "{:?}", clock.elapsed());
    let last = events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(last.name(), "highwater.memory.episode.ended", "what is told at the end is told");
    assert!(events.recv_timeout(PATIENCE).is_err(), "the thread that tells has ended");
    drop(release);
    assert!(agent.shutdown(PATIENCE), "the action has ended, and its thread");
}

#[test]
fn the_agent_can_be_shut_down_and_dropped_by_an_action() {
    let _alone = alone();
    let (give, handles) = channel::<Agent>();
    let (returned, result) = channel();
    let action = does("stop", move |_| {
        let agent = handles.recv_timeout(PATIENCE).unwrap();
        let _ = returned.send(agent.shutdown(PATIENCE * 60));
    });
    give.send(raised().action(Level::Elevated, action).start().unwrap()).unwrap();
    assert_eq!(result.recv_timeout(PATIENCE), Ok(false), "it does not wait for itself");
    assert!(Agent::builder().start().is_ok(), "nothing runs any more");
}

#[test]
fn actions_that_never_ran_are_dropped_with_the_agent() {
    let _alone = alone();
    let (sender, held) = channel::<()>();
    let idle = does("idle", move |_| {
        let _ = sender.send(());
    });
    let agent = Agent::builder().endpoint("http://127.0.0.1:9").action(Level::Critical, idle).start().unwrap();
    assert!(agent.shutdown(PATIENCE));
    assert!(held.recv_timeout(PATIENCE).is_err());
}

#[test]
fn a_purge_without_jemalloc_and_an_action_at_normal_are_errors_or_words_and_nothing_worse() {
    let _alone = alone();
    assert!(Agent::builder().purge(Level::High).start().is_ok(), "said once");
    let error = Agent::builder().action(Level::Normal, does("idle", |_| ())).start().unwrap_err();
    assert!(error.to_string().starts_with("action=\"idle\": at normal there is nothing"), "{error}");
    let error = Agent::builder().purge(Level::Normal).start().unwrap_err();
    assert!(error.to_string().starts_with("HIGHWATER_PURGE=\"normal\": not a level to purge at"), "{error}");
}

#[test]
fn who_waits_hears_of_the_level_and_of_the_end() {
    let _alone = alone();
    let agent = raised().start().unwrap();
    let pressure = agent.pressure();
    let waiting = std::thread::spawn(move || {
        let up = pressure.wait(Level::Normal, PATIENCE);
        let reading = pressure.reading();
        let down = pressure.wait(Level::Elevated, PATIENCE);
        (up, reading.used.is_some(), down, pressure.wait(Level::Normal, PATIENCE))
    });
    while agent.pressure().level() == Level::Normal {
        std::thread::yield_now();
    }
    assert_eq!(agent.status().level, Level::Elevated, "the judge's level");
    agent.shutdown(PATIENCE);
    let heard = waiting.join().unwrap();
    // A thread that comes late finds the end, which is news as well.
    let late = (Err(Ended), false, Ok(Some(Level::Normal)), Err(Ended));
    assert!(heard == (Ok(Some(Level::Elevated)), true, Ok(Some(Level::Normal)), Err(Ended)) || heard == late);
}

#[test]
fn beside_a_callback_that_hangs_who_waits_hears_of_the_end_when_shutdown_returns() {
    let _alone = alone();
    let (entered, in_callback) = channel();
    let (release, released) = channel::<()>();
    let agent = raised()
        .on_event(move |_| {
            let _ = entered.send(());
            let _ = released.recv();
        })
        .start()
        .unwrap();
    in_callback.recv_timeout(PATIENCE).unwrap();
    let pressure = agent.pressure();
    let waiting = std::thread::spawn(move || pressure.wait(Level::Elevated, PATIENCE));
    assert!(!agent.shutdown(Duration::from_millis(50)));
    assert_eq!(waiting.join().unwrap(), Ok(Some(Level::Normal)));
    drop(release);
}

#[test]
fn a_disabled_agent_has_no_pressure_and_waits_end() {
    let _alone = alone();
    let agent = raised().set("HIGHWATER_DISABLED", "true").start().unwrap();
    assert_eq!(agent.pressure().level(), Level::Normal);
    assert_eq!(agent.pressure().wait(Level::Normal, PATIENCE), Err(Ended));
    assert_eq!(agent.pressure().reading(), PressureReading::default());
}
