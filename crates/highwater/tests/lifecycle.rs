//! One agent a process: started once, ended once, whatever the host does.
#![allow(clippy::disallowed_methods, reason = "the test's own deadlines")]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test")]

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use highwater::model::Reason;
use highwater::{Agent, Builder, Event, Level, StartError, Target, Threshold};

const PATIENCE: Duration = Duration::from_secs(60);

/// Tests of one binary share a process, and a process has one agent.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An agent that is over its level from the first sample on, and sends to a port that nobody listens on.
fn raised() -> Builder {
    Agent::builder()
        .endpoint("http://127.0.0.1:9")
        .level(Level::Elevated, Threshold::Amount(highwater::Bytes::kib(1)))
        .hold(Level::Elevated, Duration::ZERO)
}

fn listening(builder: Builder) -> (Builder, Receiver<Event>) {
    let (sender, receiver) = channel();
    (builder.on_event(move |event| drop(sender.send(event.clone()))), receiver)
}

#[test]
fn a_second_start_is_a_handle_of_the_first_and_a_second_builder_an_error() {
    let _alone = alone();
    let first = Agent::builder().start().unwrap();
    assert!(matches!(Agent::builder().start(), Err(StartError::AlreadyRunning)));
    let second = highwater::start();
    second.region("shared").add(highwater::Bytes::mib(7));
    assert_eq!(first.region("shared").usage(), highwater::Bytes::mib(7));
    drop(second);
    assert!(matches!(Agent::builder().start(), Err(StartError::AlreadyRunning)), "the first goes on");
    first.shutdown(PATIENCE);
    let third = Agent::builder().start().unwrap();
    assert_eq!(third.region("shared").usage(), highwater::Bytes::ZERO);
}

#[test]
fn who_asks_for_a_heap_profile_of_a_build_without_them_hears_which_feature_is_missing() {
    let _alone = alone();
    let agent = Agent::builder().start().unwrap();
    let why = agent.capture(PATIENCE).unwrap_err().to_string();
    let names = why == "no heap profile: it needs highwater's cargo feature `heap-profile`: turn it on";
    // With the feature, but without jemalloc in this program, that was said at the start.
    assert_eq!(names, !cfg!(feature = "heap-profile"), "{why}");
}

#[test]
fn an_open_episode_is_told_and_ended_by_shutdown() {
    let _alone = alone();
    let (builder, events) = listening(raised());
    let agent = builder.start().unwrap();
    let begun = events.recv_timeout(PATIENCE).unwrap();
    assert_eq!((begun.name(), begun.level()), ("highwater.memory.episode.begun", Some(Level::Elevated)));
    let status = agent.status();
    assert_eq!(status.level, Level::Elevated);
    assert_eq!(status.episode.unwrap().id, begun.episode_id());

    agent.shutdown(PATIENCE);
    let ended = events.recv_timeout(PATIENCE).unwrap();
    assert_eq!((ended.name(), ended.reason()), ("highwater.memory.episode.ended", Some(Reason::Shutdown)));
    assert_eq!(ended.episode_id(), begun.episode_id());
    assert_ne!(ended.uid(), begun.uid());
    assert!(events.recv_timeout(PATIENCE).is_err(), "the callback is dropped with the agent's threads");
    assert_eq!(agent.status().level, Level::Normal);
}

#[test]
fn shutdown_is_idempotent_and_readings_go_on() {
    let _alone = alone();
    let agent = Agent::builder().start().unwrap();
    agent.shutdown(PATIENCE);
    assert!(agent.shutdown(Duration::ZERO));
    if cfg!(target_os = "linux") {
        assert!(agent.sample().process.rss.is_some());
    }
}

#[test]
fn dropping_the_last_handle_ends_the_agent() {
    let _alone = alone();
    let (builder, events) = listening(raised());
    let agent = builder.start().unwrap();
    let clone = agent.clone();
    events.recv_timeout(PATIENCE).unwrap();
    drop(agent);
    assert_eq!(clone.status().level, Level::Elevated);
    drop(clone);
    assert_eq!(events.recv_timeout(PATIENCE).unwrap().reason(), Some(Reason::Shutdown));
}

#[test]
fn an_agent_that_is_dropped_while_its_thread_unwinds_ends_as_ever() {
    let _alone = alone();
    let (builder, events) = listening(raised());
    let unwound = std::panic::catch_unwind(AssertUnwindSafe(move || {
        let _agent = builder.start().unwrap();
        events.recv_timeout(PATIENCE).unwrap();
        std::panic::panic_any(events);
    }));
    let events = *unwound.unwrap_err().downcast::<Receiver<Event>>().unwrap();
    assert_eq!(events.recv_timeout(PATIENCE).unwrap().reason(), Some(Reason::Shutdown));
    assert!(Agent::builder().start().is_ok(), "nothing runs any more");
}

#[test]
fn the_last_handle_can_be_dropped_in_a_callback() {
    let _alone = alone();
    let (give, handles) = channel::<Agent>();
    let (builder, events) = listening(raised().on_event(move |_| drop(handles.recv())));
    give.send(builder.start().unwrap()).unwrap();
    drop(give);
    let names: Vec<_> = events.iter().map(|event| event.name()).collect();
    assert_eq!(names, ["highwater.memory.episode.begun", "highwater.memory.episode.ended"]);
    assert!(Agent::builder().start().is_ok(), "nothing runs any more");
}

