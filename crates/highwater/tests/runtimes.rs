//! Waiting for a level in an async runtime of each kind, and in none.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::pin::pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use highwater::{Agent, Bytes, Ended, Level, Pressure, Threshold};

const PATIENCE: Duration = Duration::from_secs(60);

/// Tests of one binary share a process, and a process has one agent.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An agent that is over its level from the first sample on.
fn start() -> Agent {
    Agent::builder()
        .set("OTEL_SDK_DISABLED", "true")
        .level(Level::Elevated, Threshold::Amount(Bytes::kib(1)))
        .hold(Level::Elevated, Duration::ZERO)
        .start()
        .unwrap()
}

/// Each level up to the end; says each that it hears of.
async fn follow(pressure: Pressure, heard: Sender<Level>) -> Vec<Level> {
    let mut levels = vec![Level::Normal];
    while let Some(last) = levels.last() {
        match pressure.changed(*last).await {
            Ok(level) => {
                let _ = heard.send(level);
                levels.push(level);
            }
            Err(Ended) => break,
        }
    }
    levels
}

#[test]
fn tasks_of_a_current_thread_runtime_hear_of_each_level_and_of_the_end() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    hears(&runtime);
}

#[test]
fn tasks_of_a_multi_thread_runtime_hear_of_each_level_and_of_the_end() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    hears(&runtime);
}

fn hears(runtime: &tokio::runtime::Runtime) {
    const TASKS: usize = 1_000;
    let (agent, (heard, raised)) = (start(), channel());
    let tasks: Vec<_> = (0..TASKS).map(|_| runtime.spawn(follow(agent.pressure(), heard.clone()))).collect();
    let ending = thread::spawn(move || {
        for _ in 0..TASKS {
            assert_eq!(raised.recv_timeout(PATIENCE), Ok(Level::Elevated));
        }
        agent.shutdown(PATIENCE);
    });
    for task in tasks {
        assert_eq!(runtime.block_on(task).unwrap(), [Level::Normal, Level::Elevated, Level::Normal]);
    }
    ending.join().unwrap();
}

#[test]
fn without_a_runtime_a_thread_that_parks_is_enough() {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let _alone = alone();
    let agent = start();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let pressure = agent.pressure();
    let mut raised = pin!(pressure.changed(Level::Normal));
    let level = loop {
        match raised.as_mut().poll(&mut context) {
            Poll::Ready(level) => break level,
            Poll::Pending => thread::park_timeout(PATIENCE),
        }
    };
    assert_eq!(level, Ok(Level::Elevated));
    agent.shutdown(PATIENCE);
}

#[test]
fn a_wait_that_is_given_up_when_its_runtime_is_dropped_leaves_the_others_alone() {
    let _alone = alone();
    let (agent, runtime) = (start(), tokio::runtime::Builder::new_current_thread().build().unwrap());
    let pressure = agent.pressure();
    let (heard, raised) = channel();
    runtime.spawn({
        let pressure = pressure.clone();
        async move {
            let _ = heard.send(pressure.changed(Level::Normal).await);
            let _ = heard.send(pressure.changed(Level::Elevated).await);
        }
    });
    let level = loop {
        runtime.block_on(tokio::task::yield_now());
        if let Ok(level) = raised.try_recv() {
            break level;
        }
    };
    assert_eq!(level, Ok(Level::Elevated));
    drop(runtime);
    assert!(raised.try_recv().is_err(), "it was dropped while it waited");
    agent.shutdown(PATIENCE);
    assert_eq!(pressure.wait(Level::Normal, PATIENCE), Err(Ended));
}