#[test]
fn a_callback_that_hangs_delays_neither_judgement_nor_shutdown_beyond_its_deadline() {
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
    let judged = agent.status().sample.unwrap().at;
    let deadline = Instant::now() + PATIENCE;
    while agent.status().sample.unwrap().at == judged {
        assert!(Instant::now() < deadline, "no sample was judged beside a hung callback");
        std::thread::yield_now();
    }
    assert!(!agent.shutdown(Duration::from_millis(50)), "the hung callback is not waited for");
    drop(release);
}

#[test]
fn a_callback_that_panics_is_not_called_again_and_the_others_are() {
    let _alone = alone();
    let (sender, calls) = channel();
    let (builder, events) = listening(raised().on_event(move |_| {
        let _ = sender.send(());
        panic!("the host's fault");
    }));
    let agent = builder.start().unwrap();
    events.recv_timeout(PATIENCE).unwrap();
    agent.shutdown(PATIENCE);
    events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(calls.iter().count(), 1);
}

#[test]
fn callbacks_that_heard_nothing_are_dropped_by_shutdown_and_later_ones_at_once() {
    let _alone = alone();
    let (builder, events) = listening(Agent::builder().endpoint("http://127.0.0.1:9"));
    let agent = builder.start().unwrap();
    let (sender, later) = channel::<Event>();
    let handle = agent.clone();
    agent.on_event(move |event| drop((handle.status(), sender.send(event.clone()))));
    agent.shutdown(PATIENCE);
    assert!(events.recv_timeout(PATIENCE).is_err() && later.recv_timeout(PATIENCE).is_err());
    let (sender, after) = channel::<Event>();
    agent.on_event(move |event| drop(sender.send(event.clone())));
    assert!(after.recv().is_err());
}

#[test]
fn a_shutdown_from_a_callback_does_not_wait_for_itself() {
    let _alone = alone();
    let (sender, returned) = channel();
    let agent = raised().start().unwrap();
    let handle = agent.clone();
    agent.on_event(move |_| {
        let _ = sender.send(handle.shutdown(Duration::from_secs(3600)));
    });
    agent.shutdown(Duration::from_millis(1));
    assert_eq!(returned.recv_timeout(PATIENCE), Ok(false));
    assert!(agent.shutdown(PATIENCE), "a later call waits for the same end");
}

#[test]
fn a_callback_may_call_the_agent_back() {
    let _alone = alone();
    let (sender, heard) = channel();
    let agent = raised().start().unwrap();
    let handle = agent.clone();
    agent.on_event(move |event| {
        let added = sender.clone();
        handle.on_event(move |event| {
            let _ = added.send((event.name(), None));
        });
        let _ = sender.send((event.name(), Some(handle.status().level)));
    });
    // Whether the first event is heard depends on when the callback was added; the end is, by the callback.
    agent.shutdown(PATIENCE);
    let heard: Vec<_> = heard.try_iter().collect();
    assert!(heard.contains(&("highwater.memory.episode.ended", Some(Level::Normal))), "{heard:?}");
}

#[cfg(feature = "otlp")]
#[test]
fn settings_that_cannot_be_used_are_an_error_with_their_key() {
    let _alone = alone();
    let error = Agent::builder()
        .metrics("most")
        .endpoint("collector:4318")
        .interval(Duration::ZERO)
        .level(Level::High, Threshold::Amount(highwater::Bytes::mib(1)))
        .level(Level::Critical, Threshold::Amount(highwater::Bytes::mib(1)))
        .start()
        .unwrap_err();
    let StartError::Config(errors) = &error else { panic!("{error}") };
    let keys: Vec<_> = errors.iter().map(|error| error.key).collect();
    let expected =
        ["HIGHWATER_METRICS", "OTEL_METRIC_EXPORT_INTERVAL", "HIGHWATER_LEVEL_HIGH", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    assert_eq!(keys, expected);
    assert!(error.to_string().contains("collector:4318"), "{error}");
    assert!(Agent::builder().start().is_ok(), "nothing runs after an error");
}

#[test]
fn a_reading_on_demand_counts_the_regions() {
    let _alone = alone();
    let agent = Agent::builder().start().unwrap();
    let region = agent.region("staging");
    region.add(highwater::Bytes::mib(3));
    assert_eq!(agent.sample().external, highwater::Bytes::mib(3));
    region.remove(highwater::Bytes::mib(1));
    assert_eq!(agent.sample().external, highwater::Bytes::mib(2));
}

#[test]
fn an_observer_hears_what_was_told_before_it_came_keeps_no_agent_running_and_sees_its_end() {
    let _alone = alone();
    let (builder, events) = listening(raised());
    let agent = builder.start().unwrap();
    let begun = events.recv_timeout(PATIENCE).unwrap();
    let observer = agent.observer();
    let (sender, receiver) = channel();
    let before = observer.follow(move |event| {
        drop(sender.send(event.clone()));
        ControlFlow::Continue(())
    });
    assert_eq!(before.first().map(Event::uid), Some(begun.uid()));
    assert!(observer.is_running() && !observer.resource().is_empty());
    drop(agent);
    assert!(!observer.is_running());
    assert_eq!(receiver.recv_timeout(PATIENCE).map(|event| event.name()), Ok("highwater.memory.episode.ended"));
    assert!(observer.status().sample.is_some(), "how things stood");
    assert!(observer.follow(|_| ControlFlow::Continue(())).is_empty());
    assert!(Agent::builder().start().is_ok(), "the first is gone");
}

#[test]
fn an_agent_that_does_not_run_names_no_setting_of_what_is_sent_as_the_reason() {
    let _alone = alone();
    let agent = Agent::builder().set("HIGHWATER_DISABLED", "true").start().unwrap();
    assert_eq!(agent.delivery().target, Target::NotRunning);
}
